//! From what is known of an incident to what its report says: the one place where it is decided who reads
//! what. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use model::{ClientName, Fix, HostName, IncidentKind, Mark, Verdict};
use store::IncidentHostState;

use super::actions::actions;
use super::incident::{
    Audience, CheckpointReport, ClockReport, DeadlineReport, EvidenceReport, ExceptionReport, FORMAT,
    FindingReport, HostOutcome, HostReport, IncidentReport, InternalReport, PlanReport, RunReport,
};
use super::notes::{NOTE, Note, NoteKind};
use super::redaction::{Redaction, TEAM};
use super::summary::{causes, impact, summary};
use super::timeline;
use crate::incident::{
    ClockLine, DeadlineStanding, EvidenceView, IncidentHostView, IncidentView, Spread, TimelineEntry,
};

/// Who reads a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// A client: nothing of other clients, nobody's name, nothing that is internal.
    Client(ClientName),
    /// The team.
    Internal,
}

impl View {
    /// Returns the client, where one reads it.
    pub fn client(&self) -> Option<&ClientName> {
        match self {
            Self::Client(client) => Some(client),
            Self::Internal => None,
        }
    }
}

/// What a report says beside what the incident itself holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surrounding {
    /// What to call each client.
    pub titles: BTreeMap<ClientName, String>,
    /// The plans, whose hosts are those that the reader may know.
    pub plans: Vec<PlanReport>,
    /// The runs, likewise.
    pub runs: Vec<RunReport>,
    /// Notes of no single client, of a client's view, which does not hold them by itself.
    pub notes: Vec<TimelineEntry>,
    /// The last signed state of the record.
    pub checkpoint: Option<CheckpointReport>,
    /// What a client must not read.
    pub redaction: Redaction,
    /// The same for each client of the incident: what will be withheld from them.
    pub redactions: BTreeMap<ClientName, Redaction>,
}

/// Makes the report.
pub(crate) fn compose(view: &IncidentView, of: &View, surrounding: Surrounding) -> IncidentReport {
    let reader = Reader { view: of, redaction: &surrounding.redaction };
    let hosts: Vec<&IncidentHostView> = view.hosts.iter().filter(|it| reader.may_know(&it.client)).collect();
    let entries = surrounding.notes.iter().chain(&view.timeline);
    let notes = Note::of(entries, of, &surrounding.redaction);
    let reports: Vec<HostReport> = hosts.iter().map(|host| reader.host(host)).collect();
    let deadline = deadline(view, &hosts);
    let title = reader.words(&view.title).unwrap_or_else(|| ids(view).join(", "));
    let (timeline, timeline_left_out) = timeline::rows(view, of, &surrounding.redaction);
    let (evidence, earlier_evidence) = evidence(&hosts, &reader);
    let told = |kind| notes.iter().filter(move |note| note.kind == kind).map(|note| note.text.clone());
    let title_of =
        |client: &ClientName| surrounding.titles.get(client).cloned().unwrap_or_else(|| client.to_string());
    let clocks: Vec<ClockReport> = view.clocks.iter().filter_map(|line| clock(line, of)).collect();
    let mut report = IncidentReport {
        format: FORMAT,
        incident: view.id.to_string(),
        audience: if of.client().is_some() { Audience::Client } else { Audience::Internal },
        client: of.client().map(ToString::to_string),
        client_title: of.client().map(title_of),
        title,
        vulnerabilities: ids(view),
        is_exercise: view.kind == IncidentKind::Exercise,
        stage: view.stage.as_str().to_owned(),
        opened_at: view.opened_at,
        closed_at: view.closed_at,
        written_at: view.now,
        summary: Vec::new(),
        impact: impact(view, of, &reports).into_iter().chain(told(NoteKind::Impact)).collect(),
        causes: causes(view, &reports, deadline.is_exploited)
            .into_iter()
            .chain(told(NoteKind::Cause))
            .collect(),
        actions: actions(&reports, &evidence, &notes),
        hosts: reports,
        timeline,
        timeline_left_out,
        clocks,
        deadline,
        plans: surrounding.plans,
        runs: surrounding.runs,
        evidence,
        earlier_evidence,
        checkpoint: surrounding.checkpoint,
        messages: told(NoteKind::Message).collect(),
        internal: None,
    };
    report.summary = summary(&report, view);
    if matches!(of, View::Internal) {
        report.internal = Some(internal(view, &hosts, &surrounding.redactions));
    }
    report
}

