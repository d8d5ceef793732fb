//! Approvals: signatures over a plan's hash. The store keeps them; whoever applies a plan checks them.
//!
//! An approval is of a content: it holds for each saved plan that has the same hash.

use jiff::Timestamp;
use model::PersonName;

use crate::db::Store;
use crate::digest::read_bytes;
use crate::error::StoreError;
use crate::plan_id::PlanId;
use crate::plans::is_whole;
use crate::record::ClientScope;
use crate::record_log::{NewRecord, append_records};
use crate::sql::Row;

/// The longest signature, in bytes: one of the largest keys has a tenth of this.
const SIGNATURE_BYTES_MAX: usize = 64 * 1024;

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 4096;

const APPROVE: &str = "record an approval";

/// A person's approval of what a plan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The plan's hash.
    pub hash: [u8; 32],
    /// Who approves.
    pub person: PersonName,
    /// The signature, as text.
    pub signature: String,
    /// The fingerprint of the key that signed.
    pub fingerprint: String,
    /// The git commit at which the key is declared for the person.
    pub commit: String,
    /// When.
    pub approved_at: Timestamp,
    /// From then on it does not count.
    pub expires_at: Timestamp,
    /// Why nobody else was asked (break-glass); `None` = somebody else was.
    pub reason: Option<String>,
}

impl Store {
    /// Records an approval, with the records that go with it.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] plan of this hash, [`StoreError::Refused`] where the signature or the reason
    /// is too long, [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn add_approval(&self, approval: &Approval, records: &[NewRecord]) -> Result<(), StoreError> {
        let reason = approval.reason.as_deref().unwrap_or_default();
        for (of, text, limit) in
            [("signature", &*approval.signature, SIGNATURE_BYTES_MAX), ("reason", reason, REASON_BYTES_MAX)]
        {
            if text.len() > limit {
                let why = format!("a {of} of {} bytes, the limit is {limit}", text.len());
                return Err(StoreError::Refused { what: APPROVE, why });
            }
        }
        let mut tx = self.write(APPROVE).await?;
        let sql = "SELECT count(*) FROM plan WHERE hash = $1";
        let found = tx.fetch(sql, vec![approval.hash.as_slice().into()], |row| row.get::<i64>(0)).await?;
        if found.first() == Some(&0) {
            let name = format!("with hash {}", crate::digest::hex(&approval.hash));
            return Err(StoreError::NoSuch { what: "plan", name });
        }
        let id = tx.next_id("SELECT max(id) FROM approval").await?;
        tx.execute(
            "INSERT INTO approval (id, hash, person, signature, fingerprint, git_commit, approved_at, \
             expires_at, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            vec![
                id.into(),
                approval.hash.as_slice().into(),
                approval.person.as_str().into(),
                approval.signature.as_str().into(),
                approval.fingerprint.as_str().into(),
                approval.commit.as_str().into(),
                approval.approved_at.into(),
                approval.expires_at.into(),
                approval.reason.as_deref().into(),
            ],
        )
        .await?;
        append_records(&mut tx, records).await?;
        tx.commit().await
    }

    /// Returns the approvals of what a plan says, the oldest first, those that have expired too; `None`
    /// where not all of the plan's hosts are in the scope.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn approvals(
        &self,
        scope: &ClientScope,
        plan: &PlanId,
    ) -> Result<Option<Vec<Approval>>, StoreError> {
        let mut tx = self.read("read the approvals of a plan").await?;
        if is_whole(&mut tx, scope, plan).await? != Some(true) {
            return Ok(None);
        }
        let sql = "SELECT a.hash, a.person, a.signature, a.fingerprint, a.git_commit, a.approved_at, \
                   a.expires_at, a.reason FROM approval a JOIN plan p ON p.hash = a.hash WHERE p.id = $1 \
                   ORDER BY a.id";
        tx.fetch(sql, vec![plan.as_str().into()], read_approval).await.map(Some)
    }
}

fn read_approval(row: &Row) -> Result<Approval, sqlx::Error> {
    Ok(Approval {
        hash: read_bytes(row, 0)?,
        person: row.parse(1, PersonName::new)?,
        signature: row.get(2)?,
        fingerprint: row.get(3)?,
        commit: row.get(4)?,
        approved_at: row.time(5)?,
        expires_at: row.time(6)?,
        reason: row.get(7)?,
    })
}
