//! Going through other hosts (ProxyJump): one connection to each, shared by all hosts behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use model::Address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::connector::ConnectError;
use crate::limits::Limits;
use crate::login::{Hop, Keys};
use crate::session::{self, Endpoint, Session};
use crate::target::Jump;

/// The hosts that one connection to a jump host serves at the same time; others wait their turn.
const PASSAGES_MAX: usize = 64;
/// The hops of one way.
const HOPS_MAX: usize = 8;

/// The connections to jump hosts of a run. Its owner keeps it no longer than the run.
#[derive(Default)]
pub(crate) struct Jumps {
    connections: Mutex<HashMap<Vec<Jump>, Arc<Shared>>>,
}

/// A connection that is made once: a failure that will not pass is everybody's.
type Shared = OnceCell<Result<Arc<JumpConnection>, Arc<ConnectError>>>;

/// A connection to a jump host, logged in.
pub(crate) struct JumpConnection {
    name: String,
    session: Session,
    slots: Arc<Semaphore>,
}

/// The right to use a jump host's connection; it also keeps that alive.
pub(crate) struct Passage {
    _connection: Arc<JumpConnection>,
    _slot: OwnedSemaphorePermit,
}

impl Jumps {
    /// Returns the connection to the last of some hops, made now or before. Waits until the deadline
    /// at most, for each new hop no longer than [`Limits::connect_timeout`].
    pub(crate) fn reach<'a>(
        &'a self,
        hops: &'a [Jump],
        keys: &'a Keys,
        deadline: Instant,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Option<Arc<JumpConnection>>, ConnectError>> {
        async move {
            let Some((last, before)) = hops.split_last() else { return Ok(None) };
            let failed = |source| ConnectError::Jump { name: last.name.clone(), source };
            if hops.len() > HOPS_MAX {
                return Err(failed(Arc::new(ConnectError::TooManyHops { max: HOPS_MAX })));
            }
            loop {
                let shared = self.shared(hops);
                let make = Box::pin(self.make(last, before, keys, deadline, limits));
                let made = timeout_at(deadline, shared.get_or_try_init(|| make)).await;
                let late =
                    |_| failed(Arc::new(endpoint(last).timed_out("waiting for the jump host", limits)));
                match made.map_err(late)? {
                    Ok(Ok(connection)) if connection.session.handle.is_closed() => self.forget(hops, &shared),
                    Ok(Ok(connection)) => return Ok(Some(Arc::clone(connection))),
                    Ok(Err(error)) => return Err(failed(Arc::clone(error))),
                    Err(error) => return Err(failed(Arc::new(error))),
                }
            }
        }
        .boxed()
    }

    /// Makes a connection. The outer error is one that another try may mend.
    async fn make(
        &self,
        jump: &Jump,
        before: &[Jump],
        keys: &Keys,
        deadline: Instant,
        limits: &Limits,
    ) -> Result<Result<Arc<JumpConnection>, Arc<ConnectError>>, ConnectError> {
        let connect = async {
            let via = self.reach(before, keys, deadline, limits).await?;
            let deadline = deadline.min(Instant::now() + limits.connect_timeout);
            let hop = Hop {
                endpoint: endpoint(jump),
                user: &jump.user,
                pinned: &jump.pinned,
                trust: &jump.trust,
                login: &jump.login,
            };
            let mut session = keys.log_in(hop, via.as_ref(), deadline, limits).await?;
            session.watch = None;
            Ok::<_, ConnectError>(session)
        };
        match connect.await {
            Ok(session) => Ok(Ok(Arc::new(JumpConnection {
                name: jump.name.clone(),
                session,
                slots: Arc::new(Semaphore::new(PASSAGES_MAX)),
            }))),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Err(Arc::new(error))),
        }
    }

    fn shared(&self, hops: &[Jump]) -> Arc<Shared> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(connections.entry(hops.to_vec()).or_default())
    }

    /// Forgets a connection that has ended, unless somebody has made a new one already.
    fn forget(&self, hops: &[Jump], ended: &Arc<Shared>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.get(hops).is_some_and(|shared| Arc::ptr_eq(shared, ended)) {
            connections.remove(hops);
        }
    }
}

impl JumpConnection {
    /// Opens a way to a host as this one sees it.
    pub(crate) async fn open(
        self: &Arc<Self>,
        to: Endpoint<'_>,
        limits: &Limits,
    ) -> Result<(impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Passage), ConnectError> {
        let refused = |why: String| ConnectError::JumpRefused {
            name: self.name.clone(),
            address: Address::new(to.address.as_str()),
            port: to.port,
            why,
        };
        let slot =
            Arc::clone(&self.slots).acquire_owned().await.map_err(|error| refused(error.to_string()))?;
        self.session.leash.grant(session::bytes_max(limits));
        let open = self.session.handle.channel_open_direct_tcpip(
            to.address.as_str(),
            to.port.into(),
            "127.0.0.1",
            0,
        );
        let channel = open.await.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(reason) => refused(format!("{reason:?}")),
            error => refused(error.to_string()),
        })?;
        Ok((channel.into_stream(), Passage { _connection: Arc::clone(self), _slot: slot }))
    }
}

fn endpoint(jump: &Jump) -> Endpoint<'_> {
    Endpoint { address: &jump.address, port: jump.port }
}
