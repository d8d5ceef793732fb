//! News: what was published, for people. It never counts as an advisory.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use model::{FeedName, NewsItem, Problem, VulnerabilityId};

use super::ENTRY_PART_BYTES_MAX;
use super::snapshot::write_sync;
use crate::db::Store;
use crate::error::StoreError;
use crate::record::{EntryChanges, SyncOutcome};
use crate::sql::{Row, Tx, Value};

const READ_NEWS: &str = "read the news";

/// The news that a feed now shows, to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewNews<'a> {
    /// The feed.
    pub feed: &'a FeedName,
    /// Where it came from, for people: a URL or a path, without secrets.
    pub origin: &'a str,
    /// Every item.
    pub items: &'a [NewsItem],
    /// What was wrong with single items.
    pub problems: &'a [Problem],
}

/// An item of news as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsRecord {
    /// The item.
    pub item: NewsItem,
    /// When it was first recorded.
    pub seen_at: Timestamp,
}

/// An item that is recorded already: its row and what can change of it.
struct Known {
    id: i64,
    title: String,
    link: Option<String>,
    published_at: Option<i64>,
}

impl Store {
    /// Records news, in one transaction: new items are added, changed ones overwritten, and those that a
    /// feed shows no longer are kept (a news feed is a window on the last few).
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn record_news(&self, new: &NewNews<'_>, now: Timestamp) -> Result<EntryChanges, StoreError> {
        let mut tx = self.write("record news").await?;
        let known = known_items(&mut tx).await?;
        let mut id = tx.next_id("SELECT max(id) FROM news_item").await?;
        let mut changes = EntryChanges::default();
        let (mut rows, mut links): (Vec<[Value<'_>; 7]>, Vec<[Value<'_>; 2]>) = (Vec::new(), Vec::new());
        // Of two items with one source and key the last counts.
        let items: BTreeMap<_, _> = new
            .items
            .iter()
            .filter(|it| it.key.len() <= ENTRY_PART_BYTES_MAX)
            .map(|it| ((it.source.as_str(), it.key.as_str()), it))
            .collect();
        for ((source, key), item) in items {
            let row = known.get(&(source.to_owned(), key.to_owned()));
            let published_at = item.published.map(Timestamp::as_microsecond);
            let is_same = row.is_some_and(|row| {
                row.title == item.title && row.link == item.link && row.published_at == published_at
            });
            match row {
                Some(_) if is_same => changes.unchanged += 1,
                Some(_) => changes.changed += 1,
                None => changes.added += 1,
            }
            let its_id = row.map_or(id, |row| row.id);
            id += i64::from(row.is_none());
            links
                .extend(item.ids.iter().map(|cve| [cve.as_str().to_ascii_uppercase().into(), its_id.into()]));
            if !is_same {
                let link = item.link.as_deref().into();
                let (title, published) = (item.title.as_str().into(), Value::Int(published_at));
                rows.push([its_id.into(), source.into(), key.into(), title, link, published, now.into()]);
            }
        }
        let head = "INSERT INTO news_item (id, source, key, title, link, published_at, seen_at) VALUES";
        let tail = "ON CONFLICT (id) DO UPDATE SET title = excluded.title, link = excluded.link, \
                    published_at = excluded.published_at";
        tx.execute_rows(head, tail, rows).await?;
        let head = "INSERT INTO news_item_vulnerability (cve, news_item_id) VALUES";
        tx.execute_rows(head, "ON CONFLICT (cve, news_item_id) DO NOTHING", links).await?;
        write_sync(&mut tx, new.feed, new.origin, SyncOutcome::Recorded, (0, 0), new.problems, now).await?;
        tx.commit().await?;
        Ok(changes)
    }

    /// Returns the news published (or, where a feed does not say when, first seen) at or after a time,
    /// the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn news_since(&self, since: Timestamp) -> Result<Vec<NewsRecord>, StoreError> {
        let mut tx = self.read(READ_NEWS).await?;
        let sql = "SELECT id, source, key, title, link, published_at, seen_at FROM news_item \
                   WHERE coalesce(published_at, seen_at) >= $1 ORDER BY coalesce(published_at, seen_at) DESC, id DESC";
        let found = tx.fetch(sql, vec![since.into()], read_item).await?;
        let sql = "SELECT v.news_item_id, v.cve FROM news_item_vulnerability v JOIN news_item n ON n.id = v.news_item_id \
                   WHERE coalesce(n.published_at, n.seen_at) >= $1 ORDER BY v.cve";
        let read = |row: &Row| Ok((row.get::<i64>(0)?, VulnerabilityId::new(row.get::<String>(1)?)));
        let mut ids: HashMap<i64, Vec<VulnerabilityId>> = HashMap::new();
        for (item, cve) in tx.fetch(sql, vec![since.into()], read).await? {
            ids.entry(item).or_default().push(cve);
        }
        let with_ids = |(id, mut record): (i64, NewsRecord)| {
            record.item.ids = ids.remove(&id).unwrap_or_default();
            record
        };
        Ok(found.into_iter().map(with_ids).collect())
    }

    /// Returns how many items of news are recorded.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn news_count(&self) -> Result<u64, StoreError> {
        let mut tx = self.read(READ_NEWS).await?;
        let counts = tx.fetch("SELECT count(*) FROM news_item", vec![], |row| row.get::<i64>(0)).await?;
        Ok(counts.first().map_or(0, |count| count.unsigned_abs()))
    }
}

async fn known_items(tx: &mut Tx) -> Result<HashMap<(String, String), Known>, StoreError> {
    let read = |row: &Row| {
        let known =
            Known { id: row.get(0)?, title: row.get(3)?, link: row.get(4)?, published_at: row.get(5)? };
        Ok(((row.get(1)?, row.get(2)?), known))
    };
    let sql = "SELECT id, source, key, title, link, published_at FROM news_item";
    Ok(tx.fetch(sql, vec![], read).await?.into_iter().collect())
}

fn read_item(row: &Row) -> Result<(i64, NewsRecord), sqlx::Error> {
    let item = NewsItem {
        source: row.get(1)?,
        key: row.get(2)?,
        title: row.get(3)?,
        link: row.get(4)?,
        published: row.time_or_null(5)?,
        ids: Vec::new(),
    };
    Ok((row.get(0)?, NewsRecord { item, seen_at: row.time(6)? }))
}
