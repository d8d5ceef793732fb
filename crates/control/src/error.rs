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
    /// A vulnerability id is malformed.
    #[error("`{given}` is no id of a vulnerability or advisory")]
    VulnerabilityId {
        /// What was typed.
        given: String,
    },
    /// Random bytes could not be had.
    #[error("the system gives no random bytes: {why}")]
    Random {
        /// The system's word.
        why: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::StoreError),
    /// Feed files could not be read.
    #[error("the feeds cannot be read")]
    Feeds(#[from] advisory::ReadError),
    /// A root directory could not be read.
    #[error("the root directory cannot be read")]
    Root(#[from] fleet::ReadRootError),
}

impl Error {
    /// Returns which kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyThere { .. }
            | Self::PackageLine { .. }
            | Self::Platform { .. }
            | Self::NoHost { .. }
            | Self::Selector { .. }
            | Self::VulnerabilityId { .. } => ErrorKind::User,
            Self::NoWorkspace { .. } | Self::Declarations { .. } => ErrorKind::Workspace,
            Self::Write { .. }
            | Self::Read { .. }
            | Self::Unauditable { .. }
            | Self::NoFeed { .. }
            | Self::Random { .. }
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
            Self::AlreadyThere { .. } => Some("choose an empty directory; nothing was written".to_owned()),
            Self::Platform { .. } => {
                Some("expected alpine:RELEASE, debian:RELEASE or freebsd:RELEASE, for example alpine:3.20".to_owned())
            }
            Self::NoHost { .. } => Some("`ifrit hosts` lists what is declared".to_owned()),
            Self::Selector { source, .. } => source.hint.clone(),
            Self::NoFeed { .. } => Some(
                "expected Alpine secdb JSON, VuXML, DSA/DLA lists, OSV records or the KEV catalogue, in any layout"
                    .to_owned(),
            ),
            Self::VulnerabilityId { .. } => Some("expected for example CVE-2024-6387".to_owned()),
            Self::Store(source) => source.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// Returns the problems that it carries.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Declarations { problems }
            | Self::Unauditable { problems, .. }
            | Self::NoFeed { problems, .. } => problems,
            _ => &[],
        }
    }
}
