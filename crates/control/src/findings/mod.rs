//! `ifrit findings`: what is open, in the order in which to deal with it, and why in that order.

mod accepted;
mod exposed;
mod rank;

use std::collections::{BTreeMap, BTreeSet};

use advisory::Match;
use jiff::civil::Date;
use model::selector::Selector;
use model::{
    ClientName, ExploitScore, FeedName, FindingState, Fix, PackageName, Platform, Severity, VulnerabilityId,
};
use store::{ClientScope, HostGroup, HostSet, PackageVersionId};

use crate::error::Error;
use crate::hosts;
use crate::inquiry::Inquiry;
use crate::matched::{Matched, match_in_use};
use crate::session::Session;
use crate::who::why_unknown;
pub use accepted::{Acceptance, AcceptedFinding};
use accepted::{Exceptions, Split};
use exposed::{Exposures, read_exposures};
pub use rank::Rank;
use rank::{reasons, what_to_do};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct FindingsQuery {
    /// Whose hosts.
    pub scope: ClientScope,
    /// Only these hosts; `None` = all.
    pub hosts: Option<SelectedHosts>,
    /// Only those of at least this severity.
    pub severity: Option<Severity>,
    /// Only those with a fix.
    pub only_fixable: bool,
    /// Only those that are known to be exploited.
    pub only_exploited: bool,
}

/// Hosts that were selected.
#[derive(Debug, Clone, Default)]
pub struct SelectedHosts {
    hosts: HostSet,
    /// What each of them is.
    groups: Vec<(ClientName, HostGroup)>,
}

/// What is open.
#[derive(Debug, Clone)]
pub struct FindingsAnswer {
    /// Those with a fix, the most urgent first.
    pub fixable: Vec<OpenFinding>,
    /// Those without a fix yet, the most urgent first: there is less to do about them.
    pub unfixed: Vec<OpenFinding>,
    /// Those that a person has accepted for some time, the most urgent first. They are not among the others.
    pub accepted: Vec<AcceptedFinding>,
    /// How many hosts have any of them, but for the accepted ones.
    pub hosts: usize,
    /// Why hosts cannot be judged, and how many.
    pub unknown: BTreeMap<String, usize>,
    /// How many hosts there are.
    pub hosts_total: usize,
    /// How many findings were left out because no feed gives them a severity, where one is asked for.
    pub unrated: usize,
}

/// A vulnerability of a source package, on all the hosts that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenFinding {
    /// The CVE, else the vendor's id.
    pub id: VulnerabilityId,
    /// Its other ids.
    pub aliases: Vec<VulnerabilityId>,
    /// The source package.
    pub source: PackageName,
    /// Its installed packages.
    pub packages: Vec<PackageName>,
    /// How many hosts of each client have it.
    pub hosts: BTreeMap<ClientName, usize>,
    /// Where the fix is on each platform.
    pub fixes: BTreeMap<Platform, BTreeSet<Fix>>,
    /// The feeds that decided.
    pub feeds: Vec<FeedName>,
    /// What its place in the order is made of.
    pub rank: Rank,
    /// Since when it is exploited, says CISA's catalogue.
    pub exploited_since: Option<Date>,
    /// How likely its exploitation is, where EPSS says.
    pub score: Option<ExploitScore>,
    /// Why it stands where it stands, the weightiest reason first.
    pub reasons: Vec<String>,
    /// What to do.
    pub action: String,
}

impl OpenFinding {
    /// Returns how many hosts have it.
    pub fn host_count(&self) -> usize {
        self.hosts.values().sum()
    }
}

impl FindingsAnswer {
    /// Returns the worst state: vulnerable where anything is open, unknown where hosts cannot be judged.
    pub fn verdict(&self) -> Option<FindingState> {
        if !self.fixable.is_empty() || !self.unfixed.is_empty() {
            return Some(FindingState::Vulnerable);
        }
        if !self.unknown.is_empty() || self.unrated > 0 {
            return Some(FindingState::Unknown);
        }
        (self.hosts_total > 0).then_some(FindingState::Fixed)
    }
}

