//! The plan that this process has at hand: who plans, shows and applies in one go holds one copy of it, and a plan of
//! a large fleet is large.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::Plan;

/// The last plan that was made or loaded, as long as somebody holds it.
#[derive(Debug, Default)]
pub(crate) struct PlanAtHand(Mutex<Option<([u8; 32], Weak<Plan>)>>);

impl PlanAtHand {
    /// Keeps a plan in view; `hash` is the hash of its content, computed from it.
    pub(super) fn keep(&self, hash: [u8; 32], plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((hash, Arc::downgrade(&plan)));
        plan
    }

    /// Returns the plan whose content has this hash.
    pub(super) fn get(&self, hash: &[u8; 32]) -> Option<Arc<Plan>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(of, _)| of == hash).and_then(|(_, plan)| plan.upgrade())
    }
}
