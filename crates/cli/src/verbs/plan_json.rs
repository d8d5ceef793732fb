//! A plan as `--json` prints it: an object for each host, each host left out and each note, then one for the
//! plan as a whole.

use control::deploy::{LeftOut, PlanLine, SavedPlan, changes};
use model::{Change, Condition, DiffLine, HostPlan, Risk, Step};
use serde::Serialize;

use crate::printer::Printer;

#[derive(Serialize)]
struct HostRow<'a> {
    kind: &'static str,
    plan: &'a str,
    client: &'a str,
    host: &'a str,
    changes: usize,
    facts_at: String,
    fact_passes: u32,
    steps: Vec<StepRow<'a>>,
}

#[derive(Serialize)]
struct StepRow<'a> {
    step: usize,
    operation: &'a str,
    subject: &'a str,
    place: String,
    change: &'static str,
    if_changed: Option<Vec<usize>>,
    handler: bool,
    risks: Vec<&'static str>,
    diff: Vec<String>,
}

#[derive(Serialize)]
struct LeftOutRow<'a> {
    kind: &'static str,
    client: &'a str,
    host: &'a str,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct NoteRow<'a> {
    kind: &'static str,
    code: &'static str,
    severity: &'static str,
    hosts: Vec<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct PlanRow<'a> {
    kind: &'static str,
    plan: &'a str,
    hash: String,
    deploy: &'a str,
    selector: &'a str,
    author: &'a str,
    made_at: String,
    commit: Option<&'a str>,
    dirty: bool,
    waves: Vec<Vec<&'a str>>,
    hosts: usize,
    changing: usize,
    left_out: usize,
    needs_approval: Vec<&'static str>,
}

#[derive(Serialize)]
pub struct LineRow<'a> {
    plan: &'a str,
    deploy: &'a str,
    author: &'a str,
    made_at: String,
    commit: Option<&'a str>,
    dirty: bool,
    hosts: Vec<&'a str>,
    changing: usize,
}

/// Prints a plan.
pub fn print(saved: &SavedPlan, left_out: &[LeftOut], printer: &mut Printer) -> anyhow::Result<()> {
    let id = saved.id.as_str();
    saved.plan.hosts.iter().try_for_each(|host| printer.json(&host_row(id, host)))?;
    for host in left_out {
        printer.json(&LeftOutRow {
            kind: "left-out",
            client: host.client.as_str(),
            host: host.host.as_str(),
            problems: host.problems.iter().map(ToString::to_string).collect(),
        })?;
    }
    for note in &saved.notes {
        printer.json(&NoteRow {
            kind: "note",
            code: note.code.as_str(),
            severity: note.severity.as_str(),
            hosts: note.hosts.iter().map(|host| host.as_str()).collect(),
            message: &note.message,
        })?;
    }
    let counts = saved.counts();
    printer.json(&PlanRow {
        kind: "plan",
        plan: id,
        hash: hex(&saved.hash),
        deploy: &saved.plan.deploy,
        selector: &saved.selector,
        author: &saved.author,
        made_at: saved.made_at.to_string(),
        commit: saved.commit.as_deref(),
        dirty: saved.is_dirty,
        waves: saved.plan.waves.iter().map(|wave| wave.iter().map(|host| host.as_str()).collect()).collect(),
        hosts: counts.hosts,
        changing: counts.changing,
        left_out: left_out.len(),
        needs_approval: saved.needs_approval.iter().map(|risk| Risk::as_str(*risk)).collect(),
    })
}

/// Returns a saved plan of a list.
pub fn line(plan: &PlanLine) -> LineRow<'_> {
    LineRow {
        plan: plan.id.as_str(),
        deploy: &plan.deploy,
        author: &plan.author,
        made_at: plan.made_at.to_string(),
        commit: plan.commit.as_deref(),
        dirty: plan.is_dirty,
        hosts: plan.hosts.iter().map(|(_, host, _)| host.as_str()).collect(),
        changing: plan.hosts.iter().filter(|(_, _, changes)| *changes > 0).count(),
    }
}

/// Returns bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn host_row<'a>(plan: &'a str, host: &'a HostPlan) -> HostRow<'a> {
    HostRow {
        kind: "host",
        plan,
        client: host.client.as_str(),
        host: host.host.as_str(),
        changes: changes(host),
        facts_at: host.facts_at.to_string(),
        fact_passes: host.fact_passes,
        steps: host.steps.iter().enumerate().map(|(number, step)| step_row(number, step)).collect(),
    }
}

fn step_row(number: usize, step: &Step) -> StepRow<'_> {
    StepRow {
        step: number + 1,
        operation: &step.operation,
        subject: &step.subject,
        place: step.place.to_string(),
        change: match step.change {
            Change::None => "none",
            Change::Certain => "certain",
            Change::Undecided => "undecided",
        },
        if_changed: match &step.condition {
            Condition::Always => None,
            Condition::AnyChanged(steps) => Some(steps.iter().map(|step| step + 1).collect()),
        },
        handler: step.is_handler,
        risks: step.risks.iter().map(|risk| risk.as_str()).collect(),
        diff: step.diff.iter().map(diff_line).collect(),
    }
}

fn diff_line(line: &DiffLine) -> String {
    match line {
        DiffLine::Same(text) => format!(" {text}"),
        DiffLine::Removed(text) => format!("-{text}"),
        DiffLine::Added(text) => format!("+{text}"),
    }
}
