//! Sealed secrets on record. What seals them is in [`crate::sealing`]; the key never comes here.

use jiff::Timestamp;
use model::ClientName;

use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::record_log::{NewRecord, append_records};
use crate::scope::ScopedQuery;
use crate::sql::Row;

/// The longest name of a secret, in bytes.
const SECRET_NAME_BYTES_MAX: usize = 256;

const PUT: &str = "record a secret";

/// What is known of a secret besides its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its name, unique in this database: `db/password`.
    pub name: String,
    /// Whose it is; `None` = of no single client: only who may see every client sees it.
    pub client: Option<ClientName>,
    /// How often it was set.
    pub version: u64,
    /// When it was set last.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: String,
}

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// What is known of it.
    pub record: SecretRecord,
    /// Its value, sealed for the record's name, version and client.
    pub sealed: Vec<u8>,
}

/// A secret to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewSecret<'a> {
    /// Its name: 1 to 256 bytes without control characters.
    pub name: &'a str,
    /// Whose it is. It stays whose it was first.
    pub client: Option<&'a ClientName>,
    /// One more than the version on record; 1 for a new one.
    pub version: u64,
    /// Its value, sealed for this name, version and client.
    pub sealed: &'a [u8],
    /// Who sets it.
    pub set_by: &'a str,
}

impl Store {
    /// Records a secret in place of its version before, with the records that go with it. `false`: the
    /// version on record is not the one before, since somebody else was faster; nothing was written.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a bad name or another client than it had, [`StoreError::NoSuch`] client,
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn put_secret(
        &self,
        secret: &NewSecret<'_>,
        at: Timestamp,
        records: &[NewRecord],
    ) -> Result<bool, StoreError> {
        check_name(secret.name)?;
        let mut tx = self.write(PUT).await?;
        let client_id = match secret.client {
            None => None,
            Some(client) => {
                let sql = "SELECT id FROM client WHERE name = $1";
                let found = tx.fetch(sql, vec![client.as_str().into()], |row| row.get::<i64>(0)).await?;
                let none = || StoreError::NoSuch { what: "client", name: client.to_string() };
                Some(found.first().copied().ok_or_else(none)?)
            }
        };
        let sql = "SELECT version, client_id FROM secret WHERE name = $1";
        let read = |row: &Row| Ok((row.get::<i64>(0)?, row.get::<Option<i64>>(1)?));
        let before = tx.fetch(sql, vec![secret.name.into()], read).await?.into_iter().next();
        let version = before.map_or(0, |(version, _)| version).saturating_add(1);
        if i64::try_from(secret.version) != Ok(version) {
            return Ok(false);
        }
        if before.is_some_and(|(_, before)| before != client_id) {
            let why = format!("secret {} is another client's", secret.name);
            return Err(StoreError::Refused { what: PUT, why });
        }
        let id = tx.next_id("SELECT max(id) FROM secret").await?;
        tx.execute(
            "INSERT INTO secret (id, client_id, name, version, sealed, set_at, set_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET \
             version = excluded.version, sealed = excluded.sealed, set_at = excluded.set_at, \
             set_by = excluded.set_by",
            vec![
                id.into(),
                client_id.into(),
                secret.name.into(),
                version.into(),
                secret.sealed.into(),
                at.into(),
                secret.set_by.into(),
            ],
        )
        .await?;
        append_records(&mut tx, records).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns a secret of the scope, sealed.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn secret(&self, scope: &ClientScope, name: &str) -> Result<Option<SealedSecret>, StoreError> {
        let mut tx = self.read("read a secret").await?;
        let head = "SELECT s.name, c.name, s.version, s.set_at, s.set_by, s.sealed \
                    FROM secret s LEFT JOIN client c ON c.id = s.client_id WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "s.client_id", scope)?;
        query.push(" AND s.name =").push_value(name);
        let read = |row: &Row| Ok(SealedSecret { record: read_record(row)?, sealed: row.get(5)? });
        Ok(query.fetch(&mut tx, read).await?.pop())
    }

    /// Returns what is known of the secrets of the scope, sorted by name; no value, not even a sealed one.
    ///
    /// # Errors
    /// As [`Store::secret`].
    pub async fn secrets(&self, scope: &ClientScope) -> Result<Vec<SecretRecord>, StoreError> {
        let mut tx = self.read("read the secrets").await?;
        let head = "SELECT s.name, c.name, s.version, s.set_at, s.set_by \
                    FROM secret s LEFT JOIN client c ON c.id = s.client_id WHERE 1 = 1";
        let query = ScopedQuery::new(&tx, head, "s.client_id", scope)?;
        let mut secrets = query.fetch(&mut tx, read_record).await?;
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(secrets)
    }
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let is_fit =
        !name.is_empty() && name.len() <= SECRET_NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if is_fit {
        return Ok(());
    }
    let why = format!("a secret's name has 1 to {SECRET_NAME_BYTES_MAX} bytes without control characters");
    Err(StoreError::Refused { what: PUT, why })
}

fn read_record(row: &Row) -> Result<SecretRecord, sqlx::Error> {
    let client: Option<&str> = row.get(1)?;
    let version: i64 = row.get(2)?;
    let version = u64::try_from(version);
    Ok(SecretRecord {
        name: row.get(0)?,
        client: client.map(|_| row.parse(1, ClientName::new)).transpose()?,
        version: version.map_err(|error| sqlx::Error::Decode(error.into()))?,
        set_at: row.time(3)?,
        set_by: row.get(4)?,
    })
}
