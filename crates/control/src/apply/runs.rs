//! What is on record of runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{ClientName, HostName, Plan, Problem, RunId, StepOutcome};
use store::{ClientScope, RunHostRecord, RunHostState, RunRecord, StepOutput};

use crate::deploy::{PlanId, load_plan};
use crate::error::Error;
use crate::session::Session;

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLine {
    /// The run.
    pub id: RunId,
    /// Its plan.
    pub plan: PlanId,
    /// The deploy.
    pub deploy: String,
    /// Who began it.
    pub actor: String,
    /// When.
    pub begun_at: Timestamp,
    /// When it ended; `None` = it has not, or its ifrit died.
    pub ended_at: Option<Timestamp>,
    /// How many hosts are in which state.
    pub hosts: BTreeMap<RunHostState, usize>,
}

/// A run with its hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// The run.
    pub line: RunLine,
    /// What it was to do.
    pub plan: Arc<Plan>,
    /// Its hosts.
    pub hosts: Vec<RunHost>,
}

/// A host of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunHost {
    /// How it stands.
    pub line: HostLine,
    /// Its steps that are on record.
    pub steps: Vec<RunStep>,
}

/// How a host of a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLine {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// How it stands.
    pub state: RunHostState,
    /// When its turn came.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The last step that it has told an end of, from 0.
    pub last_step: Option<usize>,
    /// What went wrong, where the steps do not say it.
    pub problem: Option<Problem>,
}

/// A step of a host of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// Its place in the host's steps, from 0.
    pub step: usize,
    /// What came of it.
    pub outcome: StepOutcome,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What it printed, where that was asked for.
    pub output: Option<StepText>,
}

/// What a step printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepText {
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
    /// Whether a part of it is missing.
    pub is_cut: bool,
}

/// Lists runs, the newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn runs(session: &Session, limit: u32) -> Result<Vec<RunLine>, Error> {
    Ok(session.store.runs(&ClientScope::All, limit).await?.into_iter().map(line).collect())
}

/// Returns a run by its name or the beginning of it; with a host, only that one and with what its steps
/// printed.
///
/// # Errors
/// [`Error::Store`] where there is none; [`Error::HostUnknown`] where the host is not in it.
pub async fn run(session: &Session, id: &str, host: Option<&str>) -> Result<RunView, Error> {
    let detail = session.store.run(&ClientScope::All, id).await?;
    let (_, plan, _) = load_plan(session, detail.record.plan.as_str()).await?;
    let is_wanted = |record: &RunHostRecord| host.is_none_or(|name| record.host.as_str() == name);
    let mut hosts: Vec<RunHost> = detail.hosts.into_iter().filter(is_wanted).map(run_host).collect();
    if let Some(name) = host {
        let unknown = || Error::HostUnknown { given: name.escape_default().to_string(), at: None };
        let only = hosts.first_mut().ok_or_else(unknown)?;
        let output = session.store.run_output(&ClientScope::All, &detail.record.id, &only.line.host).await?;
        for step in &mut only.steps {
            step.output = output.get(&step.step).map(text);
        }
    }
    Ok(RunView { line: line(detail.record), plan, hosts })
}

fn line(record: RunRecord) -> RunLine {
    RunLine {
        id: record.id,
        plan: record.plan,
        deploy: record.deploy,
        actor: record.actor,
        begun_at: record.begun_at,
        ended_at: record.ended_at,
        hosts: record.hosts,
    }
}

fn run_host(record: RunHostRecord) -> RunHost {
    let step = |it: store::RunStepRecord| RunStep {
        step: it.step,
        outcome: it.outcome,
        duration: it.duration,
        output: None,
    };
    RunHost {
        line: HostLine {
            client: record.client,
            host: record.host,
            state: record.state,
            started_at: record.started_at,
            ended_at: record.ended_at,
            last_step: record.last_step,
            problem: record.problem,
        },
        steps: record.steps.into_iter().map(step).collect(),
    }
}

fn text(output: &StepOutput) -> StepText {
    StepText {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        is_cut: output.is_cut,
    }
}
