//! The repository's own feeds, as a demo reads them.

use std::collections::BTreeSet;

use advisory::{AdvisoryIndex, match_packages, read_directory, sync};
use model::{FindingState, Platform, VulnerabilityId};

use crate::shared::{fixtures, package};

fn all() -> AdvisoryIndex {
    let found = read_directory(&fixtures()).expect("readable");
    let feeds: Vec<_> = found.iter().map(|it| it.feed.as_str()).collect();
    let all = ["alpine-secdb", "cisa-kev", "debian-tracker", "epss", "freebsd-vuxml", "news", "osv"];
    assert_eq!(feeds, all);
    let (mut advisories, mut coverage, mut exploited) = (Vec::new(), Vec::new(), Vec::new());
    for source in &found {
        let snapshot = sync(source).expect("usable");
        let odd: Vec<_> =
            snapshot.problems.iter().filter(|it| it.code != model::Code::FeedVersionInvalid).collect();
        assert!(odd.is_empty(), "{odd:?}");
        advisories.extend(snapshot.advisories);
        coverage.extend(snapshot.coverage);
        exploited.extend(snapshot.exploited);
    }
    AdvisoryIndex::new(advisories, coverage, exploited)
}

#[test]
fn known_facts_come_out() {
    let index = all();
    let ids: BTreeSet<_> = index.advisories().iter().map(|it| it.feed.as_str()).collect();
    assert_eq!(ids.len(), 4);
    let check = |platform: &str, name: &str, version: &str, id: &str, expected: &str| {
        let platform = Platform::parse(platform).expect("a platform");
        assert!(index.covers(&platform), "{platform}");
        let matches = match_packages(&index, &[package(&platform, name, version, name)]);
        let found = matches.iter().find(|it| it.is_about(&VulnerabilityId::new(id)));
        let shown = found.map(|it| format!("{} {}", it.state, it.fix)).unwrap_or_default();
        assert_eq!(shown, expected, "{platform} {name} {version} {id}");
    };
    check("alpine:3.18", "openssl", "3.1.0-r3", "CVE-2023-1255", "vulnerable 3.1.0-r4");
    check("alpine:3.18", "openssl", "3.1.0-r4", "CVE-2023-1255", "fixed 3.1.0-r4");
    check("debian:12", "openssh-server", "1:9.2p1-2+deb12u2", "CVE-2024-6387", "");
    check("debian:12", "openssh", "1:9.2p1-2+deb12u2", "CVE-2024-6387", "vulnerable 1:9.2p1-2+deb12u3");
    check("debian:11", "openssh", "1:8.4p1-5+deb11u3", "CVE-2024-6387", "not-affected -");
    check("debian:12", "openssh", "1:9.2p1-2+deb12u3", "CVE-2020-15778", "vulnerable no fix yet");
    // regreSSHion, in the base system and in the port.
    check("freebsd:14.1", "FreeBSD", "14.1", "CVE-2024-6387", "vulnerable 14.1_2");
    check("freebsd:14.1", "FreeBSD", "14.1_2", "CVE-2024-6387", "fixed 14.1_2");
    check("freebsd:14.1", "openssh-portable", "9.6.p1_1,1", "CVE-2024-6387", "vulnerable 9.7.p1_2,1");
    // The kernel is a package of its own: the userland's patch level says nothing about it.
    check("freebsd:14.3", "FreeBSD-kernel", "14.3_6", "CVE-2025-14769", "vulnerable 14.3_7");
    check("freebsd:14.3", "FreeBSD-kernel", "14.3_7", "CVE-2025-14769", "fixed 14.3_7");
    check("freebsd:14.3", "FreeBSD-kernel", "14.2", "CVE-2025-14769", "fixed 13.5_8");
    check("freebsd:14.3", "FreeBSD", "14.3_6", "CVE-2025-14769", "");
    assert!(index.exploited(&VulnerabilityId::new("CVE-2024-38475")).is_some());
}

#[test]
fn every_state_is_reasoned_in_one_line() {
    let index = all();
    let platform = Platform::parse("alpine:3.20").expect("a platform");
    let packages: Vec<_> = ["openssl", "xen", "curl", "zlib", "busybox", "linux-lts"]
        .iter()
        .map(|name| package(&platform, name, "1.0-r0", name))
        .collect();
    let matches = match_packages(&index, &packages);
    assert!(matches.iter().any(|it| it.state == FindingState::Vulnerable));
    assert!(matches.iter().any(|it| it.state == FindingState::NotAffected));
    for found in &matches {
        let reason = found.reason.as_str();
        assert!(
            reason.starts_with("installed 1.0-r0 of ") && reason.ends_with("(alpine-secdb v3.20/main)"),
            "{reason}"
        );
        assert!(!reason.contains('\n'), "{reason}");
    }
    assert_eq!(match_packages(&index, &packages), matches);
}

#[test]
fn scores_and_news_are_no_advisories() {
    let found = read_directory(&fixtures()).expect("readable");
    let snapshot = |feed: &str| {
        let source = found.iter().find(|it| it.feed.as_str() == feed).expect(feed);
        sync(source).expect(feed)
    };
    let epss = snapshot("epss");
    assert_eq!((epss.scores.len(), epss.advisories.len()), (29, 0));
    assert_eq!(epss.scored_on.map(|day| day.to_string()).as_deref(), Some("2024-10-25"));
    assert_eq!(epss.scores[0].probability.to_string(), "91.96 %");
    let news = snapshot("news");
    let ids: Vec<_> = news.news.iter().flat_map(|it| &it.ids).map(VulnerabilityId::as_str).collect();
    assert_eq!((ids, news.news.len()), (vec!["CVE-2024-6387", "CVE-2024-3094"], 3));
}
