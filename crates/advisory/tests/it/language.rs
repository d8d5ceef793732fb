//! Software outside packages: by package URL, against OSV.

use std::io::{Cursor, Write as _};

use advisory::{
    AdvisoryIndex, Document, FeedSource, check_document, match_packages, read_directory, software_packages,
    sync,
};
use model::{Ecosystem, FeedName, PackageVersion, Platform, Software, SoftwareKind};
use proptest::prelude::*;

use crate::shared::fixtures;

fn documents() -> Vec<Document> {
    let found = read_directory(&fixtures().join("osv-language")).expect("readable");
    let [source] = &found[..] else { panic!("one feed expected") };
    assert_eq!((source.feed.as_str(), &source.problems[..]), ("osv", &[][..]));
    source.documents.clone()
}

fn index(documents: Vec<Document>) -> AdvisoryIndex {
    let source = FeedSource { feed: FeedName::new("osv"), documents, problems: Vec::new() };
    let snapshot = sync(&source).expect("usable");
    assert_eq!(snapshot.problems, []);
    AdvisoryIndex::new(snapshot.advisories, snapshot.coverage, snapshot.exploited)
}

fn records(texts: &[String]) -> AdvisoryIndex {
    let document = |text: &String| Document { label: "x.json".to_owned(), bytes: text.clone().into_bytes() };
    index(texts.iter().map(document).collect())
}

/// A record about `ecosystem` `package`, with `more` between its fields.
fn record(id: &str, more: &str, package: &str, affected: &str) -> String {
    let (ecosystem, name) = package.split_once(' ').expect("an ecosystem and a name");
    format!(
        r#"{{"id":"{id}","modified":"2024-01-01T00:00:00Z",{more}"affected":[
           {{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},{affected}}}]}}"#
    )
}

