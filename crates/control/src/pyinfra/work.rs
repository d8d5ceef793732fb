//! One host of a run of a pyinfra plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fleet::{Acknowledge, ApplyOptions, HostOutcome, HostReport, HostWork, RunEvent, RunEventKind, Target};
use futures::future::BoxFuture;
use model::{Code, HostName, HostPlan, Problem, StepOutcome};
use plan::apply::StepReport;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::check;
use super::event::{Ending, Event, Operation};
use super::inventory::Reachable;
use super::process::{Next, Process, Said};
use super::stage::{Mode, Stage};
use super::steps::{Verdict, compare, is_guarded};
use super::tree;

/// How long a process may take to end after it was told that nothing is to be done.
const LEAVE: Duration = Duration::from_secs(10);
/// How long one host may take where no setting says it.
const HOST_DEADLINE: Duration = Duration::from_secs(3600);

/// What all hosts of a run share.
pub(super) struct Work {
    pub stage: Arc<Stage>,
    /// The hash of the files that the plan was made of.
    pub tree: String,
    /// [`Mode::Run`] applies, [`Mode::Dry`] settles.
    pub mode: Mode,
    pub options: ApplyOptions,
    pub earlier: BTreeMap<HostName, BTreeMap<usize, StepOutcome>>,
    pub events: Sender<RunEvent>,
}

impl HostWork for Work {
    fn options(&self) -> &ApplyOptions {
        &self.options
    }

    fn blank(&self, plan: &HostPlan) -> Vec<StepReport> {
        let earlier = self.earlier.get(&plan.host);
        let outcome = |(number, step): (usize, &model::Step)| {
            let told = earlier.and_then(|earlier| earlier.get(&number)).cloned();
            let quiet = if step.is_sent() { StepOutcome::NotReached } else { StepOutcome::Unchanged };
            StepReport::silent(told.unwrap_or(quiet))
        };
        plan.steps.iter().enumerate().map(outcome).collect()
    }

    fn run(&self, plan: Arc<HostPlan>, _target: Target) -> BoxFuture<'_, HostReport> {
        Box::pin(async move {
            self.tell(&plan.host, RunEventKind::Connecting).await;
            let report = match self.start(&plan).await {
                Ok(process) => Host::new(self, &plan).listen(process).await,
                Err(problem) => self.report(&plan, self.nothing_done(), Some(problem)),
            };
            let finished =
                RunEventKind::Finished { report: Box::new(report.clone()), acknowledge: Acknowledge::idle() };
            self.tell(&plan.host, finished).await;
            report
        })
    }

    fn lost(&self, plan: &HostPlan) -> HostReport {
        let why = "a fault of ifrit ended the work at this host";
        let problem = check::problem(&plan.host, Code::ApplyInDoubt, why);
        self.report(plan, HostOutcome::InDoubt { last: None }, Some(problem))
    }
}

impl Work {
    /// Starts pyinfra for a host, or says why it must not be.
    async fn start(&self, plan: &HostPlan) -> Result<Process, Problem> {
        let host = &plan.host;
        let name = match self.stage.reachable(host) {
            Some(Reachable::Named(name)) => name,
            Some(Reachable::Refused(problem)) => return Err(problem.clone()),
            None => return Err(check::problem(host, Code::PyinfraFailed, "it is not declared")),
        };
        self.check_files(host).await?;
        let deadline = Instant::now() + self.host_deadline();
        Process::start(self.stage.command(self.mode, name), &self.stage.nonce, deadline).map_err(|error| {
            check::problem(host, Code::PyinfraFailed, format!("pyinfra cannot be started: {error}"))
        })
    }

    fn host_deadline(&self) -> Duration {
        self.options.host_deadline.unwrap_or(HOST_DEADLINE)
    }

