//! The `.star` files of a workspace: which there are, how `load` names them, their text.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use model::{Code, Place, Problem};

use crate::extension::Scope;
use crate::limits::{DATA_BYTES_MAX, DIRECTORY_DEPTH_MAX, DIRECTORY_ENTRIES_MAX, FILE_BYTES_MAX, FILES_MAX};

/// The directory whose files declare the inventory.
pub(crate) const INVENTORY: &str = "inventory";
/// The directory of deploys.
pub(crate) const DEPLOYS: &str = "deploys";
/// The directory of tests, beside those that lie among the deploys.
pub(crate) const TESTS: &str = "tests";
/// How the name of a file with tests ends.
const TEST_ENDING: &str = "_test.star";
/// The directory of inventory files that only others load.
const LIBRARY: &str = "inventory/lib/";
const ENDING: &str = ".star";

/// One `.star` file of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// The path from the root, with `/`.
    pub path: String,
    /// What is done with it.
    pub kind: FileKind,
}

impl SourceFile {
    /// Tells from a path from the root whether the file would be found there.
    pub(crate) fn new(path: &str) -> Option<Self> {
        let is_known = [INVENTORY, DEPLOYS].iter().any(|it| path.split('/').next() == Some(it));
        let is_found = is_known && check_path(path).is_ok() && !path.split('/').any(|it| it.starts_with('.'));
        is_found.then(|| Self { path: path.to_owned(), kind: FileKind::of(path) })
    }
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Its top-level statements declare the inventory.
    Inventory,
    /// It may define `deploy`.
    Deploy,
    /// Its functions `test_...` test deploys: its name ends in `_test.star`, and it lies in `deploys/` or
    /// `tests/`.
    Test,
    /// Only other files load it: it lies in `inventory/lib/` or its name begins with `_`.
    Library,
}

impl FileKind {
    /// Tells from the path what is done with a file.
    pub(crate) fn of(path: &str) -> Self {
        let is_private = path.rsplit('/').next().is_some_and(|name| name.starts_with('_'));
        let directory = path.split('/').next();
        match directory {
            _ if is_private || path.starts_with(LIBRARY) => Self::Library,
            Some(DEPLOYS | TESTS) if path.ends_with(TEST_ENDING) => Self::Test,
            Some(INVENTORY) => Self::Inventory,
            Some(DEPLOYS) => Self::Deploy,
            _ => Self::Library,
        }
    }
}

/// Tells from the path which functions a file sees.
pub(crate) fn scope_of(path: &str) -> Scope {
    match path.split('/').next() {
        Some(INVENTORY) => Scope::Inventory,
        Some(TESTS) => Scope::Tests,
        Some(DEPLOYS) if FileKind::of(path) == FileKind::Test => Scope::Tests,
        Some(DEPLOYS) => Scope::Deploys,
        _ => Scope::Everywhere,
    }
}

/// Says whether a path from the root leads into `inventory/` or `deploys/`.
pub(crate) fn is_source(path: &str) -> bool {
    path.split_once('/').is_some_and(|(directory, _)| [INVENTORY, DEPLOYS].contains(&directory))
}

