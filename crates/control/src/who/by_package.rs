//! What is said of a package as such: all its vulnerabilities in one row.

use std::collections::BTreeSet;

use advisory::{AdvisoryIndex, Match};
use model::{FindingState, Fix, PackageVersion, Reason, VulnerabilityId};
use store::HostSet;

use super::found::{Found, found_ids};
use super::{AffectedPackage, FindingIds};
use crate::packages::PackageSpec;

/// The ids that a reason names; the others are counted.
const IDS_NAMED_MAX: usize = 3;

/// Judges a package by all that is said of it. Whoever names versions says which are vulnerable.
pub(super) fn judge_package(
    spec: &PackageSpec,
    version: &PackageVersion,
    said: &[&Match],
    index: &AdvisoryIndex,
    hosts: HostSet,
) -> Found {
    let ids = |state| {
        let ids: BTreeSet<_> = said.iter().filter(|it| it.state == state).map(|it| it.id.clone()).collect();
        ids.into_iter().collect::<Vec<_>>()
    };
    let findings = FindingIds {
        vulnerable: ids(FindingState::Vulnerable),
        unknown: ids(FindingState::Unknown),
        fixed: ids(FindingState::Fixed),
    };
    let is_covered = index.covers(&version.platform);
    let state = match &findings {
        _ if spec.has_version() => FindingState::Vulnerable,
        findings if !findings.vulnerable.is_empty() => FindingState::Vulnerable,
        findings if !findings.unknown.is_empty() || !is_covered => FindingState::Unknown,
        findings if !findings.fixed.is_empty() => FindingState::Fixed,
        _ => FindingState::NotAffected,
    };
    let open = || said.iter().filter(|it| it.state == FindingState::Vulnerable);
    let feeds: BTreeSet<_> = open().flat_map(|it| &it.feeds).cloned().collect();
    let exploited = open().filter(|it| it.exploited).flat_map(|it| found_ids(it));
    let package = AffectedPackage {
        name: version.package.name.clone(),
        source: version.package.source.clone(),
        installed: version.package.version.clone(),
        fix: greatest_fix(version, open().map(|it| &it.fix)),
        id: None,
        aliases: Vec::new(),
        feeds: feeds.into_iter().collect(),
        severity: open().filter_map(|it| it.severity).max(),
        exploited_since: exploited.filter_map(|id| index.exploited(id)).map(|entry| entry.added).min(),
        score: None,
        findings: Some(findings.clone()),
    };
    let without_fix = open().filter(|it| it.fix == Fix::NotYet).count();
    let reason = package_reason(spec, version, &findings, without_fix, is_covered);
    Found { state, version: version.clone(), package, reason, hosts }
}

/// The version in which all that is fixed at all is fixed.
fn greatest_fix<'a>(version: &PackageVersion, fixes: impl Iterator<Item = &'a Fix> + Clone) -> Fix {
    let scheme = version.platform.ecosystem.version_scheme();
    let mut greatest: Option<&Fix> = None;
    for fix in fixes.clone() {
        let (Fix::In(one) | Fix::After(one)) = fix else { continue };
        let is_later = match greatest {
            Some(Fix::In(known) | Fix::After(known)) => {
                scheme.compare(one.as_str(), known.as_str()).is_ok_and(std::cmp::Ordering::is_gt)
            }
            _ => true,
        };
        if is_later {
            greatest = Some(fix);
        }
    }
    let otherwise = if fixes.count() > 0 { Fix::NotYet } else { Fix::NotNeeded };
    greatest.cloned().unwrap_or(otherwise)
}

fn package_reason(
    spec: &PackageSpec,
    version: &PackageVersion,
    findings: &FindingIds,
    without_fix: usize,
    is_covered: bool,
) -> Reason {
    let mut parts = Vec::new();
    if spec.has_version() {
        parts.push(format!("installed {} is within {spec}", version.package.version));
    }
    if !findings.vulnerable.is_empty() {
        parts.push(format!("{} vulnerable: {}", findings.vulnerable.len(), some_of(&findings.vulnerable)));
    }
    if without_fix > 0 {
        parts.push(format!("{without_fix} of them without a fix yet"));
    }
    if !findings.unknown.is_empty() {
        parts.push(format!("{} unknown: {}", findings.unknown.len(), some_of(&findings.unknown)));
    }
    if !findings.fixed.is_empty() {
        parts.push(format!("{} fixed", findings.fixed.len()));
    }
    if !is_covered {
        parts.push(format!("no advisories for {} are loaded", version.platform));
    } else if parts.is_empty() {
        parts.push("no loaded advisory says that it is vulnerable".to_owned());
    }
    Reason::new(parts.join("; "))
}

/// The newest ids first: they are what somebody asks about.
fn some_of(ids: &[VulnerabilityId]) -> String {
    let named: Vec<_> = ids.iter().rev().take(IDS_NAMED_MAX).map(VulnerabilityId::as_str).collect();
    match ids.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
