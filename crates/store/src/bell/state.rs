//! Reading what was announced and what is so now, and recording what is announced.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{ClientName, HostName};

use super::wire::{read_findings, write_findings};
use super::{
    BellBase, BellHost, BellHosts, BellOutcome, BellSets, BellState, NewBell, SetBodies, SetId, messages,
};
use crate::clients::clients_in;
use crate::db::Store;
use crate::error::StoreError;
use crate::host_set::HostSet;
use crate::package_set::read_ids;
use crate::posting::{add_list, lists};
use crate::record::{ClientScope, HostId, PackageVersionId};
use crate::sql::{Row, Tx, Value};

const READ_BELL: &str = "read what was announced";

/// Hosts with something to compare: new ones, changed ones, ones of which something is held, and those
/// whose packages are not known any more.
const CHANGED: &str = "SELECT h.id, h.client_id, c.name, h.name, p.package_set_id, s.package_set_id, \
    b.host_id, b.package_set_id, b.software_set_id, b.held \
    FROM host h JOIN client c ON c.id = h.client_id \
    LEFT JOIN host_package_set p ON p.host_id = h.id AND p.valid_to IS NULL \
    LEFT JOIN host_software_set s ON s.host_id = h.id AND s.valid_to IS NULL \
    LEFT JOIN bell_host b ON b.host_id = h.id \
    WHERE (p.package_set_id IS NOT NULL OR s.package_set_id IS NOT NULL OR b.host_id IS NOT NULL) \
    AND (b.host_id IS NULL OR b.package_set_id IS DISTINCT FROM p.package_set_id \
    OR b.software_set_id IS DISTINCT FROM s.package_set_id \
    OR (b.held <> '[]' AND (p.package_set_id IS NOT NULL OR s.package_set_id IS NOT NULL))) ORDER BY h.id";

impl Store {
    /// Returns what was announced up to now.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn bell_state(&self) -> Result<BellState, StoreError> {
        let mut tx = self.read(READ_BELL).await?;
        let sql = "SELECT revision, coverage, exploited FROM bell_state";
        let read = |row: &Row| {
            let texts = |column| row.parse(column, |text| serde_json::from_str::<BTreeSet<String>>(text));
            let (coverage, exploited) = (texts(1)?, texts(2)?);
            Ok(BellState { revision: row.get(0)?, coverage, exploited, announced: BTreeMap::new() })
        };
        let mut state = tx.fetch(sql, vec![], read).await?.pop().unwrap_or_default();
        let read = |row: &Row| Ok((PackageVersionId(row.get(0)?), row.parse(1, read_findings)?));
        let announced = tx.fetch("SELECT package_version_id, body FROM bell_finding", vec![], read).await?;
        state.announced = announced.into_iter().filter(|(_, findings)| !findings.is_empty()).collect();
        Ok(state)
    }

    /// Returns the hosts whose sets are not those that were announced, and which other hosts have each of
    /// some package versions: one state of the database. Of every client: what is announced is divided
    /// by client later.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn bell_hosts(&self, versions: &[PackageVersionId]) -> Result<BellHosts, StoreError> {
        let mut tx = self.read(READ_BELL).await?;
        let changed = tx.fetch(CHANGED, vec![], read_host).await?;
        let of = |sets: BellSets| [sets.packages, sets.software].into_iter().flatten();
        let before = changed.iter().filter_map(|host| Some(of(host.before.as_ref()?.sets)));
        let ids = before.flatten().chain(changed.iter().flat_map(|host| of(host.now)));
        let ids: BTreeSet<i64> = ids.map(|set| set.0).collect();
        let sets = bodies(&mut tx, &ids).await?;
        let mut apart = HostSet::default();
        changed.iter().for_each(|host| host.add_to(&mut apart));
        let mut unchanged = postings(&mut tx, versions).await?;
        unchanged.values_mut().for_each(|hosts| hosts.subtract(&apart));
        Ok(BellHosts { changed, sets, unchanged })
    }

    /// Records what a run announces, with its messages: all of it or, where another run came before,
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_bell(&self, bell: &NewBell, now: Timestamp) -> Result<BellOutcome, StoreError> {
        let mut tx = self.write("record what is announced").await?;
        let revision = tx.fetch("SELECT revision FROM bell_state", vec![], |row| row.get::<i64>(0)).await?;
        if revision.first().copied().unwrap_or(0) != bell.revision {
            return Ok(BellOutcome::Outrun);
        }
        write_state(&mut tx, bell, now).await?;
        messages::insert(&mut tx, &bell.messages, now).await?;
        tx.commit().await?;
        Ok(BellOutcome::Recorded)
    }
}

