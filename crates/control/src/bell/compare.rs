//! Compares what was announced with what is so now. Pure: no clock, no store.
//!
//! A host has a vulnerability of a source package where any of its package versions has it. Which hosts
//! are news follows
//! - for hosts whose sets changed, from the old sets under the old findings against the new ones,
//! - for all others, from the package versions whose findings changed, by posting lists.
//!
//! What cannot be judged any more is neither vulnerable nor fixed: it is held, silently, until it can be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Ecosystem, PackageName, VulnerabilityId};
use store::{
    AnnouncedFinding, BellBase, BellHost, BellHosts, BellSets, BellState, HostSet, PackageVersionId,
    SetBodies,
};

use super::judged::{Judged, JudgedVersion};

/// What happened to a vulnerability of a source package on hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnnouncementKind {
    /// They are vulnerable and were not, or it was not known.
    New,
    /// They were vulnerable before, and now it is known to be exploited.
    Exploited,
    /// They were vulnerable and are not any more.
    Fixed,
    /// They have what they had, and no advisory calls it vulnerable any more.
    Withdrawn,
}

impl AnnouncementKind {
    /// Every kind, the worst first.
    pub const ALL: [Self; 4] = [Self::New, Self::Exploited, Self::Fixed, Self::Withdrawn];

    /// Returns the word for it in lines and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Exploited => "exploited",
            Self::Fixed => "fixed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One change, not yet grouped for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: AnnouncementKind,
    pub(super) finding: AnnouncedFinding,
    /// Whether the hosts, or the feed that says so, were looked at for the first time: no news then.
    pub(super) is_first_look: bool,
    pub(super) hosts: HostSet,
}

/// What a comparison comes to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) changes: Vec<Change>,
    /// Package versions of which something else is announced now.
    pub(super) announced: BTreeMap<PackageVersionId, Vec<AnnouncedFinding>>,
    /// Hosts of which something else is announced now.
    pub(super) hosts: Vec<(BellHost, BellBase)>,
    /// Hosts that were never looked at before.
    pub(super) first_seen: HostSet,
}

/// A finding's number within one comparison.
type Number = u32;

/// A package version's findings, ascending.
#[derive(Debug, Default)]
struct Findings {
    old: Vec<Number>,
    next: Vec<Number>,
    /// Those of `next` of which a feed speaks that spoke of the release before.
    news: Vec<Number>,
}

/// Package versions before and after, ready to be asked for hosts.
pub(super) struct Comparison<'a> {
    judged: &'a Judged,
    findings: Vec<AnnouncedFinding>,
    numbers: HashMap<(Ecosystem, PackageName, VulnerabilityId), Number>,
    versions: BTreeMap<PackageVersionId, Findings>,
    announced: BTreeMap<PackageVersionId, Vec<AnnouncedFinding>>,
    newly_exploited: BTreeSet<Number>,
}

impl<'a> Comparison<'a> {
    /// Compares package version by package version.
    pub(super) fn new(before: &BellState, judged: &'a Judged) -> Self {
        let mut it = Self {
            judged,
            findings: Vec::new(),
            numbers: HashMap::new(),
            versions: BTreeMap::new(),
            announced: BTreeMap::new(),
            newly_exploited: BTreeSet::new(),
        };
        let ids: BTreeSet<_> = before.announced.keys().chain(judged.versions.keys()).copied().collect();
        for id in ids {
            let old = before.announced.get(&id).map_or(&[][..], Vec::as_slice);
            it.version(id, old, judged.versions.get(&id), before);
        }
        let is_newly_exploited = |finding: &AnnouncedFinding| {
            let id = finding.vulnerability.as_str();
            judged.exploited.contains(id) && !before.exploited.contains(id)
        };
        let numbered = (0..).zip(&it.findings).filter(|(_, finding)| is_newly_exploited(finding));
        it.newly_exploited = numbered.map(|(number, _)| number).collect();
        it
    }

