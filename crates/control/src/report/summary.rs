//! The sentences of an incident's report that are made of numbers: the two that come first, what it meant, what
//! led to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use model::{Mark, Verdict};

use super::compose::{View, ends, verdict_of};
use super::incident::{EvidenceReport, FindingReport, HostOutcome, HostReport, IncidentReport};
use super::words::{count, day_and_time, length, short_list};
use crate::incident::{IncidentView, duration};

/// Packages that the causes name; more are counted.
const PACKAGES_NAMED_MAX: usize = 8;

/// Reasons that the causes name.
const REASONS_NAMED_MAX: usize = 5;

/// Returns two sentences: what happened to whom, and how it stands.
pub(crate) fn summary(report: &IncidentReport, view: &IncidentView) -> Vec<String> {
    vec![happened(report, view), stands(report)]
}

fn happened(report: &IncidentReport, view: &IncidentView) -> String {
    // A CVE is what everybody calls it; the vendors' ids stand in the facts.
    let cves: Vec<String> =
        report.vulnerabilities.iter().filter(|id| id.starts_with("CVE-")).cloned().collect();
    let what = short_list(if cves.is_empty() { &report.vulnerabilities } else { &cves });
    let what = if what.is_empty() { report.title.clone() } else { what };
    let whose = if report.client.is_some() { "your hosts" } else { "our clients' hosts" };
    let exercise = if report.is_exercise { "This was an exercise: " } else { "" };
    if report.hosts.is_empty() {
        // Hosts that nobody scanned are in no incident.
        return format!(
            "{exercise}{what}: none of {whose} is known to be affected, as far as they were scanned."
        );
    }
    let known = ends(report.hosts.iter().filter_map(|host| host.matched_at)).map(|(first, _)| first);
    let known = known.unwrap_or(view.opened_at);
    let hosts = report.hosts.len();
    let of = if hosts == 1 { format!("one of {whose}") } else { format!("{hosts} of {whose}") };
    format!("{exercise}{what} affected {of}; we knew this on {}.", day_and_time(known))
}

/// Says how the hosts stand, the good news first and the bad news never left out.
fn stands(report: &IncidentReport) -> String {
    let all = report.hosts.len();
    if all == 0 {
        return "Nothing was changed.".to_owned();
    }
    let which = if all == 1 { "" } else { "the last one " };
    let took = took(report).map(|took| format!(", {which}{took} after we knew")).unwrap_or_default();
    let doubts = doubts(&report.evidence);
    if report.hosts_with(HostOutcome::Proven) == all {
        let who = if all == 1 { "It is fixed and proven so" } else { "All of them are fixed and proven so" };
        return format!("{who}{took}{doubts}.");
    }
    let mut parts = Vec::new();
    for outcome in HostOutcome::ALL.into_iter().rev() {
        let hosts = report.hosts_with(outcome);
        if hosts > 0 {
            let verb = if hosts == 1 { "is" } else { "are" };
            parts.push(format!("{hosts} {}", says(outcome).replace("{is}", verb)));
        }
    }
    let of = if all == 1 { String::new() } else { format!("Of these {all} hosts, ") };
    format!("{of}{}{doubts}. What is left to do is listed below.", parts.join("; "))
}

/// Says on how many hosts a check failed or could not be made.
fn doubts(evidence: &[EvidenceReport]) -> String {
    let hosts = |verdict: Verdict| {
        let of = evidence.iter().filter(|it| verdict_of(&it.verdict) == verdict);
        of.map(|it| it.host.as_str()).collect::<BTreeSet<_>>().len()
    };
    let mut said = String::new();
    for (verdict, words) in
        [(Verdict::Failed, "a check failed"), (Verdict::Unknown, "a check could not be judged")]
    {
        if let count @ 1.. = hosts(verdict) {
            said += &format!("; on {count} {words}");
        }
    }
    said
}

/// Returns what is said of hosts with an outcome, behind their number; `{is}` is `is` or `are`.
fn says(outcome: HostOutcome) -> &'static str {
    match outcome {
        HostOutcome::Proven => "{is} fixed and proven so",
        HostOutcome::Patched => "{is} fixed, which is not proven yet",
        HostOutcome::Waits => "{is} fixed on disk, to be restarted",
        HostOutcome::NotAffected => "{is} not affected any more",
        HostOutcome::Excepted => "{is} left open for now by decision",
        HostOutcome::NoFix => "cannot be fixed yet, for want of a fix",
        HostOutcome::Unknown => "could not be judged",
        HostOutcome::Vulnerable => "{is} still vulnerable",
    }
}

/// Returns how long it took from the first host that was known to the last that was proven.
fn took(report: &IncidentReport) -> Option<String> {
    let (known, _) = ends(report.hosts.iter().filter_map(|host| host.matched_at))?;
    let (_, proven) = ends(report.hosts.iter().filter_map(|host| host.verified_at))?;
    Some(length(proven.duration_since(known)))
}

/// Says what it meant, as far as it is known here.
pub(crate) fn impact(view: &IncidentView, of: &View, hosts: &[HostReport]) -> Vec<String> {
    if hosts.is_empty() {
        return Vec::new();
    }
    let mut said = Vec::new();
    if let Some(spread) = view.spread(Mark::Matched, Mark::Patched, of.client()) {
        said.push(format!(
            "From when we knew until a host had the fix it took at most {}, and for half of {} at most {}.",
            duration(spread.max),
            count(spread.hosts, "host"),
            duration(spread.p50)
        ));
    }
    said.push(
        "What is on record here is what was installed and what was changed. It does not show whether anybody used the \
         vulnerability before it was fixed."
            .to_owned(),
    );
    said
}

/// Names the factors that led to it, of those that are on record.
pub(crate) fn causes(view: &IncidentView, hosts: &[HostReport], is_exploited: bool) -> Vec<String> {
    let mut said = Vec::new();
    let mut by_finding: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for host in hosts {
        for FindingReport { package, installed, fixed, .. } in &host.findings {
            by_finding.entry((package, installed, fixed)).or_default().insert(&host.host);
        }
    }
    let mut packages: Vec<_> = by_finding.into_iter().collect();
    packages.sort_by_key(|(package, hosts)| (std::cmp::Reverse(hosts.len()), *package));
    for ((package, installed, fixed), hosts) in packages.iter().take(PACKAGES_NAMED_MAX) {
        said.push(format!(
            "{package} {installed} was installed on {}; the version with the fix: {fixed}.",
            count(hosts.len(), "host")
        ));
    }
    if let more @ 1.. = packages.len().saturating_sub(PACKAGES_NAMED_MAX) {
        said.push(format!("{} more vulnerable versions of packages were installed.", more));
    }
    if is_exploited {
        said.push("The vulnerability is being exploited, says CISA's catalogue.".to_owned());
    }
    if let (Some(published), Some(seen)) = (view.marks.get(&Mark::Published), view.marks.get(&Mark::Seen)) {
        let late = seen.duration_since(*published);
        if late >= SignedDuration::from_hours(24) {
            said.push(format!("Our feeds brought the advisory {} after the day it is dated.", length(late)));
        }
    }
    let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
    hosts.iter().flat_map(|host| &host.reasons).for_each(|reason| *by_reason.entry(reason).or_default() += 1);
    let mut reasons: Vec<_> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(reason, hosts)| (std::cmp::Reverse(*hosts), *reason));
    for (reason, hosts) in reasons.into_iter().take(REASONS_NAMED_MAX) {
        said.push(format!("What made {} urgent: {reason}.", count(hosts, "host")));
    }
    said
}
