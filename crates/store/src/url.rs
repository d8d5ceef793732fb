//! Where a database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

/// Where a database is: a SQLite file or a PostgreSQL server. Its `Debug` and `Display` keep a
/// password to themselves.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Location);

#[derive(Clone)]
pub(crate) enum Location {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl DatabaseUrl {
    /// Reads a plain path, `sqlite:PATH` (also `sqlite://PATH`) or libpq's
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE` (also `postgresql://`; a Unix socket is
    /// `postgres:///DATABASE?user=USER&host=/DIRECTORY`). `PGPASSFILE` and the other variables of libpq count.
    ///
    /// # Errors
    /// [`StoreError::InvalidUrl`]: empty, another scheme, a database in memory (which two
    /// connections could not share), or not a URL of PostgreSQL.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let invalid = |why: &str| Err(StoreError::InvalidUrl { why: why.to_owned() });
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text)
                .map_err(|_| StoreError::InvalidUrl { why: "it is not a URL of PostgreSQL".to_owned() })?;
            return Ok(Self(Location::Postgres(Box::new(options))));
        }
        let path = match text.strip_prefix("sqlite:") {
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            None if text.contains("://") => return invalid("its scheme is neither `sqlite` nor `postgres`"),
            None => text,
        };
        if path.is_empty() {
            return invalid("its path is empty");
        }
        if path.contains(":memory:") || path.contains('?') || path.contains('\0') {
            return invalid("a database in memory and options behind `?` are not supported");
        }
        Ok(Self::sqlite(Path::new(path)))
    }

    /// Names the SQLite file at a path.
    pub fn sqlite(path: &Path) -> Self {
        Self(Location::Sqlite(path.to_owned()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Sqlite(path) => write!(f, "{}", path.display()),
            Location::Postgres(options) => {
                let host = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => options.get_host().to_owned(),
                };
                let (user, port) = (options.get_username(), options.get_port());
                let database = options.get_database().unwrap_or(user);
                write!(f, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let url = DatabaseUrl::parse(text).ok();
        assert_eq!(url.map(|url| url.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn urls_are_read_and_shown_without_password() {
        check("ifrit.db", Some("ifrit.db"));
        check("/var/lib/ifrit/ifrit.db", Some("/var/lib/ifrit/ifrit.db"));
        check("sqlite:data/ifrit.db", Some("data/ifrit.db"));
        check("sqlite:///data/ifrit.db", Some("/data/ifrit.db"));
        check("postgres://bob:s3cret@db.example:5433/ifrit", Some("postgres://bob@db.example:5433/ifrit"));
        check("", None);
        check("sqlite:", None);
        check("sqlite::memory:", None);
        check("sqlite:x.db?mode=ro", None);
        check("mysql://x/y", None);
        check("postgres://[bad", None);
    }

    #[test]
    fn a_password_is_in_no_error_and_no_debug_text() {
        let url = DatabaseUrl::parse("postgres://bob:s3cret@db.example/ifrit").expect("valid");
        assert!(!format!("{url:?} {url}").contains("s3cret"));
        let error =
            DatabaseUrl::parse("postgres://bob:s3cret@db.example:notaport/ifrit").expect_err("bad port");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
}
