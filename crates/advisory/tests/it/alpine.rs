//! Against trivy 0.59.1 on the same secdb.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use advisory::{AdvisoryIndex, match_packages, sync};
use model::{Affects, Code, FindingState, PackageVersion};

use crate::alpine_differences::{Difference, HIZLBUZZ, SYNTHETIC};
use crate::shared::{alpine_platform, index, installed, shared, source};

/// Package, installed version, id, fixed version.
type Row = [String; 4];

#[test]
fn synthetic_hosts_agree_with_trivy() {
    let (Some(secdb), Some(hosts)) = (shared("advisories/alpine/secdb"), shared("hosts/alpine-synthetic"))
    else {
        return;
    };
    let index = index(&[secdb]);
    let mut found = BTreeSet::new();
    let mut rows = 0;
    let mut names: Vec<_> =
        fs::read_dir(hosts).expect("hosts").map(|it| it.expect("a host").path()).collect();
    names.sort();
    for host in names {
        let name = host.file_name().expect("a name").to_string_lossy().into_owned();
        let platform = alpine_platform(&read(&host.join("etc/os-release")));
        let packages = installed(&read(&host.join("lib/apk/db/installed")), &platform);
        let expected = read(&host.join("expected-findings.tsv"));
        let expected: BTreeSet<Row> = expected.lines().map(row).collect();
        rows += expected.len();
        assert!(index.covers(&platform), "{platform}");
        collect(&name, &vulnerable(&index, &packages), &expected, &mut found);
    }
    assert!(rows > 1_000, "{rows} expected rows are too few to prove anything");
    compare(&found, SYNTHETIC);
}

#[test]
fn a_real_image_agrees_with_trivy() {
    let (Some(secdb), Some(hosts)) = (shared("advisories/alpine/secdb"), shared("hosts/alpine")) else {
        return;
    };
    let index = index(&[secdb]);
    let platform = alpine_platform(&read(&hosts.join("v3.14-hizlbuzz.os-release")));
    let packages = installed(&read(&hosts.join("v3.14-hizlbuzz.installed")), &platform);
    let expected = trivy(&read(&hosts.join("trivy-v3.14-hizlbuzz.json")));
    assert!(expected.len() > 40, "{} expected rows are too few to prove anything", expected.len());
    let mut found = BTreeSet::new();
    collect("hizlbuzz", &vulnerable(&index, &packages), &expected, &mut found);
    compare(&found, HIZLBUZZ);
}

#[test]
fn every_entry_of_the_real_database_is_used() {
    let Some(secdb) = shared("advisories/alpine/secdb") else { return };
    let snapshot = sync(&source(&secdb)).expect("usable");
    let mut invalid = BTreeSet::new();
    for problem in &snapshot.problems {
        assert_eq!(problem.code, Code::FeedVersionInvalid, "{problem}");
        invalid.extend(problem.message.split('`').nth(1));
    }
    assert_eq!(invalid.len(), 11, "{invalid:?}");
    assert!(invalid.contains("1.9.5p2-r0") && invalid.contains("2021-03-27-r5"), "{invalid:?}");
    assert_eq!(snapshot.coverage.len(), 32);
    let affects = || snapshot.advisories.iter().flat_map(|it| &it.affected).map(|it| &it.affects);
    let completed = affects()
        .filter(|it| matches!(it, Affects::Ranges { earlier_fixes, .. } if !earlier_fixes.is_empty()));
    // Ids under two fix versions, and the four that stand under `0` and a version.
    assert_eq!(completed.count(), 359);
    assert_eq!(affects().filter(|it| **it == Affects::NotAffected).count(), 780);
}

fn vulnerable(index: &AdvisoryIndex, packages: &[PackageVersion]) -> BTreeSet<Row> {
    let matches = match_packages(index, packages);
    let vulnerable = matches.iter().filter(|it| it.state == FindingState::Vulnerable);
    let rows = vulnerable.map(|it| {
        let package = &packages[it.package].package;
        [package.name.to_string(), package.version.to_string(), it.id.to_string(), it.fix.to_string()]
    });
    rows.collect()
}

fn collect(host: &str, ours: &BTreeSet<Row>, theirs: &BTreeSet<Row>, found: &mut BTreeSet<String>) {
    let show = |sign: &str, row: &Row| format!("{sign} {host} {}", row.join(" "));
    found.extend(ours.difference(theirs).map(|row| show("+", row)));
    found.extend(theirs.difference(ours).map(|row| show("-", row)));
}

/// Compares what differs with what is known to differ: exactly these, no more and no fewer.
fn compare(found: &BTreeSet<String>, known: &[Difference]) {
    let known: BTreeSet<_> = known.iter().flat_map(Difference::rows).collect();
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(found).collect();
    assert!(new.is_empty() && gone.is_empty(), "not explained: {new:#?}\nno longer there: {gone:#?}");
}

fn row(line: &str) -> Row {
    let mut fields = line.split('\t').map(str::to_owned);
    std::array::from_fn(|_| fields.next().expect("four fields"))
}

fn trivy(text: &str) -> BTreeSet<Row> {
    let report: serde_json::Value = serde_json::from_str(text).expect("trivy's report");
    let results = report["Results"].as_array().into_iter().flatten();
    let found = results
        .filter(|it| it["Class"] == "os-pkgs")
        .flat_map(|it| it["Vulnerabilities"].as_array())
        .flatten();
    let fields = ["PkgName", "InstalledVersion", "VulnerabilityID", "FixedVersion"];
    found.map(|it| fields.map(|field| it[field].as_str().unwrap_or_default().to_owned())).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
