//! What changes in an incident after it was opened.

use std::collections::BTreeMap;

use model::{ClientName, IncidentId, Mark, Stage};
use store::{ClientScope, IncidentHost, IncidentLink, NewMark, RecordBody};

use super::{HOSTS_RECORDED_MAX, action, clients_of, host_records, matched};
use crate::deploy::record::{Action, event};
use crate::error::Error;
use crate::session::Session;

/// The longest note or reason, in bytes.
const NOTE_BYTES_MAX: usize = 4_000;

/// Hosts that an error names; the others are counted.
const HOSTS_NAMED_MAX: usize = 5;

/// Notes something about an incident, for a client's time line or for the team alone.
///
/// # Errors
/// [`Error::IncidentText`] for a text that is empty or too long; [`Error::Store`].
pub async fn note(
    session: &Session,
    id: IncidentId,
    text: &str,
    client: Option<&ClientName>,
) -> Result<(), Error> {
    let text = sound("note", text)?;
    let note =
        Action { client: client.cloned(), reason: Some(text.to_owned()), ..action(id, "incident.note") };
    session.store.append(&event(session, note)?).await?;
    Ok(())
}

/// Closes an incident. Every host must be verified, excepted, without a fix or not affected any more, unless
/// it is forced.
///
/// # Errors
/// [`Error::IncidentOpen`] names hosts that are none of these, [`Error::IncidentClosed`];
/// [`Error::IncidentText`] for a reason that is empty or too long; [`Error::Store`].
pub async fn close(session: &Session, id: IncidentId, reason: &str, is_forced: bool) -> Result<(), Error> {
    let reason = sound("reason", reason)?;
    let detail = session.store.incident(&ClientScope::All, id).await?;
    if detail.record.stage == Stage::Closed {
        return Err(Error::IncidentClosed { id });
    }
    let open: Vec<&IncidentHost> = detail.hosts.iter().filter(|host| !host.state.is_settled()).collect();
    if !open.is_empty() && !is_forced {
        let named = open.iter().take(HOSTS_NAMED_MAX);
        let hosts = named.map(|host| format!("{} ({})", host.host, host.state.as_str())).collect();
        return Err(Error::IncidentOpen { id, hosts, count: open.len() });
    }
    let mut more = vec![("open_hosts", i64::try_from(open.len()).unwrap_or(i64::MAX).into())];
    more.extend((is_forced && !open.is_empty()).then(|| ("forced", true.into())));
    let closed = Action { reason: Some(reason.to_owned()), more, ..action(id, "incident.close") };
    let mut records = vec![event(session, closed)?];
    for client in clients_of(&detail.hosts) {
        let closed = Action { client: Some(client.clone()), ..action(id, "incident.close") };
        records.push(event(session, closed)?);
    }
    let now = session.clock.now();
    session.store.set_incident_stage(id, Stage::Closed, Some(now), &records).await?;
    // What goes wrong with anchors shows in `ifrit audit verify`.
    drop(crate::record::seal_after(session, None).await);
    Ok(())
}

/// Notes that an incident has reached a stage. It never goes back: what was reached before changes nothing.
/// Closing it is [`close`]'s.
///
/// # Errors
/// [`Error::Store`].
pub async fn advance(session: &Session, id: IncidentId, stage: Stage) -> Result<(), Error> {
    let reached = session.store.incident(&ClientScope::All, id).await?.record.stage;
    if stage <= reached || stage == Stage::Closed {
        return Ok(());
    }
    let more = vec![("stage", stage.as_str().into()), ("before", reached.as_str().into())];
    let record = event(session, Action { more, ..action(id, "incident.stage") })?;
    session.store.set_incident_stage(id, stage, None, &[record]).await?;
    Ok(())
}

