//! Changes: what became different on hosts, and when. Nothing is recorded for them: the border
//! between two intervals is the change.

mod packages;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use model::{ClientName, HostName, InstalledPackage, Kernel, OsRelease};

use crate::db::Store;
use crate::error::StoreError;
use crate::hosts::{read_kernel, read_os};
use crate::ingest::items::read_kind;
use crate::item::{Item, ItemKind};
use crate::item_wire::read_item;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx, Value};

/// Moments (one host at one time) of one page of changes. A page that would begin and end within one
/// instant holds all of it, however many hosts changed then.
pub const CHANGES_PAGE_MOMENTS: usize = 500;

/// Which changes to return.
#[derive(Debug, Clone, Copy)]
pub struct ChangeQuery<'a> {
    /// The first instant that counts.
    pub since: Timestamp,
    /// The last instant that counts.
    pub until: Timestamp,
    /// Only these hosts; `None` = every host that ever was declared.
    pub hosts: Option<&'a [HostId]>,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    /// Changes, sorted by time, client, host.
    pub changes: Vec<Change>,
    /// Where the next page begins; `None` = this is the last one. A page may be empty and not the last.
    pub next_since: Option<Timestamp>,
}

/// Something that became different on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When: the end of the look that found it.
    pub at: Timestamp,
    /// The client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// What.
    pub event: ChangeEvent,
}

/// What became different. What the first look at something finds is no change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeEvent {
    /// The host was declared.
    HostAdded,
    /// The host was declared no longer.
    HostRetired,
    /// The host answered for the first time (since it was last declared).
    FirstSeen {
        /// What it runs.
        os: Option<OsRelease>,
    },
    /// It runs another operating system or release.
    OsChanged {
        /// Before.
        from: OsRelease,
        /// After.
        to: OsRelease,
    },
    /// It runs another kernel, or another one is installed.
    KernelChanged {
        /// Before.
        from: Kernel,
        /// After.
        to: Kernel,
    },
    /// A package is new.
    PackageInstalled {
        /// It.
        package: InstalledPackage,
    },
    /// A package is gone.
    PackageRemoved {
        /// It.
        package: InstalledPackage,
    },
    /// A package has a later version, in its package manager's order.
    PackageUpgraded {
        /// Before.
        from: InstalledPackage,
        /// After.
        to: InstalledPackage,
    },
    /// A package has an earlier version.
    PackageDowngraded {
        /// Before.
        from: InstalledPackage,
        /// After.
        to: InstalledPackage,
    },
    /// An item is new.
    ItemAdded {
        /// It.
        item: Item,
    },
    /// An item is gone.
    ItemRemoved {
        /// It.
        item: Item,
    },
    /// An item of the same key says something else.
    ItemChanged {
        /// Before.
        from: Item,
        /// After.
        to: Item,
    },
}

/// One host at one time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    at: i64,
    client: ClientName,
    host: HostName,
    id: i64,
}

/// What happened at moments, by time and host id.
type Events = HashMap<(i64, i64), Vec<ChangeEvent>>;

impl Store {
    /// Returns a page of what changed on hosts in the scope.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients or hosts.
    pub async fn changes(
        &self,
        scope: &ClientScope,
        query: &ChangeQuery<'_>,
    ) -> Result<ChangePage, StoreError> {
        let mut tx = self.read("read what changed").await?;
        let (since, until) = (query.since.as_microsecond(), query.until.as_microsecond());
        let limit = CHANGES_PAGE_MOMENTS + 1;
        let mut moments = moments(&mut tx, scope, query.hosts, (since, until), Some(limit)).await?;
        let mut next = None;
        if moments.len() == limit {
            // Cut between two instants; the last one may not be whole.
            let cut = moments.last().map_or(until, |last| last.at);
            moments.retain(|moment| moment.at < cut);
            next = Some(cut);
            if moments.is_empty() {
                moments = self::moments(&mut tx, scope, query.hosts, (cut, cut), None).await?;
                next = (cut < until).then_some(cut + 1);
            }
        }
        moments.sort();
        let mut events = Events::new();
        declarations(&mut tx, &moments, &mut events).await?;
        systems(&mut tx, &moments, &mut events).await?;
        packages::package_changes(&mut tx, &moments, &mut events).await?;
        items(&mut tx, &moments, &mut events).await?;
        let damaged = |error: jiff::Error| tx.damaged(error.to_string());
        let mut changes = Vec::new();
        for moment in moments {
            let at = Timestamp::from_microsecond(moment.at).map_err(damaged)?;
            let of_moment = events.remove(&(moment.at, moment.id)).unwrap_or_default();
            let (client, host) = (moment.client, moment.host);
            changes.extend(of_moment.into_iter().map(|event| Change {
                at,
                client: client.clone(),
                host: host.clone(),
                event,
            }));
        }
        let next_since = next.map(Timestamp::from_microsecond).transpose().map_err(damaged)?;
        Ok(ChangePage { changes, next_since })
    }
}

