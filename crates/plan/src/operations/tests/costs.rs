//! What steps cost their host in processes, and in which order they write to its disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use model::{ClientName, HostName, HostPlan, RunId, StepOutcome};

use super::team::Team;
use crate::Nonce;
use crate::apply::{
    ApplyEvent, ApplyLimits, HOST_FOLDER, HostRun, OutcomeReader, Script, ScriptError, acknowledgement,
    script, settle_script,
};

/// The programs that are counted: all that the steps below may start.
const PROGRAMS: [&str; 15] = [
    "awk",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "head",
    "ln",
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
    let plan = plan_of(root, code, SHELL);
    count_programs(root);
    let programs = format!("\nPATH={}/programs:", root.display());
    let text = apply_text(root, &plan, &BTreeMap::new()).replace("\nPATH=", &programs);
    let outcomes = contact(SHELL, &edit(text), &plan);
    let log = fs::read_to_string(root.join("log")).expect("a log");
    (outcomes.into_values().collect(), log.lines().map(str::to_owned).collect())
}

/// Returns what a deploy does in a directory, as it is now; `ROOT` in the code is its path.
pub(super) fn plan_of(root: &Path, code: &str, shell: &[&str]) -> HostPlan {
    let steps = Team::new(&code.replace("ROOT", root.to_str().expect("UTF-8"))).steps(shell);
    HostPlan {
        client: ClientName::new("acme").expect("a name"),
        host: HostName::new("web-1").expect("a name"),
        facts_at: jiff::Timestamp::UNIX_EPOCH,
        fact_passes: 1,
        steps,
    }
}

/// Returns the script that takes the steps, with its lock and journal in the directory.
pub(super) fn apply_text(root: &Path, plan: &HostPlan, earlier: &BTreeMap<usize, StepOutcome>) -> String {
    let run = HostRun { plan, run: &RunId::from_bytes([4; 16]), earlier, rerun: false };
    moved(root, script(&run, &nonce(), &|_| None, &ApplyLimits::default()))
}

/// Returns the script that tells what the other one left.
pub(super) fn settle_text(root: &Path, plan: &HostPlan) -> String {
    let run = HostRun { plan, run: &RunId::from_bytes([4; 16]), earlier: &BTreeMap::new(), rerun: false };
    moved(root, settle_script(&run, &nonce(), &ApplyLimits::default()))
}

fn moved(root: &Path, made: Result<Script, ScriptError>) -> String {
    let text = String::from_utf8(made.expect("a script").bytes().to_vec()).expect("UTF-8");
    text.replace(HOST_FOLDER, &format!("{}/ifrit", root.display()))
}

fn nonce() -> Nonce {
    Nonce::from_bytes([3; 16])
}

/// Runs a script and acknowledges what it tells. Returns the outcomes by step.
pub(super) fn contact(shell: &[&str], text: &str, plan: &HostPlan) -> BTreeMap<usize, StepOutcome> {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the shell starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A script that is killed reads no more.
    stdin.write_all(text.as_bytes()).ok();
    let mut output = child.stdout.take().expect("it is piped");
    // The watcher of one that is killed holds the pipe until the dead one is waited for.
    let reading = std::thread::spawn(move || {
        let (mut said, mut buffer, mut stdin) = (Vec::new(), [0; 4096], Some(stdin));
        let end = format!("\n{} done\n", nonce().as_str()).into_bytes();
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            said.extend_from_slice(&buffer[..count]);
            if let Some(mut stdin) = stdin.take_if(|_| said.ends_with(&end)) {
                stdin.write_all(&acknowledgement(&nonce())).ok();
            }
        }
        said
    });
    child.wait().expect("it ends");
    let said = reading.join().expect("no panic");
    let events = OutcomeReader::new(&nonce(), plan.steps.len(), &ApplyLimits::default()).push(&said);
    let ended = events.into_iter().filter_map(|event| match event {
        ApplyEvent::Ended { step, report } => Some((step, report.outcome)),
        _ => None,
    });
    ended.collect()
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
fn new_files_cost_one_process_each_and_one_flush_together() {
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
    // Whoever sees the processes must not be able to speak for the script.
    assert!(!log.iter().any(|line| line.contains(nonce().as_str())), "{log:#?}");
    // The lock's folder, the run's folder and the directory; the directory's flush, the files' and the last one; a
    // look at the directory and one at the files.
    let expected = [("ln", 1), ("mkdir", 3), ("mv", 3), ("rm", 1), ("stat", 2), ("sync", 3)];
    assert_eq!(counted, expected, "{log:#?}");
    let path = root.path().display();
    let run = format!("{path}/ifrit/run.{}", "04".repeat(16));
    let syncs: Vec<&String> = log.iter().filter(|line| line.starts_with("sync ")).collect();
    // What was done, then what the journal tells of it, then what is about to take its place.
    assert!(syncs[1].starts_with(&format!("sync {path} {run}/journal ")), "{syncs:#?}");
    assert!(syncs[1].contains(&format!("{run}/journal {path}/d/.ifrit.")), "{syncs:#?}");
    assert_eq!(*syncs[2], format!("sync {path}/d {run}/journal"));
    // Nothing takes its place before the flush of all.
    let at = |word: &str| log.iter().position(|line| line.starts_with(word));
    assert!(at("mv ") > log.iter().position(|line| line == syncs[1]), "{log:#?}");
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
