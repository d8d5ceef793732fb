//! Since when hosts have what an incident is about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use model::HostName;

use super::IncidentHost;
use crate::db::Store;
use crate::error::StoreError;
use crate::posting::{SET_TABLES, load_sets};
use crate::sql::{Row, Tx};

/// A package and its version, as the dictionary has them.
type NameAndVersion = (String, String);

/// A stay of a set of packages on a host, the last one first.
struct Stay {
    set: i64,
    from: i64,
    to: Option<i64>,
}

impl Store {
    /// Returns since when each declared host has had the installed version of one of its findings, without a
    /// gap until now; a host that has none of them now is left out. What a scan found counts from that scan on.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn installed_since(
        &self,
        hosts: &[IncidentHost],
    ) -> Result<BTreeMap<HostName, Timestamp>, StoreError> {
        let mut tx = self.read("read since when hosts have a package").await?;
        let wanted: BTreeSet<(&str, &str)> = hosts
            .iter()
            .flat_map(|host| &host.findings)
            .map(|it| (it.package.as_str(), it.installed.as_str()))
            .collect();
        let versions = version_ids(&mut tx, &wanted).await?;
        let names: BTreeSet<&HostName> = hosts.iter().map(|host| &host.host).collect();
        let stays = stays(&mut tx, &names).await?;
        let sets = stays.values().flatten().flatten().map(|stay| stay.set).collect();
        let sets: HashMap<i64, BTreeSet<i64>> = load_sets(&mut tx, sets)
            .await?
            .into_iter()
            .map(|(set, ids)| (set, ids.into_iter().collect()))
            .collect();
        let mut since = BTreeMap::new();
        for host in hosts {
            let tables = stays.get(&host.host).into_iter().flatten();
            let firsts = tables.flat_map(|stays| {
                host.findings.iter().filter_map(|finding| {
                    let key = (finding.package.to_string(), finding.installed.to_string());
                    first_of_run(stays, versions.get(&key)?, &sets)
                })
            });
            if let Some(micros) = firsts.min() {
                let at = Timestamp::from_microsecond(micros);
                since.insert(host.host.clone(), at.map_err(|error| tx.damaged(error.to_string()))?);
            }
        }
        Ok(since)
    }
}

/// Walks back from now for as long as a set holds one of the versions.
fn first_of_run(stays: &[Stay], versions: &[i64], sets: &HashMap<i64, BTreeSet<i64>>) -> Option<i64> {
    let mut first = None;
    let mut until = None;
    for stay in stays {
        let has = sets.get(&stay.set).is_some_and(|set| versions.iter().any(|id| set.contains(id)));
        if stay.to != until || !has {
            break;
        }
        first = Some(stay.from);
        until = first;
    }
    first
}

async fn version_ids(
    tx: &mut Tx,
    wanted: &BTreeSet<(&str, &str)>,
) -> Result<BTreeMap<NameAndVersion, Vec<i64>>, StoreError> {
    let tail = ") AS v JOIN package_version p ON p.name = v.column1 AND p.version = v.column2";
    let rows = wanted.iter().map(|(name, version)| [(*name).into(), (*version).into()]).collect();
    let read = |row: &Row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?));
    let found = tx.fetch_rows("SELECT p.name, p.version, p.id FROM (VALUES", tail, rows, read).await?;
    let mut ids: BTreeMap<NameAndVersion, Vec<i64>> = BTreeMap::new();
    for (key, id) in found {
        ids.entry(key).or_default().push(id);
    }
    Ok(ids)
}

/// Reads the stays of packages and of software on hosts, each list the last one first.
async fn stays(
    tx: &mut Tx,
    names: &BTreeSet<&HostName>,
) -> Result<BTreeMap<HostName, Vec<Vec<Stay>>>, StoreError> {
    let mut all: BTreeMap<HostName, Vec<Vec<Stay>>> = BTreeMap::new();
    for table in SET_TABLES {
        let head = "SELECT h.name, s.package_set_id, s.valid_from, s.valid_to FROM (VALUES";
        let tail = format!(
            ") AS v JOIN host h ON h.name = v.column1 AND h.retired_at IS NULL JOIN {table} s ON s.host_id = h.id"
        );
        let rows = names.iter().map(|name| [name.as_str().into()]).collect();
        let read = |row: &Row| {
            let stay = Stay { set: row.get(1)?, from: row.get(2)?, to: row.get(3)? };
            Ok((row.parse(0, HostName::new)?, stay))
        };
        let mut of_table: BTreeMap<HostName, Vec<Stay>> = BTreeMap::new();
        for (host, stay) in tx.fetch_rows(head, &tail, rows, read).await? {
            of_table.entry(host).or_default().push(stay);
        }
        for (host, mut stays) in of_table {
            stays.sort_by_key(|stay| std::cmp::Reverse(stay.from));
            // A statement is padded: a host may come twice.
            stays.dedup_by_key(|stay| stay.from);
            all.entry(host).or_default().push(stays);
        }
    }
    Ok(all)
}
