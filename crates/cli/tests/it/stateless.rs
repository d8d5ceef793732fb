//! Verbs without a workspace: `version-compare`, `audit-root`, `audit-packages`.

use std::path::{Path, PathBuf};

use crate::command::Ifrit;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}

#[test]
fn version_compare_answers_one_pair() {
    let check = |ecosystem, a, b, expected: &str| {
        let output = Ifrit::new().run(&["version-compare", ecosystem, a, b]).expect_exit(0);
        assert_eq!(output.stdout, format!("{expected}\n"));
    };
    check("apk", "1.2.3-r0", "1.2.3-r1", "1.2.3-r0 < 1.2.3-r1");
    check("apk", "1.0_rc1", "1.0", "1.0_rc1 < 1.0");
    check("dpkg", "1:1.0-1", "2.0-1", "1:1.0-1 > 2.0-1");
    check("dpkg", "1.0~rc1-1", "1.0-1", "1.0~rc1-1 < 1.0-1");
    check("freebsd", "1.0,1", "2.0", "1.0,1 > 2.0");
    check("rpm", "1.0~rc1", "1.0", "1.0~rc1 < 1.0");
    check("semver", "1.0.0-alpha", "1.0.0", "1.0.0-alpha < 1.0.0");
    check("pep440", "1.0.dev1", "1.0", "1.0.dev1 < 1.0");
    check("alpine", "1.0-r0", "1.0-r0", "1.0-r0 = 1.0-r0");
}

#[test]
fn version_compare_answers_each_line_of_standard_input() {
    let output = Ifrit::new().run_with_input(&["version-compare", "apk"], "1-r0 1-r1\n2-r0  2-r0\n\n3 2\n");
    assert_eq!(output.expect_exit(0).stdout, "1-r0 < 1-r1\n2-r0 = 2-r0\n3 > 2\n");
    let output = Ifrit::new().run_with_input(&["version-compare", "semver"], "1.0.0 2.0.0\nx 1.0.0\n1\n");
    let output = output.expect_exit(4);
    assert_eq!(output.stdout, "1.0.0 < 2.0.0\nx ? 1.0.0\n?\n");
    assert!(output.stderr.contains("standard input:2:"), "{}", output.stderr);
}

#[test]
fn an_unknown_ecosystem_is_a_usage_error() {
    let output = Ifrit::new().run(&["version-compare", "cobol", "1", "2"]).expect_exit(2);
    assert!(output.stderr.contains("expected one of apk"), "{}", output.stderr);
}

#[test]
fn audit_root_finds_what_is_vulnerable_in_a_recorded_root() {
    let (root, feeds) = (fixture("fleet/alpine-3.18"), fixture("feeds"));
    let output =
        Ifrit::new().run(&["audit-root", text(&root), "--feeds", text(&feeds), "--json"]).expect_exit(1);
    let rows = output.rows();
    let is_wanted =
        |row: &&serde_json::Value| row["package"] == "aspnetcore7.0-runtime" && row["id"] == "CVE-2023-28260";
    let row = rows.iter().find(is_wanted).unwrap_or_else(|| panic!("{}", output.stdout));
    assert_eq!(row["installed"], "7.0.3-r0");
    assert_eq!(row["fixed"], "7.0.5-r0");
    assert_eq!(row["state"], "vulnerable");
    assert_eq!(row["source"], "alpine-secdb");
    assert!(row["aliases"].is_array());
    assert!(row["reason"].as_str().expect("a reason").contains("7.0.3-r0"), "{row}");
    assert!(
        rows.iter().all(|row| row["state"] == "vulnerable" || row["state"] == "unknown"),
        "{}",
        output.stdout
    );
}

#[test]
fn audit_root_says_what_it_cannot_audit() {
    let ifrit = Ifrit::new();
    let feeds = fixture("feeds");
    ifrit.write("empty/etc/hostname", "x\n");
    let output = ifrit.run(&["audit-root", "empty", "--feeds", text(&feeds)]).expect_exit(4);
    assert!(output.stderr.contains("error: empty cannot be audited"), "{}", output.stderr);
    let _ = ifrit.run(&["audit-root", "nowhere", "--feeds", text(&feeds)]).expect_exit(4);
    let output = ifrit.run(&["audit-root", "empty", "--feeds", "empty"]).expect_exit(4);
    assert!(output.stderr.contains("error:"), "{}", output.stderr);
    let _ = ifrit.run(&["audit-root", "empty"]).expect_exit(2);
}

#[test]
fn a_release_without_data_is_unknown_and_never_safe() {
    let ifrit = Ifrit::new();
    let feeds = fixture("feeds");
    ifrit.write("old/etc/os-release", "ID=alpine\nVERSION_ID=3.2.0\n");
    ifrit.write("old/lib/apk/db/installed", "P:musl\nV:1.1.11-r0\nA:x86_64\no:musl\n\n");
    let output = ifrit.run(&["audit-root", "old", "--feeds", text(&feeds), "--json"]).expect_exit(3);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("no feed speaks of alpine 3.2"), "{}", output.stderr);
}

