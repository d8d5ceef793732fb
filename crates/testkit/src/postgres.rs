//! A PostgreSQL server of its own for one test run: in a temporary directory, on a Unix socket.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use crate::command::{clean, run};
use crate::error::FleetError;

/// Times that the server is asked whether it is ready.
const READY_ATTEMPTS: u32 = 600;

/// The pause between two of these.
const READY_PAUSE: Duration = Duration::from_millis(50);

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Whom the server runs as where we are root, which it refuses: the first that there is.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A running server; it stops when dropped, also by a panic, and dies with the test process.
pub struct Postgres {
    child: Child,
    directory: TempDir,
    programs: PathBuf,
}

impl Postgres {
    /// Finds the directory of the server's programs: Debian's newest, else what `pg_config` tells.
    pub fn programs() -> Option<PathBuf> {
        let debian = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
        let mut places: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
        places.sort();
        let told = run(clean("pg_config").arg("--bindir")).ok().map(|text| PathBuf::from(text.trim()));
        places.into_iter().rev().chain(told).find(|place| place.join("initdb").exists())
    }

    /// Starts a server without any database of ours.
    ///
    /// # Errors
    /// [`FleetError`] where a command fails or the server does not come up.
    pub fn start(programs: &Path) -> Result<Self, FleetError> {
        let failed = |source| FleetError::Spawn { command: programs.display().to_string(), source };
        let directory = tempfile::Builder::new().prefix("ifrit-pg").tempdir_in("/tmp").map_err(failed)?;
        let user = unprivileged().map_err(failed)?;
        give(directory.path(), user).map_err(failed)?;
        let data = directory.path().join("data");
        let mut initdb = command(&programs.join("initdb"), user);
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=ifrit",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-D",
        ]);
        run(initdb.arg(&data).current_dir(directory.path()))?;
        let mut postgres = command(&programs.join("postgres"), user);
        postgres.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal", "-k"]);
        postgres.arg(directory.path()).arg("-D").arg(&data).current_dir(directory.path());
        let child = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(failed)?;
        let server = Self { child, directory, programs: programs.to_owned() };
        server.wait_until_ready().map_err(failed)?;
        Ok(server)
    }

    /// Creates a database and returns its URL.
    ///
    /// # Errors
    /// [`FleetError`] where the server refuses.
    pub fn create_database(&self, name: &str) -> Result<String, FleetError> {
        let directory = self.directory.path();
        let mut psql = clean(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username=ifrit", "--dbname=postgres", "-h"]).arg(directory);
        run(psql.arg("-c").arg(format!("CREATE DATABASE {name}")))?;
        Ok(format!("postgres:///{name}?user=ifrit&host={}", directory.display()))
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        for _ in 0..READY_ATTEMPTS {
            let mut ready = clean(self.programs.join("pg_isready"));
            if run(ready.arg("--quiet").arg("-h").arg(self.directory.path())).is_ok() {
                return Ok(());
            }
            std::thread::sleep(READY_PAUSE);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "postgres does not answer"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT: stop at once, nothing here is worth a checkpoint.
        let stopped = run(clean("kill").args(["-QUIT", &self.child.id().to_string()]));
        if stopped.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Returns whom to run the server as; `None` = ourselves.
fn unprivileged() -> io::Result<Option<(u32, u32)>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let found = USERS.into_iter().find_map(|name| User::from_name(name).ok().flatten());
    let user = found.ok_or_else(|| io::Error::other("there is no user for the server but root"))?;
    Ok(Some((user.uid.as_raw(), user.gid.as_raw())))
}

/// The server's user differs from ours where we are root.
fn give(directory: &Path, user: Option<(u32, u32)>) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    user.map_or(Ok(()), |(user, group)| chown(directory, Some(user), Some(group)))
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let Some((user, group)) = user else { return clean(program) };
    let mut command = clean("setpriv");
    command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command
}
