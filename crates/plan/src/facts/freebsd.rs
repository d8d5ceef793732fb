//! FreeBSD: the versions of the base system and the answer of `pkg query`.

use std::borrow::Cow;

use model::InstalledPackage;

use super::faults::{Faults, quote};
use super::package::{Packages, Words, lines};

/// VuXML's name of the base system without the kernel.
const USERLAND: &str = "FreeBSD";
/// VuXML's name of the kernel.
const KERNEL: &str = "FreeBSD-kernel";
/// The bytes of a version of the base system.
const VERSION_BYTES_MAX: usize = 64;

/// What freebsd-version(1) says; `None` where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FreebsdVersions {
    /// `-u`: the userland.
    pub userland: Option<String>,
    /// `-k`: the kernel that the next boot will run; a jail has none.
    pub kernel_installed: Option<String>,
    /// `-r`: the kernel that runs.
    pub kernel_running: Option<String>,
}

/// Reads lines `u VERSION`, `k VERSION`, `r VERSION`.
pub(super) fn parse_versions(output: &[u8], faults: &mut Faults) -> FreebsdVersions {
    let mut versions = FreebsdVersions::default();
    for line in lines(output, faults).filter(|line| !line.is_empty()) {
        let (option, version) = line.split_once(' ').unwrap_or((&line, ""));
        let slot = match option {
            "u" => &mut versions.userland,
            "k" => &mut versions.kernel_installed,
            "r" => &mut versions.kernel_running,
            _ => {
                faults.unreadable(format!("expected `u`, `k` or `r` and a version, got {}", quote(&line)));
                continue;
            }
        };
        *slot = base_version(version, faults);
    }
    versions
}

/// Reads `USERLAND_VERSION="14.1-RELEASE-p5"` out of the script bin/freebsd-version itself.
pub(super) fn parse_userland_script(output: &[u8], faults: &mut Faults) -> FreebsdVersions {
    let quoted = lines(output, faults).find_map(|line| {
        line.strip_prefix("USERLAND_VERSION=").map(|value| value.trim_matches('"').to_owned())
    });
    match quoted {
        Some(version) => FreebsdVersions { userland: base_version(&version, faults), ..Default::default() },
        None => {
            faults.unreadable("bin/freebsd-version has no line USERLAND_VERSION=");
            FreebsdVersions::default()
        }
    }
}

fn base_version(text: &str, faults: &mut Faults) -> Option<String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    if text.is_empty() || text.len() > VERSION_BYTES_MAX || !text.bytes().all(is_word) {
        faults.unreadable(format!("{} is no version of the base system", quote(text)));
        return None;
    }
    Some(text.to_owned())
}

/// Returns the base system as the packages that VuXML speaks of. The kernel is the installed one:
/// in a jail there is none, it is the host's.
pub(super) fn base_packages(versions: &FreebsdVersions, faults: &mut Faults) -> Vec<InstalledPackage> {
    let mut packages = Packages::default();
    for (name, version) in [(USERLAND, &versions.userland), (KERNEL, &versions.kernel_installed)] {
        let Some(version) = version else { continue };
        match vuxml_version(version) {
            Some(version) => packages.add(
                &Words { name: name.into(), version: version.into(), ..Words::default() },
                faults,
            ),
            None => faults.unreadable(format!(
                "`{version}` is no release, so no advisory speaks of it: the base system's package {name} is not judged"
            )),
        }
    }
    packages.finish(faults)
}

/// Translates `14.1-RELEASE-p5` to `14.1_5` and `14.1-RELEASE` to `14.1`, as VuXML writes them.
pub(crate) fn vuxml_version(version: &str) -> Option<String> {
    let (number, rest) = version.split_once("-RELEASE")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !number.split('.').all(is_number) {
        return None;
    }
    match rest.strip_prefix("-p") {
        Some(patch) if is_number(patch) => Some(format!("{number}_{patch}")),
        None if rest.is_empty() => Some(number.to_owned()),
        _ => None,
    }
}

/// Reads lines of `name, version, origin, ABI, repository`.
pub(super) fn parse_packages(output: &[u8], faults: &mut Faults) -> Vec<InstalledPackage> {
    let mut packages = Packages::default();
    for line in lines(output, faults).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, origin, abi, repository] = fields[..] else {
            faults.unreadable(format!("expected 5 fields, got {} in {}", fields.len(), quote(&line)));
            continue;
        };
        // `%R` is `unknown-repository` for what was built here.
        let repository = if repository == "unknown-repository" { "" } else { repository };
        let source = origin.rsplit('/').next().unwrap_or_default();
        packages.add(
            &Words {
                name: name.into(),
                version: version.into(),
                source: source.into(),
                source_version: Cow::Borrowed(""),
                architecture: abi.into(),
                repository: repository.into(),
            },
            faults,
        );
    }
    packages.finish(faults)
}

#[cfg(test)]
mod tests;
