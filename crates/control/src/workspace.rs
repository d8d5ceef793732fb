//! Finding and loading a workspace: its settings and its declarations.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use model::{Code, Inventory, Level, Place, Problem};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::settings::{self, Origin, Settings};

/// The most that is hashed to tell whether a workspace has changed, in bytes: 64 MiB.
const SOURCE_BYTES_MAX: u64 = 64 << 20;

/// What the surroundings of the process say; the library itself reads no environment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The home directory, for `~/`.
    pub home: Option<PathBuf>,
    /// The SSH agent's socket.
    pub agent_socket: Option<PathBuf>,
    /// A database that overrides the settings' one, and who says so.
    pub database: Option<(String, Origin)>,
    /// Who is at the keyboard, for the record.
    pub person: String,
    /// The environment that programs of others get: the process's own, without ifrit's variables.
    pub environment: Vec<(OsString, OsString)>,
}

/// A loaded workspace.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The directory with `ifrit.toml`.
    pub root: PathBuf,
    /// Its settings.
    pub settings: Settings,
    /// What its hosts are.
    pub inventory: Inventory,
    /// How many deploys it has.
    pub deploys: usize,
    /// The deploys themselves.
    pub(crate) deploy_code: Vec<lang::Deploy>,
    /// Everything that is wrong with it, sorted by place.
    pub problems: Vec<Problem>,
    /// A hash of the files that it was made from; `None` where it must be loaded each time, because it was made
    /// from other things too.
    pub(crate) source: Option<[u8; 32]>,
}

impl Workspace {
    /// Says whether anything is wrong enough to refuse it.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }

    /// Returns the workspace if its declarations have no error.
    ///
    /// # Errors
    /// [`Error::Declarations`] with every problem.
    pub fn require_sound(self) -> Result<Self, Error> {
        if self.has_errors() {
            return Err(Error::Declarations { problems: self.problems });
        }
        Ok(self)
    }

    /// Returns a path of the settings as seen from the process: `~/` is the home directory, other
    /// relative paths start at the root.
    pub fn resolve(&self, path: &str, home: Option<&Path>) -> PathBuf {
        match (path.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.root.join(path),
        }
    }
}

/// Finds the workspace that holds `start`: the nearest directory upwards with an `ifrit.toml`.
///
/// # Errors
/// [`Error::WorkspaceDirectory`] where `start` is no directory: a mistyped one must not lead to the
/// workspace above it; [`Error::NoWorkspace`] where there is none.
pub fn find_root(start: &Path) -> Result<PathBuf, Error> {
    let unusable = |source| Error::WorkspaceDirectory { path: start.to_owned(), source };
    let absolute = std::path::absolute(start).map_err(unusable)?;
    if !std::fs::metadata(&absolute).map_err(unusable)?.is_dir() {
        return Err(unusable(std::io::ErrorKind::NotADirectory.into()));
    }
    let no_workspace = || Error::NoWorkspace { start: absolute.clone() };
    let is_root = |directory: &&Path| directory.join(lang::WORKSPACE_FILE).is_file();
    absolute.ancestors().find(is_root).map(Path::to_owned).ok_or_else(no_workspace)
}

/// Loads a workspace: settings and declarations, with every problem of both.
///
/// # Errors
/// [`Error::Read`] where `ifrit.toml` cannot be read.
pub fn load(root: &Path, surroundings: &Surroundings) -> Result<Workspace, Error> {
    let (settings, mut problems) = load_settings(root, surroundings)?;
    // Taken before the files are evaluated: one that changes meanwhile is found changed the next time.
    let source = source_hash(root);
    let (declared, its_problems) = load_declarations(root);
    problems.extend(its_problems);
    Ok(Workspace {
        root: root.to_owned(),
        settings,
        inventory: declared.inventory,
        deploys: declared.deploys.len(),
        deploy_code: declared.deploys,
        problems,
        source: source.filter(|_| declared.is_self_contained),
    })
}

/// Warns of the exceptions that have expired: what they were for counts again.
pub fn expired_exceptions(inventory: &Inventory, now: Timestamp) -> Vec<Problem> {
    let expired = inventory.exceptions.iter().filter(|exception| exception.until <= now);
    let problem = |exception: &model::Exception| {
        let day = exception.until.strftime("%Y-%m-%d");
        let message = format!(
            "the exception of {} by {} has expired on {day}: its findings count again",
            exception.vulnerability, exception.owner
        );
        Problem::new(Code::InventoryExceptionExpired, exception.place.clone(), message)
            .with_hint("close the findings and remove it, or let its owner set another day")
    };
    expired.map(problem).collect()
}

/// Evaluates the declarations alone.
pub(crate) fn load_declarations(root: &Path) -> (lang::Workspace, Vec<Problem>) {
    lang::load(root, &extensions())
}

/// Hashes the files that declarations are made from (SHA-256), together with the version of ifrit, which
/// may read them differently. `None` where they cannot all be read or are too much.
pub(crate) fn source_hash(root: &Path) -> Option<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut bytes_left = SOURCE_BYTES_MAX;
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(env!("CARGO_PKG_VERSION").as_bytes());
    for path in lang::source_paths(root)? {
        let mut content = Vec::new();
        std::fs::File::open(root.join(&path)).ok()?.take(bytes_left).read_to_end(&mut content).ok()?;
        bytes_left = bytes_left.checked_sub(content.len() as u64).filter(|left| *left > 0)?;
        part(path.as_bytes());
        part(&content);
    }
    Some(hasher.finalize().into())
}

/// Loads the settings alone.
///
/// # Errors
/// [`Error::Read`] where `ifrit.toml` cannot be read.
pub fn load_settings(root: &Path, surroundings: &Surroundings) -> Result<(Settings, Vec<Problem>), Error> {
    let path = root.join(lang::WORKSPACE_FILE);
    let bytes = std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let (mut settings, problems) = match String::from_utf8(bytes) {
        Ok(text) => settings::read(&text, lang::WORKSPACE_FILE),
        Err(fault) => (Settings::unreadable(), vec![not_utf8(fault.utf8_error().valid_up_to())]),
    };
    if let Some((database, origin)) = &surroundings.database {
        settings.set_database(database, origin.clone());
    }
    Ok((settings, problems))
}

/// Returns the Starlark functions that the rooms add to a workspace's files.
pub fn extensions() -> Vec<lang::Extension> {
    vec![plan::extension(), plan::testing::extension()]
}

fn not_utf8(offset: usize) -> Problem {
    let place = Place::File { path: lang::WORKSPACE_FILE.to_owned() };
    Problem::new(Code::ConfigSyntax, place, format!("not UTF-8 at byte {offset}"))
}
