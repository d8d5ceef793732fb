//! From a package version to the hosts that have it: now by posting lists, in the past by intervals.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use model::ClientName;

use crate::bitmap::{hosts_of, place_of, write_bit};
use crate::clients::{client_of, clients_in};
use crate::db::Store;
use crate::error::StoreError;
use crate::host_set::HostSet;
use crate::moment::Moment;
use crate::package_set::read_ids;
use crate::record::{ClientScope, HostId, PackageVersionId, PostingDifference, PostingDifferenceKind};
use crate::scope::ScopedQuery;
use crate::sql::{Dialect, Row, Tx};

/// Package versions asked for in one statement.
const VERSIONS_PER_QUERY: usize = 4096;

/// Rows of posting lists that are read, changed and written together.
const ROWS_PER_STEP: usize = 8192;

/// Sets that are decoded at a time.
const SETS_PER_STEP: usize = 2048;

/// Where the intervals of sets stand: of packages, and of software outside of them.
pub(crate) const SET_TABLES: [&str; 2] = ["host_package_set", "host_software_set"];

impl Store {
    /// Returns the declared hosts in the scope that have each package version, of packages and of software
    /// outside of them, now or at a time by what was known later. A version that none has is left out.
    ///
    /// Of now the posting lists tell it; of the past one interval of each host is read.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn hosts_with(
        &self,
        scope: &ClientScope,
        versions: &[PackageVersionId],
        at: Option<Timestamp>,
    ) -> Result<BTreeMap<PackageVersionId, HostSet>, StoreError> {
        if versions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tx = self.read("find the hosts with a package").await?;
        let clients = clients_in(&mut tx, scope).await?;
        if let Some(at) = at {
            return hosts_with_at(&mut tx, scope, &clients, versions, at).await;
        }
        let mut found: BTreeMap<PackageVersionId, HostSet> = BTreeMap::new();
        for versions in versions.chunks(VERSIONS_PER_QUERY) {
            let mut query = ScopedQuery::new(&tx, lists(tx.dialect()), "client_id", scope)?;
            query.push(" AND package_version_id IN");
            query.push_list("package versions", versions.iter().map(|version| version.0.into()))?;
            query.push(" GROUP BY package_version_id");
            let read = |row: &Row| add_list(&mut found, &clients, row);
            query.fetch(&mut tx, read).await?;
        }
        Ok(found)
    }

    /// Computes every posting list anew from the hosts' current sets of packages and software and returns how the
    /// stored ones differ, sorted. None is expected, ever.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn check_postings(&self) -> Result<Vec<PostingDifference>, StoreError> {
        let mut tx = self.read("check the posting lists").await?;
        let current = "SELECT p.host_id, h.client_id, p.package_set_id FROM \
                       (SELECT host_id, package_set_id FROM host_package_set WHERE valid_to IS NULL UNION ALL \
                       SELECT host_id, package_set_id FROM host_software_set WHERE valid_to IS NULL) p \
                       JOIN host h ON h.id = p.host_id WHERE h.retired_at IS NULL";
        let hosts = tx.fetch(current, vec![], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).await?;
        let sets = load_sets(&mut tx, hosts.iter().map(|host: &(i64, i64, i64)| host.2).collect()).await?;
        let mut expected: BTreeSet<(i64, i64, i64)> = BTreeSet::new();
        for (host, client, set) in &hosts {
            let ids = sets.get(set).ok_or_else(|| tx.damaged(format!("package set {set} is missing")))?;
            expected.extend(ids.iter().map(|id| (*id, *client, *host)));
        }
        let mut stored: BTreeSet<(i64, i64, i64)> = BTreeSet::new();
        let all = "SELECT package_version_id, client_id, chunk, hosts FROM posting";
        let read = |row: &Row| {
            let (version, client, chunk): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let hosts = hosts_of(chunk, row.get(3)?).ok_or_else(|| damaged_bitmap(version, chunk))?;
            stored.extend(hosts.map(|host| (version, client, host)));
            Ok(())
        };
        tx.fetch(all, vec![], read).await?;
        let difference = |kind| {
            move |(version, _, host): &(i64, i64, i64)| PostingDifference {
                package_version: PackageVersionId(*version),
                host: HostId(*host),
                kind,
            }
        };
        let missing = expected.difference(&stored).map(difference(PostingDifferenceKind::Missing));
        let surplus = stored.difference(&expected).map(difference(PostingDifferenceKind::Surplus));
        let mut differences: Vec<_> = missing.chain(surplus).collect();
        differences.sort();
        Ok(differences)
    }
}

