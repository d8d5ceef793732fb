//! Everything that is known of an incident, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    ClientName, HostName, IncidentId, IncidentKind, Mark, PackageName, PersonName, RunId, Rung, Stage,
    Verdict, VulnerabilityId,
};
use store::{
    ClientScope, DeclaredException, EvidenceRecord, INCIDENT_RECORDS_MAX, IncidentFinding, IncidentHost,
    IncidentHostState, IncidentMark, PlanId,
};

use super::clocks::{ClockLine, Shared, Spread};
use super::deadline::{DeadlineView, HostDeadline, count, judge};
use super::require_known_clients;
use super::timeline::{TimelineEntry, timeline};
use crate::error::Error;
use crate::session::Session;

/// An incident, as far as its reader may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentView {
    /// Its name.
    pub id: IncidentId,
    /// Whether it is in earnest.
    pub kind: IncidentKind,
    /// One line for people.
    pub title: String,
    /// How far it has come.
    pub stage: Stage,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Who opened it.
    pub opened_by: String,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Every id of the vulnerability.
    pub ids: Vec<VulnerabilityId>,
    /// The clients that it is about.
    pub scope: ClientScope,
    /// Which hosts were asked for; `None` = all, or not for this reader.
    pub selector: Option<String>,
    /// What the patch was asked for.
    pub words: Vec<String>,
    /// The deploy that closes it; `None` = the patch.
    pub deploy: Option<String>,
    /// When this was looked up: deadlines are judged by it.
    pub now: Timestamp,
    /// Its hosts, the most urgent first.
    pub hosts: Vec<IncidentHostView>,
    /// The marks of the incident itself.
    pub marks: BTreeMap<Mark, Timestamp>,
    /// The marks of each client.
    pub client_marks: BTreeMap<ClientName, BTreeMap<Mark, Timestamp>>,
    /// How long everything took.
    pub clocks: Vec<ClockLine>,
    /// Until when it had to be done.
    pub deadline: DeadlineView,
    /// Its plans, the first one first.
    pub plans: Vec<PlanId>,
    /// Its runs, the first one first.
    pub runs: Vec<RunId>,
    /// What was done, in order.
    pub timeline: Vec<TimelineEntry>,
}

/// A host of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentHostView {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// Its place in the order of urgency, from 1.
    pub rank: u32,
    /// Why it has this place.
    pub reasons: Vec<String>,
    /// What is wrong with it.
    pub findings: Vec<IncidentFinding>,
    /// How it stands.
    pub state: IncidentHostState,
    /// Its own marks.
    pub marks: BTreeMap<Mark, Timestamp>,
    /// The exception that is declared for it: one that counts, else one that has expired.
    pub exception: Option<ExceptionView>,
    /// Until when it had to be patched.
    pub deadline: HostDeadline,
    /// What was seen when its fixes were verified, the first look first.
    pub evidence: Vec<EvidenceView>,
}

/// A person's decision to leave a host open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionView {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// Who answers for it.
    pub owner: PersonName,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// Whether that is over.
    pub is_expired: bool,
}

/// What was seen at one rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceView {
    /// The package that the fix is of.
    pub package: PackageName,
    /// The rung.
    pub rung: Rung,
    /// What was seen.
    pub verdict: Verdict,
    /// What was seen, in one sentence.
    pub detail: String,
    /// What the look has brought, as it came.
    pub output: Vec<u8>,
    /// Whether it is the beginning of a longer one.
    pub is_cut: bool,
    /// SHA-256 over the output, in hexadecimal digits.
    pub output_hash: String,
    /// Whether the output still has that hash.
    pub is_intact: bool,
    /// When it was looked.
    pub taken_at: Timestamp,
    /// The number of the audit record that has the hash and the verdict too.
    pub record: Option<i64>,
}

impl IncidentView {
    /// Returns how long hosts took from one mark to another, all of them or a client's.
    pub fn spread(&self, from: Mark, to: Mark, client: Option<&ClientName>) -> Option<Spread> {
        let shared = Shared { incident: &self.marks, clients: &self.client_marks };
        let hosts = self.hosts.iter().filter(|host| client.is_none_or(|client| host.client == *client));
        shared.spread(hosts, from, to)
    }

    /// Returns the clients that have a host in it.
    pub fn clients(&self) -> BTreeSet<&ClientName> {
        self.hosts.iter().map(|host| &host.client).collect()
    }
}

