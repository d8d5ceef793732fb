//! Services as their manager sees them: OpenRC, systemd, runit, FreeBSD's rc.d. A host without any
//! (a container whose first process is the service itself) has an empty list.
//!
//! Kept is what is enabled or runs: a manager knows hundreds that are neither. "Runs" is the
//! manager's word: a one-shot that was started counts as running with OpenRC and systemd.

use std::collections::BTreeMap;

use model::{ObservedService, ServiceManager};

use crate::facts::fact::Definition;
use crate::facts::faults::{Faults, quote};
use crate::facts::files::Files;
use crate::facts::package::lines;

/// The services taken of one host.
const SERVICES_MAX: usize = 20_000;
/// The bytes of a service's name.
const NAME_BYTES_MAX: usize = 512;

/// OpenRC and runit keep their state in files, so no process is started for them; systemctl(1) is
/// asked twice. FreeBSD's `service -e` knows what is enabled; asking each script for its status
/// would start hundreds of processes, so what runs is told by pid files: a service without one (or
/// with one of another name) has an unknown state.
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "services",
    guard: "true",
    snippet: r#"
if [ -d /run/systemd/system ]; then
  echo '= unit-files'
  systemctl list-unit-files --type=service --no-legend --no-pager --plain --full || return
  echo '= units'
  systemctl list-units --type=service --all --no-legend --no-pager --plain --full || return
fi
if [ -d /run/openrc ]; then
  echo '= openrc'
  for file in /etc/runlevels/*/*; do
    [ ! -e "$file" ] || printf 'enabled %s\n' "${file##*/}"
  done
  for file in /run/openrc/started/*; do
    if [ -e "$file" ] || [ -L "$file" ]; then printf 'started %s\n' "${file##*/}"; fi
  done
fi
echo '= runit'
for folder in /run/runit/runsvdir/current /etc/service /var/service /service; do
  for service in "$folder"/*/; do
    [ -d "$service/supervise" ] || continue
    service=${service%/}
    state=unknown
    [ ! -r "$service/supervise/stat" ] || read -r state <"$service/supervise/stat"
    enabled=enabled
    [ ! -e "$service/down" ] || enabled=down
    printf '%s %s %s\n' "$enabled" "${state%%[!a-z]*}" "${service##*/}"
  done
done
if [ -x /bin/freebsd-version ]; then
  echo '= rcd'
  service -e || return
  for file in /var/run/*.pid /var/run/*/*.pid; do
    [ -r "$file" ] || continue
    read -r pid <"$file"
    case $pid in '' | *[!0-9]*) continue ;; esac
    name=${file##*/}
    if kill -0 "$pid"; then
      printf 'alive %s\n' "${name%.pid}"
    elif [ -w /var/run ]; then
      printf 'dead %s\n' "${name%.pid}"
    fi
  done
fi 2>/dev/null
return 0"#,
    read: |seen, output, faults| seen.observed.services = Some(parse(output, faults)),
};

/// What is known of a service: enabled, running.
type States = BTreeMap<(ServiceManager, String), (Option<bool>, Option<bool>)>;

/// Reads the sections of the answer.
fn parse(output: &[u8], faults: &mut Faults) -> Vec<ObservedService> {
    let mut states = States::new();
    let mut processes: BTreeMap<String, bool> = BTreeMap::new();
    let mut section = String::new();
    for line in lines(output, faults).filter(|line| !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix("= ") {
            name.clone_into(&mut section);
            continue;
        }
        // Old systemctl marks failed units with a bullet, `--plain` or not.
        let words: Vec<&str> =
            line.split_whitespace().filter(|word| !["\u{25cf}", "*"].contains(word)).collect();
        let is_read = match (section.as_str(), words.as_slice()) {
            ("unit-files", [unit, state, ..]) => unit_file(&mut states, unit, state),
            ("units", [unit, _, active, ..]) => unit_state(&mut states, unit, active),
            ("openrc", [state, name]) => openrc(&mut states, state, name),
            ("runit", [enabled, state, name]) => runit(&mut states, enabled, state, name),
            ("rcd", ["alive", name]) => processes.insert((*name).to_owned(), true).is_none_or(|_| true),
            ("rcd", ["dead", name]) => processes.insert((*name).to_owned(), false).is_none_or(|_| true),
            ("rcd", [path]) if path.starts_with('/') => {
                let name = path.rsplit('/').next().unwrap_or_default();
                set(&mut states, ServiceManager::RcD, name, Some(true), None)
            }
            _ => false,
        };
        if !is_read {
            faults.ignored(format!("no service of {section} is in {}", quote(&line)));
        }
    }
    for ((manager, name), (_, is_running)) in &mut states {
        if *manager == ServiceManager::RcD {
            *is_running = processes.get(name).copied();
        }
    }
    finish(states)
}

