//! Advisories, ready to be asked.

use std::collections::{HashMap, HashSet};

use model::{
    Advisory, Affected, Ecosystem, ExploitedVulnerability, JoinBy, PackagePattern, Platform, Release,
    ReleaseScope, VulnerabilityId,
};

use crate::glob::glob_matches;
use crate::snapshot::Coverage;

/// Advisories of all feeds, indexed by ecosystem and package name: a question about one package costs
/// what is said about that name (and a look at each name pattern), however many advisories there are.
#[derive(Debug, Clone, Default)]
pub struct AdvisoryIndex {
    advisories: Vec<Advisory>,
    /// The numbers of each advisory's ids, beside `advisories`.
    ids: Vec<Vec<IdNumber>>,
    numbers: HashMap<String, IdNumber>,
    cves: HashSet<IdNumber>,
    coverage: Vec<Coverage>,
    exploited: HashMap<IdNumber, ExploitedVulnerability>,
    by_name: HashMap<Table, HashMap<Box<str>, Vec<Statement>>>,
    by_pattern: HashMap<Table, Vec<(Box<str>, Statement)>>,
}

type Table = (Ecosystem, JoinBy);

/// An id without regard to case, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IdNumber(u32);

/// One `affected` part of one advisory, as positions in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Statement {
    pub advisory: usize,
    pub affected: usize,
}

impl AdvisoryIndex {
    /// Builds the index. The order of the parts does not matter for what it answers. Of advisories
    /// with the same feed and key the first counts.
    pub fn new(
        mut advisories: Vec<Advisory>,
        mut coverage: Vec<Coverage>,
        exploited: Vec<ExploitedVulnerability>,
    ) -> Self {
        advisories.sort_by(|a, b| (&a.feed, &a.key).cmp(&(&b.feed, &b.key)));
        advisories.dedup_by(|later, first| later.feed == first.feed && later.key == first.key);
        coverage.sort();
        coverage.dedup();
        let mut index = Self { coverage, ..Self::default() };
        for (position, advisory) in advisories.iter().enumerate() {
            let ids = advisory.ids().map(|id| index.number(id)).collect();
            index.ids.push(ids);
            for (affected, part) in advisory.affected.iter().enumerate() {
                index.insert(part, Statement { advisory: position, affected });
            }
        }
        for entry in exploited {
            let number = index.number(&entry.id);
            index.exploited.insert(number, entry);
        }
        index.advisories = advisories;
        index
    }

    /// Returns the advisories, ordered by feed and key.
    pub fn advisories(&self) -> &[Advisory] {
        &self.advisories
    }

    /// Returns what the feeds speak of, sorted.
    pub fn coverage(&self) -> &[Coverage] {
        &self.coverage
    }

    /// Says whether any feed speaks of the platform's release. If none does, the state of its
    /// packages is unknown: absence of an entry says nothing.
    pub fn covers(&self, platform: &Platform) -> bool {
        self.covers_release(platform.ecosystem, &platform.release)
    }

    /// Returns the catalogue's entry about a vulnerability, if it is being exploited.
    pub fn exploited(&self, id: &VulnerabilityId) -> Option<&ExploitedVulnerability> {
        self.exploited.get(self.numbers.get(&id.as_str().to_ascii_uppercase())?)
    }

    /// Returns the advisories known by an id (a CVE, a GHSA, a DSA, a vid), without regard to case. None =
    /// no feed speaks of it, which is another answer than "no host is affected".
    pub fn about(&self, id: &VulnerabilityId) -> impl Iterator<Item = &Advisory> {
        let number = self.numbers.get(&id.as_str().to_ascii_uppercase()).copied();
        let ids = self.ids.iter().zip(&self.advisories);
        ids.filter(move |(ids, _)| number.is_some_and(|it| ids.contains(&it))).map(|(_, advisory)| advisory)
    }

    pub(crate) fn covers_release(&self, ecosystem: Ecosystem, release: &Release) -> bool {
        self.coverage.iter().any(|it| it.ecosystem == ecosystem && it.release.contains(release))
    }

    /// Every statement about a name, whatever its release, in order.
    pub(crate) fn statements(
        &self,
        ecosystem: Ecosystem,
        join_by: JoinBy,
        name: &str,
        found: &mut Vec<Statement>,
    ) {
        let table = (ecosystem, join_by);
        found.extend(self.by_name.get(&table).and_then(|names| names.get(name)).into_iter().flatten());
        let patterns = self.by_pattern.get(&table).into_iter().flatten();
        found.extend(patterns.filter(|(pattern, _)| glob_matches(pattern, name)).map(|(_, it)| *it));
    }

    pub(crate) fn advisory(&self, statement: Statement) -> &Advisory {
        &self.advisories[statement.advisory]
    }

    pub(crate) fn affected(&self, statement: Statement) -> &Affected {
        &self.advisories[statement.advisory].affected[statement.affected]
    }

    /// The numbers of an advisory's ids, that of its first id first.
    pub(crate) fn id_numbers(&self, advisory: usize) -> &[IdNumber] {
        &self.ids[advisory]
    }

    pub(crate) fn is_cve(&self, id: IdNumber) -> bool {
        self.cves.contains(&id)
    }

    pub(crate) fn is_exploited(&self, advisory: usize) -> bool {
        self.ids[advisory].iter().any(|number| self.exploited.contains_key(number))
    }

    fn number(&mut self, id: &VulnerabilityId) -> IdNumber {
        let next = IdNumber(u32::try_from(self.numbers.len()).unwrap_or(u32::MAX));
        let number = *self.numbers.entry(id.as_str().to_ascii_uppercase()).or_insert(next);
        if id.is_cve() {
            self.cves.insert(number);
        }
        number
    }

    fn insert(&mut self, part: &Affected, statement: Statement) {
        let table = (part.ecosystem, part.join_by);
        match &part.package {
            PackagePattern::Exact(name) => {
                let names = self.by_name.entry(table).or_default();
                match names.get_mut(name.as_str()) {
                    Some(statements) => statements.push(statement),
                    None => drop(names.insert(name.as_str().into(), vec![statement])),
                }
            }
            PackagePattern::Glob(pattern) => {
                self.by_pattern.entry(table).or_default().push((pattern.as_str().into(), statement));
            }
        }
    }
}

/// Says whether a scope names exactly one release and which.
pub(crate) fn only(scope: &ReleaseScope) -> Option<&Release> {
    match scope {
        ReleaseScope::Any => None,
        ReleaseScope::Only(release) => Some(release),
    }
}
