//! One way to say SQL to both databases: values in, rows out, in transactions that are either a
//! consistent reader or the only writer.
//!
//! Statements are written once. What differs between the two dialects stays in this file and in the
//! migrations.

use std::borrow::Cow;
use std::fmt::Write as _;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Postgres, Row as _, Sqlite, Transaction, Type};

use crate::error::StoreError;

/// Rows of one multi-row statement. More gain nothing: the statement is parsed once and cached.
const ROWS_PER_STATEMENT: usize = 256;

/// Parameters of one statement (SQLite: 32,766; PostgreSQL: 65,535).
pub(crate) const PARAMETERS_MAX: usize = 32_000;

/// A value on its way into the database. NULL has a type, because PostgreSQL asks for it.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<Cow<'a, str>>),
    Blob(Option<Cow<'a, [u8]>>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(Some(value.as_microsecond()))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(without_nul(value)))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        let clean = value.contains('\0').then(|| value.replace('\0', NUL_SHOWN));
        Self::Text(Some(Cow::Owned(clean.unwrap_or(value))))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value.map(without_nul))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(Some(Cow::Borrowed(value)))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Some(Cow::Owned(value)))
    }
}

/// What stands in for a NUL, which PostgreSQL cannot store and no honest text holds.
const NUL_SHOWN: &str = "\u{fffd}";

/// Returns the text as it is stored.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', NUL_SHOWN)) } else { Cow::Borrowed(text) }
}

/// Which database a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Writes the placeholder of a value, counted from 1. SQLite gets `?` in long statements: it
    /// takes `$1` for a name and would look it up among all the others, one by one, at each binding.
    pub(crate) fn push_placeholder(self, sql: &mut String, number: usize) {
        match self {
            Self::Sqlite => sql.push('?'),
            Self::Postgres => {
                write!(sql, "${number}").expect("invariant: writing to a String does not fail");
            }
        }
    }
}

/// A row on its way out.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Decodes the column at a position, counted from 0.
    pub(crate) fn get<'r, T>(&'r self, column: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Decodes a text and turns it into something else.
    pub(crate) fn parse<T, E>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, sqlx::Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        read(self.get(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    /// Decodes a time.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, sqlx::Error> {
        read_time(self.get(column)?)
    }

    /// Decodes a time that may be NULL.
    pub(crate) fn time_or_null(&self, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
        let micros: Option<i64> = self.get(column)?;
        micros.map(read_time).transpose()
    }
}

