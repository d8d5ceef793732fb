//! Rung 5: the kernel that runs.

use model::{Ecosystem, PackageName, Verdict};

use super::version::{KERNEL, against, base_version};
use super::{Judged, VerifyPackage};

/// What of Alpine's `linux-*` is no kernel.
const ALPINE_OTHERS: [&str; 4] = ["linux-firmware", "linux-headers", "linux-pam", "linux-tools"];

/// Says whether a package is a kernel, whose fix is in force only once it runs.
pub(super) fn is_kernel(ecosystem: Ecosystem, name: &PackageName) -> bool {
    let name = name.as_str();
    match ecosystem {
        Ecosystem::Debian => name.starts_with("linux-image-"),
        Ecosystem::Alpine => {
            name.starts_with("linux-")
                && !name.ends_with("-dev")
                && !name.ends_with("-doc")
                && !ALPINE_OTHERS.iter().any(|other| name.starts_with(other))
        }
        Ecosystem::FreeBsd => name == KERNEL || name.starts_with("FreeBSD-kernel-"),
        Ecosystem::CratesIo | Ecosystem::Go | Ecosystem::Maven | Ecosystem::Npm | Ecosystem::PyPi => false,
    }
}

/// Reads `release RELEASE` and `version LINE` (/proc/version).
pub(super) fn judge(ecosystem: Ecosystem, package: &VerifyPackage, said: &str) -> Judged {
    let part = |word: &str| said.lines().find_map(|line| line.strip_prefix(word));
    let Some(release) = part("release ") else {
        return Judged::new(Verdict::Unknown, "the host did not say which kernel runs");
    };
    let running = match ecosystem {
        Ecosystem::Alpine => alpine_version(release, package.name.as_str()),
        Ecosystem::Debian => part("version ").and_then(debian_build).map(str::to_owned),
        _ => None,
    };
    match running {
        Some(running) => runs(against(ecosystem, package, &running, &running), &running),
        None => {
            let why = format!("kernel {release} runs, of which it cannot be told which package it is");
            Judged::new(Verdict::Unknown, why)
        }
    }
}

/// Reads what freebsd-version(1) says with `-r`.
pub(super) fn judge_freebsd(package: &VerifyPackage, said: &str) -> Judged {
    match base_version(said, 'r') {
        Ok(running) => runs(against(Ecosystem::FreeBsd, package, &running, &running), &running),
        Err(why) => Judged::new(Verdict::Unknown, why),
    }
}

fn runs(judged: Judged, running: &str) -> Judged {
    let detail = match judged.verdict {
        Verdict::Passed => format!("the running kernel is {running}, which has the fix"),
        Verdict::Failed => {
            format!("kernel {running} runs, which has no fix: only a restart of the host helps")
        }
        Verdict::Unknown | Verdict::NotApplicable => judged.detail,
    };
    Judged { detail, ..judged }
}

/// `6.6.49-0-lts` runs package linux-lts 6.6.49-r0.
fn alpine_version(release: &str, package: &str) -> Option<String> {
    let flavour = package.strip_prefix("linux-")?;
    let (number, revision) = release.strip_suffix(flavour)?.strip_suffix('-')?.rsplit_once('-')?;
    Some(format!("{number}-r{revision}"))
}

/// `... #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)`: the first `Debian` may be the compiler's.
fn debian_build(line: &str) -> Option<&str> {
    let (_, build) = line.rsplit_once(") #")?.1.split_once(" Debian ")?;
    build.split_whitespace().next()
}
