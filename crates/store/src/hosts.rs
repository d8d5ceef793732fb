//! Reading hosts and what they run.

use jiff::Timestamp;
use model::{Address, ClientName, Ecosystem, HostName, Kernel, OsRelease, Platform, Release};

use crate::db::Store;
use crate::error::StoreError;
use crate::problem_text::read_problems;
use crate::record::{ClientScope, CollectionOutcome, CollectionRecord, HostId, HostRecord, PlatformCount};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

/// Hosts asked for in one statement.
const HOSTS_PER_QUERY: usize = 4096;

const READ_HOSTS: &str = "read the hosts";

const HOSTS: &str = "SELECT h.id, h.name, c.name, h.address, st.packages_at, st.answered_at, ps.package_count, \
    s.os_id, s.os_version, s.codename, s.pretty_name, s.ecosystem, s.release, \
    s.kernel_name, s.kernel_running, s.kernel_installed, s.machine, \
    co.started_at, co.finished_at, co.outcome, co.problems, pa.name \
    FROM host h JOIN client c ON c.id = h.client_id JOIN host_state st ON st.host_id = h.id \
    LEFT JOIN host_system s ON s.host_id = h.id AND s.valid_to IS NULL \
    LEFT JOIN host_package_set p ON p.host_id = h.id AND p.valid_to IS NULL \
    LEFT JOIN package_set ps ON ps.id = p.package_set_id \
    LEFT JOIN collection co ON co.id = st.collection_id LEFT JOIN host pa ON pa.id = h.parent_id \
    WHERE h.retired_at IS NULL";

impl Store {
    /// Returns every declared host in the scope, and the jails that run on them, sorted by client, then name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn hosts(&self, scope: &ClientScope) -> Result<Vec<HostRecord>, StoreError> {
        let mut tx = self.read(READ_HOSTS).await?;
        let query = ScopedQuery::new(&tx, HOSTS, "h.client_id", scope)?;
        fetch_hosts(&mut tx, query).await
    }

    /// Returns those of the hosts that are declared and in the scope, sorted by client, then name.
    ///
    /// # Errors
    /// As [`Store::hosts`].
    pub async fn hosts_by_id(
        &self,
        scope: &ClientScope,
        ids: &[HostId],
    ) -> Result<Vec<HostRecord>, StoreError> {
        let mut tx = self.read(READ_HOSTS).await?;
        let mut hosts = Vec::with_capacity(ids.len());
        for ids in ids.chunks(HOSTS_PER_QUERY) {
            let mut query = ScopedQuery::new(&tx, HOSTS, "h.client_id", scope)?;
            query.push(" AND h.id IN").push_list("hosts", ids.iter().map(|id| id.0.into()))?;
            hosts.extend(fetch_hosts(&mut tx, query).await?);
        }
        sort(&mut hosts);
        hosts.dedup_by_key(|host| host.id);
        Ok(hosts)
    }

    /// Returns the declared hosts in the scope whose packages are not known or were last read before
    /// a time, sorted by client, then name: those that cannot be called safe.
    ///
    /// # Errors
    /// As [`Store::hosts`].
    pub async fn hosts_not_scanned_since(
        &self,
        scope: &ClientScope,
        time: Timestamp,
    ) -> Result<Vec<HostRecord>, StoreError> {
        let mut tx = self.read(READ_HOSTS).await?;
        let mut query = ScopedQuery::new(&tx, HOSTS, "h.client_id", scope)?;
        query.push(" AND (st.packages_at IS NULL OR st.packages_at <").push_value(time).push(")");
        fetch_hosts(&mut tx, query).await
    }

    /// Counts the declared hosts in the scope by platform, sorted.
    ///
    /// # Errors
    /// As [`Store::hosts`].
    pub async fn platforms(&self, scope: &ClientScope) -> Result<Vec<PlatformCount>, StoreError> {
        let mut tx = self.read("count the hosts by platform").await?;
        let head = "SELECT s.ecosystem, s.release, count(*), count(st.packages_at) \
                    FROM host h JOIN host_state st ON st.host_id = h.id \
                    LEFT JOIN host_system s ON s.host_id = h.id AND s.valid_to IS NULL WHERE h.retired_at IS NULL";
        let mut query = ScopedQuery::new(&tx, head, "h.client_id", scope)?;
        query.push(" GROUP BY s.ecosystem, s.release");
        let read = |row: &Row| {
            let (hosts, known): (i64, i64) = (row.get(2)?, row.get(3)?);
            let counts = (hosts.unsigned_abs(), known.unsigned_abs());
            Ok(PlatformCount { platform: platform(row, 0)?, hosts: counts.0, hosts_with_packages: counts.1 })
        };
        let mut counts = query.fetch(&mut tx, read).await?;
        counts.sort_by(|a, b| a.platform.cmp(&b.platform));
        Ok(counts)
    }
}

