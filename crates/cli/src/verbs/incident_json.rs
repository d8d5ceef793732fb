//! Incidents as JSON, one object per line.

use std::collections::BTreeMap;

use control::ClientScope;
use control::incident::{
    ClockLine, EvidenceView, IncidentHostView, IncidentRecord, IncidentView, Spread, TimelineEntry,
};
use model::{Fix, Mark};
use serde::Serialize;

use crate::printer::Printer;

#[derive(Serialize)]
pub struct Line<'a> {
    incident: String,
    exercise: bool,
    title: &'a str,
    stage: &'static str,
    opened_at: String,
    opened_by: &'a str,
    closed_at: Option<String>,
    vulnerabilities: Vec<&'a str>,
    /// `null` = all.
    clients: Option<Vec<&'a str>>,
    hosts: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct Incident<'a> {
    #[serde(rename = "kind")]
    what: &'static str,
    #[serde(flatten)]
    line: Line<'a>,
    selector: Option<&'a str>,
    deploy: Option<&'a str>,
    plans: Vec<&'a str>,
    runs: Vec<&'a str>,
    marks: BTreeMap<&'static str, String>,
    client_marks: BTreeMap<&'a str, BTreeMap<&'static str, String>>,
    clocks: Vec<Clock<'a>>,
    deadline: Deadline,
}

#[derive(Serialize)]
struct Clock<'a> {
    from: &'static str,
    to: &'static str,
    all: Option<Seconds>,
    clients: BTreeMap<&'a str, Seconds>,
}

/// Times in seconds.
#[derive(Serialize)]
struct Seconds {
    hosts: usize,
    missing: usize,
    first: f64,
    p50: f64,
    p95: f64,
    max: f64,
}

#[derive(Serialize)]
struct Deadline {
    limit_secs: u64,
    exploited: bool,
    hosts: BTreeMap<&'static str, usize>,
    next_due_at: Option<String>,
}

#[derive(Serialize)]
struct Host<'a> {
    #[serde(rename = "kind")]
    what: &'static str,
    incident: String,
    host: &'a str,
    client: &'a str,
    rank: u32,
    state: &'static str,
    reasons: &'a [String],
    findings: Vec<Finding<'a>>,
    marks: BTreeMap<&'static str, String>,
    due_at: Option<String>,
    deadline: &'static str,
    exception: Option<Exception<'a>>,
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    id: &'a str,
    package: &'a str,
    installed: &'a str,
    fixed: Option<String>,
    remedy: &'a str,
}

#[derive(Serialize)]
struct Exception<'a> {
    id: &'a str,
    owner: &'a str,
    until: String,
    expired: bool,
    reason: &'a str,
}

#[derive(Serialize)]
struct Evidence<'a> {
    package: &'a str,
    rung: &'static str,
    verdict: &'static str,
    detail: &'a str,
    taken_at: String,
    output_sha256: &'a str,
    intact: bool,
    record: Option<i64>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(rename = "kind")]
    what: &'static str,
    incident: String,
    record: i64,
    at: String,
    actor: &'a str,
    action: &'a str,
    client: Option<&'a str>,
    host: Option<&'a str>,
    text: &'a str,
    reason: Option<&'a str>,
    outcome: Option<&'a str>,
}

/// Returns an incident as `ifrit incidents --json` prints it.
pub fn line(it: &IncidentRecord) -> Line<'_> {
    Line {
        incident: it.id.to_string(),
        exercise: it.kind == model::IncidentKind::Exercise,
        title: &it.title,
        stage: it.stage.as_str(),
        opened_at: it.opened_at.to_string(),
        opened_by: &it.opened_by,
        closed_at: it.closed_at.map(|at| at.to_string()),
        vulnerabilities: it.ids.iter().map(|id| id.as_str()).collect(),
        clients: clients(&it.scope),
        hosts: it.hosts.iter().map(|(state, hosts)| (state.as_str(), *hosts)).collect(),
    }
}

/// Prints the incident, then each host, then each line of its record.
///
/// # Errors
/// Where a row has no JSON form, which would be a bug.
pub fn print(view: &IncidentView, printer: &mut Printer) -> anyhow::Result<()> {
    printer.json(&incident(view))?;
    view.hosts.iter().try_for_each(|it| printer.json(&host(view, it)))?;
    view.timeline.iter().try_for_each(|it| printer.json(&entry(view, it)))
}

