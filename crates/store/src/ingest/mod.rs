//! Recording what hosts answered.
//!
//! What was read is compared with what is known: only a difference closes an interval and opens
//! another. What was not read stays as it was, with its age.

mod intern;
pub(crate) mod items;
pub(crate) mod jails;
mod prepare;
mod sets;
mod system;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use model::{Collection, HostName};

use crate::db::Store;
use crate::error::StoreError;
use crate::problem_text::write_problems;
use crate::record::{CollectionOutcome, IngestReport};
use crate::sql::{Row, Tx};

use self::jails::{Running, jail_collections};
use self::prepare::{PackageNews, Prepared, prepare};

/// Hosts whose collections are recorded in one transaction. While it runs, other writers wait.
pub const INGEST_BATCH_HOSTS: usize = 500;

/// What is known of a host before a batch.
struct Known {
    host: i64,
    client: i64,
    /// The last look and when it ended.
    last: Option<(i64, i64)>,
    settled_at: Option<i64>,
    answered_at: Option<i64>,
    packages_at: Option<i64>,
    packages: Option<KnownSet>,
    software: Option<KnownSet>,
}

/// A set of packages or of software that a host has.
struct KnownSet {
    id: i64,
    valid_from: i64,
    hash: Vec<u8>,
}

/// A collection beside what is known of its host.
struct Matched<'a> {
    known: Known,
    prepared: &'a Prepared<'a>,
}

impl Matched<'_> {
    fn finished_at(&self) -> i64 {
        self.prepared.collection.finished_at.as_microsecond()
    }

    /// Says whether something newer of this host is already recorded.
    fn is_outdated(&self) -> bool {
        self.known.settled_at.is_some_and(|settled| self.finished_at() < settled)
    }
}

impl Store {
    /// Records collections, [`INGEST_BATCH_HOSTS`] hosts in one transaction: after an error the
    /// transactions before it stand, and recording the same collections again does no harm.
    ///
    /// Packages count as read where the host also told a supported platform. A collection without
    /// them leaves what is known; one that shows an unsupported operating system ends it.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn record_collections(
        &self,
        collections: &[Collection],
        now: Timestamp,
    ) -> Result<IngestReport, StoreError> {
        let mut report = IngestReport::default();
        for batch in batches(collections) {
            // Sorting and hashing happen before anybody has to wait for us.
            let prepared: Vec<Prepared<'_>> = batch.iter().map(prepare).collect();
            let jails = jail_collections(batch);
            let jails: Vec<(usize, Prepared<'_>)> =
                jails.iter().map(|(parent, jail)| (*parent, prepare(jail))).collect();
            let mut tx = self.write("record what hosts answered").await?;
            let recorded = record_batch(&mut tx, &prepared, &jails, now).await?;
            tx.commit().await?;
            report.recorded += recorded.recorded;
            report.packages_changed += recorded.packages_changed;
            report.packages_unchanged += recorded.packages_unchanged;
            report.outdated.extend(recorded.outdated);
            report.undeclared.extend(recorded.undeclared);
            report.jails_refused.extend(recorded.jails_refused);
        }
        Ok(report)
    }
}

/// Cuts collections into batches that hold each host once.
fn batches<'a>(mut collections: &'a [Collection]) -> Vec<&'a [Collection]> {
    let mut batches = Vec::new();
    while !collections.is_empty() {
        let mut hosts: BTreeSet<&HostName> = BTreeSet::new();
        let is_new = |collection: &&'a Collection| hosts.insert(&collection.host);
        let length = collections.iter().take(INGEST_BATCH_HOSTS).take_while(is_new).count();
        let (batch, rest) = collections.split_at(length);
        batches.push(batch);
        collections = rest;
    }
    batches
}

async fn record_batch<'a>(
    tx: &mut Tx,
    prepared: &'a [Prepared<'a>],
    jails: &'a [(usize, Prepared<'a>)],
    now: Timestamp,
) -> Result<IngestReport, StoreError> {
    let mut known = known_hosts(tx, KNOWN_DECLARED, prepared.iter()).await?;
    let mut report = IngestReport::default();
    let mut matched = Vec::with_capacity(prepared.len() + jails.len());
    for prepared in prepared {
        let host = &prepared.collection.host;
        match known.remove(host.as_str()) {
            Some(known) => matched.push(Matched { known, prepared }),
            None => report.undeclared.push(host.clone()),
        }
    }
    report.recorded = matched.len();
    let outdated = matched.iter().filter(|it| it.is_outdated());
    report.outdated = outdated.map(|it| it.prepared.collection.host.clone()).collect();
    match_jails(tx, prepared, jails, &mut matched, &mut report).await?;
    sets::record_sets(tx, &matched, &mut report).await?;
    system::record_systems(tx, &matched).await?;
    items::record_items(tx, &matched).await?;
    record_looks(tx, &matched, now).await?;
    Ok(report)
}

