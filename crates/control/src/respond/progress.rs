//! How far an incident's plans have come, and what a run brought.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{Fix, HostName, IncidentId, Mark, RunId, Stage};
use store::{ClientScope, IncidentHostState, IncidentLink, NewMark, PlanId, RunHostState};

use super::canary::canaries;
use crate::apply::RunAnswer;
use crate::deploy::{SavedPlan, changes, saved_plan};
use crate::error::Error;
use crate::incident;
use crate::patch::{PatchFinding, Remedy};
use crate::session::Session;

/// Runs that are looked through for those of an incident's plans.
const RUNS_MAX: u32 = 1_000;

/// Where an incident stands, by its last plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Its last plan.
    pub saved: SavedPlan,
    /// A run of it that was lost and must be resumed first.
    pub lost: Option<RunId>,
    /// The canary hosts that have not been done.
    pub canaries: BTreeSet<HostName>,
    /// The others that have not been done.
    pub others: BTreeSet<HostName>,
    /// Hosts where a step failed or was stale: the same plan does not go on there.
    pub stopped: BTreeSet<HostName>,
    /// Those of them that are canaries. They hold the others of this plan for good: what is left needs a new one.
    pub held_by: BTreeSet<HostName>,
}

impl Progress {
    /// Says whether the plan has nothing left that it can do.
    pub fn is_over(&self) -> bool {
        self.lost.is_none() && self.canaries.is_empty() && self.others.is_empty()
    }
}

/// Returns where an incident stands; `None` = nothing is planned yet.
///
/// # Errors
/// [`Error::Store`].
pub async fn progress(session: &Session, id: IncidentId) -> Result<Option<Progress>, Error> {
    let scope = ClientScope::All;
    let incident = session.store.incident(&scope, id).await?;
    let Some(plan) = incident.plans.last() else { return Ok(None) };
    let saved = saved_plan(session, plan.as_str()).await?;
    let (mut done, mut stopped, mut lost) = (BTreeSet::new(), BTreeSet::new(), None);
    for run in runs_of(session, plan).await? {
        let detail = session.store.run(&scope, run.as_str()).await?;
        for host in detail.hosts {
            match host.state {
                RunHostState::Done => _ = done.insert(host.host),
                RunHostState::Stopped => _ = stopped.insert(host.host),
                RunHostState::Started | RunHostState::InDoubt => lost = Some(run.clone()),
                // Nothing was done there: the plan may be applied to it again.
                RunHostState::Waiting
                | RunHostState::Refused
                | RunHostState::Unreachable
                | RunHostState::NotStarted => {}
            }
        }
    }
    let declared = |name: &HostName| session.workspace.inventory.host(name.as_str()).is_some();
    let left: BTreeSet<HostName> = saved
        .plan
        .hosts
        .iter()
        .filter(|host| changes(host) > 0 && declared(&host.host))
        .map(|host| host.host.clone())
        .filter(|host| !done.contains(host) && !stopped.contains(host))
        .collect();
    let first: BTreeSet<&HostName> = canaries(&saved.plan).iter().collect();
    let held_by: BTreeSet<HostName> = stopped.iter().filter(|host| first.contains(host)).cloned().collect();
    let left = if held_by.is_empty() { left } else { BTreeSet::new() };
    let (canaries, others) = left.into_iter().partition(|host| first.contains(host));
    Ok(Some(Progress { saved, lost, canaries, others, stopped, held_by }))
}

/// Returns the runs of a plan, the first one first.
async fn runs_of(session: &Session, plan: &PlanId) -> Result<Vec<RunId>, Error> {
    let runs = session.store.runs(&ClientScope::All, RUNS_MAX).await?;
    let mut runs: Vec<RunId> = runs.into_iter().filter(|run| run.plan == *plan).map(|run| run.id).collect();
    runs.reverse();
    Ok(runs)
}

/// Keeps what a run brought: the run belongs to the incident, and hosts that came to their end are patched.
///
/// # Errors
/// [`Error::Store`].
pub async fn take_results(session: &Session, id: IncidentId, answer: &RunAnswer) -> Result<(), Error> {
    let now = session.clock.now();
    let done = answer.hosts.iter().filter(|host| host.state == RunHostState::Done);
    let done = done.map(|host| (host.host.clone(), now)).collect();
    take(session, id, &answer.run, &done).await
}

