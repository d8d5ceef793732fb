//! `ifrit patch` end to end on real Debian hosts with a repository that has the fix.

use std::path::Path;

use testkit::{
    AptRepository, EXERCISE_FIXED, EXERCISE_OLD, EXERCISE_PACKAGE, ExercisePackage, HostContent, HostSpec,
};

use crate::fix::{Setup, is_supported};

const EXERCISE: &str = "IFRIT-EXERCISE-2026-0001";

/// Hosts with the old package: two can get the fixed one, one has a repository without it.
fn setup() -> Setup {
    let scratch = tempfile::tempdir().expect("a folder");
    let versions = [EXERCISE_OLD, EXERCISE_FIXED];
    let packages = versions.map(|version| ExercisePackage::new(EXERCISE_PACKAGE, version));
    let fresh = AptRepository::build(&scratch.path().join("fresh"), &packages).expect("repository");
    let stuck = AptRepository::build(&scratch.path().join("stuck"), &packages[..1]).expect("repository");
    let host = |name: &str, repository: &AptRepository, version| {
        let packages = fresh.deb(EXERCISE_PACKAGE, version).into_iter().collect();
        let repository = Some(repository.folder().to_owned());
        HostSpec::new(name, HostContent::DebianWith { packages, repository })
    };
    let specs = [
        host("app-1", &fresh, EXERCISE_OLD),
        host("app-2", &fresh, EXERCISE_OLD),
        host("behind", &stuck, EXERCISE_OLD),
        host("fine", &fresh, EXERCISE_FIXED),
    ];
    let setup = Setup::of(&specs, "");
    let _ = setup.run(&["scan"]).expect_exit(0);
    let feeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/feeds");
    let _ = setup.run(&["feeds", "sync", "--from", feeds.to_str().expect("UTF-8")]).expect_exit(0);
    setup
}

#[test]
fn findings_are_closed_and_the_proof_is_a_new_look() {
    if !is_supported() {
        return;
    }
    let setup = setup();
    let who = |exit| setup.run(&["who", EXERCISE, "--json"]).expect_exit(exit).rows();
    let vulnerable = |rows: &[serde_json::Value]| {
        let mut hosts: Vec<_> = rows
            .iter()
            .filter(|row| row["state"] == "vulnerable")
            .map(|row| row["host"].as_str().expect("a name").to_owned())
            .collect();
        hosts.sort();
        hosts
    };
    assert_eq!(vulnerable(&who(1)), ["app-1", "app-2", "behind"]);

    // Planning changes nothing, and says where there is nothing to be had.
    let output = setup.run(&["patch", EXERCISE, "--plan-only"]).expect_exit(1);
    assert!(output.stdout.contains("app-1, app-2 (2 hosts, same plan)"), "{}", output.stdout);
    assert!(output.stdout.contains("- ifrit-exercise 1.0-1"), "{}", output.stdout);
    assert!(output.stdout.contains("its repositories have nothing newer"), "{}", output.stdout);
    assert_eq!(vulnerable(&who(1)), ["app-1", "app-2", "behind"]);

    let rows = setup.run(&["patch", EXERCISE, "--yes", "--json"]).expect_exit(1).rows();
    let closing = |host: &str| {
        let is_it = |row: &&serde_json::Value| {
            row["kind"] == "finding" && row["host"] == host && !row["closing"].is_null()
        };
        rows.iter().find(is_it).map(|row| row["closing"].clone()).expect("a finding")
    };
    assert_eq!((closing("app-1"), closing("app-2")), ("closed".into(), "closed".into()));
    assert_eq!(closing("behind"), "no-candidate");
    // The proof: a new scan said so, and a second patch finds nothing on those hosts.
    assert_eq!(vulnerable(&who(1)), ["behind"]);
    let output = setup.run(&["patch", EXERCISE, "on", "app-*"]).expect_exit(0);
    assert!(output.stderr.contains("nothing that was asked for is open"), "{}", output.stderr);
    let _ = setup.run(&["patch", "ifrit-exercsie"]).expect_exit(2);
    let _ = setup.run(&["patch"]).expect_exit(2);
}
