//! Reading runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{ClientName, HostName, RunId};

use super::claims::read_run_id;
use super::steps::{read_place, read_step};
use super::{RunDetail, RunHostRecord, RunHostState, RunRecord, RunStepRecord, UnsettledHost};
use crate::db::Store;
use crate::error::StoreError;
use crate::plan_id::PlanId;
use crate::plans::read_id;
use crate::problem_text::read_problems;
use crate::record::ClientScope;
use crate::record_log::RecordNumber;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};
use crate::via::Via;

/// Runs that are told apart when the beginning of an id fits several.
const AMBIGUOUS_MAX: i64 = 100;

/// Sorts behind every hexadecimal digit: where ids with a given beginning end.
const AFTER_ALL: char = '~';

const RUNS: &str = "SELECT r.id, r.plan_id, p.deploy, r.actor, r.via, r.begun_at, r.ended_at \
    FROM run r JOIN plan p ON p.id = r.plan_id \
    WHERE EXISTS (SELECT 1 FROM run_host rh WHERE rh.run_id = r.id";

const HOSTS: &str = "SELECT c.name, h.name, rh.state, rh.intent, rh.started_at, rh.ended_at, rh.deadline, \
    rh.last_step, rh.problems FROM run_host rh JOIN client c ON c.id = rh.client_id \
    JOIN host h ON h.id = rh.host_id WHERE 1 = 1";

const UNSETTLED: &str = "SELECT rh.run_id, r.plan_id, c.name, h.name, rh.state, rh.intent, rh.last_step, \
    rh.started_at, k.claimed_until FROM run_host rh JOIN run r ON r.id = rh.run_id \
    JOIN client c ON c.id = rh.client_id JOIN host h ON h.id = rh.host_id \
    LEFT JOIN host_claim k ON k.host_id = rh.host_id WHERE rh.state IN ('started', 'in-doubt')";

/// Hosts where a run has come to its end. Those in doubt are told of when they are claimed.
const APPLIED: &str = "SELECT h.name, rh.run_id FROM run_host rh JOIN run r ON r.id = rh.run_id \
    JOIN host h ON h.id = rh.host_id WHERE rh.state IN ('done', 'stopped')";

impl Store {
    /// Returns the last runs that have a host in the scope, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn runs(&self, scope: &ClientScope, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let mut tx = self.read("read the runs").await?;
        let mut query = ScopedQuery::new(&tx, RUNS, "rh.client_id", scope)?;
        query.push(") ORDER BY r.begun_at DESC, r.id LIMIT").push_value(i64::from(limit));
        let mut runs = query.fetch(&mut tx, read_run).await?;
        count_hosts(&mut tx, scope, &mut runs).await?;
        Ok(runs)
    }

    /// Returns the run with an id, or with the only one that begins like this, and its hosts in the scope.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] run with a host in the scope, [`StoreError::Ambiguous`];
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn run(&self, scope: &ClientScope, id: &str) -> Result<RunDetail, StoreError> {
        let none = || StoreError::NoSuch { what: "run", name: id.to_owned() };
        let from = id.to_ascii_lowercase();
        if from.is_empty() {
            return Err(none());
        }
        let to = format!("{from}{AFTER_ALL}");
        let mut tx = self.read("read a run").await?;
        let mut query = ScopedQuery::new(&tx, RUNS, "rh.client_id", scope)?;
        query.push(") AND r.id >=").push_value(from.as_str()).push(" AND r.id <").push_value(to.as_str());
        query.push(" LIMIT").push_value(AMBIGUOUS_MAX);
        let mut runs = query.fetch(&mut tx, read_run).await?;
        if runs.len() > 1 {
            return Err(StoreError::Ambiguous { what: "run", prefix: id.to_owned(), count: runs.len() });
        }
        count_hosts(&mut tx, scope, &mut runs).await?;
        let record = runs.pop().ok_or_else(none)?;
        let mut steps = steps_of(&mut tx, scope, &record.id).await?;
        let mut query = ScopedQuery::new(&tx, HOSTS, "rh.client_id", scope)?;
        query.push(" AND rh.run_id =").push_value(record.id.as_str());
        let mut hosts = query.fetch(&mut tx, read_host).await?;
        for host in &mut hosts {
            host.steps = steps.remove(&host.host).unwrap_or_default();
        }
        hosts.sort_by(|a, b| a.host.cmp(&b.host));
        Ok(RunDetail { record, hosts })
    }

    /// Returns the hosts in the scope that a run has started and does not know the end of, the oldest first.
    /// Where nobody holds the claim of one, the next contact must settle it.
    ///
    /// # Errors
    /// As [`Store::runs`].
    pub async fn unsettled(
        &self,
        scope: &ClientScope,
        now: Timestamp,
    ) -> Result<Vec<UnsettledHost>, StoreError> {
        let mut tx = self.read("read the hosts in doubt").await?;
        let query = ScopedQuery::new(&tx, UNSETTLED, "rh.client_id", scope)?;
        let read = |row: &Row| {
            let state = row.parse(4, RunHostState::read)?;
            Ok(UnsettledHost {
                run: read_run_id(row, 0)?,
                plan: read_id(row, 1)?,
                client: row.parse(2, ClientName::new)?,
                host: row.parse(3, HostName::new)?,
                state,
                intent: RecordNumber(row.get(5)?),
                last_step: place_or_null(row, 6)?,
                started_at: row.time(7)?,
                held_until: row.time_or_null(8)?.filter(|until| *until > now),
            })
        };
        let mut hosts = query.fetch(&mut tx, read).await?;
        hosts.sort_by(|a, b| (a.started_at, &a.run, &a.host).cmp(&(b.started_at, &b.run, &b.host)));
        Ok(hosts)
    }
}

