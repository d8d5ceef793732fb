//! A shell on a host: started for one script, it may wait for the next one.
//!
//! A shell reads its standard input as it goes. A script that says where its answer ends leaves the shell waiting
//! there, and the next script costs neither a channel nor a process nor the round trips of both. Each script is
//! one function and its call, so what is cut still runs nothing.

use std::time::Duration;

use futures::FutureExt;
use plan::StreamEnd;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout_at};

use crate::capture::Capture;
use crate::connector::ExecOutput;
use crate::limits::{LINK_BYTES_PER_SEC, Limits};
use crate::session::Session;
use crate::stream::Leash;
use crate::talk::Talk;

/// The bytes of standard output kept of a script that is heard as it runs: enough to tell that it ran.
pub(crate) const FIRST_BYTES: usize = 1 << 10;

/// What becomes of the shell and of what it prints.
pub(crate) enum Manner<'a> {
    /// Its standard input ends with the script.
    Run,
    /// It is heard while it runs, and answered.
    Talk(Talk),
    /// After this line the script has no more to say, and the shell waits.
    Ask {
        /// The line, with the newline before it.
        end: &'a [u8],
    },
}

/// What became of the shell.
pub(crate) enum After {
    /// It has ended, and its host has no more to say.
    Ended,
    /// It waits for the next script.
    Waiting(Shell),
    /// All was said to it, and nobody wants to hear more: it ends by itself.
    Left,
    /// Nobody knows, and its host may have much to say.
    Lost,
}

/// Why there is no answer to read.
pub(crate) enum Unheard {
    /// The host would not run the command.
    Refused(&'static str),
    /// It was asked and gave no sign of life any more.
    Silent,
}

/// What follows the script on the shell's standard input.
enum Then {
    End,
    Wait,
    GoOn(Receiver<Vec<u8>>),
}

/// A channel with a shell on it, or one on which a shell can be started.
pub(crate) struct Shell {
    read_half: ChannelReadHalf,
    write_half: ChannelWriteHalf<Msg>,
    is_started: bool,
}

impl Shell {
    /// Makes one that is to be started.
    pub(crate) fn to_start(channel: Channel<Msg>) -> Self {
        let (read_half, write_half) = channel.split();
        Self { read_half, write_half, is_started: false }
    }

    /// Says whether a command was started.
    pub(crate) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Returns it if it still waits for a script, as far as is known here.
    pub(crate) fn if_waiting(mut self) -> Option<Self> {
        loop {
            match self.read_half.wait().now_or_never() {
                None => return Some(self),
                Some(Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::ExtendedData { .. })) => {}
                // It has ended, or it says what nobody asked.
                Some(_) => return None,
            }
        }
    }

    /// Sends the script, after the command where none was started yet, all without waiting for the host's consent,
    /// and reads what comes. Unless it is talked to, the script only asks, and its host must give signs of life all the
    /// time.
    pub(crate) async fn run(
        mut self,
        command: &str,
        script: &[u8],
        manner: Manner<'_>,
        session: &Session,
        deadline: Instant,
        limits: &Limits,
    ) -> Result<(ExecOutput, After), Unheard> {
        let (leash, patience) = (&session.leash, patience(&manner, script.len(), limits));
        let (then, output, end) = match manner {
            Manner::Run => (Then::End, None, None),
            Manner::Talk(talk) => (Then::GoOn(talk.input), Some(talk.output), None),
            Manner::Ask { end } => (Then::Wait, None, Some(end)),
        };
        let listener = output.clone().filter(|_| session.can_leave());
        let mut has_left = false;
        let mut answer = Reading::new(limits, output, end);
        let command = (!self.is_started).then_some(command);
        self.is_started = true;
        let result = {
            let send = send(&self.write_half, command, script, then);
            let receive = receive(&mut self.read_half, &mut answer);
            tokio::pin!(send, receive);
            // A host that ends early leaves the script unsent: then its answer counts, not our sending.
            let both = async {
                tokio::select! {
                    biased;
                    ended = &mut receive => ended,
                    _ = &mut send => tokio::select! {
                        biased;
                        ended = &mut receive => ended,
                        () = nobody_listens(listener) => {
                            has_left = true;
                            Ok(StreamEnd::Cut)
                        }
                    },
                }
            };
            tokio::select! {
                biased;
                result = timeout_at(deadline, both) => Some(result),
                () = silence(leash, patience) => None,
            }
        };
        let end = match result {
            // What a scan has heard so far is worth something.
            None if end.is_none() && !answer.stdout.is_empty() => StreamEnd::Cut,
            None => return Err(Unheard::Silent),
            Some(Err(_)) => StreamEnd::TimedOut,
            Some(Ok(Err(why))) => return Err(Unheard::Refused(why)),
            Some(Ok(Ok(_))) if leash.is_exhausted() => StreamEnd::TooLarge,
            Some(Ok(Ok(end))) => end,
        };
        let after = match end {
            _ if has_left => After::Left,
            StreamEnd::Complete if answer.has_answered() => After::Waiting(self),
            StreamEnd::Complete => After::Ended,
            _ => After::Lost,
        };
        Ok((answer.finish(end), after))
    }
}

