//! `ifrit who QUERY --explain HOST`: the whole reasoning for one host, so that somebody else can check it.

use std::collections::BTreeSet;

use advisory::{AdvisoryIndex, Coverage};
use jiff::Timestamp;
use jiff::civil::Date;
use model::{
    Advisory, AdvisoryKey, Affected, Affects, FeedName, FindingState, HostName, JoinBy, PackagePattern,
    PackageVersion, Platform, Reason, ReleaseScope, Severity, VersionRange, VulnerabilityId,
};
use store::{HostGroup, HostLine, HostSnapshot};

use super::found::Found;
use super::pages::Stage;
use super::{Moments, WhoAnswer, WhoQuestion, WhoRow, who};
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::matched::coverage;

/// The whole reasoning for one host.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What was asked, in words.
    pub query: String,
    /// Of which time.
    pub moments: Moments,
    /// Every id that was looked up; empty for a question about packages.
    pub ids: Vec<VulnerabilityId>,
    /// What is known of the host: what it runs, its kernel, processes that map deleted files.
    pub host: HostSnapshot,
    /// When its packages were last read; `None` = they are not known.
    pub packages_at: Option<Timestamp>,
    /// The worst of the rows.
    pub state: FindingState,
    /// The rows of the host, the worst first; at least one.
    pub rows: Vec<WhoRow>,
    /// Every advisory that was considered, sorted by feed, then key.
    pub considered: Vec<ConsideredAdvisory>,
    /// The feeds that speak of the host's platform.
    pub coverage: Vec<FeedName>,
    /// How old the feeds are.
    pub feeds: Vec<FeedAge>,
}

/// A feed and its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedAge {
    /// The feed.
    pub feed: FeedName,
    /// When what counts of it was taken or confirmed; `None` = never.
    pub synced_at: Option<Timestamp>,
}

/// An advisory and what it says of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsideredAdvisory {
    /// The feed.
    pub feed: FeedName,
    /// Its key in the feed.
    pub key: AdvisoryKey,
    /// Its id.
    pub id: VulnerabilityId,
    /// Its other ids.
    pub aliases: Vec<VulnerabilityId>,
    /// The vendor's summary; may be empty.
    pub summary: String,
    /// The vendor's severity.
    pub severity: Option<Severity>,
    /// When it was published.
    pub published: Option<Date>,
    /// What part it has in the answer.
    pub role: AdvisoryRole,
    /// What it says of packages of the host's ecosystems.
    pub statements: Vec<ConsideredStatement>,
    /// How many statements it holds about other ecosystems.
    pub statements_elsewhere: usize,
}

/// What part an advisory has in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvisoryRole {
    /// Its feed decides.
    Decides,
    /// Another feed decides: it only adds ids and a severity.
    Adds,
    /// It says nothing of what is installed here.
    Silent,
}

impl AdvisoryRole {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::Adds => "only adds ids and severity",
            Self::Silent => "says nothing of this host",
        }
    }
}

/// One statement about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsideredStatement {
    /// The package's name or pattern.
    pub package: String,
    /// Whether it names a source or an installed package.
    pub joined_by: JoinBy,
    /// The release that it is about, in words.
    pub release: String,
    /// What it says of versions, in words.
    pub affects: String,
    /// What it alone says of each installed package that it names.
    pub verdicts: Vec<(ExplainedPackage, FindingState, Reason)>,
    /// Why it says nothing here, where it does not.
    pub silence: Option<&'static str>,
}

/// An installed package, as a statement is joined with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedPackage {
    /// The installed package's name.
    pub name: String,
    /// The name that the statement was joined by: its own or its source's.
    pub joined_name: String,
    /// The version that was compared: its own or its source's.
    pub compared: String,
}

/// Explains the answer for one host.
///
/// # Errors
/// [`Error::HostUnknown`] where no such host was declared then; else as [`who`].
pub async fn explain(inquiry: &Inquiry, question: WhoQuestion, name: &str) -> Result<Explanation, Error> {
    let moments = question.moments;
    let unknown = || Error::HostUnknown { given: name.escape_default().to_string(), at: moments.at };
    let host = HostName::new(name).map_err(|_| unknown())?;
    let scope = question.scope.clone();
    let snapshot = inquiry.store.host_at(&scope, &host, moments.at).await?.ok_or_else(unknown)?;
    let answer = who(inquiry, question).await?;
    let record = inquiry.store.hosts_by_id(&scope, &[snapshot.id]).await?.into_iter().next();
    let line = line_of(&snapshot, record.as_ref());
    let rows = rows_of(inquiry, &answer, &line, group_of(&snapshot)).await?;
    let here: Vec<&Found> = answer.found.iter().filter(|it| it.hosts.contains(snapshot.id)).collect();
    let coverage = coverage(&inquiry.store, moments.known_at).await?;
    let advisories = advisories(inquiry, &answer, &here).await?;
    let installed = installed(inquiry, &answer, &snapshot).await?;
    let context =
        Context { installed, platform: snapshot.platform.clone(), coverage: &coverage, here: &here };
    let feeds = inquiry.store.feeds().await?;
    Ok(Explanation {
        considered: advisories.iter().map(|advisory| consider(advisory, &context)).collect(),
        state: rows.first().map_or(FindingState::Unknown, |row| row.state),
        coverage: covering(&coverage, snapshot.platform.as_ref()),
        feeds: feeds.into_iter().map(|it| FeedAge { feed: it.feed, synced_at: it.synced_at }).collect(),
        packages_at: line.packages_at,
        query: answer.query,
        ids: answer.ids,
        host: snapshot,
        moments,
        rows,
    })
}

