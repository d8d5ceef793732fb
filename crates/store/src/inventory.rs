//! Bringing clients and hosts in line with what is declared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use model::{Connection, Host, HostName, Inventory, Service, ServicePackage};
use sha2::{Digest, Sha256};

use crate::db::Store;
use crate::error::StoreError;
use crate::exceptions::sync_exceptions;
use crate::ingest::jails::open_declared;
use crate::package_set::{ContentHash, hash_part};
use crate::posting::{PostingChanges, SET_TABLES, load_sets};
use crate::record::InventoryChanges;
use crate::services::{sync_services, words};
use crate::sql::{Row, Tx, Value};

const WHAT: &str = "bring the database in line with the inventory";

/// A host as it stands in the database.
struct StoredHost {
    id: i64,
    address: Option<String>,
    standing: Standing,
}

/// What a host is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Declared,
    /// A jail that was last seen running on the host with this id.
    Jail(i64),
    Retired,
}

impl Store {
    /// Brings clients, hosts, services and exceptions in line with the inventory: new hosts are added, vanished ones
    /// retired, returned ones revived. Calling it again with the same inventory changes nothing and
    /// costs one read, so every run may begin with it.
    ///
    /// `source` is a hash of all that the inventory was made from; `None` where some of that cannot be
    /// hashed. It comes back from [`Store::inventory_source`], and tells a later run that there is nothing
    /// to bring in line.
    ///
    /// A retired host has no current packages any more; its history stays. A host that moves to
    /// another client is retired there and new here.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn sync_inventory(
        &self,
        inventory: &Inventory,
        source: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<InventoryChanges, StoreError> {
        let hash = content_hash(inventory);
        let mut tx = self.read(WHAT).await?;
        let same = "SELECT source_hash FROM inventory_sync WHERE content_hash = $1";
        let values = vec![hash.to_vec().into()];
        let stored = tx.fetch(same, values, |row| row.get::<Option<Vec<u8>>>(0)).await?;
        let source = source.as_ref().map(<[u8; 32]>::as_slice);
        if stored.first().is_some_and(|stored| stored.as_deref() == source) {
            return Ok(InventoryChanges::default());
        }
        drop(tx);
        let mut tx = self.write(WHAT).await?;
        let clients = sync_clients(&mut tx, inventory).await?;
        let changes = sync_hosts(&mut tx, inventory, &clients, now).await?;
        sync_services(&mut tx, inventory, &clients).await?;
        sync_exceptions(&mut tx, inventory).await?;
        tx.execute(
            "INSERT INTO inventory_sync (id, content_hash, source_hash, synced_at) VALUES (1, $1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET content_hash = excluded.content_hash, \
             source_hash = excluded.source_hash, synced_at = excluded.synced_at",
            vec![hash.to_vec().into(), Value::Blob(source.map(Into::into)), now.into()],
        )
        .await?;
        tx.commit().await?;
        Ok(changes)
    }

    /// Returns the hash of what the inventory of now was made from; `None` where it was made from something
    /// that cannot be hashed, or there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn inventory_source(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let mut tx = self.read("read what the inventory was made from").await?;
        let sql = "SELECT source_hash FROM inventory_sync WHERE id = 1 AND source_hash IS NOT NULL";
        let read = |row: &Row| {
            <[u8; 32]>::try_from(row.get::<&[u8]>(0)?).map_err(|error| sqlx::Error::Decode(error.into()))
        };
        Ok(tx.fetch(sql, vec![], read).await?.into_iter().next())
    }
}

/// Hashes what of the inventory is stored.
fn content_hash(inventory: &Inventory) -> ContentHash {
    let mut hasher = Sha256::new();
    for client in &inventory.clients {
        hash_part(&mut hasher, client.name.as_str());
        hash_part(&mut hasher, &client.title);
    }
    hash_part(&mut hasher, "hosts");
    for host in &inventory.hosts {
        hash_part(&mut hasher, host.name.as_str());
        hash_part(&mut hasher, host.client.as_str());
        // A local host has no address, and no host an empty one.
        hash_part(&mut hasher, address(host).unwrap_or_default());
    }
    hash_part(&mut hasher, "services");
    for service in &inventory.services {
        hash_service(&mut hasher, service);
    }
    hash_exceptions(&mut hasher, inventory);
    hasher.finalize().into()
}