/// Returns the bodies of sets, each of which can be read.
async fn bodies(tx: &mut Tx, ids: &BTreeSet<i64>) -> Result<SetBodies, StoreError> {
    let read = |row: &Row| {
        let (set, body): (i64, &[u8]) = (row.get(0)?, row.get(1)?);
        read_ids(body).ok_or_else(|| sqlx::Error::Decode(format!("body of package set {set}").into()))?;
        Ok((SetId(set), body.to_vec()))
    };
    let head = "SELECT id, body FROM package_set WHERE id IN (VALUES";
    let bodies = tx.fetch_rows(head, ")", ids.iter().map(|set| [(*set).into()]).collect(), read).await?;
    let bodies: BTreeMap<SetId, Vec<u8>> = bodies.into_iter().collect();
    match ids.iter().find(|id| !bodies.contains_key(&SetId(**id))) {
        Some(missing) => Err(tx.damaged(format!("package set {missing} is missing"))),
        None => Ok(SetBodies(bodies)),
    }
}

/// Returns the hosts that have each package version now.
async fn postings(
    tx: &mut Tx,
    versions: &[PackageVersionId],
) -> Result<BTreeMap<PackageVersionId, HostSet>, StoreError> {
    let clients = clients_in(tx, &ClientScope::All).await?;
    let mut found: BTreeMap<PackageVersionId, HostSet> = BTreeMap::new();
    let head = format!("{} AND package_version_id IN (VALUES", lists(tx.dialect()));
    let ids = versions.iter().map(|version| [version.0.into()]).collect();
    let read = |row: &Row| add_list(&mut found, &clients, row);
    tx.fetch_rows(&head, ") GROUP BY package_version_id", ids, read).await?;
    Ok(found)
}

fn read_host(row: &Row) -> Result<BellHost, sqlx::Error> {
    let sets = |packages, software| -> Result<BellSets, sqlx::Error> {
        let packages = row.get::<Option<i64>>(packages)?.map(SetId);
        Ok(BellSets { packages, software: row.get::<Option<i64>>(software)?.map(SetId) })
    };
    let before = match row.get::<Option<i64>>(6)? {
        None => None,
        Some(_) => Some(BellBase { sets: sets(7, 8)?, held: row.parse(9, read_findings)? }),
    };
    Ok(BellHost {
        id: HostId(row.get(0)?),
        client_id: row.get(1)?,
        client: row.parse(2, ClientName::new)?,
        name: row.parse(3, HostName::new)?,
        before,
        now: sets(4, 5)?,
    })
}

async fn write_state(tx: &mut Tx, bell: &NewBell, now: Timestamp) -> Result<(), StoreError> {
    let texts = |texts: &BTreeSet<String>| -> Value<'static> {
        serde_json::to_string(texts).expect("invariant: lists of texts are JSON").into()
    };
    tx.execute(
        "INSERT INTO bell_state (id, revision, ran_at, coverage, exploited) VALUES (1, $1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, ran_at = excluded.ran_at, \
         coverage = excluded.coverage, exploited = excluded.exploited",
        vec![(bell.revision + 1).into(), now.into(), texts(&bell.coverage), texts(&bell.exploited)],
    )
    .await?;
    let findings = bell.announced.iter().map(|(id, findings)| [id.0.into(), write_findings(findings).into()]);
    tx.execute_rows(
        "INSERT INTO bell_finding (package_version_id, body) VALUES",
        "ON CONFLICT (package_version_id) DO UPDATE SET body = excluded.body",
        findings.collect(),
    )
    .await?;
    let set = |set: Option<SetId>| -> Value<'static> { set.map(|set| set.0).into() };
    let hosts = bell.hosts.iter().map(|(host, base)| {
        let held = write_findings(&base.held).into();
        [host.id.0.into(), host.client_id.into(), set(base.sets.packages), set(base.sets.software), held]
    });
    tx.execute_rows(
        "INSERT INTO bell_host (host_id, client_id, package_set_id, software_set_id, held) VALUES",
        "ON CONFLICT (host_id) DO UPDATE SET package_set_id = excluded.package_set_id, \
         software_set_id = excluded.software_set_id, held = excluded.held",
        hosts.collect(),
    )
    .await
}
