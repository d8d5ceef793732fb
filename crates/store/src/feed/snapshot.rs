//! Recording the content of a feed: a revision for each entry that says something new.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use model::{Advisory, Code, ExploitedVulnerability, FeedName, PackagePattern, Place, Problem, ReleaseScope};
use sha2::{Digest, Sha256};

use super::ENTRY_PART_BYTES_MAX;
use super::read::read_coverage;
use super::wire::write_body;
use crate::db::Store;
use crate::error::StoreError;
use crate::package_set::{ContentHash, hash_part};
use crate::problem_text::write_problems;
use crate::record::{CoverageRow, EntryChanges, NewSnapshot, SnapshotOutcome, SnapshotReport, SyncOutcome};
use crate::sql::{Row, Tx, Value};

/// The share of its entries that a feed must keep, in percent, to be taken without question. A
/// broken download or a parser's fault loses most of them; no feed withdraws half of what it said.
pub(super) const KEPT_PERCENT_MIN: usize = 50;

/// Advisories whose rows are put together before they are written.
const ADVISORIES_PER_STEP: usize = 4096;

impl Store {
    /// Records the whole present content of a feed, in one transaction. An entry that says the same
    /// as before is left alone, one that says something else is a new revision, one that is gone is
    /// closed; so what a feed said on a day stays known.
    ///
    /// A snapshot that lost more than half of the entries is refused, which is an outcome and not an
    /// error: the content before it still counts.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn record_snapshot(
        &self,
        snapshot: &NewSnapshot<'_>,
        now: Timestamp,
    ) -> Result<SnapshotReport, StoreError> {
        let offered = Offered::new(snapshot);
        let mut tx = self.write("record a feed").await?;
        let advisories = current_advisories(&mut tx, snapshot.feed).await?;
        let exploited = current_exploited(&mut tx, snapshot.feed).await?;
        let current = advisories.len() + exploited.len();
        let count = offered.advisories.len() + offered.exploited.len();
        let mut report = SnapshotReport {
            outcome: SnapshotOutcome::Recorded,
            advisories: EntryChanges::default(),
            exploited: EntryChanges::default(),
            problems: offered.problems.clone(),
        };
        if !snapshot.accept_shrunken && count * 100 < current * KEPT_PERCENT_MIN {
            report.outcome = SnapshotOutcome::Shrunken { current, offered: count };
            report.problems.push(shrunken(snapshot.feed, current, count));
        } else {
            report.advisories = write_advisories(&mut tx, &offered.advisories, &advisories, now).await?;
            report.exploited =
                write_exploited(&mut tx, snapshot.feed, &offered.exploited, &exploited, now).await?;
            write_coverage(&mut tx, snapshot.feed, snapshot.coverage, now).await?;
        }
        let outcome = match report.outcome {
            SnapshotOutcome::Recorded => SyncOutcome::Recorded,
            SnapshotOutcome::Shrunken { .. } => SyncOutcome::Shrunken,
        };
        let problems: Vec<Problem> = snapshot.problems.iter().chain(&report.problems).cloned().collect();
        let counts = (offered.advisories.len(), offered.exploited.len());
        write_sync(&mut tx, snapshot.feed, snapshot.origin, outcome, counts, &problems, now).await?;
        tx.commit().await?;
        Ok(report)
    }

    /// Records that a feed could not be fetched or read. What it said before still counts.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_failed_sync(
        &self,
        feed: &FeedName,
        origin: &str,
        problems: &[Problem],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write("record a feed's failure").await?;
        write_sync(&mut tx, feed, origin, SyncOutcome::Failed, (0, 0), problems, now).await?;
        tx.commit().await
    }
}

