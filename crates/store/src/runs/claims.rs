//! Claims: who works on a host. One run at a time, whichever process it is in.
//!
//! A claim ends by itself, so that a controller that died holds nobody up for long. One that lives renews
//! its claims in time. Times are the controllers' own: their clocks must agree better than a claim lasts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{HostName, RunId};

use crate::db::Store;
use crate::declared::declared_hosts;
use crate::error::StoreError;
use crate::sql::{Row, Tx};

/// Whether a host was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostClaim {
    /// It was.
    Claimed {
        /// Runs, also this one, that have started it and do not know its end: they are to be settled first.
        unsettled: Vec<RunId>,
    },
    /// Another run works on it.
    Held {
        /// Which one.
        by: RunId,
        /// Until then, unless it is renewed.
        until: Timestamp,
    },
    /// No inventory declares it.
    Undeclared,
}

impl Store {
    /// Claims hosts for a run, which need not have begun, or renews its claims; returns what became of each
    /// in the order asked.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn claim_hosts(
        &self,
        run: &RunId,
        hosts: &[HostName],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HostClaim>, StoreError> {
        let mut tx = self.write("claim hosts").await?;
        let declared = declared_hosts(&mut tx, hosts.iter()).await?;
        let mut ids: BTreeSet<i64> = declared.values().map(|host| host.host_id).collect();
        let mut held = claims_of(&mut tx, &ids).await?;
        held.retain(|_, (by, until)| by != run && *until > now);
        ids.retain(|id| !held.contains_key(id));
        let free = declared.values().filter(|host| ids.contains(&host.host_id));
        let rows =
            free.map(|host| [host.host_id.into(), host.client_id.into(), run.as_str().into(), until.into()]);
        tx.execute_rows(
            "INSERT INTO host_claim (host_id, client_id, run_id, claimed_until) VALUES",
            "ON CONFLICT (host_id) DO UPDATE SET client_id = excluded.client_id, run_id = excluded.run_id, \
             claimed_until = excluded.claimed_until",
            rows.collect(),
        )
        .await?;
        let unsettled = unsettled_on(&mut tx, &ids).await?;
        tx.commit().await?;
        let claim = |name: &HostName| {
            let Some(host) = declared.get(name) else { return HostClaim::Undeclared };
            match held.get(&host.host_id) {
                Some((by, until)) => HostClaim::Held { by: by.clone(), until: *until },
                None => HostClaim::Claimed {
                    unsettled: unsettled.get(&host.host_id).cloned().unwrap_or_default(),
                },
            }
        };
        Ok(hosts.iter().map(claim).collect())
    }

    /// Renews the claims that a run still holds and returns their hosts, by name. A host that is missing
    /// among them was given back, or taken by another run after the claim had ended.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn renew_claims(&self, run: &RunId, until: Timestamp) -> Result<Vec<HostName>, StoreError> {
        let mut tx = self.write("renew the claims of hosts").await?;
        let values = vec![until.into(), run.as_str().into()];
        tx.execute("UPDATE host_claim SET claimed_until = $1 WHERE run_id = $2", values).await?;
        let sql = "SELECT h.name FROM host_claim k JOIN host h ON h.id = k.host_id WHERE k.run_id = $1";
        let mut hosts = tx.fetch(sql, vec![run.as_str().into()], |row| row.parse(0, HostName::new)).await?;
        tx.commit().await?;
        hosts.sort();
        Ok(hosts)
    }

    /// Gives back every claim of a run.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn release_claims(&self, run: &RunId) -> Result<(), StoreError> {
        let mut tx = self.write("give back the claims of hosts").await?;
        tx.execute("DELETE FROM host_claim WHERE run_id = $1", vec![run.as_str().into()]).await?;
        tx.commit().await
    }
}

/// Returns who holds which of the hosts, and until when, also where that is over.
pub(super) async fn claims_of(
    tx: &mut Tx,
    hosts: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, (RunId, Timestamp)>, StoreError> {
    let rows = hosts.iter().map(|id| [(*id).into()]).collect();
    let read = |row: &Row| Ok((row.get(0)?, (read_run_id(row, 1)?, row.time(2)?)));
    let head = "SELECT host_id, run_id, claimed_until FROM host_claim WHERE host_id IN (VALUES";
    Ok(tx.fetch_rows(head, ")", rows, read).await?.into_iter().collect())
}

/// Returns the runs that have started which of the hosts and do not know the end.
async fn unsettled_on(tx: &mut Tx, hosts: &BTreeSet<i64>) -> Result<BTreeMap<i64, Vec<RunId>>, StoreError> {
    let rows = hosts.iter().map(|id| [(*id).into()]).collect();
    let head = "SELECT host_id, run_id FROM run_host WHERE state IN ('started', 'in-doubt') \
                AND host_id IN (VALUES";
    let found = tx.fetch_rows(head, ")", rows, |row| Ok((row.get(0)?, read_run_id(row, 1)?))).await?;
    let mut runs: BTreeMap<i64, Vec<RunId>> = BTreeMap::new();
    for (host, run) in found.into_iter().collect::<BTreeSet<_>>() {
        runs.entry(host).or_default().push(run);
    }
    Ok(runs)
}

/// Reads a run's id.
pub(super) fn read_run_id(row: &Row, column: usize) -> Result<RunId, sqlx::Error> {
    row.parse(column, |text| RunId::parse(text).ok_or_else(|| format!("`{text}` is no run's id")))
}
