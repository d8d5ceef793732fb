//! Hosts side by side, waves one after the other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::BoxFuture;
use model::{HostName, HostPlan, Step};
use plan::apply::StepReport;
use tokio::task::JoinSet;

use super::host::Work;
use super::options::ApplyOptions;
use super::report::{HostOutcome, HostReport, NotStarted, RunReport};
use crate::target::Target;

/// What is done at one host of a run: by ifrit's own script, or by another program that brings hosts into a
/// state. Waves, failures and stopping are the same for both.
pub trait HostWork: Send + Sync + 'static {
    /// Returns how the run is done.
    fn options(&self) -> &ApplyOptions;

    /// Returns the reports of a host's steps as they are before it is contacted.
    fn blank(&self, plan: &HostPlan) -> Vec<StepReport>;

    /// Does all that is to be done at a host, tells it, and comes back within the host's deadline.
    fn run(&self, plan: Arc<HostPlan>, target: Target) -> BoxFuture<'_, HostReport>;

    /// Returns the report of a host whose task broke.
    fn lost(&self, plan: &HostPlan) -> HostReport;
}

impl HostWork for Work {
    fn options(&self) -> &ApplyOptions {
        &self.options
    }

    fn blank(&self, plan: &HostPlan) -> Vec<StepReport> {
        Self::blank(self, plan)
    }

    fn run(&self, plan: Arc<HostPlan>, target: Target) -> BoxFuture<'_, HostReport> {
        Box::pin(async move { Self::run(self, &plan, &target).await })
    }

    fn lost(&self, plan: &HostPlan) -> HostReport {
        Self::lost(self, plan)
    }
}

/// Works through the waves of a plan's hosts. `failed` are hosts that get no turn and count as failures of their wave, so
/// that what a canary had to prove is not taken as proven.
pub(super) async fn run(
    work: Arc<dyn HostWork>,
    hosts: &[HostPlan],
    waves: &[Vec<HostName>],
    targets: Vec<Target>,
    failed: &BTreeSet<HostName>,
) -> RunReport {
    let mut targets: HashMap<HostName, Target> =
        targets.into_iter().map(|target| (target.host.clone(), target)).collect();
    let plans: HashMap<&HostName, &HostPlan> = hosts.iter().map(|host| (&host.host, host)).collect();
    let mut progress = Progress { work, reports: HashMap::new(), begun: 0, failed: 0, stopped: None };
    for wave in waves {
        let reached: Vec<_> =
            wave.iter().filter_map(|name| Some((*plans.get(name)?, targets.remove(name)?))).collect();
        let has_work =
            |name: &&HostName| plans.get(name).is_some_and(|it| it.steps.iter().any(Step::is_sent));
        let size = wave.iter().filter(has_work).count();
        let absent = wave.iter().filter(|name| failed.contains(*name)).count();
        progress.run_wave(reached, size, absent).await;
    }
    let hosts = hosts.iter().filter_map(|host| progress.reports.remove(&host.host)).collect();
    RunReport { hosts, stopped: progress.stopped }
}

struct Progress {
    work: Arc<dyn HostWork>,
    reports: HashMap<HostName, HostReport>,
    /// The hosts of the waves begun so far that have something to do, those done earlier too.
    begun: usize,
    failed: usize,
    stopped: Option<NotStarted>,
}

impl Progress {
    async fn run_wave(&mut self, hosts: Vec<(&HostPlan, Target)>, size: usize, absent: usize) {
        if self.stopped.is_none() {
            self.begun += size.max(hosts.len());
        }
        let names: Vec<HostName> = hosts.iter().map(|(plan, _)| plan.host.clone()).collect();
        let mut waiting = hosts.into_iter();
        let mut running = JoinSet::new();
        let mut plans = HashMap::new();
        let mut has_begun = false;
        loop {
            while running.len() < self.work.options().parallel.max(1) && !self.is_stopped() {
                let Some((plan, target)) = waiting.next() else { break };
                has_begun = true;
                // A copy for as long as the host is at work: a plan of many hosts is large.
                let plan = Arc::new(plan.clone());
                let (work, its_plan) = (Arc::clone(&self.work), Arc::clone(&plan));
                let task = running.spawn(async move { work.run(its_plan, target).await });
                plans.insert(task.id(), plan);
            }
            let Some(joined) = running.join_next_with_id().await else { break };
            let id = joined.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
            let Some(plan) = plans.remove(&id) else { continue };
            // A panic is a bug of ours; the other hosts go on, and this one is to be settled.
            let report = joined.map_or_else(|_| self.work.lost(&plan), |(_, report)| report);
            self.take(report);
        }
        for (plan, _) in waiting {
            let why = self.stopped.clone().unwrap_or(NotStarted::Stopped);
            let steps = self.work.blank(plan);
            let (host, outcome) = (plan.host.clone(), HostOutcome::NotStarted(why));
            self.reports.insert(plan.host.clone(), HostReport { host, outcome, steps, problem: None });
        }
        self.count_failures(absent);
        if has_begun && self.stopped.is_none() {
            self.check_health(&names).await;
        }
    }

    fn take(&mut self, report: HostReport) {
        let failures = usize::from(report.outcome.is_failure());
        self.reports.insert(report.host.clone(), report);
        self.count_failures(failures);
    }

    fn count_failures(&mut self, failures: usize) {
        self.failed += failures;
        if self.stopped.is_none() && self.work.options().failures.is_exceeded(self.failed, self.begun) {
            self.stopped = Some(NotStarted::TooManyFailures { failed: self.failed });
        }
    }

    fn is_stopped(&mut self) -> bool {
        if self.stopped.is_none() && self.work.options().stop.is_requested() {
            self.stopped = Some(NotStarted::Stopped);
        }
        self.stopped.is_some()
    }

    async fn check_health(&mut self, hosts: &[HostName]) {
        let reports = || hosts.iter().filter_map(|host| self.reports.get(host)).cloned().collect();
        if let Some(health) = &self.work.options().health
            && let Err(why) = health(reports()).await
        {
            self.stopped = Some(NotStarted::Unhealthy { why });
        }
    }
}