/// What of a snapshot can be recorded.
struct Offered<'a> {
    advisories: Vec<(&'a Advisory, ContentHash)>,
    /// With the CVE in upper case.
    exploited: Vec<(&'a ExploitedVulnerability, String)>,
    problems: Vec<Problem>,
}

impl<'a> Offered<'a> {
    fn new(snapshot: &NewSnapshot<'a>) -> Self {
        let mut offered = Self { advisories: Vec::new(), exploited: Vec::new(), problems: Vec::new() };
        let mut refuse = |key: &str, why: &str| {
            let place = Place::Feed { feed: snapshot.feed.to_string(), part: shortened(key) };
            offered.problems.push(Problem::new(Code::FeedEntryInvalid, place, why));
        };
        let mut keys: HashSet<&str> = HashSet::new();
        for advisory in snapshot.advisories {
            let key = advisory.key.as_str();
            if advisory.feed != *snapshot.feed {
                refuse(key, &format!("the advisory says that it is of feed `{}`", advisory.feed));
            } else if !parts(advisory).all(|part| part.len() <= ENTRY_PART_BYTES_MAX && !part.contains('\0'))
            {
                refuse(
                    key,
                    &format!(
                        "a key, id, package name or release is longer than {ENTRY_PART_BYTES_MAX} bytes or holds a NUL"
                    ),
                );
            } else if keys.insert(key) {
                offered.advisories.push((advisory, content_hash(advisory)));
            } else {
                refuse(key, "a second advisory has this key; the first one counts");
            }
        }
        let mut cves: HashSet<String> = HashSet::new();
        for entry in snapshot.exploited {
            let cve = entry.id.as_str().to_ascii_uppercase();
            if cve.len() > ENTRY_PART_BYTES_MAX || cve.contains('\0') {
                refuse(&cve, &format!("an id is longer than {ENTRY_PART_BYTES_MAX} bytes or holds a NUL"));
            } else if cves.insert(cve.clone()) {
                offered.exploited.push((entry, cve));
            } else {
                refuse(&cve, "a second entry has this id; the first one counts");
            }
        }
        offered
    }
}

/// Every part of an advisory that is indexed.
fn parts(advisory: &Advisory) -> impl Iterator<Item = &str> {
    let ids = advisory.ids().map(|id| id.as_str());
    let packages = advisory.affected.iter().flat_map(|affected| {
        let release = match &affected.release {
            ReleaseScope::Any => "",
            ReleaseScope::Only(release) => release.as_str(),
        };
        [package_name(&affected.package).0, release]
    });
    std::iter::once(advisory.key.as_str()).chain(ids).chain(packages)
}

/// Returns the name or pattern and whether it is a pattern.
fn package_name(package: &PackagePattern) -> (&str, bool) {
    match package {
        PackagePattern::Exact(name) => (name.as_str(), false),
        PackagePattern::Glob(pattern) => (pattern, true),
    }
}

fn shortened(key: &str) -> String {
    key.chars().take(ENTRY_PART_BYTES_MAX / 4).collect()
}

fn content_hash(advisory: &Advisory) -> ContentHash {
    let mut hasher = Sha256::new();
    hash_part(&mut hasher, advisory.id.as_str());
    hash_part(&mut hasher, &advisory.summary);
    hash_part(&mut hasher, advisory.severity.map_or("", |severity| severity.as_str()));
    hash_part(&mut hasher, &advisory.published.map(|day| day.to_string()).unwrap_or_default());
    hash_part(&mut hasher, &write_body(&advisory.aliases, &advisory.affected));
    hasher.finalize().into()
}

pub(super) fn shrunken(feed: &FeedName, current: usize, offered: usize) -> Problem {
    let place = Place::Feed { feed: feed.to_string(), part: String::new() };
    let message = format!("it has {offered} entries where {current} are known; what is known is kept");
    Problem::new(Code::FeedShrunken, place, message)
        .with_hint("look at the feed; if it really lost so many entries, sync it again and accept that")
}

/// An entry that counts now: its row and a hash over what it says.
type Current = HashMap<String, (i64, Vec<u8>)>;

async fn current_advisories(tx: &mut Tx, feed: &FeedName) -> Result<Current, StoreError> {
    let sql = "SELECT key, id, content_hash FROM advisory WHERE feed = $1 AND known_to IS NULL";
    let read = |row: &Row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
    Ok(tx.fetch(sql, vec![feed.as_str().into()], read).await?.into_iter().collect())
}

async fn current_exploited(tx: &mut Tx, feed: &FeedName) -> Result<Current, StoreError> {
    let sql = "SELECT cve, id, content_hash FROM exploited WHERE feed = $1 AND known_to IS NULL";
    let read = |row: &Row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
    Ok(tx.fetch(sql, vec![feed.as_str().into()], read).await?.into_iter().collect())
}

/// What is to be done about the entries of one kind.
struct Difference<'o, T> {
    changes: EntryChanges,
    /// Rows that no longer count.
    closed: Vec<i64>,
    /// Entries that get a row.
    opened: Vec<&'o T>,
}