/// Returns how long the host of a script that only asks may give no sign of life: longer than
/// [`Limits::silent_after`] by what it takes to get the script there.
fn patience(manner: &Manner<'_>, bytes: usize, limits: &Limits) -> Option<Duration> {
    let sending = Duration::from_secs(u64::try_from(bytes / LINK_BYTES_PER_SEC).unwrap_or(u64::MAX));
    match manner {
        Manner::Run | Manner::Ask { .. } => Some(limits.silent_after.saturating_add(sending)),
        Manner::Talk(_) => None,
    }
}

/// Waits until the host was silent for too long.
async fn silence(leash: &Leash, patience: Option<Duration>) {
    match patience {
        Some(limit) => leash.silence(limit).await,
        None => std::future::pending().await,
    }
}

/// Waits until whoever was told what the script prints wants to hear no more.
async fn nobody_listens(listener: Option<Sender<Vec<u8>>>) {
    match listener {
        Some(listener) => listener.closed().await,
        None => std::future::pending().await,
    }
}

async fn send(
    channel: &ChannelWriteHalf<Msg>,
    command: Option<&str>,
    script: &[u8],
    then: Then,
) -> Result<(), russh::Error> {
    if let Some(command) = command {
        channel.exec(true, command).await?;
    }
    channel.data_bytes(script.to_vec()).await?;
    match then {
        Then::Wait => return Ok(()),
        Then::End => {}
        Then::GoOn(mut more) => {
            while let Some(bytes) = more.recv().await {
                channel.data_bytes(bytes).await?;
            }
        }
    }
    channel.eof().await
}

/// What came so far.
struct Reading<'a> {
    stdout: Capture,
    /// Who hears standard output as it comes; then only its first bytes are kept.
    output: Option<Sender<Vec<u8>>>,
    /// The line after which the script has no more to say.
    end: Option<&'a [u8]>,
    bytes_left: usize,
    stderr: Capture,
    exit_status: Option<u32>,
    has_exited: bool,
    has_ended: bool,
}

impl<'a> Reading<'a> {
    fn new(limits: &Limits, output: Option<Sender<Vec<u8>>>, end: Option<&'a [u8]>) -> Self {
        let kept = if output.is_some() { FIRST_BYTES } else { limits.stdout_bytes_max };
        Self {
            stdout: Capture::new(kept),
            output,
            end,
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
            Some(output) => {
                // Where nobody wants to hear more, what was said to the script may still be on its way.
                output.send(data[..fits].to_vec()).await.ok();
                fits == data.len()
            }
            None => !self.stdout.is_over(),
        }
    }

    /// Says whether the shell waits for more: the answer is whole, and the shell has not ended.
    fn has_answered(&self) -> bool {
        !self.has_exited && !self.has_ended && self.end.is_some_and(|end| self.stdout.ends_with(end))
    }

    fn finish(self, end: StreamEnd) -> ExecOutput {
        let (stdout, stderr) = (self.stdout.into_bytes(), self.stderr.into_bytes());
        ExecOutput { stdout, stderr, exit_status: self.exit_status, end }
    }
}

/// Reads until the channel closes. An error = the host would not run the command.
async fn receive(
    channel: &mut ChannelReadHalf,
    reading: &mut Reading<'_>,
) -> Result<StreamEnd, &'static str> {
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let is_wanted = reading.take(&data).await;
                if !is_wanted {
                    return Ok(StreamEnd::TooLarge);
                }
                if reading.has_answered() {
                    return Ok(StreamEnd::Complete);
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
