//! Saved plans and their approvals.

use model::{ClientName, PersonName};
use sha2::{Digest, Sha256};
use store::{Approval, ClientScope, NewPlan, PlanHost, PlanId, Store, StoreError, StoreErrorKind, Via};

use crate::Place;
use crate::fleet::{at, host, inventory, only};
use crate::record_log::{event, tamper};

const ALL: ClientScope = ClientScope::All;

/// A host of a plan, as `client/host`.
pub fn planned(path: &str, changes: u32) -> PlanHost {
    let (client, name) = path.split_once('/').expect("client/host");
    PlanHost { client: ClientName::new(client).expect("a client's name"), host: host(name), changes }
}

/// A plan of a deploy with some bytes, made at a second; its id ends in `chance`.
pub fn plan<'a>(bytes: &'a [u8], hosts: &'a [PlanHost], second: i64, chance: u8) -> NewPlan<'a> {
    NewPlan {
        random: [0, 0, 0, 0, 0, 0, 0, 0, 0, chance],
        hash: Sha256::digest(bytes).into(),
        bytes,
        facts: b"facts",
        deploy: "web/tls",
        selector: "acme or zeta",
        author: "eva",
        via: Via::Cli,
        commit: Some("c0ffee"),
        is_dirty: true,
        made_at: at(second),
        hosts,
    }
}

/// A database that declares these hosts and has a plan for all of them.
pub async fn with_plan(place: &Place, paths: &[&str]) -> (Store, PlanId) {
    let store = place.open().await;
    store.sync_inventory(&inventory(paths), None, at(0)).await.expect("synced");
    let hosts: Vec<_> = paths.iter().map(|path| planned(path, 1)).collect();
    let id = store.save_plan(&plan(b"a plan", &hosts, 1, 0), &[]).await.expect("saved");
    (store, id)
}

async fn refused(store: &Store, plan: &NewPlan<'_>) -> String {
    let before = store.plans(&ALL, 100).await.expect("read").len();
    let error = store.save_plan(plan, &[]).await.expect_err("refused");
    assert_eq!(store.plans(&ALL, 100).await.expect("read").len(), before, "nothing is left of it");
    error.to_string()
}

pub async fn plans_come_back_as_they_were_saved(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/b", "acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    let hosts = [planned("zeta/z", 0), planned("acme/b", 2), planned("acme/a", 1)];
    let bytes = b"\0bytes, not text \xff";
    let new = plan(bytes, &hosts, 5, 1);
    let id = store.save_plan(&new, &[event("plan")]).await.expect("saved");
    assert_eq!(store.record_count(&ALL).await.expect("read"), 1);

    let found = store.plan(&ALL, id.as_str()).await.expect("found");
    let sorted = [planned("acme/a", 1), planned("acme/b", 2), planned("zeta/z", 0)];
    assert_eq!(found.record.hosts, sorted);
    assert_eq!((found.record.id.clone(), found.record.hash, found.record.is_whole), (id, new.hash, true));
    assert_eq!((found.record.deploy.as_str(), found.record.author.as_str()), ("web/tls", "eva"));
    assert_eq!((found.record.commit.as_deref(), found.record.is_dirty), (Some("c0ffee"), true));
    assert_eq!((found.record.made_at, found.record.via), (at(5), Via::Cli));
    let body = found.body.expect("whole");
    assert_eq!((body.bytes.as_slice(), body.facts.as_slice()), (&bytes[..], &b"facts"[..]));
    assert_eq!(body.selector, "acme or zeta");

    // The same content again: another plan, with the same hash.
    let again = NewPlan { author: "tom", commit: None, is_dirty: false, ..plan(bytes, &hosts[1..], 6, 1) };
    let second = store.save_plan(&again, &[]).await.expect("saved");
    let plans = store.plans(&ALL, 100).await.expect("read");
    let shown: Vec<_> =
        plans.iter().map(|plan| (plan.author.as_str(), plan.hash, plan.hosts.len())).collect();
    assert_eq!(shown, [("tom", new.hash, 2), ("eva", new.hash, 3)], "the newest first");
    assert_eq!(plans[0].id, second);
    assert_eq!(store.plans(&ALL, 1).await.expect("read"), plans[..1]);

    let taken = store.save_plan(&again, &[]).await.expect_err("the id is taken");
    assert!(matches!(taken, StoreError::Database { .. }), "{taken:?}");
}

pub async fn a_plan_is_found_by_the_beginning_of_its_id(place: Place) {
    let (store, first) = with_plan(&place, &["acme/a", "zeta/z"]).await;
    let hosts = [planned("zeta/z", 1)];
    let second = store.save_plan(&plan(b"x", &hosts, 1, 1), &[]).await.expect("saved");
    let third = store.save_plan(&plan(b"x", &hosts, 900_000, 1), &[]).await.expect("saved");
    for (typed, expected) in [
        (first.as_str(), &first),
        (&second.as_str().to_lowercase(), &second),
        (&second.as_str()["plan_".len()..], &second),
        (&third.as_str()[..12], &third),
    ] {
        assert_eq!(store.plan(&ALL, typed).await.expect(typed).record.id, *expected, "{typed}");
    }
    let both = &first.as_str()[..20];
    let error = store.plan(&ALL, both).await.expect_err("ambiguous");
    assert!(matches!(&error, StoreError::Ambiguous { count: 2, .. }), "{error:?}");
    assert_eq!((error.kind(), error.hint().is_some()), (StoreErrorKind::User, true));
    assert_eq!(store.plan(&only(&["acme"]), both).await.expect("the only one that it sees").record.id, first);
    for typed in ["", "plan_", "plan_7ZZZ", "%", "'", "ü"] {
        let error = store.plan(&ALL, typed).await.expect_err("none");
        assert!(matches!(&error, StoreError::NoSuch { what: "plan", .. }), "{typed}: {error:?}");
        assert_eq!(error.kind(), StoreErrorKind::NotFound);
    }
}

