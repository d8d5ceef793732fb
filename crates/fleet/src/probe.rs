//! Asking a host for its key, for `ifrit hosts trust`.

use model::{Address, HostKey};
use thiserror::Error;
use tokio::time::{Instant, timeout};

use crate::connector::ConnectError;
use crate::host_key::fingerprint_of;
use crate::jump::JumpConnection;
use crate::limits::Limits;
use crate::session::{self, Endpoint};
use crate::ssh::SshConnector;
use crate::target::{Target, TargetConnection};

/// A key that a host showed and proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownKey {
    /// The key.
    pub key: HostKey,
    /// Its fingerprint as OpenSSH prints it: `SHA256:...`.
    pub fingerprint: String,
}

/// Why a host showed no key.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// It could not be reached, speaks no SSH or took too long.
    #[error("no host key from {address} port {port}")]
    NoKey {
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// Why.
        source: ConnectError,
    },
    /// It showed a key that cannot be written in OpenSSH's form.
    #[error("the host key of {address} port {port} cannot be written down")]
    Unwritable {
        /// The address as declared.
        address: Address,
        /// The port.
        port: u16,
        /// Why.
        source: russh::keys::ssh_key::Error,
    },
}

/// Asks a host for its key without logging in; an ed25519 key where it has one. It is one connection
/// and never retried: OpenSSH 9.8 and later shut out who connects often without logging in
/// (`PerSourcePenalties`). Whether the key is the right one, only a person can say.
///
/// # Errors
/// [`ProbeError::NoKey`] where the host could not be reached, speaks no SSH or takes longer than
/// [`Limits::connect_timeout`].
pub async fn probe_host_keys(
    address: &Address,
    port: u16,
    limits: &Limits,
) -> Result<Vec<ShownKey>, ProbeError> {
    probe(Endpoint { address, port }, None, limits).await
}

impl SshConnector {
    /// Asks a target for its key as [`probe_host_keys`] does, through its jump hosts: to those it
    /// logs in, with their keys checked.
    ///
    /// # Errors
    /// [`ProbeError::NoKey`] as there, and where a jump host is in the way or the target must not be
    /// connected to.
    pub async fn probe(&self, target: &Target, limits: &Limits) -> Result<Vec<ShownKey>, ProbeError> {
        let TargetConnection::Ssh { address, port, .. } = &target.connection else { return Ok(Vec::new()) };
        let no_key = |source| ProbeError::NoKey { address: address.clone(), port: *port, source };
        if let Some(problem) = &target.access.refused {
            return Err(no_key(ConnectError::Forbidden(Box::new(problem.clone()))));
        }
        let deadline = Instant::now() + limits.host_timeout;
        let via = self.reach(&target.access.jumps, deadline, limits).await.map_err(no_key)?;
        probe(Endpoint { address, port: *port }, via.as_ref(), limits).await
    }
}

async fn probe(
    endpoint: Endpoint<'_>,
    via: Option<&std::sync::Arc<JumpConnection>>,
    limits: &Limits,
) -> Result<Vec<ShownKey>, ProbeError> {
    let Endpoint { address, port } = endpoint;
    let no_key = |source| ProbeError::NoKey { address: address.clone(), port, source };
    let look = session::look(endpoint, via, limits);
    let key = match timeout(limits.connect_timeout, look).await {
        Ok(Ok(key)) => key,
        Ok(Err(error)) => return Err(no_key(error)),
        Err(_) => return Err(no_key(endpoint.timed_out("asking for its key", limits))),
    };
    let unwritable = |source| ProbeError::Unwritable { address: address.clone(), port, source };
    let text = key.to_openssh().map_err(unwritable)?;
    let fingerprint = fingerprint_of(&key);
    Ok(vec![ShownKey { key: HostKey::new(text.trim_end()), fingerprint }])
}
