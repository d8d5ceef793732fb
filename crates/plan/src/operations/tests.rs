//! Every operation against fixtures (given these facts, these steps) and against a real shell (applied
//! twice, the second time changes nothing).

mod applied;
mod apply_twice;
mod determinism;
mod fixtures;
mod hostile;
mod pyinfra;
pub(crate) mod team;
