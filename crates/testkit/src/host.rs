//! One host of a running fleet: its processes, its link, its log.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::changes::Listing;
use crate::command::{clean, ip};
use crate::error::FleetError;
use crate::leftovers;
use crate::spawner::Spawner;

/// How long a host may take until its sshd listens. Generous: a hundred of them share the processor.
const BOOT_SECONDS_MAX: u64 = 120;

/// How often a booting host's log is looked at.
const BOOT_POLL: Duration = Duration::from_millis(10);

/// The most of a host's log that goes into an error, in bytes.
const LOG_TAIL_BYTES: u64 = 2000;

/// What sshd logs when it is ready; once per boot.
const READY: &str = "Server listening on ";

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) kind: &'static str,
    pub(crate) fidelity: &'static str,
    /// Its number in the fleet.
    pub(crate) number: usize,
    /// Its folder: `upper/`, `log`...
    pub(crate) folder: PathBuf,
    upper: PathBuf,
    baseline: Mutex<Listing>,
    /// The `unshare` that holds its namespaces; `None` while powered off.
    process: Mutex<Option<Child>>,
}

impl Host {
    pub(crate) fn new(
        spec: &crate::spec::HostSpec,
        number: usize,
        address: Ipv4Addr,
        folder: PathBuf,
    ) -> Self {
        Self {
            name: spec.name.clone(),
            address,
            kind: spec.content.kind(),
            fidelity: spec.content.fidelity(),
            number,
            upper: folder.join("upper"),
            folder,
            baseline: Mutex::default(),
            process: Mutex::default(),
        }
    }

    /// The name of the client's end of its link.
    pub(crate) fn link(&self) -> String {
        format!("v{}", self.number)
    }

    pub(crate) fn upper(&self) -> &Path {
        &self.upper
    }

    /// Starts its first process; [`Host::wait_until_ready`] tells when it is up. `false` = it was on already.
    pub(crate) fn begin_boot(&self, spawner: &Spawner, client: &str) -> Result<bool, FleetError> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(false);
        }
        let path = self.log_path();
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(FleetError::file("open", &path))?;
        let command = self.init_command(client, log)?;
        let spawned = spawner.spawn(command);
        let child = spawned.map_err(|source| FleetError::Spawn { command: "setpriv".into(), source })?;
        *process = Some(child);
        Ok(true)
    }

    /// Waits until its sshd listens for the given time, counted from 1.
    pub(crate) fn wait_until_ready(&self, boots: usize) -> Result<(), FleetError> {
        let deadline = Instant::now() + Duration::from_secs(BOOT_SECONDS_MAX);
        while self.count_in_log(READY)? < boots {
            let ended = self.process().as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                *self.process() = None;
                return Err(self.boot_error(format!("its first process ended ({status})")));
            }
            if Instant::now() > deadline {
                return Err(self.boot_error(format!("sshd did not listen within {BOOT_SECONDS_MAX} s")));
            }
            std::thread::sleep(BOOT_POLL);
        }
        Ok(())
    }

    /// Takes what is in the upper layer now as the state that [`Host::changes`] compares with.
    pub(crate) fn mark(&self) -> Result<(), FleetError> {
        let listing = Listing::of(&self.upper)?;
        *self.baseline.lock().unwrap_or_else(PoisonError::into_inner) = listing;
        Ok(())
    }

    pub(crate) fn changes(&self) -> Result<Vec<PathBuf>, FleetError> {
        let later = Listing::of(&self.upper)?;
        Ok(self.baseline.lock().unwrap_or_else(PoisonError::into_inner).changes(&later))
    }

    /// Returns how often it was booted.
    pub(crate) fn boots(&self) -> Result<usize, FleetError> {
        self.count_in_log(READY)
    }

    /// Sends a signal to every process of the host.
    pub(crate) fn signal_all(&self, signal: Signal) -> Result<(), FleetError> {
        let holder = self.process().as_ref().and_then(leftovers::pid_of);
        let Some(holder) = holder else { return Err(FleetError::PoweredOff { host: self.name.clone() }) };
        let Some(namespace) = leftovers::namespace_of(holder, "pid_for_children") else { return Ok(()) };
        // Twice: what forked while the first round went through /proc is met by the second.
        for _round in 0..2 {
            for pid in leftovers::processes_in("pid", &namespace) {
                // Gone in the meantime: nothing left to signal.
                let _sent = kill(pid, signal);
            }
        }
        Ok(())
    }

    /// Kills every process of the host at once, as a power loss does. Returns when all are gone.
    pub(crate) fn kill(&self) {
        let Some(mut child) = self.process().take() else { return };
        // The host's first process takes all others of its namespace along, and the kernel reports
        // its end to `unshare` only when they are gone; so `unshare` is left to end by itself.
        let first = leftovers::pid_of(&child).and_then(leftovers::first_child);
        let killed = first.is_some_and(|pid| kill(pid, Signal::SIGKILL).is_ok());
        if !killed {
            let _gone_already = child.kill();
        }
        let _reaped = child.wait();
    }

    pub(crate) fn count_in_log(&self, needle: &str) -> Result<usize, FleetError> {
        let path = self.log_path();
        let log = fs::read(&path).map_err(FleetError::file("read", &path))?;
        Ok(String::from_utf8_lossy(&log).lines().filter(|line| line.contains(needle)).count())
    }

    /// Cuts or heals its link. The client's end goes down: no RST and no FIN gets through.
    pub(crate) fn set_link(&self, client: &str, state: &str) -> Result<(), FleetError> {
        ip(["-n", client, "link", "set", &self.link(), state]).map(drop)
    }

    fn init_command(&self, client: &str, log: File) -> Result<Command, FleetError> {
        let errors = log.try_clone().map_err(FleetError::file("open", &self.folder))?;
        let mut command = clean("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid"]);
        command.args(["--fork", "--kill-child", "--propagation", "private"]);
        // The caller may have signals blocked, which a child inherits; sshd must not.
        command.args(["env", "--default-signal", "sh"]);
        command.arg(self.folder.join("../../init.sh")).arg(&self.folder).arg(&self.name);
        command.args([&self.address.to_string(), &self.link_layer_address(), client, &self.link()]);
        command.arg(format!("{:032x}", self.number + 1));
        // A Ctrl-C at the terminal is for the controller, not for the hosts.
        command.process_group(0).current_dir("/").stdout(log).stderr(errors);
        Ok(command)
    }

    /// A locally administered address made of the IP address: the same after a power cycle, or the
    /// client would send to the old one until its neighbour table forgets it.
    fn link_layer_address(&self) -> String {
        let [a, b, c, d] = self.address.octets();
        format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }

    fn boot_error(&self, why: String) -> FleetError {
        FleetError::Boot { host: self.name.clone(), why, log: self.log_tail() }
    }

    fn log_tail(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(self.log_path())?;
            let bytes = file.metadata()?.len();
            file.seek(SeekFrom::Start(bytes.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut tail = Vec::new();
            file.take(LOG_TAIL_BYTES).read_to_end(&mut tail)?;
            Ok(tail)
        };
        read().map_or_else(|error| error.to_string(), |tail| String::from_utf8_lossy(&tail).into_owned())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