/// Selects hosts and their jails.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`].
pub async fn select(session: &Session, selector: &Selector) -> Result<SelectedHosts, Error> {
    let chosen = hosts::chosen(session, selector).await?;
    let group = |host: &store::HostRecord| match (&host.platform, host.package_count, &host.os) {
        (Some(platform), Some(_), _) => HostGroup::Platform(platform.clone()),
        (Some(platform), None, _) => HostGroup::PackagesUnknown(platform.clone()),
        (None, _, Some(os)) => {
            HostGroup::Unsupported { os_id: os.id.clone(), os_version: os.version.clone() }
        }
        (None, _, None) if host.last_collection.is_some() => HostGroup::SystemUnknown,
        (None, _, None) => HostGroup::NeverScanned,
    };
    let mut hosts = HostSet::default();
    chosen.iter().for_each(|host| hosts.insert(&host.client, host.id));
    let groups = chosen.iter().map(|host| (host.client.clone(), group(host))).collect();
    Ok(SelectedHosts { hosts, groups })
}

/// Returns what is open.
///
/// # Errors
/// [`Error::ClientUnknown`]; [`Error::NoCatalogue`] where only what CISA's catalogue names is asked for and
/// it was never taken; [`Error::Store`].
pub async fn findings(inquiry: &Inquiry, query: &FindingsQuery) -> Result<FindingsAnswer, Error> {
    inquiry.require_known_clients(&query.scope).await?;
    if query.only_exploited && inquiry.store.all_exploited(None).await?.is_empty() {
        return Err(Error::NoCatalogue);
    }
    let matched = match_in_use(&inquiry.store, &query.scope, None, None).await?;
    let open: Vec<&Match> = matched.matches.iter().filter(|it| is_asked_for(it, query)).collect();
    let hosts = hosts_with(inquiry, query, &matched, &open).await?;
    let (groups, unrated) = group(&open, query, &matched, &hosts);
    let affected =
        HostSet::union_of(groups.values().flat_map(|it| &it.versions).filter_map(|id| hosts.get(id)));
    let exposures = read_exposures(inquiry, &query.scope, &matched, &affected).await?;
    let exceptions = Exceptions::read(inquiry, &query.scope).await?;
    let mut having = Having { by_version: &hosts, known: BTreeMap::new() };
    let (mut fixable, mut unfixed, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    let mut open_hosts = HostSet::default();
    for ((is_unfixed, _, _), group) in &groups {
        let hosts = having.any_of(&group.versions);
        let split = exceptions.split(&group.ids(), hosts);
        let open = split.as_ref().map_or(hosts, |split| &split.open);
        if !exceptions.is_empty() {
            open_hosts.union_with(open);
        }
        let tier = if *is_unfixed { &mut unfixed } else { &mut fixable };
        tier.extend(group.finish(&matched, open, &exposures));
        if let Some(Split { accepted: hosts, by, .. }) = split {
            let finding = group.finish(&matched, &hosts, &exposures);
            accepted.extend(finding.map(|finding| AcceptedFinding { finding, by }));
        }
    }
    add_scores(inquiry, &mut fixable).await?;
    add_scores(inquiry, &mut unfixed).await?;
    accepted
        .sort_by(|a, b| b.finding.rank.cmp(&a.finding.rank).then_with(|| a.finding.id.cmp(&b.finding.id)));
    let (unknown, hosts_total) = unknown(inquiry, query, &matched).await?;
    let hosts = if exceptions.is_empty() { affected.len() } else { open_hosts.len() };
    Ok(FindingsAnswer { fixable, unfixed, accepted, hosts, unknown, hosts_total, unrated })
}

/// Returns who of those that were asked for has each open package version.
async fn hosts_with(
    inquiry: &Inquiry,
    query: &FindingsQuery,
    matched: &Matched,
    open: &[&Match],
) -> Result<BTreeMap<PackageVersionId, HostSet>, Error> {
    let versions: BTreeSet<_> = open.iter().map(|it| matched.version_ids[it.package]).collect();
    let versions: Vec<_> = versions.into_iter().collect();
    let mut hosts = inquiry.store.hosts_with(&query.scope, &versions, None).await?;
    if let Some(selected) = &query.hosts {
        hosts.values_mut().for_each(|hosts| hosts.intersect_with(&selected.hosts));
    }
    hosts.retain(|_, hosts| !hosts.is_empty());
    Ok(hosts)
}

/// Puts together what is one finding, and counts the findings whose severity nobody gives, where one is
/// asked for: they may be as grave as that.
fn group<'a>(
    open: &[&'a Match],
    query: &FindingsQuery,
    matched: &Matched,
    hosts: &BTreeMap<PackageVersionId, HostSet>,
) -> (BTreeMap<GroupKey, Group<'a>>, usize) {
    let (mut groups, mut unrated) = (BTreeMap::<GroupKey, Group>::new(), BTreeSet::new());
    for found in open {
        let version = matched.version_ids[found.package];
        if !hosts.contains_key(&version) {
            continue;
        }
        let source = &matched.versions[found.package].package.source;
        let key = (found.fix == Fix::NotYet, found.id.as_str().to_ascii_uppercase(), source.clone());
        if query.severity.is_some() && found.severity.is_none() {
            unrated.insert(key);
        } else if query.severity.is_none_or(|least| found.severity >= Some(least)) {
            let group = groups.entry(key).or_default();
            group.matches.push(*found);
            group.versions.insert(version);
        }
    }
    (groups, unrated.len())
}

/// Leaves the severity aside.
fn is_asked_for(found: &Match, query: &FindingsQuery) -> bool {
    found.state == FindingState::Vulnerable
        && !(query.only_fixable && found.fix == Fix::NotYet)
        && (!query.only_exploited || found.exploited)
}

/// Whether there is no fix, the id in upper case, the source.
type GroupKey = (bool, String, PackageName);

/// What becomes one finding.
#[derive(Default)]
struct Group<'a> {
    matches: Vec<&'a Match>,
    versions: BTreeSet<PackageVersionId>,
}

