//! How long hosts had which packages: what the age of a finding and the time to its fix are made of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{ClientName, FeedName, VulnerabilityId};

use crate::bell::{SetBodies, SetId};
use crate::clients::{client_of, clients_in};
use crate::db::Store;
use crate::error::StoreError;
use crate::posting::SET_TABLES;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::Row;

/// A time in which a host had the same packages, or the same software outside of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetInterval {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostId,
    /// Whether it is of software outside packages.
    pub is_software: bool,
    /// What it had.
    pub set: SetId,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` = now.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Returns every interval of the hosts in the scope that reaches into the time from `since` on, sorted by host,
    /// then kind, then time. The first one of a host may have begun before.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn set_intervals(
        &self,
        scope: &ClientScope,
        since: Timestamp,
    ) -> Result<Vec<SetInterval>, StoreError> {
        let mut tx = self.read("read how long hosts had which packages").await?;
        let clients = clients_in(&mut tx, scope).await?;
        let mut intervals = Vec::new();
        for (table, is_software) in SET_TABLES.into_iter().zip([false, true]) {
            let head = format!(
                "SELECT p.client_id, p.host_id, p.package_set_id, p.valid_from, p.valid_to FROM {table} p \
                 WHERE (p.valid_to IS NULL OR p.valid_to > {})",
                since.as_microsecond()
            );
            let read = |row: &Row| {
                Ok(SetInterval {
                    client: client_of(&clients, row.get(0)?)?.clone(),
                    host: HostId(row.get(1)?),
                    is_software,
                    set: SetId(row.get(2)?),
                    from: row.time(3)?,
                    until: row.time_or_null(4)?,
                })
            };
            intervals.extend(ScopedQuery::new(&tx, &head, "p.client_id", scope)?.fetch(&mut tx, read).await?);
        }
        intervals.sort_by_key(|it| (it.host, it.is_software, it.from));
        Ok(intervals)
    }

    /// Returns what is in sets. A set is one client's: ask for those of intervals that the reader may see.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn set_bodies(&self, sets: &BTreeSet<SetId>) -> Result<SetBodies, StoreError> {
        let mut tx = self.read("read sets of packages").await?;
        let head = "SELECT id, body FROM package_set WHERE id IN (VALUES";
        let read = |row: &Row| Ok((SetId(row.get(0)?), row.get::<Vec<u8>>(1)?));
        let ids = sets.iter().map(|set| [set.0.into()]).collect();
        let bodies: BTreeMap<SetId, Vec<u8>> =
            tx.fetch_rows(head, ")", ids, read).await?.into_iter().collect();
        match sets.iter().find(|set| !bodies.contains_key(set)) {
            Some(missing) => Err(tx.damaged(format!("package set {} is missing", missing.0))),
            None => Ok(SetBodies(bodies)),
        }
    }

    /// Returns when each feed first brought an advisory that is known by each of the ids; the ids are in ASCII upper
    /// case in the answer. Nothing is known of the time before the first sync of a feed.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn first_known_by_feed(
        &self,
        ids: &[VulnerabilityId],
    ) -> Result<BTreeMap<String, BTreeMap<FeedName, Timestamp>>, StoreError> {
        let mut tx = self.read("read when advisories were first known").await?;
        let aliases: BTreeSet<String> = ids.iter().map(|id| id.as_str().to_ascii_uppercase()).collect();
        let head = "SELECT l.alias, a.feed, min(a.known_from) FROM (VALUES";
        let tail = ") AS v CROSS JOIN advisory_alias l JOIN advisory a ON a.id = l.advisory_id \
                    WHERE l.alias = v.column1 GROUP BY l.alias, a.feed";
        let read =
            |row: &Row| Ok((row.get::<String>(0)?, FeedName::new(row.get::<String>(1)?), row.time(2)?));
        let rows = aliases.into_iter().map(|alias| [alias.into()]).collect();
        let mut known: BTreeMap<String, BTreeMap<FeedName, Timestamp>> = BTreeMap::new();
        for (alias, feed, at) in tx.fetch_rows(head, tail, rows, read).await? {
            known.entry(alias).or_default().insert(feed, at);
        }
        Ok(known)
    }
}
