//! What is to be applied, and to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{HostName, Plan, RunId, SecretVersion, StepOutcome};
use plan::apply::SecretBytes;
use plan::{ApprovedPlan, Restart};

use crate::target::Target;

/// Gives the value of a secret in one version; `None` where nobody has it any more.
pub type SecretSource = Arc<dyn Fn(&SecretVersion) -> Option<SecretBytes> + Send + Sync>;

/// A run of an approved plan.
#[derive(Clone)]
pub struct ApplyRequest {
    /// What is done.
    pub plan: Arc<ApprovedPlan>,
    /// The run, the same one when it is resumed.
    pub run: RunId,
    /// How to reach the plan's hosts; a host of the plan without target is not touched.
    pub targets: Vec<Target>,
    /// What earlier contacts of this run told of each host's steps; empty for a new run.
    pub earlier: BTreeMap<HostName, BTreeMap<usize, StepOutcome>>,
    /// Hosts whose last step that was taken has begun a restart: none of their further steps is taken before
    /// they are back from it.
    pub restarts: BTreeMap<HostName, Restart>,
    /// Hosts of the plan that are not well and get no target here: claimed by another run, or failed at an
    /// earlier contact of this run. After their wave they count as failed.
    pub failed: BTreeSet<HostName>,
    /// Whether steps that are in doubt may be taken again: a person has said so.
    pub rerun: bool,
    /// Where secrets come from.
    pub secrets: SecretSource,
}

/// A run to be settled.
#[derive(Debug, Clone)]
pub struct SettleRequest {
    /// The plan of the run: its probes are asked, nothing of it is done.
    pub plan: Arc<Plan>,
    /// The run.
    pub run: RunId,
    /// The hosts to ask.
    pub targets: Vec<Target>,
}