#[test]
fn a_broken_feed_makes_silence_unknown_only_where_it_could_hide_a_finding() {
    let ifrit = Ifrit::new();
    ifrit.write("root/etc/os-release", "ID=alpine\nVERSION_ID=3.18.0\n");
    ifrit.write("root/lib/apk/db/installed", "P:musl\nV:1.2.4-r9\nA:x86_64\no:musl\n\n");
    let secdb = std::fs::read_to_string(fixture("feeds/alpine/secdb/v3.18/main.json")).expect("the fixture");
    ifrit.write("feeds/main.json", &secdb);
    let audit = || ifrit.run(&["audit-root", "root", "--feeds", "feeds"]);
    let _ = audit().expect_exit(0);
    // Likelihoods that are cut short rank nothing, and hide nothing.
    ifrit.write(
        "feeds/epss.csv",
        "#model_version:v1,score_date:2024-10-25T00:00:00+0000\ncve,epss,percentile\nCVE-1999-0005,0.9",
    );
    let output = audit().expect_exit(0);
    assert!(output.stderr.contains("feed epss"), "it is said all the same: {}", output.stderr);
    // Half of a security database may have held the one entry that counts.
    ifrit.write("feeds/community.json", &secdb[..secdb.len() / 2]);
    let _ = audit().expect_exit(3);
}

#[test]
fn audit_root_looks_through_software_where_it_is_told_to() {
    let ifrit = Ifrit::new();
    ifrit.write("root/etc/os-release", "ID=alpine\nVERSION_ID=3.18.0\n");
    ifrit.write("root/lib/apk/db/installed", "P:musl\nV:1.2.4-r9\nA:x86_64\no:musl\n\n");
    let package = r#"{"name": "left-pad", "version": "1.2.0"}"#;
    ifrit.write("root/srv/shop/node_modules/left-pad/package.json", package);
    let secdb = std::fs::read_to_string(fixture("feeds/alpine/secdb/v3.18/main.json")).expect("the fixture");
    ifrit.write("feeds/main.json", &secdb);
    let record = r#"{"id": "GHSA-xxxx-2098-0001", "aliases": ["CVE-2098-0001"], "modified": "2098-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.0"}]}]}]}"#;
    ifrit.write("feeds/left-pad.json", record);
    let audit =
        |more: &[&str]| ifrit.run(&[&["audit-root", "root", "--feeds", "feeds", "--json"], more].concat());
    assert_eq!(audit(&[]).expect_exit(0).rows().len(), 0, "nobody said where to look");
    let rows = audit(&["--software", "srv/shop"]).expect_exit(1).rows();
    let found = (&rows[0]["package"], &rows[0]["installed"], &rows[0]["fixed"], &rows[0]["ecosystem"]);
    assert_eq!(found, (&"left-pad".into(), &"1.2.0".into(), &"1.3.0".into(), &"npm".into()));
    assert_eq!(rows[0]["path"], "/srv/shop/node_modules/left-pad/package.json");
    let _ = audit(&["--software", "srv/none"]).expect_exit(4);
    std::os::unix::fs::symlink("/etc", ifrit.directory().join("root/srv/out")).expect("a link");
    let output = audit(&["--software", "srv/out"]).expect_exit(4);
    assert!(
        output.stderr.contains("leads out of the root") || output.stderr.contains("cannot read"),
        "{}",
        output.stderr
    );
}

#[test]
fn audit_packages_reads_a_list() {
    let ifrit = Ifrit::new();
    let feeds = fixture("feeds");
    ifrit.write("list.tsv", "# name version source\nlibcrypto3 3.1.0-r0 openssl\nmusl\t1.2.4-r0\n");
    let arguments = ["audit-packages", "list.tsv", "--os", "alpine:3.18", "--feeds", text(&feeds), "--json"];
    let rows = ifrit.run(&arguments).expect_exit(1).rows();
    assert!(
        rows.iter().any(|row| row["package"] == "libcrypto3" && row["state"] == "vulnerable"),
        "{rows:?}"
    );
    ifrit.write("list.tsv", "# made by a command that failed\n\n");
    let output = ifrit.run(&arguments).expect_exit(3);
    assert!(output.stderr.contains("an empty list says nothing"), "{}", output.stderr);
    ifrit.write("list.tsv", &"x".repeat(100_000));
    let output = ifrit.run(&arguments).expect_exit(2);
    assert!(output.stderr.len() < 500, "{}", output.stderr.len());
    ifrit.write("list.tsv", "libcrypto3 3.1.0-r0 openssl more\n");
    let output = ifrit.run(&arguments).expect_exit(2);
    assert!(output.stderr.contains("list.tsv:1:"), "{}", output.stderr);
}
