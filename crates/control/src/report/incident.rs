//! The report of an incident as one value: what its JSON holds, and what every other form is made of.
//!
//! It leaves the house. So it holds plain words and nothing that could be followed back: what is not in
//! here is in no form of the report.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::incident_words;

/// The version of the report's JSON; it grows where a reader of an earlier one would misread it.
pub const FORMAT: u32 = 1;

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// A client: nothing of other clients, nobody's name, nothing that is internal.
    Client,
    /// The team.
    Internal,
}

/// The report of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The incident's name.
    pub incident: String,
    /// Who reads it.
    pub audience: Audience,
    /// Whose view it is; `None` = of every client that the writer may see.
    pub client: Option<String>,
    /// What to call the client.
    pub client_title: Option<String>,
    /// What the incident is about.
    pub title: String,
    /// The vulnerabilities and the vendors' ids.
    pub vulnerabilities: Vec<String>,
    /// Whether it was rehearsed.
    pub is_exercise: bool,
    /// How far the incident has come.
    pub stage: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When this report was written.
    pub written_at: Timestamp,
    /// The sentences that are enough for who reads no further.
    pub summary: Vec<String>,
    /// The hosts that were affected, the most urgent first.
    pub hosts: Vec<HostReport>,
    /// What it meant.
    pub impact: Vec<String>,
    /// What happened, in order.
    pub timeline: Vec<TimelineRow>,
    /// How many rows of the time line are left out, because it is too long.
    pub timeline_left_out: usize,
    /// How long each part took.
    pub clocks: Vec<ClockReport>,
    /// By when it had to be done.
    pub deadline: DeadlineReport,
    /// What led to it.
    pub causes: Vec<String>,
    /// Plans that were made for it.
    pub plans: Vec<PlanReport>,
    /// Runs of these plans.
    pub runs: Vec<RunReport>,
    /// What was seen when the hosts were looked at again, the last look at each rung.
    pub evidence: Vec<EvidenceReport>,
    /// How many earlier looks are on record.
    pub earlier_evidence: usize,
    /// The state of the record that this report can be held against.
    pub checkpoint: Option<CheckpointReport>,
    /// What is left to do.
    pub actions: Vec<ActionReport>,
    /// What people wrote for the reader.
    pub messages: Vec<String>,
    /// What only the team reads.
    pub internal: Option<InternalReport>,
}

/// A host that was affected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostReport {
    /// Its client.
    pub client: String,
    /// Its name.
    pub host: String,
    /// How it stands.
    pub outcome: HostOutcome,
    /// Why it comes where it comes.
    pub reasons: Vec<String>,
    /// What was found on it.
    pub findings: Vec<FindingReport>,
    /// When it was found to be vulnerable.
    pub matched_at: Option<Timestamp>,
    /// When the fix was installed.
    pub patched_at: Option<Timestamp>,
    /// When the fix was proven.
    pub verified_at: Option<Timestamp>,
    /// By when it had to be done.
    pub due_at: Option<Timestamp>,
    /// Whether that was kept: `met`, `missed`, `open`, `excepted`, `no-fix`.
    pub deadline: String,
    /// Who decided to leave it open for now, until when and why.
    pub exception: Option<ExceptionReport>,
}

/// How a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostOutcome {
    /// It still has the vulnerability.
    Vulnerable,
    /// It cannot be told.
    Unknown,
    /// The fix is installed, and something must be restarted.
    Waits,
    /// The fix is installed, and not yet proven.
    Patched,
    /// There is no fix.
    NoFix,
    /// It was decided to leave it for now.
    Excepted,
    /// It does not have what was vulnerable any more.
    NotAffected,
    /// The fix is installed and proven.
    Proven,
}

impl HostOutcome {
    /// Every outcome, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Vulnerable,
        Self::Unknown,
        Self::Waits,
        Self::Patched,
        Self::NoFix,
        Self::Excepted,
        Self::NotAffected,
        Self::Proven,
    ];
}

/// A vulnerable package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReport {
    /// The vulnerability, or the vendor's id.
    pub id: String,
    /// The package.
    pub package: String,
    /// The version that was installed.
    pub installed: String,
    /// The version with the fix, in words.
    pub fixed: String,
}

