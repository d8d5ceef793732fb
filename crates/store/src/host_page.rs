//! Hosts in pages: what a table shows of the members of a set, without reading the others.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use model::{ClientName, HostName, OsRelease, Platform};

use crate::clients::clients_in;
use crate::db::Store;
use crate::error::StoreError;
use crate::host_set::HostSet;
use crate::hosts::{platform, read_os};
use crate::moment::Moment;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx};

/// Members of a client up to which they are asked for one by one; of more the client's names are walked.
const FEW_MEMBERS: usize = 2048;

/// Names that are read at a time while walking.
const NAMES_PER_STEP: i64 = 1024;

/// Hosts asked for in one statement.
const HOSTS_PER_QUERY: usize = 4096;

/// A host as a row of a table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLine {
    /// Its number.
    pub id: HostId,
    /// Its client.
    pub client: ClientName,
    /// Its name.
    pub name: HostName,
    /// The host that it is a jail of; `None` = it is declared.
    pub parent: Option<HostName>,
    /// The operating system, where it was read.
    pub os: Option<OsRelease>,
    /// The platform that advisories are matched for; `None` where `os` is unknown or unsupported.
    pub platform: Option<Platform>,
    /// When its packages were last read; `None` = they are not known. For a moment of the past: when it
    /// last answered anything until then, if its packages were known.
    pub packages_at: Option<Timestamp>,
    /// When it last answered anything at all.
    pub answered_at: Option<Timestamp>,
}

/// Where a page begins: behind a client's host.
type After<'a> = Option<&'a (ClientName, HostName)>;

impl Store {
    /// Returns the first hosts of a set that are in the scope, sorted by client, then name, behind the host
    /// where the page before ended. What it tells of them is what is known now, or was so at a time; then
    /// hosts of the set that are no longer declared count too.
    ///
    /// Costs what the page costs: of a large set only the names up to the end of the page are read.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn host_page(
        &self,
        scope: &ClientScope,
        hosts: &HostSet,
        after: Option<&(ClientName, HostName)>,
        limit: usize,
        at: Option<Timestamp>,
    ) -> Result<Vec<HostLine>, StoreError> {
        let mut tx = self.read("read a page of hosts").await?;
        let clients = clients_in(&mut tx, scope).await?;
        let ids: BTreeMap<&ClientName, i64> = clients.iter().map(|(id, name)| (name, *id)).collect();
        let mut page: Vec<i64> = Vec::new();
        // Members of clients that have few of them, to be asked for at once.
        let mut few: Vec<i64> = Vec::new();
        let is_behind = |client: &ClientName| after.is_none_or(|(last, _)| client >= last);
        for client in hosts.clients().filter(|client| is_behind(client)) {
            let Some(id) = ids.get(client) else { continue };
            if page.len() + few.len() >= limit {
                page.extend(named(&mut tx, &clients, &std::mem::take(&mut few), after).await?);
                if page.len() >= limit {
                    break;
                }
            }
            let members: Vec<i64> =
                hosts.of_client(client).take(FEW_MEMBERS + 1).map(|host| host.0).collect();
            if members.len() <= FEW_MEMBERS {
                few.extend(members);
                continue;
            }
            page.extend(named(&mut tx, &clients, &std::mem::take(&mut few), after).await?);
            let begin = after.filter(|(last, _)| last == client).map(|(_, name)| name);
            let room = limit.saturating_sub(page.len());
            page.extend(walked(&mut tx, *id, hosts, begin, room).await?);
        }
        page.extend(named(&mut tx, &clients, &few, after).await?);
        page.truncate(limit);
        lines(&mut tx, scope, &page, Moment(at)).await
    }
}

