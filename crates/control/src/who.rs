//! `ifrit who`: which hosts of which clients are vulnerable, and why.
//!
//! Costs what is distinct, not what is installed: the advisories about one id name a few packages,
//! these have a few installed versions, and posting lists lead from versions to hosts.

use std::collections::{BTreeMap, BTreeSet};

use advisory::{AdvisoryIndex, Coverage, Match};
use model::{
    Advisory, ClientName, Ecosystem, ExploitScore, ExploitedVulnerability, FeedName, FindingState, Fix,
    HostName, PackageName, PackagePattern, PackageVersion, Platform, Reason, Severity, VulnerabilityId,
};
use store::{ClientScope, HostId, HostRecord, PackageVersionId, Store};

use crate::error::Error;
use crate::session::Session;

/// The longest id that is looked up, in bytes.
const ID_BYTES_MAX: usize = 128;

/// The answer to `ifrit who ID`.
#[derive(Debug, Clone)]
pub struct WhoAnswer {
    /// Every id that was looked up: the asked one and, where its advisory is about one CVE, that CVE.
    pub ids: Vec<VulnerabilityId>,
    /// The advisories that speak of it, one line each.
    pub advisories: Vec<AdvisoryLine>,
    /// What is known of its exploitation.
    pub exploited: Option<ExploitedVulnerability>,
    /// How likely its exploitation is, where EPSS says; of several ids the likeliest.
    pub score: Option<ExploitScore>,
    /// One row per host and installed package that an advisory speaks of, and one row for each host
    /// that has none; sorted by state, client, host, package.
    pub rows: Vec<WhoRow>,
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WhoRow {
    /// The answer for this row.
    pub state: FindingState,
    /// The client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// The package; `None` where the row speaks of the host as a whole.
    pub package: Option<AffectedPackage>,
    /// Why.
    pub reason: Reason,
}

/// The package of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AffectedPackage {
    /// Its name.
    pub name: PackageName,
    /// Its installed version.
    pub installed: String,
    /// Where the fix is.
    pub fix: Fix,
    /// The advisory's or vulnerability's id.
    pub id: VulnerabilityId,
    /// Its other ids.
    pub aliases: Vec<VulnerabilityId>,
    /// The feeds that say so, the one that decided first.
    pub feeds: Vec<FeedName>,
    /// The highest severity that a feed gives.
    pub severity: Option<Severity>,
}

impl WhoAnswer {
    /// Returns how many hosts have a row of the state and none of a worse one.
    pub fn hosts_in(&self, state: FindingState) -> usize {
        let mut worst: BTreeMap<(&ClientName, &HostName), FindingState> = BTreeMap::new();
        for row in &self.rows {
            // Rows are sorted by state, the worst first.
            worst.entry((&row.client, &row.host)).or_insert(row.state);
        }
        worst.values().filter(|its_state| **its_state == state).count()
    }

    /// Returns the worst state of all rows; `None` where there is no host at all.
    pub fn verdict(&self) -> Option<FindingState> {
        self.rows.iter().map(|row| row.state).min()
    }
}

/// Answers which hosts are vulnerable to a vulnerability or an advisory.
///
/// # Errors
/// [`Error::VulnerabilityId`] where the id cannot be one; [`Error::ClientUnknown`] where the scope
/// names a client that nobody declares and that has no host; [`Error::Store`] where the database fails.
pub async fn who(session: &Session, id: &str, scope: &ClientScope) -> Result<WhoAnswer, Error> {
    let store = &session.store;
    let (ids, advisories) = look_up(store, parse_id(id)?).await?;
    let exploited = store.exploited(&ids).await?;
    let score = store.scores(&ids).await?.into_iter().max_by_key(|score| score.probability);
    let coverage: Vec<_> = store.coverage().await?.into_iter().map(coverage).collect();
    let installed = installed_versions(store, &advisories).await?;
    let (version_ids, versions): (Vec<_>, Vec<_>) = installed.into_iter().unzip();
    let matches = matches(store, &ids, &advisories, &coverage, &exploited, &versions).await?;
    let postings = postings(store, scope, &matches, &version_ids).await?;
    let hosts = store.hosts(scope).await?;
    require_known_clients(session, scope, &hosts)?;
    let index = AdvisoryIndex::new(advisories, coverage, exploited.clone());
    let mut rows = package_rows(&hosts, &matches, &versions, &version_ids, &postings);
    rows.extend(remaining_rows(&hosts, &rows, &ids, &index));
    rows.sort();
    Ok(WhoAnswer {
        advisories: lines(index.advisories()),
        exploited: exploited.into_iter().next(),
        score,
        ids,
        rows,
    })
}

