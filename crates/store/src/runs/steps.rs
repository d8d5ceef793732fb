//! Steps of a host in a run, in rows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use model::{HostName, RunId, StepOutcome};

use super::begin::{RunHost, place};
use super::{RunStep, RunStepRecord};
use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx, Value};

/// How much is kept of what a step prints, for each of its two streams, in bytes: the end.
pub const STEP_OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// How much is kept of why a step failed, or of what was found, in bytes.
const DETAIL_BYTES_MAX: usize = 16 * 1024;

/// What a step printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutput {
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed to standard error.
    pub stderr: Vec<u8>,
    /// Whether there was more in front of one of them.
    pub is_cut: bool,
}

impl Store {
    /// Returns what the steps of a host have printed in a run, by the place of the step.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn run_output(
        &self,
        scope: &ClientScope,
        run: &RunId,
        host: &HostName,
    ) -> Result<BTreeMap<usize, StepOutput>, StoreError> {
        let mut tx = self.read("read what steps have printed").await?;
        let head = "SELECT s.step, s.stdout, s.stderr, s.is_cut FROM run_step s \
                    JOIN host h ON h.id = s.host_id WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "s.client_id", scope)?;
        query.push(" AND s.run_id =").push_value(run.as_str());
        query.push(" AND h.name =").push_value(host.as_str());
        let read = |row: &Row| {
            let is_cut = row.get::<i64>(3)? != 0;
            Ok((read_place(row, 0)?, StepOutput { stdout: row.get(1)?, stderr: row.get(2)?, is_cut }))
        };
        Ok(query.fetch(&mut tx, read).await?.into_iter().collect())
    }
}

/// Adds steps of hosts, in place of what is on record of them. The last word on a step counts.
pub(super) async fn insert_steps(
    tx: &mut Tx,
    run: &RunId,
    hosts: Vec<(&RunHost, &[RunStep])>,
) -> Result<(), StoreError> {
    let row = |host: &RunHost, step: &RunStep| -> [Value<'static>; 11] {
        let (status, detail) = split(&step.outcome);
        let (stdout, stderr) = (end_of(&step.stdout), end_of(&step.stderr));
        let is_cut = stdout.len() < step.stdout.len() || stderr.len() < step.stderr.len();
        let duration = step.duration.map(|duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
        [
            run.as_str().to_owned().into(),
            host.client_id.into(),
            host.host_id.into(),
            place(Some(step.step)),
            step.outcome.as_str().into(),
            status.into(),
            detail.map_or(Value::Text(None), |detail| detail.to_owned().into()),
            duration.into(),
            Value::Blob(Some(Cow::Owned(stdout.to_vec()))),
            Value::Blob(Some(Cow::Owned(stderr.to_vec()))),
            is_cut.into(),
        ]
    };
    let mut rows = Vec::new();
    for (host, steps) in hosts {
        let last: BTreeMap<usize, &RunStep> = steps.iter().map(|step| (step.step, step)).collect();
        rows.extend(last.into_values().map(|step| row(host, step)));
    }
    tx.execute_rows_prepared(
        "INSERT INTO run_step (run_id, client_id, host_id, step, outcome, status, detail, duration, stdout, \
         stderr, is_cut) VALUES",
        "ON CONFLICT (run_id, host_id, step) DO UPDATE SET outcome = excluded.outcome, \
         status = excluded.status, detail = excluded.detail, duration = excluded.duration, \
         stdout = excluded.stdout, stderr = excluded.stderr, is_cut = excluded.is_cut",
        rows,
    )
    .await
}

/// Reads step, outcome, status, detail, duration.
pub(super) fn read_step(row: &Row, column: usize) -> Result<RunStepRecord, sqlx::Error> {
    let damaged = |what: String| sqlx::Error::Decode(what.into());
    let word: &str = row.get(column + 1)?;
    let status: Option<i64> = row.get(column + 2)?;
    let detail: Option<String> = row.get(column + 3)?;
    let status = status.map(u8::try_from).transpose().map_err(|error| damaged(error.to_string()))?;
    let outcome = match (word, status, detail) {
        ("unchanged", None, None) => StepOutcome::Unchanged,
        ("changed", None, None) => StepOutcome::Changed,
        ("skipped", None, None) => StepOutcome::Skipped,
        ("stale", None, Some(found)) => StepOutcome::Stale { found },
        ("failed", status, Some(why)) => StepOutcome::Failed { status, why },
        ("not-reached", None, None) => StepOutcome::NotReached,
        ("in-doubt", None, None) => StepOutcome::InDoubt,
        _ => return Err(damaged(format!("outcome `{word}` of a step is not known, or has other details"))),
    };
    let duration: Option<i64> = row.get(column + 4)?;
    let duration = duration.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    Ok(RunStepRecord { step: read_place(row, column)?, outcome, duration })
}

/// Reads a step's place.
pub(super) fn read_place(row: &Row, column: usize) -> Result<usize, sqlx::Error> {
    usize::try_from(row.get::<i64>(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn split(outcome: &StepOutcome) -> (Option<i64>, Option<&str>) {
    let (status, detail) = match outcome {
        StepOutcome::Stale { found } => (None, found),
        StepOutcome::Failed { status, why } => (status.map(i64::from), why),
        StepOutcome::Unchanged
        | StepOutcome::Changed
        | StepOutcome::Skipped
        | StepOutcome::NotReached
        | StepOutcome::InDoubt => return (None, None),
    };
    (status, Some(&detail[..detail.floor_char_boundary(DETAIL_BYTES_MAX)]))
}

fn end_of(output: &[u8]) -> &[u8] {
    &output[output.len().saturating_sub(STEP_OUTPUT_BYTES_MAX)..]
}
