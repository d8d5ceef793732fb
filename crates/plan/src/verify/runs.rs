//! Rungs 3 and 4: who runs the package's files, and since when.

use std::collections::{BTreeMap, BTreeSet};

use model::Verdict;

use super::{Judged, VerifyPackage, VerifyTarget, few};

/// How exactly a process's start can be told, in seconds: the moment of boot is known to a second, and so is
/// that of an installation.
const START_SECONDS: i64 = 1;

/// What `verify_runs` told, of one package.
#[derive(Default)]
struct Runs {
    /// The login may not look into the processes of others.
    is_hidden: bool,
    /// When it was installed, in seconds; the latest moment if there are several.
    installed: Option<i64>,
    /// Nothing was installed after this; of package managers that keep no moment for each.
    installed_before: Option<i64>,
    /// Processes that run its files as they are now.
    new: BTreeSet<u32>,
    /// Processes that run files of it which were replaced, with one such file.
    old: BTreeMap<u32, String>,
    /// Processes that run files whose path nobody knows.
    gone: BTreeSet<u32>,
    /// When each process was started, in seconds, where that is known, and its name.
    processes: BTreeMap<u32, (Option<i64>, String)>,
}

impl Runs {
    fn read(package: &VerifyPackage, said: &str) -> Self {
        let name = package.name.as_str();
        let mut runs = Self::default();
        for line in said.lines() {
            let words: Vec<&str> = line.splitn(5, ' ').collect();
            match words.as_slice() {
                ["hidden"] => runs.is_hidden = true,
                ["install", "*", at] => runs.installed_before = at.parse().ok(),
                ["install", of, at] if *of == name => runs.installed = runs.installed.max(at.parse().ok()),
                ["map", pid, "gone", ..] => runs.gone.extend(pid.parse::<u32>()),
                ["map", pid, state, of, path] if *of == name => {
                    let Ok(pid) = pid.parse() else { continue };
                    match *state {
                        "old" => _ = runs.old.entry(pid).or_insert_with(|| (*path).to_owned()),
                        _ => _ = runs.new.insert(pid),
                    }
                }
                ["proc", pid, start, rest @ ..] => {
                    if let Ok(pid) = pid.parse() {
                        runs.processes.insert(pid, (start.parse().ok(), rest.join(" ")));
                    }
                }
                _ => {}
            }
        }
        // What has ended meanwhile runs nothing any more.
        let alive: BTreeSet<u32> = runs.processes.keys().copied().collect();
        runs.new.retain(|pid| alive.contains(pid));
        runs.old.retain(|pid, _| alive.contains(pid));
        runs.gone.retain(|pid| alive.contains(pid));
        runs
    }

    fn name(&self, pid: u32) -> String {
        match self.processes.get(&pid) {
            Some((_, name)) => format!("{name} ({pid})"),
            None => pid.to_string(),
        }
    }

    fn names(&self, pids: impl IntoIterator<Item = u32>) -> String {
        let names: Vec<String> = pids.into_iter().map(|pid| self.name(pid)).collect();
        few(names.iter().map(String::as_str))
    }

    fn started(&self, pid: u32) -> Option<i64> {
        self.processes.get(&pid).and_then(|(start, _)| *start)
    }
}

/// No process runs a file of the package that was replaced.
pub(super) fn judge_processes(target: &VerifyTarget, package: &VerifyPackage, said: &str) -> Judged {
    if target.jail.is_some() {
        return Judged::new(Verdict::Unknown, "which processes of a jail run replaced files cannot be told");
    }
    let runs = Runs::read(package, said);
    if let Some((pid, path)) = runs.old.first_key_value() {
        let others = runs.old.len() - 1;
        let others = if others > 0 { format!(" and {others} more") } else { String::new() };
        let why = format!("{}{others} still runs {path}, which was replaced", runs.name(*pid));
        return Judged::new(Verdict::Failed, why);
    }
    if runs.is_hidden {
        return Judged::new(Verdict::Unknown, "this login may not look into the processes of others");
    }
    let is_older = |pid: &u32| match (runs.started(*pid), runs.installed) {
        (Some(start), Some(installed)) => start < installed,
        _ => true,
    };
    let doubtful: Vec<u32> = runs.gone.iter().copied().filter(is_older).collect();
    if !doubtful.is_empty() {
        let why =
            format!("older than the installation, and runs files without a path: {}", runs.names(doubtful));
        return Judged::new(Verdict::Unknown, why);
    }
    Judged::new(Verdict::Passed, "no process runs a file of it that was replaced")
}

/// Whatever runs the package was started after it was installed.
pub(super) fn judge_services(target: &VerifyTarget, package: &VerifyPackage, said: &str) -> Judged {
    if target.jail.is_some() {
        return Judged::new(Verdict::Unknown, "since when the processes of a jail run cannot be told");
    }
    let runs = Runs::read(package, said);
    if !runs.old.is_empty() {
        let pids = runs.old.keys().copied();
        let why = format!("not restarted after the installation: {}", runs.names(pids));
        return Judged::new(Verdict::Failed, why);
    }
    if runs.is_hidden {
        return Judged::new(Verdict::Unknown, "this login may not look into the processes of others");
    }
    if runs.new.is_empty() {
        return Judged::new(Verdict::NotApplicable, "no process runs a program or library of it");
    }
    let untold: Vec<u32> = runs.new.iter().copied().filter(|pid| runs.started(*pid).is_none()).collect();
    if !untold.is_empty() {
        let why = format!("the host does not say since when they run: {}", runs.names(untold));
        return Judged::new(Verdict::Unknown, why);
    }
    let start = |pid: &u32| runs.started(*pid).unwrap_or_default();
    let Some(installed) = runs.installed else {
        let Some(latest) = runs.installed_before else {
            return Judged::new(Verdict::Unknown, "the host does not say when it was installed");
        };
        let earlier: Vec<u32> = runs.new.iter().copied().filter(|pid| start(pid) < latest).collect();
        return match earlier.is_empty() {
            true => restarted(&runs),
            false => Judged::new(
                Verdict::Unknown,
                format!(
                    "started before the last change of any package, which may not have been this one's: {}",
                    runs.names(earlier)
                ),
            ),
        };
    };
    let earlier: Vec<u32> =
        runs.new.iter().copied().filter(|pid| start(pid) + START_SECONDS < installed).collect();
    match earlier.is_empty() {
        true => restarted(&runs),
        false => {
            let why = format!("started before the installation: {}", runs.names(earlier));
            Judged::new(Verdict::Failed, why)
        }
    }
}

fn restarted(runs: &Runs) -> Judged {
    let names = runs.names(runs.new.iter().copied());
    Judged::new(Verdict::Passed, format!("started after the installation: {names}"))
}
