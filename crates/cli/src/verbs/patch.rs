//! `ifrit patch`: find, plan, show, ask, apply, look again.

use std::collections::{BTreeMap, BTreeSet};

use control::deploy::Connections;
use control::patch::{ClosedFinding, Closing, Order, PatchFinding, PatchPlan, PatchRequest};
use control::{OnFaultyWorkspace, Session};
use model::Fix;
use serde::Serialize;

use super::apply::{apply, is_agreed};
use super::plan_text::{print_left_out, print_next, print_notes, print_plan, print_totals};
use super::{bell, count, open, plan_json, selector};
use crate::arguments::{GlobalArguments, PatchArguments};
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::interrupt::Interrupts;
use crate::printer::{Printer, cell};

/// A finding as `--json` prints it: before applying with what is planned, afterwards with what came of it.
#[derive(Serialize)]
struct FindingRow<'a> {
    kind: &'static str,
    client: &'a str,
    host: &'a str,
    package: &'a str,
    installed: &'a str,
    id: &'a str,
    fixed: String,
    remedy: Option<String>,
    closing: Option<&'static str>,
    why: Option<String>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &PatchArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::watch()?;
    let (words, hosts) = split(&arguments.words)?;
    let selector = hosts.map(selector).transpose()?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let connections = Connections::new(&session);
    let request = PatchRequest {
        words,
        kev: arguments.kev,
        selector: selector.as_ref(),
        refresh: !arguments.no_refresh,
        reboots: arguments.reboot,
        order: &|_| Order::Together,
        only: None,
    };
    let patch = control::patch::plan_patch(&session, &request, &connections).await?;
    let is_json = arguments.running.json;
    if patch.findings.is_empty() {
        connections.close().await;
        session.close().await;
        printer.say("nothing that was asked for is open on these hosts, as far as they were scanned");
        return Ok(Exit::Nothing);
    }
    show(&patch, is_json, printer)?;
    let is_wanted = |printer: &mut Printer| match &patch.saved {
        Some(saved) if saved.needs_approval.is_empty() && !arguments.plan_only => {
            arguments.yes || is_agreed(&format!("Apply it to {} host(s)?", saved.plan.hosts.len()), printer)
        }
        Some(_) | None => false,
    };
    if !is_wanted(printer) {
        if let (Some(saved), false) = (&patch.saved, is_json) {
            print_next(saved, printer);
        }
        connections.close().await;
        session.close().await;
        return Ok(if patch.left_out.is_empty() { Exit::Something } else { Exit::Unknown });
    }
    let mut applied = Exit::Nothing;
    if let Some(saved) = &patch.saved {
        let id = saved.id.as_str();
        applied =
            apply(&session, id, &saved.plan, &arguments.running, &connections, &interrupts, printer).await?;
    }
    let closed = close(&session, &patch, is_json, printer).await?;
    connections.close().await;
    session.close().await;
    Ok(exit(&patch, &closed, applied))
}

/// Splits the words at `on`.
fn split(words: &[String]) -> anyhow::Result<(&[String], Option<&[String]>)> {
    match words.iter().position(|word| word == "on") {
        None => Ok((words, None)),
        Some(at) if at + 1 < words.len() => Ok((&words[..at], Some(&words[at + 1..]))),
        Some(_) => Err(UsageError("say which hosts after `on`, or leave `on` out".to_owned()).into()),
    }
}

fn show(patch: &PatchPlan, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    for problem in &patch.problems {
        printer.problem(problem);
    }
    if is_json {
        patch.findings.iter().try_for_each(|finding| printer.json(&row(finding, None)))?;
        if let Some(saved) = &patch.saved {
            plan_json::print(saved, &patch.left_out, printer)?;
        }
        return Ok(());
    }
    print_remedies(patch, printer);
    print_left_out(&patch.left_out, printer);
    for (host, services) in &patch.not_restarted {
        printer.complain(format_args!(
            "warning: {host}: {} must not be restarted alone; only a restart of the host lets it run what is new (--reboot)",
            services.join(", ")
        ));
    }
    match &patch.saved {
        Some(saved) => {
            print_plan(&saved.plan, printer);
            print_notes(saved, printer);
            print_totals(saved, patch.left_out.len(), printer);
        }
        None => printer.data("nothing can be done about it now"),
    }
    Ok(())
}

/// Ids and hosts that stand together in a row.
#[derive(Default)]
struct Together<'a> {
    ids: BTreeSet<&'a str>,
    hosts: BTreeSet<&'a str>,
}

/// Says what is done about each package, hosts together.
fn print_remedies(patch: &PatchPlan, printer: &mut Printer) {
    let mut rows: BTreeMap<(&str, String), Together<'_>> = BTreeMap::new();
    for finding in &patch.findings {
        let row = rows.entry((finding.package.as_str(), remedy(finding))).or_default();
        row.ids.insert(finding.id.as_str());
        row.hosts.insert(finding.host.as_str());
    }
    let cells = |((package, remedy), row): ((&str, String), Together<'_>)| {
        vec![cell(package), cell(remedy), cell(few(&row.ids)), cell(few(&row.hosts))]
    };
    printer.table(&["package", "what is done", "findings", "hosts"], rows.into_iter().map(cells).collect());
    printer.data("");
}

