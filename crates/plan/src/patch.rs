//! `ifrit patch`: steps that close findings, made of what the findings say and what the host can get.
//!
//! Only installed packages that a finding names are upgraded, to the version that the host's own
//! repositories have now, and only if the fix is in it. Services that use them are restarted afterwards,
//! by name, so that a reader of the plan sees which.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{
    Change, Condition, DiffLine, Ecosystem, Fix, HostName, PackageName, Place, Probe, Risk, Step,
    VulnerabilityId,
};

use crate::facts::{FactAnswer, FactRequests, Facts, Question};
use crate::sh::{
    self, BASE_STATE, PATCH_BASE, PATCH_PACKAGES, PATCH_VERSIONS, RUN_SERVICE, Script, Tool, UPGRADE_STATE,
    USERS_OF,
};

/// How long upgrading packages may take.
const UPGRADE_LIMIT: Duration = Duration::from_secs(1800);
/// How long FreeBSD's base system may take.
const BASE_LIMIT: Duration = Duration::from_secs(3600);
/// How long restarting a service may take.
const RESTART_LIMIT: Duration = Duration::from_secs(120);
/// How many seconds a restart of the host is put off, so that the run can end in order.
const REBOOT_DELAY: &str = "10";
/// How many seconds after that it may take until it answers.
const REBOOT_TIMEOUT: &str = "600";
/// The services that one host's patch restarts.
const SERVICES_MAX: usize = 200;
/// Services that break logins or the machine when they are restarted alone: a restart of the host does it.
const NOT_RESTARTED: [&str; 7] =
    ["dbus", "dbus-broker", "systemd-logind", "polkit", "elogind", "udev", "systemd-udevd"];
/// What FreeBSD's base system is called in advisories.
const BASE_NAMES: [&str; 2] = ["FreeBSD", "FreeBSD-kernel"];

/// An installed package with an open finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchPackage {
    /// Its name.
    pub name: PackageName,
    /// Where the fix is, for each finding of it.
    pub fixes: Vec<(VulnerabilityId, Fix)>,
    /// Whether the fix's version can be compared with the package's own: not where the package has another
    /// version than its source.
    pub is_comparable: bool,
}

/// A host, or a jail on it, with what is open there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchTarget {
    /// The host.
    pub host: HostName,
    /// What it runs.
    pub ecosystem: Ecosystem,
    /// The jail's name, where the packages are a jail's.
    pub jail: Option<String>,
    /// What is open, sorted by name; each name once.
    pub packages: Vec<PatchPackage>,
}

/// What becomes of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It is upgraded, and that closes these findings.
    Upgrade {
        /// From this version.
        from: String,
        /// To this one.
        to: String,
        /// The findings.
        closes: Vec<VulnerabilityId>,
    },
    /// The repositories have no version with the fix.
    NoCandidate {
        /// What they have; `None` = nothing newer.
        newest: Option<String>,
    },
    /// No fix is known.
    NoFix,
    /// It is not installed any more.
    Gone,
    /// The base system as a whole is brought to its newest patch level.
    Base,
}

/// Steps that close findings on one host, and what becomes of each package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    /// The steps.
    pub steps: Vec<Step>,
    /// What becomes of each package, by name; a jail's as `JAIL: NAME`.
    pub remedies: BTreeMap<String, Remedy>,
    /// Services that use what is upgraded and are not restarted: only a restart of the host closes it there.
    pub not_restarted: Vec<String>,
}

/// Returns what a host is asked before it can be patched. `refresh` lets it bring its lists of packages up to
/// date first: the one thing that asking changes there.
pub fn patch_questions(targets: &[PatchTarget], refresh: bool) -> FactRequests {
    let questions = targets.iter().flat_map(|target| {
        let packages = names(target);
        let manager = manager(target.ecosystem).filter(|_| !packages.is_empty());
        let of_packages = manager.into_iter().flat_map(|_| [candidates(target, refresh), users(target)]);
        let of_base = has_base(target).then(|| Question::new(&BASE_STATE, Vec::<String>::new()));
        of_packages.chain(of_base).collect::<Vec<_>>()
    });
    FactRequests::of_questions(questions.collect())
}

/// Makes the steps for one host. `reboots` adds a restart of the host at the end, if anything was changed.
///
/// # Errors
/// Why the host could not say what it can get.
pub fn patch_steps(
    targets: &[PatchTarget],
    facts: &Facts,
    refresh: bool,
    reboots: bool,
) -> Result<Patch, String> {
    let mut patch = Patch::default();
    let mut services: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for target in targets {
        if let Some(step) = upgrade(target, facts, refresh, &mut patch)? {
            let number = patch.steps.len();
            patch.steps.push(step);
            if target.jail.is_none() {
                for service in said(facts, &users(target)).unwrap_or_default().lines().take(SERVICES_MAX) {
                    services.entry(service.to_owned()).or_default().push(number);
                }
            }
        }
        if has_base(target) {
            patch.steps.push(base(facts)?);
            for package in target.packages.iter().filter(|package| is_base(package)) {
                patch.remedies.insert(shown(target, package.name.as_str()), Remedy::Base);
            }
        }
    }
    let upgrades: Vec<usize> = (0..patch.steps.len()).collect();
    for (service, sources) in services {
        match NOT_RESTARTED.contains(&service.as_str()) || service.contains('@') {
            true => patch.not_restarted.push(service),
            false => patch.steps.push(restart(&service, sources)),
        }
    }
    if reboots && !upgrades.is_empty() {
        patch.steps.push(reboot(upgrades));
    }
    Ok(patch)
}

