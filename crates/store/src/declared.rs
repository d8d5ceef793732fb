//! Names of hosts to their numbers.

use std::collections::BTreeMap;

use model::{ClientName, HostName};

use crate::error::StoreError;
use crate::sql::{Row, Tx};

/// The numbers of a declared host and its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredHost {
    pub(crate) host_id: i64,
    pub(crate) client_id: i64,
    pub(crate) client: ClientName,
}

/// Returns those of the hosts that are declared now.
pub(crate) async fn declared_hosts(
    tx: &mut Tx,
    names: impl Iterator<Item = &HostName>,
) -> Result<BTreeMap<HostName, DeclaredHost>, StoreError> {
    let tail = ") AS v JOIN host h ON h.name = v.column1 AND h.retired_at IS NULL \
                JOIN client c ON c.id = h.client_id";
    let rows = names.map(|name| [name.as_str().into()]).collect();
    let read = |row: &Row| {
        let client = row.parse(3, ClientName::new)?;
        let found = DeclaredHost { host_id: row.get(1)?, client_id: row.get(2)?, client };
        Ok((row.parse(0, HostName::new)?, found))
    };
    let found = tx.fetch_rows("SELECT h.name, h.id, h.client_id, c.name FROM (VALUES", tail, rows, read);
    Ok(found.await?.into_iter().collect())
}
