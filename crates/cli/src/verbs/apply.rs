//! `ifrit apply`, and what it shares with `deploy`, `patch` and `run resume`.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;

use control::apply::{RunAnswer, RunUpdate, Running};
use control::deploy::Connections;
use control::{OnFaultyWorkspace, Session};
use model::Plan;
use tokio::sync::mpsc::{Receiver, channel};

use super::open;
use super::plan_text::print_notes;
use super::pyinfra::apply_and_look_again;
use super::run_text::{RunView, exit, print_summary};
use crate::arguments::{ApplyArguments, GlobalArguments, RunningArguments};
use crate::environment;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// How many events may wait to be shown; then the run waits.
const UPDATES_MAX: usize = 256;

pub async fn run(
    global: &GlobalArguments,
    arguments: &ApplyArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::watch()?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let saved = control::deploy::saved_plan(&session, &arguments.id).await?;
    if let Some(reason) = &arguments.break_glass {
        let approved = control::approve::break_glass(&session, saved.id.as_str(), reason).await?;
        printer.complain(format_args!(
            "the glass is broken: signed by {} with {}, and recorded",
            approved.person, approved.fingerprint
        ));
    }
    if !arguments.running.json {
        print_notes(&saved, printer);
    }
    let (id, running) = (saved.id.as_str(), &arguments.running);
    if control::pyinfra::is_pyinfra(&saved.plan) {
        let exit = apply_and_look_again(&session, id, &saved.plan, running, &interrupts, printer).await?;
        session.close().await;
        return Ok(exit);
    }
    let connections = Connections::new(&session);
    let exit = apply(&session, id, &saved.plan, running, &connections, &interrupts, printer).await?;
    connections.close().await;
    session.close().await;
    Ok(exit)
}

/// Applies a saved plan and shows how far it is.
pub async fn apply(
    session: &Session,
    id: &str,
    plan: &Plan,
    arguments: &RunningArguments,
    connections: &Connections,
    interrupts: &Interrupts,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let running = running(arguments, interrupts);
    let (sender, receiver) = channel(UPDATES_MAX);
    let apply = control::apply::apply(session, id, &running, connections, sender);
    let (answer, shown) = tokio::join!(apply, show(plan, receiver, arguments.json, printer));
    interrupts.end();
    shown?;
    finish(&answer?, arguments.json, &running, printer)
}

/// Returns how a run is to be done; Ctrl-C stops it from now on.
pub fn running(arguments: &RunningArguments, interrupts: &Interrupts) -> Running {
    Running {
        parallel: arguments.parallel.map(usize::from),
        max_failures: arguments.max_failures.clone(),
        environment: Arc::new(environment::secret),
        stop: interrupts.begin(),
        only: None,
    }
}

/// Shows what happens until nothing more does.
pub async fn show(
    plan: &Plan,
    mut updates: Receiver<RunUpdate>,
    is_json: bool,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let mut view = RunView::new(plan, is_json);
    while let Some(update) = updates.recv().await {
        view.take(&update, printer)?;
    }
    Ok(())
}

/// Prints what came of a run, and returns its exit status.
pub fn finish(
    answer: &RunAnswer,
    is_json: bool,
    running: &Running,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    print_summary(answer, is_json, printer)?;
    let exit = exit(answer);
    Ok(if running.stop.is_requested() && exit != Exit::Nothing { Exit::Interrupted } else { exit })
}

/// Asks a yes-or-no question; without a terminal to ask on, the answer is no.
pub fn is_agreed(question: &str, printer: &mut Printer) -> bool {
    if !io::stdin().is_terminal() {
        printer.complain("not applied: nobody to ask; look at the plan and give --yes, or `ifrit apply` it");
        return false;
    }
    printer.complain(format_args!("{question} [yes/no]"));
    let mut answer = String::new();
    let has_answer = io::stdin().lock().read_line(&mut answer).is_ok();
    has_answer && answer.trim().eq_ignore_ascii_case("yes")
}
