//! `ifrit services`.

use control::services::{ServiceRow, ServiceVerdict};
use serde::Serialize;

use super::item_text::{listener, service};
use super::{count, open_to_read, selector};
use crate::arguments::{GlobalArguments, SelectionArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// A row as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    verdict: &'a str,
    client: &'a str,
    service: &'a str,
    host: &'a str,
    critical: bool,
    observed: Option<&'a str>,
    running: Option<bool>,
    enabled: Option<bool>,
    port: Option<u16>,
    listeners: Option<Vec<String>>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &SelectionArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let selector = selector(&arguments.selector)?;
    let session = open_to_read(global, printer).await?;
    let is_faulty = session.workspace.has_errors();
    let rows = control::services::services(&session, &selector).await?;
    session.close().await;
    if arguments.json {
        rows.iter().try_for_each(|row| printer.json(&json_row(row)))?;
    } else {
        let titles = ["verdict", "client", "service", "host", "seen", "port", "listens"];
        printer.table(&titles, rows.iter().map(cells).collect());
        let faults = rows.iter().filter(|row| row.verdict.is_fault()).count();
        printer.say(format_args!("{}: {faults} to look at", count(rows.len(), "declared service")));
    }
    Ok(exit(&rows, is_faulty))
}

/// With a faulty inventory services may be missing from the answer, so it is never "all is well".
fn exit(rows: &[ServiceRow], is_faulty: bool) -> Exit {
    if rows.iter().any(|row| row.verdict.is_fault()) {
        return Exit::Something;
    }
    let is_unknown = rows.iter().any(|row| row.verdict == ServiceVerdict::Unknown);
    if is_unknown || is_faulty { Exit::Unknown } else { Exit::Nothing }
}

fn cells(row: &ServiceRow) -> Vec<comfy_table::Cell> {
    let critical = if row.is_critical { " (critical)" } else { "" };
    let seen = row.observed.as_ref().map(|it| format!("{}: {}", it.name, service(it)));
    let listens = row.listeners.as_ref().map(|all| match all.as_slice() {
        [] => "nothing".to_owned(),
        all => all.iter().map(|it| format!("{} {}", it.address, listener(it))).collect::<Vec<_>>().join(", "),
    });
    let or_dash = |text: Option<String>| cell(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        cell(row.verdict),
        cell(&row.client),
        cell(format_args!("{}{critical}", row.service)),
        cell(&row.host),
        or_dash(seen),
        or_dash(row.port.map(|port| port.to_string())),
        or_dash(listens),
    ]
}

fn json_row(row: &ServiceRow) -> Row<'_> {
    let listeners = row.listeners.as_ref();
    Row {
        verdict: row.verdict.as_str(),
        client: row.client.as_str(),
        service: row.service.as_str(),
        host: row.host.as_str(),
        critical: row.is_critical,
        observed: row.observed.as_ref().map(|it| it.name.as_str()),
        running: row.observed.as_ref().and_then(|it| it.is_running),
        enabled: row.observed.as_ref().and_then(|it| it.is_enabled),
        port: row.port,
        listeners: listeners
            .map(|all| all.iter().map(|it| format!("{} {}", it.address, listener(it))).collect()),
    }
}
