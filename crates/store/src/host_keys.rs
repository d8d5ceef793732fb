//! Public host keys that a person has trusted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{HostKey, HostName};

use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

impl Store {
    /// Records that a person trusts a key of a declared host; returns `false` where it was trusted
    /// already. A host that moves to another client is to be trusted anew.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn trust_host_key(
        &self,
        host: &HostName,
        key: &HostKey,
        fingerprint: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write("record a trusted host key").await?;
        let (host_id, client_id) = declared_host(&mut tx, host).await?;
        if trusted_id(&mut tx, host_id, key).await?.is_some() {
            return Ok(false);
        }
        let id = tx.next_id("SELECT max(id) FROM host_key").await?;
        tx.execute(
            "INSERT INTO host_key (id, client_id, host_id, key, fingerprint, trusted_at, trusted_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            vec![
                id.into(),
                client_id.into(),
                host_id.into(),
                key.as_str().into(),
                fingerprint.into(),
                now.into(),
                by.into(),
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes back the trust in a key of a declared host; returns `false` where it was not trusted.
    /// That it once was stays on record.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn revoke_host_key(
        &self,
        host: &HostName,
        key: &HostKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write("revoke a host key").await?;
        let (host_id, _) = declared_host(&mut tx, host).await?;
        let Some(id) = trusted_id(&mut tx, host_id, key).await? else { return Ok(false) };
        tx.execute("UPDATE host_key SET revoked_at = $1 WHERE id = $2", vec![now.into(), id.into()]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns the trusted keys of every declared host in the scope that has one, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn trusted_host_keys(
        &self,
        scope: &ClientScope,
    ) -> Result<BTreeMap<HostName, Vec<HostKey>>, StoreError> {
        let mut tx = self.read("read the trusted host keys").await?;
        let head = "SELECT h.name, k.key FROM host h JOIN host_key k ON k.host_id = h.id \
                    WHERE h.retired_at IS NULL AND k.revoked_at IS NULL";
        let mut query = ScopedQuery::new(&tx, head, "h.client_id", scope)?;
        query.push(" ORDER BY k.id");
        let read = |row: &Row| Ok((row.parse(0, HostName::new)?, HostKey::new(row.get::<String>(1)?)));
        let mut keys: BTreeMap<HostName, Vec<HostKey>> = BTreeMap::new();
        for (host, key) in query.fetch(&mut tx, read).await? {
            keys.entry(host).or_default().push(key);
        }
        Ok(keys)
    }
}

async fn declared_host(tx: &mut Tx, host: &HostName) -> Result<(i64, i64), StoreError> {
    let sql = "SELECT id, client_id FROM host WHERE name = $1 AND retired_at IS NULL";
    let found = tx.fetch(sql, vec![host.as_str().into()], |row| Ok((row.get(0)?, row.get(1)?))).await?;
    found.first().copied().ok_or_else(|| StoreError::UnknownHost { host: host.clone() })
}

async fn trusted_id(tx: &mut Tx, host_id: i64, key: &HostKey) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM host_key WHERE host_id = $1 AND key = $2 AND revoked_at IS NULL";
    let found = tx.fetch(sql, vec![host_id.into(), key.as_str().into()], |row| row.get(0)).await?;
    Ok(found.first().copied())
}
