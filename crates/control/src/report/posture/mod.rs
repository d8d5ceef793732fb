//! `ifrit report posture`: what is open and since when, how fast fixes come, what was left open by decision, what
//! differs from what is declared, and whether it gets better.

mod drift;
mod history;
mod tracking;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{ClientName, Severity};
use serde::{Deserialize, Serialize};
use store::ClientScope;

use self::history::{Finding, History, read_history};
use self::tracking::{End, Tracked};
use super::compose::View;
use super::document::Document;
use super::read::sees;
use super::redaction::{Redaction, TEAM};
use crate::error::Error;
use crate::session::Session;
use crate::who::why_unknown;

/// The version of the report's JSON.
pub const FORMAT: u32 = 1;

/// Days of the past in which closed findings count for the time to the fix.
const CLOSED_DAYS: i64 = 90;

/// Points of the trend, a week apart, the last one now.
const TREND_POINTS: i64 = 13;

/// Days between two points of the trend.
const TREND_STEP_DAYS: i64 = 7;

/// Where the ages of open findings are divided, in days.
const AGE_BORDERS_DAYS: [i64; 3] = [7, 30, 90];

/// Findings that the report names; more are counted.
const OVERDUE_SHOWN_MAX: usize = 25;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PostureQuery {
    /// Whose hosts, where the team reads it.
    pub scope: ClientScope,
    /// Who reads it.
    pub view: View,
    /// From which age on an open finding counts as late; `None` = the setting `incident.deadline_days`.
    pub late_after: Option<Duration>,
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostureReport {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose view it is; `None` = the team's.
    pub client: Option<String>,
    /// What to call the client.
    pub client_title: Option<String>,
    /// When it was written.
    pub written_at: Timestamp,
    /// The sentences that are enough for who reads no further.
    pub summary: Vec<String>,
    /// How many hosts there are.
    pub hosts: usize,
    /// Why hosts cannot be judged, and how many.
    pub unknown: BTreeMap<String, usize>,
    /// What is open with a fix, counted on each host that has it.
    pub open: OpenCounts,
    /// What is open without a fix yet.
    pub unfixed: usize,
    /// Open findings by severity, the gravest first, and age.
    pub ages: Vec<AgeRow>,
    /// From which age on a finding is late, in days.
    pub late_after_days: u64,
    /// The late ones, the oldest first.
    pub late: Vec<LateRow>,
    /// How many late ones are not among these.
    pub late_left_out: usize,
    /// How fast fixes came.
    pub time_to_fix: TimeToFix,
    /// What was left open by decision.
    pub exceptions: Vec<ExceptionRow>,
    /// Where hosts differ from what is declared of them.
    pub drift: Vec<DriftRow>,
    /// What was open over time.
    pub trend: Vec<TrendPoint>,
    /// How each client stands, where the team reads it.
    pub clients: Vec<ClientRow>,
}

/// How much is open. Each finding counts on each host that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpenCounts {
    /// All that has a fix, and was not left open by decision.
    pub findings: usize,
    /// Different vulnerabilities of different packages among them.
    pub distinct: usize,
    /// Those that are known to be exploited.
    pub exploited: usize,
    /// Those that are late.
    pub late: usize,
    /// Hosts that have any.
    pub hosts: usize,
    /// Those that were left open by decision.
    pub accepted: usize,
}

/// Open findings of one severity by age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeRow {
    /// `critical`, `high`, `medium`, `low`, or `not rated`.
    pub severity: String,
    /// Younger than 7 days, than 30, than 90, and older.
    pub by_age: [usize; 4],
}

/// A finding that is open for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRow {
    /// The vulnerability.
    pub id: String,
    /// The source package.
    pub package: String,
    /// Its severity, where a feed gives one.
    pub severity: Option<String>,
    /// Whether it is known to be exploited.
    pub is_exploited: bool,
    /// How many hosts have it for too long.
    pub hosts: usize,
    /// Since when the first of them has it.
    pub since: Timestamp,
}

/// How fast fixes came: from when a finding was open on a host to the look that found it gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeToFix {
    /// Over how many days.
    pub days: u64,
    /// The findings that were closed in that time, by severity; the first row is all of them. Without a row nothing
    /// was closed.
    pub rows: Vec<TimeRow>,
}

