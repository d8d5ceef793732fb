//! `ifrit audit verify`: the record in the database against everything that was ever signed of it.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use model::{Code, Place, Problem};

use super::anchor::{self, AnchorState};
use super::judge::{RecordsFault, Statement, judge};
use super::key::{self, AuditKey};
use super::note::{SignedCheckpoint, VerifierKey};
use super::{RecordError, is_older};
use crate::error::Error;
use crate::session::Session;

/// What the record's own checkpoints are called.
const DATABASE: &str = "the database";

/// The largest file that is read as a checkpoint, in bytes.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;

/// What a verification found.
#[derive(Debug, Clone)]
pub struct Verification {
    /// What the record is called in its checkpoints; `None` = nothing of it was ever signed.
    pub origin: Option<String>,
    /// How many records there are.
    pub records: u64,
    /// When the first and the last one were written.
    pub between: Option<(Timestamp, Timestamp)>,
    /// How many checkpoints in the database are signed and true of the record.
    pub checkpoints: usize,
    /// Up to which record a trusted checkpoint vouches for the record.
    pub sealed: u64,
    /// The anchors of the settings.
    pub anchors: Vec<AnchorState>,
    /// How many checkpoints from outside of the database are signed and true of the record.
    pub outside: usize,
    /// What is wrong, the first bad record first; empty = nothing was changed, dropped, swapped or cut off.
    pub faults: Vec<RecordsFault>,
    /// What weakens the answer: no anchor, an old one, one that failed.
    pub warnings: Vec<Problem>,
}

/// Verifies the record in the database: makes every leaf and the tree anew, and holds them against the checkpoints in
/// the database, in anchors that can be read from here, and in a file. More public keys than those of the settings may
/// be given.
///
/// # Errors
/// [`RecordError::NoKey`] where something is signed and no key is known; [`RecordError::CheckpointFile`],
/// [`RecordError::PublicKey`], [`RecordError::Key`]; [`Error::Store`].
pub async fn verify(
    session: &Session,
    against: Option<&Path>,
    more_keys: &[String],
) -> Result<Verification, Error> {
    let mut origin = session.store.record_origin().await?;
    let mut statements: Vec<Statement> = Vec::new();
    for record in session.store.checkpoints().await? {
        let signed = SignedCheckpoint::parse(&record.note).and_then(|signed| {
            let said = (signed.checkpoint.size, signed.checkpoint.root);
            let is_kept = said == (record.size, record.root)
                && record.tree.as_ref().is_some_and(|tree| (tree.size(), tree.root()) == said);
            if is_kept { Ok(signed) } else { Err("it is not kept as it was signed".to_owned()) }
        });
        statements.push(Statement { source: DATABASE.to_owned(), size: record.size, signed });
    }
    let anchors = anchor::read(session).await?;
    for (place, note) in &anchors.notes {
        let signed = SignedCheckpoint::parse(note);
        statements.push(Statement { source: place.clone(), size: 0, signed });
    }
    if let Some(path) = against {
        let signed = Ok(read_checkpoint(path)?);
        statements.push(Statement { source: path.display().to_string(), size: 0, signed });
    }
    // A record that has lost even its name is held against what the anchors call it.
    origin = origin.or_else(|| {
        statements.iter().find_map(|it| Some(it.signed.as_ref().ok()?.checkpoint.origin.clone()))
    });
    let keys = trusted_keys(session, origin.as_deref().unwrap_or_default(), more_keys)?;
    if keys.is_empty() && !statements.is_empty() {
        return Err(RecordError::NoKey.into());
    }
    let sizes: BTreeSet<u64> =
        statements.iter().filter_map(|it| Some(it.signed.as_ref().ok()?.checkpoint.size)).collect();
    let walk = session.store.walk_record(&sizes).await?;
    let judgement = judge(origin.as_deref(), &walk, &statements, &keys);
    let in_database = judgement.agreed.get(DATABASE).copied().unwrap_or(0);
    let outside = judgement.agreed.values().sum::<usize>() - in_database;
    let mut found = Verification {
        origin,
        records: walk.records,
        between: walk.first_at.zip(walk.last_at),
        checkpoints: in_database,
        sealed: judgement.sealed,
        anchors: anchors.states,
        outside,
        faults: judgement.faults,
        warnings: Vec::new(),
    };
    found.warnings = warnings(session, &found);
    Ok(found)
}

/// Returns the keys whose signatures count for a record: the own one, those of the settings, and more.
pub(super) fn trusted_keys(
    session: &Session,
    origin: &str,
    more: &[String],
) -> Result<Vec<VerifierKey>, Error> {
    let mut keys = read_keys(session.workspace.settings.audit_trusted_keys().iter().chain(more))?;
    // Whoever has no home directory has no key of their own, and may verify all the same.
    if let Ok(path) = key::path(session) {
        keys.extend(AuditKey::read(&path)?.map(|key| key.verifier(origin)));
    }
    Ok(keys)
}

/// Reads public keys.
pub(super) fn read_keys<'t>(
    texts: impl Iterator<Item = &'t String>,
) -> Result<Vec<VerifierKey>, RecordError> {
    texts.map(|text| VerifierKey::parse(text).map_err(|why| RecordError::PublicKey { why })).collect()
}

/// Reads a file with a checkpoint.
pub(super) fn read_checkpoint(path: &Path) -> Result<SignedCheckpoint, Error> {
    let text = read_limited(path, CHECKPOINT_BYTES_MAX)?;
    let notes = anchor::split_notes(&text);
    let note = notes.last().map_or(text.as_str(), String::as_str);
    let refused = |why| RecordError::CheckpointFile { path: path.to_owned(), why };
    Ok(SignedCheckpoint::parse(note).map_err(refused)?)
}

fn read_limited(path: &Path, limit: u64) -> Result<String, Error> {
    use std::io::Read as _;
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn warnings(session: &Session, found: &Verification) -> Vec<Problem> {
    let mut warnings = Vec::new();
    if found.records == 0 && found.origin.is_none() {
        return warnings;
    }
    for state in &found.anchors {
        if let Some(why) = &state.problem {
            let message = format!("anchor {}: {why}", state.place);
            warnings.push(Problem::new(Code::AuditAnchorFailed, Place::Nowhere, message));
        }
    }
    let limit = session.workspace.settings.audit_anchor_age_max();
    let limit_hours = limit.as_secs() / 3600;
    let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
    match found.anchors.iter().filter_map(|state| state.newest).map(|(_, at)| at).max() {
        None => {
            let message = "no checkpoint is to be found outside of the database: who owns the database could cut \
                           off its end unnoticed";
            let problem = Problem::new(Code::AuditNotAnchored, Place::Nowhere, message);
            let hint = "a workspace in git is an anchor by itself; `audit.anchors` names others";
            warnings.push(problem.with_hint(hint));
        }
        Some(newest) if is_older(newest, limit, session.clock.now()) => {
            let message = format!("the newest anchor is of {newest:.0}, older than {limit_hours} hours");
            let problem = Problem::new(Code::AuditAnchorOld, Place::Nowhere, message);
            warnings.push(
                problem
                    .with_hint("`ifrit audit checkpoint` signs what is on record now and brings it outside"),
            );
        }
        Some(_) => {}
    }
    warnings
}
