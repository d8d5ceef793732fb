//! From raw answers to a collection, partial with problems.

use jiff::Timestamp;
use model::{
    Code, Collection, Ecosystem, HostName, InstalledPackage, Kernel, Observed, OsRelease, Place, Problem,
    Software, SoftwareKind,
};

use super::answer::{Answer, Answers, StreamEnd};
use super::apk;
use super::fact::{ABSENT, Fact, FactRequests};
use super::faults::Faults;
use super::freebsd::{self, FreebsdVersions};
use super::observed::boot;
use super::script::FACT_OUTPUT_BYTES_MAX;
use super::seen::Seen;
use super::software;

/// Turns raw answers into a collection. What could not be read is `None`, and a problem says why:
/// a package list that is not whole counts as not read, because its gaps would pass for absence.
pub fn collect_facts(
    host: &HostName,
    started_at: Timestamp,
    finished_at: Timestamp,
    answers: &Answers,
) -> Collection {
    let mut seen = Seen::default();
    let mut problems = Vec::new();
    for answer in &answers.answers {
        let faults = read(&mut seen, answer);
        problems.extend(faults.into_problems(&place(host, answer.fact.name())));
    }
    seen.observed.software = software(host, answers, &mut seen, &mut problems);
    problems.extend(missing(host, answers));
    let Assembled { os, kernel, packages, observed } = assemble(host, seen, &mut problems);
    Collection { host: host.clone(), started_at, finished_at, os, kernel, packages, observed, problems }
}

/// Returns the place of a fact on a host.
pub(super) fn place(host: &HostName, part: &str) -> Place {
    Place::Host { host: host.clone(), part: part.to_owned() }
}

fn read(seen: &mut Seen, answer: &Answer) -> Faults {
    let mut faults = Faults::default();
    match answer.status {
        _ if answer.is_capped => faults.push(
            Code::CollectOutputTooLarge,
            format!("its output is longer than {FACT_OUTPUT_BYTES_MAX} bytes and was not used"),
        ),
        Some(0) => (answer.fact.definition().read)(seen, &answer.output, &mut faults),
        Some(ABSENT) => {}
        Some(status) => faults.push(
            Code::CollectFactFailed,
            format!("its command ended with status {status}, expected 0; its output was not used"),
        ),
        None => faults.push(Code::CollectFactFailed, "its command ended without a status"),
    }
    faults
}

