//! The files that a deploy can read: they are a part of what is approved.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The most files of a deploy's directory.
const FILES_MAX: usize = 20_000;
/// The most bytes of all of them: 256 MiB.
const BYTES_MAX: u64 = 256 << 20;
/// The bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Returns a hash of the names and contents of all files in a directory, in hexadecimal digits. Hidden files,
/// Python's caches and virtual environments do not count, nor do ifrit's own files: its database, its settings
/// and Starlark. A symbolic link counts with where it leads.
///
/// # Errors
/// What cannot be read, or that it is too much.
pub(super) fn hash(directory: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    list(directory, &mut files)?;
    files.sort();
    let (mut whole, mut left) = (Sha256::new(), BYTES_MAX);
    for path in &files {
        let name = path.strip_prefix(directory).unwrap_or(path).as_os_str().as_encoded_bytes();
        let content = hash_file(path, &mut left)?;
        whole.update((name.len() as u64).to_be_bytes());
        whole.update(name);
        whole.update(content);
    }
    Ok(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if is_other(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if kind.is_dir() {
            if !path.join("pyvenv.cfg").exists() {
                list(&path, files)?;
            }
        } else if kind.is_file() || kind.is_symlink() {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("{} holds more than {FILES_MAX} files", directory.display()));
        }
    }
    Ok(())
}

/// Says whether no deploy depends on a file or folder of this name.
fn is_other(name: &str) -> bool {
    let ends = [".pyc", ".star", ".db", ".db-wal", ".db-shm", ".db-journal"];
    name.starts_with('.')
        || ["__pycache__", "ifrit.toml", "pyinfra-debug.log"].contains(&name)
        || ends.iter().any(|end| name.ends_with(end))
}

fn hash_file(path: &Path, left: &mut u64) -> Result<[u8; 32], String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if path.is_symlink() {
        let target = fs::read_link(path).map_err(failed)?;
        let mut hash = Sha256::new_with_prefix(b"link ");
        hash.update(target.as_os_str().as_encoded_bytes());
        return Ok(hash.finalize().into());
    }
    let mut file = fs::File::open(path).map_err(failed)?;
    let (mut hash, mut chunk) = (Sha256::new_with_prefix(b"file "), vec![0; CHUNK_BYTES]);
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        *left = left.checked_sub(count as u64).ok_or_else(|| {
            format!(
                "the files beside the deploy are more than {BYTES_MAX} bytes; keep it in a folder of its own"
            )
        })?;
        hash.update(&chunk[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_deploy_reads_counts_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("deploy.py", "one");
        write("files/motd", "hello");
        let mut last = hash(folder.path()).expect("a hash");
        let mut check = |name: &str, text: &str, counts: bool| {
            write(name, text);
            let now = hash(folder.path()).expect("a hash");
            assert_eq!(now != last, counts, "{name}");
            last = now;
        };
        check("deploy.py", "two", true);
        check("files/motd", "hello!", true);
        check("files/new", "", true);
        check("__pycache__/deploy.cpython-311.pyc", "x", false);
        check(".git/HEAD", "x", false);
        check("ifrit.db", "x", false);
        check("ifrit.db-wal", "x", false);
        check("inventory/hosts.star", "x", false);
        check("venv/pyvenv.cfg", "x", false);
        check("venv/lib/site.py", "x", false);
        check("deploy.py", "two", false);
        assert!(hash(&folder.path().join("absent")).is_err());
    }
}
