//! What can go wrong between ifrit and its database.

use std::path::PathBuf;
use std::time::Duration;

use model::HostName;
use thiserror::Error;

use crate::db::{LOCK_WAIT, is_damage};

/// The cause of a [`StoreError`], for the log; the driver's type stays inside this crate.
pub type StoreCause = Box<dyn std::error::Error + Send + Sync>;

/// A failed call of the store. Nothing of the call was recorded, unless its documentation says so.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The text is no database URL. The text itself is not repeated: it may hold a password.
    #[error("invalid database URL: {why}")]
    InvalidUrl {
        /// Which part of it is wrong.
        why: String,
    },
    /// The database could not be opened.
    #[error("failed to open database {database}")]
    Open {
        /// The database, without password.
        database: String,
        /// Why.
        source: StoreCause,
    },
    /// A newer ifrit has changed the schema.
    #[error("database {database} has schema {found}, this ifrit knows schemas up to {known}")]
    Newer {
        /// The database, without password.
        database: String,
        /// The schema's number in the database.
        found: i64,
        /// The greatest number this binary knows.
        known: i64,
    },
    /// A migration that is recorded as applied is not the one that this binary has.
    #[error("schema {version} of database {database} is not the one that this ifrit has")]
    Foreign {
        /// The database, without password.
        database: String,
        /// The schema's number.
        version: i64,
    },
    /// A database that holds another program's tables; nothing was written into it.
    #[error("database {database} belongs to another program: it has tables, and none of ifrit's")]
    NotOurs {
        /// The database, without password.
        database: String,
    },
    /// Somebody else was writing for longer than the time limit.
    #[error("failed to {what}: the database was locked by another writer for {} s", waited.as_secs())]
    Busy {
        /// What was to be done.
        what: &'static str,
        /// How long the call waited.
        waited: Duration,
    },
    /// The database refused or broke off.
    #[error("failed to {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// Why.
        source: StoreCause,
    },
    /// A row does not hold what this crate writes.
    #[error("failed to {what}: damaged row: {detail}")]
    Damaged {
        /// What was to be done.
        what: &'static str,
        /// Expected against found.
        detail: String,
    },
    /// The inventory does not declare the host.
    #[error("host {host} is not declared")]
    UnknownHost {
        /// The host.
        host: HostName,
    },
    /// There is no such thing, or none that the reader may see.
    #[error("there is no {what} `{name}`", name = name.escape_default())]
    NoSuch {
        /// Of what kind.
        what: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// The beginning of an id fits several.
    #[error("`{prefix}` fits {count} {what}s", prefix = prefix.escape_default())]
    Ambiguous {
        /// Of what kind.
        what: &'static str,
        /// As it was asked for.
        prefix: String,
        /// How many it fits.
        count: usize,
    },
    /// The caller broke a rule of the call; nothing was recorded.
    #[error("failed to {what}: {why}")]
    Refused {
        /// What was to be done.
        what: &'static str,
        /// Which rule.
        why: String,
    },
    /// A backup cannot be written, or read.
    #[error("failed to use backup file {}", path.display())]
    BackupFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A backup is damaged or no database of ifrit.
    #[error("backup {} cannot be restored: {detail}", path.display())]
    DamagedBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// ifrit looks after SQLite files alone; a server has tools of its own.
    #[error("cannot {what} a PostgreSQL database: its own {tool} does that")]
    NotForPostgres {
        /// What was to be done.
        what: &'static str,
        /// The tool of PostgreSQL.
        tool: &'static str,
    },
    /// More clients in a scope, or names in a question, than one statement can hold.
    #[error("{count} {of} asked for at once, the limit is {limit}")]
    TooMany {
        /// Of what.
        of: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// Whose move it is after a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreErrorKind {
    /// The caller asked for something that cannot be.
    User,
    /// What was asked for does not exist.
    NotFound,
    /// The database is away or busy; trying again may help.
    Unavailable,
    /// The database or this crate is at fault.
    Internal,
}

impl StoreError {
    /// Returns whose move it is.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::InvalidUrl { .. }
            | Self::Newer { .. }
            | Self::NotOurs { .. }
            | Self::TooMany { .. }
            | Self::Ambiguous { .. }
            | Self::DamagedBackup { .. }
            | Self::NotForPostgres { .. } => StoreErrorKind::User,
            Self::UnknownHost { .. } | Self::NoSuch { .. } => StoreErrorKind::NotFound,
            Self::Open { .. } | Self::Busy { .. } | Self::BackupFile { .. } => StoreErrorKind::Unavailable,
            Self::Foreign { .. } | Self::Database { .. } | Self::Damaged { .. } | Self::Refused { .. } => {
                StoreErrorKind::Internal
            }
        }
    }

    /// Returns what to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InvalidUrl { .. } => {
                Some("write a path, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")
            }
            Self::Open { source, .. } if is_broken_file(source.as_ref()) => {
                Some("the file is damaged or no database: `ifrit db restore FILE` brings a backup back")
            }
            Self::Open { .. } => Some(
                "check that the directory exists and is writable, or that the server runs and lets you in",
            ),
            Self::NotOurs { .. } => Some("name a file of ifrit's own; one that does not exist is created"),
            Self::Newer { .. } => Some("upgrade ifrit; a schema is never taken back"),
            Self::Foreign { .. } => {
                Some("the database was made by another build of ifrit: restore a backup or use that build")
            }
            Self::Busy { .. } => Some("another ifrit is writing: wait for it and try again"),
            Self::Damaged { .. } => Some("restore a backup; if the backup has it too, report a bug"),
            Self::UnknownHost { .. } => Some("declare the host in the inventory first"),
            Self::TooMany { .. } => Some("ask in smaller portions"),
            Self::BackupFile { source, .. } => match source.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    Some("an existing file is never overwritten: name a new one")
                }
                std::io::ErrorKind::NotFound => Some("check that the file, or the directory for it, exists"),
                _ => None,
            },
            Self::DamagedBackup { .. } => Some("take another backup; nothing was changed"),
            Self::NotForPostgres { .. } => Some("see \"Backup and Restore\" in PostgreSQL's manual"),
            Self::Ambiguous { .. } => Some("give more characters of the id"),
            Self::Database { .. } | Self::NoSuch { .. } | Self::Refused { .. } => None,
        }
    }
}

fn is_broken_file(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<sqlx::Error>().is_some_and(is_damage)
}

/// SQLite's SQLITE_BUSY and SQLITE_BUSY_SNAPSHOT (<https://www.sqlite.org/rescode.html>) and
/// PostgreSQL's `lock_not_available` (its manual, appendix A).
const BUSY_CODES: [&str; 3] = ["5", "517", "55P03"];

impl StoreError {
    /// Sorts an error of the driver.
    pub(crate) fn from_driver(what: &'static str, error: sqlx::Error) -> Self {
        Self::from_driver_after(what, error, LOCK_WAIT)
    }

    /// Sorts an error of the driver, of a call that waited for so long for others.
    pub(crate) fn from_driver_after(what: &'static str, error: sqlx::Error, waited: Duration) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        if code.is_some_and(|code| BUSY_CODES.contains(&code.as_ref())) {
            return Self::Busy { what, waited };
        }
        Self::Database { what, source: Box::new(error) }
    }
}