/// Decides about a target's packages, and makes the step that upgrades them.
fn upgrade(
    target: &PatchTarget,
    facts: &Facts,
    refresh: bool,
    patch: &mut Patch,
) -> Result<Option<Step>, String> {
    let packages: Vec<&PatchPackage> = target.packages.iter().filter(|package| !is_base(package)).collect();
    let Some(manager) = manager(target.ecosystem).filter(|_| !packages.is_empty()) else { return Ok(None) };
    let answer = said(facts, &candidates(target, refresh))?;
    let known: BTreeMap<&str, (&str, &str)> = answer.lines().filter_map(read_candidate).collect();
    let mut chosen = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let remedy = remedy(target.ecosystem, package, known.get(name).copied());
        if let Remedy::Upgrade { from, to, .. } = &remedy {
            chosen.push((name, from.clone(), to.clone()));
        }
        patch.remedies.insert(shown(target, name), remedy);
    }
    Ok((!chosen.is_empty()).then(|| upgrade_step(target, manager, &chosen)))
}

/// Reads `NAME INSTALLED CANDIDATE`.
fn read_candidate(line: &str) -> Option<(&str, (&str, &str))> {
    let mut words = line.split(' ');
    let (name, installed, candidate) = (words.next()?, words.next()?, words.next()?);
    words.next().is_none().then_some((name, (installed, candidate)))
}

fn remedy(ecosystem: Ecosystem, package: &PatchPackage, known: Option<(&str, &str)>) -> Remedy {
    let Some((installed, candidate)) = known else { return Remedy::Gone };
    let scheme = ecosystem.version_scheme();
    let compare = |a: &str, b: &str| scheme.compare(a, b).ok();
    if package.fixes.iter().all(|(_, fix)| matches!(fix, Fix::NotYet | Fix::NotNeeded)) {
        return Remedy::NoFix;
    }
    let is_newer = candidate != "-" && compare(candidate, installed) == Some(std::cmp::Ordering::Greater);
    let is_in = |fix: &Fix| match fix {
        Fix::In(_) | Fix::After(_) if !package.is_comparable => true,
        Fix::In(fixed) => compare(candidate, fixed.as_str()).is_some_and(std::cmp::Ordering::is_ge),
        Fix::After(last) => compare(candidate, last.as_str()) == Some(std::cmp::Ordering::Greater),
        Fix::NotYet | Fix::NotNeeded => false,
    };
    let closed = package.fixes.iter().filter(|(_, fix)| is_in(fix)).map(|(id, _)| id.clone());
    let closes: Vec<VulnerabilityId> = if is_newer { closed.collect() } else { Vec::new() };
    if closes.is_empty() {
        return Remedy::NoCandidate { newest: is_newer.then(|| candidate.to_owned()) };
    }
    Remedy::Upgrade { from: installed.to_owned(), to: candidate.to_owned(), closes }
}

fn upgrade_step(target: &PatchTarget, manager: &str, chosen: &[(&str, String, String)]) -> Step {
    let jail = target.jail.as_deref().unwrap_or_default();
    let names = chosen.iter().map(|(name, ..)| *name);
    let probe_words: Vec<&str> = [manager, jail].into_iter().chain(names.clone()).collect();
    let words: Vec<String> = chosen.iter().map(|(name, _, to)| format!("{name}={to}")).collect();
    let action_words: Vec<&str> =
        [manager, jail].into_iter().chain(words.iter().map(String::as_str)).collect();
    let lines = |version: fn(&(&str, String, String)) -> String| {
        chosen.iter().map(|it| format!("{} {}", it.0, version(it))).collect::<Vec<_>>()
    };
    let (before, after) = (lines(|it| it.1.clone()), lines(|it| it.2.clone()));
    let subject = names.take(4).collect::<Vec<_>>().join(", ");
    let more = chosen.len().saturating_sub(4);
    let of_jail = target.jail.as_ref().map(|jail| format!(" in jail {jail}")).unwrap_or_default();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let pairs = before.iter().zip(&after);
    let diff = pairs.flat_map(|(old, new)| [DiffLine::Removed(old.clone()), DiffLine::Added(new.clone())]);
    Step {
        diff: diff.collect(),
        probe: Some(Probe {
            script: Script::call(&PATCH_VERSIONS, &probe_words).text(),
            before: Some(before.join("\n")),
            after: Some(after.join("\n")),
        }),
        risks: vec![Risk::Restart],
        time_limit: UPGRADE_LIMIT,
        ..step("patch.packages", format!("{subject}{more}{of_jail}"), &PATCH_PACKAGES, &action_words)
    }
}

