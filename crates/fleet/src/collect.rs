//! Collecting facts of many hosts at the same time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{Code, Collection, HostName, Place, Problem};
use plan::{Answers, FactRequests, Nonce};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::connector::{ConnectError, Connector, ExecOutput};
use crate::limits::Limits;
use crate::target::Target;

/// How much longer than its time limit a connector may take to come back.
const GRACE: Duration = Duration::from_secs(2);
/// The characters of standard error quoted where a host answered nothing.
const STDERR_CHARS_MAX: usize = 200;

/// How far a run is. Reports that do not fit into the channel are dropped: each one stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The host that this report is about.
    pub host: HostName,
    /// What happened.
    pub state: ProgressState,
    /// How many hosts are finished.
    pub finished: usize,
    /// How many hosts there are.
    pub total: usize,
}

/// What happened to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressState {
    /// Its turn has come.
    Started,
    /// It is done.
    Finished {
        /// How many problems its collection has.
        problems: usize,
    },
}

/// Asks every target for its facts, [`Limits::concurrent_hosts_max`] at a time. Returns one
/// collection per target, in the order of the targets, each within [`Limits::host_timeout`] of its
/// start: a host that is dead, slow or lying costs its own collection only.
///
/// Cancellation: dropping the future ends all connections.
pub async fn collect(
    targets: &[Target],
    requests: &FactRequests,
    connector: Arc<dyn Connector>,
    limits: &Limits,
    progress: Option<Sender<Progress>>,
) -> Vec<Collection> {
    let asked: Vec<_> = targets.iter().map(|target| (target.clone(), requests.clone())).collect();
    collect_each(&asked, connector, limits, progress).await
}

/// As [`collect`], with its own questions for each target.
pub async fn collect_each(
    targets: &[(Target, FactRequests)],
    connector: Arc<dyn Connector>,
    limits: &Limits,
    progress: Option<Sender<Progress>>,
) -> Vec<Collection> {
    let work = Arc::new(Work::new(connector, limits));
    let mut collections: Vec<Option<Collection>> = targets.iter().map(|_| None).collect();
    let mut running = JoinSet::new();
    let mut indexes = HashMap::new();
    let mut waiting = targets.iter().enumerate();
    let mut report = Reporter::new(progress, targets.len());
    loop {
        while running.len() < limits.concurrent_hosts_max.max(1)
            && let Some((index, (target, requests))) = waiting.next()
        {
            report.started(&target.host);
            let (work, target, requests) = (Arc::clone(&work), target.clone(), requests.clone());
            let task = running.spawn(async move { work.collect_host(&target, &requests).await });
            indexes.insert(task.id(), (index, Timestamp::now()));
        }
        let Some(joined) = running.join_next_with_id().await else { break };
        let id = joined.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let Some((index, started_at)) = indexes.remove(&id) else { continue };
        let collection = match joined {
            Ok((_, collection)) => collection,
            // A panic is a bug of ours; the other hosts go on.
            Err(error) => crashed(&targets[index].0.host, started_at, &error),
        };
        report.finished(&collection);
        collections[index] = Some(collection);
    }
    collections.into_iter().flatten().collect()
}

/// What all hosts of a run share.
pub(crate) struct Work {
    connector: Arc<dyn Connector>,
    limits: Limits,
}

impl Work {
    pub(crate) fn new(connector: Arc<dyn Connector>, limits: &Limits) -> Self {
        Self { connector, limits: limits.clone() }
    }

    /// Asks one host, without reading what it answered.
    pub(crate) async fn ask(&self, target: &Target, requests: &FactRequests) -> Result<Answers, Problem> {
        let nonce = draw_nonce().map_err(|problem| problem(&target.host))?;
        let script = plan::script(requests, &nonce);
        let end = plan::end_of_answers(&nonce);
        let output =
            self.exec(target, &script, Some(&end)).await.map_err(|error| error.problem(&target.host))?;
        let answers = plan::read_answer(requests, &nonce, &output.stdout, output.end);
        if answers.is_empty() {
            let place = Place::Host { host: target.host.clone(), part: String::new() };
            let problem = Problem::new(Code::CollectCut, place, "the host answered none of the questions");
            return Err(problem.with_hint(explain(&output)));
        }
        Ok(answers)
    }

    /// Returns the problem of a host whose task broke.
    pub(crate) fn crashed(host: &HostName) -> Problem {
        let place = Place::Host { host: host.clone(), part: String::new() };
        Problem::new(Code::CollectCut, place, "a fault of ifrit ended the questions")
    }