fn ids(view: &IncidentView) -> Vec<String> {
    view.ids.iter().map(ToString::to_string).collect()
}

/// Who reads, and what they must not.
struct Reader<'a> {
    view: &'a View,
    redaction: &'a Redaction,
}

impl Reader<'_> {
    fn may_know(&self, client: &ClientName) -> bool {
        self.view.client().is_none_or(|reader| reader == client)
    }

    /// Returns words that were made or written by somebody, where the reader may see them.
    fn words(&self, text: &str) -> Option<String> {
        self.redaction.pass(text).map(str::to_owned)
    }

    /// Returns how the reader is told of a person.
    fn person(&self, name: &str) -> String {
        if self.view.client().is_some() { TEAM.to_owned() } else { name.to_owned() }
    }

    fn host(&self, host: &IncidentHostView) -> HostReport {
        let finding = |it: &store::IncidentFinding| FindingReport {
            id: it.id.to_string(),
            package: it.package.to_string(),
            installed: it.installed.to_string(),
            fixed: match &it.fix {
                Fix::In(version) => version.to_string(),
                Fix::After(version) => format!("later than {version}"),
                Fix::NotYet => "none yet".to_owned(),
                Fix::NotNeeded => "not needed".to_owned(),
            },
        };
        let mark = |mark: Mark| host.marks.get(&mark).copied();
        HostReport {
            client: host.client.to_string(),
            host: host.host.to_string(),
            outcome: outcome(host.state),
            reasons: host.reasons.iter().filter_map(|reason| self.words(reason)).collect(),
            findings: host.findings.iter().map(finding).collect(),
            matched_at: mark(Mark::Matched),
            patched_at: mark(Mark::Patched),
            verified_at: mark(Mark::Verified),
            due_at: host.deadline.due_at,
            deadline: host.deadline.standing.as_str().to_owned(),
            exception: host.exception.as_ref().map(|it| ExceptionReport {
                owner: self.person(it.owner.as_str()),
                reason: self.words(&it.reason),
                until: it.until,
                is_expired: it.is_expired,
            }),
        }
    }

    fn evidence(&self, host: &HostName, seen: &EvidenceView) -> EvidenceReport {
        EvidenceReport {
            host: host.to_string(),
            package: seen.package.to_string(),
            rung: seen.rung.number(),
            about: seen.rung.as_str().to_owned(),
            verdict: seen.verdict.as_str().to_owned(),
            detail: self.words(&seen.detail),
            taken_at: seen.taken_at,
            sha256: seen.output_hash.clone(),
            is_intact: seen.is_intact,
            record: seen.record,
        }
    }
}

fn outcome(state: IncidentHostState) -> HostOutcome {
    match state {
        IncidentHostState::Vulnerable => HostOutcome::Vulnerable,
        IncidentHostState::Patched => HostOutcome::Patched,
        IncidentHostState::Verified => HostOutcome::Proven,
        IncidentHostState::Waits => HostOutcome::Waits,
        IncidentHostState::NoFix => HostOutcome::NoFix,
        IncidentHostState::Excepted => HostOutcome::Excepted,
        IncidentHostState::Unknown => HostOutcome::Unknown,
        IncidentHostState::NotAffected => HostOutcome::NotAffected,
    }
}

/// Returns the last look at each rung of each package, and how many earlier ones there are.
fn evidence(hosts: &[&IncidentHostView], reader: &Reader<'_>) -> (Vec<EvidenceReport>, usize) {
    let (mut last, mut looks) = (Vec::new(), 0);
    for host in hosts {
        let mut by_rung = BTreeMap::new();
        for seen in &host.evidence {
            looks += 1;
            let kept = by_rung.entry((&seen.package, seen.rung)).or_insert(seen);
            // A look that says less than passed is not hidden behind one of the same moment.
            if (seen.taken_at, seen.verdict) >= (kept.taken_at, kept.verdict) {
                *kept = seen;
            }
        }
        last.extend(by_rung.into_values().map(|seen| reader.evidence(&host.host, seen)));
    }
    let earlier = looks - last.len();
    (last, earlier)
}

