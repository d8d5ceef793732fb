//! An incident as text.

use std::collections::BTreeMap;
use std::time::Duration;

use control::ClientScope;
use control::incident::{
    ClockLine, DeadlineStanding, IncidentFinding, IncidentHostState, IncidentHostView, IncidentView,
    TimelineEntry, duration,
};
use jiff::Timestamp;
use model::{Fix, IncidentKind, Mark};

use super::{count, minute};
use crate::printer::{Printer, cell};

/// Findings that a host's line names; the others are counted.
const FINDINGS_SHOWN_MAX: usize = 3;

/// Prints everything that a person at 2 AM wants to know: what, who, how far, how fast, what was done.
pub fn show(view: &IncidentView, printer: &mut Printer) {
    let kind = match view.kind {
        IncidentKind::Emergency => "",
        IncidentKind::Exercise => " (EXERCISE)",
    };
    printer.data(format_args!("{}{kind}: {}", view.id, view.title));
    let closed = view.closed_at.map(|at| format!(", closed {}", minute(at))).unwrap_or_default();
    let stage = view.stage.as_str();
    printer.data(format_args!(
        "opened {} by {}; stage: {stage}{closed}",
        minute(view.opened_at),
        view.opened_by
    ));
    about(view, printer);
    hosts(view, printer);
    clocks(view, printer);
    deadlines(view, printer);
    timeline(&view.timeline, printer);
}

/// Writes `3 vulnerable, 1 verified`.
pub fn hosts_by_state(hosts: &BTreeMap<IncidentHostState, usize>) -> String {
    if hosts.is_empty() {
        return "-".to_owned();
    }
    let states: Vec<String> =
        hosts.iter().map(|(state, hosts)| format!("{hosts} {}", state.as_str())).collect();
    states.join(", ")
}

fn about(view: &IncidentView, printer: &mut Printer) {
    let ids: Vec<&str> = view.ids.iter().map(|id| id.as_str()).collect();
    let mut parts = vec![format!("about {}", ids.join(", "))];
    if let ClientScope::Only(clients) = &view.scope {
        let clients: Vec<&str> = clients.iter().map(|client| client.as_str()).collect();
        parts.push(format!("clients: {}", clients.join(", ")));
    }
    parts.extend(view.selector.as_ref().map(|selector| format!("hosts: {selector}")));
    parts.extend(view.deploy.as_ref().map(|deploy| format!("deploy: {deploy}")));
    printer.data(parts.join("; "));
    let plans: Vec<&str> = view.plans.iter().map(|plan| plan.as_str()).collect();
    if !plans.is_empty() {
        printer.data(format_args!("plans: {}", plans.join(", ")));
    }
    let runs: Vec<&str> = view.runs.iter().map(|run| run.as_str().get(..12).unwrap_or_default()).collect();
    if !runs.is_empty() {
        printer.data(format_args!("runs: {}", runs.join(", ")));
    }
}

fn hosts(view: &IncidentView, printer: &mut Printer) {
    if view.hosts.is_empty() {
        printer.data("no host is in it");
        return;
    }
    printer.data("");
    let row = |host: &IncidentHostView| {
        vec![
            cell(host.rank),
            cell(&host.host),
            cell(&host.client),
            cell(host.state.as_str()),
            cell(due(host, view.now)),
            cell(findings(&host.findings)),
            cell(proof(host)),
            cell(if host.reasons.is_empty() { "-".to_owned() } else { host.reasons.join("; ") }),
        ]
    };
    let titles = ["#", "host", "client", "state", "deadline", "what", "proof", "why first"];
    printer.table(&titles, view.hosts.iter().map(row).collect());
    for host in &view.hosts {
        if let Some(exception) = &host.exception {
            let until = exception.until.strftime("%Y-%m-%d");
            let word = if exception.is_expired { "was accepted, expired" } else { "is accepted until" };
            printer.data(format_args!(
                "{}: {} {word} {until}, {} answers for it: {}",
                host.host, exception.vulnerability, exception.owner, exception.reason
            ));
        }
    }
}

/// Writes `open, 6 d 3 h left`.
fn due(host: &IncidentHostView, now: Timestamp) -> String {
    let word = host.deadline.standing.as_str();
    let Some(due) = host.deadline.due_at else { return "-".to_owned() };
    let between = |from: Timestamp, to: Timestamp| {
        duration(Duration::try_from(to.duration_since(from)).unwrap_or_default())
    };
    let patched = host.marks.get(&Mark::Patched).or_else(|| host.marks.get(&Mark::Verified));
    match (host.deadline.standing, patched) {
        (DeadlineStanding::Open, _) => format!("{word}, {} left", between(now, due)),
        (DeadlineStanding::Missed, Some(at)) => format!("{word} by {}", between(due, *at)),
        (DeadlineStanding::Missed, None) => format!("{word}, {} over", between(due, now)),
        _ => word.to_owned(),
    }
}