    fn version(
        &mut self,
        id: PackageVersionId,
        old: &[AnnouncedFinding],
        judged: Option<&JudgedVersion>,
        before: &BellState,
    ) {
        let mut findings =
            Findings { old: old.iter().map(|it| self.number(it)).collect(), ..Findings::default() };
        findings.old.sort_unstable();
        let Some(judged) = judged.filter(|it| it.is_covered) else {
            // Nobody has it now, or nobody speaks of its release any more: what was known stays.
            findings.next.clone_from(&findings.old);
            self.versions.insert(id, findings);
            return;
        };
        let mut next = Vec::with_capacity(judged.vulnerable.len());
        for (finding, ground) in &judged.vulnerable {
            let number = self.number(finding);
            findings.next.push(number);
            if ground.is_in(&before.coverage) || !ground.is_in(&self.judged.coverage) {
                findings.news.push(number);
            }
            next.push(finding.clone());
        }
        for finding in old.iter().filter(|it| judged.unknown.contains(&it.vulnerability)) {
            let number = self.number(finding);
            if !findings.next.contains(&number) {
                findings.next.push(number);
                next.push(finding.clone());
            }
        }
        findings.next.sort_unstable();
        findings.news.sort_unstable();
        if findings.next != findings.old {
            next.sort();
            self.announced.insert(id, next);
        }
        if !(findings.old.is_empty() && findings.next.is_empty()) {
            self.versions.insert(id, findings);
        }
    }

    fn number(&mut self, finding: &AnnouncedFinding) -> Number {
        let key = (finding.ecosystem, finding.source.clone(), finding.vulnerability.clone());
        let findings = &mut self.findings;
        *self.numbers.entry(key).or_insert_with(|| {
            findings.push(finding.clone());
            Number::try_from(findings.len() - 1).unwrap_or(Number::MAX)
        })
    }

    /// Returns the package versions whose hosts must be known: all that have a finding which has come to
    /// or gone from any version, or which is exploited now.
    pub(super) fn versions_to_ask(&self) -> Vec<PackageVersionId> {
        let touched = self.touched();
        let has_touched = |findings: &Findings| {
            findings.old.iter().chain(&findings.next).any(|number| touched.contains(number))
        };
        self.versions.iter().filter(|(_, findings)| has_touched(findings)).map(|(id, _)| *id).collect()
    }

    fn touched(&self) -> BTreeSet<Number> {
        let mut touched = self.newly_exploited.clone();
        for findings in self.versions.values() {
            touched.extend(difference(&findings.old, &findings.next));
            touched.extend(difference(&findings.next, &findings.old));
        }
        touched
    }

    /// Follows the differences to hosts. `None`: a host has a package version that was not judged, so it
    /// was scanned meanwhile, and all has to be looked at again.
    pub(super) fn follow(mut self, hosts: BellHosts) -> Option<Compared> {
        let mut changes = Changes::default();
        self.follow_unchanged(&hosts, &mut changes);
        let BellHosts { changed, sets, .. } = hosts;
        let mut compared = Compared::default();
        for host in changed {
            let base = self.follow_changed(&host, &sets, &mut changes)?;
            if host.before.is_none() {
                host.add_to(&mut compared.first_seen);
            }
            if host.before.as_ref() != Some(&base) {
                compared.hosts.push((host, base));
            }
        }
        compared.changes = changes.into_list(&self.findings);
        compared.announced = std::mem::take(&mut self.announced);
        Some(compared)
    }

    /// Hosts that have what they had.
    fn follow_unchanged(&self, hosts: &BellHosts, changes: &mut Changes) {
        let touched = self.touched();
        // The sets are joined one finding at a time: of all findings at once they would fill the memory.
        let mut by_finding: BTreeMap<Number, [Vec<&HostSet>; 3]> = BTreeMap::new();
        for (id, its_hosts) in &hosts.unchanged {
            let Some(findings) = self.versions.get(id) else { continue };
            for (place, numbers) in [&findings.old, &findings.next, &findings.news].into_iter().enumerate() {
                for number in numbers.iter().filter(|number| touched.contains(number)) {
                    by_finding.entry(*number).or_default()[place].push(its_hosts);
                }
            }
        }
        for (number, sets) in by_finding {
            let [old, next, news] = sets.map(HostSet::union_of);
            let without = |all: &HostSet, some: &HostSet| {
                let mut rest = all.clone();
                rest.subtract(some);
                rest
            };
            let come = without(&next, &old);
            changes.add_all(AnnouncementKind::New, number, true, without(&come, &news));
            changes.add_all(AnnouncementKind::New, number, false, {
                let mut come = come;
                come.intersect_with(&news);
                come
            });
            changes.add_all(AnnouncementKind::Withdrawn, number, false, without(&old, &next));
            if self.newly_exploited.contains(&number) {
                let mut both = old;
                both.intersect_with(&next);
                changes.add_all(AnnouncementKind::Exploited, number, false, both);
            }
        }
    }