fn clock(line: &ClockLine, of: &View) -> Option<ClockReport> {
    let spread: &Spread = match of.client() {
        Some(client) => line.clients.get(client)?,
        None => line.all.as_ref()?,
    };
    let secs = |it: Duration| it.as_secs();
    Some(ClockReport {
        from: line.from.as_str().to_owned(),
        to: line.to.as_str().to_owned(),
        count: spread.hosts,
        missing: spread.missing,
        p50_secs: secs(spread.p50),
        p95_secs: secs(spread.p95),
        max_secs: secs(spread.max),
    })
}

fn deadline(view: &IncidentView, hosts: &[&IncidentHostView]) -> DeadlineReport {
    let count = |standing| hosts.iter().filter(|host| host.deadline.standing == standing).count();
    DeadlineReport {
        limit_secs: view.deadline.limit.as_secs(),
        is_exploited: view.deadline.is_exploited,
        met: count(DeadlineStanding::Met),
        missed: count(DeadlineStanding::Missed),
        open: count(DeadlineStanding::Open),
    }
}

fn internal(
    view: &IncidentView,
    hosts: &[&IncidentHostView],
    redactions: &BTreeMap<ClientName, Redaction>,
) -> InternalReport {
    let mut clients: BTreeMap<&ClientName, usize> = BTreeMap::new();
    hosts.iter().for_each(|host| *clients.entry(&host.client).or_default() += 1);
    let note = |it: &&TimelineEntry| it.action == NOTE;
    let notes = view.timeline.iter().filter(note).map(|it| {
        let text = it.reason.clone().unwrap_or_default();
        (it.at, it.actor.clone(), it.client.as_ref().map(ToString::to_string), text)
    });
    let withheld: BTreeSet<String> = clients
        .keys()
        .filter_map(|client| Some((*client, redactions.get(*client)?)))
        .flat_map(|(client, redaction)| withheld(view, client, redaction))
        .collect();
    InternalReport {
        opened_by: view.opened_by.clone(),
        selector: view.selector.clone(),
        words: view.words.clone(),
        deploy: view.deploy.clone(),
        notes: notes.collect(),
        clients: clients.into_iter().map(|(client, hosts)| (client.to_string(), hosts)).collect(),
        withheld: withheld.into_iter().collect(),
    }
}

/// Says what a client's report will lack, because it names somebody else.
fn withheld(view: &IncidentView, client: &ClientName, redaction: &Redaction) -> Vec<String> {
    let mut said = Vec::new();
    let mut check = |what: &str, text: &str| {
        if let Some(name) = redaction.named_in(text) {
            said.push(format!("{client}'s report leaves out {what}: it names {name}"));
        }
    };
    check("the title", &view.title);
    for entry in view.timeline.iter().filter(|it| it.action == NOTE) {
        let text = entry.reason.as_deref().unwrap_or_default();
        let is_of = entry.client.as_ref().is_none_or(|it| it == client);
        if is_of && let Some(told) = Note::told(text) {
            check(&format!("the note of {}", super::words::moment(entry.at)), told);
        }
    }
    for host in view.hosts.iter().filter(|host| host.client == *client) {
        if let Some(exception) = &host.exception {
            check("why a host is left open", &exception.reason);
        }
    }
    said
}

/// Says how a look went, for tables.
pub(crate) fn verdict_of(word: &str) -> Verdict {
    Verdict::parse(word).unwrap_or(Verdict::Unknown)
}

/// Returns the first and the last of some moments.
pub(crate) fn ends(moments: impl Iterator<Item = Timestamp>) -> Option<(Timestamp, Timestamp)> {
    moments.fold(None, |ends, at| match ends {
        None => Some((at, at)),
        Some((first, last)) => Some((at.min(first), at.max(last))),
    })
}