fn range(events: &str) -> String {
    format!(r#""ranges":[{{"type":"ECOSYSTEM","events":[{events}]}}]"#)
}

fn software(name: &str, purl: &str) -> Software {
    let [name, version, purl, path] = [name, "", purl, "/srv/x"].map(str::to_owned);
    Software { kind: SoftwareKind::Sbom, name, version, purl, path }
}

/// What is said about a package URL: `id [aliases] state fix severity`.
#[track_caller]
fn check(index: &AdvisoryIndex, purl: &str, expected: &[&str]) {
    let list = [software("", purl)];
    let packages: Vec<_> = software_packages(&list).packages.into_iter().map(|(_, it)| it).collect();
    let shown: Vec<_> = match_packages(index, &packages)
        .iter()
        .map(|it| {
            let aliases: Vec<_> = it.aliases.iter().map(model::VulnerabilityId::as_str).collect();
            let severity = it.severity.map_or("-", model::Severity::as_str);
            format!("{} [{}] {} {} {severity}", it.id, aliases.join(" "), it.state, it.fix)
        })
        .collect();
    assert_eq!(shown, expected, "{purl}");
}

#[test]
fn each_language_has_its_answers() {
    let index = index(documents());
    let check = |purl: &str, expected: &[&str]| check(&index, purl, expected);
    let net = "CVE-2023-39325 [GHSA-4374-p667-p6c8 GO-2023-2102]";
    check("pkg:golang/golang.org/x/net@v0.16.0", &[&format!("{net} vulnerable 0.17.0 high")]);
    check("pkg:golang/golang.org/x/net@v0.17.0", &[&format!("{net} fixed 0.17.0 high")]);
    let pseudo = "pkg:golang/golang.org/x/net@v0.0.0-20220127200216-cd36cc0744dd";
    check(pseudo, &[&format!("{net} vulnerable 0.17.0 high")]);
    check("pkg:golang/golang.org/x/net", &[&format!("{net} unknown 0.17.0 high")]);
    check("pkg:golang/golang.org/x/text@v0.3.0", &[]);
    let stdlib = "CVE-2023-39325 [GHSA-4374-p667-p6c8 GO-2023-2102]";
    check("pkg:golang/stdlib@1.21.2", &[&format!("{stdlib} vulnerable 1.21.3 -")]);
    check("pkg:golang/stdlib@1.21rc3", &[&format!("{stdlib} vulnerable 1.21.3 -")]);
    check("pkg:golang/stdlib@1.20.10", &[&format!("{stdlib} fixed 1.20.10 -")]);
    check("pkg:golang/stdlib@1.20", &[&format!("{stdlib} vulnerable 1.20.10 -")]);
    check("pkg:golang/stdlib@devel", &[&format!("{stdlib} unknown 1.21.3 -")]);

    let smallvec = "CVE-2021-25900 [GHSA-43w2-9j62-hq99 RUSTSEC-2021-0003]";
    check("pkg:cargo/smallvec@1.6.0", &[&format!("{smallvec} vulnerable 1.6.1 critical")]);
    check("pkg:cargo/smallvec@0.6.14", &[&format!("{smallvec} fixed 0.6.14 critical")]);
    check("pkg:cargo/smallvec@0.6.2", &[&format!("{smallvec} not-affected - critical")]);
    check("pkg:cargo/smallvec@1.x", &[&format!("{smallvec} unknown 1.6.1 critical")]);
    check("pkg:cargo/ansi_term@0.12.1", &[]);

    let log4j = "CVE-2021-44228 [GHSA-jfh8-c2jp-5v3q]";
    let core = |version: &str| format!("pkg:maven/org.apache.logging.log4j/log4j-core@{version}?type=jar");
    for (version, expected) in [
        ("2.14.1", "vulnerable 2.15.0"),
        ("2.0-beta9", "vulnerable 2.3.1"),
        ("2.0-beta8", "not-affected -"),
        ("2.0-rc1", "vulnerable 2.3.1"),
        ("2.3.1", "fixed 2.3.1"),
        ("2.12.2", "fixed 2.12.2"),
        ("2.12.1", "vulnerable 2.12.2"),
        ("2.15.0", "fixed 2.15.0"),
        ("2.17.1", "fixed 2.15.0"),
        ("", "unknown 2.15.0"),
    ] {
        check(&core(version), &[&format!("{log4j} {expected} critical")]);
    }
    check("pkg:maven/org.apache.logging.log4j/log4j-api@2.14.1", &[]);

    let requests = "CVE-2023-32681 [GHSA-j8r2-6x86-q33q PYSEC-2023-74]";
    check("pkg:pypi/requests@2.28.2", &[&format!("{requests} vulnerable 2.31.0 medium")]);
    check("pkg:pypi/Requests@2.31.0", &[&format!("{requests} fixed 2.31.0 medium")]);
    check("pkg:pypi/requests@2.2.1", &[&format!("{requests} not-affected - medium")]);
    check("pkg:pypi/requests@2.31.0.dev1", &[&format!("{requests} vulnerable 2.31.0 medium")]);
    check("pkg:pypi/requests@two", &[&format!("{requests} unknown 2.31.0 medium")]);

    let (first, second) = ("CVE-2019-10744 [GHSA-jf85-cpcp-j695]", "CVE-2021-23337 [GHSA-35jh-r3h4-6jhm]");
    check(
        "pkg:npm/lodash@4.17.15",
        &[&format!("{first} fixed 4.17.12 critical"), &format!("{second} vulnerable 4.17.21 high")],
    );
    check(
        "pkg:npm/lodash@4.17",
        &[&format!("{first} unknown 4.17.12 critical"), &format!("{second} unknown 4.17.21 high")],
    );
    check("pkg:npm/lodash.merge@4.6.0", &[]);
}

#[test]
fn reasons_name_version_package_and_record() {
    let index = index(documents());
    let check = |purl: &str, expected: &str| {
        let package = PackageVersion::from_software(&software("", purl)).expect("a package");
        assert_eq!(match_packages(&index, &[package])[0].reason.as_str(), expected);
    };
    check("pkg:npm/lodash@4.17.11", "installed 4.17.11 of lodash < fixed 4.17.12 (osv GHSA-jf85-cpcp-j695)");
    check(
        "pkg:golang/golang.org/x/net",
        "installed golang.org/x/net cannot be judged: its version is not known (osv GHSA-4374-p667-p6c8)",
    );
}

#[test]
fn a_language_is_covered_once_a_record_speaks_of_it() {
    let all = index(documents());
    for ecosystem in Ecosystem::ALL {
        let platform = Platform::of_language(ecosystem);
        assert_eq!(all.covers(&platform), !ecosystem.is_distribution(), "{platform}");
    }
    assert_eq!(all.coverage().len(), 5, "{:?}", all.coverage());
    let only = records(&[record("X-1", "", "npm p", &range(r#"{"introduced":"0"}"#))]);
    assert!(only.covers(&Platform::of_language(Ecosystem::Npm)));
    assert!(!only.covers(&Platform::of_language(Ecosystem::PyPi)));
}

#[test]
fn databases_about_one_vulnerability_are_one_row() {
    let fixed = |version: &str| range(&format!(r#"{{"introduced":"0"}},{{"fixed":"{version}"}}"#));
    let open = range(r#"{"introduced":"0"}"#);
    // RUSTSEC knows the GHSA only, GHSA the CVE: joined over two steps. The worst state decides.
    let rustsec = record("RUSTSEC-1", r#""aliases":["GHSA-1"],"#, "crates.io p", &fixed("1.2.0"));
    let ghsa = record("GHSA-1", r#""aliases":["CVE-2024-1"],"#, "crates.io p", &fixed("1.1.0"));
    let other = record("RUSTSEC-2", "", "crates.io p", &fixed("1.1.0"));
    let index = records(&[rustsec.clone(), ghsa.clone(), other]);
    let other = |state: &str| format!("RUSTSEC-2 [] {state} 1.1.0 -");
    let joined = "CVE-2024-1 [GHSA-1 RUSTSEC-1]";
    check(&index, "pkg:cargo/p@1.1.5", &[&format!("{joined} vulnerable 1.2.0 -"), &other("fixed")]);
    check(&index, "pkg:cargo/p@1.2.0", &[&format!("{joined} fixed 1.2.0 -"), &other("fixed")]);
    // Of two that say "vulnerable" the later fix counts: before it, one still says so.
    check(&index, "pkg:cargo/p@1.0.0", &[&format!("{joined} vulnerable 1.2.0 -"), &other("vulnerable")]);
    let index = records(&[record("GO-1", r#""aliases":["CVE-2024-1"],"#, "crates.io p", &open), ghsa]);
    check(&index, "pkg:cargo/p@1.0.0", &["CVE-2024-1 [GHSA-1 GO-1] vulnerable no fix yet -"]);
    // A record about two CVEs joins both; the row goes by the id of the record that decides.
    let both = record("GO-1", r#""aliases":["CVE-2024-1","CVE-2024-2"],"#, "Go p", &fixed("1.2.0"));
    let one = record("GHSA-1", r#""aliases":["CVE-2024-1"],"#, "Go p", &fixed("1.1.0"));
    let two = record("GHSA-2", r#""aliases":["CVE-2024-2"],"#, "Go p", &fixed("1.3.0"));
    let index = records(&[both, one, two]);
    check(&index, "pkg:golang/p@v1.2.5", &["CVE-2024-2 [CVE-2024-1 GHSA-1 GHSA-2 GO-1] vulnerable 1.3.0 -"]);
    // What only another package's record joins stays apart here.
    let bridge = record("X-1", r#""aliases":["RUSTSEC-1","RUSTSEC-9"],"#, "crates.io q", &open);
    let nine = record("RUSTSEC-9", "", "crates.io p", &fixed("1.2.0"));
    let index = records(&[rustsec, nine, bridge]);
    check(
        &index,
        "pkg:cargo/p@1.0.0",
        &["RUSTSEC-1 [GHSA-1] vulnerable 1.2.0 -", "RUSTSEC-9 [] vulnerable 1.2.0 -"],
    );
}

#[test]
fn records_in_every_form_are_read() {
    let git = r#""ranges":[{"type":"GIT","repo":"https://x.example/r","events":[{"introduced":"0"}]}]"#;
    let check = |affected: &str, version: &str, expected: &str| {
        let index = records(&[record("X-1", "", "npm @acme/p", affected)]);
        check(&index, &format!("pkg:npm/%40acme/p@{version}"), &[&format!("X-1 [] {expected} -")]);
    };
    let last = range(r#"{"introduced":"1.0.0"},{"last_affected":"1.2.0"}"#);
    check(&last, "1.2.0", "vulnerable > 1.2.0");
    check(&last, "1.2.1", "fixed > 1.2.0");
    check(&last, "0.9.0", "not-affected -");
    let listed = format!(r#"{git},"versions":["1.0.1","1.0.3"]"#);
    check(&listed, "1.0.3", "vulnerable > 1.0.3");
    check(&listed, "1.0.2", "fixed > 1.0.1");
    check(&listed, "1.0.0", "not-affected -");
    check(&range(r#"{"introduced":"0"}"#), "9.9.9", "vulnerable no fix yet");
    // A bound that cannot be compared is not dropped.
    let broken = range(r#"{"introduced":"0"},{"fixed":"x?"},{"introduced":"2.0.0"},{"fixed":"2.1.0"}"#);
    check(&broken, "1.0.0", "unknown x?");
    check(&broken, "2.0.5", "vulnerable 2.1.0");
    let index = records(&[
        record("X-1", r#""withdrawn":"2024-02-01T00:00:00Z","#, "npm p", &listed),
        record("X-2", "", "npm q", &listed),
    ]);
    assert_eq!(index.advisories().len(), 1);
}

#[test]
fn a_bulk_file_is_a_zip_of_records() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let mut add = |name: &str, text: &str| {
        writer.start_file(name, options).expect("zip in memory");
        writer.write_all(text.as_bytes()).expect("zip in memory");
    };
    for number in 0..3_000 {
        let fixed = range(r#"{"introduced":"0"},{"fixed":"1.0.1"}"#);
        let aliases = format!(r#""aliases":["CVE-2024-{number:05}"],"#);
        add(
            &format!("GHSA-{number}.json"),
            &record(&format!("GHSA-{number}"), &aliases, &format!("npm p{number}"), &fixed),
        );
    }
    let bytes = writer.finish().expect("zip in memory").into_inner();
    let feed = FeedName::new("osv");
    let url = "https://osv.example.org/npm/all.zip";
    let documents = check_document(&feed, url, bytes.clone()).expect("an archive of records");
    assert_eq!(
        (documents.len(), documents[7].label.as_str()),
        (3_000, "https://osv.example.org/npm/all.zip/GHSA-7.json")
    );
    check(&index(documents), "pkg:npm/p2999@1.0.0", &["CVE-2024-02999 [GHSA-2999] vulnerable 1.0.1 -"]);
    assert!(
        check_document(&feed, url, bytes[..bytes.len() / 2].to_vec()).is_err(),
        "half an archive is none"
    );
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("all.zip"), bytes).expect("written");
    assert_eq!(read_directory(directory.path()).expect("readable")[0].documents.len(), 3_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_record_and_any_software_are_answered(
        ecosystem in "Go|npm|PyPI|Maven(:x)?|crates\\.io",
        kind in "golang|npm|pypi|maven|cargo",
        name in "[a-zA-Z@/:._-]{1,8}",
        events in prop::collection::vec(("introduced|fixed|last_affected", "[0-9a-z.+_-]{0,6}|0|1\\.0\\.0"), 0..6),
        versions in prop::collection::vec("[0-9a-z.]{0,5}", 0..4),
        installed in "[0-9a-z.+_-]{0,6}|1\\.0\\.0",
    ) {
        let events: Vec<_> = events.iter().map(|(what, at)| format!(r#"{{"{what}":"{at}"}}"#)).collect();
        let versions: Vec<_> = versions.iter().map(|it| format!("\"{it}\"")).collect();
        let affected = format!(r#"{},"versions":[{}]"#, range(&events.join(",")), versions.join(","));
        let texts = [record("X-1", "", &format!("{ecosystem} {name}"), &affected)];
        let document = |text: &String| Document { label: "x".to_owned(), bytes: text.clone().into_bytes() };
        let documents = texts.iter().map(document).collect();
        let source = FeedSource { feed: FeedName::new("osv"), documents, problems: Vec::new() };
        let Ok(snapshot) = sync(&source) else { return Ok(()) };
        let index = AdvisoryIndex::new(snapshot.advisories, snapshot.coverage, snapshot.exploited);
        let list = [software(&name, &format!("pkg:{kind}/{name}@{installed}"))];
        let packages: Vec<_> = software_packages(&list).packages.into_iter().map(|(_, it)| it).collect();
        let matches = match_packages(&index, &packages);
        prop_assert_eq!(match_packages(&index, &packages), matches);
    }
}
