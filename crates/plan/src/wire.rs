//! The wire format of plans: JSON, with its version. A plan is stored, shown by `--json` and signed in
//! this form, so that it is written in one way only: the same plan gives the same bytes.

mod form;

use model::Plan;
use thiserror::Error;

use form::WirePlan;

/// The version that is written, and the only one that is read.
const FORMAT: u32 = 2;
/// The largest plan that is read, in bytes; and the most that it takes with all that its hosts share.
const PLAN_BYTES_MAX: usize = 512 << 20;

/// Bytes that are no plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanFormatError {
    /// It is too large.
    #[error("expected a plan of at most {limit} bytes, got {got}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The size.
        got: usize,
    },
    /// It is of another version of ifrit.
    #[error("expected a plan of format {expected}, got {got}: make the plan again")]
    OtherFormat {
        /// The version that is read.
        expected: u32,
        /// The version of the bytes.
        got: u32,
    },
    /// It is no plan.
    #[error("expected a plan, got something else: {why}")]
    Invalid {
        /// What is wrong.
        why: String,
    },
}

/// Writes a plan as canonical JSON.
pub fn write_plan(plan: &Plan) -> Vec<u8> {
    serde_json::to_vec(&WirePlan::from_plan(plan, FORMAT))
        .expect("invariant: a plan is made of texts, numbers and lists, which JSON can say")
}

/// Reads what [`write_plan`] wrote.
///
/// # Errors
/// [`PlanFormatError`] where the bytes are too large, of another version, or no plan.
pub fn read_plan(bytes: &[u8]) -> Result<Plan, PlanFormatError> {
    if bytes.len() > PLAN_BYTES_MAX {
        return Err(PlanFormatError::TooLarge { limit: PLAN_BYTES_MAX, got: bytes.len() });
    }
    let invalid = |why: String| PlanFormatError::Invalid { why };
    let wire: WirePlan<'_> = serde_json::from_slice(bytes).map_err(|error| match form::format_of(bytes) {
        Some(got) if got != FORMAT => PlanFormatError::OtherFormat { expected: FORMAT, got },
        _ => invalid(error.to_string()),
    })?;
    if wire.format != FORMAT {
        return Err(PlanFormatError::OtherFormat { expected: FORMAT, got: wire.format });
    }
    let got = wire.plan_bytes();
    if got > PLAN_BYTES_MAX {
        return Err(PlanFormatError::TooLarge { limit: PLAN_BYTES_MAX, got });
    }
    wire.into_plan().map_err(invalid)
}

#[cfg(test)]
mod tests;
