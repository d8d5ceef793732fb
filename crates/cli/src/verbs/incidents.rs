//! `ifrit incidents` and `ifrit incident`.

use control::OnFaultyWorkspace;
use control::incident::{self, IncidentRecord};
use model::{IncidentKind, Stage};

use super::incident_text::{hosts_by_state, show};
use super::{incident_json, minute, open, open_to_read, scope};
use crate::arguments::{
    GlobalArguments, IncidentArguments, IncidentCloseArguments, IncidentNoteArguments, IncidentShowArguments,
    IncidentVerb, IncidentsArguments,
};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

pub async fn run_list(
    global: &GlobalArguments,
    arguments: &IncidentsArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    let found = incident::list(&session, &scope(&arguments.client), arguments.open).await?;
    session.close().await;
    if arguments.json {
        found.iter().try_for_each(|it| printer.json(&incident_json::line(it)))?;
        return Ok(Exit::Nothing);
    }
    if found.is_empty() {
        printer.data(if arguments.open { "no incident is open" } else { "no incident was ever opened" });
        printer.say("`ifrit respond CVE` opens one, `ifrit drill` rehearses it");
        return Ok(Exit::Nothing);
    }
    let titles = ["incident", "kind", "stage", "opened", "closed", "hosts", "title"];
    printer.table(&titles, found.iter().map(cells).collect());
    Ok(Exit::Nothing)
}

fn cells(it: &IncidentRecord) -> Vec<comfy_table::Cell> {
    let closed = match it.closed_at {
        Some(at) => minute(at),
        None if it.stage == Stage::Closed => "yes".to_owned(),
        None => "-".to_owned(),
    };
    vec![
        cell(it.id),
        cell(kind(it.kind)),
        cell(it.stage.as_str()),
        cell(minute(it.opened_at)),
        cell(closed),
        cell(hosts_by_state(&it.hosts)),
        cell(&it.title),
    ]
}

/// An exercise must not be taken for the real thing.
fn kind(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Emergency => "emergency",
        IncidentKind::Exercise => "EXERCISE",
    }
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &IncidentArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    match &arguments.verb {
        IncidentVerb::Show(arguments) => run_show(global, arguments, printer).await,
        IncidentVerb::Note(arguments) => run_note(global, arguments, printer).await,
        IncidentVerb::Close(arguments) => run_close(global, arguments, printer).await,
    }
}

async fn run_show(
    global: &GlobalArguments,
    arguments: &IncidentShowArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    let id = incident::find(&session, &arguments.id).await?;
    let view = incident::view(&session, &scope(&arguments.client), id).await?;
    session.close().await;
    if arguments.json {
        incident_json::print(&view, printer)?;
    } else {
        show(&view, printer);
    }
    Ok(Exit::Nothing)
}

async fn run_note(
    global: &GlobalArguments,
    arguments: &IncidentNoteArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let id = incident::find(&session, &arguments.id).await?;
    incident::note(&session, id, &arguments.text, arguments.client.as_ref()).await?;
    session.close().await;
    printer.say(match &arguments.client {
        Some(client) => format!("noted in the record of {id}, for {client}"),
        None => format!("noted in the record of {id}"),
    });
    Ok(Exit::Nothing)
}

async fn run_close(
    global: &GlobalArguments,
    arguments: &IncidentCloseArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let id = incident::find(&session, &arguments.id).await?;
    incident::close(&session, id, &arguments.reason, arguments.force).await?;
    session.close().await;
    printer.say(format_args!("{id} is closed"));
    Ok(Exit::Nothing)
}
