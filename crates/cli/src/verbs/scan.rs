//! `ifrit scan`.

use control::scan::{Completeness, ScanReport, ScannedHost};
use control::{OnFaultyWorkspace, Progress};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{bell, count, open, selector};
use crate::arguments::{GlobalArguments, SelectionArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// How many progress reports may wait to be shown; more are dropped.
const PROGRESS_REPORTS_MAX: usize = 64;

/// A scanned host as `--json` prints it.
#[derive(Serialize)]
struct ScanRow<'a> {
    client: &'a str,
    host: &'a str,
    outcome: &'a str,
    ecosystem: Option<&'a str>,
    release: Option<&'a str>,
    kernel: Option<&'a str>,
    packages: Option<usize>,
    duration_ms: i128,
    problems: Vec<String>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &SelectionArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let selector = selector(&arguments.selector)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let (sender, mut receiver) = mpsc::channel::<Progress>(PROGRESS_REPORTS_MAX);
    let show = async {
        while let Some(progress) = receiver.recv().await {
            printer.progress(format_args!(
                "scanning {}/{}: {}",
                progress.finished, progress.total, progress.host
            ));
        }
    };
    let (report, ()) = tokio::join!(control::scan::scan(&session, &selector, Some(sender)), show);
    let report = report?;
    print(&report, arguments.json, printer)?;
    bell::ring(&session, arguments.json, printer).await?;
    session.close().await;
    Ok(if report.is_complete() { Exit::Nothing } else { Exit::Something })
}

fn print(report: &ScanReport, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    for problem in &report.problems {
        printer.problem(problem);
    }
    if is_json {
        return report.hosts.iter().try_for_each(|host| printer.json(&row(host)));
    }
    let titles = ["client", "host", "result", "platform", "kernel", "packages", "time"];
    printer.table(&titles, report.hosts.iter().map(cells).collect());
    for problem in report.hosts.iter().flat_map(|host| &host.problems) {
        printer.problem(problem);
    }
    for jail in &report.ingest.jails_refused {
        printer.complain(format_args!("warning: a jail is not recorded: another host is called {jail}"));
    }
    let of = |wanted| report.hosts.iter().filter(|host| host.completeness == wanted).count();
    printer.say(format_args!(
        "{}: {} complete, {} partial, {} failed; packages changed on {}",
        count(report.hosts.len(), "host"),
        of(Completeness::Complete),
        of(Completeness::Partial),
        of(Completeness::Failed),
        report.ingest.packages_changed,
    ));
    Ok(())
}

fn cells(host: &ScannedHost) -> Vec<comfy_table::Cell> {
    let or_dash = |text: Option<String>| cell(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        cell(&host.client),
        cell(&host.host),
        cell(outcome(host.completeness)),
        or_dash(host.platform.as_ref().map(ToString::to_string)),
        or_dash(host.kernel.clone()),
        or_dash(host.packages.map(|count| count.to_string())),
        cell(format_args!("{} ms", host.duration.as_millis())),
    ]
}

fn row(host: &ScannedHost) -> ScanRow<'_> {
    ScanRow {
        client: host.client.as_str(),
        host: host.host.as_str(),
        outcome: outcome(host.completeness),
        ecosystem: host.platform.as_ref().map(|it| it.ecosystem.as_str()),
        release: host.platform.as_ref().map(|it| it.release.as_str()),
        kernel: host.kernel.as_deref(),
        packages: host.packages,
        duration_ms: host.duration.as_millis(),
        problems: host.problems.iter().map(ToString::to_string).collect(),
    }
}

fn outcome(completeness: Completeness) -> &'static str {
    match completeness {
        Completeness::Complete => "complete",
        Completeness::Partial => "partial",
        Completeness::Failed => "failed",
    }
}
