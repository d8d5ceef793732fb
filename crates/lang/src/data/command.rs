//! Runs a command of the workspace's owner and returns what it prints.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::diagnostic::cut;
use crate::limits::{COMMAND_STDERR_BYTES_MAX, COMMAND_STDERR_LINES, DATA_BYTES_MAX};

/// How often it is looked whether a command that has closed its output has ended.
const POLL: Duration = Duration::from_millis(5);

/// Runs a command in `root` and returns what it printed, or why that is not known, as the rest of a
/// sentence that begins with its name. It gets a process group of its own, which is killed where it
/// takes longer than `time` or prints too much.
pub(super) fn run(root: &Path, command: &[String], time: Duration) -> Result<String, String> {
    let [program, arguments @ ..] = command else { return Err("is no command".to_owned()) };
    let failed = |error: std::io::Error| format!("cannot be started: {error}");
    let root = root.canonicalize().map_err(failed)?;
    // A path is meant from the root, whatever directory ifrit was started in.
    let program = if program.contains('/') { root.join(program) } else { program.into() };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let deadline = Instant::now() + time;
    let (sender, heard) = sync_channel(2);
    listen(child.stdout.take(), sender.clone(), read_to_limit);
    listen(child.stderr.take(), sender, read_end);
    let ended = follow(&mut child, &heard, deadline);
    if ended.is_err() {
        kill(&mut child);
    }
    let Ended { printed, said, status } = ended.map_err(|why| match why {
        Cut::Late => format!("did not end within {} s and was stopped", time.as_secs()),
        Cut::Long => format!("printed more than {DATA_BYTES_MAX} bytes and was stopped"),
        Cut::Failed(why) => why,
    })?;
    if !status.success() {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended without a status".to_owned(),
        };
        return Err(format!("{how}{}", last_words(&said)));
    }
    String::from_utf8(printed).map_err(|_| "printed something else than UTF-8 text".to_owned())
}

enum Cut {
    Late,
    Long,
    Failed(String),
}

struct Ended {
    printed: Vec<u8>,
    said: Vec<u8>,
    status: ExitStatus,
}

/// What one of the two streams held.
enum Heard {
    Printed(Vec<u8>),
    Said(Vec<u8>),
}

/// Waits until both streams are closed and the command has ended.
fn follow(child: &mut Child, heard: &Receiver<Heard>, deadline: Instant) -> Result<Ended, Cut> {
    let (mut printed, mut said) = (None, None);
    while printed.is_none() || said.is_none() {
        let left = deadline.saturating_duration_since(Instant::now());
        match heard.recv_timeout(left) {
            Ok(Heard::Printed(bytes)) if bytes.len() > DATA_BYTES_MAX => return Err(Cut::Long),
            Ok(Heard::Printed(bytes)) => printed = Some(bytes),
            Ok(Heard::Said(bytes)) => said = Some(bytes),
            Err(RecvTimeoutError::Timeout) => return Err(Cut::Late),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Cut::Failed("could not be listened to: no thread could be started".to_owned()));
            }
        }
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let (printed, said) = (printed.unwrap_or_default(), said.unwrap_or_default());
                return Ok(Ended { printed, said, status });
            }
            Ok(None) if Instant::now() >= deadline => return Err(Cut::Late),
            Ok(None) => thread::sleep(POLL),
            Err(error) => return Err(Cut::Failed(format!("could not be waited for: {error}"))),
        }
    }
}

/// Kills the command and what it started, as long as that stayed in its group.
fn kill(child: &mut Child) {
    // Neither can fail in a way that leaves anything to do: the group may be gone already.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads a stream on a thread of its own. The thread ends with the stream; only what left the
/// command's group and kept the stream open could hold it longer, and then nothing waits for it.
fn listen<R: Read + Send + 'static>(stream: Option<R>, sender: SyncSender<Heard>, read: fn(&mut R) -> Heard) {
    let Some(mut stream) = stream else { return };
    // Without a thread the sender is dropped, which is noticed where it is waited for.
    let _ = thread::Builder::new().name("command".to_owned()).spawn(move || {
        let _ = sender.send(read(&mut stream));
    });
}

/// Reads up to one byte more than is allowed.
fn read_to_limit(stream: &mut impl Read) -> Heard {
    let mut bytes = Vec::new();
    let limit = u64::try_from(DATA_BYTES_MAX).unwrap_or(u64::MAX);
    // What a broken pipe cut off does not parse.
    let _ = stream.take(limit + 1).read_to_end(&mut bytes);
    Heard::Printed(bytes)
}

/// Reads to the end and keeps the last bytes.
fn read_end(stream: &mut impl Read) -> Heard {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        kept.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if kept.len() > COMMAND_STDERR_BYTES_MAX * 2 {
            kept.drain(..kept.len() - COMMAND_STDERR_BYTES_MAX);
        }
    }
    Heard::Said(kept)
}

fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(COMMAND_STDERR_LINES)..).unwrap_or_default();
    match last {
        [] => String::new(),
        last => format!(" and said: {}", last.iter().map(|line| cut(line)).collect::<Vec<_>>().join(" / ")),
    }
}
