//! Exceptions: what the inventory declares to be left open for some time, and on which hosts. There is no
//! history: it is in the repository that declares them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{ClientName, HostName, Inventory, PersonName, VulnerabilityId};

use crate::db::Store;
use crate::declared::declared_hosts;
use crate::error::StoreError;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

/// An exception as it is declared now, also one that has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredException {
    /// The vulnerability, or the vendor's id.
    pub vulnerability: VulnerabilityId,
    /// Which hosts were asked for; `None` = the reader does not see every client.
    pub selector: Option<String>,
    /// The hosts in the scope that it is for, with the jails that run on them.
    pub hosts: BTreeMap<HostId, (ClientName, HostName)>,
    /// Who answers for it.
    pub owner: PersonName,
    /// Why.
    pub reason: String,
    /// From then on it does not count.
    pub until: Timestamp,
}

impl DeclaredException {
    /// Says whether it counts at a moment.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl Store {
    /// Returns the exceptions that are declared for a host in the scope, in the order of the inventory.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn exceptions(&self, scope: &ClientScope) -> Result<Vec<DeclaredException>, StoreError> {
        let mut tx = self.read("read the exceptions").await?;
        let head = "SELECT e.id, e.vulnerability, e.selector, e.owner, e.reason, e.until, h.id, c.name, h.name \
                    FROM exception_host x JOIN exception e ON e.id = x.exception_id \
                    JOIN client c ON c.id = x.client_id JOIN host h ON h.id = x.host_id \
                    OR (h.parent_id = x.host_id AND h.retired_at IS NULL) WHERE 1 = 1";
        let query = ScopedQuery::new(&tx, head, "x.client_id", scope)?;
        let read = |row: &Row| {
            let exception = DeclaredException {
                vulnerability: VulnerabilityId::new(row.get::<String>(1)?),
                // It may name other clients' hosts.
                selector: Some(row.get(2)?).filter(|_| *scope == ClientScope::All),
                hosts: BTreeMap::new(),
                owner: row.parse(3, PersonName::new)?,
                reason: row.get(4)?,
                until: row.time(5)?,
            };
            let host = (row.parse(7, ClientName::new)?, row.parse(8, HostName::new)?);
            Ok((row.get::<i64>(0)?, exception, HostId(row.get(6)?), host))
        };
        let mut found: BTreeMap<i64, DeclaredException> = BTreeMap::new();
        for (id, exception, host_id, host) in query.fetch(&mut tx, read).await? {
            found.entry(id).or_insert(exception).hosts.insert(host_id, host);
        }
        Ok(found.into_values().collect())
    }
}

/// Replaces the declared exceptions by those of the inventory, whose hosts are there already.
pub(crate) async fn sync_exceptions(tx: &mut Tx, inventory: &Inventory) -> Result<(), StoreError> {
    tx.execute("DELETE FROM exception_host", vec![]).await?;
    tx.execute("DELETE FROM exception", vec![]).await?;
    if inventory.exceptions.is_empty() {
        return Ok(());
    }
    let (mut rows, mut wanted) = (Vec::new(), Vec::new());
    let selectors: Vec<_> = inventory.exceptions.iter().map(|exception| &exception.hosts).collect();
    let taken = inventory.selected(&selectors);
    for (id, (exception, hosts)) in (1_i64..).zip(inventory.exceptions.iter().zip(taken)) {
        rows.push([
            id.into(),
            exception.vulnerability.as_str().into(),
            exception.hosts.to_string().into(),
            exception.owner.as_str().into(),
            exception.reason.as_str().into(),
            exception.until.into(),
        ]);
        wanted.extend(hosts.into_iter().map(|host| (id, &host.name)));
    }
    let head = "INSERT INTO exception (id, vulnerability, selector, owner, reason, until) VALUES";
    tx.execute_rows(head, "", rows).await?;
    let names: BTreeSet<&HostName> = wanted.iter().map(|(_, host)| *host).collect();
    let declared = declared_hosts(tx, names.into_iter()).await?;
    let row = |(id, host): (i64, &HostName)| {
        let found = declared.get(host)?;
        Some([found.client_id.into(), found.host_id.into(), id.into()])
    };
    let rows = wanted.into_iter().filter_map(row).collect();
    tx.execute_rows("INSERT INTO exception_host (client_id, host_id, exception_id) VALUES", "", rows).await
}
