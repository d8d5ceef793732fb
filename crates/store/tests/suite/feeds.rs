//! What feeds say.

use jiff::civil::date;
use model::{
    Advisory, Affects, Code, Ecosystem, ExploitedVulnerability, FeedName, PackageName, PackagePattern,
    Place as ProblemPlace, Problem, Release, ReleaseScope, Repository, VulnerabilityId,
};
use store::{CoverageRow, EntryChanges, NewSnapshot, SnapshotOutcome, SnapshotReport, Store, SyncOutcome};

use crate::Place;
use crate::fleet::{advisory, at};

fn snapshot<'a>(feed: &'a FeedName, advisories: &'a [Advisory]) -> NewSnapshot<'a> {
    NewSnapshot {
        feed,
        origin: "https://feed.example/all.json",
        advisories,
        exploited: &[],
        coverage: &[],
        problems: &[],
        accept_shrunken: false,
    }
}

/// Records advisories as all that a feed holds.
pub async fn sync(store: &Store, feed: &str, advisories: &[Advisory], second: i64) -> SnapshotReport {
    let feed = FeedName::new(feed);
    store.record_snapshot(&snapshot(&feed, advisories), at(second)).await.expect("recorded")
}

async fn about(store: &Store, ids: &[&str]) -> Vec<Advisory> {
    let ids: Vec<_> = ids.iter().map(|id| VulnerabilityId::new(*id)).collect();
    store.advisories_about(&ids, None).await.expect("read")
}

fn changes(added: usize, changed: usize, withdrawn: usize, unchanged: usize) -> EntryChanges {
    EntryChanges { added, changed, withdrawn, unchanged }
}

pub async fn advisories_come_back_by_any_id_in_any_case(place: Place) {
    let store = place.open().await;
    let ssh = advisory("osv", "A", &["DSA-1-1", "CVE-2024-6387", "cve-2024-6387"], "openssh", "9.8");
    let mut curl = advisory("osv", "B", &["GHSA-x", "CVE-2024-1"], "curl", "8.9");
    (curl.severity, curl.published, curl.affected[0].affects) = (None, None, Affects::NotAffected);
    sync(&store, "osv", &[curl.clone(), ssh.clone()], 0).await;
    assert_eq!(about(&store, &["CVE-2024-6387"]).await, vec![ssh.clone()]);
    assert_eq!(about(&store, &["dsa-1-1", "cve-2024-6387"]).await, vec![ssh.clone()], "once");
    assert_eq!(about(&store, &["cve-2024-1", "DSA-1-1"]).await, [ssh.clone(), curl.clone()]);
    assert_eq!(about(&store, &["CVE-2024-638"]).await, []);
    assert_eq!(about(&store, &[]).await, []);
    assert_eq!(store.all_advisories(None).await.expect("read"), [ssh, curl]);
}

pub async fn a_change_is_a_revision_and_the_rest_is_left_alone(place: Place) {
    let store = place.open().await;
    let first: Vec<_> = ["a", "b", "c", "d"].map(|key| advisory("osv", key, &[key], key, "1")).into();
    let report = sync(&store, "osv", &first, 0).await;
    assert_eq!((report.outcome, report.advisories), (SnapshotOutcome::Recorded, changes(4, 0, 0, 0)));
    assert_eq!(sync(&store, "osv", &first, 10).await.advisories, changes(0, 0, 0, 4));
    let second: Vec<_> = [("b", "1"), ("c", "2"), ("d", "1"), ("e", "1")]
        .map(|(key, fixed)| advisory("osv", key, &[key], key, fixed))
        .into();
    assert_eq!(sync(&store, "osv", &second, 20).await.advisories, changes(1, 1, 1, 2));
    assert_eq!(store.all_advisories(None).await.expect("read"), second);
    assert_eq!(about(&store, &["a"]).await, []);
    assert_eq!(about(&store, &["c"]).await, second[1..2]);
    assert_eq!(sync(&store, "osv", &first, 30).await.advisories, changes(1, 1, 1, 2), "and back");
    assert_eq!(store.all_advisories(None).await.expect("read"), first);
    let feeds = store.feeds().await.expect("read");
    assert_eq!((feeds[0].synced_at, feeds[0].advisory_count), (Some(at(30)), 4));
}

