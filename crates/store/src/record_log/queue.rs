//! Group commit: appends that wait at the same time are written in one transaction, so that a hundred writers pay
//! for one synchronisation of the disk and not for a hundred. Each caller hears of its own records when they
//! are durable, as before.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::append::{WHAT, append_records};
use super::{NewRecord, RecordNumber};
use crate::db::Store;
use crate::error::StoreError;

/// Records of one transaction, unless a single append has more: others want to write too.
const GROUP_RECORDS_MAX: usize = 2048;

type Written = Result<Vec<RecordNumber>, StoreError>;

/// Appends that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct AppendQueue {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    appends: VecDeque<Append>,
    /// Whether somebody is writing, who takes what comes meanwhile next.
    has_writer: bool,
}

/// What one caller wants to be written.
#[derive(Debug)]
struct Append {
    records: Vec<NewRecord>,
    done: oneshot::Sender<Written>,
}

impl Store {
    /// Puts records into the queue and waits until they are durable.
    pub(super) async fn append_in_group(&self, records: &[NewRecord]) -> Written {
        let (done, told) = oneshot::channel();
        if self.appends.push(Append { records: records.to_vec(), done }) {
            // A task of its own: a caller that goes away must not take the others' records with it. Everybody in
            // the queue waits for it.
            tokio::spawn(write_waiting(self.clone()));
        }
        let broken_off =
            || StoreError::Database { what: WHAT, source: "whoever wrote it was broken off".into() };
        told.await.unwrap_or_else(|_| Err(broken_off()))
    }
}

impl AppendQueue {
    /// Returns whether the caller must see to a writer.
    fn push(&self, append: Append) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.appends.push_back(append);
        !std::mem::replace(&mut waiting.has_writer, true)
    }

    /// Takes what is written next; `None` = nothing waits, and the writer's turn is over.
    fn take(&self) -> Option<Vec<Append>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut group = Vec::new();
        let mut records = 0;
        while let Some(next) = waiting.appends.front() {
            if !group.is_empty() && records + next.records.len() > GROUP_RECORDS_MAX {
                break;
            }
            let Some(next) = waiting.appends.pop_front() else { break };
            // Of a caller that is gone, nothing is left.
            if !next.done.is_closed() {
                records += next.records.len();
                group.push(next);
            }
        }
        waiting.has_writer = !group.is_empty();
        (!group.is_empty()).then_some(group)
    }
}

/// The writer's turn. Where it is broken off (the runtime ends), whoever waits is told so.
struct Turn {
    queue: Arc<AppendQueue>,
    is_over: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.has_writer = false;
            waiting.appends.clear();
        }
    }
}

async fn write_waiting(store: Store) {
    let mut turn = Turn { queue: Arc::clone(&store.appends), is_over: false };
    while let Some(group) = turn.queue.take() {
        write_group(&store, group).await;
    }
    turn.is_over = true;
}

async fn write_group(store: &Store, group: Vec<Append>) {
    let records: Vec<NewRecord> = group.iter().flat_map(|append| append.records.iter().cloned()).collect();
    let written = write(store, &records).await;
    match written {
        Ok(numbers) => {
            let mut numbers = numbers.into_iter();
            for append in group {
                let own = numbers.by_ref().take(append.records.len()).collect();
                tell(append, Ok(own));
            }
        }
        // One of them broke a rule, which the others must not suffer from. Nothing is written yet.
        Err(StoreError::Refused { .. } | StoreError::NoSuch { .. } | StoreError::TooMany { .. })
            if group.len() > 1 =>
        {
            for append in group {
                let written = write(store, &append.records).await;
                tell(append, written);
            }
        }
        Err(error) => {
            let mut group = group.into_iter();
            let first = group.next();
            group.for_each(|append| tell(append, Err(copy(&error))));
            first.into_iter().for_each(|append| tell(append, Err(copy(&error))));
        }
    }
}

async fn write(store: &Store, records: &[NewRecord]) -> Written {
    let mut tx = store.write(WHAT).await?;
    let numbers = append_records(&mut tx, records).await?;
    tx.commit().await?;
    Ok(numbers)
}

/// Tells a caller, who may be gone.
fn tell(append: Append, written: Written) {
    append.done.send(written).ok();
}

/// An error for one more of those that it concerns.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Busy { what, waited } => StoreError::Busy { what, waited: *waited },
        StoreError::Refused { what, why } => StoreError::Refused { what, why: why.clone() },
        StoreError::NoSuch { what, name } => StoreError::NoSuch { what, name: name.clone() },
        StoreError::TooMany { of, count, limit } => StoreError::TooMany { of, count: *count, limit: *limit },
        StoreError::Damaged { what, detail } => StoreError::Damaged { what, detail: detail.clone() },
        error => {
            let cause =
                std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            StoreError::Database { what: WHAT, source: cause.into() }
        }
    }
}
