//! Which hosts nobody has looked at for long.

use jiff::Timestamp;
use model::{ClientName, HostName};

use crate::clients::{client_of, clients_in};
use crate::db::Store;
use crate::error::StoreError;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::Row;

/// The hosts whose packages were last read before a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OldScans {
    /// How many there are.
    pub hosts: usize,
    /// The first of them, the oldest look first.
    pub oldest: Vec<OldScan>,
}

/// A host whose packages were last read long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldScan {
    /// Its number.
    pub host: HostId,
    /// Its client.
    pub client: ClientName,
    /// Its name.
    pub name: HostName,
    /// When its packages were last read.
    pub packages_at: Timestamp,
}

impl Store {
    /// Counts the declared hosts in the scope whose packages are known and were last read before a moment,
    /// and returns the first `most` of them. Counts over an index and reads no more rows than it returns.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn hosts_read_before(
        &self,
        scope: &ClientScope,
        before: Timestamp,
        most: u32,
    ) -> Result<OldScans, StoreError> {
        let mut tx = self.read("find the hosts that were not scanned for long").await?;
        let clients = clients_in(&mut tx, scope).await?;
        // Of a retired host no time is kept, so that its row in `host` need not be looked at.
        let head = "SELECT count(*) FROM host_state st WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "st.client_id", scope)?;
        query.push(" AND st.packages_at <").push_value(before);
        let count = query.fetch(&mut tx, |row| row.get::<i64>(0)).await?.into_iter().sum::<i64>();
        let head = "SELECT st.client_id, h.id, h.name, st.packages_at FROM host_state st \
                    JOIN host h ON h.id = st.host_id WHERE 1 = 1";
        let mut query = ScopedQuery::new(&tx, head, "st.client_id", scope)?;
        query.push(" AND st.packages_at <").push_value(before);
        query.push(" ORDER BY st.packages_at, st.host_id LIMIT").push_value(i64::from(most));
        let read = |row: &Row| {
            Ok(OldScan {
                client: client_of(&clients, row.get(0)?)?.clone(),
                host: HostId(row.get(1)?),
                name: row.parse(2, HostName::new)?,
                packages_at: row.time(3)?,
            })
        };
        let oldest = query.fetch(&mut tx, read).await?;
        let hosts = usize::try_from(count).map_err(|_| tx.damaged("fewer hosts than none"))?;
        Ok(OldScans { hosts, oldest })
    }
}
