//! `ifrit run resume`: finds out what hosts in doubt have done, and finishes what is left of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet::SettleRequest;
use jiff::Timestamp;
use model::{HostName, Risk, StepOutcome};
use plan::Restart;
use plan::apply::StepReport;
use store::{
    ClientScope, HostEnd, RecordNumber, RecordValue, RunDetail, RunHostRecord, RunHostState, UnsettledHost,
};
use tokio::sync::mpsc::{Sender, channel};

use super::claims::{self, Claims, claim};
use super::process::{Life, ProcessId};
use super::recorder::{Earlier, PROCESS, Recorder, Task};
use super::{
    EVENTS_MAX, HostResult, Open, Ready, RunAnswer, RunUpdate, RunUpdateKind, Running, finish, host_plan,
    of_names,
};
use crate::approve;
use crate::deploy::record::outcome;
use crate::deploy::{Connections, FixError, load_plan};
use crate::error::Error;
use crate::reach::{Reached, reach};
use crate::session::Session;

/// How long to wait between two looks at a claim that a dead controller may have left.
const CLAIM_POLL: Duration = Duration::from_millis(500);

/// Resumes a run: waits for the claims of a controller that died elsewhere (half a minute at most), settles the
/// hosts in doubt, and takes the steps that are left there and on hosts that had no turn. Hosts where a step failed
/// or was stale are left alone: plan those again. They count as failures of their wave still: a run that a bad
/// canary has ended does not go on by itself. `rerun` takes steps again of which nobody can tell
/// whether they have ended. An approval that counted when the run began still counts.
///
/// # Errors
/// [`FixError::NothingToResume`]; as [`super::apply`].
pub async fn resume(
    session: &Session,
    run_id: &str,
    rerun: bool,
    running: &Running,
    connections: &Connections,
    updates: Sender<RunUpdate>,
) -> Result<RunAnswer, Error> {
    let detail = session.store.run(&ClientScope::All, run_id).await?;
    let open = wait_for_claims(session, &detail, &updates).await?;
    let (record, plan, _) = load_plan(session, detail.record.plan.as_str()).await?;
    let approved = approve::check(session, &record, plan, detail.record.begun_at).await?;
    let ready = Ready::new(session, detail.record.id.clone(), record, approved, running).await?;
    close_dead(session, &ready, &open).await?;
    let known = known_outcomes(&detail);
    let doubtful: BTreeSet<HostName> = open.iter().map(|host| host.host.clone()).collect();
    let left: Vec<HostName> =
        detail.hosts.iter().filter(|host| is_left(host)).map(|host| host.host.clone()).collect();
    if left.is_empty() {
        return Err(FixError::NothingToResume { run: detail.record.id.to_string() }.into());
    }
    let stopped = detail.hosts.iter().filter(|host| host.state == RunHostState::Stopped);
    let stopped = stopped.map(|host| host.host.clone()).collect();
    let resumed = Resumed { session, ready: &ready, connections, updates, stopped };
    let results = resumed.go(&left, &doubtful, known, rerun).await;
    let hosts = finish(session, &ready, results).await?;
    let problems = crate::record::seal_after_run(session, &running.environment).await;
    Ok(ready.answer(hosts, 0, problems))
}

/// Says whether a host still has something to do in a run.
fn is_left(host: &RunHostRecord) -> bool {
    match host.state {
        RunHostState::Waiting
        | RunHostState::Started
        | RunHostState::Refused
        | RunHostState::Unreachable
        | RunHostState::InDoubt
        | RunHostState::NotStarted => true,
        RunHostState::Done | RunHostState::Stopped => false,
    }
}

/// Returns what is on record of the steps of hosts. What is not reached is not known.
fn known_outcomes(detail: &RunDetail) -> Earlier {
    let of = |host: &RunHostRecord| {
        let steps = host.steps.iter().filter(|step| step.outcome != StepOutcome::NotReached);
        (host.host.clone(), steps.map(|step| (step.step, step.outcome.clone())).collect())
    };
    detail.hosts.iter().map(of).collect()
}

