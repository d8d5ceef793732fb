//! Opening databases that are there already.

use std::os::unix::fs::PermissionsExt;

use store::{ClientScope, DatabaseUrl, Store, StoreError, StoreErrorKind};

use crate::Place;
use crate::fleet::{at, collection, inventory, packages, record};
use crate::postings::execute;

async fn refused(place: &Place) -> StoreError {
    let url = DatabaseUrl::parse(&place.text).expect("a URL");
    Store::open(&url).await.expect_err("refused")
}

pub async fn a_newer_schema_is_refused(place: Place) {
    place.open().await.close().await;
    let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) ";
    execute(
        &place,
        &format!("{row} SELECT 999, 'future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1"),
    )
    .await;
    let error = refused(&place).await;
    assert!(matches!(&error, StoreError::Newer { found: 999, .. }), "{error:?}");
    assert_eq!(error.kind(), StoreErrorKind::User);
    assert!(error.hint().is_some());
}

pub async fn another_schema_is_refused(place: Place) {
    place.open().await.close().await;
    let checksum = if place.text.starts_with("postgres:") { "'\\x00'::bytea" } else { "x'00'" };
    execute(&place, &format!("UPDATE _sqlx_migrations SET checksum = {checksum}")).await;
    assert!(matches!(refused(&place).await, StoreError::Foreign { version: 1, .. }));
}

pub async fn what_was_written_is_there_after_reopening(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    let before = store.hosts(&ClientScope::All).await.expect("read");
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.hosts(&ClientScope::All).await.expect("read"), before);
    assert_eq!(packages(&store, "a", None).await, Some(vec!["curl=8".to_owned()]));
}

pub async fn an_older_database_is_brought_up_to_date(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "acme/b"]), None, at(0)).await.expect("synced");
    store.sync_inventory(&inventory(&["acme/a"]), None, at(5)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    store.close().await;
    undo_migrations(&place, 3).await;
    for statement in [
        // Schema 4 made this one anew.
        "CREATE TABLE coverage (feed TEXT NOT NULL, ecosystem TEXT NOT NULL, release TEXT, repository TEXT)",
        "CREATE INDEX coverage_feed ON coverage (feed)",
        "INSERT INTO coverage VALUES ('osv', 'alpine', '3.20', NULL), ('osv', 'debian', NULL, NULL)",
    ] {
        execute(&place, statement).await;
    }
    let store = place.open().await;
    assert_eq!(packages(&store, "a", None).await, Some(vec!["curl=8".to_owned()]));
    for moment in [None, Some(at(0))] {
        assert_eq!(store.coverage(moment).await.expect("read").len(), 2);
    }
    assert_eq!(store.inventory_source().await.expect("read"), None);
    let shown = crate::observed::snapshot(&store, "a", None).await.expect("declared");
    assert_eq!((shown.declared_at, shown.observed), (at(0), model::Observed::default()));
    assert_eq!(
        crate::observed::snapshot(&store, "b", Some(3)).await.and_then(|it| it.retired_at),
        Some(at(5))
    );
    assert_eq!(crate::observed::snapshot(&store, "b", None).await, None);
}

/// Takes back what the migrations from a number on have made: their tables, indexes and columns.
async fn undo_migrations(place: &Place, first: i64) {
    let (dialect, cascade) =
        if place.text.starts_with("postgres:") { ("postgres", " CASCADE") } else { ("sqlite", "") };
    let folder = format!("{}/migrations/{dialect}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("migrations").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.retain(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        name[..4].parse::<i64>().expect("a number") >= first
    });
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).expect("a migration")).collect();
    let mut undone: [Vec<String>; 3] = Default::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', '(']).collect();
        match words.as_slice() {
            ["CREATE", "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => {
                undone[0].push(format!("DROP INDEX IF EXISTS {name}"));
            }
            ["ALTER", "TABLE", table, "ADD", "COLUMN", column, ..] => {
                undone[1].push(format!("ALTER TABLE {table} DROP COLUMN {column}"));
            }
            ["CREATE", "TABLE", name, ..] => undone[2].push(format!("DROP TABLE {name}{cascade}")),
            _ => {}
        }
    }
    // What refers to something was made after it.
    undone[2].reverse();
    for statement in undone.iter().flatten() {
        execute(place, statement).await;
    }
    execute(place, &format!("DELETE FROM _sqlx_migrations WHERE version >= {first}")).await;
}

#[test]
fn a_new_file_is_for_its_owner_only_and_a_missing_directory_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let path = directory.path().join("ifrit.db");
        let store = Store::open(&DatabaseUrl::sqlite(&path)).await.expect("opened");
        store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
        for entry in std::fs::read_dir(directory.path()).expect("listed") {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        }
        store.close().await;
        let missing = DatabaseUrl::sqlite(&directory.path().join("missing/ifrit.db"));
        let error = Store::open(&missing).await.expect_err("no directory");
        assert!(matches!(&error, StoreError::Open { .. }), "{error:?}");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    });
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.db");
    let text = path.display().to_string();
    std::fs::write(&path, "").expect("a file");
    let place = Place { url: DatabaseUrl::sqlite(&path), text };
    execute(&place, "CREATE TABLE orders (id INTEGER)").await;
    let before = std::fs::read(&path).expect("the file");
    let error = refused(&place).await;
    assert!(matches!(&error, StoreError::NotOurs { .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).expect("the file"), before, "nothing was written into it");
}
