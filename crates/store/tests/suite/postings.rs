//! Posting lists against the naive answer.

use std::collections::{BTreeMap, BTreeSet};

use model::{Ecosystem, PackageName};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::Connection as _;
use store::{ClientScope, PostingDifferenceKind, Store};

use crate::Place;
use crate::fleet::{at, collection, failure, host, inventory, only, package, record, who_has};

/// Histories that are tried, one after the other on the same database.
const HISTORIES: usize = 12;

/// Hosts of a history: more than a chunk of a posting list would be slow, so ids start high enough
/// to lie on both sides of a border.
const HOSTS: usize = 6;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// A host has these of the packages `p0`, `p1`...
    Packages(usize, BTreeSet<u8>),
    /// A host did not answer.
    Silence(usize),
    /// These hosts are declared.
    Declared(BTreeSet<usize>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let packages = proptest::collection::btree_set(0_u8..8, 0..8);
    let step = prop_oneof![
        6 => (0..HOSTS, packages).prop_map(|(host, packages)| Step::Packages(host, packages)),
        1 => (0..HOSTS).prop_map(Step::Silence),
        1 => proptest::collection::btree_set(0..HOSTS, 0..=HOSTS).prop_map(Step::Declared),
    ];
    proptest::collection::vec(step, 1..12)
}

fn path(host: usize) -> String {
    format!("client{}/h{host}", host % 2)
}

pub async fn random_histories_keep_the_postings_right(place: Place) {
    let store = place.open().await;
    // Hosts that only push the ids of the others to the border between two chunks.
    let filler: Vec<String> = (0..1020).map(|n| format!("client0/filler{n}")).collect();
    let filler: Vec<&str> = filler.iter().map(String::as_str).collect();
    store.sync_inventory(&inventory(&filler), None, at(0)).await.expect("synced");
    let mut runner = TestRunner::deterministic();
    let mut second = 10;
    for _ in 0..HISTORIES {
        let steps = steps().new_tree(&mut runner).expect("a value").current();
        play(&store, &steps, &mut second).await;
    }
}

async fn play(store: &Store, steps: &[Step], second: &mut i64) {
    let mut expected: BTreeMap<usize, BTreeSet<u8>> = BTreeMap::new();
    declare(store, &BTreeSet::new(), *second).await;
    let mut declared: BTreeSet<usize> = (0..HOSTS).collect();
    declare(store, &declared, *second).await;
    for step in steps {
        *second += 1;
        match step {
            Step::Packages(n, packages) => {
                let names: Vec<String> = packages.iter().map(|package| format!("p{package}=1")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                record(store, &[collection(&format!("h{n}"), *second, &names)]).await;
                if declared.contains(n) {
                    expected.insert(*n, packages.clone());
                }
            }
            Step::Silence(n) => drop(record(store, &[failure(&format!("h{n}"), *second)]).await),
            Step::Declared(hosts) => {
                declare(store, hosts, *second).await;
                expected.retain(|host, _| hosts.contains(host));
                declared.clone_from(hosts);
            }
        }
        assert_eq!(store.check_postings().await.expect("checked"), [], "after {step:?} of {steps:?}");
    }
    for package in 0..8 {
        let has = expected.iter().filter(|(_, packages)| packages.contains(&package)).map(|(host, _)| *host);
        let mut naive: Vec<String> = has.map(|host| format!("h{host}")).collect();
        naive.sort();
        let mut found = who_has(store, &ClientScope::All, &format!("p{package}")).await;
        found.sort();
        assert_eq!(found, naive, "package p{package} after {steps:?}");
        naive.retain(|name| path(name[1..].parse().expect("a number")).starts_with("client1/"));
        assert_eq!(who_has(store, &only(&["client1"]), &format!("p{package}")).await, naive);
    }
}

async fn declare(store: &Store, hosts: &BTreeSet<usize>, second: i64) {
    let paths: Vec<String> = hosts.iter().map(|host| path(*host)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    store.sync_inventory(&inventory(&paths), None, at(second)).await.expect("synced");
}

pub async fn the_check_finds_a_wrong_bit(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/b"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=8", "musl=1"]), collection("b", 10, &["musl=1"])]).await;
    let ids = store.package_versions_in_use(&ClientScope::All, None).await.expect("read");
    let id = |name: &str| ids.iter().find(|(_, it)| it.package.name.as_str() == name).expect("interned").0;
    let hosts = store.hosts(&ClientScope::All).await.expect("read");
    let sql = format!("DELETE FROM posting WHERE package_version_id = {}", id("curl"));
    execute(&place, &sql).await;
    execute(
        &place,
        &format!("UPDATE posting SET client_id = 1 WHERE package_version_id = {}", id("musl"))
            .replace("WHERE", "WHERE client_id = 3 AND"),
    )
    .await;
    let found = store.check_postings().await.expect("checked");
    let found: Vec<_> = found.into_iter().map(|it| (it.package_version, it.host, it.kind)).collect();
    assert_eq!(found, [(id("curl"), hosts[0].id, PostingDifferenceKind::Missing)]);
}

/// Runs SQL past the store.
pub async fn execute(place: &Place, sql: &str) {
    try_execute(place, sql).await.expect("executed");
}

/// Runs statements on a connection of their own.
pub async fn try_execute(place: &Place, sql: &str) -> Result<(), sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    if place.is_postgres() {
        let mut connection = sqlx::PgConnection::connect(&place.text).await.expect("connected");
        sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
    } else {
        let url = format!("sqlite:{}", place.text);
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("connected");
        sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
    }
}

pub async fn the_dictionary_answers_by_name_and_source(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    let mut seen = collection("a", 10, &["openssl=3.3.1"]);
    let mut library = package("libssl3", "3.3.1");
    library.source = PackageName::new("openssl");
    seen.packages.as_mut().expect("packages").push(library);
    record(&store, &[seen]).await;
    let names = |ecosystem, name: &str| vec![(ecosystem, PackageName::new(name))];
    let find = |names: Vec<_>| {
        let store = &store;
        async move {
            let found = store.package_versions_named(&names).await.expect("read");
            found.into_iter().map(|(_, it)| it.package.name.to_string()).collect::<BTreeSet<_>>()
        }
    };
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(find(names(Ecosystem::Alpine, "openssl")).await, set(&["libssl3", "openssl"]));
    assert_eq!(find(names(Ecosystem::Alpine, "libssl3")).await, set(&["libssl3"]));
    assert_eq!(find(names(Ecosystem::Debian, "openssl")).await, set(&[]));
    assert_eq!(find(vec![]).await, set(&[]));
    let all = store.package_names(Ecosystem::Alpine).await.expect("read");
    assert_eq!(all, [PackageName::new("libssl3"), PackageName::new("openssl")]);
    let in_use = store.package_versions_in_use(&ClientScope::All, None).await.expect("read");
    let ids: Vec<_> = in_use.iter().map(|(id, _)| *id).collect();
    assert_eq!(store.package_versions_by_id(&ids).await.expect("read"), in_use);
    assert_eq!(store.hosts_with(&ClientScope::All, &[], None).await.expect("read"), BTreeMap::new());
    let packages =
        store.packages_of(&ClientScope::All, &host("a"), None).await.expect("read").expect("known");
    assert_eq!(packages.len(), 2);
}
