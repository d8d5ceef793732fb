//! Files of the workspace that deploys take, each read once for all hosts: all of them get the same bytes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The most that is kept of files, in bytes: 32 MiB. What is more is read for each host.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// The files that were read so far.
#[derive(Debug)]
pub(super) struct Assets {
    root: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<String, Result<Vec<u8>, String>>,
    bytes: usize,
}

impl Assets {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), kept: Mutex::default() }
    }

    /// Returns the content of a file, or why it cannot be read.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // Nothing panics with the lock in hand; what is kept is whole in any case.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.files.get(path) {
            return known.clone();
        }
        let read = lang::read_asset(&self.root, path);
        let bytes = path.len() + read.as_ref().map_or_else(String::len, Vec::len);
        if kept.bytes.saturating_add(bytes) <= KEPT_BYTES_MAX {
            kept.bytes += bytes;
            kept.files.insert(path.to_owned(), read.clone());
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_gets_the_same_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("motd"), "one").expect("written");
        let assets = Assets::new(folder.path());
        assert_eq!(assets.read("motd").as_deref(), Ok(&b"one"[..]));
        std::fs::write(folder.path().join("motd"), "two").expect("written");
        assert_eq!(assets.read("motd").as_deref(), Ok(&b"one"[..]));
        assert!(assets.read("../motd").is_err() && assets.read("gone").is_err());
        // Of what is too large to keep, nothing is kept, and it is read all the same.
        for name in ["huge", "huge-2", "huge-3"] {
            std::fs::write(folder.path().join(name), vec![b'x'; 15 << 20]).expect("written");
            assert_eq!(assets.read(name).map(|it| it.len()), Ok(15 << 20));
        }
        let kept = assets.kept.lock().expect("no panic");
        assert!(kept.bytes <= KEPT_BYTES_MAX && kept.files.contains_key("huge-2"));
        assert!(!kept.files.contains_key("huge-3"));
    }
}
