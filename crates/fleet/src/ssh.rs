//! The connector over SSH: one connection, one exec.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use model::HostName;
use russh::client::Msg;
use russh::{Channel, Disconnect};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connector::{ConnectError, Connector, ExecOutput};
use crate::escalation;
use crate::identities::Identities;
use crate::idle::Idle;
use crate::jump::{JumpConnection, Jumps};
use crate::limits::Limits;
use crate::local::ENVIRONMENT;
use crate::login::{Hop, Keys};
use crate::session::{Endpoint, Session};
use crate::shell::{After, Manner, Shell, Unheard};
use crate::talk::Talk;
use crate::target::{Access, Escalation, Jump, Target, TargetConnection};

/// How long saying goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs scripts over SSH. One value is for one run: connections to jump hosts live as long as it.
pub struct SshConnector {
    keys: Keys,
    jumps: Jumps,
    idle: Idle,
    contacts: Mutex<HashMap<HostName, Contacts>>,
}

/// What a host has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contacts {
    /// Logins to it. Jump hosts on the way do not count.
    pub connections: u32,
    /// Commands started on it.
    pub execs: u32,
}

impl std::fmt::Debug for SshConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConnector").field("identities", &self.keys.identities).finish_non_exhaustive()
    }
}

impl SshConnector {
    /// Makes a connector. Key files are read once, before the first connection that they are for.
    pub fn new(identities: Identities) -> Self {
        Self {
            keys: Keys::new(identities),
            jumps: Jumps::default(),
            idle: Idle::default(),
            contacts: Mutex::default(),
        }
    }

    /// Keeps the connection to each host for its next exec, until [`SshConnector::close`].
    #[must_use]
    pub fn keeping_connections(mut self) -> Self {
        self.idle = Idle::keeping();
        self
    }

    /// Tells the hosts whose connections were kept that we leave.
    pub async fn close(&self) {
        futures::future::join_all(self.idle.drain().into_iter().map(say_goodbye)).await;
    }

    /// Returns what a host has cost so far.
    pub fn contacts(&self, host: &HostName) -> Contacts {
        let contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        contacts.get(host).copied().unwrap_or_default()
    }

    fn count(&self, host: &HostName, more: impl FnOnce(&mut Contacts)) {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        more(contacts.entry(host.clone()).or_default());
    }

    /// Returns the connection to the last of some jump hosts; `None` where there is none to go through.
    pub(crate) async fn reach(
        &self,
        hops: &[Jump],
        deadline: Instant,
        limits: &Limits,
    ) -> Result<Option<Arc<JumpConnection>>, ConnectError> {
        self.jumps.reach(hops, &self.keys, deadline, limits).await
    }

    async fn start(
        &self,
        target: &Target,
        script: &[u8],
        manner: Manner<'_>,
        limits: &Limits,
    ) -> Result<ExecOutput, ConnectError> {
        let TargetConnection::Ssh { address, port, user, pinned } = &target.connection else {
            return Err(ConnectError::WrongConnector);
        };
        let access = &target.access;
        if let Some(problem) = &access.refused {
            return Err(ConnectError::Forbidden(Box::new(problem.clone())));
        }
        let endpoint = Endpoint { address, port: *port };
        let hop = Hop { endpoint, user, pinned, trust: &access.trust, login: &access.login };
        self.run(hop, target, script, manner, limits).await
    }

