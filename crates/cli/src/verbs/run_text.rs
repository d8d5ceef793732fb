//! A run while it goes on, and what came of it.

use std::collections::BTreeMap;

use control::apply::{HostResult, RunAnswer, RunHostState};
use live::host_row;
use model::{HostName, Step, StepOutcome};
use plan_step::StepText;
use serde::Serialize;

use super::count;
use super::plan_text::names;
use crate::exit::Exit;
use crate::printer::Printer;

mod live;
mod plan_step;

pub use live::RunView;
pub use plan_step::{outcome_text, shown_duration, step_name};

/// The lines of a failed step's output that the summary shows; `ifrit run show` has all that is kept.
const OUTPUT_LINES_MAX: usize = 20;

/// The last row of a run.
#[derive(Serialize)]
struct RunRow<'a> {
    kind: &'static str,
    run: &'a str,
    plan: &'a str,
    hosts: usize,
    nothing_to_do: usize,
    states: BTreeMap<&'static str, usize>,
    connections: u32,
    execs: u32,
    halted: Option<&'a str>,
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
            text.push_str(&format!(", {} {word}", count(number, "step")));
        }
    }
    // Where a host was lost, its problem names the step.
    let is_lost = |report: &plan_step::Report| report.outcome == StepOutcome::InDoubt && result.why.is_some();
    if let Some((number, report)) = stopper(result).filter(|(_, report)| !is_lost(report)) {
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
    }
    print_hints(answer, printer);
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
    let cost = cost(answer).map(|cost| format!("; {cost}")).unwrap_or_default();
    printer.data(format_args!("run {}: {}: {}{cost}", answer.run, count(total, "host"), counts.join(", ")));
    if let Some(why) = &answer.halted {
        printer.data(format_args!("the run has ended by itself: {why}"));
    }
    print_next(answer, &endings, printer);
    Ok(())
}

/// Prints what to do about hosts; those with the same hint stand together.
fn print_hints(answer: &RunAnswer, printer: &mut Printer) {
    let mut hints: Vec<(&str, Vec<&HostName>)> = Vec::new();
    for result in &answer.hosts {
        let Some(hint) = result.why.as_ref().and_then(|why| why.hint.as_deref()) else { continue };
        match hints.iter_mut().find(|(known, _)| *known == hint) {
            Some((_, hosts)) => hosts.push(&result.host),
            None => hints.push((hint, vec![&result.host])),
        }
    }
    for (hint, hosts) in hints {
        printer.complain(format_args!("{}: {hint}", names(&hosts)));
    }
}

/// Says what the hosts have cost, planning included where it was done in one go; a host that is this machine
/// costs nothing.
fn cost(answer: &RunAnswer) -> Option<String> {
    let contacts = || answer.hosts.iter().map(|result| result.contacts);
    let connections: u32 = contacts().map(|contacts| contacts.connections).sum();
    let execs: u32 = contacts().map(|contacts| contacts.execs).sum();
    let number = |number: u32, what: &str| count(usize::try_from(number).unwrap_or(usize::MAX), what);
    (connections > 0).then(|| format!("{}, {}", number(connections, "connection"), number(execs, "exec")))
}

fn print_json(answer: &RunAnswer, printer: &mut Printer) -> anyhow::Result<()> {
    let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
    for result in &answer.hosts {
        *states.entry(result.state.as_str()).or_default() += 1;
        // A host that was never begun has had no event.
        if result.duration.is_none() {
            printer.json(&host_row(result))?;
        }
    }
    printer.json(&RunRow {
        kind: "run",
        run: answer.run.as_str(),
        plan: answer.plan_id.as_str(),
        hosts: answer.hosts.len(),
        nothing_to_do: answer.settled,
        states,
        connections: answer.hosts.iter().map(|result| result.contacts.connections).sum(),
        execs: answer.hosts.iter().map(|result| result.contacts.execs).sum(),
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
    let resume = format!("ifrit run resume {}", answer.run);
    let hints = || answer.hosts.iter().filter_map(|result| result.why.as_ref()?.hint.as_deref());
    let is_said = hints().any(|hint| hint.contains(&resume));
    if !is_said && (has(Ending::InDoubt) || has(Ending::Unreachable) || is_left) {
        printer.say(format_args!("next: {resume}"));
    }
    if has(Ending::Stale) || has(Ending::Failed) {
        let stopped = answer.hosts.iter().filter(|result| result.state == RunHostState::Stopped);
        let names: Vec<_> = stopped.take(10).map(|result| result.host.as_str()).collect();
        let again = match answer.plan.deploy.strip_prefix("patch ") {
            Some(words) => format!("ifrit patch {words} on {}", names.join(" or ")),
            None if control::pyinfra::is_pyinfra(&answer.plan) => {
                format!("ifrit {} on {}", answer.plan.deploy, names.join(" or "))
            }
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
