//! Findings that a person has accepted for some time, by `exception()` in the inventory.

use jiff::Timestamp;
use model::{PersonName, VulnerabilityId};
use store::{ClientScope, DeclaredException, HostSet};

use super::OpenFinding;
use crate::error::Error;
use crate::inquiry::Inquiry;

/// A finding on the hosts where it is accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedFinding {
    /// The finding, on these hosts alone.
    pub finding: OpenFinding,
    /// Who has accepted it, why, and until when.
    pub by: Vec<Acceptance>,
}

/// Who answers for leaving something open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acceptance {
    /// From then on it does not count.
    pub until: Timestamp,
    /// Who.
    pub owner: PersonName,
    /// Why.
    pub reason: String,
}

/// The exceptions that count now.
pub(super) struct Exceptions(Vec<(DeclaredException, HostSet)>);

/// The hosts of a finding where it is open, and those where it is accepted.
pub(super) struct Split {
    pub open: HostSet,
    pub accepted: HostSet,
    pub by: Vec<Acceptance>,
}

impl Exceptions {
    /// Reads those of a scope.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(super) async fn read(inquiry: &Inquiry, scope: &ClientScope) -> Result<Self, Error> {
        let now = inquiry.clock.now();
        let mut current = inquiry.store.exceptions(scope).await?;
        current.retain(|exception| exception.counts_at(now));
        let with_hosts = |exception: DeclaredException| {
            let mut hosts = HostSet::default();
            exception.hosts.iter().for_each(|(id, (client, _))| hosts.insert(client, *id));
            (exception, hosts)
        };
        Ok(Self(current.into_iter().map(with_hosts).collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the hosts apart for which one of the ids is accepted; `None` = there are none of these.
    pub(super) fn split(&self, ids: &[&VulnerabilityId], hosts: &HostSet) -> Option<Split> {
        let is_about = |id: &VulnerabilityId| ids.iter().any(|asked| asked.same(id));
        let mut about = self.0.iter().filter(|(exception, _)| is_about(&exception.vulnerability)).peekable();
        about.peek()?;
        let mut split = Split { open: hosts.clone(), accepted: HostSet::default(), by: Vec::new() };
        for (exception, its_hosts) in about {
            let mut taken = hosts.clone();
            taken.intersect_with(its_hosts);
            if taken.is_empty() {
                continue;
            }
            split.open.subtract(&taken);
            split.accepted.union_with(&taken);
            split.by.push(Acceptance {
                until: exception.until,
                owner: exception.owner.clone(),
                reason: exception.reason.clone(),
            });
        }
        split.by.sort();
        split.by.dedup();
        (!split.by.is_empty()).then_some(split)
    }
}
