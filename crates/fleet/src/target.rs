//! A host as fleet needs it: its name and how to reach it.

use model::{Address, HostKey, HostName, UserName};

/// One host to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub host: HostName,
    /// How to reach it.
    pub connection: TargetConnection,
}

/// How a target is reached; everything that settings could leave open is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetConnection {
    /// It is the machine that ifrit runs on.
    Local,
    /// Over SSH.
    Ssh {
        /// DNS name or IP address.
        address: Address,
        /// TCP port.
        port: u16,
        /// The login.
        user: UserName,
        /// The keys it may show; empty = it is refused with a hint how to pin one.
        pinned: Vec<HostKey>,
    },
}
