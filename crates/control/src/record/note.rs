//! Checkpoints as signed notes, in the form that other tools read too: <https://c2sp.org/tlog-checkpoint> and
//! <https://c2sp.org/signed-note>, signed with Ed25519 (RFC 8032).
//!
//! ```text
//! ifrit-record/2f1c9a3b5d7e9f01
//! 1204
//! qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=
//! at 2026-11-23T01:02:03.000000Z
//!
//! - ifrit-record/2f1c9a3b5d7e9f01 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurm6RDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ=
//! ```
//!
//! The lines: what the record is called, how many records there are, the root of the tree over them, when this was
//! signed (an extension line, which other tools pass over), and signatures; their dash is U+2014.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use model::merkle::TreeHash;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

/// The longest note that is read, in bytes.
const NOTE_BYTES_MAX: usize = 64 << 10;

/// What a signature line begins with.
const SIGNATURE: &str = "\u{2014} ";

/// The signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 1;

/// What the record was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What the record is called.
    pub origin: String,
    /// How many records there were.
    pub size: u64,
    /// The root of the tree over them.
    pub root: TreeHash,
    /// When it was signed; other tools' checkpoints do not say.
    pub at: Option<Timestamp>,
}

/// A checkpoint with signatures, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The whole note.
    pub note: String,
    signed_bytes: usize,
    signatures: Vec<(String, Vec<u8>)>,
}

/// A public key with the name that it signs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    bytes: [u8; 32],
}

impl Checkpoint {
    /// Writes the part that is signed.
    fn text(&self) -> String {
        let at = self.at.map_or_else(String::new, |at| format!("at {at:.6}\n"));
        format!("{}\n{}\n{}\n{at}", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Makes the signed note.
    pub(super) fn sign(&self, key: &super::key::AuditKey) -> String {
        let text = self.text();
        let verifier = key.verifier(&self.origin);
        let signature = [verifier.id().as_slice(), &key.sign(text.as_bytes())].concat();
        format!("{text}\n{SIGNATURE}{} {}\n", verifier.name, BASE64.encode(signature))
    }
}

impl SignedCheckpoint {
    /// Reads a signed note.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(note: &str) -> Result<Self, String> {
        if note.len() > NOTE_BYTES_MAX {
            return Err("it is too long for a checkpoint".to_owned());
        }
        let no_note = || "it is no signed note".to_owned();
        let (text, signatures) = note.rsplit_once("\n\n").ok_or_else(no_note)?;
        let signatures: Option<Vec<_>> = signatures.lines().map(read_signature).collect();
        let signatures = signatures.filter(|list| !list.is_empty()).ok_or_else(no_note)?;
        let checkpoint = read_text(text).ok_or_else(|| "what it signs is no checkpoint".to_owned())?;
        Ok(Self { checkpoint, note: note.to_owned(), signed_bytes: text.len() + 1, signatures })
    }

    /// Returns the key among these by which it is signed; `None` = by none of them.
    pub fn signer<'k>(&self, keys: &'k [VerifierKey]) -> Option<&'k VerifierKey> {
        let text = self.note.get(..self.signed_bytes)?;
        let has_signed = |key: &&VerifierKey| {
            let own = self.signatures.iter().filter(|(name, _)| *name == key.name);
            own.filter_map(|(_, bytes)| bytes.strip_prefix(&key.id()))
                .any(|signature| key.verifies(text.as_bytes(), signature))
        };
        keys.iter().find(has_signed)
    }
}

fn read_text(text: &str) -> Option<Checkpoint> {
    let mut lines = text.split('\n');
    let origin = lines.next().filter(|origin| !origin.is_empty())?;
    let digits = lines.next()?;
    let is_plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let size = digits.parse().ok().filter(|_| is_plain)?;
    let root = BASE64.decode(lines.next()?).ok()?.try_into().ok()?;
    let at = lines.find_map(|line| line.strip_prefix("at ")).and_then(|at| at.parse().ok());
    Some(Checkpoint { origin: origin.to_owned(), size, root, at })
}

fn read_signature(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, bytes) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
    let bytes = BASE64.decode(bytes).ok().filter(|bytes| bytes.len() > 4)?;
    (!name.is_empty()).then(|| (name.to_owned(), bytes))
}

