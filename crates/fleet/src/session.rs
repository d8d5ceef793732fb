//! One SSH connection: TCP or a jump host's channel, key exchange and host key, bounded in bytes and time.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use model::Address;
use russh::client::{Config, Handle};
use russh::keys::{Algorithm, PublicKey};
use russh::{Preferred, SshId, compression};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::connector::ConnectError;
use crate::host_key::{KeyCheck, Peer, Pinned, Shown, Verdict, all_algorithms, fingerprint_of};
use crate::jump::{JumpConnection, Passage};
use crate::limits::Limits;
use crate::stream::{BoundedStream, Leash, is_silence};
use crate::watch::Watch;

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
    /// What it goes through; kept for as long as the session.
    pub passage: Option<Passage>,
    /// Ends it soon where the host is gone; to be dropped once SSH itself can ask for signs of life.
    pub watch: Option<Arc<Watch>>,
    /// What the host says of itself.
    pub peer: Arc<Peer>,
    /// Whether what was said last may be on its way still: then the host must not be told to drop everything.
    pub is_left: bool,
}

impl Session {
    /// Says whether the host takes to its end what was said before the connection was closed. OpenSSH does; others
    /// may drop what they have read, and so may who stands between.
    pub(crate) fn can_leave(&self) -> bool {
        self.peer.is_openssh() && self.passage.is_none()
    }
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

    pub(crate) fn silent(self, stage: &'static str, limits: &Limits) -> ConnectError {
        let (address, port) = (self.address.clone(), self.port);
        ConnectError::Silent { address, port, stage, after: limits.silent_after }
    }

    fn handshake(self, source: russh::Error) -> ConnectError {
        ConnectError::Handshake { address: self.address.clone(), port: self.port, source }
    }
}

/// Connects and lets the host prove one of the pinned keys; a host that shows another one gets not
/// a byte more. Takes no longer than the caller waits.
pub(crate) async fn connect(
    endpoint: Endpoint<'_>,
    via: Option<&Arc<JumpConnection>>,
    pinned: Arc<Pinned>,
    limits: &Limits,
) -> Result<Session, ConnectError> {
    let config = config(pinned.algorithms(), pinned.certificate_algorithms(), limits);
    let shown = Arc::new(OnceLock::new());
    let check = KeyCheck::new(Some(Arc::clone(&pinned)), &shown);
    open(endpoint, via, config, check, limits).await.map_err(|error| match (error, shown.get()) {
        (Failure::Handshake(russh::Error::UnknownKey), Some(shown)) => distrust(&pinned, shown),
        (Failure::Handshake(error), _) => endpoint.handshake(error),
        (Failure::NoWay(error), _) => error,
    })
}

/// Connects, takes the key that the host proves, and leaves.
pub(crate) async fn look(
    endpoint: Endpoint<'_>,
    via: Option<&Arc<JumpConnection>>,
    limits: &Limits,
) -> Result<PublicKey, ConnectError> {
    let shown = Arc::new(OnceLock::new());
    let check = KeyCheck::new(None, &shown);
    let config = config(all_algorithms(), Vec::new(), limits);
    let result = open(endpoint, via, config, check, limits).await;
    match (shown.get(), result) {
        (Some(shown), _) => Ok(shown.key.clone()),
        (None, Err(Failure::NoWay(error))) => Err(error),
        (None, Err(Failure::Handshake(error))) => Err(endpoint.handshake(error)),
        (None, Ok(_)) => Err(endpoint.handshake(russh::Error::UnknownKey)),
    }
}

/// Returns how many bytes one host may send over a connection.
pub(crate) fn bytes_max(limits: &Limits) -> usize {
    limits
        .stdout_bytes_max
        .saturating_add(limits.stderr_bytes_max)
        .saturating_mul(2)
        .saturating_add(OVERHEAD_BYTES_MAX)
}

