//! Reading incidents.

use std::collections::BTreeMap;

use model::{ClientName, HostName, IncidentId, IncidentKind, Mark, RunId, Stage};

use super::evidence::of_incident;
use super::wire::{read_findings, read_ids, read_scope, read_words};
use super::write::no_such;
use super::{IncidentDetail, IncidentHost, IncidentHostState, IncidentMark, IncidentRecord};
use crate::db::Store;
use crate::error::StoreError;
use crate::plan_id::PlanId;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

const INCIDENTS: &str = "SELECT i.id, i.kind, i.title, i.stage, i.opened_at, i.opened_by, i.closed_at, i.ids, \
    i.scope, i.selector, i.words, i.deploy FROM incident i";

/// Those that a reader of every client sees.
const EVERY: &str = " WHERE 1 = 1";

/// Those that have a host of the reader's clients.
const WITH_HOST: &str = " WHERE EXISTS (SELECT 1 FROM incident_host ih WHERE ih.incident_id = i.id";

const HOSTS: &str = "SELECT c.name, h.name, ih.rank, ih.reasons, ih.findings, ih.state FROM incident_host ih \
    JOIN client c ON c.id = ih.client_id JOIN host h ON h.id = ih.host_id WHERE 1 = 1";

const MARKS: &str = "SELECT m.mark, m.at, c.name, h.name FROM incident_mark m JOIN client c ON c.id = m.client_id \
    LEFT JOIN host h ON h.id = m.host_id WHERE 1 = 1";

impl Store {
    /// Returns the last incidents that the scope sees, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn incidents(
        &self,
        scope: &ClientScope,
        limit: u32,
    ) -> Result<Vec<IncidentRecord>, StoreError> {
        let mut tx = self.read("read the incidents").await?;
        let mut query = visible(&tx, scope)?;
        query.push(" ORDER BY i.year DESC, i.number DESC LIMIT").push_value(i64::from(limit));
        let mut found = query.fetch(&mut tx, |row| read_incident(row, scope)).await?;
        count_hosts(&mut tx, scope, &mut found).await?;
        Ok(found)
    }

    /// Returns an incident and what of it the scope sees.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] incident with a host in the scope; [`StoreError::Database`],
    /// [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn incident(&self, scope: &ClientScope, id: IncidentId) -> Result<IncidentDetail, StoreError> {
        let mut tx = self.read("read an incident").await?;
        let mut record = require_visible(&mut tx, scope, id).await?;
        count_hosts(&mut tx, scope, std::slice::from_mut(&mut record)).await?;
        let mut query = ScopedQuery::new(&tx, HOSTS, "ih.client_id", scope)?;
        query.push(" AND ih.incident_id =").push_value(id.to_string()).push(" ORDER BY ih.rank, h.name");
        let hosts = query.fetch(&mut tx, read_host).await?;
        let marks = marks(&mut tx, scope, id).await?;
        let plans = plans(&mut tx, scope, id).await?;
        let runs = runs(&mut tx, scope, id).await?;
        let evidence = of_incident(&mut tx, scope, id).await?;
        Ok(IncidentDetail { record, hosts, marks, plans, runs, evidence })
    }
}

/// Begins the query of the incidents that a scope sees.
fn visible<'a>(tx: &Tx, scope: &'a ClientScope) -> Result<ScopedQuery<'a>, StoreError> {
    match scope {
        ClientScope::All => ScopedQuery::new(tx, &format!("{INCIDENTS}{EVERY}"), "", scope),
        ClientScope::Only(_) => {
            let mut query = ScopedQuery::new(tx, &format!("{INCIDENTS}{WITH_HOST}"), "ih.client_id", scope)?;
            query.push(")");
            Ok(query)
        }
    }
}

/// Reads an incident that the scope sees, without its hosts.
pub(super) async fn require_visible(
    tx: &mut Tx,
    scope: &ClientScope,
    id: IncidentId,
) -> Result<IncidentRecord, StoreError> {
    let mut query = visible(tx, scope)?;
    query.push(" AND i.id =").push_value(id.to_string());
    query.fetch(tx, |row| read_incident(row, scope)).await?.pop().ok_or_else(|| no_such(id))
}

/// Reads an incident's id.
pub(super) fn read_incident_id(text: &str) -> Result<IncidentId, String> {
    IncidentId::parse(text).ok_or_else(|| format!("`{text}` is no incident's id"))
}

