//! Opening incidents, and what changes in them.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::{ClientName, HostName, IncidentId, Stage};

use super::wire::{write_findings, write_ids, write_scope};
use super::{IncidentHost, IncidentLink, IncidentMark, NewIncident, NewMark};
use crate::db::Store;
use crate::declared::declared_hosts;
use crate::error::StoreError;
use crate::record_log::{NewRecord, append_records};
use crate::services::words;
use crate::sql::{Row, Tx, Value};

/// The longest title, in bytes.
const TITLE_BYTES_MAX: usize = 1024;

const OPEN: &str = "open an incident";

impl Store {
    /// Opens an incident with its hosts and the records that go with it, and returns its id: the next number
    /// of its year. A record whose target is empty gets the id as its target.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`] for a host that is not declared for the client it is given with,
    /// [`StoreError::NoSuch`] client, [`StoreError::Refused`] where it has no id or the title is too long;
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn open_incident(
        &self,
        new: &NewIncident<'_>,
        records: &[NewRecord],
    ) -> Result<IncidentId, StoreError> {
        check(new)?;
        let mut tx = self.write(OPEN).await?;
        let year = new.opened_at.to_zoned(TimeZone::UTC).year();
        let year = u16::try_from(year).map_err(|_| refused(format!("year {year}")))?;
        let sql = "SELECT max(number) FROM incident WHERE year = $1";
        let last = tx.fetch(sql, vec![i64::from(year).into()], |row| row.get::<Option<i64>>(0)).await?;
        let number = last.first().copied().flatten().unwrap_or(0) + 1;
        let number = u32::try_from(number).map_err(|_| refused(format!("number {number} of a year")))?;
        let id = IncidentId::new(year, number);
        insert(&mut tx, id, new).await?;
        put_hosts(&mut tx, id, new.hosts).await?;
        put_marks(&mut tx, id, new.marks).await?;
        let named = |record: &NewRecord| {
            let mut record = record.clone();
            if record.target.is_empty() {
                record.target = id.to_string();
            }
            record
        };
        append_records(&mut tx, &records.iter().map(named).collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Sets how far an incident has come, with the records that go with it.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] incident; [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn set_incident_stage(
        &self,
        id: IncidentId,
        stage: Stage,
        closed_at: Option<Timestamp>,
        records: &[NewRecord],
    ) -> Result<(), StoreError> {
        let mut tx = self.write("set the stage of an incident").await?;
        let sql = "UPDATE incident SET stage = $1, closed_at = $2 WHERE id = $3";
        let closed_at = closed_at.map(Timestamp::as_microsecond);
        let values = vec![stage.as_str().into(), closed_at.into(), id.to_string().into()];
        if tx.execute(sql, values).await? == 0 {
            return Err(no_such(id));
        }
        append_records(&mut tx, records).await?;
        tx.commit().await
    }

    /// Adds hosts to an incident or replaces what is said of them there; other hosts stay as they are. The
    /// records that go with it are written too. A host that was retired meanwhile keeps its place.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] incident; [`StoreError::UnknownHost`] for a host that is neither declared for
    /// the client it is given with nor in the incident; [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn set_incident_hosts(
        &self,
        id: IncidentId,
        hosts: &[IncidentHost],
        records: &[NewRecord],
    ) -> Result<(), StoreError> {
        let mut tx = self.write("set the hosts of an incident").await?;
        require(&mut tx, id).await?;
        put_hosts(&mut tx, id, hosts).await?;
        append_records(&mut tx, records).await?;
        tx.commit().await
    }

    /// Sets marks of an incident, with the records that go with it. The first mark of a kind at a place
    /// counts: a later one changes nothing.
    ///
    /// # Errors
    /// As [`Store::set_incident_hosts`]; [`StoreError::NoSuch`] client; [`StoreError::Refused`] for the mark of
    /// a host without a client.
    pub async fn add_marks(
        &self,
        id: IncidentId,
        marks: &[NewMark],
        records: &[NewRecord],
    ) -> Result<(), StoreError> {
        let mut tx = self.write("set the clocks of an incident").await?;
        require(&mut tx, id).await?;
        put_marks(&mut tx, id, marks).await?;
        append_records(&mut tx, records).await?;
        tx.commit().await
    }

    /// Notes that a plan or a run belongs to an incident, with the records that go with it. Noting it again
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] incident; [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn link_incident(
        &self,
        id: IncidentId,
        link: &IncidentLink,
        records: &[NewRecord],
    ) -> Result<(), StoreError> {
        let (kind, name) = match link {
            IncidentLink::Plan(plan) => ("plan", plan.as_str()),
            IncidentLink::Run(run) => ("run", run.as_str()),
        };
        let mut tx = self.write("link something with an incident").await?;
        require(&mut tx, id).await?;
        let position = tx.next_id("SELECT max(position) FROM incident_link").await?;
        tx.execute(
            "INSERT INTO incident_link (incident_id, kind, name, position) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (incident_id, kind, name) DO NOTHING",
            vec![id.to_string().into(), kind.into(), name.into(), position.into()],
        )
        .await?;
        append_records(&mut tx, records).await?;
        tx.commit().await
    }
}

fn check(new: &NewIncident<'_>) -> Result<(), StoreError> {
    if new.ids.is_empty() {
        return Err(refused("it is about no vulnerability".to_owned()));
    }
    if new.title.len() > TITLE_BYTES_MAX {
        return Err(refused(format!("a title of {} bytes, the limit is {TITLE_BYTES_MAX}", new.title.len())));
    }
    Ok(())
}

fn refused(why: String) -> StoreError {
    StoreError::Refused { what: OPEN, why }
}

/// Makes the error of an incident that is not there.
pub(super) fn no_such(id: IncidentId) -> StoreError {
    StoreError::NoSuch { what: "incident", name: id.to_string() }
}

/// Checks that an incident exists.
pub(super) async fn require(tx: &mut Tx, id: IncidentId) -> Result<(), StoreError> {
    let sql = "SELECT number FROM incident WHERE id = $1";
    let found = tx.fetch(sql, vec![id.to_string().into()], |row| row.get::<i64>(0)).await?;
    if found.is_empty() { Err(no_such(id)) } else { Ok(()) }
}

async fn insert(tx: &mut Tx, id: IncidentId, new: &NewIncident<'_>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO incident (id, year, number, kind, title, stage, opened_at, opened_by, closed_at, ids, scope, \
         selector, words, deploy) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9, $10, $11, $12, $13)",
        vec![
            id.to_string().into(),
            i64::from(id.year()).into(),
            i64::from(id.number()).into(),
            new.kind.as_str().into(),
            new.title.into(),
            Stage::Opened.as_str().into(),
            new.opened_at.into(),
            new.opened_by.into(),
            write_ids(new.ids).into(),
            Value::Text(write_scope(new.scope).map(Into::into)),
            new.selector.into(),
            words(new.words).into(),
            new.deploy.into(),
        ],
    )
    .await
    .map(drop)
}