async fn fetch_hosts(tx: &mut Tx, query: ScopedQuery<'_>) -> Result<Vec<HostRecord>, StoreError> {
    let mut hosts = query.fetch(tx, read_host).await?;
    sort(&mut hosts);
    Ok(hosts)
}

fn sort(hosts: &mut [HostRecord]) {
    hosts.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
}

fn read_host(row: &Row) -> Result<HostRecord, sqlx::Error> {
    let packages_at = row.time_or_null(4)?;
    let package_count: Option<i64> = row.get(6)?;
    Ok(HostRecord {
        id: HostId(row.get(0)?),
        name: row.parse(1, HostName::new)?,
        client: row.parse(2, ClientName::new)?,
        parent: row.get::<Option<&str>>(21)?.map(|_| row.parse(21, HostName::new)).transpose()?,
        address: row.get::<Option<String>>(3)?.map(Address::new),
        os: read_os(row, 7)?,
        platform: platform(row, 11)?,
        kernel: read_kernel(row, 13)?,
        package_count: package_count.map(i64::unsigned_abs),
        packages_at,
        answered_at: row.time_or_null(5)?,
        last_collection: read_look(row, 17)?,
    })
}

/// Reads os_id, os_version, codename, pretty_name; NULL for none.
pub(crate) fn read_os(row: &Row, column: usize) -> Result<Option<OsRelease>, sqlx::Error> {
    let Some(id) = row.get::<Option<String>>(column)? else { return Ok(None) };
    let (version, codename, pretty_name) = (row.get(column + 1)?, row.get(column + 2)?, row.get(column + 3)?);
    Ok(Some(OsRelease { id, version, codename, pretty_name }))
}

/// Reads kernel_name, kernel_running, kernel_installed, machine; NULL for none.
pub(crate) fn read_kernel(row: &Row, column: usize) -> Result<Option<Kernel>, sqlx::Error> {
    let Some(name) = row.get::<Option<String>>(column)? else { return Ok(None) };
    let (running, installed, machine) = (row.get(column + 1)?, row.get(column + 2)?, row.get(column + 3)?);
    Ok(Some(Kernel { name, running, installed, machine }))
}

/// Reads started_at, finished_at, outcome, problems; NULL for none.
pub(crate) fn read_look(row: &Row, column: usize) -> Result<Option<CollectionRecord>, sqlx::Error> {
    let Some(started_at) = row.time_or_null(column)? else { return Ok(None) };
    let finished_at = row.time(column + 1)?;
    let outcome = row.parse(column + 2, |word| {
        CollectionOutcome::parse(word).ok_or_else(|| format!("collection outcome `{word}` is not known"))
    })?;
    let problems = row.parse(column + 3, read_problems)?;
    Ok(Some(CollectionRecord { started_at, finished_at, outcome, problems }))
}

/// Reads an ecosystem and, in the column behind it, a release; NULL for none.
pub(crate) fn platform(row: &Row, column: usize) -> Result<Option<Platform>, sqlx::Error> {
    let ecosystem: Option<&str> = row.get(column)?;
    let release: Option<&str> = row.get(column + 1)?;
    let Some((ecosystem, release)) = ecosystem.zip(release) else { return Ok(None) };
    Ok(Some(Platform { ecosystem: read_ecosystem(ecosystem)?, release: Release::new(release) }))
}

/// Reads an ecosystem's word.
pub(crate) fn read_ecosystem(word: &str) -> Result<Ecosystem, sqlx::Error> {
    let unknown = || sqlx::Error::Decode(format!("ecosystem `{word}` is not known").into());
    Ecosystem::parse(word).ok_or_else(unknown)
}