pub async fn plans_that_cannot_be_are_refused(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    let hosts = [planned("acme/a", 1)];
    let good = plan(b"x", &hosts, 1, 0);
    let (strange, moved) = ([planned("acme/x", 1)], [planned("zeta/a", 1)]);
    let twice = [planned("acme/a", 1), planned("acme/a", 2)];
    for (wrong, why) in [
        (NewPlan { hash: [0; 32], ..good }, "hash is not that of its bytes"),
        (NewPlan { hosts: &[], ..good }, "no host"),
        (NewPlan { hosts: &strange, ..good }, "host x is not declared"),
        (NewPlan { hosts: &moved, ..good }, "host a is not declared"),
        (NewPlan { hosts: &twice, ..good }, "a host twice"),
    ] {
        let error = refused(&store, &wrong).await;
        assert!(error.contains(why), "{error}");
    }
    // Where the record cannot be written, nothing is.
    let mut stray = event("plan");
    stray.client = Some(ClientName::new("nobody").expect("a name"));
    store.save_plan(&good, &[stray]).await.expect_err("no such client");
    assert!(store.plans(&ALL, 1).await.expect("read").is_empty());
    store.save_plan(&good, &[]).await.expect("the good one is saved");
}

pub async fn a_plan_of_several_clients_is_seen_in_part(place: Place) {
    let (store, id) = with_plan(&place, &["acme/a", "zeta/z"]).await;
    store.add_approval(&approval(b"a plan"), &[]).await.expect("approved");
    for (scope, hosts, is_whole) in [
        (only(&["acme", "zeta"]), vec!["a", "z"], true),
        (only(&["acme"]), vec!["a"], false),
        (only(&["zeta", "nobody"]), vec!["z"], false),
    ] {
        let found = store.plan(&scope, id.as_str()).await.expect("found");
        let names: Vec<_> = found.record.hosts.iter().map(|it| it.host.as_str()).collect();
        assert_eq!((names, found.record.is_whole, found.body.is_some()), (hosts, is_whole, is_whole));
        assert_eq!(store.plans(&scope, 9).await.expect("read"), [found.record]);
        assert_eq!(store.approvals(&scope, &id).await.expect("read").is_some(), is_whole);
    }
    for scope in [only(&[]), only(&["nobody"])] {
        assert!(matches!(store.plan(&scope, id.as_str()).await, Err(StoreError::NoSuch { .. })));
        assert_eq!(store.plans(&scope, 9).await.expect("read"), []);
        assert_eq!(store.approvals(&scope, &id).await.expect("read"), None);
    }
}

fn approval(bytes: &[u8]) -> Approval {
    Approval {
        hash: Sha256::digest(bytes).into(),
        person: PersonName::new("tom").expect("a name"),
        signature: "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n".to_owned(),
        fingerprint: "SHA256:abc".to_owned(),
        commit: "c0ffee".to_owned(),
        approved_at: at(10),
        expires_at: at(20),
        reason: None,
    }
}

pub async fn approvals_hold_for_what_a_plan_says(place: Place) {
    let (store, id) = with_plan(&place, &["acme/a"]).await;
    let hosts = [planned("acme/a", 1)];
    let same = store.save_plan(&plan(b"a plan", &hosts, 2, 0), &[]).await.expect("saved");
    let other = store.save_plan(&plan(b"another", &hosts, 3, 0), &[]).await.expect("saved");
    let first = approval(b"a plan");
    let second = Approval { reason: Some("nobody awake".to_owned()), ..approval(b"a plan") };
    store.add_approval(&first, &[event("approve")]).await.expect("approved");
    store.add_approval(&second, &[]).await.expect("approved");
    for id in [&id, &same] {
        let found = store.approvals(&ALL, id).await.expect("read");
        assert_eq!(found, Some(vec![first.clone(), second.clone()]));
    }
    assert_eq!(store.approvals(&ALL, &other).await.expect("read"), Some(vec![]));
    let error = store.add_approval(&approval(b"unknown"), &[event("approve")]).await.expect_err("no plan");
    assert!(matches!(error, StoreError::NoSuch { what: "plan", .. }), "{error:?}");
    let long = Approval { signature: "x".repeat(100_000), ..approval(b"a plan") };
    let error = store.add_approval(&long, &[]).await.expect_err("too long").to_string();
    assert!(error.contains("a signature of 100000 bytes"), "{error}");
    assert_eq!(store.record_count(&ALL).await.expect("read"), 1);
}

pub async fn a_changed_plan_is_no_plan(place: Place) {
    let (store, id) = with_plan(&place, &["acme/a"]).await;
    tamper(&place, "plan_content", "UPDATE plan_content SET bytes = facts FROM plan").await;
    let error = store.plan(&ALL, id.as_str()).await.expect_err("damaged");
    assert!(matches!(&error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("bytes of {id} are not those of its hash")), "{error}");
    assert!(error.hint().is_some());
    tamper(&place, "plan", "UPDATE plan SET via = 'pigeon'").await;
    let error = store.plans(&ALL, 1).await.expect_err("damaged").to_string();
    assert!(error.contains("via `pigeon` is not known"), "{error}");
}