/// How fast fixes of one severity came. The percentiles are nearest ranks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRow {
    /// `all`, or a severity.
    pub severity: String,
    /// How many were closed.
    pub closed: usize,
    /// Half of them within, in seconds.
    pub p50_secs: u64,
    /// 95 of 100 within, in seconds.
    pub p95_secs: u64,
    /// The slowest, in seconds.
    pub max_secs: u64,
}

/// A decision to leave something open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRow {
    /// The vulnerability.
    pub id: String,
    /// How many hosts it is for.
    pub hosts: usize,
    /// Who answers for it.
    pub owner: String,
    /// Why; `None` = its words are not for this reader.
    pub reason: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Whether that time is over: then what it was for counts as open again.
    pub is_expired: bool,
}

/// How far hosts are as they are declared, in one respect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRow {
    /// In which respect.
    pub about: String,
    /// How many were looked at.
    pub measured: usize,
    /// How many of them differ; `None` = nobody measured it.
    pub differ: Option<usize>,
    /// Of when the oldest of these looks is.
    pub as_of: Option<Timestamp>,
}

/// What was open at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendPoint {
    /// When.
    pub at: Timestamp,
    /// Open findings with a fix.
    pub open: usize,
    /// Those that are critical or high.
    pub grave: usize,
}

/// How one client stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// The client.
    pub client: String,
    /// How many hosts it has.
    pub hosts: usize,
    /// What is open there.
    pub open: OpenCounts,
}

impl PostureReport {
    /// Returns the report in words.
    pub fn document(&self) -> Document {
        words::document(self)
    }

    /// Returns the report as one JSON document.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("invariant: plain values have a JSON form")
    }
}

/// Says how things stand. A client's view is made of what a reader of this client alone may see.
///
/// # Errors
/// [`Error::ClientUnknown`]; [`Error::Store`].
pub async fn posture(session: &Session, query: &PostureQuery) -> Result<PostureReport, Error> {
    let scope = match &query.view {
        View::Internal => query.scope.clone(),
        View::Client(client) => ClientScope::Only(BTreeSet::from([client.clone()])),
    };
    if let ClientScope::Only(clients) = &scope {
        for client in clients {
            if !sees(&query.scope, client) || !session.store.has_client(client).await? {
                return Err(Error::ClientUnknown { given: client.to_string() });
            }
        }
    }
    let now = session.clock.now();
    let late_after = query.late_after.unwrap_or(session.workspace.settings.incident_deadline());
    let history = read_history(session, &scope, now).await?;
    let inventory = &session.workspace.inventory;
    let redaction =
        query.view.client().map_or_else(Redaction::none, |client| Redaction::of(inventory, client));
    let exceptions = session.store.exceptions(&scope).await?;
    let exceptions = exceptions.iter().map(|it| ExceptionRow {
        id: it.vulnerability.to_string(),
        hosts: it.hosts.len(),
        owner: if query.view.client().is_some() { TEAM.to_owned() } else { it.owner.to_string() },
        reason: redaction.pass(&it.reason).map(str::to_owned),
        until: it.until,
        is_expired: !it.counts_at(now),
    });
    let title = |client: &ClientName| {
        let declared = inventory.clients.iter().find(|it| it.name == *client);
        declared.map_or_else(|| client.to_string(), |it| it.title.clone())
    };
    let (unknown, hosts) = unknown(session, &scope, &history).await?;
    let mut report = PostureReport {
        exceptions: exceptions.collect(),
        drift: drift::drift(session, &scope).await?,
        client: query.view.client().map(ToString::to_string),
        client_title: query.view.client().map(title),
        hosts,
        unknown,
        ..counted(&history, now, late_after)
    };
    if matches!(query.view, View::Internal) {
        report.clients = clients(&history, now, late_after);
    }
    report.summary = words::summary(&report);
    Ok(report)
}

