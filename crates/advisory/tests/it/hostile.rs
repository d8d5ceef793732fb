//! Feeds are hostile input: whatever the bytes, there is an answer and no panic.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use advisory::{AdvisoryIndex, Document, FeedSource, match_packages, sync};
use model::{FeedName, Platform};
use proptest::prelude::*;

use crate::shared::{fixtures, package};

const FEEDS: [&str; 8] =
    ["alpine-secdb", "freebsd-vuxml", "debian-dsa", "osv", "cisa-kev", "debian-tracker", "epss", "news"];

const LIST: &str = "[02 Jan 2024] DSA-9001-1 libx - security update\n\t{CVE-2024-1 CVE-2024-2}\n\
                    \t[bookworm] - libx 1:2.0-1+deb12u1\n\tNOTE: x\n\t[bullseye] - libx <not-affected>\n";

static DOCUMENTS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let read = |path: &str| fs::read(fixtures().join(Path::new(path))).expect(path);
    let record = read("osv/IFRIT-EXERCISE-2026-0001.json");
    vec![
        ("alpine-secdb", read("alpine/secdb/v3.20/main.json")),
        ("freebsd-vuxml", read("freebsd/vuln-2024-2025.xml").split_off(1_900)),
        ("debian-dsa", LIST.as_bytes().to_vec()),
        ("osv", record),
        ("cisa-kev", read("kev/known_exploited_vulnerabilities.json")),
        ("debian-tracker", read("debian/tracker.json")),
        ("epss", read("epss/epss_scores.csv")),
        ("news", read("news/advisories.rss")),
    ]
});

/// Parses, indexes, matches.
fn run(feed: &str, bytes: Vec<u8>) {
    let documents = vec![Document { label: "file".to_owned(), bytes }];
    let source = FeedSource { feed: FeedName::new(feed), documents, problems: Vec::new() };
    let Ok(snapshot) = sync(&source) else { return };
    assert_eq!(sync(&source).as_ref(), Ok(&snapshot), "twice the same");
    let index = AdvisoryIndex::new(snapshot.advisories, snapshot.coverage, snapshot.exploited);
    let platforms = ["alpine:3.20", "debian:12", "freebsd:14.1"].map(|it| Platform::parse(it).expect(it));
    let packages: Vec<_> = platforms.iter().map(|it| package(it, "FreeBSD", "14.1_2", "openssl")).collect();
    match_packages(&index, &packages);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn real_documents_cut_anywhere(which in 0..FEEDS.len(), at in 0.0..1.0_f64) {
        let (feed, bytes) = &DOCUMENTS[which];
        // A window of the document, so that a case is cheap: the cut is at either end.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a file")]
        let cut = (bytes.len() as f64 * at) as usize;
        run(feed, bytes[..cut.min(20_000)].to_vec());
        run(feed, bytes[cut..bytes.len().min(cut + 20_000)].to_vec());
    }

    #[test]
    fn real_documents_with_a_byte_changed(which in 0..FEEDS.len(), at in 0_usize..8_000, byte in any::<u8>()) {
        let (feed, bytes) = &DOCUMENTS[which];
        let mut bytes = bytes[..bytes.len().min(8_000)].to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        run(feed, bytes);
    }

    #[test]
    fn any_bytes(which in 0..FEEDS.len(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        run(FEEDS[which], bytes);
    }

    #[test]
    fn any_secfixes(versions in prop::collection::vec("[0-9a-z._-]{0,12}", 0..6), ids in "[A-Z0-9 ?(),/.-]{0,40}") {
        let fixes: Vec<_> = versions.iter().map(|it| format!("\"{it}\":[\"{ids}\",\"CVE-2024-0001\"]")).collect();
        let packages = format!(r#"[{{"pkg":{{"name":"openssl","secfixes":{{{}}}}}}}]"#, fixes.join(","));
        run("alpine-secdb", format!(r#"{{"distroversion":"v3.20","reponame":"main","packages":{packages}}}"#).into_bytes());
    }

    #[test]
    fn any_osv_events(events in prop::collection::vec(("introduced|fixed|last_affected|limit", "[0-9a-z.:~_-]{0,8}"), 0..8)) {
        let events: Vec<_> = events.iter().map(|(what, version)| format!("{{\"{what}\":\"{version}\"}}")).collect();
        let ranges = format!(r#"[{{"type":"ECOSYSTEM","events":[{}]}}]"#, events.join(","));
        let affected = format!(r#"[{{"package":{{"ecosystem":"Debian","name":"openssl"}},"ranges":{ranges}}}]"#);
        run("osv", format!(r#"{{"id":"X","modified":"2024","affected":{affected}}}"#).into_bytes());
    }

    #[test]
    fn any_news(parts in prop::collection::vec("<(/?(item|title|link|entry|b|content))>|&[a-z#0-9]{0,4};|[ -~]{0,9}", 0..30)) {
        run("news", format!(r#"<rss version="2.0"><channel>{}</channel></rss>"#, parts.concat()).into_bytes());
        run("news", format!("<feed>{}</feed>", parts.concat()).into_bytes());
    }

    #[test]
    fn any_vuxml_ranges(kinds in prop::collection::vec(("lt|le|gt|ge|eq", "[0-9a-z.*,_]{0,8}"), 0..5)) {
        let bounds: String = kinds.iter().map(|(kind, version)| format!("<{kind}>{version}</{kind}>")).collect();
        let package = format!("<package><name>Free*</name><range>{bounds}</range></package>");
        run("freebsd-vuxml", format!(r#"<vuln vid="v"><affects>{package}</affects></vuln>"#).into_bytes());
    }
}
