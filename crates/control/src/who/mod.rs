//! `ifrit who`: which hosts of which clients are vulnerable, and why.
//!
//! Costs what is asked for, not what is installed: the advisories about one id name a few packages,
//! these have a few installed versions, posting lists lead from versions to sets of hosts, and only the
//! hosts of a page are looked at one by one. What no advisory's package is installed on is answered by
//! groups of hosts ([`SilentGroup`]): silence is an answer too, and which one depends on whether
//! anybody would have spoken.

mod by_package;
mod explain;
mod found;
mod pages;
mod query;
mod silence;

use std::collections::BTreeMap;

use advisory::AdvisoryIndex;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use model::{
    Advisory, ClientName, ExploitScore, ExploitedVulnerability, FeedName, FindingState, Fix, HostName,
    PackageName, Reason, Severity, Version, VulnerabilityId,
};
use store::{ClientScope, HostSet, OldScan, OldScans};

use crate::error::Error;
pub use crate::exposure::ServiceUse;
use crate::inquiry::Inquiry;
use crate::moment;
use crate::packages::PackageSpec;
pub use explain::{
    AdvisoryRole, ConsideredAdvisory, ConsideredStatement, ExplainedPackage, Explanation, FeedAge, explain,
};
use found::{Found, find};
pub use pages::{PAGE_HOSTS_MAX, WhoPages};
pub use query::WhoQuery;
pub use silence::SilentGroup;
use silence::silent_groups;
pub(crate) use silence::why_unknown;

/// Answers that rest on scans of longer ago are told apart: a week.
pub const SCAN_AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Outdated hosts that are named; the others are counted.
const OUTDATED_NAMED_MAX: usize = 5;

/// Outdated hosts that are looked at, to leave out the vulnerable ones.
const OUTDATED_READ_MAX: u32 = 2_000;

/// A question.
#[derive(Debug, Clone)]
pub struct WhoQuestion {
    /// What is asked.
    pub query: WhoQuery,
    /// Whose hosts.
    pub scope: ClientScope,
    /// Of which time.
    pub moments: Moments,
}

/// Of which time the answer is; `None` = now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// What was installed then.
    pub at: Option<Timestamp>,
    /// What the feeds said then.
    pub known_at: Option<Timestamp>,
}

impl Moments {
    /// Reads `--at` (packages of that day, advisories of today) or `--known-at` (both of that day).
    ///
    /// # Errors
    /// [`Error::Moment`], [`Error::MomentAhead`].
    pub fn parse(inquiry: &Inquiry, at: Option<&str>, known_at: Option<&str>) -> Result<Self, Error> {
        let now = inquiry.clock.now();
        let read = |text: Option<&str>| text.map(|text| moment::past(text, now)).transpose();
        let (at, known_at) = (read(at)?, read(known_at)?);
        Ok(Self { at: at.or(known_at), known_at })
    }
}

/// The answer, apart from its rows: these come page by page ([`WhoAnswer::pages`]).
#[derive(Debug, Clone)]
pub struct WhoAnswer {
    /// What was asked, in words.
    pub query: String,
    /// Every id that was looked up: the asked one and, where its advisory is about one CVE, that CVE.
    /// Empty for a question about packages.
    pub ids: Vec<VulnerabilityId>,
    /// The advisories that speak of the ids, one line each.
    pub advisories: Vec<AdvisoryLine>,
    /// What is known of the exploitation of the ids.
    pub exploited: Option<ExploitedVulnerability>,
    /// How likely their exploitation is, where EPSS says; of several ids the likeliest.
    pub score: Option<ExploitScore>,
    /// How many hosts of each client have which state as their worst.
    pub clients: BTreeMap<ClientName, StateCounts>,
    /// Hosts whose answer is not "vulnerable" and rests on an old scan.
    pub outdated: Outdated,
    /// The hosts that nothing is installed on that an advisory speaks of, by the reason for their state.
    pub silent: Vec<SilentGroup>,
    /// Whether packages were asked for of which no host ever had one and no advisory speaks: mistyped,
    /// perhaps.
    pub is_unheard_of: bool,
    pub(crate) question: WhoQuestion,
    pub(crate) spec: Option<PackageSpec>,
    pub(crate) found: Vec<Found>,
    pub(crate) has_by_state: BTreeMap<FindingState, HostSet>,
    pub(crate) answered: HostSet,
}

