//! One host of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Code, HostName, HostPlan, Place, Problem, RunId, StepOutcome};
use plan::apply::{HostRun, OutcomeReader, Script, ScriptError, StepReport};
use plan::{Nonce, Restart, StreamEnd};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::conversation::{About, Conversation, Ended as Heard};
use super::leg::{Known, Leg};
use super::loss::no_shell;
use super::options::{ApplyOptions, StopSignal};
use super::report::{Acknowledge, HostOutcome, HostReport, NotStarted, RunEvent, RunEventKind, blank};
use super::request::SecretSource;
use super::restart::{Restarting, await_restarts};
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

/// What all hosts of a run share.
pub(super) struct Work {
    pub connector: Arc<dyn Connector>,
    pub options: ApplyOptions,
    pub run: RunId,
    pub earlier: BTreeMap<HostName, BTreeMap<usize, StepOutcome>>,
    pub restarts: BTreeMap<HostName, Restart>,
    pub task: Task,
    pub events: Sender<RunEvent>,
}

/// How a host gets through some of its steps.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// The host's whole plan.
    plan: &'a HostPlan,
    leg: &'a Leg<'a>,
    target: &'a Target,
    deadline: Instant,
}

/// How a leg has ended.
enum Ended {
    /// More steps follow.
    Halfway(HostReport),
    /// Nothing more will come of the host, and that was told.
    Wholly(HostReport),
}

/// Why not a byte of a script has run.
enum Missed {
    Unconnected(ConnectError),
    /// The login ran something else.
    NoShell(ExecOutput),
}