/// Returns what a scope sees of an incident.
///
/// # Errors
/// [`Error::ClientUnknown`]; [`Error::Store`], also where the scope sees no host of it.
pub async fn view(session: &Session, scope: &ClientScope, id: IncidentId) -> Result<IncidentView, Error> {
    require_known_clients(session, scope).await?;
    let now = session.clock.now();
    let detail = session.store.incident(scope, id).await?;
    let records = session.store.incident_records(scope, id, INCIDENT_RECORDS_MAX).await?;
    let exceptions = session.store.exceptions(scope).await?;
    let is_exploited = !session.store.exploited(&detail.record.ids, None).await?.is_empty();
    let settings = &session.workspace.settings;
    let limit = match is_exploited {
        true => settings.incident_deadline_exploited(),
        false => settings.incident_deadline(),
    };
    let timeline = timeline(id, &detail.hosts, records);
    let mut marks = Marks::sort(detail.marks);
    let mut evidence: BTreeMap<(ClientName, HostName), Vec<EvidenceView>> = BTreeMap::new();
    for it in detail.evidence {
        evidence.entry((it.client.clone(), it.host.clone())).or_default().push(evidence_view(it));
    }
    let host = |it: IncidentHost| {
        let key = (it.client.clone(), it.host.clone());
        let found = Found {
            marks: marks.hosts.remove(&key).unwrap_or_default(),
            exception: exception_of(&it, &detail.record.ids, &exceptions, now),
            evidence: evidence.remove(&key).unwrap_or_default(),
        };
        host_view(it, found, limit, now)
    };
    let hosts: Vec<IncidentHostView> = detail.hosts.into_iter().map(host).collect();
    let shared = Shared { incident: &marks.incident, clients: &marks.clients };
    let record = detail.record;
    Ok(IncidentView {
        id,
        kind: record.kind,
        title: record.title,
        stage: record.stage,
        opened_at: record.opened_at,
        opened_by: record.opened_by,
        closed_at: record.closed_at,
        ids: record.ids,
        scope: record.scope,
        selector: record.selector,
        words: record.words,
        deploy: record.deploy,
        now,
        clocks: shared.clocks(&hosts),
        deadline: count(hosts.iter().map(|host| host.deadline), limit, is_exploited),
        hosts,
        marks: marks.incident,
        client_marks: marks.clients,
        plans: detail.plans,
        runs: detail.runs,
        timeline,
    })
}

/// Marks, by what they are of.
#[derive(Default)]
struct Marks {
    incident: BTreeMap<Mark, Timestamp>,
    clients: BTreeMap<ClientName, BTreeMap<Mark, Timestamp>>,
    hosts: BTreeMap<(ClientName, HostName), BTreeMap<Mark, Timestamp>>,
}

impl Marks {
    fn sort(marks: Vec<IncidentMark>) -> Self {
        let mut sorted = Self::default();
        for IncidentMark { mark, client, host, at } in marks {
            let place = match (client, host) {
                (Some(client), Some(host)) => sorted.hosts.entry((client, host)).or_default(),
                (Some(client), None) => sorted.clients.entry(client).or_default(),
                (None, _) => &mut sorted.incident,
            };
            place.insert(mark, at);
        }
        sorted
    }
}

/// What belongs to a host.
struct Found {
    marks: BTreeMap<Mark, Timestamp>,
    exception: Option<ExceptionView>,
    evidence: Vec<EvidenceView>,
}

fn host_view(host: IncidentHost, found: Found, limit: Duration, now: Timestamp) -> IncidentHostView {
    IncidentHostView {
        deadline: judge(host.state, &found.marks, found.exception.as_ref(), limit, now),
        client: host.client,
        host: host.host,
        rank: host.rank,
        reasons: host.reasons,
        findings: host.findings,
        state: host.state,
        marks: found.marks,
        exception: found.exception,
        evidence: found.evidence,
    }
}

/// Finds the exception of a host that lasts longest: one that has expired tells why it was left open.
fn exception_of(
    host: &IncidentHost,
    ids: &[VulnerabilityId],
    exceptions: &[DeclaredException],
    now: Timestamp,
) -> Option<ExceptionView> {
    let is_for = |it: &&DeclaredException| {
        ids.iter().any(|id| id.same(&it.vulnerability))
            && it.hosts.values().any(|(client, name)| (client, name) == (&host.client, &host.host))
    };
    let found = exceptions.iter().filter(is_for).max_by_key(|it| it.until)?;
    Some(ExceptionView {
        vulnerability: found.vulnerability.clone(),
        owner: found.owner.clone(),
        reason: found.reason.clone(),
        until: found.until,
        is_expired: !found.counts_at(now),
    })
}

fn evidence_view(record: EvidenceRecord) -> EvidenceView {
    EvidenceView {
        package: record.package,
        rung: record.rung,
        verdict: record.verdict,
        detail: record.detail,
        output: record.output,
        is_cut: record.is_cut,
        output_hash: record.output_hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        is_intact: record.is_intact,
        taken_at: record.taken_at,
        record: record.record.map(|number| number.0),
    }
}