/// Hosts that were last scanned more than [`SCAN_AGE_MAX`] ago. A fix may have been undone since.
#[derive(Debug, Clone, Default)]
pub struct Outdated {
    /// How many there are.
    pub hosts: usize,
    /// Whether vulnerable ones are among them, because they are too many to be looked at one by one.
    pub has_vulnerable: bool,
    /// Before when they were scanned; `None` = nobody looked, because the answer is of the past.
    pub before: Option<Timestamp>,
    /// Those that were not scanned for the longest time.
    pub oldest: Vec<OldScan>,
}

/// How many hosts have which state as their worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateCounts {
    /// Vulnerable.
    pub vulnerable: usize,
    /// Unknown and not known to be vulnerable.
    pub unknown: usize,
    /// Fixed, and neither of these.
    pub fixed: usize,
    /// Not affected at all.
    pub not_affected: usize,
}

impl StateCounts {
    /// Returns the number for a state.
    pub fn of(&self, state: FindingState) -> usize {
        match state {
            FindingState::Vulnerable => self.vulnerable,
            FindingState::Unknown => self.unknown,
            FindingState::Fixed => self.fixed,
            FindingState::NotAffected => self.not_affected,
        }
    }

    fn add(&mut self, state: FindingState, hosts: usize) {
        *match state {
            FindingState::Vulnerable => &mut self.vulnerable,
            FindingState::Unknown => &mut self.unknown,
            FindingState::Fixed => &mut self.fixed,
            FindingState::NotAffected => &mut self.not_affected,
        } += hosts;
    }
}

/// An advisory in one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdvisoryLine {
    /// The feed.
    pub feed: FeedName,
    /// The vendor's id.
    pub id: VulnerabilityId,
    /// The vendor's summary; may be empty.
    pub summary: String,
}

/// One row of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct WhoRow {
    /// The answer for this row.
    pub state: FindingState,
    /// The client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// The package; `None` where the row speaks of the host as a whole.
    pub package: Option<AffectedPackage>,
    /// The file that says so, for software outside packages.
    pub path: Option<String>,
    /// The services that use it.
    pub services: Vec<ServiceUse>,
    /// When the host's packages were last read; `None` = never, or it does not matter.
    pub scanned_at: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
}

/// The package of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedPackage {
    /// Its name.
    pub name: PackageName,
    /// What it was built from.
    pub source: PackageName,
    /// Its installed version.
    pub installed: Version,
    /// Where the fix is; of several vulnerabilities, of all that have one.
    pub fix: Fix,
    /// The advisory's or vulnerability's id; `None` where the row is about a package as such.
    pub id: Option<VulnerabilityId>,
    /// Its other ids.
    pub aliases: Vec<VulnerabilityId>,
    /// The feeds that say so, the one that decided first.
    pub feeds: Vec<FeedName>,
    /// The highest severity that a feed gives.
    pub severity: Option<Severity>,
    /// Since when one of its vulnerabilities is exploited, says CISA's catalogue.
    pub exploited_since: Option<Date>,
    /// How likely its exploitation is, where EPSS says; of several vulnerabilities the likeliest.
    pub score: Option<ExploitScore>,
    /// What is said of it, for a question about packages.
    pub findings: Option<FindingIds>,
}

/// The ids of what is said of one installed package, by state; sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FindingIds {
    /// It is vulnerable.
    pub vulnerable: Vec<VulnerabilityId>,
    /// It cannot be judged.
    pub unknown: Vec<VulnerabilityId>,
    /// It holds the fix.
    pub fixed: Vec<VulnerabilityId>,
}

impl AffectedPackage {
    /// What rows of one host are ordered by.
    pub(crate) fn order(&self) -> impl Ord + '_ {
        (&self.source, &self.name, &self.id, self.installed.as_str(), &self.feeds)
    }
}

impl WhoAnswer {
    /// Returns how many hosts have the state as their worst.
    pub fn hosts_in(&self, state: FindingState) -> usize {
        self.clients.values().map(|counts| counts.of(state)).sum()
    }

