//! The messages that wait to be sent, and those that were.

use jiff::Timestamp;

use crate::db::Store;
use crate::error::StoreError;
use crate::sql::{Row, Tx};

const MESSAGES: &str = "SELECT id, message_id, channel, urgency, title, body, created_at, attempts, \
    next_attempt_at, last_error, delivered_at, given_up_at FROM message";

/// How urgent a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageUrgency {
    /// Somebody should look now.
    Urgent,
    /// Everything else of one run.
    Digest,
    /// A person wants to see whether the channel works.
    Test,
}

impl MessageUrgency {
    /// Every urgency.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Digest, Self::Test];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }

    /// Reads the word that [`MessageUrgency::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.as_str() == word)
    }
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Unique in the world; goes along with it.
    pub message_id: String,
    /// The channel's name.
    pub channel: String,
    /// How urgent it is.
    pub urgency: MessageUrgency,
    /// One line.
    pub title: String,
    /// What is sent, as whoever sends it writes it.
    pub body: String,
}

/// A message on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its number in this database.
    pub id: i64,
    /// The message.
    pub message: NewMessage,
    /// When it came about.
    pub created_at: Timestamp,
    /// How often it was tried to send it.
    pub attempts: u32,
    /// Before this it is not tried again.
    pub next_attempt_at: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
    /// When it was given up.
    pub given_up_at: Option<Timestamp>,
}

impl Store {
    /// Records messages outside of a run of the bell.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_messages(&self, messages: &[NewMessage], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write("record messages").await?;
        insert(&mut tx, messages, now).await?;
        tx.commit().await
    }

    /// Returns the messages that are neither delivered nor given up, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn waiting_messages(&self) -> Result<Vec<MessageRecord>, StoreError> {
        let mut tx = self.read("read the messages that wait").await?;
        let sql = format!("{MESSAGES} WHERE delivered_at IS NULL AND given_up_at IS NULL ORDER BY id");
        tx.fetch_text(sql, vec![], read_message).await
    }

    /// Returns the last messages of a channel, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn last_messages(&self, channel: &str, limit: u32) -> Result<Vec<MessageRecord>, StoreError> {
        let mut tx = self.read("read the last messages").await?;
        let sql = format!("{MESSAGES} WHERE channel = $1 ORDER BY id DESC LIMIT $2");
        tx.fetch_text(sql, vec![channel.into(), i64::from(limit).into()], read_message).await
    }

    /// Takes a message for sending until a time. `false`: another process has it, or it is done.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn lease_message(&self, id: i64, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.write("take a message for sending").await?;
        let taken = tx
            .execute(
                "UPDATE message SET leased_until = $1 WHERE id = $2 AND delivered_at IS NULL \
                 AND given_up_at IS NULL AND (leased_until IS NULL OR leased_until <= $3)",
                vec![until.into(), id.into(), now.into()],
            )
            .await?;
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// Records that a message was delivered.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_delivery(&self, id: i64, attempts: u32, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write("record a delivery").await?;
        tx.execute(
            "UPDATE message SET delivered_at = $1, attempts = attempts + $2, leased_until = NULL, \
             last_error = NULL WHERE id = $3",
            vec![now.into(), i64::from(attempts).into(), id.into()],
        )
        .await?;
        tx.commit().await
    }

    /// Records that a message could not be delivered, why, and when it is tried again; `None` = never.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_failed_delivery(
        &self,
        id: i64,
        attempts: u32,
        error: &str,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write("record a failed delivery").await?;
        let given_up = if next.is_none() { Some(now.as_microsecond()) } else { None };
        tx.execute(
            "UPDATE message SET attempts = attempts + $1, last_error = $2, next_attempt_at = $3, \
             given_up_at = $4, leased_until = NULL WHERE id = $5",
            vec![
                i64::from(attempts).into(),
                error.into(),
                next.unwrap_or(now).into(),
                given_up.into(),
                id.into(),
            ],
        )
        .await?;
        tx.commit().await
    }
}

/// Adds messages, to be sent at once. One that is on record already is left alone.
pub(super) async fn insert(tx: &mut Tx, messages: &[NewMessage], now: Timestamp) -> Result<(), StoreError> {
    let first = tx.next_id("SELECT max(id) FROM message").await?;
    let rows = (first..).zip(messages).map(|(id, message)| {
        [
            id.into(),
            message.message_id.as_str().into(),
            message.channel.as_str().into(),
            message.urgency.as_str().into(),
            message.title.as_str().into(),
            message.body.as_str().into(),
            now.into(),
            0.into(),
            now.into(),
        ]
    });
    tx.execute_rows(
        "INSERT INTO message (id, message_id, channel, urgency, title, body, created_at, attempts, \
         next_attempt_at) VALUES",
        "ON CONFLICT (message_id) DO NOTHING",
        rows.collect(),
    )
    .await
}

fn read_message(row: &Row) -> Result<MessageRecord, sqlx::Error> {
    let message = NewMessage {
        message_id: row.get(1)?,
        channel: row.get(2)?,
        urgency: row.parse(3, |word| {
            MessageUrgency::parse(word).ok_or_else(|| format!("urgency `{word}` is not known"))
        })?,
        title: row.get(4)?,
        body: row.get(5)?,
    };
    Ok(MessageRecord {
        id: row.get(0)?,
        message,
        created_at: row.time(6)?,
        attempts: u32::try_from(row.get::<i64>(7)?).unwrap_or(u32::MAX),
        next_attempt_at: row.time(8)?,
        last_error: row.get(9)?,
        delivered_at: row.time_or_null(10)?,
        given_up_at: row.time_or_null(11)?,
    })
}
