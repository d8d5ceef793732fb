//! Trusted host keys.

use model::HostKey;
use store::{ClientScope, StoreError, StoreErrorKind};

use crate::Place;
use crate::fleet::{at, host, inventory};

pub async fn keys_are_trusted_and_revoked(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "acme/b"]), None, at(0)).await.expect("synced");
    let (old, new) = (HostKey::new("ssh-ed25519 AAAAold"), HostKey::new("ssh-ed25519 AAAAnew"));
    let trust = |key: &HostKey| {
        let (store, key) = (store.clone(), key.clone());
        async move { store.trust_host_key(&host("a"), &key, "SHA256:x", "eva", at(1)).await.expect("trusted") }
    };
    assert!(trust(&old).await);
    assert!(!trust(&old).await, "it was trusted already");
    assert!(trust(&new).await);
    let keys = store.trusted_host_keys(&ClientScope::All).await.expect("read");
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), [(host("a"), vec![old.clone(), new.clone()])]);

    assert!(store.revoke_host_key(&host("a"), &old, at(2)).await.expect("revoked"));
    assert!(!store.revoke_host_key(&host("a"), &old, at(3)).await.expect("asked"));
    let keys = store.trusted_host_keys(&ClientScope::All).await.expect("read");
    assert_eq!(keys[&host("a")], [new]);
    assert!(trust(&old).await, "and it may be trusted again");

    let error =
        store.trust_host_key(&host("x"), &old, "SHA256:x", "eva", at(1)).await.expect_err("not declared");
    assert!(matches!(&error, StoreError::UnknownHost { host } if host.as_str() == "x"));
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
    store.sync_inventory(&inventory(&["acme/b"]), None, at(4)).await.expect("synced");
    assert!(store.trusted_host_keys(&ClientScope::All).await.expect("read").is_empty(), "retired");
}