    async fn collect_host(&self, target: &Target, requests: &FactRequests) -> Collection {
        let started_at = Timestamp::now();
        let nonce = match draw_nonce() {
            Ok(nonce) => nonce,
            Err(problem) => return failed(&target.host, started_at, problem(&target.host)),
        };
        let script = plan::script(requests, &nonce);
        match self.exec(target, &script, None).await {
            Ok(output) => read(target, requests, &nonce, started_at, &output),
            Err(error) => failed(&target.host, started_at, error.problem(&target.host)),
        }
    }

    /// Runs the script, again after a while where the connection was refused or reset before a
    /// byte of it was sent. With the end of the answer the shell may be kept.
    async fn exec(
        &self,
        target: &Target,
        script: &[u8],
        end: Option<&[u8]>,
    ) -> Result<ExecOutput, ConnectError> {
        let deadline = Instant::now() + self.limits.host_timeout;
        let mut backoff = self.limits.retry_backoff;
        let mut retries_left = self.limits.connect_retries_max;
        loop {
            let host_timeout = deadline.saturating_duration_since(Instant::now());
            let limits = Limits { host_timeout, ..self.limits.clone() };
            let exec = match end {
                Some(end) => self.connector.ask(target, script, end, &limits),
                None => self.connector.exec(target, script, &limits),
            };
            let result = match timeout(host_timeout + GRACE, exec).await {
                Ok(result) => result,
                Err(_) => return Err(ConnectError::Overdue { after: self.limits.host_timeout }),
            };
            let has_time = backoff < deadline.saturating_duration_since(Instant::now());
            match result {
                Err(error) if error.is_transient() && retries_left > 0 && has_time => {
                    sleep(backoff).await;
                    backoff *= 2;
                    retries_left -= 1;
                }
                result => return result,
            }
        }
    }
}

fn read(
    target: &Target,
    requests: &FactRequests,
    nonce: &Nonce,
    started_at: Timestamp,
    output: &ExecOutput,
) -> Collection {
    let answers = plan::read_answer(requests, nonce, &output.stdout, output.end);
    let mut collection = plan::collect_facts(&target.host, started_at, Timestamp::now(), &answers);
    if answers.is_empty()
        && let Some(problem) = collection.problems.first_mut()
    {
        problem.hint = Some(explain(output));
    }
    collection
}

/// Says what a host said instead of an answer (`This account is currently not available.`).
fn explain(output: &ExecOutput) -> String {
    let status = output.exit_status.map_or_else(String::new, |status| format!(" with exit status {status}"));
    let said = [&output.stderr, &output.stdout].into_iter().find(|text| !text.is_empty());
    let Some(said) = said else { return format!("the host answered nothing{status}") };
    let text = String::from_utf8_lossy(said);
    let quoted: String = text.trim().chars().take(STDERR_CHARS_MAX).flat_map(char::escape_debug).collect();
    format!("the host answered `{quoted}`{status}")
}

fn draw_nonce() -> Result<Nonce, impl FnOnce(&HostName) -> Problem> {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(Nonce::from_bytes(bytes)),
        Err(error) => Err(move |host: &HostName| {
            let place = Place::Host { host: host.clone(), part: String::new() };
            Problem::new(
                Code::CollectUnreachable,
                place,
                format!("this machine gives no random numbers: {error}"),
            )
        }),
    }
}

fn failed(host: &HostName, started_at: Timestamp, problem: Problem) -> Collection {
    Collection {
        host: host.clone(),
        started_at,
        finished_at: Timestamp::now(),
        os: None,
        kernel: None,
        packages: None,
        observed: model::Observed::default(),
        problems: vec![problem],
    }
}

fn crashed(host: &HostName, started_at: Timestamp, error: &tokio::task::JoinError) -> Collection {
    let place = Place::Host { host: host.clone(), part: String::new() };
    let problem =
        Problem::new(Code::CollectCut, place, format!("a fault of ifrit ended the collection: {error}"));
    failed(host, started_at, problem.with_hint("this is a bug; please report it with the host's output"))
}

pub(crate) struct Reporter {
    progress: Option<Sender<Progress>>,
    finished: usize,
    total: usize,
}

impl Reporter {
    pub(crate) fn new(progress: Option<Sender<Progress>>, total: usize) -> Self {
        Self { progress, finished: 0, total }
    }

    pub(crate) fn started(&self, host: &HostName) {
        self.send(host, ProgressState::Started);
    }

    fn finished(&mut self, collection: &Collection) {
        self.asked(&collection.host, collection.problems.len());
    }

    pub(crate) fn asked(&mut self, host: &HostName, problems: usize) {
        self.finished += 1;
        self.send(host, ProgressState::Finished { problems });
    }

    fn send(&self, host: &HostName, state: ProgressState) {
        if let Some(progress) = &self.progress {
            let report = Progress { host: host.clone(), state, finished: self.finished, total: self.total };
            // Full or gone: the run does not wait for who watches it.
            progress.try_send(report).ok();
        }
    }
}
