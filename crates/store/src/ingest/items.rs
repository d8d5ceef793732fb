//! Items of hosts, as intervals.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use jiff::SignedDuration;
use model::Observed;
use sha2::{Digest, Sha256};

use super::Matched;
use crate::error::StoreError;
use crate::item::{Item, ItemKind, items_of};
use crate::item_wire::{read_item, write_item};
use crate::package_set::{ContentHash, hash_part};
use crate::record::CollectionOutcome;
use crate::sql::{Row, Tx, Value, without_nul};

/// Items of one kind that are kept of one host. The first ones in order are; the rest is reported.
pub(super) const ITEMS_PER_KIND_MAX: usize = 20_000;

/// The longest body of an item, in bytes. A longer item is left out and reported.
pub(super) const ITEM_BODY_BYTES_MAX: usize = 16 * 1024;

/// The longest key, in bytes: keys are indexed. The end of a longer one gives way to a hash.
const ITEM_KEY_BYTES_MAX: usize = 300;

/// How far two answers of one boot may lie apart: hosts work the time out from their uptime.
const BOOT_JITTER: SignedDuration = SignedDuration::from_secs(60);

/// The items of one kind that a collection brought back, ready to be compared.
pub(super) struct PreparedKind {
    pub(super) kind: ItemKind,
    hash: ContentHash,
    /// Bodies by key.
    items: BTreeMap<String, String>,
    /// How many were left out.
    pub(super) left_out: usize,
}

/// Writes and hashes every kind that was read.
pub(super) fn prepare(observed: &Observed) -> Vec<PreparedKind> {
    items_of(observed).into_iter().map(|(kind, items)| prepare_kind(kind, &items)).collect()
}

fn prepare_kind(kind: ItemKind, items: &[Item]) -> PreparedKind {
    let mut left_out = 0;
    let mut bodies = BTreeMap::new();
    for item in items {
        let body = write_item(item);
        if body.len() > ITEM_BODY_BYTES_MAX || bodies.len() == ITEMS_PER_KIND_MAX {
            left_out += 1;
            continue;
        }
        // Of two with one key the first counts.
        bodies.entry(stored_key(&item.key())).or_insert(body);
    }
    let mut hasher = Sha256::new();
    for (key, body) in &bodies {
        hash_part(&mut hasher, key);
        hash_part(&mut hasher, body);
    }
    PreparedKind { kind, hash: hasher.finalize().into(), items: bodies, left_out }
}

/// Returns the key as it is stored and will come back.
fn stored_key(key: &str) -> String {
    if key.len() <= ITEM_KEY_BYTES_MAX {
        return without_nul(key).into_owned();
    }
    let hash: ContentHash = Sha256::digest(key).into();
    let mut cut =
        without_nul(&key[..key.floor_char_boundary(ITEM_KEY_BYTES_MAX - 3 * 2 * hash.len())]).into_owned();
    for byte in hash {
        write!(cut, "{byte:02x}").expect("invariant: writing to a String does not fail");
    }
    cut
}

/// What is known of a kind of a host.
struct State {
    valid_from: i64,
    hash: Vec<u8>,
    unread_since: Option<i64>,
}

/// A kind of a host that was read and is not what it was.
struct KindChange<'a> {
    client: i64,
    host: i64,
    at: i64,
    is_first: bool,
    new: &'a PreparedKind,
}

/// An item that a host has.
struct Current {
    body: String,
    valid_from: i64,
}

/// Items that hosts have, by host, kind and key.
type CurrentItems = HashMap<(i64, ItemKind), BTreeMap<String, Current>>;

/// client_id, host_id, kind, item_key, body, valid_from
type ItemRow<'a> = [Value<'a>; 6];

