//! `ifrit notify`.

use control::notify::{ChannelStatus, Channels, Waiting};
use control::{MessageRecord, OnFaultyWorkspace, Session};
use serde::Serialize;

use super::bell::{channels, print_deliveries};
use super::{minute, open};
use crate::arguments::{GlobalArguments, NotifyArguments, NotifyVerb};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// A channel as `--json` prints it.
#[derive(Serialize)]
struct ChannelRow<'a> {
    channel: &'a str,
    kind: Option<&'a str>,
    target: &'a str,
    only: &'a str,
    clients: Vec<&'a str>,
    fault: Option<&'a str>,
    waiting: usize,
    last: Vec<MessageRow<'a>>,
}

/// A message as `--json` prints it.
#[derive(Serialize)]
struct MessageRow<'a> {
    id: &'a str,
    urgency: &'a str,
    title: &'a str,
    created_at: String,
    state: &'static str,
    delivered_at: Option<String>,
    attempts: u32,
    next_attempt_at: Option<String>,
    error: Option<&'a str>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &NotifyArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    for problem in session.workspace.problems.iter().filter(|it| it.code.as_str().starts_with("config.")) {
        printer.problem(problem);
    }
    let channels = channels(&session);
    let exit = match &arguments.verb {
        None => list(&session, &channels, arguments.json, printer).await?,
        Some(NotifyVerb::Test(arguments)) => {
            let report = control::notify::test(&session, &channels, arguments.channel.as_deref()).await?;
            if report.delivered == 0 && report.failures.is_empty() {
                printer.complain("error: no channel is declared, nothing was sent");
                printer.complain("  hint: `[notify.NAME]` in ifrit.toml");
            }
            print_deliveries(&report, printer);
            exit(report.delivered > 0 && report.failures.is_empty())
        }
        Some(NotifyVerb::Send) => {
            let report = control::notify::deliver(&session, &channels, Waiting::All).await?;
            if report.delivered + report.waiting == 0 {
                printer.say("no message waits");
            }
            print_deliveries(&report, printer);
            exit(report.waiting == 0 && report.failures.is_empty())
        }
    };
    session.close().await;
    Ok(exit)
}

fn exit(is_well: bool) -> Exit {
    if is_well { Exit::Nothing } else { Exit::Something }
}

async fn list(
    session: &Session,
    channels: &Channels,
    is_json: bool,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let list = control::notify::list(session, channels).await?;
    let is_well = list.iter().all(|channel| channel.fault.is_none());
    if is_json {
        list.iter().try_for_each(|it| printer.json(&row(it)))?;
        return Ok(exit(is_well));
    }
    if list.is_empty() {
        printer.say("no channel is declared: `[notify.NAME]` in ifrit.toml");
        return Ok(Exit::Nothing);
    }
    let titles = ["channel", "kind", "to", "carries", "clients", "waiting", "last message", "when", "result"];
    printer.table(&titles, list.iter().map(cells).collect());
    for channel in &list {
        if let Some(fault) = &channel.fault {
            printer.complain(format_args!("error: channel {}: {fault}", channel.name));
        }
    }
    Ok(exit(is_well))
}

fn cells(channel: &ChannelStatus) -> Vec<comfy_table::Cell> {
    let last = channel.last.first();
    let clients: Vec<_> = channel.clients.iter().map(|client| client.as_str()).collect();
    let or_dash = |text: Option<String>| cell(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        cell(&channel.name),
        cell(channel.kind.unwrap_or("not declared")),
        cell(&channel.target),
        cell(carries(channel)),
        cell(if clients.is_empty() { "all".to_owned() } else { clients.join(" ") }),
        cell(channel.waiting),
        or_dash(last.map(|it| it.message.title.clone())),
        or_dash(last.map(|it| minute(it.delivered_at.or(it.given_up_at).unwrap_or(it.created_at)))),
        or_dash(last.map(|it| match &it.last_error {
            Some(error) => format!("{}: {error}", state(it)),
            None => state(it).to_owned(),
        })),
    ]
}

fn carries(channel: &ChannelStatus) -> &'static str {
    if channel.is_urgent_only { "urgent" } else { "all" }
}

fn state(record: &MessageRecord) -> &'static str {
    match (record.delivered_at, record.given_up_at) {
        (Some(_), _) => "delivered",
        (None, Some(_)) => "given up",
        (None, None) => "waits",
    }
}

fn row(channel: &ChannelStatus) -> ChannelRow<'_> {
    ChannelRow {
        channel: &channel.name,
        kind: channel.kind,
        target: &channel.target,
        only: carries(channel),
        clients: channel.clients.iter().map(|client| client.as_str()).collect(),
        fault: channel.fault.as_deref(),
        waiting: channel.waiting,
        last: channel.last.iter().map(message_row).collect(),
    }
}

fn message_row(it: &MessageRecord) -> MessageRow<'_> {
    MessageRow {
        id: &it.message.message_id,
        urgency: it.message.urgency.as_str(),
        title: &it.message.title,
        created_at: it.created_at.to_string(),
        state: state(it),
        delivered_at: it.delivered_at.map(|at| at.to_string()),
        attempts: it.attempts,
        next_attempt_at: (state(it) == "waits").then(|| it.next_attempt_at.to_string()),
        error: it.last_error.as_deref(),
    }
}
