//! What a host says about the steps that it takes.

use std::time::Duration;

use model::{RunId, StepOutcome};

/// What came of one step, with what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// What came of it.
    pub outcome: StepOutcome,
    /// How long it took with its probes; `None` where the host cannot tell.
    pub duration: Option<Duration>,
    /// The beginning of the action's standard output, secrets taken out.
    pub stdout: Vec<u8>,
    /// The beginning of the action's standard error, secrets taken out.
    pub stderr: Vec<u8>,
}

impl StepReport {
    /// Makes a report of a step that printed nothing.
    pub fn silent(outcome: StepOutcome) -> Self {
        Self { outcome, duration: None, stdout: Vec::new(), stderr: Vec::new() }
    }
}

/// Why a host takes no script now; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A script of this run still runs there.
    Busy(Option<RunId>),
    /// This run was lost there and left its journal: it must be settled first.
    Unsettled(Option<RunId>),
    /// Neither lock nor journal can be written there: a full disk, a read-only root.
    Fault {
        /// What the host said.
        said: String,
    },
}

/// What came out of a script's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyEvent {
    /// The script holds the host's lock.
    Began,
    /// The host takes no script; nothing follows.
    Refused(Refusal),
    /// Another run left a journal there (told by a settling script).
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
    /// All steps that will be taken were taken; the host waits for the acknowledgement.
    Done,
}

/// Makes an outcome of the word and the exit status that a host sent. `found` is the state that the
/// probe told, where it matters.
pub(super) fn read_outcome(word: &str, status: &str, found: String) -> Option<StepOutcome> {
    let failed = |status, why: String| Some(StepOutcome::Failed { status, why });
    match word {
        "unchanged" => Some(StepOutcome::Unchanged),
        "changed" => Some(StepOutcome::Changed),
        "skipped" => Some(StepOutcome::Skipped),
        "stale" => Some(StepOutcome::Stale { found }),
        "failed" => {
            let status: u8 = status.parse().ok()?;
            failed(Some(status), explain_status(status))
        }
        "late" => failed(None, "it took longer than its time limit and was stopped".to_owned()),
        "unmet" => failed(None, format!("it ended well and did not bring the state; found `{found}`")),
        "bodies" => failed(None, "its content could not be written on the host; nothing was done".to_owned()),
        "journal" => {
            failed(None, "its start could not be journaled on the host; nothing was done".to_owned())
        }
        "undone" => Some(StepOutcome::NotReached),
        "doubt" => Some(StepOutcome::InDoubt),
        _ => None,
    }
}

fn explain_status(status: u8) -> String {
    match status {
        // sh(1): 128 and the signal's number; other commands give these too.
        129..=192 => format!("it ended with exit status {status}, as after signal {}", status - 128),
        _ => format!("it ended with exit status {status}"),
    }
}
