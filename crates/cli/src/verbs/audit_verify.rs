//! `ifrit audit verify`.

use std::path::Path;

use control::record::{ExportVerification, RecordsFault, Verification};
use model::Problem;
use serde::Serialize;

use super::{count, minute, open_to_read};
use crate::arguments::{AuditVerifyArguments, GlobalArguments};
use crate::exit::Exit;
use crate::printer::Printer;

/// A verification as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    verdict: &'static str,
    origin: Option<&'a str>,
    client: Option<&'a str>,
    records: u64,
    sealed: u64,
    checkpoints: usize,
    outside: usize,
    anchors: Vec<AnchorRow<'a>>,
    first_bad: Option<u64>,
    faults: Vec<FaultRow<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct AnchorRow<'a> {
    place: &'a str,
    checkpoints: Option<usize>,
    newest_records: Option<u64>,
    newest_at: Option<String>,
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct FaultRow<'a> {
    from: u64,
    to: u64,
    is_exact: bool,
    what: &'a str,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &AuditVerifyArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    if let Some(export) = &arguments.export {
        return run_export(export, arguments, printer);
    }
    let session = open_to_read(global, printer).await?;
    let against = arguments.against.as_deref();
    let found = control::record::verify(&session, against, &arguments.key).await?;
    session.close().await;
    let exit = judge(&found);
    if arguments.json {
        printer.json(&row(&found, exit))?;
        return Ok(exit);
    }
    describe(&found, printer);
    found.warnings.iter().for_each(|problem| printer.problem(problem));
    conclude(&found, exit, printer);
    Ok(exit)
}

fn judge(found: &Verification) -> Exit {
    if !found.faults.is_empty() {
        Exit::Something
    } else if found.records > 0 && found.outside == 0 {
        Exit::Unknown
    } else {
        Exit::Nothing
    }
}

fn describe(found: &Verification, printer: &mut Printer) {
    let records = many(found.records, "record");
    let between = found
        .between
        .map_or_else(String::new, |(first, last)| format!(", {} to {}", minute(first), minute(last)));
    let origin = found.origin.as_deref().map_or_else(String::new, |origin| format!(" ({origin})"));
    printer.data(format_args!("record: {records}{between}{origin}"));
    if found.checkpoints > 0 {
        let signed = count(found.checkpoints, "checkpoint");
        printer.data(format_args!("database: {signed}, signed and true of the record"));
    }
    for anchor in &found.anchors {
        let newest =
            anchor.newest.map(|(size, at)| format!("the newest of {}, {}", many(size, "record"), minute(at)));
        let has = match (anchor.checkpoints, newest) {
            (Some(0), _) => "no checkpoint there".to_owned(),
            (Some(number), newest) => {
                format!(
                    "{}{}",
                    count(number, "checkpoint"),
                    newest.map_or_else(String::new, |it| format!(", {it}"))
                )
            }
            (None, Some(newest)) => format!("brought there, {newest}; it cannot be read back from here"),
            (None, None) => "nothing was brought there".to_owned(),
        };
        printer.data(format_args!("anchor {}: {has}", anchor.place));
    }
}

fn conclude(found: &Verification, exit: Exit, printer: &mut Printer) {
    print_faults(&found.faults, printer);
    match exit {
        Exit::Nothing if found.records == 0 => printer.data("nothing is on record yet"),
        Exit::Nothing => printer.data(format_args!(
            "the record is whole: nothing was changed, dropped, swapped or cut off up to record {}",
            found.sealed
        )),
        Exit::Unknown if found.sealed == 0 => {
            printer.data("each record is what its own hash says; nothing is signed yet that vouches for more");
            printer.complain("  hint: `ifrit audit checkpoint` signs what is on record now");
        }
        Exit::Unknown => printer.data(format_args!(
            "no record was changed, dropped or swapped up to record {}; whether later ones were cut off nobody can \
             tell: there is no checkpoint outside of the database to compare with",
            found.sealed
        )),
        _ => {}
    }
    if found.faults.is_empty() && found.sealed > 0 && found.records > found.sealed {
        let (from, to) = (found.sealed + 1, found.records);
        let which =
            if from == to { format!("record {from} is") } else { format!("records {from} to {to} are") };
        printer.data(format_args!("{which} not signed yet; the next checkpoint does it"));
    }
}