pub async fn a_snapshot_that_lost_most_entries_is_refused(place: Place) {
    let store = place.open().await;
    let all: Vec<_> =
        (0..5).map(|n| format!("k{n}")).map(|key| advisory("osv", &key, &[&key], &key, "1")).collect();
    sync(&store, "osv", &all, 0).await;
    let report = sync(&store, "osv", &all[..2], 10).await;
    assert_eq!(report.outcome, SnapshotOutcome::Shrunken { current: 5, offered: 2 });
    assert_eq!(report.problems.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::FeedShrunken]);
    assert_eq!(report.advisories, changes(0, 0, 0, 0));
    assert_eq!(store.all_advisories(None).await.expect("read"), all);
    let feeds = store.feeds().await.expect("read");
    assert_eq!((feeds[0].synced_at, feeds[0].advisory_count), (Some(at(0)), 5), "the last good one counts");
    assert_eq!((feeds[0].last_sync.at, feeds[0].last_sync.outcome), (at(10), SyncOutcome::Shrunken));
    assert_eq!(feeds[0].last_sync.problems, report.problems);
    assert!(matches!(sync(&store, "osv", &[], 15).await.outcome, SnapshotOutcome::Shrunken { .. }));

    assert_eq!(sync(&store, "osv", &all[..3], 20).await.outcome, SnapshotOutcome::Recorded, "three of five");
    let feed = FeedName::new("osv");
    let accepted = NewSnapshot { accept_shrunken: true, ..snapshot(&feed, &all[..1]) };
    let report = store.record_snapshot(&accepted, at(30)).await.expect("recorded");
    assert_eq!((report.outcome, report.advisories), (SnapshotOutcome::Recorded, changes(0, 0, 2, 1)));
}

pub async fn feeds_are_kept_apart(place: Place) {
    let store = place.open().await;
    let (osv, debian) =
        (advisory("osv", "k", &["CVE-1"], "x", "1"), advisory("debian-dsa", "k", &["CVE-1"], "x", "2"));
    sync(&store, "osv", std::slice::from_ref(&osv), 0).await;
    sync(&store, "debian-dsa", std::slice::from_ref(&debian), 1).await;
    assert_eq!(about(&store, &["CVE-1"]).await, [debian.clone(), osv.clone()]);
    let feed = FeedName::new("osv");
    let empty = NewSnapshot { accept_shrunken: true, ..snapshot(&feed, &[]) };
    store.record_snapshot(&empty, at(2)).await.expect("recorded");
    assert_eq!(about(&store, &["CVE-1"]).await, [debian]);
    assert_eq!(store.feeds().await.expect("read").len(), 2);
}

pub async fn a_failed_sync_shows_and_changes_nothing(place: Place) {
    let store = place.open().await;
    let feed = FeedName::new("osv");
    let place = ProblemPlace::Feed { feed: "osv".to_owned(), part: "all.zip".to_owned() };
    let problems = [Problem::new(Code::FeedUnreadable, place, "not a zip file")];
    store.record_failed_sync(&feed, "all.zip", &problems, at(0)).await.expect("recorded");
    let feeds = store.feeds().await.expect("read");
    assert_eq!((feeds[0].synced_at, feeds[0].last_sync.outcome), (None, SyncOutcome::Failed));
    let known = [advisory("osv", "k", &["CVE-1"], "x", "1")];
    sync(&store, "osv", &known, 10).await;
    store.record_failed_sync(&feed, "all.zip", &problems, at(20)).await.expect("recorded");
    let feeds = store.feeds().await.expect("read");
    assert_eq!((feeds[0].synced_at, feeds[0].advisory_count), (Some(at(10)), 1));
    assert_eq!((feeds[0].last_sync.at, feeds[0].last_sync.problems.as_slice()), (at(20), &problems[..]));
    assert_eq!(store.all_advisories(None).await.expect("read"), known);
}

pub async fn exploited_vulnerabilities_come_and_go(place: Place) {
    let store = place.open().await;
    let feed = FeedName::new("cisa-kev");
    let entry = |id: &str, due| ExploitedVulnerability {
        id: VulnerabilityId::new(id),
        name: format!("{id} in something"),
        added: date(2026, 1, 2),
        due,
        is_ransomware: due.is_none(),
    };
    let first = [entry("CVE-2024-2", None), entry("cve-2024-1", Some(date(2026, 2, 3)))];
    let with = |exploited| NewSnapshot { exploited, ..snapshot(&feed, &[]) };
    let report = store.record_snapshot(&with(&first), at(0)).await.expect("recorded");
    assert_eq!(report.exploited, changes(2, 0, 0, 0));
    let sorted = [first[1].clone(), first[0].clone()];
    assert_eq!(store.all_exploited(None).await.expect("read"), sorted);
    let asked = [VulnerabilityId::new("CVE-2024-1"), VulnerabilityId::new("CVE-2024-9")];
    assert_eq!(store.exploited(&asked, None).await.expect("read"), first[1..]);
    let second = [entry("CVE-2024-2", Some(date(2026, 3, 4)))];
    let report = store.record_snapshot(&with(&second), at(1)).await.expect("recorded");
    assert_eq!(report.exploited, changes(0, 1, 1, 0));
    assert_eq!(store.all_exploited(None).await.expect("read"), second);
}

