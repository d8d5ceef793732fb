//! Reading an offline root directory (an unpacked image, a mounted disk).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use plan::{RootFiles, UnreadableFile};
use rustix::fs::OFlags;
use thiserror::Error;

/// The bytes read of one file, and of all files of a directory: 64 MiB.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The files read of one directory.
const DIRECTORY_FILES_MAX: usize = 20_000;
/// The links followed for one path, as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Why a root directory could not be read.
#[derive(Debug, Error)]
pub enum ReadRootError {
    /// It is no directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// It cannot be looked at.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads the files that the parsers want, blocking. Never leaves the directory: links are resolved
/// within it, as if it were the root (an image's etc/os-release is often a link to
/// /usr/lib/os-release). A file that is there and cannot be read is named in
/// [`RootFiles::unreadable`]. Who can change the directory meanwhile can still make it read other
/// files of it.
///
/// # Errors
/// [`ReadRootError`] where the directory itself is none or cannot be looked at.
pub fn read_root(directory: &Path) -> Result<RootFiles, ReadRootError> {
    let unreadable = |source| ReadRootError::Unreadable { path: directory.to_owned(), source };
    let base = directory.canonicalize().map_err(unreadable)?;
    if !base.metadata().map_err(unreadable)?.is_dir() {
        return Err(ReadRootError::NotADirectory { path: directory.to_owned() });
    }
    let mut root = Root { base, unreadable: Vec::new() };
    let mut files = RootFiles {
        os_release: root.read("etc/os-release").or_else(|| root.read("usr/lib/os-release")),
        alpine_release: root.read("etc/alpine-release"),
        freebsd_version: root.read("bin/freebsd-version"),
        apk_installed: root.read_all(&["lib/apk/db/installed", "usr/lib/apk/db/installed"]),
        apk_repositories: root.read("etc/apk/repositories"),
        apk_world: root.read("etc/apk/world"),
        dpkg_status: root.read("var/lib/dpkg/status"),
        has_pkg_database: matches!(root.find("var/db/pkg/local.sqlite"), Ok(Some(_))),
        texts: root.read_texts(),
        listed: root.list_names(),
        unreadable: Vec::new(),
    };
    if let Some(stanzas) = root.read_directory("var/lib/dpkg/status.d") {
        join(&mut files.dpkg_status, &stanzas);
    }
    files.unreadable = root.unreadable;
    Ok(files)
}

/// Adds a text after another, with a blank line between.
fn join(text: &mut Option<Vec<u8>>, more: &[u8]) {
    let text = text.get_or_insert_default();
    text.extend_from_slice(b"\n\n");
    text.extend_from_slice(more);
}

struct Root {
    base: PathBuf,
    unreadable: Vec<UnreadableFile>,
}

impl Root {
    /// Reads a file; `None` where it is not there or cannot be read.
    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        let read = self.find(path).and_then(|found| found.map(|file| read_capped(&file)).transpose());
        read.unwrap_or_else(|error| {
            self.note(path, &error);
            None
        })
    }

    /// Reads files one after the other, each once: one may be a link to another.
    fn read_all(&mut self, paths: &[&str]) -> Option<Vec<u8>> {
        let mut seen = Vec::new();
        let mut all = None;
        for path in paths {
            let place = self.find(path).ok().flatten();
            if place.is_some() && seen.contains(&place) {
                continue;
            }
            seen.push(place);
            if let Some(text) = self.read(path) {
                join(&mut all, &text);
            }
        }
        all
    }

    /// Reads the files of a directory one after the other, without those that hold checksums.
    fn read_directory(&mut self, path: &str) -> Option<Vec<u8>> {
        let names = match self.find(path).and_then(|found| found.as_deref().map(file_names).transpose()) {
            Ok(names) => names?,
            Err(error) => {
                self.note(path, &error);
                return None;
            }
        };
        let mut all = None;
        for name in names {
            let Some(name) = name.to_str().filter(|name| !name.ends_with(".md5sums")) else { continue };
            if let Some(text) = self.read(&format!("{path}/{name}")) {
                join(&mut all, &text);
            }
            let bytes = all.as_ref().map_or(0, Vec::len) as u64;
            if bytes > FILE_BYTES_MAX {
                self.note(path, &too_large());
                break;
            }
        }
        all
    }