fn line_of(snapshot: &HostSnapshot, record: Option<&store::HostRecord>) -> HostLine {
    HostLine {
        id: snapshot.id,
        client: snapshot.client.clone(),
        name: snapshot.name.clone(),
        parent: snapshot.parent.clone(),
        os: snapshot.os.clone(),
        platform: snapshot.platform.clone(),
        packages_at: snapshot.package_count.and_then(|_| {
            record
                .and_then(|record| record.packages_at)
                .or_else(|| snapshot.last_collection.as_ref().map(|it| it.finished_at))
        }),
        answered_at: record.and_then(|record| record.answered_at),
    }
}

/// The group that the census counts the host in.
fn group_of(snapshot: &HostSnapshot) -> HostGroup {
    match (&snapshot.platform, snapshot.package_count, &snapshot.os, &snapshot.last_collection) {
        (Some(platform), Some(_), _, _) => HostGroup::Platform(platform.clone()),
        (Some(platform), None, _, _) => HostGroup::PackagesUnknown(platform.clone()),
        (None, _, Some(os), _) => {
            HostGroup::Unsupported { os_id: os.id.clone(), os_version: os.version.clone() }
        }
        (None, _, None, Some(_)) => HostGroup::SystemUnknown,
        (None, _, None, None) => HostGroup::NeverScanned,
    }
}

async fn rows_of(
    inquiry: &Inquiry,
    answer: &WhoAnswer,
    line: &HostLine,
    group: HostGroup,
) -> Result<Vec<WhoRow>, Error> {
    let pages = answer.pages(inquiry, &[], &[]);
    let mut rows = Vec::new();
    for state in super::STATES {
        if answer.has_by_state.get(&state).is_some_and(|hosts| hosts.contains(line.id)) {
            rows.extend(pages.rows(Stage::Installed(state), std::slice::from_ref(line)).await?);
        }
    }
    if rows.is_empty()
        && let Some(at) = answer.silent.iter().position(|silent| silent.group == group)
    {
        rows = pages.rows(Stage::Silent(at), std::slice::from_ref(line)).await?;
    }
    Ok(rows)
}

/// The advisories that had a part in the answer: those about the ids, or about what was found here.
async fn advisories(inquiry: &Inquiry, answer: &WhoAnswer, here: &[&Found]) -> Result<Vec<Advisory>, Error> {
    let known_at = answer.question.moments.known_at;
    if !answer.ids.is_empty() {
        return Ok(inquiry.store.advisories_about(&answer.ids, known_at).await?);
    }
    let ids = here.iter().flat_map(|found| {
        let open = found.package.findings.iter().flat_map(|it| it.vulnerable.iter().chain(&it.unknown));
        found.package.id.iter().chain(open)
    });
    let ids: BTreeSet<_> = ids.cloned().collect();
    Ok(inquiry.store.advisories_about(&ids.into_iter().collect::<Vec<_>>(), known_at).await?)
}

async fn installed(
    inquiry: &Inquiry,
    answer: &WhoAnswer,
    snapshot: &HostSnapshot,
) -> Result<Vec<PackageVersion>, Error> {
    let (scope, at) = (&answer.question.scope, answer.question.moments.at);
    let packages = inquiry.store.packages_of(scope, &snapshot.name, at).await?.unwrap_or_default();
    let mut software = inquiry.store.software_of(scope, &[snapshot.id], at).await?;
    let software = software.remove(&snapshot.id).unwrap_or_default().into_iter().map(|(version, _)| version);
    let all: BTreeSet<_> = packages.into_iter().chain(software).collect();
    Ok(all.into_iter().collect())
}

fn covering(coverage: &[Coverage], platform: Option<&Platform>) -> Vec<FeedName> {
    let Some(platform) = platform else { return Vec::new() };
    let here = coverage
        .iter()
        .filter(|it| it.ecosystem == platform.ecosystem && it.release.contains(&platform.release));
    let feeds: BTreeSet<_> = here.map(|it| it.feed.clone()).collect();
    feeds.into_iter().collect()
}

