//! Recording what became of hosts, and of runs.

use jiff::Timestamp;
use model::{HostName, RunId};

use super::begin::{RunHost, hosts_of, place};
use super::steps::insert_steps;
use super::{HostEnd, RunHostState, RunStep};
use crate::db::Store;
use crate::error::StoreError;
use crate::problem_text::write_problems;
use crate::record_log::{NewRecord, RecordKind, append_records};
use crate::sql::{Tx, Value};

const FINISH: &str = "record what was done";

impl Store {
    /// Records what became of hosts of a run: state, steps and the outcome of each intent, all in one
    /// transaction. Gives back their claims. Steps that are on record already are replaced.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`] for a host that is not in the run; [`StoreError::Refused`] where a record
    /// does not answer the host's intent, or a host was not started; [`StoreError::Busy`],
    /// [`StoreError::Database`].
    pub async fn finish_hosts(
        &self,
        run: &RunId,
        ends: &[HostEnd],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write(FINISH).await?;
        let hosts = hosts_of(&mut tx, FINISH, run, ends.iter().map(|end| &end.host)).await?;
        let records: Vec<NewRecord> = ends.iter().map(|end| end.record.clone()).collect();
        for (end, host) in ends.iter().zip(&hosts) {
            check(end, host)?;
        }
        set_ended(&mut tx, run, &hosts, ends, now).await?;
        let steps = hosts.iter().zip(ends.iter().map(|end| end.steps.as_slice()));
        insert_steps(&mut tx, run, steps.collect()).await?;
        append_records(&mut tx, &records).await?;
        tx.commit().await
    }

    /// Records what came of steps of hosts that a run goes on to work on, all in one transaction. Steps that
    /// are on record already are replaced.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`] for a host that is not in the run; [`StoreError::Refused`] where a host is
    /// not started, or named twice; [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_steps(
        &self,
        run: &RunId,
        told: &[(HostName, Vec<RunStep>)],
    ) -> Result<(), StoreError> {
        const WHAT: &str = "record what was done so far";
        let mut tx = self.write(WHAT).await?;
        let hosts = hosts_of(&mut tx, WHAT, run, told.iter().map(|(host, _)| host)).await?;
        for ((name, _), host) in told.iter().zip(&hosts) {
            if host.state != RunHostState::Started {
                let why = format!("host {name} is {}, expected started", host.state.as_str());
                return Err(StoreError::Refused { what: WHAT, why });
            }
        }
        let steps = hosts.iter().zip(told.iter().map(|(_, steps)| steps.as_slice()));
        insert_steps(&mut tx, run, steps.collect()).await?;
        tx.commit().await
    }

    /// Records that a run has ended, with the records that go with it, and gives back all of its claims. A
    /// run that is resumed ends again: the last time counts.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] run, [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn end_run(&self, run: &RunId, at: Timestamp, records: &[NewRecord]) -> Result<(), StoreError> {
        let mut tx = self.write("record the end of a run").await?;
        let values = vec![at.into(), run.as_str().into()];
        let ended = tx.execute("UPDATE run SET ended_at = $1 WHERE id = $2", values).await?;
        if ended == 0 {
            return Err(StoreError::NoSuch { what: "run", name: run.to_string() });
        }
        tx.execute("DELETE FROM host_claim WHERE run_id = $1", vec![run.as_str().into()]).await?;
        append_records(&mut tx, records).await?;
        tx.commit().await
    }
}

/// Checks that an end follows from where the host is, and that its record answers its intent.
fn check(end: &HostEnd, host: &RunHost) -> Result<(), StoreError> {
    let follows = match (host.state, end.state, end.record.kind, host.intent) {
        (_, RunHostState::Waiting | RunHostState::Started, _, _) => false,
        (RunHostState::Started, _, RecordKind::Outcome { answers }, Some(intent)) => answers == intent,
        (RunHostState::Waiting, RunHostState::NotStarted, RecordKind::Event, _) => true,
        _ => false,
    };
    if follows {
        return Ok(());
    }
    let why = format!(
        "host {} is {} (intent {}): a record of kind {} cannot make it {}",
        end.host,
        host.state.as_str(),
        host.intent.map_or_else(|| "none".to_owned(), |intent| intent.to_string()),
        end.record.kind.as_str(),
        end.state.as_str()
    );
    Err(StoreError::Refused { what: FINISH, why })
}

/// All hosts of a call in few statements: each statement is a way to the database's thread and back.
async fn set_ended(
    tx: &mut Tx,
    run: &RunId,
    hosts: &[RunHost],
    ends: &[HostEnd],
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended = hosts.iter().zip(ends).map(|(host, end)| -> [Value<'_>; 6] {
        [
            end.state.as_str().into(),
            now.into(),
            place(end.last_step),
            write_problems(end.problem.as_slice()).into(),
            run.as_str().into(),
            host.host_id.into(),
        ]
    });
    tx.execute_rows_prepared(
        "UPDATE run_host SET state = v.column1, ended_at = v.column2, last_step = coalesce(v.column3, last_step), \
         problems = v.column4 FROM (VALUES",
        ") AS v WHERE run_host.run_id = v.column5 AND run_host.host_id = v.column6",
        ended.collect(),
    )
    .await?;
    let claims = hosts.iter().map(|host| [host.host_id.into(), run.as_str().into()]);
    let head = "DELETE FROM host_claim WHERE (host_id, run_id) IN (VALUES";
    tx.execute_rows_prepared(head, ")", claims.collect()).await
}
