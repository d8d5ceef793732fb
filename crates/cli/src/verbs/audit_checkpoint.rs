//! `ifrit audit`, with its checkpoints, anchors and key.

use control::OnFaultyWorkspace;
use control::record::{Anchored, Sealed};
use serde::Serialize;

use super::bell::channels;
use super::{audit_export, audit_log, audit_verify, count, open};
use crate::arguments::{AuditArguments, AuditVerb, GlobalArguments, JsonArguments};
use crate::exit::Exit;
use crate::printer::Printer;

/// A checkpoint as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    origin: &'a str,
    records: u64,
    signed_at: Option<String>,
    is_new: bool,
    note: &'a str,
    anchors: Vec<AnchorRow<'a>>,
}

#[derive(Serialize)]
struct AnchorRow<'a> {
    place: &'a str,
    has_arrived: bool,
    why: Option<&'a str>,
}

/// Whether the last checkpoint goes to those anchors too that have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bring {
    WhatIsNew,
    Again,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &AuditArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    match &arguments.verb {
        AuditVerb::Log(arguments) => audit_log::run(global, arguments, printer).await,
        AuditVerb::Verify(arguments) => audit_verify::run(global, arguments, printer).await,
        AuditVerb::Export(arguments) => audit_export::run(global, arguments, printer).await,
        AuditVerb::Checkpoint(arguments) => checkpoint(global, arguments, Bring::WhatIsNew, printer).await,
        AuditVerb::Anchor(arguments) => checkpoint(global, arguments, Bring::Again, printer).await,
        AuditVerb::Key => key(global, printer).await,
    }
}

async fn key(global: &GlobalArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let key = control::record::verifier_key(&session).await?;
    session.close().await;
    printer.data(key);
    Ok(Exit::Nothing)
}

async fn checkpoint(
    global: &GlobalArguments,
    arguments: &JsonArguments,
    bring: Bring,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let channels = channels(&session);
    let sealed = match bring {
        Bring::WhatIsNew => control::record::checkpoint(&session, Some(&channels)).await?,
        Bring::Again => control::record::anchor_again(&session, Some(&channels)).await?,
    };
    session.close().await;
    if arguments.json {
        printer.json(&row(&sealed))?;
    } else if bring == Bring::WhatIsNew {
        // As it is signed: to be kept in a file.
        printer.text(&sealed.checkpoint.note);
    }
    if !arguments.json {
        tell(&sealed, printer);
    }
    let has_failed = sealed.anchors.iter().any(|anchor| anchor.problem.is_some());
    Ok(if has_failed { Exit::Something } else { Exit::Nothing })
}

fn tell(sealed: &Sealed, printer: &mut Printer) {
    let records = count(usize::try_from(sealed.checkpoint.checkpoint.size).unwrap_or(usize::MAX), "record");
    printer.say(match sealed.is_new {
        true => format!("signed a checkpoint of {records}"),
        false => format!("nothing is new on record since the last checkpoint, of {records}"),
    });
    for anchor in &sealed.anchors {
        match (&anchor.problem, &anchor.absent) {
            (Some(problem), _) => printer.problem(problem),
            (None, Some(why)) => printer.complain(format_args!("anchor {}: not used, {why}", anchor.place)),
            (None, None) => printer.say(format_args!("anchor {}: it is there", anchor.place)),
        }
    }
}

fn row(sealed: &Sealed) -> Row<'_> {
    Row {
        origin: &sealed.checkpoint.checkpoint.origin,
        records: sealed.checkpoint.checkpoint.size,
        signed_at: sealed.checkpoint.checkpoint.at.map(|at| at.to_string()),
        is_new: sealed.is_new,
        note: &sealed.checkpoint.note,
        anchors: sealed.anchors.iter().map(anchor_row).collect(),
    }
}

fn anchor_row(anchor: &Anchored) -> AnchorRow<'_> {
    let why = anchor.problem.as_ref().map(|problem| problem.message.as_str());
    AnchorRow {
        place: &anchor.place,
        has_arrived: anchor.has_arrived(),
        why: why.or(anchor.absent.as_deref()),
    }
}
