//! The seam to a host: one exec, bounded in bytes and time.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use model::{Address, Code, HostName, Place, Problem, UserName};
use plan::StreamEnd;
use thiserror::Error;

use crate::limits::Limits;
use crate::local::LocalConnector;
use crate::ssh::SshConnector;
use crate::talk::Talk;
use crate::target::{Target, TargetConnection};

/// What an exec brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output, at most [`Limits::stdout_bytes_max`].
    pub stdout: Vec<u8>,
    /// Standard error, at most [`Limits::stderr_bytes_max`]; what is over is dropped without
    /// failing the exec.
    pub stderr: Vec<u8>,
    /// The exit status; `None` where a signal ended it or none came.
    pub exit_status: Option<u32>,
    /// How it ended.
    pub end: StreamEnd,
}

/// Why a script was not run on a host. Unless it is [`ConnectError::Refused`], [`ConnectError::NotEscalated`],
/// [`ConnectError::Overdue`] or the [`ConnectError::Silent`] of a question, not a byte of the script was sent.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// No TCP connection.
    #[error("no connection to {address} port {port}")]
    Unreachable {
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// Connecting, shaking hands and logging in took too long.
    #[error("no answer from {address} port {port} within {} s while {stage}", after.as_secs_f32())]
    TimedOut {
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// What was being done.
        stage: &'static str,
        /// The limit.
        after: Duration,
    },
    /// It was connected to or asked, and gave no sign of life any more.
    #[error("no sign of life from {address} port {port} for {} s while {stage}", after.as_secs_f32())]
    Silent {
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// What was being done.
        stage: &'static str,
        /// [`Limits::silent_after`].
        after: Duration,
    },
    /// It is no SSH server, or one that we have no algorithm in common with.
    #[error("{address} port {port} does not speak SSH as we do")]
    Handshake {
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// Why.
        source: russh::Error,
    },
    /// No key is pinned; the host was not contacted.
    #[error("no host key is pinned")]
    HostKeyUnknown,
    /// A pinned key cannot be read; the host was not contacted.
    #[error("the pinned host key `{key}` is no public key in OpenSSH's form")]
    PinnedKeyUnreadable {
        /// The key as declared, shortened.
        key: String,
    },
    /// It showed a key that is not pinned.
    #[error("expected host key {}, got {shown}", pinned.join(" or "))]
    HostKeyChanged {
        /// Fingerprints of the pinned keys.
        pinned: Vec<String>,
        /// Fingerprint of the key it showed.
        shown: String,
    },
    /// It showed a key that somebody has marked as revoked, or one certified by such a key.
    #[error("the host key {shown} or its authority is marked @revoked")]
    HostKeyRevoked {
        /// Fingerprint of the key it showed.
        shown: String,
    },
    /// It showed a certificate that does not count.
    #[error("the certificate of host key {shown} does not count: {why}")]
    HostCertificateRefused {
        /// Fingerprint of the key in it.
        shown: String,
        /// Why.
        why: String,
    },
    /// What is known of the host forbids connecting; it was not contacted.
    #[error("{}", .0.message)]
    Forbidden(Box<Problem>),
    /// A host on the way could not be gone through.
    #[error("no way through jump host {}", name.escape_debug())]
    Jump {
        /// The jump host.
        name: String,
        /// Why.
        source: Arc<ConnectError>,
    },
    /// A host on the way would not open a connection to the next one.
    #[error("jump host {} opens no connection to {address} port {port}: {why}", name.escape_debug())]
    JumpRefused {
        /// The jump host.
        name: String,
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// Why.
        why: String,
    },
    /// The way is too long.
    #[error("the way goes through more than {max} hosts")]
    TooManyHops {
        /// The limit.
        max: usize,
    },
    /// The login may not become root.
    #[error("{program} does not let {user} become root without a prompt: {}", said.escape_debug())]
    NotEscalated {
        /// `sudo` or `doas`.
        program: &'static str,
        /// The login.
        user: UserName,
        /// What it said, shortened.
        said: String,
    },
    /// It accepted none of our keys, or we have none.
    #[error("{user} cannot log in: {}", tried.join("; "))]
    Unauthenticated {
        /// The login.
        user: UserName,
        /// What was tried and what could not be tried, each with its reason.
        tried: Vec<String>,
        /// What to do.
        hint: String,
    },
    /// It let us in and refused to run the command.
    #[error("the host refused to run a command: {why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// The connection broke after logging in, before the command was sent.
    #[error("the connection broke after logging in")]
    Lost {
        /// Why.
        source: russh::Error,
    },
    /// This machine's shell could not be started.
    #[error("cannot start /bin/sh on this machine")]
    Spawn {
        /// Why.
        source: std::io::Error,
    },
    /// The connector did not come back long after its time limit.
    #[error("no answer within {} s", after.as_secs_f32())]
    Overdue {
        /// The limit.
        after: Duration,
    },
    /// The connector cannot reach this kind of target.
    #[error("this connector does not reach such a target")]
    WrongConnector,
}

