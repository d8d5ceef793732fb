//! A running fleet.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::HostKey;
use nix::sys::signal::Signal;

use crate::command::{clean, ip, run};
use crate::content;
use crate::error::FleetError;
use crate::host::Host;
use crate::leftovers::{Place, sweep};
use crate::spawner::Spawner;
use crate::spec::HostSpec;
use crate::support::support;

/// The most hosts of one fleet. A bridge takes 1,023 ports and the kernel's neighbour table 1,024
/// entries for all network namespaces together; this leaves room for other fleets.
pub const HOSTS_MAX: usize = 250;

/// How many hosts boot at the same time.
const BOOTS_AT_ONCE: usize = 16;

/// The size limit of a fleet's tmpfs: all that its hosts write. Memory is used as it is written.
const TMPFS_SIZE: &str = "size=4g,mode=700";

const INIT: &str = include_str!("host_scripts/init.sh");

/// A fleet of hosts that all answer SSH as `root` on port 22. Everything of it is gone when it is
/// dropped; when its process is killed, its hosts die at once and [`Fleet::sweep`] (which every
/// start runs too) removes the rest.
#[derive(Debug)]
pub struct Fleet {
    hosts: Vec<Host>,
    place: Place,
    identity: PathBuf,
    known_hosts: PathBuf,
    spawner: Spawner,
    is_stopped: bool,
}

impl Fleet {
    /// Starts a fleet and waits until every host's sshd listens.
    ///
    /// # Errors
    /// [`FleetError`] says what is missing, wrong or did not come up; nothing is left behind.
    pub fn start(specs: &[HostSpec]) -> Result<Self, FleetError> {
        support()?;
        check(specs)?;
        sweep()?;
        let spawner = Spawner::start();
        let spawner = spawner.map_err(|source| FleetError::Spawn { command: "a thread".into(), source })?;
        let place = Place::take()?;
        let mount = place.mount.clone();
        let hosts = specs.iter().enumerate().map(|(number, spec)| {
            Host::new(spec, number, address(number), mount.join("hosts").join(&spec.name))
        });
        let fleet = Self {
            hosts: hosts.collect(),
            identity: mount.join("identity"),
            known_hosts: mount.join("known_hosts"),
            place,
            spawner,
            is_stopped: false,
        };
        // From here on, an error drops the fleet, and dropping it removes what is there already.
        fleet.prepare(specs)?;
        for batch in fleet.hosts.chunks(BOOTS_AT_ONCE) {
            for host in batch {
                host.begin_boot(&fleet.spawner, fleet.namespace())?;
            }
            for host in batch {
                host.wait_until_ready(1)?;
                host.mark()?;
            }
        }
        fleet.write_known_hosts()?;
        Ok(fleet)
    }

    /// Removes what fleets of processes that no longer live left behind: processes, network
    /// namespaces, mounts, folders. Returns their names.
    ///
    /// # Errors
    /// [`FleetError`] where something could not be removed.
    pub fn sweep() -> Result<Vec<String>, FleetError> {
        sweep()
    }

