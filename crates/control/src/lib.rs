//! The use cases of ifrit: each verb of the CLI (and later each page and API call) is one function
//! here. This is where the rooms meet: declarations from `lang`, answers of hosts from `fleet`,
//! advisories from `advisory`, the past from `store`.
//!
//! Architecture invariants: nothing here prints or reads the environment ([`Surroundings`] brings
//! what is needed of it); the clock is read here ([`Clock`]) and nowhere below.

pub mod apply;
pub mod approve;
pub mod audit;
pub mod bell;
pub mod changes;
mod clock;
pub mod database;
pub mod debug;
pub mod deploy;
mod error;
pub mod export;
mod exposure;
pub mod feeds;
pub mod findings;
pub mod format;
pub mod host;
pub mod hosts;
pub mod incident;
pub mod init;
mod inquiry;
mod matched;
mod moment;
pub mod notify;
pub mod packages;
pub mod patch;
pub mod pyinfra;
mod reach;
pub mod record;
pub mod report;
pub mod respond;
pub mod scan;
pub mod secrets;
pub mod services;
mod session;
pub mod settings;
pub mod stubs;
pub mod testing;
pub mod trust;
pub mod verify;
pub mod who;
pub mod workspace;

pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind};
pub use exposure::{Declared, ServiceUse, is_reachable};
pub use fleet::{Progress, ProgressState};
pub use inquiry::Inquiry;
pub use lang::{LargeStackError, import, lsp, on_large_stack};
pub use session::{OnFaultyWorkspace, Session};
pub use store::{
    Change, ChangeEvent, ClientScope, CollectionOutcome, DatabaseCheck, FeedRecord, HostRecord, HostSnapshot,
    Item, ItemKind, MessageRecord, NewsRecord, manager_word, transport_word,
};
pub use workspace::{Surroundings, Workspace};

/// Returns the documentation of every Starlark function that a workspace's files can call.
pub fn starlark_functions() -> Vec<lang::FunctionDoc> {
    lang::functions(&workspace::extensions())
}
