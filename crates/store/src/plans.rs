//! Saved plans. A plan is immutable: it is written once and triggers refuse every change.
//!
//! The same content saved again is another plan, with an author and a time of its own and the same hash;
//! its bytes are kept once. A plan may be about hosts of several clients: of such a plan a reader sees the
//! hosts in the scope, and what it says (bytes, facts, selector) only where all of its hosts are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{ClientName, HostName};

use crate::db::Store;
use crate::declared::declared_hosts;
use crate::digest::{read_bytes, sha256};
use crate::error::StoreError;
use crate::plan_id::PlanId;
use crate::record::ClientScope;
use crate::record_log::{NewRecord, append_records};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};
use crate::via::Via;

/// The largest plan, and the most facts of one, in bytes.
pub const PLAN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Plans that are told apart when the beginning of an id fits several.
const AMBIGUOUS_MAX: i64 = 100;

const SAVE: &str = "save a plan";
const READ: &str = "read a plan";

const PLANS: &str = "SELECT p.id, p.hash, p.deploy, p.author, p.via, p.git_commit, p.is_dirty, p.made_at, \
    (SELECT count(*) FROM plan_host a WHERE a.plan_id = p.id) FROM plan p \
    WHERE EXISTS (SELECT 1 FROM plan_host ph WHERE ph.plan_id = p.id";

/// A host of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHost {
    /// Its client.
    pub client: ClientName,
    /// Its name.
    pub host: HostName,
    /// How many of its steps change something.
    pub changes: u32,
}

/// A plan to be saved.
#[derive(Debug, Clone, Copy)]
pub struct NewPlan<'a> {
    /// For the id; drawn at random.
    pub random: [u8; 10],
    /// SHA-256 over `bytes`.
    pub hash: [u8; 32],
    /// The plan in its canonical form; the store does not look inside.
    pub bytes: &'a [u8],
    /// What it was based on; the store does not look inside.
    pub facts: &'a [u8],
    /// The deploy's name.
    pub deploy: &'a str,
    /// Which hosts were asked for.
    pub selector: &'a str,
    /// Who made it.
    pub author: &'a str,
    /// By which way.
    pub via: Via,
    /// The git commit of the workspace; `None` = it is in no repository, or has no commit yet.
    pub commit: Option<&'a str>,
    /// Whether the workspace differed from the commit.
    pub is_dirty: bool,
    /// When it was made; its id begins with this.
    pub made_at: Timestamp,
    /// Its hosts: at least one, none twice.
    pub hosts: &'a [PlanHost],
}

/// A saved plan, without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRecord {
    /// Its id.
    pub id: PlanId,
    /// SHA-256 over its canonical form.
    pub hash: [u8; 32],
    /// The deploy's name.
    pub deploy: String,
    /// Who made it.
    pub author: String,
    /// By which way.
    pub via: Via,
    /// The git commit of the workspace.
    pub commit: Option<String>,
    /// Whether the workspace differed from the commit.
    pub is_dirty: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// Its hosts that are in the scope, by name.
    pub hosts: Vec<PlanHost>,
    /// Whether these are all of its hosts.
    pub is_whole: bool,
}

/// What a plan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanBody {
    /// Its canonical form; its SHA-256 is the plan's hash.
    pub bytes: Vec<u8>,
    /// What it was based on.
    pub facts: Vec<u8>,
    /// Which hosts were asked for.
    pub selector: String,
}

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPlan {
    /// The plan.
    pub record: PlanRecord,
    /// What it says; `None` where some of its hosts are not in the scope.
    pub body: Option<PlanBody>,
}

