//! The connector over SSH: one connection, one exec.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use plan::StreamEnd;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout, timeout_at};

use crate::capture::Capture;
use crate::connector::{ConnectError, Connector, ExecOutput};
use crate::escalation;
use crate::identities::Identities;
use crate::idle::Idle;
use crate::jump::{JumpConnection, Jumps};
use crate::limits::Limits;
use crate::local::ENVIRONMENT;
use crate::login::{Hop, Keys};
use crate::session::{Endpoint, Session};
use crate::talk::Talk;
use crate::target::{Access, Escalation, Jump, Target, TargetConnection};

/// How long saying goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// The bytes of standard output kept of a script that is heard as it runs: enough to tell that it ran.
pub(crate) const FIRST_BYTES: usize = 1 << 10;

/// Runs scripts over SSH. One value is for one run: connections to jump hosts live as long as it.
pub struct SshConnector {
    keys: Keys,
    jumps: Jumps,
    idle: Idle,
}

impl std::fmt::Debug for SshConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConnector").field("identities", &self.keys.identities).finish_non_exhaustive()
    }
}

impl SshConnector {
    /// Makes a connector. Key files are read once, before the first connection that they are for.
    pub fn new(identities: Identities) -> Self {
        Self { keys: Keys::new(identities), jumps: Jumps::default(), idle: Idle::default() }
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
        stdin: &[u8],
        talk: Option<Talk>,
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
        self.run(hop, target, stdin, talk, limits).await
    }

    async fn run(
        &self,
        hop: Hop<'_>,
        target: &Target,
        stdin: &[u8],
        talk: Option<Talk>,
        limits: &Limits,
    ) -> Result<ExecOutput, ConnectError> {
        let access = &target.access;
        let deadline = Instant::now() + limits.host_timeout;
        let (session, channel) = match self.again(target, hop.endpoint, deadline, limits).await {
            Some(found) => found,
            None => self.anew(hop, access, deadline, limits).await?,
        };
        let escalation = escalation::needed(access.escalation, hop.user);
        let output = exec(&session, channel, &command(escalation), stdin, talk, deadline, limits).await;
        // Cut short, a host may still have much to say: no goodbye then.
        if output.as_ref().is_ok_and(|output| output.end == StreamEnd::Complete)
            && let Some(session) = self.idle.keep(target, session)
        {
            say_goodbye(session).await;
        }
        escalation::check(escalation, hop.user, output?)
    }

    /// Opens a channel on a connection that was kept. Where that fails nothing was sent yet, and a new
    /// connection may do better.
    async fn again(
        &self,
        target: &Target,
        endpoint: Endpoint<'_>,
        deadline: Instant,
        limits: &Limits,
    ) -> Option<(Session, Channel<Msg>)> {
        let session = self.idle.take(target)?;
        let deadline = deadline.min(Instant::now() + limits.connect_timeout);
        let channel = open_channel(&session, endpoint, deadline, limits).await.ok()?;
        Some((session, channel))
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
        let session = self.keys.log_in(hop, via.as_ref(), connect_deadline, limits).await?;
        let channel = open_channel(&session, hop.endpoint, connect_deadline, limits).await?;
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
        Box::pin(self.start(target, stdin, None, limits))
    }

    fn converse<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        talk: Talk,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(self.start(target, script, Some(talk), limits))
    }
}

/// Sends command and script (and end of file, unless somebody goes on talking) in one go, without
/// waiting for the host's consent, and reads what comes.
async fn exec(
    session: &Session,
    channel: Channel<Msg>,
    command: &str,
    stdin: &[u8],
    talk: Option<Talk>,
    deadline: Instant,
    limits: &Limits,
) -> Result<ExecOutput, ConnectError> {
    let (read_half, write_half) = channel.split();
    let (input, output) = talk.map(|talk| (talk.input, talk.output)).unzip();
    let mut answer = Reading::new(limits, output);
    let send = send(&write_half, command, stdin, input);
    let result = {
        let receive = receive(read_half, &mut answer);
        tokio::pin!(send, receive);
        // A host that ends early leaves the script unsent: then its answer counts, not our sending.
        let both = async {
            tokio::select! {
                biased;
                ended = &mut receive => ended,
                _ = &mut send => receive.await,
            }
        };
        timeout_at(deadline, both).await
    };
    let end = match result {
        Err(_) => StreamEnd::TimedOut,
        Ok(Err(why)) => return Err(ConnectError::Refused { why: why.to_owned() }),
        Ok(Ok(_)) if session.leash.is_exhausted() => StreamEnd::TooLarge,
        Ok(Ok(end)) => end,
    };
    Ok(answer.finish(end))
}

