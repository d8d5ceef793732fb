//! `ifrit runs` and `ifrit run`.

use control::apply::{RunHost, RunHostState, RunLine, RunStep};
use control::deploy::Connections;
use control::{OnFaultyWorkspace, Session};
use model::Plan;
use serde::Serialize;
use tokio::sync::mpsc::channel;

use super::apply::{finish, running, show};
use super::run_text::{outcome_text, shown_duration, step_name};
use super::{minute, open, open_to_read};
use crate::arguments::{
    GlobalArguments, RunArguments, RunResumeArguments, RunShowArguments, RunVerb, RunsArguments,
};
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::printer::{Printer, cell};

/// How many events may wait to be shown; then the run waits.
const UPDATES_MAX: usize = 256;

#[derive(Serialize)]
struct RunRow<'a> {
    run: &'a str,
    plan: &'a str,
    deploy: &'a str,
    actor: &'a str,
    begun_at: String,
    ended_at: Option<String>,
    hosts: std::collections::BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct HostRow<'a> {
    run: &'a str,
    client: &'a str,
    host: &'a str,
    state: &'static str,
    started_at: Option<String>,
    ended_at: Option<String>,
    last_step: Option<usize>,
    problem: Option<String>,
    steps: Vec<StepRow<'a>>,
}

#[derive(Serialize)]
struct StepRow<'a> {
    step: usize,
    operation: Option<&'a str>,
    subject: Option<&'a str>,
    outcome: &'static str,
    why: Option<String>,
    duration_ms: Option<u128>,
    stdout: Option<&'a str>,
    stderr: Option<&'a str>,
    output_is_cut: bool,
}

pub async fn run_list(
    global: &GlobalArguments,
    arguments: &RunsArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    let runs = control::apply::runs(&session, arguments.limit).await?;
    session.close().await;
    if arguments.json {
        runs.iter().try_for_each(|run| printer.json(&run_row(run)))?;
        return Ok(Exit::Nothing);
    }
    let cells = |run: &RunLine| {
        let states: Vec<_> =
            run.hosts.iter().map(|(state, hosts)| format!("{hosts} {}", state.as_str())).collect();
        vec![
            cell(run.id.as_str().get(..12).unwrap_or_default()),
            cell(minute(run.begun_at)),
            cell(&run.actor),
            cell(&run.deploy),
            cell(states.join(", ")),
            cell(run.ended_at.map_or_else(|| "not ended".to_owned(), minute)),
        ]
    };
    printer.table(&["run", "begun", "by", "deploy", "hosts", "ended"], runs.iter().map(cells).collect());
    Ok(Exit::Nothing)
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &RunArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    match &arguments.verb {
        RunVerb::Show(arguments) => run_show(global, arguments, printer).await,
        RunVerb::Resume(arguments) => run_resume(global, arguments, printer).await,
    }
}

async fn run_show(
    global: &GlobalArguments,
    arguments: &RunShowArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session: Session = open_to_read(global, printer).await?;
    let view = control::apply::run(&session, &arguments.id, arguments.host.as_deref()).await?;
    session.close().await;
    if arguments.json {
        view.hosts.iter().try_for_each(|host| printer.json(&host_row(&view.line, &view.plan, host)))?;
        return Ok(Exit::Nothing);
    }
    let ended = view.line.ended_at.map_or_else(|| "not ended".to_owned(), minute);
    printer.data(format_args!(
        "run {} of {} ({}), by {}, {} to {ended}",
        view.line.id,
        view.line.deploy,
        view.line.plan,
        view.line.actor,
        minute(view.line.begun_at)
    ));
    for host in &view.hosts {
        print_host(&view.plan, host, printer);
    }
    // What a bad wave has ended is not to be gone on with just so.
    let has_stopped = view.hosts.iter().any(|host| host.line.state == RunHostState::Stopped);
    let is_open = |host: &RunHost| match host.line.state {
        RunHostState::Done | RunHostState::Stopped => false,
        RunHostState::NotStarted => !has_stopped,
        _ => true,
    };
    if view.hosts.iter().any(is_open) {
        printer.say(format_args!("next: ifrit run resume {}", view.line.id));
    }
    Ok(Exit::Nothing)
}

