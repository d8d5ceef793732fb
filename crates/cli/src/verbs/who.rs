//! `ifrit who`.

use std::collections::BTreeMap;

use control::who::{WhoAnswer, WhoRow};
use control::{ClientScope, OnFaultyWorkspace};
use model::{FindingState, Fix, VulnerabilityId};
use serde::Serialize;

use super::open;
use crate::arguments::{GlobalArguments, WhoArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell, state_cell};

/// A row as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    query: &'a str,
    client: &'a str,
    host: &'a str,
    state: &'a str,
    package: Option<&'a str>,
    installed: Option<&'a str>,
    fixed: Option<String>,
    id: &'a str,
    aliases: Vec<&'a str>,
    feeds: Vec<&'a str>,
    severity: Option<&'a str>,
    exploited: bool,
    epss: Option<f64>,
    epss_percentile: Option<f64>,
    reason: &'a str,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &WhoArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let scope = match arguments.client.as_slice() {
        [] => ClientScope::All,
        clients => ClientScope::Only(clients.iter().cloned().collect()),
    };
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let is_faulty = session.workspace.has_errors();
    if is_faulty {
        session.workspace.problems.iter().for_each(|problem| printer.problem(problem));
        printer.complain("warning: the inventory has errors; answering for the hosts last known");
    }
    let answer = control::who::who(&session, &arguments.id, &scope).await?;
    session.close().await;
    if arguments.json {
        answer.rows.iter().try_for_each(|row| printer.json(&json_row(&answer, row)))?;
    } else {
        print(&answer, arguments.all, printer);
    }
    Ok(exit(&answer, is_faulty))
}

/// With a faulty inventory hosts may be missing from the answer, so it is never "nobody".
fn exit(answer: &WhoAnswer, is_faulty: bool) -> Exit {
    match answer.verdict() {
        Some(FindingState::Vulnerable) => Exit::Something,
        Some(FindingState::Unknown) => Exit::Unknown,
        Some(FindingState::Fixed | FindingState::NotAffected) | None if is_faulty => Exit::Unknown,
        Some(FindingState::Fixed | FindingState::NotAffected) | None => Exit::Nothing,
    }
}

fn print(answer: &WhoAnswer, shows_all: bool, printer: &mut Printer) {
    print_head(answer, printer);
    let is_shown = |row: &&WhoRow| shows_all || row.state == FindingState::Vulnerable;
    let shown: Vec<_> = answer.rows.iter().filter(is_shown).map(cells).collect();
    if !shown.is_empty() {
        printer.table(&["state", "client", "host", "package", "installed", "fixed in", "why"], shown);
    }
    if !shows_all {
        print_unknown(answer, printer);
    }
    let states =
        [FindingState::Vulnerable, FindingState::Unknown, FindingState::Fixed, FindingState::NotAffected];
    let counts = states.map(|state| format!("{} {state}", answer.hosts_in(state)));
    printer.data(format_args!("hosts: {}", counts.join(", ")));
}

fn print_head(answer: &WhoAnswer, printer: &mut Printer) {
    let ids: Vec<_> = answer.ids.iter().map(VulnerabilityId::as_str).collect();
    let mut feeds: Vec<_> = answer.advisories.iter().map(|line| line.feed.as_str()).collect();
    feeds.dedup();
    let spoken_of = match feeds.as_slice() {
        [] => "no loaded advisory speaks of it".to_owned(),
        feeds => format!("spoken of by {}", feeds.join(", ")),
    };
    let score = answer
        .score
        .as_ref()
        .map(|score| format!("; EPSS {} (higher than {} of all)", score.probability, score.percentile));
    printer.data(format_args!("{}: {spoken_of}{}", ids.join(" = "), score.unwrap_or_default()));
    if let Some(exploited) = &answer.exploited {
        printer.data(format_args!("EXPLOITED (CISA KEV since {}): {}", exploited.added, exploited.name));
    }
    let mut summaries: Vec<_> =
        answer.advisories.iter().filter(|line| !line.summary.is_empty()).map(|line| &line.summary).collect();
    summaries.dedup();
    for summary in summaries {
        printer.data(format_args!("  {summary}"));
    }
}

/// Prints what could not be judged, grouped by the reason: it is the other half of the answer.
fn print_unknown(answer: &WhoAnswer, printer: &mut Printer) {
    let mut hosts_by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in answer.rows.iter().filter(|row| row.state == FindingState::Unknown) {
        hosts_by_reason.entry(row.reason.as_str()).or_default().push(format!("{}/{}", row.client, row.host));
    }
    for (reason, hosts) in hosts_by_reason {
        printer.data(format_args!("unknown, {reason}: {}", hosts.join(", ")));
    }
}

fn cells(row: &WhoRow) -> Vec<comfy_table::Cell> {
    let package = row.package.as_ref();
    let or_dash = |text: Option<String>| cell(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        state_cell(row.state),
        cell(&row.client),
        cell(&row.host),
        or_dash(package.map(|it| it.name.to_string())),
        or_dash(package.map(|it| it.installed.clone())),
        or_dash(package.map(|it| it.fix.to_string())),
        cell(&row.reason),
    ]
}

fn json_row<'a>(answer: &'a WhoAnswer, row: &'a WhoRow) -> Row<'a> {
    let package = row.package.as_ref();
    let query = answer.ids.first().map(VulnerabilityId::as_str).unwrap_or_default();
    Row {
        query,
        client: row.client.as_str(),
        host: row.host.as_str(),
        state: row.state.as_str(),
        package: package.map(|it| it.name.as_str()),
        installed: package.map(|it| it.installed.as_str()),
        fixed: package.and_then(|it| fixed(&it.fix)),
        id: package.map_or(query, |it| it.id.as_str()),
        aliases: package.iter().flat_map(|it| &it.aliases).map(VulnerabilityId::as_str).collect(),
        feeds: package.iter().flat_map(|it| &it.feeds).map(|feed| feed.as_str()).collect(),
        severity: package.and_then(|it| it.severity).map(|it| it.as_str()),
        exploited: answer.exploited.is_some(),
        epss: answer.score.as_ref().map(|score| score.probability.as_f64()),
        epss_percentile: answer.score.as_ref().map(|score| score.percentile.as_f64()),
        reason: row.reason.as_str(),
    }
}

/// Returns the fixed version for JSON: `null` where there is none, `> V` where V is the last affected.
pub fn fixed(fix: &Fix) -> Option<String> {
    match fix {
        Fix::In(_) | Fix::After(_) => Some(fix.to_string()),
        Fix::NotYet | Fix::NotNeeded => None,
    }
}
