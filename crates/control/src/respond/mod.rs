//! `ifrit respond` and `ifrit drill`: an emergency from its advisory to the clients' reports.
//!
//! Each step here can be left and taken up again: what was done is read from the incident and its runs, what is
//! to be done from the last scan and the feeds. Nothing is done twice, because a plan is applied to a host once
//! and a run that was lost is resumed.

mod canary;
mod drill;
mod picture;
mod progress;
mod rank;
mod verdict;

use std::collections::BTreeSet;

use model::selector::Selector;
use model::{HostName, IncidentId, IncidentKind, Mark, Stage};
use store::{ClientScope, IncidentHost, IncidentHostState, IncidentLink, IncidentRecord, PlanId};

use crate::deploy::{Connections, LeftOut, PlanRequest, SavedPlan};
use crate::error::Error;
use crate::incident::{self, OpenIncident};
use crate::patch::{Order, PatchRequest, plan_patch};
use crate::secrets::Environment;
use crate::session::Session;
pub use canary::canaries;
pub use drill::{DrillTarget, most_urgent};
pub use picture::{Affected, Excepted, Picture, Unjudged, look};
pub use progress::{Progress, catch_up, counts, progress, take_results};
pub use rank::Standing;
pub use verdict::{Proof, prove};

/// What is responded to.
#[derive(Debug, Clone)]
pub struct RespondRequest {
    /// The incident to go on with; `None` = the one that is open for the same, or a new one.
    pub incident: Option<IncidentId>,
    /// Whether it is in earnest.
    pub kind: IncidentKind,
    /// Ids of vulnerabilities or advisories, or names of packages.
    pub words: Vec<String>,
    /// Whose hosts.
    pub scope: ClientScope,
    /// Which of them; `None` = all.
    pub selector: Option<Selector>,
    /// The deploy that closes it; `None` = the patch.
    pub deploy: Option<String>,
    /// Whether hosts that were changed are restarted.
    pub reboots: bool,
}

/// What is planned for an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The plan, saved; `None` = there is nothing that can be done now.
    pub saved: Option<SavedPlan>,
    /// Hosts that are not in it.
    pub left_out: Vec<LeftOut>,
    /// What is done about each finding: host, package, words.
    pub remedies: Vec<(HostName, String, String)>,
}

/// Returns the incident to go on with: the one that is asked for by its name, else the newest one that is open
/// about the same, for the same clients and the same choice of hosts.
///
/// What was asked for a part of the fleet must never touch the rest of it, so an incident of another part is not
/// gone on with; and a host that is being dealt with in one incident is not dealt with in a second one.
///
/// # Errors
/// [`Error::IncidentOverlaps`]; [`Error::Store`].
pub async fn open_already(
    session: &Session,
    request: &RespondRequest,
    picture: &Picture,
) -> Result<Option<IncidentId>, Error> {
    if request.incident.is_some() {
        return Ok(request.incident);
    }
    let selector = request.selector.as_ref().map(ToString::to_string);
    let about = incident::all_open_about(session, request.kind, &picture.ids).await?;
    if let Some(same) = about.iter().find(|it| it.scope == request.scope && it.selector == selector) {
        return Ok(Some(same.id));
    }
    for other in about {
        let detail = session.store.incident(&ClientScope::All, other.id).await?;
        let is_open = |it: &&Affected| {
            detail.hosts.iter().any(|known| known.host == it.host.host && !known.state.is_settled())
        };
        let mut both = picture.hosts.iter().filter(is_open).map(|it| &it.host.host);
        if let Some(host) = both.next() {
            let count = 1 + both.count();
            return Err(Error::IncidentOverlaps { id: other.id, of: of(&other), host: host.clone(), count });
        }
    }
    Ok(None)
}

/// Says in words which part of the fleet an incident is about.
fn of(incident: &IncidentRecord) -> String {
    let clients = match &incident.scope {
        ClientScope::All => "all clients".to_owned(),
        ClientScope::Only(clients) => {
            let names: Vec<&str> = clients.iter().map(|it| it.as_str()).collect();
            format!("client {}", names.join(", "))
        }
    };
    match &incident.selector {
        Some(selector) => format!("{clients} on {selector}"),
        None => clients,
    }
}