    /// A host that has something else than what was announced. Returns what is announced now.
    fn follow_changed(
        &mut self,
        host: &BellHost,
        sets: &SetBodies,
        changes: &mut Changes,
    ) -> Option<BellBase> {
        let no_base = BellBase::default();
        let before = host.before.as_ref().unwrap_or(&no_base);
        let now = versions_in(host.now, sets);
        if now.iter().any(|id| !self.judged.versions.contains_key(id)) {
            return None;
        }
        let held: Vec<Number> = before.held.iter().map(|finding| self.number(finding)).collect();
        let versions_before = versions_in(before.sets, sets);
        let old = self.all(&versions_before, |it| &it.old, held);
        let next = self.all(&now, |it| &it.next, Vec::new());
        let news = self.all(&now, |it| &it.news, Vec::new());
        for number in difference(&next, &old) {
            let is_first_look = host.before.is_none() || news.binary_search(&number).is_err();
            changes.add(AnnouncementKind::New, number, is_first_look, host);
        }
        let mut held = Vec::new();
        for number in difference(&old, &next) {
            if self.is_unsettled(number, host.now, &now) {
                held.push(self.findings[number as usize].clone());
            } else {
                changes.add(self.end_of(number, &versions_before), number, false, host);
            }
        }
        let stays =
            |number: &&Number| old.binary_search(number).is_ok() && next.binary_search(number).is_ok();
        for number in self.newly_exploited.iter().filter(stays) {
            changes.add(AnnouncementKind::Exploited, *number, false, host);
        }
        held.sort();
        Some(BellBase { sets: host.now, held })
    }

    /// Joins the findings of package versions with some more, ascending.
    fn all(
        &self,
        versions: &[PackageVersionId],
        which: impl Fn(&Findings) -> &Vec<Number>,
        mut numbers: Vec<Number>,
    ) -> Vec<Number> {
        let findings = versions.iter().filter_map(|id| self.versions.get(id));
        numbers.extend(findings.flat_map(|findings| which(findings).iter().copied()));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Says whether nobody can tell that a host is no longer vulnerable: its packages are not known, or its
    /// release is one that no feed speaks of, or the advisory's answer is "unknown".
    fn is_unsettled(&self, number: Number, sets: BellSets, now: &[PackageVersionId]) -> bool {
        let finding = &self.findings[number as usize];
        let of_packages =
            matches!(finding.ecosystem, Ecosystem::Alpine | Ecosystem::Debian | Ecosystem::FreeBsd);
        let is_known = if of_packages { sets.packages.is_some() } else { sets.software.is_some() };
        let is_open = |id: &PackageVersionId| {
            self.judged.versions.get(id).is_some_and(|it| {
                it.ecosystem == finding.ecosystem
                    && it.source == finding.source
                    && (!it.is_covered || it.unknown.contains(&finding.vulnerability))
            })
        };
        !is_known || now.iter().any(is_open)
    }

    /// Tells how a host got rid of a finding: by what it has now, or because nobody says so any more.
    fn end_of(&self, number: Number, before: &[PackageVersionId]) -> AnnouncementKind {
        let is_withdrawn = |id: &PackageVersionId| {
            self.judged.versions.contains_key(id)
                && self.versions.get(id).is_some_and(|it| {
                    it.old.binary_search(&number).is_ok() && it.next.binary_search(&number).is_err()
                })
        };
        if before.iter().any(is_withdrawn) { AnnouncementKind::Withdrawn } else { AnnouncementKind::Fixed }
    }
}

fn versions_in(sets: BellSets, bodies: &SetBodies) -> Vec<PackageVersionId> {
    [sets.packages, sets.software].into_iter().flatten().flat_map(|set| bodies.versions(set)).collect()
}

/// What of one ascending list is not in another.
fn difference(of: &[Number], without: &[Number]) -> Vec<Number> {
    of.iter().filter(|number| without.binary_search(number).is_err()).copied().collect()
}

/// Changes as they come together, by what they are about.
#[derive(Default)]
struct Changes(BTreeMap<(AnnouncementKind, Number, bool), HostSet>);

impl Changes {
    fn add(&mut self, kind: AnnouncementKind, number: Number, is_first_look: bool, host: &BellHost) {
        host.add_to(self.0.entry((kind, number, is_first_look)).or_default());
    }

    fn add_all(&mut self, kind: AnnouncementKind, number: Number, is_first_look: bool, hosts: HostSet) {
        if !hosts.is_empty() {
            self.0.entry((kind, number, is_first_look)).or_default().union_with(&hosts);
        }
    }

    fn into_list(self, findings: &[AnnouncedFinding]) -> Vec<Change> {
        let change = |((kind, number, is_first_look), hosts): ((_, Number, _), _)| Change {
            kind,
            finding: findings[number as usize].clone(),
            is_first_look,
            hosts,
        };
        self.0.into_iter().map(change).collect()
    }
}
