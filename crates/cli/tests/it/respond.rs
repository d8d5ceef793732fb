//! `ifrit respond`, `drill` and `verify` end to end on real Debian hosts with a repository that has the fix.

use std::path::Path;

use serde_json::Value;
use testkit::{
    AptRepository, EXERCISE_FIXED, EXERCISE_OLD, EXERCISE_PACKAGE, ExercisePackage, HostContent, HostSpec,
};

use crate::fix::{Setup, is_supported};

const EXERCISE: &str = "IFRIT-EXERCISE-2026-0001";
/// A file of the exercise package.
const ITS_FILE: &str = "/usr/share/doc/ifrit-exercise/README";
const UNATTENDED: &str = "[respond]\nunattended = \"always\"\n";

/// Three hosts with the old package that can get the fixed one.
fn setup(settings: &str) -> Setup {
    let scratch = tempfile::tempdir().expect("a folder");
    let versions = [EXERCISE_OLD, EXERCISE_FIXED];
    let packages = versions.map(|version| ExercisePackage::new(EXERCISE_PACKAGE, version));
    let repository = AptRepository::build(scratch.path(), &packages).expect("repository");
    let host = |name: &str| {
        let packages = repository.deb(EXERCISE_PACKAGE, EXERCISE_OLD).into_iter().collect();
        let repository = Some(repository.folder().to_owned());
        HostSpec::new(name, HostContent::DebianWith { packages, repository })
    };
    let setup = Setup::of(&["app-1", "app-2", "app-3"].map(host), settings);
    setup.commit();
    let feeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/feeds");
    let _ = setup.run(&["feeds", "sync", "--from", feeds.to_str().expect("UTF-8")]).expect_exit(0);
    let _ = setup.run(&["scan"]).expect_exit(0);
    setup
}

fn of_kind<'r>(rows: &'r [Value], kind: &str) -> Vec<&'r Value> {
    rows.iter().filter(|row| row["kind"] == kind).collect()
}

/// Returns the states of an incident's hosts, in the order of their names.
fn states(setup: &Setup, id: &str) -> Vec<String> {
    let rows = setup.run(&["incident", "show", id, "--json"]).expect_exit(0).rows();
    let mut hosts: Vec<(String, String)> = of_kind(&rows, "host")
        .into_iter()
        .map(|row| {
            (row["host"].as_str().expect("a name").into(), row["state"].as_str().expect("a state").into())
        })
        .collect();
    hosts.sort();
    hosts.into_iter().map(|(_, state)| state).collect()
}

fn runs(setup: &Setup) -> usize {
    setup.run(&["runs", "--json"]).expect_exit(0).rows().len()
}

#[test]
fn an_emergency_stops_and_goes_on_at_every_gate() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    // Nobody is there to ask: the incident is opened, and nothing else happens.
    let output = setup.run(&["respond", EXERCISE]).expect_exit(1);
    assert!(output.stderr.contains("Nobody is here to ask"), "{}", output.stderr);
    assert_eq!(states(&setup, "inc-2026-0001").len(), 3, "{}", output.stderr);
    for (stage, expected, runs_expected) in [
        ("planned", ["vulnerable", "vulnerable", "vulnerable"], 0),
        ("approved", ["vulnerable", "vulnerable", "vulnerable"], 0),
        ("canaried", ["vulnerable", "vulnerable", "patched"], 1),
        ("applied", ["patched", "patched", "patched"], 2),
        ("verified", ["verified", "verified", "verified"], 2),
    ] {
        let _ = setup.run(&["respond", EXERCISE, "--yes", "--stop-after", stage]).expect_exit(1);
        assert_eq!(states(&setup, "inc-2026-0001"), expected, "after {stage}");
        assert_eq!(runs(&setup), runs_expected, "after {stage}");
    }
    let output = setup.run(&["respond", "inc-2026-0001", "--yes"]).expect_exit(0);
    assert!(output.stderr.contains("reports/inc-2026-0001-acme.html"), "{}", output.stderr);
    let report = setup.ifrit.directory().join("reports/inc-2026-0001-acme.html");
    let report = std::fs::read_to_string(report).expect("a report");
    assert!(report.starts_with("<!DOCTYPE html>") && report.contains("app-3"), "{report}");
    assert_eq!(runs(&setup), 2, "nothing is done twice");
    let plans = setup.run(&["plans", "--json"]).expect_exit(0).rows();
    assert_eq!(plans.len(), 1, "{plans:?}");
    let _ = setup.run(&["incident", "close", "inc-2026-0001", "--reason", "done"]).expect_exit(0);
    let _ = setup.run(&["respond", "inc-2026-0001", "--yes"]).expect_exit(2);
    // Nobody is vulnerable any more: no further incident is opened.
    let output = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(0);
    assert!(output.stderr.contains("no incident is opened"), "{}", output.stderr);
    let _ = setup.run(&["audit", "verify"]).expect_exit(0);
}

