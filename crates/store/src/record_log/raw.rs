//! Records as their columns are, written in format 1 without building anything: a record is read by whoever wants to
//! know what it says, and walked over by whoever wants to know whether it was changed.
//!
//! The database packs the columns of a record into one text: what a walk costs is mostly what each value of each
//! row costs on its way here. The text begins with numbers and the lengths of everything that follows, so that no
//! two records are packed into the same one.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use model::merkle::TreeHash;
use sha2::{Digest, Sha256};

use super::body::write_text;
use super::canonical::{FORMAT, time};
use crate::error::StoreError;
use crate::sql::{Dialect, Row, Tx};

/// Columns with text, in the order in which they are packed.
const TEXTS: [&str; 9] =
    ["kind", "actor", "via", "target", "action", "reason", "git_commit", "outcome", "body"];

/// Columns with bytes, which come as hexadecimal digits behind the texts.
const HASHES: [&str; 5] = ["plan_hash", "before_hash", "after_hash", "salt", "leaf_hash"];

/// Columns with numbers.
const NUMBERS: [&str; 4] = ["format", "at", "answers", "client_id"];

/// The names of all clients by their numbers: a record's hash covers the name.
pub(super) type ClientNames = HashMap<i64, String>;

/// Reads the names of all clients.
pub(super) async fn client_names(tx: &mut Tx) -> Result<ClientNames, StoreError> {
    let names = tx.fetch("SELECT id, name FROM client", vec![], |row| Ok((row.get(0)?, row.get(1)?))).await?;
    Ok(names.into_iter().collect())
}

/// Returns what [`RawRecord::read`] reads, of `audit_record r`: the number and the packed text.
pub(super) fn raw_columns(dialect: Dialect) -> String {
    // In both databases `concat` writes nothing for NULL: a number or a length that is missing.
    let mut parts = Vec::new();
    parts.extend(NUMBERS.map(|column| format!("r.{column}, ','")));
    parts.extend(TEXTS.iter().chain(&HASHES).map(|column| format!("octet_length(r.{column}), ','")));
    parts.extend(TEXTS.map(|column| format!("r.{column}")));
    parts.extend(HASHES.map(|column| match dialect {
        Dialect::Sqlite => format!("lower(hex(r.{column}))"),
        Dialect::Postgres => format!("encode(r.{column}, 'hex')"),
    }));
    format!("r.number, concat({})", parts.join(", "))
}

/// A record as its columns are; nothing of it is checked.
pub(super) struct RawRecord<'r> {
    pub number: i64,
    pub format: i64,
    at: i64,
    answers: Option<i64>,
    client: Option<&'r str>,
    texts: [Option<&'r str>; 9],
    hashes: [Option<&'r str>; 5],
    pub salt: Vec<u8>,
}

impl<'r> RawRecord<'r> {
    /// Reads a row of [`raw_columns`].
    pub(super) fn read(row: &'r Row, clients: &'r ClientNames) -> Result<Self, sqlx::Error> {
        let unpacked = unpack(row.get(0)?, row.get(1)?, clients);
        unpacked.ok_or_else(|| sqlx::Error::Decode("a column holds what cannot stand there".into()))
    }

    /// Says whether this build knows how its leaf was made.
    pub(super) fn is_known_format(&self) -> bool {
        self.format == FORMAT
    }

    /// Returns when it was written, where its column is a time.
    pub(super) fn time(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.at).ok()
    }

    /// Says what it says: `run.host of web-1 by eva`.
    pub(super) fn what(&self) -> String {
        let [_, actor, _, target, action, ..] = self.texts.map(Option::unwrap_or_default);
        format!("{action} of {target} by {actor}")
    }

    /// Says whether a hash is the one in its column.
    pub(super) fn has_leaf(&self, leaf: &TreeHash) -> bool {
        let [.., kept] = self.hashes;
        kept.and_then(unhex).is_some_and(|kept| kept == leaf)
    }

    /// Hashes its columns into a leaf. The text is written into the buffer.
    pub(super) fn hash(&self, buffer: &mut String) -> TreeHash {
        buffer.clear();
        self.write(buffer);
        let hasher = Sha256::new().chain_update([0]).chain_update(&self.salt);
        hasher.chain_update(buffer.as_bytes()).finalize().into()
    }

    /// Writes it in format 1: as `canonical_record` does, with its body as it is spelled.
    fn write(&self, out: &mut String) {
        let [kind, actor, via, target, action, reason, commit, outcome, body] = self.texts;
        let [plan, before, after, ..] = self.hashes;
        out.push_str("{\"action\":");
        write_text(out, action.unwrap_or_default());
        text(out, "actor", actor);
        digits(out, "after", after);
        whole(out, "answers", self.answers);
        key(out, "at");
        match self.time() {
            Some(at) => write_text(out, &time(at)),
            None => out.push_str("null"),
        }
        digits(out, "before", before);
        key(out, "body");
        out.push_str(body.unwrap_or_default());
        text(out, "client", self.client);
        text(out, "commit", commit);
        whole(out, "format", Some(self.format));
        text(out, "kind", kind);
        whole(out, "number", Some(self.number));
        text(out, "outcome", outcome);
        digits(out, "plan", plan);
        text(out, "reason", reason);
        text(out, "target", target);
        text(out, "via", via);
        out.push('}');
    }
}

