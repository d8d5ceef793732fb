//! Writes down what a run tells, before the hosts forget it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fleet::{Acknowledge, HostOutcome, HostReport, NotStarted, RunEvent, RunEventKind, RunReport, Target};
use model::{HostName, Problem, StepOutcome};
use plan::apply::{Refusal, ScriptError, StepReport};
use store::{HostEnd, HostIntent, HostStart, RecordNumber, RunHostState, RunStep};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval};

use super::claims::{self, CLAIM_RENEWAL};
use super::{HostResult, Ready, RunUpdate, RunUpdateKind};
use crate::deploy::record::{intent, outcome};
use crate::error::Error;
use crate::session::Session;

/// How many hosts' ends are written in one transaction.
const ENDS_MAX: usize = 64;
/// How often the last step of each host is written.
const NOTE_INTERVAL: Duration = Duration::from_millis(500);

/// What earlier contacts of a run told of each host's steps.
pub(super) type Earlier = BTreeMap<HostName, BTreeMap<usize, StepOutcome>>;

/// What a run does at its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Takes steps.
    Apply,
    /// Finds out what came of steps.
    Settle,
}

/// Writes down one run.
pub(crate) struct Recorder<'s> {
    session: &'s Session,
    ready: &'s Ready,
    task: Task,
    updates: Sender<RunUpdate>,
    intents: tokio::sync::Mutex<HashMap<HostName, RecordNumber>>,
    /// Hosts that must not be touched after all.
    refused: tokio::sync::Mutex<Vec<HostResult>>,
    earlier: Earlier,
}

/// What is waiting to be written.
#[derive(Default)]
pub(super) struct Pending {
    begun: HashMap<HostName, Instant>,
    told: Earlier,
    notes: BTreeMap<HostName, usize>,
    ends: Vec<(HostReport, Option<Acknowledge>)>,
    results: Vec<HostResult>,
    fault: Option<Error>,
}

impl<'s> Recorder<'s> {
    pub(crate) fn new(
        session: &'s Session,
        ready: &'s Ready,
        task: Task,
        updates: Sender<RunUpdate>,
    ) -> Self {
        Self {
            session,
            ready,
            task,
            updates,
            intents: tokio::sync::Mutex::default(),
            refused: tokio::sync::Mutex::default(),
            earlier: Earlier::new(),
        }
    }

    /// Takes what is on record of the hosts' steps: what a settling host does not speak of stays so.
    #[must_use]
    pub(super) fn knowing(mut self, earlier: Earlier) -> Self {
        self.earlier = earlier;
        self
    }

    /// Returns where those listen who watch the run.
    pub(super) fn updates(&self) -> Sender<RunUpdate> {
        self.updates.clone()
    }

    /// Puts the intent of touching each host on record. Returns the hosts that may be touched.
    pub(crate) async fn start(&self, targets: Vec<Target>) -> Result<Vec<Target>, Error> {
        let now = self.session.clock.now();
        let deadline = self.ready.options.host_deadline.and_then(|limit| now.checked_add(limit).ok());
        let mut intents = Vec::new();
        for target in &targets {
            let record = intent(self.session, self.action(&target.host))?;
            intents.push(HostIntent { host: target.host.clone(), deadline, record });
        }
        let starts = self.session.store.start_hosts(&self.ready.run, &intents, now).await?;
        let mut started = Vec::new();
        let mut numbers = self.intents.lock().await;
        for (target, start) in targets.into_iter().zip(starts) {
            let why = match start {
                HostStart::Started { intent } => {
                    numbers.insert(target.host.clone(), intent);
                    started.push(target);
                    continue;
                }
                HostStart::NotClaimed => "its claim was lost to another run".to_owned(),
                HostStart::NotStartable { state } => format!("it is {} already", state.as_str()),
            };
            if let Some(client) = self.ready.clients.get(&target.host) {
                let why = claims::problem(&target.host, &why);
                self.refused.lock().await.push(claims::refused(client, &target.host, why));
            }
        }
        Ok(started)
    }

    fn action(&self, host: &HostName) -> crate::deploy::record::Action {
        let action = match self.task {
            Task::Apply => "run.host",
            Task::Settle => "run.settle",
        };
        crate::deploy::record::Action {
            client: self.ready.clients.get(host).cloned(),
            target: host.to_string(),
            ..self.ready.action(action)
        }
    }

