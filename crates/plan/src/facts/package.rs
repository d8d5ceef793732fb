//! Building one installed package from a host's words.

use std::borrow::Cow;

use model::{Architecture, InstalledPackage, PackageName, Repository, Version};

use super::faults::{Faults, quote};

/// The packages taken from one host. (Debian's largest installations have about 10,000.)
pub(super) const PACKAGES_MAX: usize = 100_000;
/// The bytes of a package's name, version, architecture or repository.
const WORD_BYTES_MAX: usize = 256;

/// The words that make a package; an empty source or source version is the package's own.
#[derive(Debug, Default, Clone)]
pub(super) struct Words<'a> {
    pub name: Cow<'a, str>,
    pub version: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub source_version: Cow<'a, str>,
    pub architecture: Cow<'a, str>,
    pub repository: Cow<'a, str>,
}

/// The packages of one database.
#[derive(Debug, Default)]
pub(super) struct Packages {
    found: Vec<InstalledPackage>,
    dropped: usize,
}

impl Packages {
    /// Adds a package, or notes why its words cannot make one.
    pub(super) fn add(&mut self, words: &Words<'_>, faults: &mut Faults) {
        if self.found.len() >= PACKAGES_MAX {
            self.dropped += 1;
            return;
        }
        match build(words) {
            Ok(package) => self.found.push(package),
            Err(why) => faults.unreadable(why),
        }
    }

    /// Returns them sorted, each once.
    pub(super) fn finish(mut self, faults: &mut Faults) -> Vec<InstalledPackage> {
        if self.dropped > 0 {
            faults.unreadable(format!(
                "{} packages are beyond the limit of {PACKAGES_MAX} and were dropped",
                self.dropped
            ));
        }
        self.found.sort_unstable();
        self.found.dedup();
        self.found
    }
}

fn build<'a>(words: &'a Words<'_>) -> Result<InstalledPackage, String> {
    let name = word("name", &words.name, &words.name)?;
    let version = word("version", &words.version, &words.name)?;
    let optional = |what, text: &'a str, default: &'a str| {
        if text.is_empty() { Ok(default) } else { word(what, text, &words.name) }
    };
    Ok(InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(optional("source", &words.source, name)?),
        source_version: Version::new(optional("source version", &words.source_version, version)?),
        architecture: Architecture::new(optional("architecture", &words.architecture, "")?),
        repository: Repository::new(optional("repository", &words.repository, "")?),
    })
}

/// Checks a word: not empty, not too long, neither blanks nor control characters.
fn word<'a>(what: &str, text: &'a str, name: &str) -> Result<&'a str, String> {
    let package =
        || if name.is_empty() { "a package".to_owned() } else { format!("package {}", quote(name)) };
    if text.is_empty() {
        return Err(format!("{} has no {what}", package()));
    }
    if text.len() > WORD_BYTES_MAX {
        return Err(format!("{} has a {what} of {} bytes (at most {WORD_BYTES_MAX})", package(), text.len()));
    }
    if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(format!("{} has blanks or control characters in its {what} {}", package(), quote(text)));
    }
    Ok(text)
}

/// Splits bytes into lines of text. Bytes that are no UTF-8 are replaced, with a fault.
pub(super) fn lines<'a>(
    output: &'a [u8],
    faults: &mut Faults,
) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
    if std::str::from_utf8(output).is_err() {
        faults.unreadable("the answer holds bytes that are no UTF-8; they were replaced");
    }
    output.split(|byte| *byte == b'\n').map(String::from_utf8_lossy)
}
