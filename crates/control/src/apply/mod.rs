//! `ifrit apply` and `ifrit run`: runs of saved plans. The intent is on record before a host is touched, the
//! outcome before the host forgets it, and what was lost between the two is settled by `resume`.

mod claims;
mod health;
mod judge;
mod process;
mod recorder;
mod resume;
mod runs;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fleet::{ApplyOptions, ApplyRequest, FailureLimit, NotStarted, Target};
use jiff::Timestamp;
use model::{ClientName, ContentPiece, Host, HostName, HostPlan, Plan, Problem, RunId, SecretVersion};
use plan::{ApprovedPlan, Restart};
use store::{ClientScope, NewRun, PlanRecord, Via};
use tokio::sync::mpsc::{Sender, channel};

use crate::approve;
use crate::deploy::record::{Action, event, random};
use crate::deploy::{Connections, FixError, PlanId, load_plan};
use crate::error::Error;
use crate::reach::{Reached, reach};
use crate::scan::limits;
use crate::secrets::{Environment, Secrets};
use crate::session::Session;
use claims::{Claims, claim};
pub use fleet::{Contacts, StopSignal};
pub use plan::apply::StepReport;
use recorder::{Recorder, Task};
pub use resume::resume;
pub use runs::{HostLine, RunHost, RunLine, RunStep, RunView, StepText, run, runs};
pub use store::RunHostState;

/// How many events of a run may wait to be recorded: then the hosts wait.
const EVENTS_MAX: usize = 256;

/// How a run is to be done.
#[derive(Clone)]
pub struct Running {
    /// Hosts at the same time; `None` = as the settings say.
    pub parallel: Option<usize>,
    /// How many hosts may fail before no further one is started, `3` or `10%`; `None` = as the settings say.
    pub max_failures: Option<String>,
    /// Where secrets may come from.
    pub environment: Environment,
    /// Lets somebody stop it: hosts at work come to their end, no further one is started.
    pub stop: StopSignal,
    /// Only these hosts of the plan, the others later or never; `None` = all.
    pub only: Option<BTreeSet<HostName>>,
}

/// Something that happened at a host of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunUpdate {
    /// The host.
    pub host: HostName,
    /// What happened.
    pub kind: RunUpdateKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum RunUpdateKind {
    /// Another ifrit holds it, alive or dead, until then at least; its turn comes later.
    Held {
        /// When the claim ends, if nobody renews it.
        until: Timestamp,
    },
    /// Its turn has come.
    Connecting,
    /// Its script runs.
    Began,
    /// A step was reached.
    Started {
        /// Its place in the host's steps, from 0.
        step: usize,
    },
    /// A step has ended.
    Ended {
        /// Its place in the host's steps, from 0.
        step: usize,
        /// What came of it.
        report: StepReport,
    },
    /// Nothing more will come of it.
    Finished(Box<HostResult>),
    /// It restarts and is waited for; the steps that follow come then.
    Restarting,
}

/// What came of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostResult {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// How it ended.
    pub state: RunHostState,
    /// Why it ended so, where the steps do not say it.
    pub why: Option<Problem>,
    /// For each step of its plan.
    pub steps: Vec<StepReport>,
    /// How long it took, from its turn to its end.
    pub duration: Option<Duration>,
    /// What it cost, planning included where that was done in one go.
    pub contacts: Contacts,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunAnswer {
    /// The run.
    pub run: RunId,
    /// Its plan.
    pub plan_id: PlanId,
    /// What it was to do.
    pub plan: Arc<Plan>,
    /// One for each host that had something to do, in the plan's order.
    pub hosts: Vec<HostResult>,
    /// How many hosts of the plan had nothing to do.
    pub settled: usize,
    /// Why the run ended before its last wave by itself, or why the hosts of the last wave are not well.
    pub halted: Option<String>,
    /// What is wrong with the SSH configuration and known_hosts, whichever host it concerns.
    pub problems: Vec<Problem>,
}

