//! The verification ladder: what to look at on a host to tell whether a fix is in force, and what that says.
//!
//! Each rung looks in another way, and is judged for itself: a version in a database says nothing of the
//! files on disk, and files on disk say nothing of a process that was started before them. What cannot be
//! told is [`Verdict::Unknown`], never passed. What the host printed is kept as it was, as evidence.

mod banner;
mod files;
mod kernel;
mod runs;
mod version;

use model::{Ecosystem, Fix, HostName, PackageName, Rung, Verdict, VulnerabilityId};

use crate::facts::{FactAnswer, FactRequests, Facts, Question};
use crate::sh::{Tool, VERIFY_BASE, VERIFY_FILES, VERIFY_KERNEL, VERIFY_RUNS, VERIFY_VERSIONS};
pub use banner::{BannerSeen, judge_banner};

/// The bytes of a rung's output that are kept as evidence.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// The names of files, processes and the like that one sentence tells.
const NAMES_MAX: usize = 4;
/// The packages that one host is asked about.
const PACKAGES_MAX: usize = 2_000;

/// A package whose fix is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyPackage {
    /// Its name.
    pub name: PackageName,
    /// Where the fix is, for each vulnerability. A version of the source package.
    pub fixes: Vec<(VulnerabilityId, Fix)>,
}

/// A host, or a jail on it, with what is to be verified there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyTarget {
    /// The host or jail, as `JAIL.HOST`.
    pub host: HostName,
    /// What it runs.
    pub ecosystem: Ecosystem,
    /// The jail's name, where the packages are a jail's.
    pub jail: Option<String>,
    /// The packages, sorted by name; each name once.
    pub packages: Vec<VerifyPackage>,
}

/// What was seen at one rung, of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungSeen {
    /// The package.
    pub package: PackageName,
    /// The rung.
    pub rung: Rung,
    /// The verdict.
    pub verdict: Verdict,
    /// What was seen, in one sentence.
    pub detail: String,
    /// What the host printed; its end is left out if it is long.
    pub output: Vec<u8>,
    /// Whether some of it was left out.
    pub is_cut: bool,
}

/// What of a rung's output says nothing but the verdict.
struct Judged {
    verdict: Verdict,
    detail: String,
}

impl Judged {
    fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into() }
    }
}

/// Returns what a host is asked: everything in one exec.
pub fn verify_questions(targets: &[VerifyTarget]) -> FactRequests {
    let questions = targets.iter().flat_map(|target| {
        let has_kernel = target.packages.iter().any(|it| kernel::is_kernel(target.ecosystem, &it.name));
        let of_kernel = (has_kernel && target.jail.is_none()).then(kernel_question);
        let of_base = target.packages.iter().any(version::is_base).then(base_question);
        let of_packages =
            names(target).map(|_| [versions(target), files(target), runs(target)]).into_iter().flatten();
        of_packages.chain(of_base).chain(of_kernel).collect::<Vec<_>>()
    });
    FactRequests::of_questions(questions.collect())
}

/// Judges the rungs that a host itself can tell, of each package: all but [`Rung::Network`].
pub fn judge(target: &VerifyTarget, facts: &Facts) -> Vec<RungSeen> {
    let packages = target.packages.iter().take(PACKAGES_MAX);
    packages.flat_map(|package| judge_package(target, package, facts)).collect()
}

fn judge_package(target: &VerifyTarget, package: &VerifyPackage, facts: &Facts) -> Vec<RungSeen> {
    let is_base = version::is_base(package);
    let question = if is_base { base_question() } else { versions(target) };
    let version = seen(target, package, Rung::Version, facts, &question, |said| match is_base {
        true => version::judge_base(package, said),
        false => version::judge(target.ecosystem, package, said),
    });
    let is_kernel = kernel::is_kernel(target.ecosystem, &package.name);
    let kernel = match (is_kernel, &target.jail) {
        (true, None) if is_base => seen(target, package, Rung::Kernel, facts, &base_question(), |said| {
            kernel::judge_freebsd(package, said)
        }),
        (true, None) => seen(target, package, Rung::Kernel, facts, &kernel_question(), |said| {
            kernel::judge(target.ecosystem, package, said)
        }),
        (true, Some(_)) | (false, _) => {
            let judged = Judged::new(Verdict::NotApplicable, "it is no kernel");
            told(package, Rung::Kernel, judged, &[])
        }
    };
    let [files, processes, services] = if is_base {
        base_rungs(package)
    } else {
        let files =
            seen(target, package, Rung::Files, facts, &files(target), |said| files::judge(package, said));
        let of_runs = |rung, judge: fn(&VerifyTarget, &VerifyPackage, &str) -> Judged| {
            seen(target, package, rung, facts, &runs(target), |said| judge(target, package, said))
        };
        [
            files,
            of_runs(Rung::Processes, runs::judge_processes),
            of_runs(Rung::Services, runs::judge_services),
        ]
    };
    vec![version, files, processes, services, kernel]
}

