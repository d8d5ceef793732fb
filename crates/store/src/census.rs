//! Counting hosts by what they run, or by why that is not known.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::Timestamp;
use model::{ClientName, Platform};

use crate::clients::{client_of, clients_in};
use crate::db::Store;
use crate::error::StoreError;
use crate::host_set::HostSet;
use crate::hosts::platform;
use crate::moment::Moment;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

/// What is known of a host: each declared host, and each running jail, is in exactly one of these groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostGroup {
    /// It runs this, and its packages are known.
    Platform(Platform),
    /// It runs this, and its packages are not known.
    PackagesUnknown(Platform),
    /// It runs something that no source of advisories speaks of.
    Unsupported {
        /// `ID` of os-release.
        os_id: String,
        /// `VERSION_ID` of os-release; may be empty.
        os_version: String,
    },
    /// It was looked at, and what it runs is not known.
    SystemUnknown,
    /// Nobody ever looked at it.
    NeverScanned,
}

/// How many hosts of a client are in a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CensusRow {
    /// The client.
    pub client: ClientName,
    /// The group.
    pub group: HostGroup,
    /// How many hosts; never 0.
    pub hosts: usize,
}

/// A census of now, kept by a process that runs: to count a hundred thousand hosts takes longer than all the
/// rest of an answer.
#[derive(Debug)]
pub(crate) struct Counted {
    stamp: Stamp,
    scope: ClientScope,
    rows: Vec<CensusRow>,
}

/// What changes with everything that a census counts, whichever process writes it: the number of the last
/// look at a host, and when the declared hosts were last taken over.
type Stamp = (i64, Vec<(i64, Vec<u8>)>);

const COUNT: &str = "count the hosts by what they run";

/// Hosts that are counted one by one in one statement.
const HOSTS_PER_QUERY: usize = 4096;

/// Counts by number of the client and group.
type Counts = BTreeMap<(i64, HostGroup), i64>;

impl Store {
    /// Counts the hosts in the scope, now or at a time by what was known later, sorted by client, then
    /// group. Of now it is counted over indexes alone; of the past each host is looked at.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn census(
        &self,
        scope: &ClientScope,
        at: Option<Timestamp>,
    ) -> Result<Vec<CensusRow>, StoreError> {
        let mut tx = self.read(COUNT).await?;
        if let Some(at) = at {
            let counts = count_each(&mut tx, scope, Moment(Some(at)), None).await?;
            return rows(&mut tx, scope, counts).await;
        }
        let stamp = stamp(&mut tx).await?;
        if let Some(known) = self.known_census(scope, &stamp) {
            return Ok(known);
        }
        let counts = count_now(&mut tx, scope).await?;
        let rows = rows(&mut tx, scope, counts).await?;
        let counted = Counted { stamp, scope: scope.clone(), rows: rows.clone() };
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        Ok(rows)
    }

    /// Returns the last census, if it is of this scope and nothing was recorded since.
    fn known_census(&self, scope: &ClientScope, stamp: &Stamp) -> Option<Vec<CensusRow>> {
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |it: &&Counted| it.stamp == *stamp && it.scope == *scope;
        known.as_ref().filter(is_same).map(|it| it.rows.clone())
    }

    /// Counts those of some hosts that are in the scope, as [`Store::census`] does with all. Looks at
    /// each of them.
    ///
    /// # Errors
    /// As [`Store::census`].
    pub async fn census_of(
        &self,
        scope: &ClientScope,
        hosts: &HostSet,
        at: Option<Timestamp>,
    ) -> Result<Vec<CensusRow>, StoreError> {
        let mut tx = self.read(COUNT).await?;
        let hosts: Vec<i64> = hosts.iter().map(|host| host.0).collect();
        let mut counts = Counts::new();
        for step in hosts.chunks(HOSTS_PER_QUERY) {
            for (group, hosts) in count_each(&mut tx, scope, Moment(at), Some(step)).await? {
                *counts.entry(group).or_default() += hosts;
            }
        }
        rows(&mut tx, scope, counts).await
    }

    /// Returns the hosts in the scope that are in a group, now or at a time by what was known later. Reads a
    /// row for each of them.
    ///
    /// # Errors
    /// As [`Store::census`].
    pub async fn hosts_in(
        &self,
        scope: &ClientScope,
        group: &HostGroup,
        at: Option<Timestamp>,
    ) -> Result<HostSet, StoreError> {
        let mut tx = self.read("find the hosts of a group").await?;
        let clients = clients_in(&mut tx, scope).await?;
        let mut query = ScopedQuery::new(&tx, &members(group, Moment(at)), "x.client_id", scope)?;
        match group {
            HostGroup::Platform(platform) | HostGroup::PackagesUnknown(platform) => {
                query.push(" AND x.ecosystem =").push_value(platform.ecosystem.as_str());
                query.push(" AND x.release =").push_value(platform.release.as_str());
            }
            HostGroup::Unsupported { os_id, os_version } => {
                query.push(" AND x.ecosystem IS NULL AND x.os_id =").push_value(os_id.as_str());
                query.push(" AND x.os_version =").push_value(os_version.as_str());
            }
            HostGroup::SystemUnknown | HostGroup::NeverScanned => {}
        }
        let mut hosts = HostSet::default();
        let read = |row: &Row| {
            hosts.insert(client_of(&clients, row.get(0)?)?, HostId(row.get(1)?));
            Ok(())
        };
        query.fetch(&mut tx, read).await?;
        Ok(hosts)
    }
}

