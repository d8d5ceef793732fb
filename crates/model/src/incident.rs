//! An incident: a vulnerability, or an exercise of one, from its advisory to the client's report.

use std::fmt;

use jiff::Timestamp;

use crate::problem::Place;
use crate::selector::Selector;
use crate::{PersonName, VulnerabilityId};

/// What every incident's id begins with.
const PREFIX: &str = "inc-";
/// The fewest digits of an incident's number in its id.
const NUMBER_DIGITS: usize = 4;

/// The name of an incident as people say it: `inc-2026-0001`, the year and a number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId {
    year: u16,
    number: u32,
}

impl IncidentId {
    /// Makes the name of the year's incident of this number, from 1.
    pub fn new(year: u16, number: u32) -> Self {
        Self { year, number }
    }

    /// Returns the year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// Returns the number within the year.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Reads what [`fmt::Display`] writes; capitals and missing zeros are let through.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (year, number) = text.strip_prefix(PREFIX)?.split_once('-')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if year.len() != NUMBER_DIGITS || !is_number(year) || !is_number(number) {
            return None;
        }
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(Self { year: year.parse().ok()?, number })
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{PREFIX}{:04}-{:04}", self.year, self.number))
    }
}

/// Whether it is in earnest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentKind {
    /// It is.
    Emergency,
    /// It is rehearsed.
    Exercise,
}

impl IncidentKind {
    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Exercise => "exercise",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Emergency, Self::Exercise].into_iter().find(|it| it.as_str() == word)
    }
}

/// How far an incident has come. It may be left and taken up again behind each of these; the order is
/// the order in which they are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It is on record, with the hosts that are vulnerable.
    Opened,
    /// There is a plan that closes what can be closed.
    Planned,
    /// The plan may be applied.
    Approved,
    /// The plan was applied to the canary hosts, and they are well.
    Canaried,
    /// The plan was applied to all of its hosts.
    Applied,
    /// Every host was looked at again; what was seen is kept as evidence.
    Verified,
    /// The clients' reports were written.
    Reported,
    /// Nothing more will be done.
    Closed,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 8] = [
        Self::Opened,
        Self::Planned,
        Self::Approved,
        Self::Canaried,
        Self::Applied,
        Self::Verified,
        Self::Reported,
        Self::Closed,
    ];

    /// Returns the word for it in the store, in tables and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Canaried => "canaried",
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::Reported => "reported",
            Self::Closed => "closed",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// A moment that an incident's clocks keep; the order is that of a usual incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// A vendor published the advisory. Of the incident.
    Published,
    /// A feed brought it here for the first time. Of the incident.
    Seen,
    /// It was found that a host is vulnerable. Of a host.
    Matched,
    /// A person looked at it and began to act. Of the incident.
    Triaged,
    /// The plan was approved, or needed no approval. Of the incident.
    Approved,
    /// The fix was installed. Of a host: the first and the last patched are the least and the greatest.
    Patched,
    /// The fix was proven. Of a host.
    Verified,
    /// The report was written. Of a client.
    Reported,
}

impl Mark {
    /// Every mark, in order.
    pub const ALL: [Self; 8] = [
        Self::Published,
        Self::Seen,
        Self::Matched,
        Self::Triaged,
        Self::Approved,
        Self::Patched,
        Self::Verified,
        Self::Reported,
    ];

    /// Returns the word for it in the store, in tables and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Seen => "seen",
            Self::Matched => "matched",
            Self::Triaged => "triaged",
            Self::Approved => "approved",
            Self::Patched => "patched",
            Self::Verified => "verified",
            Self::Reported => "reported",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// A rung of the verification ladder: one way of looking whether a fix is in force on a host. A higher
/// rung looks closer; each is judged for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// The installed version is the fixed one or a later one.
    Version,
    /// The package's files on disk are those that the package brought.
    Files,
    /// No process runs a file that was replaced.
    Processes,
    /// The services that use it were restarted after the installation and answer.
    Services,
    /// The running kernel is the installed one, where the package is a kernel.
    Kernel,
    /// A second, independent look, over the network, sees the new version.
    Network,
}

impl Rung {
    /// Every rung, from the lowest.
    pub const ALL: [Self; 6] =
        [Self::Version, Self::Files, Self::Processes, Self::Services, Self::Kernel, Self::Network];

    /// Returns its number, from 1.
    pub fn number(self) -> u8 {
        match self {
            Self::Version => 1,
            Self::Files => 2,
            Self::Processes => 3,
            Self::Services => 4,
            Self::Kernel => 5,
            Self::Network => 6,
        }
    }

    /// Returns the word for it in the store, in tables and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Files => "files",
            Self::Processes => "processes",
            Self::Services => "services",
            Self::Kernel => "kernel",
            Self::Network => "network",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// What was seen at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is as it should be.
    Passed,
    /// There is nothing to look at here: no kernel, no service. It neither helps nor hurts.
    NotApplicable,
    /// It cannot be told. This is never taken for passed.
    Unknown,
    /// It is not as it should be.
    Failed,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Passed, Self::NotApplicable, Self::Unknown, Self::Failed];

    /// Returns the word for it in the store, in tables and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotApplicable => "not applicable",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// A person's declared decision to leave a vulnerability open for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The vulnerability, or the vendor's id.
    pub vulnerability: VulnerabilityId,
    /// On which hosts.
    pub hosts: Selector,
    /// Who answers for it.
    pub owner: PersonName,
    /// Why.
    pub reason: String,
    /// From then on it does not count any more.
    pub until: Timestamp,
    /// Where it is declared.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for (year, number, text) in [(2026, 1, "inc-2026-0001"), (2026, 12345, "inc-2026-12345")] {
            let id = IncidentId::new(year, number);
            assert_eq!(id.to_string(), text);
            assert_eq!(IncidentId::parse(text), Some(id));
        }
        assert_eq!(IncidentId::parse("INC-2026-1"), Some(IncidentId::new(2026, 1)));
        for bad in ["", "inc", "inc-2026", "inc-2026-", "inc-2026-0", "inc-26-1", "inc-2026-+1", "2026-1"] {
            assert_eq!(IncidentId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_word_means_one_thing() {
        assert!(Stage::ALL.into_iter().all(|it| Stage::parse(it.as_str()) == Some(it)));
        assert!(Mark::ALL.into_iter().all(|it| Mark::parse(it.as_str()) == Some(it)));
        assert!(Rung::ALL.into_iter().all(|it| Rung::parse(it.as_str()) == Some(it)));
        assert!(Verdict::ALL.into_iter().all(|it| Verdict::parse(it.as_str()) == Some(it)));
        assert!(Rung::ALL.windows(2).all(|pair| pair[0].number() + 1 == pair[1].number()));
    }
}