/// Adds the jails of the hosts that are to be recorded.
async fn match_jails<'a>(
    tx: &mut Tx,
    prepared: &[Prepared<'_>],
    jails: &'a [(usize, Prepared<'a>)],
    matched: &mut Vec<Matched<'a>>,
    report: &mut IngestReport,
) -> Result<(), StoreError> {
    let parents: HashMap<&HostName, &Matched<'_>> =
        matched.iter().filter(|it| !it.is_outdated()).map(|it| (&it.prepared.collection.host, it)).collect();
    let running: Vec<_> = jails
        .iter()
        .filter_map(|(parent, jail)| {
            let parent = parents.get(&prepared.get(*parent)?.collection.host)?;
            let (client, at) = (parent.known.client, parent.finished_at());
            let running = Running { name: &jail.collection.host, parent: parent.known.host, client, at };
            Some((running, jail))
        })
        .collect();
    let (running, recorded): (Vec<_>, Vec<_>) = running.into_iter().unzip();
    drop(parents);
    let refused = jails::sync_jails(tx, matched, &running).await?;
    let recorded: Vec<_> =
        recorded.into_iter().filter(|jail| !refused.contains(&jail.collection.host)).collect();
    report.jails_refused = refused;
    let mut known = known_hosts(tx, KNOWN_JAILS, recorded.iter().copied()).await?;
    for prepared in recorded {
        if let Some(known) = known.remove(prepared.collection.host.as_str()) {
            matched.push(Matched { known, prepared });
        }
    }
    Ok(())
}

/// Which hosts [`known_hosts`] takes: a jail and a declared host are never taken for each other.
const KNOWN_DECLARED: &str = "h.parent_id IS NULL";
const KNOWN_JAILS: &str = "h.parent_id IS NOT NULL";

async fn known_hosts<'a>(
    tx: &mut Tx,
    which: &'static str,
    prepared: impl Iterator<Item = &'a Prepared<'a>>,
) -> Result<HashMap<String, Known>, StoreError> {
    let head = "SELECT h.name, h.id, h.client_id, c.id, c.finished_at, st.settled_at, st.answered_at, \
                st.packages_at, p.package_set_id, p.valid_from, ps.content_hash, \
                w.package_set_id, w.valid_from, ws.content_hash \
                FROM host h JOIN host_state st ON st.host_id = h.id \
                LEFT JOIN collection c ON c.id = st.collection_id \
                LEFT JOIN host_package_set p ON p.host_id = h.id AND p.valid_to IS NULL \
                LEFT JOIN package_set ps ON ps.id = p.package_set_id \
                LEFT JOIN host_software_set w ON w.host_id = h.id AND w.valid_to IS NULL \
                LEFT JOIN package_set ws ON ws.id = w.package_set_id \
                WHERE h.retired_at IS NULL AND";
    let head = format!("{head} {which} AND h.name IN (VALUES");
    let names = prepared.map(|prepared| [prepared.collection.host.as_str().into()]).collect();
    let read = |row: &Row| {
        let last: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        let known = Known {
            host: row.get(1)?,
            client: row.get(2)?,
            last: last.0.zip(last.1),
            settled_at: row.get(5)?,
            answered_at: row.get(6)?,
            packages_at: row.get(7)?,
            packages: read_known_set(row, 8)?,
            software: read_known_set(row, 11)?,
        };
        Ok((row.get(0)?, known))
    };
    Ok(tx.fetch_rows(&head, ")", names, read).await?.into_iter().collect())
}

/// Reads a set's id, since when, and its hash; NULL for none.
fn read_known_set(row: &Row, column: usize) -> Result<Option<KnownSet>, sqlx::Error> {
    let Some(id) = row.get(column)? else { return Ok(None) };
    Ok(Some(KnownSet { id, valid_from: row.get(column + 1)?, hash: row.get(column + 2)? }))
}

/// Writes the collection log and each host's state.
async fn record_looks(tx: &mut Tx, matched: &[Matched<'_>], now: Timestamp) -> Result<(), StoreError> {
    let first = tx.next_id("SELECT max(id) FROM collection").await?;
    let looks = (first..).zip(matched).map(|(id, it)| {
        let collection = it.prepared.collection;
        let (started, finished) = (collection.started_at.into(), collection.finished_at.into());
        let (client, host) = (it.known.client.into(), it.known.host.into());
        let outcome = it.prepared.outcome.as_str().into();
        let problems = write_problems(&it.prepared.problems).into();
        [id.into(), client, host, started, finished, now.into(), outcome, problems]
    });
    tx.execute_rows(
        "INSERT INTO collection (id, client_id, host_id, started_at, finished_at, recorded_at, outcome, problems) VALUES",
        "",
        looks.collect(),
    )
    .await?;
    let states = (first..).zip(matched).map(|(id, it)| {
        let known = &it.known;
        let finished = it.finished_at();
        let last = match known.last {
            Some((last, ended)) if ended > finished => last,
            _ => id,
        };
        let is_news = !it.is_outdated() && it.prepared.outcome != CollectionOutcome::Failed;
        let settled = if is_news { Some(finished) } else { known.settled_at };
        let answered = if is_news { Some(finished) } else { known.answered_at };
        let packages = match (&it.prepared.packages, is_news) {
            (PackageNews::Read(_), true) => Some(finished),
            (PackageNews::Unsupported, true) => None,
            _ => known.packages_at,
        };
        [
            known.host.into(),
            known.client.into(),
            last.into(),
            settled.into(),
            answered.into(),
            packages.into(),
        ]
    });
    tx.execute_rows(
        "INSERT INTO host_state (host_id, client_id, collection_id, settled_at, answered_at, packages_at) VALUES",
        "ON CONFLICT (host_id) DO UPDATE SET collection_id = excluded.collection_id, settled_at = excluded.settled_at, \
         answered_at = excluded.answered_at, packages_at = excluded.packages_at",
        states.collect(),
    )
    .await
}
