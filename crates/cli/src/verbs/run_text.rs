//! A run while it goes on, and what came of it.

use control::apply::{HostResult, RunAnswer, RunHostState, RunUpdate, RunUpdateKind};
use model::{HostName, Plan, Step, StepOutcome};
use plan_step::StepText;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use super::count;
use super::plan_text::names;
use crate::exit::Exit;
use crate::printer::Printer;

mod plan_step;

pub use plan_step::{outcome_text, shown_duration, step_name};

/// The lines of a failed step's output that the summary shows; `ifrit run show` has all that is kept.
const OUTPUT_LINES_MAX: usize = 20;

/// An event as `--json` prints it.
#[derive(Serialize)]
struct EventRow<'a> {
    kind: &'static str,
    host: &'a str,
    step: Option<usize>,
    operation: Option<&'a str>,
    subject: Option<&'a str>,
    outcome: Option<&'static str>,
    why: Option<String>,
    duration_ms: Option<u128>,
    stdout: Option<String>,
    stderr: Option<String>,
}

/// The last row of a run.
#[derive(Serialize)]
struct RunRow<'a> {
    kind: &'static str,
    run: &'a str,
    plan: &'a str,
    hosts: usize,
    nothing_to_do: usize,
    states: BTreeMap<&'static str, usize>,
    halted: Option<&'a str>,
}

/// Shows a run while it goes on.
pub struct RunView<'a> {
    steps: BTreeMap<&'a HostName, &'a [Step]>,
    is_json: bool,
    total: usize,
    finished: usize,
    at_work: BTreeSet<HostName>,
}

impl<'a> RunView<'a> {
    pub fn new(plan: &'a Plan, is_json: bool) -> Self {
        let steps = plan.hosts.iter().map(|host| (&host.host, host.steps.as_slice())).collect();
        let total = plan.hosts.iter().filter(|host| control::deploy::changes(host) > 0).count();
        Self { steps, is_json, total, finished: 0, at_work: BTreeSet::new() }
    }

    /// Shows one event.
    pub fn take(&mut self, update: &RunUpdate, printer: &mut Printer) -> anyhow::Result<()> {
        match &update.kind {
            RunUpdateKind::Connecting => drop(self.at_work.insert(update.host.clone())),
            RunUpdateKind::Finished(_) => {
                self.finished += 1;
                self.at_work.remove(&update.host);
            }
            RunUpdateKind::Held { .. }
            | RunUpdateKind::Began
            | RunUpdateKind::Started { .. }
            | RunUpdateKind::Ended { .. }
            | RunUpdateKind::Restarting => {}
        }
        // A host without a turn has its line in the summary.
        if matches!(&update.kind, RunUpdateKind::Finished(result) if result.duration.is_none()) {
            return Ok(());
        }
        if self.is_json {
            return printer.json(&self.row(update));
        }
        match &update.kind {
            RunUpdateKind::Finished(result) => printer.data(host_line(result, self.steps_of(&update.host))),
            RunUpdateKind::Started { step } => {
                let name = self.steps_of(&update.host).get(*step).map(step_name).unwrap_or_default();
                printer.progress(format_args!(
                    "{}/{} hosts, {} at work; {}: step {} {name}",
                    self.finished,
                    self.total,
                    self.at_work.len(),
                    update.host,
                    step + 1
                ));
            }
            RunUpdateKind::Connecting => {
                printer.progress(format_args!(
                    "{}/{} hosts, {}: connecting",
                    self.finished, self.total, update.host
                ));
            }
            RunUpdateKind::Held { until } => printer.say(format_args!(
                "{}: held by another ifrit, or by one that died; waiting until {}",
                update.host,
                until.strftime("%H:%M:%SZ")
            )),
            RunUpdateKind::Restarting => {
                printer.say(format_args!("{}: restarts; waiting until it is back", update.host));
            }
            RunUpdateKind::Began | RunUpdateKind::Ended { .. } => {}
        }
        Ok(())
    }

