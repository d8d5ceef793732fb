//! From a question to judged package versions and the hosts that have them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use advisory::{AdvisoryIndex, Coverage, Match};
use jiff::Timestamp;
use model::{
    Advisory, Ecosystem, ExploitScore, ExploitedVulnerability, FindingState, PackageName, PackagePattern,
    PackageVersion, Reason, VulnerabilityId,
};
use store::{HostSet, PackageVersionId, Store};

use super::by_package::judge_package;
use super::query::WhoQuery;
use super::{AffectedPackage, WhoQuestion};
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::matched::{Matched, coverage, match_in_use, match_versions};
use crate::packages::{self, PackageSpec};

/// One installed package version, what is said of it, and who has it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The answer.
    pub state: FindingState,
    /// The package version.
    pub version: PackageVersion,
    /// What a row shows of it.
    pub package: AffectedPackage,
    /// Why.
    pub reason: Reason,
    /// Who has it.
    pub hosts: HostSet,
}

/// What was found, and what it takes to say why nothing was found elsewhere.
pub(crate) struct Findings {
    /// The question in words.
    pub query: String,
    /// The ids that were looked up.
    pub ids: Vec<VulnerabilityId>,
    /// What is installed and spoken of.
    pub found: Vec<Found>,
    /// The advisories that speak of the ids, and what the feeds cover.
    pub index: AdvisoryIndex,
    /// Whether the ids are exploited.
    pub exploited: Option<ExploitedVulnerability>,
    /// How likely they are.
    pub score: Option<ExploitScore>,
    /// The package that was asked for.
    pub spec: Option<PackageSpec>,
    /// Whether no host ever had that package and no advisory speaks of it.
    pub is_unheard_of: bool,
}

/// Answers a question for the package versions that it is about.
///
/// # Errors
/// As [`super::who`].
pub(crate) async fn find(inquiry: &Inquiry, question: &WhoQuestion) -> Result<Findings, Error> {
    let known_at = question.moments.known_at;
    let mut findings = match &question.query {
        WhoQuery::Id(id) => of_id(inquiry, question, id).await?,
        WhoQuery::Either(id, spec) => {
            let is_known =
                !inquiry.store.advisories_about(std::slice::from_ref(id), known_at).await?.is_empty();
            match is_known {
                true => of_id(inquiry, question, id).await?,
                false => of_package(inquiry, question, spec).await?,
            }
        }
        WhoQuery::Package(spec) => of_package(inquiry, question, spec).await?,
        WhoQuery::Exploited => of_exploited(inquiry, question).await?,
    };
    findings.found.retain(|found| !found.hosts.is_empty());
    findings.found.sort_by(|a, b| (a.state, a.package.order()).cmp(&(b.state, b.package.order())));
    add_scores(&inquiry.store, &mut findings).await?;
    Ok(findings)
}

async fn of_id(inquiry: &Inquiry, question: &WhoQuestion, id: &VulnerabilityId) -> Result<Findings, Error> {
    let (store, known_at) = (&inquiry.store, question.moments.known_at);
    let (ids, advisories) = look_up(store, id, known_at).await?;
    let exploited = store.exploited(&ids, known_at).await?;
    let score = store.scores(&ids).await?.into_iter().max_by_key(|score| score.probability);
    let coverage = coverage(store, known_at).await?;
    let installed = installed_versions(store, &advisories).await?;
    let (version_ids, versions): (Vec<_>, Vec<_>) = installed.into_iter().unzip();
    let matches = matches(store, &ids, &advisories, (&coverage, &exploited), &versions, known_at).await?;
    let index = AdvisoryIndex::new(advisories, coverage, exploited.clone());
    let matched = Matched { versions, version_ids, matches, index };
    let found = found_of(inquiry, question, &matched, |_| true).await?;
    Ok(Findings {
        query: ids.first().map(ToString::to_string).unwrap_or_default(),
        found,
        exploited: exploited.into_iter().next(),
        score,
        index: matched.index,
        ids,
        spec: None,
        is_unheard_of: false,
    })
}

