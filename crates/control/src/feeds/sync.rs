//! Takes what a transport delivered of one feed.
//!
//! Each document is looked at by itself first, and one that is cut, empty or something else is replaced
//! by the last good one: so one broken mirror does not take a release out of the advisories. Documents are
//! kept only once the content that was read from them counts.

use std::collections::HashMap;

use advisory::{Content, Delivered, Delivery, Document, FeedSnapshot, FeedSource, Validators};
use jiff::Timestamp;
use model::{Code, FeedName, Place, Problem};
use store::{
    CoverageRow, DocumentRecord, EntryChanges, NewDocument, NewNews, NewScores, NewSnapshot, SnapshotOutcome,
};

use super::{OnShrunken, SyncOutcome, SyncedFeed};
use crate::error::Error;
use crate::session::Session;

/// A document to be read and, if all goes well, kept.
struct Kept {
    label: String,
    validators: Validators,
    fetched_at: Timestamp,
    /// Packed, to be kept; `None` = the store has it.
    body: Option<Vec<u8>>,
}

/// The documents of a feed, put together of new and kept ones.
#[derive(Default)]
struct Assembled {
    documents: Vec<Document>,
    kept: Vec<Kept>,
    problems: Vec<Problem>,
    /// How many documents are new.
    news: usize,
    /// How many could not be had or used.
    failures: usize,
}

/// Takes a delivery: parses, records, keeps the documents.
pub(super) async fn take(
    session: &Session,
    delivery: Delivery,
    origin: &str,
    on_shrunken: OnShrunken,
) -> Result<SyncedFeed, Error> {
    let (feed, now) = (delivery.feed.clone(), session.clock.now());
    let Assembled { documents, kept, problems, news, failures } = assemble(session, delivery, now).await?;
    if news == 0 && failures == 0 && !kept.is_empty() {
        session.store.record_unchanged(&feed, origin, now).await?;
        keep(session, &feed, &kept).await?;
        return Ok(SyncedFeed { feed, outcome: SyncOutcome::Unchanged, problems });
    }
    if news == 0 {
        session.store.record_failed_sync(&feed, origin, &problems, now).await?;
        let why = problems.first().map_or("it has no document".to_owned(), |it| it.message.clone());
        return Ok(SyncedFeed { feed, outcome: SyncOutcome::Refused { why }, problems });
    }
    let source = FeedSource { feed: feed.clone(), documents, problems };
    let snapshot = match advisory::sync(&source) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            session.store.record_failed_sync(&feed, origin, &source.problems, now).await?;
            let outcome = SyncOutcome::Refused { why: error.to_string() };
            return Ok(SyncedFeed { feed, outcome, problems: source.problems });
        }
    };
    let recorded = record(session, &snapshot, origin, on_shrunken, now).await?;
    if matches!(recorded.outcome, SyncOutcome::Taken { .. }) {
        keep(session, &feed, &kept).await?;
    }
    let problems = snapshot.problems.into_iter().chain(recorded.problems).collect();
    Ok(SyncedFeed { feed, outcome: recorded.outcome, problems })
}

/// Checks what is new and fills up with the last good documents.
async fn assemble(session: &Session, delivery: Delivery, now: Timestamp) -> Result<Assembled, Error> {
    let Delivery { feed, documents, problems } = delivery;
    let known = session.store.feed_documents().await?.into_iter().filter(|it| it.feed == feed);
    let known: HashMap<String, DocumentRecord> = known.map(|it| (it.label.clone(), it)).collect();
    let mut assembled = Assembled { problems, ..Assembled::default() };
    for Delivered { label, validators, fetched_at, content } in documents {
        let last_good = known.get(&label);
        let failure = match content {
            Content::New(bytes) => match advisory::check_document(&feed, &label, bytes.clone()) {
                Ok(documents) => {
                    assembled.documents.extend(documents);
                    let body = Some(advisory::pack(bytes));
                    let fetched_at = fetched_at.unwrap_or(now);
                    assembled.kept.push(Kept { label, validators, fetched_at, body });
                    assembled.news += 1;
                    continue;
                }
                Err(problem) => Some(problem),
            },
            Content::Unchanged => None,
            Content::Failed(problem) => Some(problem),
        };
        let body = match last_good {
            Some(_) => session.store.feed_document(&feed, &label).await?,
            None => None,
        };
        let kept = body.map(|body| advisory::check_document(&feed, &label, body));
        let is_failure = failure.is_some();
        assembled.failures += usize::from(is_failure);
        match (kept, last_good) {
            (Some(Ok(documents)), Some(record)) => {
                assembled.problems.extend(failure.map(|it| it.with_hint("the last good document is used")));
                assembled.documents.extend(documents);
                let validators =
                    Validators { etag: record.etag.clone(), last_modified: record.last_modified.clone() };
                let fetched_at = if is_failure { record.fetched_at } else { now };
                assembled.kept.push(Kept { label, validators, fetched_at, body: None });
            }
            (Some(Err(problem)), _) => assembled.problems.extend([problem].into_iter().chain(failure)),
            _ => assembled.problems.push(failure.unwrap_or_else(|| missing(&feed, &label))),
        }
    }
    Ok(assembled)
}

