//! Opening a database and beginning transactions on it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};
use tokio::fs::OpenOptions;

use crate::census::Counted;
use crate::error::StoreError;
use crate::record_log::AppendQueue;
use crate::sql::Tx;
use crate::url::{DatabaseUrl, Location};

/// How long a writer waits for another one before it gives up.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(30);

/// How long the first connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Connections to one database at a time. A writer needs one; the rest are readers.
const CONNECTIONS_MAX: u32 = 4;

/// SQLite's page cache for each connection, in KiB (negative is how SQLite spells KiB).
const SQLITE_CACHE_KIB: &str = "-32768";

/// Rows that SQLite's thread may read ahead of ours. With few of them (sqlx: 50) the two threads spend
/// their time waking each other; more need no memory, since all rows of an answer are kept anyway.
const SQLITE_ROWS_AHEAD: usize = 4096;

/// Times that opening a SQLite file is tried while another process is just creating it.
const OPEN_ATTEMPTS: u32 = 20;

/// The pause between two of these.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// PostgreSQL's advisory lock that the one writer holds (`ifrit` in ASCII).
const WRITER_LOCK: &str = "SELECT pg_advisory_xact_lock(452857981300)";

/// The schemas, oldest first: number, name, SQLite's text, PostgreSQL's text. Never change a
/// released one: databases remember a checksum of it.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "fleet and feeds",
        include_str!("../migrations/sqlite/0001_fleet_and_feeds.sql"),
        include_str!("../migrations/postgres/0001_fleet_and_feeds.sql"),
    ),
    (
        2,
        "scores, news, documents",
        include_str!("../migrations/sqlite/0002_scores_news_documents.sql"),
        include_str!("../migrations/postgres/0002_scores_news_documents.sql"),
    ),
    (
        3,
        "observed items, jails",
        include_str!("../migrations/sqlite/0003_observed.sql"),
        include_str!("../migrations/postgres/0003_observed.sql"),
    ),
    (
        4,
        "software sets, services, coverage in time",
        include_str!("../migrations/sqlite/0004_sets_services_coverage.sql"),
        include_str!("../migrations/postgres/0004_sets_services_coverage.sql"),
    ),
    (
        5,
        "the bell",
        include_str!("../migrations/sqlite/0005_bell.sql"),
        include_str!("../migrations/postgres/0005_bell.sql"),
    ),
    (
        6,
        "plans, runs, the audit record, secrets",
        include_str!("../migrations/sqlite/0006_plans_runs_record.sql"),
        include_str!("../migrations/postgres/0006_plans_runs_record.sql"),
    ),
    (
        7,
        "checkpoints of the audit record",
        include_str!("../migrations/sqlite/0007_checkpoints.sql"),
        include_str!("../migrations/postgres/0007_checkpoints.sql"),
    ),
    (
        8,
        "incidents, evidence, exceptions",
        include_str!("../migrations/sqlite/0008_incidents.sql"),
        include_str!("../migrations/postgres/0008_incidents.sql"),
    ),
];

/// Everything that was seen or done, in one database. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    /// The last census of now, for as long as nothing is recorded.
    pub(crate) counted: Arc<Mutex<Option<Counted>>>,
    /// Audit records that wait to be written.
    pub(crate) appends: Arc<AppendQueue>,
}

