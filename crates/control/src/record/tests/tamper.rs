//! Somebody who owns the database changes the record in every way: each time the first bad record is named. On both
//! databases; PostgreSQL's server is one of the test's own.

use model::merkle::Frontier;
use store::{canonical_record, leaf_hash};

use super::*;

#[test]
fn whoever_changes_the_record_is_found_out_on_sqlite() {
    run(tamper(None));
}

#[test]
fn whoever_changes_the_record_is_found_out_on_postgresql() {
    let Some(programs) = testkit::Postgres::programs() else { return skipped() };
    let server = testkit::Postgres::start(&programs).expect("the server starts");
    run(tamper(Some(server.create_database("tamper").expect("a database"))));
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped() {
    eprintln!("SKIPPED: the record on PostgreSQL: no server here (Debian: apt-get install postgresql)");
}

async fn tamper(database: Option<String>) {
    let world = World::new(database).await;
    world.fill().await;
    let found = world.verify().await;
    assert_eq!((found.faults.as_slice(), found.warnings.as_slice()), (&[][..], &[][..]));
    assert_eq!((found.records, found.sealed, found.checkpoints, found.outside), (12, 12, 12, 12));
    world.disarm().await;
    flip_each_column(&world).await;
    for number in 1..=RECORDS {
        world.check(&format!("DELETE FROM audit_record WHERE number = {number}"), number).await;
        world.check(&format!("DELETE FROM audit_record WHERE number > {}", number - 1), number).await;
        // Also where the checkpoints of what is cut off are taken along: the anchors have them.
        let tail = format!(
            "DELETE FROM audit_record WHERE number >= {number}; DELETE FROM audit_checkpoint WHERE size >= {number}"
        );
        world.check(&tail, number).await;
    }
    swap_each_pair(&world).await;
    fork_from_each(&world).await;
    append_forged(&world).await;
    assert_eq!(world.verify().await.faults, [], "all is put back");
}

async fn flip_each_column(world: &World) {
    let changes = [
        "number = number + 1000",
        "format = 2",
        "at = at + 1",
        "kind = 'intent'",
        "answers = 1",
        "actor = 'mallory'",
        "via = 'api'",
        "client_id = CASE client_id WHEN 1 THEN 2 ELSE 1 END",
        "target = 'web-2'",
        "action = 'look'",
        "reason = NULL",
        "plan_hash = before_hash",
        "git_commit = ''",
        "before_hash = NULL",
        "after_hash = before_hash",
        "outcome = 'failed'",
        "body = '{}'",
        "salt = before_hash",
        "leaf_hash = before_hash",
    ];
    for change in changes {
        for number in 1..=RECORDS {
            world.check(&format!("UPDATE audit_record SET {change} WHERE number = {number}"), number).await;
        }
    }
    // A client under another name changes its records.
    world.execute("UPDATE client SET name = 'evil' WHERE name = 'acme'").await;
    let found = world.verify().await;
    assert_eq!(found.faults.first().map(|it| it.from), Some(1), "{:?}", found.faults);
    world.execute("UPDATE client SET name = 'acme' WHERE name = 'evil'").await;
}

async fn swap_each_pair(world: &World) {
    for one in 1..=RECORDS {
        for other in one + 1..=RECORDS {
            let swap = format!(
                "UPDATE audit_record SET number = -1 WHERE number = {one}; \
                 UPDATE audit_record SET number = {one} WHERE number = {other}; \
                 UPDATE audit_record SET number = {other} WHERE number = -1"
            );
            world.check(&swap, one).await;
        }
    }
}

/// The history is told anew from a record on, with sound leaves; the forger signs it with a key of their own, or
/// leaves the old checkpoints, or has none at all.
async fn fork_from_each(world: &World) {
    let forger = AuditKey::from_seed(&[9; 32]);
    for from in 1..=RECORDS {
        let mut forged = Vec::new();
        let mut tree = Frontier::default();
        let mut notes = Vec::new();
        for number in 1..=RECORDS {
            let mut record = world.record(number);
            if number >= from {
                record.actor = "nobody".to_owned();
            }
            let leaf = leaf_hash(&record.salt, &canonical_record(RecordNumber(number), &record));
            tree.push(leaf);
            if number >= from {
                let digits = hex(&leaf);
                forged.push(format!(
                    "UPDATE audit_record SET actor = 'nobody', leaf_hash = {} WHERE number = {number}",
                    world.blob(&digits)
                ));
                let origin = world.session.store.record_origin().await.expect("read").expect("named");
                let at = Some(Timestamp::UNIX_EPOCH);
                let note = Checkpoint { origin, size: tree.size(), root: tree.root(), at }.sign(&forger);
                notes.push(format!(
                    "UPDATE audit_checkpoint SET root = {}, frontier = {}, note = '{note}' WHERE size = {number}",
                    world.blob(&hex(&tree.root())),
                    world.blob(&hex(&tree.roots().concat()))
                ));
            }
        }
        let forged = forged.join(";");
        world.check(&forged, from).await;
        world.check(&format!("{forged}; {}", notes.join(";")), from).await;
        world.check(&format!("{forged}; DELETE FROM audit_checkpoint"), from).await;
    }
}

async fn append_forged(world: &World) {
    let columns = "format, at, kind, actor, via, target, action, body, salt, leaf_hash";
    let copied = format!(
        "INSERT INTO audit_record (number, {columns}) SELECT 13, {columns} FROM audit_record WHERE number = 1"
    );
    world.check(&copied, 13).await;
    // With a sound leaf it cannot be told from a record that is not signed yet: it is said that nothing vouches for it.
    let forged = NewRecord { actor: "mallory".to_owned(), ..world.record(13) };
    world.session.store.append(&forged).await.expect("written");
    let found = world.verify().await;
    assert_eq!((found.faults.len(), found.sealed, found.records), (0, 12, 13));
    world.restore().await;
}