    /// Says whether packages as such were asked for: then who has them is the answer, whatever their state.
    pub fn is_about_packages(&self) -> bool {
        self.spec.is_some()
    }

    /// Returns the worst state of all hosts; `None` where there is no host at all.
    pub fn verdict(&self) -> Option<FindingState> {
        STATES.into_iter().find(|state| self.hosts_in(*state) > 0)
    }
}

/// Every state, the worst first.
pub const STATES: [FindingState; 4] =
    [FindingState::Vulnerable, FindingState::Unknown, FindingState::Fixed, FindingState::NotAffected];

/// Answers a question.
///
/// # Errors
/// [`Error::ClientUnknown`] where the scope names a client that was never declared;
/// [`Error::NoCatalogue`] where CISA's catalogue is asked for and was never taken; [`Error::Store`] where
/// the database fails.
pub async fn who(inquiry: &Inquiry, question: WhoQuestion) -> Result<WhoAnswer, Error> {
    inquiry.require_known_clients(&question.scope).await?;
    let findings = find(inquiry, &question).await?;
    let census = inquiry.store.census(&question.scope, question.moments.at).await?;
    let mut by_state: BTreeMap<FindingState, HostSet> = BTreeMap::new();
    for found in &findings.found {
        by_state.entry(found.state).or_default().union_with(&found.hosts);
    }
    let answered = HostSet::union_of(by_state.values());
    let silent = silent_groups(inquiry, &question, &findings, &census, &answered).await?;
    let outdated = outdated(inquiry, &question, by_state.get(&FindingState::Vulnerable)).await?;
    Ok(WhoAnswer {
        outdated,
        query: findings.query,
        advisories: lines(&findings.index),
        exploited: findings.exploited,
        score: findings.score,
        is_unheard_of: findings.is_unheard_of,
        spec: findings.spec,
        clients: count(&by_state, &silent),
        ids: findings.ids,
        found: findings.found,
        has_by_state: by_state,
        silent,
        answered,
        question,
    })
}

/// Finds the hosts of today's answer that are not vulnerable as far as an old scan can tell. Where there
/// are too many to look at, all with an old scan.
async fn outdated(
    inquiry: &Inquiry,
    question: &WhoQuestion,
    vulnerable: Option<&HostSet>,
) -> Result<Outdated, Error> {
    let before = inquiry.clock.now().checked_sub(SCAN_AGE_MAX).ok();
    let (None, Some(before)) = (question.moments.at, before) else { return Ok(Outdated::default()) };
    let OldScans { mut hosts, mut oldest } =
        inquiry.store.hosts_read_before(&question.scope, before, OUTDATED_READ_MAX).await?;
    let has_vulnerable = oldest.len() < hosts;
    if let (false, Some(vulnerable)) = (has_vulnerable, vulnerable) {
        oldest.retain(|scan| !vulnerable.contains(scan.host));
        hosts = oldest.len();
    }
    oldest.truncate(OUTDATED_NAMED_MAX);
    Ok(Outdated { hosts, has_vulnerable, before: Some(before), oldest })
}

/// Counts each host once, with its worst state.
fn count(
    by_state: &BTreeMap<FindingState, HostSet>,
    silent: &[SilentGroup],
) -> BTreeMap<ClientName, StateCounts> {
    let mut clients: BTreeMap<ClientName, StateCounts> = BTreeMap::new();
    let mut worse = HostSet::default();
    for state in STATES {
        let Some(hosts) = by_state.get(&state) else { continue };
        let mut hosts = hosts.clone();
        hosts.subtract(&worse);
        worse.union_with(&hosts);
        for (client, hosts) in hosts.len_by_client() {
            clients.entry(client).or_default().add(state, hosts);
        }
    }
    for group in silent {
        for (client, hosts) in &group.hosts {
            clients.entry(client.clone()).or_default().add(group.state, *hosts);
        }
    }
    clients
}

fn lines(index: &AdvisoryIndex) -> Vec<AdvisoryLine> {
    let line = |it: &Advisory| AdvisoryLine {
        feed: it.feed.clone(),
        id: it.id.clone(),
        summary: it.summary.clone(),
    };
    let lines: std::collections::BTreeSet<_> = index.advisories().iter().map(line).collect();
    lines.into_iter().collect()
}
