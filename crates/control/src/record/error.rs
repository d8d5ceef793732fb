//! Why the record could not be signed, given away or judged at all. What is wrong with the record itself is the answer
//! of a verification.

use std::path::PathBuf;

use model::{Code, Place, Problem};
use thiserror::Error;

use crate::error::{Error, ErrorKind};

/// Why the record could not be signed, given away or judged.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The key that signs checkpoints cannot be used.
    #[error("the key of checkpoints, {}, cannot be used: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A public key is malformed.
    #[error("a public key of checkpoints cannot be read: {why}")]
    PublicKey {
        /// Why.
        why: &'static str,
    },
    /// Nobody's signature is trusted.
    #[error("no key is trusted to sign checkpoints")]
    NoKey,
    /// Nothing is on record yet.
    #[error("nothing is on record yet")]
    Empty,
    /// The record is not what was signed before, so nothing is signed on top of it.
    #[error("the record is not signed: {why}")]
    NotSigned {
        /// What is wrong with it.
        why: String,
    },
    /// A file should hold a checkpoint and does not.
    #[error("{} holds no checkpoint: {why}", path.display())]
    CheckpointFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file should hold an export of the record and does not.
    #[error("{} is no export of the record: {why}", path.display())]
    NoExport {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl RecordError {
    /// Returns which kind of failure it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::PublicKey { .. }
            | Self::NoKey
            | Self::Empty
            | Self::CheckpointFile { .. }
            | Self::NoExport { .. } => ErrorKind::User,
            Self::Key { .. } | Self::NotSigned { .. } => ErrorKind::Unavailable,
        }
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Key { .. } => {
                "the setting `audit.key_file` says where it is; it is made where there is none"
            }
            Self::PublicKey { .. } => "`ifrit audit key` prints it: NAME+ID+KEY on one line",
            Self::NoKey => {
                "give the signer's public key with `--key`, or put it into `audit.trusted_keys`; `ifrit audit key` prints it"
            }
            Self::Empty => "plans, approvals, runs and secrets are put on record by themselves",
            Self::NotSigned { .. } => "`ifrit audit verify` says what is wrong",
            Self::CheckpointFile { .. } => "`ifrit audit checkpoint` prints one",
            Self::NoExport { .. } => "`ifrit audit export --out FILE` writes one",
        };
        Some(hint.to_owned())
    }
}

/// Says that the record could not be sealed.
pub(super) fn not_sealed(error: &Error) -> Problem {
    let mut causes = vec![error.to_string()];
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        causes.push(deeper.to_string());
        cause = deeper;
    }
    let problem = Problem::new(Code::AuditNotSealed, Place::Nowhere, causes.join(": "));
    match error.hint() {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}
