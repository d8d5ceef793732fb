//! The audit record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::ClientName;
use model::merkle::{Frontier, MerkleTree};
use proptest::prelude::*;
use store::{
    ClientScope, NewRecord, RecordBody, RecordEntry, RecordFilter, RecordKind, RecordNumber, Store,
    StoreError, Via, canonical_record, leaf_hash,
};
use tokio::task::JoinSet;

use crate::Place;
use crate::concurrency::broken_off;
use crate::fleet::{at, inventory, only};
use crate::postings::{execute, try_execute};

const ALL: ClientScope = ClientScope::All;

fn new(kind: RecordKind, action: &str) -> NewRecord {
    NewRecord {
        at: at(1),
        kind,
        actor: "eva".to_owned(),
        via: Via::Cli,
        client: None,
        target: "host a".to_owned(),
        action: action.to_owned(),
        reason: None,
        plan: None,
        commit: None,
        before: None,
        after: None,
        outcome: None,
        body: RecordBody::default(),
        salt: [7; 16],
    }
}

/// A record of something that is done with it.
pub fn event(action: &str) -> NewRecord {
    new(RecordKind::Event, action)
}

/// A record of what will be done.
pub fn intent(action: &str) -> NewRecord {
    new(RecordKind::Intent, action)
}

/// A record of what came of an intent.
pub fn outcome(answers: RecordNumber, action: &str) -> NewRecord {
    NewRecord { outcome: Some("done".to_owned()), ..new(RecordKind::Outcome { answers }, action) }
}

/// The same record about a client's.
pub fn of_client(record: NewRecord, client: &str) -> NewRecord {
    NewRecord { client: Some(ClientName::new(client).expect("a client's name")), ..record }
}

/// A record with everything in it.
fn full() -> NewRecord {
    let steps = vec![RecordBody::default().with("step", 1).with("outcome", "changed")];
    NewRecord {
        via: Via::Api,
        reason: Some("CVE-2026-1234, \"now\"\n\u{1f525}".to_owned()),
        plan: Some([0xab; 32]),
        commit: Some("c0ffee".to_owned()),
        before: Some([1; 32]),
        after: Some([2; 32]),
        outcome: Some("done".to_owned()),
        body: RecordBody::default().with("steps", steps).with("is_forced", false),
        ..of_client(event("apply"), "acme")
    }
}

/// Changes rows behind the back of the triggers, as somebody could who owns the database.
pub async fn tamper(place: &Place, table: &str, sql: &str) {
    if place.is_postgres() {
        execute(place, &format!("ALTER TABLE {table} DISABLE TRIGGER USER")).await;
    } else {
        for action in ["update", "delete"] {
            execute(place, &format!("DROP TRIGGER IF EXISTS {table}_no_{action}")).await;
        }
    }
    execute(place, sql).await;
}

async fn all(store: &Store) -> Vec<RecordEntry> {
    store.records(&ALL, RecordNumber(0), 1000).await.expect("read")
}

pub async fn records_come_back_in_their_order(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    assert_eq!(store.append(&event("first")).await.expect("written"), RecordNumber(1));
    let batch = [full(), intent("apply"), event("last")];
    let numbers = store.append_all(&batch).await.expect("written");
    assert_eq!(numbers, [2, 3, 4].map(RecordNumber));
    assert_eq!(store.append_all(&[]).await.expect("nothing to write"), []);

    let entries = all(&store).await;
    let records: Vec<NewRecord> = entries.iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(records, [vec![event("first")], batch.to_vec()].concat());
    for entry in &entries {
        let bytes = canonical_record(entry.number, &entry.record);
        assert_eq!(entry.leaf, leaf_hash(&entry.record.salt, &bytes));
    }
    let page = store.records(&ALL, RecordNumber(2), 2).await.expect("read");
    assert_eq!(page, entries[1..3]);
    let mut last = store.last_records(&ALL, 3).await.expect("read");
    last.reverse();
    assert_eq!(last, entries[1..]);
    assert_eq!(store.record_count(&ALL).await.expect("read"), 4);
}

