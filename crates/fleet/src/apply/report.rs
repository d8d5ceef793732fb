//! What a run tells, while it runs and at its end.

use model::{HostName, HostPlan, Problem, RunId, StepOutcome};
use plan::apply::{Refusal, ScriptError, StepReport};
use tokio::sync::oneshot;

/// Something that happened at a host.
#[derive(Debug)]
pub struct RunEvent {
    /// The host.
    pub host: HostName,
    /// What happened.
    pub kind: RunEventKind,
}

/// What happened at a host.
#[derive(Debug)]
pub enum RunEventKind {
    /// Its turn has come.
    Connecting,
    /// Its lock is taken, its script runs.
    Began,
    /// Another run left a journal there, which must be settled first (told when settling).
    Left(RunId),
    /// A step was reached.
    Started {
        /// Its place in the host's steps.
        step: usize,
    },
    /// A step has ended.
    Ended {
        /// Its place in the host's steps.
        step: usize,
        /// What came of it.
        report: StepReport,
    },
    /// Its steps so far are done, and the others come after it has restarted, in a new script.
    Halfway {
        /// All that is known; to be put on record as the end is.
        report: Box<HostReport>,
        /// To be used once the report is on record; without it, the host goes no further.
        acknowledge: Acknowledge,
    },
    /// It restarts, and is waited for.
    Restarting,
    /// Nothing more will come of it.
    Finished {
        /// All that is known.
        report: Box<HostReport>,
        /// To be used once the report is on record.
        acknowledge: Acknowledge,
    },
}

/// Lets a host forget what it keeps for the case that its report is lost. Dropped unused, the host keeps
/// it, and the next contact settles it.
#[derive(Debug)]
pub struct Acknowledge(Option<oneshot::Sender<()>>);

impl Acknowledge {
    /// One that nobody waits for.
    pub fn idle() -> Self {
        Self(None)
    }

    pub(crate) fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    /// Says that the report is on record, durably.
    pub fn recorded(self) {
        if let Some(sender) = self.0 {
            // The host is gone already: it keeps its journal.
            sender.send(()).ok();
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// For each host of the plan that has a target, in the plan's order.
    pub hosts: Vec<HostReport>,
    /// Why hosts were left out; `None` where all had their turn.
    pub stopped: Option<NotStarted>,
}

impl RunReport {
    /// Says whether every host came to its end with nothing failed.
    pub fn is_complete(&self) -> bool {
        self.hosts.iter().all(|host| !host.outcome.is_failure())
    }
}

/// What came of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    /// The host.
    pub host: HostName,
    /// How it ended.
    pub outcome: HostOutcome,
    /// For each step of the host's plan, those that are not sent too.
    pub steps: Vec<StepReport>,
    /// What went wrong with reaching it.
    pub problem: Option<Problem>,
}

/// How a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostOutcome {
    /// All steps were taken.
    Done,
    /// A step failed or was stale; nothing after it was taken, handlers included.
    Stopped {
        /// Its place in the host's steps.
        step: usize,
    },
    /// Its journal was read (only when settling); what is open stands in the steps.
    Settled,
    /// It takes no script now; nothing was done.
    Refused(Refusal),
    /// It was not reached, or is not back from a restart; nothing was sent that is not told of in its steps.
    Unreachable,
    /// It was lost on the way: its script may be at work, done or dead. To be settled.
    InDoubt {
        /// The last step of which it has told an end.
        last: Option<usize>,
    },
    /// It was not begun.
    NotStarted(NotStarted),
}

impl HostOutcome {
    /// Says whether it counts as a failure.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Done | Self::Settled)
    }

    /// Returns the word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped { .. } => "stopped",
            Self::Settled => "settled",
            Self::Refused(_) => "refused",
            Self::Unreachable => "unreachable",
            Self::InDoubt { .. } => "in-doubt",
            Self::NotStarted(_) => "not-started",
        }
    }
}

/// Why a host was not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStarted {
    /// Too many hosts before it have failed.
    TooManyFailures {
        /// So many.
        failed: usize,
    },
    /// The hosts of the wave before are not well.
    Unhealthy {
        /// What the check said.
        why: String,
    },
    /// Somebody stopped the run.
    Stopped,
    /// Its script could not be made.
    NoScript(ScriptError),
    /// This machine gives no random numbers.
    NoNonce,
    /// A fault of ifrit.
    Crashed,
}

/// Returns the steps' reports as they are before the host is contacted.
pub(super) fn blank(
    plan: &HostPlan,
    earlier: Option<&std::collections::BTreeMap<usize, StepOutcome>>,
) -> Vec<StepReport> {
    let outcome = |(number, step): (usize, &model::Step)| {
        let told = earlier.and_then(|earlier| earlier.get(&number)).cloned();
        let quiet = if step.is_sent() { StepOutcome::NotReached } else { StepOutcome::Unchanged };
        StepReport::silent(told.unwrap_or(quiet))
    };
    plan.steps.iter().enumerate().map(outcome).collect()
}
