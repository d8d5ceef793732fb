//! What steps cost their host in processes, and in which order they write to its disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use model::{ClientName, HostName, HostPlan, RunId, StepOutcome};

use super::team::Team;
use crate::Nonce;
use crate::apply::{ApplyEvent, ApplyLimits, HOST_FOLDER, HostRun, OutcomeReader, acknowledgement, script};

/// The programs that are counted: all that the steps below may start.
const PROGRAMS: [&str; 14] = [
    "awk",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "head",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sha256sum",
    "stat",
    "sync",
    "touch",
];
const SHELL: &[&str] = &["sh"];

/// Applies a deploy in a directory; `ROOT` in the code is its path. `edit` changes the script. Returns the outcomes
/// and each program that was started, with its arguments.
fn apply(root: &Path, code: &str, edit: impl Fn(String) -> String) -> (Vec<StepOutcome>, Vec<String>) {
    let path = root.to_str().expect("UTF-8");
    let steps = Team::new(&code.replace("ROOT", path)).steps(SHELL);
    let plan = HostPlan {
        client: ClientName::new("acme").expect("a name"),
        host: HostName::new("web-1").expect("a name"),
        facts_at: jiff::Timestamp::UNIX_EPOCH,
        fact_passes: 1,
        steps,
    };
    let (nonce, limits) = (Nonce::from_bytes([3; 16]), ApplyLimits::default());
    let run = RunId::from_bytes([4; 16]);
    let run = HostRun { plan: &plan, run: &run, earlier: &BTreeMap::new(), rerun: false };
    let made = script(&run, &nonce, &|_| None, &limits).expect("a script");
    let text = String::from_utf8(made.bytes().to_vec()).expect("UTF-8");
    let text = text
        .replace(HOST_FOLDER, &format!("{path}/ifrit"))
        .replace("\nPATH=", &format!("\nPATH={path}/programs:"));
    let text = edit(text) + &String::from_utf8_lossy(&acknowledgement(&nonce));
    count_programs(root);
    let mut child = Command::new(SHELL[0])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let stdout = child.wait_with_output().expect("it ends").stdout;
    let events = OutcomeReader::new(&nonce, plan.steps.len(), &limits).push(&stdout);
    let outcomes = events.into_iter().filter_map(|event| match event {
        ApplyEvent::Ended { report, .. } => Some(report.outcome),
        _ => None,
    });
    let log = fs::read_to_string(root.join("log")).expect("a log");
    (outcomes.collect(), log.lines().map(str::to_owned).collect())
}

/// Puts programs first in the path that say that they were started, and then are what they are called.
fn count_programs(root: &Path) {
    let folder = root.join("programs");
    fs::create_dir(&folder).expect("a folder");
    for program in PROGRAMS {
        let log = root.join("log");
        let text = format!(
            "#!/bin/sh\necho {program} \"$@\" >>'{}'\nPATH=/usr/bin:/bin:/usr/sbin:/sbin\nexec {program} \"$@\"\n",
            log.display()
        );
        let path = folder.join(program);
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn a_new_file_costs_three_processes_and_one_flush() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let code = r#"files.directory("ROOT/d", mode = 750)
files.put(dest = "ROOT/d/a", content = "a\n", mode = 644)
files.put(dest = "ROOT/d/b", content = "b\n", mode = 640)
files.put(dest = "ROOT/d/c", content = "c", mode = 600)"#;
    let (outcomes, log) = apply(root.path(), code, |text| text);
    assert_eq!(outcomes, vec![StepOutcome::Changed; 4], "{log:#?}");
    let d = root.path().join("d");
    let modes: Vec<u32> = ["", "a", "b", "c"].into_iter().map(|name| mode(&d.join(name))).collect();
    assert_eq!(modes, [0o750, 0o644, 0o640, 0o600]);
    assert_eq!(fs::read_to_string(d.join("c")).expect("it is there"), "c");
    assert_eq!(fs::read_dir(&d).expect("it is there").count(), 3, "nothing is left beside");
    let counted = PROGRAMS.into_iter().map(|program| {
        let is_it = |line: &&String| line.split(' ').next() == Some(program);
        (program, log.iter().filter(is_it).count())
    });
    let counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
    // The lock's folder, the run's folder and the directory; the directory's flush, the files' and the last one.
    assert_eq!(counted, [("mkdir", 3), ("mv", 3), ("rm", 1), ("stat", 4), ("sync", 5)], "{log:#?}");
    let path = root.path().display();
    let run = format!("{path}/ifrit/run.{}", "04".repeat(16));
    let syncs: Vec<&String> = log.iter().filter(|line| line.starts_with("sync ")).collect();
    // What was done, then what the journal tells of it, then what is about to take its place.
    assert!(syncs[1].starts_with(&format!("sync {path} {run}/journal ")), "{syncs:#?}");
    assert!(syncs[2].starts_with(&format!("sync {path}/d {run}/journal {path}/d/.ifrit.")), "{syncs:#?}");
    assert_eq!(*syncs[4], format!("sync {path}/d {run}/journal"));
}

#[test]
fn a_directory_with_modes_of_its_own_does_not_change_what_was_asked_for() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let code = "files.put(dest = \"ROOT/a\", content = \"a\\n\", mode = 644)";
    let strict = |text: String| text.replace("umask \"$mask\"", "umask 077");
    let (outcomes, log) = apply(root.path(), code, strict);
    assert_eq!(outcomes, [StepOutcome::Changed], "{log:#?}");
    assert_eq!(mode(&root.path().join("a")), 0o644);
}

#[test]
fn a_file_that_is_there_keeps_its_mode() {
    let root = tempfile::tempdir().expect("a temporary directory");
    for (name, bits) in [("a", 0o660), ("b", 0o4711)] {
        fs::write(root.path().join(name), "old\n").expect("a file");
        fs::set_permissions(root.path().join(name), fs::Permissions::from_mode(bits)).expect("a mode");
    }
    let code = "files.line(\"ROOT/a\", \"new\")\nfiles.put(dest = \"ROOT/b\", content = \"new\\n\")";
    let (outcomes, log) = apply(root.path(), code, |text| text);
    assert_eq!(outcomes, vec![StepOutcome::Changed; 2], "{log:#?}");
    assert_eq!(fs::read_to_string(root.path().join("a")).expect("it is there"), "old\nnew\n");
    assert_eq!(mode(&root.path().join("a")), 0o660);
    assert_eq!(mode(&root.path().join("b")), 0o4711);
}
