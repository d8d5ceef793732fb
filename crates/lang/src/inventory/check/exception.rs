//! What exceptions name.

use model::{Code, Exception, Inventory, Person, Problem};

use super::{Check, Names, Referrer};
use crate::inventory::session::DeclaredException;

impl Check<'_> {
    /// Looks up who answers for each exception and which hosts it takes. An exception that takes none is kept
    /// and reported: it may be left over, or mistyped.
    pub(super) fn exceptions(
        &mut self,
        declared: Vec<DeclaredException>,
        inventory: &Inventory,
    ) -> Vec<Exception> {
        let people: Names<'_, Person> = inventory.people.iter().map(|it| (it.name.as_str(), it)).collect();
        let selectors: Vec<_> = declared.iter().map(|it| &it.hosts).collect();
        let counts: Vec<usize> = inventory.selected(&selectors).iter().map(Vec::len).collect();
        let mut exceptions = Vec::new();
        for (declared, count) in declared.into_iter().zip(counts) {
            let DeclaredException { vulnerability, hosts, owner, reason, until, place } = declared;
            let from = Referrer { who: format!("the exception of {vulnerability}"), place: &place };
            let owner = self.find(&from, "person", &owner, &people).map(|person| person.name.clone());
            if count == 0 && !self.is_partial && self.unread.is_empty() {
                let message = format!("the exception of {vulnerability} takes no host: `{hosts}`");
                let problem = Problem::new(Code::InventoryExceptionUnused, place.clone(), message);
                self.problems.push(problem.with_hint("remove it, or correct `hosts`"));
            }
            let Some(owner) = owner else { continue };
            exceptions.push(Exception { vulnerability, hosts, owner, reason, until, place });
        }
        exceptions.sort_by(|a, b| (&a.vulnerability, &a.place).cmp(&(&b.vulnerability, &b.place)));
        exceptions
    }
}
