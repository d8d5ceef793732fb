//! The connector to the machine that ifrit runs on.

use std::process::Stdio;

use futures::future::BoxFuture;
use plan::StreamEnd;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout_at};

use crate::capture::Capture;
use crate::connector::{ConnectError, Connector, ExecOutput};
use crate::limits::Limits;
use crate::shell::FIRST_BYTES;
use crate::talk::Talk;
use crate::target::{Target, TargetConnection};

/// The environment of the script, here and on remote hosts. The values need no quoting in any shell.
pub(crate) const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"),
    ("LC_ALL", "C"),
    ("HOME", "/"),
];
/// The bytes read from a pipe at once.
const READ_BYTES: usize = 16 << 10;

/// Runs scripts on this machine, as the user that runs ifrit, in a process group of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalConnector;

impl Connector for LocalConnector {
    fn exec<'a>(
        &'a self,
        target: &'a Target,
        stdin: &'a [u8],
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(async move {
            match target.connection {
                TargetConnection::Local => run(stdin, None, limits).await,
                TargetConnection::Ssh { .. } => Err(ConnectError::WrongConnector),
            }
        })
    }

    fn converse<'a>(
        &'a self,
        target: &'a Target,
        script: &'a [u8],
        talk: Talk,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(async move {
            match target.connection {
                TargetConnection::Local => run(script, Some(talk), limits).await,
                TargetConnection::Ssh { .. } => Err(ConnectError::WrongConnector),
            }
        })
    }
}

async fn run(stdin: &[u8], talk: Option<Talk>, limits: &Limits) -> Result<ExecOutput, ConnectError> {
    let deadline = Instant::now() + limits.host_timeout;
    let mut child = spawn().map_err(|source| ConnectError::Spawn { source })?;
    let group = Group::of(&child);
    let (stdin_pipe, stdout_pipe, stderr_pipe) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (input, output) = talk.map(|talk| (talk.input, talk.output)).unzip();
    let kept = if output.is_some() { FIRST_BYTES } else { limits.stdout_bytes_max };
    let mut stdout = Capture::new(kept);
    let mut stderr = Capture::new(limits.stderr_bytes_max);
    let end = {
        let stdout = async {
            let is_over = match output {
                Some(output) => !pass_on(stdout_pipe, &mut stdout, output, limits.stdout_bytes_max).await,
                None => {
                    read(stdout_pipe, &mut stdout, Over::Stop).await;
                    stdout.is_over()
                }
            };
            if is_over { Err(StreamEnd::TooLarge) } else { Ok(()) }
        };
        let stderr = async {
            read(stderr_pipe, &mut stderr, Over::Drop).await;
            Ok(())
        };
        let stdin = async {
            write(stdin_pipe, stdin, input).await;
            Ok(())
        };
        match timeout_at(deadline, futures::future::try_join3(stdin, stdout, stderr)).await {
            Ok(Ok(_)) => StreamEnd::Complete,
            Ok(Err(end)) => end,
            Err(_) => StreamEnd::TimedOut,
        }
    };
    let (exit_status, end) = finish(child, group, end, deadline).await;
    Ok(ExecOutput { stdout: stdout.into_bytes(), stderr: stderr.into_bytes(), exit_status, end })
}

fn spawn() -> std::io::Result<Child> {
    Command::new("/bin/sh")
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Waits for the shell, or kills it with all it started. The group is killed before its leader is
/// waited for: until then its id cannot be somebody else's.
async fn finish(
    mut child: Child,
    group: Group,
    end: StreamEnd,
    deadline: Instant,
) -> (Option<u32>, StreamEnd) {
    let end = match end {
        StreamEnd::Complete => match timeout_at(deadline, child.wait()).await {
            Ok(Ok(status)) => {
                group.forget();
                return (status.code().map(i32::cast_unsigned), StreamEnd::Complete);
            }
            Ok(Err(_)) => StreamEnd::Cut,
            Err(_) => StreamEnd::TimedOut,
        },
        end => end,
    };
    drop(group);
    // SIGKILL was sent; the exit status of a killed shell says nothing.
    child.wait().await.ok();
    (None, end)
}

/// What to do with bytes that do not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Drop,
    Stop,
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, capture: &mut Capture, over: Over) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; READ_BYTES];
    // A read error means the same as the end: nothing more will come.
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        capture.push(&buffer[..count]);
        if capture.is_over() && over == Over::Stop {
            return;
        }
    }
}

/// Hands a stream on as it comes. Says whether all of it fitted.
async fn pass_on(
    pipe: Option<impl AsyncRead + Unpin>,
    first: &mut Capture,
    output: Sender<Vec<u8>>,
    bytes_max: usize,
) -> bool {
    let Some(mut pipe) = pipe else { return true };
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes_left = bytes_max;
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        first.push(&buffer[..count]);
        let fits = bytes_left.min(count);
        bytes_left -= fits;
        // Where nobody wants to hear more, the script still goes on to its end.
        output.send(buffer[..fits].to_vec()).await.ok();
        if fits < count {
            return false;
        }
    }
    true
}

async fn write(pipe: Option<ChildStdin>, script: &[u8], more: Option<Receiver<Vec<u8>>>) {
    let Some(mut pipe) = pipe else { return };
    // A shell that met an error stops reading; its output and status tell.
    pipe.write_all(script).await.ok();
    if let Some(mut more) = more {
        while let Some(bytes) = more.recv().await {
            pipe.write_all(&bytes).await.ok();
        }
    }
}

/// Kills a process group when it is dropped.
struct Group(Option<Pid>);

impl Group {
    /// Takes charge of a child that leads its group.
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    /// Leaves the group alone: its leader is gone, so the id may be given anew.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // ESRCH: it is gone already, which is what was wanted.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}
