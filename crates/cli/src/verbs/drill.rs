//! `ifrit drill`: an emergency as an exercise, held against the team's target.

use std::process::Command;
use std::time::Duration;

use control::incident::{IncidentView, duration};
use control::respond::RespondRequest;
use control::{ClientScope, OnFaultyWorkspace};
use model::{IncidentId, IncidentKind, Mark, Stage};

use super::respond::{go, split};
use super::{open, selector};
use crate::arguments::{DrillArguments, GlobalArguments};
use crate::environment;
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::Printer;

pub async fn run(
    global: &GlobalArguments,
    arguments: &DrillArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    if arguments.fleet {
        return on_fleet(global).await;
    }
    let (words, hosts) = split(&arguments.words)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let target = session.workspace.settings.incident_target();
    let mut incident = None;
    let (words, hosts) = match words {
        [word] if IncidentId::parse(word).is_some() && hosts.is_some() => {
            return Err(UsageError("an incident has its hosts: leave `on` out".to_owned()).into());
        }
        [word] if IncidentId::parse(word).is_some() => {
            let id = control::incident::find(&session, word).await?;
            let view = control::incident::view(&session, &ClientScope::All, id).await?;
            if view.kind != IncidentKind::Exercise {
                return Err(
                    UsageError(format!("{id} is in earnest: `ifrit respond {id}` goes on with it")).into()
                );
            }
            if view.stage == Stage::Closed {
                return Err(UsageError(format!("{id} is closed; `ifrit incident show {id}` shows it")).into());
            }
            incident = Some(id);
            (view.words, view.selector.map(|text| vec![text]))
        }
        words => (words.to_vec(), hosts.map(<[String]>::to_vec)),
    };
    let selector = hosts.as_deref().map(selector).transpose()?;
    let words = match words.as_slice() {
        [] => {
            let Some(found) = control::respond::most_urgent(session, selector.as_ref()).await? else {
                printer
                    .complain("nothing with a fix is open on these hosts, so there is nothing to rehearse");
                printer.say(
                    "an advisory about a harmless package makes an exercise: docs/guides/drill.md shows how",
                );
                return Ok(Exit::Unknown);
            };
            printer.say(format_args!("rehearsing {} of {}", found.id, found.source));
            vec![found.id.to_string()]
        }
        _ => {
            session.close().await;
            words
        }
    };
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let request = RespondRequest {
        incident,
        kind: IncidentKind::Exercise,
        words,
        scope: ClientScope::All,
        selector,
        deploy: None,
        reboots: arguments.gates.reboot,
    };
    let (exit, id) = go(session, request, &arguments.gates, printer).await?;
    let Some(id) = id else { return Ok(exit) };
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let view = control::incident::view(&session, &ClientScope::All, id).await?;
    session.close().await;
    Ok(judge(&view, target, exit, printer))
}

/// Holds the exercise against the target: from its opening to the last verified host.
fn judge(view: &IncidentView, target: Duration, exit: Exit, printer: &mut Printer) -> Exit {
    let open = view.hosts.iter().filter(|host| !host.state.is_settled()).count();
    let last = view.hosts.iter().filter_map(|host| host.marks.get(&Mark::Verified)).max();
    let Some(last) = last.filter(|_| open == 0) else {
        printer.data("");
        printer.data(format_args!("the exercise is not over: {open} of {} hosts are open", view.hosts.len()));
        return exit;
    };
    let took = Duration::try_from(last.duration_since(view.opened_at)).unwrap_or_default();
    let word = if took <= target { "within" } else { "LONGER than" };
    printer.data("");
    printer.data(format_args!(
        "exercise: {} to the last verified host, {word} the target of {}",
        duration(took),
        duration(target)
    ));
    if took <= target { exit } else { Exit::Something }
}

/// Hands over to the program that brings up a throw-away fleet.
async fn on_fleet(global: &GlobalArguments) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let command = session.workspace.settings.drill_fleet_command().to_vec();
    let root = session.workspace.root.clone();
    session.close().await;
    let Some((program, words)) = command.split_first() else {
        let why = "no throw-away fleet is set up: the setting `drill.fleet_command` names the program that brings one up";
        return Err(UsageError(why.to_owned()).into());
    };
    let binary = std::env::current_exe()?;
    let status =
        Command::new(program).args(words).current_dir(root).env(environment::BINARY, binary).status();
    let status = status.map_err(|error| {
        anyhow::anyhow!("`{program}` of the setting `drill.fleet_command` cannot be started: {error}")
    })?;
    Ok(match status.code() {
        Some(0) => Exit::Nothing,
        Some(130) => Exit::Interrupted,
        Some(1) => Exit::Something,
        _ => Exit::NoAnswer,
    })
}
