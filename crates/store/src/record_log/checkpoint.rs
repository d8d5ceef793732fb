//! Checkpoints: what was signed of the record, and where it was brought to. What a note says and who signed it is
//! the caller's to check; here they are kept, and only ever added to.

use jiff::Timestamp;
use model::merkle::{Frontier, TreeHash};

use crate::db::Store;
use crate::digest::read_bytes;
use crate::error::StoreError;
use crate::sql::Row;

const READ: &str = "read the checkpoints of the audit record";
const WRITE: &str = "write a checkpoint of the audit record";

/// A signed statement of what the record was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// How many records it speaks of.
    pub size: u64,
    /// The root of the tree over them.
    pub root: TreeHash,
    /// When it was signed, as it is kept.
    pub at: Timestamp,
    /// The signed note.
    pub note: String,
    /// The tree, to go on from; `None` where what is kept is no tree of this size.
    pub tree: Option<Frontier>,
}

/// What became of bringing checkpoints to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorRecord {
    /// The place: `git`, `push:origin`, `notify:team`, `file:PATH`.
    pub place: String,
    /// The last one that arrived: how many records it speaks of, and when.
    pub arrived: Option<(u64, Timestamp)>,
    /// When it was last tried.
    pub tried_at: Timestamp,
    /// Why that failed.
    pub problem: Option<String>,
}

impl Store {
    /// Returns what the record is called in its checkpoints; `None` = nobody has named it yet.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn record_origin(&self) -> Result<Option<String>, StoreError> {
        let mut tx = self.read(READ).await?;
        let found = tx.fetch("SELECT origin FROM audit_origin", vec![], |row| row.get(0)).await?;
        Ok(found.into_iter().next())
    }

    /// Names the record, unless it has a name, and returns the name that it has then.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Busy`].
    pub async fn name_record(&self, origin: &str) -> Result<String, StoreError> {
        let mut tx = self.write(WRITE).await?;
        let found: Vec<String> =
            tx.fetch("SELECT origin FROM audit_origin", vec![], |row| row.get(0)).await?;
        if let Some(known) = found.into_iter().next() {
            return Ok(known);
        }
        let sql = "INSERT INTO audit_origin (id, origin) VALUES (1, $1)";
        tx.execute(sql, vec![origin.into()]).await?;
        tx.commit().await?;
        Ok(origin.to_owned())
    }

    /// Returns every checkpoint, the smallest first.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Damaged`].
    pub async fn checkpoints(&self) -> Result<Vec<CheckpointRecord>, StoreError> {
        let mut tx = self.read(READ).await?;
        let sql = "SELECT size, root, at, note, frontier FROM audit_checkpoint ORDER BY size";
        tx.fetch(sql, vec![], read_checkpoint).await
    }

    /// Returns the largest checkpoint.
    ///
    /// # Errors
    /// As [`Store::checkpoints`].
    pub async fn last_checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        let mut tx = self.read(READ).await?;
        let sql = "SELECT size, root, at, note, frontier FROM audit_checkpoint ORDER BY size DESC LIMIT 1";
        Ok(tx.fetch(sql, vec![], read_checkpoint).await?.into_iter().next())
    }

    /// Keeps a checkpoint. Returns whether it did: where there is one of as many records or more, somebody else was
    /// faster, and that is as good.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where it speaks of more records than there are; [`StoreError::Database`],
    /// [`StoreError::Busy`].
    pub async fn save_checkpoint(
        &self,
        tree: &Frontier,
        note: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write(WRITE).await?;
        let found = tx.next_id("SELECT max(number) FROM audit_record").await? - 1;
        let size = i64::try_from(tree.size()).unwrap_or(i64::MAX);
        if size > found {
            let why = format!("there are {found} records, not {size}");
            return Err(StoreError::Refused { what: WRITE, why });
        }
        let known = tx.next_id("SELECT max(size) FROM audit_checkpoint").await? - 1;
        if size <= known {
            return Ok(false);
        }
        let sql = "INSERT INTO audit_checkpoint (size, root, at, note, frontier) VALUES ($1, $2, $3, $4, $5)";
        let values = vec![
            size.into(),
            tree.root().to_vec().into(),
            at.into(),
            note.into(),
            tree.roots().concat().into(),
        ];
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes down what became of bringing a checkpoint of so many records to a place.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Busy`].
    pub async fn note_anchor(
        &self,
        place: &str,
        size: u64,
        at: Timestamp,
        problem: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut tx = self.write("write down an anchor of the audit record").await?;
        let arrived = problem.is_none();
        let size = arrived.then(|| i64::try_from(size).unwrap_or(i64::MAX));
        let anchored_at = arrived.then(|| at.as_microsecond());
        let sql = "INSERT INTO audit_anchor (place, size, anchored_at, tried_at, problem) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (place) DO UPDATE SET \
                   size = coalesce(excluded.size, audit_anchor.size), \
                   anchored_at = coalesce(excluded.anchored_at, audit_anchor.anchored_at), \
                   tried_at = excluded.tried_at, problem = excluded.problem";
        let values = vec![place.into(), size.into(), anchored_at.into(), at.into(), problem.into()];
        tx.execute(sql, values).await?;
        tx.commit().await
    }

    /// Returns what became of the last attempt at each place, by place.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn anchors(&self) -> Result<Vec<AnchorRecord>, StoreError> {
        let mut tx = self.read(READ).await?;
        let sql = "SELECT place, size, anchored_at, tried_at, problem FROM audit_anchor ORDER BY place";
        let read = |row: &Row| {
            let (size, at) = (row.get::<Option<i64>>(1)?, row.time_or_null(2)?);
            Ok(AnchorRecord {
                place: row.get(0)?,
                arrived: size.zip(at).map(|(size, at)| (size.unsigned_abs(), at)),
                tried_at: row.time(3)?,
                problem: row.get(4)?,
            })
        };
        tx.fetch(sql, vec![], read).await
    }
}

fn read_checkpoint(row: &Row) -> Result<CheckpointRecord, sqlx::Error> {
    let size = row.get::<i64>(0)?.unsigned_abs();
    let frontier: Vec<u8> = row.get(4)?;
    let (roots, rest) = frontier.as_chunks::<32>();
    let tree = Frontier::from_parts(size, roots.to_vec()).filter(|_| rest.is_empty());
    Ok(CheckpointRecord { size, root: read_bytes(row, 1)?, at: row.time(2)?, note: row.get(3)?, tree })
}
