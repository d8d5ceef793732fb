//! Sends what waits: a few attempts now, the rest at the next run, each message until it arrives or is
//! too old to be of use.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::{MessageRecord, MessageUrgency, Store};

use super::channel::{Retry, SendError};
use super::message::Message;
use super::{AnyChannel, Channels};
use crate::clock::Clock;
use crate::error::Error;

/// How sending is done; tests use shorter times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// The time for one attempt.
    pub attempt_timeout: Duration,
    /// Attempts for one message in one run.
    pub attempts: u32,
    /// The pause after the first failed attempt; it doubles from then on.
    pub first_pause: Duration,
    /// The longest pause within a run; who asks for a longer one gets the message at a later run.
    pub pause_max: Duration,
    /// The time for all sending of one run; what is left then waits for the next.
    pub run_max: Duration,
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(15),
            attempts: 3,
            first_pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(10),
            run_max: Duration::from_secs(90),
        }
    }
}

impl DeliveryLimits {
    /// Returns how long sending one message may take.
    fn lease(&self) -> SignedDuration {
        let longest = (self.attempt_timeout + self.pause_max) * self.attempts;
        SignedDuration::try_from(longest).unwrap_or(SignedDuration::ZERO) + LEASE_MARGIN
    }
}

/// The shortest time between two runs that try a message.
const BACKOFF_MIN: SignedDuration = SignedDuration::from_secs(30);

/// The longest.
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(1);

/// The longest time that a server's `Retry-After` is honoured for.
const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What is older is given up: who reads it after that reads it in `ifrit findings`.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Added to the longest time of sending one message, for how long it belongs to the process that sends it.
/// After a crash in the middle nobody else sends it before that.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Which messages are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Those whose time has come.
    Due,
    /// Every one: a person says so.
    All,
}

/// What became of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// How many arrived.
    pub delivered: usize,
    /// How many still wait, for whatever channel.
    pub waiting: usize,
    /// How many were given up now.
    pub given_up: usize,
    /// What went wrong: channel and reason, each once.
    pub failures: BTreeSet<(String, String)>,
}

/// Sends messages.
///
/// # Errors
/// [`Error::Store`] where the database fails. A channel that fails is part of the report.
pub(super) async fn deliver(
    store: &Store,
    clock: &dyn Clock,
    channels: &Channels,
    which: Waiting,
    only: Option<&BTreeSet<String>>,
) -> Result<DeliveryReport, Error> {
    let began = tokio::time::Instant::now();
    let mut report = DeliveryReport::default();
    for (name, why) in channels.faults() {
        report.failures.insert((name.clone(), why.clone()));
    }
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut waiting = store.waiting_messages().await?;
    // The urgent ones first, in the order in which they came about.
    waiting.sort_by_key(|record| (record.message.urgency == MessageUrgency::Digest, record.id));
    for record in waiting {
        let name = record.message.channel.as_str();
        if only.is_some_and(|ids| !ids.contains(&record.message.message_id)) {
            continue;
        }
        let now = clock.now();
        if now.duration_since(record.created_at) > AGE_MAX {
            give_up(store, &record, now).await?;
            report.given_up += 1;
            continue;
        }
        report.waiting += 1;
        let is_due = which == Waiting::All || record.next_attempt_at <= now;
        let Some(channel) = channels.get(name).filter(|_| is_due && !failed.contains(name)) else { continue };
        if began.elapsed() >= channels.limits.run_max {
            continue;
        }
        let until = now.saturating_add(channels.limits.lease()).unwrap_or(now);
        if !store.lease_message(record.id, now, until).await? {
            continue;
        }
        match send(channel, &record, &channels.limits).await {
            Ok(attempts) => {
                store.record_delivery(record.id, attempts, clock.now()).await?;
                report.delivered += 1;
                report.waiting -= 1;
            }
            Err((attempts, error)) => {
                let now = clock.now();
                let next = next_attempt(&record, attempts, error.retry, now);
                store.record_failed_delivery(record.id, attempts, &error.reason, Some(next), now).await?;
                // What fails for one message fails for the next: others are not held up by it.
                failed.insert(name.to_owned());
                report.failures.insert((name.to_owned(), error.reason));
            }
        }
    }
    Ok(report)
}

