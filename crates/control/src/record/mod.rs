//! The record as evidence: checkpoints are signed and brought outside, and anybody who has one can tell whether
//! something was changed, dropped, swapped or cut off.
//!
//! The store keeps the records and the tree over them ([`store::Store::walk_record`]). Here is what signs
//! ([`Checkpoint`], a signed note that other tools read too), where a checkpoint goes ([`anchor`]), and who judges
//! ([`verify`], and [`verify_export`] without database and workspace).

mod anchor;
mod error;
mod export;
mod git;
mod judge;
mod key;
mod lines;
mod note;
mod offline;
mod verify;

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use model::Problem;
use model::merkle::Frontier;
use store::{CheckpointRecord, StoreError};

use crate::deploy::record::random;
use crate::error::Error;
use crate::notify::{Channels, DeliveryLimits};
use crate::secrets::Environment;
use crate::session::Session;
use key::AuditKey;

pub use anchor::{AnchorState, Anchored};
pub use error::RecordError;
pub use export::{Exported, export};
pub use judge::RecordsFault;
pub use lines::{LogQuery, log};
pub use note::{Checkpoint, SignedCheckpoint, VerifierKey};
pub use offline::{ExportVerification, verify_export};
pub use store::{RecordBody, RecordEntry, RecordKind, RecordLine, RecordValue};
pub use verify::{Verification, verify};

/// What the name of a record begins with in its checkpoints.
const ORIGIN_PREFIX: &str = "ifrit-record/";

/// Times that signing is tried again because somebody else signed at the same moment.
const SIGN_ATTEMPTS: u32 = 5;

/// A checkpoint and what became of bringing it outside.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The newest checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// Whether it was signed now; else there was nothing new on record.
    pub is_new: bool,
    /// Where it was brought to.
    pub anchors: Vec<Anchored>,
}

impl Sealed {
    /// Returns what went wrong with anchors. That the workspace is no git repository goes wrong with none.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.anchors.iter().filter_map(|anchor| anchor.problem.as_ref())
    }
}

/// Signs what the record is now, and brings that to every anchor of the settings. Where there is nothing new, only
/// anchors that do not have the last checkpoint get it. Channels are needed for anchors `notify:NAME` alone.
///
/// # Errors
/// [`RecordError::Empty`]; [`RecordError::NotSigned`] where the record is not what was signed before;
/// [`RecordError::Key`]; [`Error::Store`]. An anchor that fails is a part of the answer.
pub async fn checkpoint(session: &Session, channels: Option<&Channels>) -> Result<Sealed, Error> {
    let (record, is_new) = sign(session).await?.ok_or(RecordError::Empty)?;
    let checkpoint = own(&record)?;
    let anchors = anchor::bring(session, &checkpoint, channels, is_new).await?;
    Ok(Sealed { checkpoint, is_new, anchors })
}

/// Brings the last checkpoint to every anchor of the settings, also to those that have it.
///
/// # Errors
/// As [`checkpoint`].
pub async fn anchor_again(session: &Session, channels: Option<&Channels>) -> Result<Sealed, Error> {
    let (record, is_new) = sign(session).await?.ok_or(RecordError::Empty)?;
    let checkpoint = own(&record)?;
    let anchors = anchor::bring(session, &checkpoint, channels, true).await?;
    Ok(Sealed { checkpoint, is_new, anchors })
}

/// Seals the record after a run or an incident. Whatever goes wrong is told and stops nobody: what was done is done.
pub async fn seal_after(session: &Session, channels: Option<&Channels>) -> Vec<Problem> {
    match checkpoint(session, channels).await {
        Ok(sealed) => sealed.problems().cloned().collect(),
        Err(Error::Record(RecordError::Empty)) => Vec::new(),
        Err(error) => vec![error::not_sealed(&error)],
    }
}

/// Seals the record after a run; channels are opened where an anchor needs one.
pub async fn seal_after_run(session: &Session, environment: &Environment) -> Vec<Problem> {
    let needs_channel = session.workspace.settings.audit_anchors().iter().any(|it| it.starts_with("notify:"));
    let channels = needs_channel
        .then(|| Channels::open(session, &|name: &str| environment(name), DeliveryLimits::default()));
    seal_after(session, channels.as_ref()).await
}

