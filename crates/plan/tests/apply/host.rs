//! A folder that stands for a host, and steps for it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Change, ClientName, Condition, Content, HostName, HostPlan, Place, Probe, RunId, SecretVersion, Step,
    StepOutcome,
};
use tempfile::TempDir;

use plan::Nonce;
use plan::apply::{
    ApplyEvent, ApplyLimits, HOST_FOLDER, HostRun, OutcomeReader, Script, SecretBytes, StepReport,
    acknowledgement, script, settle_script,
};

/// The shells that a script must survive in, as far as this machine has them.
const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "ash"], &["bash", "--posix"]];

pub fn shells() -> impl Iterator<Item = &'static [&'static str]> {
    SHELLS.into_iter().filter(|shell| is_here(shell))
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn is_here(shell: &[&str]) -> bool {
    let found = Command::new(shell[0]).args(&shell[1..]).args(["-c", "exit 0"]).status();
    let is_here = found.is_ok_and(|status| status.success());
    if !is_here {
        eprintln!("SKIPPED: this machine has no {}", shell[0]);
    }
    is_here
}

pub fn nonce() -> Nonce {
    Nonce::from_bytes([0x5a; 16])
}

pub fn run_id() -> RunId {
    RunId::from_bytes([0xc3; 16])
}

/// Limits for tests: small where a test waits for them to strike.
pub fn limits() -> ApplyLimits {
    ApplyLimits {
        lock_wait: Duration::from_secs(2),
        ack_limit: Duration::from_secs(2),
        ..ApplyLimits::default()
    }
}

/// What the controller does after the last outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    Sent,
    /// The connection has ended.
    Never,
}

/// A folder that stands for a host's disk.
pub struct Host {
    pub folder: TempDir,
    pub shell: &'static [&'static str],
}

impl Host {
    pub fn new(shell: &'static [&'static str]) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), shell }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run_folder(&self) -> PathBuf {
        self.path(&format!("ifrit/run.{}", run_id()))
    }

    /// Returns the lines that steps have left, in their order.
    pub fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the script as it is for this folder.
    pub fn moved(&self, script: &Script) -> Vec<u8> {
        let text = String::from_utf8(script.bytes().to_vec()).expect("a script is text");
        let moved = text.replace(HOST_FOLDER, &self.path("ifrit").display().to_string());
        assert_ne!(moved, text);
        moved.into_bytes()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.shell[0]);
        command.args(&self.shell[1..]).env_clear().env("HOME", "/").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs bytes as a host does, and returns all it printed.
    pub fn send(&self, bytes: &[u8], ack: Ack) -> Vec<u8> {
        let mut child = self.command().spawn().expect("the shell was there");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        // A shell that met an error stops reading.
        stdin.write_all(bytes).ok();
        let mut stdin = (ack == Ack::Sent).then_some(stdin);
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        let end = format!("\n{} done\n", nonce().as_str()).into_bytes();
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            said.extend_from_slice(&buffer[..count]);
            if said.ends_with(&end)
                && let Some(mut stdin) = stdin.take()
            {
                // A script that found nothing does not wait.
                stdin.write_all(&acknowledgement(&nonce())).ok();
            }
        }
        child.wait().expect("the shell ends");
        said
    }

    /// Takes a plan's steps. The second value is what the next contact has to know.
    pub fn apply(&self, plan: &HostPlan, ack: Ack) -> Vec<ApplyEvent> {
        self.resume(plan, &BTreeMap::new(), false, ack)
    }

    pub fn resume(
        &self,
        plan: &HostPlan,
        earlier: &BTreeMap<usize, StepOutcome>,
        rerun: bool,
        ack: Ack,
    ) -> Vec<ApplyEvent> {
        let run = HostRun { plan, run: &run_id(), earlier, rerun };
        let script = script(&run, &nonce(), &secret, &limits()).expect("a script");
        let said = self.send(&self.moved(&script), ack);
        read(&said, plan.steps.len(), script.secrets())
    }

    pub fn settle(&self, plan: &HostPlan, ack: Ack) -> Vec<ApplyEvent> {
        let run = HostRun { plan, run: &run_id(), earlier: &BTreeMap::new(), rerun: false };
        let script = settle_script(&run, &nonce(), &limits()).expect("a script");
        let said = self.send(&self.moved(&script), ack);
        read(&said, plan.steps.len(), &[])
    }

    /// Puts a journal there as a lost run leaves it.
    pub fn leave_journal(&self, text: &str) {
        fs::create_dir_all(self.run_folder()).expect("a folder");
        fs::write(self.run_folder().join("journal"), text).expect("a journal");
    }

    /// A step that adds a line to the effects, and that a probe can tell.
    pub fn step(&self, name: &str) -> Step {
        let path = quote(&self.path("effects"));
        let probe = Probe {
            script: format!("grep -c '^{name}$' {path}"),
            before: Some("0".to_owned()),
            after: Some("1".to_owned()),
        };
        Step { probe: Some(probe), ..self.blind(name) }
    }

    /// A step that adds a line to the effects, and that no probe can tell.
    pub fn blind(&self, name: &str) -> Step {
        let path = quote(&self.path("effects"));
        if !self.path("effects").exists() {
            fs::write(self.path("effects"), "").expect("a file");
        }
        step(&format!("echo {name} >>{path}"))
    }
}

pub fn quote(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// The only secret there is.
pub fn secret(secret: &SecretVersion) -> Option<SecretBytes> {
    (secret.name == "known").then(|| SecretBytes::new(b"hunter22-canary".to_vec()))
}

/// A step that runs a command.
pub fn step(action: &str) -> Step {
    Step {
        operation: "server.shell".to_owned(),
        subject: "test".to_owned(),
        place: Place::Nowhere,
        change: Change::Certain,
        diff: Vec::new(),
        probe: None,
        action: action.to_owned(),
        bodies: Vec::new(),
        condition: Condition::Always,
        is_handler: false,
        risks: Vec::new(),
        time_limit: Duration::from_secs(60),
    }
}

pub fn with_body(action: &str, body: Content) -> Step {
    Step { bodies: vec![body], ..step(action) }
}

pub fn plan(steps: Vec<Step>) -> HostPlan {
    HostPlan {
        client: ClientName::new("acme").expect("a name"),
        host: HostName::new("web-1").expect("a name"),
        facts_at: Timestamp::UNIX_EPOCH,
        fact_passes: 1,
        steps,
    }
}

pub fn read(said: &[u8], steps: usize, secrets: &[SecretBytes]) -> Vec<ApplyEvent> {
    OutcomeReader::new(&nonce(), steps, &limits()).hiding(secrets).push(said)
}

/// Returns what was told of each step.
pub fn reports(events: &[ApplyEvent]) -> BTreeMap<usize, StepReport> {
    let ended = events.iter().filter_map(|event| match event {
        ApplyEvent::Ended { step, report } => Some((*step, report.clone())),
        _ => None,
    });
    ended.collect()
}

pub fn outcomes(events: &[ApplyEvent]) -> BTreeMap<usize, StepOutcome> {
    reports(events).into_iter().map(|(step, report)| (step, report.outcome)).collect()
}

/// Returns the outcomes' words, in the order of the steps.
pub fn words(events: &[ApplyEvent]) -> Vec<&'static str> {
    outcomes(events).values().map(StepOutcome::as_str).collect()
}
