//! Several handles, and calls that are broken off.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use store::{ClientScope, Store};
use tokio::task::JoinSet;

use crate::Place;
use crate::fleet::{at, collection, host, inventory, packages, record, who_has};

const ALL: ClientScope = ClientScope::All;

pub async fn two_handles_write_in_turn(place: Place) {
    let names: Vec<String> = (0..8).map(|n| format!("acme/h{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let store = place.open().await;
    store.sync_inventory(&inventory(&names), None, at(0)).await.expect("synced");
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let place = place.clone();
        writers.spawn(async move {
            let store = place.open().await;
            for round in 0..10 {
                // Every pair of writers shares a host and all share a package.
                let name = format!("h{}", (writer + round) % 8);
                let version = format!("curl={writer}.{round}");
                let look = collection(&name, 10 + i64::from(round), &["musl=1", &version]);
                store.record_collections(&[look], at(100)).await.expect("recorded");
            }
            store.close().await;
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("a writer");
    }
    assert_eq!(store.check_postings().await.expect("checked"), []);
    assert_eq!(who_has(&store, &ALL, "musl").await.len(), 8);
}

pub async fn first_opens_at_once_make_one_schema(place: Place) {
    let mut openers = JoinSet::new();
    for _ in 0..4 {
        let place = place.clone();
        openers.spawn(async move { place.open().await.hosts(&ALL).await.expect("read").len() });
    }
    while let Some(hosts) = openers.join_next().await {
        assert_eq!(hosts.expect("opened"), 0);
    }
}

pub async fn a_reader_sees_one_state(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "acme/b"]), None, at(0)).await.expect("synced");
    let writer = {
        let store = place.open().await;
        tokio::spawn(async move {
            for round in 0..20 {
                let version = format!("curl={round}");
                let looks = ["a", "b"].map(|name| collection(name, 10 + round, &[&version]));
                store.record_collections(&looks, at(100)).await.expect("recorded");
            }
        })
    };
    // Both hosts change in one transaction, so no reader may see one of them changed alone.
    while !writer.is_finished() {
        assert_eq!(store.check_postings().await.expect("checked"), []);
        let hosts = store.hosts(&ALL).await.expect("read");
        assert_eq!(hosts[0].packages_at, hosts[1].packages_at);
    }
    writer.await.expect("the writer");
}

/// Polls a call a number of times and then drops it; returns whether it came to its end.
pub async fn broken_off<T>(call: impl Future<Output = T>, polls: usize) -> bool {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        call.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// Times that a call is broken off ever later until it comes to its end, at least and at most. How often it can
/// be broken off depends on how fast the database answers.
const BREAK_ROUNDS: i64 = 10;
const BREAK_ROUNDS_MAX: i64 = 80;

pub async fn a_call_that_is_dropped_anywhere_leaves_nothing(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "acme/b"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=0"]), collection("b", 10, &["curl=0"])]).await;
    let mut breaks = 0;
    for round in 1..=BREAK_ROUNDS_MAX {
        if round > BREAK_ROUNDS && breaks > 3 {
            break;
        }
        let (old, new) = (format!("curl={}", round - 1), format!("curl={round}"));
        let looks = ["a", "b"].map(|name| collection(name, 10 + round, &[&new]));
        let mut polls = 1;
        while !broken_off(store.record_collections(&looks, at(100)), polls).await {
            assert_eq!(store.check_postings().await.expect("checked"), []);
            let seen = (packages(&store, "a", None).await, packages(&store, "b", None).await);
            // Dropped after it sent its COMMIT it may be done; nothing in between may be.
            let (unchanged, done) = (Some(vec![old.clone()]), Some(vec![new.clone()]));
            let expected = [(unchanged.clone(), unchanged), (done.clone(), done)];
            assert!(expected.contains(&seen), "{seen:?} after {polls} polls");
            polls += 1;
            breaks += 1;
        }
        assert_eq!(packages(&store, "a", None).await, Some(vec![new]));
    }
    assert!(breaks > 3, "the call has several steps, and was broken off between them");
    assert_eq!(who_has(&store, &ALL, "curl").await, ["a", "b"]);
}

fn is_send(_: impl Send) {}

/// Every call can be made from a task of a multi-threaded runtime; this is checked when it compiles.
#[tokio::test]
async fn every_call_may_move_between_threads() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = store::DatabaseUrl::sqlite(&directory.path().join("ifrit.db"));
    is_send(Store::open(&url));
    let store = Store::open(&url).await.expect("opened");
    let (host, key, feed) = (host("a"), model::HostKey::new("k"), model::FeedName::new("f"));
    let snapshot = store::NewSnapshot {
        feed: &feed,
        origin: "",
        advisories: &[],
        exploited: &[],
        coverage: &[],
        problems: &[],
        accept_shrunken: false,
    };
    is_send(store.sync_inventory(&inventory(&[]), None, at(0)));
    is_send(store.record_collections(&[], at(0)));
    is_send(store.hosts(&ALL));
    is_send(store.hosts_by_id(&ALL, &[]));
    is_send(store.hosts_not_scanned_since(&ALL, at(0)));
    is_send(store.platforms(&ALL));
    is_send(store.packages_of(&ALL, &host, None));
    is_send(store.package_versions_named(&[]));
    is_send(store.package_versions_by_id(&[]));
    is_send(store.package_versions_in_use(&ALL, None));
    is_send(store.package_names(model::Ecosystem::Alpine));
    is_send(store.hosts_with(&ALL, &[], None));
    is_send(store.host_page(&ALL, &store::HostSet::default(), None, 1, None));
    is_send(store.census(&ALL, None));
    is_send(store.hosts_in(&ALL, &store::HostGroup::NeverScanned, None));
    is_send(store.clients(&ALL));
    is_send(store.services_of(&ALL, &[]));
    is_send(store.software_of(&ALL, &[], None));
    is_send(store.inventory_source());
    is_send(store.advisories_naming(&[], None));
    is_send(store.check_postings());
    is_send(store.record_snapshot(&snapshot, at(0)));
    is_send(store.record_failed_sync(&feed, "", &[], at(0)));
    is_send(store.advisories_about(&[], None));
    is_send(store.all_advisories(None));
    is_send(store.exploited(&[], None));
    is_send(store.all_exploited(None));
    is_send(store.coverage(None));
    is_send(store.feeds());
    is_send(store.trust_host_key(&host, &key, "", "", at(0)));
    is_send(store.trusted_host_keys(&ALL));
    is_send(store.revoke_host_key(&host, &key, at(0)));
    is_send(store.plans(&ALL, 1));
    is_send(store.plan(&ALL, ""));
    is_send(store.runs(&ALL, 1));
    is_send(store.run(&ALL, ""));
    is_send(store.unsettled(&ALL, at(0)));
    is_send(store.append_all(&[]));
    is_send(store.records(&ALL, store::RecordNumber(1), 1));
    let run = model::RunId::from_bytes([0; 16]);
    is_send(store.claim_hosts(&run, &[], at(0), at(0)));
    is_send(store.start_hosts(&run, &[], at(0)));
    is_send(store.finish_hosts(&run, &[], at(0)));
    is_send(store.note_steps(&run, &[]));
    is_send(store.secrets(&ALL));
    is_send(store.close());
}
