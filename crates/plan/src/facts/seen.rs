//! What the parsers saw, before it is put together.

use std::collections::BTreeMap;

use model::{InstalledPackage, Observed, OsRelease, Software};

use super::apk::ApkRepository;
use super::faults::{Faults, quote};
use super::freebsd::FreebsdVersions;
use super::observed::boot::Boot;
use super::package::lines;

/// The bytes of one word of uname(1) or etc/alpine-release.
const WORD_BYTES_MAX: usize = 256;

/// The parsed answers. `None` and empty = not asked, not there or not readable.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub os_release: Option<OsRelease>,
    /// etc/alpine-release: `3.20.3`.
    pub alpine_release: Option<String>,
    pub freebsd: FreebsdVersions,
    /// `uname -s`, `-r`, `-m`.
    pub uname: Option<[String; 3]>,
    pub apk_packages: Option<Vec<InstalledPackage>>,
    pub apk_repositories: Vec<ApkRepository>,
    /// Tags of etc/apk/world by package.
    pub apk_tags: BTreeMap<String, String>,
    pub dpkg_packages: Option<Vec<InstalledPackage>>,
    pub pkg_packages: Option<Vec<InstalledPackage>>,
    pub boot: Boot,
    pub software: Vec<Software>,
    /// How many facts about software were whole.
    pub software_answers: usize,
    /// What version commands printed, by their numbers.
    pub version_commands: Option<Vec<(usize, Vec<String>)>>,
    /// Without what comes of `boot`.
    pub observed: Observed,
}

/// Reads etc/alpine-release.
pub(super) fn read_alpine_release(seen: &mut Seen, output: &[u8], faults: &mut Faults) {
    seen.alpine_release = lines(output, faults).next().and_then(|line| word(line.trim(), faults));
}

/// Reads the three words of `uname -s -r -m`, on one line or three.
pub(super) fn read_kernel(seen: &mut Seen, output: &[u8], faults: &mut Faults) {
    let text: Vec<_> = lines(output, faults).take(4).collect();
    let found: Vec<_> = text.iter().flat_map(|line| line.split_whitespace()).take(4).collect();
    let [name, running, machine] = found[..] else {
        return faults.unreadable(format!("expected 3 words of uname, got {}", found.len()));
    };
    let mut read = |text: &str| word(text, faults);
    if let (Some(name), Some(running), Some(machine)) = (read(name), read(running), read(machine)) {
        seen.uname = Some([name, running, machine]);
    }
}

fn word(text: &str, faults: &mut Faults) -> Option<String> {
    let is_good = !text.is_empty() && text.len() <= WORD_BYTES_MAX && !text.chars().any(char::is_control);
    if !is_good {
        faults.unreadable(format!("expected a word, got {}", quote(text)));
    }
    is_good.then(|| text.to_owned())
}