#[test]
fn yes_and_approvals_are_what_the_settings_say() {
    if !is_supported() {
        return;
    }
    let setup = setup("[approval]\nrestart = \"four-eyes\"\n");
    let output = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(2);
    assert!(output.stderr.contains("respond.unattended"), "{}", output.stderr);
    let settings = std::fs::read_to_string(setup.ifrit.directory().join("ifrit.toml")).expect("settings");
    setup.ifrit.write("ifrit.toml", &format!("{settings}{UNATTENDED}"));
    let output = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(1);
    assert!(output.stderr.contains("needs the approval of a second person"), "{}", output.stderr);
    assert!(output.stderr.contains("ifrit approve plan_"), "{}", output.stderr);
    assert_eq!((runs(&setup), states(&setup, "inc-2026-0001").len()), (0, 3));
}

#[test]
fn a_canary_that_is_not_well_holds_the_others() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    let _ = setup.run(&["respond", EXERCISE, "--yes", "--stop-after", "planned"]).expect_exit(1);
    setup.fleet.cut("app-3").expect("cut");
    let output = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(1);
    assert!(output.stderr.contains("the others are left as they are"), "{}", output.stderr);
    assert_eq!(states(&setup, "inc-2026-0001"), ["vulnerable"; 3]);
    setup.fleet.heal("app-3").expect("heal");
    let _ = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(0);
    assert_eq!(states(&setup, "inc-2026-0001"), ["verified"; 3]);
}

/// What was asked for one client must not touch another one, and a host is dealt with in one place.
#[test]
fn an_emergency_of_one_client_leaves_the_others_alone() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    let lines = setup.inventory.lines().map(|line| match line.contains("app-1") {
        true => format!("client(\"globex\")\n{}\n", line.replace("acme", "globex")),
        false => format!("{line}\n"),
    });
    let ghost = "host(\"ghost\", client = \"globex\", address = \"198.18.255.1\")\n";
    setup.ifrit.write("inventory/hosts.star", &(lines.collect::<String>() + ghost));
    setup.commit();
    let _ = setup.run(&["scan", "app-*"]).expect_exit(0);
    let respond = |client: &str, rest: &[&str]| {
        setup.run(&[&["respond", EXERCISE, "--client", client, "--yes"], rest].concat())
    };
    let _ = respond("acme", &["--stop-after", "planned"]).expect_exit(1);
    let output = respond("globex", &[]).expect_exit(0);
    assert!(output.stderr.contains("incident inc-2026-0002 is opened"), "{}", output.stderr);
    assert!(output.stdout.contains("1 host cannot be judged"), "{}", output.stdout);
    assert!(output.stdout.contains("ghost: it was never scanned"), "{}", output.stdout);
    assert_eq!(states(&setup, "inc-2026-0001"), ["vulnerable", "vulnerable"]);
    assert_eq!(states(&setup, "inc-2026-0002"), ["verified"]);
    let output = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(2);
    assert!(output.stderr.contains("of inc-2026-0001 already"), "{}", output.stderr);
    let output = setup.run(&["report", "incident", "inc-2026-0001", "--client", "globex"]).expect_exit(2);
    assert!(output.stderr.contains("has no host of the client globex"), "{}", output.stderr);
    let output = setup.run(&["verify", EXERCISE, "on", "app-1", "or", "ghost"]).expect_exit(3);
    assert!(output.stdout.contains("1 proven, 0 failed, 1 unknown"), "{}", output.stdout);
    assert!(
        output.stderr.contains("host ghost") && output.stderr.contains("never scanned"),
        "{}",
        output.stderr
    );
    // By its name it is that one, although the other one is newer.
    let _ = setup.run(&["respond", "inc-2026-0001", "--yes"]).expect_exit(0);
    assert_eq!(states(&setup, "inc-2026-0001"), ["verified", "verified"]);
    let _ = setup.run(&["audit", "verify"]).expect_exit(0);
}