    /// Returns the hosts' names in the order of their specs.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| host.name.as_str())
    }

    /// Returns a host's address; its sshd is on port 22 of it.
    ///
    /// # Errors
    /// [`FleetError::UnknownHost`].
    pub fn address(&self, host: &str) -> Result<Ipv4Addr, FleetError> {
        Ok(self.host(host)?.address)
    }

    /// Returns a host's own public key, to be pinned in an inventory.
    ///
    /// # Errors
    /// [`FleetError::UnknownHost`], or [`FleetError::File`] where the host has lost it.
    pub fn host_key(&self, host: &str) -> Result<HostKey, FleetError> {
        let path = self.host(host)?.upper().join("etc/ssh/ssh_host_ed25519_key.pub");
        let text = fs::read_to_string(&path).map_err(FleetError::file("read", &path))?;
        let words: Vec<_> = text.split_ascii_whitespace().take(2).collect();
        Ok(HostKey::new(words.join(" ")))
    }

    /// Returns the name of the network namespace from which the hosts can be reached:
    /// `ip netns exec NAME COMMAND`.
    pub fn namespace(&self) -> &str {
        &self.place.name
    }

    /// Returns the path of the private key (OpenSSH's form, ed25519) that every host accepts for `root`.
    pub fn identity(&self) -> &Path {
        &self.identity
    }

    /// Returns the path of a `known_hosts` file with every host's address and key.
    pub fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// Returns a command that runs where the hosts can be reached, with nothing of this process's
    /// environment but a PATH, and dies with the thread that starts it. Arguments and environment can be added.
    pub fn client_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = clean("setpriv");
        // A child inherits the signals that this thread has blocked; the command starts with none.
        command.args(["--pdeathsig", "KILL", "env", "--default-signal", "ip", "netns", "exec"]);
        command.arg(self.namespace()).arg(program);
        command
    }

    /// Returns a run of the real `ssh` client on a host, with the host's key pinned.
    ///
    /// # Errors
    /// [`FleetError::UnknownHost`].
    pub fn ssh(&self, host: &str, script: &str) -> Result<Command, FleetError> {
        let address = self.address(host)?;
        let mut command = self.client_command("ssh");
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        command.args([
            "-o",
            "GlobalKnownHostsFile=none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "ConnectTimeout=5",
        ]);
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.known_hosts.display()));
        command.arg("-i").arg(&self.identity).arg(format!("root@{address}")).arg(script);
        Ok(command)
    }

    /// Pulls a host's cable: packets vanish both ways, and no connection is told.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or off.
    pub fn cut(&self, host: &str) -> Result<(), FleetError> {
        self.host(host)?.set_link(self.namespace(), "down")
    }

    /// Plugs a host's cable in again.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or off.
    pub fn heal(&self, host: &str) -> Result<(), FleetError> {
        self.host(host)?.set_link(self.namespace(), "up")
    }

    /// Stops every process of a host (`SIGSTOP`). Its kernel still acknowledges TCP; nobody answers.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or off.
    pub fn freeze(&self, host: &str) -> Result<(), FleetError> {
        self.host(host)?.signal_all(Signal::SIGSTOP)
    }

    /// Lets a frozen host go on.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or off.
    pub fn thaw(&self, host: &str) -> Result<(), FleetError> {
        self.host(host)?.signal_all(Signal::SIGCONT)
    }

    /// Cuts a host's power: every process dies at once and no connection is told. Its disk stays.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or off.
    pub fn power_off(&self, host: &str) -> Result<(), FleetError> {
        let host = self.host(host)?;
        host.set_link(self.namespace(), "down")?;
        host.kill();
        // The kernel removes the link some time after the host's namespace; its name must be free now.
        match ip(["-n", self.namespace(), "link", "delete", &host.link()]) {
            Err(FleetError::Command { .. }) | Ok(_) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Boots a host that was powered off, with its disk and its key, its cable plugged in.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or does not come up.
    pub fn power_on(&self, host: &str) -> Result<(), FleetError> {
        let host = self.host(host)?;
        let boots = host.boots()?;
        if host.begin_boot(&self.spawner, self.namespace())? {
            host.wait_until_ready(boots + 1)
        } else {
            Ok(())
        }
    }

    /// Returns the folder that holds exactly what was written on a host since its first boot began
    /// (overlayfs: a character device 0:0 there is a removed file).
    ///
    /// # Errors
    /// [`FleetError::UnknownHost`].
    pub fn upper_dir(&self, host: &str) -> Result<&Path, FleetError> {
        Ok(self.host(host)?.upper())
    }

    /// Returns the host's paths that changed in any way since the fleet started or since
    /// [`Fleet::mark`], sorted. A scan that only reads leaves none. `/run`, `/tmp` and `/dev` do not count.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or its disk cannot be listed.
    pub fn changes(&self, host: &str) -> Result<Vec<PathBuf>, FleetError> {
        self.host(host)?.changes()
    }

    /// Makes the present state of a host the one that [`Fleet::changes`] compares with.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown or its disk cannot be listed.
    pub fn mark(&self, host: &str) -> Result<(), FleetError> {
        self.host(host)?.mark()
    }

    /// Returns how many logins a host has accepted, by its sshd's log.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown.
    pub fn connections(&self, host: &str) -> Result<usize, FleetError> {
        self.host(host)?.count_in_log("Accepted publickey for ")
    }

    /// Returns how many commands were started over SSH on a host, by its sshd's log.
    ///
    /// # Errors
    /// [`FleetError`] where the host is unknown.
    pub fn execs(&self, host: &str) -> Result<usize, FleetError> {
        self.host(host)?.count_in_log("Starting session: command for ")
    }

    /// Returns what a host claims to run (`debian`, `alpine`, `freebsd`) and how far it is the real
    /// thing (`real`, `recorded`, `emulated`).
    ///
    /// # Errors
    /// [`FleetError::UnknownHost`].
    pub fn nature(&self, host: &str) -> Result<(&'static str, &'static str), FleetError> {
        self.host(host).map(|host| (host.kind, host.fidelity))
    }

    /// Stops the fleet and removes everything of it; dropping does the same and tells nobody of errors.
    ///
    /// # Errors
    /// [`FleetError`] where something could not be removed.
    pub fn stop(mut self) -> Result<(), FleetError> {
        self.tear_down()
    }

    fn host(&self, name: &str) -> Result<&Host, FleetError> {
        let found = self.hosts.iter().find(|host| host.name == name);
        found.ok_or_else(|| FleetError::UnknownHost { host: name.to_owned() })
    }

    /// Makes the tmpfs, the keys, the client's namespace with its bridge, and the hosts' folders.
    fn prepare(&self, specs: &[HostSpec]) -> Result<(), FleetError> {
        let mount = &self.place.mount;
        run(clean("mount").args(["-t", "tmpfs", "-o", TMPFS_SIZE, "tmpfs"]).arg(mount))?;
        let init = mount.join("init.sh");
        fs::write(&init, INIT).map_err(FleetError::file("write", &init))?;
        run(clean("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "fleet", "-f"])
            .arg(&self.identity))?;
        let name = self.namespace();
        ip(["netns", "add", name])?;
        ip(["-n", name, "link", "set", "lo", "up"])?;
        ip(["-n", name, "link", "add", "br0", "type", "bridge"])?;
        ip(["-n", name, "address", "add", "198.18.0.1/16", "dev", "br0"])?;
        ip(["-n", name, "link", "set", "br0", "up"])?;
        for (host, spec) in self.hosts.iter().zip(specs) {
            for folder in ["upper", "work", "root"] {
                let path = host.folder.join(folder);
                fs::create_dir_all(&path).map_err(FleetError::file("create", &path))?;
                // The upper layer's mode is that of the host's `/`, whatever this process's umask is.
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&path, mode).map_err(FleetError::file("set the mode of", &path))?;
            }
            content::write(spec, &host.folder)?;
        }
        Ok(())
    }

    fn write_known_hosts(&self) -> Result<(), FleetError> {
        let mut text = String::new();
        for host in &self.hosts {
            text += &format!("{} {}\n", host.address, self.host_key(&host.name)?.as_str());
        }
        fs::write(&self.known_hosts, text).map_err(FleetError::file("write", &self.known_hosts))
    }

    fn tear_down(&mut self) -> Result<(), FleetError> {
        if self.is_stopped {
            return Ok(());
        }
        self.is_stopped = true;
        for host in &self.hosts {
            host.kill();
        }
        self.place.remove()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next sweep.
        let _rest_for_sweep = self.tear_down();
    }
}

fn check(specs: &[HostSpec]) -> Result<(), FleetError> {
    if specs.len() > HOSTS_MAX {
        return Err(FleetError::TooManyHosts { asked: specs.len(), limit: HOSTS_MAX });
    }
    for (number, spec) in specs.iter().enumerate() {
        spec.check()?;
        if specs[..number].iter().any(|earlier| earlier.name == spec.name) {
            let why = "another host has the same name".to_owned();
            return Err(FleetError::BadSpec { host: spec.name.clone(), why });
        }
    }
    Ok(())
}

/// The address of the host with a number: 198.18.0.0/15 is set aside for tests (RFC 2544).
fn address(number: usize) -> Ipv4Addr {
    // HOSTS_MAX keeps it below 252.
    Ipv4Addr::new(198, 18, 0, u8::try_from(number + 2).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::HostContent;

    #[test]
    fn addresses_are_distinct_and_no_broadcast() {
        let addresses: BTreeSet<_> = (0..HOSTS_MAX).map(address).collect();
        assert_eq!(addresses.len(), HOSTS_MAX);
        assert_eq!(addresses.first().map(ToString::to_string).as_deref(), Some("198.18.0.2"));
        assert_eq!(addresses.last().map(ToString::to_string).as_deref(), Some("198.18.0.251"));
    }

    #[test]
    fn a_fleet_can_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<Fleet>();
    }

    #[test]
    fn bad_specs_are_refused() {
        let spec = |name: &str| HostSpec::new(name, HostContent::Debian);
        assert!(check(&[spec("a"), spec("b")]).is_ok());
        assert!(matches!(check(&[spec("a"), spec("a")]), Err(FleetError::BadSpec { .. })));
        assert!(matches!(check(&[spec("a/b")]), Err(FleetError::BadSpec { .. })));
        let many: Vec<_> = (0..=HOSTS_MAX).map(|number| spec(&format!("h{number}"))).collect();
        assert!(matches!(check(&many), Err(FleetError::TooManyHosts { .. })));
    }
}
