//! `ifrit audit-root` and `ifrit audit-packages`.

use control::SystemClock;
use control::audit::{AuditReport, AuditRow, audit_packages, audit_root};
use model::{FindingState, Level, VulnerabilityId};
use serde::Serialize;

use super::count;
use super::feeds::print_problems;
use super::who_json::fixed;
use crate::arguments::{AuditOutputArguments, AuditPackagesArguments, AuditRootArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell, state_cell};

/// A finding as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    package: &'a str,
    ecosystem: &'a str,
    path: Option<&'a str>,
    installed: &'a str,
    id: &'a str,
    aliases: Vec<&'a str>,
    fixed: Option<String>,
    state: &'a str,
    source: &'a str,
    feeds: Vec<&'a str>,
    severity: Option<&'a str>,
    exploited: bool,
    reason: &'a str,
}

pub async fn run_root(arguments: &AuditRootArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let report =
        audit_root(&arguments.root, &arguments.software, &arguments.output.feeds, &SystemClock).await?;
    print(&report, &arguments.output, printer)
}

pub fn run_packages(arguments: &AuditPackagesArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let report = audit_packages(&arguments.list, &arguments.os, &arguments.output.feeds)?;
    print(&report, &arguments.output, printer)
}

fn print(report: &AuditReport, output: &AuditOutputArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let is_open =
        |row: &&AuditRow| matches!(row.found.state, FindingState::Vulnerable | FindingState::Unknown);
    let shown: Vec<_> = report.rows.iter().filter(|row| output.all || is_open(row)).collect();
    if output.json {
        shown.iter().try_for_each(|row| printer.json(&json_row(row)))?;
    } else if !shown.is_empty() {
        let titles = ["state", "package", "installed", "fixed in", "id", "why"];
        printer.table(&titles, shown.into_iter().map(cells).collect());
    }
    print_problems(&report.problems, printer);
    print_feed_problems(report, printer);
    let of = |state| report.rows.iter().filter(|row| row.found.state == state).count();
    printer.say(format_args!(
        "{}, {}: {} vulnerable, {} unknown, {} fixed, {} not affected",
        report.platform,
        count(report.packages, "package"),
        count(of(FindingState::Vulnerable), "finding"),
        of(FindingState::Unknown),
        of(FindingState::Fixed),
        of(FindingState::NotAffected)
    ));
    if report.packages == 0 {
        printer.complain("warning: no package at all was found: an empty list says nothing");
    }
    for platform in &report.uncovered {
        printer.complain(format_args!("warning: no feed speaks of {platform}: nothing is known of it"));
    }
    Ok(match report.verdict() {
        FindingState::Vulnerable => Exit::Something,
        FindingState::Unknown => Exit::Unknown,
        FindingState::Fixed | FindingState::NotAffected => Exit::Nothing,
    })
}

/// Prints errors of feeds, which may hide findings, and only counts the oddities of single entries.
fn print_feed_problems(report: &AuditReport, printer: &mut Printer) {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        report.feed_problems.iter().cloned().partition(|problem| problem.level == Level::Error);
    print_problems(&errors, printer);
    if !warnings.is_empty() {
        printer.say(format_args!(
            "{} in the feeds (`ifrit feeds sync` names them)",
            count(warnings.len(), "odd statement")
        ));
    }
}

fn cells(row: &AuditRow) -> Vec<comfy_table::Cell> {
    vec![
        state_cell(row.found.state),
        cell(format_args!(
            "{}{}",
            row.package.name,
            row.path.iter().map(|it| format!(" in {it}")).collect::<String>()
        )),
        cell(&row.package.version),
        cell(&row.found.fix),
        cell(&row.found.id),
        cell(&row.found.reason),
    ]
}

fn json_row(row: &AuditRow) -> Row<'_> {
    let feeds: Vec<_> = row.found.feeds.iter().map(|feed| feed.as_str()).collect();
    Row {
        package: row.package.name.as_str(),
        ecosystem: row.ecosystem.as_str(),
        path: row.path.as_deref(),
        installed: row.package.version.as_str(),
        id: row.found.id.as_str(),
        aliases: row.found.aliases.iter().map(VulnerabilityId::as_str).collect(),
        fixed: fixed(&row.found.fix),
        state: row.found.state.as_str(),
        source: feeds.first().copied().unwrap_or_default(),
        feeds,
        severity: row.found.severity.map(|it| it.as_str()),
        exploited: row.found.exploited,
        reason: row.found.reason.as_str(),
    }
}
