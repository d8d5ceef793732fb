//! Everything that is known of a host, now or at a time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{Address, ClientName, HostName, Kernel, Observed, OsRelease, PackageVersion, Platform, Software};

use crate::db::Store;
use crate::error::StoreError;
use crate::hosts::{platform, read_kernel, read_look, read_os};
use crate::ingest::items::read_kind;
use crate::item::{Item, ItemKind, observed_of};
use crate::item_wire::read_item;
use crate::moment::Moment;
use crate::record::{ClientScope, CollectionRecord, HostId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

/// Hosts asked for in one statement.
const HOSTS_PER_QUERY: usize = 1024;

/// Everything that is known of a host at one moment, apart from its packages
/// ([`Store::packages_of`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSnapshot {
    /// Its number.
    pub id: HostId,
    /// Its name.
    pub name: HostName,
    /// Its client.
    pub client: ClientName,
    /// The host that it is a jail of; `None` = it is declared.
    pub parent: Option<HostName>,
    /// The jails that run on it, sorted.
    pub jails: Vec<HostName>,
    /// Where it is reached today; `None` = the machine that ifrit runs on, or a jail.
    pub address: Option<Address>,
    /// Since when it is declared.
    pub declared_at: Timestamp,
    /// When that ended; `None` = not by now.
    pub retired_at: Option<Timestamp>,
    /// The operating system, where it was read.
    pub os: Option<OsRelease>,
    /// The platform that advisories are matched for.
    pub platform: Option<Platform>,
    /// The kernel, where it was read.
    pub kernel: Option<Kernel>,
    /// How many packages it has; `None` = they are not known.
    pub package_count: Option<u64>,
    /// The last look at it until then, also a failed one.
    pub last_collection: Option<CollectionRecord>,
    /// Services, listeners, accounts and so on; `None` in it = not known at that moment.
    pub observed: Observed,
    /// Which of these the host's last answers lack, and since when; empty for a moment of the past.
    pub unread: BTreeMap<ItemKind, Timestamp>,
}

impl Store {
    /// Returns everything that is known of a host, now or at a time by what was known later. `None`:
    /// not declared (nor a running jail) then, or not in the scope.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn host_at(
        &self,
        scope: &ClientScope,
        host: &HostName,
        at: Option<Timestamp>,
    ) -> Result<Option<HostSnapshot>, StoreError> {
        let mut tx = self.read("read what is known of a host").await?;
        let moment = Moment(at);
        let head = format!(
            "SELECT h.id, h.name, c.name, pa.name, h.address, d.valid_from, d.valid_to, ps.package_count, \
             s.os_id, s.os_version, s.codename, s.pretty_name, s.ecosystem, s.release, \
             s.kernel_name, s.kernel_running, s.kernel_installed, s.machine \
             FROM host h JOIN client c ON c.id = h.client_id \
             JOIN host_declared d ON d.host_id = h.id AND {} \
             LEFT JOIN host pa ON pa.id = h.parent_id \
             LEFT JOIN host_system s ON s.host_id = h.id AND {} \
             LEFT JOIN host_package_set p ON p.host_id = h.id AND {} \
             LEFT JOIN package_set ps ON ps.id = p.package_set_id WHERE 1 = 1",
            moment.holds("d"),
            moment.holds("s"),
            moment.holds("p"),
        );
        let mut query = ScopedQuery::new(&tx, &head, "h.client_id", scope)?;
        query.push(" AND h.name =").push_value(host.as_str());
        let found = query.fetch(&mut tx, read_snapshot).await?;
        let Some(mut snapshot) = found.into_iter().max_by_key(|found| found.declared_at) else {
            return Ok(None);
        };
        snapshot.last_collection = last_look(&mut tx, snapshot.id, moment).await?;
        snapshot.jails = jails_of(&mut tx, snapshot.id, moment).await?;
        let only = [snapshot.id];
        let (mut known, mut unread) = known_kinds(&mut tx, scope, &only, moment).await?;
        let mut items = items(&mut tx, scope, &only, &ItemKind::ALL, moment).await?;
        snapshot.unread = unread.remove(&snapshot.id).unwrap_or_default();
        snapshot.observed = observed_of(
            &known.remove(&snapshot.id).unwrap_or_default(),
            items.remove(&snapshot.id).unwrap_or_default(),
        );
        Ok(Some(snapshot))
    }

    /// Returns items of some kinds of hosts in the scope, now or at a time. What is not known of a
    /// host, or not asked for, is `None`; a host of which nothing is known is left out.
    ///
    /// # Errors
    /// As [`Store::host_at`].
    pub async fn observed(
        &self,
        scope: &ClientScope,
        hosts: &[HostId],
        kinds: &[ItemKind],
        at: Option<Timestamp>,
    ) -> Result<BTreeMap<HostId, Observed>, StoreError> {
        let mut tx = self.read("read what was observed on hosts").await?;
        let moment = Moment(at);
        let mut observed = BTreeMap::new();
        for hosts in hosts.chunks(HOSTS_PER_QUERY) {
            let (known, _) = known_kinds(&mut tx, scope, hosts, moment).await?;
            let mut items = items(&mut tx, scope, hosts, kinds, moment).await?;
            for (host, mut known) in known {
                known.retain(|kind| kinds.contains(kind));
                observed.insert(host, observed_of(&known, items.remove(&host).unwrap_or_default()));
            }
        }
        Ok(observed)
    }
}