/// A decision to leave something open for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionReport {
    /// Who answers for it.
    pub owner: String,
    /// Why; `None` = its words are not for this reader.
    pub reason: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Whether that time is over.
    pub is_expired: bool,
}

/// A row of the time line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// When; of several together, when the first was.
    pub at: Timestamp,
    /// When the last of several was.
    pub until: Option<Timestamp>,
    /// What happened.
    pub what: String,
    /// Who did it.
    pub who: String,
    /// The hosts that it was done to.
    pub hosts: Vec<String>,
    /// The number of the record that says so; of several, the first one's.
    pub record: Option<i64>,
}

/// How long a part took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// The two moments, as words of the record.
    pub from: String,
    /// The second one.
    pub to: String,
    /// Of how many hosts (or, where it is not of hosts, 1).
    pub count: usize,
    /// Of how many it is not known.
    pub missing: usize,
    /// Half of them took at most this long, in seconds.
    pub p50_secs: u64,
    /// 95 of 100 took at most this long, in seconds.
    pub p95_secs: u64,
    /// The slowest, in seconds.
    pub max_secs: u64,
}

/// By when it had to be done, and whether it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineReport {
    /// How long there was from when a host was known to be vulnerable, in seconds.
    pub limit_secs: u64,
    /// Whether it is the short one, because the vulnerability is known to be exploited.
    pub is_exploited: bool,
    /// How many hosts kept it.
    pub met: usize,
    /// How many did not.
    pub missed: usize,
    /// Of how many the time is not over.
    pub open: usize,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// Its name.
    pub plan: String,
    /// What it was made for; `None` = its words are not for this reader.
    pub about: Option<String>,
    /// SHA-256 over what it says.
    pub sha256: String,
    /// The commit of the team's repository that it was made of.
    pub commit: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it.
    pub by: String,
    /// How many of the reader's hosts it is about.
    pub hosts: usize,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Its name.
    pub run: String,
    /// The plan.
    pub plan: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who began it.
    pub by: String,
    /// How many of the reader's hosts ended how.
    pub hosts: Vec<(String, usize)>,
}

/// What was seen at one rung of the verification ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceReport {
    /// The host.
    pub host: String,
    /// The package.
    pub package: String,
    /// The rung, from 1.
    pub rung: u8,
    /// What was looked at.
    pub about: String,
    /// What was seen: `passed`, `failed`, `unknown`, `not applicable`.
    pub verdict: String,
    /// The same in a sentence; `None` = its words are not for this reader.
    pub detail: Option<String>,
    /// When.
    pub taken_at: Timestamp,
    /// SHA-256 over what the host said, as it is kept.
    pub sha256: String,
    /// Whether what is kept still has that hash.
    pub is_intact: bool,
    /// The record that holds this hash too.
    pub record: Option<i64>,
}

/// A signed statement about the whole record: what it held then can be proven from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointReport {
    /// How many records it covers.
    pub size: u64,
    /// The root of the tree over them, in base64.
    pub root: String,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// Something that is left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// What.
    pub what: String,
    /// On which hosts.
    pub hosts: Vec<String>,
    /// Who.
    pub owner: String,
    /// By when, `2026-12-31`.
    pub due: Option<String>,
}

/// What only the team reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalReport {
    /// Who opened it.
    pub opened_by: String,
    /// Which hosts were asked for.
    pub selector: Option<String>,
    /// What the patch was asked for.
    pub words: Vec<String>,
    /// The deploy, where it was none of `patch`.
    pub deploy: Option<String>,
    /// What people wrote, in order: when, who, about which client, what.
    pub notes: Vec<(Timestamp, String, Option<String>, String)>,
    /// How many hosts of each client are affected.
    pub clients: Vec<(String, usize)>,
    /// What will be missing in a client's report because it names somebody else.
    pub withheld: Vec<String>,
}

impl IncidentReport {
    /// Returns the report in words.
    pub fn document(&self) -> Document {
        incident_words::document(self)
    }

    /// Returns the report as one JSON document.
    pub fn to_json(&self) -> String {
        // Every field is text, a number, a time or a list of such.
        serde_json::to_string_pretty(self).expect("invariant: plain values have a JSON form")
    }

    /// Counts the hosts with an outcome.
    pub fn hosts_with(&self, outcome: HostOutcome) -> usize {
        self.hosts.iter().filter(|host| host.outcome == outcome).count()
    }
}
