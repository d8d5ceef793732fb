//! The record as people read it: what was done, joined with what came of it.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{READ_RECORDS, RECORDS, RECORDS_PAGE_MAX, RecordEntry, RecordKind, RecordNumber, read_record};
use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::Row;

/// Which records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordFilter<'a> {
    /// Of this actor.
    pub actor: Option<&'a str>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Of this action, or of one that begins with it and a dot: `run` is also `run.host`.
    pub action: Option<&'a str>,
    /// With smaller numbers than this one.
    pub before: Option<RecordNumber>,
}

/// An intent with its outcome, or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLine {
    /// Its number.
    pub number: RecordNumber,
    /// What it says; else what is wrong with it.
    pub entry: Result<RecordEntry, String>,
    /// What came of an intent; `None` = nobody knows yet, or it is an event.
    pub outcome: Option<Result<RecordEntry, String>>,
}

impl Store {
    /// Returns the last intents and events in the scope, the newest first, at most [`RECORDS_PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::TooMany`] clients. A damaged record is a line of the answer.
    pub async fn record_lines(
        &self,
        scope: &ClientScope,
        filter: &RecordFilter<'_>,
        limit: u32,
    ) -> Result<Vec<RecordLine>, StoreError> {
        let mut tx = self.read(READ_RECORDS).await?;
        let mut query = ScopedQuery::new(&tx, RECORDS, "r.client_id", scope)?;
        query.push(" AND r.kind <> 'outcome'");
        if let Some(actor) = filter.actor {
            query.push(" AND r.actor =").push_value(actor);
        }
        if let Some(since) = filter.since {
            query.push(" AND r.at >=").push_value(since);
        }
        if let Some(before) = filter.before {
            query.push(" AND r.number <").push_value(before.0);
        }
        if let Some(action) = filter.action {
            let escaped = action.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            query.push(" AND (r.action =").push_value(action);
            query.push(" OR r.action LIKE").push_value(format!("{escaped}.%")).push(" ESCAPE '\\')");
        }
        query.push(" ORDER BY r.number DESC LIMIT").push_value(i64::from(limit.min(RECORDS_PAGE_MAX)));
        let mut lines = query.fetch(&mut tx, |row| read_line(row, None)).await?;
        let is_intent = |line: &&RecordLine| {
            line.entry.as_ref().is_ok_and(|entry| entry.record.kind == RecordKind::Intent)
        };
        let intents: Vec<_> = lines.iter().filter(is_intent).map(|line| line.number.0.into()).collect();
        let mut query = ScopedQuery::new(&tx, RECORDS, "r.client_id", scope)?;
        query.push(" AND r.answers IN").push_list("records", intents.into_iter())?;
        let outcomes = query.fetch(&mut tx, |row| read_line(row, Some(4))).await?;
        let mut outcomes: HashMap<_, _> = outcomes.into_iter().map(|it| (it.number, it.entry)).collect();
        for line in &mut lines {
            line.outcome = outcomes.remove(&line.number);
        }
        Ok(lines)
    }
}

/// Reads a record, under its own number or under the one in another column.
fn read_line(row: &Row, column: Option<usize>) -> Result<RecordLine, sqlx::Error> {
    let number = RecordNumber(row.get(column.unwrap_or(0))?);
    Ok(RecordLine { number, entry: read_record(row).map_err(|error| error.to_string()), outcome: None })
}
