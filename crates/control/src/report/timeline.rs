//! The time line: the incident's own moments, and what is on record of it.

use jiff::Timestamp;
use model::{ClientName, Mark};

use super::compose::{View, ends};
use super::incident::TimelineRow;
use super::redaction::{Redaction, TEAM};
use crate::incident::{IncidentView, TimelineEntry};

/// Rows of a report's time line; more are counted.
const ROWS_MAX: usize = 200;

/// Who acts where nobody does.
const NOBODY: &str = "ifrit";

/// What was done on a host: an intent, and later what came of it. These a client reads of its own hosts; where an
/// incident stands is told by its moments, and the rest is the team's.
const HOST_ACTIONS: [&str; 3] = ["run.host", "run.settle", "verify.host"];

/// What says nothing that the moments and notes do not say.
const SAID_ELSEWHERE: [&str; 3] = ["incident.mark", "incident.stage", super::notes::NOTE];

/// Returns the rows, and how many are left out.
pub(crate) fn rows(view: &IncidentView, of: &View, redaction: &Redaction) -> (Vec<TimelineRow>, usize) {
    let mut rows: Vec<TimelineRow> = moments(view, of);
    rows.extend(joined(&view.timeline, of, redaction));
    rows.sort_by_key(|row| row.at);
    let left_out = rows.len().saturating_sub(ROWS_MAX);
    rows.truncate(ROWS_MAX);
    (rows, left_out)
}

/// Returns the moments that the clocks keep.
fn moments(view: &IncidentView, of: &View) -> Vec<TimelineRow> {
    let may_know = |client: &ClientName| of.client().is_none_or(|reader| reader == client);
    let of_hosts = |mark: Mark| {
        let hosts = view.hosts.iter().filter(|host| may_know(&host.client));
        ends(hosts.filter_map(|host| host.marks.get(&mark).copied()))
    };
    let of_clients = |mark: Mark| {
        let clients = view.client_marks.iter().filter(|(client, _)| may_know(client));
        ends(clients.filter_map(|(_, marks)| marks.get(&mark).copied()))
    };
    let row = |at: Timestamp, what: &str, who: &str| TimelineRow {
        at,
        until: None,
        what: what.to_owned(),
        who: who.to_owned(),
        hosts: Vec::new(),
        record: None,
    };
    let mut rows = Vec::new();
    for (mark, what, who) in [
        (Mark::Published, "the advisory was published", "its vendor"),
        (Mark::Seen, "our feeds brought the advisory", NOBODY),
        (Mark::Triaged, "a person took charge", TEAM),
        (Mark::Approved, "the change was approved", TEAM),
    ] {
        rows.extend(view.marks.get(&mark).map(|at| row(*at, what, who)));
    }
    for (mark, first, last, who) in [
        (
            Mark::Matched,
            "it was known which hosts are vulnerable",
            "the last vulnerable host was found",
            NOBODY,
        ),
        (Mark::Patched, "the first host had the fix", "the last host had the fix", TEAM),
        (Mark::Verified, "the fix was proven on the first host", "the fix was proven on the last host", TEAM),
    ] {
        if let Some((begin, end)) = of_hosts(mark) {
            rows.push(row(begin, first, who));
            rows.extend((end > begin).then(|| row(end, last, who)));
        }
    }
    if let Some((first, _)) = of_clients(Mark::Reported) {
        rows.push(row(first, "the report was written", TEAM));
    }
    rows
}

/// Returns a row for each record, or for several in a row that say the same of several hosts.
fn joined(entries: &[TimelineEntry], of: &View, redaction: &Redaction) -> Vec<TimelineRow> {
    let mut rows: Vec<(TimelineRow, &TimelineEntry)> = Vec::new();
    let shown = (0..entries.len()).filter(|at| is_shown(&entries[*at], &entries[at + 1..], of));
    for entry in shown.map(|at| &entries[at]) {
        let what = phrase(entry);
        if redaction.named_in(&what).is_some() {
            continue;
        }
        let host = entry.host.as_ref().map(ToString::to_string);
        if let Some((row, first)) = rows.last_mut()
            && host.is_some()
            && first.host.is_some()
            && (&row.what, &first.action, &first.actor) == (&what, &entry.action, &entry.actor)
        {
            row.until = Some(entry.at);
            row.hosts.extend(host.filter(|host| !row.hosts.contains(host)));
            continue;
        }
        let who = if of.client().is_some() { TEAM.to_owned() } else { entry.actor.clone() };
        let hosts = host.into_iter().collect();
        let row = TimelineRow { at: entry.at, until: None, what, who, hosts, record: Some(entry.number) };
        rows.push((row, entry));
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

/// Returns what an entry says without its host, which stands beside it.
fn phrase(entry: &TimelineEntry) -> String {
    let what = match (entry.action.as_str(), &entry.host, &entry.outcome) {
        ("run.host", Some(_), Some(_)) => "the change was applied to".to_owned(),
        ("run.host", Some(_), None) => "the change was begun, and its end is not known, on".to_owned(),
        ("verify.host", Some(_), _) => "looked again at".to_owned(),
        (_, Some(host), _) => entry.what.replace(host.as_str(), "").trim_end_matches([' ', ':']).to_owned(),
        (_, None, _) => entry.what.clone(),
    };
    match entry.outcome.as_deref() {
        Some(outcome) if outcome != "done" => format!("{what} ({outcome})"),
        Some(_) | None => what,
    }
}

fn is_shown(entry: &TimelineEntry, later: &[TimelineEntry], of: &View) -> bool {
    let is_host_action = HOST_ACTIONS.contains(&entry.action.as_str());
    let is_for_reader = match of {
        View::Internal => !SAID_ELSEWHERE.contains(&entry.action.as_str()),
        View::Client(reader) => entry.client.as_ref() == Some(reader) && is_host_action,
    };
    // An intent is told only as long as nobody knows what came of it.
    let is_answered = || {
        let answers = |it: &TimelineEntry| {
            (&it.action, &it.host, &it.client) == (&entry.action, &entry.host, &entry.client)
                && it.outcome.is_some()
        };
        is_host_action && entry.outcome.is_none() && later.iter().any(answers)
    };
    is_for_reader && !is_answered()
}