pub async fn an_intent_has_one_outcome(place: Place) {
    let store = place.open().await;
    let number = store.append(&intent("apply")).await.expect("written");
    let other = store.append(&intent("apply")).await.expect("written");
    let unanswered = store.unanswered(&ALL, 9).await.expect("read");
    assert_eq!(unanswered.iter().map(|it| it.number).collect::<Vec<_>>(), [number, other]);
    let first = store.append(&outcome(number, "apply")).await.expect("written");
    assert_eq!(store.unanswered(&ALL, 9).await.expect("read").len(), 1);
    assert_eq!(all(&store).await[2].record, outcome(number, "apply"));

    let check = async |records: &[NewRecord], why: &str| {
        let error = store.append_all(records).await.expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(store.record_count(&ALL).await.expect("read"), 3, "nothing is left of it");
    };
    check(&[outcome(number, "again")], "intent 1 has its outcome in record 3").await;
    check(&[outcome(first, "x")], "record 3 is no intent").await;
    check(&[outcome(RecordNumber(99), "x")], "record 99 is no intent").await;
    check(&[outcome(other, "x"), outcome(other, "y")], "record 2 is no intent without outcome").await;
    // Within a batch nobody can know the number yet.
    check(&[intent("x"), outcome(RecordNumber(4), "x")], "record 4 is no intent").await;
    check(&[event("x"), of_client(event("x"), "nobody")], "there is no client `nobody`").await;
}

