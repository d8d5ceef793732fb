//! Beginning runs, and hosts in them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{HostName, RunId};

use super::claims::claims_of;
use super::{HostIntent, HostStart, NewRun, RunHostState};
use crate::db::Store;
use crate::error::StoreError;
use crate::record_log::{NewRecord, RecordKind, RecordNumber, append_records};
use crate::sql::{Row, Tx, Value};

const BEGIN: &str = "record a run";
const START: &str = "record what is about to be done";

/// All hosts of a call in few statements: each statement is a way to the database's thread and back.
const STARTED: &str = "UPDATE run_host SET state = 'started', intent = v.column1, started_at = v.column2, \
    ended_at = NULL, deadline = v.column3 FROM (VALUES";
const OF_HOST: &str = ") AS v WHERE run_host.run_id = v.column4 AND run_host.host_id = v.column5";

/// A host of a run, as its next change finds it.
pub(super) struct RunHost {
    pub(super) host_id: i64,
    pub(super) client_id: i64,
    pub(super) state: RunHostState,
    pub(super) intent: Option<RecordNumber>,
}

impl Store {
    /// Records that a run begins, with the records that go with it: its hosts wait.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] plan; [`StoreError::UnknownHost`] for a host that is not in the plan;
    /// [`StoreError::Refused`] where there is no host, or one twice; [`StoreError::Busy`],
    /// [`StoreError::Database`] (also an id that is taken).
    pub async fn begin_run(&self, run: &NewRun<'_>, records: &[NewRecord]) -> Result<(), StoreError> {
        let names: BTreeSet<&HostName> = run.hosts.iter().collect();
        if names.len() < run.hosts.len() || names.is_empty() {
            let why = "it has no host, or one twice".to_owned();
            return Err(StoreError::Refused { what: BEGIN, why });
        }
        let mut tx = self.write(BEGIN).await?;
        let sql = "SELECT h.name, ph.host_id, ph.client_id FROM plan_host ph JOIN host h ON h.id = ph.host_id \
                   WHERE ph.plan_id = $1";
        let read = |row: &Row| Ok((row.parse(0, HostName::new)?, (row.get::<i64>(1)?, row.get::<i64>(2)?)));
        let planned = tx.fetch(sql, vec![run.plan.as_str().into()], read).await?;
        if planned.is_empty() {
            return Err(StoreError::NoSuch { what: "plan", name: run.plan.to_string() });
        }
        let planned: BTreeMap<HostName, (i64, i64)> = planned.into_iter().collect();
        tx.execute(
            "INSERT INTO run (id, plan_id, actor, via, begun_at) VALUES ($1, $2, $3, $4, $5)",
            vec![
                run.id.as_str().into(),
                run.plan.as_str().into(),
                run.actor.into(),
                run.via.as_str().into(),
                run.begun_at.into(),
            ],
        )
        .await?;
        let mut rows = Vec::with_capacity(names.len());
        for name in names {
            let unknown = || StoreError::UnknownHost { host: name.clone() };
            let (host_id, client_id) = *planned.get(name).ok_or_else(unknown)?;
            let state = RunHostState::Waiting.as_str().into();
            rows.push([run.id.as_str().into(), client_id.into(), host_id.into(), state, "[]".into()]);
        }
        let head = "INSERT INTO run_host (run_id, client_id, host_id, state, problems) VALUES";
        tx.execute_rows(head, "", rows).await?;
        append_records(&mut tx, records).await?;
        tx.commit().await
    }