impl Store {
    /// Returns the hosts in the scope where a run of a plan has come to its end, well or not, each with one
    /// such run: a plan is applied to a host once.
    ///
    /// # Errors
    /// As [`Store::runs`].
    pub async fn hosts_applied(
        &self,
        scope: &ClientScope,
        plan: &PlanId,
    ) -> Result<BTreeMap<HostName, RunId>, StoreError> {
        let mut tx = self.read("read where a plan was applied").await?;
        let mut query = ScopedQuery::new(&tx, APPLIED, "rh.client_id", scope)?;
        query.push(" AND r.plan_id =").push_value(plan.as_str());
        let read = |row: &Row| Ok((row.parse(0, HostName::new)?, read_run_id(row, 1)?));
        Ok(query.fetch(&mut tx, read).await?.into_iter().collect())
    }
}

fn read_run(row: &Row) -> Result<RunRecord, sqlx::Error> {
    Ok(RunRecord {
        id: read_run_id(row, 0)?,
        plan: read_id(row, 1)?,
        deploy: row.get(2)?,
        actor: row.get(3)?,
        via: row.parse(4, Via::read)?,
        begun_at: row.time(5)?,
        ended_at: row.time_or_null(6)?,
        hosts: BTreeMap::new(),
    })
}

fn read_host(row: &Row) -> Result<RunHostRecord, sqlx::Error> {
    Ok(RunHostRecord {
        client: row.parse(0, ClientName::new)?,
        host: row.parse(1, HostName::new)?,
        state: row.parse(2, RunHostState::read)?,
        intent: row.get::<Option<i64>>(3)?.map(RecordNumber),
        started_at: row.time_or_null(4)?,
        ended_at: row.time_or_null(5)?,
        deadline: row.time_or_null(6)?,
        last_step: place_or_null(row, 7)?,
        problem: row.parse(8, read_problems)?.into_iter().next(),
        steps: Vec::new(),
    })
}

/// Counts the hosts in the scope by state.
async fn count_hosts(tx: &mut Tx, scope: &ClientScope, runs: &mut [RunRecord]) -> Result<(), StoreError> {
    let head = "SELECT rh.run_id, rh.state, count(*) FROM run_host rh WHERE 1 = 1";
    let mut query = ScopedQuery::new(tx, head, "rh.client_id", scope)?;
    let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
    query.push(" AND rh.run_id IN").push_list("runs", ids.iter().map(|id| id.as_str().into()))?;
    query.push(" GROUP BY rh.run_id, rh.state");
    let read = |row: &Row| {
        let count = read_place(row, 2)?;
        Ok((read_run_id(row, 0)?, row.parse(1, RunHostState::read)?, count))
    };
    let mut counts: BTreeMap<RunId, BTreeMap<RunHostState, usize>> = BTreeMap::new();
    for (run, state, count) in query.fetch(tx, read).await? {
        counts.entry(run).or_default().insert(state, count);
    }
    for run in runs {
        run.hosts = counts.remove(&run.id).unwrap_or_default();
    }
    Ok(())
}

async fn steps_of(
    tx: &mut Tx,
    scope: &ClientScope,
    run: &RunId,
) -> Result<BTreeMap<HostName, Vec<RunStepRecord>>, StoreError> {
    let head = "SELECT h.name, s.step, s.outcome, s.status, s.detail, s.duration FROM run_step s \
                JOIN host h ON h.id = s.host_id WHERE 1 = 1";
    let mut query = ScopedQuery::new(tx, head, "s.client_id", scope)?;
    query.push(" AND s.run_id =").push_value(run.as_str()).push(" ORDER BY s.step");
    let mut steps: BTreeMap<HostName, Vec<RunStepRecord>> = BTreeMap::new();
    let read = |row: &Row| Ok((row.parse(0, HostName::new)?, read_step(row, 1)?));
    for (host, step) in query.fetch(tx, read).await? {
        steps.entry(host).or_default().push(step);
    }
    Ok(steps)
}

fn place_or_null(row: &Row, column: usize) -> Result<Option<usize>, sqlx::Error> {
    row.get::<Option<i64>>(column)?.map(|_| read_place(row, column)).transpose()
}
