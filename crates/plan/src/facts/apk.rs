//! apk: its database of installed packages, its repositories and its world.
//!
//! Format: apk-tools, `src/database.c` (`apk_db_read_fdb`): one field per line, a letter and a
//! colon, a blank line between packages. `s:` is the repository's tag, `r:` is *replaces*.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::{InstalledPackage, Repository};

use super::faults::Faults;
use super::package::{Packages, Words, lines};

/// The lines read of etc/apk/repositories and the words of etc/apk/world.
const ENTRIES_MAX: usize = 10_000;

/// A line of etc/apk/repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApkRepository {
    /// `edge` of a line `@edge https://...`; empty where packages come from it without being asked for.
    pub tag: String,
    /// The release in its URL (`3.20`, `edge`), where it has Alpine's form.
    pub release: Option<String>,
}

/// Reads lib/apk/db/installed. Unknown fields are ignored.
pub(super) fn parse_installed(output: &[u8], faults: &mut Faults) -> Vec<InstalledPackage> {
    let mut packages = Packages::default();
    let mut words = Words::default();
    let mut is_begun = false;
    for line in lines(output, faults) {
        if line.is_empty() {
            if std::mem::take(&mut is_begun) {
                packages.add(&std::mem::take(&mut words), faults);
            }
            continue;
        }
        is_begun |= read_field(&mut words, line);
    }
    if is_begun {
        packages.add(&words, faults);
    }
    packages.finish(faults)
}

/// Reads one line; says whether it belongs to the description of a package that is kept.
fn read_field<'a>(words: &mut Words<'a>, line: Cow<'a, str>) -> bool {
    let slot = match line.as_bytes() {
        [b'P', b':', ..] => &mut words.name,
        [b'V', b':', ..] => &mut words.version,
        [b'A', b':', ..] => &mut words.architecture,
        [b'o', b':', ..] => &mut words.source,
        [b's', b':', ..] => {
            words.repository = tag(&line[2..]).into();
            return true;
        }
        _ => return false,
    };
    *slot = match line {
        Cow::Borrowed(line) => Cow::Borrowed(&line[2..]),
        Cow::Owned(line) => Cow::Owned(line[2..].to_owned()),
    };
    true
}

/// Writes a tag as people do, so that it cannot be taken for a repository's name.
fn tag(text: &str) -> String {
    format!("@{}", text.trim_start_matches('@'))
}

/// Reads etc/apk/world: the tags that packages were asked for with (`pkg@edge`), by package.
pub(super) fn parse_world(output: &[u8], faults: &mut Faults) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for line in lines(output, faults).take(ENTRIES_MAX) {
        for word in line.split_whitespace() {
            let Some((name, tagged)) = word.split_once('@') else { continue };
            let name = name.split(['<', '>', '=', '~']).next().unwrap_or_default();
            // A version may stand on either side of the tag.
            let tagged = tagged.split(['<', '>', '=', '~']).next().unwrap_or_default();
            if !name.is_empty() && !tagged.is_empty() && tags.len() < ENTRIES_MAX {
                tags.insert(name.to_owned(), tag(tagged));
            }
        }
    }
    tags
}

/// Reads etc/apk/repositories.
pub(super) fn parse_repositories(output: &[u8], faults: &mut Faults) -> Vec<ApkRepository> {
    let mut repositories = Vec::new();
    for line in lines(output, faults).take(ENTRIES_MAX) {
        let mut words = line.split_whitespace().filter(|word| !word.starts_with("v3")).peekable();
        let tag = words.next_if(|word| word.starts_with('@')).unwrap_or_default().to_owned();
        let Some(url) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        repositories.push(ApkRepository { tag, release: release_of(url) });
    }
    repositories
}

/// Finds `v3.20` or `edge` among the path segments of a repository's URL.
fn release_of(url: &str) -> Option<String> {
    let number = |segment: &str| {
        let number = segment.strip_prefix('v')?;
        let (major, minor) = number.split_once('.')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(major) && is_number(minor)).then(|| number.to_owned())
    };
    url.split('/')
        .find_map(|segment| if segment == "edge" { Some("edge".to_owned()) } else { number(segment) })
}

/// Adds the tags of world to packages whose own entry has none (older databases).
pub(super) fn add_tags(packages: &mut [InstalledPackage], tags: &BTreeMap<String, String>) {
    for package in packages.iter_mut().filter(|package| package.repository.as_str().is_empty()) {
        if let Some(tag) = tags.get(package.name.as_str()) {
            package.repository = Repository::new(tag.as_str());
        }
    }
}

#[cfg(test)]
mod tests;
