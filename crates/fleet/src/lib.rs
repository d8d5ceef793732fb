//! The only crate that touches a managed host: SSH and local connectors, host keys, collecting facts,
//! applying plans.

mod apply;
mod ask;
mod banner;
mod capture;
mod collect;
mod connector;
mod escalation;
mod host_key;
mod identities;
mod idle;
mod jump;
mod known_hosts;
mod limits;
mod local;
mod login;
mod offer;
mod pattern;
mod probe;
mod root;
mod session;
mod shell;
mod signing;
mod ssh;
mod ssh_config;
mod stream;
mod talk;
mod target;
mod watch;

pub use apply::{
    Acknowledge, ApplyOptions, ApplyRequest, FailureLimit, HealthCheck, HostOutcome, HostReport, HostWork,
    NotStarted, Restarting, RunEvent, RunEventKind, RunReport, SecretSource, SettleRequest, StopSignal,
    apply, apply_with, await_restarts, settle,
};
pub use ask::ask;
pub use banner::{Banner, banners};
pub use collect::{Progress, ProgressState, collect, collect_each};
pub use connector::{AnyConnector, ConnectError, Connector, ExecOutput};
pub use host_key::fingerprint;
pub use identities::Identities;
pub use known_hosts::{KnownHost, KnownHosts, host_key_name};
pub use limits::Limits;
pub use local::LocalConnector;
pub use probe::{ProbeError, ShownKey, probe_host_keys};
pub use root::{ReadRootError, read_root};
pub use signing::{SignError, sign, signing_keys};
pub use ssh::{Contacts, SshConnector};
pub use ssh_config::{AgentChoice, Asked, IncludedFile, JumpSpec, Resolved, SshConfig, read_ssh_config};
pub use talk::Talk;
pub use target::{Access, Escalation, Jump, LoginKeys, Target, TargetConnection, Trust};
