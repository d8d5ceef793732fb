//! The files of a workspace's folder, for what sends a whole folder to a host.

use std::fs;
use std::path::Path;

use crate::files::check_parts;

/// The most files of one folder.
const FOLDER_FILES_MAX: usize = 1_000;
/// How deep its folders may lie.
const FOLDER_DEPTH_MAX: usize = 16;

/// Lists the files below a folder of a workspace, as paths from that folder, sorted.
///
/// # Errors
/// It is no folder, has too much in it, or something in it is neither a folder nor a plain file: links
/// are refused, so that nothing from outside the workspace travels.
pub fn list_assets(root: &Path, folder: &str) -> Result<Vec<String>, String> {
    check_parts(folder).map_err(str::to_owned)?;
    let mut whole = root.to_path_buf();
    for part in folder.split('/') {
        whole.push(part);
        let about = fs::symlink_metadata(&whole).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
            _ => format!("cannot be looked at: {error}"),
        })?;
        if !about.is_dir() {
            return Err("expected a folder, got a file, a link or something else".to_owned());
        }
    }
    let mut found = Vec::new();
    walk(&whole, "", 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) -> Result<(), String> {
    if depth > FOLDER_DEPTH_MAX {
        return Err(format!("{prefix} lies deeper than {FOLDER_DEPTH_MAX} folders"));
    }
    let unreadable = |error: std::io::Error| format!("{prefix} cannot be read: {error}");
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| format!("{prefix} has a name that is not UTF-8"))?;
        let path = format!("{prefix}{name}");
        check_parts(&path).map_err(|why| format!("{path}: {why}"))?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, found)?;
        } else if !kind.is_file() {
            return Err(format!("{path} is neither a folder nor a plain file"));
        } else if found.len() >= FOLDER_FILES_MAX {
            return Err(format!("it has more than {FOLDER_FILES_MAX} files"));
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_in_order_and_links_are_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(root.path().join("files/site/b")).expect("a directory");
        for path in ["files/site/b/x", "files/site/a", "files/site/c"] {
            fs::write(root.path().join(path), "x").expect("a file");
        }
        let list = |folder: &str| list_assets(root.path(), folder);
        assert_eq!(list("files/site").expect("a list"), ["a", "b/x", "c"]);
        for bad in ["files/none", "files/site/a", "../files", "/etc", "files/./site"] {
            list(bad).expect_err(bad);
        }
        std::os::unix::fs::symlink("/etc", root.path().join("files/site/b/link")).expect("a link");
        list("files/site").expect_err("a link");
    }
}
