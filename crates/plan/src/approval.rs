//! Approvals: signatures over a plan's hash by keys that the inventory declares for a person.
//!
//! Whether a plan may be applied is decided here and nowhere else: [`ApprovedPlan`] can be made only by
//! [`ApprovedPlan::check`], and applying takes nothing but an `ApprovedPlan`.

mod signature;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::{PersonName, Plan, PublicKey, Risk};
use thiserror::Error;

pub use signature::{APPROVAL_NAMESPACE, SignatureRefused, verify_signature};

/// The approvals of one plan that are looked at.
const APPROVALS_MAX: usize = 100;

/// Which plans need a second person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApprovalPolicy {
    /// A plan with a step of one of these classes needs the approval of somebody who is not its author.
    pub four_eyes: BTreeSet<Risk>,
}

impl ApprovalPolicy {
    /// Returns the classes for which a plan needs approval; none = it needs none.
    pub fn asks_for(&self, plan: &Plan) -> BTreeSet<Risk> {
        let steps = plan.hosts.iter().flat_map(|host| &host.steps).filter(|step| step.is_sent());
        steps.flat_map(|step| &step.risks).copied().filter(|risk| self.four_eyes.contains(risk)).collect()
    }
}

/// One person's word that a plan may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who gives it.
    pub person: PersonName,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// Why the author approves the own plan (break-glass); `None` = it is nobody's own.
    pub reason: Option<String>,
    /// The signature of [`approval_message`]: what `ssh-keygen -Y sign -n ifrit-plan` writes (SSHSIG).
    pub signature: String,
}

/// Returns what a person signs to approve a plan.
pub fn approval_message(
    hash: &[u8; 32],
    person: &PersonName,
    expires_at: Timestamp,
    reason: Option<&str>,
) -> Vec<u8> {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = format!("ifrit plan approval 1\nplan {digits}\nperson {person}\nexpires {expires_at}\n");
    if let Some(reason) = reason {
        // Last, and all of the rest: nothing in it can pass for another line.
        text += &format!("break-glass {reason}\n");
    }
    text.into_bytes()
}

/// What an approval is judged by.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalCheck<'a> {
    /// Who made the plan.
    pub author: &'a PersonName,
    /// What needs approval.
    pub policy: &'a ApprovalPolicy,
    /// The approvals given.
    pub approvals: &'a [Approval],
    /// The keys that the inventory declares for each person at the plan's commit.
    pub keys: &'a BTreeMap<PersonName, Vec<PublicKey>>,
    /// The time.
    pub now: Timestamp,
}

/// A plan that may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedPlan {
    plan: Arc<Plan>,
    hash: [u8; 32],
    approved_by: Option<PersonName>,
}

/// Why a plan may not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the plan needs the approval of somebody other than {author} for {}{}", words(risks), told(refused))]
pub struct NotApproved {
    /// Who made the plan.
    pub author: PersonName,
    /// The classes of risk that ask for approval.
    pub risks: BTreeSet<Risk>,
    /// The approvals that do not count, each with its reason.
    pub refused: Vec<(PersonName, ApprovalRefused)>,
}

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApprovalRefused {
    /// It is too old.
    #[error("it expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The author's own word is none.
    #[error("it is the author's own, without a reason to break the glass")]
    Own,
    /// Nobody declares a key for the person.
    #[error("no key is declared for this person")]
    NoKey,
    /// The signature is not one of the person over this plan.
    #[error(transparent)]
    Signature(#[from] SignatureRefused),
}

impl ApprovedPlan {
    /// Lets a plan through where the policy asks for no approval of it, or where one approval counts.
    ///
    /// # Errors
    /// [`NotApproved`] says which risks ask for it and why the approvals given do not count.
    pub fn check(plan: impl Into<Arc<Plan>>, check: &ApprovalCheck<'_>) -> Result<Self, NotApproved> {
        let plan = plan.into();
        let hash = crate::content_hash(&plan);
        let risks = check.policy.asks_for(&plan);
        if risks.is_empty() {
            return Ok(Self { plan, hash, approved_by: None });
        }
        let mut refused = Vec::new();
        for approval in check.approvals.iter().take(APPROVALS_MAX) {
            match judge(approval, &hash, check) {
                Ok(()) => return Ok(Self { plan, hash, approved_by: Some(approval.person.clone()) }),
                Err(why) => refused.push((approval.person.clone(), why)),
            }
        }
        Err(NotApproved { author: check.author.clone(), risks, refused })
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the plan, which others hold too.
    pub fn shared(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// Returns the plan's hash.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns who approved it; `None` where the policy asks for nobody.
    pub fn approved_by(&self) -> Option<&PersonName> {
        self.approved_by.as_ref()
    }
}

fn judge(approval: &Approval, hash: &[u8; 32], check: &ApprovalCheck<'_>) -> Result<(), ApprovalRefused> {
    if approval.expires_at <= check.now {
        return Err(ApprovalRefused::Expired { at: approval.expires_at });
    }
    let has_reason = approval.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
    if approval.person == *check.author && !has_reason {
        return Err(ApprovalRefused::Own);
    }
    let keys = check.keys.get(&approval.person).filter(|keys| !keys.is_empty());
    let keys = keys.ok_or(ApprovalRefused::NoKey)?;
    let message = approval_message(hash, &approval.person, approval.expires_at, approval.reason.as_deref());
    verify_signature(&message, &approval.signature, keys)?;
    Ok(())
}

fn words(risks: &BTreeSet<Risk>) -> String {
    risks.iter().map(|risk| risk.as_str()).collect::<Vec<_>>().join(", ")
}

fn told(refused: &[(PersonName, ApprovalRefused)]) -> String {
    refused.iter().map(|(person, why)| format!("; {person}'s does not count: {why}")).collect()
}
