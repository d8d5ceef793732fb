//! When a host booted, and whether it has to again to run what is installed.

use std::cmp::Ordering;

use jiff::Timestamp;
use model::{Ecosystem, InstalledPackage, Kernel, RebootNeed};

use crate::facts::fact::Definition;
use crate::facts::faults::{Faults, quote};
use crate::facts::package::lines;

/// The packages of /run/reboot-required.pkgs that are named as reason.
const REASONS_MAX: usize = 20;
/// The bytes of one of them.
const REASON_BYTES_MAX: usize = 256;

/// /proc/stat on Linux, kern.boottime on FreeBSD; /run/reboot-required of Debian (a hook of
/// packages, absent where none was updated or unattended-upgrades is not there).
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "boot",
    guard: "true",
    snippet: r#"
if [ -r /proc/stat ]; then grep '^btime ' /proc/stat; else sysctl -n kern.boottime; fi
[ ! -r /proc/version ] || { read -r line </proc/version && printf 'version %s\n' "$line"; }
[ ! -e /run/reboot-required ] || echo required
[ ! -r /run/reboot-required.pkgs ] || while read -r line || [ -n "$line" ]; do
  printf 'package %s\n' "$line"
done </run/reboot-required.pkgs
return 0"#,
    read: |seen, output, faults| seen.boot = parse(output, faults),
};

/// What the answer says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::facts) struct Boot {
    /// When.
    pub at: Option<Timestamp>,
    /// The package version of a Debian kernel that runs, out of /proc/version: `6.1.76-1`.
    pub debian_build: Option<String>,
    /// Whether /run/reboot-required is there.
    pub is_required: bool,
    /// The packages that asked for it.
    pub packages: Vec<String>,
}

fn parse(output: &[u8], faults: &mut Faults) -> Boot {
    let mut boot = Boot::default();
    for line in lines(output, faults).filter(|line| !line.trim().is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "btime" => boot.at = seconds(rest),
            // FreeBSD: `{ sec = 1718000000, usec = 123456 } Mon Jun 10 ...`.
            "{" => boot.at = rest.trim_start().strip_prefix("sec = ").and_then(seconds),
            // `... #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)`; the first one is the compiler's.
            "version" => {
                let build = rest.rsplit_once(") #").and_then(|(_, build)| build.split_once(" Debian "));
                let build = build.and_then(|(_, build)| build.split_whitespace().next());
                boot.debian_build = build.map(str::to_owned);
            }
            "required" => boot.is_required = true,
            "package" => {
                if boot.packages.len() < REASONS_MAX && rest.len() <= REASON_BYTES_MAX {
                    boot.packages.push(rest.to_owned());
                }
            }
            _ => faults.ignored(format!("expected a boot time, got {}", quote(&line))),
        }
    }
    boot.packages.sort_unstable();
    boot.packages.dedup();
    if boot.at.is_none() {
        faults.ignored("the host did not say when it booted");
    }
    boot
}

fn seconds(text: &str) -> Option<Timestamp> {
    let digits = text.trim_start().split(|char: char| !char.is_ascii_digit()).next()?;
    Timestamp::from_second(digits.parse().ok()?).ok()
}

/// Says whether a reboot is needed, from what runs and what is installed. `None` = it cannot be
/// told: a container has no kernel of its own.
pub(in crate::facts) fn reboot_need(
    boot: &Boot,
    ecosystem: Option<Ecosystem>,
    kernel: Option<&Kernel>,
    packages: Option<&[InstalledPackage]>,
) -> Option<RebootNeed> {
    if boot.is_required {
        let why = match boot.packages.as_slice() {
            [] => "/run/reboot-required".to_owned(),
            packages => format!("/run/reboot-required: {}", packages.join(", ")),
        };
        return Some(RebootNeed { is_needed: true, why });
    }
    let kernel = kernel?;
    let (running, installed) = match ecosystem? {
        Ecosystem::FreeBsd => (kernel.running.clone(), kernel.installed.clone()?),
        Ecosystem::Alpine => (kernel.running.clone(), alpine_kernel(&kernel.running, packages?)?),
        Ecosystem::Debian => debian_kernels(boot, &kernel.running, packages?)?,
        // No language is an operating system.
        Ecosystem::CratesIo | Ecosystem::Go | Ecosystem::Maven | Ecosystem::Npm | Ecosystem::PyPi => {
            return None;
        }
    };
    let is_needed = running != installed;
    let why = match is_needed {
        true => format!("kernel {running} runs, {installed} is installed"),
        false => format!("kernel {running} runs and is installed"),
    };
    Some(RebootNeed { is_needed, why })
}

/// Returns the release that the installed kernel of the running flavour has: package `linux-lts`
/// 6.6.49-r0 runs as `6.6.49-0-lts`.
fn alpine_kernel(running: &str, packages: &[InstalledPackage]) -> Option<String> {
    let flavour = running.splitn(3, '-').nth(2)?;
    let name = format!("linux-{flavour}");
    let package = packages.iter().find(|package| package.name.as_str() == name)?;
    let (version, revision) = package.version.as_str().rsplit_once("-r")?;
    Some(format!("{version}-{revision}-{flavour}"))
}

/// Returns the running and the newest installed kernel of its flavour (`amd64`, `cloud-amd64`); two
/// builds of one release differ by the package's version only.
fn debian_kernels(boot: &Boot, running: &str, packages: &[InstalledPackage]) -> Option<(String, String)> {
    let flavour = running.splitn(3, '-').nth(2)?;
    let image = |package: &InstalledPackage| {
        let release = package.name.as_str().strip_prefix("linux-image-")?;
        let release = release.strip_suffix("-unsigned").unwrap_or(release).to_owned();
        let is_image = release.starts_with(|first: char| first.is_ascii_digit());
        let is_same = is_image && release.splitn(3, '-').nth(2) == Some(flavour);
        is_same.then(|| (release, package.version.as_str().to_owned()))
    };
    let scheme = Ecosystem::Debian.version_scheme();
    let newest =
        packages.iter().filter_map(image).reduce(|best, next| match scheme.compare(&best.1, &next.1) {
            Ok(Ordering::Less) => next,
            _ => best,
        });
    let (release, version) = newest?;
    match &boot.debian_build {
        Some(build) if release == running && *build != version => {
            Some((format!("{running} ({build})"), format!("{release} ({version})")))
        }
        _ => Some((running.to_owned(), release)),
    }
}

#[cfg(test)]
mod tests;
