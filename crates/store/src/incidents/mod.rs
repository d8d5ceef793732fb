//! Incidents: a vulnerability, or an exercise of one, from its advisory to the clients' reports.
//!
//! Whatever changes an incident is written together with the audit records that say so. Its hosts, marks and
//! evidence belong to clients: a reader sees an incident where one of its hosts is in the scope, and of it
//! what belongs to the scope's clients and what belongs to none.

mod evidence;
mod read;
mod records;
mod since;
mod wire;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{
    ClientName, Fix, HostName, IncidentId, IncidentKind, Mark, PackageName, RunId, Stage, Version,
    VulnerabilityId,
};

use crate::plan_id::PlanId;
use crate::record::ClientScope;

pub use evidence::{EVIDENCE_OUTPUT_BYTES_MAX, EvidenceRecord, NewEvidence};
pub use records::INCIDENT_RECORDS_MAX;

/// How a host of an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentHostState {
    /// It has the vulnerability, and nothing was done yet.
    Vulnerable,
    /// The fix was installed; it is not proven yet.
    Patched,
    /// The fix is proven.
    Verified,
    /// The fix is installed and waits for something: a restart, a person.
    Waits,
    /// There is no fix.
    NoFix,
    /// A person answers for leaving it open.
    Excepted,
    /// It cannot be told.
    Unknown,
    /// It does not have the vulnerability any more, and not through a fix of this incident.
    NotAffected,
}

impl IncidentHostState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Vulnerable,
        Self::Patched,
        Self::Verified,
        Self::Waits,
        Self::NoFix,
        Self::Excepted,
        Self::Unknown,
        Self::NotAffected,
    ];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerable => "vulnerable",
            Self::Patched => "patched",
            Self::Verified => "verified",
            Self::Waits => "waits",
            Self::NoFix => "no-fix",
            Self::Excepted => "excepted",
            Self::Unknown => "unknown",
            Self::NotAffected => "not-affected",
        }
    }

    /// Reads the word that [`IncidentHostState::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Says whether there is nothing left to do about the host.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Verified | Self::NoFix | Self::Excepted | Self::NotAffected)
    }
}

/// What is wrong with a host of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentFinding {
    /// The vulnerability.
    pub id: VulnerabilityId,
    /// The installed package.
    pub package: PackageName,
    /// Its version when the host came into the incident.
    pub installed: Version,
    /// Where the fix is.
    pub fix: Fix,
    /// What to do, for people.
    pub remedy: String,
}

/// A host of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentHost {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// Its place in the order of urgency, from 1.
    pub rank: u32,
    /// Why it has this place, for people.
    pub reasons: Vec<String>,
    /// What is wrong with it.
    pub findings: Vec<IncidentFinding>,
    /// How it stands.
    pub state: IncidentHostState,
}

/// A moment on the clocks of an incident: of the incident itself, of a client or of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentMark {
    /// Which.
    pub mark: Mark,
    /// The client; `None` = it is of the incident.
    pub client: Option<ClientName>,
    /// The host, which needs a client; `None` = it is of the client or the incident.
    pub host: Option<HostName>,
    /// When.
    pub at: Timestamp,
}

/// A mark to be set.
pub type NewMark = IncidentMark;

/// An incident to be opened.
#[derive(Debug, Clone, Copy)]
pub struct NewIncident<'a> {
    /// Whether it is in earnest.
    pub kind: IncidentKind,
    /// One line for people.
    pub title: &'a str,
    /// When; its year is that of the id, in UTC.
    pub opened_at: Timestamp,
    /// Who opens it.
    pub opened_by: &'a str,
    /// Every id of the vulnerability.
    pub ids: &'a [VulnerabilityId],
    /// The clients that it is about.
    pub scope: &'a ClientScope,
    /// Which hosts were asked for; `None` = all.
    pub selector: Option<&'a str>,
    /// What the patch was asked for.
    pub words: &'a [String],
    /// The deploy that closes it; `None` = the patch.
    pub deploy: Option<&'a str>,
    /// Its hosts.
    pub hosts: &'a [IncidentHost],
    /// What is known of its clocks.
    pub marks: &'a [NewMark],
}

/// What belongs to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentLink {
    /// A plan.
    Plan(PlanId),
    /// A run.
    Run(RunId),
}

/// An incident, in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRecord {
    /// Its id.
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
    /// The clients that it is about; of these, those in the reader's scope.
    pub scope: ClientScope,
    /// Which hosts were asked for; `None` = all, or the reader does not see every client.
    pub selector: Option<String>,
    /// What the patch was asked for.
    pub words: Vec<String>,
    /// The deploy that closes it; `None` = the patch.
    pub deploy: Option<String>,
    /// How many of its hosts in the scope are in which state.
    pub hosts: BTreeMap<IncidentHostState, usize>,
}

/// An incident and all that belongs to it, in a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentDetail {
    /// The incident.
    pub record: IncidentRecord,
    /// Its hosts, by rank, then name.
    pub hosts: Vec<IncidentHost>,
    /// Its clocks.
    pub marks: Vec<IncidentMark>,
    /// Its plans with a host in the scope, the first one first.
    pub plans: Vec<PlanId>,
    /// Its runs with a host in the scope, the first one first.
    pub runs: Vec<RunId>,
    /// What was seen when its fixes were verified, the first look first.
    pub evidence: Vec<EvidenceRecord>,
}