    /// Writes events down until no more come.
    pub(super) async fn record(&self, mut events: Receiver<RunEvent>) -> Pending {
        let mut pending = Pending::default();
        let (mut renewal, mut notes) = (interval(CLAIM_RENEWAL), interval(NOTE_INTERVAL));
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        notes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { break };
                    self.take(&mut pending, event).await;
                    // Whatever else has come already goes into the same transaction.
                    while pending.ends.len() < ENDS_MAX && let Ok(event) = events.try_recv() {
                        self.take(&mut pending, event).await;
                    }
                    self.write_ends(&mut pending).await;
                }
                _ = notes.tick() => self.write_notes(&mut pending).await,
                _ = renewal.tick() => {
                    let until = claims::until(self.session.clock.now());
                    let renewed = self.session.store.renew_claims(&self.ready.run, until).await;
                    self.keep(&mut pending, renewed.map(drop).map_err(Error::from));
                }
            }
        }
        pending
    }

    /// Writes down the hosts that had no turn. Returns what came of each host.
    pub(super) async fn finish(
        &self,
        mut pending: Pending,
        report: RunReport,
    ) -> Result<Vec<HostResult>, Error> {
        let known: BTreeSet<HostName> = pending.results.iter().map(|result| result.host.clone()).collect();
        let rest = report.hosts.into_iter().filter(|report| !known.contains(&report.host));
        pending.ends = rest.map(|report| (report, None)).collect();
        self.write_ends(&mut pending).await;
        match pending.fault {
            Some(fault) => Err(fault),
            None => {
                pending.results.append(&mut *self.refused.lock().await);
                Ok(pending.results)
            }
        }
    }

    /// What cannot be put on record must not go on: no further host is started then.
    fn keep(&self, pending: &mut Pending, written: Result<(), Error>) {
        if let Err(fault) = written {
            self.ready.options.stop.request();
            pending.fault.get_or_insert(fault);
        }
    }

    async fn take(&self, pending: &mut Pending, event: RunEvent) {
        let RunEvent { host, kind } = event;
        let kind = match kind {
            RunEventKind::Connecting => {
                pending.begun.insert(host.clone(), Instant::now());
                RunUpdateKind::Connecting
            }
            RunEventKind::Began => RunUpdateKind::Began,
            RunEventKind::Left(_) => return,
            RunEventKind::Started { step } => RunUpdateKind::Started { step },
            RunEventKind::Ended { step, report } => {
                pending.notes.insert(host.clone(), step);
                pending.told.entry(host.clone()).or_default().insert(step, report.outcome.clone());
                RunUpdateKind::Ended { step, report }
            }
            RunEventKind::Finished { report, acknowledge } => {
                pending.notes.remove(&host);
                pending.ends.push((*report, Some(acknowledge)));
                return;
            }
        };
        self.tell(RunUpdate { host, kind }).await;
    }

    async fn tell(&self, update: RunUpdate) {
        // Who watches may leave; the run goes on.
        self.updates.send(update).await.ok();
    }

    async fn write_notes(&self, pending: &mut Pending) {
        let notes: Vec<_> = std::mem::take(&mut pending.notes).into_iter().collect();
        if !notes.is_empty() {
            let written = self.session.store.note_steps(&self.ready.run, &notes).await;
            self.keep(pending, written.map_err(Error::from));
        }
    }

    async fn write_ends(&self, pending: &mut Pending) {
        if pending.ends.is_empty() {
            return;
        }
        let (mut ends, mut results, mut acknowledges) = (Vec::new(), Vec::new(), Vec::new());
        for (report, acknowledge) in std::mem::take(&mut pending.ends) {
            let Some(result) = self.result(report, pending) else { continue };
            match self.end(&result).await {
                Ok(Some(end)) => ends.push(end),
                Ok(None) => {}
                Err(fault) => self.keep(pending, Err(fault)),
            }
            results.push(result);
            acknowledges.extend(acknowledge);
        }
        let now = self.session.clock.now();
        match self.session.store.finish_hosts(&self.ready.run, &ends, now).await {
            Ok(()) => acknowledges.into_iter().for_each(Acknowledge::recorded),
            // Not acknowledged: the hosts keep their journals.
            Err(fault) => self.keep(pending, Err(fault.into())),
        }
        for result in results {
            let update = RunUpdateKind::Finished(Box::new(result.clone()));
            self.tell(RunUpdate { host: result.host.clone(), kind: update }).await;
            pending.results.push(result);
        }
    }

    /// Returns what came of a host of the plan.
    fn result(&self, report: HostReport, pending: &Pending) -> Option<HostResult> {
        let HostReport { host, outcome, mut steps, problem } = report;
        if let (Task::Settle, Some(earlier)) = (self.task, self.earlier.get(&host)) {
            let told = pending.told.get(&host);
            for (number, step) in steps.iter_mut().enumerate() {
                let is_told = told.is_some_and(|told| told.contains_key(&number));
                if let (false, Some(outcome)) = (is_told, earlier.get(&number)) {
                    step.outcome = outcome.clone();
                }
            }
        }
        let (state, why) = judge(&host, &outcome, &steps);
        let client = self.ready.clients.get(&host)?.clone();
        let duration = pending.begun.get(&host).map(Instant::elapsed);
        Some(HostResult { client, host, state, why: problem.or(why), steps, duration })
    }

    async fn end(&self, result: &HostResult) -> Result<Option<HostEnd>, Error> {
        let Some(answers) = self.intents.lock().await.remove(&result.host) else { return Ok(None) };
        let mut action = self.action(&result.host);
        action.outcome = Some(result.state.as_str().to_owned());
        for word in ["changed", "unchanged", "failed", "stale", "in-doubt"] {
            let count = result.steps.iter().filter(|step| step.outcome.as_str() == word).count();
            if count > 0 {
                action.more.push((word, i64::try_from(count).unwrap_or(i64::MAX).into()));
            }
        }
        Ok(Some(HostEnd {
            host: result.host.clone(),
            state: result.state,
            last_step: last_step(&result.steps),
            problem: result.why.clone(),
            steps: result.steps.iter().enumerate().map(|(step, report)| run_step(step, report)).collect(),
            record: outcome(self.session, answers, action)?,
        }))
    }
}

