//! `ifrit-fleet`: boots a throw-away fleet of test hosts, runs a command where the hosts can be
//! reached, and removes everything again, however it ends.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use testkit::{Fleet, HostContent, HostSpec};

const USAGE: &str = "usage:
  ifrit-fleet demo DIR -- COMMAND [ARGUMENT...]   ten hosts of three systems; then the command
  ifrit-fleet up N DIR [-- COMMAND [ARGUMENT...]] N Debian hosts; then the command, or wait for Ctrl-C
  ifrit-fleet support                             say whether fleets can run here, and what is missing
  ifrit-fleet sweep                               remove what killed fleets left behind
The command sees PATH, HOME=DIR/home, TERM and IFRIT_FLEET=DIR; DIR/fleet.toml describes the hosts.
Its exit code is passed on; 125 means that ifrit-fleet itself failed, 2 that it was called wrongly.";

/// The exit code for failures of this program, as `env(1)` and container runners have it.
const EXIT_OWN_FAILURE: u8 = 125;
/// The exit code for wrong arguments.
const EXIT_USAGE: u8 = 2;
/// How long the command may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const GRACE_POLL: Duration = Duration::from_millis(50);
/// Where the command's programs are looked for.
const COMMAND_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum Request {
    Run { fleet: FleetChoice, folder: PathBuf, command: Vec<OsString> },
    Support,
    Sweep,
}

enum FleetChoice {
    Demo,
    Debian(usize),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match parse(&arguments) {
        None => {
            say(USAGE);
            return ExitCode::from(EXIT_USAGE);
        }
        Some(Request::Support) => testkit::support().map(|()| 0).map_err(|missing| missing.to_string()),
        Some(Request::Sweep) => Fleet::sweep().map_err(|error| explain(&error)).map(|names| {
            say(&format!("removed {} fleets {}", names.len(), names.join(" ")));
            0
        }),
        Some(Request::Run { fleet, folder, command }) => run(&fleet, &folder, &command),
    };
    ExitCode::from(outcome.unwrap_or_else(|message| {
        say(&format!("error: {message}"));
        EXIT_OWN_FAILURE
    }))
}

fn parse(arguments: &[OsString]) -> Option<Request> {
    let split = arguments.iter().position(|word| word == "--");
    let (own, command) = arguments.split_at(split.unwrap_or(arguments.len()));
    let command: Vec<_> = command.iter().skip(1).cloned().collect();
    let words: Vec<_> = own.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match words.as_slice() {
        ["demo", _] if !command.is_empty() => {
            Some(Request::Run { fleet: FleetChoice::Demo, folder: PathBuf::from(&own[1]), command })
        }
        ["up", count, _] if split.is_none() || !command.is_empty() => {
            let fleet = FleetChoice::Debian(count.parse().ok()?);
            Some(Request::Run { fleet, folder: PathBuf::from(&own[2]), command })
        }
        ["support"] if split.is_none() => Some(Request::Support),
        ["sweep"] if split.is_none() => Some(Request::Sweep),
        _ => None,
    }
}

fn run(choice: &FleetChoice, folder: &Path, command: &[OsString]) -> Result<u8, String> {
    // Before any thread starts, so that every thread has them blocked and only `wait` sees them.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block().map_err(|error| format!("cannot block signals: {error}"))?;

    testkit::support().map_err(|error| explain(&error))?;
    let home = folder.join("home");
    fs::create_dir_all(&home).map_err(|error| format!("cannot create {}: {error}", home.display()))?;
    let folder =
        folder.canonicalize().map_err(|error| format!("cannot find {}: {error}", folder.display()))?;
    let specs = specs(choice, &folder)?;
    say(&format!("booting {} hosts", specs.len()));
    let begun = Instant::now();
    let fleet = Fleet::start(&specs).map_err(|error| explain(&error))?;
    testkit::write_description(&fleet, &folder.join("fleet.toml")).map_err(|error| explain(&error))?;
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("{} hosts are up after {seconds:.1} s in the namespace {}", specs.len(), fleet.namespace()));
    for host in fleet.hosts() {
        let address = fleet.address(host).map_err(|error| explain(&error))?;
        let (kind, fidelity) = fleet.nature(host).map_err(|error| explain(&error))?;
        say(&format!("  {host:<10} {address:<13} {kind} ({fidelity})"));
    }
    let outcome = control(&fleet, &folder, command, &signals);
    say("removing the fleet");
    fleet.stop().map_err(|error| explain(&error))?;
    outcome
}

fn specs(choice: &FleetChoice, folder: &Path) -> Result<Vec<HostSpec>, String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fleet");
    match choice {
        FleetChoice::Demo => testkit::demo_specs(&fixtures, folder).map_err(|error| explain(&error)),
        FleetChoice::Debian(count) => Ok((1..=*count)
            .map(|number| HostSpec::new(format!("host-{number}"), HostContent::Debian))
            .collect()),
    }
}

/// Runs the command to its end, or waits for a signal where there is none.
fn control(fleet: &Fleet, folder: &Path, command: &[OsString], signals: &SigSet) -> Result<u8, String> {
    let Some((program, arguments)) = command.split_first() else {
        say(&format!(
            "try: ip netns exec {0} ssh -i {1} -o UserKnownHostsFile={2} root@198.18.0.2",
            fleet.namespace(),
            fleet.identity().display(),
            fleet.known_hosts().display()
        ));
        say("Ctrl-C ends the fleet");
        while wait(signals)? == Signal::SIGCHLD {}
        return Ok(0);
    };
    let mut running = clean_command(fleet, folder, program);
    let mut child =
        running.args(arguments).spawn().map_err(|error| format!("cannot start the command: {error}"))?;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("cannot wait: {error}"))? {
            return Ok(exit_code(status));
        }
        // The end of the command is a signal too (SIGCHLD), so nothing is polled here.
        let signal = wait(signals)?;
        if signal != Signal::SIGCHLD {
            say(&format!("{signal}: ending the command"));
            return end(&mut child).map(exit_code).map_err(|error| format!("cannot wait: {error}"));
        }
    }
}

fn clean_command(fleet: &Fleet, folder: &Path, program: &OsString) -> Command {
    let mut command = fleet.client_command(program);
    command.env_clear().env("PATH", COMMAND_PATH).env("HOME", folder.join("home")).env("IFRIT_FLEET", folder);
    if let Some(terminal) = std::env::var_os("TERM") {
        command.env("TERM", terminal);
    }
    command.stdin(Stdio::inherit());
    command
}

fn wait(signals: &SigSet) -> Result<Signal, String> {
    signals.wait().map_err(|error| format!("cannot wait for signals: {error}"))
}

/// Asks a process to end, and makes it after a grace period.
fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended by itself: a Ctrl-C at a terminal reaches it too.
        let _sent = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(GRACE_POLL);
    }
    child.kill()?;
    child.wait()
}

/// The shell's convention: a process ended by a signal has 128 + its number.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(EXIT_OWN_FAILURE)
}

/// An error with its causes, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

fn say(line: &str) {
    // Whoever read it may be gone; that must not keep the fleet from being removed.
    let _written = writeln!(std::io::stderr(), "ifrit-fleet: {line}");
}
