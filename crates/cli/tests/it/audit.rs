//! `ifrit audit` as a user runs it, on what `ifrit secret` puts on record.

use std::process::Command;

use crate::command::Ifrit;

fn git(ifrit: &Ifrit, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"];
    let mut command = Command::new("git");
    let output =
        command.arg("-C").arg(ifrit.directory()).args(identity).args(arguments).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A workspace in git with two secrets of two clients on record.
fn workspace() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/clients.star", "client(\"acme\")\nclient(\"globex\")\n");
    ifrit.write(".gitignore", "*.db*\n.config/\n");
    git(&ifrit, &["init", "--quiet"]);
    git(&ifrit, &["add", "."]);
    git(&ifrit, &["commit", "--quiet", "-m", "x"]);
    let _ = ifrit.run(&["secret", "keygen"]).expect_exit(0);
    for (name, client) in [("acme/db", "acme"), ("globex/db", "globex")] {
        let _ = ifrit.run_with_input(&["secret", "set", name, "--client", client], "hush").expect_exit(0);
    }
    ifrit
}

#[test]
fn an_empty_record_says_so() {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    let output = ifrit.run(&["audit", "log"]).expect_exit(0);
    assert!(output.stdout.is_empty() && output.stderr.contains("nothing on record fits"), "{output:?}");
    let output = ifrit.run(&["audit", "verify"]).expect_exit(0);
    assert!(output.stdout.contains("nothing is on record yet") && output.stderr.is_empty(), "{output:?}");
    let output = ifrit.run(&["audit", "checkpoint"]).expect_exit(2);
    assert!(output.stderr.contains("error: nothing is on record yet"), "{output:?}");
}

#[test]
fn what_was_done_is_listed_and_verified() {
    let ifrit = workspace();
    let output = ifrit.run(&["audit", "log"]).expect_exit(0);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert!(
        lines[0].contains("RECORD") && lines[1].contains("secret.set") && lines[2].contains("globex/db"),
        "{output:?}"
    );
    let rows = ifrit.run(&["audit", "log", "--client", "acme", "--json"]).expect_exit(0).rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0]["actor"].as_str(), rows[0]["target"].as_str()), (Some("tester"), Some("acme/db")));
    let output = ifrit.run(&["audit", "log", "--client", "nobody"]).expect_exit(2);
    assert!(output.stderr.contains("no client `nobody` is known"), "{output:?}");
    // The first secret was sealed; the second one came too soon after it.
    let output = ifrit.run(&["audit", "verify"]).expect_exit(0);
    assert!(output.stdout.contains("cut off up to record 1\nrecord 2 is not signed yet"), "{output:?}");
    let note = ifrit.run(&["audit", "checkpoint"]).expect_exit(0).stdout;
    let kept = ifrit.write("kept", &note);
    let head = git(&ifrit, &["notes", "--ref=ifrit-audit", "show", "HEAD"]);
    assert_eq!(head, note, "the note in git is the checkpoint");
    let kept = kept.to_str().expect("UTF-8");
    let output = ifrit.run(&["audit", "verify", "--against", kept]).expect_exit(0);
    assert!(output.stdout.contains("cut off up to record 2\n"), "{output:?}");
    let rows = ifrit.run(&["audit", "verify", "--json"]).expect_exit(0).rows();
    assert_eq!((rows[0]["verdict"].as_str(), rows[0]["sealed"].as_u64()), (Some("whole"), Some(2)));
    assert!(!git(&ifrit, &["status", "--porcelain"]).contains("db"), "notes change no file");
}

#[test]
fn a_record_that_was_cut_off_is_noticed_by_what_is_in_git() {
    let ifrit = workspace();
    let _ = ifrit.run(&["audit", "checkpoint"]).expect_exit(0);
    std::fs::remove_file(ifrit.directory().join("ifrit.db")).expect("removed");
    let output = ifrit.run(&["audit", "verify"]).expect_exit(1);
    assert!(output.stdout.contains("BAD: records 1 to 2 are missing at the end"), "{output:?}");
    assert!(output.stderr.contains("the first bad one is record 1"), "{output:?}");
}

#[test]
fn without_git_it_is_said_that_nothing_outside_vouches() {
    let ifrit = workspace();
    std::fs::remove_dir_all(ifrit.directory().join(".git")).expect("removed");
    let output = ifrit.run(&["audit", "checkpoint"]).expect_exit(0);
    assert!(output.stderr.contains("anchor git: not used, the workspace is no git repository"), "{output:?}");
    let output = ifrit.run(&["audit", "verify"]).expect_exit(3);
    assert!(output.stdout.contains("whether later ones were cut off nobody can tell"), "{output:?}");
    assert!(output.stderr.contains("audit.not-anchored"), "{output:?}");
}

#[test]
fn an_export_is_verified_with_the_key_alone() {
    let ifrit = workspace();
    let output = ifrit.run(&["audit", "export", "--client", "acme", "--out", "acme.jsonl"]).expect_exit(0);
    let command: Vec<_> = output.stdout.split_whitespace().skip(1).collect();
    let text = std::fs::read_to_string(ifrit.directory().join("acme.jsonl")).expect("an export");
    assert!(text.contains("acme/db") && !text.contains("globex"), "{text}");
    // Elsewhere: no workspace, no database.
    let other = Ifrit::new();
    other.write("acme.jsonl", &text);
    let output = other.run(&command).expect_exit(0);
    assert!(output.stdout.contains("each of these records is in what was signed"), "{output:?}");
    other.write("acme.jsonl", &text.replace("tester", "nobody"));
    let output = other.run(&command).expect_exit(1);
    assert!(output.stdout.contains("BAD: record 1 is not in what was signed"), "{output:?}");
    other.write("acme.jsonl", "{}\n");
    let output = other.run(&command).expect_exit(2);
    assert!(output.stderr.contains("is no export of the record"), "{output:?}");
    let key = ifrit.run(&["audit", "key"]).expect_exit(0).stdout;
    assert_eq!(Some(&key.trim()), command.last());
}