fn run_step(step: usize, report: &StepReport) -> RunStep {
    RunStep {
        step,
        outcome: report.outcome.clone(),
        duration: report.duration,
        stdout: report.stdout.clone(),
        stderr: report.stderr.clone(),
    }
}

fn last_step(steps: &[StepReport]) -> Option<usize> {
    let is_known = |step: &StepReport| {
        !matches!(step.outcome, StepOutcome::NotReached | StepOutcome::InDoubt) && step.duration.is_some()
    };
    steps.iter().rposition(is_known)
}

/// Says how a host ended, and why, where its steps do not.
fn judge(host: &HostName, outcome: &HostOutcome, steps: &[StepReport]) -> (RunHostState, Option<Problem>) {
    let problem = |why: String| Some(claims::problem(host, &why));
    match outcome {
        HostOutcome::Done => (RunHostState::Done, None),
        HostOutcome::Stopped { .. } => (RunHostState::Stopped, None),
        HostOutcome::Settled => (settled(steps), None),
        HostOutcome::Unreachable => (RunHostState::Unreachable, None),
        HostOutcome::InDoubt { .. } => (RunHostState::InDoubt, None),
        HostOutcome::Refused(refusal) => (RunHostState::Refused, Some(refusal_problem(host, refusal))),
        HostOutcome::NotStarted(why) => match why {
            NotStarted::TooManyFailures { failed } => (
                RunHostState::NotStarted,
                problem(format!("too many hosts before it have failed ({failed})")),
            ),
            NotStarted::Unhealthy { why } => (RunHostState::NotStarted, problem(why.clone())),
            NotStarted::Stopped => (RunHostState::NotStarted, problem("the run was stopped".to_owned())),
            NotStarted::NoScript(error @ ScriptError::InDoubt { .. }) => {
                (RunHostState::InDoubt, problem(error.to_string()))
            }
            NotStarted::NoScript(error) => (RunHostState::NotStarted, problem(error.to_string())),
            NotStarted::NoNonce => {
                (RunHostState::NotStarted, problem("this machine gives no random numbers".to_owned()))
            }
            NotStarted::Crashed => (RunHostState::NotStarted, problem("a fault of ifrit".to_owned())),
        },
    }
}

/// Says how a host stands whose journal was read.
fn settled(steps: &[StepReport]) -> RunHostState {
    let has = |wanted: fn(&StepOutcome) -> bool| steps.iter().any(|step| wanted(&step.outcome));
    if has(|outcome| matches!(outcome, StepOutcome::Failed { .. } | StepOutcome::Stale { .. })) {
        RunHostState::Stopped
    } else if has(|outcome| matches!(outcome, StepOutcome::InDoubt)) {
        RunHostState::InDoubt
    } else if has(|outcome| matches!(outcome, StepOutcome::NotReached)) {
        RunHostState::NotStarted
    } else {
        RunHostState::Done
    }
}

fn refusal_problem(host: &HostName, refusal: &Refusal) -> Problem {
    let named = |run: &Option<model::RunId>| {
        run.as_ref().map_or("another run".to_owned(), |run| format!("run {run}"))
    };
    match refusal {
        Refusal::Busy(run) => claims::problem(host, &format!("a script of {} still runs there", named(run))),
        Refusal::Unsettled(run) => {
            let problem = claims::problem(host, &format!("{} has left its journal there", named(run)));
            match run {
                Some(run) => problem.with_hint(format!("`ifrit run resume {run}` settles it")),
                None => problem,
            }
        }
        Refusal::Fault { said } => claims::problem(
            host,
            &format!("neither lock nor journal can be written there: {}", said.escape_debug()),
        ),
    }
}
