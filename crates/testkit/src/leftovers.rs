//! Finds and removes what belongs to a fleet: processes by their namespaces, mounts, names, folders.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::ip;
use crate::error::FleetError;

/// The folder of all fleets of this machine. Root's own, so nobody can put anything in their way.
pub(crate) const FLEETS: &str = "/run/ifrit-fleets";

/// Where `ip netns` keeps the names of network namespaces (ip-netns(8)).
const NETWORK_NAMES: &str = "/run/netns";

/// How often processes that were killed are looked for again before giving up: 5 s in all.
const KILL_ROUNDS_MAX: usize = 500;

/// The pause between two such looks.
const KILL_POLL: std::time::Duration = std::time::Duration::from_millis(10);

/// A fleet's place on this machine: `/run/ifrit-fleets/NAME` with a tmpfs in `mnt`, the file
/// `NAME.lock` beside it, and a network namespace of the same name.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// The tmpfs.
    pub(crate) mount: PathBuf,
    /// Locked as long as its process lives; the kernel unlocks it however that ends.
    _lock: File,
}

impl Place {
    /// Takes the first free name for this process.
    pub(crate) fn take() -> Result<Self, FleetError> {
        let _guard = guard()?;
        let mut number = 0;
        loop {
            let name = format!("ifrit-{}-{number}", std::process::id());
            let folder = Path::new(FLEETS).join(&name);
            number += 1;
            let path = lock_path(&name);
            if folder.exists() || path.exists() || Path::new(NETWORK_NAMES).join(&name).exists() {
                continue;
            }
            let lock = File::create_new(&path).map_err(FleetError::file("create", &path))?;
            lock.lock().map_err(FleetError::file("lock", &path))?;
            let mount = folder.join("mnt");
            fs::create_dir_all(&mount).map_err(FleetError::file("create", &mount))?;
            return Ok(Self { name, mount, _lock: lock });
        }
    }

    /// Removes everything of this fleet. Its hosts are expected to be dead.
    pub(crate) fn remove(&self) -> Result<(), FleetError> {
        remove(&self.name)
    }
}

/// Removes what fleets of dead processes left behind; returns their names.
pub(crate) fn sweep() -> Result<Vec<String>, FleetError> {
    let _guard = guard()?;
    let mut swept = Vec::new();
    let folder = Path::new(FLEETS);
    for entry in fs::read_dir(folder).map_err(FleetError::file("list", folder))? {
        let path = entry.map_err(FleetError::file("list", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".lock")) else {
            continue;
        };
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_ok() {
            remove(name)?;
            swept.push(name.to_owned());
        }
    }
    swept.sort();
    Ok(swept)
}

/// Returns the processes that live in a namespace; `kind` is a name in `/proc/PID/ns`.
pub(crate) fn processes_in(kind: &str, namespace: &str) -> Vec<Pid> {
    let is_inside = |pid: &Pid| namespace_of(*pid, kind).is_some_and(|found| found == namespace);
    processes().into_iter().filter(is_inside).collect()
}

fn processes() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(Pid::from_raw).collect()
}

/// Returns a process's namespace as the kernel writes it (`pid:[4026532567]`).
pub(crate) fn namespace_of(pid: Pid, kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    link.to_str().map(str::to_owned)
}

/// Returns the first child of a process (proc(5): `/proc/PID/task/TID/children`).
pub(crate) fn first_child(pid: Pid) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok().map(Pid::from_raw)
}

/// Returns a child's process id in the type that signals need.
pub(crate) fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().map(Pid::from_raw)
}

fn lock_path(name: &str) -> PathBuf {
    Path::new(FLEETS).join(format!("{name}.lock"))
}

/// Keeps a sweep from meeting a fleet that is just being made.
fn guard() -> Result<File, FleetError> {
    let folder = Path::new(FLEETS);
    fs::create_dir_all(folder).map_err(FleetError::file("create", folder))?;
    let path = folder.join("guard");
    let file = File::create(&path).map_err(FleetError::file("create", &path))?;
    file.lock().map_err(FleetError::file("lock", &path))?;
    Ok(file)
}

fn remove(name: &str) -> Result<(), FleetError> {
    let folder = Path::new(FLEETS).join(name);
    kill_hosts(&folder);
    let network = Path::new(NETWORK_NAMES).join(name);
    if network.exists() {
        kill_in_network(&network);
        ip(["netns", "delete", name])?;
    }
    let mount = folder.join("mnt");
    // Lazily: a host's mount namespace may still be on its way out. Not mounted is fine too.
    let _unmounted = umount2(&mount, MntFlags::MNT_DETACH);
    // Not recursive: if the tmpfs were still there, this must fail and remove nothing.
    for path in [&mount, &folder] {
        ignore_absent(fs::remove_dir(path)).map_err(FleetError::file("remove", path))?;
    }
    let lock = lock_path(name);
    ignore_absent(fs::remove_file(&lock)).map_err(FleetError::file("remove", &lock))
}

/// Kills what still runs of the hosts: processes with a host's folder in their command line (its
/// first processes) or as the upper layer of a mount (all others; each sees only its own host's).
fn kill_hosts(folder: &Path) {
    let hosts = folder.join("mnt/hosts/").into_os_string().into_encoded_bytes();
    let upper = [b"upperdir=".as_slice(), &hosts].concat();
    let own = Pid::this();
    let is_of_host = |pid: &Pid| {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let mut words = read("cmdline");
        // Arguments that start with the folder: each is preceded by an end mark.
        words.insert(0, 0);
        let named = [b"\0".as_slice(), &hosts].concat();
        *pid != own && (contains(&words, &named) || contains(&read("mounts"), &upper))
    };
    kill_and_wait(|| processes().into_iter().filter(is_of_host).collect());
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

/// Kills the controllers that still run in a fleet's client namespace.
fn kill_in_network(network: &Path) {
    let Ok(inode) = fs::metadata(network).map(|metadata| metadata.ino()) else { return };
    let namespace = format!("net:[{inode}]");
    let own = Pid::this();
    kill_and_wait(|| processes_in("net", &namespace).into_iter().filter(|pid| *pid != own).collect());
}

fn kill_and_wait(find: impl Fn() -> Vec<Pid>) {
    for _round in 0..KILL_ROUNDS_MAX {
        let pids = find();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            let _gone_already = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(KILL_POLL);
    }
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