pub async fn coverage_is_the_last_snapshots(place: Place) {
    let store = place.open().await;
    let row = |release: Option<&str>, repository: Option<&str>| CoverageRow {
        ecosystem: Ecosystem::Alpine,
        release: release.map_or(ReleaseScope::Any, |release| ReleaseScope::Only(Release::new(release))),
        repository: repository.map(Repository::new),
    };
    let feed = FeedName::new("alpine-secdb");
    let first = [row(Some("3.20"), Some("main")), row(Some("3.20"), Some("main")), row(None, None)];
    let with = |coverage| NewSnapshot { coverage, ..snapshot(&feed, &[]) };
    store.record_snapshot(&with(&first), at(0)).await.expect("recorded");
    let expected = vec![(feed.clone(), first[2].clone()), (feed.clone(), first[0].clone())];
    assert_eq!(store.coverage(None).await.expect("read"), expected);
    store.record_snapshot(&with(&first[..1]), at(1)).await.expect("recorded");
    assert_eq!(store.coverage(None).await.expect("read"), expected[1..]);
}

pub async fn bad_entries_are_reported_and_the_others_count(place: Place) {
    let store = place.open().await;
    let good = advisory("osv", "good", &["CVE-1"], "x", "1");
    let offered = [
        good.clone(),
        advisory("osv", "good", &["CVE-2"], "x", "1"),
        advisory("other", "foreign", &["CVE-3"], "x", "1"),
        advisory("osv", "long", &["CVE-4"], &"x".repeat(3000), "1"),
        advisory("osv", "nul", &["CVE-\0"], "x", "1"),
    ];
    let report = sync(&store, "osv", &offered, 0).await;
    assert_eq!(report.advisories, changes(1, 0, 0, 0));
    let parts: Vec<_> = report.problems.iter().map(|it| (it.code, it.place.to_string())).collect();
    let expected =
        ["good", "foreign", "long", "nul"].map(|key| (Code::FeedEntryInvalid, format!("feed osv, {key}")));
    assert_eq!(parts, expected);
    assert_eq!(store.all_advisories(None).await.expect("read"), [good]);
    assert_eq!(store.feeds().await.expect("read")[0].last_sync.problems, report.problems);
}

pub async fn ecosystems_are_told_apart(place: Place) {
    let store = place.open().await;
    let alpine = advisory("osv", "a", &["CVE-1"], "x", "1");
    let mut debian = advisory("osv", "d", &["CVE-1"], "x", "1");
    debian.affected[0].ecosystem = Ecosystem::Debian;
    debian.affected[0].release = ReleaseScope::Any;
    sync(&store, "osv", &[alpine.clone(), debian.clone()], 0).await;
    assert_eq!(store.all_advisories(Some(Ecosystem::Alpine)).await.expect("read"), [alpine]);
    assert_eq!(store.all_advisories(Some(Ecosystem::Debian)).await.expect("read"), [debian]);
    assert_eq!(store.all_advisories(Some(Ecosystem::FreeBsd)).await.expect("read"), []);
}