    /// Reads the text files that plan names; their paths begin with a slash.
    fn read_texts(&mut self) -> BTreeMap<String, Vec<u8>> {
        let mut paths: Vec<String> = plan::ROOT_TEXT_FILES.map(str::to_owned).to_vec();
        for folder in plan::ROOT_TEXT_FOLDERS {
            paths.extend(self.list(folder).iter().map(|name| format!("{folder}/{name}")));
        }
        let mut texts = BTreeMap::new();
        self.read_into(&mut texts, paths);
        let homes = texts.get("/etc/passwd").map_or_else(Vec::new, |passwd| plan::key_files(passwd));
        self.read_into(&mut texts, homes);
        texts
    }

    fn read_into(&mut self, texts: &mut BTreeMap<String, Vec<u8>>, paths: Vec<String>) {
        let mut bytes: usize = texts.values().map(Vec::len).sum();
        for path in paths {
            // A folder in a folder of files is not looked into.
            let is_folder = matches!(self.find(&path), Ok(Some(found)) if found.is_dir());
            if is_folder || texts.contains_key(&path) {
                continue;
            }
            if bytes as u64 > FILE_BYTES_MAX {
                self.note(&path, &too_large());
            } else if let Some(text) = self.read(&path) {
                bytes += text.len();
                texts.insert(path, text);
            }
        }
    }

    /// Lists the folders of which only names count.
    fn list_names(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for (folder, is_deep) in plan::ROOT_LISTED {
            let names = self.list(folder).into_iter().map(|name| format!("{folder}/{name}"));
            for path in names.collect::<Vec<_>>() {
                if is_deep {
                    all.extend(self.list(&path).iter().map(|name| format!("{path}/{name}")));
                } else {
                    all.push(path);
                }
            }
            all.truncate(DIRECTORY_FILES_MAX);
        }
        all
    }

    /// Lists a folder; nothing where it is none.
    fn list(&mut self, path: &str) -> Vec<String> {
        let names = match self.find(path).and_then(|found| found.as_deref().map(file_names).transpose()) {
            Ok(names) => names.unwrap_or_default(),
            Err(error) if is_absence(&error) => Vec::new(),
            Err(error) => {
                self.note(path, &error);
                Vec::new()
            }
        };
        names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    fn note(&mut self, path: &str, error: &io::Error) {
        self.unreadable.push(UnreadableFile { path: path.to_owned(), why: error.to_string() });
    }

    /// Resolves a path within the root; `None` where nothing is there.
    fn find(&self, path: &str) -> io::Result<Option<PathBuf>> {
        let mut rest: Vec<OsString> = components(Path::new(path));
        let mut found = self.base.clone();
        let mut links_left = LINKS_MAX;
        while let Some(name) = rest.pop() {
            if name == ".." {
                if found != self.base {
                    found.pop();
                }
                continue;
            }
            let next = found.join(&name);
            let metadata = match next.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(error) if is_absence(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            if !metadata.is_symlink() {
                found = next;
                continue;
            }
            links_left = links_left.checked_sub(1).ok_or_else(|| io::Error::other("too many links"))?;
            let target = next.read_link()?;
            if target.is_absolute() {
                found.clone_from(&self.base);
            }
            rest.extend(components(&target));
        }
        Ok(Some(found))
    }
}

/// Returns the steps of a path, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    let mut steps: Vec<_> = path.components().filter_map(step).collect();
    steps.reverse();
    steps
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn too_large() -> io::Error {
    io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))
}

/// Reads a resolved file. It must be a regular one: a device or a pipe could block or never end.
fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX { Err(too_large()) } else { Ok(text) }
}

/// Lists a directory, sorted, at most [`DIRECTORY_FILES_MAX`].
fn file_names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in path.read_dir()?.take(DIRECTORY_FILES_MAX) {
        names.push(entry?.file_name());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests;
