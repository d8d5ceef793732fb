//! A host's way through its plan, leg by leg: a restart of the host ends one, because no script outlives it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::{HostPlan, Problem, Risk, Step, StepOutcome};
use plan::Restart;
use plan::apply::StepReport;

use super::report::{HostOutcome, HostReport, blank};

/// What is known of a host's steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// What contacts of this run have told; what is not there was not told.
    pub outcomes: BTreeMap<usize, StepOutcome>,
    /// For each step of the plan.
    pub reports: Vec<StepReport>,
}

impl Known {
    pub(super) fn new(plan: &HostPlan, earlier: Option<&BTreeMap<usize, StepOutcome>>) -> Self {
        Self { outcomes: earlier.cloned().unwrap_or_default(), reports: blank(plan, earlier) }
    }

    /// Takes what a leg has told.
    pub(super) fn take(&mut self, reports: Vec<StepReport>) {
        let told = reports.iter().enumerate();
        let told = told.filter(|(_, report)| report.outcome != StepOutcome::NotReached);
        self.outcomes = told.map(|(number, report)| (number, report.outcome.clone())).collect();
        self.reports = reports;
    }

    /// Returns all that is known of a host.
    pub(super) fn report(
        &self,
        plan: &HostPlan,
        outcome: HostOutcome,
        problem: Option<Problem>,
    ) -> HostReport {
        HostReport { host: plan.host.clone(), outcome, steps: self.reports.clone(), problem }
    }

    /// Says whether a step is left to take.
    pub(super) fn has_work(&self, plan: &HostPlan) -> bool {
        plan.steps.iter().enumerate().any(|(number, step)| self.is_open(number, step))
    }

    fn is_settled(&self, number: usize) -> bool {
        use StepOutcome::{Changed, Skipped, Unchanged};
        matches!(self.outcomes.get(&number), Some(Changed | Unchanged | Skipped))
    }

    fn is_open(&self, number: usize, step: &Step) -> bool {
        step.is_sent() && !self.is_settled(number)
    }
}

/// The steps of one script.
#[derive(Debug)]
pub(super) struct Leg<'a> {
    /// The plan's first steps, so that each keeps its number; those that are settled are not sent again.
    pub plan: Cow<'a, HostPlan>,
    /// Whether no leg follows.
    pub is_last: bool,
}

impl<'a> Leg<'a> {
    /// Returns all steps in one.
    pub(super) fn whole(plan: &'a HostPlan) -> Self {
        Self { plan: Cow::Borrowed(plan), is_last: true }
    }

    /// Returns the steps up to the first one left that restarts the host and is not the last one left.
    pub(super) fn next(plan: &'a HostPlan, known: &Known) -> Self {
        let mut open = plan.steps.iter().enumerate().filter(|(number, step)| known.is_open(*number, step));
        let end = open.find(|(_, step)| step.risks.contains(&Risk::Reboot));
        match (end, open.next()) {
            (Some((end, _)), Some(_)) => {
                let HostPlan { client, host, facts_at, fact_passes, steps } = plan;
                let plan = HostPlan {
                    client: client.clone(),
                    host: host.clone(),
                    facts_at: *facts_at,
                    fact_passes: *fact_passes,
                    steps: steps[..=end].to_vec(),
                };
                Self { plan: Cow::Owned(plan), is_last: false }
            }
            _ => Self::whole(plan),
        }
    }

    /// Returns the restart that its last step has begun.
    pub(super) fn restart(&self, reports: &[StepReport]) -> Option<Restart> {
        let last = self.plan.steps.len().checked_sub(1)?;
        Restart::read(self.plan.steps.get(last)?, reports.get(last)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use model::{Change, ClientName, Condition, HostName, Place};

    use super::*;

    fn step(word: char) -> Step {
        Step {
            operation: "server.shell".to_owned(),
            subject: word.to_string(),
            place: Place::Nowhere,
            change: if word == '.' { Change::None } else { Change::Certain },
            diff: Vec::new(),
            probe: None,
            action: String::new(),
            bodies: Vec::new(),
            condition: Condition::Always,
            is_handler: false,
            risks: if word == 'r' { vec![Risk::Reboot] } else { Vec::new() },
            time_limit: Duration::from_secs(1),
        }
    }

    /// A letter for each step: `r` restarts, `.` changes nothing.
    fn check(steps: &str, settled: &[usize], length: usize, is_last: bool) {
        let plan = HostPlan {
            client: ClientName::new("acme").expect("a name"),
            host: HostName::new("web-1").expect("a name"),
            facts_at: Timestamp::UNIX_EPOCH,
            fact_passes: 1,
            steps: steps.chars().map(step).collect(),
        };
        let earlier = settled.iter().map(|number| (*number, StepOutcome::Changed)).collect();
        let leg = Leg::next(&plan, &Known::new(&plan, Some(&earlier)));
        assert_eq!((leg.plan.steps.len(), leg.is_last), (length, is_last), "{steps} {settled:?}");
    }

    #[test]
    fn a_restart_ends_a_leg_where_steps_follow() {
        check("", &[], 0, true);
        check("abc", &[], 3, true);
        check("abr", &[], 3, true);
        check("abr..", &[], 5, true);
        check("arb", &[], 2, false);
        check("arb", &[0, 1], 3, true);
        check("arb", &[0, 1, 2], 3, true);
        check("arbrc", &[], 2, false);
        check("arbrc", &[0, 1], 4, false);
        check("rr", &[], 1, false);
        check("rr", &[0], 2, true);
    }
}