fn distrust(pinned: &Pinned, shown: &Shown) -> ConnectError {
    let fingerprint = fingerprint_of(&shown.key);
    match &shown.verdict {
        Verdict::Revoked => ConnectError::HostKeyRevoked { shown: fingerprint },
        Verdict::BadCertificate(why) => {
            ConnectError::HostCertificateRefused { shown: fingerprint, why: why.clone() }
        }
        Verdict::Trusted | Verdict::Unknown => {
            ConnectError::HostKeyChanged { pinned: pinned.expected(), shown: fingerprint }
        }
    }
}

/// Why there is no session.
enum Failure {
    NoWay(ConnectError),
    Handshake(russh::Error),
}

impl Failure {
    /// Says plainly that the host's machine is gone.
    fn or_silent(self, endpoint: Endpoint<'_>, limits: &Limits) -> Self {
        match &self {
            Self::Handshake(russh::Error::IO(error)) if is_silence(error) => {
                Self::NoWay(endpoint.silent("connecting", limits))
            }
            _ => self,
        }
    }
}

async fn open(
    endpoint: Endpoint<'_>,
    via: Option<&Arc<JumpConnection>>,
    config: Config,
    mut check: KeyCheck,
    limits: &Limits,
) -> Result<Session, Failure> {
    match via {
        Some(jump) => {
            let (stream, passage) = jump.open(endpoint, limits).await.map_err(Failure::NoWay)?;
            shake_hands(stream, Some(passage), config, check, limits).await
        }
        None => {
            let stream = connect_tcp(endpoint, limits).await.map_err(Failure::NoWay)?;
            let watch = Watch::begin(&stream, limits.silent_after).map(Arc::new);
            check.watch = watch.as_ref().map(Arc::downgrade).unwrap_or_default();
            let mut session = shake_hands(stream, None, config, check, limits)
                .await
                .map_err(|failure| failure.or_silent(endpoint, limits))?;
            session.watch = watch;
            Ok(session)
        }
    }
}

/// Connects to the first of the host's addresses that answers.
async fn connect_tcp(endpoint: Endpoint<'_>, limits: &Limits) -> Result<TcpStream, ConnectError> {
    let (address, port) = (endpoint.address, endpoint.port);
    let unreachable = |source| ConnectError::Unreachable { address: address.clone(), port, source };
    let mut failure = unreachable(std::io::Error::other("the name has no address"));
    for found in lookup_host((address.as_str(), port)).await.map_err(unreachable)? {
        match timeout(limits.silent_after, TcpStream::connect(found)).await {
            Ok(Ok(stream)) => {
                // Small packets follow each other at once; waiting for acknowledgements would cost round trips.
                stream.set_nodelay(true).map_err(unreachable)?;
                return Ok(stream);
            }
            Ok(Err(source)) => failure = unreachable(source),
            Err(_) => failure = endpoint.silent("connecting", limits),
        }
    }
    Err(failure)
}

async fn shake_hands(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    passage: Option<Passage>,
    config: Config,
    check: KeyCheck,
    limits: &Limits,
) -> Result<Session, Failure> {
    let (stream, leash) = BoundedStream::new(stream, bytes_max(limits), limits.lost_after);
    let peer = Arc::clone(&check.peer);
    let handle = russh::client::connect_stream(Arc::new(config), stream, check).await;
    let handle = handle.map_err(Failure::Handshake)?;
    Ok(Session { handle, leash, passage, watch: None, peer, is_left: false })
}

fn config(algorithms: Vec<Algorithm>, certificates: Vec<Algorithm>, limits: &Limits) -> Config {
    let (keepalive_interval, keepalive_max) = limits.keepalive();
    Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES_MAX,
        keepalive_interval: Some(keepalive_interval),
        keepalive_max,
        preferred: Preferred {
            key: Cow::Owned(algorithms),
            host_key_certificates: Cow::Owned(certificates),
            // A compressed packet may unfold to any size.
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}