/// Borders of intervals: table and column.
const BORDERS: [(&str, &str); 6] = [
    ("host_declared", "valid_from"),
    ("host_declared", "valid_to"),
    ("host_system", "valid_from"),
    ("host_package_set", "valid_from"),
    ("host_item", "valid_from"),
    ("host_item", "valid_to"),
];

/// Returns the moments at which any interval begins or ends, by time, up to a limit.
async fn moments(
    tx: &mut Tx,
    scope: &ClientScope,
    hosts: Option<&[HostId]>,
    (since, until): (i64, i64),
    limit: Option<usize>,
) -> Result<Vec<Moment>, StoreError> {
    let borders = BORDERS.map(|(table, column)| {
        format!("SELECT host_id, {column} AS at FROM {table} WHERE {column} BETWEEN {since} AND {until}")
    });
    let head = format!(
        "SELECT b.at, c.name, h.name, h.id FROM ({}) b JOIN host h ON h.id = b.host_id \
         JOIN client c ON c.id = h.client_id WHERE 1 = 1",
        borders.join(" UNION ")
    );
    let mut query = ScopedQuery::new(tx, &head, "h.client_id", scope)?;
    if let Some(hosts) = hosts {
        query.push(" AND h.id IN").push_list("hosts", hosts.iter().map(|host| host.0.into()))?;
    }
    query.push(" ORDER BY b.at, h.id");
    if let Some(limit) = limit {
        query.push(" LIMIT").push_value(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    let read = |row: &Row| {
        let (client, host) = (row.parse(1, ClientName::new)?, row.parse(2, HostName::new)?);
        Ok(Moment { at: row.get(0)?, client, host, id: row.get(3)? })
    };
    query.fetch(tx, read).await
}

/// Host id and time of each moment.
fn keys(moments: &[Moment]) -> Vec<[Value<'static>; 2]> {
    moments.iter().map(|moment| [moment.id.into(), moment.at.into()]).collect()
}

/// Host ids, each once.
fn host_ids(moments: &[Moment]) -> Vec<[Value<'static>; 1]> {
    let ids: BTreeSet<i64> = moments.iter().map(|moment| moment.id).collect();
    ids.into_iter().map(|id| [id.into()]).collect()
}

async fn declarations(tx: &mut Tx, moments: &[Moment], events: &mut Events) -> Result<(), StoreError> {
    // What jails do is told by their parents' items.
    let head = "SELECT d.host_id, d.valid_from, d.valid_to FROM host_declared d JOIN host h ON h.id = d.host_id \
                WHERE h.parent_id IS NULL AND d.host_id IN (VALUES";
    let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows = tx.fetch_rows(head, ")", host_ids(moments), read).await?;
    let rows: BTreeSet<(i64, i64, Option<i64>)> = rows.into_iter().collect();
    let wanted: BTreeSet<(i64, i64)> = moments.iter().map(|moment| (moment.at, moment.id)).collect();
    let mut push = |at: i64, host: i64, event| {
        if wanted.contains(&(at, host)) {
            events.entry((at, host)).or_default().push(event);
        }
    };
    for (host, from, to) in rows {
        if to.is_none_or(|to| to > from) {
            push(from, host, ChangeEvent::HostAdded);
        }
        if let Some(to) = to.filter(|to| *to > from) {
            push(to, host, ChangeEvent::HostRetired);
        }
    }
    Ok(())
}

/// What a host ran before and after a moment.
struct SystemChange {
    is_first: bool,
    os: (Option<OsRelease>, Option<OsRelease>),
    kernel: (Option<Kernel>, Option<Kernel>),
}

async fn systems(tx: &mut Tx, moments: &[Moment], events: &mut Events) -> Result<(), StoreError> {
    let head = "SELECT n.host_id, n.valid_from, o.valid_from, \
                n.os_id, n.os_version, n.codename, n.pretty_name, \
                n.kernel_name, n.kernel_running, n.kernel_installed, n.machine, \
                o.os_id, o.os_version, o.codename, o.pretty_name, \
                o.kernel_name, o.kernel_running, o.kernel_installed, o.machine FROM (VALUES";
    let tail = ") AS v CROSS JOIN host_system n \
                LEFT JOIN host_system o ON o.host_id = n.host_id AND o.valid_to = n.valid_from \
                AND o.valid_from < n.valid_from \
                WHERE n.host_id = v.column1 AND n.valid_from = v.column2";
    let read = |row: &Row| {
        let change = SystemChange {
            is_first: row.get::<Option<i64>>(2)?.is_none(),
            os: (read_os(row, 11)?, read_os(row, 3)?),
            kernel: (read_kernel(row, 15)?, read_kernel(row, 7)?),
        };
        Ok(((row.get(1)?, row.get(0)?), change))
    };
    let rows = tx.fetch_rows(head, tail, keys(moments), read).await?;
    let rows: HashMap<(i64, i64), SystemChange> = rows.into_iter().collect();
    for (moment, change) in rows {
        let events = events.entry(moment).or_default();
        if change.is_first {
            events.push(ChangeEvent::FirstSeen { os: change.os.1 });
            continue;
        }
        if let (Some(from), Some(to)) = change.os
            && from != to
        {
            events.push(ChangeEvent::OsChanged { from, to });
        }
        if let (Some(from), Some(to)) = change.kernel
            && from != to
        {
            events.push(ChangeEvent::KernelChanged { from, to });
        }
    }
    Ok(())
}

/// Key of an item at a moment: host, time, kind, key.
type ItemAt = (i64, i64, ItemKind, String);

async fn items(tx: &mut Tx, moments: &[Moment], events: &mut Events) -> Result<(), StoreError> {
    let known = known_intervals(tx, moments).await?;
    let head = "SELECT i.host_id, v.column2, i.kind, i.item_key, i.body, i.valid_from FROM (VALUES";
    // One question for each border, since for both at once SQLite would read every item of the hosts.
    let tails = ["valid_from", "valid_to"].map(|border| {
        format!(
            ") AS v CROSS JOIN host_item i WHERE i.host_id = v.column1 AND i.{border} = v.column2 \
             AND (i.valid_to IS NULL OR i.valid_to > i.valid_from)"
        )
    });
    let read = |row: &Row| {
        let kind = read_kind(row, 2)?;
        let item = row.parse(4, |text| read_item(kind, text))?;
        let at: i64 = row.get(1)?;
        let key: ItemAt = (row.get(0)?, at, kind, row.get(3)?);
        Ok((key, row.get::<i64>(5)? == at, item))
    };
    let mut rows = tx.fetch_rows(head, &tails[0], keys(moments), read).await?;
    rows.extend(tx.fetch_rows(head, &tails[1], keys(moments), read).await?);
    let mut sides: BTreeMap<ItemAt, (Option<Item>, Option<Item>)> = BTreeMap::new();
    for (key, is_new, item) in rows {
        let is_known = |intervals: &Vec<(i64, Option<i64>)>| {
            intervals.iter().any(|(from, to)| *from < key.1 && to.is_none_or(|to| to > key.1))
        };
        // Neither the first look at a kind nor the end of a host is a change of its items.
        if !known.get(&(key.0, key.2)).is_some_and(is_known) {
            continue;
        }
        let (from, to) = sides.entry(key).or_default();
        *(if is_new { to } else { from }) = Some(item);
    }
    for ((host, at, _, _), sides) in sides {
        let event = match sides {
            (Some(from), Some(to)) => ChangeEvent::ItemChanged { from, to },
            (Some(item), None) => ChangeEvent::ItemRemoved { item },
            (None, Some(item)) => ChangeEvent::ItemAdded { item },
            (None, None) => continue,
        };
        events.entry((at, host)).or_default().push(event);
    }
    Ok(())
}

/// Intervals in which a kind of a host is known.
type KnownIntervals = HashMap<(i64, ItemKind), Vec<(i64, Option<i64>)>>;

async fn known_intervals(tx: &mut Tx, moments: &[Moment]) -> Result<KnownIntervals, StoreError> {
    let head = "SELECT host_id, kind, valid_from, valid_to FROM host_item_state WHERE host_id IN (VALUES";
    let read = |row: &Row| Ok(((row.get(0)?, read_kind(row, 1)?), (row.get(2)?, row.get(3)?)));
    let mut known = KnownIntervals::new();
    for (of, interval) in tx.fetch_rows(head, ")", host_ids(moments), read).await? {
        known.entry(of).or_default().push(interval);
    }
    Ok(known)
}
