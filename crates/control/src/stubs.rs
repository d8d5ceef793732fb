//! The Python type stub of the functions of `.star` files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::workspace::extensions;

/// Returns the stub.
pub fn text() -> String {
    lang::stubs(&extensions())
}

/// Writes the stub into the root of a workspace, in the place of an older one, and returns its path.
///
/// # Errors
/// [`Error::AlreadyThere`] where a file of this name is not one that ifrit wrote; [`Error::Write`] where
/// the disk refuses.
pub fn write(root: &Path) -> Result<PathBuf, Error> {
    let path = root.join(lang::STUB_FILE);
    let text = text();
    let refused = |source| Error::Write { path: path.clone(), source };
    let is_ours =
        |old: &[u8]| old.split(|it| *it == b'\n').next() == text.as_bytes().split(|it| *it == b'\n').next();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
        Ok(about) if about.is_file() && is_ours(&fs::read(&path).map_err(refused)?) => {}
        Ok(_) => return Err(Error::AlreadyThere { path }),
    }
    fs::write(&path, text).map_err(refused)?;
    Ok(path)
}
