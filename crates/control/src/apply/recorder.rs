//! Writes down what a run tells, before the hosts forget it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fleet::{Acknowledge, HostOutcome, HostReport, RunEvent, RunEventKind, RunReport, Target};
use model::{HostName, StepOutcome, UserName};
use plan::apply::StepReport;
use store::{HostEnd, HostIntent, HostStart, RecordNumber, RunHostState, RunStep};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval};

use super::claims::{self, CLAIM_RENEWAL};
use super::judge::{judge, unprivileged};
use super::process::ProcessId;
use super::states::state_hashes;
use super::{HostResult, Ready, RunUpdate, RunUpdateKind, host_plan};
use crate::deploy::Connections;
use crate::deploy::record::{intent, outcome};
use crate::error::Error;
use crate::reach::plain_login;
use crate::session::Session;

/// How many hosts' ends are written in one transaction.
const ENDS_MAX: usize = 64;
/// How often the last step of each host is written.
const NOTE_INTERVAL: Duration = Duration::from_millis(500);

/// The entry of an intent that says which process has it.
pub(super) const PROCESS: &str = "process";

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
    /// Logins that are not root and do not become root, by host.
    unprivileged: tokio::sync::Mutex<HashMap<HostName, UserName>>,
    process: Option<String>,
    connections: Option<Connections>,
}

/// What is waiting to be written.
#[derive(Default)]
pub(super) struct Pending {
    begun: HashMap<HostName, Instant>,
    told: Earlier,
    notes: BTreeMap<HostName, usize>,
    /// Hosts that go on after a restart.
    halfway: Vec<(HostReport, Acknowledge)>,
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
            unprivileged: tokio::sync::Mutex::default(),
            process: ProcessId::own().map(|process| process.to_string()),
            connections: None,
        }
    }

    /// Counts what each host costs.
    #[must_use]
    pub(super) fn counting(mut self, connections: &Connections) -> Self {
        self.connections = Some(connections.clone());
        self
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
            let mut action = self.action(&target.host);
            let process = self.process.as_deref().map(|process| (PROCESS, process.into()));
            action.more.extend(process);
            let record = intent(self.session, action)?;
            intents.push(HostIntent { host: target.host.clone(), deadline, record });
        }
        let starts = self.session.store.start_hosts(&self.ready.run, &intents, now).await?;
        let mut started = Vec::new();
        let mut numbers = self.intents.lock().await;
        let unprivileged =
            targets.iter().filter_map(|target| Some((target.host.clone(), plain_login(target)?)));
        self.unprivileged.lock().await.extend(unprivileged);
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
                    while pending.ends.len() + pending.halfway.len() < ENDS_MAX
                        && let Ok(event) = events.try_recv()
                    {
                        self.take(&mut pending, event).await;
                    }
                    self.write_halfway(&mut pending).await;
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
            RunEventKind::Halfway { report, acknowledge } => {
                pending.notes.remove(&host);
                pending.halfway.push((*report, acknowledge));
                return;
            }
            RunEventKind::Restarting => RunUpdateKind::Restarting,
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

    /// Writes down what hosts have done before a restart: they forget it then.
    async fn write_halfway(&self, pending: &mut Pending) {
        let (reports, acknowledges): (Vec<_>, Vec<_>) =
            std::mem::take(&mut pending.halfway).into_iter().unzip();
        if reports.is_empty() {
            return;
        }
        let told: Vec<_> =
            reports.into_iter().map(|report| (report.host, run_steps(&report.steps))).collect();
        match self.session.store.record_steps(&self.ready.run, &told).await {
            Ok(()) => acknowledges.into_iter().for_each(Acknowledge::recorded),
            // Not acknowledged: the hosts keep their journals, and go no further.
            Err(fault) => self.keep(pending, Err(fault.into())),
        }
    }

    async fn write_ends(&self, pending: &mut Pending) {
        if pending.ends.is_empty() {
            return;
        }
        let (mut ends, mut results, mut acknowledges) = (Vec::new(), Vec::new(), Vec::new());
        for (report, acknowledge) in std::mem::take(&mut pending.ends) {
            let Some(mut result) = self.result(report, pending) else { continue };
            if let (RunHostState::Stopped, None) = (result.state, &result.why) {
                let logins = self.unprivileged.lock().await;
                result.why = logins.get(&result.host).and_then(|login| unprivileged(&result, login));
            }
            match self.end(&result, pending.told.get(&result.host)).await {
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
        let (mut state, why) = judge(&host, &outcome, &steps);
        // Who asks in vain knows no more than before.
        if self.task == Task::Settle && outcome != HostOutcome::Settled {
            state = RunHostState::InDoubt;
        }
        let client = self.ready.clients.get(&host)?.clone();
        let duration = pending.begun.get(&host).map(Instant::elapsed);
        let contacts = self.connections.as_ref().map(|connections| connections.contacts(&host));
        let contacts = contacts.unwrap_or_default();
        Some(HostResult { client, host, state, why: problem.or(why), steps, duration, contacts })
    }

    /// Makes the record of a host's end. `told` are the steps that it has told of at this contact.
    async fn end(
        &self,
        result: &HostResult,
        told: Option<&BTreeMap<usize, StepOutcome>>,
    ) -> Result<Option<HostEnd>, Error> {
        let Some(answers) = self.intents.lock().await.remove(&result.host) else { return Ok(None) };
        let mut action = self.action(&result.host);
        action.outcome = Some(result.state.as_str().to_owned());
        let plan = host_plan(self.ready.plan.plan(), &result.host);
        if let Some(plan) = plan {
            (action.before, action.after) = state_hashes(plan, &result.steps);
        }
        for word in ["changed", "unchanged", "failed", "stale", "in-doubt"] {
            let count = result.steps.iter().filter(|step| step.outcome.as_str() == word).count();
            if count > 0 {
                action.more.push((word, i64::try_from(count).unwrap_or(i64::MAX).into()));
            }
        }
        for (word, count) in [("connections", result.contacts.connections), ("execs", result.contacts.execs)]
        {
            action.more.push((word, i64::from(count).into()));
        }
        // What an earlier contact has told stays on record as it is, with what the step printed.
        let earlier = self.earlier.get(&result.host);
        let has = |steps: Option<&BTreeMap<usize, StepOutcome>>, step: &RunStep| {
            steps.is_some_and(|steps| steps.contains_key(&step.step))
        };
        let mut steps = run_steps(&result.steps);
        steps.retain(|step| has(told, step) || !has(earlier, step));
        Ok(Some(HostEnd {
            host: result.host.clone(),
            state: result.state,
            last_step: last_step(&result.steps),
            problem: result.why.clone(),
            steps,
            record: outcome(self.session, answers, action)?,
        }))
    }
}

fn run_steps(reports: &[StepReport]) -> Vec<RunStep> {
    let step = |(step, report): (usize, &StepReport)| RunStep {
        step,
        outcome: report.outcome.clone(),
        duration: report.duration,
        stdout: report.stdout.clone(),
        stderr: report.stderr.clone(),
    };
    reports.iter().enumerate().map(step).collect()
}

fn last_step(steps: &[StepReport]) -> Option<usize> {
    let is_known = |step: &StepReport| {
        !matches!(step.outcome, StepOutcome::NotReached | StepOutcome::InDoubt) && step.duration.is_some()
    };
    steps.iter().rposition(is_known)
}