fn difference<'o, T>(
    offered: &'o [T],
    current: &Current,
    key_and_hash: impl Fn(&'o T) -> (&'o str, &'o [u8]),
) -> Difference<'o, T> {
    let mut changes = EntryChanges::default();
    let (mut closed, mut opened) = (Vec::new(), Vec::new());
    let mut seen: HashSet<i64> = HashSet::with_capacity(current.len());
    for entry in offered {
        let (key, hash) = key_and_hash(entry);
        match current.get(key) {
            Some((id, same)) if same == hash => {
                seen.insert(*id);
                changes.unchanged += 1;
            }
            Some((id, _)) => {
                seen.insert(*id);
                closed.push(*id);
                opened.push(entry);
                changes.changed += 1;
            }
            None => {
                opened.push(entry);
                changes.added += 1;
            }
        }
    }
    let withdrawn = current.values().map(|(id, _)| *id).filter(|id| !seen.contains(id));
    closed.extend(withdrawn);
    changes.withdrawn = current.len() - seen.len();
    Difference { changes, closed, opened }
}

async fn close(tx: &mut Tx, table: &str, ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
    let now = now.as_microsecond();
    let head = format!(
        "UPDATE {table} SET known_to = CASE WHEN known_from > {now} THEN known_from ELSE {now} END WHERE id IN (VALUES"
    );
    tx.execute_rows(&head, ")", ids.iter().map(|id| [Value::from(*id)]).collect()).await
}

async fn write_advisories(
    tx: &mut Tx,
    offered: &[(&Advisory, ContentHash)],
    current: &Current,
    now: Timestamp,
) -> Result<EntryChanges, StoreError> {
    let difference =
        difference(offered, current, |(advisory, hash)| (advisory.key.as_str(), hash.as_slice()));
    close(tx, "advisory", &difference.closed, now).await?;
    let mut id = tx.next_id("SELECT max(id) FROM advisory").await?;
    for step in difference.opened.chunks(ADVISORIES_PER_STEP) {
        write_advisory_rows(tx, id, step, now).await?;
        id += i64::try_from(step.len()).unwrap_or(i64::MAX);
    }
    Ok(difference.changes)
}

async fn write_advisory_rows(
    tx: &mut Tx,
    first: i64,
    advisories: &[&(&Advisory, ContentHash)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = (first..).zip(advisories).map(|(id, (advisory, hash))| -> [Value<'_>; 10] {
        [
            id.into(),
            advisory.feed.as_str().into(),
            advisory.key.as_str().into(),
            hash.as_slice().into(),
            advisory.id.as_str().into(),
            advisory.summary.as_str().into(),
            advisory.severity.map(|severity| severity.as_str()).into(),
            Value::Text(advisory.published.map(|day| day.to_string().into())),
            write_body(&advisory.aliases, &advisory.affected).into(),
            now.into(),
        ]
    });
    let head = "INSERT INTO advisory (id, feed, key, content_hash, primary_id, summary, severity, published, body, \
                known_from) VALUES";
    tx.execute_rows(head, "", rows.collect()).await?;
    let aliases = (first..).zip(advisories).flat_map(|(id, (advisory, _))| {
        let aliases: BTreeSet<String> = advisory.ids().map(|id| id.as_str().to_ascii_uppercase()).collect();
        aliases.into_iter().map(move |alias| [Value::from(alias), id.into()])
    });
    tx.execute_rows("INSERT INTO advisory_alias (alias, advisory_id) VALUES", "", aliases.collect()).await?;
    let packages = (first..).zip(advisories).flat_map(|(id, (advisory, _))| package_rows(id, advisory));
    let head = "INSERT INTO advisory_package (advisory_id, ecosystem, release, name, is_glob) VALUES";
    tx.execute_rows(head, "", packages.collect()).await
}

fn package_rows(id: i64, advisory: &Advisory) -> impl Iterator<Item = [Value<'_>; 5]> {
    let row = |affected: &'_ model::Affected| {
        let (name, is_glob) = package_name(&affected.package);
        let release = match &affected.release {
            ReleaseScope::Any => None,
            ReleaseScope::Only(release) => Some(release.as_str().to_owned()),
        };
        (affected.ecosystem, release, name.to_owned(), is_glob)
    };
    let rows: BTreeSet<_> = advisory.affected.iter().map(row).collect();
    rows.into_iter().map(move |(ecosystem, release, name, is_glob)| {
        let release = Value::Text(release.map(Into::into));
        [id.into(), ecosystem.as_str().into(), release, name.into(), is_glob.into()]
    })
}

