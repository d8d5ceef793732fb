//! `ifrit pyinfra`: what pyinfra would do as a plan; show, ask, apply, look again.

use std::collections::{BTreeMap, BTreeSet};

use control::deploy::{Connections, Order, Planned};
use control::pyinfra::{Finding, PyinfraRequest, Rescanned};
use control::{OnFaultyWorkspace, Progress, Session};
use model::Plan;
use model::selector::Selector;
use serde::Serialize;
use tokio::sync::mpsc::channel;

use super::apply::{apply, is_agreed};
use super::plan::{exit, hosts_of, show};
use super::plan_text::print_next;
use super::{bell, count, open, plan_json, selector};
use crate::arguments::{GlobalArguments, PyinfraArguments, RunningArguments};
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::printer::{Printer, cell};

/// How many progress reports may wait to be shown; more are dropped.
const PROGRESS_REPORTS_MAX: usize = 64;
/// The hosts that follow the first ones at a time, where only the first ones are told.
const WAVE_SIZE: u16 = 10;
/// The hosts of a finding that are named; the others are counted.
const HOSTS_MAX: usize = 4;

/// A finding that a run has closed or brought, as `--json` prints it.
#[derive(Serialize)]
struct FindingRow<'a> {
    kind: &'static str,
    change: &'static str,
    host: &'a str,
    package: &'a str,
    id: &'a str,
}

/// What the scan after a run says, as `--json` prints it.
#[derive(Serialize)]
struct RescanRow {
    kind: &'static str,
    hosts: usize,
    complete: bool,
    closed: usize,
    new: usize,
    open: usize,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &PyinfraArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::watch()?;
    let selector = selector(hosts_of(&arguments.words)?)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let planned = plan(&session, arguments, &selector, printer).await?;
    let (saved, running) = (&planned.saved, &arguments.running);
    if running.json {
        plan_json::print(saved, &planned.left_out, printer)?;
    } else {
        show(&planned, printer);
    }
    let changing = saved.counts().changing;
    // What needs a second person is not applied by one, and there is nothing to ask about nothing.
    let is_wanted = changing > 0
        && !arguments.dry
        && saved.needs_approval.is_empty()
        && (arguments.yes || is_agreed(&format!("Apply it to {changing} host(s)?"), printer));
    if !is_wanted {
        if !running.json {
            print_next(saved, printer);
        }
        session.close().await;
        return Ok(exit(&planned));
    }
    let applied =
        apply_and_look_again(&session, saved.id.as_str(), &saved.plan, running, &interrupts, printer).await?;
    session.close().await;
    // Hosts that could not be planned are not where they should be either.
    let has_left_out = !planned.left_out.is_empty();
    Ok(if has_left_out && applied != Exit::Interrupted { Exit::Unknown } else { applied })
}

/// Asks pyinfra what it would do, and shows how far it is.
async fn plan(
    session: &Session,
    arguments: &PyinfraArguments,
    selector: &Selector,
    printer: &mut Printer,
) -> anyhow::Result<Planned> {
    let directory = match &arguments.chdir {
        Some(directory) => directory.clone(),
        None => std::env::current_dir()?,
    };
    let (sender, mut receiver) = channel::<Progress>(PROGRESS_REPORTS_MAX);
    let show = async {
        while let Some(progress) = receiver.recv().await {
            printer.progress(format_args!(
                "pyinfra --dry {}/{}: {}",
                progress.finished, progress.total, progress.host
            ));
        }
    };
    let request = PyinfraRequest {
        deploy: &arguments.deploy,
        directory: &directory,
        selector,
        order: order(arguments.canary, arguments.wave_size),
        parallel: arguments.running.parallel.map(usize::from),
    };
    let (planned, ()) = tokio::join!(control::pyinfra::plan(session, &request, Some(sender)), show);
    Ok(planned?)
}

fn order(canary: Option<u16>, size: Option<u16>) -> Order {
    match (canary, size) {
        (None, None) => Order::Together,
        (None, Some(size)) => Order::Serial(usize::from(size)),
        (Some(canary), size) => {
            Order::Waves { canary: usize::from(canary), size: usize::from(size.unwrap_or(WAVE_SIZE)) }
        }
    }
}

/// Applies a saved plan of pyinfra, scans its hosts and says which findings are closed.
pub async fn apply_and_look_again(
    session: &Session,
    id: &str,
    plan: &Plan,
    arguments: &RunningArguments,
    interrupts: &Interrupts,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let before = control::pyinfra::open_on(session, plan).await?;
    let connections = Connections::new(session);
    let exit = apply(session, id, plan, arguments, &connections, interrupts, printer).await?;
    connections.close().await;
    if exit == Exit::Interrupted {
        return Ok(exit);
    }
    let again = control::pyinfra::look_again(session, plan, &before).await?;
    print_again(&again, arguments.json, printer)?;
    bell::ring(session, arguments.json, printer).await?;
    Ok(exit)
}

fn print_again(again: &Rescanned, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    let scan = &again.scan;
    for problem in scan.problems.iter().chain(scan.hosts.iter().flat_map(|host| &host.problems)) {
        printer.problem(problem);
    }
    if is_json {
        for (change, findings) in [("closed", &again.closed), ("new", &again.opened)] {
            findings.iter().try_for_each(|finding| printer.json(&row(change, finding)))?;
        }
        return printer.json(&RescanRow {
            kind: "scan",
            hosts: scan.hosts.len(),
            complete: scan.is_complete(),
            closed: again.closed.len(),
            new: again.opened.len(),
            open: again.open,
        });
    }
    let rows: Vec<_> = [("closed", &again.closed), ("new", &again.opened)]
        .into_iter()
        .flat_map(|(change, findings)| together(change, findings))
        .collect();
    if !rows.is_empty() {
        printer.table(&["scanned again", "finding", "package", "hosts"], rows);
    }
    printer.data(format_args!(
        "{} scanned again: {} closed, {} new, {} open",
        count(scan.hosts.len(), "host"),
        count(again.closed.len(), "finding"),
        again.opened.len(),
        again.open
    ));
    Ok(())
}

fn row<'a>(change: &'static str, finding: &'a Finding) -> FindingRow<'a> {
    FindingRow {
        kind: "finding",
        change,
        host: finding.host.as_str(),
        package: &finding.package,
        id: &finding.id,
    }
}

/// Makes one row for each finding, its hosts together.
fn together(change: &'static str, findings: &[Finding]) -> Vec<Vec<comfy_table::Cell>> {
    let mut hosts: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for finding in findings {
        hosts.entry((&finding.id, &finding.package)).or_default().insert(finding.host.as_str());
    }
    let cells = |((id, package), hosts): ((&str, &str), BTreeSet<&str>)| {
        let named: Vec<&str> = hosts.iter().take(HOSTS_MAX).copied().collect();
        let more = hosts.len().saturating_sub(HOSTS_MAX);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        vec![cell(change), cell(id), cell(package), cell(format_args!("{}{more}", named.join(", ")))]
    };
    hosts.into_iter().map(cells).collect()
}
