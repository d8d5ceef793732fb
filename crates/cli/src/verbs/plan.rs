//! `ifrit plan` and `ifrit plans`.

use std::sync::Arc;

use control::deploy::{Connections, LeftOut, PlanRequest, Planned};
use control::{OnFaultyWorkspace, Progress};
use tokio::sync::mpsc;

use super::plan_text::{print_left_out, print_next, print_notes, print_plan, print_totals};
use super::{minute, open, open_to_read, plan_json, selector};
use crate::arguments::{GlobalArguments, PlanArguments, PlansArguments};
use crate::environment;
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::{Printer, cell};

/// How many progress reports may wait to be shown; more are dropped.
const PROGRESS_REPORTS_MAX: usize = 64;

pub async fn run(
    global: &GlobalArguments,
    arguments: &PlanArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let selector = selector(hosts_of(&arguments.words)?)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let connections = Connections::new(&session);
    let planned = plan(&session, &arguments.deploy, &selector, &connections, printer).await?;
    connections.close().await;
    session.close().await;
    if arguments.json {
        plan_json::print(&planned.saved, &planned.left_out, printer)?;
    } else {
        show(&planned, printer);
        print_next(&planned.saved, printer);
    }
    Ok(exit(&planned))
}

/// Returns the words after `on`.
pub fn hosts_of(words: &[String]) -> anyhow::Result<&[String]> {
    match words.split_first() {
        Some((on, rest)) if on == "on" && !rest.is_empty() => Ok(rest),
        _ => Err(UsageError(
            "say which hosts: `on SELECTOR`, for example `on client:acme tag:web` or `on '*'`".to_owned(),
        )
        .into()),
    }
}

/// Plans a deploy and shows how far it is.
pub async fn plan(
    session: &control::Session,
    deploy: &str,
    selector: &model::selector::Selector,
    connections: &Connections,
    printer: &mut Printer,
) -> anyhow::Result<Planned> {
    let (sender, mut receiver) = mpsc::channel::<Progress>(PROGRESS_REPORTS_MAX);
    let show = async {
        while let Some(progress) = receiver.recv().await {
            printer.progress(format_args!(
                "planning {}/{}: {}",
                progress.finished, progress.total, progress.host
            ));
        }
    };
    let request = PlanRequest { deploy, selector, environment: Arc::new(environment::secret) };
    let (planned, ()) =
        tokio::join!(control::deploy::plan(session, &request, connections, Some(sender)), show);
    Ok(planned?)
}

/// Shows a new plan with everything that there is to know before applying it.
pub fn show(planned: &Planned, printer: &mut Printer) {
    for problem in &planned.problems {
        printer.problem(problem);
    }
    print_plan(&planned.saved.plan, printer);
    print_left_out(&planned.left_out, printer);
    print_notes(&planned.saved, printer);
    print_totals(&planned.saved, planned.left_out.len(), printer);
}

/// Hosts that could not be planned are the first thing to know.
pub fn exit(planned: &Planned) -> Exit {
    match (planned.left_out.is_empty(), planned.saved.counts().changing) {
        (false, _) => Exit::Unknown,
        (true, 0) => Exit::Nothing,
        (true, _) => Exit::Something,
    }
}

pub async fn run_list(
    global: &GlobalArguments,
    arguments: &PlansArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    if let Some(id) = &arguments.id {
        let saved = control::deploy::saved_plan(&session, id).await?;
        session.close().await;
        let none: &[LeftOut] = &[];
        if arguments.json {
            plan_json::print(&saved, none, printer)?;
        } else {
            print_plan(&saved.plan, printer);
            print_notes(&saved, printer);
            print_totals(&saved, 0, printer);
            print_next(&saved, printer);
        }
        return Ok(Exit::Nothing);
    }
    let plans = control::deploy::plans(&session, arguments.limit).await?;
    session.close().await;
    if arguments.json {
        plans.iter().try_for_each(|plan| printer.json(&plan_json::line(plan)))?;
        return Ok(Exit::Nothing);
    }
    let row = |plan: &control::deploy::PlanLine| {
        let changing = plan.hosts.iter().filter(|(_, _, changes)| *changes > 0).count();
        let commit = plan.commit.as_deref().map_or("-", |commit| commit.get(..12).unwrap_or(commit));
        vec![
            cell(&plan.id),
            cell(minute(plan.made_at)),
            cell(&plan.author),
            cell(&plan.deploy),
            cell(format_args!("{changing} of {}", plan.hosts.len())),
            cell(format_args!("{commit}{}", if plan.is_dirty { "+" } else { "" })),
        ]
    };
    let titles = ["plan", "made", "by", "deploy", "hosts that change", "commit"];
    printer.table(&titles, plans.iter().map(row).collect());
    Ok(Exit::Nothing)
}
