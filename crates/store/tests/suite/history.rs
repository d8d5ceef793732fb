//! What hosts answered, then and now.

use model::{Code, OsRelease, PackageName, Platform};
use store::{ClientScope, CollectionOutcome, INGEST_BATCH_HOSTS, Store};

use crate::Place;
use crate::fleet::{alpine, at, collection, failure, host, inventory, package, packages, record, who_has};

const ALL: ClientScope = ClientScope::All;

async fn one_host(place: &Place) -> Store {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    store
}

fn texts(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(ToString::to_string).collect())
}

pub async fn packages_of_any_moment_are_known(place: Place) {
    let store = one_host(&place).await;
    assert_eq!(packages(&store, "a", None).await, None, "nobody ever looked");
    let first = record(&store, &[collection("a", 10, &["openssl=3.3.1", "curl=8"])]).await;
    assert_eq!((first.packages_changed, first.packages_unchanged), (1, 0));
    let same = record(&store, &[collection("a", 20, &["curl=8", "openssl=3.3.1"])]).await;
    assert_eq!((same.packages_changed, same.packages_unchanged), (0, 1));
    record(&store, &[collection("a", 30, &["curl=8", "openssl=3.3.2"])]).await;
    record(&store, &[collection("a", 40, &["curl=8", "openssl=3.3.1"])]).await;

    let (old, new) = (texts(&["curl=8", "openssl=3.3.1"]), texts(&["curl=8", "openssl=3.3.2"]));
    for (second, expected) in
        [(9, &None), (10, &old), (29, &old), (30, &new), (39, &new), (40, &old), (99, &old)]
    {
        assert_eq!(&packages(&store, "a", Some(second)).await, expected, "second {second}");
    }
    assert_eq!(packages(&store, "a", None).await, old, "a downgrade is a change like any other");
    assert_eq!(packages(&store, "nobody", None).await, None);
    let hosts = store.hosts(&ALL).await.expect("read");
    assert_eq!((hosts[0].package_count, hosts[0].packages_at), (Some(2), Some(at(40))));
}

pub async fn a_failed_collection_closes_nothing(place: Place) {
    let store = one_host(&place).await;
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    record(&store, &[failure("a", 20)]).await;
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=8"]));
    let hosts = store.hosts(&ALL).await.expect("read");
    let look = hosts[0].last_collection.as_ref().expect("a look");
    assert_eq!((look.outcome, look.finished_at), (CollectionOutcome::Failed, at(20)));
    assert_eq!(look.problems, failure("a", 20).problems);
    assert_eq!((hosts[0].answered_at, hosts[0].packages_at), (Some(at(10)), Some(at(10))));
    let stale = store.hosts_not_scanned_since(&ALL, at(11)).await.expect("read");
    assert_eq!(stale.len(), 1);
    assert_eq!(store.hosts_not_scanned_since(&ALL, at(10)).await.expect("read"), []);
}

pub async fn what_was_not_read_stays(place: Place) {
    let store = one_host(&place).await;
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    let mut partial = collection("a", 20, &[]);
    (partial.os, partial.packages) = (None, None);
    partial.kernel.as_mut().expect("a kernel").running = "6.6.99-0-lts".to_owned();
    record(&store, &[partial]).await;
    let hosts = store.hosts(&ALL).await.expect("read");
    assert_eq!(hosts[0].os, Some(alpine("3.20.3")));
    assert_eq!(hosts[0].kernel.as_ref().map(|kernel| kernel.running.as_str()), Some("6.6.99-0-lts"));
    assert_eq!(hosts[0].last_collection.as_ref().map(|look| look.outcome), Some(CollectionOutcome::Partial));
    assert_eq!((hosts[0].package_count, hosts[0].packages_at), (Some(1), Some(at(10))));
    assert_eq!(hosts[0].answered_at, Some(at(20)));
    // Packages without a platform cannot be judged and count as not read.
    let mut nameless = collection("a", 30, &["curl=9"]);
    nameless.os = None;
    record(&store, &[nameless]).await;
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=8"]));
    // An empty list is an answer.
    record(&store, &[collection("a", 40, &[])]).await;
    assert_eq!(packages(&store, "a", None).await, texts(&[]));
    assert_eq!(store.hosts(&ALL).await.expect("read")[0].package_count, Some(0));
}

pub async fn an_unsupported_system_ends_what_was_known(place: Place) {
    let store = one_host(&place).await;
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    let mut other = collection("a", 20, &["curl=8"]);
    let os = OsRelease {
        id: "plan9".to_owned(),
        version: "4".to_owned(),
        codename: None,
        pretty_name: "Plan 9".to_owned(),
    };
    other.os = Some(os.clone());
    record(&store, &[other.clone()]).await;
    let hosts = store.hosts(&ALL).await.expect("read");
    assert_eq!((&hosts[0].os, &hosts[0].platform), (&Some(os), &None));
    assert_eq!((hosts[0].package_count, hosts[0].packages_at), (None, None));
    assert_eq!(who_has(&store, &ALL, "curl").await, [""; 0]);
    assert_eq!(packages(&store, "a", Some(15)).await, texts(&["curl=8"]));
    let counts = store.platforms(&ALL).await.expect("read");
    assert_eq!((counts[0].platform.clone(), counts[0].hosts, counts[0].hosts_with_packages), (None, 1, 0));
    // A release upgrade is a change of every package: they are other builds.
    let mut upgraded = collection("a", 30, &["curl=8"]);
    upgraded.os = Some(alpine("3.21.0"));
    record(&store, &[upgraded]).await;
    let counts = store.platforms(&ALL).await.expect("read");
    assert_eq!(counts[0].platform, Platform::parse("alpine:3.21").ok());
    assert_eq!(store.package_versions_in_use(&ALL, None).await.expect("read").len(), 1);
}

