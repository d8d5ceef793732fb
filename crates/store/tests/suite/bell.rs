//! What was announced, and messages.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use model::{Ecosystem, PackageName, Severity, VulnerabilityId};
use store::{
    AnnouncedFinding, BellBase, BellHost, BellOutcome, BellState, ClientScope, MessageUrgency, NewBell,
    NewMessage,
};

use crate::Place;
use crate::fleet::{at, collection, inventory, record};

fn finding(id: &str, shown: &str) -> AnnouncedFinding {
    AnnouncedFinding {
        ecosystem: Ecosystem::Alpine,
        source: PackageName::new("openssl"),
        vulnerability: VulnerabilityId::new(id),
        shown: VulnerabilityId::new(shown),
        severity: Some(Severity::High),
    }
}

/// What is announced of a host: what it has now, and something besides.
fn based(host: &BellHost, held: &[AnnouncedFinding]) -> (BellHost, BellBase) {
    (host.clone(), BellBase { sets: host.now, held: held.to_vec() })
}

fn message(id: &str, channel: &str) -> NewMessage {
    NewMessage {
        message_id: id.to_owned(),
        channel: channel.to_owned(),
        urgency: MessageUrgency::Urgent,
        title: "title\0".to_owned(),
        body: "{}".to_owned(),
    }
}

pub async fn what_is_announced_is_kept_whole_or_not_at_all(place: Place) {
    let store = place.open().await;
    assert_eq!(store.bell_state().await.expect("read"), BellState::default());
    let declared = inventory(&["acme/web-1", "acme/web-2", "globex/db-1"]);
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    record(&store, &["web-1", "web-2", "db-1"].map(|name| collection(name, 1, &["openssl=3.3.1-r0"]))).await;
    let versions: Vec<_> = store
        .package_versions_in_use(&ClientScope::All, None)
        .await
        .expect("read")
        .into_iter()
        .map(|it| it.0)
        .collect();
    let hosts = store.bell_hosts(&versions).await.expect("read");
    assert_eq!((hosts.changed.len(), hosts.sets.len()), (3, 2), "a set belongs to a client");
    assert!(hosts.unchanged.values().all(|it| it.is_empty()), "they are among the changed");
    assert!(hosts.changed.iter().all(|host| host.before.is_none()));
    let announced: BTreeMap<_, _> =
        versions.iter().map(|id| (*id, vec![finding("CVE-1", "DSA-1-1")])).collect();
    let bell = NewBell {
        revision: 0,
        coverage: BTreeSet::from(["alpine-secdb/alpine/3.20".to_owned()]),
        exploited: BTreeSet::from(["CVE-1".to_owned()]),
        announced: announced.clone(),
        hosts: hosts.changed.iter().map(|host| based(host, &[])).collect(),
        messages: vec![message("one", "team"), message("two", "team")],
    };
    assert_eq!(store.record_bell(&bell, at(2)).await.expect("recorded"), BellOutcome::Recorded);
    // Who began before that has to begin again, and leaves nothing.
    let late = NewBell { messages: vec![message("three", "team")], ..bell.clone() };
    assert_eq!(store.record_bell(&late, at(3)).await.expect("recorded"), BellOutcome::Outrun);
    assert_eq!(store.waiting_messages().await.expect("read").len(), 2);
    let state = store.bell_state().await.expect("read");
    let (coverage, exploited) = (bell.coverage.clone(), bell.exploited.clone());
    assert_eq!(state, BellState { revision: 1, coverage, exploited, announced });
    // Now all hosts are as announced.
    let hosts = store.bell_hosts(&versions).await.expect("read");
    assert_eq!((hosts.changed.len(), hosts.unchanged[&versions[0]].len()), (0, 3));
    // One changes, one is retired, one has something held.
    record(&store, &[collection("web-1", 4, &["openssl=3.3.2-r0"])]).await;
    store.sync_inventory(&inventory(&["acme/web-1", "acme/web-2"]), None, at(4)).await.expect("synced");
    let hosts = store.bell_hosts(&versions).await.expect("read");
    let names: Vec<_> =
        hosts.changed.iter().map(|host| (host.name.as_str(), host.now.packages.is_some())).collect();
    assert_eq!(names, [("web-1", true), ("db-1", false)]);
    assert_eq!(hosts.unchanged[&versions[0]].len(), 1);
    let held = [finding("CVE-2", "CVE-2")];
    let bell = NewBell {
        revision: 1,
        messages: vec![],
        hosts: hosts.changed.iter().map(|host| based(host, &held)).collect(),
        ..bell
    };
    assert_eq!(store.record_bell(&bell, at(5)).await.expect("recorded"), BellOutcome::Recorded);
    let hosts = store.bell_hosts(&[]).await.expect("read");
    let names: Vec<_> = hosts.changed.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["web-1"], "what is held of a retired host waits");
    assert_eq!(hosts.changed[0].before.as_ref().expect("announced").held, held);
}

pub async fn a_message_is_sent_by_one_and_kept_until_it_arrives(place: Place) {
    let store = place.open().await;
    let minute = SignedDuration::from_mins(1);
    store.record_messages(&[message("one", "team"), message("two", "mail")], at(1)).await.expect("recorded");
    store.record_messages(&[message("one", "team")], at(2)).await.expect("again");
    let waiting = store.waiting_messages().await.expect("read");
    assert_eq!(waiting.len(), 2, "one that is on record is left alone");
    assert_eq!(waiting[0].message.title, "title\u{fffd}");
    let (one, two) = (waiting[0].id, waiting[1].id);
    let other = place.open().await;
    assert!(store.lease_message(one, at(2), at(2) + minute).await.expect("asked"));
    assert!(!other.lease_message(one, at(2), at(2) + minute).await.expect("asked"), "another process has it");
    let late = at(2) + minute;
    assert!(other.lease_message(one, late, late + minute).await.expect("asked"), "which was killed");
    other.record_failed_delivery(one, 2, "no answer", Some(late + minute), late).await.expect("recorded");
    let record = store.waiting_messages().await.expect("read").remove(0);
    assert_eq!((record.attempts, record.last_error.as_deref()), (2, Some("no answer")));
    assert_eq!(record.next_attempt_at, late + minute);
    assert!(store.lease_message(one, late, late + minute).await.expect("asked"), "it was given back");
    store.record_delivery(one, 1, late).await.expect("recorded");
    assert!(!store.lease_message(one, late + minute, late + minute).await.expect("asked"), "it has arrived");
    store.record_failed_delivery(two, 0, "too old", None, late).await.expect("recorded");
    assert!(!store.lease_message(two, late, late + minute).await.expect("asked"), "it was given up");
    assert!(store.waiting_messages().await.expect("read").is_empty());
    let last = store.last_messages("team", 5).await.expect("read");
    assert_eq!((last.len(), last[0].attempts, last[0].delivered_at), (1, 3, Some(late)));
    assert_eq!(store.last_messages("mail", 5).await.expect("read")[0].given_up_at, Some(late));
}
