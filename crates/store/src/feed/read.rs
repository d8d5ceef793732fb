//! Reading what feeds say, now or as of a time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use model::{
    Advisory, AdvisoryKey, Ecosystem, ExploitedVulnerability, FeedName, PackageName, Release, ReleaseScope,
    Repository, Severity, VulnerabilityId,
};

use super::wire::read_body;
use crate::db::Store;
use crate::error::StoreError;
use crate::hosts::read_ecosystem;
use crate::moment::Moment;
use crate::problem_text::read_problems;
use crate::record::{CoverageRow, FeedRecord, SyncOutcome, SyncRecord};
use crate::sql::{Row, Tx};

const READ_ADVISORIES: &str = "read the advisories";
const READ_EXPLOITED: &str = "read the exploited vulnerabilities";

/// The columns that [`read_advisory`] reads.
const ADVISORIES: &str =
    "SELECT id, feed, key, primary_id, summary, severity, published, body FROM advisory WHERE";

/// The columns that [`read_exploited`] reads.
const EXPLOITED: &str = "SELECT cve, primary_id, name, added, due, is_ransomware FROM exploited WHERE";

impl Store {
    /// Returns every advisory that counts, now or at a time by what was known then, and is known by one of
    /// these ids, in whatever case, sorted by feed, then key.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn advisories_about(
        &self,
        ids: &[VulnerabilityId],
        known_at: Option<Timestamp>,
    ) -> Result<Vec<Advisory>, StoreError> {
        let mut tx = self.read(READ_ADVISORIES).await?;
        // In two steps: PostgreSQL cannot tell before a table is analysed how few advisories an id has, and
        // would read all of them to join.
        let aliases = ids.iter().map(|id| [id.as_str().to_ascii_uppercase().into()]).collect();
        let head = "SELECT advisory_id FROM advisory_alias WHERE alias IN (VALUES";
        let known: Vec<i64> = tx.fetch_rows(head, ")", aliases, |row| row.get(0)).await?;
        // An advisory may be known by several of the ids.
        advisories_by_id(&mut tx, known.into_iter().collect(), Moment(known_at)).await
    }

    /// Returns when a feed first brought an advisory that is known by one of these ids, in whatever case; `None`
    /// where none ever did. What a later revision says of its ids does not count for an earlier one.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn first_known(&self, ids: &[VulnerabilityId]) -> Result<Option<Timestamp>, StoreError> {
        let mut tx = self.read(READ_ADVISORIES).await?;
        let head = "SELECT min(a.known_from) FROM advisory a JOIN advisory_alias l ON l.advisory_id = a.id \
                    WHERE l.alias IN (VALUES";
        let aliases = ids.iter().map(|id| [id.as_str().to_ascii_uppercase().into()]).collect();
        let found = tx.fetch_rows(head, ")", aliases, |row| row.time_or_null(0)).await?;
        Ok(found.into_iter().flatten().min())
    }

    /// Returns every advisory that counts, now or at a time by what was known then, and names one of these
    /// packages, source or binary, sorted by feed, then key. Every advisory with a pattern of one of their
    /// ecosystems is among them: this is what everything that is installed is matched with.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn advisories_naming(
        &self,
        names: &[(Ecosystem, PackageName)],
        known_at: Option<Timestamp>,
    ) -> Result<Vec<Advisory>, StoreError> {
        let mut tx = self.read(READ_ADVISORIES).await?;
        let names: BTreeSet<(&str, &str)> =
            names.iter().map(|(ecosystem, name)| (ecosystem.as_str(), name.as_str())).collect();
        let ecosystems: BTreeSet<&str> = names.iter().map(|(ecosystem, _)| *ecosystem).collect();
        // Joins and not `(..) IN (VALUES ..)`, for which SQLite would read the whole table.
        let head = "SELECT DISTINCT p.advisory_id FROM (VALUES";
        let tail = ") AS v CROSS JOIN advisory_package p \
                    WHERE p.ecosystem = v.column1 AND p.name = v.column2 AND p.is_glob = 0";
        let names = names.into_iter().map(|(ecosystem, name)| [ecosystem.into(), name.into()]).collect();
        let mut known: BTreeSet<i64> =
            tx.fetch_rows(head, tail, names, |row| row.get(0)).await?.into_iter().collect();
        let tail = ") AS v CROSS JOIN advisory_package p WHERE p.ecosystem = v.column1 AND p.is_glob = 1";
        let ecosystems = ecosystems.into_iter().map(|ecosystem| [ecosystem.into()]).collect();
        known.extend(tx.fetch_rows(head, tail, ecosystems, |row| row.get::<i64>(0)).await?);
        advisories_by_id(&mut tx, known, Moment(known_at)).await
    }

    /// Returns every advisory that now counts, or those that speak of an ecosystem, sorted by feed,
    /// then key. These may be hundreds of thousands.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn all_advisories(&self, ecosystem: Option<Ecosystem>) -> Result<Vec<Advisory>, StoreError> {
        let mut tx = self.read(READ_ADVISORIES).await?;
        let (sql, values) = match ecosystem {
            None => (format!("{ADVISORIES} known_to IS NULL"), vec![]),
            Some(ecosystem) => {
                let about = "AND id IN (SELECT advisory_id FROM advisory_package WHERE ecosystem = $1)";
                (format!("{ADVISORIES} known_to IS NULL {about}"), vec![ecosystem.as_str().into()])
            }
        };
        let found = tx.fetch_text(sql, values, read_advisory).await?;
        let mut advisories: Vec<Advisory> = found.into_iter().map(|(_, advisory)| advisory).collect();
        sort(&mut advisories);
        Ok(advisories)
    }

    /// Returns those of the vulnerabilities that are known to be exploited, now or at a time by what was
    /// known then, sorted by id.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn exploited(
        &self,
        ids: &[VulnerabilityId],
        known_at: Option<Timestamp>,
    ) -> Result<Vec<ExploitedVulnerability>, StoreError> {
        let mut tx = self.read(READ_EXPLOITED).await?;
        let head = format!("{EXPLOITED} {} AND cve IN (VALUES", Moment(known_at).known());
        let cves = ids.iter().map(|id| [id.as_str().to_ascii_uppercase().into()]).collect();
        let found = tx.fetch_rows(&head, ")", cves, read_exploited).await?;
        Ok(found.into_iter().collect::<BTreeMap<_, _>>().into_values().collect())
    }

    /// Returns every vulnerability that is known to be exploited, now or at a time by what was known then,
    /// sorted by id.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn all_exploited(
        &self,
        known_at: Option<Timestamp>,
    ) -> Result<Vec<ExploitedVulnerability>, StoreError> {
        let mut tx = self.read(READ_EXPLOITED).await?;
        let sql = format!("{EXPLOITED} {}", Moment(known_at).known());
        let found = tx.fetch_text(sql, vec![], read_exploited).await?;
        Ok(found.into_iter().collect::<BTreeMap<_, _>>().into_values().collect())
    }

    /// Returns what each feed speaks of, now or at a time by what was known then, sorted. Databases of before
    /// schema 4 had no history of it: there, what a feed spoke of at the upgrade counts from its first
    /// snapshot on.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn coverage(
        &self,
        known_at: Option<Timestamp>,
    ) -> Result<Vec<(FeedName, CoverageRow)>, StoreError> {
        let mut tx = self.read("read what the feeds speak of").await?;
        let read = |row: &Row| Ok((FeedName::new(row.get::<String>(0)?), read_coverage(row, 1)?));
        let sql = format!(
            "SELECT feed, ecosystem, release, repository FROM coverage WHERE {}",
            Moment(known_at).known()
        );
        let mut coverage = tx.fetch_text(sql, vec![], read).await?;
        coverage.sort();
        Ok(coverage)
    }

    /// Returns every feed that was ever synced or tried, sorted by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn feeds(&self) -> Result<Vec<FeedRecord>, StoreError> {
        let mut tx = self.read("read the feeds").await?;
        let sql = "SELECT feed, synced_at, origin, outcome, advisory_count, exploited_count, problems \
                   FROM feed_snapshot WHERE id IN (SELECT max(id) FROM feed_snapshot GROUP BY feed) \
                   OR id IN (SELECT max(id) FROM feed_snapshot WHERE outcome = 'recorded' GROUP BY feed) ORDER BY id";
        let read = |row: &Row| {
            let counts: (i64, i64) = (row.get(4)?, row.get(5)?);
            let outcome = row.parse(3, |word| {
                SyncOutcome::parse(word).ok_or_else(|| format!("sync outcome `{word}` is not known"))
            })?;
            let problems = row.parse(6, read_problems)?;
            let sync = SyncRecord { at: row.time(1)?, origin: row.get(2)?, outcome, problems };
            Ok((FeedName::new(row.get::<String>(0)?), sync, counts))
        };
        let mut feeds: BTreeMap<FeedName, FeedRecord> = BTreeMap::new();
        for (feed, sync, (advisories, exploited)) in tx.fetch(sql, vec![], read).await? {
            let record = feeds.entry(feed.clone()).or_insert_with(|| FeedRecord {
                feed,
                synced_at: None,
                advisory_count: 0,
                exploited_count: 0,
                last_sync: sync.clone(),
            });
            if sync.outcome == SyncOutcome::Recorded {
                record.synced_at = Some(sync.at);
                record.advisory_count = advisories.unsigned_abs();
                record.exploited_count = exploited.unsigned_abs();
            }
            record.last_sync = sync;
        }
        Ok(feeds.into_values().collect())
    }
}

