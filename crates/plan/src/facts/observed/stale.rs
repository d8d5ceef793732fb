//! Processes that still map deleted files: `/proc/PID/maps` of proc(5), which writes a newline in
//! a path as `\012`, so a file's name cannot forge a line.
//!
//! FreeBSD is not asked: its procstat(1) shows a mapping whose path it does not know like one whose
//! file is gone, so that every answer would be a guess.

use std::collections::BTreeMap;

use model::{Code, StaleProcess};

use crate::facts::fact::Definition;
use crate::facts::faults::{Faults, quote};
use crate::facts::package::lines;

/// The processes taken of one host.
const STALE_MAX: usize = 50_000;
/// The deleted "files" that were never files of a package: shared memory, DRM, asynchronous I/O.
const NO_FILES: [&str; 7] =
    ["/memfd:", "/dev/zero", "/dev/shm/", "/SYSV", "/[aio]", "/anon_hugepage", "/dev/dri"];

/// Lines of grep (`/proc/PID/maps:LINE`), then `CPID NAME`. Only executable mappings: data files
/// that are deleted and still open are the habit of databases.
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "stale-processes",
    guard: "[ -r /proc/self/maps ]",
    snippet: r#"
[ -r /proc/1/fd ] || { echo U; return 0; }
found=$(grep -sH '^[^ ]* ..x.* (deleted)$' /proc/[0-9]*/maps)
printf '%s\n' "$found"
last=
IFS='
'
set -f
for line in $found; do
  pid=${line#/proc/}
  pid=${pid%%/*}
  [ "$pid" != "$last" ] || continue
  last=$pid
  read -r name 2>/dev/null <"/proc/$pid/comm" && printf 'C%s %s\n' "$pid" "$name"
done
return 0"#,
    read: |seen, output, faults| seen.observed.stale_processes = parse(output, faults),
};

/// Reads the answer; `None` where the login may not look into processes.
fn parse(output: &[u8], faults: &mut Faults) -> Option<Vec<StaleProcess>> {
    let mut mapped: BTreeMap<(u32, String), ()> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for line in lines(output, faults).filter(|line| !line.is_empty()) {
        if line == "U" {
            let message = "the processes of others may not be looked into by this login";
            faults.push(Code::CollectNotPermitted, message);
            return None;
        }
        if let Some((pid, name)) = line.strip_prefix('C').and_then(|rest| rest.split_once(' ')) {
            names.extend(pid.parse::<u32>().ok().map(|pid| (pid, name.to_owned())));
        } else if let Some((pid, path)) = deleted(&line) {
            let is_file = path.starts_with('/') && !NO_FILES.iter().any(|none| path.starts_with(none));
            if is_file && mapped.len() < STALE_MAX {
                mapped.insert((pid, path.to_owned()), ());
            }
        } else {
            faults.ignored(format!("expected a mapping of a deleted file, got {}", quote(&line)));
        }
    }
    Some(by_name(mapped.into_keys(), &names))
}

/// Reads `/proc/PID/maps:ADDRESSES PERMISSIONS OFFSET DEVICE INODE PATH (deleted)`.
fn deleted(line: &str) -> Option<(u32, &str)> {
    let (pid, mut rest) = line.strip_prefix("/proc/")?.split_once("/maps:")?;
    for _ in 0..5 {
        rest = rest.trim_start_matches(' ').split_once(' ')?.1;
    }
    Some((pid.parse().ok()?, rest.trim_start_matches(' ').strip_suffix(" (deleted)")?))
}

/// Keeps of each process name and file the lowest process id.
fn by_name(mapped: impl Iterator<Item = (u32, String)>, names: &BTreeMap<u32, String>) -> Vec<StaleProcess> {
    let mut lowest = BTreeMap::new();
    for (pid, file) in mapped {
        // A process that ended meanwhile has no name, and is no trouble any more.
        let Some(process) = names.get(&pid) else { continue };
        lowest.entry((process.clone(), file)).or_insert(pid);
    }
    lowest.into_iter().map(|((process, file), pid)| StaleProcess { process, file, pid }).collect()
}

#[cfg(test)]
mod tests;