async fn of_exploited(inquiry: &Inquiry, question: &WhoQuestion) -> Result<Findings, Error> {
    let moments = question.moments;
    let store = &inquiry.store;
    if store.all_exploited(moments.known_at).await?.is_empty() {
        return Err(Error::NoCatalogue);
    }
    let matched = match_in_use(store, &question.scope, moments.at, moments.known_at).await?;
    let is_open =
        |it: &Match| it.exploited && matches!(it.state, FindingState::Vulnerable | FindingState::Unknown);
    let found = found_of(inquiry, question, &matched, is_open).await?;
    Ok(Findings {
        query: "known exploited vulnerabilities".to_owned(),
        ids: Vec::new(),
        found,
        index: AdvisoryIndex::new(Vec::new(), matched.index.coverage().to_vec(), Vec::new()),
        exploited: None,
        score: None,
        spec: None,
        is_unheard_of: false,
    })
}

async fn of_package(
    inquiry: &Inquiry,
    question: &WhoQuestion,
    spec: &PackageSpec,
) -> Result<Findings, Error> {
    let (store, moments) = (&inquiry.store, question.moments);
    let names = packages::names(store, spec).await?;
    let mut versions = store.package_versions_named(&names).await?;
    let is_unheard_of =
        versions.is_empty() && store.advisories_naming(&names, moments.known_at).await?.is_empty();
    versions.retain(|(_, version)| spec.takes(version));
    let ids: Vec<_> = versions.iter().map(|(id, _)| *id).collect();
    let mut hosts = store.hosts_with(&question.scope, &ids, moments.at).await?;
    versions.retain(|(id, _)| hosts.contains_key(id));
    let (version_ids, versions): (Vec<_>, Vec<_>) = versions.into_iter().unzip();
    let matched = match_versions(store, version_ids, versions, moments.known_at).await?;
    let mut said: BTreeMap<usize, Vec<&Match>> = BTreeMap::new();
    for found in &matched.matches {
        said.entry(found.package).or_default().push(found);
    }
    let mut found = Vec::new();
    for (at, (id, version)) in matched.version_ids.iter().zip(&matched.versions).enumerate() {
        let said = said.remove(&at).unwrap_or_default();
        let hosts = hosts.remove(id).unwrap_or_default();
        found.push(judge_package(spec, version, &said, &matched.index, hosts));
    }
    Ok(Findings {
        query: spec.to_string(),
        ids: Vec::new(),
        found,
        index: AdvisoryIndex::new(Vec::new(), matched.index.coverage().to_vec(), Vec::new()),
        exploited: None,
        score: None,
        spec: Some(spec.clone()),
        is_unheard_of,
    })
}

/// Finds the advisories about an id. Where the id is a vendor's and stands for exactly one CVE, what
/// the others say about that CVE counts too.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn look_up(
    store: &Store,
    id: &VulnerabilityId,
    known_at: Option<Timestamp>,
) -> Result<(Vec<VulnerabilityId>, Vec<Advisory>), Error> {
    let mut ids = vec![id.clone()];
    let mut advisories = store.advisories_about(&ids, known_at).await?;
    let cves: BTreeSet<_> =
        advisories.iter().flat_map(Advisory::ids).filter(|id| id.is_cve()).cloned().collect();
    if let (false, 1, Some(cve)) = (id.is_cve(), cves.len(), cves.into_iter().next()) {
        ids.push(cve);
        advisories = store.advisories_about(&ids, known_at).await?;
    }
    Ok((ids, advisories))
}

/// Matches by the advisories about the ids and by those that must be known too, and returns what is
/// about the ids.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn matches(
    store: &Store,
    ids: &[VulnerabilityId],
    advisories: &[Advisory],
    (coverage, exploited): (&[Coverage], &[ExploitedVulnerability]),
    versions: &[PackageVersion],
    known_at: Option<Timestamp>,
) -> Result<Vec<Match>, Error> {
    let mut known = advisories.to_vec();
    let needed = advisory::needed_ids(advisories);
    if !needed.is_empty() {
        known.extend(store.advisories_about(&needed, known_at).await?);
    }
    let index = AdvisoryIndex::new(known, coverage.to_vec(), exploited.to_vec());
    let mut matches = advisory::match_packages(&index, versions);
    matches.retain(|found| ids.iter().any(|id| found.is_about(id)));
    Ok(matches)
}

