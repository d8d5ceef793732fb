//! `ifrit init`: a workspace that a team can commit and grow.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::ClientName;

use crate::error::Error;
use crate::settings;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitReport {
    /// The files, relative to the directory, in the order written.
    pub files: Vec<PathBuf>,
    /// Whether a git repository was made of it (not where it lies in one already, or without git).
    pub is_new_repository: bool,
}

/// Writes a workspace into `directory`, which is made where it is missing. Never overwrites a file.
///
/// # Errors
/// [`Error::AlreadyThere`] before anything is written where one of its files exists;
/// [`Error::Write`] where the disk refuses.
pub fn init(directory: &Path, client: &ClientName) -> Result<InitReport, Error> {
    let mut files = vec![(lang::WORKSPACE_FILE, settings::render_template())];
    files.extend(lang::template(client));
    for (path, _) in &files {
        let path = directory.join(path);
        if path.symlink_metadata().is_ok() {
            return Err(Error::AlreadyThere { path });
        }
    }
    for (path, content) in &files {
        let path = directory.join(path);
        write_new(&path, content).map_err(|source| Error::Write { path, source })?;
    }
    Ok(InitReport {
        files: files.iter().map(|(path, _)| PathBuf::from(path)).collect(),
        is_new_repository: init_repository(directory),
    })
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes())
}

/// Makes a git repository unless the directory lies in one. Without git the workspace works as
/// well, so a failure here is not one of the verb.
fn init_repository(directory: &Path) -> bool {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    !git(&["rev-parse", "--is-inside-work-tree"]) && git(&["init", "--quiet"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Surroundings, load};

    #[test]
    fn a_new_workspace_passes_the_check_and_is_never_overwritten() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let client = ClientName::new("acme").expect("name");
        let report = init(directory.path(), &client).expect("init");
        assert!(report.files.iter().any(|path| path.ends_with("ifrit.toml")), "{report:?}");
        let workspace = load(directory.path(), &Surroundings::default()).expect("load");
        assert_eq!(workspace.problems, []);
        assert!(!workspace.inventory.hosts.is_empty());
        let error = init(directory.path(), &client).expect_err("must refuse");
        assert!(matches!(error, Error::AlreadyThere { .. }), "{error}");
    }
}