impl Store {
    /// Saves a plan, with the records that go with it.
    ///
    /// # Errors
    /// [`StoreError::UnknownHost`] for a host that is not declared for the client that the plan names;
    /// [`StoreError::Refused`] where the hash is not that of the bytes, or there is no host, or too much;
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn save_plan(&self, plan: &NewPlan<'_>, records: &[NewRecord]) -> Result<PlanId, StoreError> {
        check(plan)?;
        let mut tx = self.write(SAVE).await?;
        let id = PlanId::new(plan.made_at, plan.random);
        tx.execute(
            "INSERT INTO plan_content (hash, bytes) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
            vec![plan.hash.as_slice().into(), plan.bytes.into()],
        )
        .await?;
        tx.execute(
            "INSERT INTO plan (id, hash, facts, deploy, selector, author, via, git_commit, is_dirty, made_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            vec![
                id.as_str().into(),
                plan.hash.as_slice().into(),
                plan.facts.into(),
                plan.deploy.into(),
                plan.selector.into(),
                plan.author.into(),
                plan.via.as_str().into(),
                plan.commit.into(),
                plan.is_dirty.into(),
                plan.made_at.into(),
            ],
        )
        .await?;
        insert_hosts(&mut tx, &id, plan.hosts).await?;
        append_records(&mut tx, records).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Returns the plan of the scope with an id, or with the only one that begins like this; `plan_` may
    /// be left out.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] plan in the scope, [`StoreError::Ambiguous`]; [`StoreError::Damaged`] where
    /// the bytes are not those of the hash; [`StoreError::Database`], [`StoreError::TooMany`] clients.
    pub async fn plan(&self, scope: &ClientScope, id: &str) -> Result<SavedPlan, StoreError> {
        let none = || StoreError::NoSuch { what: "plan", name: id.to_owned() };
        let (from, to) = PlanId::range(id).ok_or_else(none)?;
        let mut tx = self.read(READ).await?;
        let mut query = ScopedQuery::new(&tx, PLANS, "ph.client_id", scope)?;
        query.push(") AND p.id >=").push_value(from.as_str()).push(" AND p.id <").push_value(to.as_str());
        query.push(" LIMIT").push_value(AMBIGUOUS_MAX);
        let mut found = query.fetch(&mut tx, read_plan).await?;
        if found.len() > 1 {
            let prefix = id.to_owned();
            return Err(StoreError::Ambiguous { what: "plan", prefix, count: found.len() });
        }
        add_hosts(&mut tx, scope, &mut found).await?;
        let (mut record, _) = found.pop().ok_or_else(none)?;
        let body = match record.is_whole {
            true => Some(read_body(&mut tx, &record).await?),
            false => None,
        };
        record.hosts.sort_by(|a, b| a.host.cmp(&b.host));
        Ok(SavedPlan { record, body })
    }

    /// Returns the last plans that have a host in the scope, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn plans(&self, scope: &ClientScope, limit: u32) -> Result<Vec<PlanRecord>, StoreError> {
        let mut tx = self.read("read the plans").await?;
        let mut query = ScopedQuery::new(&tx, PLANS, "ph.client_id", scope)?;
        query.push(") ORDER BY p.id DESC LIMIT").push_value(i64::from(limit));
        let mut found = query.fetch(&mut tx, read_plan).await?;
        add_hosts(&mut tx, scope, &mut found).await?;
        Ok(found.into_iter().map(|(plan, _)| plan).collect())
    }
}

/// Says whether every host of a plan is in the scope; `None` = there is no such plan in it.
pub(crate) async fn is_whole(
    tx: &mut Tx,
    scope: &ClientScope,
    id: &PlanId,
) -> Result<Option<bool>, StoreError> {
    let head = "SELECT count(*) FROM plan_host ph WHERE 1 = 1";
    let mut query = ScopedQuery::new(tx, head, "ph.client_id", scope)?;
    query.push(" AND ph.plan_id =").push_value(id.as_str());
    let seen = query.fetch(tx, |row| row.get::<i64>(0)).await?;
    let sql = "SELECT count(*) FROM plan_host WHERE plan_id = $1";
    let all = tx.fetch(sql, vec![id.as_str().into()], |row| row.get::<i64>(0)).await?;
    Ok(seen.first().filter(|seen| **seen > 0).map(|seen| all.first() == Some(seen)))
}

fn check(plan: &NewPlan<'_>) -> Result<(), StoreError> {
    let refused = |why: String| Err(StoreError::Refused { what: SAVE, why });
    for (of, bytes) in [("a plan", plan.bytes), ("facts", plan.facts)] {
        if bytes.len() > PLAN_BYTES_MAX {
            return refused(format!("{of} of {} bytes, the limit is {PLAN_BYTES_MAX}", bytes.len()));
        }
    }
    if plan.hosts.is_empty() {
        return refused("it has no host".to_owned());
    }
    if sha256(plan.bytes) != plan.hash {
        return refused("its hash is not that of its bytes".to_owned());
    }
    let names: BTreeSet<&HostName> = plan.hosts.iter().map(|host| &host.host).collect();
    if names.len() < plan.hosts.len() {
        return refused("it has a host twice".to_owned());
    }
    Ok(())
}

