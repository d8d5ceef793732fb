//! Debian's real lists.

use advisory::{AdvisoryIndex, match_packages, read_directory, sync};
use model::{Code, FindingState, Platform, VulnerabilityId};

use crate::shared::{package, shared};

#[test]
fn the_real_lists_are_read_whole() {
    let Some(lists) = shared("advisories/debian") else { return };
    let found = read_directory(&lists).expect("readable");
    let snapshot = sync(&found[0]).expect("usable");
    assert_eq!(snapshot.advisories.len(), 8_913);
    // data_config.json is no feed, and one fixed version of 2004 is misspelt.
    let codes: Vec<_> = snapshot.problems.iter().map(|it| it.code).collect();
    assert_eq!(codes, [Code::FeedUnrecognised, Code::FeedVersionInvalid], "{:#?}", snapshot.problems);
    let index = AdvisoryIndex::new(snapshot.advisories, snapshot.coverage, Vec::new());
    let platform = Platform::parse("debian:11").expect("a platform");
    let state = |version: &str| {
        let matches =
            match_packages(&index, &[package(&platform, "xserver-xorg-core", version, "xorg-server")]);
        let found = matches.iter().find(|it| it.is_about(&VulnerabilityId::new("DSA-5380")));
        found.map(|it| it.state)
    };
    assert_eq!(state("2:1.20.11-1+deb11u5"), Some(FindingState::Vulnerable));
    assert_eq!(state("2:1.20.11-1+deb11u6"), Some(FindingState::Fixed));
}
