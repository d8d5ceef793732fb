//! Everything that must be at hand before a run of a pyinfra plan touches a host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet::{ApplyOptions, ApplyRequest, FailureLimit, RunEvent, RunReport, Target};
use model::{HostName, Plan, StepOutcome};
use plan::ApprovedPlan;
use tokio::sync::mpsc::Sender;

use super::stage::{Mode, Stage};
use super::steps::{Frame, frame};
use super::work::Work;
use super::{program, tree};
use crate::deploy::FixError;
use crate::error::Error;
use crate::session::Session;

/// What pyinfra needs to carry a plan out.
pub(crate) struct Engine {
    frame: Frame,
    stage: Arc<Stage>,
}

impl Engine {
    /// Gets everything ready; `None` = it is no plan of pyinfra.
    ///
    /// # Errors
    /// [`FixError::NoPyinfra`]; [`FixError::PyinfraChanged`] where the deploy's files are not those that the plan
    /// was made of; [`FixError::PyinfraFiles`]; [`Error::Store`].
    pub(crate) async fn open(session: &Session, plan: &Plan) -> Result<Option<Self>, Error> {
        let Some(frame) = frame(plan) else { return Ok(None) };
        let program = program::find(session)?;
        let stage = Stage::new(session, program, &frame).await?;
        let tree = tree::hash(stage.directory()).map_err(|why| FixError::PyinfraFiles { why })?;
        if tree != frame.tree {
            let directory = if frame.directory.is_empty() { "." } else { &frame.directory };
            return Err(FixError::PyinfraChanged { directory: directory.to_owned() }.into());
        }
        Ok(Some(Self { frame, stage: Arc::new(stage) }))
    }

    /// Applies the plan, as [`fleet::apply`] does.
    pub(crate) async fn apply(
        &self,
        request: ApplyRequest,
        options: &ApplyOptions,
        events: Sender<RunEvent>,
    ) -> RunReport {
        let work = self.work(Mode::Run, options.clone(), request.earlier, events);
        fleet::apply_with(Arc::new(work), &request.plan, request.targets, &request.failed).await
    }

    /// Finds out what hosts have come to that an earlier contact left in doubt, as [`fleet::settle`] does.
    pub(crate) async fn settle(
        &self,
        plan: &ApprovedPlan,
        targets: Vec<Target>,
        earlier: BTreeMap<HostName, BTreeMap<usize, StepOutcome>>,
        options: &ApplyOptions,
        events: Sender<RunEvent>,
    ) -> RunReport {
        let options = ApplyOptions { failures: FailureLimit::Percent(100), health: None, ..options.clone() };
        let work = self.work(Mode::Dry, options, earlier, events);
        fleet::apply_with(Arc::new(work), plan, targets, &BTreeSet::new()).await
    }

    fn work(
        &self,
        mode: Mode,
        options: ApplyOptions,
        earlier: BTreeMap<HostName, BTreeMap<usize, StepOutcome>>,
        events: Sender<RunEvent>,
    ) -> Work {
        Work { stage: Arc::clone(&self.stage), tree: self.frame.tree.clone(), mode, options, earlier, events }
    }
}
