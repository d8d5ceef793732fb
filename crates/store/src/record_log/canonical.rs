//! The bytes of a record that its leaf is a hash of. Whoever has a record, its salt and this page can
//! check a leaf without ifrit.
//!
//! # Format 1
//! A record is a JSON object in the one spelling of RFC 8785 (JCS): no blanks, keys sorted, shortest
//! escapes, UTF-8, no line end. A field that the record does not have is left out.
//!
//! | key | what |
//! |---|---|
//! | `action` | text: what is done |
//! | `actor` | text: who does it |
//! | `after` | the hash of the target's state after: 64 lower-case hexadecimal digits |
//! | `answers` | whole number: the intent that an outcome is of |
//! | `at` | text: RFC 3339 in UTC with six digits of a second, `2026-11-22T09:30:00.000000Z` |
//! | `before` | the hash of the target's state before, like `after` |
//! | `body` | object: the rest |
//! | `client` | text: the client's name; left out = of no single client |
//! | `commit` | text: the git commit of the workspace |
//! | `format` | `1` |
//! | `kind` | `"intent"`, `"outcome"` or `"event"` |
//! | `number` | whole number: its place in the record, from 1 |
//! | `outcome` | text: how it ended |
//! | `plan` | the plan's hash, like `after` |
//! | `reason` | text: why |
//! | `target` | text: what it is done to |
//! | `via` | `"cli"` or `"api"` |
//!
//! The leaf is SHA-256 over a zero byte, the record's salt (16 bytes) and these bytes: the leaf of RFC
//! 6962 §2.1 with the salted record as its input. The salt keeps a leaf from telling what the record
//! says to somebody who has only the leaf.
//!
//! Texts are cut at 4,096 bytes, the mark `…` included, and hold no NUL; a body of more than 256 KiB, or
//! deeper than 16 levels, is replaced by how many bytes it had and their SHA-256. That happens before
//! anything is written or hashed. Samples are kept in `fixtures/formats/v1`.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::body::RecordBody;
use super::{NewRecord, RecordKind, RecordNumber};
use crate::digest::{hex, sha256};
use crate::sql::without_nul;

/// The number of the format above.
pub(super) const FORMAT: i64 = 1;

/// The longest text of a record, in bytes of UTF-8.
const TEXT_BYTES_MAX: usize = 4096;

/// The largest body, in bytes of its canonical JSON.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// How deep objects and lists may lie in each other.
const BODY_DEPTH_MAX: usize = 16;

/// What stands for the rest of a text that was cut.
const CUT: &str = "…";

/// Writes a record in format 1.
pub fn canonical_record(number: RecordNumber, record: &NewRecord) -> Vec<u8> {
    let record = fitted(record);
    let answers = match record.kind {
        RecordKind::Outcome { answers } => Some(answers.0),
        RecordKind::Intent | RecordKind::Event => None,
    };
    let mut object = RecordBody::default()
        .with("action", record.action)
        .with("actor", record.actor)
        .with("at", time(record.at))
        .with("body", record.body)
        .with("format", FORMAT)
        .with("kind", record.kind.as_str())
        .with("number", number.0)
        .with("target", record.target)
        .with("via", record.via.as_str());
    let digits = |hash: Option<[u8; 32]>| hash.map(|hash| hex(&hash));
    let texts = [
        ("after", digits(record.after)),
        ("before", digits(record.before)),
        ("client", record.client.map(|client| client.to_string())),
        ("commit", record.commit),
        ("outcome", record.outcome),
        ("plan", digits(record.plan)),
        ("reason", record.reason),
    ];
    for (key, text) in texts {
        object = text.into_iter().fold(object, |object, text| object.with(key, text));
    }
    answers
        .into_iter()
        .fold(object, |object, answers| object.with("answers", answers))
        .canonical()
        .into_bytes()
}

/// Hashes a record's canonical bytes and its salt into the leaf of a Merkle tree (RFC 6962 §2.1).
pub fn leaf_hash(salt: &[u8; 16], canonical: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(salt).chain_update(canonical).finalize().into()
}

/// Returns the record as it is kept: without NUL, its texts and its body within their limits.
pub(super) fn fitted(record: &NewRecord) -> NewRecord {
    let mut fitted = record.clone();
    let texts = [&mut fitted.actor, &mut fitted.target, &mut fitted.action];
    let more = [&mut fitted.reason, &mut fitted.commit, &mut fitted.outcome];
    for text in texts.into_iter().chain(more.into_iter().flatten()) {
        *text = cut(&without_nul(text));
    }
    // The depth first: writing is recursive.
    if fitted.body.depth() > BODY_DEPTH_MAX {
        fitted.body = RecordBody::default().with("left_out", "deeper than 16 levels");
        return fitted;
    }
    let body = fitted.body.canonical();
    if body.len() > BODY_BYTES_MAX {
        let bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
        let hash = hex(&sha256(body.as_bytes()));
        fitted.body = RecordBody::default().with("left_out_bytes", bytes).with("left_out_sha256", hash);
    }
    fitted
}

fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}{CUT}", &text[..text.floor_char_boundary(TEXT_BYTES_MAX - CUT.len())])
}

/// Writes a time to the microsecond, which is as fine as it is kept.
pub(super) fn time(at: Timestamp) -> String {
    let whole = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    format!("{whole:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Via;

    fn record() -> NewRecord {
        NewRecord {
            at: Timestamp::from_nanosecond(1_780_000_000_123_456_789).expect("in range"),
            kind: RecordKind::Intent,
            actor: "eva".to_owned(),
            via: Via::Cli,
            client: None,
            target: "host web-1".to_owned(),
            action: "apply".to_owned(),
            reason: None,
            plan: None,
            commit: None,
            before: None,
            after: None,
            outcome: None,
            body: RecordBody::default(),
            salt: [7; 16],
        }
    }

    #[test]
    fn a_field_that_is_missing_is_left_out() {
        let bytes = canonical_record(RecordNumber(1), &record());
        let expected = r#"{"action":"apply","actor":"eva","at":"2026-05-28T20:26:40.123456Z","body":{},"format":1,"kind":"intent","number":1,"target":"host web-1","via":"cli"}"#;
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    #[test]
    fn the_leaf_is_that_of_rfc_6962() {
        let plain: [u8; 32] = Sha256::digest([&[0][..], &[7; 16], b"{}"].concat()).into();
        assert_eq!(leaf_hash(&[7; 16], b"{}"), plain);
        assert_ne!(leaf_hash(&[8; 16], b"{}"), plain);
    }

    #[test]
    fn what_is_too_long_is_cut_once() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let big = RecordBody::default().with("text", "x".repeat(BODY_BYTES_MAX));
        let deep = (0..100).fold(RecordBody::default(), |body, _| RecordBody::default().with("a", body));
        for body in [big, deep] {
            let long = NewRecord { actor: long.clone(), reason: Some("a\0b".to_owned()), body, ..record() };
            let kept = fitted(&long);
            assert!(kept.actor.len() <= TEXT_BYTES_MAX && kept.actor.ends_with(CUT));
            assert_eq!(kept.reason.as_deref(), Some("a\u{fffd}b"));
            assert!(kept.body.0.keys().all(|key| key.starts_with("left_out")), "{:?}", kept.body);
            assert_eq!(fitted(&kept), kept);
            let number = RecordNumber(3);
            assert_eq!(canonical_record(number, &long), canonical_record(number, &kept));
        }
    }
}
