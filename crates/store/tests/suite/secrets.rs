//! Sealed secrets on record.

use model::ClientName;
use store::{ClientScope, NewSecret, SealError, SealingKey, SecretSlot, Store, StoreError};
use tokio::task::JoinSet;

use crate::Place;
use crate::fleet::{at, inventory, only};
use crate::postings::execute;
use crate::record_log::event;

const ALL: ClientScope = ClientScope::All;

fn key() -> SealingKey {
    SealingKey::new([3; 32])
}

/// Seals a value and puts it on record.
async fn put(store: &Store, name: &str, client: Option<&ClientName>, version: u64, plain: &str) -> bool {
    let slot = SecretSlot { name, version, client };
    let sealed = key().seal(&slot, [5; 12], plain.as_bytes()).expect("sealed");
    let secret = NewSecret { name, client, version, sealed: &sealed, set_by: "eva" };
    store.put_secret(&secret, at(1), &[event("secret")]).await.expect("asked")
}

/// Reads a value and opens it.
async fn opened(store: &Store, scope: &ClientScope, name: &str) -> Option<Result<String, SealError>> {
    let found = store.secret(scope, name).await.expect("read")?;
    let client = found.record.client.as_ref();
    let slot = SecretSlot { name: &found.record.name, version: found.record.version, client };
    let plain = key().open(&slot, &found.sealed);
    Some(plain.map(|plain| String::from_utf8_lossy(&plain).into_owned()))
}

pub async fn secrets_are_kept_sealed(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    let acme = ClientName::new("acme").expect("a name");
    assert!(put(&store, "db/password", Some(&acme), 1, "canary-one").await);
    assert!(!put(&store, "db/password", Some(&acme), 1, "canary-two").await, "somebody was faster");
    assert!(!put(&store, "db/password", Some(&acme), 3, "canary-two").await);
    assert!(!put(&store, "new", None, 0, "x").await, "the first is 1");
    assert_eq!(opened(&store, &ALL, "db/password").await, Some(Ok("canary-one".to_owned())));
    assert!(put(&store, "db/password", Some(&acme), 2, "canary-two").await);
    assert!(put(&store, "api", None, 1, "canary-three").await);
    assert_eq!(opened(&store, &ALL, "db/password").await, Some(Ok("canary-two".to_owned())));
    assert_eq!(opened(&store, &ALL, "db").await, None);
    let listed = store.secrets(&ALL).await.expect("read");
    let shown: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.version, it.client.as_ref())).collect();
    assert_eq!(shown, [("api", 1, None), ("db/password", 2, Some(&acme))]);
    assert_eq!((listed[0].set_at, listed[0].set_by.as_str()), (at(1), "eva"));
    assert_eq!(store.record_count(&ALL).await.expect("read"), 3, "one for each that was put");

    let check = async |name: &str, client: Option<&ClientName>, version, why: &str| {
        let secret = NewSecret { name, client, version, sealed: b"", set_by: "eva" };
        let error = store.put_secret(&secret, at(2), &[]).await.expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    };
    check("db/password", None, 3, "another client's").await;
    check("", None, 1, "1 to 256 bytes").await;
    check("a\nb", None, 1, "without control characters").await;
    let nobody = ClientName::new("nobody").expect("a name");
    check("x", Some(&nobody), 1, "there is no client `nobody`").await;
    store.close().await;
    if !place.is_postgres() {
        let file = std::fs::read(&place.text).expect("the file");
        assert!(!file.windows(6).any(|bytes| bytes == b"canary"), "no value stands in the file");
    }
}

pub async fn a_secret_that_was_moved_or_changed_does_not_open(place: Place) {
    let store = place.open().await;
    assert!(put(&store, "a", None, 1, "one").await && put(&store, "b", None, 1, "two").await);
    execute(&place, "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE name = 'a')").await;
    let changed = |version| Some(Err(SealError::Changed { name: "b".to_owned(), version }));
    assert_eq!(opened(&store, &ALL, "a").await, Some(Ok("one".to_owned())));
    assert_eq!(opened(&store, &ALL, "b").await, changed(1), "a's value does not pass for b's");
    execute(&place, "UPDATE secret SET version = 7 WHERE name = 'b'").await;
    assert_eq!(opened(&store, &ALL, "b").await, changed(7));
    execute(&place, "UPDATE secret SET version = -7 WHERE name = 'b'").await;
    assert!(matches!(store.secret(&ALL, "b").await, Err(StoreError::Damaged { .. })));
    assert!(matches!(store.secrets(&ALL).await, Err(StoreError::Damaged { .. })));
}

pub async fn secrets_are_seen_through_the_scope(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    for client in ["acme", "zeta"] {
        let client = ClientName::new(client).expect("a name");
        assert!(put(&store, &format!("of-{client}"), Some(&client), 1, "x").await);
    }
    assert!(put(&store, "of-us", None, 1, "x").await);
    for (scope, expected) in [
        (ALL, vec!["of-acme", "of-us", "of-zeta"]),
        (only(&["acme"]), vec!["of-acme"]),
        (only(&["zeta", "nobody"]), vec!["of-zeta"]),
        (only(&[]), vec![]),
    ] {
        let listed = store.secrets(&scope).await.expect("read");
        assert_eq!(listed.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), expected);
        for name in ["of-acme", "of-zeta", "of-us"] {
            let found = store.secret(&scope, name).await.expect("read");
            assert_eq!(found.is_some(), expected.contains(&name), "{name}");
        }
    }
}

pub async fn one_of_several_new_versions_counts(place: Place) {
    place.open().await.close().await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let place = place.clone();
        writers.spawn(async move { put(&place.open().await, "shared", None, 1, &writer.to_string()).await });
    }
    let mut winners = 0;
    while let Some(won) = writers.join_next().await {
        winners += usize::from(won.expect("a writer"));
    }
    assert_eq!(winners, 1);
}
