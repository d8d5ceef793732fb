//! Against the real `pkg audit` (pkg 2.8.99) on the same VuXML.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use advisory::{Document, FeedSource, match_packages, sync};
use model::{FeedName, FindingState, PackageVersion, Platform};

use crate::shared::{package, shared, source};

/// What differs: package, vid. `+` we alone have it, `-` pkg alone has it.
const DIFFERENCES: &[&str] = &[];

#[test]
fn golden_packages_agree_with_pkg_audit() {
    let (Some(feed), Some(hosts)) = (shared("advisories/freebsd/vuln-flat.xml.xz"), shared("hosts/freebsd"))
    else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    fs::copy(feed, directory.path().join("vuln.xml.xz")).expect("a copy");
    let index = crate::shared::index(&[directory.path().to_owned()]);
    let platform = Platform::parse("freebsd:14.1").expect("a platform");
    let text = fs::read_to_string(hosts.join("golden-installed.tsv")).expect("packages");
    let packages: Vec<PackageVersion> = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, version)| package(&platform, name, version, name))
        .collect();
    let matches = match_packages(&index, &packages);
    let ours: BTreeSet<String> = matches
        .iter()
        .filter(|it| it.state == FindingState::Vulnerable)
        .map(|it| format!("{} {}", packages[it.package].package.name, it.id))
        .collect();
    let theirs = audited(&fs::read_to_string(hosts.join("golden-pkg-audit.json")).expect("the answer"));
    assert!(theirs.len() > 1_500, "{} expected rows are too few to prove anything", theirs.len());
    let mut found: BTreeSet<_> = ours.difference(&theirs).map(|it| format!("+ {it}")).collect();
    found.extend(theirs.difference(&ours).map(|it| format!("- {it}")));
    let known: BTreeSet<_> = DIFFERENCES.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(found, known);
}

fn audited(text: &str) -> BTreeSet<String> {
    let report: serde_json::Value = serde_json::from_str(text).expect("pkg's report");
    let packages = report["packages"].as_object().into_iter().flatten();
    let rows = packages.flat_map(|(name, package)| {
        let issues = package["issues"].as_array().into_iter().flatten();
        issues.map(move |issue| {
            let url = issue["url"].as_str().unwrap_or_default();
            let vid = url.rsplit('/').next().unwrap_or_default().trim_end_matches(".html");
            format!("{name} {vid}")
        })
    });
    rows.collect()
}

#[test]
fn the_yearly_parts_say_what_the_flat_file_says() {
    let (Some(flat), Some(years)) =
        (shared("advisories/freebsd/vuln-flat.xml.xz"), shared("advisories/freebsd/vuxml"))
    else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    fs::copy(flat, directory.path().join("vuln.xml.xz")).expect("a copy");
    let read = |dir: &Path| sync(&source(dir)).expect("usable");
    let (flat, years) = (read(directory.path()), read(&years));
    assert_eq!(flat.advisories.len(), 6_216);
    assert_eq!(flat.problems, []);
    assert_eq!(flat.advisories, years.advisories);
    assert_eq!(flat.coverage, years.coverage);
}

#[test]
fn an_osv_record_for_ports_is_matched_by_name() {
    let Some(record) = shared("advisories/freebsd/FBSD-2025-05-28.json") else { return };
    let documents =
        vec![Document { label: "fbsd.json".to_owned(), bytes: fs::read(record).expect("a record") }];
    let record = FeedSource { feed: FeedName::new("osv"), documents, problems: Vec::new() };
    let snapshot = sync(&record).expect("usable");
    let index = advisory::AdvisoryIndex::new(snapshot.advisories, snapshot.coverage, Vec::new());
    let platform = Platform::parse("freebsd:14.1").expect("a platform");
    let state = |name: &str, version: &str| {
        let matches = match_packages(&index, &[package(&platform, name, version, "x")]);
        matches.iter().map(|it| it.state).collect::<Vec<_>>()
    };
    assert_eq!(state("osvf-test-package10", "0.5.0"), [FindingState::Vulnerable]);
    assert_eq!(state("osvf-test-package10", "0.9.0"), [FindingState::Vulnerable]);
    assert_eq!(state("osvf-test-package10", "0.9.1"), [FindingState::Fixed]);
    assert_eq!(state("osvf-test-package11", "1.0.9_2"), [FindingState::Vulnerable]);
    // Git ranges say nothing about packages: it is reported, and nothing is claimed.
    assert_eq!(state("osvf-test-package12", "1"), []);
    assert_eq!(snapshot.problems.len(), 1, "{:?}", snapshot.problems);
}