pub async fn several_writers_leave_no_gap(place: Place) {
    place.open().await.close().await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let place = place.clone();
        writers.spawn(async move {
            let store = place.open().await;
            for round in 0..10 {
                let batch = vec![event(&format!("{writer}.{round}")); 1 + round % 3];
                store.append_all(&batch).await.expect("written");
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("a writer");
    }
    let entries = all(&place.open().await).await;
    assert_eq!(entries.len(), 4 * (1 + 2 + 3 + 1 + 2 + 3 + 1 + 2 + 3 + 1));
    let numbers: Vec<i64> = entries.iter().map(|entry| entry.number.0).collect();
    assert_eq!(numbers, (1..=i64::try_from(entries.len()).expect("small")).collect::<Vec<_>>());
    // What was written together stands together.
    let mut actions: Vec<_> = entries.iter().map(|entry| entry.record.action.as_str()).collect();
    actions.dedup();
    assert_eq!(actions.len(), 40);
}

pub async fn appends_at_the_same_time_do_not_suffer_from_each_other(place: Place) {
    let store = place.open().await;
    let open = store.append(&intent("open")).await.expect("written");
    let mut writers = JoinSet::new();
    for writer in 0..40 {
        let store = store.clone();
        writers.spawn(async move {
            let own = format!("w{writer}");
            let batch = match writer {
                // Breaks a rule; the second of these two does, whichever that is; the client is nobody's.
                7 => vec![event(&own), outcome(RecordNumber(99), &own)],
                8 | 9 => vec![event(&own), outcome(open, &own)],
                10 => vec![of_client(event(&own), "nobody")],
                _ => vec![event(&own); 1 + writer % 3],
            };
            (writer, batch.len(), store.append_all(&batch).await)
        });
    }
    let (mut written, mut refused) = (1, Vec::new());
    while let Some(done) = writers.join_next().await {
        match done.expect("a writer") {
            (writer, len, Ok(numbers)) => {
                assert_eq!(numbers.len(), len);
                assert!(numbers.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{numbers:?}");
                let kept = store.records(&ALL, numbers[0], 1).await.expect("read");
                assert_eq!(
                    kept[0].record.action,
                    format!("w{writer}"),
                    "its own records, under its own numbers"
                );
                written += len;
            }
            (writer, _, Err(error)) => {
                assert!(matches!(error, StoreError::Refused { .. } | StoreError::NoSuch { .. }), "{error:?}");
                refused.push(writer);
            }
        }
    }
    refused.sort_unstable();
    assert!(refused == [7, 8, 10] || refused == [7, 9, 10], "{refused:?}");
    assert_eq!(all(&store).await.len(), written);
    // The queue goes on after that.
    store.append(&event("last")).await.expect("written");
}

pub async fn the_tree_grows_and_checkpoints_are_only_added_to(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    assert_eq!(
        (store.record_origin().await.expect("read"), store.last_checkpoint().await.expect("read")),
        (None, None)
    );
    assert_eq!(store.name_record("first").await.expect("named"), "first");
    assert_eq!(store.name_record("second").await.expect("named"), "first", "once and for all");
    store.append_all(&[event("a"), full(), event("c")]).await.expect("written");
    let three = store.grow_tree(Frontier::default()).await.expect("sound");
    assert!(store.save_checkpoint(&three, "note of 3", at(5)).await.expect("kept"));
    assert!(!store.save_checkpoint(&three, "again", at(6)).await.expect("there is one"));
    store.append_all(&[event("d"), event("e")]).await.expect("written");
    let last = store.last_checkpoint().await.expect("read").expect("there is one");
    assert_eq!((last.size, last.root, last.note.as_str(), last.at), (3, three.root(), "note of 3", at(5)));
    let five = store.grow_tree(last.tree.expect("a tree")).await.expect("sound");
    assert_eq!(
        store.grow_tree(Frontier::default()).await.expect("sound"),
        five,
        "from the frontier or from nothing"
    );
    assert!(store.save_checkpoint(&five, "note of 5", at(7)).await.expect("kept"));
    let sizes: BTreeSet<u64> = [0, 3, 5, 6].into();
    let walk = store.walk_record(&sizes).await.expect("walked");
    assert_eq!((walk.records, walk.last_number, &walk.tree), (5, 5, &five));
    assert_eq!(walk.roots, BTreeMap::from([(3, three.root()), (5, five.root())]));
    let tree: MerkleTree = store.record_leaves(5).await.expect("read").into_iter().collect();
    assert_eq!(tree.root(5), Some(five.root()));
    let sealed = store.sealed_records(&only(&["acme"]), 1, 9).await.expect("read");
    assert_eq!(sealed.iter().map(|it| it.number).collect::<Vec<_>>(), [2]);
    assert_eq!(store.record_count_to(&ALL, RecordNumber(3)).await.expect("read"), 3);
    let beyond = five.roots().to_vec();
    let beyond = Frontier::from_parts(6, beyond).expect("two trees");
    let refused = store.save_checkpoint(&beyond, "x", at(8)).await.expect_err("there are no 6 records");
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
    let mut statements = vec![
        "UPDATE audit_checkpoint SET note = ''".to_owned(),
        "DELETE FROM audit_checkpoint".to_owned(),
        "UPDATE audit_origin SET origin = ''".to_owned(),
        "DELETE FROM audit_origin".to_owned(),
        "INSERT INTO audit_checkpoint SELECT 4, root, at, note, frontier FROM audit_checkpoint WHERE size = 3".to_owned(),
    ];
    if !place.is_postgres() {
        statements.push("REPLACE INTO audit_checkpoint SELECT * FROM audit_checkpoint".to_owned());
        statements.push("REPLACE INTO audit_origin VALUES (1, 'x')".to_owned());
    }
    for statement in statements {
        let error = try_execute(&place, &statement).await.expect_err(&statement);
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
    anchors_are_kept(&store).await;
}

async fn anchors_are_kept(store: &Store) {
    store.note_anchor("git", 3, at(5), None).await.expect("kept");
    store.note_anchor("git", 5, at(6), Some("no")).await.expect("kept");
    store.note_anchor("file:x", 5, at(6), Some("full")).await.expect("kept");
    let anchors = store.anchors().await.expect("read");
    let told: Vec<_> = anchors
        .iter()
        .map(|it| (it.place.as_str(), it.arrived, it.tried_at, it.problem.as_deref()))
        .collect();
    let expected = [("file:x", None, at(6), Some("full")), ("git", Some((3, at(5))), at(6), Some("no"))];
    assert_eq!(told, expected, "what arrived stays known");
    store.note_anchor("git", 5, at(7), None).await.expect("kept");
    assert_eq!(store.anchors().await.expect("read")[1].arrived, Some((5, at(7))));
}

pub async fn records_are_seen_through_the_scope(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    let records = ["acme", "zeta", "acme"].map(|client| of_client(intent(client), client));
    store.append_all(&records).await.expect("written");
    store.append(&intent("ours")).await.expect("written");
    for (scope, expected) in [
        (ALL, vec![1, 2, 3, 4]),
        (only(&["acme"]), vec![1, 3]),
        (only(&["acme", "zeta"]), vec![1, 2, 3]),
        (only(&["nobody"]), vec![]),
        (only(&[]), vec![]),
    ] {
        let numbers = |entries: Vec<RecordEntry>| entries.iter().map(|it| it.number.0).collect::<Vec<_>>();
        assert_eq!(numbers(store.records(&scope, RecordNumber(1), 9).await.expect("read")), expected);
        assert_eq!(numbers(store.unanswered(&scope, 9).await.expect("read")), expected);
        let mut last = numbers(store.last_records(&scope, 9).await.expect("read"));
        last.reverse();
        assert_eq!(last, expected);
        assert_eq!(store.record_count(&scope).await.expect("read"), expected.len() as u64);
        let to = RecordNumber(i64::MAX);
        assert_eq!(store.record_count_to(&scope, to).await.expect("read"), expected.len() as u64);
        let sealed = store.sealed_records(&scope, 1, 9).await.expect("read");
        assert_eq!(sealed.iter().map(|it| it.number.cast_signed()).collect::<Vec<_>>(), expected);
        let lines = store.record_lines(&scope, &RecordFilter::default(), 9).await.expect("read");
        assert_eq!(lines.iter().rev().map(|it| it.number.0).collect::<Vec<_>>(), expected);
    }
}

pub async fn what_is_on_record_cannot_be_changed(place: Place) {
    let (store, _) = crate::plans::with_plan(&place, &["acme/a"]).await;
    store.append_all(&[intent("a"), event("b")]).await.expect("written");
    let before = all(&store).await;
    let mut statements: Vec<String> = Vec::new();
    for (table, column) in
        [("audit_record", "actor"), ("plan", "author"), ("plan_host", "plan_id"), ("plan_content", "hash")]
    {
        statements.push(format!("UPDATE {table} SET {column} = {column}"));
        statements.push(format!("DELETE FROM {table}"));
        if place.is_postgres() {
            statements.push(format!("TRUNCATE {table} CASCADE"));
        }
    }
    let copied = |number: i64, head: &str| {
        format!(
            "{head} INTO audit_record (number, format, at, kind, actor, via, target, action, body, salt, \
             leaf_hash) SELECT {number}, format, at, 'event', 'mallory', via, target, action, body, salt, \
             leaf_hash FROM audit_record WHERE number = 1"
        )
    };
    // A number that is taken, and one that leaves a gap.
    statements.extend([copied(1, "INSERT"), copied(4, "INSERT"), copied(0, "INSERT")]);
    if !place.is_postgres() {
        // SQLite's REPLACE deletes without telling triggers of deletion.
        statements.extend([copied(1, "REPLACE"), copied(2, "INSERT OR REPLACE")]);
    }
    for statement in statements {
        let error = try_execute(&place, &statement).await.expect_err(&statement);
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
    assert_eq!(all(&store).await, before);
    assert_eq!(store.append(&event("c")).await.expect("written"), RecordNumber(3));
}

pub async fn a_changed_record_is_named(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    store.append_all(&[event("a"), full(), event("c")]).await.expect("written");
    let changes = [
        "at = at + 1",
        "kind = 'intent'",
        "kind = 'rumour'",
        "actor = 'mallory'",
        "via = 'cli'",
        "client_id = (SELECT id FROM client WHERE name = 'zeta')",
        "client_id = NULL",
        "target = 'host b'",
        "action = 'look'",
        "reason = NULL",
        "plan_hash = before_hash",
        "git_commit = ''",
        "before_hash = NULL",
        "after_hash = before_hash",
        "outcome = 'failed'",
        "body = '{}'",
        "body = body || ' '",
        "body = '[]'",
        "leaf_hash = before_hash",
        "format = 2",
    ];
    for change in changes {
        // Kept and put back, since a changed record stays changed.
        let columns = change.split_once(' ').expect("a column").0;
        let keep =
            format!("CREATE TABLE kept AS SELECT {columns} AS kept FROM audit_record WHERE number = 2");
        execute(&place, &keep).await;
        tamper(&place, "audit_record", &format!("UPDATE audit_record SET {change} WHERE number = 2")).await;
        let error = store.records(&ALL, RecordNumber(1), 9).await.expect_err(change);
        assert!(matches!(&error, StoreError::Damaged { .. }), "{change}: {error:?}");
        assert!(error.to_string().contains("audit record 2: "), "{change}: {error}");
        assert_eq!(store.records(&ALL, RecordNumber(3), 9).await.expect("the others are sound").len(), 1);
        let back = format!("UPDATE audit_record SET {columns} = (SELECT kept FROM kept) WHERE number = 2");
        execute(&place, &back).await;
        execute(&place, "DROP TABLE kept").await;
    }
    assert_eq!(all(&store).await.len(), 3);
}

pub async fn an_append_that_is_dropped_anywhere_leaves_nothing(place: Place) {
    let store = place.open().await;
    for round in 0..3_u64 {
        let batch = vec![event(&round.to_string()); 300];
        let mut polls = 1;
        let before = store.record_count(&ALL).await.expect("read");
        while !broken_off(store.append_all(&batch), polls).await {
            let now = store.record_count(&ALL).await.expect("read");
            // Dropped after it sent its COMMIT it may be done; nothing in between may be.
            assert_eq!((now - before) % 300, 0, "after {polls} polls");
            polls += 1;
        }
    }
    let entries = store.records(&ALL, RecordNumber(1), 10_000).await.expect("read");
    assert!(entries.iter().zip(1..).all(|(entry, number)| entry.number.0 == number));
}

pub async fn long_and_hostile_records_are_kept(place: Place) {
    let store = place.open().await;
    let hostile = NewRecord {
        actor: "\u{1b}[31m\0'\"; DROP TABLE audit_record; --".to_owned(),
        target: "x".repeat(1_000_000),
        body: RecordBody::default().with("\0key", "\0").with("big", "y".repeat(1_000_000)),
        ..intent("apply")
    };
    store.append(&hostile).await.expect("written");
    let body = RecordBody::default().with("\0\u{2028}", "\0\u{7f}");
    store.append(&NewRecord { body: body.clone(), ..event("x") }).await.expect("written");
    let entries = all(&store).await;
    let kept = &entries[0].record;
    assert_eq!(kept.actor, hostile.actor.replace('\0', "\u{fffd}"));
    assert!(kept.target.len() <= 4096 && kept.target.ends_with('…'));
    assert!(kept.body.0.contains_key("left_out_bytes"), "{:?}", kept.body);
    assert_eq!(entries[1].record.body, body);
}

/// The samples: salt, leaf and canonical bytes of each record, in lines.
fn samples() -> Vec<(RecordNumber, NewRecord)> {
    let answered = NewRecord { outcome: Some("in-doubt".to_owned()), ..outcome(RecordNumber(1), "apply") };
    let salted = NewRecord { salt: *b"0123456789abcdef", ..full() };
    vec![
        (RecordNumber(1), of_client(intent("apply"), "acme")),
        (RecordNumber(2), of_client(answered, "acme")),
        (RecordNumber(1_000_000), salted),
    ]
}

#[test]
fn records_are_hashed_as_they_always_were() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = samples().into_iter().map(|(number, record)| {
        let bytes = canonical_record(number, &record);
        let leaf = leaf_hash(&record.salt, &bytes);
        format!("{}\t{}\t{}\n", hex(&record.salt), hex(&leaf), String::from_utf8_lossy(&bytes))
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/v1/audit-records.tsv");
    let kept = std::fs::read_to_string(&path).expect("the samples");
    assert_eq!(lines.collect::<String>(), kept, "format 1 is what it is: a change needs a new format");
}

proptest! {
    #[test]
    fn two_records_differ_in_their_bytes(actor: String, target: String, reason: Option<String>) {
        let record = NewRecord { actor: actor.clone(), target: target.clone(), reason: reason.clone(), ..event("x") };
        let bytes = canonical_record(RecordNumber(1), &record);
        let moved = NewRecord { actor: target.clone(), target: actor.clone(), ..record.clone() };
        let clean = |text: &str| text.replace('\0', "\u{fffd}");
        prop_assert_eq!(bytes == canonical_record(RecordNumber(1), &moved), clean(&actor) == clean(&target));
        prop_assert_ne!(&bytes, &canonical_record(RecordNumber(2), &record));
        let without = NewRecord { reason: None, ..record };
        prop_assert_eq!(bytes == canonical_record(RecordNumber(1), &without), reason.is_none());
    }
}
