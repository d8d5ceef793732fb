//! `ifrit pyinfra`: deploys that are written for pyinfra, run by the real pyinfra, planned, approved and applied
//! as our own are.
//!
//! One pyinfra process works on one host, so that a host that hangs holds no other and has a deadline of its
//! own. pyinfra gets our inventory, our pinned host keys and our selection as files in a private directory. A
//! small Python file beside the deploy (`report.py`) tells us what pyinfra is about to do, lets it begin only
//! where that is what was planned, and tells what came of each operation.

mod check;
mod closed;
mod engine;
mod event;
mod inventory;
mod plan;
mod process;
mod program;
mod stage;
mod steps;
mod tree;
mod work;

pub use closed::{Finding, Rescanned, look_again, open_on};
pub(crate) use engine::Engine;
pub use plan::{PyinfraRequest, plan};
pub use steps::is_pyinfra;