/// Applies a saved plan, exactly as it was saved.
///
/// # Errors
/// [`FixError::NotApproved`]; [`FixError::PlanDamaged`]; [`Error::Store`] where the record cannot be
/// written: then no further host is started. What goes wrong at a host is a part of the answer.
pub async fn apply(
    session: &Session,
    plan_id: &str,
    running: &Running,
    connections: &Connections,
    updates: Sender<RunUpdate>,
) -> Result<RunAnswer, Error> {
    let (record, plan, _) = load_plan(session, plan_id).await?;
    let approved = approve::check(session, &record, plan, session.clock.now()).await?;
    let run = RunId::from_bytes(random()?);
    let (hosts, mut refused) = hosts_to_touch(session, approved.plan());
    let settled = approved.plan().hosts.len() - hosts.len() - refused.len();
    let is_wanted = |name: &HostName| running.only.as_ref().is_none_or(|only| only.contains(name));
    let hosts: Vec<&Host> = hosts.into_iter().filter(|host| is_wanted(&host.name)).collect();
    refused.retain(|result| is_wanted(&result.host));
    let names: Vec<HostName> = hosts.iter().map(|host| host.name.clone()).collect();
    let scope = ClientScope::All;
    let applied = session.store.hosts_applied(&scope, &record.id).await?;
    if let Some(run) = names.first().and_then(|name| applied.get(name))
        && names.iter().all(|name| applied.contains_key(name))
    {
        return Err(FixError::AlreadyApplied { id: record.id.to_string(), run: run.to_string() }.into());
    }
    let ready = Ready::new(session, run, record, approved, running).await?;
    if names.is_empty() {
        return Ok(ready.answer(refused, settled, Vec::new()));
    }
    ready.check_secrets(&names)?;
    let new = NewRun {
        id: &ready.run,
        plan: &ready.record.id,
        actor: &session.surroundings.person,
        via: Via::Cli,
        begun_at: session.clock.now(),
        hosts: &names,
    };
    session.store.begin_run(&new, &[ready.event(session, "run.begin")?]).await?;
    let Claims { claimed, refused: held } = claim(session, &ready, &names).await?;
    refused.extend(held);
    // Asked again with the claims in hand: another run of this plan may have come to its end just now.
    let applied = session.store.hosts_applied(&scope, &ready.record.id).await?;
    let (applied_before, claimed): (Vec<_>, Vec<_>) =
        claimed.into_iter().partition(|host| applied.contains_key(host));
    refused.extend(applied_before.iter().filter_map(|host| already(&ready, host, applied.get(host)?)));
    let Reached { targets, problems } = reach(session, &of_names(&hosts, &claimed)).await?;
    let recorder = Recorder::new(session, &ready, Task::Apply, updates).counting(connections);
    let failed = refused.iter().map(|result| result.host.clone()).collect();
    let open = Open { failed, ..Open::default() };
    let results = ready.work(session, recorder, targets, open, connections).await;
    let results = finish(session, &ready, results).await?;
    refused.extend(results);
    let mut problems = problems;
    problems.extend(crate::record::seal_after_run(session, &running.environment).await);
    Ok(ready.answer(refused, settled, problems))
}

/// Ends a run on record whatever came of it.
async fn finish<T>(session: &Session, ready: &Ready, results: Result<T, Error>) -> Result<T, Error> {
    let ended = match ready.event(session, "run.end") {
        Ok(record) => {
            session.store.end_run(&ready.run, session.clock.now(), &[record]).await.map_err(Error::from)
        }
        Err(error) => Err(error),
    };
    let released = session.store.release_claims(&ready.run).await;
    let results = results?;
    ended?;
    released?;
    Ok(results)
}

/// Returns the declared hosts of a plan that have something to do, and those that are no longer declared.
fn hosts_to_touch<'s>(session: &'s Session, plan: &Plan) -> (Vec<&'s Host>, Vec<HostResult>) {
    let (mut hosts, mut refused) = (Vec::new(), Vec::new());
    for host in plan.hosts.iter().filter(|host| crate::deploy::changes(host) > 0) {
        let declared = session.workspace.inventory.host(host.host.as_str());
        match declared.filter(|declared| declared.client == host.client) {
            Some(declared) => hosts.push(declared),
            None => {
                let why = claims::problem(&host.host, "it is no longer declared for this client: plan again");
                refused.push(claims::refused(&host.client, &host.host, why));
            }
        }
    }
    (hosts, refused)
}

