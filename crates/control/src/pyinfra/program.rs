//! Finding pyinfra.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::deploy::FixError;
use crate::session::Session;

/// Returns the program that the setting `pyinfra.program` names: a path, or a name that stands in `PATH`.
///
/// # Errors
/// [`FixError::NoPyinfra`].
pub(super) fn find(session: &Session) -> Result<PathBuf, FixError> {
    let (workspace, surroundings) = (&session.workspace, &session.surroundings);
    let given = workspace.settings.pyinfra_program();
    let missing = || FixError::NoPyinfra { given: given.to_owned() };
    if given.contains('/') {
        let path = workspace.resolve(given, surroundings.home.as_deref());
        return is_program(&path).then_some(path).ok_or_else(missing);
    }
    let path = surroundings.environment.iter().find(|(name, _)| name == OsStr::new("PATH"));
    let folders = path.map(|(_, value)| std::env::split_paths(value)).into_iter().flatten();
    folders.map(|folder| folder.join(given)).find(|path| is_program(path)).ok_or_else(missing)
}

fn is_program(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