/// Counts what follows from the history alone.
fn counted(history: &History, now: Timestamp, late_after: Duration) -> PostureReport {
    let open: Vec<&Tracked> = history.tracked.iter().filter(|it| it.end == End::Open).collect();
    let has_fix = |it: &&&Tracked| !history.finding(it).is_unfixed;
    let unfixed = open.iter().filter(|it| history.finding(it).is_unfixed).count();
    let counted: Vec<&Tracked> =
        open.iter().filter(has_fix).filter(|it| !history.is_accepted(it)).copied().collect();
    let (late, late_left_out) = late_rows(history, &counted, now, late_after);
    PostureReport {
        format: FORMAT,
        client: None,
        client_title: None,
        written_at: now,
        summary: Vec::new(),
        hosts: 0,
        unknown: BTreeMap::new(),
        open: open_counts(history, history.tracked.iter(), now, late_after),
        unfixed,
        ages: ages(history, &counted, now),
        late_after_days: late_after.as_secs() / (24 * 60 * 60),
        late,
        late_left_out,
        time_to_fix: time_to_fix(history, now),
        exceptions: Vec::new(),
        drift: Vec::new(),
        trend: trend(history, now),
        clients: Vec::new(),
    }
}

fn is_late(it: &Tracked, now: Timestamp, late_after: Duration) -> bool {
    let age = now.duration_since(it.from);
    SignedDuration::try_from(late_after).is_ok_and(|late_after| age > late_after)
}

fn open_counts<'a>(
    history: &History,
    tracked: impl Iterator<Item = &'a Tracked>,
    now: Timestamp,
    late_after: Duration,
) -> OpenCounts {
    let mut counts = OpenCounts::default();
    let (mut distinct, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for it in tracked.filter(|it| it.end == End::Open) {
        let finding = history.finding(it);
        if finding.is_unfixed {
            continue;
        }
        if history.is_accepted(it) {
            counts.accepted += 1;
            continue;
        }
        counts.findings += 1;
        counts.exploited += usize::from(finding.is_exploited);
        counts.late += usize::from(is_late(it, now, late_after));
        distinct.insert(it.finding);
        hosts.insert(it.host);
    }
    OpenCounts { distinct: distinct.len(), hosts: hosts.len(), ..counts }
}

/// The severities of the tables, the gravest first.
const SEVERITIES: [Option<Severity>; 5] =
    [Some(Severity::Critical), Some(Severity::High), Some(Severity::Medium), Some(Severity::Low), None];

fn severity_word(severity: Option<Severity>) -> &'static str {
    severity.map_or("not rated", Severity::as_str)
}

fn ages(history: &History, open: &[&Tracked], now: Timestamp) -> Vec<AgeRow> {
    let row = |severity: Option<Severity>| {
        let mut by_age = [0; AGE_BORDERS_DAYS.len() + 1];
        for it in open.iter().filter(|it| history.finding(it).severity == severity) {
            let days = now.duration_since(it.from).as_hours() / 24;
            let place = AGE_BORDERS_DAYS.iter().position(|border| days < *border);
            by_age[place.unwrap_or(AGE_BORDERS_DAYS.len())] += 1;
        }
        AgeRow { severity: severity_word(severity).to_owned(), by_age }
    };
    SEVERITIES.into_iter().map(row).filter(|row| row.by_age.iter().any(|count| *count > 0)).collect()
}

fn late_rows(
    history: &History,
    open: &[&Tracked],
    now: Timestamp,
    late_after: Duration,
) -> (Vec<LateRow>, usize) {
    let mut late: BTreeMap<u32, (usize, Timestamp)> = BTreeMap::new();
    for it in open.iter().filter(|it| is_late(it, now, late_after)) {
        let (hosts, since) = late.entry(it.finding).or_insert((0, it.from));
        *hosts += 1;
        *since = it.from.min(*since);
    }
    let row = |(finding, (hosts, since)): (u32, (usize, Timestamp))| {
        let finding: &Finding = &history.findings[finding as usize];
        LateRow {
            id: finding.id.to_string(),
            package: finding.source.to_string(),
            severity: finding.severity.map(|it| it.as_str().to_owned()),
            is_exploited: finding.is_exploited,
            hosts,
            since,
        }
    };
    let mut rows: Vec<(Option<Severity>, LateRow)> =
        late.into_iter().map(|it| (history.findings[it.0 as usize].severity, row(it))).collect();
    // What is exploited comes first, then what is grave, then what is old.
    rows.sort_by(|(a_severity, a), (b_severity, b)| {
        let key = |severity, row: &LateRow| {
            (std::cmp::Reverse(row.is_exploited), std::cmp::Reverse(severity), row.since)
        };
        key(*a_severity, a)
            .cmp(&key(*b_severity, b))
            .then_with(|| (&a.package, &a.id).cmp(&(&b.package, &b.id)))
    });
    let left_out = rows.len().saturating_sub(OVERDUE_SHOWN_MAX);
    (rows.into_iter().map(|(_, row)| row).take(OVERDUE_SHOWN_MAX).collect(), left_out)
}