/// Sets marks on the clocks of an incident. The first of a kind at a place counts; those that are there
/// already are neither set nor recorded again.
///
/// # Errors
/// [`Error::Store`].
pub async fn mark(session: &Session, id: IncidentId, marks: &[NewMark]) -> Result<(), Error> {
    let known = session.store.incident(&ClientScope::All, id).await?.marks;
    let is_new = |mark: &&NewMark| {
        !known.iter().any(|it| (it.mark, &it.client, &it.host) == (mark.mark, &mark.client, &mark.host))
    };
    let marks: Vec<NewMark> = marks.iter().filter(is_new).cloned().collect();
    if marks.is_empty() {
        return Ok(());
    }
    let mut by_client: BTreeMap<(&Option<ClientName>, Mark), Vec<&NewMark>> = BTreeMap::new();
    for mark in &marks {
        by_client.entry((&mark.client, mark.mark)).or_default().push(mark);
    }
    let mut records = Vec::new();
    for ((client, mark), marks) in by_client {
        let mut hosts = RecordBody::default();
        for (host, at) in
            marks.iter().filter_map(|it| Some((it.host.as_ref()?, it.at))).take(HOSTS_RECORDED_MAX)
        {
            hosts = hosts.with(host.as_str(), at.to_string());
        }
        let mut more = vec![("mark", mark.as_str().into())];
        match marks.iter().find(|it| it.host.is_none()) {
            Some(own) => more.push(("at", own.at.to_string().into())),
            None => more.push(("hosts", hosts.into())),
        }
        records.push(event(session, Action { client: client.clone(), more, ..action(id, "incident.mark") })?);
    }
    session.store.add_marks(id, &marks, &records).await?;
    Ok(())
}

/// Sets a mark of the incident itself, now.
///
/// # Errors
/// As [`mark`].
pub async fn mark_now(session: &Session, id: IncidentId, mark: Mark) -> Result<(), Error> {
    let mark_now = NewMark { mark, client: None, host: None, at: session.clock.now() };
    self::mark(session, id, &[mark_now]).await
}

/// Adds hosts to an incident, or says anew how they stand. What has not changed is not recorded again; new
/// hosts are marked as matched.
///
/// # Errors
/// [`Error::Store`].
pub async fn set_hosts(session: &Session, id: IncidentId, hosts: &[IncidentHost]) -> Result<(), Error> {
    let known = session.store.incident(&ClientScope::All, id).await?;
    let before = |host: &IncidentHost| {
        known.hosts.iter().find(|it| (&it.client, &it.host) == (&host.client, &host.host))
    };
    let changed: Vec<IncidentHost> =
        hosts.iter().filter(|host| before(host).is_none_or(|it| it.state != host.state)).cloned().collect();
    let records = host_records(session, Some(id), &changed)?;
    session.store.set_incident_hosts(id, hosts, &records).await?;
    let marks = matched(session, &changed, &known.marks, session.clock.now()).await?;
    let is_unmarked = |mark: &&NewMark| {
        !known
            .marks
            .iter()
            .any(|it| it.mark == Mark::Matched && (&it.client, &it.host) == (&mark.client, &mark.host))
    };
    let marks: Vec<NewMark> = marks.iter().filter(is_unmarked).cloned().collect();
    if !marks.is_empty() {
        session.store.add_marks(id, &marks, &[]).await?;
    }
    Ok(())
}

/// Notes that a plan or a run belongs to an incident.
///
/// # Errors
/// [`Error::Store`].
pub async fn link(session: &Session, id: IncidentId, link: IncidentLink) -> Result<(), Error> {
    let known = session.store.incident(&ClientScope::All, id).await?;
    let (is_known, more) = match &link {
        IncidentLink::Plan(plan) => (known.plans.contains(plan), ("plan", plan.as_str().into())),
        IncidentLink::Run(run) => (known.runs.contains(run), ("run", run.as_str().into())),
    };
    if is_known {
        return Ok(());
    }
    let record = event(session, Action { more: vec![more], ..action(id, "incident.link") })?;
    session.store.link_incident(id, &link, &[record]).await?;
    Ok(())
}

fn sound<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > NOTE_BYTES_MAX {
        return Err(Error::IncidentText { what, bytes: text.len(), limit: NOTE_BYTES_MAX });
    }
    Ok(text)
}
