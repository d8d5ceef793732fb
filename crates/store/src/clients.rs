//! Reading clients.

use std::collections::BTreeMap;

use model::ClientName;

use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

const READ_CLIENTS: &str = "read the clients";

/// A client that is declared or once was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its name.
    pub name: ClientName,
    /// What people call it.
    pub title: String,
}

impl Store {
    /// Returns the clients in the scope that are declared or once were, sorted by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn clients(&self, scope: &ClientScope) -> Result<Vec<ClientRecord>, StoreError> {
        let mut tx = self.read(READ_CLIENTS).await?;
        let query = ScopedQuery::new(&tx, "SELECT c.name, c.title FROM client c WHERE 1 = 1", "c.id", scope)?;
        let read = |row: &Row| Ok(ClientRecord { name: row.parse(0, ClientName::new)?, title: row.get(1)? });
        let mut clients = query.fetch(&mut tx, read).await?;
        clients.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(clients)
    }

    /// Says whether a client is declared or once was: a mistyped one must not look like a safe one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn has_client(&self, client: &ClientName) -> Result<bool, StoreError> {
        let mut tx = self.read(READ_CLIENTS).await?;
        let sql = "SELECT id FROM client WHERE name = $1";
        Ok(!tx.fetch(sql, vec![client.as_str().into()], |row| row.get::<i64>(0)).await?.is_empty())
    }
}

/// Reads the clients in the scope by number.
pub(crate) async fn clients_in(
    tx: &mut Tx,
    scope: &ClientScope,
) -> Result<BTreeMap<i64, ClientName>, StoreError> {
    let query = ScopedQuery::new(tx, "SELECT c.id, c.name FROM client c WHERE 1 = 1", "c.id", scope)?;
    let clients = query.fetch(tx, |row| Ok((row.get(0)?, row.parse(1, ClientName::new)?))).await?;
    Ok(clients.into_iter().collect())
}

/// Returns the name of a client that a row of the same scope names.
pub(crate) fn client_of(clients: &BTreeMap<i64, ClientName>, id: i64) -> Result<&ClientName, sqlx::Error> {
    clients.get(&id).ok_or_else(|| sqlx::Error::Decode(format!("client {id} is missing").into()))
}