async fn stamp(tx: &mut Tx) -> Result<Stamp, StoreError> {
    let look = tx.fetch("SELECT max(id) FROM collection", vec![], |row| row.get::<Option<i64>>(0)).await?;
    let sql = "SELECT synced_at, content_hash FROM inventory_sync";
    let inventory = tx.fetch(sql, vec![], |row| Ok((row.get(0)?, row.get(1)?))).await?;
    Ok((look.into_iter().flatten().max().unwrap_or(0), inventory))
}

/// Counts what hosts run and, among those that were looked at and have no packages, what these run. Who is
/// in neither count was never looked at.
async fn count_now(tx: &mut Tx, scope: &ClientScope) -> Result<Counts, StoreError> {
    let mut counts = Counts::new();
    let mut add = |client, group, hosts| *counts.entry((client, group)).or_default() += hosts;
    let head = "SELECT h.client_id, count(*) FROM host h WHERE h.retired_at IS NULL";
    let mut query = ScopedQuery::new(tx, head, "h.client_id", scope)?;
    query.push(" GROUP BY h.client_id");
    for (client, hosts) in query.fetch(tx, |row| Ok((row.get(0)?, row.get(1)?))).await? {
        add(client, HostGroup::NeverScanned, hosts);
    }
    let head = "SELECT s.client_id, s.ecosystem, s.release, s.os_id, s.os_version, count(*) FROM host_system s \
                WHERE s.valid_to IS NULL";
    let mut query = ScopedQuery::new(tx, head, "s.client_id", scope)?;
    query.push(" GROUP BY s.client_id, s.ecosystem, s.release, s.os_id, s.os_version");
    let read = |row: &Row| Ok((row.get(0)?, read_group(row)?, row.get::<i64>(5)?));
    for (client, group, hosts) in query.fetch(tx, read).await? {
        // A host that told its kernel alone is counted below.
        if let Some(group) = group {
            add(client, group, hosts);
            add(client, HostGroup::NeverScanned, -hosts);
        }
    }
    let head = "SELECT st.client_id, s.ecosystem, s.release, s.os_id, s.os_version, count(*) \
                FROM host_state st JOIN host h ON h.id = st.host_id AND h.retired_at IS NULL \
                LEFT JOIN host_system s ON s.host_id = st.host_id AND s.valid_to IS NULL \
                WHERE st.packages_at IS NULL AND st.collection_id IS NOT NULL";
    let mut query = ScopedQuery::new(tx, head, "st.client_id", scope)?;
    query.push(" GROUP BY st.client_id, s.ecosystem, s.release, s.os_id, s.os_version");
    for (client, group, hosts) in query.fetch(tx, read).await? {
        match group {
            Some(HostGroup::Platform(platform)) => {
                add(client, HostGroup::Platform(platform.clone()), -hosts);
                add(client, HostGroup::PackagesUnknown(platform), hosts);
            }
            // Has no packages, and is counted above.
            Some(_) => {}
            None => {
                add(client, HostGroup::SystemUnknown, hosts);
                add(client, HostGroup::NeverScanned, -hosts);
            }
        }
    }
    Ok(counts)
}

/// Names the clients of counts, and sorts.
async fn rows(tx: &mut Tx, scope: &ClientScope, counts: Counts) -> Result<Vec<CensusRow>, StoreError> {
    let clients = clients_in(tx, scope).await?;
    let mut rows = Vec::with_capacity(counts.len());
    for ((client, group), hosts) in counts {
        let client = client_of(&clients, client).map_err(|error| tx.damaged(error.to_string()))?.clone();
        let hosts = usize::try_from(hosts).map_err(|_| tx.damaged("more packages than hosts"))?;
        rows.push(CensusRow { client, group, hosts });
    }
    rows.retain(|row| row.hosts > 0);
    rows.sort();
    Ok(rows)
}