/// Returns the software outside packages where it was asked for and every fact about it is whole: a
/// list with gaps would pass for the whole one. A version command that fails is an entry without version.
fn software(
    host: &HostName,
    answers: &Answers,
    seen: &mut Seen,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Software>> {
    let requests = &answers.requests;
    let is_asked = |fact: &&Fact| matches!(fact, Fact::Software | Fact::VersionCommand);
    let asked = requests.facts().iter().filter(is_asked).count();
    let mut faults = Faults::default();
    if let Some(said) = seen.version_commands.take() {
        seen.software.extend(versions(requests, &said, &mut faults));
        seen.software_answers += 1;
    }
    let found = software::finish(std::mem::take(&mut seen.software), &mut faults);
    problems.extend(faults.into_problems(&place(host, Fact::VersionCommand.name())));
    (asked > 0 && seen.software_answers == asked).then_some(found)
}

fn versions(requests: &FactRequests, said: &[(usize, Vec<String>)], faults: &mut Faults) -> Vec<Software> {
    let version = |number: usize, service: &str, faults: &mut Faults| {
        let lines = said.iter().find(|(it, _)| *it == number).map_or(&[][..], |(_, lines)| lines);
        software::version(lines).unwrap_or_else(|why| {
            faults.ignored(format!("the version command of service `{service}`: {why}"));
            String::new()
        })
    };
    let commands = requests.version_commands().iter().enumerate();
    let entry = |(number, (service, command)): (usize, &(model::ServiceName, Vec<String>))| Software {
        kind: SoftwareKind::Command,
        name: service.as_str().to_owned(),
        version: version(number, service.as_str(), faults),
        purl: String::new(),
        path: command.first().cloned().unwrap_or_default(),
    };
    commands.map(entry).collect()
}

/// Says why facts have no answer: once for all of them.
fn missing(host: &HostName, answers: &Answers) -> Option<Problem> {
    if answers.missing.is_empty() {
        return None;
    }
    let (code, why) = match answers.end {
        StreamEnd::Complete => (Code::CollectCut, "the host's shell ended"),
        StreamEnd::TimedOut => (Code::CollectTimeout, "the time limit struck"),
        StreamEnd::TooLarge => (Code::CollectOutputTooLarge, "the byte limit struck"),
        StreamEnd::Cut => (Code::CollectCut, "the connection broke"),
    };
    let names: Vec<_> = answers.missing.iter().map(|fact: &Fact| fact.name()).collect();
    let message = format!("{why} before the answers to {} were whole", names.join(", "));
    Some(Problem::new(code, place(host, ""), message))
}

/// What the facts say together.
pub(super) struct Assembled {
    pub os: Option<OsRelease>,
    pub kernel: Option<Kernel>,
    pub packages: Option<Vec<InstalledPackage>>,
    pub observed: Observed,
}

/// Puts together what was seen. Which package database counts is decided by the operating system:
/// Debian's apk or Alpine's dpkg would be somebody's toy.
pub(super) fn assemble(host: &HostName, mut seen: Seen, problems: &mut Vec<Problem>) -> Assembled {
    let os = operating_system(&mut seen);
    let kernel = kernel(&mut seen);
    let ecosystem = os.as_ref().and_then(|os| Ecosystem::parse_distribution(&os.id));
    let packages = match ecosystem {
        Some(Ecosystem::Alpine) => {
            problems.extend(mixed_releases(host, os.as_ref(), &seen));
            apk_packages(&mut seen)
        }
        Some(Ecosystem::Debian) => seen.dpkg_packages.take(),
        Some(Ecosystem::FreeBsd) => freebsd_packages(host, os.as_ref(), &mut seen, problems),
        // `parse_distribution` gives no language.
        _ => any_packages(&mut seen),
    };
    problems.extend(unsupported(host, os.as_ref()));
    if packages.is_none() && !problems.iter().any(explains_missing_packages) {
        let message = "no package database that belongs to the operating system was found";
        problems.push(Problem::new(Code::CollectFactFailed, place(host, "packages"), message));
    }
    let reboot = boot::reboot_need(&seen.boot, ecosystem, kernel.as_ref(), packages.as_deref());
    let observed = Observed { booted_at: seen.boot.at, reboot, ..std::mem::take(&mut seen.observed) };
    Assembled { os, kernel, packages, observed }
}

/// The trouble of a package fact, or of the whole answer, says already why the packages are unknown.
fn explains_missing_packages(problem: &Problem) -> bool {
    let Place::Host { part, .. } = &problem.place else { return false };
    problem.code != Code::CollectUnsupportedOs
        && ["", "apk-installed", "dpkg", "pkg"].contains(&part.as_str())
}

fn operating_system(seen: &mut Seen) -> Option<OsRelease> {
    if let Some(version) = &seen.freebsd.userland {
        let pretty_name = format!("FreeBSD {version}");
        return Some(OsRelease {
            id: "freebsd".to_owned(),
            version: version.clone(),
            codename: None,
            pretty_name,
        });
    }
    let from_alpine = |version: String| OsRelease {
        id: "alpine".to_owned(),
        pretty_name: format!("Alpine Linux v{version}"),
        version,
        codename: None,
    };
    seen.os_release.take().or_else(|| seen.alpine_release.take().map(from_alpine))
}

fn kernel(seen: &mut Seen) -> Option<Kernel> {
    let [name, running, machine] = seen.uname.take()?;
    let running = seen.freebsd.kernel_running.clone().unwrap_or(running);
    Some(Kernel { name, running, installed: seen.freebsd.kernel_installed.clone(), machine })
}

fn apk_packages(seen: &mut Seen) -> Option<Vec<InstalledPackage>> {
    let mut packages = seen.apk_packages.take()?;
    apk::add_tags(&mut packages, &seen.apk_tags);
    Some(packages)
}

/// The ports' packages with the base system's. A FreeBSD without pkg(8) has only the base system;
/// one whose pkg failed is not known.
fn freebsd_packages(
    host: &HostName,
    os: Option<&OsRelease>,
    seen: &mut Seen,
    problems: &mut Vec<Problem>,
) -> Option<Vec<InstalledPackage>> {
    let has_failed = problems.iter().any(explains_missing_packages);
    let mut packages = match seen.pkg_packages.take() {
        Some(packages) => packages,
        None if has_failed => return None,
        None => Vec::new(),
    };
    let mut versions: FreebsdVersions = seen.freebsd.clone();
    versions.userland = versions.userland.or_else(|| os.map(|os| os.version.clone()));
    let mut faults = Faults::default();
    packages.extend(freebsd::base_packages(&versions, &mut faults));
    problems.extend(faults.into_problems(&place(host, "freebsd-version")));
    packages.sort_unstable();
    packages.dedup();
    Some(packages)
}

fn any_packages(seen: &mut Seen) -> Option<Vec<InstalledPackage>> {
    let found = [apk_packages(seen), seen.dpkg_packages.take(), seen.pkg_packages.take()];
    let mut all: Vec<_> = found.into_iter().flatten().reduce(|mut all, more| {
        all.extend(more);
        all
    })?;
    all.sort_unstable();
    Some(all)
}

fn unsupported(host: &HostName, os: Option<&OsRelease>) -> Option<Problem> {
    let unknown = os?.platform().err()?;
    let hint = "its packages are recorded, but no finding can be given for them";
    Some(Problem::new(Code::CollectUnsupportedOs, place(host, ""), unknown.to_string()).with_hint(hint))
}

/// Warns where untagged repositories belong to another release than the host: their packages are
/// newer or older than what its advisories speak of.
fn mixed_releases(host: &HostName, os: Option<&OsRelease>, seen: &Seen) -> Option<Problem> {
    let platform = os?.platform().ok()?;
    let own = platform.release.as_str();
    let untagged = seen.apk_repositories.iter().filter(|repository| repository.tag.is_empty());
    let other =
        untagged.filter_map(|repository| repository.release.as_deref()).find(|release| *release != own)?;
    let message = format!("etc/apk/repositories mixes release {other} into {own}, without a tag");
    let hint = format!(
        "its packages are judged by the advisories of {own}; give the other release a tag (@{other})"
    );
    Some(Problem::new(Code::CollectMixedReleases, place(host, "apk-repositories"), message).with_hint(hint))
}

#[cfg(test)]
mod tests;
