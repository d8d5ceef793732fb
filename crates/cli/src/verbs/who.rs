//! `ifrit who`.

use std::collections::BTreeSet;

use control::Inquiry;
use control::who::{
    AffectedPackage, Moments, Outdated, PAGE_HOSTS_MAX, SCAN_AGE_MAX, STATES, SilentGroup, WhoAnswer,
    WhoQuery, WhoQuestion, WhoRow,
};
use model::{FindingState, VulnerabilityId};

use super::item_text::uses;
use super::who_json::json_row;
use super::{count, inquire, minute, scope, who_explain};
use crate::arguments::{GlobalArguments, WhoArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell, state_cell};

/// Installed packages of one source that a row names; the others are counted.
const NAMES_SHOWN_MAX: usize = 2;

/// Clients whose counts the last lines name one by one.
const CLIENTS_SHOWN_MAX: usize = 20;

/// Clients that a line about one reason names with their hosts.
const GROUP_CLIENTS_SHOWN_MAX: usize = 5;

pub async fn run(
    global: &GlobalArguments,
    arguments: &WhoArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let query = match &arguments.query {
        Some(text) if !arguments.kev => WhoQuery::parse(text)?,
        Some(_) | None => WhoQuery::Exploited,
    };
    let inquiry = inquire(global, printer).await?;
    let moments = Moments::parse(&inquiry, arguments.at.as_deref(), arguments.known_at.as_deref())?;
    let question = WhoQuestion { query, scope: scope(&arguments.client), moments };
    let is_faulty = inquiry.has_errors();
    if let Some(host) = &arguments.explain {
        let explanation = control::who::explain(&inquiry, question, host).await?;
        inquiry.close().await;
        who_explain::print(&explanation, arguments.json, printer)?;
        return Ok(exit(Some(explanation.state), is_faulty));
    }
    let answer = control::who::who(&inquiry, question).await?;
    if arguments.json {
        let mut pages = answer.pages(&inquiry, &STATES, &STATES);
        while let Some(rows) = pages.next(PAGE_HOSTS_MAX).await? {
            rows.iter().try_for_each(|row| printer.json(&json_row(&answer, row)))?;
        }
    } else {
        print(&inquiry, &answer, arguments, moments, printer).await?;
    }
    warn_of_age(&answer.outdated, printer);
    if answer.is_unheard_of {
        printer.complain(format_args!(
            "warning: no host ever had a package `{}` and no loaded advisory speaks of it",
            answer.query
        ));
        printer.complain("  hint: is it spelled as the package manager spells it?");
    }
    inquiry.close().await;
    if answer.verdict().is_none() && !is_faulty {
        complain_of_no_host(arguments.at.as_deref().or(arguments.known_at.as_deref()), printer);
    }
    Ok(exit(answer.verdict(), is_faulty))
}

/// An answer about no host at all is none.
pub fn complain_of_no_host(at: Option<&str>, printer: &mut Printer) {
    let when = at.map_or_else(|| "is declared".to_owned(), |at| format!("was declared at {at}"));
    printer.complain(format_args!("error: no host {when} that the question is about"));
    printer.complain("  hint: `ifrit hosts` lists what is declared; `-C` and `--database` say where");
}

/// With a faulty inventory hosts may be missing from the answer, so it is never "nobody". `None`: there is
/// no host at all, and so no answer.
pub fn exit(verdict: Option<FindingState>, is_faulty: bool) -> Exit {
    match verdict {
        Some(FindingState::Vulnerable) => Exit::Something,
        Some(FindingState::Unknown) => Exit::Unknown,
        Some(FindingState::Fixed | FindingState::NotAffected) | None if is_faulty => Exit::Unknown,
        Some(FindingState::Fixed | FindingState::NotAffected) => Exit::Nothing,
        None => Exit::NoAnswer,
    }
}

async fn print(
    inquiry: &Inquiry,
    answer: &WhoAnswer,
    arguments: &WhoArguments,
    moments: Moments,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    print_head(answer, moments, printer);
    print_table(inquiry, answer, arguments, printer).await?;
    if !arguments.all {
        if !answer.is_about_packages() {
            print_unknown_packages(inquiry, answer, arguments, printer).await?;
        }
        let unknown = answer.silent.iter().filter(|group| group.state == FindingState::Unknown);
        unknown.for_each(|group| print_group(group, printer));
    }
    if answer.clients.len() > 1 && answer.clients.len() <= CLIENTS_SHOWN_MAX {
        for (client, counts) in &answer.clients {
            let counts = STATES.iter().filter(|state| counts.of(**state) > 0);
            let counts: Vec<_> =
                counts.map(|state| format!("{} {state}", answer.clients[client].of(*state))).collect();
            printer.data(format_args!("{client}: {}", counts.join(", ")));
        }
    }
    let counts = STATES.map(|state| format!("{} {state}", answer.hosts_in(state)));
    printer.data(format_args!("hosts: {}", counts.join(", ")));
    Ok(())
}