async fn give_up(store: &Store, record: &MessageRecord, now: Timestamp) -> Result<(), Error> {
    let why = match &record.last_error {
        Some(error) => format!("given up after {} days: {error}", AGE_MAX.as_hours() / 24),
        None => format!("given up after {} days: no channel of this name took it", AGE_MAX.as_hours() / 24),
    };
    Ok(store.record_failed_delivery(record.id, 0, &why, None, now).await?)
}

/// Tries a message a few times. Returns how often it was tried.
async fn send(
    channel: &AnyChannel,
    record: &MessageRecord,
    limits: &DeliveryLimits,
) -> Result<u32, (u32, SendError)> {
    let Some(message) = Message::from_record(record) else {
        return Err((0, SendError::new("the message on record cannot be read", Retry::Later)));
    };
    let mut attempt = 1;
    loop {
        let error = match channel.send(&message).await {
            Ok(()) => return Ok(attempt),
            Err(error) => error,
        };
        let wait = match error.retry {
            Retry::Soon => (limits.first_pause * 2_u32.saturating_pow(attempt - 1)).min(limits.pause_max),
            Retry::After(wait) if wait <= limits.pause_max => wait,
            Retry::After(_) | Retry::Later => return Err((attempt, error)),
        };
        if attempt >= limits.attempts {
            return Err((attempt, error));
        }
        tokio::time::sleep(wait.mul_f64(jitter(&message.id, record.attempts + attempt))).await;
        attempt += 1;
    }
}

/// Returns when a message is tried again.
fn next_attempt(record: &MessageRecord, attempts: u32, retry: Retry, now: Timestamp) -> Timestamp {
    let tried = record.attempts.saturating_add(attempts);
    let doubled = BACKOFF_MIN.saturating_mul(2_i32.saturating_pow(tried.min(20)));
    let backoff = doubled.min(BACKOFF_MAX);
    let part = jitter(&record.message.message_id, tried);
    let wait = match retry {
        Retry::After(wait) => SignedDuration::try_from(wait).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX),
        Retry::Soon | Retry::Later => SignedDuration::from_secs_f64(backoff.as_secs_f64() * part),
    };
    now.saturating_add(wait).unwrap_or(now)
}

/// Returns a factor between 0.5 and 1 that follows from the message and the attempt, so that what failed
/// together is not tried together. Chance that can be repeated: FNV-1a.
fn jitter(id: &str, attempt: u32) -> f64 {
    let bytes = id.bytes().chain(attempt.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    1.0 - f64::from(hash) / f64::from(u32::MAX) / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use store::NewMessage;

    use super::*;

    fn record(attempts: u32) -> MessageRecord {
        let message = NewMessage {
            message_id: "3f2a".to_owned(),
            channel: "team".to_owned(),
            urgency: MessageUrgency::Urgent,
            title: String::new(),
            body: String::new(),
        };
        let epoch = Timestamp::UNIX_EPOCH;
        MessageRecord {
            id: 1,
            message,
            created_at: epoch,
            attempts,
            next_attempt_at: epoch,
            last_error: None,
            delivered_at: None,
            given_up_at: None,
        }
    }

    proptest! {
        #[test]
        fn the_next_attempt_is_neither_at_once_nor_never(attempts: u32, more in 0_u32..10, seconds: u64) {
            let now: Timestamp = "2026-03-01T00:00:00Z".parse().expect("a time");
            for (retry, max) in [
                (Retry::Soon, BACKOFF_MAX),
                (Retry::Later, BACKOFF_MAX),
            ] {
                let wait = next_attempt(&record(attempts), more, retry, now).duration_since(now);
                prop_assert!(wait >= BACKOFF_MIN / 2 && wait <= max, "{wait}");
            }
            let after = Retry::After(Duration::from_secs(seconds));
            let wait = next_attempt(&record(attempts), more, after, now).duration_since(now);
            let expected = i64::try_from(seconds).map_or(RETRY_AFTER_MAX, SignedDuration::from_secs);
            prop_assert_eq!(wait, expected.min(RETRY_AFTER_MAX));
        }

        #[test]
        fn jitter_is_a_repeatable_part(id: String, attempt: u32) {
            let part = jitter(&id, attempt);
            prop_assert!((0.5..=1.0).contains(&part));
            prop_assert_eq!(part.to_bits(), jitter(&id, attempt).to_bits());
        }
    }
}