/// Sorts hosts by client, then name, and leaves out what is not behind the one where a page ended.
async fn named(
    tx: &mut Tx,
    clients: &BTreeMap<i64, ClientName>,
    hosts: &[i64],
    after: After<'_>,
) -> Result<Vec<i64>, StoreError> {
    let tail = ") AS v CROSS JOIN host h WHERE h.id = v.column1";
    let ids = hosts.iter().map(|id| [(*id).into()]).collect();
    let read = |row: &Row| Ok((row.get::<i64>(1)?, row.parse(2, HostName::new)?, row.get::<i64>(0)?));
    let found = tx.fetch_rows("SELECT h.id, h.client_id, h.name FROM (VALUES", tail, ids, read).await?;
    let found = found.into_iter().filter_map(|(client, name, id)| Some((clients.get(&client)?, name, id)));
    let is_behind = |client: &ClientName, name: &HostName| {
        after.is_none_or(|(last_client, last)| (client, name) > (last_client, last))
    };
    let mut found: Vec<_> = found.filter(|(client, name, _)| is_behind(client, name)).collect();
    found.sort_unstable();
    // A long list is asked for in pieces, of which each is filled up with its last one.
    found.dedup();
    Ok(found.into_iter().map(|(_, _, id)| id).collect())
}

/// Walks the names of a client's hosts until so many members are found.
async fn walked(
    tx: &mut Tx,
    client: i64,
    members: &HostSet,
    begin: Option<&HostName>,
    room: usize,
) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT id, name FROM host WHERE client_id = $1 AND name > $2 ORDER BY name LIMIT $3";
    let mut begin = begin.map_or_else(String::new, ToString::to_string);
    let mut found = Vec::new();
    while found.len() < room {
        let values = vec![client.into(), begin.as_str().into(), NAMES_PER_STEP.into()];
        let names = tx.fetch(sql, values, |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?))).await?;
        found.extend(names.iter().map(|(id, _)| *id).filter(|id| members.contains(HostId(*id))));
        let Some((_, last)) = names.into_iter().next_back() else { break };
        begin = last;
    }
    found.truncate(room);
    Ok(found)
}

/// Reads what a page shows, in its order.
async fn lines(
    tx: &mut Tx,
    scope: &ClientScope,
    page: &[i64],
    moment: Moment,
) -> Result<Vec<HostLine>, StoreError> {
    let (packages_at, answered_at) = match moment.0.map(Timestamp::as_microsecond) {
        None => ("st.packages_at".to_owned(), "st.answered_at".to_owned()),
        Some(at) => {
            let answered_at = format!(
                "(SELECT max(co.finished_at) FROM collection co WHERE co.host_id = h.id \
                 AND co.finished_at <= {at} AND co.outcome <> 'failed')"
            );
            let known = format!(
                "EXISTS (SELECT 1 FROM host_package_set p WHERE p.host_id = h.id AND {})",
                moment.holds("p")
            );
            (format!("CASE WHEN {known} THEN {answered_at} END"), answered_at)
        }
    };
    let head = format!(
        "SELECT h.id, c.name, h.name, pa.name, s.os_id, s.os_version, s.codename, s.pretty_name, \
         s.ecosystem, s.release, {packages_at}, {answered_at} \
         FROM host h JOIN client c ON c.id = h.client_id JOIN host_state st ON st.host_id = h.id \
         LEFT JOIN host pa ON pa.id = h.parent_id \
         LEFT JOIN host_system s ON s.host_id = h.id AND {} WHERE 1 = 1",
        moment.holds("s")
    );
    let mut lines: HashMap<i64, HostLine> = HashMap::with_capacity(page.len());
    for ids in page.chunks(HOSTS_PER_QUERY) {
        let mut query = ScopedQuery::new(tx, &head, "h.client_id", scope)?;
        query.push(" AND h.id IN").push_list("hosts", ids.iter().map(|id| (*id).into()))?;
        let found = query.fetch(tx, read_line).await?;
        lines.extend(found.into_iter().map(|line| (line.id.0, line)));
    }
    Ok(page.iter().filter_map(|id| lines.remove(id)).collect())
}

fn read_line(row: &Row) -> Result<HostLine, sqlx::Error> {
    Ok(HostLine {
        id: HostId(row.get(0)?),
        client: row.parse(1, ClientName::new)?,
        name: row.parse(2, HostName::new)?,
        parent: row.get::<Option<&str>>(3)?.map(|_| row.parse(3, HostName::new)).transpose()?,
        os: read_os(row, 4)?,
        platform: platform(row, 8)?,
        packages_at: row.time_or_null(10)?,
        answered_at: row.time_or_null(11)?,
    })
}
