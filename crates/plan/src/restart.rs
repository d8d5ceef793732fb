//! Telling that a host has restarted.

use std::time::Duration;

use model::{HostName, Risk, Step, StepOutcome};

use crate::apply::StepReport;
use crate::facts::{Answers, FactAnswer, FactRequests, Question, read_facts};
use crate::sh::BOOT_ID;

/// What a step that restarts its host has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// What [`read_boot`] tells until the host has restarted.
    pub boot: String,
    /// By how much the restart was put off.
    pub delay: Duration,
    /// How long after that it may take until the host answers.
    pub limit: Duration,
}

impl Restart {
    /// Reads what a step has said; `None` where it restarts nothing, or did not come to it.
    pub fn read(step: &Step, report: &StepReport) -> Option<Self> {
        if !step.risks.contains(&Risk::Reboot) || report.outcome != StepOutcome::Changed {
            return None;
        }
        let said = std::str::from_utf8(&report.stdout).ok()?;
        let words: Vec<&str> = said.lines().find(|line| line.starts_with("boot "))?.split(' ').collect();
        match *words.as_slice() {
            ["boot", boot, "restarts", "in", delay, "s,", "within", limit, "s"] if !boot.is_empty() => {
                let seconds = |word: &str| word.parse().ok().map(Duration::from_secs);
                Some(Self { boot: boot.to_owned(), delay: seconds(delay)?, limit: seconds(limit)? })
            }
            _ => None,
        }
    }

    /// Returns the restart that a host may still be about to do: that of the last of its steps that was told
    /// of. A later one is only begun once the host is back.
    pub fn pending(steps: &[Step], reports: &[StepReport]) -> Option<Self> {
        let is_told = |(step, report): &(&Step, &StepReport)| {
            step.is_sent() && report.outcome != StepOutcome::NotReached
        };
        let last = steps.iter().zip(reports).rfind(is_told);
        last.and_then(|(step, report)| Self::read(step, report))
    }
}

/// Returns what a host is asked to tell whether it has restarted.
pub fn boot_questions() -> FactRequests {
    FactRequests::of_questions([question()].into())
}

/// Reads the answer to [`boot_questions`]; `None` where the host did not say.
pub fn read_boot(host: &HostName, answers: &Answers) -> Option<String> {
    let (facts, _) = read_facts(host, answers);
    match facts.get(&question()) {
        Some(FactAnswer::Said(said)) => {
            Some(String::from_utf8_lossy(said).trim().to_owned()).filter(|boot| !boot.is_empty())
        }
        Some(FactAnswer::Absent | FactAnswer::Failed(_)) | None => None,
    }
}

fn question() -> Question {
    Question::new(&BOOT_ID, Vec::<String>::new())
}

#[cfg(test)]
mod tests {
    use model::{Change, Condition, Place};

    use super::*;

    fn check(risks: Vec<Risk>, outcome: StepOutcome, stdout: &str, expected: Option<(&str, u64, u64)>) {
        let step = Step {
            operation: "server.reboot".to_owned(),
            subject: "host".to_owned(),
            place: Place::Nowhere,
            change: Change::Certain,
            diff: Vec::new(),
            probe: None,
            action: String::new(),
            bodies: Vec::new(),
            condition: Condition::Always,
            is_handler: false,
            risks,
            time_limit: Duration::from_secs(1),
        };
        let report = StepReport { stdout: stdout.as_bytes().to_vec(), ..StepReport::silent(outcome) };
        let expected = expected.map(|(boot, delay, limit)| Restart {
            boot: boot.to_owned(),
            delay: Duration::from_secs(delay),
            limit: Duration::from_secs(limit),
        });
        assert_eq!(Restart::read(&step, &report), expected, "{stdout:?}");
    }

    #[test]
    fn only_a_restart_that_was_begun_is_waited_for() {
        let said = "boot 1-2 restarts in 10 s, within 600 s\n";
        check(vec![Risk::Reboot], StepOutcome::Changed, said, Some(("1-2", 10, 600)));
        check(vec![Risk::Reboot], StepOutcome::Changed, &format!("motd\n{said}"), Some(("1-2", 10, 600)));
        check(vec![Risk::Reboot], StepOutcome::Skipped, said, None);
        check(vec![], StepOutcome::Changed, said, None);
        for other in [
            "",
            "boot ",
            "boot  restarts in 10 s, within 600 s",
            "boot 1 restarts in x s, within 600 s",
            "boot 1 restarts in 10 s, within -1 s",
            "boot 1 restarts in 10 s",
            "boot 1 2",
        ] {
            check(vec![Risk::Reboot], StepOutcome::Changed, other, None);
        }
    }
}
