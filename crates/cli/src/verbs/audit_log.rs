//! `ifrit audit log`.

use control::record::{LogQuery, RecordBody, RecordEntry, RecordKind, RecordLine, RecordValue};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{open_to_read, scope, selector};
use crate::arguments::{AuditLogArguments, GlobalArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// What stands where nobody knows what came of an intent.
const UNANSWERED: &str = "no outcome";

/// A record as `--json` prints it.
#[derive(serde::Serialize)]
struct Row<'a> {
    record: i64,
    at: String,
    kind: &'a str,
    actor: &'a str,
    via: &'a str,
    client: Option<&'a str>,
    target: &'a str,
    action: &'a str,
    reason: Option<&'a str>,
    plan: Option<String>,
    commit: Option<&'a str>,
    outcome: Option<&'a str>,
    /// Whether it is an intent of which nobody knows what came of it.
    is_unanswered: bool,
    body: Body<'a>,
    answer: Option<AnswerRow<'a>>,
}

/// What came of an intent.
#[derive(serde::Serialize)]
struct AnswerRow<'a> {
    record: i64,
    at: String,
    outcome: Option<&'a str>,
    body: Body<'a>,
}

/// A record that cannot be read.
#[derive(serde::Serialize)]
struct DamagedRow<'a> {
    record: i64,
    damaged: &'a str,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &AuditLogArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let selector = selector(&arguments.selector)?;
    let scope = scope(&arguments.client);
    let session = open_to_read(global, printer).await?;
    let query = LogQuery {
        selector: &selector,
        scope: &scope,
        actor: arguments.actor.as_deref(),
        action: arguments.action.as_deref(),
        since: arguments.since.as_deref(),
        limit: arguments.limit,
    };
    let lines = control::record::log(&session, &query).await?;
    session.close().await;
    if arguments.json {
        for line in &lines {
            match &line.entry {
                Ok(entry) => printer.json(&row(entry, line))?,
                Err(why) => printer.json(&DamagedRow { record: line.number.0, damaged: why })?,
            }
        }
    } else if !lines.is_empty() {
        let titles = ["record", "time", "by", "action", "target", "client", "outcome", "reason"];
        printer.table(&titles, lines.iter().map(cells).collect());
    }
    close(&lines, arguments.limit, printer);
    let is_damaged = lines.iter().any(|line| line.entry.is_err() || matches!(line.outcome, Some(Err(_))));
    Ok(if is_damaged { Exit::Something } else { Exit::Nothing })
}

/// Says what the lines do not.
fn close(lines: &[RecordLine], limit: usize, printer: &mut Printer) {
    if lines.is_empty() {
        printer.say("nothing on record fits");
    }
    if lines.len() == limit {
        printer.say(format_args!("these are the last {limit}; --limit shows more"));
    }
    let unanswered = lines.iter().filter(|line| is_unanswered(line)).count();
    if unanswered > 0 {
        printer.say(format_args!(
            "{unanswered} with no outcome: at work now, or cut short; `ifrit runs` says which runs have not ended"
        ));
    }
    if lines.iter().any(|line| line.entry.is_err()) {
        printer.complain("a record is damaged: `ifrit audit verify` says which and how");
    }
}

fn is_unanswered(line: &RecordLine) -> bool {
    line.outcome.is_none() && line.entry.as_ref().is_ok_and(|entry| entry.record.kind == RecordKind::Intent)
}

fn cells(line: &RecordLine) -> Vec<comfy_table::Cell> {
    let Ok(entry) = &line.entry else {
        let damaged = ["-", "-", "-", "-", "-", "damaged", "-"];
        return std::iter::once(cell(line.number)).chain(damaged.into_iter().map(cell)).collect();
    };
    let record = &entry.record;
    let outcome = match (&line.outcome, &record.outcome) {
        (Some(Ok(answer)), _) => answer.record.outcome.as_deref().unwrap_or("-"),
        (Some(Err(_)), _) => "damaged",
        (None, Some(outcome)) => outcome,
        (None, None) if is_unanswered(line) => UNANSWERED,
        (None, None) => "-",
    };
    vec![
        cell(entry.number),
        cell(record.at.strftime("%Y-%m-%d %H:%M:%SZ")),
        cell(&record.actor),
        cell(&record.action),
        cell(&record.target),
        cell(record.client.as_ref().map_or("-", |client| client.as_str())),
        cell(outcome),
        cell(record.reason.as_deref().unwrap_or("-")),
    ]
}

fn row<'a>(entry: &'a RecordEntry, line: &'a RecordLine) -> Row<'a> {
    let record = &entry.record;
    let answer = |answer: &'a RecordEntry| AnswerRow {
        record: answer.number.0,
        at: answer.record.at.to_string(),
        outcome: answer.record.outcome.as_deref(),
        body: Body(&answer.record.body),
    };
    Row {
        record: entry.number.0,
        at: record.at.to_string(),
        kind: record.kind.as_str(),
        actor: &record.actor,
        via: record.via.as_str(),
        client: record.client.as_ref().map(|client| client.as_str()),
        target: &record.target,
        action: &record.action,
        reason: record.reason.as_deref(),
        plan: record.plan.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        commit: record.commit.as_deref(),
        outcome: record.outcome.as_deref(),
        is_unanswered: is_unanswered(line),
        body: Body(&record.body),
        answer: line.outcome.as_ref().and_then(|it| it.as_ref().ok()).map(answer),
    }
}

/// A body as JSON.
struct Body<'a>(&'a RecordBody);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (key, value) in &self.0.0 {
            map.serialize_entry(key, &BodyValue(value))?;
        }
        map.end()
    }
}

struct BodyValue<'a>(&'a RecordValue);

impl Serialize for BodyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            RecordValue::Bool(value) => serializer.serialize_bool(*value),
            RecordValue::Integer(value) => serializer.serialize_i64(*value),
            RecordValue::Text(text) => serializer.serialize_str(text),
            RecordValue::List(list) => serializer.collect_seq(list.iter().map(BodyValue)),
            RecordValue::Map(body) => Body(body).serialize(serializer),
        }
    }
}
