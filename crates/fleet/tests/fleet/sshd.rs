//! A real sshd on loopback with keys and configuration of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use fleet::{Access, Identities, Target, TargetConnection};
use model::{Address, HostKey, HostName, UserName};

use crate::keys;

const SSHD: &str = "/usr/sbin/sshd";
/// How long sshd may take to start and to write a line.
const PATIENCE: Duration = Duration::from_secs(30);
/// The seeds of its ed25519 host key and of the key that may log in.
const HOST_KEY_SEED: u8 = 11;
const LOGIN_KEY_SEED: u8 = 12;

/// A running sshd; it is stopped with the value.
pub struct Sshd {
    child: Child,
    port: u16,
    user: String,
    log: Arc<Log>,
    pub directory: tempfile::TempDir,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Sshd {
    /// Starts one; `None`, said loudly, where this machine has none.
    pub fn start() -> Option<Self> {
        Self::start_with(&|_| String::new(), None)
    }

    /// Starts one with more configuration, made once its keys are there, and with another /etc, which
    /// it alone sees.
    pub fn start_with(more: &dyn Fn(&Path) -> String, etc: Option<&Path>) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            skip(&format!("{SSHD} is not installed (Debian: openssh-server)"));
            return None;
        }
        // Where sshd, run as root, keeps its unprivileged half; the service's unit makes it else.
        std::fs::create_dir_all("/run/sshd").ok();
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Somebody else may take the port in between: then another one.
        let started = (0..5).find_map(|_| Self::try_start(directory.path(), more, etc));
        let (child, port, log) = started.expect("sshd starts");
        let user = run("id", &["-un"]);
        Some(Self { child, port, user, log, directory })
    }

    fn try_start(
        directory: &Path,
        more: &dyn Fn(&Path) -> String,
        etc: Option<&Path>,
    ) -> Option<(Child, u16, Arc<Log>)> {
        let port = TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port();
        let config = write_config(directory, port, more);
        let mut command = match etc {
            None => Command::new(SSHD),
            Some(etc) => {
                let mut command = Command::new("unshare");
                let script = format!("mount --bind \"$0\" /etc && exec {SSHD} \"$@\"");
                command.args(["-m", "sh", "-c", &script]).arg(etc);
                command
            }
        };
        let mut child = command
            .args(["-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let log = Arc::new(Log::default());
        let (lines, stderr) = (Arc::clone(&log), child.stderr.take()?);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lines.lock().expect("no test panics with the log").push(line);
                lines.grown.notify_all();
            }
        });
        if log.wait_for("Server listening on") {
            return Some((child, port, log));
        }
        child.kill().ok();
        child.wait().ok();
        None
    }

    /// Returns a target that pins the ed25519 key.
    pub fn target(&self) -> Target {
        self.target_with(vec![keys::pin(&keys::key(HOST_KEY_SEED))])
    }

    pub fn target_with(&self, pinned: Vec<HostKey>) -> Target {
        Target {
            host: HostName::new("real").expect("a good name"),
            connection: TargetConnection::Ssh {
                address: Address::new("127.0.0.1"),
                port: self.port,
                user: UserName::new(self.user.as_str()),
                pinned,
            },
            access: Access::default(),
        }
    }

    /// Returns the public key of another algorithm.
    pub fn host_key(&self, name: &str) -> HostKey {
        let text = std::fs::read_to_string(self.directory.path().join(format!("{name}.pub"))).expect("a key");
        HostKey::new(text.split(' ').take(2).collect::<Vec<_>>().join(" "))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn identities(&self) -> Identities {
        Identities { agent_socket: None, key_files: vec![self.path("login_ed25519")] }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits for a line of the log.
    pub fn wait_for(&self, part: &str) {
        assert!(self.log.wait_for(part), "no line with {part:?} in {:#?}", self.lines());
    }

    /// Counts lines of the log.
    pub fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    fn lines(&self) -> Vec<String> {
        self.log.lines.lock().expect("no test panics with the log").clone()
    }
}

impl Log {
    fn wait_for(&self, part: &str) -> bool {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().expect("no test panics with the log");
        loop {
            if lines.iter().any(|line| line.contains(part)) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.iter().any(|line| line.contains("Cannot bind any address")) {
                return false;
            }
            lines = self.grown.wait_timeout(lines, left).expect("no test panics with the log").0;
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Writes keys (once) and configuration.
fn write_config(directory: &Path, port: u16, more: &dyn Fn(&Path) -> String) -> PathBuf {
    let path = |name: &str| directory.join(name).display().to_string();
    if !directory.join("host_ed25519").exists() {
        keys::write(&keys::key(HOST_KEY_SEED), directory, "host_ed25519");
        let login = keys::key(LOGIN_KEY_SEED);
        keys::write(&login, directory, "login_ed25519");
        for (kind, name) in
            [("rsa", "host_rsa"), ("ecdsa", "host_ecdsa"), ("rsa", "login_rsa"), ("ecdsa", "login_ecdsa")]
        {
            let bits = if kind == "rsa" { "2048" } else { "256" };
            run("ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-f", &path(name)]);
        }
        let public = |name: &str| std::fs::read_to_string(path(name)).expect("a public key");
        let authorized =
            format!("{}\n{}{}", keys::pin(&login), public("login_rsa.pub"), public("login_ecdsa.pub"));
        std::fs::write(path("authorized_keys"), authorized).expect("authorized_keys");
    }
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nHostKey {}\nHostKey {}\nAuthorizedKeysFile {}\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin yes\nPidFile none\nLogLevel VERBOSE\nMaxStartups 100\n{}",
        path("host_rsa"),
        path("host_ecdsa"),
        path("host_ed25519"),
        path("authorized_keys"),
        more(directory),
    );
    std::fs::write(path("sshd_config"), config).expect("a configuration");
    directory.join("sshd_config")
}

/// Runs a program that must succeed; returns its output without the final newline.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}
