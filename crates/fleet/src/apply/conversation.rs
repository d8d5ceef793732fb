//! Listening to one host's script.

use std::time::Duration;

use model::{HostPlan, StepOutcome};
use plan::Nonce;
use plan::apply::{ApplyEvent, OutcomeReader, Refusal, StepReport, acknowledgement};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout, timeout_at};

use super::host::{Task, Work, lost_problem};
use super::report::{Acknowledge, HostOutcome, HostReport, RunEventKind};
use crate::connector::ExecOutput;

/// How much longer than it should a host may say nothing.
const GRACE: Duration = Duration::from_secs(10);

/// What a host's script has said so far.
pub(super) struct Conversation<'a> {
    work: &'a Work,
    plan: &'a HostPlan,
    nonce: &'a Nonce,
    reader: OutcomeReader,
    printed: Receiver<Vec<u8>>,
    /// `None` once nothing more will be said to it: then its standard input ends.
    say: Option<Sender<Vec<u8>>>,
    /// How long connecting may take, jump hosts included.
    connecting: Duration,
    steps: Vec<StepReport>,
    began: bool,
    /// The step at work.
    open: Option<usize>,
    /// The last step that it told an end of.
    last: Option<usize>,
    ended: Option<Ended>,
    why_lost: &'static str,
}

/// How the script has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Refused(Refusal),
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        work: &'a Work,
        plan: &'a HostPlan,
        nonce: &'a Nonce,
        reader: OutcomeReader,
        printed: Receiver<Vec<u8>>,
        say: Sender<Vec<u8>>,
        connecting: Duration,
    ) -> Self {
        let steps = work.blank(plan);
        let why_lost = "the connection was lost before the host had told of its end";
        let say = Some(say);
        Self {
            work,
            plan,
            nonce,
            reader,
            printed,
            say,
            connecting,
            steps,
            began: false,
            open: None,
            last: None,
            ended: None,
            why_lost,
        }
    }

    /// Listens until the script is done, the connection ends, or the host is silent for too long. Says
    /// whether the host has come to its end.
    pub(super) async fn listen(&mut self, deadline: Instant) -> bool {
        while self.ended.is_none() {
            let silence = Instant::now() + self.silence();
            match timeout_at(deadline.min(silence), self.printed.recv()).await {
                Ok(Some(bytes)) => {
                    for event in self.reader.push(&bytes) {
                        self.take(event).await;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    self.why_lost = "the host said nothing for longer than its step may take";
                    self.printed.close();
                    self.say = None;
                    break;
                }
            }
        }
        self.ended.is_some()
    }

    /// Says whether the script was not heard at all.
    pub(super) fn is_silent(&self) -> bool {
        !self.began && self.ended.is_none()
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Returns all that is known of the host.
    pub(super) fn report(&self, output: Option<&ExecOutput>) -> HostReport {
        let mut steps = self.steps.clone();
        let mut problem = None;
        let outcome = match &self.ended {
            Some(Ended::Done) => self.outcome(),
            Some(Ended::Refused(refusal)) => HostOutcome::Refused(refusal.clone()),
            None => {
                problem = Some(lost_problem(&self.plan.host, self.why_lost, output));
                if let Some(step) = self.open.and_then(|open| steps.get_mut(open)) {
                    step.outcome = StepOutcome::InDoubt;
                }
                HostOutcome::InDoubt { last: self.last }
            }
        };
        HostReport { host: self.plan.host.clone(), outcome, steps, problem }
    }

    /// Returns the outcome of a host that came to its end.
    fn outcome(&self) -> HostOutcome {
        if matches!(self.work.task, Task::Settle) {
            return HostOutcome::Settled;
        }
        let is_stop = |step: &StepReport| {
            matches!(step.outcome, StepOutcome::Failed { .. } | StepOutcome::Stale { .. })
        };
        match self.steps.iter().position(is_stop) {
            Some(step) => HostOutcome::Stopped { step },
            None => HostOutcome::Done,
        }
    }

    async fn take(&mut self, event: ApplyEvent) {
        let host = &self.plan.host;
        match event {
            ApplyEvent::Began => {
                self.began = true;
                self.work.tell(host, RunEventKind::Began).await;
            }
            ApplyEvent::Left(run) => self.work.tell(host, RunEventKind::Left(run)).await,
            ApplyEvent::Started { step } => {
                self.open = Some(step);
                self.work.tell(host, RunEventKind::Started { step }).await;
            }
            ApplyEvent::Ended { step, report } => {
                (self.open, self.last) = (None, Some(step));
                if let Some(place) = self.steps.get_mut(step) {
                    *place = report.clone();
                }
                self.work.tell(host, RunEventKind::Ended { step, report }).await;
            }
            ApplyEvent::Refused(refusal) => {
                self.ended = Some(Ended::Refused(refusal));
                self.say = None;
            }
            ApplyEvent::Done => {
                self.ended = Some(Ended::Done);
                self.acknowledge().await;
                self.say = None;
            }
        }
    }

    /// Gives the report away, and lets the host forget it once it is on record.
    async fn acknowledge(&mut self) {
        let (acknowledge, recorded) = Acknowledge::new();
        let report = Box::new(self.report(None));
        self.work.tell(&self.plan.host, RunEventKind::Finished { report, acknowledge }).await;
        if let Ok(Ok(())) = timeout(self.work.options.apply.ack_limit, recorded).await
            && let Some(say) = &self.say
        {
            // Where the connection has ended, the host keeps its journal.
            say.send(acknowledgement(self.nonce)).await.ok();
        }
    }

    /// Returns how long the host may say nothing now.
    fn silence(&self) -> Duration {
        let apply = &self.work.options.apply;
        let probes = 2 * apply.probe_limit;
        let wait = match (self.began, self.open) {
            (false, _) => self.connecting.saturating_add(apply.lock_wait),
            (true, Some(open)) => self.plan.steps.get(open).map_or(probes, |step| step.time_limit + probes),
            (true, None) => apply.probe_limit,
        };
        wait.saturating_add(GRACE)
    }
}
