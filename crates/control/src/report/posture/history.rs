//! Reading what the past of findings is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use advisory::{AdvisoryIndex, Match};
use jiff::Timestamp;
use model::{ClientName, FindingState, Fix, PackageName, Platform, Severity, VulnerabilityId};
use store::{ClientScope, DeclaredException, HostId, PackageVersionId, SetId, SetInterval, Store};

use super::days_before;
use super::tracking::{FindingIndex, HostHistory, Interval, Tracked, VersionIndex, track};
use crate::error::Error;
use crate::matched::{Matched, match_versions};
use crate::session::Session;

/// How far back intervals are read, in days. What is open for longer counts as open since the interval that reaches
/// over this border began.
const HISTORY_DAYS: i64 = 400;

/// Sets that are read together.
const SETS_PER_STEP: usize = 2048;

/// A vulnerability of a source package.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// The CVE, else the vendor's id.
    pub id: VulnerabilityId,
    /// Its other ids.
    pub aliases: BTreeSet<VulnerabilityId>,
    /// The source package.
    pub source: PackageName,
    /// The highest severity that a feed gives.
    pub severity: Option<Severity>,
    /// Whether it is known to be exploited.
    pub is_exploited: bool,
    /// Whether there is no fix.
    pub is_unfixed: bool,
    /// Since when it is known here.
    known_at: Timestamp,
}

/// A host.
#[derive(Debug, Clone)]
pub(super) struct HistoryHost {
    /// Its client.
    pub client: ClientName,
}

/// What was open when.
#[derive(Debug)]
pub(super) struct History {
    /// Every finding that any of the hosts has or had.
    pub findings: Vec<Finding>,
    /// The hosts.
    pub hosts: Vec<HistoryHost>,
    /// The findings of the hosts.
    pub tracked: Vec<Tracked>,
    /// How many declared hosts each client has, those that nothing is known of included.
    pub declared: BTreeMap<ClientName, usize>,
    /// Since when anything is known.
    pub begins_at: Option<Timestamp>,
    /// The hosts for which each finding is left open by decision.
    accepted: HashMap<FindingIndex, BTreeSet<u32>>,
    index: AdvisoryIndex,
}

impl History {
    /// Returns the finding that is tracked.
    pub(super) fn finding(&self, tracked: &Tracked) -> &Finding {
        &self.findings[tracked.finding as usize]
    }

    /// Says whether it is left open by a decision that counts now.
    pub(super) fn is_accepted(&self, tracked: &Tracked) -> bool {
        self.accepted.get(&tracked.finding).is_some_and(|hosts| hosts.contains(&tracked.host))
    }

    /// Says whether a feed speaks of a platform.
    pub(super) fn covers(&self, platform: &Platform) -> bool {
        self.index.covers(platform)
    }
}

/// Reads what was open when on the hosts in the scope.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn read_history(
    session: &Session,
    scope: &ClientScope,
    now: Timestamp,
) -> Result<History, Error> {
    let store = &session.store;
    let intervals = store.set_intervals(scope, days_before(now, HISTORY_DAYS)).await?;
    let sets: BTreeSet<SetId> = intervals.iter().map(|it| it.set).collect();
    let ids = versions_in(store, &sets).await?;
    let (version_ids, versions): (Vec<_>, Vec<_>) =
        store.package_versions_by_id(&ids.into_iter().collect::<Vec<_>>()).await?.into_iter().unzip();
    let matched = match_versions(store, version_ids, versions, None).await?;
    let (findings, of_version) = findings(store, &matched, now).await?;
    let vulnerable: HashMap<PackageVersionId, VersionIndex> = (0..)
        .zip(&matched.version_ids)
        .filter(|(at, _)| !of_version[*at as usize].is_empty())
        .map(|(at, id)| (*id, at))
        .collect();
    let bodies = vulnerable_in(store, &sets, &vulnerable).await?;
    let mut declared: BTreeMap<ClientName, usize> = BTreeMap::new();
    store.hosts(scope).await?.into_iter().for_each(|host| *declared.entry(host.client).or_default() += 1);
    let begins_at = intervals.iter().map(|it| it.from).min();
    let (hosts, histories) = histories(intervals, &bodies);
    let known: Vec<Timestamp> = findings.iter().map(|it| it.known_at).collect();
    let tracked = track(&histories, &of_version, &known);
    let exceptions = store.exceptions(scope).await?;
    let positions: BTreeMap<HostId, u32> = (0..).zip(&hosts).map(|(at, (id, _))| (*id, at)).collect();
    let accepted = accepted(&findings, &exceptions, &positions, now);
    let hosts = hosts.into_iter().map(|(_, host)| host).collect();
    Ok(History { findings, hosts, tracked, declared, begins_at, accepted, index: matched.index })
}

/// Returns every package version that is in one of the sets.
async fn versions_in(store: &Store, sets: &BTreeSet<SetId>) -> Result<BTreeSet<PackageVersionId>, Error> {
    let mut versions = BTreeSet::new();
    for step in sets.iter().copied().collect::<Vec<_>>().chunks(SETS_PER_STEP) {
        let bodies = store.set_bodies(&step.iter().copied().collect()).await?;
        step.iter().for_each(|set| versions.extend(bodies.versions(*set)));
    }
    Ok(versions)
}