/// Returns the installed versions of every package that the advisories name.
async fn installed_versions(
    store: &Store,
    advisories: &[Advisory],
) -> Result<Vec<(PackageVersionId, PackageVersion)>, Error> {
    let mut names = BTreeSet::new();
    let mut known: BTreeMap<Ecosystem, Vec<PackageName>> = BTreeMap::new();
    for affected in advisories.iter().flat_map(|advisory| &advisory.affected) {
        let ecosystem = affected.ecosystem;
        match &affected.package {
            PackagePattern::Exact(name) => {
                names.insert((ecosystem, name.clone()));
            }
            PackagePattern::Glob(pattern) => {
                let names_of = match known.entry(ecosystem) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(store.package_names(ecosystem).await?),
                };
                let fitting = names_of.iter().filter(|name| advisory::glob_matches(pattern, name.as_str()));
                names.extend(fitting.map(|name| (ecosystem, name.clone())));
            }
        }
    }
    Ok(store.package_versions_named(&names.into_iter().collect::<Vec<_>>()).await?)
}

/// Joins what matches with who has it.
async fn found_of(
    inquiry: &Inquiry,
    question: &WhoQuestion,
    matched: &Matched,
    is_wanted: impl Fn(&Match) -> bool,
) -> Result<Vec<Found>, Error> {
    let wanted: Vec<&Match> = matched.matches.iter().filter(|it| is_wanted(it)).collect();
    let ids: BTreeSet<_> = wanted.iter().map(|it| matched.version_ids[it.package]).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let hosts = inquiry.store.hosts_with(&question.scope, &ids, question.moments.at).await?;
    let found = |it: &&Match| {
        let version = matched.versions[it.package].clone();
        Some(Found {
            state: it.state,
            package: affected_package(it, &version, &matched.index),
            version,
            reason: it.reason.clone(),
            hosts: hosts.get(&matched.version_ids[it.package])?.clone(),
        })
    };
    Ok(wanted.iter().filter_map(found).collect())
}

fn affected_package(found: &Match, version: &PackageVersion, index: &AdvisoryIndex) -> AffectedPackage {
    let since = found_ids(found).filter_map(|id| index.exploited(id)).map(|entry| entry.added).min();
    AffectedPackage {
        name: version.package.name.clone(),
        source: version.package.source.clone(),
        installed: version.package.version.clone(),
        fix: found.fix.clone(),
        id: Some(found.id.clone()),
        aliases: found.aliases.clone(),
        feeds: found.feeds.clone(),
        severity: found.severity,
        exploited_since: since.filter(|_| found.exploited),
        score: None,
        findings: None,
    }
}

pub(super) fn found_ids(found: &Match) -> impl Iterator<Item = &VulnerabilityId> {
    std::iter::once(&found.id).chain(&found.aliases)
}

/// Adds the likeliest score of each package's ids. Scores have no history: they are today's.
async fn add_scores(store: &Store, findings: &mut Findings) -> Result<(), Error> {
    fn ids_of(package: &AffectedPackage) -> impl Iterator<Item = &VulnerabilityId> {
        let own = package.id.iter().chain(&package.aliases);
        own.chain(package.findings.iter().flat_map(|it| &it.vulnerable)).filter(|id| id.is_cve())
    }
    let ids: BTreeSet<_> = findings.found.iter().flat_map(|it| ids_of(&it.package)).cloned().collect();
    let scores = store.scores(&ids.into_iter().collect::<Vec<_>>()).await?;
    let scores: BTreeMap<String, ExploitScore> =
        scores.into_iter().map(|score| (score.id.as_str().to_ascii_uppercase(), score)).collect();
    for found in &mut findings.found {
        let of = ids_of(&found.package).filter_map(|id| scores.get(&id.as_str().to_ascii_uppercase()));
        let likeliest = of.max_by_key(|score| score.probability).cloned();
        found.package.score = likeliest;
    }
    Ok(())
}
