//! What is known of each feed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use model::FeedName;
use store::FeedRecord;

use crate::error::Error;
use crate::session::Session;

/// A feed and how much it holds.
#[derive(Debug, Clone)]
pub struct FeedStatus {
    /// When it was synced, its advisories and exploited vulnerabilities, its problems.
    pub record: FeedRecord,
    /// How many exploit scores it has.
    pub scores: u64,
    /// The day of the scores.
    pub scored_on: Option<Date>,
    /// How many items of news were ever seen.
    pub news: u64,
    /// When the oldest of the documents in use was fetched from its vendor or last called unchanged;
    /// `None` = none is in use.
    pub oldest_document_at: Option<Timestamp>,
    /// How long ago that was.
    pub age: Option<SignedDuration>,
}

pub(super) async fn list(session: &Session) -> Result<Vec<FeedStatus>, Error> {
    let (scores, scored_on) = session.store.score_count().await?;
    let news = session.store.news_count().await?;
    let mut oldest: BTreeMap<FeedName, Timestamp> = BTreeMap::new();
    for document in session.store.feed_documents().await? {
        let at = oldest.entry(document.feed).or_insert(document.fetched_at);
        *at = document.fetched_at.min(*at);
    }
    let now = session.clock.now();
    let status = |record: FeedRecord| {
        let is = |name: &str| record.feed.as_str() == name;
        let (is_scores, is_news) = (is(advisory::feed::EPSS), is(advisory::feed::NEWS));
        FeedStatus {
            oldest_document_at: oldest.get(&record.feed).copied(),
            age: oldest.get(&record.feed).map(|at| now.duration_since(*at)),
            record,
            scores: if is_scores { scores } else { 0 },
            scored_on: scored_on.filter(|_| is_scores),
            news: if is_news { news } else { 0 },
        }
    };
    Ok(session.store.feeds().await?.into_iter().map(status).collect())
}
