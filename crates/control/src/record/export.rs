//! `ifrit audit export`: the record, or one client's part of it, in a file that proves itself.
//!
//! # Format
//! JSON Lines. The first line is the header, each other one is a record:
//!
//! | key | what |
//! |---|---|
//! | `format` | `"ifrit-audit-export-1"` (header) |
//! | `origin` | what the record is called (header) |
//! | `client` | the client whose records follow; `null` = all records follow (header) |
//! | `records` | how many follow (header) |
//! | `checkpoint` | the signed note that they are proven by (header) |
//! | `number` | a record's place, from 1 |
//! | `salt` | its salt, 32 hexadecimal digits |
//! | `record` | its bytes in format 1, as a text: the leaf is SHA-256 over a zero byte, the salt and these bytes |
//! | `proof` | the inclusion proof of RFC 9162 §2.1.3, in hexadecimal digits; missing where all records follow |
//!
//! A proof names other records by hashes that their salts keep from telling anything.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use model::ClientName;
use model::merkle::{MerkleTree, TreeHash};
use serde::{Deserialize, Serialize};
use store::{ClientScope, SealedRecord};

use super::{RecordError, SignedCheckpoint, own, sign, verifier_key};
use crate::error::Error;
use crate::session::Session;

/// What the header says of the format.
pub(super) const FORMAT: &str = "ifrit-audit-export-1";

/// Records that are read at once.
const PAGE: u32 = 4096;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub format: String,
    pub origin: String,
    pub client: Option<String>,
    pub records: u64,
    pub checkpoint: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub number: u64,
    pub salt: String,
    pub record: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Vec<String>>,
}

/// What was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// How many records.
    pub records: u64,
    /// The checkpoint that they are proven by.
    pub checkpoint: SignedCheckpoint,
    /// The public key to verify with; it has to reach the reader by another way than the file.
    pub key: String,
}

/// Writes all records, or those of one client, to a new file for its owner's eyes, with what proves them: a checkpoint
/// of now, and an inclusion proof for each record where others are left out.
///
/// # Errors
/// [`Error::ClientUnknown`]; [`Error::AlreadyThere`], [`Error::Write`]; [`RecordError::Empty`],
/// [`RecordError::NotSigned`]; [`Error::Store`] names a record that is damaged.
pub async fn export(session: &Session, client: Option<&ClientName>, path: &Path) -> Result<Exported, Error> {
    if let Some(client) = client
        && !session.store.has_client(client).await?
    {
        return Err(Error::ClientUnknown { given: client.to_string() });
    }
    let (record, _) = sign(session).await?.ok_or(RecordError::Empty)?;
    let checkpoint = own(&record)?;
    let key = verifier_key(session).await?.to_string();
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::AlreadyThere { path: path.to_owned() });
        }
        Err(source) => return Err(Error::Write { path: path.to_owned(), source }),
    };
    match write(session, client, &checkpoint, file, path).await {
        Ok(records) => Ok(Exported { records, checkpoint, key }),
        Err(error) => {
            // The error that led here is the one to tell; half an export is none.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

async fn write(
    session: &Session,
    client: Option<&ClientName>,
    signed: &SignedCheckpoint,
    file: File,
    path: &Path,
) -> Result<u64, Error> {
    let scope = client.map_or(ClientScope::All, |client| ClientScope::Only([client.clone()].into()));
    let size = signed.checkpoint.size;
    let tree = match client {
        Some(_) => Some(proven(session, signed).await?),
        None => None,
    };
    let mut out = Out { file: BufWriter::new(file), path };
    // The header says how many follow, so that a file that was cut is noticed: they are counted first.
    let records = count(session, &scope, size).await?;
    out.line(&Header {
        format: FORMAT.to_owned(),
        origin: signed.checkpoint.origin.clone(),
        client: client.map(ToString::to_string),
        records,
        checkpoint: signed.note.clone(),
    })?;
    let mut next = 1;
    loop {
        let page = session.store.sealed_records(&scope, next, PAGE).await?;
        let Some(last) = page.last() else { break };
        next = last.number + 1;
        for record in page.iter().filter(|record| record.number <= size) {
            out.line(&line(record, tree.as_ref(), size))?;
        }
    }
    out.finish()?;
    Ok(records)
}

/// Returns the tree that was signed, from the leaves as they are kept.
async fn proven(session: &Session, signed: &SignedCheckpoint) -> Result<MerkleTree, Error> {
    let it = &signed.checkpoint;
    let tree: MerkleTree = session.store.record_leaves(it.size).await?.into_iter().collect();
    let root = usize::try_from(it.size).ok().and_then(|size| tree.root(size));
    if root == Some(it.root) {
        return Ok(tree);
    }
    Err(RecordError::NotSigned { why: "its leaves are not those that were signed".to_owned() }.into())
}

async fn count(session: &Session, scope: &ClientScope, size: u64) -> Result<u64, Error> {
    match scope {
        ClientScope::All => Ok(size),
        ClientScope::Only(_) => {
            let after = i64::try_from(size).unwrap_or(i64::MAX);
            Ok(session.store.record_count_to(scope, store::RecordNumber(after)).await?)
        }
    }
}

fn line(record: &SealedRecord, tree: Option<&MerkleTree>, size: u64) -> Line {
    let proof = tree.and_then(|tree| {
        let (index, size) = (usize::try_from(record.number - 1).ok()?, usize::try_from(size).ok()?);
        tree.inclusion(index, size)
    });
    let digits = |hash: &TreeHash| hex(hash);
    Line {
        number: record.number,
        salt: hex(&record.salt),
        record: record.canonical.clone(),
        proof: proof.map(|proof| proof.iter().map(digits).collect()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Out<'p> {
    file: BufWriter<File>,
    path: &'p Path,
}

impl Out<'_> {
    fn line(&mut self, row: &impl Serialize) -> Result<(), Error> {
        let failed = |source| Error::Write { path: self.path.to_owned(), source };
        serde_json::to_writer(&mut self.file, row).map_err(|error| failed(error.into()))?;
        self.file.write_all(b"\n").map_err(failed)
    }

    fn finish(self) -> Result<(), Error> {
        let failed = |source| Error::Write { path: self.path.to_owned(), source };
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)
    }
}