async fn put_hosts(tx: &mut Tx, id: IncidentId, hosts: &[IncidentHost]) -> Result<(), StoreError> {
    // A host twice: the last word counts. One statement cannot touch a row twice.
    let hosts: BTreeMap<(&ClientName, &HostName), &IncidentHost> =
        hosts.iter().map(|host| ((&host.client, &host.host), host)).collect();
    let numbers = HostNumbers::read(tx, Some(id), hosts.keys().copied()).await?;
    let mut rows = Vec::with_capacity(hosts.len());
    for ((client, name), host) in hosts {
        let (client_id, host_id) = numbers.of(client, name)?;
        rows.push([
            id.to_string().into(),
            client_id.into(),
            host_id.into(),
            i64::from(host.rank).into(),
            words(&host.reasons).into(),
            write_findings(&host.findings).into(),
            host.state.as_str().into(),
        ]);
    }
    tx.execute_rows(
        "INSERT INTO incident_host (incident_id, client_id, host_id, rank, reasons, findings, state) VALUES",
        "ON CONFLICT (incident_id, host_id) DO UPDATE SET rank = excluded.rank, reasons = excluded.reasons, \
         findings = excluded.findings, state = excluded.state",
        rows,
    )
    .await
}

async fn put_marks(tx: &mut Tx, id: IncidentId, marks: &[IncidentMark]) -> Result<(), StoreError> {
    let mut hosts = Vec::new();
    for mark in marks {
        match (&mark.client, &mark.host) {
            (Some(client), Some(host)) => hosts.push((client, host)),
            (None, Some(host)) => {
                return Err(StoreError::Refused {
                    what: "set the clocks of an incident",
                    why: format!("the mark of host {host} has no client"),
                });
            }
            (_, None) => {}
        }
    }
    let numbers = HostNumbers::read(tx, Some(id), hosts.into_iter()).await?;
    let mut rows = Vec::with_capacity(marks.len());
    for mark in marks {
        let (client_id, host_id) = match (&mark.client, &mark.host) {
            (Some(client), Some(host)) => {
                let (client_id, host_id) = numbers.of(client, host)?;
                (Some(client_id), Some(host_id))
            }
            (Some(client), None) => (Some(numbers.client(client)?), None),
            (None, _) => (None, None),
        };
        let mark_word = mark.mark.as_str().into();
        rows.push([id.to_string().into(), mark_word, client_id.into(), host_id.into(), mark.at.into()]);
    }
    let head = "INSERT INTO incident_mark (incident_id, mark, client_id, host_id, at) VALUES";
    tx.execute_rows(head, "ON CONFLICT DO NOTHING", rows).await
}

