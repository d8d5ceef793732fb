//! A plan for people: hosts with the same plan stand together.

use std::collections::HashMap;

use control::deploy::{LeftOut, SavedPlan};
use model::{Change, Condition, DiffLine, HostName, HostPlan, Plan, Risk, Step};

use super::count;
use crate::printer::Printer;

/// The host names that a heading shows; of more, the rest is counted.
const NAMES_MAX: usize = 12;

/// Prints what a plan does.
pub fn print_plan(plan: &Plan, printer: &mut Printer) {
    let (settled, groups) = groups(plan);
    groups.iter().for_each(|group| printer.lines(&group_lines(group)));
    if !settled.is_empty() {
        printer.data(format_args!("{}: as it should be", names(&settled)));
        printer.data("");
    }
    if plan.waves.len() > 1 {
        for (number, wave) in plan.waves.iter().enumerate() {
            printer.data(format_args!("wave {}: {}", number + 1, names(&wave.iter().collect::<Vec<_>>())));
        }
        printer.data("");
    }
}

/// Returns the hosts that are as they should be, and the others: those with the same plan stand together.
fn groups(plan: &Plan) -> (Vec<&HostName>, Vec<Vec<&HostPlan>>) {
    let (mut settled, mut groups): (Vec<&HostName>, Vec<Vec<&HostPlan>>) = (Vec::new(), Vec::new());
    let mut places: HashMap<Vec<Shown<'_>>, usize> = HashMap::new();
    for host in &plan.hosts {
        if control::deploy::changes(host) == 0 {
            settled.push(&host.host);
            continue;
        }
        let place = *places.entry(host.steps.iter().map(shown).collect()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(host),
            None => groups.push(vec![host]),
        }
    }
    (settled, groups)
}

fn group_lines(group: &[&HostPlan]) -> Vec<String> {
    let Some(first) = group.first() else { return Vec::new() };
    let hosts: Vec<_> = group.iter().map(|host| &host.host).collect();
    let same = match group.len() {
        1 => String::new(),
        many => format!(" ({many} hosts, same plan)"),
    };
    let mut lines = vec![format!("{}{same}", names(&hosts))];
    lines.extend(step_lines(first));
    lines.push(String::new());
    lines
}

/// Returns the lines that show the steps of a host.
pub fn step_lines(host: &HostPlan) -> Vec<String> {
    let mut lines = Vec::new();
    let unchanged = host.steps.iter().filter(|step| step.change == Change::None).count();
    for (number, step) in host.steps.iter().enumerate().filter(|(_, step)| step.change != Change::None) {
        lines.push(format!("  {:>3} {}", number + 1, heading(step)));
        lines.extend(step.diff.iter().map(|line| format!("        {}", diff_line(line))));
    }
    if unchanged > 0 {
        lines.push(format!("      {} as it should be", count(unchanged, "step")));
    }
    lines
}

/// Says in one line what a step does and when.
pub fn heading(step: &Step) -> String {
    let mut text = format!("{} {}", step.operation, step.subject);
    if let Condition::AnyChanged(steps) = &step.condition {
        let numbers: Vec<_> = steps.iter().map(|step| (step + 1).to_string()).collect();
        text.push_str(&format!(", if {} changes something", numbers.join(" or ")));
    }
    if step.is_handler {
        text.push_str(", at the end");
    }
    if step.change == Change::Undecided {
        text.push_str(", decided on the host");
    }
    if !step.risks.is_empty() {
        text.push_str(&format!(
            " [{}]",
            step.risks.iter().map(|risk| risk.as_str()).collect::<Vec<_>>().join(", ")
        ));
    }
    text
}

fn diff_line(line: &DiffLine) -> String {
    match line {
        DiffLine::Same(text) => format!("  {text}"),
        DiffLine::Removed(text) => format!("- {text}"),
        DiffLine::Added(text) => format!("+ {text}"),
    }
}

/// What a reader sees of a step: where it is the same for all steps, so is the plan.
type Shown<'a> = (Change, bool, &'a str, &'a str, &'a Condition, &'a [Risk], &'a [DiffLine]);

fn shown(step: &Step) -> Shown<'_> {
    let (operation, subject) = (step.operation.as_str(), step.subject.as_str());
    (step.change, step.is_handler, operation, subject, &step.condition, &step.risks, &step.diff)
}

/// Returns the names of hosts for a heading; of many, the rest is counted.
pub fn names(hosts: &[&HostName]) -> String {
    let shown: Vec<_> = hosts.iter().take(NAMES_MAX).map(|host| host.as_str()).collect();
    match hosts.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Prints the hosts that are not in a plan; those with the same problems stand together.
pub fn print_left_out(left_out: &[LeftOut], printer: &mut Printer) {
    let mut groups: Vec<Vec<&LeftOut>> = Vec::new();
    for host in left_out {
        match groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| first.problems == host.problems))
        {
            Some(group) => group.push(host),
            None => groups.push(vec![host]),
        }
    }
    for group in &groups {
        let hosts: Vec<_> = group.iter().map(|host| &host.host).collect();
        printer.complain(format_args!("{}: left out", names(&hosts)));
        let problems = group.first().map(|first| first.problems.as_slice()).unwrap_or_default();
        problems.iter().for_each(|problem| printer.problem(problem));
    }
}

/// Prints what may be wrong with a plan.
pub fn print_notes(saved: &SavedPlan, printer: &mut Printer) {
    for note in &saved.notes {
        let hosts = names(&note.hosts.iter().collect::<Vec<_>>());
        let hosts = if hosts.is_empty() { hosts } else { format!(" ({hosts})") };
        printer.complain(format_args!("{}: {}{hosts}", note.severity.as_str(), note.message));
    }
}

/// Prints the last lines about a plan: totals, and what it was made of.
pub fn print_totals(saved: &SavedPlan, left_out: usize, printer: &mut Printer) {
    let counts = saved.counts();
    let left = if left_out == 0 { String::new() } else { format!(", {left_out} left out") };
    printer.data(format_args!(
        "{}: {} change, {} as they should be{left}",
        count(counts.hosts + left_out, "host"),
        counts.changing,
        counts.unchanged
    ));
    let made_of = match (&saved.commit, saved.is_dirty) {
        (Some(commit), false) => format!("of commit {}", commit.get(..12).unwrap_or(commit)),
        (Some(commit), true) => {
            format!("of commit {} with changes that are not committed", commit.get(..12).unwrap_or(commit))
        }
        (None, _) => "of no commit".to_owned(),
    };
    printer.data(format_args!("{} by {}, {made_of}", saved.id, saved.author));
}

/// Prints what to type next about a plan.
pub fn print_next(saved: &SavedPlan, printer: &mut Printer) {
    if saved.counts().changing == 0 {
        return;
    }
    if saved.needs_approval.is_empty() {
        printer.say(format_args!("next: ifrit apply {}", saved.id));
    } else {
        let risks: Vec<_> = saved.needs_approval.iter().map(|risk| Risk::as_str(*risk)).collect();
        printer.say(format_args!(
            "next: somebody else runs `ifrit approve {}` (risk: {})",
            saved.id,
            risks.join(", ")
        ));
    }
}
