//! Runs: plans being applied, and what became of each host and step.
//!
//! A host is touched only by who holds its claim, and only after the intent is on record. A run that died
//! leaves hosts that are `started` without an outcome; [`Store::unsettled`] names them.

mod begin;
mod claims;
mod finish;
mod read;
mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::{ClientName, HostName, Problem, RunId, StepOutcome};

use crate::plan_id::PlanId;
use crate::record_log::{NewRecord, RecordNumber};
use crate::via::Via;

#[cfg(doc)]
use crate::Store;

pub use claims::HostClaim;
pub use steps::{STEP_OUTPUT_BYTES_MAX, StepOutput};

/// How far a run has come with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunHostState {
    /// Nothing was done yet.
    Waiting,
    /// The intent is on record, the outcome is not.
    Started,
    /// All of its steps are done.
    Done,
    /// A step failed or was stale.
    Stopped,
    /// It was reached and did not begin.
    Refused,
    /// It was not reached.
    Unreachable,
    /// It was begun, and nobody knows its end.
    InDoubt,
    /// The run ended before its turn.
    NotStarted,
}

impl RunHostState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Started,
        Self::Done,
        Self::Stopped,
        Self::Refused,
        Self::Unreachable,
        Self::InDoubt,
        Self::NotStarted,
    ];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Started => "started",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::InDoubt => "in-doubt",
            Self::NotStarted => "not-started",
        }
    }

    /// Reads the word that [`RunHostState::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Reads the word in a row.
    fn read(word: &str) -> Result<Self, String> {
        Self::parse(word).ok_or_else(|| format!("state `{word}` of a host in a run is not known"))
    }
}

/// A run that begins.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: &'a RunId,
    /// The plan that it applies.
    pub plan: &'a PlanId,
    /// Who applies it.
    pub actor: &'a str,
    /// By which way.
    pub via: Via,
    /// When.
    pub begun_at: Timestamp,
    /// Hosts of the plan.
    pub hosts: &'a [HostName],
}

/// A host that is about to be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIntent {
    /// The host.
    pub host: HostName,
    /// Until when it should be done.
    pub deadline: Option<Timestamp>,
    /// The intent, for the audit record.
    pub record: NewRecord,
}

/// Whether a host may be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostStart {
    /// Yes: the intent is on record.
    Started {
        /// Its number, for the outcome.
        intent: RecordNumber,
    },
    /// No: the run does not hold the host's claim, or no longer. Nothing is on record.
    NotClaimed,
    /// No: it is done, or was started and has no outcome. Nothing is on record.
    NotStartable {
        /// How far the run is with it.
        state: RunHostState,
    },
}

/// What became of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEnd {
    /// The host.
    pub host: HostName,
    /// How it ended: neither [`RunHostState::Waiting`] nor [`RunHostState::Started`]. A host that was not
    /// started can only be [`RunHostState::NotStarted`].
    pub state: RunHostState,
    /// The last step that the host told the end of.
    pub last_step: Option<usize>,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// What came of the steps that are known of.
    pub steps: Vec<RunStep>,
    /// For the audit record: the outcome of the host's intent; an event for a host that was not started.
    pub record: NewRecord,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// Its place in the host's steps, from 0.
    pub step: usize,
    /// What came of it.
    pub outcome: StepOutcome,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What it printed. Kept is the end, up to [`STEP_OUTPUT_BYTES_MAX`].
    pub stdout: Vec<u8>,
    /// What it printed to standard error. Kept is the end, up to [`STEP_OUTPUT_BYTES_MAX`].
    pub stderr: Vec<u8>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The plan that it applies.
    pub plan: PlanId,
    /// The deploy's name.
    pub deploy: String,
    /// Who applies it.
    pub actor: String,
    /// By which way.
    pub via: Via,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended; `None` = it runs, or died.
    pub ended_at: Option<Timestamp>,
    /// How many of its hosts in the scope are in which state.
    pub hosts: BTreeMap<RunHostState, usize>,
}

/// A run and its hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDetail {
    /// The run.
    pub record: RunRecord,
    /// Its hosts that are in the scope, by name.
    pub hosts: Vec<RunHostRecord>,
}

/// What a run did to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHostRecord {
    /// The host's client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// How far the run is with it.
    pub state: RunHostState,
    /// The last intent to touch it.
    pub intent: Option<RecordNumber>,
    /// When that was.
    pub started_at: Option<Timestamp>,
    /// When its outcome was recorded.
    pub ended_at: Option<Timestamp>,
    /// Until when it should be done.
    pub deadline: Option<Timestamp>,
    /// The last step that the host told the end of.
    pub last_step: Option<usize>,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// What came of the steps that are known of, in their order.
    pub steps: Vec<RunStepRecord>,
}

/// What came of a step, without what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStepRecord {
    /// Its place in the host's steps, from 0.
    pub step: usize,
    /// What came of it.
    pub outcome: StepOutcome,
    /// How long it took.
    pub duration: Option<Duration>,
}

/// A host that a run has started, or left in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledHost {
    /// The run.
    pub run: RunId,
    /// The plan that it applies.
    pub plan: PlanId,
    /// The host's client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// [`RunHostState::Started`]: the intent has no outcome yet. [`RunHostState::InDoubt`]: it has.
    pub state: RunHostState,
    /// The last intent to touch it.
    pub intent: RecordNumber,
    /// The last step that the host told the end of.
    pub last_step: Option<usize>,
    /// When it was started.
    pub started_at: Timestamp,
    /// Until when somebody holds its claim: then somebody works on it. `None` = nobody does.
    pub held_until: Option<Timestamp>,
}