fn hash_service(hasher: &mut Sha256, service: &Service) {
    hash_part(hasher, service.name.as_str());
    hash_part(hasher, service.client.as_str());
    hash_part(hasher, &service.port.map(|port| port.to_string()).unwrap_or_default());
    match &service.package {
        Some(ServicePackage::Package(name)) => hash_part(hasher, name.as_str()),
        Some(ServicePackage::VersionCommand(command)) => hash_part(hasher, &words(command)),
        None => hash_part(hasher, ""),
    }
    hash_part(hasher, &words(&service.paths));
    hash_part(hasher, service.owner.as_ref().map_or("", |owner| owner.as_str()));
    hash_part(hasher, if service.is_critical { "critical" } else { "" });
    let hosts: Vec<String> = service.hosts.iter().map(ToString::to_string).collect();
    hash_part(hasher, &words(&hosts));
}

/// Which hosts an exception is for follows from more than is stored: from tags, groups, sites.
fn hash_exceptions(hasher: &mut Sha256, inventory: &Inventory) {
    let selectors: Vec<_> = inventory.exceptions.iter().map(|exception| &exception.hosts).collect();
    for (exception, hosts) in inventory.exceptions.iter().zip(inventory.selected(&selectors)) {
        hash_part(hasher, "exception");
        hash_part(hasher, exception.vulnerability.as_str());
        hash_part(hasher, &exception.hosts.to_string());
        hash_part(hasher, exception.owner.as_str());
        hash_part(hasher, &exception.reason);
        hash_part(hasher, &exception.until.as_microsecond().to_string());
        let hosts: Vec<String> = hosts.iter().map(|host| host.name.to_string()).collect();
        hash_part(hasher, &words(&hosts));
    }
}

fn address(host: &Host) -> Option<&str> {
    match &host.connection {
        Connection::Local => None,
        Connection::Ssh { address, .. } => Some(address.as_str()),
    }
}