#[test]
fn a_host_that_vanishes_is_unknown_and_the_others_keep_their_own_proof() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    let _ = setup.run(&["respond", EXERCISE, "--yes", "--stop-after", "applied"]).expect_exit(1);
    let script = format!("echo tampered >>{ITS_FILE}");
    assert!(setup.fleet.ssh("app-2", &script).expect("ssh").status().expect("ssh").success());
    let rest: String =
        setup.inventory.lines().filter(|line| !line.contains("app-1")).map(|it| format!("{it}\n")).collect();
    setup.ifrit.write("inventory/hosts.star", &rest);
    setup.commit();
    let output = setup.run(&["respond", "inc-2026-0001", "--yes"]).expect_exit(1);
    assert!(output.stderr.contains("app-1 is not declared any more"), "{}", output.stderr);
    assert_eq!(states(&setup, "inc-2026-0001"), ["unknown", "vulnerable", "verified"]);
}

/// Somebody else patches the canary between plan and run: what was planned there is not what is found.
#[test]
fn a_canary_that_was_changed_meanwhile_holds_the_others_until_there_is_a_new_plan() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    let _ = setup.run(&["respond", EXERCISE, "--yes", "--stop-after", "planned"]).expect_exit(1);
    let script = format!("apt-get install -y {EXERCISE_PACKAGE}={EXERCISE_FIXED} >/dev/null 2>&1");
    assert!(setup.fleet.ssh("app-3", &script).expect("ssh").status().expect("ssh").success());
    let output = setup.run(&["respond", EXERCISE, "--yes"]);
    if output.exit == Some(1) {
        assert_eq!(states(&setup, "inc-2026-0001"), ["vulnerable"; 3], "{}", output.stderr);
        let output = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(0);
        assert!(output.stderr.contains("its canary app-3"), "{}", output.stderr);
        assert_eq!(setup.run(&["plans", "--json"]).expect_exit(0).rows().len(), 2);
    }
    assert_eq!(states(&setup, "inc-2026-0001"), ["verified"; 3]);
}

/// As if ifrit had been killed between a run and its note.
#[test]
fn a_run_that_nobody_noted_is_not_done_again() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    let _ = setup.run(&["respond", EXERCISE, "--yes", "--stop-after", "planned"]).expect_exit(1);
    let plans = setup.run(&["plans", "--json"]).expect_exit(0).rows();
    let plan = plans[0]["plan"].as_str().expect("a name");
    let _ = setup.run(&["apply", plan]).expect_exit(0);
    let _ = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(0);
    assert_eq!(states(&setup, "inc-2026-0001"), ["verified"; 3]);
    assert_eq!((runs(&setup), setup.run(&["plans", "--json"]).expect_exit(0).rows().len()), (1, 1));
    let show = setup.run(&["incident", "show", "inc-2026-0001", "--json"]).expect_exit(0).rows();
    let run = setup.run(&["runs", "--json"]).expect_exit(0).rows()[0]["run"].clone();
    assert!(show.iter().any(|row| row.to_string().contains(run.as_str().expect("a name"))), "{show:?}");
}

