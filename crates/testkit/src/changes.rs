//! What changed on a host since its fleet started: the listing of its overlay's upper layer against
//! an earlier listing. Overlayfs keeps every change there and nothing else, so this is exact.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::FleetError;

/// Everything about a file of the upper layer that a change could touch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    bytes: u64,
    device: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A listing of an upper layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing(BTreeMap<PathBuf, Entry>);

impl Listing {
    /// Lists an upper layer; paths are those on the host (`/etc/passwd`).
    pub(crate) fn of(upper: &Path) -> Result<Self, FleetError> {
        let mut listing = Self::default();
        let mut folders = vec![upper.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                // The host is alive: what was just seen may be gone.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(FleetError::file("list", &folder)(source)),
            };
            for entry in entries {
                let path = entry.map_err(FleetError::file("list", &folder))?.path();
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                let on_host = Path::new("/").join(path.strip_prefix(upper).unwrap_or(&path));
                listing.0.insert(on_host, Entry::of(&metadata));
            }
        }
        Ok(listing)
    }

    /// Returns the paths that are new, gone or different in `later`, sorted.
    pub(crate) fn changes(&self, later: &Self) -> Vec<PathBuf> {
        let gone = self.0.keys().filter(|path| !later.0.contains_key(*path));
        let different = later.0.iter().filter(|(path, entry)| self.0.get(*path) != Some(entry));
        let mut paths: Vec<_> = gone.chain(different.map(|(path, _)| path)).cloned().collect();
        paths.sort();
        paths
    }
}

impl Entry {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            bytes: metadata.len(),
            device: metadata.rdev(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            // Overlayfs itself keeps attributes of its own on folders of the upper layer and touches
            // them when somebody merely looks: a folder's mode, owner and entries tell enough.
            changed: if metadata.is_dir() { (0, 0) } else { (metadata.ctime(), metadata.ctime_nsec()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_gone_and_different_paths_are_listed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        for name in ["same", "grows", "goes"] {
            write(name, "x");
        }
        let before = Listing::of(folder.path()).expect("a listing");
        assert!(before.changes(&Listing::of(folder.path()).expect("a listing")).is_empty());
        write("grows", "xx");
        write("new", "x");
        fs::remove_file(folder.path().join("goes")).expect("removed");
        let changes = before.changes(&Listing::of(folder.path()).expect("a listing"));
        assert_eq!(changes, ["/goes", "/grows", "/new"].map(PathBuf::from));
    }
}