pub async fn what_was_known_at_a_time_comes_back(place: Place) {
    let store = place.open().await;
    let old = advisory("osv", "a", &["CVE-1"], "x", "1");
    let new = advisory("osv", "a", &["CVE-1"], "x", "2");
    let other = advisory("osv", "b", &["CVE-2"], "x", "2");
    let kev = |id: &str| ExploitedVulnerability {
        id: VulnerabilityId::new(id),
        name: id.to_owned(),
        added: date(2026, 1, 2),
        due: None,
        is_ransomware: false,
    };
    let row = |release: &str| CoverageRow {
        ecosystem: Ecosystem::Alpine,
        release: ReleaseScope::Only(Release::new(release)),
        repository: None,
    };
    let feed = FeedName::new("osv");
    let contents = [
        (10, vec![old.clone()], vec![], vec![row("3.19"), row("3.20")]),
        (20, vec![new.clone(), other.clone()], vec![kev("CVE-1")], vec![row("3.20"), row("3.21")]),
        (30, vec![new.clone(), other.clone()], vec![], vec![row("3.20")]),
    ];
    for (second, advisories, exploited, coverage) in &contents {
        let content = NewSnapshot { exploited, coverage, ..snapshot(&feed, advisories) };
        store.record_snapshot(&content, at(*second)).await.expect("recorded");
    }
    let ids = [VulnerabilityId::new("cve-1")];
    let names = [(Ecosystem::Alpine, PackageName::new("x"))];
    let check = async |second: Option<i64>,
                       about: &[&Advisory],
                       naming: &[&Advisory],
                       kev: usize,
                       covered: &[&str]| {
        let then = second.map(at);
        let found = store.advisories_about(&ids, then).await.expect("read");
        assert_eq!(found.iter().collect::<Vec<_>>(), about, "about, at {second:?}");
        let found = store.advisories_naming(&names, then).await.expect("read");
        assert_eq!(found.iter().collect::<Vec<_>>(), naming, "naming, at {second:?}");
        assert_eq!(store.exploited(&ids, then).await.expect("read").len(), kev, "at {second:?}");
        assert_eq!(store.all_exploited(then).await.expect("read").len(), kev, "at {second:?}");
        let found: Vec<_> =
            store.coverage(then).await.expect("read").into_iter().map(|(_, row)| row).collect();
        assert_eq!(found, covered.iter().map(|release| row(release)).collect::<Vec<_>>(), "at {second:?}");
    };
    check(Some(9), &[], &[], 0, &[]).await;
    check(Some(10), &[&old], &[&old], 0, &["3.19", "3.20"]).await;
    check(Some(19), &[&old], &[&old], 0, &["3.19", "3.20"]).await;
    check(Some(20), &[&new], &[&new, &other], 1, &["3.20", "3.21"]).await;
    check(Some(30), &[&new], &[&new, &other], 0, &["3.20"]).await;
    check(None, &[&new], &[&new, &other], 0, &["3.20"]).await;
}

pub async fn advisories_come_back_by_package(place: Place) {
    let store = place.open().await;
    let curl = advisory("osv", "1-curl", &["CVE-1", "CVE-2"], "curl", "1");
    let both = {
        let mut both = advisory("osv", "2-both", &["CVE-3"], "curl", "1");
        both.affected.extend(advisory("osv", "2-both", &["CVE-3"], "openssl", "1").affected);
        both
    };
    let mut glob = advisory("osv", "3-glob", &["CVE-4"], "x", "1");
    glob.affected[0].package = PackagePattern::Glob("py3-*".to_owned());
    let mut debian = advisory("osv", "4-debian", &["CVE-5"], "curl", "1");
    debian.affected[0].ecosystem = Ecosystem::Debian;
    // A pattern is no name, whatever it looks like.
    let mut plain = advisory("osv", "5-plain", &["CVE-6"], "x", "1");
    (plain.affected[0].ecosystem, plain.affected[0].package) =
        (Ecosystem::FreeBsd, PackagePattern::Glob("curl".to_owned()));
    sync(&store, "osv", &[curl, both, glob, debian, plain], 0).await;
    let check = async |names: &[(Ecosystem, &str)], expected: &[&str]| {
        let names: Vec<_> =
            names.iter().map(|(ecosystem, name)| (*ecosystem, PackageName::new(*name))).collect();
        let found = store.advisories_naming(&names, None).await.expect("read");
        assert_eq!(found.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), expected, "{names:?}");
    };
    let (alpine, deb) = (Ecosystem::Alpine, Ecosystem::Debian);
    check(&[(alpine, "curl")], &["1-curl", "2-both", "3-glob"]).await;
    check(&[(alpine, "curl"), (alpine, "openssl"), (alpine, "curl")], &["1-curl", "2-both", "3-glob"]).await;
    check(&[(alpine, "openssl")], &["2-both", "3-glob"]).await;
    check(&[(alpine, "nothing")], &["3-glob"]).await;
    check(&[(deb, "curl")], &["4-debian"]).await;
    check(&[(deb, "CURL")], &[]).await;
    check(&[(Ecosystem::FreeBsd, "x")], &["5-plain"]).await;
    check(&[], &[]).await;
}
