//! A problem: what went wrong, where, and what to do. Diagnostics of the workspace, troubles of a
//! scan and faults in a feed are all of this one shape.

use std::fmt;

use crate::code::Code;
use crate::text::HostName;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing; the result is complete.
    Warning,
    /// Part of the result is missing or wrong.
    Error,
}

impl Level {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where a problem is. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a file as a whole; path as the user knows it.
    File {
        /// The path, relative to the workspace where it lies in it.
        path: String,
    },
    /// At a spot in a file.
    Spot {
        /// The path, relative to the workspace where it lies in it.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// On a host; `part` is the fact or step, empty for the host as a whole.
    Host {
        /// The host.
        host: HostName,
        /// The fact or step.
        part: String,
    },
    /// In a feed; `part` is the file and entry.
    Feed {
        /// The feed's name.
        feed: String,
        /// File and entry, as exact as known.
        part: String,
    },
    /// Nowhere in particular (the command itself).
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => f.write_str(path),
            Self::Spot { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Host { host, part } if part.is_empty() => write!(f, "host {host}"),
            Self::Host { host, part } => write!(f, "host {host}, {part}"),
            Self::Feed { feed, part } if part.is_empty() => write!(f, "feed {feed}"),
            Self::Feed { feed, part } => write!(f, "feed {feed}, {part}"),
            Self::Nowhere => Ok(()),
        }
    }
}

/// Something that is wrong with one item of a batch; the rest of the batch goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// Which kind of problem.
    pub code: Code,
    /// How bad.
    pub level: Level,
    /// Where.
    pub place: Place,
    /// What: expected against got, lower case, no full stop. May quote hostile text: printers escape it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// Makes a problem of the code's own level, without hint.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self { code, level: code.level(), place, message: message.into(), hint: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, code) = (self.level.as_str(), self.code.as_str());
        match &self.place {
            Place::Nowhere => write!(f, "{level}[{code}]: {}", self.message),
            place => write!(f, "{place}: {level}[{code}]: {}", self.message),
        }
    }
}