/// Prints the rows of as many hosts as asked for, and says how many there are more.
async fn print_table(
    inquiry: &Inquiry,
    answer: &WhoAnswer,
    arguments: &WhoArguments,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let shows_states = arguments.all || answer.is_about_packages();
    let installed = if shows_states { &STATES[..] } else { &STATES[..1] };
    let silent = if arguments.all { &STATES[..] } else { &[] };
    let mut pages = answer.pages(inquiry, installed, silent);
    let limit = if arguments.limit == 0 { usize::MAX } else { arguments.limit };
    let (mut rows, mut hosts) = (Vec::new(), 0);
    while hosts < limit {
        let Some(page) = pages.next(limit - hosts).await? else { break };
        hosts += hosts_of(&page);
        rows.extend(page);
    }
    print_rows(answer, &rows, shows_states, printer);
    let more = answer.hosts_with_rows(installed, silent).saturating_sub(hosts_of(&rows));
    if more > 0 {
        let more = count(more, "more host");
        printer
            .data(format_args!("... and {more}: `--limit 0` shows all, `--client` some, `--json` every row"));
    } else if hosts >= limit && pages.next(1).await?.is_some() {
        printer.data("... and more packages of these hosts: `--limit 0` or `--json` shows them");
    }
    Ok(())
}

/// Counts hosts once, also those that have packages in several states.
fn hosts_of(rows: &[WhoRow]) -> usize {
    rows.iter().map(|row| (&row.client, &row.host)).collect::<BTreeSet<_>>().len()
}

/// Prints the packages that cannot be judged: the other half of the answer.
async fn print_unknown_packages(
    inquiry: &Inquiry,
    answer: &WhoAnswer,
    arguments: &WhoArguments,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    if answer.hosts_with_rows(&[FindingState::Unknown], &[]) == 0 {
        return Ok(());
    }
    let mut pages = answer.pages(inquiry, &[FindingState::Unknown], &[]);
    let limit = if arguments.limit == 0 { PAGE_HOSTS_MAX } else { arguments.limit };
    let mut rows = pages.next(limit).await?.unwrap_or_default();
    rows.retain(|row| row.package.is_some());
    printer.data("cannot be judged:");
    print_rows(answer, &rows, false, printer);
    let more = answer.hosts_with_rows(&[FindingState::Unknown], &[]).saturating_sub(hosts_of(&rows));
    if more > 0 {
        printer.data(format_args!("... and {}: `--all` or `--json` shows them", count(more, "more host")));
    }
    Ok(())
}

fn print_rows(answer: &WhoAnswer, rows: &[WhoRow], shows_state: bool, printer: &mut Printer) {
    if rows.is_empty() {
        return;
    }
    let has_ids = answer.ids.is_empty() && rows.iter().any(|row| id_of(row).is_some());
    let mut titles = vec!["client", "host", "package", "installed", "fixed in", "service", "risk", "why"];
    if has_ids {
        titles.insert(3, "id");
    }
    if shows_state {
        titles.insert(0, "state");
    }
    let mut reasons = Reasons::default();
    let cells = merged(rows).into_iter().map(|(row, names)| {
        let mut cells = cells(answer, row, &names, &mut reasons);
        if has_ids {
            cells.insert(3, cell(id_of(row).map_or("-", VulnerabilityId::as_str)));
        }
        if shows_state {
            cells.insert(0, state_cell(row.state));
        }
        cells
    });
    printer.table(&titles, cells.collect());
    for (at, reason) in reasons.known.iter().enumerate() {
        printer.data(format_args!("[{}] {reason}", at + 1));
    }
}

/// Reasons are long and shared by many hosts: each stands once, below the table.
#[derive(Default)]
struct Reasons<'a> {
    known: Vec<&'a str>,
}

impl<'a> Reasons<'a> {
    /// Returns the mark that stands in the table for a reason.
    fn mark(&mut self, reason: &'a str) -> String {
        let at = self.known.iter().position(|known| *known == reason).unwrap_or_else(|| {
            self.known.push(reason);
            self.known.len() - 1
        });
        format!("[{}]", at + 1)
    }
}

fn id_of(row: &WhoRow) -> Option<&VulnerabilityId> {
    row.package.as_ref()?.id.as_ref()
}

/// Puts rows of one host together that differ in nothing but the name of the installed package: one
/// source has many of them.
fn merged(rows: &[WhoRow]) -> Vec<(&WhoRow, Vec<String>)> {
    fn key(row: &WhoRow) -> impl PartialEq + '_ {
        let of = |it: &'_ AffectedPackage| {
            (it.source.clone(), it.installed.clone(), it.fix.clone(), it.id.clone(), it.findings.clone())
        };
        (&row.client, &row.host, row.state, row.package.as_ref().map(of), &row.path)
    }
    let mut merged: Vec<(&WhoRow, Vec<String>)> = Vec::new();
    for row in rows {
        let name = row.package.iter().map(|it| it.name.to_string());
        match merged.last_mut() {
            Some((last, names)) if key(last) == key(row) => names.extend(name),
            _ => merged.push((row, name.collect())),
        }
    }
    for (_, names) in &mut merged {
        names.dedup();
    }
    merged
}