/// Reads those of the advisories that counted at a moment, sorted.
async fn advisories_by_id(
    tx: &mut Tx,
    ids: BTreeSet<i64>,
    moment: Moment,
) -> Result<Vec<Advisory>, StoreError> {
    let head = format!("{ADVISORIES} {} AND id IN (VALUES", moment.known());
    let ids = ids.into_iter().map(|id| [id.into()]).collect();
    let found = tx.fetch_rows(&head, ")", ids, read_advisory).await?;
    let found: BTreeMap<i64, Advisory> = found.into_iter().collect();
    let mut advisories: Vec<Advisory> = found.into_values().collect();
    sort(&mut advisories);
    Ok(advisories)
}

/// Reads ecosystem, release and repository.
pub(super) fn read_coverage(row: &Row, column: usize) -> Result<CoverageRow, sqlx::Error> {
    let release: Option<String> = row.get(column + 1)?;
    let repository: Option<String> = row.get(column + 2)?;
    Ok(CoverageRow {
        ecosystem: read_ecosystem(row.get(column)?)?,
        release: release.map_or(ReleaseScope::Any, |release| ReleaseScope::Only(Release::new(release))),
        repository: repository.map(Repository::new),
    })
}

fn sort(advisories: &mut [Advisory]) {
    advisories.sort_by(|a, b| (&a.feed, &a.key).cmp(&(&b.feed, &b.key)));
}

