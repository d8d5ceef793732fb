//! One pyinfra process: its events come out one by one, everything has an end, and nothing of it is left behind.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until};

use super::event::{Event, LINE_BYTES_MAX, read_line};

/// The bytes of everything that one process may print: 256 MiB.
const PRINTED_BYTES_MAX: usize = 256 << 20;
/// The bytes kept of what is no event: its end.
const SAID_BYTES_MAX: usize = 16 << 10;
/// The bytes read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// How long pipes are read on after the process has ended: something that it started may hold them open.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the few bytes of an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A process that runs. Dropped, it is killed with everything that it has started.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    nonce: String,
    line: Vec<u8>,
    events: VecDeque<Event>,
    said: Said,
    printed: usize,
    status: Option<ExitStatus>,
    deadline: Instant,
}

/// What comes next of a process.
#[derive(Debug)]
pub(super) enum Next {
    /// It tells something.
    Event(Event),
    /// It has ended.
    Ended {
        /// Whether it says itself that all went well.
        is_success: bool,
    },
    /// Its time is over.
    Overdue,
    /// It has printed more than anybody reads.
    TooMuch,
}

/// The end of what a process has said to people.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Vec<u8>);

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn start(mut command: Command, nonce: &str, deadline: Instant) -> std::io::Result<Self> {
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Self {
            child,
            group,
            stdin,
            stdout,
            stderr,
            nonce: nonce.to_owned(),
            line: Vec::new(),
            events: VecDeque::new(),
            said: Said::default(),
            printed: 0,
            status: None,
            deadline,
        })
    }

    /// Returns what comes next.
    pub(super) async fn next(&mut self) -> Next {
        let (mut out, mut err) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Next::Event(event);
            }
            if self.printed > PRINTED_BYTES_MAX || self.line.len() > LINE_BYTES_MAX {
                return Next::TooMuch;
            }
            if self.stdout.is_none() && self.stderr.is_none() && self.status.is_some() {
                return self.ended();
            }
            tokio::select! {
                count = read(&mut self.stdout, &mut out) => match count {
                    0 => self.stdout = None,
                    count => self.take_out(&out[..count]),
                },
                count = read(&mut self.stderr, &mut err) => match count {
                    0 => self.stderr = None,
                    count => {
                        self.printed += count;
                        self.said.push(&err[..count]);
                    }
                },
                status = self.child.wait(), if self.status.is_none() => {
                    // Reaped: its id may be somebody else's from now on.
                    self.group = None;
                    self.status = status.ok();
                    self.deadline = self.deadline.min(Instant::now() + DRAIN);
                    if self.status.is_none() {
                        return Next::Ended { is_success: false };
                    }
                }
                () = sleep_until(self.deadline) => {
                    return if self.status.is_some() { self.ended() } else { Next::Overdue };
                }
            }
        }
    }

    /// Answers it, and lets it know that no more answers come.
    pub(super) async fn answer(&mut self, word: &str) {
        let Some(mut stdin) = self.stdin.take() else { return };
        let write = async {
            // A process that is gone is noticed where it is listened to.
            stdin.write_all(format!("{word}\n").as_bytes()).await.ok();
            stdin.shutdown().await.ok();
        };
        tokio::time::timeout(ANSWER, write).await.ok();
    }

    /// Lets it know that no answer comes.
    pub(super) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Returns the end of what it has said.
    pub(super) fn said(&self) -> &Said {
        &self.said
    }

    fn ended(&self) -> Next {
        Next::Ended { is_success: self.status.is_some_and(|status| status.success()) }
    }

    fn take_out(&mut self, bytes: &[u8]) {
        self.printed += bytes.len();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.last() == Some(&b'\n') {
                self.line.pop();
                match read_line(&self.nonce, &self.line) {
                    Some(event) => self.events.push_back(event),
                    None => {
                        self.said.push(&self.line);
                        self.said.push(b"\n");
                    }
                }
                self.line.clear();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            // The group may be gone already.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

impl Said {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * SAID_BYTES_MAX {
            self.0.drain(..self.0.len() - SAID_BYTES_MAX);
        }
    }

    /// Returns it as text, without the colours and the blank lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0);
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.filter(|line| !line.trim().is_empty()).collect()
    }

    /// Returns it as it came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[self.0.len().saturating_sub(SAID_BYTES_MAX)..]
    }
}

/// Reads some bytes; 0 = there are no more. A pipe that is closed has nothing to say, ever.
async fn read<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn start(script: &str, limit: Duration) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::start(command, "n0", Instant::now() + limit).expect("sh starts")
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn events_come_out_of_whatever_else_is_printed() {
        let script = r#"echo talk; printf '\nn0 {"event": "started", "operation": 1}\n'; read word; echo "$word" >&2; exit 3"#;
        let mut process = start(script, LONG);
        assert!(matches!(process.next().await, Next::Event(Event::Started { operation: 1 })));
        process.answer("go").await;
        assert!(matches!(process.next().await, Next::Ended { is_success: false }));
        assert_eq!(process.said().lines(), ["talk", "go"]);
    }

    #[tokio::test]
    async fn a_process_that_hangs_is_overdue_and_dies_with_its_children() {
        let mut process = start("sleep 1000 & echo $! >&2; wait", Duration::from_millis(300));
        assert!(matches!(process.next().await, Next::Overdue));
        let child = process.said().lines().first().cloned().expect("a number");
        drop(process);
        let path = format!("/proc/{child}/stat");
        let is_gone = || std::fs::read_to_string(&path).map_or(true, |stat| stat.contains(") Z "));
        let patience = Instant::now() + LONG;
        while !is_gone() && Instant::now() < patience {
            tokio::task::yield_now().await;
        }
        assert!(is_gone(), "{path}");
    }

    #[tokio::test]
    async fn what_holds_the_pipes_holds_nobody() {
        let mut process = start("sleep 1000 & exit 0", LONG);
        let group = process.group.expect("it has just begun");
        let next = process.next().await;
        // What was left behind is nobody's, and would outlive the tests.
        kill_process_group(group, Signal::KILL).ok();
        assert!(matches!(next, Next::Ended { is_success: true }));
    }
}