    /// Looks at the deploy's files again: a run may take long, and somebody may edit them.
    async fn check_files(&self, host: &HostName) -> Result<(), Problem> {
        let directory = self.stage.directory().to_owned();
        let hash = tokio::task::spawn_blocking(move || tree::hash(&directory)).await;
        let why = match hash {
            Ok(Ok(tree)) if tree == self.tree => return Ok(()),
            Ok(Ok(_)) => "the deploy's files were changed while the run went on".to_owned(),
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        Err(check::problem(host, Code::PyinfraFailed, why))
    }

    /// How a host stands that was not reached: one in doubt stays so.
    fn nothing_done(&self) -> HostOutcome {
        match self.mode {
            Mode::Run => HostOutcome::Unreachable,
            Mode::Dry => HostOutcome::InDoubt { last: None },
        }
    }

    async fn tell(&self, host: &HostName, kind: RunEventKind) {
        // A receiver that is gone has no more wishes; the host goes on to its end.
        self.events.send(RunEvent { host: host.clone(), kind }).await.ok();
    }

    fn report(&self, plan: &HostPlan, outcome: HostOutcome, problem: Option<Problem>) -> HostReport {
        HostReport { host: plan.host.clone(), outcome, steps: self.blank(plan), problem }
    }
}

/// What is known of a host while pyinfra works on it.
struct Host<'w> {
    work: &'w Work,
    plan: &'w HostPlan,
    steps: Vec<StepReport>,
    is_connected: bool,
    /// Whether pyinfra was told to begin.
    has_begun: bool,
    running: Option<(usize, Instant)>,
    was_lost: bool,
    /// What was decided before anything was done.
    decided: Option<HostOutcome>,
}

impl<'w> Host<'w> {
    fn new(work: &'w Work, plan: &'w HostPlan) -> Self {
        Self {
            work,
            plan,
            steps: work.blank(plan),
            is_connected: false,
            has_begun: false,
            running: None,
            was_lost: false,
            decided: None,
        }
    }

    async fn listen(mut self, mut process: Process) -> HostReport {
        let limit = self.work.host_deadline().as_secs();
        loop {
            let next = match self.decided {
                Some(_) => tokio::time::timeout(LEAVE, process.next()).await.unwrap_or(Next::Overdue),
                None => process.next().await,
            };
            match next {
                Next::Event(event) => self.take(event, &mut process).await,
                Next::Ended { is_success } => return self.end(is_success, process.said()),
                Next::Overdue => {
                    let why = format!("it was not done after {limit} s, and pyinfra was ended");
                    return self.cut(&why);
                }
                Next::TooMuch => return self.cut("pyinfra printed more than is read, and was ended"),
            }
        }
    }

    async fn take(&mut self, event: Event, process: &mut Process) {
        match event {
            Event::Connected { .. } => self.is_connected = true,
            Event::Prepared { operations } => match self.work.mode {
                Mode::Run => self.begin(&operations, process).await,
                Mode::Dry => self.settle(&operations, process).await,
            },
            Event::Started { operation } if self.has_begun && operation < self.steps.len() => {
                self.running = Some((operation, Instant::now()));
                self.tell(RunEventKind::Started { step: operation }).await;
            }
            Event::Ended(ending) if self.has_begun && ending.operation < self.steps.len() => {
                self.ended(ending).await;
            }
            Event::Started { .. } | Event::Ended(_) => {}
        }
    }

    /// Lets pyinfra begin where the host is as it was planned.
    async fn begin(&mut self, operations: &[Operation], process: &mut Process) {
        match compare(&self.plan.steps, operations) {
            Verdict::AsPlanned => {
                self.has_begun = true;
                self.tell(RunEventKind::Began).await;
                process.answer("go").await;
            }
            Verdict::Done => {
                for step in 0..self.steps.len() {
                    self.decide(step, StepOutcome::Unchanged).await;
                }
                self.decided = Some(HostOutcome::Done);
                process.hang_up();
            }
            Verdict::Stale { step, found } => {
                self.decide(step, StepOutcome::Stale { found }).await;
                self.decided = Some(HostOutcome::Stopped { step });
                process.hang_up();
            }
        }
    }

    /// Says what came of the steps of a host in doubt: what pyinfra finds nothing to do for is done.
    async fn settle(&mut self, operations: &[Operation], process: &mut Process) {
        process.hang_up();
        self.decided = Some(HostOutcome::Settled);
        for number in 0..self.steps.len() {
            let Some(step) = self.plan.steps.get(number).filter(|step| step.is_sent()) else { continue };
            let is_known =
                matches!(self.steps[number].outcome, StepOutcome::Changed | StepOutcome::Unchanged);
            let is_open = operations.get(number).is_none_or(|operation| operation.changes);
            let was_started = self.steps[number].outcome == StepOutcome::InDoubt;
            let failed = |why: &str| StepOutcome::Failed { status: None, why: why.to_owned() };
            let outcome = match (is_known, is_open) {
                (true, _) => continue,
                (false, false) if was_started => StepOutcome::Changed,
                (false, false) => StepOutcome::Unchanged,
                (false, true) if !is_guarded(step) => {
                    failed("it may have been done, and nothing tells; look at the host, then plan again")
                }
                (false, true) => failed("it is still to be done; plan again"),
            };
            self.decide(number, outcome).await;
        }
    }