/// Returns the paths of all files in `inventory/` and `deploys/`, whatever their names, sorted: what a
/// self-contained workspace ([`crate::Workspace::is_self_contained`]) is made from. `None` where they
/// cannot all be told: something is no plain file, cannot be listed, or is too much.
pub fn source_paths(root: &Path) -> Option<Vec<String>> {
    let mut paths = Vec::new();
    let mut directories: Vec<(String, usize)> = Vec::new();
    for directory in [INVENTORY, DEPLOYS] {
        match fs::symlink_metadata(root.join(directory)) {
            Ok(about) if about.is_dir() => directories.push((directory.to_owned(), 1)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(_) | Err(_) => return None,
        }
    }
    let mut entries = 0;
    while let Some((directory, depth)) = directories.pop() {
        for entry in fs::read_dir(root.join(&directory)).ok()? {
            let entry = entry.ok()?;
            entries += 1;
            let path = format!("{directory}/{}", entry.file_name().to_str()?);
            match entry.file_type().ok()? {
                _ if entries > DIRECTORY_ENTRIES_MAX || depth > DIRECTORY_DEPTH_MAX => return None,
                kind if kind.is_dir() => directories.push((path, depth + 1)),
                kind if kind.is_file() => paths.push(path),
                _ => return None,
            }
        }
    }
    paths.sort();
    Some(paths)
}

/// Finds every `.star` file in `inventory/` and `deploys/`, sorted by path.
pub(crate) fn find(root: &Path) -> (Vec<SourceFile>, Vec<Problem>) {
    find_in(root, [INVENTORY, DEPLOYS])
}

/// Finds every `.star` file in `deploys/` and `tests/`, sorted by path.
pub(crate) fn find_tested(root: &Path) -> (Vec<SourceFile>, Vec<Problem>) {
    find_in(root, [DEPLOYS, TESTS])
}

fn find_in(root: &Path, directories: [&str; 2]) -> (Vec<SourceFile>, Vec<Problem>) {
    let mut walk = Walk { root, files: Vec::new(), problems: Vec::new(), entries: 0 };
    for directory in directories {
        match fs::symlink_metadata(root.join(directory)) {
            Ok(about) if about.is_dir() => walk.directory(directory, 1),
            Ok(_) => walk.refuse(directory, "expected a directory, got a file or a symbolic link"),
            // A workspace without deploys (or with nothing yet) is a workspace.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => walk.refuse(directory, &format!("cannot be looked at: {error}")),
        }
    }
    walk.files.sort();
    (walk.files, walk.problems)
}

struct Walk<'a> {
    root: &'a Path,
    files: Vec<SourceFile>,
    problems: Vec<Problem>,
    entries: usize,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, depth: usize) {
        if depth > DIRECTORY_DEPTH_MAX {
            let message =
                format!("lies deeper than {DIRECTORY_DEPTH_MAX} directories; nothing in it was read");
            return self.limit(path, message);
        }
        let entries = match fs::read_dir(self.root.join(path)) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(path, &format!("the directory cannot be read: {error}")),
        };
        let mut names = Vec::new();
        for entry in entries {
            self.entries += 1;
            if self.entries > DIRECTORY_ENTRIES_MAX {
                let message =
                    format!("more than {DIRECTORY_ENTRIES_MAX} directory entries; the rest was not read");
                return self.limit(path, message);
            }
            match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                Ok((name, kind)) => names.push((name, kind)),
                Err(error) => self.refuse(path, &format!("an entry cannot be read: {error}")),
            }
        }
        // The order of a directory is the file system's; ours is the same everywhere.
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, kind) in names {
            self.entry(path, &name.to_string_lossy(), kind, depth);
        }
    }

    fn entry(&mut self, directory: &str, name: &str, kind: fs::FileType, depth: usize) {
        let path = format!("{directory}/{name}");
        if name.starts_with('.') {
            return;
        }
        if kind.is_dir() {
            return self.directory(&path, depth + 1);
        }
        if !name.ends_with(ENDING) {
            return;
        }
        if let Err(why) = check_path(&path) {
            return self.refuse(&path, &why);
        }
        if !kind.is_file() {
            return self
                .refuse(&path, "expected a file, got a symbolic link or something else; it was not read");
        }
        if self.files.len() < FILES_MAX {
            let kind = FileKind::of(&path);
            self.files.push(SourceFile { path, kind });
        } else if self.problems.iter().all(|problem| problem.code != Code::WorkspaceLimit) {
            self.limit(
                &path,
                format!("more than {FILES_MAX} .star files; this one and the rest were not read"),
            );
        }
    }

    fn refuse(&mut self, path: &str, message: &str) {
        let place = Place::File { path: path.to_owned() };
        self.problems.push(Problem::new(Code::WorkspaceUnreadable, place, message));
    }

    fn limit(&mut self, path: &str, message: String) {
        let place = Place::File { path: path.to_owned() };
        self.problems.push(Problem::new(Code::WorkspaceLimit, place, message));
    }
}

/// Reads a file below the root as text.
pub(crate) fn read(root: &Path, path: &str) -> Result<String, Problem> {
    let unreadable =
        |why: String| Problem::new(Code::WorkspaceUnreadable, Place::File { path: path.to_owned() }, why);
    let whole = real_file(root, path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let file = File::open(whole).map_err(|error| unreadable(format!("cannot be opened: {error}")))?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large(path));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("expected UTF-8 text, got another byte in line {line}"))
    })
}