fn print_host(plan: &Plan, host: &RunHost, printer: &mut Printer) {
    printer.data(format_args!("{}: {}", host.line.host, host.line.state.as_str()));
    if let Some(problem) = &host.line.problem {
        printer.data(format_args!("      {}", problem.message));
        if let Some(hint) = &problem.hint {
            printer.data(format_args!("      hint: {hint}"));
        }
    }
    for step in &host.steps {
        let (name, is_sent) = planned(plan, host, step);
        if !is_sent {
            continue;
        }
        let duration = step.duration.map(|it| format!(" ({})", shown_duration(it))).unwrap_or_default();
        let why = outcome_text(&step.outcome).map(|why| format!(": {why}")).unwrap_or_default();
        printer.data(format_args!(
            "  {:>3} {:<11} {name}{duration}{why}",
            step.step + 1,
            step.outcome.as_str()
        ));
        let Some(output) = &step.output else { continue };
        for (stream, text) in [("out", &output.stdout), ("err", &output.stderr)] {
            for line in text.lines() {
                printer.data(format_args!("        {stream}| {line}"));
            }
        }
        if output.is_cut {
            printer.data("        (a part of it was not kept)");
        }
    }
}

fn planned(plan: &Plan, host: &RunHost, step: &RunStep) -> (String, bool) {
    let of_host = plan.hosts.iter().find(|it| it.host == host.line.host);
    let planned = of_host.and_then(|it| it.steps.get(step.step));
    (planned.map(step_name).unwrap_or_default(), planned.is_none_or(model::Step::is_sent))
}

async fn run_resume(
    global: &GlobalArguments,
    arguments: &RunResumeArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::watch()?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let view = control::apply::run(&session, &arguments.id, None).await?;
    let connections = Connections::new(&session);
    let running = running(&arguments.running, &interrupts);
    let (sender, receiver) = channel(UPDATES_MAX);
    let is_json = arguments.running.json;
    let id = view.line.id.as_str();
    let resume = control::apply::resume(&session, id, arguments.rerun, &running, &connections, sender);
    let (answer, shown) = tokio::join!(resume, show(&view.plan, receiver, is_json, printer));
    interrupts.end();
    shown?;
    let answer = answer?;
    connections.close().await;
    session.close().await;
    finish(&answer, is_json, &running, printer)
}

fn run_row(run: &RunLine) -> RunRow<'_> {
    RunRow {
        run: run.id.as_str(),
        plan: run.plan.as_str(),
        deploy: &run.deploy,
        actor: &run.actor,
        begun_at: run.begun_at.to_string(),
        ended_at: run.ended_at.map(|at| at.to_string()),
        hosts: run.hosts.iter().map(|(state, hosts)| (state.as_str(), *hosts)).collect(),
    }
}

fn host_row<'a>(run: &'a RunLine, plan: &'a Plan, host: &'a RunHost) -> HostRow<'a> {
    let steps = plan.hosts.iter().find(|it| it.host == host.line.host).map(|it| it.steps.as_slice());
    let row = |step: &'a RunStep| {
        let planned = steps.and_then(|steps| steps.get(step.step));
        StepRow {
            step: step.step + 1,
            operation: planned.map(|it| it.operation.as_str()),
            subject: planned.map(|it| it.subject.as_str()),
            outcome: step.outcome.as_str(),
            why: outcome_text(&step.outcome),
            duration_ms: step.duration.map(|it| it.as_millis()),
            stdout: step.output.as_ref().map(|it| it.stdout.as_str()),
            stderr: step.output.as_ref().map(|it| it.stderr.as_str()),
            output_is_cut: step.output.as_ref().is_some_and(|it| it.is_cut),
        }
    };
    HostRow {
        run: run.id.as_str(),
        client: host.line.client.as_str(),
        host: host.line.host.as_str(),
        state: host.line.state.as_str(),
        started_at: host.line.started_at.map(|at| at.to_string()),
        ended_at: host.line.ended_at.map(|at| at.to_string()),
        last_step: host.line.last_step.map(|step| step + 1),
        problem: host.line.problem.as_ref().map(ToString::to_string),
        steps: host.steps.iter().map(row).collect(),
    }
}
