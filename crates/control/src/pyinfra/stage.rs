//! The files that pyinfra's processes read, in a directory that nobody else can.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use model::selector::Selector;
use model::{Host, HostName};
use tempfile::TempDir;
use tokio::process::Command;

use super::inventory::{self, Reachable, Ways};
use super::steps::Frame;
use crate::deploy::FixError;
use crate::deploy::record::random;
use crate::error::Error;
use crate::export::{KnownHostsPath, export};
use crate::reach::{Reached, reach};
use crate::scan::identities;
use crate::session::Session;
use crate::settings::{ChannelKind, SecretSource, Settings};

/// The file that tells us what pyinfra does.
const REPORT: &str = include_str!("report.py");
/// What pyinfra's processes get instead of what the person's own environment says.
const ENVIRONMENT: [(&str, &str); 4] = [
    // Sets of a deploy have one order in all of its processes: what is planned and what is done are compared.
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
    ("PYINFRA_PROGRESS", "off"),
];

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Finds out what there is to do.
    Dry,
    /// Does it, once it is told to.
    Run,
}

/// The files, and everything else that is the same for all processes of a run.
pub(super) struct Stage {
    folder: TempDir,
    program: PathBuf,
    /// Where pyinfra runs.
    directory: PathBuf,
    /// The deploy, seen from there.
    deploy: PathBuf,
    environment: Vec<(OsString, OsString)>,
    hosts: HashMap<HostName, Reachable>,
    /// What the lines of report.py begin with.
    pub nonce: String,
    /// What is wrong with the SSH configuration and known_hosts.
    pub problems: Vec<model::Problem>,
}

impl Stage {
    /// Writes the files for all declared hosts, because a deploy may look at others than its own.
    ///
    /// # Errors
    /// [`FixError::PyinfraFiles`] where they cannot be written; [`Error::Store`].
    pub(super) async fn new(session: &Session, program: PathBuf, frame: &Frame) -> Result<Self, Error> {
        let root = &session.workspace.root;
        let failed = |why: String| Error::from(FixError::PyinfraFiles { why });
        let folder = tempfile::Builder::new().prefix("ifrit-pyinfra-").tempdir();
        let folder = folder.map_err(|error| failed(format!("no private directory can be made: {error}")))?;
        let declared: Vec<&Host> = session.workspace.inventory.hosts.iter().collect();
        let Reached { targets, problems } = reach(session, &declared).await?;
        let mut exported = export(session, &Selector::everything()).await?;
        inventory::with_ways(&mut exported, &targets);
        let known_hosts = folder.path().join("known_hosts");
        let known_hosts = KnownHostsPath::new(&known_hosts).map_err(|error| failed(error.to_string()))?;
        let identities = identities(session);
        let ways = Ways {
            directory: folder.path(),
            known_hosts: &known_hosts,
            identities: &identities,
            connect_secs: session.workspace.settings.ssh_connect_timeout().as_secs(),
        };
        let known = inventory::known_hosts(&exported, &targets);
        let mut files = BTreeMap::from([
            ("known_hosts".to_owned(), known),
            ("inventory.py".to_owned(), inventory::render(&exported, &declared, &targets, &ways)),
        ]);
        for (number, target) in targets.iter().enumerate() {
            let config = inventory::ssh_config(target, &folder.path().join("known_hosts"), &identities);
            files.insert(format!("ssh_config-{number}"), config);
        }
        let nonce = hex(&random::<16>()?);
        for mode in [Mode::Dry, Mode::Run] {
            files.insert(mode.report().to_owned(), report(&nonce, mode, frame));
        }
        for (name, text) in files {
            let written = fs::write(folder.path().join(&name), text);
            written.map_err(|error| failed(format!("{name} cannot be written: {error}")))?;
        }
        let hosts = targets.iter().map(|target| (target.host.clone(), inventory::reachable(target)));
        let directory = root.join(&frame.directory);
        let deploy = root.join(&frame.deploy);
        // pyinfra takes file names as seen from its directory, and shows them so.
        let deploy = deploy.strip_prefix(&directory).map(Path::to_owned).unwrap_or(deploy);
        let environment = environment(session);
        Ok(Self { hosts: hosts.collect(), folder, program, directory, deploy, environment, nonce, problems })
    }

    /// Returns by which name pyinfra reaches a host.
    pub(super) fn reachable(&self, host: &HostName) -> Option<&Reachable> {
        self.hosts.get(host)
    }

    /// Prepares a process for one host, in a process group of its own.
    pub(super) fn command(&self, mode: Mode, name: &str) -> Command {
        let file = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(&self.program);
        command.arg(if mode == Mode::Dry { "--dry" } else { "--yes" });
        command.args(["--limit", name]).arg(file("inventory.py"));
        command.arg(file(mode.report())).arg(&self.deploy).arg(file(mode.report()));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(ENVIRONMENT).current_dir(&self.directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Returns the directory that pyinfra runs in.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Mode {
    fn report(self) -> &'static str {
        match self {
            Self::Dry => "report-dry.py",
            Self::Run => "report-run.py",
        }
    }
}

fn report(nonce: &str, mode: Mode, frame: &Frame) -> String {
    let is_dry = if mode == Mode::Dry { "True" } else { "False" };
    format!("NONCE = \"{nonce}\"\nIS_DRY = {is_dry}\nSALT = bytes.fromhex(\"{}\")\n{REPORT}", frame.salt)
}

/// Returns the environment for pyinfra: the person's own, without secrets of ours and of channels.
fn environment(session: &Session) -> Vec<(OsString, OsString)> {
    let settings = &session.workspace.settings;
    let hidden = secret_variables(settings);
    let is_hidden = |name: &OsStr| {
        hidden.iter().any(|hidden| OsStr::new(hidden) == name)
            || (name == OsStr::new("SSH_AUTH_SOCK") && !settings.ssh_uses_agent())
    };
    let all = session.surroundings.environment.iter();
    all.filter(|(name, _)| !is_hidden(name)).cloned().collect()
}

/// Returns the environment variables that hold secrets of channels.
fn secret_variables(settings: &Settings) -> Vec<&str> {
    let sources = settings.channels().iter().filter_map(|channel| match &channel.kind {
        ChannelKind::Ntfy { token, .. } => token.as_ref(),
        ChannelKind::Webhook { secret, .. } => secret.as_ref(),
        ChannelKind::Mail { login, .. } => login.as_ref().map(|(_, password)| password),
    });
    sources.filter_map(variable).collect()
}

fn variable(source: &SecretSource) -> Option<&str> {
    match source {
        SecretSource::Environment(name) => Some(name),
        SecretSource::File(_) => None,
    }
}

/// Returns bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