async fn write_exploited(
    tx: &mut Tx,
    feed: &FeedName,
    offered: &[(&ExploitedVulnerability, String)],
    current: &Current,
    now: Timestamp,
) -> Result<EntryChanges, StoreError> {
    let hashed: Vec<_> = offered.iter().map(|(entry, cve)| (*entry, cve, exploited_hash(entry))).collect();
    let difference = difference(&hashed, current, |(_, cve, hash)| (cve.as_str(), hash.as_slice()));
    close(tx, "exploited", &difference.closed, now).await?;
    let first = tx.next_id("SELECT max(id) FROM exploited").await?;
    let rows = (first..).zip(&difference.opened).map(|(id, (entry, cve, hash))| -> [Value<'_>; 10] {
        [
            id.into(),
            feed.as_str().into(),
            hash.as_slice().into(),
            entry.id.as_str().into(),
            cve.as_str().into(),
            entry.name.as_str().into(),
            entry.added.to_string().into(),
            Value::Text(entry.due.map(|day| day.to_string().into())),
            entry.is_ransomware.into(),
            now.into(),
        ]
    });
    let head = "INSERT INTO exploited (id, feed, content_hash, primary_id, cve, name, added, due, is_ransomware, \
                known_from) VALUES";
    tx.execute_rows(head, "", rows.collect()).await?;
    Ok(difference.changes)
}

fn exploited_hash(entry: &ExploitedVulnerability) -> ContentHash {
    let mut hasher = Sha256::new();
    hash_part(&mut hasher, entry.id.as_str());
    hash_part(&mut hasher, &entry.name);
    hash_part(&mut hasher, &entry.added.to_string());
    hash_part(&mut hasher, &entry.due.map(|day| day.to_string()).unwrap_or_default());
    hash_part(&mut hasher, if entry.is_ransomware { "ransomware" } else { "" });
    hasher.finalize().into()
}

async fn write_coverage(
    tx: &mut Tx,
    feed: &FeedName,
    coverage: &[CoverageRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "SELECT id, ecosystem, release, repository FROM coverage WHERE feed = $1 AND known_to IS NULL";
    let read = |row: &Row| Ok((read_coverage(row, 1)?, row.get::<i64>(0)?));
    let current = tx.fetch(sql, vec![feed.as_str().into()], read).await?;
    let mut offered: BTreeSet<&CoverageRow> = coverage.iter().collect();
    let gone: Vec<i64> =
        current.iter().filter(|(row, _)| !offered.contains(row)).map(|(_, id)| *id).collect();
    for (row, _) in &current {
        offered.remove(row);
    }
    close(tx, "coverage", &gone, now).await?;
    let first = tx.next_id("SELECT max(id) FROM coverage").await?;
    let rows = (first..).zip(offered).map(|(id, row)| -> [Value<'_>; 6] {
        let release = match &row.release {
            ReleaseScope::Any => None,
            ReleaseScope::Only(release) => Some(release.as_str()),
        };
        let repository = row.repository.as_ref().map(|repository| repository.as_str());
        let ecosystem = row.ecosystem.as_str().into();
        [id.into(), feed.as_str().into(), ecosystem, release.into(), repository.into(), now.into()]
    });
    let head = "INSERT INTO coverage (id, feed, ecosystem, release, repository, known_from) VALUES";
    tx.execute_rows(head, "", rows.collect()).await
}

pub(super) async fn write_sync(
    tx: &mut Tx,
    feed: &FeedName,
    origin: &str,
    outcome: SyncOutcome,
    counts: (usize, usize),
    problems: &[Problem],
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = tx.next_id("SELECT max(id) FROM feed_snapshot").await?;
    let count = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    tx.execute(
        "INSERT INTO feed_snapshot (id, feed, synced_at, origin, outcome, advisory_count, exploited_count, problems) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        vec![
            id.into(),
            feed.as_str().into(),
            now.into(),
            origin.into(),
            outcome.as_str().into(),
            count(counts.0),
            count(counts.1),
            write_problems(problems).into(),
        ],
    )
    .await?;
    Ok(())
}