/// Returns the hosts of a run that are in doubt, once nobody works on them any more. A process that died on
/// this machine is not waited for.
async fn wait_for_claims(
    session: &Session,
    detail: &RunDetail,
    updates: &Sender<RunUpdate>,
) -> Result<Vec<UnsettledHost>, Error> {
    let mut last: Option<Timestamp> = None;
    let mut lives = Lives::new(session);
    loop {
        let now = session.clock.now();
        let mut open = session.store.unsettled(&ClientScope::All, now).await?;
        open.retain(|host| host.run == detail.record.id);
        let mut held = None;
        for host in &open {
            let Some(until) = host.held_until else { continue };
            match lives.of(host.intent).await? {
                (Life::Dead, _) => {}
                (Life::Alive, process) => return Err(still_running(detail, process)),
                (Life::Unknown, _) => held = held.max(Some((until, &host.host))),
            }
        }
        let Some((held_until, host)) = held else { return Ok(open) };
        // A claim that is renewed has somebody alive behind it.
        if last.is_some_and(|last| held_until > last) {
            return Err(still_running(detail, None));
        }
        if last.is_none() {
            let kind = RunUpdateKind::Held { until: held_until };
            // Who watches may leave.
            updates.send(RunUpdate { host: host.clone(), kind }).await.ok();
        }
        last = Some(held_until);
        tokio::time::sleep(CLAIM_POLL).await;
    }
}

fn still_running(detail: &RunDetail, process: Option<u32>) -> Error {
    FixError::StillRunning { run: detail.record.id.to_string(), process }.into()
}

/// Tells whether the processes behind intents live.
struct Lives<'s> {
    session: &'s Session,
    /// Most intents of a run are of one process.
    known: BTreeMap<RecordNumber, Option<ProcessId>>,
}

impl<'s> Lives<'s> {
    fn new(session: &'s Session) -> Self {
        Self { session, known: BTreeMap::new() }
    }

    /// Returns the number of the process too, where it is one of this machine.
    async fn of(&mut self, intent: RecordNumber) -> Result<(Life, Option<u32>), Error> {
        if !self.known.contains_key(&intent) {
            let records = self.session.store.records(&ClientScope::All, intent, 1).await?;
            let process = records.first().and_then(|entry| match entry.record.body.0.get(PROCESS) {
                Some(RecordValue::Text(text)) => ProcessId::parse(text),
                _ => None,
            });
            self.known.insert(intent, process);
        }
        let process = self.known.get(&intent).and_then(Option::as_ref);
        let life = process.map_or(Life::Unknown, ProcessId::life);
        Ok((life, process.filter(|_| life == Life::Alive).map(ProcessId::number)))
    }
}

/// Puts on record that nothing is known of hosts whose controller died.
async fn close_dead(session: &Session, ready: &Ready, open: &[UnsettledHost]) -> Result<(), Error> {
    let mut ends = Vec::new();
    for host in open.iter().filter(|host| host.state == RunHostState::Started) {
        let action = crate::deploy::record::Action {
            client: Some(host.client.clone()),
            target: host.host.to_string(),
            outcome: Some(RunHostState::InDoubt.as_str().to_owned()),
            ..ready.action("run.host")
        };
        ends.push(HostEnd {
            host: host.host.clone(),
            state: RunHostState::InDoubt,
            last_step: host.last_step,
            problem: Some(claims::problem(&host.host, "the ifrit that worked on it ended without a word")),
            steps: Vec::new(),
            record: outcome(session, host.intent, action)?,
        });
    }
    if ends.is_empty() {
        return Ok(());
    }
    Ok(session.store.finish_hosts(&ready.run, &ends, session.clock.now()).await?)
}

/// A run that goes on.
struct Resumed<'s> {
    session: &'s Session,
    ready: &'s Ready,
    connections: &'s Connections,
    updates: Sender<RunUpdate>,
    /// Hosts where a step has failed or was stale.
    stopped: BTreeSet<HostName>,
}

