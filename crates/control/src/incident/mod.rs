//! Incidents: opening one, keeping its clocks, what people note about it, closing it.
//!
//! Whatever changes an incident is on record: a record of the incident names nobody's host, and each client
//! gets a record of its own.

mod change;
mod clocks;
mod deadline;
#[cfg(test)]
mod tests;
mod timeline;
mod view;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::{ClientName, HostName, IncidentId, IncidentKind, Mark, Stage, VulnerabilityId};
use store::{ClientScope, NewIncident, NewRecord};
pub use store::{
    IncidentFinding, IncidentHost, IncidentHostState, IncidentLink, IncidentMark, IncidentRecord, NewMark,
};

use crate::deploy::record::{Action, event};
use crate::error::Error;
use crate::session::Session;
pub use change::{advance, close, link, mark, mark_now, note, set_hosts};
pub use clocks::{CLOCKS, ClockLine, Spread, spread_of};
pub use deadline::{DeadlineStanding, DeadlineView, HostDeadline};
pub use timeline::TimelineEntry;
pub use view::{EvidenceView, ExceptionView, IncidentHostView, IncidentView, view};
pub use words::duration;

/// Incidents that a list holds at most.
const INCIDENTS_MAX: u32 = 1_000;

/// Hosts that a record names at most.
const HOSTS_RECORDED_MAX: usize = 2_000;

/// An incident to be opened.
#[derive(Debug, Clone)]
pub struct OpenIncident {
    /// Whether it is in earnest.
    pub kind: IncidentKind,
    /// One line for people.
    pub title: String,
    /// Every id of the vulnerability.
    pub ids: Vec<VulnerabilityId>,
    /// The clients that it is about.
    pub scope: ClientScope,
    /// Which hosts were asked for; `None` = all.
    pub selector: Option<String>,
    /// What the patch is asked for.
    pub words: Vec<String>,
    /// The deploy that closes it; `None` = the patch.
    pub deploy: Option<String>,
    /// Its hosts.
    pub hosts: Vec<IncidentHost>,
}

/// Opens an incident. Its clocks start with what is known: when a vendor published the advisory, when a feed
/// brought it, and for each host since when it has what is vulnerable.
///
/// # Errors
/// [`Error::Store`].
pub async fn open(session: &Session, new: &OpenIncident) -> Result<IncidentId, Error> {
    let now = session.clock.now();
    let mut marks = known_marks(session, &new.ids, now).await?;
    marks.extend(matched(session, &new.hosts, &marks, now).await?);
    let incident = NewIncident {
        kind: new.kind,
        title: &new.title,
        opened_at: now,
        opened_by: &session.surroundings.person,
        ids: &new.ids,
        scope: &new.scope,
        selector: new.selector.as_deref(),
        words: &new.words,
        deploy: new.deploy.as_deref(),
        hosts: &new.hosts,
        marks: &marks,
    };
    let ids: Vec<String> = new.ids.iter().map(ToString::to_string).collect();
    let opened = Action {
        action: "incident.open",
        reason: Some(new.title.clone()),
        more: vec![("kind", new.kind.as_str().into()), ("vulnerabilities", ids.into())],
        ..Action::default()
    };
    let mut records = vec![event(session, opened)?];
    records.extend(host_records(session, None, &new.hosts)?);
    Ok(session.store.open_incident(&incident, &records).await?)
}

/// Lists the incidents that a scope sees, the newest first.
///
/// # Errors
/// [`Error::ClientUnknown`]; [`Error::Store`].
pub async fn list(
    session: &Session,
    scope: &ClientScope,
    only_open: bool,
) -> Result<Vec<IncidentRecord>, Error> {
    require_known_clients(session, scope).await?;
    let mut found = session.store.incidents(scope, INCIDENTS_MAX).await?;
    found.retain(|it| !only_open || it.stage != Stage::Closed);
    Ok(found)
}

/// Reads an incident's name and checks that there is one.
///
/// # Errors
/// [`Error::NoIncident`]; [`Error::Store`].
pub async fn find(session: &Session, text: &str) -> Result<IncidentId, Error> {
    let none = || Error::NoIncident { given: text.escape_default().to_string() };
    let id = IncidentId::parse(text).ok_or_else(none)?;
    let found = session.store.incidents(&ClientScope::All, INCIDENTS_MAX).await?;
    found.iter().any(|it| it.id == id).then_some(id).ok_or_else(none)
}