/// Closes and opens the intervals of items that changed. A kind that was not read stays as it was.
pub(super) async fn record_items(tx: &mut Tx, matched: &[Matched<'_>]) -> Result<(), StoreError> {
    let states = known_states(tx, matched).await?;
    let mut changes: Vec<KindChange<'_>> = Vec::new();
    // client_id, host_id, kind, content_hash, unread_since, valid_from
    let mut state_rows: Vec<[Value<'_>; 6]> = Vec::new();
    for it in matched.iter().filter(|it| !it.is_outdated()) {
        if it.prepared.outcome == CollectionOutcome::Failed {
            continue;
        }
        let (client, host, at) = (it.known.client, it.known.host, it.finished_at());
        for kind in ItemKind::ALL {
            let state = states.get(&(host, kind));
            let new = it.prepared.items.iter().find(|new| new.kind == kind);
            let is_same = new.zip(state).is_some_and(|(new, state)| new.hash.as_slice() == state.hash);
            if let Some(new) = new.filter(|_| !is_same) {
                changes.push(KindChange { client, host, at, is_first: state.is_none(), new });
            }
            let unread_since = match (new, state) {
                (None, None) => continue,
                (None, Some(state)) if state.unread_since.is_some() => continue,
                (Some(_), Some(state)) if is_same && state.unread_since.is_none() => continue,
                (None, Some(_)) => Some(at),
                (Some(_), _) => None,
            };
            let hash = match (new, state) {
                (Some(new), _) => Value::from(new.hash.to_vec()),
                (None, Some(state)) => Value::from(state.hash.clone()),
                (None, None) => continue,
            };
            let valid_from = state.map_or(at, |state| state.valid_from);
            let kind = kind.as_str().into();
            state_rows.push([client.into(), host.into(), kind, hash, unread_since.into(), valid_from.into()]);
        }
    }
    write_changes(tx, &changes).await?;
    tx.execute_rows(
        "INSERT INTO host_item_state (client_id, host_id, kind, content_hash, unread_since, valid_from) VALUES",
        "ON CONFLICT (host_id, kind, valid_from) DO UPDATE SET content_hash = excluded.content_hash, \
         unread_since = excluded.unread_since, valid_to = NULL",
        state_rows,
    )
    .await
}

async fn known_states(
    tx: &mut Tx,
    matched: &[Matched<'_>],
) -> Result<HashMap<(i64, ItemKind), State>, StoreError> {
    let head = "SELECT host_id, kind, valid_from, content_hash, unread_since FROM host_item_state \
                WHERE valid_to IS NULL AND host_id IN (VALUES";
    let ids = matched.iter().map(|it| [it.known.host.into()]).collect();
    let read = |row: &Row| {
        let state = State { valid_from: row.get(2)?, hash: row.get(3)?, unread_since: row.get(4)? };
        Ok(((row.get(0)?, read_kind(row, 1)?), state))
    };
    Ok(tx.fetch_rows(head, ")", ids, read).await?.into_iter().collect())
}

/// Reads a kind's word.
pub(crate) fn read_kind(row: &Row, column: usize) -> Result<ItemKind, sqlx::Error> {
    row.parse(column, |word| {
        ItemKind::parse(word).ok_or_else(|| format!("kind of item `{word}` is not known"))
    })
}

async fn write_changes(tx: &mut Tx, changes: &[KindChange<'_>]) -> Result<(), StoreError> {
    let mut current = current_items(tx, changes).await?;
    let mut closed: Vec<[Value<'_>; 7]> = Vec::new();
    let mut opened: Vec<ItemRow<'_>> = Vec::new();
    for change in changes {
        let mut had = current.remove(&(change.host, change.new.kind)).unwrap_or_default();
        let (client, host, at) = (change.client, change.host, change.at);
        let kind = change.new.kind.as_str();
        for (key, body) in &change.new.items {
            let old = had.get(key.as_str());
            if old.is_some_and(|old| is_same(change.new.kind, &old.body, body)) {
                had.remove(key.as_str());
                continue;
            }
            let (key, body) = (key.as_str().into(), body.as_str().into());
            opened.push([client.into(), host.into(), kind.into(), key, body, at.into()]);
        }
        closed.extend(had.into_iter().map(|(key, old)| {
            let (client, host) = (client.into(), host.into());
            [client, host, kind.into(), key.into(), old.body.into(), old.valid_from.into(), at.into()]
        }));
    }
    tx.execute_rows(
        "INSERT INTO host_item (client_id, host_id, kind, item_key, body, valid_from, valid_to) VALUES",
        "ON CONFLICT (host_id, kind, item_key, valid_from) DO UPDATE SET valid_to = excluded.valid_to",
        closed,
    )
    .await?;
    // An interval that began at the same microsecond never was; the one that follows takes its place.
    tx.execute_rows(
        "INSERT INTO host_item (client_id, host_id, kind, item_key, body, valid_from) VALUES",
        "ON CONFLICT (host_id, kind, item_key, valid_from) DO UPDATE SET body = excluded.body, valid_to = NULL",
        opened,
    )
    .await
}

async fn current_items(tx: &mut Tx, changes: &[KindChange<'_>]) -> Result<CurrentItems, StoreError> {
    // A join and not `(..) IN (VALUES ..)`, for which SQLite would read the whole table.
    let head = "SELECT i.host_id, i.kind, i.item_key, i.body, i.valid_from FROM (VALUES";
    let tail = ") AS v CROSS JOIN host_item i \
                WHERE i.host_id = v.column1 AND i.kind = v.column2 AND i.valid_to IS NULL";
    let keys = changes.iter().filter(|change| !change.is_first);
    let keys = keys.map(|change| [change.host.into(), change.new.kind.as_str().into()]).collect();
    let read = |row: &Row| {
        let current = Current { body: row.get(3)?, valid_from: row.get(4)? };
        Ok(((row.get(0)?, read_kind(row, 1)?), row.get::<String>(2)?, current))
    };
    let mut items = CurrentItems::new();
    for (of, key, current) in tx.fetch_rows(head, tail, keys, read).await? {
        items.entry(of).or_default().insert(key, current);
    }
    Ok(items)
}

/// Says whether two bodies mean the same.
fn is_same(kind: ItemKind, old: &str, new: &str) -> bool {
    if old == new {
        return true;
    }
    match (kind, read_item(kind, old), read_item(kind, new)) {
        (ItemKind::Boot, Ok(Item::Boot(old)), Ok(Item::Boot(new))) => {
            old.duration_since(new).abs() <= BOOT_JITTER
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use model::CronEntry;

    use super::*;

    #[test]
    fn a_long_key_is_short_and_still_its_own() {
        let key = |end: &str| stored_key(&format!("{}{end}", "ü".repeat(1000)));
        assert!(key("a").len() <= ITEM_KEY_BYTES_MAX);
        assert_ne!(key("a"), key("b"));
        assert_eq!(stored_key("a\0b"), "a\u{fffd}b");
    }

    #[test]
    fn monstrous_items_are_left_out() {
        let entry = |line: String| Item::Cron(CronEntry { file: "f".to_owned(), line });
        let kind =
            prepare_kind(ItemKind::Cron, &[entry("x".repeat(ITEM_BODY_BYTES_MAX)), entry("ok".to_owned())]);
        assert_eq!((kind.items.len(), kind.left_out), (1, 1));
    }
}