/// Who has any of some package versions. One release of a source may have hundreds of vulnerabilities:
/// their hosts are put together once.
struct Having<'a> {
    by_version: &'a BTreeMap<PackageVersionId, HostSet>,
    known: BTreeMap<BTreeSet<PackageVersionId>, HostSet>,
}

impl Having<'_> {
    fn any_of(&mut self, versions: &BTreeSet<PackageVersionId>) -> &HostSet {
        if !self.known.contains_key(versions) {
            let hosts = HostSet::union_of(versions.iter().filter_map(|id| self.by_version.get(id)));
            self.known.insert(versions.clone(), hosts);
        }
        &self.known[versions]
    }
}

impl Group<'_> {
    fn ids(&self) -> Vec<&VulnerabilityId> {
        self.matches.iter().flat_map(|it| std::iter::once(&it.id).chain(&it.aliases)).collect()
    }

    /// Makes the finding of hosts; `None` where there are none.
    fn finish(&self, matched: &Matched, hosts: &HostSet, exposures: &Exposures) -> Option<OpenFinding> {
        let first = self.matches.first().filter(|_| !hosts.is_empty())?;
        let source = matched.versions[first.package].package.source.clone();
        let mut fixes: BTreeMap<Platform, BTreeSet<Fix>> = BTreeMap::new();
        let mut packages = BTreeSet::new();
        for found in &self.matches {
            let version = &matched.versions[found.package];
            fixes.entry(version.platform.clone()).or_default().insert(found.fix.clone());
            packages.insert(version.package.name.clone());
        }
        let aliases: BTreeSet<_> = self.matches.iter().flat_map(|it| &it.aliases).cloned().collect();
        let feeds: BTreeSet<_> = self.matches.iter().filter_map(|it| it.feeds.first()).cloned().collect();
        let ids = std::iter::once(&first.id).chain(&aliases);
        let since = ids.filter_map(|id| matched.index.exploited(id)).map(|entry| entry.added).min();
        let uses = exposures.of(&source, hosts);
        let rank = Rank {
            is_exploited: self.matches.iter().any(|it| it.exploited),
            is_exposed: uses.iter().any(|it| it.is_exposed),
            is_critical: uses.iter().any(|it| it.is_critical),
            severity: self.matches.iter().filter_map(|it| it.severity).max(),
            probability: None,
            hosts: hosts.len(),
        };
        let exploited_since = since.filter(|_| rank.is_exploited);
        Some(OpenFinding {
            action: what_to_do(&source, &fixes),
            reasons: reasons(&rank, exploited_since, &uses),
            id: first.id.clone(),
            aliases: aliases.into_iter().collect(),
            packages: packages.into_iter().collect(),
            feeds: feeds.into_iter().collect(),
            score: None,
            source,
            hosts: hosts.len_by_client(),
            fixes,
            rank,
            exploited_since,
        })
    }
}