/// Counts hosts by looking at each of them, or at each of some.
async fn count_each(
    tx: &mut Tx,
    scope: &ClientScope,
    moment: Moment,
    some: Option<&[i64]>,
) -> Result<Counts, StoreError> {
    let head = format!(
        "SELECT x.client_id, x.ecosystem, x.release, x.os_id, x.os_version, \
         count(*), count(x.package_set_id), count(x.look) FROM (\
         SELECT d.host_id, d.client_id, s.ecosystem, s.release, s.os_id, s.os_version, p.package_set_id, \
         CASE WHEN s.os_id IS NULL THEN {look} END AS look \
         FROM host_declared d \
         LEFT JOIN host_system s ON s.host_id = d.host_id AND {system} \
         LEFT JOIN host_package_set p ON p.host_id = d.host_id AND {packages} WHERE {declared}) x WHERE 1 = 1",
        look = first_look(moment),
        system = moment.holds("s"),
        packages = moment.holds("p"),
        declared = moment.holds("d"),
    );
    let mut query = ScopedQuery::new(tx, &head, "x.client_id", scope)?;
    if let Some(some) = some {
        query.push(" AND x.host_id IN").push_list("hosts", some.iter().map(|id| (*id).into()))?;
    }
    query.push(" GROUP BY x.client_id, x.ecosystem, x.release, x.os_id, x.os_version");
    let mut counts = Counts::new();
    let read = |row: &Row| {
        let client: i64 = row.get(0)?;
        let (hosts, known, looked_at): (i64, i64, i64) = (row.get(5)?, row.get(6)?, row.get(7)?);
        let groups = match read_group(row)? {
            Some(HostGroup::Platform(platform)) => vec![
                (HostGroup::PackagesUnknown(platform.clone()), hosts - known),
                (HostGroup::Platform(platform), known),
            ],
            Some(group) => vec![(group, hosts)],
            None => vec![(HostGroup::SystemUnknown, looked_at), (HostGroup::NeverScanned, hosts - looked_at)],
        };
        for (group, hosts) in groups {
            *counts.entry((client, group)).or_default() += hosts;
        }
        Ok(())
    };
    query.fetch(tx, read).await?;
    Ok(counts)
}

/// Writes a query for the first look at a host until a moment, for the table d.
fn first_look(moment: Moment) -> String {
    let until = moment.0.map(|at| format!(" AND co.finished_at <= {}", at.as_microsecond()));
    let until = until.unwrap_or_default();
    format!("(SELECT min(co.id) FROM collection co WHERE co.host_id = d.host_id{until})")
}

/// Reads a system's group from the second column on; `None` where no operating system was told.
fn read_group(row: &Row) -> Result<Option<HostGroup>, sqlx::Error> {
    if let Some(platform) = platform(row, 1)? {
        return Ok(Some(HostGroup::Platform(platform)));
    }
    let os: (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
    Ok(os.0.zip(os.1).map(|(os_id, os_version)| HostGroup::Unsupported { os_id, os_version }))
}

/// Writes the query for client and number of a group's hosts; for a platform or system, of all platforms
/// and systems.
fn members(group: &HostGroup, moment: Moment) -> String {
    let packages = format!(
        "EXISTS (SELECT 1 FROM host_package_set p WHERE p.host_id = x.host_id AND {})",
        moment.holds("p")
    );
    let system = format!("SELECT x.client_id, x.host_id FROM host_system x WHERE {}", moment.holds("x"));
    let is_never = *group == HostGroup::NeverScanned;
    match group {
        HostGroup::Platform(_) => format!("{system} AND {packages}"),
        HostGroup::PackagesUnknown(_) => format!("{system} AND NOT {packages}"),
        HostGroup::Unsupported { .. } => system,
        HostGroup::SystemUnknown | HostGroup::NeverScanned => match moment.0 {
            None => format!(
                "SELECT x.client_id, x.host_id FROM host_state x \
                 JOIN host h ON h.id = x.host_id AND h.retired_at IS NULL \
                 LEFT JOIN host_system s ON s.host_id = x.host_id AND s.valid_to IS NULL \
                 WHERE x.packages_at IS NULL AND s.os_id IS NULL AND x.collection_id IS {}",
                if is_never { "NULL" } else { "NOT NULL" }
            ),
            Some(_) => format!(
                "SELECT x.client_id, x.host_id FROM (SELECT d.client_id, d.host_id, {look} AS look \
                 FROM host_declared d LEFT JOIN host_system s ON s.host_id = d.host_id AND {system} \
                 WHERE {declared} AND s.os_id IS NULL) x WHERE x.look IS {wanted}",
                look = first_look(moment),
                system = moment.holds("s"),
                declared = moment.holds("d"),
                wanted = if is_never { "NULL" } else { "NOT NULL" },
            ),
        },
    }
}