fn time_to_fix(history: &History, now: Timestamp) -> TimeToFix {
    let since = days_before(now, CLOSED_DAYS);
    let took = |it: &Tracked| match it.end {
        End::Fixed(at) if at >= since => Some(at.duration_since(it.from).as_secs().unsigned_abs()),
        End::Fixed(_) | End::Lost(_) | End::Open => None,
    };
    let mut by_severity: BTreeMap<Option<Severity>, Vec<u64>> = BTreeMap::new();
    for it in &history.tracked {
        if let Some(secs) = took(it) {
            by_severity.entry(history.finding(it).severity).or_default().push(secs);
        }
    }
    let all: Vec<u64> = by_severity.values().flatten().copied().collect();
    let severities = SEVERITIES
        .into_iter()
        .filter_map(|severity| Some((severity_word(severity), by_severity.get(&severity)?.clone())));
    let rows =
        std::iter::once(("all", all)).chain(severities).filter_map(|(word, secs)| time_row(word, secs));
    TimeToFix { days: CLOSED_DAYS.unsigned_abs(), rows: rows.collect() }
}

fn time_row(severity: &str, mut secs: Vec<u64>) -> Option<TimeRow> {
    secs.sort_unstable();
    let max_secs = *secs.last()?;
    // The nearest rank: the least value that this many of a hundred do not exceed.
    let rank = |percent: usize| secs[(secs.len() * percent).div_ceil(100).saturating_sub(1)];
    let (p50_secs, p95_secs) = (rank(50), rank(95));
    Some(TimeRow { severity: severity.to_owned(), closed: secs.len(), p50_secs, p95_secs, max_secs })
}

/// Counts what was open at the end of each week. There is no point before anything was known.
fn trend(history: &History, now: Timestamp) -> Vec<TrendPoint> {
    let Some(begin) = history.begins_at else { return Vec::new() };
    let moments = (0..TREND_POINTS).rev().map(|step| days_before(now, step * TREND_STEP_DAYS));
    let moments: Vec<Timestamp> = moments.filter(|at| *at >= begin).collect();
    let mut points: Vec<TrendPoint> =
        moments.iter().map(|at| TrendPoint { at: *at, open: 0, grave: 0 }).collect();
    for it in history.tracked.iter().filter(|it| !history.finding(it).is_unfixed) {
        let first = moments.partition_point(|at| *at < it.from);
        let last = it.end.at().map_or(moments.len(), |end| moments.partition_point(|at| *at < end));
        let is_grave = history.finding(it).severity >= Some(Severity::High);
        for point in points.get_mut(first..last).unwrap_or_default() {
            point.open += 1;
            point.grave += usize::from(is_grave);
        }
    }
    points
}

fn clients(history: &History, now: Timestamp, late_after: Duration) -> Vec<ClientRow> {
    let mut clients: BTreeMap<&ClientName, (usize, Vec<&Tracked>)> =
        history.declared.iter().map(|(client, hosts)| (client, (*hosts, Vec::new()))).collect();
    for it in &history.tracked {
        clients.entry(&history.hosts[it.host as usize].client).or_default().1.push(it);
    }
    let row = |(client, (hosts, tracked)): (&ClientName, (usize, Vec<&Tracked>))| ClientRow {
        client: client.to_string(),
        hosts,
        open: open_counts(history, tracked.into_iter(), now, late_after),
    };
    clients.into_iter().map(row).collect()
}

/// Counts the hosts that cannot be judged, by the reason, and all hosts.
async fn unknown(
    session: &Session,
    scope: &ClientScope,
    history: &History,
) -> Result<(BTreeMap<String, usize>, usize), Error> {
    let (mut unknown, mut hosts) = (BTreeMap::new(), 0);
    for row in session.store.census(scope, None).await? {
        hosts += row.hosts;
        if !matches!(&row.group, store::HostGroup::Platform(platform) if history.covers(platform)) {
            *unknown.entry(why_unknown(&row.group)).or_default() += row.hosts;
        }
    }
    Ok((unknown, hosts))
}

fn days_before(now: Timestamp, days: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
}