/// Asks for each list as one text `CLIENT CHUNK HEX;...`: a fleet's lists are hundreds of thousands of rows,
/// and a row costs sqlx more than SQLite needs for all that is in it.
pub(crate) fn lists(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT package_version_id, group_concat(client_id || ' ' || chunk || ' ' || hex(hosts), ';') \
             FROM posting WHERE 1 = 1"
        }
        Dialect::Postgres => {
            "SELECT package_version_id, string_agg(client_id || ' ' || chunk || ' ' || encode(hosts, 'hex'), ';') \
             FROM posting WHERE 1 = 1"
        }
    }
}

/// Adds the list of one package version, as [`lists`] asks for it.
pub(crate) fn add_list(
    found: &mut BTreeMap<PackageVersionId, HostSet>,
    clients: &BTreeMap<i64, ClientName>,
    row: &Row,
) -> Result<(), sqlx::Error> {
    let version: i64 = row.get(0)?;
    let hosts = found.entry(PackageVersionId(version)).or_default();
    for chunk in row.get::<&str>(1)?.split(';') {
        let (client, number, bitmap) = read_chunk(chunk).ok_or_else(|| damaged_list(version))?;
        let client = client_of(clients, client)?;
        hosts.insert_bitmap(client, number, &bitmap).ok_or_else(|| damaged_bitmap(version, number))?;
    }
    Ok(())
}

/// Reads a client's number, a chunk's number and its bitmap.
fn read_chunk(text: &str) -> Option<(i64, i64, Vec<u8>)> {
    let mut words = text.split(' ');
    let (client, number) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let digits = words.next()?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bitmap = pairs.iter().map(byte).collect::<Option<Vec<u8>>>()?;
    (rest.is_empty() && words.next().is_none()).then_some((client, number, bitmap))
}

async fn hosts_with_at(
    tx: &mut Tx,
    scope: &ClientScope,
    clients: &BTreeMap<i64, ClientName>,
    versions: &[PackageVersionId],
    at: Timestamp,
) -> Result<BTreeMap<PackageVersionId, HostSet>, StoreError> {
    let hosts = sets_at(tx, scope, at).await?;
    let mut found: BTreeMap<i64, HostSet> =
        versions.iter().map(|version| (version.0, HostSet::default())).collect();
    let by_set: Vec<&[HostAt]> = hosts.chunk_by(|a, b| a.set == b.set).collect();
    for step in by_set.chunks(SETS_PER_STEP) {
        let sets = load_sets(tx, step.iter().map(|hosts| hosts[0].set).collect()).await?;
        for hosts in step {
            let set = hosts[0].set;
            let ids = sets.get(&set).ok_or_else(|| tx.damaged(format!("package set {set} is missing")))?;
            let mut members = HostSet::default();
            for host in *hosts {
                let client = client_of(clients, host.client);
                members.insert(client.map_err(|error| tx.damaged(error.to_string()))?, HostId(host.host));
            }
            for id in ids {
                if let Some(hosts) = found.get_mut(id) {
                    hosts.union_with(&members);
                }
            }
        }
    }
    found.retain(|_, hosts| !hosts.is_empty());
    Ok(found.into_iter().map(|(version, hosts)| (PackageVersionId(version), hosts)).collect())
}

/// A host and a set that it had at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HostAt {
    set: i64,
    client: i64,
    host: i64,
}

/// Reads the sets of packages and of software that hosts had at a moment, sorted by set.
async fn sets_at(tx: &mut Tx, scope: &ClientScope, at: Timestamp) -> Result<Vec<HostAt>, StoreError> {
    let mut hosts = Vec::new();
    for table in SET_TABLES {
        let head = format!(
            "SELECT p.package_set_id, p.client_id, p.host_id FROM {table} p WHERE {}",
            Moment(Some(at)).holds("p")
        );
        let read = |row: &Row| Ok(HostAt { set: row.get(0)?, client: row.get(1)?, host: row.get(2)? });
        hosts.extend(ScopedQuery::new(tx, &head, "p.client_id", scope)?.fetch(tx, read).await?);
    }
    hosts.sort_unstable();
    Ok(hosts)
}

/// Returns every package version that was in a set of a host at a moment.
pub(crate) async fn versions_at(
    tx: &mut Tx,
    scope: &ClientScope,
    at: Timestamp,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut sets: Vec<i64> = Vec::new();
    for table in SET_TABLES {
        let head =
            format!("SELECT DISTINCT p.package_set_id FROM {table} p WHERE {}", Moment(Some(at)).holds("p"));
        sets.extend(
            ScopedQuery::new(tx, &head, "p.client_id", scope)?.fetch(tx, |row| row.get::<i64>(0)).await?,
        );
    }
    let mut versions = BTreeSet::new();
    for step in sets.chunks(SETS_PER_STEP) {
        for ids in load_sets(tx, step.iter().copied().collect()).await?.into_values() {
            versions.extend(ids);
        }
    }
    Ok(versions)
}