/// Adds clients and updates their titles; returns every client's id. Clients are never removed.
async fn sync_clients(tx: &mut Tx, inventory: &Inventory) -> Result<HashMap<String, i64>, StoreError> {
    let mut titles: BTreeMap<&str, &str> = BTreeMap::new();
    titles.extend(inventory.hosts.iter().map(|host| (host.client.as_str(), host.client.as_str())));
    titles.extend(inventory.clients.iter().map(|client| (client.name.as_str(), client.title.as_str())));
    let read = |row: &Row| Ok((row.get::<String>(1)?, (row.get::<i64>(0)?, row.get::<String>(2)?)));
    let stored = tx.fetch("SELECT id, name, title FROM client", vec![], read).await?;
    let stored: HashMap<String, (i64, String)> = stored.into_iter().collect();
    let mut next_id = tx.next_id("SELECT max(id) FROM client").await?;
    let mut ids: HashMap<String, i64> = stored.iter().map(|(name, (id, _))| (name.clone(), *id)).collect();
    let mut rows: Vec<[Value<'_>; 3]> = Vec::new();
    for (name, title) in titles {
        match stored.get(name) {
            Some((_, same)) if same == title => {}
            Some((id, _)) => rows.push([(*id).into(), name.into(), title.into()]),
            None => {
                rows.push([next_id.into(), name.into(), title.into()]);
                ids.insert(name.to_owned(), next_id);
                next_id += 1;
            }
        }
    }
    let head = "INSERT INTO client (id, name, title) VALUES";
    tx.execute_rows(head, "ON CONFLICT (id) DO UPDATE SET title = excluded.title", rows).await?;
    Ok(ids)
}

async fn sync_hosts(
    tx: &mut Tx,
    inventory: &Inventory,
    clients: &HashMap<String, i64>,
    now: Timestamp,
) -> Result<InventoryChanges, StoreError> {
    let stored = stored_hosts(tx).await?;
    let mut next_id = tx.next_id("SELECT max(id) FROM host").await?;
    let mut changes = InventoryChanges::default();
    let mut declared: BTreeSet<(i64, &HostName)> = BTreeSet::new();
    // id, client_id, name, kind, address, declared_at
    let mut rows: Vec<[Value<'_>; 6]> = Vec::new();
    let mut states: Vec<[Value<'_>; 2]> = Vec::new();
    // client_id, host_id, valid_from
    let mut opened: Vec<[Value<'_>; 3]> = Vec::new();
    for host in &inventory.hosts {
        let client =
            *clients.get(host.client.as_str()).expect("invariant: sync_clients knows each host's client");
        if !declared.insert((client, &host.name)) {
            continue;
        }
        let id = match stored.get(&(client, host.name.clone())) {
            Some(known) if known.standing == Standing::Declared => {
                if known.address.as_deref() == address(host) {
                    continue;
                }
                changes.updated.push(host.name.clone());
                known.id
            }
            Some(known) => {
                changes.revived.push(host.name.clone());
                opened.push([client.into(), known.id.into(), now.into()]);
                known.id
            }
            None => {
                changes.added.push(host.name.clone());
                states.push([next_id.into(), client.into()]);
                opened.push([client.into(), next_id.into(), now.into()]);
                next_id += 1;
                next_id - 1
            }
        };
        let name = host.name.as_str().into();
        rows.push([id.into(), client.into(), name, "host".into(), address(host).into(), now.into()]);
    }
    let retired = no_longer(&stored, &declared, &mut changes);
    // First, because a name may be declared once.
    retire(tx, &retired, now).await?;
    tx.execute_rows(
        "INSERT INTO host (id, client_id, name, kind, address, declared_at) VALUES",
        "ON CONFLICT (id) DO UPDATE SET address = excluded.address, kind = excluded.kind, parent_id = NULL, \
         retired_at = NULL",
        rows,
    )
    .await?;
    open_declared(tx, opened).await?;
    tx.execute_rows("INSERT INTO host_state (host_id, client_id) VALUES", "", states).await?;
    for list in [&mut changes.added, &mut changes.retired, &mut changes.revived, &mut changes.updated] {
        list.sort();
    }
    Ok(changes)
}

/// Returns the ids of what is to be retired: hosts that are not declared any more, with their jails, and
/// jails whose name is now that of a declared host.
fn no_longer(
    stored: &BTreeMap<(i64, HostName), StoredHost>,
    declared: &BTreeSet<(i64, &HostName)>,
    changes: &mut InventoryChanges,
) -> Vec<i64> {
    let mut retired = BTreeSet::new();
    for ((client, name), host) in stored {
        if host.standing == Standing::Declared && !declared.contains(&(*client, name)) {
            changes.retired.push(name.clone());
            retired.insert(host.id);
        }
    }
    let names: BTreeSet<&HostName> = declared.iter().map(|(_, name)| *name).collect();
    let is_over = |(name, parent): (&HostName, i64)| names.contains(name) || retired.contains(&parent);
    let jails = stored.iter().filter_map(|((_, name), host)| match host.standing {
        Standing::Jail(parent) if is_over((name, parent)) => Some(host.id),
        _ => None,
    });
    let jails: Vec<i64> = jails.collect();
    retired.into_iter().chain(jails).collect()
}

async fn stored_hosts(tx: &mut Tx) -> Result<BTreeMap<(i64, HostName), StoredHost>, StoreError> {
    let sql = "SELECT id, client_id, name, address, retired_at, parent_id FROM host";
    let read = |row: &Row| {
        let name = row.parse(2, HostName::new)?;
        let standing = match (row.get::<Option<i64>>(4)?, row.get(5)?) {
            (Some(_), _) => Standing::Retired,
            (None, Some(parent)) => Standing::Jail(parent),
            (None, None) => Standing::Declared,
        };
        let host = StoredHost { id: row.get(0)?, address: row.get(3)?, standing };
        Ok(((row.get(1)?, name), host))
    };
    Ok(tx.fetch(sql, vec![], read).await?.into_iter().collect())
}

/// Retires hosts: closes their intervals and takes them out of the posting lists.
pub(crate) async fn retire(tx: &mut Tx, hosts: &[i64], now: Timestamp) -> Result<(), StoreError> {
    let ids = || hosts.iter().map(|id| [Value::from(*id)]).collect::<Vec<_>>();
    let mut current: BTreeSet<(i64, i64, i64)> = BTreeSet::new();
    for table in SET_TABLES {
        let head = format!(
            "SELECT client_id, host_id, package_set_id FROM {table} \
             WHERE valid_to IS NULL AND host_id IN (VALUES"
        );
        let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        current.extend(tx.fetch_rows(&head, ")", ids(), read).await?);
    }
    let sets = load_sets(tx, current.iter().map(|(_, _, set)| *set).collect()).await?;
    let mut postings = PostingChanges::default();
    for (client, host, set) in current {
        postings.replace(client, host, sets.get(&set).map_or(&[], Vec::as_slice), &[]);
    }
    postings.apply(tx).await?;
    let now = now.as_microsecond();
    let others = ["host_system", "host_item", "host_item_state", "host_declared"];
    for table in SET_TABLES.into_iter().chain(others) {
        let head = format!(
            "UPDATE {table} SET valid_to = CASE WHEN valid_from > {now} THEN valid_from ELSE {now} END \
             WHERE valid_to IS NULL AND host_id IN (VALUES"
        );
        tx.execute_rows(&head, ")", ids()).await?;
    }
    let head = format!(
        "UPDATE host_state SET packages_at = NULL, \
         settled_at = CASE WHEN settled_at > {now} THEN settled_at ELSE {now} END WHERE host_id IN (VALUES"
    );
    tx.execute_rows(&head, ")", ids()).await?;
    let head = format!("UPDATE host SET retired_at = {now} WHERE id IN (VALUES");
    tx.execute_rows(&head, ")", ids()).await
}
