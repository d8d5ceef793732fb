//! One host of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Code, HostName, HostPlan, Place, Problem, RunId, StepOutcome};
use plan::Nonce;
use plan::apply::{HostRun, OutcomeReader, Script, ScriptError, StepReport};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::conversation::{Conversation, Ended};
use super::options::ApplyOptions;
use super::report::{Acknowledge, HostOutcome, HostReport, NotStarted, RunEvent, RunEventKind, blank};
use super::request::SecretSource;
use crate::connector::{ConnectError, Connector, ExecOutput};
use crate::limits::Limits;
use crate::talk::Talk;
use crate::target::Target;

/// How much longer than what it should take at most everything about a host may take.
const GRACE: Duration = Duration::from_secs(30);
/// How much longer than its time limit a connector may take to come back.
const CONNECTOR_GRACE: Duration = Duration::from_secs(1);
/// How long a host may take to hang up after all was said.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The characters of what a host said instead of an answer that are quoted.
const SAID_CHARS_MAX: usize = 200;

/// What all hosts of a run share.
pub(super) struct Work {
    pub connector: Arc<dyn Connector>,
    pub options: ApplyOptions,
    pub run: RunId,
    pub earlier: BTreeMap<HostName, BTreeMap<usize, StepOutcome>>,
    pub task: Task,
    pub events: Sender<RunEvent>,
}

/// What is done at each host.
pub(super) enum Task {
    Apply { secrets: SecretSource, rerun: bool },
    Settle,
}

impl Work {
    /// Does all that is to be done at a host, and tells it.
    pub(super) async fn run(&self, plan: &HostPlan, target: &Target) -> HostReport {
        self.tell(&plan.host, RunEventKind::Connecting).await;
        let Some(nonce) = draw_nonce() else {
            return self.finish(self.not_started(plan, NotStarted::NoNonce)).await;
        };
        let script = match self.script(plan, &nonce) {
            Ok(script) => script,
            Err(error) => return self.finish(self.not_started(plan, NotStarted::NoScript(error))).await,
        };
        if matches!(self.task, Task::Apply { .. }) && !self.has_work(plan) {
            let report = self.report(plan, HostOutcome::Done, None);
            return self.finish(report).await;
        }
        let deadline = Instant::now() + self.host_limit(plan);
        let mut backoff = self.options.limits.retry_backoff;
        let mut retries_left = self.options.limits.connect_retries_max;
        loop {
            let result = Box::pin(self.converse(plan, target, &nonce, &script, deadline)).await;
            let has_time = backoff < deadline.saturating_duration_since(Instant::now());
            match result {
                Err(error) if error.is_transient() && retries_left > 0 && has_time => {
                    sleep(backoff).await;
                    backoff *= 2;
                    retries_left -= 1;
                }
                Err(error) => {
                    let problem = Some(error.problem(&plan.host));
                    let report = self.report(plan, HostOutcome::Unreachable, problem);
                    return self.finish(report).await;
                }
                Ok(report) => return report,
            }
        }
    }

    /// Returns the report of a host whose task broke.
    pub(super) fn lost(&self, plan: &HostPlan) -> HostReport {
        let place = Place::Host { host: plan.host.clone(), part: String::new() };
        let problem = Problem::new(Code::ApplyInDoubt, place, "a fault of ifrit ended the work at this host");
        self.report(plan, HostOutcome::InDoubt { last: None }, Some(problem))
    }

    pub(super) async fn tell(&self, host: &HostName, kind: RunEventKind) {
        // A receiver that is gone has no more wishes; the host goes on to its end.
        self.events.send(RunEvent { host: host.clone(), kind }).await.ok();
    }

