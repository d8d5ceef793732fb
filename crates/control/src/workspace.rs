//! Finding and loading a workspace: its settings and its declarations.

use std::path::{Path, PathBuf};

use model::{Code, Inventory, Level, Place, Problem};

use crate::error::Error;
use crate::settings::{self, Origin, Settings};

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
    /// Everything that is wrong with it, sorted by place.
    pub problems: Vec<Problem>,
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
    let (declared, its_problems) = lang::load(root, &extensions());
    problems.extend(its_problems);
    Ok(Workspace {
        root: root.to_owned(),
        settings,
        inventory: declared.inventory,
        deploys: declared.deploys.len(),
        problems,
    })
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
    vec![plan::extension()]
}

fn not_utf8(offset: usize) -> Problem {
    let place = Place::File { path: lang::WORKSPACE_FILE.to_owned() };
    Problem::new(Code::ConfigSyntax, place, format!("not UTF-8 at byte {offset}"))
}