/// The numbers of hosts: of those that are declared, and of those that were when they came into an incident.
pub(super) struct HostNumbers {
    hosts: BTreeMap<(ClientName, HostName), (i64, i64)>,
    clients: HashMap<ClientName, i64>,
}

impl HostNumbers {
    /// Looks hosts up, those that were retired in an incident alone.
    pub(super) async fn read<'a>(
        tx: &mut Tx,
        id: Option<IncidentId>,
        names: impl Iterator<Item = (&'a ClientName, &'a HostName)>,
    ) -> Result<Self, StoreError> {
        let names: Vec<&HostName> = names.map(|(_, host)| host).collect();
        let declared = declared_hosts(tx, names.into_iter()).await?;
        let sql = "SELECT c.name, h.name, c.id, h.id FROM incident_host ih JOIN client c ON c.id = ih.client_id \
                   JOIN host h ON h.id = ih.host_id WHERE ih.incident_id = $1";
        let read = |row: &Row| {
            let key = (row.parse(0, ClientName::new)?, row.parse(1, HostName::new)?);
            Ok((key, (row.get(2)?, row.get(3)?)))
        };
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let earlier = tx.fetch(sql, vec![id.into()], read).await?;
        let mut hosts: BTreeMap<_, _> = earlier.into_iter().collect();
        let now = declared.into_iter().map(|(name, it)| ((it.client, name), (it.client_id, it.host_id)));
        hosts.extend(now);
        let read = |row: &Row| Ok((row.parse(1, ClientName::new)?, row.get(0)?));
        let clients = tx.fetch("SELECT id, name FROM client", vec![], read).await?;
        Ok(Self { hosts, clients: clients.into_iter().collect() })
    }

    /// Returns the numbers of a client and its host.
    pub(super) fn of(&self, client: &ClientName, host: &HostName) -> Result<(i64, i64), StoreError> {
        let found = self.hosts.get(&(client.clone(), host.clone())).copied();
        found.ok_or_else(|| StoreError::UnknownHost { host: host.clone() })
    }

    fn client(&self, client: &ClientName) -> Result<i64, StoreError> {
        let found = self.clients.get(client).copied();
        found.ok_or_else(|| StoreError::NoSuch { what: "client", name: client.to_string() })
    }
}