fn few(names: &BTreeSet<&str>) -> String {
    const NAMES_MAX: usize = 4;
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<&str>>().join(", ");
    if names.len() > NAMES_MAX { format!("{shown} and {} more", names.len() - NAMES_MAX) } else { shown }
}

fn remedy(finding: &PatchFinding) -> String {
    use control::patch::Remedy;
    match &finding.remedy {
        Some(Remedy::Upgrade { from, to, closes }) if closes.contains(&finding.id) => {
            format!("{from} -> {to}")
        }
        Some(Remedy::Upgrade { .. }) if matches!(finding.fix, Fix::NotYet) => "no fix yet".to_owned(),
        Some(Remedy::Upgrade { to, .. }) => format!("not fixed in {to}"),
        Some(Remedy::NoCandidate { newest: Some(newest) }) => {
            format!("fixed in {}, its repositories have {newest}", finding.fix)
        }
        Some(Remedy::NoCandidate { newest: None }) => {
            format!("fixed in {}, its repositories have nothing newer", finding.fix)
        }
        Some(Remedy::NoFix) => "no fix yet".to_owned(),
        Some(Remedy::Gone) => "not installed any more: scan again".to_owned(),
        Some(Remedy::Base) => "the base system's newest patch level".to_owned(),
        None => "nothing: no package manager brings it, or its host was left out".to_owned(),
    }
}

/// Looks at the hosts again, and says what became of each finding.
async fn close(
    session: &Session,
    patch: &PatchPlan,
    is_json: bool,
    printer: &mut Printer,
) -> anyhow::Result<Vec<ClosedFinding>> {
    let (closed, report) = control::patch::close(session, patch).await?;
    for problem in report.problems.iter().chain(report.hosts.iter().flat_map(|host| &host.problems)) {
        printer.problem(problem);
    }
    if is_json {
        for it in &closed {
            printer.json(&row(&it.finding, Some(&it.closing)))?;
        }
    } else {
        print_closed(&closed, printer);
    }
    bell::ring(session, is_json, printer).await?;
    Ok(closed)
}

fn print_closed(closed: &[ClosedFinding], printer: &mut Printer) {
    let mut rows: BTreeMap<(String, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for it in closed {
        let what = match why(&it.closing) {
            Some(why) => format!("{}: {why}", it.closing.as_str()),
            None => it.closing.as_str().to_owned(),
        };
        rows.entry((what, it.finding.id.as_str(), it.finding.package.as_str()))
            .or_default()
            .insert(it.finding.host.as_str());
        *counts.entry(it.closing.as_str()).or_default() += 1;
    }
    let cells = |((what, id, package), hosts): ((String, &str, &str), BTreeSet<&str>)| {
        vec![cell(what), cell(id), cell(package), cell(few(&hosts))]
    };
    printer.table(&["looked at again", "finding", "package", "hosts"], rows.into_iter().map(cells).collect());
    let counts: Vec<_> = counts.iter().map(|(word, number)| format!("{number} {word}")).collect();
    printer.data(format_args!("{}: {}", count(closed.len(), "finding"), counts.join(", ")));
}

fn why(closing: &Closing) -> Option<String> {
    match closing {
        Closing::Closed | Closing::NoFix | Closing::NoCandidate(None) => None,
        Closing::WaitsForRestart(processes) => {
            Some(format!("{} still run what was replaced", processes.join(", ")))
        }
        Closing::WaitsForReboot(why) | Closing::Open(why) | Closing::Unknown(why) => Some(why.clone()),
        Closing::NoCandidate(Some(newest)) => Some(format!("its repositories have {newest}")),
    }
}

fn row<'a>(finding: &'a PatchFinding, closing: Option<&Closing>) -> FindingRow<'a> {
    FindingRow {
        kind: "finding",
        client: finding.client.as_str(),
        host: finding.host.as_str(),
        package: finding.package.as_str(),
        installed: &finding.installed,
        id: finding.id.as_str(),
        fixed: finding.fix.to_string(),
        remedy: closing.is_none().then(|| remedy(finding)),
        closing: closing.map(Closing::as_str),
        why: closing.and_then(why),
    }
}

fn exit(patch: &PatchPlan, closed: &[ClosedFinding], applied: Exit) -> Exit {
    let has_unknown =
        !patch.left_out.is_empty() || closed.iter().any(|it| matches!(it.closing, Closing::Unknown(_)));
    match applied {
        Exit::Interrupted | Exit::Unknown => applied,
        _ if has_unknown => Exit::Unknown,
        _ if closed.iter().all(|it| it.closing == Closing::Closed) => applied,
        _ => Exit::Something,
    }
}