/// Keeps what runs of the incident's plans brought that nobody was there to note: `ifrit` ended between a run and
/// its note, or a person applied the plan by hand.
///
/// # Errors
/// [`Error::Store`].
pub async fn catch_up(session: &Session, id: IncidentId) -> Result<(), Error> {
    let scope = ClientScope::All;
    let incident = session.store.incident(&scope, id).await?;
    for plan in &incident.plans {
        for run in runs_of(session, plan).await? {
            let detail = session.store.run(&scope, run.as_str()).await?;
            let is_at_work = |state| {
                matches!(state, RunHostState::Waiting | RunHostState::Started | RunHostState::InDoubt)
            };
            let ended = detail.record.ended_at;
            if incident.runs.contains(&run)
                || (ended.is_none() && detail.hosts.iter().any(|host| is_at_work(host.state)))
            {
                continue;
            }
            let now = session.clock.now();
            let done = detail.hosts.iter().filter(|host| host.state == RunHostState::Done);
            let done = done.map(|host| (host.host.clone(), host.ended_at.or(ended).unwrap_or(now))).collect();
            take(session, id, &run, &done).await?;
        }
    }
    Ok(())
}

/// Notes that a run belongs to the incident, and which hosts it has patched when.
async fn take(
    session: &Session,
    id: IncidentId,
    run: &RunId,
    done: &BTreeMap<HostName, Timestamp>,
) -> Result<(), Error> {
    incident::link(session, id, IncidentLink::Run(run.clone())).await?;
    let known = session.store.incident(&ClientScope::All, id).await?;
    let (mut hosts, mut marks) = (Vec::new(), Vec::new());
    for mut host in known.hosts {
        let controller = controller(session, &host.host);
        let is_open = matches!(host.state, IncidentHostState::Vulnerable | IncidentHostState::Waits);
        let at = controller.and_then(|controller| done.get(&controller)).copied();
        if is_open && let Some(at) = at {
            let (client, name) = (Some(host.client.clone()), Some(host.host.clone()));
            marks.push(NewMark { mark: Mark::Patched, client, host: name, at });
            host.state = IncidentHostState::Patched;
            hosts.push(host);
        }
    }
    if !hosts.is_empty() {
        incident::mark(session, id, &marks).await?;
        incident::set_hosts(session, id, &hosts).await?;
    }
    if let Some(progress) = progress(session, id).await?
        && progress.held_by.is_empty()
    {
        if progress.canaries.is_empty() && progress.lost.is_none() {
            incident::advance(session, id, Stage::Canaried).await?;
        }
        if progress.is_over() {
            incident::advance(session, id, Stage::Applied).await?;
        }
    }
    Ok(())
}

/// Returns the declared host that a host or jail is logged in to by.
pub(super) fn controller(session: &Session, host: &HostName) -> Option<HostName> {
    let inventory = &session.workspace.inventory;
    if inventory.host(host.as_str()).is_some() {
        return Some(host.clone());
    }
    let (_, parent) = host.as_str().split_once('.')?;
    inventory.host(parent).map(|host| host.name.clone())
}

/// Says what is done about a finding.
pub(super) fn remedy_words(finding: &PatchFinding) -> String {
    match &finding.remedy {
        Some(Remedy::Upgrade { from, to, closes }) if closes.contains(&finding.id) => {
            format!("upgrade {from} -> {to}")
        }
        Some(Remedy::Upgrade { .. }) if finding.fix == Fix::NotYet => "no fix yet".to_owned(),
        Some(Remedy::Upgrade { to, .. }) => format!("not fixed in {to}"),
        Some(Remedy::NoCandidate { newest }) => match newest {
            Some(newest) => format!("fixed in {}, its repositories have {newest}", finding.fix),
            None => format!("fixed in {}, its repositories have nothing newer", finding.fix),
        },
        Some(Remedy::NoFix) => "no fix yet".to_owned(),
        Some(Remedy::Gone) => "not installed any more".to_owned(),
        Some(Remedy::Base) => "the base system's newest patch level".to_owned(),
        None => format!("fixed in {}; nothing is planned", finding.fix),
    }
}

/// Counts hosts by how they stand, in the order of the states.
pub fn counts(states: impl IntoIterator<Item = IncidentHostState>) -> BTreeMap<IncidentHostState, usize> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    counts
}
