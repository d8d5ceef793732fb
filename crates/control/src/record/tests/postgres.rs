//! A PostgreSQL server of its own for one test run: in a temporary directory, on a Unix socket.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Times that the server is asked whether it is ready.
const READY_ATTEMPTS: u32 = 600;

/// The pause between two of these.
const READY_PAUSE: Duration = Duration::from_millis(50);

/// A running server; it stops when dropped, also by a panic, and dies with the test process.
pub struct Server {
    child: Child,
    directory: TempDir,
    programs: PathBuf,
}

impl Server {
    /// Starts a server; `None`, and a loud line, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("no PostgreSQL server programs (Debian: apt-get install postgresql)");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("ifrit-pg").tempdir_in("/tmp").expect("a directory");
        // The server's user differs from ours where we are root.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        let user = unprivileged();
        if let Some(id) = user {
            chown(directory.path(), Some(id), Some(id)).expect("chown");
        }
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
        succeed(initdb.arg(&data).current_dir(directory.path()).output());
        let mut postgres = command(&programs.join("postgres"), user);
        postgres.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal", "-k"]);
        postgres.arg(directory.path()).arg("-D").arg(&data);
        postgres
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Self { child: postgres.spawn().expect("postgres starts"), directory, programs };
        server.wait_until_ready();
        Some(server)
    }

    /// Creates a database and returns its URL.
    pub fn create_database(&self, name: &str) -> String {
        let directory = self.directory.path();
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username=ifrit", "--dbname=postgres", "-h"]).arg(directory);
        succeed(psql.arg("-c").arg(format!("CREATE DATABASE {name}")).output());
        format!("postgres:///{name}?user=ifrit&host={}", directory.display())
    }

    fn wait_until_ready(&self) {
        for _ in 0..READY_ATTEMPTS {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            let ready = ready.arg("--quiet").arg("-h").arg(self.directory.path()).status();
            if ready.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(READY_PAUSE);
        }
        panic!("postgres does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: stop at once, nothing here is worth a checkpoint.
        let stopped = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Finds the directory of the server's programs.
fn programs() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok());
    let told = told.map(|text| PathBuf::from(text.trim()));
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    places.sort();
    places.into_iter().rev().chain(told).find(|place| place.join("initdb").exists())
}

/// Returns whom to run the server as: `None` = ourselves, since only root is refused.
fn unprivileged() -> Option<u32> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    id(&["-u", "postgres"]).or_else(|| id(&["-u", "nobody"]))
}

fn command(program: &Path, user: Option<u32>) -> Command {
    let Some(id) = user.map(|id| id.to_string()) else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--pdeathsig", "QUIT", "--"])
        .arg(program);
    command
}

fn succeed(output: std::io::Result<Output>) {
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: the record on PostgreSQL: {why}");
}