fn read_advisory(row: &Row) -> Result<(i64, Advisory), sqlx::Error> {
    let (aliases, affected) = row.parse(7, read_body)?;
    let severity = row.get::<Option<&str>>(5)?;
    let unknown = |word: &str| sqlx::Error::Decode(format!("severity `{word}` is not known").into());
    let read_severity = |word: &str| Severity::parse(word).ok_or_else(|| unknown(word));
    let advisory = Advisory {
        feed: FeedName::new(row.get::<String>(1)?),
        key: AdvisoryKey::new(row.get::<String>(2)?),
        id: VulnerabilityId::new(row.get::<String>(3)?),
        aliases,
        summary: row.get(4)?,
        severity: severity.map(read_severity).transpose()?,
        published: read_day(row, 6)?,
        affected,
    };
    Ok((row.get(0)?, advisory))
}

/// Reads an entry with its CVE in upper case.
fn read_exploited(row: &Row) -> Result<(String, ExploitedVulnerability), sqlx::Error> {
    let entry = ExploitedVulnerability {
        id: VulnerabilityId::new(row.get::<String>(1)?),
        name: row.get(2)?,
        added: row.parse(3, str::parse::<Date>)?,
        due: read_day(row, 4)?,
        is_ransomware: row.get::<i64>(5)? != 0,
    };
    Ok((row.get(0)?, entry))
}

fn read_day(row: &Row, column: usize) -> Result<Option<Date>, sqlx::Error> {
    let Some(text) = row.get::<Option<&str>>(column)? else { return Ok(None) };
    text.parse().map(Some).map_err(|error: jiff::Error| sqlx::Error::Decode(Box::new(error)))
}