fn incident(view: &IncidentView) -> Incident<'_> {
    let mut hosts = BTreeMap::new();
    for host in &view.hosts {
        *hosts.entry(host.state.as_str()).or_insert(0) += 1;
    }
    let standings = &view.deadline.standings;
    Incident {
        what: "incident",
        line: Line {
            incident: view.id.to_string(),
            exercise: view.kind == model::IncidentKind::Exercise,
            title: &view.title,
            stage: view.stage.as_str(),
            opened_at: view.opened_at.to_string(),
            opened_by: &view.opened_by,
            closed_at: view.closed_at.map(|at| at.to_string()),
            vulnerabilities: view.ids.iter().map(|id| id.as_str()).collect(),
            clients: clients(&view.scope),
            hosts,
        },
        selector: view.selector.as_deref(),
        deploy: view.deploy.as_deref(),
        plans: view.plans.iter().map(|plan| plan.as_str()).collect(),
        runs: view.runs.iter().map(|run| run.as_str()).collect(),
        marks: marks(&view.marks),
        client_marks: view.client_marks.iter().map(|(client, its)| (client.as_str(), marks(its))).collect(),
        clocks: view.clocks.iter().map(clock).collect(),
        deadline: Deadline {
            limit_secs: view.deadline.limit.as_secs(),
            exploited: view.deadline.is_exploited,
            hosts: standings.iter().map(|(standing, hosts)| (standing.as_str(), *hosts)).collect(),
            next_due_at: view.deadline.next_due.map(|at| at.to_string()),
        },
    }
}

fn clients(scope: &ClientScope) -> Option<Vec<&str>> {
    match scope {
        ClientScope::All => None,
        ClientScope::Only(clients) => Some(clients.iter().map(|client| client.as_str()).collect()),
    }
}

fn marks(marks: &BTreeMap<Mark, jiff::Timestamp>) -> BTreeMap<&'static str, String> {
    marks.iter().map(|(mark, at)| (mark.as_str(), at.to_string())).collect()
}

fn clock(line: &ClockLine) -> Clock<'_> {
    Clock {
        from: line.from.as_str(),
        to: line.to.as_str(),
        all: line.all.as_ref().map(seconds),
        clients: line.clients.iter().map(|(client, spread)| (client.as_str(), seconds(spread))).collect(),
    }
}

fn seconds(spread: &Spread) -> Seconds {
    Seconds {
        hosts: spread.hosts,
        missing: spread.missing,
        first: spread.first.as_secs_f64(),
        p50: spread.p50.as_secs_f64(),
        p95: spread.p95.as_secs_f64(),
        max: spread.max.as_secs_f64(),
    }
}

fn host<'a>(view: &IncidentView, host: &'a IncidentHostView) -> Host<'a> {
    let fixed = |fix: &Fix| match fix {
        Fix::In(_) | Fix::After(_) => Some(fix.to_string()),
        Fix::NotYet | Fix::NotNeeded => None,
    };
    let finding = |it: &'a control::incident::IncidentFinding| Finding {
        id: it.id.as_str(),
        package: it.package.as_str(),
        installed: it.installed.as_str(),
        fixed: fixed(&it.fix),
        remedy: &it.remedy,
    };
    let exception = |it: &'a control::incident::ExceptionView| Exception {
        id: it.vulnerability.as_str(),
        owner: it.owner.as_str(),
        until: it.until.to_string(),
        expired: it.is_expired,
        reason: &it.reason,
    };
    Host {
        what: "host",
        incident: view.id.to_string(),
        host: host.host.as_str(),
        client: host.client.as_str(),
        rank: host.rank,
        state: host.state.as_str(),
        reasons: &host.reasons,
        findings: host.findings.iter().map(finding).collect(),
        marks: marks(&host.marks),
        due_at: host.deadline.due_at.map(|at| at.to_string()),
        deadline: host.deadline.standing.as_str(),
        exception: host.exception.as_ref().map(exception),
        evidence: host.evidence.iter().map(evidence).collect(),
    }
}

fn evidence(it: &EvidenceView) -> Evidence<'_> {
    Evidence {
        package: it.package.as_str(),
        rung: it.rung.as_str(),
        verdict: it.verdict.as_str(),
        detail: &it.detail,
        taken_at: it.taken_at.to_string(),
        output_sha256: &it.output_hash,
        intact: it.is_intact,
        record: it.record,
    }
}

fn entry<'a>(view: &IncidentView, it: &'a TimelineEntry) -> Entry<'a> {
    Entry {
        what: "entry",
        incident: view.id.to_string(),
        record: it.number,
        at: it.at.to_string(),
        actor: &it.actor,
        action: &it.action,
        client: it.client.as_ref().map(|client| client.as_str()),
        host: it.host.as_ref().map(|host| host.as_str()),
        text: &it.what,
        reason: it.reason.as_deref(),
        outcome: it.outcome.as_deref(),
    }
}
