//! The screens of an emergency.

use std::collections::BTreeMap;
use std::time::Duration;

use control::incident::{IncidentHostState, IncidentView, duration};
use control::respond::{Affected, Picture, Unjudged};
use jiff::Timestamp;
use model::{Fix, Mark};
use serde::Serialize;

use super::{count, minute};
use crate::printer::{Printer, cell};

/// Hosts that a screen names; the others are counted.
const HOSTS_SHOWN_MAX: usize = 40;
/// Hosts of which it cannot be told that one line names; the others are counted.
const UNJUDGED_NAMED_MAX: usize = 5;
/// Packages that a host's line names; the others are counted.
const PACKAGES_SHOWN_MAX: usize = 3;

/// A vulnerable host as `--json` prints it.
#[derive(Serialize)]
struct HostRow<'a> {
    kind: &'static str,
    rank: u32,
    client: &'a str,
    host: &'a str,
    state: &'static str,
    reasons: &'a [String],
    findings: Vec<FindingRow<'a>>,
}

/// A host of which it cannot be told, as `--json` prints it.
#[derive(Serialize)]
struct UnjudgedRow<'a> {
    kind: &'static str,
    client: &'a str,
    host: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    id: &'a str,
    package: &'a str,
    installed: String,
    fixed: String,
}

/// Prints what is known when the emergency begins.
pub fn print_picture(picture: &Picture, printer: &mut Printer) {
    printer.data(&picture.title);
    let mut clients: BTreeMap<&str, usize> = BTreeMap::new();
    for it in &picture.hosts {
        *clients.entry(it.host.client.as_str()).or_default() += 1;
    }
    let by_client: Vec<String> = clients.iter().map(|(client, hosts)| format!("{client} {hosts}")).collect();
    let exploited = if picture.is_exploited { "; it is being exploited (KEV)" } else { "" };
    printer.data(format_args!(
        "{} vulnerable ({}){exploited}",
        count(picture.hosts.len(), "host"),
        by_client.join(", ")
    ));
    printer.data("");
    let row = |it: &Affected| {
        let reasons = if it.host.reasons.is_empty() { "-".to_owned() } else { it.host.reasons.join("; ") };
        vec![
            cell(it.host.rank),
            cell(&it.host.host),
            cell(&it.host.client),
            cell(packages(it)),
            cell(reasons),
        ]
    };
    let rows = picture.hosts.iter().take(HOSTS_SHOWN_MAX).map(row).collect();
    printer.table(&["#", "host", "client", "what", "why first"], rows);
    if let more @ 1.. = picture.hosts.len().saturating_sub(HOSTS_SHOWN_MAX) {
        printer.data(format_args!("and {more} more hosts"));
    }
    for it in &picture.excepted {
        let until = it.until.strftime("%Y-%m-%d");
        printer.data(format_args!(
            "{} is left alone until {until}: {} answers for it: {}",
            it.host, it.owner, it.reason
        ));
    }
}