fn damaged_list(version: i64) -> sqlx::Error {
    sqlx::Error::Decode(format!("posting list of package version {version}: not chunks with bitmaps").into())
}

fn damaged_bitmap(version: i64, chunk: i64) -> sqlx::Error {
    sqlx::Error::Decode(
        format!("posting list of package version {version}, chunk {chunk}: not a bitmap").into(),
    )
}

/// Loads the package version ids of package sets, each set once.
pub(crate) async fn load_sets(
    tx: &mut Tx,
    sets: BTreeSet<i64>,
) -> Result<HashMap<i64, Vec<i64>>, StoreError> {
    let head = "SELECT id, body FROM package_set WHERE id IN (VALUES";
    let read = |row: &Row| {
        let set: i64 = row.get(0)?;
        let ids = read_ids(row.get(1)?);
        Ok((set, ids.ok_or_else(|| sqlx::Error::Decode(format!("body of package set {set}").into()))?))
    };
    let loaded = tx.fetch_rows(head, ")", sets.into_iter().map(|set| [set.into()]).collect(), read).await?;
    Ok(loaded.into_iter().collect())
}

/// What is to be changed in posting lists. It is collected over a whole batch, so that a row which
/// many hosts share is read and written once.
#[derive(Debug, Default)]
pub(crate) struct PostingChanges {
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    row: RowKey,
    bit: u16,
    is_set: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RowKey {
    package_version: i64,
    client: i64,
    chunk: i64,
}

impl PostingChanges {
    /// Notes that a host had the package versions `old` and now has `new`, both ascending. A host may be
    /// noted once for its packages and once for its software, which are never the same package versions.
    pub(crate) fn replace(&mut self, client: i64, host: i64, old: &[i64], new: &[i64]) {
        let (chunk, bit) = place_of(host);
        let change = |package_version: i64, is_set| Change {
            row: RowKey { package_version, client, chunk },
            bit,
            is_set,
        };
        let gone = old.iter().filter(|id| new.binary_search(id).is_err());
        let come = new.iter().filter(|id| old.binary_search(id).is_err());
        self.changes.extend(gone.map(|id| change(*id, false)));
        self.changes.extend(come.map(|id| change(*id, true)));
    }

    /// Writes them.
    pub(crate) async fn apply(mut self, tx: &mut Tx) -> Result<(), StoreError> {
        self.changes.sort_unstable();
        let rows: Vec<&[Change]> = self.changes.chunk_by(|a, b| a.row == b.row).collect();
        for rows in rows.chunks(ROWS_PER_STEP) {
            apply_step(tx, rows).await?;
        }
        Ok(())
    }
}

async fn apply_step(tx: &mut Tx, rows: &[&[Change]]) -> Result<(), StoreError> {
    // A join and not `(..) IN (VALUES ..)`, for which SQLite would read the whole table.
    let head = "SELECT p.package_version_id, p.client_id, p.chunk, p.hosts FROM (VALUES";
    let tail = ") AS v CROSS JOIN posting p \
                WHERE p.package_version_id = v.column1 AND p.client_id = v.column2 AND p.chunk = v.column3";
    let keys = rows.iter().map(|changes| key_values(changes[0].row)).collect();
    let read = |row: &Row| {
        let key = RowKey { package_version: row.get(0)?, client: row.get(1)?, chunk: row.get(2)? };
        Ok((key, row.get::<Vec<u8>>(3)?))
    };
    let stored: HashMap<RowKey, Vec<u8>> = tx.fetch_rows(head, tail, keys, read).await?.into_iter().collect();
    let (mut written, mut emptied) = (Vec::new(), BTreeSet::new());
    for changes in rows {
        let key = changes[0].row;
        let mut bitmap = stored.get(&key).cloned().unwrap_or_default();
        for change in *changes {
            write_bit(&mut bitmap, change.bit, change.is_set);
        }
        if bitmap.is_empty() {
            emptied.insert(key.package_version);
        }
        let [package_version, client, chunk] = key_values(key);
        written.push([package_version, client, chunk, bitmap.into()]);
    }
    tx.execute_rows(
        "INSERT INTO posting (package_version_id, client_id, chunk, hosts) VALUES",
        "ON CONFLICT (package_version_id, client_id, chunk) DO UPDATE SET hosts = excluded.hosts",
        written,
    )
    .await?;
    let head = "DELETE FROM posting WHERE length(hosts) = 0 AND package_version_id IN (VALUES";
    tx.execute_rows(head, ")", emptied.into_iter().map(|version| [version.into()]).collect()).await
}

fn key_values(key: RowKey) -> [crate::sql::Value<'static>; 3] {
    [key.package_version.into(), key.client.into(), key.chunk.into()]
}
