//! Changes, grouped and ranked for people.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::{Ecosystem, PackageName, Severity, VulnerabilityId};
use store::HostSet;

use super::compare::{AnnouncementKind, Change};

/// One line of the bell: a vulnerability or advisory, and the hosts that it is news for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What happened.
    pub kind: AnnouncementKind,
    /// The id to ask `ifrit who` for.
    pub id: VulnerabilityId,
    /// The single vulnerabilities where `id` is an advisory about several.
    pub vulnerabilities: BTreeSet<VulnerabilityId>,
    /// The source packages.
    pub packages: BTreeSet<(Ecosystem, PackageName)>,
    /// The highest severity that a feed gives.
    pub severity: Option<Severity>,
    /// Whether it is known to be exploited.
    pub is_exploited: bool,
    /// Whether a program of the package listens for the network on one of the hosts.
    pub is_exposed: bool,
    /// Whether its hosts, or the feed that says so, were looked at for the first time.
    pub is_first_look: bool,
    /// The hosts.
    pub hosts: HostSet,
}

impl Announcement {
    /// Says whether somebody should look now: exploited, critical, or high and within reach of the network.
    /// Of what is seen for the first time only the exploited: it may be old.
    pub fn is_urgent(&self) -> bool {
        let is_alarm = matches!(self.kind, AnnouncementKind::New | AnnouncementKind::Exploited);
        let is_grave = match self.severity {
            Some(Severity::Critical) => true,
            Some(Severity::High) => self.is_exposed,
            _ => false,
        };
        is_alarm && (self.is_exploited || (is_grave && !self.is_first_look))
    }

    /// Returns the names of the packages, each once, sorted.
    pub fn package_names(&self) -> Vec<&str> {
        let names: BTreeSet<_> = self.packages.iter().map(|(_, name)| name.as_str()).collect();
        names.into_iter().collect()
    }
}

/// What hosts and feeds that were looked at for the first time brought, apart from what is exploited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstLook {
    /// The hosts that have any of them, and those seen for the first time.
    pub hosts: HostSet,
    /// How many vulnerabilities and advisories.
    pub open: usize,
    /// How many of them are critical.
    pub critical: usize,
}

/// Groups changes by what people look up, the most urgent first.
pub(super) fn group(changes: Vec<Change>, exploited: &BTreeSet<String>) -> (Vec<Announcement>, FirstLook) {
    let mut groups: BTreeMap<(AnnouncementKind, VulnerabilityId, bool), Announcement> = BTreeMap::new();
    for Change { kind, finding, is_first_look, hosts } in changes {
        let key = (kind, finding.shown.clone(), is_first_look);
        let group = groups.entry(key).or_insert_with(|| Announcement {
            kind,
            id: finding.shown.clone(),
            vulnerabilities: BTreeSet::new(),
            packages: BTreeSet::new(),
            severity: None,
            is_exploited: false,
            is_exposed: false,
            is_first_look,
            hosts: HostSet::default(),
        });
        group.is_exploited |= exploited.contains(finding.vulnerability.as_str());
        if !finding.vulnerability.same(&finding.shown) {
            group.vulnerabilities.insert(finding.vulnerability);
        }
        group.packages.insert((finding.ecosystem, finding.source));
        group.severity = group.severity.max(finding.severity);
        group.hosts.union_with(&hosts);
    }
    let mut first_look = FirstLook::default();
    let mut announcements = Vec::new();
    for announcement in groups.into_values() {
        if announcement.is_first_look && !announcement.is_exploited {
            first_look.open += 1;
            first_look.critical += usize::from(announcement.severity == Some(Severity::Critical));
            first_look.hosts.union_with(&announcement.hosts);
        } else {
            announcements.push(announcement);
        }
    }
    (announcements, first_look)
}

/// Sorts the most urgent first.
pub(super) fn rank(announcements: &mut [Announcement]) {
    announcements.sort_by_cached_key(|it| {
        let grave = (it.is_exploited, it.is_exposed, it.severity, it.hosts.len());
        (Reverse(it.is_urgent()), it.kind, Reverse(grave), it.id.clone())
    });
}
