//! The documents of feeds as they were fetched: those that the content that counts was read from.

use std::collections::HashSet;

use jiff::Timestamp;
use model::FeedName;

use crate::db::Store;
use crate::error::StoreError;
use crate::record::SyncOutcome;
use crate::sql::{Row, Value};

const READ_DOCUMENTS: &str = "read the documents of feeds";

/// A document without its body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentRecord {
    /// The feed.
    pub feed: FeedName,
    /// The URL, or the path for a file.
    pub label: String,
    /// The server's `ETag` of this version.
    pub etag: Option<String>,
    /// The server's `Last-Modified` of this version.
    pub last_modified: Option<String>,
    /// When it was fetched or last called unchanged.
    pub fetched_at: Timestamp,
    /// Its size as fetched, in bytes.
    pub size: u64,
}

/// A document to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewDocument<'a> {
    /// The URL, or the path for a file.
    pub label: &'a str,
    /// The server's `ETag`.
    pub etag: Option<&'a str>,
    /// The server's `Last-Modified`.
    pub last_modified: Option<&'a str>,
    /// When it was fetched or called unchanged.
    pub fetched_at: Timestamp,
    /// Its bytes as fetched; `None` = the ones that are kept are still right.
    pub body: Option<&'a [u8]>,
}

impl Store {
    /// Replaces the kept documents of a feed: those that are not named are dropped.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_documents(
        &self,
        feed: &FeedName,
        documents: &[NewDocument<'_>],
    ) -> Result<(), StoreError> {
        let mut tx = self.write("keep the documents of a feed").await?;
        let read = |row: &Row| row.get::<String>(0);
        let sql = "SELECT label FROM feed_document WHERE feed = $1";
        let known = tx.fetch(sql, vec![feed.as_str().into()], read).await?;
        let labels: HashSet<&str> = documents.iter().map(|it| it.label).collect();
        for label in known.iter().filter(|label| !labels.contains(label.as_str())) {
            let values = vec![feed.as_str().into(), label.as_str().into()];
            tx.execute("DELETE FROM feed_document WHERE feed = $1 AND label = $2", values).await?;
        }
        for document in documents {
            let mut values: Vec<Value<'_>> = vec![
                feed.as_str().into(),
                document.label.into(),
                document.etag.into(),
                document.last_modified.into(),
                document.fetched_at.into(),
            ];
            let sql = match document.body {
                Some(body) => {
                    values.push(body.into());
                    "INSERT INTO feed_document (feed, label, etag, last_modified, fetched_at, body) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (feed, label) DO UPDATE SET etag = excluded.etag, \
                     last_modified = excluded.last_modified, fetched_at = excluded.fetched_at, body = excluded.body"
                }
                None => {
                    "UPDATE feed_document SET etag = $3, last_modified = $4, fetched_at = $5 \
                     WHERE feed = $1 AND label = $2"
                }
            };
            tx.execute(sql, values).await?;
        }
        tx.commit().await
    }

    /// Returns every kept document without its body, sorted by feed, then label.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn feed_documents(&self) -> Result<Vec<DocumentRecord>, StoreError> {
        let mut tx = self.read(READ_DOCUMENTS).await?;
        let read = |row: &Row| {
            Ok(DocumentRecord {
                feed: FeedName::new(row.get::<String>(0)?),
                label: row.get(1)?,
                etag: row.get(2)?,
                last_modified: row.get(3)?,
                fetched_at: row.time(4)?,
                size: row.get::<i64>(5)?.unsigned_abs(),
            })
        };
        // PostgreSQL counts the bytes as a 32-bit number.
        let sql = "SELECT feed, label, etag, last_modified, fetched_at, CAST(length(body) AS BIGINT) FROM feed_document";
        let mut documents = tx.fetch(sql, vec![], read).await?;
        documents.sort();
        Ok(documents)
    }

    /// Returns the bytes of a kept document as they were fetched.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn feed_document(&self, feed: &FeedName, label: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut tx = self.read(READ_DOCUMENTS).await?;
        let values = vec![feed.as_str().into(), label.into()];
        let sql = "SELECT body FROM feed_document WHERE feed = $1 AND label = $2";
        Ok(tx.fetch(sql, values, |row| row.get(0)).await?.into_iter().next())
    }

    /// Records that a feed's servers call it unchanged: the content that counts is confirmed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_unchanged(
        &self,
        feed: &FeedName,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write("record that a feed is unchanged").await?;
        let id = tx.next_id("SELECT max(id) FROM feed_snapshot").await?;
        let outcome = SyncOutcome::Recorded.as_str();
        tx.execute(
            "INSERT INTO feed_snapshot (id, feed, synced_at, origin, outcome, advisory_count, exploited_count, problems) \
             SELECT $1, feed, $2, $3, outcome, advisory_count, exploited_count, problems FROM feed_snapshot \
             WHERE id = (SELECT max(id) FROM feed_snapshot WHERE feed = $4 AND outcome = $5)",
            vec![id.into(), now.into(), origin.into(), feed.as_str().into(), outcome.into()],
        )
        .await?;
        tx.commit().await
    }
}
