//! What goes into the store and comes out of it, apart from the nouns of `model`.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use model::{
    Address, Advisory, ClientName, Ecosystem, ExploitedVulnerability, FeedName, HostName, Kernel, OsRelease,
    Platform, Problem, ReleaseScope, Repository,
};

/// The clients whose rows a reader may see. Every read of what belongs to a client takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientScope {
    /// Every client.
    All,
    /// These clients only; an empty set sees nothing.
    Only(BTreeSet<ClientName>),
}

/// The number of a host in this database. A host that moves to another client gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) i64);

/// The number of an interned package version in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageVersionId(pub(crate) i64);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PackageVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a new inventory changed. Every list is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InventoryChanges {
    /// Hosts that were never declared for their client before.
    pub added: Vec<HostName>,
    /// Hosts that are no longer declared (or now belong to another client): their current state
    /// is closed, their history stays.
    pub retired: Vec<HostName>,
    /// Hosts that were retired and are declared again; unknown until they are scanned again.
    pub revived: Vec<HostName>,
    /// Hosts whose address changed.
    pub updated: Vec<HostName>,
}

/// How much of a host a collection brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CollectionOutcome {
    /// Everything that was asked for.
    Complete,
    /// Some of it; the problems say what is missing.
    Partial,
    /// Nothing; what was known before stays known, with its age.
    Failed,
}

impl CollectionOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Complete, Self::Partial, Self::Failed];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }

    /// Reads the word that [`CollectionOutcome::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// What the last look at a host was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionRecord {
    /// When the connection was begun.
    pub started_at: Timestamp,
    /// When the last byte was in.
    pub finished_at: Timestamp,
    /// How much it brought back.
    pub outcome: CollectionOutcome,
    /// What went wrong on the way.
    pub problems: Vec<Problem>,
}

/// What became of a batch of collections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestReport {
    /// Collections recorded, of whatever outcome.
    pub recorded: usize,
    /// Hosts whose packages were not what they were before.
    pub packages_changed: usize,
    /// Hosts whose packages were read and are what they were before.
    pub packages_unchanged: usize,
    /// Hosts of collections that ended before something newer that is already recorded: these
    /// stand in the collection log and changed no state. In the order of the batch.
    pub outdated: Vec<HostName>,
    /// Hosts of collections that no inventory declares: nothing of these is recorded. In the order
    /// of the batch.
    pub undeclared: Vec<HostName>,
    /// Running jails that were not recorded, because their name (`JAIL.PARENT`) belongs to a declared
    /// host or to a jail of another host.
    pub jails_refused: Vec<HostName>,
}

/// A declared host, or a jail that runs on one, and what was last seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRecord {
    /// Its number.
    pub id: HostId,
    /// Its name.
    pub name: HostName,
    /// Its client.
    pub client: ClientName,
    /// The host that it is a jail of; `None` = it is declared.
    pub parent: Option<HostName>,
    /// Where it is reached; `None` = the machine that ifrit runs on, or a jail.
    pub address: Option<Address>,
    /// The operating system, where it was ever read.
    pub os: Option<OsRelease>,
    /// The platform that advisories are matched for; `None` where `os` is unknown or unsupported.
    pub platform: Option<Platform>,
    /// The kernel, where it was ever read.
    pub kernel: Option<Kernel>,
    /// How many packages it has; `None` = its packages are not known.
    pub package_count: Option<u64>,
    /// When its packages were last read (not: when they last changed); `None` exactly where
    /// `package_count` is.
    pub packages_at: Option<Timestamp>,
    /// When it last answered anything at all.
    pub answered_at: Option<Timestamp>,
    /// The last look at it, also a failed one; `None` = nobody ever looked.
    pub last_collection: Option<CollectionRecord>,
}

/// How many declared hosts run a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformCount {
    /// The platform; `None` = not known or not supported.
    pub platform: Option<Platform>,
    /// Hosts that run it.
    pub hosts: u64,
    /// Those of them whose packages are known.
    pub hosts_with_packages: u64,
}

/// One release (or repository of a release) that a feed speaks of: silence about a package there
/// means something, silence elsewhere does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoverageRow {
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The releases.
    pub release: ReleaseScope,
    /// The repository; `None` = all.
    pub repository: Option<Repository>,
}

/// The whole present content of one feed, to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewSnapshot<'a> {
    /// The feed; every advisory must carry the same name.
    pub feed: &'a FeedName,
    /// Where it came from, for people: a URL or a path, without secrets.
    pub origin: &'a str,
    /// Every advisory that the feed now holds.
    pub advisories: &'a [Advisory],
    /// Every exploited vulnerability that the feed now holds.
    pub exploited: &'a [ExploitedVulnerability],
    /// What the feed speaks of.
    pub coverage: &'a [CoverageRow],
    /// What was wrong with single entries.
    pub problems: &'a [Problem],
    /// Whether to take it even if it lost more than half of its entries.
    pub accept_shrunken: bool,
}

/// Whether a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// It is now the feed's content.
    Recorded,
    /// It has less than half of the entries of the one before, which is kept.
    Shrunken {
        /// Entries (advisories and exploited vulnerabilities) that are kept.
        current: usize,
        /// Entries of the refused snapshot.
        offered: usize,
    },
}

/// What a snapshot changed among the entries of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryChanges {
    /// Entries that are new.
    pub added: usize,
    /// Entries that say something else than before.
    pub changed: usize,
    /// Entries that are gone; what they said stays known with its dates.
    pub withdrawn: usize,
    /// Entries that say what they said before.
    pub unchanged: usize,
}

/// What became of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Whether it was taken.
    pub outcome: SnapshotOutcome,
    /// What changed among the advisories; all zero where it was not taken.
    pub advisories: EntryChanges,
    /// What changed among the exploited vulnerabilities; all zero where it was not taken.
    pub exploited: EntryChanges,
    /// Entries that could not be recorded, and the refusal itself; not those of the snapshot.
    pub problems: Vec<Problem>,
}

/// How an attempt to bring a feed up to date ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncOutcome {
    /// Its content was recorded.
    Recorded,
    /// Its content was refused, because it had lost more than half of its entries.
    Shrunken,
    /// It could not be fetched or read.
    Failed,
}

impl SyncOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Recorded, Self::Shrunken, Self::Failed];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Shrunken => "shrunken",
            Self::Failed => "failed",
        }
    }

    /// Reads the word that [`SyncOutcome::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// The last attempt to bring a feed up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRecord {
    /// When.
    pub at: Timestamp,
    /// Where it came from.
    pub origin: String,
    /// How it ended.
    pub outcome: SyncOutcome,
    /// What was wrong.
    pub problems: Vec<Problem>,
}

/// A feed as it now counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRecord {
    /// Its name.
    pub feed: FeedName,
    /// When the content that counts was recorded or confirmed; `None` = never.
    pub synced_at: Option<Timestamp>,
    /// How many advisories count.
    pub advisory_count: u64,
    /// How many exploited vulnerabilities count.
    pub exploited_count: u64,
    /// The last attempt, successful or not.
    pub last_sync: SyncRecord,
}

/// A difference between the posting lists and the package sets that they are derived from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostingDifference {
    /// The package version.
    pub package_version: PackageVersionId,
    /// The host.
    pub host: HostId,
    /// What is wrong.
    pub kind: PostingDifferenceKind,
}

/// What can be wrong with one host of one posting list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PostingDifferenceKind {
    /// The host has the package and the list does not say so.
    Missing,
    /// The list says that the host has the package and it does not, or the host is another client's.
    Surplus,
}
