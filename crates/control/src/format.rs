//! `ifrit fmt`: formats `.star` files with ruff, which formats Python; the files are valid Python.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use thiserror::Error;

/// The formatter's program.
const RUFF: &str = "ruff";
/// Where the settings of a workspace stand, if it has its own; `ifrit init` writes the first one.
const SETTINGS_FILES: [&str; 3] = ["ruff.toml", ".ruff.toml", "pyproject.toml"];
/// The same as `ifrit init` writes, for a workspace that has none.
const SETTINGS: [&str; 4] = [
    "include = ['*.star']",
    "extension = { star = 'python' }",
    "line-length = 110",
    "target-version = 'py311'",
];
/// What text on standard input is taken for: ruff tells the language by the name.
const STDIN_NAME: &str = "deploys/stdin.star";

/// What formatting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formatted {
    /// All is as it should be now.
    Done,
    /// Files would change.
    WouldChange,
}

/// Why files could not be formatted.
#[derive(Debug, Error)]
pub enum FormatError {
    /// ruff is not installed.
    #[error("`ifrit fmt` needs ruff, which is not installed (or not in PATH)")]
    NoRuff,
    /// ruff could not be started.
    #[error("ruff cannot be started")]
    Start {
        /// Why.
        source: io::Error,
    },
    /// ruff failed; it has said why itself.
    #[error("ruff failed: {status}")]
    Failed {
        /// How.
        status: ExitStatus,
    },
}

impl FormatError {
    /// Returns what to do about it, where that can be said.
    pub(crate) fn hint(&self) -> Option<String> {
        let install = "install it: `apk add ruff`, `pkg install ruff` or `uv tool install ruff`";
        matches!(self, Self::NoRuff).then(|| install.to_owned())
    }
}

/// Formats files, or all of the workspace where none is named; `-` is standard input. `checks`: nothing is
/// written. What ruff says goes to the process's own output.
///
/// # Errors
/// [`FormatError`].
pub fn format(root: &Path, files: &[PathBuf], checks: bool) -> Result<Formatted, FormatError> {
    let mut command = Command::new(RUFF);
    command.args(["format", "--no-cache"]);
    if checks {
        command.arg("--check");
    }
    if !SETTINGS_FILES.iter().any(|file| root.join(file).is_file()) {
        command.arg("--isolated");
        for setting in SETTINGS {
            command.args(["--config", setting]);
        }
    }
    if files == [Path::new("-")] {
        command.arg("--stdin-filename").arg(root.join(STDIN_NAME));
    }
    if files.is_empty() {
        command.arg("--").arg(root);
    } else {
        command.arg("--").args(files);
    }
    let status = command.status().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FormatError::NoRuff,
        _ => FormatError::Start { source },
    })?;
    match status.code() {
        Some(0) => Ok(Formatted::Done),
        Some(1) if checks => Ok(Formatted::WouldChange),
        _ => Err(FormatError::Failed { status }),
    }
}
