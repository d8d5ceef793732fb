//! Where hosts differ from what is declared of them, as far as anybody looked. Nothing is asked of a host here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::selector::Selector;
use model::{Ecosystem, HostName};
use store::{ClientScope, HostRecord, PlanId, PlanRecord, RunHostState, StoreError};

use super::DriftRow;
use crate::error::Error;
use crate::report::read::sees;
use crate::services::{ServiceVerdict, services};
use crate::session::Session;

/// Plans that are looked at, the newest first.
const PLANS_MAX: u32 = 1000;

/// Runs that are looked at, the newest first.
const RUNS_MAX: u32 = 1000;

/// What the name of a plan begins with that closes findings: it changes what is installed, and brings nothing in line.
const PATCH: &str = "patch ";

/// Measures each respect.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn drift(session: &Session, scope: &ClientScope) -> Result<Vec<DriftRow>, Error> {
    let records = session.store.hosts(scope).await?;
    Ok(vec![
        of_deploys(session, scope).await?,
        of_services(session, scope, &records).await?,
        of_systems(session, &records),
    ])
}

/// A host differs from a deploy where the last plan of it had something to change there, and no run of that plan came to
/// its end there.
async fn of_deploys(session: &Session, scope: &ClientScope) -> Result<DriftRow, Error> {
    let plans = session.store.plans(scope, PLANS_MAX).await?;
    let mut last: BTreeMap<(&str, &HostName), (&PlanRecord, u32)> = BTreeMap::new();
    for plan in plans.iter().filter(|plan| !plan.deploy.starts_with(PATCH)) {
        for host in &plan.hosts {
            last.entry((&plan.deploy, &host.host)).or_insert((plan, host.changes));
        }
    }
    let applied = applied(session, scope).await?;
    let differs = |((_, host), (plan, changes)): (&(&str, &HostName), &(&PlanRecord, u32))| {
        *changes > 0 && !applied.contains_key(&(plan.id.clone(), (*host).clone()))
    };
    let about = "deploys that were planned, on each host".to_owned();
    Ok(DriftRow {
        about,
        measured: last.len(),
        differ: (!last.is_empty()).then(|| last.iter().filter(|it| differs(*it)).count()),
        as_of: last.values().map(|(plan, _)| plan.made_at).min(),
    })
}

/// Returns when each plan was applied to its end on which host.
async fn applied(
    session: &Session,
    scope: &ClientScope,
) -> Result<BTreeMap<(PlanId, HostName), Timestamp>, Error> {
    let mut applied = BTreeMap::new();
    for run in session.store.runs(scope, RUNS_MAX).await? {
        if run.deploy.starts_with(PATCH) || !run.hosts.contains_key(&RunHostState::Done) {
            continue;
        }
        let detail = match session.store.run(scope, run.id.as_str()).await {
            Err(StoreError::NoSuch { .. }) => continue,
            detail => detail?,
        };
        for host in detail.hosts.into_iter().filter(|host| host.state == RunHostState::Done) {
            applied.insert((run.plan.clone(), host.host), host.ended_at.unwrap_or(run.begun_at));
        }
    }
    Ok(applied)
}

/// A service differs where it was declared to run and was not seen to.
async fn of_services(
    session: &Session,
    scope: &ClientScope,
    records: &[HostRecord],
) -> Result<DriftRow, Error> {
    let rows = match session.select(&Selector::everything()).await {
        Ok(_) => services(session, &Selector::everything()).await?,
        // Nothing is declared, or it cannot be read now: then nothing is measured.
        Err(Error::NoHosts | Error::NoHost { .. }) => Vec::new(),
        Err(other) => return Err(other),
    };
    let judged: Vec<_> = rows
        .iter()
        .filter(|row| sees(scope, &row.client) && row.verdict != ServiceVerdict::Unknown)
        .collect();
    Ok(DriftRow {
        about: "declared services, on each host".to_owned(),
        measured: judged.len(),
        differ: (!judged.is_empty()).then(|| judged.iter().filter(|row| row.verdict.is_fault()).count()),
        as_of: oldest_answer(records),
    })
}

/// A host differs where it runs another operating system than the one that is declared.
fn of_systems(session: &Session, records: &[HostRecord]) -> DriftRow {
    let declared: BTreeMap<&HostName, Ecosystem> =
        session.workspace.inventory.hosts.iter().filter_map(|host| Some((&host.name, host.os?))).collect();
    let seen = |record: &HostRecord| {
        let system = record.platform.as_ref()?.ecosystem;
        Some(*declared.get(&record.name)? != system)
    };
    let seen: Vec<bool> = records.iter().filter_map(seen).collect();
    DriftRow {
        about: "declared operating systems".to_owned(),
        measured: seen.len(),
        differ: (!seen.is_empty()).then(|| seen.iter().filter(|differs| **differs).count()),
        as_of: oldest_answer(records),
    }
}

fn oldest_answer(records: &[HostRecord]) -> Option<Timestamp> {
    records.iter().filter_map(|record| record.answered_at).min()
}
