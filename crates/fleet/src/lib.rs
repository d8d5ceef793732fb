//! The only crate that touches a managed host: SSH and local connectors, host keys, collecting facts.

mod capture;
mod collect;
mod connector;
mod host_key;
mod identities;
mod limits;
mod local;
mod login;
mod probe;
mod root;
mod session;
mod ssh;
mod stream;
mod target;

pub use collect::{Progress, ProgressState, collect};
pub use connector::{AnyConnector, ConnectError, Connector, ExecOutput};
pub use host_key::fingerprint;
pub use identities::Identities;
pub use limits::Limits;
pub use local::LocalConnector;
pub use probe::{ProbeError, ShownKey, probe_host_keys};
pub use root::{ReadRootError, read_root};
pub use ssh::SshConnector;
pub use target::{Target, TargetConnection};