    /// Records the intents to touch hosts of a run, and returns for each, in the order asked, whether it may
    /// be touched. Checks in the same transaction that the run holds their claims, so that a controller
    /// that was asleep for longer than a claim lasts does nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`] for a host that is not in the run; [`StoreError::Refused`] for a record
    /// that is no intent, or a host twice; [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn start_hosts(
        &self,
        run: &RunId,
        intents: &[HostIntent],
        now: Timestamp,
    ) -> Result<Vec<HostStart>, StoreError> {
        if let Some(wrong) = intents.iter().find(|intent| intent.record.kind != RecordKind::Intent) {
            let why = format!("the record for {} is of kind {}", wrong.host, wrong.record.kind.as_str());
            return Err(StoreError::Refused { what: START, why });
        }
        let mut tx = self.write(START).await?;
        let hosts = hosts_of(&mut tx, START, run, intents.iter().map(|intent| &intent.host)).await?;
        let ids = hosts.iter().map(|host| host.host_id).collect();
        let claims = claims_of(&mut tx, &ids).await?;
        let is_claimed =
            |host: &RunHost| claims.get(&host.host_id).is_some_and(|(by, until)| by == run && *until > now);
        let obstacle = |host: &RunHost| match host.state {
            state @ (RunHostState::Done | RunHostState::Started) => Some(HostStart::NotStartable { state }),
            _ if !is_claimed(host) => Some(HostStart::NotClaimed),
            _ => None,
        };
        let obstacles: Vec<Option<HostStart>> = hosts.iter().map(obstacle).collect();
        let free = || intents.iter().zip(&hosts).zip(&obstacles).filter(|(_, obstacle)| obstacle.is_none());
        let records: Vec<NewRecord> = free().map(|((intent, _), _)| intent.record.clone()).collect();
        let mut numbers = append_records(&mut tx, &records).await?.into_iter();
        let started = free().zip(numbers.clone()).map(|(((intent, host), _), number)| {
            let deadline = intent.deadline.map(Timestamp::as_microsecond);
            [number.0.into(), now.into(), deadline.into(), run.as_str().into(), host.host_id.into()]
        });
        let started = started.collect();
        tx.execute_rows_prepared(STARTED, OF_HOST, started).await?;
        tx.commit().await?;
        let started = |obstacle: Option<HostStart>| {
            obstacle.or_else(|| Some(HostStart::Started { intent: numbers.next()? }))
        };
        Ok(obstacles.into_iter().filter_map(started).collect())
    }

    /// Records the last step that each host has told the end of. Costs one transaction however many.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`] for a host that is not in the run; [`StoreError::Busy`],
    /// [`StoreError::Database`].
    pub async fn note_steps(&self, run: &RunId, steps: &[(HostName, usize)]) -> Result<(), StoreError> {
        const WHAT: &str = "record how far hosts are";
        // The last word on a host counts.
        let steps: BTreeMap<&HostName, usize> = steps.iter().map(|(host, step)| (host, *step)).collect();
        let mut tx = self.write(WHAT).await?;
        let hosts = hosts_of(&mut tx, WHAT, run, steps.keys().copied()).await?;
        let noted = hosts.iter().zip(steps.values());
        let noted = noted.map(|(host, step)| [place(Some(*step)), run.as_str().into(), host.host_id.into()]);
        let (head, tail) = (
            "UPDATE run_host SET last_step = v.column1 FROM (VALUES",
            ") AS v WHERE run_host.run_id = v.column2 AND run_host.host_id = v.column3",
        );
        tx.execute_rows_prepared(head, tail, noted.collect()).await?;
        tx.commit().await
    }
}

/// Returns hosts of a run in the order asked.
pub(super) async fn hosts_of(
    tx: &mut Tx,
    what: &'static str,
    run: &RunId,
    names: impl Iterator<Item = &HostName>,
) -> Result<Vec<RunHost>, StoreError> {
    let names: Vec<&HostName> = names.collect();
    let tail = ") AS v JOIN run_host rh ON rh.run_id = v.column1 \
                JOIN host h ON h.id = rh.host_id AND h.name = v.column2";
    let rows = names.iter().map(|name| [run.as_str().into(), name.as_str().into()]).collect();
    let read = |row: &Row| {
        let host = RunHost {
            host_id: row.get(1)?,
            client_id: row.get(2)?,
            state: row.parse(3, RunHostState::read)?,
            intent: row.get::<Option<i64>>(4)?.map(RecordNumber),
        };
        Ok((row.parse(0, HostName::new)?, host))
    };
    let head = "SELECT h.name, rh.host_id, rh.client_id, rh.state, rh.intent FROM (VALUES";
    let found = tx.fetch_rows(head, tail, rows, read).await?;
    let mut found: BTreeMap<HostName, RunHost> = found.into_iter().collect();
    let mut hosts = Vec::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        let Some(host) = found.remove(name) else {
            if names[..position].contains(name) {
                return Err(StoreError::Refused { what, why: format!("host {name} is named twice") });
            }
            return Err(StoreError::UnknownHost { host: (*name).clone() });
        };
        hosts.push(host);
    }
    Ok(hosts)
}

/// Makes the value of a step's place.
pub(super) fn place(step: Option<usize>) -> Value<'static> {
    step.map(|step| i64::try_from(step).unwrap_or(i64::MAX)).into()
}