/// Reads a file of the workspace, which a deploy names: a body or a template.
///
/// # Errors
/// Why not: the path leaves the workspace, there is no such file, it is larger than 16 MiB.
pub fn read_asset(root: &Path, path: &str) -> Result<Vec<u8>, String> {
    check_parts(path).map_err(str::to_owned)?;
    let whole = real_file(root, path)?;
    let unreadable = |error| format!("cannot be read: {error}");
    let limit = u64::try_from(DATA_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(whole).map_err(unreadable)?.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > DATA_BYTES_MAX {
        return Err(format!("it is larger than {DATA_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

/// Says that a file is larger than it may be.
pub(crate) fn too_large(path: &str) -> Problem {
    let message = format!("the file is larger than {FILE_BYTES_MAX} bytes");
    Problem::new(Code::WorkspaceLimit, Place::File { path: path.to_owned() }, message)
}

/// Makes sure that no part of the path is a symbolic link, so that it does not leave the root, and
/// that it ends in a regular file, so that reading it does not wait for a pipe.
pub(crate) fn real_file(root: &Path, path: &str) -> Result<PathBuf, String> {
    let mut whole = root.to_path_buf();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        whole.push(part);
        let about = fs::symlink_metadata(&whole).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => format!("cannot be looked at: {error}"),
        })?;
        let is_last = parts.peek().is_none();
        let is_right = if is_last { about.is_file() } else { about.is_dir() };
        if !is_right {
            return Err(format!("`{part}` is a symbolic link or otherwise not a plain file or directory"));
        }
    }
    Ok(whole)
}

/// Resolves what `load` names: `//path/from/the/root.star`, or a path from the loading file's directory.
pub(crate) fn resolve(from: &str, named: &str) -> Result<String, String> {
    let path = match named.strip_prefix("//") {
        Some(path) => path.to_owned(),
        None => match from.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{named}"),
            None => named.to_owned(),
        },
    };
    check_path(if named.starts_with("//") { &path } else { named })?;
    Ok(path)
}

fn check_path(path: &str) -> Result<(), String> {
    check_parts(path).map_err(|why| {
        format!("expected `//path/from/the/root.star` or a path below the file's own directory; {why}")
    })?;
    if !path.ends_with(ENDING) {
        return Err(format!("expected a name that ends in {ENDING}"));
    }
    Ok(())
}

/// Makes sure that a path stays below the directory that it starts in.
pub(crate) fn check_parts(path: &str) -> Result<(), &'static str> {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let is_safe = |letter: char| {
        !letter.is_control() && !"\\:".contains(letter) && letter != char::REPLACEMENT_CHARACTER
    };
    if !path.split('/').all(is_plain) || !path.chars().all(is_safe) {
        return Err("`..`, absolute paths, `\\`, `:` and control characters are not possible");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, named: &str, expected: Option<&str>) {
        assert_eq!(resolve(from, named).ok().as_deref(), expected, "{named} from {from}");
    }

    #[test]
    fn load_paths_stay_below_the_root() {
        check("inventory/a.star", "b.star", Some("inventory/b.star"));
        check("inventory/a.star", "lib/b.star", Some("inventory/lib/b.star"));
        check("inventory/a.star", "//deploys/b.star", Some("deploys/b.star"));
        for bad in [
            "../b.star",
            "/etc/b.star",
            "///etc/b.star",
            "//../b.star",
            "./b.star",
            "a//b.star",
            "",
            "//",
            "b",
            "b.py",
            "a\\b.star",
            "@x//b.star:b",
            "a/../../b.star",
            "a\0.star",
        ] {
            check("inventory/a.star", bad, None);
        }
    }

    #[test]
    fn kinds() {
        for (path, kind) in [
            ("inventory/a.star", FileKind::Inventory),
            ("inventory/acme/a.star", FileKind::Inventory),
            ("inventory/_a.star", FileKind::Library),
            ("inventory/lib/a.star", FileKind::Library),
            ("deploys/a.star", FileKind::Deploy),
            ("deploys/_a.star", FileKind::Library),
            ("deploys/a_test.star", FileKind::Test),
            ("deploys/_a_test.star", FileKind::Library),
            ("tests/web/a_test.star", FileKind::Test),
            ("tests/a.star", FileKind::Library),
            ("inventory/a_test.star", FileKind::Inventory),
            ("other/a.star", FileKind::Library),
        ] {
            assert_eq!(FileKind::of(path), kind, "{path}");
        }
    }
}