/// What runs on the host: a POSIX shell that reads its standard input, with nothing of the login's
/// environment. It reads the same in any login shell, csh and fish among them.
fn command(escalation: Escalation) -> String {
    let variables: String = ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    format!("{}/usr/bin/env -i {variables}/bin/sh", escalation::prefix(escalation))
}

async fn send(
    channel: &ChannelWriteHalf<Msg>,
    command: &str,
    stdin: &[u8],
    more: Option<Receiver<Vec<u8>>>,
) -> Result<(), russh::Error> {
    channel.exec(true, command).await?;
    channel.data_bytes(stdin.to_vec()).await?;
    if let Some(mut more) = more {
        while let Some(bytes) = more.recv().await {
            channel.data_bytes(bytes).await?;
        }
    }
    channel.eof().await
}

/// What came so far.
struct Reading {
    stdout: Capture,
    /// Who hears standard output as it comes; then only its first bytes are kept.
    output: Option<Sender<Vec<u8>>>,
    bytes_left: usize,
    stderr: Capture,
    exit_status: Option<u32>,
    has_exited: bool,
    has_ended: bool,
}

impl Reading {
    fn new(limits: &Limits, output: Option<Sender<Vec<u8>>>) -> Self {
        let kept = if output.is_some() { FIRST_BYTES } else { limits.stdout_bytes_max };
        Self {
            stdout: Capture::new(kept),
            output,
            bytes_left: limits.stdout_bytes_max,
            stderr: Capture::new(limits.stderr_bytes_max),
            exit_status: None,
            has_exited: false,
            has_ended: false,
        }
    }

    /// Takes standard output. Says whether more of it is wanted.
    async fn take(&mut self, data: &[u8]) -> bool {
        self.stdout.push(data);
        let fits = self.bytes_left.min(data.len());
        self.bytes_left -= fits;
        match &self.output {
            Some(output) => output.send(data[..fits].to_vec()).await.is_ok() && fits == data.len(),
            None => !self.stdout.is_over(),
        }
    }

    fn finish(self, end: StreamEnd) -> ExecOutput {
        let (stdout, stderr) = (self.stdout.into_bytes(), self.stderr.into_bytes());
        ExecOutput { stdout, stderr, exit_status: self.exit_status, end }
    }
}

/// Reads until the channel closes. An error = the host would not run the command.
async fn receive(mut channel: ChannelReadHalf, reading: &mut Reading) -> Result<StreamEnd, &'static str> {
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let is_wanted = reading.take(&data).await;
                if !is_wanted {
                    return Ok(StreamEnd::TooLarge);
                }
            }
            // 1 is the only kind that RFC 4254 (section 5.2) knows.
            ChannelMsg::ExtendedData { data, .. } => reading.stderr.push(&data),
            ChannelMsg::ExitStatus { exit_status } => {
                reading.exit_status = Some(exit_status);
                reading.has_exited = true;
            }
            ChannelMsg::ExitSignal { .. } => reading.has_exited = true,
            ChannelMsg::Failure => return Err("it answered exec with a failure"),
            ChannelMsg::Eof => reading.has_ended = true,
            ChannelMsg::Close => {
                reading.has_ended = true;
                break;
            }
            _ => {}
        }
    }
    let is_whole = reading.has_exited && reading.has_ended;
    Ok(if is_whole { StreamEnd::Complete } else { StreamEnd::Cut })
}

/// Tells the host that we leave, so that its log shows no reset connection. Costs no round trip.
async fn say_goodbye(session: Session) {
    let Session { handle, leash, passage } = session;
    if handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
        // Whether it went out in time makes no difference to the answer.
        timeout(GOODBYE_TIMEOUT, handle).await.ok();
    }
    drop((leash, passage));
}
