//! The people that the inventory declares in a commit.

use std::path::Path;

use lang::LoadOptions;
use model::{Level, Person};

use crate::deploy::git;
use crate::workspace::extensions;

/// Returns the people that the workspace declares in a commit, whatever stands in the working tree.
/// Commands that the inventory takes data from are not run for it.
///
/// # Errors
/// Why they cannot be told.
pub(super) fn people_at(root: &Path, commit: &str) -> Result<Vec<Person>, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    git::unpack(root, commit, folder.path())?;
    let options = LoadOptions { run_commands: false, ..LoadOptions::default() };
    let (workspace, problems) = lang::load_with(folder.path(), &extensions(), &options);
    match problems.iter().find(|problem| problem.level == Level::Error) {
        Some(problem) => Err(format!("the workspace has errors in commit {commit}: {problem}")),
        None => Ok(workspace.inventory.people),
    }
}