/// Matches by the advisories about the ids and by those that must be known too, and returns what is
/// about the ids.
async fn matches(
    store: &Store,
    ids: &[VulnerabilityId],
    advisories: &[Advisory],
    coverage: &[Coverage],
    exploited: &[ExploitedVulnerability],
    versions: &[PackageVersion],
) -> Result<Vec<Match>, Error> {
    let mut known = advisories.to_vec();
    let needed = advisory::needed_ids(advisories);
    if !needed.is_empty() {
        known.extend(store.advisories_about(&needed).await?);
    }
    let index = AdvisoryIndex::new(known, coverage.to_vec(), exploited.to_vec());
    let mut matches = advisory::match_packages(&index, versions);
    matches.retain(|found| ids.iter().any(|id| found.is_about(id)));
    Ok(matches)
}

/// A mistyped client must not look like a safe one.
fn require_known_clients(session: &Session, scope: &ClientScope, hosts: &[HostRecord]) -> Result<(), Error> {
    let ClientScope::Only(clients) = scope else { return Ok(()) };
    let declared = &session.workspace.inventory.clients;
    let is_known = |client: &ClientName| {
        declared.iter().any(|it| it.name == *client) || hosts.iter().any(|it| it.client == *client)
    };
    match clients.iter().find(|client| !is_known(client)) {
        Some(unknown) => Err(Error::ClientUnknown { given: unknown.to_string() }),
        None => Ok(()),
    }
}

fn parse_id(text: &str) -> Result<VulnerabilityId, Error> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    let is_id = text.len() <= ID_BYTES_MAX
        && text.bytes().all(is_word)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.contains('-');
    if !is_id {
        return Err(Error::VulnerabilityId { given: text.escape_default().to_string() });
    }
    Ok(VulnerabilityId::new(text))
}

/// Finds the advisories about an id. Where the id is a vendor's and stands for exactly one CVE, what
/// the others say about that CVE counts too.
async fn look_up(store: &Store, id: VulnerabilityId) -> Result<(Vec<VulnerabilityId>, Vec<Advisory>), Error> {
    let mut ids = vec![id];
    let mut advisories = store.advisories_about(&ids).await?;
    let cves: BTreeSet<_> =
        advisories.iter().flat_map(Advisory::ids).filter(|id| id.is_cve()).cloned().collect();
    if let (false, 1, Some(cve)) = (ids[0].is_cve(), cves.len(), cves.into_iter().next()) {
        ids.push(cve);
        advisories = store.advisories_about(&ids).await?;
    }
    Ok((ids, advisories))
}

fn coverage((feed, row): (FeedName, store::CoverageRow)) -> Coverage {
    Coverage { feed, ecosystem: row.ecosystem, release: row.release, repository: row.repository }
}

/// Returns the installed versions of every package that the advisories name.
async fn installed_versions(
    store: &Store,
    advisories: &[Advisory],
) -> Result<Vec<(PackageVersionId, PackageVersion)>, Error> {
    let mut names = BTreeSet::new();
    for affected in advisories.iter().flat_map(|advisory| &advisory.affected) {
        match &affected.package {
            PackagePattern::Exact(name) => {
                names.insert((affected.ecosystem, name.clone()));
            }
            PackagePattern::Glob(pattern) => {
                let installed = store.package_names(affected.ecosystem).await?;
                let fitting =
                    installed.into_iter().filter(|name| advisory::glob_matches(pattern, name.as_str()));
                names.extend(fitting.map(|name| (affected.ecosystem, name)));
            }
        }
    }
    Ok(store.package_versions_named(&names.into_iter().collect::<Vec<_>>()).await?)
}

async fn postings(
    store: &Store,
    scope: &ClientScope,
    matches: &[Match],
    version_ids: &[PackageVersionId],
) -> Result<BTreeMap<PackageVersionId, Vec<HostId>>, Error> {
    let matched: BTreeSet<_> = matches.iter().map(|it| version_ids[it.package]).collect();
    Ok(store.hosts_with(scope, &matched.into_iter().collect::<Vec<_>>()).await?)
}