/// Writes `openssl 3.0.1-1 -> 3.0.2-1`.
fn findings(findings: &[IncidentFinding]) -> String {
    let one = |it: &IncidentFinding| match &it.fix {
        Fix::In(_) | Fix::After(_) => format!("{} {} -> {}", it.package, it.installed, it.fix),
        Fix::NotYet | Fix::NotNeeded => format!("{} {}: {}", it.package, it.installed, it.fix),
    };
    let mut shown: Vec<String> = findings.iter().map(one).collect();
    shown.dedup();
    let more = shown.len().saturating_sub(FINDINGS_SHOWN_MAX);
    shown.truncate(FINDINGS_SHOWN_MAX);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    if shown.is_empty() { "-".to_owned() } else { shown.join(", ") }
}

/// Writes how many rungs of the last look are what: `4 passed, 1 unknown`.
fn proof(host: &IncidentHostView) -> String {
    let Some(last) = host.evidence.iter().map(|it| it.taken_at).max() else { return "-".to_owned() };
    let mut verdicts = BTreeMap::new();
    for it in host.evidence.iter().filter(|it| it.taken_at == last) {
        *verdicts.entry(it.verdict).or_insert(0_usize) += 1;
    }
    let words: Vec<String> =
        verdicts.iter().map(|(verdict, count)| format!("{count} {}", verdict.as_str())).collect();
    let damaged = host.evidence.iter().filter(|it| !it.is_intact).count();
    let damaged = if damaged > 0 { format!(", {damaged} DAMAGED") } else { String::new() };
    format!("{}{damaged}", words.join(", "))
}

fn clocks(view: &IncidentView, printer: &mut Printer) {
    let running: Vec<&ClockLine> = view.clocks.iter().filter(|line| line.all.is_some()).collect();
    if running.is_empty() {
        return;
    }
    printer.data("");
    let row = |line: &&ClockLine| {
        let spread = line.all?;
        let total = spread.hosts + spread.missing;
        Some(vec![
            cell(clock(line.from, line.to)),
            cell(duration(spread.first)),
            cell(duration(spread.p50)),
            cell(duration(spread.p95)),
            cell(duration(spread.max)),
            cell(format!("{} of {total}", spread.hosts)),
        ])
    };
    let titles = ["clock", "first", "p50", "p95", "last", "hosts"];
    printer.table(&titles, running.iter().filter_map(row).collect());
    let missing: Vec<String> =
        view.clocks.iter().filter(|line| line.all.is_none()).map(|line| clock(line.from, line.to)).collect();
    if !missing.is_empty() {
        printer.data(format_args!("not measured yet: {}", missing.join(", ")));
    }
}

fn clock(from: Mark, to: Mark) -> String {
    match (from, to) {
        (Mark::Seen, Mark::Reported) => "in all (seen -> reported)".to_owned(),
        (from, to) => format!("{} -> {}", from.as_str(), to.as_str()),
    }
}

fn deadlines(view: &IncidentView, printer: &mut Printer) {
    let deadline = &view.deadline;
    if deadline.standings.keys().all(|standing| *standing == DeadlineStanding::Unmatched) {
        return;
    }
    let why = if deadline.is_exploited { "it is being exploited" } else { "it is not known to be exploited" };
    let standings: Vec<String> =
        deadline.standings.iter().map(|(standing, hosts)| format!("{hosts} {}", standing.as_str())).collect();
    let next = deadline.next_due.map(|at| format!("; the next one ends {}", minute(at))).unwrap_or_default();
    printer.data("");
    printer.data(format_args!(
        "deadline: {} from matched, since {why}: {}{next}",
        duration(deadline.limit),
        standings.join(", ")
    ));
}

fn timeline(entries: &[TimelineEntry], printer: &mut Printer) {
    if entries.is_empty() {
        return;
    }
    printer.data("");
    let row = |entry: &TimelineEntry| {
        let mut what = entry.what.clone();
        if let Some(outcome) = &entry.outcome {
            what = format!("{what}: {outcome}");
        }
        if let Some(reason) = &entry.reason {
            what = format!("{what}: {reason}");
        }
        vec![
            cell(entry.at.strftime("%Y-%m-%d %H:%M:%SZ")),
            cell(&entry.actor),
            cell(entry.client.as_ref().map_or("-", |client| client.as_str())),
            cell(what),
            cell(format!("#{}", entry.number)),
        ]
    };
    printer.table(&["when", "who", "client", "what was done", "record"], entries.iter().map(row).collect());
    printer.say(format_args!(
        "{} in UTC; `#` is the number in the audit record",
        count(entries.len(), "entry").replace("entrys", "entries")
    ));
}
