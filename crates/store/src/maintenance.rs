//! Backup, restore and check of a database.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _};
use tokio::fs::{self, OpenOptions};

use crate::db::{LOCK_WAIT, Store, is_damage, schema_of};
use crate::error::StoreError;
use crate::record::PostingDifference;
use crate::url::{DatabaseUrl, Location};

/// How long a restore waits for others to let go of the database.
const RESTORE_WAIT: Duration = Duration::from_secs(2);

/// Lines that SQLite's own checks may give; a ruined file has millions.
const CHECK_LINES_MAX: usize = 100;

/// What a check of a database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseCheck {
    /// The number of its schema; `None` where it could not even be opened.
    pub schema: Option<i64>,
    /// What is damaged, in the database's words, at most a hundred lines.
    pub damage: Vec<String>,
    /// How the posting lists differ from the package sets.
    pub postings: Vec<PostingDifference>,
}

impl DatabaseCheck {
    /// Says whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.postings.is_empty()
    }
}

/// Writes a copy of a SQLite database to a new file, for its owner only: consistent, while others
/// read and write.
///
/// # Errors
/// [`StoreError::NotForPostgres`]; [`StoreError::BackupFile`] where the file exists or cannot be
/// written; [`StoreError::Open`], [`StoreError::Busy`], [`StoreError::Database`].
pub async fn backup(url: &DatabaseUrl, file: &Path) -> Result<(), StoreError> {
    let database = sqlite_path(url, "back up", "pg_dump")?;
    let failed = |source| StoreError::BackupFile { path: file.to_owned(), source };
    // Not through Store::open: what is backed up before an upgrade must not be upgraded by that.
    let options =
        SqliteConnectOptions::new().filename(database).busy_timeout(LOCK_WAIT).disable_statement_logging();
    let open_failed =
        |error: sqlx::Error| StoreError::Open { database: url.to_string(), source: Box::new(error) };
    let mut connection = options.connect().await.map_err(open_failed)?;
    // SQLite writes into a file that is there and empty; so nobody else ever may read it.
    let created = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file).await;
    drop(created.map_err(failed)?);
    let copied = copy_out(&mut connection, file).await;
    if copied.is_err() {
        // The error that led here is the one to tell.
        let _ = fs::remove_file(file).await;
    }
    let _ = connection.close().await;
    copied
}

