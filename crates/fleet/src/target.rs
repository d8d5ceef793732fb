//! A host as fleet needs it: its name and how to reach it.

use std::path::PathBuf;

use jiff::Timestamp;
use model::{Address, HostKey, HostName, Problem, UserName};

use crate::ssh_config::AgentChoice;

/// One host to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub host: HostName,
    /// How to reach it.
    pub connection: TargetConnection,
    /// What else there is to reaching it over SSH; the default adds nothing.
    pub access: Access,
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
        /// The keys it may show; empty = it is refused with a hint how to pin one, unless an
        /// authority vouches for it ([`Trust::authorities`]).
        pinned: Vec<HostKey>,
    },
}

/// What ssh_config and known_hosts say of a target beside its connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Hosts to go through, first hop first; each is shared by all targets behind it.
    pub jumps: Vec<Jump>,
    /// Who vouches for its key, and which keys never count.
    pub trust: Trust,
    /// The keys to log in with.
    pub login: LoginKeys,
    /// How the login becomes root.
    pub escalation: Escalation,
    /// Why it must not be connected to.
    pub refused: Option<Problem>,
}

/// A host to go through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jump {
    /// Its name as somebody wrote it.
    pub name: String,
    /// DNS name or IP address, seen from the hop before it.
    pub address: Address,
    /// TCP port.
    pub port: u16,
    /// The login.
    pub user: UserName,
    /// The keys it may show.
    pub pinned: Vec<HostKey>,
    /// Who vouches for its key, and which keys never count.
    pub trust: Trust,
    /// The keys to log in with.
    pub login: LoginKeys,
}

/// Who vouches for a host's key beside the pinned ones, and which keys never count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Trust {
    /// Keys of authorities that may certify the host's key (`@cert-authority`).
    pub authorities: Vec<HostKey>,
    /// Keys that never count, pinned or not (`@revoked`).
    pub revoked: Vec<HostKey>,
    /// The name that a certificate must be for.
    pub name: String,
    /// The time that a certificate must be valid at; the default is 1970, when none was.
    pub now: Timestamp,
}

/// The keys for one login, beside those of all logins ([`crate::Identities`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LoginKeys {
    /// Which agent is asked.
    pub agent: AgentChoice,
    /// Private key files, tried in this order, instead of those for all logins; empty = those.
    pub key_files: Vec<PathBuf>,
    /// Certificates, beside the `KEY-cert.pub` of each key file.
    pub certificate_files: Vec<PathBuf>,
    /// Whether the agent's keys count only where a key file names them (`IdentitiesOnly`).
    pub is_limited: bool,
}

/// How a login becomes root. A login named `root` is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escalation {
    /// Not at all.
    #[default]
    None,
    /// `sudo -n`: without a prompt or not at all.
    Sudo,
    /// `doas -n`: without a prompt or not at all.
    Doas,
}

impl Escalation {
    /// Returns the program.
    pub fn program(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Sudo => Some("sudo"),
            Self::Doas => Some("doas"),
        }
    }
}