/// Takes a packed text apart; `None` where its lengths are not those of what follows.
fn unpack<'r>(number: i64, packed: &'r str, clients: &'r ClientNames) -> Option<RawRecord<'r>> {
    let mut rest = packed;
    let mut field = || -> Option<Option<i64>> {
        let (word, after) = rest.split_once(',')?;
        rest = after;
        if word.is_empty() { Some(None) } else { word.parse().ok().map(Some) }
    };
    let (format, at, answers, client) = (field()??, field()??, field()?, field()?);
    let mut lengths = [None; TEXTS.len() + HASHES.len()];
    for length in &mut lengths {
        *length = field()?.map(usize::try_from).transpose().ok()?;
    }
    let mut take = |length: Option<usize>| -> Option<Option<&'r str>> {
        let Some(length) = length else { return Some(None) };
        let (text, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(Some(text))
    };
    let (of_texts, of_hashes) = lengths.split_at(TEXTS.len());
    let (mut texts, mut hashes) = ([None; TEXTS.len()], [None; HASHES.len()]);
    for (text, length) in texts.iter_mut().zip(of_texts) {
        *text = take(*length)?;
    }
    for (hash, length) in hashes.iter_mut().zip(of_hashes) {
        *hash = take(length.map(|bytes| bytes.saturating_mul(2)))?;
    }
    let [.., salt, _] = hashes;
    // A number without a name is no name that anybody hashed.
    let client = client.map(|id| clients.get(&id).map_or("", String::as_str));
    let salt = salt.and_then(unhex)?;
    rest.is_empty().then_some(RawRecord { number, format, at, answers, client, texts, hashes, salt })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())
}

fn key(out: &mut String, key: &str) {
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
}

fn text(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        key(out, name);
        write_text(out, value);
    }
}

fn whole(out: &mut String, name: &str, value: Option<i64>) {
    if let Some(value) = value {
        key(out, name);
        write!(out, "{value}").expect("invariant: writing to a String does not fail");
    }
}

/// Writes digits, which need no escape.
fn digits(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        key(out, name);
        out.push('"');
        out.push_str(value);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packed_text_is_taken_apart_by_its_lengths() {
        let clients = ClientNames::from([(7, "acme".to_owned())]);
        let packed = "1,5,,7,1,0,,2,1,,,,2,,1,,1,32,kta;b{0a0b".to_owned() + &"0c".repeat(32);
        let record = unpack(3, &packed, &clients).expect("unpacked");
        assert_eq!((record.number, record.format, record.at, record.answers), (3, 1, 5, None));
        let expected = [Some("k"), Some(""), None, Some("ta"), Some(";"), None, None, None, Some("b{")];
        assert_eq!(record.texts, expected);
        assert_eq!((record.client, record.hashes[0], record.hashes[2]), (Some("acme"), None, None));
        for bad in ["", "1,2,3", &packed[..packed.len() - 1], &format!("{packed}0"), "1,,,,,,,,,,,,,,,,,,"] {
            assert!(unpack(3, bad, &clients).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_unpacked_or_refused(packed in "([0-9]{0,2},){0,20}[0-9a-f,\u{e4}]{0,80}") {
            let _ = unpack(1, &packed, &ClientNames::new());
        }
    }
}