fn print_faults(faults: &[RecordsFault], printer: &mut Printer) {
    for fault in faults {
        printer.data(format_args!("BAD: {}", fault.what));
    }
    if let Some(first) = faults.first() {
        let first = match first.is_exact {
            true => format!("record {}", first.from),
            false => format!("one of the records {} to {}", first.from, first.to),
        };
        printer.complain(format_args!("the record is not what was written; the first bad one is {first}"));
        printer.complain("  hint: keep the database as it is, and find out who could write to it");
    }
}

fn many(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn row(found: &Verification, exit: Exit) -> Row<'_> {
    let anchor = |it: &'_ control::record::AnchorState| {
        (it.newest.map(|it| it.0), it.newest.map(|it| it.1.to_string()))
    };
    let anchors = found.anchors.iter().map(|it| {
        let (newest_records, newest_at) = anchor(it);
        let (place, problem) = (it.place.as_str(), it.problem.as_deref());
        AnchorRow { place, checkpoints: it.checkpoints, newest_records, newest_at, problem }
    });
    Row {
        verdict: verdict(exit),
        origin: found.origin.as_deref(),
        client: None,
        records: found.records,
        sealed: found.sealed,
        checkpoints: found.checkpoints,
        outside: found.outside,
        anchors: anchors.collect(),
        first_bad: found.faults.first().map(|fault| fault.from),
        faults: fault_rows(&found.faults),
        warnings: found.warnings.iter().map(Problem::to_string).collect(),
    }
}

fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::Nothing => "whole",
        Exit::Something => "bad",
        _ => "unknown",
    }
}

fn fault_rows(faults: &[RecordsFault]) -> Vec<FaultRow<'_>> {
    faults
        .iter()
        .map(|it| FaultRow { from: it.from, to: it.to, is_exact: it.is_exact, what: &it.what })
        .collect()
}

fn run_export(
    export: &Path,
    arguments: &AuditVerifyArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let against = arguments.against.as_deref();
    let found = control::record::verify_export(export, &arguments.key, against)?;
    let exit = match (found.faults.is_empty(), found.is_compared) {
        (false, _) => Exit::Something,
        (true, Some(false)) => Exit::Unknown,
        (true, _) => Exit::Nothing,
    };
    if arguments.json {
        printer.json(&export_row(&found, exit))?;
        return Ok(exit);
    }
    let (size, at) = found.checkpoint;
    let signed = at.map_or_else(String::new, |at| format!(", signed {}", minute(at)));
    let whose = found.client.as_deref().map_or_else(String::new, |client| format!(" of {client}"));
    printer.data(format_args!("export: {}{whose} ({})", many(found.records, "record"), found.origin));
    printer.data(format_args!("checkpoint: of {}{signed}", many(size, "record")));
    print_faults(&found.faults, printer);
    if found.faults.is_empty() {
        printer.data(match found.client {
            None => "these are all records that were signed, as they were written",
            Some(_) => "each of these records is in what was signed, as it was written",
        });
    }
    if found.is_compared == Some(false) {
        printer.complain(
            "the checkpoint that was given is of another number of records, and cannot be compared",
        );
        printer.complain("  hint: an export of everything can be compared with any older checkpoint");
    }
    Ok(exit)
}

fn export_row(found: &ExportVerification, exit: Exit) -> Row<'_> {
    Row {
        verdict: verdict(exit),
        origin: Some(&found.origin),
        client: found.client.as_deref(),
        records: found.records,
        sealed: found.checkpoint.0,
        checkpoints: 1,
        outside: usize::from(found.is_compared == Some(true)),
        anchors: Vec::new(),
        first_bad: found.faults.first().map(|fault| fault.from),
        faults: fault_rows(&found.faults),
        warnings: Vec::new(),
    }
}