fn read_time(micros: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(micros).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

enum Connection {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
pub(crate) struct Tx {
    connection: Connection,
    /// What it is for, in errors: completes "failed to ...".
    what: &'static str,
}

impl Tx {
    pub(crate) fn sqlite(transaction: Transaction<'static, Sqlite>, what: &'static str) -> Self {
        Self { connection: Connection::Sqlite(transaction), what }
    }

    pub(crate) fn postgres(transaction: Transaction<'static, Postgres>, what: &'static str) -> Self {
        Self { connection: Connection::Postgres(transaction), what }
    }

    /// Makes the error for a row that this crate cannot have written.
    pub(crate) fn damaged(&self, detail: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: self.what, detail: detail.into() }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let what = self.what;
        let done = match self.connection {
            Connection::Sqlite(transaction) => transaction.commit().await,
            Connection::Postgres(transaction) => transaction.commit().await,
        };
        done.map_err(|error| StoreError::from_driver(what, error))
    }

    /// Runs a statement with `$1`, `$2`... and returns how many rows it touched.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value<'_>>,
    ) -> Result<u64, StoreError> {
        self.execute_text(sql.to_owned(), values, true).await
    }

    /// Runs a query with `$1`, `$2`... and decodes every row.
    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value<'_>>,
        decode: impl FnMut(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        self.fetch_text(sql.to_owned(), values, decode).await
    }

    /// Runs a query whose text was put together from constants and placeholders.
    pub(crate) async fn fetch_text<T>(
        &mut self,
        sql: String,
        values: Vec<Value<'_>>,
        mut decode: impl FnMut(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let what = self.what;
        let driver = |error| StoreError::from_driver(what, error);
        let damaged = |error: sqlx::Error| StoreError::Damaged { what, detail: error.to_string() };
        let mut decoded = Vec::new();
        // Row by row, so that what is kept of an answer is what was decoded of it.
        match &mut self.connection {
            Connection::Sqlite(transaction) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(values)?);
                let mut rows = query.fetch(&mut **transaction);
                while let Some(row) = rows.try_next().await.map_err(driver)? {
                    decoded.push(decode(&Row::Sqlite(row)).map_err(damaged)?);
                }
            }
            Connection::Postgres(transaction) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(values)?);
                let mut rows = query.fetch(&mut **transaction);
                while let Some(row) = rows.try_next().await.map_err(driver)? {
                    decoded.push(decode(&Row::Postgres(row)).map_err(damaged)?);
                }
            }
        }
        Ok(decoded)
    }

    /// Runs a query whose text was put together from constants and returns its rows as they came, for somebody
    /// else to decode on another thread.
    pub(crate) async fn fetch_raw(
        &mut self,
        sql: String,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        let what = self.what;
        let fetched = match &mut self.connection {
            Connection::Sqlite(transaction) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(values)?);
                let rows = query.fetch(&mut **transaction).map_ok(Row::Sqlite);
                rows.try_collect().await
            }
            Connection::Postgres(transaction) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(values)?);
                let rows = query.fetch(&mut **transaction).map_ok(Row::Postgres);
                rows.try_collect().await
            }
        };
        fetched.map_err(|error| StoreError::from_driver(what, error))
    }

    async fn execute_text(
        &mut self,
        sql: String,
        values: Vec<Value<'_>>,
        keep: bool,
    ) -> Result<u64, StoreError> {
        let what = self.what;
        let done = match &mut self.connection {
            Connection::Sqlite(transaction) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(values)?).persistent(keep);
                query.execute(&mut **transaction).await.map(|done| done.rows_affected())
            }
            Connection::Postgres(transaction) => {
                let query =
                    sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(values)?).persistent(keep);
                query.execute(&mut **transaction).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(|error| StoreError::from_driver(what, error))
    }

    /// Runs `head (..), (..), ... tail` for as many rows as there are, in few statements.
    ///
    /// Rows come as a list: a lazy iterator that is held over an await makes futures that are not `Send`.
    pub(crate) async fn execute_rows<const N: usize>(
        &mut self,
        head: &str,
        tail: &str,
        rows: Vec<[Value<'_>; N]>,
    ) -> Result<(), StoreError> {
        let rows_max = ROWS_PER_STATEMENT.min(PARAMETERS_MAX / N);
        let full = self.with_rows(head, tail, rows_max, N);
        let mut rows = rows.into_iter();
        loop {
            let mut values = Vec::with_capacity(rows_max * N);
            values.extend(rows.by_ref().take(rows_max).flatten());
            let count = values.len() / N;
            if count == 0 {
                return Ok(());
            }
            if count == rows_max {
                self.execute_text(full.clone(), values, true).await?;
            } else {
                let sql = self.with_rows(head, tail, count, N);
                self.execute_text(sql, values, false).await?;
            }
        }
    }

    /// As [`Tx::execute_rows`], in statements of 1, 2, 4... rows, each of which is prepared once: for lists of any
    /// length that come all the time, of which preparing would cost more than running.
    pub(crate) async fn execute_rows_prepared<const N: usize>(
        &mut self,
        head: &str,
        tail: &str,
        rows: Vec<[Value<'_>; N]>,
    ) -> Result<(), StoreError> {
        let rows_max = ROWS_PER_STATEMENT.min(PARAMETERS_MAX / N);
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            let count = (1 << left.ilog2()).min(rows_max);
            let mut values = Vec::with_capacity(count * N);
            values.extend(rows.by_ref().take(count).flatten());
            let sql = self.with_rows(head, tail, count, N);
            self.execute_text(sql, values, true).await?;
            left -= count;
        }
        Ok(())
    }

    /// Runs `head (..), (..), ... tail` as a query for as many rows as there are and decodes what comes.
    pub(crate) async fn fetch_rows<const N: usize, T>(
        &mut self,
        head: &str,
        tail: &str,
        rows: Vec<[Value<'_>; N]>,
        mut decode: impl FnMut(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = rows.into_iter();
        let mut found = Vec::new();
        loop {
            let mut values = Vec::new();
            values.extend(rows.by_ref().take(ROWS_PER_STATEMENT.min(PARAMETERS_MAX / N)).flatten());
            if values.is_empty() {
                return Ok(found);
            }
            // Padded with its last row to a power of two, so that there are few different statements
            // to be prepared; a question asked twice has the same answer.
            let count = (values.len() / N).next_power_of_two();
            let last = values[values.len() - N..].to_vec();
            while values.len() < count * N {
                values.extend(last.iter().cloned());
            }
            let sql = self.with_rows(head, tail, count, N);
            found.extend(self.fetch_text(sql, values, &mut decode).await?);
        }
    }

    /// Returns which database it is on.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.connection {
            Connection::Sqlite(_) => Dialect::Sqlite,
            Connection::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Writes `head (?, ?), (?, ?) tail`.
    fn with_rows(&self, head: &str, tail: &str, rows: usize, columns: usize) -> String {
        let dialect = self.dialect();
        let mut sql = String::with_capacity(head.len() + tail.len() + rows * columns * 6);
        sql.push_str(head);
        let mut number = 1;
        for row in 0..rows {
            sql.push_str(if row == 0 { " (" } else { ", (" });
            for column in 0..columns {
                sql.push_str(if column == 0 { "" } else { ", " });
                dialect.push_placeholder(&mut sql, number);
                number += 1;
            }
            sql.push(')');
        }
        sql.push(' ');
        sql.push_str(tail);
        sql
    }

    /// Returns the id that the next row of a table gets. There is one writer at a time.
    pub(crate) async fn next_id(&mut self, max_id: &'static str) -> Result<i64, StoreError> {
        let greatest = self.fetch(max_id, vec![], |row| row.get::<Option<i64>>(0)).await?;
        Ok(greatest.first().copied().flatten().unwrap_or(0) + 1)
    }
}

fn sqlite_arguments(values: Vec<Value<'_>>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    fill(&mut arguments, values)?;
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value<'_>>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    fill(&mut arguments, values)?;
    Ok(arguments)
}

fn fill<A>(arguments: &mut A, values: Vec<Value<'_>>) -> Result<(), StoreError>
where
    A: Arguments,
    for<'e> Option<i64>: sqlx::Encode<'e, A::Database> + Type<A::Database>,
    for<'e> Option<String>: sqlx::Encode<'e, A::Database> + Type<A::Database>,
    for<'e> Option<Vec<u8>>: sqlx::Encode<'e, A::Database> + Type<A::Database>,
{
    for value in values {
        let added = match value {
            Value::Int(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text.map(Cow::into_owned)),
            Value::Blob(bytes) => arguments.add(bytes.map(Cow::into_owned)),
        };
        added.map_err(|source| StoreError::Database { what: "hand a value to the database", source })?;
    }
    Ok(())
}
