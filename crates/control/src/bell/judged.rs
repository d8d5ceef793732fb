//! What is so now: the vulnerable package versions, cut into single vulnerabilities.
//!
//! An advisory that bundles several CVEs and the feed that speaks of each of them are not two pieces of
//! news. So what is compared are single vulnerabilities of source packages; the advisory's id stays with
//! them for showing.

use std::collections::{BTreeMap, BTreeSet};

use advisory::Match;
use model::{Ecosystem, FindingState, PackageName, Platform, ReleaseScope, VulnerabilityId};
use store::{AnnouncedFinding, PackageVersionId};

use crate::matched::Matched;

/// Everything that the feeds say of what is installed, as the bell compares it.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) versions: BTreeMap<PackageVersionId, JudgedVersion>,
    /// Which feed speaks of which release.
    pub(super) coverage: BTreeSet<String>,
    /// The exploited ones among the vulnerabilities of `versions`, in upper case.
    pub(super) exploited: BTreeSet<String>,
    /// From installed names to their sources, to join listeners.
    pub(super) sources: BTreeMap<(Ecosystem, PackageName), BTreeSet<PackageName>>,
}

/// One package version.
#[derive(Debug)]
pub(super) struct JudgedVersion {
    pub(super) ecosystem: Ecosystem,
    pub(super) source: PackageName,
    /// Whether any feed speaks of its release: else nothing about it is known.
    pub(super) is_covered: bool,
    /// What it is vulnerable to, sorted, each with the ground that it stands on.
    pub(super) vulnerable: Vec<(AnnouncedFinding, Ground)>,
    /// What cannot be judged, in upper case.
    pub(super) unknown: BTreeSet<VulnerabilityId>,
}

/// Which feed spoke of which release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ground {
    exact: String,
    any: String,
}

impl Ground {
    /// Says whether it is among the coverage of a moment.
    pub(super) fn is_in(&self, coverage: &BTreeSet<String>) -> bool {
        coverage.contains(&self.exact) || coverage.contains(&self.any)
    }
}

/// Cuts what was matched.
pub(super) fn judge(matched: &Matched) -> Judged {
    let mut judged = Judged::default();
    for row in matched.index.coverage() {
        let release = match &row.release {
            ReleaseScope::Any => "*",
            ReleaseScope::Only(release) => release.as_str(),
        };
        judged.coverage.insert(ground_text(row.feed.as_str(), row.ecosystem, release));
    }
    for (id, version) in matched.version_ids.iter().zip(&matched.versions) {
        let (ecosystem, package) = (version.platform.ecosystem, &version.package);
        let name = (ecosystem, package.name.clone());
        judged.sources.entry(name).or_default().insert(package.source.clone());
        let row = JudgedVersion {
            ecosystem,
            source: package.source.clone(),
            is_covered: matched.index.covers(&version.platform),
            vulnerable: Vec::new(),
            unknown: BTreeSet::new(),
        };
        judged.versions.insert(*id, row);
    }
    for found in &matched.matches {
        let platform = &matched.versions[found.package].platform;
        let row = judged.versions.get_mut(&matched.version_ids[found.package]);
        let Some(row) = row else { continue };
        match found.state {
            FindingState::Vulnerable => add(row, found, platform, matched, &mut judged.exploited),
            FindingState::Unknown => row.unknown.extend(vulnerabilities(found)),
            FindingState::Fixed | FindingState::NotAffected => {}
        }
    }
    for row in judged.versions.values_mut() {
        row.vulnerable
            .sort_by(|a, b| (&a.0.vulnerability, b.0.severity).cmp(&(&b.0.vulnerability, a.0.severity)));
        // Of two statements about one vulnerability the graver one counts.
        row.vulnerable.dedup_by(|later, first| later.0.vulnerability == first.0.vulnerability);
    }
    judged
}

fn add(
    row: &mut JudgedVersion,
    found: &Match,
    platform: &Platform,
    matched: &Matched,
    exploited: &mut BTreeSet<String>,
) {
    let feed = found.feeds.first().map_or("", |feed| feed.as_str());
    let ground = Ground {
        exact: ground_text(feed, platform.ecosystem, platform.release.as_str()),
        any: ground_text(feed, platform.ecosystem, "*"),
    };
    let single = vulnerabilities(found);
    for vulnerability in &single {
        let is_exploited = match vulnerability.is_cve() {
            true => matched.index.exploited(vulnerability).is_some(),
            false => found.exploited,
        };
        if is_exploited {
            exploited.insert(vulnerability.as_str().to_owned());
        }
        let shown = match single.len() {
            1 if vulnerability.is_cve() => vulnerability.clone(),
            _ => found.id.clone(),
        };
        let finding = AnnouncedFinding {
            ecosystem: row.ecosystem,
            source: row.source.clone(),
            vulnerability: vulnerability.clone(),
            shown,
            severity: found.severity,
        };
        row.vulnerable.push((finding, ground.clone()));
    }
}

/// The single vulnerabilities that a row is about, in upper case: its CVEs; where it has none, its id.
fn vulnerabilities(found: &Match) -> Vec<VulnerabilityId> {
    let upper = |id: &VulnerabilityId| VulnerabilityId::new(id.as_str().to_ascii_uppercase());
    if found.id.is_cve() {
        return vec![upper(&found.id)];
    }
    let cves: BTreeSet<_> = found.aliases.iter().filter(|id| id.is_cve()).map(upper).collect();
    if cves.is_empty() { vec![upper(&found.id)] } else { cves.into_iter().collect() }
}

fn ground_text(feed: &str, ecosystem: Ecosystem, release: &str) -> String {
    format!("{feed}/{ecosystem}/{release}")
}