    async fn run(
        &self,
        hop: Hop<'_>,
        target: &Target,
        script: &[u8],
        manner: Manner<'_>,
        limits: &Limits,
    ) -> Result<ExecOutput, ConnectError> {
        let access = &target.access;
        let deadline = Instant::now() + limits.host_timeout;
        let escalation = escalation::needed(access.escalation, hop.user);
        let (mut session, shell) = match self.again(target, hop.endpoint, deadline, limits).await {
            Some(found) => found,
            None => {
                let (session, channel) = self.anew(hop, access, deadline, limits).await?;
                self.count(&target.host, |contacts| contacts.connections += 1);
                (session, Shell::to_start(channel))
            }
        };
        if !shell.is_started() {
            self.count(&target.host, |contacts| contacts.execs += 1);
        }
        let answer = shell.run(&command(escalation), script, manner, &session, deadline, limits).await;
        let (output, after) = answer.map_err(|unheard| match unheard {
            Unheard::Refused(why) => ConnectError::Refused { why: why.to_owned() },
            Unheard::Silent => hop.endpoint.silent("answering", limits),
        })?;
        session.is_left = matches!(after, After::Left);
        let left_over = match after {
            After::Waiting(shell) => self.idle.keep(target, session, Some(shell)),
            After::Ended | After::Left => self.idle.keep(target, session, None),
            // No goodbye for a host that was cut short.
            After::Lost => None,
        };
        if let Some(session) = left_over {
            say_goodbye(session).await;
        }
        escalation::check(escalation, hop.user, output)
    }

    /// Takes a connection that was kept, with the shell that waits there, or with a channel for another. Where there
    /// is none nothing was sent yet, and a new connection may do better.
    async fn again(
        &self,
        target: &Target,
        endpoint: Endpoint<'_>,
        deadline: Instant,
        limits: &Limits,
    ) -> Option<(Session, Shell)> {
        let (session, shell) = self.idle.take(target)?;
        if let Some(shell) = shell.and_then(Shell::if_waiting) {
            return Some((session, shell));
        }
        let deadline = deadline.min(Instant::now() + limits.connect_timeout);
        let channel = open_channel(&session, endpoint, deadline, limits).await.ok()?;
        Some((session, Shell::to_start(channel)))
    }

    /// Logs in and opens a channel.
    async fn anew(
        &self,
        hop: Hop<'_>,
        access: &Access,
        deadline: Instant,
        limits: &Limits,
    ) -> Result<(Session, Channel<Msg>), ConnectError> {
        let via = self.reach(&access.jumps, deadline, limits).await?;
        let connect_deadline = deadline.min(Instant::now() + limits.connect_timeout);
        let mut session = self.keys.log_in(hop, via.as_ref(), connect_deadline, limits).await?;
        let channel = open_channel(&session, hop.endpoint, connect_deadline, limits).await?;
        session.watch = None;
        Ok((session, channel))
    }
}

/// Opens a channel, in the time for connecting.
async fn open_channel(
    session: &Session,
    endpoint: Endpoint<'_>,
    deadline: Instant,
    limits: &Limits,
) -> Result<Channel<Msg>, ConnectError> {
    timeout_at(deadline, session.handle.channel_open_session())
        .await
        .map_err(|_| endpoint.timed_out("opening a channel", limits))?
        .map_err(|error| match error {
            russh::Error::ChannelOpenFailure(reason) => ConnectError::Refused { why: format!("{reason:?}") },
            _ if session.leash.is_dead() => endpoint.silent("opening a channel", limits),
            source => ConnectError::Lost { source },
        })
}

impl Connector for SshConnector {
    fn exec<'a>(
        &'a self,
        target: &'a Target,
        stdin: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(self.start(target, stdin, Manner::Run, limits))
    }

    fn converse<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        talk: Talk,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(self.start(target, script, Manner::Talk(talk), limits))
    }

    fn ask<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        end: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(self.start(target, script, Manner::Ask { end }, limits))
    }
}

/// What runs on the host: a POSIX shell that reads its standard input, with nothing of the login's
/// environment. It reads the same in any login shell, csh and fish among them.
fn command(escalation: Escalation) -> String {
    let variables: String = ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    format!("{}/usr/bin/env -i {variables}/bin/sh", escalation::prefix(escalation))
}

/// Tells the host that we leave, so that its log shows no reset connection. Costs no round trip.
async fn say_goodbye(session: Session) {
    let Session { handle, leash, passage, is_left, .. } = session;
    if is_left {
        // A goodbye would be heard before what was said last; the end of the connection is not.
        drop(handle);
        timeout(GOODBYE_TIMEOUT, leash.ended()).await.ok();
        return;
    }
    if handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
        // Whether it went out in time makes no difference to the answer.
        timeout(GOODBYE_TIMEOUT, handle).await.ok();
    }
    drop((leash, passage));
}
