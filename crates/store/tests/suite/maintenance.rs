//! Backup, restore, check.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use store::{DatabaseUrl, Store, StoreError, StoreErrorKind};

use crate::Place;
use crate::fleet::{at, collection, inventory, packages, record};
use crate::postings::execute;

pub async fn a_sound_database_passes_and_a_wrong_bit_does_not(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    let url = DatabaseUrl::parse(&place.text).expect("a URL");
    let sound = store::check(&url).await.expect("checked");
    assert!(sound.is_sound(), "{sound:?}");
    assert!(sound.schema.is_some_and(|schema| schema >= 3));
    execute(&place, "DELETE FROM posting").await;
    let found = store::check(&url).await.expect("checked");
    assert_eq!((found.is_sound(), found.postings.len()), (false, 1));
    store.close().await;
}

#[tokio::test]
async fn postgres_is_left_to_its_own_tools() {
    let url = DatabaseUrl::parse("postgres://nobody@192.0.2.1/none").expect("a URL");
    let error = store::backup(&url, Path::new("x")).await.expect_err("refused");
    assert_eq!(error.to_string(), "cannot back up a PostgreSQL database: its own pg_dump does that");
    assert_eq!(error.kind(), StoreErrorKind::User);
    assert!(store::restore(&url, Path::new("x")).await.is_err());
}

#[tokio::test]
async fn a_backup_brings_everything_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let url = DatabaseUrl::sqlite(&path("ifrit.db"));
    let store = Store::open(&url).await.expect("opened");
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=8"])]).await;
    store::backup(&url, &path("backup")).await.expect("backed up, while it is open");
    let mode = std::fs::metadata(path("backup")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = store::backup(&url, &path("backup")).await.expect_err("never overwritten");
    assert!(matches!(error, StoreError::BackupFile { .. }), "{error:?}");
    record(&store, &[collection("a", 20, &["curl=9"])]).await;

    let error = store::restore(&url, &path("backup")).await.expect_err("it is in use");
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert_eq!(packages(&store, "a", None).await, Some(vec!["curl=9".to_owned()]), "nothing was touched");
    store.close().await;

    store::restore(&url, &path("backup")).await.expect("restored");
    let store = Store::open(&url).await.expect("opened");
    assert_eq!(packages(&store, "a", None).await, Some(vec!["curl=8".to_owned()]));
    assert!(store::check(&url).await.expect("checked").is_sound());
    store.close().await;
    assert!(path("backup").exists());
    // Into nothing, and over ruins.
    for before in [None, Some("ruins".repeat(5000))] {
        let url = DatabaseUrl::sqlite(&path("other.db"));
        if let Some(before) = before {
            std::fs::write(path("other.db"), before).expect("written");
            assert!(!store::check(&url).await.expect("checked").is_sound());
        }
        store::restore(&url, &path("backup")).await.expect("restored");
        assert!(store::check(&url).await.expect("checked").is_sound());
    }
    let left: Vec<_> = std::fs::read_dir(directory.path())
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.contains("restoring"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn what_is_no_sound_backup_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let url = DatabaseUrl::sqlite(&path("ifrit.db"));
    let store = Store::open(&url).await.expect("opened");
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    let names: Vec<String> = (0..3000).map(|n| format!("p{n}=1")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    record(&store, &[collection("a", 10, &names)]).await;
    store.close().await;
    store::backup(&url, &path("backup")).await.expect("backed up");
    let whole = std::fs::read(path("backup")).expect("read");
    let mut hit = whole.clone();
    let middle = hit.len() / 2;
    hit[middle..middle + 8192].fill(0x5a);
    let cases = [
        ("empty", vec![]),
        ("text", b"hello".repeat(900)),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("hit", hit),
    ];
    for (name, bytes) in cases {
        std::fs::write(path(name), bytes).expect("written");
        let error = store::restore(&url, &path(name)).await.expect_err(name);
        assert!(matches!(error, StoreError::DamagedBackup { .. }), "{name}: {error:?}");
    }
    std::fs::write(path("newer"), &whole).expect("written");
    let place = Place { url: DatabaseUrl::sqlite(&path("newer")), text: path("newer").display().to_string() };
    let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) ";
    execute(&place, &format!("{row} VALUES (999, 'future', 1, x'00', 0)")).await;
    let error = store::restore(&url, &path("newer")).await.expect_err("newer");
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error:?}");
    let store = Store::open(&url).await.expect("opened");
    assert_eq!(packages(&store, "a", None).await.map(|all| all.len()), Some(3000), "nothing was touched");
    store.close().await;
}