pub async fn an_older_collection_changes_no_state(place: Place) {
    let store = one_host(&place).await;
    record(&store, &[collection("a", 20, &["curl=8"])]).await;
    let report = record(&store, &[collection("a", 10, &["curl=7"])]).await;
    assert_eq!((report.recorded, report.outdated), (1, vec![host("a")]));
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=8"]));
    let hosts = store.hosts(&ALL).await.expect("read");
    assert_eq!(hosts[0].last_collection.as_ref().map(|look| look.finished_at), Some(at(20)));
    // A failure in between does not make a success outdated that ended before it.
    record(&store, &[failure("a", 40)]).await;
    let report = record(&store, &[collection("a", 30, &["curl=9"])]).await;
    assert_eq!(report.outdated, []);
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=9"]));
    let hosts = store.hosts(&ALL).await.expect("read");
    assert_eq!(hosts[0].last_collection.as_ref().map(|look| look.finished_at), Some(at(40)));
}

pub async fn two_looks_at_one_instant_leave_the_last(place: Place) {
    let store = one_host(&place).await;
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    let mut second = collection("a", 10, &["curl=9"]);
    second.os = Some(alpine("3.20.4"));
    record(&store, &[second]).await;
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=9"]));
    assert_eq!(packages(&store, "a", Some(10)).await, texts(&["curl=9"]));
    assert_eq!(store.hosts(&ALL).await.expect("read")[0].os, Some(alpine("3.20.4")));
}

pub async fn a_host_twice_in_a_batch_is_recorded_twice(place: Place) {
    let store = one_host(&place).await;
    let report = record(&store, &[collection("a", 10, &["curl=8"]), collection("a", 20, &["curl=9"])]).await;
    assert_eq!((report.recorded, report.packages_changed), (2, 2));
    assert_eq!(packages(&store, "a", Some(15)).await, texts(&["curl=8"]));
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=9"]));
}

pub async fn undeclared_hosts_are_reported(place: Place) {
    let store = one_host(&place).await;
    let report =
        record(&store, &[collection("stranger", 10, &["x=1"]), collection("a", 10, &["curl=8"])]).await;
    assert_eq!((report.recorded, report.undeclared), (1, vec![host("stranger")]));
    assert_eq!(packages(&store, "a", None).await, texts(&["curl=8"]));
}

pub async fn hostile_texts_come_back_harmless(place: Place) {
    let store = one_host(&place).await;
    let mut hostile = collection("a", 10, &["curl=8"]);
    let list = hostile.packages.as_mut().expect("packages");
    list.push(package("nul\0nul", "1'; DROP TABLE host; --"));
    list.push(package("nul\u{fffd}nul", "1'; DROP TABLE host; --"));
    list.push(package(&"long".repeat(1000), "1"));
    list.push(package("", ""));
    hostile.os.as_mut().expect("os").pretty_name = "\u{1b}[2J\0".to_owned();
    record(&store, &[hostile.clone()]).await;
    let expected = texts(&["=", "curl=8", "nul\u{fffd}nul=1'; DROP TABLE host; --"]);
    assert_eq!(packages(&store, "a", None).await, expected);
    let hosts = store.hosts(&ALL).await.expect("read");
    assert_eq!(hosts[0].os.as_ref().map(|os| os.pretty_name.as_str()), Some("\u{1b}[2J\u{fffd}"));
    let look = hosts[0].last_collection.as_ref().expect("a look");
    assert_eq!(look.outcome, CollectionOutcome::Partial);
    assert_eq!(look.problems.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::CollectFactUnreadable]);
    hostile.finished_at = at(20);
    assert_eq!(record(&store, &[hostile]).await.packages_unchanged, 1, "and it is recognised");
}

pub async fn more_hosts_than_a_batch_are_recorded(place: Place) {
    let store = place.open().await;
    let count = INGEST_BATCH_HOSTS * 2 + 50;
    let names: Vec<String> = (0..count).map(|n| format!("client{}/h{n}", n % 3)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    store.sync_inventory(&inventory(&names), None, at(0)).await.expect("synced");
    let versions: Vec<String> = (0..count).map(|n| format!("curl={}", n % 2)).collect();
    let collections: Vec<_> =
        (0..count).map(|n| collection(&format!("h{n}"), 10, &["musl=1", &versions[n]])).collect();
    let report = record(&store, &collections).await;
    assert_eq!((report.recorded, report.packages_changed), (count, count));
    assert_eq!(who_has(&store, &ALL, "musl").await.len(), count);
    let curl = [(model::Ecosystem::Alpine, PackageName::new("curl"))];
    let ids: Vec<_> =
        store.package_versions_named(&curl).await.expect("read").into_iter().map(|it| it.0).collect();
    assert_eq!(ids.len(), 2);
    let hosts = store.hosts_with(&ALL, &ids, None).await.expect("read");
    assert_eq!(hosts[&ids[0]].len() + hosts[&ids[1]].len(), count);
    assert_eq!(hosts[&ids[0]].len(), count / 2);
}