/// Names the hosts of which it cannot be told: they are not in the incident, and not safe either.
pub fn print_unjudged(picture: &Picture, words: &[String], printer: &mut Printer) {
    if picture.unjudged.is_empty() {
        return;
    }
    let mut reasons: BTreeMap<&str, Vec<&Unjudged>> = BTreeMap::new();
    for it in &picture.unjudged {
        reasons.entry(it.why.as_str()).or_default().push(it);
    }
    printer.data("");
    printer.data(format_args!(
        "{} cannot be judged, so nothing is done there:",
        count(picture.unjudged.len(), "host")
    ));
    for (why, hosts) in reasons {
        let names: Vec<&str> = hosts.iter().take(UNJUDGED_NAMED_MAX).map(|it| it.host.as_str()).collect();
        let more = hosts.len().saturating_sub(UNJUDGED_NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        printer.data(format_args!("  {}{more}: {why}", names.join(", ")));
    }
    printer.data(format_args!(
        "scan them (`ifrit scan`); `ifrit who {}` says what is known of every host",
        words.join(" ")
    ));
}

fn packages(affected: &Affected) -> String {
    let one = |it: &control::incident::IncidentFinding| match &it.fix {
        Fix::NotYet => format!("{} {}: no fix yet", it.package, it.installed),
        fix => format!("{} {} -> {fix}", it.package, it.installed),
    };
    let mut shown: Vec<String> = affected.host.findings.iter().map(one).collect();
    shown.dedup();
    let more = shown.len().saturating_sub(PACKAGES_SHOWN_MAX);
    shown.truncate(PACKAGES_SHOWN_MAX);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// Prints one row for each vulnerable host.
pub fn print_json(picture: &Picture, printer: &mut Printer) -> anyhow::Result<()> {
    for it in &picture.hosts {
        let finding =
            |it: &'_ control::incident::IncidentFinding| (it.installed.to_string(), it.fix.to_string());
        let texts: Vec<(String, String)> = it.host.findings.iter().map(finding).collect();
        let findings = it.host.findings.iter().zip(texts).map(|(it, (installed, fixed))| FindingRow {
            id: it.id.as_str(),
            package: it.package.as_str(),
            installed,
            fixed,
        });
        printer.json(&HostRow {
            kind: "vulnerable",
            rank: it.host.rank,
            client: it.host.client.as_str(),
            host: it.host.host.as_str(),
            state: it.host.state.as_str(),
            reasons: &it.host.reasons,
            findings: findings.collect(),
        })?;
    }
    for it in &picture.unjudged {
        let (client, host) = (it.client.as_str(), it.host.as_str());
        printer.json(&UnjudgedRow { kind: "unjudged", client, host, why: &it.why })?;
    }
    Ok(())
}

/// Prints how it ended: how the hosts stand, and how long each clock took.
pub fn print_end(view: &IncidentView, printer: &mut Printer) {
    let mut states: BTreeMap<IncidentHostState, usize> = BTreeMap::new();
    for host in &view.hosts {
        *states.entry(host.state).or_default() += 1;
    }
    let states: Vec<String> =
        states.iter().map(|(state, hosts)| format!("{hosts} {}", state.as_str())).collect();
    printer.data("");
    printer.data(format_args!("{}: {}", count(view.hosts.len(), "host"), states.join(", ")));
    for host in view.hosts.iter().filter(|host| !host.state.is_settled()).take(HOSTS_SHOWN_MAX) {
        let why =
            host.findings.iter().map(|it| it.remedy.as_str()).find(|why| !why.is_empty()).unwrap_or_default();
        printer.data(format_args!("  {} ({}): {why}", host.host, host.state.as_str()));
    }
    let without = states_of(view, IncidentHostState::NoFix);
    if without > 0 {
        printer.data(format_args!(
            "{} still vulnerable: there is no fix yet. The same command looks again",
            if without == 1 { "1 host is".to_owned() } else { format!("{without} hosts are") }
        ));
    }
    clocks(view, printer);
    let id = view.id;
    if view.hosts.iter().all(|host| host.state.is_settled()) {
        printer.say(format_args!("when nothing is left to do: `ifrit incident close {id} --reason \"...\"`"));
    } else {
        printer.say(format_args!("not all of it is closed: `ifrit incident show {id}` says what is left"));
    }
}

fn states_of(view: &IncidentView, state: IncidentHostState) -> usize {
    view.hosts.iter().filter(|host| host.state == state).count()
}

/// Prints how long it took from when it was found here to each mark.
pub fn clocks(view: &IncidentView, printer: &mut Printer) {
    printer.data("");
    printer.data("clocks, from the moment it was opened:");
    let of_hosts = |mark: Mark| view.hosts.iter().filter_map(move |host| host.marks.get(&mark).copied());
    let mut line = |what: &str, at: Option<Timestamp>| {
        let Some(at) = at else { return };
        let took = Duration::try_from(at.duration_since(view.opened_at)).unwrap_or_default();
        printer.data(format_args!("  {what:<16} {:>12}   {}", duration(took), minute(at)));
    };
    line("triaged", view.marks.get(&Mark::Triaged).copied());
    line("approved", view.marks.get(&Mark::Approved).copied());
    line("first patched", of_hosts(Mark::Patched).min());
    line("last patched", of_hosts(Mark::Patched).max());
    line("last verified", of_hosts(Mark::Verified).max());
    line(
        "last reported",
        view.client_marks.values().filter_map(|marks| marks.get(&Mark::Reported)).max().copied(),
    );
}
