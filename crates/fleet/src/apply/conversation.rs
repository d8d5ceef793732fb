//! Listening to one host's script.

use std::time::Duration;

use model::{HostPlan, Problem, StepOutcome};
use plan::apply::{ApplyEvent, OutcomeReader, Refusal, StepReport, acknowledgement};
use plan::{Nonce, StreamEnd};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout, timeout_at};

use super::host::{Task, Work};
use super::leg::Leg;
use super::loss::{Lost, Why};
use super::report::{Acknowledge, HostOutcome, HostReport, RunEventKind};
use crate::connector::ExecOutput;
use crate::limits::LINK_BYTES_PER_SEC;

/// How much longer than it should a host may say nothing.
const GRACE: Duration = Duration::from_secs(10);

/// What a host's script has said so far.
pub(super) struct Conversation<'a> {
    work: &'a Work,
    /// The host's whole plan.
    plan: &'a HostPlan,
    /// What of it this script takes.
    leg: &'a Leg<'a>,
    nonce: &'a Nonce,
    reader: OutcomeReader,
    printed: Receiver<Vec<u8>>,
    /// `None` once nothing more will be said to it: then its standard input ends.
    say: Option<Sender<Vec<u8>>>,
    /// How long connecting and sending the script may take, jump hosts included.
    connecting: Duration,
    /// What is known of each step of the whole plan.
    steps: Vec<StepReport>,
    began: bool,
    /// The step at work.
    open: Option<usize>,
    /// The last step that it told an end of.
    last: Option<usize>,
    ended: Option<Ended>,
    why_lost: Why,
}

/// What one script is about.
pub(super) struct About<'a> {
    /// The host's whole plan.
    pub plan: &'a HostPlan,
    pub leg: &'a Leg<'a>,
    /// What is known of each step of the whole plan.
    pub steps: Vec<StepReport>,
    pub nonce: &'a Nonce,
    pub reader: OutcomeReader,
    /// The bytes of the script.
    pub bytes: usize,
    /// How long connecting may take, jump hosts included.
    pub connecting: Duration,
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
        about: About<'a>,
        printed: Receiver<Vec<u8>>,
        say: Sender<Vec<u8>>,
    ) -> Self {
        let About { plan, leg, steps, nonce, reader, bytes, connecting } = about;
        let sending = u64::try_from(bytes / LINK_BYTES_PER_SEC).unwrap_or(u64::MAX);
        Self {
            work,
            plan,
            leg,
            nonce,
            reader,
            printed,
            say: Some(say),
            connecting: connecting.saturating_add(Duration::from_secs(sending)),
            steps,
            began: false,
            open: None,
            last: None,
            ended: None,
            why_lost: Why::Disconnected,
        }
    }

    /// Listens until the script is done, the connection ends, or the host is silent for too long. Says
    /// whether the host has come to its end.
    pub(super) async fn listen(&mut self, deadline: Instant) -> bool {
        while self.ended.is_none() {
            let limit = self.silence();
            let silence = Instant::now() + limit;
            match timeout_at(deadline.min(silence), self.printed.recv()).await {
                Ok(Some(bytes)) => {
                    for event in self.reader.push(&bytes) {
                        self.take(event).await;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    self.why_lost = match silence < deadline {
                        true => Why::Silent(limit),
                        false => Why::Overdue(self.work.host_limit(self.plan)),
                    };
                    self.printed.close();
                    self.say = None;
                    break;
                }
            }
        }
        // Nothing that could follow is of interest: nobody waits for it.
        if self.ended.is_some() {
            self.printed.close();
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
                problem = Some(self.lost(output));
                if let Some(step) = self.open.and_then(|open| steps.get_mut(open)) {
                    step.outcome = StepOutcome::InDoubt;
                }
                HostOutcome::InDoubt { last: self.last }
            }
        };
        HostReport { host: self.plan.host.clone(), outcome, steps, problem }
    }

    fn lost(&self, output: Option<&ExecOutput>) -> Problem {
        let why = match (self.why_lost, output.map(|output| output.end)) {
            // The connector's own clock may have struck first.
            (Why::Disconnected, Some(StreamEnd::TimedOut)) => Why::Overdue(self.work.host_limit(self.plan)),
            (why, _) => why,
        };
        let (run, plan, open, has_begun) = (&self.work.run, self.plan, self.open, self.began);
        Lost { run, plan, has_begun, open, why }.problem(output)
    }

    /// Says whether the host goes on after this script.
    pub(super) fn is_halfway(&self) -> bool {
        !self.leg.is_last && self.ended == Some(Ended::Done) && self.outcome() == HostOutcome::Done
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
                let is_recorded = self.acknowledge().await;
                // What is not on record must not be built upon.
                if !is_recorded && self.is_halfway() {
                    (self.ended, self.why_lost) = (None, Why::Unrecorded);
                    self.printed.close();
                }
                self.say = None;
            }
        }
    }

    /// Gives the report away, and lets the host forget it once it is on record. Says whether it is.
    async fn acknowledge(&mut self) -> bool {
        let (acknowledge, recorded) = Acknowledge::new();
        let report = Box::new(self.report(None));
        let kind = match self.is_halfway() {
            true => RunEventKind::Halfway { report, acknowledge },
            false => RunEventKind::Finished { report, acknowledge },
        };
        self.work.tell(&self.plan.host, kind).await;
        let is_recorded = matches!(timeout(self.work.options.apply.ack_limit, recorded).await, Ok(Ok(())));
        if is_recorded && let Some(say) = &self.say {
            // Where the connection has ended, the host keeps its journal.
            say.send(acknowledgement(self.nonce)).await.ok();
        }
        is_recorded
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