async fn copy_out(connection: &mut SqliteConnection, file: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::BackupFile { path: file.to_owned(), source };
    let not_utf8 = || failed(io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"));
    let path = file.to_str().ok_or_else(not_utf8)?;
    let copied = sqlx::query("VACUUM INTO ?").bind(path).execute(&mut *connection).await;
    copied.map_err(|error| StoreError::from_driver("back up the database", error))?;
    OpenOptions::new().read(true).open(file).await.map_err(failed)?.sync_all().await.map_err(failed)
}

/// Puts a backup in the place of a SQLite database, in one step: a failure leaves what was there.
/// The backup is checked first, and stays as it is. Nothing else may have the database open.
///
/// # Errors
/// [`StoreError::NotForPostgres`]; [`StoreError::BackupFile`] where the backup cannot be read or copied;
/// [`StoreError::DamagedBackup`]; [`StoreError::Newer`], [`StoreError::Foreign`]; [`StoreError::Busy`]
/// where somebody else has the database open.
pub async fn restore(url: &DatabaseUrl, file: &Path) -> Result<(), StoreError> {
    let target = sqlite_path(url, "restore", "pg_restore")?;
    let failed = |source| StoreError::BackupFile { path: file.to_owned(), source };
    let copy = target.with_added_extension("restoring");
    let prepared = prepare_copy(file, &copy).await;
    let replaced = match prepared {
        Ok(()) => replace(target, &copy).await,
        Err(error) => Err(error),
    };
    // Gone where all went well; side files of the copy are of no use to anybody.
    for leftover in side_files(&copy).into_iter().chain([copy]) {
        let _ = fs::remove_file(leftover).await;
    }
    replaced.map_err(|error| match error {
        Refused::Store(error) => error,
        Refused::File(error) => failed(error),
    })
}

/// Why a restore failed.
enum Refused {
    Store(StoreError),
    File(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Copies the backup beside the database and checks the copy: what was checked is what is used.
async fn prepare_copy(file: &Path, copy: &Path) -> Result<(), Refused> {
    let _ = fs::remove_file(copy).await;
    let mut source = fs::File::open(file).await?;
    let mut target = OpenOptions::new().create_new(true).write(true).mode(0o600).open(copy).await?;
    tokio::io::copy(&mut source, &mut target).await?;
    target.sync_all().await?;
    drop(target);
    let damaged = |detail: String| StoreError::DamagedBackup { path: file.to_owned(), detail };
    let url = DatabaseUrl::sqlite(copy);
    let options = SqliteConnectOptions::new().filename(copy).disable_statement_logging();
    let mut connection = options.connect().await.map_err(|error| damaged(error.to_string()))?;
    let lines = sqlite_damage(&mut connection).await.map_err(|error| damaged(error.to_string()))?;
    if let Some(first) = lines.first() {
        return Err(damaged(first.clone()).into());
    }
    let schema = schema_of(&mut connection, &url).await?;
    if schema.is_none() {
        return Err(damaged("it is no database of ifrit".to_owned()).into());
    }
    connection.close().await.map_err(|error| damaged(error.to_string()))?;
    Ok(())
}

/// Takes the database for itself alone and puts the copy in its place.
async fn replace(target: &Path, copy: &Path) -> Result<(), Refused> {
    let what = "restore a backup";
    if fs::try_exists(target).await? {
        let alone = SqliteConnectOptions::new()
            .filename(target)
            .busy_timeout(RESTORE_WAIT)
            .disable_statement_logging();
        // A database that is too damaged to be opened is what a restore is for.
        if let Ok(mut connection) = alone.connect().await {
            // Leaving WAL folds its log in, removes it, and fails while anybody else is there.
            let alone = sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut connection).await;
            let locked = match alone {
                Ok(_) => sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await,
                Err(error) => Err(error),
            };
            match locked {
                Err(error) if !is_damage(&error) => {
                    return Err(StoreError::from_driver_after(what, error, RESTORE_WAIT).into());
                }
                Ok(_) | Err(_) => {}
            }
            rename(target, copy).await?;
            // The file that it has open is gone from the directory; there is nothing to say.
            drop(connection);
            return Ok(());
        }
    }
    rename(target, copy).await
}

async fn rename(target: &Path, copy: &Path) -> Result<(), Refused> {
    for side in side_files(target) {
        match fs::remove_file(side).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    fs::rename(copy, target).await?;
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new("."))).await?.sync_all().await?;
    Ok(())
}

fn side_files(database: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|end| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// Checks a database: SQLite's own checks of its pages, indexes and foreign keys, the schema, and
/// whether the posting lists say what the package sets do.
///
/// # Errors
/// As [`Store::open`], apart from damage, which is the answer.
pub async fn check(url: &DatabaseUrl) -> Result<DatabaseCheck, StoreError> {
    let mut found = DatabaseCheck { schema: None, damage: Vec::new(), postings: Vec::new() };
    if let Location::Sqlite(path) = &url.0 {
        let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
        let opened = options.connect().await;
        let checked = match opened {
            Ok(mut connection) => sqlite_damage(&mut connection).await,
            Err(error) => Err(error),
        };
        match checked {
            Ok(lines) => found.damage.extend(lines),
            Err(error) if is_damage(&error) => found.damage.push(error.to_string()),
            Err(error) => {
                return Err(StoreError::Open { database: url.to_string(), source: Box::new(error) });
            }
        }
        if !found.damage.is_empty() {
            return Ok(found);
        }
    }
    let store = Store::open(url).await?;
    found.schema = Some(store.schema().await?);
    match store.check_postings().await {
        Ok(differences) => found.postings = differences,
        Err(error @ StoreError::Damaged { .. }) => found.damage.push(error.to_string()),
        Err(error) => return Err(error),
    }
    store.close().await;
    Ok(found)
}

/// Runs SQLite's own checks; no lines = nothing is wrong.
async fn sqlite_damage(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let integrity = format!("PRAGMA integrity_check({CHECK_LINES_MAX})");
    let rows = sqlx::query(AssertSqlSafe(integrity)).fetch_all(&mut *connection).await?;
    let mut lines = Vec::new();
    for row in rows {
        let line: String = row.try_get(0)?;
        if line != "ok" {
            lines.push(line);
        }
    }
    let rows = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *connection).await?;
    for row in rows.iter().take(CHECK_LINES_MAX.saturating_sub(lines.len())) {
        let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
        let id: Option<i64> = row.try_get(1)?;
        let id = id.map_or_else(String::new, |id| format!(" {id}"));
        lines.push(format!("row{id} of table {table} refers to a row of {parent} that does not exist"));
    }
    Ok(lines)
}

fn sqlite_path<'a>(
    url: &'a DatabaseUrl,
    what: &'static str,
    tool: &'static str,
) -> Result<&'a Path, StoreError> {
    match &url.0 {
        Location::Sqlite(path) => Ok(path),
        Location::Postgres(_) => Err(StoreError::NotForPostgres { what, tool }),
    }
}
