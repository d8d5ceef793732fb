//! EPSS: the last forecast for each CVE.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use model::{ExploitScore, FeedName, Problem, Share, VulnerabilityId};

use super::ENTRY_PART_BYTES_MAX;
use super::snapshot::{KEPT_PERCENT_MIN, shrunken, write_sync};
use crate::db::Store;
use crate::error::StoreError;
use crate::record::{EntryChanges, SnapshotOutcome, SyncOutcome};
use crate::sql::{Row, Tx, Value};

const READ_SCORES: &str = "read the exploit scores";

/// One whole forecast, to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewScores<'a> {
    /// The feed.
    pub feed: &'a FeedName,
    /// Where it came from, for people: a URL or a path, without secrets.
    pub origin: &'a str,
    /// The day of the forecast, where the feed says.
    pub scored_on: Option<Date>,
    /// Every score.
    pub scores: &'a [ExploitScore],
    /// What was wrong with single entries.
    pub problems: &'a [Problem],
    /// Whether to take it even if it lost more than half of the scores.
    pub accept_shrunken: bool,
}

/// What became of a forecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoresReport {
    /// Whether it was taken.
    pub outcome: SnapshotOutcome,
    /// What changed; all zero where it was not taken.
    pub changes: EntryChanges,
    /// The refusal; not the problems of the forecast.
    pub problems: Vec<Problem>,
}

impl Store {
    /// Records a forecast in place of the one before, in one transaction. One that lost more than half
    /// of the scores is refused, which is an outcome and not an error.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn record_scores(
        &self,
        new: &NewScores<'_>,
        now: Timestamp,
    ) -> Result<ScoresReport, StoreError> {
        let mut tx = self.write("record exploit scores").await?;
        let current = current_scores(&mut tx).await?;
        let offered: HashMap<String, &ExploitScore> = new
            .scores
            .iter()
            .filter(|score| score.id.as_str().len() <= ENTRY_PART_BYTES_MAX)
            .map(|score| (score.id.as_str().to_ascii_uppercase(), score))
            .collect();
        let mut report = ScoresReport {
            outcome: SnapshotOutcome::Recorded,
            changes: EntryChanges::default(),
            problems: Vec::new(),
        };
        if !new.accept_shrunken && offered.len() * 100 < current.len() * KEPT_PERCENT_MIN {
            report.outcome = SnapshotOutcome::Shrunken { current: current.len(), offered: offered.len() };
            report.problems.push(shrunken(new.feed, current.len(), offered.len()));
        } else {
            report.changes = write_scores(&mut tx, &offered, &current).await?;
            write_set(&mut tx, new.scored_on, offered.len()).await?;
        }
        let outcome = match report.outcome {
            SnapshotOutcome::Recorded => SyncOutcome::Recorded,
            SnapshotOutcome::Shrunken { .. } => SyncOutcome::Shrunken,
        };
        let problems: Vec<Problem> = new.problems.iter().chain(&report.problems).cloned().collect();
        write_sync(&mut tx, new.feed, new.origin, outcome, (0, 0), &problems, now).await?;
        tx.commit().await?;
        Ok(report)
    }

    /// Returns the scores of those of the vulnerabilities that have one, sorted by id.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn scores(&self, ids: &[VulnerabilityId]) -> Result<Vec<ExploitScore>, StoreError> {
        let mut tx = self.read(READ_SCORES).await?;
        let head = "SELECT cve, probability, percentile FROM exploit_score WHERE cve IN (VALUES";
        let cves = ids.iter().map(|id| [id.as_str().to_ascii_uppercase().into()]).collect();
        let mut scores = tx.fetch_rows(head, ")", cves, read_score).await?;
        scores.sort_by(|a, b| a.id.cmp(&b.id));
        scores.dedup();
        Ok(scores)
    }

    /// Returns how many scores there are and the day of their forecast.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn score_count(&self) -> Result<(u64, Option<Date>), StoreError> {
        let mut tx = self.read(READ_SCORES).await?;
        let read = |row: &Row| {
            let day: Option<&str> = row.get(1)?;
            let day = day
                .map(str::parse)
                .transpose()
                .map_err(|error: jiff::Error| sqlx::Error::Decode(error.into()));
            Ok((row.get::<i64>(0)?.unsigned_abs(), day?))
        };
        let sets = tx.fetch("SELECT score_count, scored_on FROM exploit_score_set", vec![], read).await?;
        Ok(sets.into_iter().next().unwrap_or((0, None)))
    }
}

async fn current_scores(tx: &mut Tx) -> Result<HashMap<String, (i64, i64)>, StoreError> {
    let read = |row: &Row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
    let rows = tx.fetch("SELECT cve, probability, percentile FROM exploit_score", vec![], read).await?;
    Ok(rows.into_iter().collect())
}

async fn write_scores(
    tx: &mut Tx,
    offered: &HashMap<String, &ExploitScore>,
    current: &HashMap<String, (i64, i64)>,
) -> Result<EntryChanges, StoreError> {
    let mut changes = EntryChanges::default();
    let mut rows: Vec<[Value<'_>; 3]> = Vec::new();
    for (cve, score) in offered {
        let shares = (i64::from(score.probability.millionths()), i64::from(score.percentile.millionths()));
        match current.get(cve) {
            Some(known) if *known == shares => {
                changes.unchanged += 1;
                continue;
            }
            Some(_) => changes.changed += 1,
            None => changes.added += 1,
        }
        rows.push([cve.as_str().into(), shares.0.into(), shares.1.into()]);
    }
    let head = "INSERT INTO exploit_score (cve, probability, percentile) VALUES";
    let tail = "ON CONFLICT (cve) DO UPDATE SET probability = excluded.probability, percentile = excluded.percentile";
    tx.execute_rows(head, tail, rows).await?;
    let gone: Vec<[Value<'_>; 1]> =
        current.keys().filter(|cve| !offered.contains_key(*cve)).map(|cve| [cve.as_str().into()]).collect();
    changes.withdrawn = gone.len();
    tx.execute_rows("DELETE FROM exploit_score WHERE cve IN (VALUES", ")", gone).await?;
    Ok(changes)
}

async fn write_set(tx: &mut Tx, scored_on: Option<Date>, count: usize) -> Result<(), StoreError> {
    let day = Value::Text(scored_on.map(|day| day.to_string().into()));
    let count = Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    tx.execute(
        "INSERT INTO exploit_score_set (id, scored_on, score_count) VALUES (1, $1, $2) \
         ON CONFLICT (id) DO UPDATE SET scored_on = excluded.scored_on, score_count = excluded.score_count",
        vec![day, count],
    )
    .await?;
    Ok(())
}

fn read_score(row: &Row) -> Result<ExploitScore, sqlx::Error> {
    let share = |column| {
        let millionths: i64 = row.get(column)?;
        let share = u32::try_from(millionths).ok().and_then(Share::from_millionths);
        share.ok_or_else(|| sqlx::Error::Decode(format!("{millionths} is more than a whole").into()))
    };
    Ok(ExploitScore {
        id: VulnerabilityId::new(row.get::<String>(0)?),
        probability: share(1)?,
        percentile: share(2)?,
    })
}