fn base(facts: &Facts) -> Result<Step, String> {
    let none: [&str; 0] = [];
    let now = said(facts, &Question::new(&BASE_STATE, Vec::<String>::new()))?;
    let now_shown = now.lines().collect::<Vec<_>>().join(", ");
    Ok(Step {
        diff: vec![
            DiffLine::Removed(now_shown),
            DiffLine::Added("the newest patch level of this release".to_owned()),
        ],
        probe: Some(Probe {
            script: Script::call(&BASE_STATE, &none).text(),
            before: Some(now),
            after: None,
        }),
        risks: vec![Risk::Restart],
        time_limit: BASE_LIMIT,
        ..step("patch.base", "FreeBSD".to_owned(), &PATCH_BASE, &none)
    })
}

fn restart(service: &str, sources: Vec<usize>) -> Step {
    Step {
        diff: vec![DiffLine::Added("restart: it uses what is upgraded".to_owned())],
        condition: Condition::AnyChanged(sources),
        risks: vec![Risk::Restart],
        time_limit: RESTART_LIMIT,
        ..step("patch.restart", service.to_owned(), &RUN_SERVICE, &["auto", service, "restart", ""])
    }
}

fn reboot(sources: Vec<usize>) -> Step {
    Step {
        diff: vec![DiffLine::Added("restart the host".to_owned())],
        condition: Condition::AnyChanged(sources),
        risks: vec![Risk::Reboot],
        time_limit: RESTART_LIMIT,
        is_handler: true,
        ..step("patch.reboot", "host".to_owned(), &sh::REBOOT, &[REBOOT_DELAY, REBOOT_TIMEOUT])
    }
}

fn step(operation: &str, subject: String, tool: &'static Tool, words: &[&str]) -> Step {
    Step {
        operation: operation.to_owned(),
        subject,
        place: Place::Nowhere,
        change: Change::Certain,
        diff: Vec::new(),
        probe: None,
        action: Script::call(tool, words).text(),
        bodies: Vec::new(),
        condition: Condition::Always,
        is_handler: false,
        risks: Vec::new(),
        time_limit: RESTART_LIMIT,
    }
}

fn candidates(target: &PatchTarget, refresh: bool) -> Question {
    let refresh = if refresh { "refresh" } else { "" };
    let head =
        [manager(target.ecosystem).unwrap_or_default(), target.jail.as_deref().unwrap_or_default(), refresh];
    Question::new(&UPGRADE_STATE, head.into_iter().chain(names(target)))
}

fn users(target: &PatchTarget) -> Question {
    let manager = manager(target.ecosystem).unwrap_or_default();
    Question::new(&USERS_OF, [manager].into_iter().chain(names(target)))
}

fn names(target: &PatchTarget) -> Vec<&str> {
    target.packages.iter().filter(|package| !is_base(package)).map(|package| package.name.as_str()).collect()
}

fn is_base(package: &PatchPackage) -> bool {
    BASE_NAMES.contains(&package.name.as_str())
}

fn has_base(target: &PatchTarget) -> bool {
    let has_fix = |package: &PatchPackage| !package.fixes.iter().all(|(_, fix)| *fix == Fix::NotYet);
    target.jail.is_none()
        && target.ecosystem == Ecosystem::FreeBsd
        && target.packages.iter().any(|package| is_base(package) && has_fix(package))
}

fn manager(ecosystem: Ecosystem) -> Option<&'static str> {
    match ecosystem {
        Ecosystem::Alpine => Some("apk"),
        Ecosystem::Debian => Some("apt"),
        Ecosystem::FreeBsd => Some("pkg"),
        _ => None,
    }
}

fn shown(target: &PatchTarget, name: &str) -> String {
    target.jail.as_ref().map_or_else(|| name.to_owned(), |jail| format!("{jail}: {name}"))
}

fn said(facts: &Facts, question: &Question) -> Result<String, String> {
    match facts.get(question) {
        Some(FactAnswer::Said(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
        Some(FactAnswer::Absent) => Ok(String::new()),
        Some(FactAnswer::Failed(Some(3))) => {
            Err("its lists of packages could not be brought up to date".to_owned())
        }
        Some(FactAnswer::Failed(status)) => {
            let status = status.map_or_else(String::new, |status| format!(" (status {status})"));
            Err(format!("the host could not say which packages it can get{status}"))
        }
        None => Err("the host was not asked which packages it can get".to_owned()),
    }
}

#[cfg(test)]
mod tests;
