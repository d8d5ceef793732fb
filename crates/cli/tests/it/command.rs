//! Runs `ifrit` as a user does, in surroundings of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A throw-away home and workspace directory, and the binary.
pub struct Ifrit {
    home: TempDir,
}

/// What one run said.
#[must_use = "assert something about it"]
#[derive(Debug)]
pub struct Output {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ifrit {
    pub fn new() -> Self {
        Self { home: TempDir::new().expect("temporary directory") }
    }

    /// The directory that commands run in; also the home directory.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.directory().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        std::fs::write(&path, text).expect("file");
        path
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.start(Command::new(env!("CARGO_BIN_EXE_ifrit")), arguments, input)
    }

    /// Runs `ifrit` inside a network namespace, where a fleet's hosts can be reached.
    pub fn run_in_namespace(&self, namespace: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_ifrit")]);
        self.start(command, arguments, "")
    }

    /// Runs `ifrit` with standard output going elsewhere; what was printed there is not read back.
    pub fn run_into(&self, arguments: &[&str], stdout: File) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ifrit"));
        self.prepare(&mut command, arguments).stdout(stdout);
        finish(command, "")
    }

    fn start(&self, mut command: Command, arguments: &[&str], input: &str) -> Output {
        self.prepare(&mut command, arguments);
        finish(command, input)
    }

    fn prepare<'a>(&self, command: &'a mut Command, arguments: &[&str]) -> &'a mut Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .args(arguments.iter().map(OsStr::new))
            .current_dir(self.directory())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.directory())
            .env("USER", "tester")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
    }
}

fn finish(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().expect("ifrit starts");
    // A verb that reads nothing may be gone before it is written to.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("ifrit ends");
    Output {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
    }
}

impl Output {
    /// Fails unless the exit status is the expected one.
    pub fn expect_exit(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Reads standard output as JSON Lines.
    pub fn rows(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}
