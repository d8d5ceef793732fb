//! Asking a host for its key, for `ifrit hosts trust`.

use model::{Address, HostKey};
use thiserror::Error;
use tokio::time::timeout;

use crate::connector::ConnectError;
use crate::host_key::{all_algorithms, fingerprint_of};
use crate::limits::Limits;
use crate::session::{self, Endpoint};

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
    let endpoint = Endpoint { address, port };
    let no_key = |source| ProbeError::NoKey { address: address.clone(), port, source };
    let look = session::look(endpoint, all_algorithms(), limits);
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