#[derive(Debug, Clone)]
enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Store {
    /// Opens a database and brings its schema up to date. A SQLite file that does not exist is
    /// created, readable for its owner only; its directory and a PostgreSQL database must exist.
    ///
    /// # Errors
    /// [`StoreError::Open`] (also a wrong password), [`StoreError::Newer`], [`StoreError::Foreign`],
    /// [`StoreError::Busy`].
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let db = match &url.0 {
            Location::Sqlite(path) => Db::Sqlite(open_sqlite(path, url).await?),
            Location::Postgres(options) => Db::Postgres(open_postgres(options, url).await?),
        };
        Ok(Self { db, counted: Arc::default(), appends: Arc::default() })
    }

    /// Closes every connection and waits for it; SQLite's log file is then folded into the database.
    pub async fn close(self) {
        match self.db {
            Db::Sqlite(pool) => pool.close().await,
            Db::Postgres(pool) => pool.close().await,
        }
    }

    /// Begins a reader: it sees one state of the database, whatever others write meanwhile.
    pub(crate) async fn read(&self, what: &'static str) -> Result<Tx, StoreError> {
        let begun = match &self.db {
            Db::Sqlite(pool) => pool.begin().await.map(|transaction| Tx::sqlite(transaction, what)),
            Db::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                pool.begin_with(begin).await.map(|transaction| Tx::postgres(transaction, what))
            }
        };
        begun.map_err(|error| StoreError::from_driver(what, error))
    }

    /// Begins the one writer, after waiting for the one before for up to [`LOCK_WAIT`]. What it
    /// reads cannot change until it commits, in this process or another.
    pub(crate) async fn write(&self, what: &'static str) -> Result<Tx, StoreError> {
        let begun = match &self.db {
            Db::Sqlite(pool) => {
                pool.begin_with("BEGIN IMMEDIATE").await.map(|transaction| Tx::sqlite(transaction, what))
            }
            Db::Postgres(pool) => {
                begin_postgres_writer(pool).await.map(|transaction| Tx::postgres(transaction, what))
            }
        };
        begun.map_err(|error| StoreError::from_driver(what, error))
    }
}

impl Store {
    /// Returns the number of the schema.
    pub(crate) async fn schema(&self) -> Result<i64, StoreError> {
        let mut tx = self.read("read the schema's number").await?;
        let sql = "SELECT max(version) FROM _sqlx_migrations";
        let found = tx.fetch(sql, vec![], |row| row.get::<Option<i64>>(0)).await?;
        Ok(found.first().copied().flatten().unwrap_or(0))
    }
}

/// Returns the greatest number of a schema in a SQLite file that this binary can bring up to date;
/// `None` where it has none.
pub(crate) async fn schema_of(
    connection: &mut SqliteConnection,
    url: &DatabaseUrl,
) -> Result<Option<i64>, StoreError> {
    let failed = |error: sqlx::Error| open_failed(url, error);
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let exists: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(failed)?;
    if exists == 0 {
        return Ok(None);
    }
    is_current(&mut *connection, &migrator(|(_, _, sqlite, _)| sqlite), url).await?;
    let sql = "SELECT max(version) FROM _sqlx_migrations";
    sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(failed)
}

/// Says whether SQLite finds the file itself broken: SQLITE_CORRUPT, SQLITE_NOTADB and their kin
/// (<https://www.sqlite.org/rescode.html>; the low byte is the class).
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

async fn begin_postgres_writer(
    pool: &PgPool,
) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query(WRITER_LOCK).execute(&mut *transaction).await?;
    Ok(transaction)
}

async fn open_sqlite(path: &Path, url: &DatabaseUrl) -> Result<SqlitePool, StoreError> {
    refuse_other_programs(path, url).await?;
    create_private(path).await.map_err(|error| open_failed(url, error))?;
    // Full synchronisation: what is acknowledged survives a power cut. It costs one fsync for each
    // batch, and the batches are large.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_WAIT)
        .pragma("cache_size", SQLITE_CACHE_KIB)
        .row_buffer_size(SQLITE_ROWS_AHEAD)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(LOCK_WAIT);
    let pool = connect_sqlite(pool, options).await.map_err(|error| open_failed(url, error))?;
    migrate_sqlite(&pool, url).await?;
    Ok(pool)
}

/// Refuses a file that another program keeps its tables in, before anything of it is touched (even
/// switching it to WAL would stay). A file that cannot be looked at is judged by what comes after.
async fn refuse_other_programs(path: &Path, url: &DatabaseUrl) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let Ok(mut connection) = options.connect().await else { return Ok(()) };
    let sql = "SELECT count(*), count(*) FILTER (WHERE name = '_sqlx_migrations') FROM sqlite_schema";
    let counted: Result<(i64, i64), _> = sqlx::query_as(sql).fetch_one(&mut connection).await;
    // Closing can only fail on what was never written.
    connection.close().await.ok();
    match counted {
        Ok((tables, 0)) if tables > 0 => Err(StoreError::NotOurs { database: url.to_string() }),
        _ => Ok(()),
    }
}