impl Store {
    /// Returns the software of hosts that counts as a package version, with the file that says so, sorted by
    /// package version; of now or of a time. A host without any, or of which none is known, is left out.
    ///
    /// # Errors
    /// As [`Store::host_at`].
    pub async fn software_of(
        &self,
        scope: &ClientScope,
        hosts: &[HostId],
        at: Option<Timestamp>,
    ) -> Result<BTreeMap<HostId, Vec<(PackageVersion, Software)>>, StoreError> {
        let observed = self.observed(scope, hosts, &[ItemKind::Software], at).await?;
        let versions = observed.into_iter().map(|(host, observed)| {
            let software = observed.software.unwrap_or_default().into_iter();
            let named = software.filter_map(|it| Some((PackageVersion::from_software(&it)?, it)));
            let mut named: Vec<(PackageVersion, Software)> = named.collect();
            named.sort();
            (host, named)
        });
        Ok(versions.filter(|(_, named)| !named.is_empty()).collect())
    }
}

fn read_snapshot(row: &Row) -> Result<HostSnapshot, sqlx::Error> {
    Ok(HostSnapshot {
        id: HostId(row.get(0)?),
        name: row.parse(1, HostName::new)?,
        client: row.parse(2, ClientName::new)?,
        parent: row.get::<Option<&str>>(3)?.map(|_| row.parse(3, HostName::new)).transpose()?,
        jails: Vec::new(),
        address: row.get::<Option<String>>(4)?.map(Address::new),
        declared_at: row.time(5)?,
        retired_at: row.time_or_null(6)?,
        os: read_os(row, 8)?,
        platform: platform(row, 12)?,
        kernel: read_kernel(row, 14)?,
        package_count: row.get::<Option<i64>>(7)?.map(i64::unsigned_abs),
        last_collection: None,
        observed: Observed::default(),
        unread: BTreeMap::new(),
    })
}

async fn last_look(
    tx: &mut Tx,
    host: HostId,
    moment: Moment,
) -> Result<Option<CollectionRecord>, StoreError> {
    let until = moment.0.map_or(i64::MAX, Timestamp::as_microsecond);
    let sql = "SELECT started_at, finished_at, outcome, problems FROM collection \
               WHERE host_id = $1 AND finished_at <= $2 ORDER BY finished_at DESC, id DESC LIMIT 1";
    let looks = tx.fetch(sql, vec![host.0.into(), until.into()], |row| read_look(row, 0)).await?;
    Ok(looks.into_iter().next().flatten())
}

async fn jails_of(tx: &mut Tx, host: HostId, moment: Moment) -> Result<Vec<HostName>, StoreError> {
    let sql = format!(
        "SELECT j.name FROM host j JOIN host_declared d ON d.host_id = j.id AND {} WHERE j.parent_id = $1",
        moment.holds("d")
    );
    let mut jails = tx.fetch_text(sql, vec![host.0.into()], |row| row.parse(0, HostName::new)).await?;
    jails.sort();
    Ok(jails)
}

/// The kinds that are known of each host, and since when the last answers lack them.
type KnownKinds = (BTreeMap<HostId, BTreeSet<ItemKind>>, BTreeMap<HostId, BTreeMap<ItemKind, Timestamp>>);

async fn known_kinds(
    tx: &mut Tx,
    scope: &ClientScope,
    hosts: &[HostId],
    moment: Moment,
) -> Result<KnownKinds, StoreError> {
    let head = format!(
        "SELECT i.host_id, i.kind, i.unread_since FROM host_item_state i WHERE {}",
        moment.holds("i")
    );
    let mut query = ScopedQuery::new(tx, &head, "i.client_id", scope)?;
    query.push(" AND i.host_id IN").push_list("hosts", hosts.iter().map(|host| host.0.into()))?;
    let read = |row: &Row| Ok((HostId(row.get(0)?), read_kind(row, 1)?, row.time_or_null(2)?));
    let (mut known, mut unread) = KnownKinds::default();
    for (host, kind, unread_since) in query.fetch(tx, read).await? {
        known.entry(host).or_default().insert(kind);
        if let (Some(since), Moment(None)) = (unread_since, moment) {
            unread.entry(host).or_default().insert(kind, since);
        }
    }
    Ok((known, unread))
}

async fn items(
    tx: &mut Tx,
    scope: &ClientScope,
    hosts: &[HostId],
    kinds: &[ItemKind],
    moment: Moment,
) -> Result<BTreeMap<HostId, Vec<Item>>, StoreError> {
    let head = format!("SELECT i.host_id, i.kind, i.body FROM host_item i WHERE {}", moment.holds("i"));
    let mut query = ScopedQuery::new(tx, &head, "i.client_id", scope)?;
    query.push(" AND i.host_id IN").push_list("hosts", hosts.iter().map(|host| host.0.into()))?;
    query.push(" AND i.kind IN").push_list("kinds", kinds.iter().map(|kind| kind.as_str().into()))?;
    let read = |row: &Row| {
        let kind = read_kind(row, 1)?;
        Ok((HostId(row.get(0)?), row.parse(2, |text| read_item(kind, text))?))
    };
    let mut items: BTreeMap<HostId, Vec<Item>> = BTreeMap::new();
    for (host, item) in query.fetch(tx, read).await? {
        items.entry(host).or_default().push(item);
    }
    Ok(items)
}
