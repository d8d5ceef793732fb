//! The record: who intended what, and what came of it. It only grows.
//!
//! A record is written before something is done (the intent) and one after it (the outcome); what could
//! not be recorded is not done. Numbers have no gap, in the order in which the one writer commits; two
//! triggers refuse every change; each record's leaf hash is made when it is written and checked when it
//! is read. A Merkle tree over the leaves is what makes a change by somebody who owns the database show.

mod append;
mod body;
mod canonical;
mod checkpoint;
mod lines;
mod queue;
mod raw;
mod walk;

use std::fmt;

use jiff::Timestamp;
use model::ClientName;

use crate::db::Store;
use crate::digest::{read_bytes, read_hash_or_null};
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};
use crate::via::Via;

pub use body::{RecordBody, RecordValue};
pub use canonical::{canonical_record, leaf_hash};
pub use checkpoint::{AnchorRecord, CheckpointRecord};
pub use lines::{RecordFilter, RecordLine};
pub use walk::{RECORD_FAULTS_MAX, RecordFault, RecordFaultKind, RecordWalk, SealedRecord};

pub(crate) use append::append_records;
pub(crate) use queue::AppendQueue;

/// Records that one call returns at most.
pub const RECORDS_PAGE_MAX: u32 = 10_000;

const READ_RECORDS: &str = "read the audit record";

pub(crate) const RECORDS: &str = "SELECT r.number, r.format, r.at, r.kind, r.answers, r.actor, r.via, c.name, r.target, \
    r.action, r.reason, r.plan_hash, r.git_commit, r.before_hash, r.after_hash, r.outcome, r.body, r.salt, \
    r.leaf_hash FROM audit_record r LEFT JOIN client c ON c.id = r.client_id WHERE 1 = 1";

/// The place of a record, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber(pub i64);

impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Something will be done.
    Intent,
    /// What came of an intent that an earlier call recorded; an intent has one.
    Outcome {
        /// The intent.
        answers: RecordNumber,
    },
    /// Something that is done with its record, in one transaction.
    Event,
}

impl RecordKind {
    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome { .. } => "outcome",
            Self::Event => "event",
        }
    }
}

/// A record to be written. Texts and bodies that are too long are cut with a mark; nothing secret
/// belongs into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// When; kept to the microsecond.
    pub at: Timestamp,
    /// What it is.
    pub kind: RecordKind,
    /// Who acts: a person's name, or the user that the program runs as.
    pub actor: String,
    /// By which way.
    pub via: Via,
    /// Whose host or thing it is about; `None` = of no single client: only who may see every client sees it.
    pub client: Option<ClientName>,
    /// What it is done to.
    pub target: String,
    /// What is done, in one word.
    pub action: String,
    /// Why, in a person's words.
    pub reason: Option<String>,
    /// The plan's hash.
    pub plan: Option<[u8; 32]>,
    /// The git commit of the workspace.
    pub commit: Option<String>,
    /// A hash of the target's state before; keyed where it covers a secret.
    pub before: Option<[u8; 32]>,
    /// The same after.
    pub after: Option<[u8; 32]>,
    /// How it ended, in one word.
    pub outcome: Option<String>,
    /// The rest.
    pub body: RecordBody,
    /// Random bytes that nobody can guess, drawn for this record.
    pub salt: [u8; 16],
}

/// A record as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEntry {
    /// Its number.
    pub number: RecordNumber,
    /// What it says.
    pub record: NewRecord,
    /// Its leaf hash.
    pub leaf: [u8; 32],
}