    fn steps_of(&self, host: &HostName) -> &'a [Step] {
        self.steps.get(host).copied().unwrap_or_default()
    }

    fn row<'r>(&'r self, update: &'r RunUpdate) -> EventRow<'r> {
        let step_of = |number: usize| self.steps_of(&update.host).get(number);
        let blank = |kind, step: Option<usize>| EventRow {
            kind,
            host: update.host.as_str(),
            step: step.map(|step| step + 1),
            operation: step.and_then(step_of).map(|step| step.operation.as_str()),
            subject: step.and_then(step_of).map(|step| step.subject.as_str()),
            outcome: None,
            why: None,
            duration_ms: None,
            stdout: None,
            stderr: None,
        };
        match &update.kind {
            RunUpdateKind::Held { .. } => blank("held", None),
            RunUpdateKind::Connecting => blank("connecting", None),
            RunUpdateKind::Began => blank("began", None),
            RunUpdateKind::Restarting => blank("restarting", None),
            RunUpdateKind::Started { step } => blank("step-started", Some(*step)),
            RunUpdateKind::Ended { step, report } => EventRow {
                outcome: Some(report.outcome.as_str()),
                why: outcome_text(&report.outcome),
                duration_ms: report.duration.map(|duration| duration.as_millis()),
                stdout: Some(String::from_utf8_lossy(&report.stdout).into_owned()),
                stderr: Some(String::from_utf8_lossy(&report.stderr).into_owned()),
                ..blank("step", Some(*step))
            },
            RunUpdateKind::Finished(result) => host_row(result, blank("host", None)),
        }
    }
}

fn host_row<'a>(result: &HostResult, blank: EventRow<'a>) -> EventRow<'a> {
    EventRow {
        outcome: Some(result.state.as_str()),
        why: result.why.as_ref().map(ToString::to_string),
        duration_ms: result.duration.map(|duration| duration.as_millis()),
        ..blank
    }
}

/// How a host ended, as a person counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Changed,
    Unchanged,
    Failed,
    Stale,
    InDoubt,
    Unreachable,
    Refused,
    NotStarted,
}

impl Ending {
    fn of(result: &HostResult) -> Self {
        let has = |wanted: fn(&StepOutcome) -> bool| result.steps.iter().any(|step| wanted(&step.outcome));
        match result.state {
            RunHostState::Done if has(|it| *it == StepOutcome::Changed) => Self::Changed,
            RunHostState::Done => Self::Unchanged,
            RunHostState::Stopped if has(|it| matches!(it, StepOutcome::Stale { .. })) => Self::Stale,
            RunHostState::Stopped => Self::Failed,
            RunHostState::InDoubt | RunHostState::Started => Self::InDoubt,
            RunHostState::Unreachable => Self::Unreachable,
            RunHostState::Refused => Self::Refused,
            RunHostState::NotStarted | RunHostState::Waiting => Self::NotStarted,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::InDoubt => "in doubt",
            Self::Unreachable => "unreachable",
            Self::Refused => "not touched",
            Self::NotStarted => "not started",
        }
    }
}

fn host_line(result: &HostResult, steps: &[Step]) -> String {
    format!("{}: {}", result.host, ending_text(result, steps))
}

/// Says what came of a host, without its name.
fn ending_text(result: &HostResult, steps: &[Step]) -> String {
    let mut text = Ending::of(result).as_str().to_owned();
    for word in ["changed", "unchanged", "skipped"] {
        let is_counted = |(at, step): &(usize, &plan_step::Report)| {
            step.outcome.as_str() == word && steps.get(*at).is_none_or(Step::is_sent)
        };
        let number = result.steps.iter().enumerate().filter(is_counted).count();
        if number > 0 {
            text.push_str(&format!(", {number} {word}"));
        }
    }
    if let Some((number, report)) = stopper(result) {
        let name = steps.get(number).map(step_name).unwrap_or_default();
        let why = outcome_text(&report.outcome).unwrap_or_default();
        text.push_str(&format!(", step {} {name}: {why}", number + 1));
    }
    if let Some(why) = &result.why {
        text.push_str(&format!(": {}", why.message));
    }
    if let Some(duration) = result.duration {
        text.push_str(&format!(" ({})", shown_duration(duration)));
    }
    text
}

/// Returns the step at which a host stopped.
fn stopper(result: &HostResult) -> Option<(usize, &plan_step::Report)> {
    let is_stop = |(_, step): &(usize, &plan_step::Report)| {
        matches!(step.outcome, StepOutcome::Failed { .. } | StepOutcome::Stale { .. } | StepOutcome::InDoubt)
    };
    result.steps.iter().enumerate().find(is_stop)
}

