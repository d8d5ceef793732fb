//! Jails: each that runs is a host of its own under the one that it runs on, with its own packages.
//!
//! Its name is `JAIL.PARENT`, because a name holds no `/`: jail `www` of host `bsd-1` is the host
//! `www.bsd-1`. A jail's name that breaks the naming rule gets `_` for each bad character and a hash at its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use jiff::Timestamp;
use model::{Collection, HostName, Observed, ObservedJail};
use sha2::{Digest, Sha256};

use super::Matched;
use crate::error::StoreError;
use crate::inventory::retire;
use crate::sql::{Row, Tx, Value};

/// Jails that are kept of one host; the others are only named among its items.
const JAILS_PER_HOST_MAX: usize = 1000;

/// The longest name of a host, in bytes (the naming rule of `model`).
const HOST_NAME_BYTES_MAX: usize = 253;

/// Bytes of a hash that stand in a name.
const NAME_HASH_BYTES: usize = 4;

/// Makes the collections that jails are recorded by, out of those of their hosts, with the position of these.
pub(super) fn jail_collections(batch: &[Collection]) -> Vec<(usize, Collection)> {
    let mut collections = Vec::new();
    for (position, parent) in batch.iter().enumerate() {
        let jails = parent.observed.jails.iter().flatten().take(JAILS_PER_HOST_MAX);
        let named = jails.filter_map(|jail| Some((jail_host_name(&parent.host, &jail.name)?, jail)));
        // Of two with one name the first counts.
        let mut names = BTreeSet::new();
        let named = named.filter(|(name, _)| names.insert(name.clone()));
        collections.extend(named.map(|(name, jail)| (position, jail_collection(parent, name, jail))));
    }
    collections
}

fn jail_collection(parent: &Collection, host: HostName, jail: &ObservedJail) -> Collection {
    Collection {
        host,
        started_at: parent.started_at,
        finished_at: parent.finished_at,
        os: jail.os.clone(),
        // There is one kernel.
        kernel: parent.kernel.clone(),
        packages: jail.packages.clone(),
        observed: Observed::default(),
        problems: Vec::new(),
    }
}

/// Returns the name that a jail has as a host; `None` where its host's name leaves no room for it.
fn jail_host_name(parent: &HostName, jail: &str) -> Option<HostName> {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let mut name: String = jail.chars().map(harmless).collect();
    let room = HOST_NAME_BYTES_MAX.checked_sub(parent.as_str().len() + 1)?;
    let is_fit = name == jail && name.len() <= room && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !is_fit {
        let marks = 2 + 2 * NAME_HASH_BYTES;
        name.truncate(room.checked_sub(marks)?);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            name.insert(0, 'j');
        }
        name.push('-');
        for byte in &Sha256::digest(jail)[..NAME_HASH_BYTES] {
            write!(name, "{byte:02x}").expect("invariant: writing to a String does not fail");
        }
    }
    HostName::new(&format!("{name}.{parent}")).ok()
}

/// A jail that runs, beside its parent.
pub(super) struct Running<'a> {
    pub(super) name: &'a HostName,
    pub(super) parent: i64,
    pub(super) client: i64,
    pub(super) at: i64,
}

/// A row of a host that is a jail or has the name of one.
struct Stored {
    id: i64,
    client: i64,
    name: String,
    is_active: bool,
    /// `None` for a declared host.
    parent: Option<i64>,
}