fn package_rows(
    hosts: &[HostRecord],
    matches: &[Match],
    versions: &[PackageVersion],
    version_ids: &[PackageVersionId],
    postings: &BTreeMap<PackageVersionId, Vec<HostId>>,
) -> Vec<WhoRow> {
    let hosts: BTreeMap<_, _> = hosts.iter().map(|host| (host.id, host)).collect();
    let mut rows = Vec::new();
    for found in matches {
        let package = affected_package(found, &versions[found.package]);
        let having = postings.get(&version_ids[found.package]).into_iter().flatten();
        rows.extend(having.filter_map(|id| hosts.get(id)).map(|host| WhoRow {
            state: found.state,
            client: host.client.clone(),
            host: host.name.clone(),
            package: Some(package.clone()),
            reason: found.reason.clone(),
        }));
    }
    rows
}

fn affected_package(found: &Match, version: &PackageVersion) -> AffectedPackage {
    AffectedPackage {
        name: version.package.name.clone(),
        installed: version.package.version.as_str().to_owned(),
        fix: found.fix.clone(),
        id: found.id.clone(),
        aliases: found.aliases.clone(),
        feeds: found.feeds.clone(),
        severity: found.severity,
    }
}

/// Makes a row for each host that no advisory's package is installed on: silence is an answer too,
/// and which one depends on whether anybody would have spoken.
fn remaining_rows(
    hosts: &[HostRecord],
    rows: &[WhoRow],
    ids: &[VulnerabilityId],
    index: &AdvisoryIndex,
) -> Vec<WhoRow> {
    let answered: BTreeSet<_> = rows.iter().map(|row| (&row.client, &row.host)).collect();
    let silent = hosts.iter().filter(|host| !answered.contains(&(&host.client, &host.name)));
    silent
        .map(|host| {
            let (state, reason) = silence(host, ids, index);
            WhoRow { state, client: host.client.clone(), host: host.name.clone(), package: None, reason }
        })
        .collect()
}

fn silence(host: &HostRecord, ids: &[VulnerabilityId], index: &AdvisoryIndex) -> (FindingState, Reason) {
    let unknown = |sentence: String| (FindingState::Unknown, Reason::new(sentence));
    let id = &ids[0];
    let Some(platform) = &host.platform else {
        return unknown(match (&host.os, &host.last_collection) {
            (Some(os), _) => format!("no advisories are matched for `{}` `{}`", os.id, os.version),
            (None, None) => "never scanned".to_owned(),
            (None, Some(_)) => "no scan has brought back what it runs".to_owned(),
        });
    };
    if host.package_count.is_none() {
        return unknown("its packages could not be read".to_owned());
    }
    let names = named_packages(index.advisories(), platform);
    if !names.is_empty() {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        return (FindingState::NotAffected, Reason::new(format!("not installed: {names}")));
    }
    if !index.covers(platform) {
        return unknown(format!("no advisories for {platform} are loaded"));
    }
    let spoken_of: BTreeSet<_> = spoken_of(index.advisories());
    if !spoken_of.is_empty()
        && !ids.iter().any(VulnerabilityId::is_cve)
        && !spoken_of.contains(&platform.ecosystem)
    {
        let others = spoken_of.into_iter().map(Ecosystem::as_str).collect::<Vec<_>>().join(", ");
        return (FindingState::NotAffected, Reason::new(format!("{id} is about {others} only")));
    }
    unknown(format!("no advisory for {platform} speaks of {id}; that is no proof of safety"))
}

/// Returns the packages that the advisories name for a platform.
fn named_packages<'a>(advisories: &'a [Advisory], platform: &Platform) -> BTreeSet<&'a str> {
    let affected = advisories.iter().flat_map(|advisory| &advisory.affected);
    let here =
        affected.filter(|it| it.ecosystem == platform.ecosystem && it.release.contains(&platform.release));
    here.map(|it| match &it.package {
        PackagePattern::Exact(name) => name.as_str(),
        PackagePattern::Glob(pattern) => pattern.as_str(),
    })
    .collect()
}

fn spoken_of(advisories: &[Advisory]) -> BTreeSet<Ecosystem> {
    advisories.iter().flat_map(|advisory| &advisory.affected).map(|it| it.ecosystem).collect()
}

fn lines(advisories: &[Advisory]) -> Vec<AdvisoryLine> {
    let line = |it: &Advisory| AdvisoryLine {
        feed: it.feed.clone(),
        id: it.id.clone(),
        summary: it.summary.clone(),
    };
    let lines: BTreeSet<_> = advisories.iter().map(line).collect();
    lines.into_iter().collect()
}
