//! Merging over feeds, scopes and states, on small feeds of our own.

use advisory::{AdvisoryIndex, Document, FeedSource, Match, match_packages, sync};
use model::{FeedName, PackageVersion, Platform, Repository, VulnerabilityId};

use crate::shared::package;

const KEV: &str = r#"{"vulnerabilities":[{"cveID":"CVE-2024-1","dateAdded":"2024-02-03"}]}"#;

fn secdb(release: &str, repository: &str, package: &str, secfixes: &str) -> (&'static str, String) {
    let packages = format!(r#"[{{"pkg":{{"name":"{package}","secfixes":{secfixes}}}}}]"#);
    (
        "alpine-secdb",
        format!(r#"{{"distroversion":"{release}","reponame":"{repository}","packages":{packages}}}"#),
    )
}

fn osv(id: &str, more: &str, ecosystem: &str, package: &str, fixed: &str) -> (&'static str, String) {
    let ranges = format!(r#"[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]"#);
    let package = format!(r#"{{"ecosystem":"{ecosystem}","name":"{package}"}}"#);
    let affected = format!(r#"[{{"package":{package},"ranges":{ranges}}}]"#);
    ("osv", format!(r#"{{"id":"{id}","modified":"2024-01-01T00:00:00Z",{more}"affected":{affected}}}"#))
}

fn index(feeds: &[(&str, String)]) -> AdvisoryIndex {
    let (mut advisories, mut coverage, mut exploited) = (Vec::new(), Vec::new(), Vec::new());
    for (position, (feed, text)) in feeds.iter().enumerate() {
        let documents = vec![Document { label: format!("{position}"), bytes: text.as_bytes().to_vec() }];
        let source = FeedSource { feed: FeedName::new(*feed), documents, problems: Vec::new() };
        let snapshot = sync(&source).expect("usable");
        advisories.extend(snapshot.advisories);
        coverage.extend(snapshot.coverage);
        exploited.extend(snapshot.exploited);
    }
    AdvisoryIndex::new(advisories, coverage, exploited)
}

fn of(platform: &str, name: &str, version: &str, source: &str, repository: &str) -> PackageVersion {
    let mut item = package(&Platform::parse(platform).expect("a platform"), name, version, source);
    item.package.repository = Repository::new(repository);
    item
}

fn show(found: &Match) -> String {
    let aliases: Vec<_> = found.aliases.iter().map(VulnerabilityId::as_str).collect();
    let feeds: Vec<_> = found.feeds.iter().map(FeedName::as_str).collect();
    let severity = found.severity.map_or("-", |it| it.as_str());
    let exploited = if found.exploited { " exploited" } else { "" };
    let (id, state, fix) = (&found.id, found.state, &found.fix);
    format!("{id} [{}] {} {state} {fix} {severity}{exploited}", aliases.join(" "), feeds.join("+"))
}

#[track_caller]
fn check(feeds: &[(&str, String)], item: PackageVersion, expected: &[&str]) -> Vec<Match> {
    let matches = match_packages(&index(feeds), std::slice::from_ref(&item));
    assert_eq!(matches.iter().map(show).collect::<Vec<_>>(), expected);
    // The order in which feeds arrive must not matter.
    let mut reversed = feeds.to_vec();
    reversed.reverse();
    assert_eq!(match_packages(&index(&reversed), &[item]), matches);
    matches
}

#[test]
fn binaries_are_joined_by_their_origin() {
    let feeds = [secdb("v3.18", "main", "openssl", r#"{"3.1.4-r1":["CVE-2023-5363"]}"#)];
    let matches = check(
        &feeds,
        of("alpine:3.18", "libcrypto3", "3.1.0-r3", "openssl", ""),
        &["CVE-2023-5363 [] alpine-secdb vulnerable 3.1.4-r1 -"],
    );
    let expected = "installed 3.1.0-r3 of openssl < fixed 3.1.4-r1 (alpine-secdb v3.18/main)";
    assert_eq!(matches[0].reason.as_str(), expected);
    check(&feeds, of("alpine:3.18", "openssl", "3.1.0-r3", "other", ""), &[]);
    check(&feeds, of("alpine:3.20", "openssl", "3.1.0-r3", "openssl", ""), &[]);
}

#[test]
fn the_own_feed_decides_and_osv_adds() {
    let alpine = of("alpine:3.20", "p", "1-r0", "p", "");
    let more = r#""aliases":["CVE-2024-1","GHSA-x"],"database_specific":{"severity":"HIGH"},"#;
    let osv_fix = osv("ALPINE-CVE-2024-1", more, "Alpine:v3.20", "p", "9-r0");
    let veto = [secdb("v3.20", "main", "p", r#"{"0":["CVE-2024-1 XSA-1"]}"#), osv_fix.clone()];
    let matches = check(
        &veto,
        alpine.clone(),
        &["CVE-2024-1 [ALPINE-CVE-2024-1 GHSA-x XSA-1] alpine-secdb+osv not-affected - high"],
    );
    assert_eq!(
        matches[0].reason.as_str(),
        "installed 1-r0 of p is not affected, says the vendor (alpine-secdb v3.20/main)"
    );
    let fixed = [
        secdb("v3.20", "main", "p", r#"{"1-r0":["CVE-2024-1"]}"#),
        osv_fix.clone(),
        ("cisa-kev", KEV.to_owned()),
    ];
    check(
        &fixed,
        alpine.clone(),
        &["CVE-2024-1 [ALPINE-CVE-2024-1 GHSA-x] alpine-secdb+osv fixed 1-r0 high exploited"],
    );
    // Another vulnerability is another row, and where OSV alone speaks, it counts.
    let apart = [secdb("v3.20", "main", "p", r#"{"0":["CVE-2024-2"]}"#), osv_fix];
    check(
        &apart,
        alpine,
        &[
            "CVE-2024-1 [ALPINE-CVE-2024-1 GHSA-x] osv vulnerable 9-r0 high",
            "CVE-2024-2 [] alpine-secdb not-affected - -",
        ],
    );
}

#[test]
fn what_the_own_feed_does_not_speak_of_is_not_hidden_by_it() {
    let item = of("alpine:3.20", "p", "1-r0", "p", "");
    // One XSA, several CVEs: the veto is about the first alone.
    let veto = secdb("v3.20", "main", "p", r#"{"0":["CVE-2024-2 XSA-1"]}"#);
    let shared_xsa = osv("A", r#""aliases":["CVE-2024-3","XSA-1"],"#, "Alpine:v3.20", "p", "9-r0");
    let own_row = "CVE-2024-2 [XSA-1] alpine-secdb not-affected - -";
    check(
        &[veto.clone(), shared_xsa],
        item.clone(),
        &[own_row, "CVE-2024-3 [A XSA-1] osv vulnerable 9-r0 -"],
    );
    let wider = osv("A", r#""aliases":["CVE-2024-2","CVE-2024-3"],"#, "Alpine:v3.20", "p", "9-r0");
    check(
        &[veto.clone(), wider],
        item.clone(),
        &["A [CVE-2024-2 CVE-2024-3] osv vulnerable 9-r0 -", own_row],
    );
    let without_cve = osv("A", r#""aliases":["XSA-1"],"#, "Alpine:v3.20", "p", "9-r0");
    check(&[veto, without_cve], item, &["CVE-2024-2 [A XSA-1] alpine-secdb+osv not-affected - -"]);
    // The same DSA by way of OSV.
    let list = "[02 Jan 2024] DSA-9001-1 p - security update\n\t{CVE-2024-2}\n\t[bookworm] - p 2-1\n";
    let mirror = osv("DSA-9001-1", r#""upstream":["CVE-2024-2","CVE-2024-3"],"#, "Debian:12", "p", "9-1");
    check(
        &[("debian-dsa", list.to_owned()), mirror],
        of("debian:12", "p", "2-1", "p", ""),
        &["DSA-9001-1 [CVE-2024-2 CVE-2024-3 DSA-9001] debian-dsa+osv fixed 2-1 -"],
    );
}

#[test]
fn bundles_are_one_row_each() {
    let range = |version: &str| format!("<range><lt>{version}</lt></range>");
    let entry = |vid: &str, version: &str, cves: &str| {
        let package = format!("<package><name>php8?-gd</name><name>gd</name>{}</package>", range(version));
        format!(r#"<vuln vid="{vid}"><affects>{package}</affects><references>{cves}</references></vuln>"#)
    };
    let cves = "<cvename>CVE-2024-1</cvename><cvename>CVE-2024-2</cvename>";
    let vuxml = entry("vid-a", "2", cves) + &entry("vid-b", "1", "<cvename>CVE-2024-1</cvename>");
    let feeds = [
        ("freebsd-vuxml", vuxml),
        osv("X-1", r#""aliases":["CVE-2024-2"],"#, "FreeBSD:ports", "php82-gd", "9"),
        osv("X-3", r#""aliases":["CVE-2024-3"],"#, "FreeBSD:ports", "php82-gd", "9"),
        ("cisa-kev", KEV.to_owned()),
    ];
    let matches = check(
        &feeds,
        of("freebsd:14.1", "php82-gd", "1.5", "php82-gd", "FreeBSD"),
        &[
            "CVE-2024-3 [X-3] osv vulnerable 9 -",
            "vid-a [CVE-2024-1 CVE-2024-2 X-1] freebsd-vuxml+osv vulnerable 2 - exploited",
            "vid-b [CVE-2024-1] freebsd-vuxml fixed 1 - exploited",
        ],
    );
    assert!(matches[1].is_about(&VulnerabilityId::new("cve-2024-2")));
    check(&feeds, of("freebsd:14.1", "php8-gd", "1.5", "php8-gd", ""), &[]);
}

#[test]
fn debian_is_joined_by_source_and_its_version() {
    let list = "[02 Jan 2024] DSA-9001-1 libx - security update\n\t{CVE-2024-1 CVE-2024-2}\n\
                \t[bookworm] - libx 1:2.0-1+deb12u1\n\t[bullseye] - libx <not-affected>\n\
                \t[buster] - libx <end-of-life>\n";
    let feeds = [("debian-dsa", list.to_owned())];
    let mut binary = of("debian:12", "libx1", "9.9-1+b1", "libx", "");
    binary.package.source_version = model::Version::new("1:2.0-1");
    let row = |rest: &str| format!("DSA-9001-1 [CVE-2024-1 CVE-2024-2 DSA-9001] debian-dsa {rest}");
    let matches = check(&feeds, binary.clone(), &[&row("vulnerable 1:2.0-1+deb12u1 -")]);
    let expected = "installed 1:2.0-1 of libx < fixed 1:2.0-1+deb12u1 (debian-dsa DSA-9001-1)";
    assert_eq!(matches[0].reason.as_str(), expected);
    binary.package.source_version = model::Version::new("not:a version");
    check(&feeds, binary, &[&row("unknown 1:2.0-1+deb12u1 -")]);
    check(&feeds, of("debian:11", "libx1", "1", "libx", ""), &[&row("not-affected - -")]);
    check(&feeds, of("debian:10", "libx1", "1", "libx", ""), &[&row("vulnerable no fix yet -")]);
    check(&feeds, of("debian:13", "libx1", "1", "libx", ""), &[]);
}

#[test]
fn a_fix_that_was_completed_later_says_so() {
    let feeds = [secdb("v3.18", "main", "p", r#"{"1-r1":["CVE-2024-1"],"1-r3":["CVE-2024-1"]}"#)];
    let item = of("alpine:3.18", "p", "1-r2", "p", "");
    let matches = check(&feeds, item, &["CVE-2024-1 [] alpine-secdb vulnerable 1-r3 -"]);
    assert!(matches[0].reason.as_str().contains("fixed in 1-r1 at first"), "{}", matches[0].reason);
}

#[test]
fn repositories_and_tags_are_respected() {
    let feeds = [
        secdb("v3.20", "main", "p", r#"{"2-r0":["CVE-2024-1"]}"#),
        secdb("v3.20", "community", "p", r#"{"3-r0":["CVE-2024-1"]}"#),
        secdb("edge", "community", "p", r#"{"5-r0":["CVE-2024-1"]}"#),
    ];
    let item = |repository: &str| of("alpine:3.20", "p", "2-r0", "p", repository);
    let row = |rest: &str| format!("CVE-2024-1 [] alpine-secdb {rest} -");
    check(&feeds, item("main"), &[&row("fixed 2-r0")]);
    check(&feeds, item("community"), &[&row("vulnerable 3-r0")]);
    check(&feeds, item("testing"), &[]);
    // Not known which: whoever says vulnerable counts.
    check(&feeds, item(""), &[&row("vulnerable 3-r0")]);
    check(&feeds, item("edge/community"), &[&row("vulnerable 5-r0")]);
    check(&feeds, item("@edge"), &[&row("vulnerable 5-r0")]);
    check(&feeds, item("edge/main"), &[]);
    // Of an unknown tag nothing can be said, and that is said.
    let matches = check(&feeds, item("@mine"), &[&row("unknown 3-r0")]);
    assert!(matches[0].reason.as_str().contains("tagged repository @mine"), "{}", matches[0].reason);
    check(&feeds[..2], item("@edge"), &[&row("unknown 3-r0")]);
    check(&feeds, item("v3.19/main"), &[&row("unknown 3-r0")]);
}

#[test]
fn the_base_system_has_names_of_its_own() {
    let ranges = "<range><ge>14.1</ge><lt>14.1_5</lt></range><range><ge>13.3</ge><lt>13.3_7</lt></range>";
    let vuxml = format!(
        r#"<vuln vid="v"><affects><package><name>FreeBSD-kernel</name>{ranges}</package></affects></vuln>"#
    );
    let feeds = [("freebsd-vuxml", vuxml)];
    let state = |name: &str, version: &str, expected: &[&str]| {
        check(&feeds, of("freebsd:14.1", name, version, name, ""), expected);
    };
    state("FreeBSD-kernel", "14.1_4", &["v [] freebsd-vuxml vulnerable 14.1_5 -"]);
    state("FreeBSD-kernel", "14.1_5", &["v [] freebsd-vuxml fixed 14.1_5 -"]);
    state("FreeBSD-kernel", "13.3", &["v [] freebsd-vuxml vulnerable 13.3_7 -"]);
    state("FreeBSD", "14.1_4", &[]);
}

#[test]
fn coverage_and_ids_are_answered_apart_from_matches() {
    let index = index(&[
        secdb("v3.20", "main", "p", r#"{"2-r0":["CVE-2024-1 GHSA-aa"]}"#),
        osv("X-1", "", "Debian", "p", "2"),
        ("cisa-kev", KEV.to_owned()),
    ]);
    let covers = |text: &str| index.covers(&Platform::parse(text).expect("a platform"));
    assert!(covers("alpine:3.20") && !covers("alpine:3.19") && !covers("alpine:edge"));
    assert!(!covers("debian:12") && !covers("freebsd:14.1"));
    let about = |id: &str| index.about(&VulnerabilityId::new(id)).count();
    assert_eq!((about("ghsa-AA"), about("cve-2024-1"), about("CVE-2024-9")), (1, 1, 0));
    assert!(index.exploited(&VulnerabilityId::new("cve-2024-1")).is_some());
    assert!(index.exploited(&VulnerabilityId::new("CVE-2024-2")).is_none());
}

fn tracker(package: &str, entries: &[(&str, &str)]) -> (&'static str, String) {
    let entry = |(id, status): &(&str, &str)| format!(r#""{id}":{{"releases":{{"bookworm":{{{status}}}}}}}"#);
    let entries: Vec<_> = entries.iter().map(entry).collect();
    ("debian-tracker", format!(r#"{{"{package}":{{{}}}}}"#, entries.join(",")))
}

fn dsa(cves: &str, version: &str) -> (&'static str, String) {
    let text =
        format!("[02 Jan 2024] DSA-9001-1 p - security update\n\t{{{cves}}}\n\t[bookworm] - p {version}\n");
    ("debian-dsa", text)
}

const FIXED: &str = r#""status":"resolved","fixed_version":"2-1","urgency":"high""#;
const NEVER: &str = r#""status":"resolved","fixed_version":"0""#;
const OPEN: &str = r#""status":"open","urgency":"unimportant""#;
const UNDETERMINED: &str = r#""status":"undetermined""#;

#[test]
fn debians_tracker_decides_cve_by_cve() {
    let item = of("debian:12", "libp1", "1-1", "p", "");
    let entries =
        [("CVE-2024-1", FIXED), ("CVE-2024-2", NEVER), ("CVE-2024-3", OPEN), ("CVE-2024-4", UNDETERMINED)];
    let matches = check(
        &[tracker("p", &entries), ("cisa-kev", KEV.to_owned())],
        item,
        &[
            "CVE-2024-1 [] debian-tracker vulnerable 2-1 high exploited",
            "CVE-2024-2 [] debian-tracker not-affected - -",
            "CVE-2024-3 [] debian-tracker vulnerable no fix yet low",
            "CVE-2024-4 [] debian-tracker unknown no fix yet -",
        ],
    );
    assert_eq!(matches[0].reason.as_str(), "installed 1-1 of p < fixed 2-1 (debian-tracker p/CVE-2024-1)");
    let fixed = of("debian:12", "libp1", "2-1", "p", "");
    check(&[tracker("p", &entries[..1])], fixed, &["CVE-2024-1 [] debian-tracker fixed 2-1 high"]);
    check(&[tracker("p", &entries)], of("debian:11", "libp1", "1-1", "p", ""), &[]);
}

#[test]
fn a_dsa_gives_its_name_to_the_trackers_rows() {
    let item = of("debian:12", "p", "1-1", "p", "");
    let both =
        [tracker("p", &[("CVE-2024-1", FIXED), ("CVE-2024-2", NEVER)]), dsa("CVE-2024-1 CVE-2024-2", "2-1")];
    let rows = [
        "CVE-2024-1 [DSA-9001 DSA-9001-1] debian-tracker+debian-dsa vulnerable 2-1 high",
        "CVE-2024-2 [DSA-9001 DSA-9001-1] debian-tracker+debian-dsa not-affected - -",
    ];
    check(&both, item.clone(), &rows);
    // The same DSA by way of OSV, with a CVE more: it is carried.
    let mirror = osv("DSA-9001-1", r#""upstream":["CVE-2024-1","CVE-2024-9"],"#, "Debian:12", "p", "9-1");
    let [tracker_feed, dsa_feed] = both.clone();
    let rows = rows.map(|row| row.replace("debian-dsa", "debian-dsa+osv"));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    check(&[tracker_feed, dsa_feed, mirror], item.clone(), &rows);
    // A DSA that names a CVE of which the tracker does not speak yet stays.
    let newer = [tracker("p", &[("CVE-2024-1", OPEN)]), dsa("CVE-2024-1 CVE-2024-2", "2-1")];
    check(
        &newer,
        item.clone(),
        &[
            "CVE-2024-1 [] debian-tracker vulnerable no fix yet low",
            "DSA-9001-1 [CVE-2024-1 CVE-2024-2 DSA-9001] debian-dsa vulnerable 2-1 -",
        ],
    );
    check(&[dsa("", "2-1")], item, &["DSA-9001-1 [DSA-9001] debian-dsa vulnerable 2-1 -"]);
}

#[test]
fn the_cves_of_a_dsa_are_needed_to_match_it() {
    let several = osv("A", r#""aliases":["CVE-2024-5","CVE-2024-6"],"#, "Debian:12", "p", "9-1");
    let one = osv("B", r#""aliases":["CVE-2024-7"],"#, "Debian:12", "p", "9-1");
    let feeds = [dsa("CVE-2024-2 CVE-2024-1", "2-1"), tracker("p", &[("CVE-2024-3", OPEN)]), several, one];
    let needed = advisory::needed_ids(index(&feeds).advisories());
    assert_eq!(needed, ["CVE-2024-1", "CVE-2024-2", "CVE-2024-5", "CVE-2024-6"].map(VulnerabilityId::new));
}