async fn insert_hosts(tx: &mut Tx, id: &PlanId, hosts: &[PlanHost]) -> Result<(), StoreError> {
    let declared = declared_hosts(tx, hosts.iter().map(|host| &host.host)).await?;
    let mut rows = Vec::with_capacity(hosts.len());
    for host in hosts {
        let found = declared.get(&host.host).filter(|found| found.client == host.client);
        let found = found.ok_or_else(|| StoreError::UnknownHost { host: host.host.clone() })?;
        let (client_id, host_id) = (found.client_id.into(), found.host_id.into());
        rows.push([id.as_str().into(), client_id, host_id, i64::from(host.changes).into()]);
    }
    tx.execute_rows("INSERT INTO plan_host (plan_id, client_id, host_id, changes) VALUES", "", rows).await
}

/// Reads a plan without its hosts, and how many it has.
fn read_plan(row: &Row) -> Result<(PlanRecord, i64), sqlx::Error> {
    let plan = PlanRecord {
        id: read_id(row, 0)?,
        hash: read_bytes(row, 1)?,
        deploy: row.get(2)?,
        author: row.get(3)?,
        via: row.parse(4, Via::read)?,
        commit: row.get(5)?,
        is_dirty: row.get::<i64>(6)? != 0,
        made_at: row.time(7)?,
        hosts: Vec::new(),
        is_whole: false,
    };
    Ok((plan, row.get(8)?))
}

/// Reads a plan's id.
pub(crate) fn read_id(row: &Row, column: usize) -> Result<PlanId, sqlx::Error> {
    row.parse(column, |text| PlanId::parse(text).ok_or_else(|| format!("`{text}` is no plan's id")))
}

/// Adds the hosts that are in the scope, by name.
async fn add_hosts(
    tx: &mut Tx,
    scope: &ClientScope,
    plans: &mut [(PlanRecord, i64)],
) -> Result<(), StoreError> {
    let head = "SELECT ph.plan_id, c.name, h.name, ph.changes FROM plan_host ph \
                JOIN client c ON c.id = ph.client_id JOIN host h ON h.id = ph.host_id WHERE 1 = 1";
    let mut query = ScopedQuery::new(tx, head, "ph.client_id", scope)?;
    let ids: Vec<String> = plans.iter().map(|(plan, _)| plan.id.to_string()).collect();
    query.push(" AND ph.plan_id IN").push_list("plans", ids.iter().map(|id| id.as_str().into()))?;
    query.push(" ORDER BY h.name");
    let read = |row: &Row| {
        let changes: i64 = row.get(3)?;
        let host = PlanHost {
            client: row.parse(1, ClientName::new)?,
            host: row.parse(2, HostName::new)?,
            changes: u32::try_from(changes).map_err(|error| sqlx::Error::Decode(error.into()))?,
        };
        Ok((read_id(row, 0)?, host))
    };
    let mut hosts: BTreeMap<PlanId, Vec<PlanHost>> = BTreeMap::new();
    for (id, host) in query.fetch(tx, read).await? {
        hosts.entry(id).or_default().push(host);
    }
    for (plan, count) in plans {
        plan.hosts = hosts.remove(&plan.id).unwrap_or_default();
        plan.is_whole = i64::try_from(plan.hosts.len()) == Ok(*count);
    }
    Ok(())
}

async fn read_body(tx: &mut Tx, plan: &PlanRecord) -> Result<PlanBody, StoreError> {
    let sql = "SELECT co.bytes, p.facts, p.selector FROM plan p JOIN plan_content co ON co.hash = p.hash \
               WHERE p.id = $1";
    let read = |row: &Row| Ok(PlanBody { bytes: row.get(0)?, facts: row.get(1)?, selector: row.get(2)? });
    let body = tx.fetch(sql, vec![plan.id.as_str().into()], read).await?.pop();
    let body = body.ok_or_else(|| tx.damaged(format!("{} has no content", plan.id)))?;
    if sha256(&body.bytes) != plan.hash {
        return Err(tx.damaged(format!("the bytes of {} are not those of its hash", plan.id)));
    }
    Ok(body)
}