fn read_incident(row: &Row, reader: &ClientScope) -> Result<IncidentRecord, sqlx::Error> {
    let scope = read_scope(row.get(8)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let unknown = |what: &str, word: &str| format!("{what} `{word}` of an incident is not known");
    Ok(IncidentRecord {
        id: row.parse(0, read_incident_id)?,
        kind: row.parse(1, |word| IncidentKind::parse(word).ok_or_else(|| unknown("kind", word)))?,
        title: row.get(2)?,
        stage: row.parse(3, |word| Stage::parse(word).ok_or_else(|| unknown("stage", word)))?,
        opened_at: row.time(4)?,
        opened_by: row.get(5)?,
        closed_at: row.time_or_null(6)?,
        ids: row.parse(7, read_ids)?,
        scope: within(scope, reader),
        // It may name other clients' hosts.
        selector: row.get::<Option<String>>(9)?.filter(|_| *reader == ClientScope::All),
        words: row.parse(10, read_words)?,
        deploy: row.get(11)?,
        hosts: BTreeMap::new(),
    })
}

/// Returns the clients of a scope that a reader may see.
fn within(scope: ClientScope, reader: &ClientScope) -> ClientScope {
    match (scope, reader) {
        (scope, ClientScope::All) => scope,
        (ClientScope::All, reader) => reader.clone(),
        (ClientScope::Only(clients), ClientScope::Only(seen)) => {
            ClientScope::Only(clients.into_iter().filter(|client| seen.contains(client)).collect())
        }
    }
}

fn read_state(row: &Row, column: usize) -> Result<IncidentHostState, sqlx::Error> {
    row.parse(column, |word| {
        IncidentHostState::parse(word)
            .ok_or_else(|| format!("state `{word}` of a host in an incident is not known"))
    })
}

fn read_host(row: &Row) -> Result<IncidentHost, sqlx::Error> {
    let rank: i64 = row.get(2)?;
    Ok(IncidentHost {
        client: row.parse(0, ClientName::new)?,
        host: row.parse(1, HostName::new)?,
        rank: u32::try_from(rank).map_err(|error| sqlx::Error::Decode(error.into()))?,
        reasons: row.parse(3, read_words)?,
        findings: row.parse(4, read_findings)?,
        state: read_state(row, 5)?,
    })
}

/// Counts the hosts in the scope by state.
async fn count_hosts(
    tx: &mut Tx,
    scope: &ClientScope,
    incidents: &mut [IncidentRecord],
) -> Result<(), StoreError> {
    let head = "SELECT ih.incident_id, ih.state, count(*) FROM incident_host ih WHERE 1 = 1";
    let mut query = ScopedQuery::new(tx, head, "ih.client_id", scope)?;
    let ids: Vec<String> = incidents.iter().map(|it| it.id.to_string()).collect();
    query.push(" AND ih.incident_id IN").push_list("incidents", ids.iter().map(|id| id.as_str().into()))?;
    query.push(" GROUP BY ih.incident_id, ih.state");
    let read = |row: &Row| {
        let count = usize::try_from(row.get::<i64>(2)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((row.parse(0, read_incident_id)?, read_state(row, 1)?, count))
    };
    let mut counts: BTreeMap<IncidentId, BTreeMap<IncidentHostState, usize>> = BTreeMap::new();
    for (id, state, count) in query.fetch(tx, read).await? {
        counts.entry(id).or_default().insert(state, count);
    }
    for incident in incidents {
        incident.hosts = counts.remove(&incident.id).unwrap_or_default();
    }
    Ok(())
}

/// Reads the marks of the incident, which hold nothing of a client, and those of the scope's clients.
async fn marks(tx: &mut Tx, scope: &ClientScope, id: IncidentId) -> Result<Vec<IncidentMark>, StoreError> {
    let read_mark =
        |word: &str| Mark::parse(word).ok_or_else(|| format!("mark `{word}` of an incident is not known"));
    let sql = "SELECT mark, at FROM incident_mark WHERE incident_id = $1 AND client_id IS NULL";
    let read = |row: &Row| {
        Ok(IncidentMark { mark: row.parse(0, read_mark)?, client: None, host: None, at: row.time(1)? })
    };
    let mut marks = tx.fetch(sql, vec![id.to_string().into()], read).await?;
    let mut query = ScopedQuery::new(tx, MARKS, "m.client_id", scope)?;
    query.push(" AND m.incident_id =").push_value(id.to_string());
    let read = |row: &Row| {
        let host = row.get::<Option<&str>>(3)?.map(|_| row.parse(3, HostName::new)).transpose()?;
        let client = Some(row.parse(2, ClientName::new)?);
        Ok(IncidentMark { mark: row.parse(0, read_mark)?, client, host, at: row.time(1)? })
    };
    marks.extend(query.fetch(tx, read).await?);
    marks.sort_by(|a, b| (a.at, a.mark, &a.client, &a.host).cmp(&(b.at, b.mark, &b.client, &b.host)));
    Ok(marks)
}

async fn plans(tx: &mut Tx, scope: &ClientScope, id: IncidentId) -> Result<Vec<PlanId>, StoreError> {
    let head = "SELECT l.name, l.position FROM incident_link l JOIN plan_host ph ON ph.plan_id = l.name \
                WHERE l.kind = 'plan'";
    let mut query = ScopedQuery::new(tx, head, "ph.client_id", scope)?;
    query.push(" AND l.incident_id =").push_value(id.to_string());
    query.push(" GROUP BY l.name, l.position ORDER BY l.position");
    let read = |text: &str| PlanId::parse(text).ok_or_else(|| format!("`{text}` is no plan's id"));
    query.fetch(tx, |row| row.parse(0, read)).await
}

async fn runs(tx: &mut Tx, scope: &ClientScope, id: IncidentId) -> Result<Vec<RunId>, StoreError> {
    let head = "SELECT l.name, l.position FROM incident_link l JOIN run_host rh ON rh.run_id = l.name \
                WHERE l.kind = 'run'";
    let mut query = ScopedQuery::new(tx, head, "rh.client_id", scope)?;
    query.push(" AND l.incident_id =").push_value(id.to_string());
    query.push(" GROUP BY l.name, l.position ORDER BY l.position");
    let read = |text: &str| RunId::parse(text).ok_or_else(|| format!("`{text}` is no run's id"));
    query.fetch(tx, |row| row.parse(0, read)).await
}