/// Returns the vulnerable versions of each set, ascending: few of what a host has.
async fn vulnerable_in(
    store: &Store,
    sets: &BTreeSet<SetId>,
    vulnerable: &HashMap<PackageVersionId, VersionIndex>,
) -> Result<BTreeMap<SetId, Vec<VersionIndex>>, Error> {
    let mut found = BTreeMap::new();
    for step in sets.iter().copied().collect::<Vec<_>>().chunks(SETS_PER_STEP) {
        let bodies = store.set_bodies(&step.iter().copied().collect()).await?;
        for set in step {
            let versions = bodies.versions(*set);
            let mut versions: Vec<_> = versions.iter().filter_map(|id| vulnerable.get(id).copied()).collect();
            versions.sort_unstable();
            found.insert(*set, versions);
        }
    }
    Ok(found)
}

/// Puts together what is one finding, as `ifrit findings` does, and says which each version has.
async fn findings(
    store: &Store,
    matched: &Matched,
    now: Timestamp,
) -> Result<(Vec<Finding>, Vec<Vec<FindingIndex>>), Error> {
    let open: Vec<&Match> =
        matched.matches.iter().filter(|it| it.state == FindingState::Vulnerable).collect();
    let ids: BTreeSet<&VulnerabilityId> =
        open.iter().flat_map(|it| std::iter::once(&it.id).chain(&it.aliases)).collect();
    let known = store.first_known_by_feed(&ids.into_iter().cloned().collect::<Vec<_>>()).await?;
    let known_at = |found: &Match| {
        let by_feed = known.get(&found.id.as_str().to_ascii_uppercase());
        let decider = found.feeds.first().and_then(|feed| by_feed?.get(feed));
        decider.or_else(|| by_feed?.values().min()).copied().unwrap_or(now)
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut of_version: Vec<Vec<FindingIndex>> = vec![Vec::new(); matched.versions.len()];
    let mut places: HashMap<(bool, String, &PackageName), FindingIndex> = HashMap::new();
    for found in open {
        let source = &matched.versions[found.package].package.source;
        let is_unfixed = found.fix == Fix::NotYet;
        let key = (is_unfixed, found.id.as_str().to_ascii_uppercase(), source);
        let next = FindingIndex::try_from(findings.len()).unwrap_or(FindingIndex::MAX);
        let place = *places.entry(key).or_insert(next);
        if place == next {
            findings.push(Finding {
                id: found.id.clone(),
                aliases: BTreeSet::new(),
                source: source.clone(),
                severity: None,
                is_exploited: false,
                is_unfixed,
                known_at: known_at(found),
            });
        }
        let finding = &mut findings[place as usize];
        finding.aliases.extend(found.aliases.iter().cloned());
        finding.severity = finding.severity.max(found.severity);
        finding.is_exploited |= found.exploited;
        finding.known_at = finding.known_at.min(known_at(found));
        if !of_version[found.package].contains(&place) {
            of_version[found.package].push(place);
        }
    }
    Ok((findings, of_version))
}

/// Puts the intervals of each host in a row; a host's software is a history of its own.
fn histories(
    intervals: Vec<SetInterval>,
    bodies: &BTreeMap<SetId, Vec<VersionIndex>>,
) -> (Vec<(HostId, HistoryHost)>, Vec<HostHistory>) {
    let (mut hosts, mut histories): (Vec<(HostId, HistoryHost)>, Vec<HostHistory>) = (Vec::new(), Vec::new());
    for of_kind in intervals.chunk_by(|a, b| (a.host, a.is_software) == (b.host, b.is_software)) {
        let first = &of_kind[0];
        if hosts.last().is_none_or(|(id, _)| *id != first.host) {
            let host = HistoryHost { client: first.client.clone() };
            hosts.push((first.host, host));
        }
        let interval = |it: &SetInterval| Interval {
            from: it.from,
            until: it.until,
            versions: bodies.get(&it.set).cloned().unwrap_or_default(),
        };
        let host = u32::try_from(hosts.len() - 1).unwrap_or(u32::MAX);
        histories.push(HostHistory { host, intervals: of_kind.iter().map(interval).collect() });
    }
    (hosts, histories)
}

/// Returns the hosts for which each finding is left open by a decision that counts now.
fn accepted(
    findings: &[Finding],
    exceptions: &[DeclaredException],
    positions: &BTreeMap<HostId, u32>,
    now: Timestamp,
) -> HashMap<FindingIndex, BTreeSet<u32>> {
    let mut accepted: HashMap<FindingIndex, BTreeSet<u32>> = HashMap::new();
    for exception in exceptions.iter().filter(|it| it.counts_at(now)) {
        for (at, finding) in (0..).zip(findings) {
            let mut ids = std::iter::once(&finding.id).chain(&finding.aliases);
            if ids.any(|id| id.same(&exception.vulnerability)) {
                let hosts = exception.hosts.keys().filter_map(|id| positions.get(id));
                accepted.entry(at).or_default().extend(hosts);
            }
        }
    }
    accepted
}