/// Opens the incident, or brings the one that is open up to date: hosts that are vulnerable now are added.
///
/// # Errors
/// As [`open_already`].
pub async fn open(
    session: &Session,
    request: &RespondRequest,
    picture: &Picture,
) -> Result<IncidentId, Error> {
    let hosts = picture.incident_hosts();
    if let Some(id) = open_already(session, request, picture).await? {
        let known = session.store.incident(&ClientScope::All, id).await?;
        let is_new = |host: &IncidentHost| {
            let known = known.hosts.iter().find(|it| it.host == host.host);
            known.is_none_or(|known| is_changed(known.state, host.state))
        };
        let new: Vec<IncidentHost> = hosts.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            incident::set_hosts(session, id, &new).await?;
        }
        return Ok(id);
    }
    let opened = OpenIncident {
        kind: request.kind,
        title: picture.title.clone(),
        ids: picture.ids.clone(),
        scope: request.scope.clone(),
        selector: request.selector.as_ref().map(ToString::to_string),
        words: request.words.clone(),
        deploy: request.deploy.clone(),
        hosts,
    };
    incident::open(session, &opened).await
}

/// Says whether what the last scan knows of a host changes how it stands in the incident. What was patched is
/// vulnerable by the last scan still, until it is looked at again.
fn is_changed(known: IncidentHostState, now: IncidentHostState) -> bool {
    let is_excepted_now = now == IncidentHostState::Excepted
        && matches!(known, IncidentHostState::Vulnerable | IncidentHostState::Unknown);
    known != now && (known.is_settled() || is_excepted_now)
}

/// Makes the plan that closes the incident: canary hosts first, then the others, the most urgent ones first.
/// Hosts with an exception are left alone.
///
/// # Errors
/// As [`crate::patch::plan_patch`] and [`crate::deploy::plan`].
pub async fn plan(
    session: &Session,
    id: IncidentId,
    request: &RespondRequest,
    picture: &Picture,
    environment: Environment,
    connections: &Connections,
) -> Result<Planned, Error> {
    incident::mark_now(session, id, Mark::Triaged).await?;
    let order = |changing: &BTreeSet<HostName>| canary::order(session, picture, changing);
    let planned = match &request.deploy {
        None => plan_patches(session, request, picture, &order, connections).await?,
        Some(deploy) => {
            let selector = picture.selector()?;
            let request = PlanRequest { deploy, selector: &selector, environment };
            let planned = crate::deploy::plan(session, &request, connections, None).await?;
            Planned { saved: Some(planned.saved), left_out: planned.left_out, remedies: Vec::new() }
        }
    };
    let hosts = picture.with_remedies(&planned);
    incident::set_hosts(session, id, &hosts).await?;
    if let Some(saved) = &planned.saved {
        incident::link(session, id, IncidentLink::Plan(saved.id.clone())).await?;
        incident::advance(session, id, Stage::Planned).await?;
    }
    Ok(planned)
}

async fn plan_patches(
    session: &Session,
    request: &RespondRequest,
    picture: &Picture,
    order: &(dyn Fn(&BTreeSet<HostName>) -> Order + Send + Sync),
    connections: &Connections,
) -> Result<Planned, Error> {
    let only: BTreeSet<HostName> = picture.hosts.iter().map(|it| it.host.host.clone()).collect();
    let patch = PatchRequest {
        words: &request.words,
        kev: false,
        selector: request.selector.as_ref(),
        refresh: true,
        reboots: request.reboots,
        order,
        only: Some(only),
    };
    let patch = plan_patch(session, &patch, connections).await?;
    let remedies = patch.findings.iter().map(|finding| {
        let words = progress::remedy_words(finding);
        (finding.host.clone(), finding.package.to_string(), words)
    });
    let remedies = remedies.collect();
    Ok(Planned { saved: patch.saved, left_out: patch.left_out, remedies })
}

/// Says whether a plan may be applied now: the settings ask for no approval of it, or one counts.
///
/// # Errors
/// [`Error::Store`].
pub async fn is_approved(session: &Session, plan: &PlanId) -> Result<bool, Error> {
    let (record, plan, _) = crate::deploy::load_plan(session, plan.as_str()).await?;
    match crate::approve::check(session, &record, plan, session.clock.now()).await {
        Ok(_) => Ok(true),
        Err(Error::Fix(crate::deploy::FixError::NotApproved { .. })) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts on record that the plan may be applied.
///
/// # Errors
/// [`Error::Store`].
pub async fn approved(session: &Session, id: IncidentId) -> Result<(), Error> {
    incident::mark_now(session, id, Mark::Approved).await?;
    incident::advance(session, id, Stage::Approved).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_that_was_declared_meanwhile_counts() {
        use IncidentHostState::{Excepted, NoFix, Patched, Verified, Vulnerable, Waits};
        let check = |known, now, expected| assert_eq!(is_changed(known, now), expected, "{known:?} {now:?}");
        check(Vulnerable, Excepted, true);
        check(Excepted, Vulnerable, true);
        check(Verified, Vulnerable, true);
        check(NoFix, Vulnerable, true);
        check(Vulnerable, Vulnerable, false);
        // The last scan was before the patch.
        check(Patched, Vulnerable, false);
        check(Patched, Excepted, false);
        check(Waits, Vulnerable, false);
    }
}