/// Seals the record after something else was put on it, if the last checkpoint is older than the settings say. What
/// goes wrong shows in `ifrit audit verify`.
pub(crate) async fn seal_if_due(session: &Session) {
    let age = session.workspace.settings.audit_checkpoint_age();
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    let last = session.store.last_checkpoint().await;
    let is_due = last.is_ok_and(|last| last.is_none_or(|last| is_older(last.at, age, session.clock.now())));
    if is_due {
        // Anchors write down what became of them; an anchor that needs a channel waits for the next run.
        drop(checkpoint(session, None).await);
    }
}

/// Returns the public half of the key that signs, made where there is none yet, under the record's name.
///
/// # Errors
/// [`RecordError::Key`], [`Error::Store`].
pub async fn verifier_key(session: &Session) -> Result<VerifierKey, Error> {
    let key = AuditKey::read_or_make(&key::path(session)?)?;
    Ok(key.verifier(&name(session).await?))
}

fn is_older(at: Timestamp, age: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(at) >= age
}

fn own(record: &CheckpointRecord) -> Result<SignedCheckpoint, RecordError> {
    SignedCheckpoint::parse(&record.note)
        .map_err(|why| RecordError::NotSigned { why: format!("the last checkpoint is damaged: {why}") })
}

/// Returns the record's name, drawn where it has none.
async fn name(session: &Session) -> Result<String, Error> {
    if let Some(origin) = session.store.record_origin().await? {
        return Ok(origin);
    }
    let drawn: String = random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(session.store.name_record(&format!("{ORIGIN_PREFIX}{drawn}")).await?)
}

/// Signs what the record is now. Returns the newest checkpoint and whether it is new; `None` = nothing is on record.
async fn sign(session: &Session) -> Result<Option<(CheckpointRecord, bool)>, Error> {
    let mut attempt = 1;
    loop {
        let last = session.store.last_checkpoint().await?;
        let known = match &last {
            Some(last) => trusted_tree(session, last).await?,
            None => Frontier::default(),
        };
        let (size, tree) = (known.size(), grow(session, known).await?);
        if tree.size() == size {
            return Ok(last.map(|last| (last, false)));
        }
        let key = AuditKey::read_or_make(&key::path(session)?)?;
        let now = session.clock.now();
        let origin = name(session).await?;
        let signed = Checkpoint { origin, size: tree.size(), root: tree.root(), at: Some(now) };
        let note = signed.sign(&key);
        if session.store.save_checkpoint(&tree, &note, now).await? {
            let record =
                CheckpointRecord { size: tree.size(), root: tree.root(), at: now, note, tree: Some(tree) };
            return Ok(Some((record, true)));
        }
        attempt += 1;
        if attempt > SIGN_ATTEMPTS {
            let why = "others sign it faster than this machine does".to_owned();
            return Err(RecordError::NotSigned { why }.into());
        }
    }
}

/// Nothing is signed on top of what was not signed by us.
async fn trusted_tree(session: &Session, last: &CheckpointRecord) -> Result<Frontier, Error> {
    let refused = |why: &str| Error::from(RecordError::NotSigned { why: why.to_owned() });
    let signed = own(last)?;
    let keys = verify::trusted_keys(session, &signed.checkpoint.origin, &[])?;
    if signed.signer(&keys).is_none() {
        return Err(refused("the last checkpoint is signed with a key that is not trusted here"));
    }
    let tree = last.tree.clone().filter(|tree| {
        let signed = &signed.checkpoint;
        (signed.size, signed.root) == (tree.size(), tree.root())
    });
    tree.ok_or_else(|| refused("the last checkpoint is not kept as it was signed"))
}

async fn grow(session: &Session, tree: Frontier) -> Result<Frontier, Error> {
    match session.store.grow_tree(tree).await {
        Err(StoreError::Damaged { detail, .. }) => Err(RecordError::NotSigned { why: detail }.into()),
        grown => Ok(grown?),
    }
}
