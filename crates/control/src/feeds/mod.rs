//! `ifrit feeds`: brings advisories, scores and news into the database.

mod bundle;
mod list;
mod sync;
mod wanted;

use std::path::Path;

use advisory::{DirectoryTransport, FeedSource, FeedTransport, HttpLimits, HttpsTransport, Wanted};
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::{FeedName, Problem};
use store::NewsRecord;

use crate::error::Error;
use crate::session::Session;

pub use bundle::{Exported, Imported, OnOlder, export, import, make_key};
pub use list::FeedStatus;

/// How many days back news is listed where nobody says.
pub const NEWS_DAYS: i64 = 30;

/// What a sync did with one feed.
#[derive(Debug, Clone)]
pub struct SyncedFeed {
    /// The feed.
    pub feed: FeedName,
    /// What became of it.
    pub outcome: SyncOutcome,
    /// What is wrong with it; entries at fault were left out, the others count.
    pub problems: Vec<Problem>,
}

/// What became of a feed.
#[derive(Debug, Clone)]
pub enum SyncOutcome {
    /// It is in use now.
    Taken {
        /// How many entries it has.
        entries: usize,
        /// Entries that were not there before.
        added: usize,
        /// Entries that say something else than before.
        changed: usize,
        /// Entries that are gone.
        removed: usize,
    },
    /// Its servers say that what is in use is the newest.
    Unchanged,
    /// It is unusable or suspicious; the last good snapshot stays in use.
    Refused {
        /// Why.
        why: String,
    },
}

/// Whether a feed that lost more than half of its entries is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShrunken {
    /// The last good one stays in use.
    Refuse,
    /// A person has looked at it and says that it is right.
    Accept,
}

/// Reads every feed below a directory and puts each that is usable into use.
///
/// # Errors
/// [`Error::Feeds`] where the directory cannot be read, [`Error::NoFeed`] where it holds no feed,
/// [`Error::Store`] where a snapshot cannot be kept. A bad feed is a row of the result, not an error.
pub async fn sync_from(
    session: &Session,
    directory: &Path,
    on_shrunken: OnShrunken,
) -> Result<Vec<SyncedFeed>, Error> {
    let transport = DirectoryTransport { directory: directory.to_owned() };
    let deliveries = transport.deliver(&[]).await?;
    if deliveries.iter().all(|delivery| delivery.documents.is_empty()) {
        let problems = deliveries.into_iter().flat_map(|delivery| delivery.problems).collect();
        return Err(Error::NoFeed { directory: directory.to_owned(), problems });
    }
    let origin = directory.display().to_string();
    let mut synced = Vec::new();
    for delivery in deliveries {
        synced.push(sync::take(session, delivery, &origin, on_shrunken).await?);
    }
    Ok(synced)
}

/// Fetches every feed that the settings enable and puts each that is new and usable into use.
///
/// # Errors
/// [`Error::Feeds`] where HTTPS cannot be set up, [`Error::FeedSetting`] where a setting names no feed,
/// [`Error::Store`] where a snapshot cannot be kept. A bad feed is a row of the result, not an error.
pub async fn sync_all(session: &Session, on_shrunken: OnShrunken) -> Result<Vec<SyncedFeed>, Error> {
    let wanted = wanted::wanted(session).await?;
    let limits = HttpLimits { timeout: session.workspace.settings.feeds_timeout(), ..HttpLimits::default() };
    let transport = HttpsTransport::new(limits)?;
    let mut synced = Vec::new();
    // Feed by feed, so that what one brought is kept whatever comes after.
    for of_one_feed in wanted.chunk_by(|a, b| a.feed == b.feed) {
        for delivery in transport.deliver(of_one_feed).await? {
            synced.push(sync::take(session, delivery, &origin(of_one_feed), on_shrunken).await?);
        }
    }
    Ok(synced)
}

/// Returns what is known of each feed: age, counts, problems.
///
/// # Errors
/// [`Error::Store`] where the database cannot be read.
pub async fn list(session: &Session) -> Result<Vec<FeedStatus>, Error> {
    list::list(session).await
}

/// Returns the news since the start of a day (UTC), or of the last [`NEWS_DAYS`], the newest first.
///
/// # Errors
/// [`Error::Store`] where the database cannot be read.
pub async fn news(session: &Session, since: Option<Date>) -> Result<Vec<NewsRecord>, Error> {
    let start = since.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|start| start.timestamp());
    let start = start.unwrap_or_else(|| session.clock.now() - SignedDuration::from_hours(24 * NEWS_DAYS));
    Ok(session.store.news_since(start).await?)
}

/// Reads the documents of every feed below a directory.
pub(crate) fn read_sources(directory: &Path) -> Result<Vec<FeedSource>, Error> {
    let sources = advisory::read_directory(directory)?;
    if sources.iter().all(|source| source.documents.is_empty()) {
        let problems = sources.into_iter().flat_map(|source| source.problems).collect();
        return Err(Error::NoFeed { directory: directory.to_owned(), problems });
    }
    Ok(sources)
}

/// Names where documents come from: the URL of one, the servers of several.
fn origin(wanted: &[Wanted]) -> String {
    let server = |url: &str| url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let mut servers: Vec<_> = wanted.iter().map(|it| server(&it.url)).collect();
    servers.sort();
    servers.dedup();
    match wanted {
        [only] => only.url.clone(),
        several => format!("{} ({} documents)", servers.join(", "), several.len()),
    }
}