/// Brings the hosts that are jails in line with what runs on their parents. Returns those whose name
/// belongs to a host that is declared or runs elsewhere: they are not recorded.
pub(super) async fn sync_jails(
    tx: &mut Tx,
    parents: &[Matched<'_>],
    running: &[Running<'_>],
) -> Result<Vec<HostName>, StoreError> {
    let asked = parents.iter().filter(|it| !it.is_outdated());
    let asked: BTreeMap<i64, i64> = asked
        .filter(|it| it.prepared.collection.observed.jails.is_some())
        .map(|it| (it.known.host, it.finished_at()))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let stored = stored_jails(tx, &asked, running).await?;
    retire_gone(tx, &asked, running, &stored).await?;
    let mut next_id = tx.next_id("SELECT max(id) FROM host").await?;
    let (mut rows, mut states, mut declared) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = Vec::new();
    for jail in running {
        let of_name = stored.values().filter(|it| it.name == jail.name.as_str());
        let active = of_name.clone().find(|it| it.is_active);
        if let Some(active) = active {
            if active.parent != Some(jail.parent) {
                taken.push(jail.name.clone());
            }
            continue;
        }
        let before = of_name.clone().find(|it| it.client == jail.client);
        let id = before.map_or(next_id, |before| before.id);
        if before.is_none() {
            states.push([Value::from(id), jail.client.into()]);
            next_id += 1;
        }
        let (client, name, at) = (Value::from(jail.client), jail.name.as_str(), Value::from(jail.at));
        declared.push([client.clone(), id.into(), at.clone()]);
        rows.push([id.into(), client, name.into(), "jail".into(), jail.parent.into(), at]);
    }
    tx.execute_rows(
        "INSERT INTO host (id, client_id, name, kind, parent_id, declared_at) VALUES",
        "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, parent_id = excluded.parent_id, \
         address = NULL, retired_at = NULL",
        rows,
    )
    .await?;
    tx.execute_rows("INSERT INTO host_state (host_id, client_id) VALUES", "", states).await?;
    open_declared(tx, declared).await?;
    Ok(taken)
}

/// Opens the intervals in which hosts are declared: client_id, host_id, valid_from.
pub(crate) async fn open_declared(tx: &mut Tx, rows: Vec<[Value<'_>; 3]>) -> Result<(), StoreError> {
    let head = "INSERT INTO host_declared (client_id, host_id, valid_from) VALUES";
    tx.execute_rows(head, "ON CONFLICT (host_id, valid_from) DO UPDATE SET valid_to = NULL", rows).await
}

async fn stored_jails(
    tx: &mut Tx,
    parents: &BTreeMap<i64, i64>,
    running: &[Running<'_>],
) -> Result<HashMap<i64, Stored>, StoreError> {
    let read = |row: &Row| {
        let stored = Stored {
            id: row.get(0)?,
            client: row.get(1)?,
            name: row.get(2)?,
            is_active: row.get::<Option<i64>>(3)?.is_none(),
            parent: row.get(4)?,
        };
        Ok((stored.id, stored))
    };
    let head = "SELECT id, client_id, name, retired_at, parent_id FROM host WHERE parent_id IN (VALUES";
    let ids = parents.keys().map(|id| [(*id).into()]).collect();
    let mut stored: HashMap<i64, Stored> = tx.fetch_rows(head, ")", ids, read).await?.into_iter().collect();
    let head = "SELECT id, client_id, name, retired_at, parent_id FROM host WHERE name IN (VALUES";
    let names = running.iter().map(|jail| [jail.name.as_str().into()]).collect();
    stored.extend(tx.fetch_rows(head, ")", names, read).await?);
    Ok(stored)
}

/// Retires the jails that run no longer, as of the look that missed them.
async fn retire_gone(
    tx: &mut Tx,
    parents: &BTreeMap<i64, i64>,
    running: &[Running<'_>],
    stored: &HashMap<i64, Stored>,
) -> Result<(), StoreError> {
    let names: BTreeSet<(i64, &str)> = running.iter().map(|jail| (jail.parent, jail.name.as_str())).collect();
    let mut gone: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for jail in stored.values().filter(|it| it.is_active) {
        let Some(parent) = jail.parent else { continue };
        if let Some(at) = parents.get(&parent)
            && !names.contains(&(parent, jail.name.as_str()))
        {
            gone.entry(*at).or_default().push(jail.id);
        }
    }
    for (at, mut ids) in gone {
        ids.sort_unstable();
        let at = Timestamp::from_microsecond(at).map_err(|error| tx.damaged(error.to_string()))?;
        retire(tx, &ids, at).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(jail: &str, expected: &str) {
        let parent = HostName::new("bsd-1").expect("valid");
        let name = jail_host_name(&parent, jail).map(|name| name.to_string());
        let name = name.expect("room for it");
        assert!(
            name == expected || (expected.ends_with('*') && name.starts_with(expected.trim_end_matches('*'))),
            "{name}"
        );
        assert!(name.ends_with(".bsd-1") && name.len() <= HOST_NAME_BYTES_MAX);
    }

    #[test]
    fn a_jail_is_named_after_its_host() {
        check("www", "www.bsd-1");
        check("www.php", "www.php.bsd-1");
        check("mail one", "mail_one-*");
        check("", "j-*");
        check("-x", "j-x-*");
        check("ü/\u{1b}[2J", "j*");
        check(&"x".repeat(400), "xxxx*");
        let long = HostName::new(&"h".repeat(253)).expect("valid");
        assert_eq!(jail_host_name(&long, "www"), None);
    }
}