/// What statements are held against.
struct Context<'a> {
    installed: Vec<PackageVersion>,
    platform: Option<Platform>,
    coverage: &'a [Coverage],
    here: &'a [&'a Found],
}

fn consider(advisory: &Advisory, context: &Context<'_>) -> ConsideredAdvisory {
    let is_here = |affected: &&Affected| {
        let ecosystem = affected.ecosystem;
        context.platform.as_ref().is_some_and(|it| it.ecosystem == ecosystem)
            || context.installed.iter().any(|it| it.platform.ecosystem == ecosystem)
    };
    let statements: Vec<_> =
        advisory.affected.iter().filter(is_here).map(|it| statement(advisory, it, context)).collect();
    ConsideredAdvisory {
        feed: advisory.feed.clone(),
        key: advisory.key.clone(),
        id: advisory.id.clone(),
        aliases: advisory.aliases.clone(),
        summary: advisory.summary.clone(),
        severity: advisory.severity,
        published: advisory.published,
        role: role(advisory, &statements, context),
        statements_elsewhere: advisory.affected.len() - statements.len(),
        statements,
    }
}

fn role(advisory: &Advisory, statements: &[ConsideredStatement], context: &Context<'_>) -> AdvisoryRole {
    if statements.iter().all(|it| it.verdicts.is_empty()) {
        return AdvisoryRole::Silent;
    }
    let decides = context.here.iter().any(|found| found.package.feeds.first() == Some(&advisory.feed));
    if decides { AdvisoryRole::Decides } else { AdvisoryRole::Adds }
}

/// Holds one statement alone against what is installed.
fn statement(advisory: &Advisory, affected: &Affected, context: &Context<'_>) -> ConsideredStatement {
    let alone = Advisory { affected: vec![affected.clone()], ..advisory.clone() };
    let index = AdvisoryIndex::new(vec![alone], context.coverage.to_vec(), Vec::new());
    let named: Vec<PackageVersion> =
        context.installed.iter().filter(|version| names(affected, version)).cloned().collect();
    let verdicts: Vec<_> = advisory::match_packages(&index, &named)
        .into_iter()
        .map(|found| (joined(affected, &named[found.package]), found.state, found.reason))
        .collect();
    let silence = match (verdicts.is_empty(), named.is_empty()) {
        (false, _) => None,
        (true, true) => Some("not installed here"),
        (true, false) => Some("about another release or repository"),
    };
    ConsideredStatement {
        package: match &affected.package {
            PackagePattern::Exact(name) => name.to_string(),
            PackagePattern::Glob(pattern) => pattern.clone(),
        },
        joined_by: affected.join_by,
        release: release(affected),
        affects: affects(&affected.affects),
        verdicts,
        silence,
    }
}

fn names(affected: &Affected, version: &PackageVersion) -> bool {
    let name = match affected.join_by {
        JoinBy::Binary => &version.package.name,
        JoinBy::Source => &version.package.source,
    };
    version.platform.ecosystem == affected.ecosystem
        && match &affected.package {
            PackagePattern::Exact(exact) => exact == name,
            PackagePattern::Glob(pattern) => advisory::glob_matches(pattern, name.as_str()),
        }
}

fn joined(affected: &Affected, version: &PackageVersion) -> ExplainedPackage {
    let package = &version.package;
    let (name, compared) = match affected.join_by {
        JoinBy::Binary => (&package.name, &package.version),
        JoinBy::Source => (&package.source, &package.source_version),
    };
    ExplainedPackage {
        name: package.name.to_string(),
        joined_name: name.to_string(),
        compared: compared.to_string(),
    }
}

fn release(affected: &Affected) -> String {
    let release = match &affected.release {
        ReleaseScope::Any => format!("{}, every release", affected.ecosystem),
        ReleaseScope::Only(release) => format!("{} {release}", affected.ecosystem),
    };
    match &affected.repository {
        Some(repository) => format!("{release} {repository}"),
        None => release,
    }
}

fn affects(affects: &Affects) -> String {
    match affects {
        Affects::NotAffected => "not affected".to_owned(),
        Affects::Undetermined => "not yet found out".to_owned(),
        Affects::Ranges { ranges, .. } => {
            let all: Vec<_> = ranges.iter().map(range).collect();
            format!("affected: {}", all.join(" or "))
        }
    }
}

fn range(range: &VersionRange) -> String {
    let lower =
        range.lower.as_ref().map(|it| format!("{} {}", if it.is_inclusive { ">=" } else { ">" }, it.version));
    let upper =
        range.upper.as_ref().map(|it| format!("{} {}", if it.is_inclusive { "<=" } else { "<" }, it.version));
    match (lower, upper) {
        (Some(lower), Some(upper)) => format!("{lower}, {upper}"),
        (Some(one), None) => format!("{one}, no fix yet"),
        (None, Some(one)) => one,
        (None, None) => "every version, no fix yet".to_owned(),
    }
}