/// Returns the last incident of a kind that is not closed and is about one of these ids.
///
/// # Errors
/// [`Error::Store`].
pub async fn open_about(
    session: &Session,
    kind: IncidentKind,
    ids: &[VulnerabilityId],
) -> Result<Option<IncidentId>, Error> {
    Ok(all_open_about(session, kind, ids).await?.first().map(|it| it.id))
}

/// Returns the incidents of a kind that are not closed and are about one of these ids, the newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn all_open_about(
    session: &Session,
    kind: IncidentKind,
    ids: &[VulnerabilityId],
) -> Result<Vec<IncidentRecord>, Error> {
    let is_about = |it: &IncidentRecord| it.ids.iter().any(|id| ids.iter().any(|asked| asked.same(id)));
    let mut found = list(session, &ClientScope::All, true).await?;
    found.retain(|it| it.kind == kind && is_about(it));
    Ok(found)
}

/// A mistyped client must not look like one without incidents.
async fn require_known_clients(session: &Session, scope: &ClientScope) -> Result<(), Error> {
    let ClientScope::Only(clients) = scope else { return Ok(()) };
    for client in clients {
        if !session.store.has_client(client).await? {
            return Err(Error::ClientUnknown { given: client.to_string() });
        }
    }
    Ok(())
}

/// Begins a record about an incident as a whole.
pub(crate) fn action(id: IncidentId, action: &'static str) -> Action {
    Action { target: id.to_string(), action, ..Action::default() }
}

/// When a vendor published the advisory (the day's beginning, in UTC) and when a feed brought it.
async fn known_marks(
    session: &Session,
    ids: &[VulnerabilityId],
    now: Timestamp,
) -> Result<Vec<NewMark>, Error> {
    let seen = session.store.first_known(ids).await?.filter(|at| *at <= now);
    let advisories = session.store.advisories_about(ids, None).await?;
    let day = advisories.iter().filter_map(|it| it.published).min();
    let published = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|at| at.timestamp());
    // A day that the feed knew of before it began is no moment on this clock.
    let published = published.filter(|at| seen.is_none_or(|seen| *at <= seen) && *at <= now);
    let of_incident =
        |(mark, at): (Mark, Option<Timestamp>)| Some(NewMark { mark, client: None, host: None, at: at? });
    Ok([(Mark::Published, published), (Mark::Seen, seen)].into_iter().filter_map(of_incident).collect())
}

/// Says for each vulnerable host when that could be known: when it had the package and the feeds the advisory.
async fn matched(
    session: &Session,
    hosts: &[IncidentHost],
    known: &[NewMark],
    now: Timestamp,
) -> Result<Vec<NewMark>, Error> {
    let seen = known.iter().find(|it| it.mark == Mark::Seen).map(|it| it.at);
    let since = session.store.installed_since(hosts).await?;
    let mark = |host: &IncidentHost| {
        let installed = since.get(&host.host).copied();
        NewMark {
            mark: Mark::Matched,
            client: Some(host.client.clone()),
            host: Some(host.host.clone()),
            at: seen.zip(installed).map_or(now, |(seen, installed)| seen.max(installed).min(now)),
        }
    };
    let is_matched = |host: &&IncidentHost| {
        !matches!(host.state, IncidentHostState::Unknown | IncidentHostState::NotAffected)
    };
    Ok(hosts.iter().filter(is_matched).map(mark).collect())
}

/// Makes one record for each client that says how its hosts stand. Without an incident's id the store fills
/// it in.
fn host_records(
    session: &Session,
    id: Option<IncidentId>,
    hosts: &[IncidentHost],
) -> Result<Vec<NewRecord>, Error> {
    let mut by_client: BTreeMap<&ClientName, BTreeMap<&HostName, IncidentHostState>> = BTreeMap::new();
    for host in hosts {
        by_client.entry(&host.client).or_default().insert(&host.host, host.state);
    }
    let record = |(client, hosts): (&ClientName, BTreeMap<&HostName, IncidentHostState>)| {
        let mut states = store::RecordBody::default();
        for (host, state) in hosts.iter().take(HOSTS_RECORDED_MAX) {
            states = states.with(host.as_str(), state.as_str());
        }
        let action = Action {
            client: Some(client.clone()),
            target: id.map(|id| id.to_string()).unwrap_or_default(),
            action: "incident.hosts",
            more: vec![
                ("count", i64::try_from(hosts.len()).unwrap_or(i64::MAX).into()),
                ("hosts", states.into()),
            ],
            ..Action::default()
        };
        event(session, action)
    };
    by_client.into_iter().map(record).collect()
}

/// The clients of some hosts.
fn clients_of(hosts: &[IncidentHost]) -> BTreeSet<&ClientName> {
    hosts.iter().map(|host| &host.client).collect()
}