impl Store {
    /// Writes a record and returns its number; it is durable then.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an outcome of what is no intent or has an outcome, [`StoreError::NoSuch`]
    /// client, [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn append(&self, record: &NewRecord) -> Result<RecordNumber, StoreError> {
        let numbers = self.append_all(std::slice::from_ref(record)).await?;
        Ok(*numbers.first().expect("invariant: each record gets a number"))
    }

    /// Writes records, all of them or none, and returns their numbers in the same order. Calls that wait at the same
    /// time share a transaction; where one of them breaks a rule, the others do not suffer. A call that is dropped
    /// may still be written, whole.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn append_all(&self, records: &[NewRecord]) -> Result<Vec<RecordNumber>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.append_in_group(records).await
    }

    /// Returns the records in the scope from a number on, in their order, at most [`RECORDS_PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Damaged`] names a record that is not what its leaf hash was
    /// made of; [`StoreError::TooMany`] clients.
    pub async fn records(
        &self,
        scope: &ClientScope,
        from: RecordNumber,
        limit: u32,
    ) -> Result<Vec<RecordEntry>, StoreError> {
        let mut tx = self.read(READ_RECORDS).await?;
        let mut query = ScopedQuery::new(&tx, RECORDS, "r.client_id", scope)?;
        query.push(" AND r.number >=").push_value(from.0).push(" ORDER BY r.number LIMIT");
        fetch(&mut tx, query, limit).await
    }

    /// Returns the last records in the scope, the newest first, at most [`RECORDS_PAGE_MAX`].
    ///
    /// # Errors
    /// As [`Store::records`].
    pub async fn last_records(
        &self,
        scope: &ClientScope,
        limit: u32,
    ) -> Result<Vec<RecordEntry>, StoreError> {
        let mut tx = self.read(READ_RECORDS).await?;
        let mut query = ScopedQuery::new(&tx, RECORDS, "r.client_id", scope)?;
        query.push(" ORDER BY r.number DESC LIMIT");
        fetch(&mut tx, query, limit).await
    }

    /// Returns the intents in the scope that have no outcome, the oldest first: what is being done now, and
    /// what nobody knows the end of.
    ///
    /// # Errors
    /// As [`Store::records`].
    pub async fn unanswered(&self, scope: &ClientScope, limit: u32) -> Result<Vec<RecordEntry>, StoreError> {
        let mut tx = self.read(READ_RECORDS).await?;
        let mut query = ScopedQuery::new(&tx, RECORDS, "r.client_id", scope)?;
        query.push(
            " AND r.kind = 'intent' AND NOT EXISTS \
             (SELECT 1 FROM audit_record o WHERE o.answers = r.number) ORDER BY r.number LIMIT",
        );
        fetch(&mut tx, query, limit).await
    }

    /// Counts the records in the scope up to a number.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::TooMany`] clients.
    pub async fn record_count_to(&self, scope: &ClientScope, to: RecordNumber) -> Result<u64, StoreError> {
        let mut tx = self.read(READ_RECORDS).await?;
        let head = "SELECT count(*) FROM audit_record r WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "r.client_id", scope)?;
        query.push(" AND r.number <=").push_value(to.0);
        let counted = query.fetch(&mut tx, |row| row.get::<i64>(0)).await?;
        Ok(counted.first().map_or(0, |count| count.unsigned_abs()))
    }

    /// Counts the records in the scope.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::TooMany`] clients.
    pub async fn record_count(&self, scope: &ClientScope) -> Result<u64, StoreError> {
        let mut tx = self.read(READ_RECORDS).await?;
        let head = "SELECT count(*) FROM audit_record r WHERE 1 = 1";
        let query = ScopedQuery::new(&tx, head, "r.client_id", scope)?;
        let counted = query.fetch(&mut tx, |row| row.get::<i64>(0)).await?;
        Ok(counted.first().map_or(0, |count| count.unsigned_abs()))
    }
}

async fn fetch(tx: &mut Tx, mut query: ScopedQuery<'_>, limit: u32) -> Result<Vec<RecordEntry>, StoreError> {
    query.push_value(i64::from(limit.min(RECORDS_PAGE_MAX)));
    query.fetch(tx, read_record).await
}

/// Reads a record and holds it against its leaf hash.
pub(crate) fn read_record(row: &Row) -> Result<RecordEntry, sqlx::Error> {
    let number: i64 = row.get(0)?;
    let damaged = |what: String| sqlx::Error::Decode(format!("audit record {number}: {what}").into());
    let format: i64 = row.get(1)?;
    if format != canonical::FORMAT {
        return Err(damaged(format!("format {format} is not known, expected {}", canonical::FORMAT)));
    }
    let kind = match (row.get::<&str>(3)?, row.get::<Option<i64>>(4)?) {
        ("intent", None) => RecordKind::Intent,
        ("outcome", Some(answers)) => RecordKind::Outcome { answers: RecordNumber(answers) },
        ("event", None) => RecordKind::Event,
        (kind, answers) => return Err(damaged(format!("kind `{kind}` that answers {answers:?}"))),
    };
    let client: Option<&str> = row.get(7)?;
    let record = NewRecord {
        at: row.time(2)?,
        kind,
        actor: row.get(5)?,
        via: row.parse(6, Via::read)?,
        client: client.map(|_| row.parse(7, ClientName::new)).transpose()?,
        target: row.get(8)?,
        action: row.get(9)?,
        reason: row.get(10)?,
        plan: read_hash_or_null(row, 11)?,
        commit: row.get(12)?,
        before: read_hash_or_null(row, 13)?,
        after: read_hash_or_null(row, 14)?,
        outcome: row.get(15)?,
        body: row.parse(16, read_body).map_err(|error| damaged(error.to_string()))?,
        salt: read_bytes(row, 17)?,
    };
    let leaf = read_bytes(row, 18)?;
    let number = RecordNumber(number);
    if leaf_hash(&record.salt, &canonical_record(number, &record)) != leaf {
        return Err(damaged("it is not what its leaf hash was made of".to_owned()));
    }
    Ok(RecordEntry { number, record, leaf })
}

/// Reads a body, in its one spelling alone.
fn read_body(text: &str) -> Result<RecordBody, String> {
    let body = RecordBody::read(text)?;
    if body.canonical() == text {
        Ok(body)
    } else {
        Err("its body is not spelled as it was written".to_owned())
    }
}