impl Missed {
    fn problem(&self, host: &HostName) -> Problem {
        match self {
            Self::Unconnected(error) => error.problem(host),
            Self::NoShell(output) => no_shell(host, output),
        }
    }
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
        let mut known = Known::new(plan, self.earlier.get(&plan.host));
        let deadline = Instant::now() + self.host_limit(plan);
        let restart = self.restarts.get(&plan.host).cloned();
        let mut restarting = restart.map(|restart| Restarting::earlier(target.clone(), restart));
        loop {
            let leg = match self.task {
                Task::Apply { .. } => Leg::next(plan, &known),
                Task::Settle => Leg::whole(plan),
            };
            if let Some(why) = self.obstacle(plan, &leg, &known) {
                return self.finish(known.report(plan, HostOutcome::NotStarted(why), None)).await;
            }
            if matches!(self.task, Task::Apply { .. }) && !known.has_work(plan) {
                return self.finish(known.report(plan, HostOutcome::Done, None)).await;
            }
            if let Some(restarting) = restarting.take()
                && let Err(problem) = self.await_restart(restarting, deadline).await
            {
                let outcome = HostOutcome::Unreachable;
                return self.finish(known.report(plan, outcome, Some(problem))).await;
            }
            let way = Way { plan, leg: &leg, target, deadline };
            match self.take_leg(&way, &known).await {
                Ended::Halfway(report) => {
                    known.take(report.steps);
                    let restart = leg.restart(&known.reports);
                    restarting = restart.map(|restart| Restarting::now(target.clone(), restart));
                }
                Ended::Wholly(report) => return report,
            }
        }
    }

    /// Says why a script cannot be made. All that is left is looked at, so that no host is left halfway for it.
    fn obstacle(&self, plan: &HostPlan, leg: &Leg<'_>, known: &Known) -> Option<NotStarted> {
        let Some(nonce) = draw_nonce() else { return Some(NotStarted::NoNonce) };
        // The one script that there is will be made anyway.
        if leg.is_last {
            return None;
        }
        self.script(plan, known, &nonce).err().map(NotStarted::NoScript)
    }

    /// Takes the steps of a leg, with retries as long as nothing of it can have run.
    async fn take_leg(&self, way: &Way<'_>, known: &Known) -> Ended {
        let plan = way.plan;
        let whole = |outcome| async { Ended::Wholly(self.finish(known.report(plan, outcome, None)).await) };
        let Some(nonce) = draw_nonce() else {
            return whole(HostOutcome::NotStarted(NotStarted::NoNonce)).await;
        };
        let script = match self.script(&way.leg.plan, known, &nonce) {
            Ok(script) => script,
            Err(error) => return whole(HostOutcome::NotStarted(NotStarted::NoScript(error))).await,
        };
        let mut backoff = self.options.limits.retry_backoff;
        let mut retries_left = self.options.limits.connect_retries_max;
        loop {
            let result = Box::pin(self.converse(way, known, &nonce, &script)).await;
            let has_time = backoff < way.deadline.saturating_duration_since(Instant::now());
            match result {
                Err(Missed::Unconnected(error)) if error.is_transient() && retries_left > 0 && has_time => {
                    sleep(backoff).await;
                    backoff *= 2;
                    retries_left -= 1;
                }
                Err(missed) => {
                    let problem = Some(missed.problem(&plan.host));
                    let report = known.report(plan, HostOutcome::Unreachable, problem);
                    return Ended::Wholly(self.finish(report).await);
                }
                Ok(ended) => return ended,
            }
        }
    }

    /// Waits until the host is back. What it was to do after its restart is not done before.
    async fn await_restart(&self, mut restarting: Restarting, deadline: Instant) -> Result<(), Problem> {
        let host = restarting.target.host.clone();
        self.tell(&host, RunEventKind::Restarting).await;
        restarting.limit = restarting.limit.min(deadline.saturating_duration_since(Instant::now()));
        let limit = restarting.limit;
        let (connector, limits) = (Arc::clone(&self.connector), &self.options.limits);
        // Who stops a run lets the hosts at work come to their end.
        let late = await_restarts(vec![restarting], connector, limits, &StopSignal::default()).await;
        if late.is_empty() {
            return Ok(());
        }
        let place = Place::Host { host, part: String::new() };
        let message = format!("it restarts and was not back after {} s", limit.as_secs());
        let problem = Problem::new(Code::CollectUnreachable, place, message);
        let run = &self.run;
        Err(problem.with_hint(format!(
            "look at its console; `ifrit run resume {run}` takes the steps that are left"
        )))
    }

    /// Returns the report of a host whose task broke.
    pub(super) fn lost(&self, plan: &HostPlan) -> HostReport {
        let place = Place::Host { host: plan.host.clone(), part: String::new() };
        let problem = Problem::new(Code::ApplyInDoubt, place, "a fault of ifrit ended the work at this host");
        let known = Known::new(plan, self.earlier.get(&plan.host));
        known.report(plan, HostOutcome::InDoubt { last: None }, Some(problem))
    }

    /// Returns what is known of a host's steps before it is contacted.
    pub(super) fn blank(&self, plan: &HostPlan) -> Vec<StepReport> {
        blank(plan, self.earlier.get(&plan.host))
    }

    pub(super) async fn tell(&self, host: &HostName, kind: RunEventKind) {
        // A receiver that is gone has no more wishes; the host goes on to its end.
        self.events.send(RunEvent { host: host.clone(), kind }).await.ok();
    }

    /// One connection. An error = not a byte of the script can have run.
    async fn converse(
        &self,
        way: &Way<'_>,
        known: &Known,
        nonce: &Nonce,
        script: &Script,
    ) -> Result<Ended, Missed> {
        let Way { plan, leg, target, deadline } = *way;
        let reader =
            OutcomeReader::new(nonce, leg.plan.steps.len(), &self.options.apply).hiding(script.secrets());
        let (talk, printed, say) = Talk::new();
        let hops = 1 + u32::try_from(target.access.jumps.len()).unwrap_or(u32::MAX);
        let connecting = self.options.limits.connect_timeout.saturating_mul(hops);
        let (steps, bytes) = (known.reports.clone(), script.bytes().len());
        let about = About { plan, leg, steps, nonce, reader, bytes, connecting };
        let mut conversation = Conversation::new(self, about, printed, say);
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
            Some(Ok(Err(error))) if conversation.is_silent() && !may_run(&error) => {
                return Err(Missed::Unconnected(error));
            }
            _ => None,
        };
        if let Some(output) =
            output.as_ref().filter(|output| conversation.is_silent() && has_no_shell(output))
        {
            return Err(Missed::NoShell(output.clone()));
        }
        let report = conversation.report(output.as_ref());
        if conversation.is_halfway() {
            return Ok(Ended::Halfway(report));
        }
        Ok(Ended::Wholly(match conversation.ended() {
            // It was told already, with the acknowledgement.
            Some(Heard::Done) => report,
            _ => self.finish(report).await,
        }))
    }

    /// Makes the script of some of a host's steps.
    fn script(&self, plan: &HostPlan, known: &Known, nonce: &Nonce) -> Result<Script, ScriptError> {
        let (run, limits, earlier) = (&self.run, &self.options.apply, &known.outcomes);
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

    /// Returns how long a host may take: what was set, or what its steps may take at most.
    pub(super) fn host_limit(&self, plan: &HostPlan) -> Duration {
        let limits = &self.options.apply;
        let steps = plan.steps.iter().filter(|step| step.is_sent());
        let steps: Duration = steps.map(|step| step.time_limit + 2 * limits.probe_limit).sum();
        let connect = self.options.limits.connect_timeout + limits.lock_wait + limits.ack_limit;
        self.options.host_deadline.unwrap_or(connect + steps + GRACE)
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

/// Says whether a login refused to run anything: not a word came of a script that says where it begins, and
/// the whole answer is here. A script that ends by itself gives 0; a signal may have ended one that ran.
fn has_no_shell(output: &ExecOutput) -> bool {
    output.end == StreamEnd::Complete && output.exit_status.is_some_and(|status| (1..128).contains(&status))
}

fn draw_nonce() -> Option<Nonce> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(Nonce::from_bytes(bytes))
}
