//! One SSH connection: TCP, key exchange and host key, bounded in bytes and time.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use model::Address;
use russh::client::{Config, Handle};
use russh::keys::{Algorithm, PublicKey};
use russh::{Preferred, SshId, compression};
use tokio::net::TcpStream;

use crate::connector::ConnectError;
use crate::host_key::{KeyCheck, Pinned, fingerprint_of};
use crate::limits::Limits;
use crate::stream::{BoundedStream, Leash};

/// What the host sees of us.
const CLIENT_ID: &str = "SSH-2.0-ifrit";
/// The bytes of a channel that may be under way: 256 KiB. It bounds memory per host.
const WINDOW_BYTES: u32 = 256 << 10;
/// The messages of a channel that may wait for us.
const CHANNEL_MESSAGES_MAX: usize = 16;
/// The bytes that a connection may carry beside standard output and error: 4 MiB.
const OVERHEAD_BYTES_MAX: usize = 4 << 20;

/// A connection whose host has proved its key. Dropping it cuts the connection.
pub(crate) struct Session {
    pub handle: Handle<KeyCheck>,
    pub leash: Leash,
}

/// Where to connect to.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    pub address: &'a Address,
    pub port: u16,
}

impl Endpoint<'_> {
    pub(crate) fn timed_out(self, stage: &'static str, limits: &Limits) -> ConnectError {
        let (address, port) = (self.address.clone(), self.port);
        ConnectError::TimedOut { address, port, stage, after: limits.connect_timeout }
    }

    fn handshake(self, source: russh::Error) -> ConnectError {
        ConnectError::Handshake { address: self.address.clone(), port: self.port, source }
    }
}

/// Connects and lets the host prove one of the pinned keys; a host that shows another one gets not
/// a byte more. Takes no longer than the caller waits.
pub(crate) async fn connect(
    endpoint: Endpoint<'_>,
    pinned: Arc<Pinned>,
    limits: &Limits,
) -> Result<Session, ConnectError> {
    let shown = Arc::new(OnceLock::new());
    let check = KeyCheck { pinned: Some(Arc::clone(&pinned)), shown: Arc::clone(&shown) };
    let (stream, leash) = open(endpoint, limits).await?;
    let config = Arc::new(config(pinned.algorithms(), limits));
    match russh::client::connect_stream(config, stream, check).await {
        Ok(handle) => Ok(Session { handle, leash }),
        Err(error) => Err(match (error, shown.get()) {
            (russh::Error::UnknownKey, Some(key)) => {
                ConnectError::HostKeyChanged { pinned: pinned.fingerprints(), shown: fingerprint_of(key) }
            }
            (error, _) => endpoint.handshake(error),
        }),
    }
}

/// Connects, takes the key that the host proves, and leaves.
pub(crate) async fn look(
    endpoint: Endpoint<'_>,
    algorithms: Vec<Algorithm>,
    limits: &Limits,
) -> Result<PublicKey, ConnectError> {
    let shown = Arc::new(OnceLock::new());
    let check = KeyCheck { pinned: None, shown: Arc::clone(&shown) };
    let (stream, _leash) = open(endpoint, limits).await?;
    let result = russh::client::connect_stream(Arc::new(config(algorithms, limits)), stream, check).await;
    match (shown.get(), result) {
        (Some(key), _) => Ok(key.clone()),
        (None, Err(error)) => Err(endpoint.handshake(error)),
        (None, Ok(_)) => Err(endpoint.handshake(russh::Error::UnknownKey)),
    }
}

async fn open(endpoint: Endpoint<'_>, limits: &Limits) -> Result<(BoundedStream, Leash), ConnectError> {
    let unreachable =
        |source| ConnectError::Unreachable { address: endpoint.address.clone(), port: endpoint.port, source };
    let stream = TcpStream::connect((endpoint.address.as_str(), endpoint.port)).await.map_err(unreachable)?;
    // Small packets follow each other at once; waiting for acknowledgements would cost round trips.
    stream.set_nodelay(true).map_err(unreachable)?;
    let bytes_max = limits
        .stdout_bytes_max
        .saturating_add(limits.stderr_bytes_max)
        .saturating_mul(2)
        .saturating_add(OVERHEAD_BYTES_MAX);
    Ok(BoundedStream::new(stream, bytes_max))
}

fn config(algorithms: Vec<Algorithm>, limits: &Limits) -> Config {
    Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES_MAX,
        keepalive_interval: Some(limits.keepalive_interval),
        keepalive_max: limits.keepalive_unanswered_max,
        preferred: Preferred {
            key: Cow::Owned(algorithms),
            // A compressed packet may unfold to any size.
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}
