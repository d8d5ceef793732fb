//! The time line of an incident: the audit records of what was done in it.

use std::collections::BTreeSet;

use model::IncidentId;

use super::read::require_visible;
use crate::db::Store;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::record_log::{RECORDS, RecordBody, RecordEntry, RecordValue, read_record};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

/// Records of an incident that one call returns at most.
pub const INCIDENT_RECORDS_MAX: u32 = 10_000;

/// Each of these has an index that holds just the rows of its condition, which must stand here as there.
const BY_TARGET: &str = "SELECT r.number FROM audit_record r WHERE r.target LIKE 'inc-%'";
const BY_BODY: &str = "SELECT r.number FROM audit_record r WHERE r.body LIKE '%\"incident\":\"inc-%'";
const BY_PLAN: &str = "SELECT r.number FROM audit_record r WHERE r.plan_hash IS NOT NULL";

impl Store {
    /// Returns the records in the scope of what was done in an incident, in their order, the first ones where
    /// there are more than the limit or [`INCIDENT_RECORDS_MAX`]: those whose target it is or whose body names
    /// it under `incident`, and those about one of its plans, except for runs of these that are not its own.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] incident with a host in the scope; [`StoreError::Damaged`] names a record that
    /// is not what its leaf hash was made of; [`StoreError::Database`], [`StoreError::TooMany`] clients.
    pub async fn incident_records(
        &self,
        scope: &ClientScope,
        id: IncidentId,
        limit: u32,
    ) -> Result<Vec<RecordEntry>, StoreError> {
        let mut tx = self.read("read the record of an incident").await?;
        require_visible(&mut tx, scope, id).await?;
        let own = own_numbers(&mut tx, scope, id).await?;
        let of_plans = plan_numbers(&mut tx, scope, id).await?;
        let limit = usize::try_from(limit.min(INCIDENT_RECORDS_MAX)).unwrap_or(usize::MAX);
        let numbers: BTreeSet<i64> = own.union(&of_plans).copied().collect();
        let mut query = ScopedQuery::new(&tx, RECORDS, "r.client_id", scope)?;
        // A run of the same plan that is not the incident's may take some of them away again.
        let first = numbers.into_iter().take(limit).map(Into::into).collect::<Vec<_>>();
        query.push(" AND r.number IN").push_list("records", first.into_iter())?;
        query.push(" ORDER BY r.number");
        let mut entries = query.fetch(&mut tx, read_record).await?;
        let linked = linked(&mut tx, id).await?;
        entries.retain(|entry| own.contains(&entry.number.0) || linked.own(&entry.record.body));
        Ok(entries)
    }
}

async fn own_numbers(tx: &mut Tx, scope: &ClientScope, id: IncidentId) -> Result<BTreeSet<i64>, StoreError> {
    let mut query = ScopedQuery::new(tx, BY_TARGET, "r.client_id", scope)?;
    query.push(" AND r.target =").push_value(id.to_string());
    let mut numbers: BTreeSet<i64> = query.fetch(tx, |row| row.get(0)).await?.into_iter().collect();
    let mut query = ScopedQuery::new(tx, BY_BODY, "r.client_id", scope)?;
    // In the canonical JSON of a body there is one spelling; within a text the quotes would be escaped.
    query.push(" AND r.body LIKE").push_value(format!("%\"incident\":\"{id}\"%"));
    numbers.extend(query.fetch(tx, |row| row.get::<i64>(0)).await?);
    Ok(numbers)
}

async fn plan_numbers(tx: &mut Tx, scope: &ClientScope, id: IncidentId) -> Result<BTreeSet<i64>, StoreError> {
    let mut query = ScopedQuery::new(tx, BY_PLAN, "r.client_id", scope)?;
    query.push(
        " AND r.plan_hash IN (SELECT p.hash FROM plan p JOIN incident_link l ON l.name = p.id \
         WHERE l.kind = 'plan' AND l.incident_id =",
    );
    query.push_value(id.to_string()).push(")");
    Ok(query.fetch(tx, |row| row.get(0)).await?.into_iter().collect())
}

/// What belongs to an incident, by name.
struct Linked {
    names: BTreeSet<String>,
}

impl Linked {
    /// Says whether a record of one of the incident's plans is the incident's too.
    fn own(&self, body: &RecordBody) -> bool {
        ["plan", "run"].iter().all(|key| match body.0.get(*key) {
            Some(RecordValue::Text(name)) => self.names.contains(name),
            _ => true,
        })
    }
}

async fn linked(tx: &mut Tx, id: IncidentId) -> Result<Linked, StoreError> {
    let sql = "SELECT name FROM incident_link WHERE incident_id = $1";
    let names = tx.fetch(sql, vec![id.to_string().into()], |row: &Row| row.get::<String>(0)).await?;
    Ok(Linked { names: names.into_iter().collect() })
}