/// Reads what an offline root has enabled; `None` where it has no manager that is known.
pub(in crate::facts) fn enabled_offline(files: &Files) -> Option<Vec<ObservedService>> {
    let mut states = States::new();
    for path in &files.names {
        let name = path.rsplit('/').next().unwrap_or_default();
        if path.starts_with("/etc/runlevels/") {
            set(&mut states, ServiceManager::OpenRc, name, Some(true), None);
        } else if path.starts_with("/etc/systemd/system/") && path.contains(".wants/") {
            unit_file(&mut states, name, "enabled");
        }
    }
    for (_, lines) in files.only(|path| path.starts_with("/etc/rc.conf")) {
        for line in lines {
            let Some((name, value)) = line.trim().split_once("_enable=") else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                continue;
            }
            let value = value.trim_matches(['"', '\'']).to_ascii_lowercase();
            // rc.subr(8), checkyesno: these four words.
            let is_yes = ["yes", "true", "on", "1"].contains(&value.as_str());
            set(&mut states, ServiceManager::RcD, name, Some(is_yes), None);
        }
    }
    Some(finish(states)).filter(|services| !services.is_empty())
}

/// Notes a state; says whether the name could be one.
fn set(
    states: &mut States,
    manager: ServiceManager,
    name: &str,
    enabled: Option<bool>,
    running: Option<bool>,
) -> bool {
    let is_good = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    if is_good && states.len() < SERVICES_MAX {
        let state = states.entry((manager, name.to_owned())).or_default();
        *state = (enabled.or(state.0), running.or(state.1));
    }
    is_good
}

/// systemctl(1), "is-enabled": a static unit is neither enabled nor disabled.
fn unit_file(states: &mut States, unit: &str, state: &str) -> bool {
    let enabled = match state {
        "enabled" | "enabled-runtime" | "linked" | "linked-runtime" => Some(true),
        "disabled" | "masked" | "masked-runtime" => Some(false),
        _ => None,
    };
    unit.strip_suffix(".service").is_some_and(|name| {
        // A template (`getty@.service`) cannot run; its instances are units of their own.
        name.ends_with('@') || set(states, ServiceManager::Systemd, name, enabled, None)
    })
}

fn unit_state(states: &mut States, unit: &str, active: &str) -> bool {
    let is_running = matches!(active, "active" | "reloading");
    let name = unit.strip_suffix(".service");
    name.is_some_and(|name| set(states, ServiceManager::Systemd, name, None, Some(is_running)))
}

fn openrc(states: &mut States, state: &str, name: &str) -> bool {
    match state {
        "enabled" => set(states, ServiceManager::OpenRc, name, Some(true), None),
        "started" => set(states, ServiceManager::OpenRc, name, None, Some(true)),
        _ => false,
    }
}

fn runit(states: &mut States, enabled: &str, state: &str, name: &str) -> bool {
    let is_running = match state {
        "run" => Some(true),
        "down" | "finish" => Some(false),
        _ => None,
    };
    set(states, ServiceManager::Runit, name, Some(enabled == "enabled"), is_running)
}

/// OpenRC's lists are whole: what is in neither is not enabled and does not run.
fn finish(states: States) -> Vec<ObservedService> {
    let has_run_state =
        states.iter().any(|((manager, _), state)| *manager == ServiceManager::OpenRc && state.1.is_some());
    let service = |((manager, name), (enabled, running)): ((ServiceManager, String), _)| {
        let is_open_rc = manager == ServiceManager::OpenRc;
        let (is_enabled, is_running): (Option<bool>, Option<bool>) = (enabled, running);
        ObservedService {
            manager,
            name,
            is_enabled: is_enabled.or(is_open_rc.then_some(false)),
            is_running: is_running.or((is_open_rc && has_run_state).then_some(false)),
        }
    };
    let is_kept = |it: &ObservedService| it.is_enabled == Some(true) || it.is_running == Some(true);
    states.into_iter().map(service).filter(is_kept).collect()
}

#[cfg(test)]
mod tests;
