//! `ifrit audit verify --export`: an export against a public key, and nothing else: no database, no workspace.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use jiff::Timestamp;
use model::merkle::{Frontier, TreeHash, verify_inclusion};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::RecordError;
use super::export::{FORMAT, Header, Line};
use super::judge::RecordsFault;
use super::note::{SignedCheckpoint, VerifierKey};
use super::verify::{read_checkpoint, read_keys};
use crate::error::Error;

/// The longest line of an export, in bytes: a record with the largest body, escaped, and its proof.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Faults that are told.
const FAULTS_MAX: usize = 100;

/// What a verification of an export found.
#[derive(Debug, Clone)]
pub struct ExportVerification {
    /// What the record is called.
    pub origin: String,
    /// The client whose records it holds; `None` = all of them.
    pub client: Option<String>,
    /// How many records it holds.
    pub records: u64,
    /// How many records the checkpoint speaks of, and when it was signed.
    pub checkpoint: (u64, Option<Timestamp>),
    /// Whether the checkpoint that was given beside it could be held against it; `None` = none was given.
    pub is_compared: Option<bool>,
    /// What is wrong, the first bad record first; empty = it is what was signed.
    pub faults: Vec<RecordsFault>,
}

/// Verifies an export. Each record must be in the tree of the signed checkpoint; where all records are exported, they
/// must be all of that tree.
///
/// # Errors
/// [`RecordError::NoKey`], [`RecordError::PublicKey`]; [`RecordError::NoExport`]; [`RecordError::CheckpointFile`];
/// [`Error::Read`]. What is wrong with the records or the signature is the answer.
pub fn verify_export(
    path: &Path,
    keys: &[String],
    against: Option<&Path>,
) -> Result<ExportVerification, Error> {
    let keys = read_keys(keys.iter())?;
    if keys.is_empty() {
        return Err(RecordError::NoKey.into());
    }
    let against = against.map(read_checkpoint).transpose()?;
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut lines = Lines { reader: BufReader::new(file), path };
    let no_export =
        |why: &str| Error::from(RecordError::NoExport { path: path.to_owned(), why: why.to_owned() });
    let header = lines.next()?.ok_or_else(|| no_export("it is empty"))?;
    let header: Header =
        serde_json::from_str(&header).map_err(|_| no_export("its first line is no header"))?;
    if header.format != FORMAT {
        return Err(no_export("its format is not one that this ifrit knows"));
    }
    let signed = SignedCheckpoint::parse(&header.checkpoint).map_err(|why| no_export(&why))?;
    let mut check = Check::new(header, signed, against);
    check.signature(&keys);
    while let Some(line) = lines.next()? {
        check.line(&line);
    }
    Ok(check.finish(&keys))
}

