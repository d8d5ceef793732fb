//! dpkg: the answer of `dpkg-query` and, for an offline root, the status file.
//!
//! Formats: dpkg-query(1); deb822(5) for the status file, whose `Status` field is described in
//! dpkg(1), "Package states".

use std::borrow::Cow;

use model::InstalledPackage;

use super::faults::{Faults, quote};
use super::package::{Packages, Words, lines};

/// Reads lines of `Status-Abbrev, Package, Version, source:Package, source:Version, Architecture`.
/// Packages of which nothing but configuration is left are skipped.
pub(super) fn parse_query(output: &[u8], faults: &mut Faults) -> Vec<InstalledPackage> {
    let mut packages = Packages::default();
    for line in lines(output, faults).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [status, name, version, source, source_version, architecture] = fields[..] else {
            faults.unreadable(format!("expected 6 fields, got {} in {}", fields.len(), quote(&line)));
            continue;
        };
        // The second letter is the state: `n`ot installed, only `c`onfiguration left.
        match status.chars().nth(1) {
            None | Some(' ') => faults.unreadable(format!("no package state in {}", quote(&line))),
            Some('n' | 'c') => {}
            Some(_) => packages.add(
                &Words {
                    name: name.into(),
                    version: version.into(),
                    source: source.into(),
                    source_version: source_version.into(),
                    architecture: architecture.into(),
                    repository: Cow::Borrowed(""),
                },
                faults,
            ),
        }
    }
    packages.finish(faults)
}

/// Reads var/lib/dpkg/status. A stanza without `Status` counts as installed: images without a
/// package manager keep such ones in var/lib/dpkg/status.d.
pub(super) fn parse_status(output: &[u8], faults: &mut Faults) -> Vec<InstalledPackage> {
    let mut packages = Packages::default();
    let mut stanza = Stanza::default();
    for line in lines(output, faults) {
        if line.trim_end().is_empty() {
            std::mem::take(&mut stanza).finish(&mut packages, faults);
        } else {
            stanza.read_field(&line);
        }
    }
    stanza.finish(&mut packages, faults);
    packages.finish(faults)
}

#[derive(Default)]
struct Stanza {
    is_begun: bool,
    is_removed: bool,
    words: Words<'static>,
}

impl Stanza {
    fn read_field(&mut self, line: &str) {
        // Continuation lines begin with a blank; none of the fields read here has any.
        let Some((field, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else {
            return;
        };
        self.is_begun = true;
        let value = value.trim();
        let own = || Cow::Owned(value.to_owned());
        match field.to_ascii_lowercase().as_str() {
            "package" => self.words.name = own(),
            "version" => self.words.version = own(),
            "architecture" => self.words.architecture = own(),
            "status" => {
                let state = value.split_whitespace().nth(2);
                self.is_removed = matches!(state, Some("config-files" | "not-installed"));
            }
            // `Source: glibc` or, where the versions differ, `Source: glibc (2.36-9)`.
            "source" => {
                let (name, version) = value.split_once('(').unwrap_or((value, ""));
                self.words.source = Cow::Owned(name.trim().to_owned());
                self.words.source_version = Cow::Owned(version.trim_end_matches(')').trim().to_owned());
            }
            _ => {}
        }
    }

    fn finish(self, packages: &mut Packages, faults: &mut Faults) {
        if self.is_begun && !self.is_removed {
            packages.add(&self.words, faults);
        }
    }
}

#[cfg(test)]
mod tests;
