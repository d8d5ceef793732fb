//! What vendors say: advisories, the versions they affect, and which vulnerabilities are exploited.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::package::{PackageName, Version};
use crate::platform::{Ecosystem, ReleaseScope, Repository};
use crate::text::foreign_text;

foreign_text! {
    /// The id of a vulnerability or of an advisory about it, upper- and lower-case as its issuer
    /// writes it: `CVE-2024-6387`, `DSA-5380-1`, `GHSA-...`, `XSA-...`, a VuXML vid.
    VulnerabilityId;
    /// The name of a feed: `alpine-secdb`, `freebsd-vuxml`, `debian-dsa`, `debian-tracker`, `osv`,
    /// `cisa-kev`, `epss`, `news`.
    FeedName;
    /// What makes an advisory unique within its feed and stays the same over its revisions.
    AdvisoryKey;
}

impl VulnerabilityId {
    /// Says whether two ids are the same; ids are compared without regard to ASCII case, because
    /// people and feeds write `cve-2024-6387` and `CVE-2024-6387`.
    pub fn same(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }

    /// Says whether it is a CVE id (the one that everybody else's refer to).
    pub fn is_cve(&self) -> bool {
        self.as_str().get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("CVE-"))
    }
}

/// A vendor's severity word. No word = `None` at the user of it, never a made-up level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Little or no harm.
    Low,
    /// Harm under conditions.
    Medium,
    /// Serious harm.
    High,
    /// Serious harm, easily.
    Critical,
}

impl Severity {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads a word, without regard to case. `moderate` is `medium` (GHSA's word), `important` is `high`.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "low" | "minor" => Some(Self::Low),
            "medium" | "moderate" => Some(Self::Medium),
            "high" | "important" => Some(Self::High),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

/// One statement of a vendor about one or more vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// The feed that carries it.
    pub feed: FeedName,
    /// What makes it unique in that feed.
    pub key: AdvisoryKey,
    /// The id shown first.
    pub id: VulnerabilityId,
    /// Every further id it is known by (the CVEs of a DSA, the XSA of a CVE...), without `id`.
    pub aliases: Vec<VulnerabilityId>,
    /// One line for people; empty where the feed has none.
    pub summary: String,
    /// The vendor's severity, where it gives one.
    pub severity: Option<Severity>,
    /// The day it was published, where the feed says.
    pub published: Option<Date>,
    /// What it affects.
    pub affected: Vec<Affected>,
}

impl Advisory {
    /// Returns every id it is known by, the first one first.
    pub fn ids(&self) -> impl Iterator<Item = &VulnerabilityId> {
        std::iter::once(&self.id).chain(&self.aliases)
    }
}

/// One package of one ecosystem that an advisory speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The releases spoken of.
    pub release: ReleaseScope,
    /// The repository spoken of, where the feed says.
    pub repository: Option<Repository>,
    /// The package or packages.
    pub package: PackagePattern,
    /// Whether `package` names a source (Alpine's origin, Debian's source package) or an installed package.
    pub join_by: JoinBy,
    /// What is said about its versions.
    pub affects: Affects,
}

/// How an advisory names packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackagePattern {
    /// One name.
    Exact(PackageName),
    /// A shell pattern (`fnmatch(3)`: `*`, `?`, `[...]`), as VuXML allows.
    Glob(String),
}

/// Which of a package's names and versions an advisory is joined with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinBy {
    /// The installed package's name and version.
    Binary,
    /// The source's name and the source's version.
    Source,
}

/// What an advisory says about a package's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affects {
    /// No version is affected, says the vendor (secdb's fix version `0`): a veto on other sources.
    NotAffected,
    /// The vendor has not found out yet (`undetermined` in Debian's security tracker).
    Undetermined,
    /// Affected if any of these ranges holds the version.
    Ranges {
        /// The ranges; all others are fixed or never were affected.
        ranges: Vec<VersionRange>,
        /// Versions that were once announced as the fix and were not the last word: the same id
        /// stands under several fix versions of one package. Ascending.
        earlier_fixes: Vec<Version>,
    },
}

/// A range of versions; both bounds must hold. No lower bound = since ever, no upper = no fix yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionRange {
    /// The lower bound.
    pub lower: Option<Bound>,
    /// The upper bound; exclusive = the fixed version.
    pub upper: Option<Bound>,
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    /// The version.
    pub version: Version,
    /// Whether the version itself lies in the range.
    pub is_inclusive: bool,
}

/// A vulnerability that is being exploited, says CISA's catalogue (KEV).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExploitedVulnerability {
    /// The CVE.
    pub id: VulnerabilityId,
    /// CISA's name for it.
    pub name: String,
    /// The day it was added to the catalogue.
    pub added: Date,
    /// The day by which US agencies must have acted.
    pub due: Option<Date>,
    /// Whether it is known in ransomware campaigns.
    pub is_ransomware: bool,
}

/// A share between 0 and 1 (a probability, a percentile), exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// One, in millionths.
    const WHOLE: u32 = 1_000_000;

    /// Makes a share of millionths; `None` above 1.
    pub fn from_millionths(millionths: u32) -> Option<Self> {
        (millionths <= Self::WHOLE).then_some(Self(millionths))
    }

    /// Reads a decimal number such as `0.91963`; `None` where it is none or not between 0 and 1.
    /// Digits past the sixth are rounded.
    pub fn parse(text: &str) -> Option<Self> {
        let share: f64 = text.parse().ok()?;
        let is_share = (0.0..=1.0).contains(&share);
        // A float's conversion to an integer saturates; what is out of range was refused above.
        is_share.then(|| Self((share * f64::from(Self::WHOLE)).round() as u32))
    }

    /// Returns it in millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// Returns it as a number between 0 and 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }
}

impl fmt::Display for Share {
    /// Prints it as a percentage: `91.96 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} %", self.as_f64() * 100.0)
    }
}

/// How likely a vulnerability is to be exploited in the next 30 days, says EPSS
/// (<https://www.first.org/epss/>). A forecast, not an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExploitScore {
    /// The CVE.
    pub id: VulnerabilityId,
    /// The probability.
    pub probability: Share,
    /// The share of all scored vulnerabilities with the same or a lower probability.
    pub percentile: Share,
}

/// One item of a news feed (RSS, Atom). It is read by people and never counts as an advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsItem {
    /// Who says it: the title of the news feed, plain text on one line.
    pub source: String,
    /// What makes it unique within its source and stays the same when it is published again.
    pub key: String,
    /// Its title, plain text on one line.
    pub title: String,
    /// Where to read it, `https` or `http`.
    pub link: Option<String>,
    /// When it was published, where it says.
    pub published: Option<Timestamp>,
    /// The CVEs that its title or text names, sorted.
    pub ids: Vec<VulnerabilityId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_to_a_millionth() {
        let check = |text: &str, expected: Option<u32>| {
            assert_eq!(Share::parse(text).map(Share::millionths), expected, "{text}");
        };
        check("0.91963", Some(919_630));
        check("0", Some(0));
        check("1.0", Some(1_000_000));
        check("9e-05", Some(90));
        check("0.0000006", Some(1));
        for bad in ["", "1.1", "-0.1", "NaN", "inf", "x", "0,5"] {
            check(bad, None);
        }
        assert_eq!(Share::from_millionths(1_000_001), None);
        assert_eq!(Share::parse("0.91963").expect("a share").to_string(), "91.96 %");
    }
}
