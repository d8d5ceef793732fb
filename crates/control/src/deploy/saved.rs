//! Plans that were saved.

use std::sync::Arc;

use model::{ClientName, HostName, Plan};
use store::{ClientScope, PlanRecord};

use super::{FixError, PlanId, SavedPlan, needed};
use crate::error::Error;
use crate::session::Session;

/// A saved plan in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    /// Its name.
    pub id: PlanId,
    /// The deploy.
    pub deploy: String,
    /// Who made it.
    pub author: String,
    /// When.
    pub made_at: jiff::Timestamp,
    /// Its hosts, and how many steps change something there.
    pub hosts: Vec<(ClientName, HostName, u32)>,
    /// The commit of the workspace.
    pub commit: Option<String>,
    /// Whether the workspace had changes that the commit does not have.
    pub is_dirty: bool,
}

/// Lists saved plans, the newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn plans(session: &Session, limit: u32) -> Result<Vec<PlanLine>, Error> {
    let line = |record: PlanRecord| PlanLine {
        id: record.id,
        deploy: record.deploy,
        author: record.author,
        made_at: record.made_at,
        hosts: record.hosts.into_iter().map(|it| (it.client, it.host, it.changes)).collect(),
        commit: record.commit,
        is_dirty: record.is_dirty,
    };
    Ok(session.store.plans(&ClientScope::All, limit).await?.into_iter().map(line).collect())
}

/// Returns a saved plan by its name or the beginning of it.
///
/// # Errors
/// [`Error::Store`] where there is none, or several begin so; [`FixError::PlanDamaged`].
pub async fn saved_plan(session: &Session, id: &str) -> Result<SavedPlan, Error> {
    let (record, plan, selector) = load_plan(session, id).await?;
    let notes = plan::lint(&plan, &session.workspace.inventory);
    let needs_approval = needed(session, &plan);
    Ok(SavedPlan {
        id: record.id,
        hash: record.hash,
        plan,
        notes,
        author: record.author,
        made_at: record.made_at,
        selector,
        commit: record.commit,
        is_dirty: record.is_dirty,
        needs_approval,
    })
}

/// Loads a plan and proves that it is what was saved.
pub(crate) async fn load_plan(session: &Session, id: &str) -> Result<(PlanRecord, Arc<Plan>, String), Error> {
    let saved = session.store.plan(&ClientScope::All, id).await?;
    let id = saved.record.id.to_string();
    let damaged = |why: String| FixError::PlanDamaged { id: id.clone(), why };
    let body = saved.body.ok_or_else(|| damaged("not all of its clients are in view".to_owned()))?;
    // The store has held the bytes against the hash.
    if let Some(plan) = session.at_hand.get(&saved.record.hash) {
        return Ok((saved.record, plan, body.selector));
    }
    let plan = plan::read_plan(&body.bytes).map_err(|error| damaged(error.to_string()))?;
    if plan::content_hash(&plan) != saved.record.hash {
        return Err(damaged("its content is not what was saved".to_owned()).into());
    }
    let plan = session.at_hand.keep(saved.record.hash, plan);
    Ok((saved.record, plan, body.selector))
}
