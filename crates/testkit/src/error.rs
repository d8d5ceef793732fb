//! What can go wrong with a fleet.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::support::Unsupported;

/// A fleet could not be started, reached or stopped.
#[derive(Debug, Error)]
pub enum FleetError {
    /// This machine cannot run a fleet.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A host was asked for that cannot be built.
    #[error("cannot build the host `{}`: {why}", host.escape_default())]
    BadSpec {
        /// Its name as it was given.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// More hosts than a fleet can hold.
    #[error("a fleet of {asked} hosts is more than the {limit} that one bridge is used for")]
    TooManyHosts {
        /// How many were asked for.
        asked: usize,
        /// The limit.
        limit: usize,
    },
    /// A host was named that the fleet does not have.
    #[error("the fleet has no host `{}`", host.escape_default())]
    UnknownHost {
        /// The name.
        host: String,
    },
    /// A host was switched off and is asked for something that needs it on.
    #[error("the host `{host}` is powered off; power it on first")]
    PoweredOff {
        /// Its name.
        host: String,
    },
    /// A host did not come up.
    #[error("the host `{host}` did not come up: {why}; its log ends with:\n{log}")]
    Boot {
        /// Its name.
        host: String,
        /// What happened.
        why: String,
        /// The last lines of its log.
        log: String,
    },
    /// A command of this machine failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// A command of this machine could not be started.
    #[error("cannot start `{command}`")]
    Spawn {
        /// The program.
        command: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: `read`, `write`, `remove`...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl FleetError {
    /// Returns a closure for `map_err` that says what was tried with which file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}