impl VerifierKey {
    /// Makes the key of a name and an Ed25519 public key.
    pub(super) fn new(name: &str, bytes: [u8; 32]) -> Self {
        Self { name: name.to_owned(), bytes }
    }

    /// Reads a key as it is displayed: `NAME+ID+KEY`, the form of signed notes.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("it is not of the form NAME+ID+KEY");
        };
        let bytes = BASE64.decode(bytes).map_err(|_| "its last part is no base64")?;
        let bytes = bytes.strip_prefix(&[ED25519_TYPE]).ok_or("it is no Ed25519 key")?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| "it is no Ed25519 key")?;
        let key = Self::new(name, bytes);
        if name.is_empty() || key.id_text() != id { Err("its id is not that of the key") } else { Ok(key) }
    }

    /// Returns the name that it signs under: that of the record.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first bytes of the hash of the key and its name, by which a signature names it.
    fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519_TYPE]);
        hasher.update(self.bytes);
        let hash: [u8; 32] = hasher.finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn id_text(&self) -> String {
        self.id().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [[ED25519_TYPE].as_slice(), &self.bytes].concat();
        write!(f, "{}+{}+{}", self.name, self.id_text(), BASE64.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::key::AuditKey;
    use super::*;

    fn checkpoint() -> Checkpoint {
        let at = "2026-11-23T01:02:03.5Z".parse().ok();
        Checkpoint { origin: "ifrit-record/0011223344556677".to_owned(), size: 12, root: [0xab; 32], at }
    }

    #[test]
    fn a_key_of_another_tool_is_read() {
        // The key of golang.org/x/mod/sumdb/note's documentation.
        let peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = VerifierKey::parse(peter).expect("a key");
        assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", peter));
        // Its note, signed by that key.
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature =
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let signature = BASE64.decode(signature).expect("base64");
        let own = signature.strip_prefix(&key.id()).expect("it names the key");
        assert!(key.verifies(text.as_bytes(), own));
        for bad in [
            "",
            "a+b",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "x+00000000+AQ==",
        ] {
            assert!(VerifierKey::parse(bad).is_err(), "{bad}");
        }
    }

    /// A note and a key that OpenSSL made, of the seed of 32 ones: what is kept elsewhere is read for ever.
    #[test]
    fn a_checkpoint_is_spelled_as_it_always_was() {
        let sample = |name: &str| {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/v1");
            std::fs::read_to_string(folder.join(name)).expect("a sample")
        };
        let (key, origin) = (AuditKey::from_seed(&[1; 32]), checkpoint().origin);
        assert_eq!(checkpoint().sign(&key), sample("audit-checkpoint.txt"));
        assert_eq!(format!("{}\n", key.verifier(&origin)), sample("audit-checkpoint.key"));
    }

    #[test]
    fn a_checkpoint_comes_back_and_counts_by_its_key_alone() {
        let (key, other) = (AuditKey::from_seed(&[1; 32]), AuditKey::from_seed(&[2; 32]));
        let note = checkpoint().sign(&key);
        let signed = SignedCheckpoint::parse(&note).expect("a note");
        assert_eq!((&signed.checkpoint, &signed.note), (&checkpoint(), &note));
        let own = key.verifier(&checkpoint().origin);
        let keys = [other.verifier(&checkpoint().origin), key.verifier("else"), own.clone()];
        assert_eq!(signed.signer(&keys), Some(&own));
        assert_eq!(signed.signer(&keys[..2]), None);
        assert_eq!(VerifierKey::parse(&own.to_string()), Ok(own.clone()));
        // Each byte of what is signed counts.
        for at in 0..signed.signed_bytes {
            let mut bent = note.clone().into_bytes();
            bent[at] ^= 1;
            let bent = String::from_utf8(bent).ok().and_then(|bent| SignedCheckpoint::parse(&bent).ok());
            assert!(bent.is_none_or(|bent| bent.signer(&keys).is_none()), "byte {at}");
        }
        for bad in ["", "\n\n", "a\n1\nb\n\n", "a\n01\nAA==\n\n\u{2014} a AAAAAAA=\n", "x"] {
            assert!(SignedCheckpoint::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String, tail: String) {
            let _ = SignedCheckpoint::parse(&text);
            let _ = SignedCheckpoint::parse(&format!("{}{tail}", checkpoint().text()));
            let _ = VerifierKey::parse(&text);
        }
    }
}
