//! The reader for files, with `Include`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use model::Problem;

use super::{IncludedFile, SshConfig};
use crate::pattern::matches;

/// The bytes of one file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The directory entries looked at for one `Include` pattern.
const ENTRIES_MAX: usize = 4096;

/// Reads a configuration file and what it includes; names of included files that are relative start
/// at `~/.ssh`, as for a user's file in OpenSSH. A file that is not there is an empty one.
pub fn read_ssh_config(path: &Path, home: Option<&Path>) -> (SshConfig, Vec<Problem>) {
    let text = match read_capped(path, FILE_BYTES_MAX) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.to_string()),
    };
    let shown = path.display().to_string();
    let mut include = |pattern: &str| included(pattern, home);
    match text {
        Ok(text) => SshConfig::parse(&shown, &text, &mut include),
        // What it says is unknown, so nobody is connected to on the strength of it.
        Err(why) => {
            let file = IncludedFile { path: shown, text: Err(why) };
            SshConfig::parse("-", "Include -", &mut |_| vec![file.clone()])
        }
    }
}

/// Reads a file that is not longer than so many bytes. What is not UTF-8 (a comment in Latin-1) becomes
/// replacement characters, which match no host and are in no key.
pub(crate) fn read_capped(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("no regular file"));
    }
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::Error::other(format!("larger than {bytes_max} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn included(pattern: &str, home: Option<&Path>) -> Vec<IncludedFile> {
    let failed = |why: &str| vec![IncludedFile { path: pattern.to_owned(), text: Err(why.to_owned()) }];
    let path = match (pattern.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        (None, Some(home)) => home.join(".ssh").join(pattern),
        (None, None) if pattern.starts_with('/') => PathBuf::from(pattern),
        _ => return failed("no home directory is known"),
    };
    if pattern.starts_with('~') && !pattern.starts_with("~/") {
        return failed("it is in another user's home");
    }
    if pattern.contains(['[', '{', '$', '%']) {
        return failed("of patterns only * and ? are understood");
    }
    let Some(mut paths) = expand(&path) else { return failed("it matches too many files") };
    paths.sort();
    let read = |path: PathBuf| {
        let text = read_capped(&path, FILE_BYTES_MAX).map_err(|error| error.to_string());
        IncludedFile { path: path.display().to_string(), text }
    };
    paths.into_iter().filter(|path| path.exists()).map(read).collect()
}

/// Finds the files that a pattern names; `None` where they are too many.
fn expand(pattern: &Path) -> Option<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    let mut entries = 0;
    for component in pattern.components() {
        let name = match component {
            Component::Normal(name) => name.to_str().unwrap_or_default(),
            other => {
                found.iter_mut().for_each(|path| path.push(other));
                continue;
            }
        };
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(name));
            continue;
        }
        let mut next = Vec::new();
        for directory in found {
            // A directory that is not there holds nothing.
            let Ok(listing) = directory.read_dir() else { continue };
            for entry in listing.flatten() {
                entries += 1;
                if entries > ENTRIES_MAX {
                    return None;
                }
                let file_name = entry.file_name();
                let file_name = file_name.to_string_lossy();
                // As in glob(3): a star does not match a leading dot.
                if matches(name, &file_name) && (!file_name.starts_with('.') || name.starts_with('.')) {
                    next.push(entry.path());
                }
            }
        }
        found = next;
    }
    Some(found)
}
