//! What the bell has announced, and the messages that wait to be sent.
//!
//! Findings are not kept per host. Kept is what was announced of each distinct package version, and of
//! each host which sets of them it then had; what is new on a host follows from these two and from what
//! is so now. What a run announces, its messages and the new state are one transaction.

mod messages;
mod state;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use model::{ClientName, Ecosystem, HostName, PackageName, Severity, VulnerabilityId};

use crate::host_set::HostSet;
use crate::package_set::read_ids;
use crate::record::{HostId, PackageVersionId};

pub use messages::{MessageRecord, MessageUrgency, NewMessage};

/// What was announced up to now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BellState {
    /// How many runs there were; 0 = none yet.
    pub revision: i64,
    /// Which feed spoke of which release, in the words of whoever writes it.
    pub coverage: BTreeSet<String>,
    /// Vulnerabilities that were announced as exploited, in ASCII upper case.
    pub exploited: BTreeSet<String>,
    /// What was announced of each package version, sorted; versions of which nothing was are left out.
    pub announced: BTreeMap<PackageVersionId, Vec<AnnouncedFinding>>,
}

/// A vulnerability of a source package that was announced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnouncedFinding {
    /// Whose package.
    pub ecosystem: Ecosystem,
    /// The source package.
    pub source: PackageName,
    /// The single vulnerability, in ASCII upper case.
    pub vulnerability: VulnerabilityId,
    /// The id under which it was announced: its own, or that of an advisory about several.
    pub shown: VulnerabilityId,
    /// The highest severity that a feed gave then.
    pub severity: Option<Severity>,
}

/// What the hosts have, as far as the bell must look at it.
#[derive(Debug, Clone, Default)]
pub struct BellHosts {
    /// Hosts whose sets are not those that were announced, or of which something is held.
    pub changed: Vec<BellHost>,
    /// What is in each set that `changed` speaks of.
    pub sets: SetBodies,
    /// The other hosts that have each of the versions that were asked for.
    pub unchanged: BTreeMap<PackageVersionId, HostSet>,
}

/// Sets of package versions as they are stored, a byte or two for each version: after the first look at a
/// large fleet there is one for every host.
#[derive(Debug, Clone, Default)]
pub struct SetBodies(pub(crate) BTreeMap<SetId, Vec<u8>>);

impl SetBodies {
    /// Returns the package versions in a set, ascending; none for a set that nobody spoke of.
    pub fn versions(&self, set: SetId) -> Vec<PackageVersionId> {
        let ids = self.0.get(&set).and_then(|body| read_ids(body)).unwrap_or_default();
        ids.into_iter().map(PackageVersionId).collect()
    }

    /// Returns how many sets there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The number of a set of package versions in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub(crate) i64);

/// The two sets of a host; `None` = not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BellSets {
    /// Those of its package manager.
    pub packages: Option<SetId>,
    /// Software outside of packages.
    pub software: Option<SetId>,
}

/// What was announced of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BellBase {
    /// The sets that it had.
    pub sets: BellSets,
    /// What was announced besides.
    pub held: Vec<AnnouncedFinding>,
}

/// A host beside what was announced of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BellHost {
    /// Its number.
    pub id: HostId,
    /// Its client.
    pub client: ClientName,
    /// Its name.
    pub name: HostName,
    /// What was announced; `None` = it was never looked at.
    pub before: Option<BellBase>,
    /// What it has now.
    pub now: BellSets,
    pub(crate) client_id: i64,
}

impl BellHost {
    /// Adds it to a set.
    pub fn add_to(&self, hosts: &mut HostSet) {
        hosts.insert(&self.client, self.id);
    }
}

/// What a run announces.
#[derive(Debug, Clone, Default)]
pub struct NewBell {
    /// The revision that the run began with.
    pub revision: i64,
    /// As in [`BellState`], whole.
    pub coverage: BTreeSet<String>,
    /// As in [`BellState`], whole.
    pub exploited: BTreeSet<String>,
    /// The package versions of which something else is announced now.
    pub announced: BTreeMap<PackageVersionId, Vec<AnnouncedFinding>>,
    /// The hosts of which something else is announced now.
    pub hosts: Vec<(BellHost, BellBase)>,
    /// The messages that say so.
    pub messages: Vec<NewMessage>,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BellOutcome {
    /// It is on record.
    Recorded,
    /// Another process has announced something meanwhile; nothing was recorded.
    Outrun,
}
