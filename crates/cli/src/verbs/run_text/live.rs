//! A run while it goes on: a line or a JSON object for each event.

use std::collections::{BTreeMap, BTreeSet};

use control::apply::{HostResult, RunUpdate, RunUpdateKind};
use model::{HostName, Plan, Step};
use serde::Serialize;

use super::host_line;
use super::plan_step::{outcome_text, step_name};
use crate::printer::Printer;

/// An event as `--json` prints it.
#[derive(Serialize)]
pub(super) struct EventRow<'a> {
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
    hint: Option<String>,
    connections: Option<u32>,
    execs: Option<u32>,
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
                "{}: an ifrit on another machine works on it, or died there; waiting until {} to know",
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
            step: step.map(|step| step + 1),
            operation: step.and_then(step_of).map(|step| step.operation.as_str()),
            subject: step.and_then(step_of).map(|step| step.subject.as_str()),
            ..blank(update.host.as_str())
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
            RunUpdateKind::Finished(result) => finished(result, blank("host", None)),
        }
    }
}

/// Returns the row of a host that nothing more will come of.
pub(super) fn host_row(result: &HostResult) -> EventRow<'_> {
    finished(result, blank(result.host.as_str()))
}

/// A row that says nothing yet.
fn blank(host: &str) -> EventRow<'_> {
    EventRow {
        kind: "host",
        host,
        step: None,
        operation: None,
        subject: None,
        outcome: None,
        why: None,
        duration_ms: None,
        stdout: None,
        stderr: None,
        hint: None,
        connections: None,
        execs: None,
    }
}

fn finished<'a>(result: &HostResult, blank: EventRow<'a>) -> EventRow<'a> {
    EventRow {
        outcome: Some(result.state.as_str()),
        why: result.why.as_ref().map(ToString::to_string),
        duration_ms: result.duration.map(|duration| duration.as_millis()),
        hint: result.why.as_ref().and_then(|why| why.hint.clone()),
        connections: Some(result.contacts.connections),
        execs: Some(result.contacts.execs),
        ..blank
    }
}
