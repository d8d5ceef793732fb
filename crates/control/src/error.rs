//! Why a use case could not be carried out at all. What is wrong with one item of a batch is a
//! [`model::Problem`] in the result instead.

use std::io;
use std::path::PathBuf;

use model::Problem;
use thiserror::Error;

/// What kind of failure it is; the CLI maps it to an exit code, a server to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// What the person typed makes no sense.
    User,
    /// The workspace or its settings are at fault.
    Workspace,
    /// The machine, a disk, a database or a host did not do its part.
    Unavailable,
}

/// Why a use case could not be carried out.
#[derive(Debug, Error)]
pub enum Error {
    /// No `ifrit.toml` in the directory or any above it.
    #[error("no ifrit.toml in {} or any directory above it", start.display())]
    NoWorkspace {
        /// Where the search began.
        start: PathBuf,
    },
    /// The declarations have errors.
    #[error("the workspace has {} problem(s)", problems.len())]
    Declarations {
        /// Every problem, errors and warnings.
        problems: Vec<Problem>,
    },
    /// A directory that should become a workspace already holds a file of it.
    #[error("{} already exists", path.display())]
    AlreadyThere {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of a package list is not one.
    #[error("{}:{line}: expected `name version [source]`, got {given:?}", path.display())]
    PackageLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        given: String,
    },
    /// An operating system that is not matched.
    #[error("`{given}` is no platform that ifrit knows")]
    Platform {
        /// What was given.
        given: String,
    },
    /// The root directory does not say what it is, or its package database cannot be read.
    #[error("{} cannot be audited", root.display())]
    Unauditable {
        /// The root.
        root: PathBuf,
        /// What is missing.
        problems: Vec<Problem>,
    },
    /// No host matches.
    #[error("no declared host matches `{selector}`")]
    NoHost {
        /// The selection as typed.
        selector: String,
    },
    /// Nothing is declared that could be selected.
    #[error("no host is declared")]
    NoHosts,
    /// No client of this name is declared or was.
    #[error("no client `{given}` is known")]
    ClientUnknown {
        /// What was typed.
        given: String,
    },
    /// The workspace directory that was named is none.
    #[error("the workspace directory {} cannot be used", path.display())]
    WorkspaceDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `ifrit.toml` has errors, so it is not certain which database it means.
    #[error("ifrit.toml has errors, so it is not certain which database is meant")]
    DatabaseUncertain {
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
    /// A selector is malformed.
    #[error("selector `{text}`")]
    Selector {
        /// The selector as typed.
        text: String,
        /// What is wrong with it.
        source: model::SelectorError,
    },
    /// A feed directory holds nothing that is a feed.
    #[error("{} holds no advisory feed", directory.display())]
    NoFeed {
        /// The directory.
        directory: PathBuf,
        /// What was found instead.
        problems: Vec<Problem>,
    },
    /// The settings enable a feed that there is none of.
    #[error("`feeds.enabled` names `{given}`, and there is no such feed")]
    FeedSetting {
        /// What stands there.
        given: String,
    },
    /// A key of feed bundles is malformed.
    #[error("a key of feed bundles cannot be read")]
    BundleKey {
        /// Why.
        source: advisory::InvalidKey,
    },
    /// No key is trusted to sign feed bundles.
    #[error("no key is trusted to sign feed bundles")]
    NoTrustedKey,
    /// No feed was ever taken.
    #[error("no feed is in use, so there is nothing to export")]
    NothingToExport,
    /// A feed bundle is refused.
    #[error("bundle {} is refused", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: advisory::BundleError,
    },
    /// CISA's catalogue of exploited vulnerabilities was asked for and never taken.
    #[error("the catalogue of exploited vulnerabilities (cisa-kev) was never taken")]
    NoCatalogue,
    /// A vulnerability id is malformed.
    #[error("`{given}` is no id of a vulnerability or advisory")]
    VulnerabilityId {
        /// What was typed.
        given: String,
    },
    /// No host of this name was declared at the moment that was asked for.
    #[error("no host `{given}` is known{}", at.map_or_else(String::new, |at| format!(" at {at}")))]
    HostUnknown {
        /// What was typed.
        given: String,
        /// The moment; `None` = now.
        at: Option<jiff::Timestamp>,
    },
    /// No incident has this name.
    #[error("no incident `{given}` is known")]
    NoIncident {
        /// What was typed.
        given: String,
    },
    /// An incident cannot be closed: something is left to do.
    #[error("{id} is not done: {}{}", hosts.join(", "), if *count > hosts.len() { format!(" and {} more", count - hosts.len()) } else { String::new() })]
    IncidentOpen {
        /// The incident.
        id: model::IncidentId,
        /// The first of its hosts that are open, with their state.
        hosts: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// What is asked for is being dealt with in another incident, of other clients or other hosts.
    #[error("{} of {id} already, which is open for {of}", if *count == 1 { format!("{host} is a host") } else { format!("{host} and {} more hosts are", count - 1) })]
    IncidentOverlaps {
        /// The other incident.
        id: model::IncidentId,
        /// What that one is about, in words.
        of: String,
        /// The first of the hosts that are in both.
        host: model::HostName,
        /// How many there are.
        count: usize,
    },
    /// An incident was closed before.
    #[error("{id} is closed already")]
    IncidentClosed {
        /// The incident.
        id: model::IncidentId,
    },
    /// A note or a reason is empty or too long.
    #[error("a {what} of {bytes} bytes, expected 1 to {limit}")]
    IncidentText {
        /// What it is.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// No channel of this name is declared.
    #[error("no channel `{given}` is declared")]
    ChannelUnknown {
        /// What was typed.
        given: String,
    },
    /// A point in time is malformed.
    #[error("`{given}` is no date or time")]
    Moment {
        /// What was typed.
        given: String,
    },
    /// A moment has not come yet: nobody knows what will be installed.
    #[error("`{given}` has not come yet")]
    MomentAhead {
        /// What was typed.
        given: String,
    },
    /// A package specification is malformed.
    #[error("package `{given}`: {why}")]
    PackageSpec {
        /// What was typed.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A kind of change that there is none of.
    #[error("`{given}` is no kind of change")]
    ChangeKind {
        /// What was typed.
        given: String,
    },
    /// A backup or restore was refused or failed.
    #[error("nothing was changed")]
    Database {
        /// Why.
        source: store::StoreError,
    },
    /// Random bytes could not be had.
    #[error("the system gives no random bytes: {why}")]
    Random {
        /// The system's word.
        why: String,
    },
    /// The database failed, or does not have what was asked for.
    #[error("{}", if is_unknown(.0) { "not found" } else { "the database failed" })]
    Store(#[from] store::StoreError),
    /// Feed files could not be read.
    #[error("the feeds cannot be read")]
    Feeds(#[from] advisory::ReadError),
    /// A root directory could not be read.
    #[error("the root directory cannot be read")]
    Root(#[from] fleet::ReadRootError),
    /// A plan could not be made, approved or applied.
    #[error(transparent)]
    Fix(#[from] crate::deploy::FixError),
    /// The record could not be signed, given away or judged.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
    /// Files could not be formatted.
    #[error(transparent)]
    Format(#[from] crate::format::FormatError),
    /// A deploy could not be debugged.
    #[error(transparent)]
    Debug(#[from] crate::debug::DebugError),
}

/// Says whether something was asked for by a name that nothing has, or more than one.
fn is_unknown(error: &store::StoreError) -> bool {
    matches!(error, store::StoreError::NoSuch { .. } | store::StoreError::Ambiguous { .. })
}

impl Error {
    /// Returns which kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyThere { .. }
            | Self::PackageLine { .. }
            | Self::Platform { .. }
            | Self::NoHost { .. }
            | Self::NoHosts
            | Self::ClientUnknown { .. }
            | Self::ChannelUnknown { .. }
            | Self::Selector { .. }
            | Self::BundleKey { .. }
            | Self::NoTrustedKey
            | Self::HostUnknown { .. }
            | Self::Moment { .. }
            | Self::MomentAhead { .. }
            | Self::PackageSpec { .. }
            | Self::ChangeKind { .. }
            | Self::NoIncident { .. }
            | Self::IncidentOpen { .. }
            | Self::IncidentOverlaps { .. }
            | Self::IncidentClosed { .. }
            | Self::IncidentText { .. }
            | Self::VulnerabilityId { .. } => ErrorKind::User,
            Self::Fix(source) => source.kind(),
            Self::Record(source) => source.kind(),
            Self::Debug(source) => source.kind(),
            Self::Store(source) if is_unknown(source) => ErrorKind::User,
            Self::Database { source } => match source.kind() {
                store::StoreErrorKind::User | store::StoreErrorKind::NotFound => ErrorKind::User,
                store::StoreErrorKind::Unavailable | store::StoreErrorKind::Internal => {
                    ErrorKind::Unavailable
                }
            },
            Self::NoWorkspace { .. }
            | Self::WorkspaceDirectory { .. }
            | Self::Declarations { .. }
            | Self::DatabaseUncertain { .. }
            | Self::FeedSetting { .. } => ErrorKind::Workspace,
            Self::Write { .. }
            | Self::Read { .. }
            | Self::Unauditable { .. }
            | Self::NoFeed { .. }
            | Self::NoCatalogue
            | Self::NothingToExport
            | Self::Bundle { .. }
            | Self::Random { .. }
            | Self::Format(_)
            | Self::Store(_)
            | Self::Feeds(_)
            | Self::Root(_) => ErrorKind::Unavailable,
        }
    }

    /// Returns what to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoWorkspace { .. } => {
                Some("`ifrit init DIR` makes a workspace; `-C DIR` names one".to_owned())
            }
            Self::Declarations { .. } => Some("`ifrit check` shows them again".to_owned()),
            Self::AlreadyThere { .. } => Some("choose another place; nothing was written".to_owned()),
            Self::Platform { .. } => {
                Some("expected alpine:RELEASE, debian:RELEASE or freebsd:RELEASE, for example alpine:3.20".to_owned())
            }
            Self::NoHosts => Some("declare hosts in inventory/*.star, or `ifrit import` a list of them".to_owned()),
            Self::ClientUnknown { .. } => Some("`ifrit hosts` lists the clients with their hosts".to_owned()),
            Self::ChannelUnknown { .. } => Some("`ifrit notify` lists them; `[notify.NAME]` in ifrit.toml declares one".to_owned()),
            Self::DatabaseUncertain { .. } => Some(
                "correct the lines named above, or say which database with `--database` or IFRIT_DATABASE".to_owned(),
            ),
            Self::NoHost { selector } if selector.contains("os:") => Some(
                "`os:` is what a scan has seen: a host that was never scanned has none; `ifrit hosts` lists them".to_owned(),
            ),
            Self::NoHost { .. } => Some("`ifrit hosts` lists what is declared".to_owned()),
            Self::Selector { source, .. } => source.hint.clone(),
            Self::NoFeed { .. } => Some(
                "expected Alpine secdb JSON, VuXML, Debian's tracker JSON or DSA/DLA lists, OSV records, the KEV \
                 catalogue, EPSS scores, RSS or Atom, in any layout"
                    .to_owned(),
            ),
            Self::BundleKey { .. } => Some("`ifrit feeds keygen FILE` makes a key and prints its public half".to_owned()),
            Self::NoTrustedKey => Some(
                "give the signer's public key with `--key`, or put it into `feeds.trusted_keys`".to_owned(),
            ),
            Self::NoCatalogue => Some("`ifrit feeds sync` fetches it, where `feeds.enabled` holds \"cisa-kev\"".to_owned()),
            Self::NothingToExport => Some("`ifrit feeds sync` first".to_owned()),
            Self::Bundle { .. } => Some("nothing was taken from it; the feeds in use stay".to_owned()),
            Self::FeedSetting { .. } => Some(
                "expected alpine-secdb, cisa-kev, debian-dsa, debian-tracker, epss, freebsd-vuxml, news or osv".to_owned(),
            ),
            Self::VulnerabilityId { .. } => Some("expected for example CVE-2024-6387: a CVE has a year of four digits and a number of four or more".to_owned()),
            Self::NoIncident { .. } | Self::Store(store::StoreError::NoSuch { what: "incident", .. }) => {
                Some("`ifrit incidents` lists them; a name looks like inc-2026-0001".to_owned())
            }
            Self::IncidentOpen { id, .. } => Some(format!(
                "`ifrit incident show {id}` shows every host; `--force` closes it as it is, with your reason on record"
            )),
            Self::IncidentOverlaps { id, .. } => Some(format!(
                "`ifrit respond {id}` goes on with all of that one (`ifrit drill {id}` if it is an exercise); or close it \
                 first: `ifrit incident close {id} --reason \"...\"`"
            )),
            Self::IncidentText { .. } => Some("say in a few sentences what the next reader must know".to_owned()),
            Self::HostUnknown { .. } => Some("`ifrit hosts` lists what is declared and the jails that run there".to_owned()),
            Self::Moment { .. } | Self::MomentAhead { .. } => Some(
                "expected a day in UTC (2026-03-03), a time (2026-03-03T14:00:00Z) or a time ago (30m, 24h, 7d, 2w)"
                    .to_owned(),
            ),
            Self::PackageSpec { .. } => {
                Some("expected for example openssl, 'lib*', 'openssl<3.0.15', 'openssl>=3.0,<3.0.15' or 'alpine:openssl<3.1.4-r1', quoted for the shell".to_owned())
            }
            Self::ChangeKind { .. } => {
                Some(format!("expected one of {}", crate::changes::ChangeKind::words().join(", ")))
            }
            Self::Fix(source) => source.hint(),
            Self::Record(source) => source.hint(),
            Self::Debug(source) => source.hint(),
            Self::Format(source) => source.hint(),
            Self::Database { source } => source.hint().map(str::to_owned),
            Self::Store(store::StoreError::NoSuch { what: what @ ("plan" | "run"), .. }) => {
                Some(format!("`ifrit {what}s` lists them; the beginning of a name is enough"))
            }
            Self::Store(store::StoreError::Ambiguous { .. }) => Some("give more of it".to_owned()),
            Self::Store(source) => source.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// Returns the problems that it carries.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Declarations { problems }
            | Self::Unauditable { problems, .. }
            | Self::DatabaseUncertain { problems }
            | Self::NoFeed { problems, .. } => problems,
            Self::Fix(source) => source.problems(),
            Self::Debug(source) => source.problems(),
            _ => &[],
        }
    }
}
