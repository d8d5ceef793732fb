//! A local apt repository of exercise packages: real `.deb` files that do nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::command::{clean, run};
use crate::error::FleetError;

/// The time stamp of every file in a package, so that the same package has the same bytes: 2026-01-01.
const SOURCE_DATE_EPOCH: &str = "1767225600";

/// A package to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExercisePackage {
    /// Its name (Debian Policy 5.6.7).
    pub name: String,
    /// Its version (Debian Policy 5.6.12).
    pub version: String,
    /// Its source package, where it has another name.
    pub source: Option<String>,
}

impl ExercisePackage {
    /// Joins a name and a version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), source: None }
    }

    fn check(&self) -> Result<(), AptError> {
        let fail = |word: &str| Err(AptError::BadPackage { word: word.to_owned() });
        for name in std::iter::once(&self.name).chain(&self.source) {
            let is_allowed =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
            let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
            if !(name.len() > 1 && first && name.bytes().all(is_allowed)) {
                return fail(name);
            }
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~".contains(&byte);
        let first = self.version.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        if first && self.version.bytes().all(is_allowed) { Ok(()) } else { fail(&self.version) }
    }

    /// The name of its file; an epoch does not go into it.
    fn file_name(&self) -> String {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        format!("{}_{version}_all.deb", self.name)
    }

    fn control(&self) -> String {
        let source = self.source.as_ref().map(|source| format!("Source: {source}\n")).unwrap_or_default();
        format!(
            "Package: {}\n{source}Version: {}\nArchitecture: all\nSection: misc\nPriority: optional\n\
             Maintainer: ifrit test fleet <nobody@localhost>\n\
             Description: exercise package, does nothing\n \
             Built by the test fleet of ifrit, so that there is something to patch.\n \
             It holds one text file and no program.\n",
            self.name, self.version
        )
    }
}

/// A repository could not be built.
#[derive(Debug, Error)]
pub enum AptError {
    /// A name or a version that dpkg would refuse.
    #[error("`{}` is no name or version of a Debian package", word.escape_default())]
    BadPackage {
        /// The word.
        word: String,
    },
    /// A file could not be written or read.
    #[error("cannot write or read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// `dpkg-deb` (Debian package dpkg) could not build a package.
    #[error("cannot build the package `{package}`")]
    Build {
        /// The package's file name.
        package: String,
        /// What `dpkg-deb` said.
        #[source]
        source: Box<FleetError>,
    },
}

/// A folder that apt reads with `deb [trusted=yes] file:/FOLDER ./`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptRepository {
    folder: PathBuf,
    packages: Vec<ExercisePackage>,
}

impl AptRepository {
    /// Builds the packages into a folder and writes its index (`Packages`; Debian's repository format).
    ///
    /// # Errors
    /// [`AptError`].
    pub fn build(folder: &Path, packages: &[ExercisePackage]) -> Result<Self, AptError> {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
        let mut index = String::new();
        for package in packages {
            package.check()?;
            index += &build(folder, package)?;
        }
        let path = folder.join("Packages");
        fs::write(&path, index).map_err(file_error(&path))?;
        Ok(Self { folder: folder.to_owned(), packages: packages.to_vec() })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the `.deb` file of a package, if the repository has that version of it.
    pub fn deb(&self, name: &str, version: &str) -> Option<PathBuf> {
        let wanted = |package: &&ExercisePackage| package.name == name && package.version == version;
        self.packages.iter().find(wanted).map(|package| self.folder.join(package.file_name()))
    }

    /// Returns the line for a `sources.list` on this machine.
    pub fn sources_line(&self) -> String {
        format!("deb [trusted=yes] file:{} ./", self.folder.display())
    }
}

/// Builds one package and returns its paragraph of the index.
fn build(folder: &Path, package: &ExercisePackage) -> Result<String, AptError> {
    let tree = tempfile::tempdir().map_err(file_error(Path::new("a temporary folder")))?;
    let note = format!("usr/share/doc/{}/README", package.name);
    let text = format!("{} {}: an exercise package. It does nothing.\n", package.name, package.version);
    for (name, content) in [("DEBIAN/control", package.control()), (note.as_str(), text)] {
        let path = tree.path().join(name);
        let parent = path.parent().unwrap_or(tree.path());
        fs::create_dir_all(parent).map_err(file_error(parent))?;
        fs::write(&path, content).map_err(file_error(&path))?;
    }
    let name = package.file_name();
    // As dh_md5sums(1) writes them: without them nobody could tell a tampered file.
    let sums = "cd \"$1\" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums";
    run(clean("sh").args(["-c", sums, "sh"]).arg(tree.path())).map_err(build_error(&name))?;
    let deb = folder.join(&name);
    let mut command = clean("dpkg-deb");
    command.env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH);
    // A temporary folder is 0700; a package must not carry that mode to the host's `/`.
    run(clean("chmod").arg("-R").arg("u=rwX,go=rX").arg(tree.path())).map_err(build_error(&name))?;
    run(command.args(["--root-owner-group", "-Zgzip", "--build"]).arg(tree.path()).arg(&deb))
        .map_err(build_error(&name))?;
    let bytes = fs::read(&deb).map_err(file_error(&deb))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let control = package.control();
    Ok(format!("{control}Filename: ./{name}\nSize: {}\nSHA256: {digest}\n\n", bytes.len()))
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> AptError {
    move |source| AptError::File { path: path.to_owned(), source }
}

fn build_error(package: &str) -> impl FnOnce(FleetError) -> AptError {
    move |source| AptError::Build { package: package.to_owned(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_checked() {
        let check = |name: &str, version: &str| ExercisePackage::new(name, version).check().is_ok();
        assert!(check("ifrit-exercise", "1.0-1"));
        assert!(check("ifrit-exercise", "2:1.0~rc1+b1"));
        for (name, version) in
            [("a", "1"), ("Up", "1"), ("a/b", "1"), ("ok", ""), ("ok", "v1"), ("ok", "1\nX: y")]
        {
            assert!(!check(name, version), "{name:?} {version:?} was accepted");
        }
    }

    #[test]
    fn an_epoch_is_not_in_the_file_name() {
        assert_eq!(
            ExercisePackage::new("ifrit-exercise", "2:1.0-1").file_name(),
            "ifrit-exercise_1.0-1_all.deb"
        );
    }
}
