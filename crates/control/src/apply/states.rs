//! Hashes of a host's state before and after a run, for the audit record.

use model::{HostPlan, StepOutcome};
use plan::apply::StepReport;
use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 over what the probes of a host's steps said before and after, as far as that is known: each
/// step's number and the length of its state (8 bytes each, big-endian), then the state. `None` = nothing is known.
///
/// A plan holds keyed digests of secrets alone, so these hashes tell nothing of one.
pub(super) fn state_hashes(plan: &HostPlan, reports: &[StepReport]) -> (Option<[u8; 32]>, Option<[u8; 32]>) {
    let (mut before, mut after) = (States::default(), States::default());
    for (number, (step, report)) in plan.steps.iter().zip(reports).enumerate() {
        let Some(probe) = &step.probe else { continue };
        let (was, is) = match &report.outcome {
            StepOutcome::Changed => (probe.before.as_ref(), probe.after.as_ref()),
            StepOutcome::Unchanged => (probe.after.as_ref(), probe.after.as_ref()),
            StepOutcome::Stale { found } => (Some(found), Some(found)),
            StepOutcome::Skipped
            | StepOutcome::Failed { .. }
            | StepOutcome::NotReached
            | StepOutcome::InDoubt => (None, None),
        };
        before.add(number, was);
        after.add(number, is);
    }
    (before.finish(), after.finish())
}

#[derive(Default)]
struct States {
    hash: Option<Sha256>,
}

impl States {
    fn add(&mut self, step: usize, state: Option<&String>) {
        let Some(state) = state else { return };
        let hash = self.hash.get_or_insert_default();
        hash.update(u64::try_from(step).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(u64::try_from(state.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(state.as_bytes());
    }

    fn finish(self) -> Option<[u8; 32]> {
        self.hash.map(|hash| hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use model::{Change, ClientName, Condition, HostName, Place, Probe, Step};

    use super::*;

    fn plan(states: &[(Option<&str>, Option<&str>)]) -> HostPlan {
        let step = |(before, after): &(Option<&str>, Option<&str>)| Step {
            operation: "files.put".to_owned(),
            subject: "/etc/motd".to_owned(),
            change: Change::Certain,
            diff: Vec::new(),
            action: "true".to_owned(),
            bodies: Vec::new(),
            probe: Some(Probe {
                script: "true".to_owned(),
                before: before.map(str::to_owned),
                after: after.map(str::to_owned),
            }),
            condition: Condition::Always,
            is_handler: false,
            risks: Vec::new(),
            time_limit: Duration::from_secs(1),
            place: Place::Nowhere,
        };
        HostPlan {
            client: ClientName::new("acme").expect("a name"),
            host: HostName::new("web-1").expect("a name"),
            facts_at: Timestamp::UNIX_EPOCH,
            fact_passes: 1,
            steps: states.iter().map(step).collect(),
        }
    }

    #[test]
    fn a_run_begins_where_the_one_before_has_ended() {
        let silent =
            |outcomes: &[StepOutcome]| outcomes.iter().cloned().map(StepReport::silent).collect::<Vec<_>>();
        let both = plan(&[(Some("old"), Some("new")), (None, Some("there"))]);
        let changed = silent(&[StepOutcome::Changed, StepOutcome::Changed]);
        let (before, after) = state_hashes(&both, &changed);
        assert!(before.is_some() && after.is_some() && before != after);
        let unchanged = silent(&[StepOutcome::Unchanged, StepOutcome::Unchanged]);
        assert_eq!(state_hashes(&both, &unchanged), (after, after));
        let stale = silent(&[StepOutcome::Stale { found: "old".to_owned() }, StepOutcome::NotReached]);
        assert_eq!(state_hashes(&both, &stale), (before, before));
        let nothing = silent(&[StepOutcome::InDoubt, StepOutcome::NotReached]);
        assert_eq!(state_hashes(&both, &nothing), (None, None));
    }
}
