//! `ifrit feeds`: brings advisories into the database.

use std::path::Path;

use advisory::{FeedSnapshot, FeedSource};
use model::{FeedName, Problem};
use store::{CoverageRow, FeedRecord, NewSnapshot, SnapshotOutcome, SnapshotReport};

use crate::error::Error;
use crate::session::Session;

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
    /// It is unusable or suspicious; the last good snapshot stays in use.
    Refused {
        /// Why.
        why: String,
    },
}

/// Reads every feed below a directory and puts each that is usable into use.
///
/// # Errors
/// [`Error::Feeds`] where the directory cannot be read, [`Error::NoFeed`] where it holds no feed,
/// [`Error::Store`] where a snapshot cannot be kept. A bad feed is a row of the result, not an error.
pub async fn sync_from(session: &Session, directory: &Path) -> Result<Vec<SyncedFeed>, Error> {
    let mut synced = Vec::new();
    for source in read_sources(directory)? {
        synced.push(sync_source(session, &source, directory).await?);
    }
    Ok(synced)
}

/// Returns what is known of each feed: age, counts, problems.
///
/// # Errors
/// [`Error::Store`] where the database cannot be read.
pub async fn list(session: &Session) -> Result<Vec<FeedRecord>, Error> {
    Ok(session.store.feeds().await?)
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

async fn sync_source(session: &Session, source: &FeedSource, directory: &Path) -> Result<SyncedFeed, Error> {
    let (feed, origin, now) = (source.feed.clone(), directory.display().to_string(), session.clock.now());
    let snapshot = match advisory::sync(source) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            session.store.record_failed_sync(&feed, &origin, &source.problems, now).await?;
            let outcome = SyncOutcome::Refused { why: error.to_string() };
            return Ok(SyncedFeed { feed, outcome, problems: source.problems.clone() });
        }
    };
    let coverage: Vec<_> = snapshot.coverage.iter().map(coverage_row).collect();
    let new = NewSnapshot {
        feed: &feed,
        origin: &origin,
        advisories: &snapshot.advisories,
        exploited: &snapshot.exploited,
        coverage: &coverage,
        problems: &snapshot.problems,
        accept_shrunken: false,
    };
    let report = session.store.record_snapshot(&new, now).await?;
    let outcome = outcome(&snapshot, &report);
    let problems = snapshot.problems.into_iter().chain(report.problems).collect();
    Ok(SyncedFeed { feed, outcome, problems })
}

fn outcome(snapshot: &FeedSnapshot, report: &SnapshotReport) -> SyncOutcome {
    match report.outcome {
        SnapshotOutcome::Recorded => SyncOutcome::Taken {
            entries: snapshot.advisories.len() + snapshot.exploited.len(),
            added: report.advisories.added + report.exploited.added,
            changed: report.advisories.changed + report.exploited.changed,
            removed: report.advisories.withdrawn + report.exploited.withdrawn,
        },
        SnapshotOutcome::Shrunken { current, offered } => SyncOutcome::Refused {
            why: format!("it had {current} entries and now has {offered}, less than half"),
        },
    }
}

fn coverage_row(coverage: &advisory::Coverage) -> CoverageRow {
    CoverageRow {
        ecosystem: coverage.ecosystem,
        release: coverage.release.clone(),
        repository: coverage.repository.clone(),
    }
}