impl ConnectError {
    /// Says whether trying again soon may help: the connection was refused or reset, or closed
    /// before a key was shown (a server with too many half-open connections does that).
    pub fn is_transient(&self) -> bool {
        use std::io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, UnexpectedEof,
        };
        let kind = match self {
            Self::Unreachable { source, .. } | Self::Handshake { source: russh::Error::IO(source), .. } => {
                source.kind()
            }
            Self::Jump { source, .. } => return source.is_transient(),
            Self::Handshake { source, .. } => {
                return matches!(source, russh::Error::Disconnect | russh::Error::HUP);
            }
            _ => return false,
        };
        matches!(
            kind,
            BrokenPipe
                | ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | Interrupted
                | UnexpectedEof
        )
    }

    /// Returns the code of the problem that it makes.
    pub fn code(&self) -> Code {
        match self {
            Self::HostKeyUnknown | Self::PinnedKeyUnreadable { .. } => Code::CollectHostKeyUnknown,
            Self::HostKeyChanged { .. } => Code::CollectHostKeyChanged,
            Self::HostKeyRevoked { .. } => Code::CollectHostKeyRevoked,
            Self::HostCertificateRefused { .. } => Code::CollectHostCertificateRefused,
            Self::Forbidden(problem) => problem.code,
            Self::Jump { source, .. } => source.code(),
            Self::NotEscalated { .. } => Code::CollectNotEscalated,
            Self::Unauthenticated { .. } => Code::CollectUnauthenticated,
            Self::TimedOut { .. } | Self::Silent { .. } | Self::Overdue { .. } => Code::CollectTimeout,
            Self::Refused { .. } | Self::Lost { .. } => Code::CollectCut,
            Self::Unreachable { .. }
            | Self::Handshake { .. }
            | Self::JumpRefused { .. }
            | Self::TooManyHops { .. }
            | Self::Spawn { .. }
            | Self::WrongConnector => Code::CollectUnreachable,
        }
    }

    /// Returns what to do about it, where something can be done.
    pub fn hint(&self, host: &HostName) -> Option<String> {
        match self {
            Self::HostKeyUnknown | Self::PinnedKeyUnreadable { .. } => {
                Some(format!("compare and pin the host's key with `ifrit hosts trust {host}`"))
            }
            Self::HostKeyChanged { .. } => Some(format!(
                "nothing was sent; if the host was reinstalled, compare the fingerprint at its console and pin it \
                 with `ifrit hosts trust {host}`; else somebody may stand between"
            )),
            Self::HostKeyRevoked { .. } => Some(
                "nothing was sent; a revoked key may be in strange hands: give the host a new one".to_owned(),
            ),
            Self::HostCertificateRefused { .. } => {
                Some("nothing was sent; have the host's key certified anew, or pin the key itself".to_owned())
            }
            Self::Forbidden(problem) => problem.hint.clone(),
            Self::Jump { name, source } => source.hint_at_jump(name, host),
            Self::NotEscalated { program, said, .. } if said.contains("not found") => Some(format!(
                "there is no {program} on the host: install it there, or name another program in `ssh.become`"
            )),
            Self::NotEscalated { program, user, .. } => Some(match *program {
                "doas" => format!("allow it in doas.conf on the host: `permit nopass {user}`"),
                _ => format!("allow it in sudoers on the host: `{user} ALL=(root) NOPASSWD: ALL`"),
            }),
            Self::Unauthenticated { hint, .. } => Some(hint.clone()),
            Self::Silent { .. } => Some(
                "nothing was changed; look whether the host is up; one that is only slow gets longer with \
                 `ssh.silent_secs`"
                    .to_owned(),
            ),
            Self::Refused { .. } => Some(
                "the login must be allowed to run commands: check its shell, ForceCommand and key options"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Returns what to do about it where it happened at a jump host.
    fn hint_at_jump(&self, jump: &str, host: &HostName) -> Option<String> {
        let jump = jump.escape_debug();
        match self {
            Self::HostKeyUnknown | Self::PinnedKeyUnreadable { .. } => Some(format!(
                "declare {jump} as a host and pin its key with `ifrit hosts trust`, or have the key in a file of \
                 the setting `ssh.known_hosts`"
            )),
            Self::HostKeyChanged { .. } => Some(format!(
                "nothing was sent; compare the fingerprint at the console of {jump} before trusting it anew"
            )),
            other => other.hint(host),
        }
    }

    /// Returns it as a problem of a host, with its causes.
    pub fn problem(&self, host: &HostName) -> Problem {
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let place = Place::Host { host: host.clone(), part: String::new() };
        let problem = Problem::new(self.code(), place, message);
        match self.hint(host) {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        }
    }
}

/// Runs one script on one host.
pub trait Connector: Send + Sync {
    /// Runs `sh` with a clean environment on the target and gives it the script on standard input.
    /// Returns within [`Limits::host_timeout`], with what came until then.
    ///
    /// Cancellation: dropping the future ends the connection or kills the local process group; a
    /// remote script may run on until it next writes.
    fn exec<'a>(
        &'a self,
        target: &'a Target,
        stdin: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>>;

    /// As [`Connector::exec`], for a script that is heard while it runs and answered: what it prints
    /// goes to [`Talk::output`], and its standard input stays open until [`Talk::input`] ends. Of its
    /// standard output the result holds the first bytes only.
    ///
    /// Without an implementation of its own, the script is heard once it has ended and gets no answer.
    fn converse<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        talk: Talk,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(async move {
            let output = self.exec(target, script, limits).await?;
            // Nobody listens any more: then nothing is lost.
            talk.output.send(output.stdout.clone()).await.ok();
            Ok(output)
        })
    }

    /// As [`Connector::exec`], for a script whose standard output ends with `end`: the shell need not end then, and
    /// may be kept for the next script. An answer without that end is one that is not whole.
    fn ask<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        end: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        // Who waits for the shell's end needs no other.
        let _ = end;
        self.exec(target, script, limits)
    }
}

/// Both connectors, chosen by the target's connection.
#[derive(Debug)]
pub struct AnyConnector {
    /// For [`TargetConnection::Local`].
    pub local: LocalConnector,
    /// For [`TargetConnection::Ssh`].
    pub ssh: SshConnector,
}

impl Connector for AnyConnector {
    fn exec<'a>(
        &'a self,
        target: &'a Target,
        stdin: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        match target.connection {
            TargetConnection::Local => self.local.exec(target, stdin, limits),
            TargetConnection::Ssh { .. } => self.ssh.exec(target, stdin, limits),
        }
    }

    fn converse<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        talk: Talk,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        match target.connection {
            TargetConnection::Local => self.local.converse(target, script, talk, limits),
            TargetConnection::Ssh { .. } => self.ssh.converse(target, script, talk, limits),
        }
    }

    fn ask<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        end: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        match target.connection {
            TargetConnection::Local => self.local.ask(target, script, end, limits),
            TargetConnection::Ssh { .. } => self.ssh.ask(target, script, end, limits),
        }
    }
}
