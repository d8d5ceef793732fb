//! One step in words.

use std::time::Duration;

use model::{Step, StepOutcome};

pub use control::apply::StepReport as Report;

/// What a step printed, both streams after each other.
pub struct StepText(String);

impl StepText {
    pub fn new(stdout: &[u8], stderr: &[u8]) -> Self {
        let streams = [stdout, stderr].map(|bytes| String::from_utf8_lossy(bytes).trim_end().to_owned());
        Self(streams.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n"))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last lines: the reason stands at the end.
    pub fn last_lines(&self, most: usize) -> Vec<&str> {
        let lines: Vec<&str> = self.0.lines().collect();
        lines[lines.len().saturating_sub(most)..].to_vec()
    }
}

/// Returns what a step does, in a few words.
pub fn step_name(step: &Step) -> String {
    format!("{} {}", step.operation, step.subject)
}

/// Says why a step ended as it did, where there is something to say.
pub fn outcome_text(outcome: &StepOutcome) -> Option<String> {
    match outcome {
        StepOutcome::Failed { why, .. } => Some(why.clone()),
        StepOutcome::Stale { found } => {
            Some(format!("stale: the host is not as it was planned, found `{}`", found.replace('\n', "; ")))
        }
        StepOutcome::InDoubt => Some("it was started, and nothing is known of its end".to_owned()),
        StepOutcome::Unchanged | StepOutcome::Changed | StepOutcome::Skipped | StepOutcome::NotReached => {
            None
        }
    }
}

/// Returns how long something took, for people.
pub fn shown_duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..=9 => format!("{:.1} s", duration.as_secs_f32()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