impl Resumed<'_> {
    async fn go(
        &self,
        left: &[HostName],
        doubtful: &BTreeSet<HostName>,
        known: Earlier,
        rerun: bool,
    ) -> Result<Vec<HostResult>, Error> {
        let Claims { claimed, mut refused } = claim(self.session, self.ready, left).await?;
        let (to_settle, mut to_apply): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|host| doubtful.contains(host));
        let (mut earlier, mut settled) = (known, BTreeMap::new());
        for result in self.settle(&to_settle, &earlier).await? {
            let is_open = matches!(result.state, RunHostState::NotStarted)
                || (result.state == RunHostState::InDoubt && rerun && result.why.is_none());
            if is_open {
                let told = result.steps.iter().enumerate();
                let told = told.filter(|(_, step)| step.outcome != StepOutcome::NotReached);
                earlier
                    .insert(result.host.clone(), told.map(|(at, step)| (at, step.outcome.clone())).collect());
                settled.insert(result.host.clone(), result.steps);
                to_apply.push(result.host);
            } else {
                refused.push(result);
            }
        }
        let failed = refused.iter().filter(|result| result.state != RunHostState::Done);
        let failed = failed.map(|result| result.host.clone()).chain(self.stopped.iter().cloned()).collect();
        let mut restarts = BTreeMap::new();
        for host in &to_apply {
            let restart = self.restart(host, earlier.get(host), settled.remove(host)).await?;
            restarts.extend(restart.map(|restart| (host.clone(), restart)));
        }
        refused.extend(self.apply(&to_apply, Open { earlier, restarts, failed, rerun }).await?);
        Ok(refused)
    }

    /// Returns the restart that a host may still be about to do: its controller died before the host was back.
    async fn restart(
        &self,
        host: &HostName,
        earlier: Option<&BTreeMap<usize, StepOutcome>>,
        settled: Option<Vec<StepReport>>,
    ) -> Result<Option<Restart>, Error> {
        let Some(plan) = host_plan(self.ready.plan.plan(), host) else { return Ok(None) };
        if !plan.steps.iter().any(|step| step.risks.contains(&Risk::Reboot)) {
            return Ok(None);
        }
        let output = self.session.store.run_output(&ClientScope::All, &self.ready.run, host).await?;
        let mut settled = settled.unwrap_or_default().into_iter();
        let reports = (0..plan.steps.len()).map(|number| {
            let told = earlier.and_then(|earlier| earlier.get(&number)).cloned();
            let mut report = StepReport::silent(told.unwrap_or(StepOutcome::NotReached));
            let stdout = settled.next().map(|settled| settled.stdout).filter(|stdout| !stdout.is_empty());
            let recorded = || output.get(&number).map(|output| output.stdout.clone());
            report.stdout = stdout.or_else(recorded).unwrap_or_default();
            report
        });
        Ok(Restart::pending(&plan.steps, &reports.collect::<Vec<_>>()))
    }

    /// Asks hosts what they have done.
    async fn settle(&self, hosts: &[HostName], known: &Earlier) -> Result<Vec<HostResult>, Error> {
        if hosts.is_empty() {
            return Ok(Vec::new());
        }
        let recorder = Recorder::new(self.session, self.ready, Task::Settle, self.updates.clone());
        let recorder = recorder.knowing(known.clone()).counting(self.connections);
        let targets = recorder.start(self.reach(hosts).await?.targets).await?;
        let plan = self.ready.plan.shared();
        let request = SettleRequest { plan, run: self.ready.run.clone(), targets };
        let (sender, receiver) = channel(EVENTS_MAX);
        let connector = self.connections.connector();
        let (ready, earlier) = (self.ready, known.clone());
        let settle = async {
            match &ready.pyinfra {
                Some(pyinfra) => {
                    pyinfra.settle(&ready.plan, request.targets, earlier, &ready.options, sender).await
                }
                None => fleet::settle(request, connector, &ready.options, sender).await,
            }
        };
        let (report, pending) = tokio::join!(settle, recorder.record(receiver));
        recorder.finish(pending, report).await
    }

    /// Takes the steps that are left.
    async fn apply(&self, hosts: &[HostName], mut open: Open) -> Result<Vec<HostResult>, Error> {
        if hosts.is_empty() {
            return Ok(Vec::new());
        }
        // Settling has given the claims back.
        let Claims { claimed, refused } = claim(self.session, self.ready, hosts).await?;
        let targets = self.reach(&claimed).await?.targets;
        let recorder = Recorder::new(self.session, self.ready, Task::Apply, self.updates.clone());
        let recorder = recorder.knowing(open.earlier.clone()).counting(self.connections);
        open.failed.extend(refused.iter().map(|result| result.host.clone()));
        let mut results = self.ready.work(self.session, recorder, targets, open, self.connections).await?;
        results.extend(refused);
        Ok(results)
    }

    async fn reach(&self, hosts: &[HostName]) -> Result<Reached, Error> {
        let declared: Vec<_> = self.session.workspace.inventory.hosts.iter().collect();
        reach(self.session, &of_names(&declared, hosts)).await
    }
}