/// Adds scores, and sorts: the most urgent first.
async fn add_scores(inquiry: &Inquiry, findings: &mut [OpenFinding]) -> Result<(), Error> {
    fn ids_of(finding: &OpenFinding) -> impl Iterator<Item = &VulnerabilityId> {
        std::iter::once(&finding.id).chain(&finding.aliases).filter(|id| id.is_cve())
    }
    let ids: BTreeSet<_> = findings.iter().flat_map(ids_of).cloned().collect();
    let scores = inquiry.store.scores(&ids.into_iter().collect::<Vec<_>>()).await?;
    let scores: BTreeMap<String, ExploitScore> =
        scores.into_iter().map(|score| (score.id.as_str().to_ascii_uppercase(), score)).collect();
    for finding in &mut *findings {
        let of = ids_of(finding).filter_map(|id| scores.get(&id.as_str().to_ascii_uppercase()));
        finding.score = of.max_by_key(|score| score.probability).cloned();
        finding.rank.probability = finding.score.as_ref().map(|score| score.probability);
        if let Some(score) = &finding.score {
            finding.reasons.push(format!("EPSS {}", score.probability));
        }
    }
    findings.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| (&a.source, &a.id).cmp(&(&b.source, &b.id))));
    Ok(())
}

/// Counts the hosts that cannot be judged, by the reason, and all hosts.
async fn unknown(
    inquiry: &Inquiry,
    query: &FindingsQuery,
    matched: &Matched,
) -> Result<(BTreeMap<String, usize>, usize), Error> {
    let groups: Vec<(HostGroup, usize)> = match &query.hosts {
        Some(selected) => {
            let is_visible = |client: &ClientName| match &query.scope {
                ClientScope::All => true,
                ClientScope::Only(clients) => clients.contains(client),
            };
            let visible = selected.groups.iter().filter(|(client, _)| is_visible(client));
            visible.map(|(_, group)| (group.clone(), 1)).collect()
        }
        None => {
            let census = inquiry.store.census(&query.scope, None).await?;
            census.into_iter().map(|row| (row.group, row.hosts)).collect()
        }
    };
    let mut unknown = BTreeMap::new();
    let mut total = 0;
    for (group, hosts) in groups {
        total += hosts;
        if matches!(&group, HostGroup::Platform(platform) if matched.index.covers(platform)) {
            continue;
        }
        let reason = why_unknown(&group);
        *unknown.entry(reason).or_default() += hosts;
    }
    Ok((unknown, total))
}
