//! Every operation against fixtures (given these facts, these steps) and against a real shell (applied
//! twice, the second time changes nothing).

mod applied;
mod apply_twice;
mod checkout;
mod costs;
mod determinism;
mod fakes;
mod fixtures;
mod hostile;
mod injection;
mod own;
mod pyinfra;
mod sandbox;
mod settings;
pub(crate) mod team;
mod together;
mod transfer;
mod waiting;
