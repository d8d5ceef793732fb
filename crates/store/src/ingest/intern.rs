//! Interning: each package version once in the dictionary, each package set once for a client.

use std::collections::{BTreeMap, HashMap};

use model::{InstalledPackage, Platform};

use crate::error::StoreError;
use crate::package_set::{ContentHash, PreparedSet, hash_package_version, read_ids, write_ids};
use crate::sql::{Row, Tx, Value};

/// A package set that stands in the database.
pub(super) struct InternedSet {
    pub(super) id: i64,
    /// Package versions, ascending.
    pub(super) ids: Vec<i64>,
}

/// Package sets by client and content.
type InternedSets = HashMap<(i64, ContentHash), InternedSet>;

/// Returns every wanted set, and puts those into the database that are not in it yet.
pub(super) async fn resolve_sets(
    tx: &mut Tx,
    wanted: &BTreeMap<(i64, ContentHash), &PreparedSet<'_>>,
) -> Result<InternedSets, StoreError> {
    // A join and not `(..) IN (VALUES ..)`, for which SQLite would read the whole table.
    let head = "SELECT p.id, p.client_id, p.content_hash, p.body FROM (VALUES";
    let tail = ") AS v CROSS JOIN package_set p WHERE p.content_hash = v.column1 AND p.client_id = v.column2";
    let keys = wanted.keys().map(|(client, hash)| [hash.as_slice().into(), (*client).into()]).collect();
    let read = |row: &Row| {
        let ids = read_ids(row.get(3)?).ok_or_else(|| sqlx::Error::Decode("body of a package set".into()))?;
        Ok(((row.get(1)?, read_hash(row, 2)?), InternedSet { id: row.get(0)?, ids }))
    };
    let mut sets: InternedSets = tx.fetch_rows(head, tail, keys, read).await?.into_iter().collect();
    let missing: Vec<_> = wanted.iter().filter(|(key, _)| !sets.contains_key(key)).collect();
    let sets_to_intern: Vec<&PreparedSet<'_>> = missing.iter().map(|(_, set)| **set).collect();
    let bodies = intern(tx, &sets_to_intern).await?;
    let first = tx.next_id("SELECT max(id) FROM package_set").await?;
    let new: Vec<_> = (first..).zip(missing).zip(bodies).collect();
    let rows = new.iter().map(|((id, ((client, hash), _)), ids)| -> [Value<'_>; 5] {
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        [(*id).into(), (*client).into(), hash.as_slice().into(), count.into(), write_ids(ids).into()]
    });
    let head = "INSERT INTO package_set (id, client_id, content_hash, package_count, body) VALUES";
    tx.execute_rows(head, "", rows.collect()).await?;
    sets.extend(new.into_iter().map(|((id, (key, _)), ids)| (*key, InternedSet { id, ids })));
    Ok(sets)
}

/// Interns the packages of sets and returns each set's ids, ascending.
async fn intern(tx: &mut Tx, sets: &[&PreparedSet<'_>]) -> Result<Vec<Vec<i64>>, StoreError> {
    let mut positions: HashMap<(&Platform, &InstalledPackage), usize> = HashMap::new();
    let mut distinct: Vec<(&Platform, &InstalledPackage)> = Vec::new();
    let mut sets_of_positions: Vec<Vec<usize>> = Vec::new();
    for set in sets {
        let packages = set
            .parts
            .iter()
            .flat_map(|(platform, packages)| packages.iter().map(move |it| (platform, it.as_ref())));
        let mut of_set = Vec::new();
        for (platform, package) in packages {
            let position = *positions.entry((platform, package)).or_insert_with(|| {
                distinct.push((platform, package));
                distinct.len() - 1
            });
            of_set.push(position);
        }
        sets_of_positions.push(of_set);
    }
    let ids = dictionary_ids(tx, &distinct).await?;
    let mut sets: Vec<Vec<i64>> = Vec::with_capacity(sets_of_positions.len());
    for positions in sets_of_positions {
        let mut set: Vec<i64> = positions.into_iter().map(|position| ids[position]).collect();
        set.sort_unstable();
        sets.push(set);
    }
    Ok(sets)
}

/// Returns the ids of distinct package versions and adds those that are new.
async fn dictionary_ids(
    tx: &mut Tx,
    distinct: &[(&Platform, &InstalledPackage)],
) -> Result<Vec<i64>, StoreError> {
    let hashes: Vec<ContentHash> =
        distinct.iter().map(|(platform, package)| hash_package_version(platform, package)).collect();
    let head = "SELECT id, content_hash FROM package_version WHERE content_hash IN (VALUES";
    let keys = hashes.iter().map(|hash| [hash.as_slice().into()]).collect();
    let read = |row: &Row| Ok((read_hash(row, 1)?, row.get(0)?));
    let mut ids: HashMap<ContentHash, i64> =
        tx.fetch_rows(head, ")", keys, read).await?.into_iter().collect();
    let mut next_id = tx.next_id("SELECT max(id) FROM package_version").await?;
    let mut rows: Vec<[Value<'_>; 10]> = Vec::new();
    for ((platform, package), hash) in distinct.iter().zip(&hashes) {
        if ids.contains_key(hash) {
            continue;
        }
        ids.insert(*hash, next_id);
        rows.push([
            next_id.into(),
            hash.as_slice().into(),
            platform.ecosystem.as_str().into(),
            platform.release.as_str().into(),
            package.repository.as_str().into(),
            package.name.as_str().into(),
            package.version.as_str().into(),
            package.source.as_str().into(),
            package.source_version.as_str().into(),
            package.architecture.as_str().into(),
        ]);
        next_id += 1;
    }
    let head = "INSERT INTO package_version (id, content_hash, ecosystem, release, repository, name, version, \
                source, source_version, architecture) VALUES";
    tx.execute_rows(head, "", rows).await?;
    Ok(hashes.iter().map(|hash| ids[hash]).collect())
}

fn read_hash(row: &Row, column: usize) -> Result<ContentHash, sqlx::Error> {
    let bytes: &[u8] = row.get(column)?;
    ContentHash::try_from(bytes).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
