//! Runs this machine's own commands with a clean environment.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::error::FleetError;

/// Where commands are looked for, here and on the hosts; nothing of the caller's PATH counts.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The most of a command's standard error that goes into an error, in characters.
const STDERR_CHARS_MAX: usize = 2000;

/// Returns a command that sees nothing of the caller's environment and reads nothing.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, FleetError> {
    let output = command.output().map_err(|source| FleetError::Spawn { command: line(command), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(FleetError::Command {
        command: line(command),
        status: output.status.to_string(),
        stderr: stderr.trim().chars().take(STDERR_CHARS_MAX).collect(),
    })
}

/// Runs `ip` with some arguments.
pub(crate) fn ip<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<String, FleetError> {
    run(clean("ip").args(arguments))
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