fn cells<'a>(
    answer: &WhoAnswer,
    row: &'a WhoRow,
    names: &[String],
    reasons: &mut Reasons<'a>,
) -> Vec<comfy_table::Cell> {
    let package = row.package.as_ref();
    let or_dash =
        |text: Option<String>| cell(text.filter(|it| !it.is_empty()).unwrap_or_else(|| "-".to_owned()));
    let path = row.path.iter().map(|path| format!(" in {path}"));
    let shown: Vec<_> = names.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect();
    let more = match names.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = format!("{}{more}{}", shown.join(", "), path.collect::<String>());
    vec![
        cell(&row.client),
        cell(&row.host),
        or_dash(Some(named)),
        or_dash(package.map(|it| it.installed.to_string())),
        or_dash(package.map(|it| it.fix.to_string())),
        or_dash(Some(uses(&row.services))),
        or_dash(Some(risk(answer, package))),
        cell(reasons.mark(row.reason.as_str())),
    ]
}

/// Says in few words how dangerous it is: `KEV 92 %`.
fn risk(answer: &WhoAnswer, package: Option<&AffectedPackage>) -> String {
    let is_exploited = answer.exploited.is_some() || package.is_some_and(|it| it.exploited_since.is_some());
    let score = answer.score.as_ref().or_else(|| package.and_then(|it| it.score.as_ref()));
    let severity = package.and_then(|it| it.severity).map(|it| it.as_str().to_owned());
    let words = [
        is_exploited.then(|| "KEV".to_owned()),
        severity,
        score.map(|it| format!("{:.0} %", it.probability.as_f64() * 100.0)),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn print_head(answer: &WhoAnswer, moments: Moments, printer: &mut Printer) {
    let mut feeds: Vec<_> = answer.advisories.iter().map(|line| line.feed.as_str()).collect();
    feeds.dedup();
    let spoken_of = match (answer.ids.is_empty(), feeds.as_slice()) {
        (true, _) => String::new(),
        (false, []) => ": no loaded advisory speaks of it".to_owned(),
        (false, feeds) => format!(": spoken of by {}", feeds.join(", ")),
    };
    let ids: Vec<_> = answer.ids.iter().map(VulnerabilityId::as_str).collect();
    let asked = if ids.is_empty() { answer.query.clone() } else { ids.join(" = ") };
    let score = answer
        .score
        .as_ref()
        .map(|score| format!("; EPSS {} (higher than {} of all)", score.probability, score.percentile));
    printer.data(format_args!("{asked}{spoken_of}{}", score.unwrap_or_default()));
    if let Some(words) = words_of(moments) {
        printer.data(words);
    }
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

/// Says of which time an answer is; `None` = of now.
pub fn words_of(moments: Moments) -> Option<String> {
    match (moments.at, moments.known_at) {
        (Some(at), None) => Some(format!("as installed at {}, by the advisories of today", minute(at))),
        (Some(at), Some(_)) => Some(format!("as installed and as known at {}", minute(at))),
        (None, _) => None,
    }
}

/// Prints hosts that could not be judged for one reason.
fn print_group(group: &SilentGroup, printer: &mut Printer) {
    let names: Vec<_> = group.names.iter().map(|(client, host)| format!("{client}/{host}")).collect();
    let more = group.len().saturating_sub(names.len());
    let clients = group.hosts.iter().take(GROUP_CLIENTS_SHOWN_MAX);
    let mut by_client: Vec<_> = clients.map(|(client, hosts)| format!("{client} {hosts}")).collect();
    if let more @ 1.. = group.hosts.len().saturating_sub(GROUP_CLIENTS_SHOWN_MAX) {
        by_client.push(count(more, "more client"));
    }
    let hosts = match (names.is_empty(), more) {
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more ({})", names.join(", "), by_client.join(", ")),
        (true, more) => format!("{} ({})", count(more, "host"), by_client.join(", ")),
    };
    printer.data(format_args!("unknown, {}: {hosts}", group.reason));
}

/// Warns of answers that are not "vulnerable" and rest on an old scan.
fn warn_of_age(outdated: &Outdated, printer: &mut Printer) {
    let Some(before) = outdated.before.filter(|_| outdated.hosts > 0) else { return };
    let days = SCAN_AGE_MAX.as_hours() / 24;
    let among = if outdated.has_vulnerable { ", vulnerable ones among them" } else { "" };
    let verb = if outdated.hosts == 1 { "was" } else { "were" };
    let hosts = count(outdated.hosts, "host");
    printer.complain(format_args!(
        "warning: {hosts} {verb} last scanned before {}, more than {days} days ago{among}",
        minute(before)
    ));
    for scan in &outdated.oldest {
        let at = minute(scan.packages_at);
        printer.complain(format_args!("  {}/{} was last scanned {at}", scan.client, scan.name));
    }
    if let more @ 1.. = outdated.hosts.saturating_sub(outdated.oldest.len()) {
        printer.complain(format_args!("  ... and {}", count(more, "more host")));
    }
}