/// A server calls unchanged what is not there.
fn missing(feed: &FeedName, label: &str) -> Problem {
    let place = Place::Feed { feed: feed.to_string(), part: label.to_owned() };
    Problem::new(Code::FeedUnreachable, place, "the server calls the document unchanged, and none is kept")
}

async fn keep(session: &Session, feed: &FeedName, kept: &[Kept]) -> Result<(), Error> {
    let documents: Vec<_> = kept.iter().map(new_document).collect();
    Ok(session.store.record_documents(feed, &documents).await?)
}

fn new_document(kept: &Kept) -> NewDocument<'_> {
    NewDocument {
        label: &kept.label,
        etag: kept.validators.etag.as_deref(),
        last_modified: kept.validators.last_modified.as_deref(),
        fetched_at: kept.fetched_at,
        body: kept.body.as_deref(),
    }
}

/// What the store did with a snapshot.
struct Recorded {
    outcome: SyncOutcome,
    problems: Vec<Problem>,
}

async fn record(
    session: &Session,
    snapshot: &FeedSnapshot,
    origin: &str,
    on_shrunken: OnShrunken,
    now: Timestamp,
) -> Result<Recorded, Error> {
    let (feed, problems) = (&snapshot.feed, snapshot.problems.as_slice());
    let accept_shrunken = on_shrunken == OnShrunken::Accept;
    if !snapshot.news.is_empty() {
        let new = NewNews { feed, origin, items: &snapshot.news, problems };
        let changes = session.store.record_news(&new, now).await?;
        return Ok(Recorded { outcome: taken(&[changes]), problems: Vec::new() });
    }
    if !snapshot.scores.is_empty() {
        let (scores, scored_on) = (snapshot.scores.as_slice(), snapshot.scored_on);
        let new = NewScores { feed, origin, scored_on, scores, problems, accept_shrunken };
        let report = session.store.record_scores(&new, now).await?;
        return Ok(Recorded {
            outcome: outcome(report.outcome, &[report.changes]),
            problems: report.problems,
        });
    }
    let coverage: Vec<_> = snapshot.coverage.iter().map(coverage_row).collect();
    let new = NewSnapshot {
        feed,
        origin,
        advisories: &snapshot.advisories,
        exploited: &snapshot.exploited,
        coverage: &coverage,
        problems,
        accept_shrunken,
    };
    let report = session.store.record_snapshot(&new, now).await?;
    let outcome = outcome(report.outcome, &[report.advisories, report.exploited]);
    Ok(Recorded { outcome, problems: report.problems })
}

fn outcome(outcome: SnapshotOutcome, changes: &[EntryChanges]) -> SyncOutcome {
    match outcome {
        SnapshotOutcome::Recorded => taken(changes),
        SnapshotOutcome::Shrunken { current, offered } => SyncOutcome::Refused {
            why: format!("it had {current} entries and now has {offered}, less than half"),
        },
    }
}

fn taken(changes: &[EntryChanges]) -> SyncOutcome {
    let sum = |part: fn(&EntryChanges) -> usize| changes.iter().map(part).sum();
    SyncOutcome::Taken {
        entries: sum(|it| it.added + it.changed + it.unchanged),
        added: sum(|it| it.added),
        changed: sum(|it| it.changed),
        removed: sum(|it| it.withdrawn),
    }
}

fn coverage_row(coverage: &advisory::Coverage) -> CoverageRow {
    CoverageRow {
        ecosystem: coverage.ecosystem,
        release: coverage.release.clone(),
        repository: coverage.repository.clone(),
    }
}