/// Prints what came of a run, and what to type next.
pub fn print_summary(answer: &RunAnswer, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    for problem in &answer.problems {
        printer.problem(problem);
    }
    if is_json {
        return print_json(answer, printer);
    }
    if answer.hosts.is_empty() {
        printer.data(format_args!("{}: nothing to do", count(answer.settled, "host")));
        return Ok(());
    }
    let steps: BTreeMap<_, _> =
        answer.plan.hosts.iter().map(|host| (&host.host, host.steps.as_slice())).collect();
    let of = |host: &HostName| steps.get(host).copied().unwrap_or_default();
    let mut without_turn: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
    for result in answer.hosts.iter().filter(|result| result.duration.is_none()) {
        without_turn.entry(ending_text(result, of(&result.host))).or_default().push(&result.host);
    }
    for (what, hosts) in without_turn {
        printer.data(format_args!("{}: {what}", names(&hosts)));
    }
    for result in &answer.hosts {
        print_output(result, of(&result.host), printer);
        if let Some(hint) = result.why.as_ref().and_then(|why| why.hint.as_ref()) {
            printer.complain(format_args!("{}: {hint}", result.host));
        }
    }
    let mut endings: BTreeMap<Ending, usize> = BTreeMap::new();
    for result in &answer.hosts {
        *endings.entry(Ending::of(result)).or_default() += 1;
    }
    if answer.settled > 0 {
        *endings.entry(Ending::Unchanged).or_default() += answer.settled;
    }
    let counts: Vec<_> =
        endings.iter().map(|(ending, number)| format!("{number} {}", ending.as_str())).collect();
    let total = answer.hosts.len() + answer.settled;
    printer.data(format_args!("run {}: {}: {}", answer.run, count(total, "host"), counts.join(", ")));
    if let Some(why) = &answer.halted {
        printer.data(format_args!("the run has ended by itself: {why}"));
    }
    print_next(answer, &endings, printer);
    Ok(())
}

fn print_json(answer: &RunAnswer, printer: &mut Printer) -> anyhow::Result<()> {
    let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
    for result in &answer.hosts {
        *states.entry(result.state.as_str()).or_default() += 1;
        // A host that was never begun has had no event.
        if result.duration.is_none() {
            let blank = EventRow {
                kind: "host",
                host: result.host.as_str(),
                step: None,
                operation: None,
                subject: None,
                outcome: None,
                why: None,
                duration_ms: None,
                stdout: None,
                stderr: None,
            };
            printer.json(&host_row(result, blank))?;
        }
    }
    printer.json(&RunRow {
        kind: "run",
        run: answer.run.as_str(),
        plan: answer.plan_id.as_str(),
        hosts: answer.hosts.len(),
        nothing_to_do: answer.settled,
        states,
        halted: answer.halted.as_deref(),
    })
}

fn print_output(result: &HostResult, steps: &[Step], printer: &mut Printer) {
    let Some((number, report)) = stopper(result) else { return };
    let text = StepText::new(&report.stdout, &report.stderr);
    if text.is_empty() {
        return;
    }
    let name = steps.get(number).map(step_name).unwrap_or_default();
    printer.data(format_args!("{}, step {} {name}, said:", result.host, number + 1));
    for line in text.last_lines(OUTPUT_LINES_MAX) {
        printer.data(format_args!("    {line}"));
    }
}

fn print_next(answer: &RunAnswer, endings: &BTreeMap<Ending, usize>, printer: &mut Printer) {
    let has = |ending| endings.contains_key(&ending);
    // What a bad wave has ended is not to be gone on with just so.
    let is_left = has(Ending::NotStarted) && answer.halted.is_none();
    if has(Ending::InDoubt) || has(Ending::Unreachable) || is_left {
        printer.say(format_args!("next: ifrit run resume {}", answer.run));
    }
    if has(Ending::Stale) || has(Ending::Failed) {
        let stopped = answer.hosts.iter().filter(|result| result.state == RunHostState::Stopped);
        let names: Vec<_> = stopped.take(10).map(|result| result.host.as_str()).collect();
        let again = match answer.plan.deploy.strip_prefix("patch ") {
            Some(words) => format!("ifrit patch {words} on {}", names.join(" or ")),
            None => format!("ifrit plan {} on {}", answer.plan.deploy, names.join(" or ")),
        };
        printer.say(format_args!("next: look at what was said, then {again}"));
    }
}

/// Hosts of which nobody knows come before hosts that failed.
pub fn exit(answer: &RunAnswer) -> Exit {
    let worst = answer.hosts.iter().map(|result| match Ending::of(result) {
        Ending::Changed | Ending::Unchanged => 0,
        Ending::Failed | Ending::Stale => 1,
        Ending::InDoubt | Ending::Unreachable | Ending::Refused | Ending::NotStarted => 2,
    });
    match worst.max() {
        None | Some(0) if answer.halted.is_some() => Exit::Something,
        None | Some(0) => Exit::Nothing,
        Some(1) => Exit::Something,
        Some(_) => Exit::Unknown,
    }
}