/// Returns what a plan does to one of its hosts, which are sorted by name.
fn host_plan<'p>(plan: &'p Plan, host: &HostName) -> Option<&'p HostPlan> {
    let place = plan.hosts.binary_search_by(|plan| plan.host.cmp(host)).ok()?;
    plan.hosts.get(place)
}

/// A step without a guard would be done twice: a plan is applied to a host once.
fn already(ready: &Ready, host: &HostName, run: &RunId) -> Option<HostResult> {
    let why = claims::problem(host, &format!("run {run} has applied this plan to it already"));
    let why = why.with_hint("plan again for what is left to do".to_owned());
    Some(claims::refused(ready.clients.get(host)?, host, why))
}

/// Where a run begins, or goes on.
#[derive(Default)]
pub(crate) struct Open {
    /// What is known of the hosts' steps.
    earlier: recorder::Earlier,
    /// Hosts that may be about to restart still.
    restarts: BTreeMap<HostName, Restart>,
    /// Hosts that get no turn and are not well.
    failed: BTreeSet<HostName>,
    /// Whether steps in doubt may be taken again.
    rerun: bool,
}

fn of_names<'s>(hosts: &[&'s Host], names: &[HostName]) -> Vec<&'s Host> {
    let names: BTreeSet<&HostName> = names.iter().collect();
    hosts.iter().filter(|host| names.contains(&host.name)).copied().collect()
}

/// A run that is ready to go.
pub(crate) struct Ready {
    pub run: RunId,
    pub record: PlanRecord,
    pub plan: Arc<ApprovedPlan>,
    pub clients: BTreeMap<HostName, ClientName>,
    pub options: ApplyOptions,
    secrets: Arc<Secrets>,
    /// What takes the steps instead of ifrit's own script, where the plan is one of pyinfra.
    pyinfra: Option<crate::pyinfra::Engine>,
    halted: OnceLock<String>,
}

impl Ready {
    pub(crate) async fn new(
        session: &Session,
        run: RunId,
        record: PlanRecord,
        plan: ApprovedPlan,
        running: &Running,
    ) -> Result<Self, Error> {
        let settings = &session.workspace.settings;
        let pyinfra = crate::pyinfra::Engine::open(session, plan.plan()).await?;
        let failures = match &running.max_failures {
            Some(text) => failure_limit(text)?,
            None => FailureLimit::Percent(settings.deploy_failures_percent_max()),
        };
        let options = ApplyOptions {
            limits: limits(session),
            parallel: running.parallel.unwrap_or_else(|| match &pyinfra {
                Some(_) => settings.pyinfra_parallel(),
                None => settings.deploy_parallel(),
            }),
            host_deadline: Some(settings.deploy_host_timeout()),
            failures,
            stop: running.stop.clone(),
            ..ApplyOptions::default()
        };
        let secrets = Arc::new(Secrets::open(session, Arc::clone(&running.environment)).await?);
        let clients = plan.plan().hosts.iter().map(|host| (host.host.clone(), host.client.clone())).collect();
        let (plan, halted) = (Arc::new(plan), OnceLock::new());
        Ok(Self { run, record, plan, clients, options, secrets, pyinfra, halted })
    }