/// Creates the file for its owner only; SQLite gives its side files the same mode.
async fn create_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).await.map(drop)
}

/// Connects. Switching a new file to WAL needs it alone and does not wait for its turn, hence the attempts.
async fn connect_sqlite(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let mut attempt = 1;
    loop {
        let connected = pool.clone().connect_with(options.clone()).await;
        let is_busy = matches!(&connected, Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "5"));
        if !is_busy || attempt == OPEN_ATTEMPTS {
            return connected;
        }
        attempt += 1;
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}

async fn migrate_sqlite(pool: &SqlitePool, url: &DatabaseUrl) -> Result<(), StoreError> {
    let migrator = migrator(|(_, _, sqlite, _)| sqlite);
    let failed = |error: sqlx::Error| open_failed(url, error);
    let mut connection = pool.acquire().await.map_err(failed)?;
    let exists = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let exists: i64 = sqlx::query_scalar(exists).fetch_one(&mut *connection).await.map_err(failed)?;
    if exists > 0 && is_current(&mut *connection, &migrator, url).await? {
        return Ok(());
    }
    drop(connection);
    // sqlx takes no lock for SQLite: without one, two first starts would migrate at once.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let migrated = migrator.run_direct(None, &mut *transaction, false).await;
    migrated.map_err(|error| open_failed(url, error))?;
    transaction.commit().await.map_err(failed)
}

async fn open_postgres(options: &PgConnectOptions, url: &DatabaseUrl) -> Result<PgPool, StoreError> {
    let lock_wait_ms = LOCK_WAIT.as_millis().to_string();
    let options = options
        .clone()
        .application_name("ifrit")
        .options([("lock_timeout", lock_wait_ms.as_str())])
        .disable_statement_logging();
    let failed = |error: sqlx::Error| open_failed(url, error);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(CONNECT_WAIT);
    let pool = pool.connect_with(options).await.map_err(failed)?;
    let migrator = migrator(|(_, _, _, postgres)| postgres);
    let mut connection = pool.acquire().await.map_err(failed)?;
    let exists = "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('_sqlx_migrations')";
    let exists: i64 = sqlx::query_scalar(exists).fetch_one(&mut *connection).await.map_err(failed)?;
    if exists == 0 || !is_current(&mut *connection, &migrator, url).await? {
        let migrated = migrator.run_direct(None, &mut *connection, false).await;
        migrated.map_err(|error| open_failed(url, error))?;
    }
    drop(connection);
    Ok(pool)
}

fn migrator(dialect: impl Fn((i64, &'static str, &'static str, &'static str)) -> &'static str) -> Migrator {
    let migration = |entry: (i64, &'static str, &'static str, &'static str)| {
        let sql = dialect(entry).into_sql_str();
        Migration::new(entry.0, entry.1.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().copied().map(migration).collect())
}

/// Says whether the schema is this binary's, so that an ordinary start writes nothing and waits for
/// nobody. A schema that this binary cannot have made is an error.
async fn is_current(
    connection: &mut impl Migrate,
    migrator: &Migrator,
    url: &DatabaseUrl,
) -> Result<bool, StoreError> {
    let applied = connection.list_applied_migrations(&migrator.table_name).await;
    let applied = applied.map_err(|error| open_failed(url, error))?;
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    for found in &applied {
        let ours = migrator.iter().find(|migration| migration.version == found.version);
        match ours {
            None => return Err(StoreError::Newer { database: url.to_string(), found: found.version, known }),
            Some(ours) if ours.checksum != found.checksum => {
                return Err(StoreError::Foreign { database: url.to_string(), version: found.version });
            }
            Some(_) => {}
        }
    }
    Ok(applied.len() == migrator.iter().count())
}

fn open_failed(url: &DatabaseUrl, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Open { database: url.to_string(), source: Box::new(source) }
}
