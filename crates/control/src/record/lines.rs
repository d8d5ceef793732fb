//! `ifrit audit log`: the record as people read it.

use std::collections::HashSet;

use jiff::Timestamp;
use model::selector::Selector;
use store::{ClientScope, RecordFilter, RecordLine};

use crate::error::Error;
use crate::hosts::chosen;
use crate::moment::{self, DayEnd};
use crate::session::Session;

/// Lines that are read at once.
const PAGE: u32 = 1000;

/// Which part of the record is wanted.
#[derive(Debug, Clone)]
pub struct LogQuery<'a> {
    /// What was done to these hosts; every host = what was done to anything.
    pub selector: &'a Selector,
    /// Of these clients; all = also what is of no single client.
    pub scope: &'a ClientScope,
    /// By this person.
    pub actor: Option<&'a str>,
    /// This action, or those that begin with it: `run` is also `run.host`.
    pub action: Option<&'a str>,
    /// From this moment on, as typed.
    pub since: Option<&'a str>,
    /// The last so many.
    pub limit: usize,
}

/// Returns intents, each with what came of it, and events: the newest last.
///
/// # Errors
/// [`Error::Moment`], [`Error::NoHost`], [`Error::ClientUnknown`], [`Error::Store`]. A damaged record is a line of the
/// answer.
pub async fn log(session: &Session, query: &LogQuery<'_>) -> Result<Vec<RecordLine>, Error> {
    let now = session.clock.now();
    let since: Option<Timestamp> =
        query.since.map(|text| moment::parse(text, DayEnd::First, now)).transpose()?;
    if let ClientScope::Only(clients) = query.scope {
        for client in clients {
            if !session.store.has_client(client).await? {
                return Err(Error::ClientUnknown { given: client.to_string() });
            }
        }
    }
    let targets = targets(session, query.selector).await?;
    let is_wanted = |line: &RecordLine| {
        let of_target = |wanted: &HashSet<String>| {
            line.entry.as_ref().map_or(true, |it| wanted.contains(&it.record.target))
        };
        targets.as_ref().is_none_or(of_target)
    };
    let mut filter = RecordFilter { actor: query.actor, since, action: query.action, before: None };
    let mut lines = Vec::new();
    while lines.len() < query.limit {
        let page = session.store.record_lines(query.scope, &filter, PAGE).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.number);
        lines.extend(page.into_iter().filter(is_wanted));
    }
    lines.truncate(query.limit);
    lines.reverse();
    Ok(lines)
}

/// Returns the names of the hosts that were chosen; `None` = nothing was chosen, so targets may be anything.
async fn targets(session: &Session, selector: &Selector) -> Result<Option<HashSet<String>>, Error> {
    if *selector == Selector::everything() {
        return Ok(None);
    }
    let hosts = chosen(session, selector).await?;
    Ok(Some(hosts.into_iter().map(|host| host.name.to_string()).collect()))
}
