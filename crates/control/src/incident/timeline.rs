//! What was done in an incident, in words. Pure.

use jiff::Timestamp;
use model::{ClientName, HostName, IncidentId};
use store::{IncidentHost, NewRecord, RecordEntry, RecordKind, RecordValue};

/// Hosts that an entry names; the others are counted.
const HOSTS_NAMED_MAX: usize = 3;

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// The number of the audit record.
    pub number: i64,
    /// Who.
    pub actor: String,
    /// The record's word for it: `incident.note`.
    pub action: String,
    /// What, for people: `began to apply the plan`.
    pub what: String,
    /// Why, or the text of a note, in a person's words.
    pub reason: Option<String>,
    /// Whose host or record it is; `None` = of no single client.
    pub client: Option<ClientName>,
    /// The host that it was done to, where it was one.
    pub host: Option<HostName>,
    /// How it ended, in one word.
    pub outcome: Option<String>,
}

/// Tells what records say. What an incident's clients each have a record of is told once to who sees both.
pub(super) fn timeline(
    id: IncidentId,
    hosts: &[IncidentHost],
    records: Vec<RecordEntry>,
) -> Vec<TimelineEntry> {
    let closed_by_team =
        records.iter().any(|it| it.record.action == "incident.close" && it.record.client.is_none());
    let is_told = |entry: &RecordEntry| {
        !(closed_by_team && entry.record.action == "incident.close" && entry.record.client.is_some())
    };
    let entry = |entry: RecordEntry| {
        let record = entry.record;
        let is_target = |host: &&IncidentHost| {
            host.host.as_str() == record.target && record.client.as_ref() == Some(&host.client)
        };
        let host = hosts.iter().find(is_target).map(|host| host.host.clone());
        TimelineEntry {
            at: record.at,
            number: entry.number.0,
            what: what(id, &record, host.as_ref()),
            actor: record.actor,
            action: record.action,
            reason: record.reason,
            client: record.client,
            host,
            outcome: record.outcome,
        }
    };
    records.into_iter().filter(is_told).map(entry).collect()
}

fn what(id: IncidentId, record: &NewRecord, host: Option<&HostName>) -> String {
    let text = |key: &str| match record.body.0.get(key) {
        Some(RecordValue::Text(text)) => text.as_str(),
        _ => "",
    };
    let is_outcome = matches!(record.kind, RecordKind::Outcome { .. });
    let at_host = || host.map_or(record.target.as_str(), HostName::as_str);
    match record.action.as_str() {
        "incident.open" => format!("opened {id}"),
        "incident.hosts" => host_states(record),
        "incident.mark" => mark(record, text("mark")),
        "incident.stage" => format!("reached the stage `{}`", text("stage")),
        "incident.link" if !text("run").is_empty() => format!("run {} belongs to it", text("run")),
        "incident.link" => format!("plan {} belongs to it", text("plan")),
        "incident.note" => "noted".to_owned(),
        "incident.close" if record.body.0.contains_key("forced") => "closed it with hosts open".to_owned(),
        "incident.close" => "closed it".to_owned(),
        "plan.save" => format!("saved a plan of {}", record.target),
        "plan.approve" => "approved the plan".to_owned(),
        "plan.break-glass" => "approved the plan alone".to_owned(),
        "run.begin" => format!("began to apply {}", record.target),
        "run.end" => format!("ended applying {}", record.target),
        "run.host" if is_outcome => format!("applied it to {}", at_host()),
        "run.host" => format!("begins with {}", at_host()),
        "run.settle" if is_outcome => format!("found out what {} had done", at_host()),
        "run.settle" => format!("asks {} what it had done", at_host()),
        other => {
            let words = other.replace(['.', '-'], " ");
            match host {
                Some(host) => format!("{words}: {host}"),
                None => words,
            }
        }
    }
}

/// Tells how a client's hosts stand: `2 hosts: web-1 vulnerable, web-2 no-fix`.
fn host_states(record: &NewRecord) -> String {
    let Some(RecordValue::Map(states)) = record.body.0.get("hosts") else { return "hosts".to_owned() };
    let count = match record.body.0.get("count") {
        Some(RecordValue::Integer(count)) => usize::try_from(*count).unwrap_or(states.0.len()),
        _ => states.0.len(),
    };
    let named = states.0.iter().take(HOSTS_NAMED_MAX).map(|(host, state)| match state {
        RecordValue::Text(state) => format!("{host} {state}"),
        _ => host.clone(),
    });
    listed(named.collect(), count)
}

/// Tells of a mark: `clock: patched on 2 hosts: web-1, web-2`.
fn mark(record: &NewRecord, word: &str) -> String {
    match record.body.0.get("hosts") {
        Some(RecordValue::Map(hosts)) => {
            let named = hosts.0.keys().take(HOSTS_NAMED_MAX).cloned().collect();
            format!("clock: {word} on {}", listed(named, hosts.0.len()))
        }
        _ => format!("clock: {word}"),
    }
}

fn listed(named: Vec<String>, count: usize) -> String {
    let noun = if count == 1 { "host" } else { "hosts" };
    let others = count.saturating_sub(named.len());
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    format!("{count} {noun}: {}{more}", named.join(", "))
}