    async fn decide(&mut self, step: usize, outcome: StepOutcome) {
        let report = StepReport::silent(outcome);
        if let Some(slot) = self.steps.get_mut(step) {
            *slot = report.clone();
            self.tell(RunEventKind::Ended { step, report }).await;
        }
    }

    async fn ended(&mut self, ending: Ending) {
        let step = ending.operation;
        let duration = self.running.take().filter(|(at, _)| *at == step).map(|(_, since)| since.elapsed());
        self.was_lost |= ending.lost && !ending.succeeded;
        let outcome = match (ending.succeeded, ending.changed, ending.lost) {
            (true, true, _) => StepOutcome::Changed,
            (true, false, _) => StepOutcome::Unchanged,
            (false, _, true) => StepOutcome::InDoubt,
            (false, _, false) => {
                StepOutcome::Failed { status: None, why: "pyinfra says that it failed".to_owned() }
            }
        };
        let (stdout, stderr) = (ending.stdout.into_bytes(), ending.stderr.into_bytes());
        let report = StepReport { outcome, duration, stdout, stderr };
        self.steps[step] = report.clone();
        self.tell(RunEventKind::Ended { step, report }).await;
    }

    /// Says what came of the host, of which nothing more will be heard.
    fn end(mut self, is_success: bool, said: &Said) -> HostReport {
        if let Some(outcome) = self.decided.take() {
            return self.report(outcome, None);
        }
        let host = &self.plan.host;
        if !self.has_begun {
            let problem = match self.is_connected {
                false => check::unreachable(host, said),
                true => check::failed(host, "pyinfra ended before it began", said),
            };
            let outcome = self.work.nothing_done();
            return self.report(outcome, Some(problem));
        }
        let failed = self.steps.iter().position(|step| matches!(step.outcome, StepOutcome::Failed { .. }));
        if is_success && self.running.is_none() && !self.was_lost {
            if let Some(StepReport { outcome: StepOutcome::Failed { why, .. }, .. }) =
                failed.map(|step| &mut self.steps[step])
            {
                why.push_str(", and the deploy goes on all the same");
            }
            return self.report(HostOutcome::Done, None);
        }
        match failed {
            Some(step) if !self.was_lost && self.running.is_none() => {
                let report = &mut self.steps[step];
                if report.stdout.is_empty() && report.stderr.is_empty() {
                    report.stderr = said.bytes().to_vec();
                }
                self.report(HostOutcome::Stopped { step }, None)
            }
            _ => {
                let problem = check::failed(host, "pyinfra was cut off", said);
                self.in_doubt(Problem { code: Code::ApplyInDoubt, ..problem })
            }
        }
    }

    /// Says what came of the host where pyinfra did not come to its end by itself.
    fn cut(mut self, why: &str) -> HostReport {
        let host = &self.plan.host;
        match (self.decided.take(), self.has_begun) {
            (Some(outcome), _) => self.report(outcome, None),
            (None, false) => {
                let problem = check::problem(host, Code::PyinfraOverdue, format!("{why}; nothing was done"));
                let outcome = self.work.nothing_done();
                self.report(outcome, Some(problem))
            }
            (None, true) => self.in_doubt(check::problem(host, Code::ApplyInDoubt, why)),
        }
    }

    fn in_doubt(mut self, problem: Problem) -> HostReport {
        if let Some((step, _)) = self.running {
            self.steps[step] = StepReport::silent(StepOutcome::InDoubt);
        }
        let is_over =
            |step: &StepReport| matches!(step.outcome, StepOutcome::Changed | StepOutcome::Unchanged);
        let last = self.steps.iter().rposition(|step| is_over(step) && step.duration.is_some());
        let hint = "`ifrit run resume` asks pyinfra what is still to be done there";
        self.report(HostOutcome::InDoubt { last }, Some(problem.with_hint(hint)))
    }

    fn report(self, outcome: HostOutcome, problem: Option<Problem>) -> HostReport {
        HostReport { host: self.plan.host.clone(), outcome, steps: self.steps, problem }
    }

    async fn tell(&self, kind: RunEventKind) {
        self.work.tell(&self.plan.host, kind).await;
    }
}