    /// One connection. An error = not a byte of the script can have run.
    async fn converse(
        &self,
        plan: &HostPlan,
        target: &Target,
        nonce: &Nonce,
        script: &Script,
        deadline: Instant,
    ) -> Result<HostReport, ConnectError> {
        let reader =
            OutcomeReader::new(nonce, plan.steps.len(), &self.options.apply).hiding(script.secrets());
        let (talk, printed, say) = Talk::new();
        let hops = 1 + u32::try_from(target.access.jumps.len()).unwrap_or(u32::MAX);
        let connecting = self.options.limits.connect_timeout.saturating_mul(hops);
        let mut conversation = Conversation::new(self, plan, nonce, reader, printed, say, connecting);
        let host_timeout = deadline.saturating_duration_since(Instant::now());
        let limits = Limits { host_timeout, ..self.options.limits.clone() };
        let exec = self.connector.converse(target, script.bytes(), talk, &limits);
        let exec = timeout(host_timeout + CONNECTOR_GRACE, exec);
        let result = {
            // The connector is to come back first: it knows whether anything was sent.
            let listen = conversation.listen(deadline + CONNECTOR_GRACE / 2);
            tokio::pin!(exec, listen);
            tokio::select! {
                // What was said is heard to its end, also where the connection has ended.
                ended = &mut exec => { listen.await; Some(ended) }
                has_ended = &mut listen => match has_ended {
                    true => timeout(leave_time(deadline), &mut exec).await.ok(),
                    false => None,
                },
            }
        };
        let output = match result {
            Some(Ok(Ok(output))) => Some(output),
            Some(Ok(Err(error))) if conversation.is_silent() && !may_run(&error) => return Err(error),
            _ => None,
        };
        let report = conversation.report(output.as_ref());
        match conversation.ended() {
            // It was told already, with the acknowledgement.
            Some(Ended::Done) => Ok(report),
            _ => Ok(self.finish(report).await),
        }
    }

    fn script(&self, plan: &HostPlan, nonce: &Nonce) -> Result<Script, ScriptError> {
        let none = BTreeMap::new();
        let earlier = self.earlier.get(&plan.host).unwrap_or(&none);
        let (run, limits) = (&self.run, &self.options.apply);
        match &self.task {
            Task::Apply { secrets, rerun } => {
                let run = HostRun { plan, run, earlier, rerun: *rerun };
                plan::apply::script(&run, nonce, &|secret| secrets(secret), limits)
            }
            Task::Settle => {
                let run = HostRun { plan, run, earlier, rerun: false };
                plan::apply::settle_script(&run, nonce, limits)
            }
        }
    }

    /// Says whether a step is left to take.
    fn has_work(&self, plan: &HostPlan) -> bool {
        let is_open = |outcome: &StepOutcome| {
            !matches!(outcome, StepOutcome::Changed | StepOutcome::Unchanged | StepOutcome::Skipped)
        };
        blank(plan, self.earlier.get(&plan.host)).iter().any(|step| is_open(&step.outcome))
    }

    /// Returns how long a host may take: what was set, or what its steps may take at most.
    fn host_limit(&self, plan: &HostPlan) -> Duration {
        let limits = &self.options.apply;
        let steps = plan.steps.iter().filter(|step| step.is_sent());
        let steps: Duration = steps.map(|step| step.time_limit + 2 * limits.probe_limit).sum();
        let connect = self.options.limits.connect_timeout + limits.lock_wait + limits.ack_limit;
        self.options.host_deadline.unwrap_or(connect + steps + GRACE)
    }

    fn not_started(&self, plan: &HostPlan, why: NotStarted) -> HostReport {
        self.report(plan, HostOutcome::NotStarted(why), None)
    }

    fn report(&self, plan: &HostPlan, outcome: HostOutcome, problem: Option<Problem>) -> HostReport {
        let steps = self.blank(plan);
        HostReport { host: plan.host.clone(), outcome, steps, problem }
    }

    pub(super) fn blank(&self, plan: &HostPlan) -> Vec<StepReport> {
        blank(plan, self.earlier.get(&plan.host))
    }

    async fn finish(&self, report: HostReport) -> HostReport {
        let finished =
            RunEventKind::Finished { report: Box::new(report.clone()), acknowledge: Acknowledge::idle() };
        self.tell(&report.host, finished).await;
        report
    }
}

/// Returns how long a host may take to hang up after all was said.
fn leave_time(deadline: Instant) -> Duration {
    LEAVE_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()))
}

/// Says whether the script may run although the connector failed.
fn may_run(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Overdue { .. })
}

/// Returns a problem for a host that was lost, or that said something else than an answer.
pub(super) fn lost_problem(host: &HostName, why: &str, output: Option<&ExecOutput>) -> Problem {
    let place = Place::Host { host: host.clone(), part: String::new() };
    let problem = Problem::new(Code::ApplyInDoubt, place, why);
    let said = output.map(|output| [&output.stderr, &output.stdout]).into_iter().flatten();
    match said.into_iter().find(|text| !text.is_empty()) {
        Some(text) => {
            let text = String::from_utf8_lossy(text);
            let said: String =
                text.trim().chars().take(SAID_CHARS_MAX).flat_map(char::escape_debug).collect();
            problem.with_hint(format!("the host said `{said}`"))
        }
        None => problem.with_hint("settle it with `ifrit run resume`"),
    }
}

fn draw_nonce() -> Option<Nonce> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(Nonce::from_bytes(bytes))
}