#[test]
fn a_tampered_file_is_no_proof() {
    if !is_supported() {
        return;
    }
    let setup = setup(UNATTENDED);
    let _ = setup.run(&["respond", EXERCISE, "--yes", "--stop-after", "applied"]).expect_exit(1);
    let script = format!("echo tampered >>{ITS_FILE}");
    assert!(setup.fleet.ssh("app-2", &script).expect("ssh").status().expect("ssh").success());
    let rows = setup.run(&["verify", EXERCISE, "--json"]).expect_exit(1).rows();
    let verdict = |host: &str, rung: &str| {
        let is_it = |row: &&Value| row["kind"] == "rung" && row["host"] == host && row["rung"] == rung;
        rows.iter().find(is_it).map(|row| row["verdict"].clone()).expect("a rung")
    };
    assert_eq!((verdict("app-1", "files"), verdict("app-2", "files")), ("passed".into(), "failed".into()));
    assert_eq!(verdict("app-2", "version"), "passed");
    let output = setup.run(&["verify", EXERCISE, "on", "app-2"]).expect_exit(1);
    assert!(output.stdout.contains(ITS_FILE), "{}", output.stdout);
    let _ = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(1);
    assert_eq!(states(&setup, "inc-2026-0001"), ["verified", "vulnerable", "verified"]);
}

#[test]
fn a_process_that_runs_the_old_file_waits_for_its_restart() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    setup.commit();
    let feeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/feeds");
    let _ = setup.run(&["feeds", "sync", "--from", feeds.to_str().expect("UTF-8")]).expect_exit(0);
    let _ = setup.run(&["scan"]).expect_exit(0);
    // A process that runs coreutils' own `sleep`, whose file is then replaced by the same one.
    let script = "sleep 600 </dev/null >/dev/null 2>&1 & cp -p /bin/sleep /bin/sleep.new && mv /bin/sleep.new /bin/sleep";
    assert!(setup.fleet.ssh("web-1", script).expect("ssh").status().expect("ssh").success());
    let rows = setup.run(&["verify", "openssh", "coreutils", "--json"]).rows();
    let rung = |package: &str, rung: &str| {
        let is_it = |row: &&Value| row["package"] == package && row["rung"] == rung;
        rows.iter().find(is_it).cloned()
    };
    // sshd runs as it was installed, and says its whole version to who connects.
    let network = rung("openssh-server", "network").expect("a rung");
    assert_eq!(network["verdict"], "passed", "{network}");
    let Some(processes) = rung("coreutils", "processes") else {
        // The feeds of the fixtures say nothing with a fix about this release's coreutils.
        return;
    };
    assert_eq!(processes["verdict"], "failed", "{processes}");
    assert!(processes["detail"].as_str().expect("text").contains("sleep ("), "{processes}");
}

#[test]
fn a_drill_is_an_incident_of_its_own_kind() {
    if !is_supported() {
        return;
    }
    let setup = setup("[respond]\nunattended = \"exercise\"\n");
    let _ = setup.run(&["respond", EXERCISE, "--yes"]).expect_exit(2);
    let output = setup.run(&["drill", EXERCISE, "--yes", "on", "app-1", "or", "app-2"]).expect_exit(0);
    assert!(output.stdout.contains("within the target of 15 min"), "{}", output.stdout);
    let rows = setup.run(&["incidents", "--json"]).expect_exit(0).rows();
    // The refused emergency was never opened.
    assert_eq!((rows.len(), &rows[0]["exercise"]), (1, &true.into()), "{rows:?}");
    assert_eq!(states(&setup, "inc-2026-0001"), ["verified", "verified"]);
    let output = setup.run(&["drill", "--fleet"]).expect_exit(2);
    assert!(output.stderr.contains("drill.fleet_command"), "{}", output.stderr);
}