/// The lines of a file, none of them endless.
struct Lines<'p> {
    reader: BufReader<File>,
    path: &'p Path,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<String>, Error> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        read.map_err(|source| Error::Read { path: self.path.to_owned(), source })?;
        Ok((!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// What is looked at inside of a record.
#[derive(Deserialize)]
struct Inside {
    number: u64,
    client: Option<String>,
    action: String,
    target: String,
    at: String,
}

/// A verification that is under way.
struct Check {
    header: Header,
    signed: SignedCheckpoint,
    against: Option<SignedCheckpoint>,
    /// The tree over the records so far, where all are exported.
    tree: Frontier,
    /// Its root at the size of the checkpoint that was given beside the export.
    then: Option<TreeHash>,
    lines: u64,
    last: u64,
    faults: Vec<RecordsFault>,
}

impl Check {
    fn new(header: Header, signed: SignedCheckpoint, against: Option<SignedCheckpoint>) -> Self {
        Self {
            header,
            signed,
            against,
            tree: Frontier::default(),
            then: None,
            lines: 0,
            last: 0,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, from: u64, to: u64, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(RecordsFault { from, to, is_exact: true, what });
        }
    }

    /// Something is wrong, and nobody can tell where.
    fn whole(&mut self, to: u64, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(RecordsFault { from: 1, to, is_exact: to <= 1, what });
        }
    }

    fn signature(&mut self, keys: &[VerifierKey]) {
        if self.signed.checkpoint.origin != self.header.origin {
            self.whole(self.header.records, "its checkpoint is of another record than it says".to_owned());
        }
        if self.signed.signer(keys).is_none() {
            let what = "its checkpoint is not signed with a key that was given: nothing vouches for it";
            self.whole(self.header.records, what.to_owned());
        }
    }

    fn line(&mut self, text: &str) {
        self.lines += 1;
        let place = self.lines + 1;
        let Ok(line) = serde_json::from_str::<Line>(text) else {
            let what =
                format!("line {place} was changed: it is no record (the one before it is {})", self.last);
            self.fault(self.last + 1, self.last + 1, what);
            return;
        };
        let number = line.number;
        if number <= self.last {
            self.fault(
                number,
                number,
                format!("line {place} is out of turn: record {number} after {}", self.last),
            );
        } else if self.header.client.is_none() && number != self.last + 1 {
            let (from, to) = (self.last + 1, number - 1);
            self.fault(from, to, format!("{} missing", are(from, to)));
        }
        self.last = self.last.max(number);
        let leaf = leaf(&line);
        let Ok(inside) = serde_json::from_str::<Inside>(&line.record) else {
            self.fault(number, number, format!("record {number} was changed: it is no record any more"));
            return;
        };
        let says = format!("{} of {} at {}", inside.action, inside.target, inside.at);
        if inside.number != number {
            self.fault(
                number,
                number,
                format!("record {number} was changed: it says that it is {}", inside.number),
            );
        } else if self.header.client.is_some() && inside.client != self.header.client {
            self.fault(number, number, format!("record {number} is another client's; it says: {says}"));
        } else if self.header.client.is_some() {
            self.proof(number, leaf, &line, &says);
        }
        if let (None, Some(leaf)) = (&self.header.client, leaf) {
            self.tree.push(leaf);
            let is_then = self.against.as_ref().is_some_and(|it| it.checkpoint.size == self.tree.size());
            self.then = if is_then { Some(self.tree.root()) } else { self.then };
        } else if leaf.is_none() {
            self.fault(number, number, format!("record {number} was changed: its salt is no salt"));
        }
    }

    fn proof(&mut self, number: u64, leaf: Option<TreeHash>, line: &Line, says: &str) {
        let proof: Option<Vec<TreeHash>> = line
            .proof
            .as_ref()
            .and_then(|proof| proof.iter().map(|hash| unhex(hash)?.try_into().ok()).collect());
        let (Some(leaf), Some(proof)) = (leaf, proof) else {
            self.fault(number, number, format!("record {number} has no proof; it says: {says}"));
            return;
        };
        let it = &self.signed.checkpoint;
        let index = number.saturating_sub(1);
        if let Err(why) = verify_inclusion(&leaf, index, it.size, &proof, &it.root) {
            let what = format!("record {number} is not in what was signed: {why}; it says: {says}");
            self.fault(number, number, what);
        }
    }

    fn finish(mut self, keys: &[VerifierKey]) -> ExportVerification {
        let (size, root) = (self.signed.checkpoint.size, self.signed.checkpoint.root);
        let told = self.header.records;
        if self.lines != told {
            let what =
                format!("the export was cut or added to: it has {} records, and says {told}", self.lines);
            self.fault(self.last + 1, self.last + 1, what);
        }
        if self.header.client.is_none() {
            if self.last < size {
                let (from, to) = (self.last + 1, size);
                self.fault(from, to, format!("{} missing at the end", are(from, to)));
            } else if self.faults.is_empty() && (self.tree.size(), self.tree.root()) != (size, root) {
                self.whole(size, "the records are not those that were signed".to_owned());
            }
        }
        let is_compared = self.against.take().map(|against| self.compare(&against, keys));
        self.faults.sort_by_key(|fault| (fault.from, fault.to));
        ExportVerification {
            origin: self.signed.checkpoint.origin.clone(),
            client: self.header.client,
            records: self.lines,
            checkpoint: (size, self.signed.checkpoint.at),
            is_compared,
            faults: self.faults,
        }
    }

    /// Holds a checkpoint that the reader has against the export. Returns whether that could be judged.
    fn compare(&mut self, against: &SignedCheckpoint, keys: &[VerifierKey]) -> bool {
        let (its, own) = (&against.checkpoint, self.signed.checkpoint.clone());
        if its.origin != own.origin || against.signer(keys).is_none() {
            let what =
                "the checkpoint that was given is of another record, or not signed with a key that was given";
            self.whole(own.size, what.to_owned());
            return true;
        }
        let root = if its.size == own.size { Some(own.root) } else { self.then };
        match root {
            Some(root) if root == its.root => true,
            Some(_) => {
                let what =
                    format!("the history was forked: another one of {} records was signed too", its.size);
                self.whole(its.size, what);
                true
            }
            None if its.size > own.size && self.header.client.is_none() => {
                let (from, to) = (own.size + 1, its.size);
                self.fault(
                    from,
                    to,
                    format!("{} missing: the checkpoint that was given has them", are(from, to)),
                );
                true
            }
            None => false,
        }
    }
}

fn are(from: u64, to: u64) -> String {
    let is = if from >= to { "is" } else { "are" };
    format!("{} {is}", super::judge::named(from, to))
}

fn leaf(line: &Line) -> Option<TreeHash> {
    let salt = unhex(&line.salt)?;
    let hasher = Sha256::new().chain_update([0]).chain_update(salt).chain_update(line.record.as_bytes());
    Some(hasher.finalize().into())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
