//! Applying an approved plan to many hosts, and settling what a lost run left on them.
//!
//! A host that restarts between two of its steps is waited for, and gets the steps behind it in a new script.
//! Hosts are independent: each has its own connection, its own deadline and its own outcome, and a dead
//! one is *in doubt* and holds nobody. Waves are the only barriers. In the usual case a host costs one
//! connection and one exec.

mod conversation;
mod host;
mod leg;
mod loss;
mod options;
mod report;
mod request;
mod restart;
mod waves;

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

pub use options::{ApplyOptions, FailureLimit, HealthCheck, StopSignal};
pub use report::{Acknowledge, HostOutcome, HostReport, NotStarted, RunEvent, RunEventKind, RunReport};
pub use request::{ApplyRequest, SecretSource, SettleRequest};
pub use restart::{Restarting, await_restarts};

use crate::connector::Connector;
use crate::target::Target;
use host::{Task, Work};
pub use waves::HostWork;

/// Applies an approved plan, wave by wave. Returns one report for each host of the plan that has a
/// target, in the plan's order. Events are sent as they happen and waited for, so that whoever records
/// them sets the pace; a receiver that is gone is no error, but then no host forgets its journal.
///
/// Cancellation: dropping the future ends all connections; scripts go on to their end on their hosts,
/// and the next contact settles them.
pub async fn apply(
    request: ApplyRequest,
    connector: Arc<dyn Connector>,
    options: &ApplyOptions,
    events: Sender<RunEvent>,
) -> RunReport {
    let ApplyRequest { plan, run, targets, earlier, restarts, failed, rerun, secrets } = request;
    let plan = plan.shared();
    let task = Task::Apply { secrets, rerun };
    let work = Work { connector, options: options.clone(), run, earlier, restarts, task, events };
    waves::run(Arc::new(work), &plan.hosts, &plan.waves, targets, &failed).await
}

/// Applies an approved plan as [`apply`] does, with somebody else's hands: `work` does what is to be done at
/// each host, and sends the events. `failed` as in [`ApplyRequest::failed`].
pub async fn apply_with(
    work: Arc<dyn HostWork>,
    plan: &plan::ApprovedPlan,
    targets: Vec<Target>,
    failed: &std::collections::BTreeSet<model::HostName>,
) -> RunReport {
    let plan = plan.plan();
    waves::run(work, &plan.hosts, &plan.waves, targets, failed).await
}

/// Asks the hosts of a run what it left there: waits for scripts that still run, reads the journals, and
/// lets the probe of a step that was started and did not end say what came of it. The reports' outcomes
/// are what [`ApplyRequest::earlier`] takes, to resume the run.
///
/// Cancellation: as for [`apply`].
pub async fn settle(
    request: SettleRequest,
    connector: Arc<dyn Connector>,
    options: &ApplyOptions,
    events: Sender<RunEvent>,
) -> RunReport {
    let SettleRequest { plan, run, targets } = request;
    let (earlier, restarts) = Default::default();
    // What is only asked needs no order between hosts.
    let wave = plan.hosts.iter().map(|host| host.host.clone()).collect();
    let options = ApplyOptions { failures: FailureLimit::Percent(100), health: None, ..options.clone() };
    let work = Work { connector, options, run, earlier, restarts, task: Task::Settle, events };
    waves::run(Arc::new(work), &plan.hosts, &[wave], targets, &std::collections::BTreeSet::new()).await
}
