//! A real ntfy server on loopback: Debian's program, unpacked, with a database and a user of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{PATH, clean, run};
use crate::error::FleetError;

/// Times that the server is asked whether it is ready.
const READY_ATTEMPTS: u32 = 300;

/// The pause between two of these.
const READY_PAUSE: Duration = Duration::from_millis(50);

/// The time for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Where `scripts/need-ntfy` unpacks Debian's package, below the cache folder.
const UNPACKED: &str = "ifrit/ntfy/usr/bin/ntfy";

/// A running server; it stops when dropped.
pub struct Ntfy {
    child: Child,
    port: u16,
    token: String,
    _folder: TempDir,
}

impl Ntfy {
    /// Finds the program: installed, or unpacked into the cache folder (`XDG_CACHE_HOME`, else
    /// `~/.cache`), whose path the caller brings.
    pub fn program(cache: Option<&Path>) -> Option<PathBuf> {
        let installed = PATH.split(':').map(|folder| Path::new(folder).join("ntfy"));
        installed.chain(cache.map(|cache| cache.join(UNPACKED))).find(|path| path.is_file())
    }

    /// Starts a server on which nobody may do anything without a token, and makes one.
    ///
    /// # Errors
    /// [`FleetError`] where a command fails or the server does not come up.
    pub fn start(program: &Path) -> Result<Self, FleetError> {
        let failed = |source| FleetError::Spawn { command: program.display().to_string(), source };
        let folder = tempfile::tempdir().map_err(failed)?;
        // Free a moment ago: nobody else on loopback takes ports by number.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).map_err(failed)?.port();
        let config = folder.path().join("server.yml");
        let data = folder.path().display();
        let text = format!(
            "base-url: \"http://127.0.0.1:{port}\"\nlisten-http: \"127.0.0.1:{port}\"\n\
             cache-file: \"{data}/cache.db\"\nauth-file: \"{data}/auth.db\"\nauth-default-access: \"deny-all\"\n"
        );
        fs::write(&config, text).map_err(failed)?;
        let mut command = clean(program);
        command.arg("serve").arg("--config").arg(&config);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(failed)?;
        let mut server = Self { child, port, token: String::new(), _folder: folder };
        server.wait_until_ready().map_err(failed)?;
        // It wants its database to be there before it takes users.
        server.token = make_token(program, &config)?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> std::io::Result<()> {
        for _ in 0..READY_ATTEMPTS {
            if self.get("/v1/health").is_ok_and(|answer| answer.contains("healthy")) {
                return Ok(());
            }
            std::thread::sleep(READY_PAUSE);
        }
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "ntfy does not answer"))
    }

    /// Returns its URL without a topic.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns a token that may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns what was published on a topic: one JSON object per line, the oldest first.
    ///
    /// # Errors
    /// The system's, where the server does not answer.
    pub fn messages(&self, topic: &str) -> std::io::Result<Vec<String>> {
        let answer = self.get(&format!("/{topic}/json?poll=1"))?;
        Ok(answer.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect())
    }

    /// HTTP/1.0, so that the answer ends with the connection and comes in one piece.
    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        write!(stream, "GET {path} HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", self.token)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// Makes a user who may do everything, and a token of theirs.
fn make_token(program: &Path, config: &Path) -> Result<String, FleetError> {
    let failed = |source| FleetError::Spawn { command: program.display().to_string(), source };
    let mut command = clean(program);
    command.arg("user").arg("--config").arg(config).args(["add", "--role=admin", "ops"]);
    run(command.env("NTFY_PASSWORD", "exercise"))?;
    // It says `token tk_... created for user ops, never expires`, in some releases on standard error.
    let mut command = clean(program);
    command.arg("token").arg("--config").arg(config).args(["add", "ops"]);
    let output = command.output().map_err(failed)?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let token = said.split_whitespace().find(|word| word.starts_with("tk_"));
    token.map(str::to_owned).ok_or_else(|| failed(std::io::Error::other(format!("no token in `{said}`"))))
}

impl Drop for Ntfy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