    /// Refuses a run that could do nothing at any host, because every one of them needs a secret that cannot be
    /// had as it was planned. Nothing is on record of it then.
    fn check_secrets(&self, hosts: &[HostName]) -> Result<(), Error> {
        let mut missing = BTreeSet::new();
        for host in self.plan.plan().hosts.iter().filter(|host| hosts.contains(&host.host)) {
            match secrets_of(host).find(|secret| self.secrets.value(secret).is_none()) {
                Some(secret) => drop(missing.insert(secret.name.clone())),
                None => return Ok(()),
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(FixError::SecretsChanged { names: missing.into_iter().collect() }.into()),
        }
    }

    /// Makes a record about the run as a whole.
    pub(crate) fn event(&self, session: &Session, action: &'static str) -> Result<store::NewRecord, Error> {
        event(session, self.action(action))
    }

    /// Returns what records about this run have in common.
    pub(crate) fn action(&self, action: &'static str) -> Action {
        Action {
            target: self.record.deploy.clone(),
            action,
            plan: Some(self.record.hash),
            commit: self.record.commit.clone(),
            more: [("run", self.run.as_str().into()), ("plan", self.record.id.as_str().into())]
                .into_iter()
                .chain(self.halted.get().map(|why| ("halted", why.as_str().into())))
                .collect(),
            ..Action::default()
        }
    }

    /// Applies the plan to hosts whose claims are held.
    pub(crate) async fn work(
        &self,
        session: &Session,
        recorder: Recorder<'_>,
        targets: Vec<Target>,
        open: Open,
        connections: &Connections,
    ) -> Result<Vec<HostResult>, Error> {
        let Open { earlier, restarts, mut failed, rerun } = open;
        let wanted: BTreeSet<HostName> = targets.iter().map(|target| target.host.clone()).collect();
        let targets = recorder.start(targets).await?;
        let started: BTreeSet<HostName> = targets.iter().map(|target| target.host.clone()).collect();
        failed.extend(wanted.difference(&started).cloned());
        let health = health::check(session, self, &targets, connections, recorder.updates());
        let options = ApplyOptions { health: Some(health), ..self.options.clone() };
        let secrets = Arc::clone(&self.secrets);
        let request = ApplyRequest {
            plan: Arc::clone(&self.plan),
            run: self.run.clone(),
            targets,
            earlier,
            restarts,
            failed,
            rerun,
            secrets: Arc::new(move |secret| secrets.value(secret)),
        };
        let (sender, receiver) = channel(EVENTS_MAX);
        let apply = async {
            match &self.pyinfra {
                Some(pyinfra) => pyinfra.apply(request, &options, sender).await,
                None => fleet::apply(request, connections.connector(), &options, sender).await,
            }
        };
        let (report, pending) = tokio::join!(apply, recorder.record(receiver));
        if let Some(why) = halted(report.stopped.as_ref()) {
            // A run works once: nothing was set before.
            self.halted.set(why).ok();
        }
        recorder.finish(pending, report).await
    }

    /// Joins everything to the answer, in the plan's order.
    pub(crate) fn answer(&self, hosts: Vec<HostResult>, settled: usize, problems: Vec<Problem>) -> RunAnswer {
        let plan = self.plan.shared();
        let mut by_name: BTreeMap<HostName, HostResult> =
            hosts.into_iter().map(|host| (host.host.clone(), host)).collect();
        let hosts = plan.hosts.iter().filter_map(|host| by_name.remove(&host.host)).collect();
        let (run, plan_id, halted) = (self.run.clone(), self.record.id.clone(), self.halted.get().cloned());
        RunAnswer { run, plan_id, plan, hosts, settled, halted, problems }
    }
}

/// Returns the secrets that a host's steps need.
fn secrets_of(host: &HostPlan) -> impl Iterator<Item = &SecretVersion> {
    let sent = host.steps.iter().filter(|step| step.is_sent());
    sent.flat_map(|step| &step.bodies).flat_map(|body| &body.0).filter_map(|piece| match piece {
        ContentPiece::Secret(secret) => Some(secret),
        ContentPiece::Plain(_) => None,
    })
}

/// Says why a run has ended by itself, where it did.
fn halted(stopped: Option<&NotStarted>) -> Option<String> {
    match stopped? {
        NotStarted::TooManyFailures { failed } => Some(format!("too many hosts have failed ({failed})")),
        NotStarted::Unhealthy { why } => Some(why.clone()),
        NotStarted::Stopped | NotStarted::NoScript(_) | NotStarted::NoNonce | NotStarted::Crashed => None,
    }
}

fn failure_limit(text: &str) -> Result<FailureLimit, Error> {
    let wrong = || Error::from(FixError::FailureLimit { given: text.escape_default().to_string() });
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse() {
            Ok(percent @ 0..=100) => Ok(FailureLimit::Percent(percent)),
            Ok(_) | Err(_) => Err(wrong()),
        },
        None => text.parse().map(FailureLimit::Hosts).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_limits_are_numbers_or_shares() {
        for (text, expected) in [
            ("0", Some(FailureLimit::Hosts(0))),
            ("12", Some(FailureLimit::Hosts(12))),
            ("10%", Some(FailureLimit::Percent(10))),
            ("100%", Some(FailureLimit::Percent(100))),
            ("101%", None),
            ("-1", None),
            ("", None),
            ("%", None),
            ("many", None),
        ] {
            assert_eq!(failure_limit(text).ok(), expected, "{text}");
        }
    }
}
