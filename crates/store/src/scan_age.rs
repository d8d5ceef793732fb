//! Which hosts nobody has looked at for long.

use jiff::Timestamp;

use crate::clients::{client_of, clients_in};
use crate::db::Store;
use crate::error::StoreError;
use crate::host_set::HostSet;
use crate::record::ClientScope;
use crate::scope::ScopedQuery;
use crate::sql::Row;

impl Store {
    /// Returns the declared hosts in the scope whose packages are known and were last read before a moment.
    /// Reads a row for each of them, and none for the others.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn hosts_read_before(
        &self,
        scope: &ClientScope,
        before: Timestamp,
    ) -> Result<HostSet, StoreError> {
        let mut tx = self.read("find the hosts that were not scanned for long").await?;
        let clients = clients_in(&mut tx, scope).await?;
        let head = "SELECT st.client_id, st.host_id FROM host_state st \
                    JOIN host h ON h.id = st.host_id AND h.retired_at IS NULL WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "st.client_id", scope)?;
        query.push(" AND st.packages_at <").push_value(before);
        let mut hosts = HostSet::default();
        let read = |row: &Row| {
            hosts.insert(client_of(&clients, row.get(0)?)?, row.get(1)?);
            Ok(())
        };
        query.fetch(&mut tx, read).await?;
        Ok(hosts)
    }
}
