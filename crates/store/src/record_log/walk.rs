//! Walking over the whole record: every leaf is made anew from its record's columns, and the tree over them is
//! compared with what was once signed. One thread reads while another one hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::merkle::{Frontier, TreeHash};
use tokio::task::{JoinHandle, spawn_blocking};

use super::raw::{ClientNames, RawRecord, client_names, raw_columns};
use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

const WHAT: &str = "walk over the audit record";

/// Records that are read at once. More need memory and gain nothing.
const PAGE: i64 = 4096;

/// Faults that are told; a ruined table has millions.
pub const RECORD_FAULTS_MAX: usize = 100;

/// What walking over the record found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordWalk {
    /// How many records there are.
    pub records: u64,
    /// The largest number among them; without a gap it is how many there are.
    pub last_number: u64,
    /// When the first one was written.
    pub first_at: Option<Timestamp>,
    /// When the last one was written.
    pub last_at: Option<Timestamp>,
    /// The tree over all of them.
    pub tree: Frontier,
    /// The roots of the trees of the sizes that were asked for, as far as there are so many records.
    pub roots: BTreeMap<u64, TreeHash>,
    /// What is wrong with single records, in their order; at most [`RECORD_FAULTS_MAX`].
    pub faults: Vec<RecordFault>,
}

/// A record that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFault {
    /// Its number.
    pub number: i64,
    /// What is wrong.
    pub kind: RecordFaultKind,
    /// When it was written, as it says now.
    pub at: Option<Timestamp>,
    /// What it says now: `run.host of web-1 by eva`; empty where it is not there.
    pub what: String,
}

/// What can be wrong with a record by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordFaultKind {
    /// It is not what its leaf hash was made of.
    Changed,
    /// It is not there, and later ones are.
    Missing {
        /// The last one of those that are missing from here on.
        to: i64,
    },
    /// Its number is below that of the first record.
    OutOfTurn,
    /// Nobody here knows how its leaf hash was made.
    Format {
        /// The format that it says it has.
        format: i64,
    },
    /// A column holds what cannot stand there.
    Unreadable {
        /// Which and why.
        why: String,
    },
}

/// A record as it is given away: whoever has it can make its leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Its number.
    pub number: u64,
    /// Its salt.
    pub salt: Vec<u8>,
    /// Its bytes in format 1.
    pub canonical: String,
    /// Its leaf hash.
    pub leaf: TreeHash,
}

impl Store {
    /// Walks over every record, of all clients, and returns the roots of the trees of some sizes beside what is
    /// wrong with single records.
    ///
    /// # Errors
    /// [`StoreError::Database`]. A record that is wrong is a part of the answer.
    pub async fn walk_record(&self, sizes: &BTreeSet<u64>) -> Result<RecordWalk, StoreError> {
        let mut tx = self.read(WHAT).await?;
        let clients = Arc::new(client_names(&mut tx).await?);
        let mut walk = Walk { found: RecordWalk::default(), sizes, next: 1 };
        let mut hashing: Option<JoinHandle<Vec<Hashed>>> = None;
        let mut after = None;
        loop {
            let rows = page(&mut tx, after, PAGE).await?;
            let last = rows.last().map(|row| row.get::<i64>(0)).transpose();
            after = last.map_err(|error| StoreError::from_driver(WHAT, error))?;
            let clients = Arc::clone(&clients);
            let next = after.map(|_| spawn_blocking(move || hash(&rows, &clients)));
            if let Some(page) = std::mem::replace(&mut hashing, next) {
                walk.take(
                    page.await.map_err(|error| StoreError::Database { what: WHAT, source: error.into() })?,
                );
            }
            if hashing.is_none() {
                return Ok(walk.found);
            }
        }
    }

    /// Adds the leaves of the records behind a frontier to it, up to the last record. Each is made anew: what is
    /// not what was written is not signed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names a record that is not what was written, or says how many are missing;
    /// [`StoreError::Database`].
    pub async fn grow_tree(&self, mut tree: Frontier) -> Result<Frontier, StoreError> {
        let mut tx = self.read(WHAT).await?;
        let clients = client_names(&mut tx).await?;
        let signed = tree.size();
        let found = tx.next_id("SELECT max(number) FROM audit_record").await?.unsigned_abs() - 1;
        if found < signed {
            return Err(tx.damaged(format!("it has {found} records, and {signed} were signed before")));
        }
        loop {
            let after = i64::try_from(tree.size()).unwrap_or(i64::MAX);
            let rows = page(&mut tx, Some(after), PAGE).await?;
            if rows.is_empty() {
                return Ok(tree);
            }
            for hashed in hash(&rows, &clients) {
                if hashed.fault.is_some() || hashed.number.unsigned_abs() != tree.size() + 1 {
                    let number = tree.size() + 1;
                    return Err(tx.damaged(format!("audit record {number} is not what was written")));
                }
                tree.push(hashed.leaf);
            }
        }
    }