/// FreeBSD's base system has no checksums that a host could be asked for at once, and no list of its files.
fn base_rungs(package: &VerifyPackage) -> [RungSeen; 3] {
    let unknown = |rung, detail: &str| told(package, rung, Judged::new(Verdict::Unknown, detail), &[]);
    [
        unknown(
            Rung::Files,
            "the base system's checksums are with freebsd-update's server: `freebsd-update IDS` on the host tells",
        ),
        unknown(Rung::Processes, "which processes run replaced files of the base system cannot be told"),
        unknown(Rung::Services, "which services run replaced files of the base system cannot be told"),
    ]
}

/// Judges one answer.
fn seen(
    target: &VerifyTarget,
    package: &VerifyPackage,
    rung: Rung,
    facts: &Facts,
    question: &Question,
    judge: impl FnOnce(&str) -> Judged,
) -> RungSeen {
    let unknown = |why: String| Judged::new(Verdict::Unknown, why);
    if !target.ecosystem.is_distribution() {
        let why = format!(
            "it is of no package manager but of {}: a scan tells its version",
            target.ecosystem.as_str()
        );
        return told(package, rung, unknown(why), &[]);
    }
    match facts.get(question) {
        Some(FactAnswer::Said(said)) => match std::str::from_utf8(said) {
            Ok(text) => told(package, rung, judge(text), said),
            Err(_) => told(package, rung, judge(&String::from_utf8_lossy(said)), said),
        },
        Some(FactAnswer::Absent) | None => {
            told(package, rung, unknown("the host was not asked".to_owned()), &[])
        }
        Some(FactAnswer::Failed(Some(status))) => told(
            package,
            rung,
            unknown(format!("`{}` ended with status {status}", question.tool().name)),
            &[],
        ),
        Some(FactAnswer::Failed(None)) => {
            told(package, rung, unknown("the host gave no whole answer".to_owned()), &[])
        }
    }
}

fn told(package: &VerifyPackage, rung: Rung, judged: Judged, output: &[u8]) -> RungSeen {
    let kept = &output[..output.len().min(OUTPUT_BYTES_MAX)];
    RungSeen {
        package: package.name.clone(),
        rung,
        verdict: judged.verdict,
        detail: judged.detail,
        output: kept.to_vec(),
        is_cut: kept.len() < output.len(),
    }
}

/// Returns a few names, and how many there are beside them.
fn few<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX { format!("{shown} and {} more", names.len() - NAMES_MAX) } else { shown }
}

fn versions(target: &VerifyTarget) -> Question {
    question(&VERIFY_VERSIONS, target, true)
}

fn files(target: &VerifyTarget) -> Question {
    question(&VERIFY_FILES, target, true)
}

fn runs(target: &VerifyTarget) -> Question {
    question(&VERIFY_RUNS, target, false)
}

fn base_question() -> Question {
    Question::new(&VERIFY_BASE, Vec::<String>::new())
}

fn kernel_question() -> Question {
    Question::new(&VERIFY_KERNEL, Vec::<String>::new())
}

fn question(tool: &'static Tool, target: &VerifyTarget, with_jail: bool) -> Question {
    let manager = manager(target.ecosystem).unwrap_or_default();
    let jail = with_jail.then(|| target.jail.clone().unwrap_or_default());
    let names = names(target).unwrap_or_default();
    Question::new(tool, std::iter::once(manager.to_owned()).chain(jail).chain(names))
}

/// Returns the names of the packages that the package manager knows; `None` = there are none.
fn names(target: &VerifyTarget) -> Option<Vec<String>> {
    manager(target.ecosystem)?;
    let packages = target.packages.iter().take(PACKAGES_MAX).filter(|package| !version::is_base(package));
    let names: Vec<String> = packages.map(|package| package.name.to_string()).collect();
    (!names.is_empty()).then_some(names)
}

fn manager(ecosystem: Ecosystem) -> Option<&'static str> {
    match ecosystem {
        Ecosystem::Alpine => Some("apk"),
        Ecosystem::Debian => Some("apt"),
        Ecosystem::FreeBsd => Some("pkg"),
        // Language ecosystems are upgraded with whatever brought them.
        Ecosystem::CratesIo | Ecosystem::Go | Ecosystem::Maven | Ecosystem::Npm | Ecosystem::PyPi => None,
    }
}

#[cfg(test)]
mod tests;
