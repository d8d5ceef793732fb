//! The answer for one advisory and one package version.

use std::fmt;

use crate::package::Version;

/// The four answers. Never two: what cannot be judged is not safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingState {
    /// The installed version lies in an affected range.
    Vulnerable,
    /// It cannot be judged, and the reason says why.
    Unknown,
    /// The installed version holds the fix.
    Fixed,
    /// The vendor says that it is not affected, or nothing of it is installed.
    NotAffected,
}

impl FindingState {
    /// Returns the word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerable => "vulnerable",
            Self::Unknown => "unknown",
            Self::Fixed => "fixed",
            Self::NotAffected => "not-affected",
        }
    }
}

impl fmt::Display for FindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where the fix is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fix {
    /// In this version and later.
    In(Version),
    /// In a version after this one, which is the last affected (an inclusive upper bound).
    After(Version),
    /// Nowhere yet.
    NotYet,
    /// Nothing to fix: not affected.
    NotNeeded,
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(version) => write!(f, "{version}"),
            Self::After(version) => write!(f, "> {version}"),
            Self::NotYet => f.write_str("no fix yet"),
            Self::NotNeeded => f.write_str("-"),
        }
    }
}

/// Why a finding has its state, as one sentence that stands alone at 2 AM. It is built by matching,
/// names both versions and the source, and is data for people only: no code reads it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(String);

impl Reason {
    /// Wraps a sentence (lower case, no full stop).
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// Returns the sentence.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