    /// Returns the leaf hashes of the first records as they are kept, to make proofs from.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Damaged`] where one is missing or no hash.
    pub async fn record_leaves(&self, size: u64) -> Result<Vec<TreeHash>, StoreError> {
        let mut tx = self.read(WHAT).await?;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let sql = "SELECT number, leaf_hash FROM audit_record WHERE number <= $1 ORDER BY number";
        let read = |row: &Row| Ok((row.get::<i64>(0)?, crate::digest::read_bytes(row, 1)?));
        let leaves = tx.fetch(sql, vec![size.into()], read).await?;
        match leaves.iter().zip(1..).find(|((number, _), expected)| number != expected) {
            Some((_, missing)) => Err(tx.damaged(format!("audit record {missing} is missing"))),
            None => Ok(leaves.into_iter().map(|(_, leaf)| leaf).collect()),
        }
    }

    /// Returns records in the scope from a number on as they are given away, in their order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names a record that is not what its leaf hash was made of;
    /// [`StoreError::Database`], [`StoreError::TooMany`] clients.
    pub async fn sealed_records(
        &self,
        scope: &ClientScope,
        from: u64,
        limit: u32,
    ) -> Result<Vec<SealedRecord>, StoreError> {
        let mut tx = self.read(WHAT).await?;
        let clients = client_names(&mut tx).await?;
        let head = format!("SELECT {} FROM audit_record r WHERE 1 = 1", raw_columns(tx.dialect()));
        let mut query = ScopedQuery::new(&tx, &head, "r.client_id", scope)?;
        query.push(" AND r.number >=").push_value(i64::try_from(from).unwrap_or(i64::MAX));
        query.push(" ORDER BY r.number LIMIT").push_value(i64::from(limit.min(super::RECORDS_PAGE_MAX)));
        let mut buffer = String::new();
        let read = |row: &Row| {
            let record = RawRecord::read(row, &clients)?;
            let leaf = record.hash(&mut buffer);
            if !record.has_leaf(&leaf) || !record.is_known_format() {
                let why = format!("audit record {} is not what its leaf hash was made of", record.number);
                return Err(sqlx::Error::Decode(why.into()));
            }
            let number = record.number.unsigned_abs();
            Ok(SealedRecord { number, salt: record.salt.clone(), canonical: buffer.clone(), leaf })
        };
        query.fetch(&mut tx, read).await
    }
}

/// A record that was hashed.
struct Hashed {
    number: i64,
    at: Option<Timestamp>,
    leaf: TreeHash,
    fault: Option<RecordFault>,
}

/// Returns the rows behind a number; `None` = from the first one on.
async fn page(tx: &mut Tx, after: Option<i64>, limit: i64) -> Result<Vec<Row>, StoreError> {
    let columns = raw_columns(tx.dialect());
    let sql = format!("SELECT {columns} FROM audit_record r WHERE r.number > $1 ORDER BY r.number LIMIT $2");
    tx.fetch_raw(sql, vec![after.unwrap_or(i64::MIN).into(), limit.into()]).await
}

fn hash(rows: &[Row], clients: &ClientNames) -> Vec<Hashed> {
    let mut buffer = String::new();
    rows.iter().map(|row| hash_row(row, clients, &mut buffer)).collect()
}

fn hash_row(row: &Row, clients: &ClientNames, buffer: &mut String) -> Hashed {
    let record = match RawRecord::read(row, clients) {
        Ok(record) => record,
        Err(error) => {
            let number = row.get(0).unwrap_or_default();
            let kind = RecordFaultKind::Unreadable { why: error.to_string() };
            let fault = RecordFault { number, kind, at: None, what: String::new() };
            return Hashed { number, at: None, leaf: TreeHash::default(), fault: Some(fault) };
        }
    };
    let leaf = record.hash(buffer);
    let kind = if !record.is_known_format() {
        Some(RecordFaultKind::Format { format: record.format })
    } else if !record.has_leaf(&leaf) {
        Some(RecordFaultKind::Changed)
    } else {
        None
    };
    let (number, at) = (record.number, record.time());
    Hashed { number, at, leaf, fault: kind.map(|kind| RecordFault { number, kind, at, what: record.what() }) }
}

/// A walk that is under way.
struct Walk<'s> {
    found: RecordWalk,
    sizes: &'s BTreeSet<u64>,
    /// The number that comes next.
    next: i64,
}

impl Walk<'_> {
    fn take(&mut self, page: Vec<Hashed>) {
        for Hashed { number, at, leaf, fault } in page {
            if number > self.next {
                let kind = RecordFaultKind::Missing { to: number - 1 };
                self.note(RecordFault { number: self.next, kind, at: None, what: String::new() });
            } else if number < self.next {
                self.note(RecordFault { number, kind: RecordFaultKind::OutOfTurn, at, what: String::new() });
            }
            self.next = self.next.max(number.saturating_add(1));
            fault.into_iter().for_each(|fault| self.note(fault));
            self.found.records += 1;
            self.found.last_number = self.found.last_number.max(number.max(0).unsigned_abs());
            self.found.first_at = self.found.first_at.or(at);
            self.found.last_at = at;
            self.found.tree.push(leaf);
            let size = self.found.tree.size();
            if self.sizes.contains(&size) {
                self.found.roots.insert(size, self.found.tree.root());
            }
        }
    }

    fn note(&mut self, fault: RecordFault) {
        if self.found.faults.len() < RECORD_FAULTS_MAX {
            self.found.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests;
