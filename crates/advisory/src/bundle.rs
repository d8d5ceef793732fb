//! Bundles: the documents of feeds in one signed file, for places without a net.
//!
//! A bundle is a tar archive (`tar tf` lists it) of `manifest.json`, `manifest.sig` and `documents/N`, in
//! this order. The manifest names each document with its feed, origin, size and SHA-256; the signature is
//! Ed25519 (RFC 8032) over [`CONTEXT`] and the manifest's bytes. Nothing of a bundle is parsed before its
//! signature is checked but the tar headers of the two.

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;
use model::FeedName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::keys::{PublicKey, SigningKey, hex, unhex};

/// What is signed before the manifest, so that a signature of something else is never one of a bundle.
pub(crate) const CONTEXT: &[u8] = b"ifrit feed bundle 1\n";

/// The version of the format.
const VERSION: u32 = 1;

const MANIFEST: &str = "manifest.json";

const SIGNATURE: &str = "manifest.sig";

/// The largest manifest, in bytes; a document takes some 300.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The longest signature file, in bytes: 128 hexadecimal digits and a line end.
const SIGNATURE_BYTES_MAX: u64 = 256;

/// A document of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledDocument {
    /// The feed that it belongs to.
    pub feed: FeedName,
    /// The URL or path that it came from.
    pub label: String,
    /// When it was fetched from there, or last called unchanged.
    pub fetched_at: Timestamp,
    /// Its bytes as kept.
    pub body: Vec<u8>,
}

/// A bundle whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// When it was made.
    pub created_at: Timestamp,
    /// Whose signature it has.
    pub signed_by: PublicKey,
    /// Its documents, ordered by feed, then label.
    pub documents: Vec<BundledDocument>,
}

/// A file that is no bundle, or none to be trusted. Nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    /// It is not built as a bundle is.
    #[error("not a feed bundle: {why}")]
    Malformed {
        /// Expected against got.
        why: String,
    },
    /// None of the trusted keys signed it.
    #[error("the signature is of none of the {trusted} trusted keys, or the manifest was changed")]
    Untrusted {
        /// How many keys were tried.
        trusted: usize,
    },
    /// A document is not the one that was signed.
    #[error("document {file} ({label}) is not what the manifest says: {why}")]
    Altered {
        /// Its name in the archive.
        file: String,
        /// Where it came from.
        label: String,
        /// Expected against got.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    v: u32,
    created_at: Timestamp,
    documents: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    file: String,
    feed: String,
    label: String,
    fetched_at: Timestamp,
    size: u64,
    sha256: String,
}

/// Makes a bundle. The same documents, time and key give the same bytes.
pub fn write_bundle(documents: &[BundledDocument], created_at: Timestamp, key: &SigningKey) -> Vec<u8> {
    let mut sorted: Vec<_> = documents.iter().collect();
    sorted.sort_by(|a, b| (&a.feed, &a.label).cmp(&(&b.feed, &b.label)));
    let entry = |(number, document): (usize, &&BundledDocument)| Entry {
        file: format!("documents/{}", number + 1),
        feed: document.feed.to_string(),
        label: document.label.clone(),
        fetched_at: document.fetched_at,
        size: u64::try_from(document.body.len()).unwrap_or(u64::MAX),
        sha256: sha256(&document.body),
    };
    let entries: Vec<_> = sorted.iter().enumerate().map(entry).collect();
    let manifest = Manifest { v: VERSION, created_at, documents: entries };
    let text = serde_json::to_vec_pretty(&manifest).expect("invariant: texts and numbers have a JSON form");
    let signature = format!("{}\n", hex(&key.sign(&signed(&text))));
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, MANIFEST, &text);
    append(&mut archive, SIGNATURE, signature.as_bytes());
    for (entry, document) in manifest.documents.iter().zip(sorted) {
        append(&mut archive, &entry.file, &document.body);
    }
    archive.into_inner().expect("invariant: writing to memory does not fail")
}

/// Checks and reads a bundle.
///
/// # Errors
/// [`BundleError`]; nothing of the file may be used then.
pub fn read_bundle(bytes: &[u8], trusted: &[PublicKey]) -> Result<Bundle, BundleError> {
    let malformed = |error: std::io::Error| BundleError::Malformed { why: error.to_string() };
    let mut archive = tar::Archive::new(bytes);
    let mut entries = archive.entries().map_err(malformed)?;
    let mut next = |limit| -> Result<Option<(String, Vec<u8>)>, BundleError> {
        let Some(entry) = entries.next() else { return Ok(None) };
        let entry = entry.map_err(malformed)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        Ok(Some((name, read_capped(entry, limit).map_err(malformed)?)))
    };
    let manifest = expect_entry(next(MANIFEST_BYTES_MAX)?, MANIFEST)?;
    let signature = expect_entry(next(SIGNATURE_BYTES_MAX)?, SIGNATURE)?;
    let signed_by = verify(&manifest, &signature, trusted)?;
    let manifest = parse_manifest(&manifest)?;
    let mut documents = BTreeMap::new();
    for expected in manifest.documents {
        let body = expect_entry(next(expected.size)?, &expected.file)?;
        let document = check_entry(expected, body)?;
        documents.insert((document.feed.clone(), document.label.clone()), document);
    }
    if next(0)?.is_some() {
        return Err(BundleError::Malformed { why: "it holds more than its manifest names".to_owned() });
    }
    Ok(Bundle { created_at: manifest.created_at, signed_by, documents: documents.into_values().collect() })
}

fn expect_entry(entry: Option<(String, Vec<u8>)>, name: &str) -> Result<Vec<u8>, BundleError> {
    match entry {
        Some((found, bytes)) if found == name => Ok(bytes),
        Some((found, _)) => {
            let found = found.escape_debug();
            Err(BundleError::Malformed { why: format!("expected `{name}` next, got `{found}`") })
        }
        None => Err(BundleError::Malformed { why: format!("it ends before `{name}`") }),
    }
}

fn verify(manifest: &[u8], signature: &[u8], trusted: &[PublicKey]) -> Result<PublicKey, BundleError> {
    let signature = std::str::from_utf8(signature).ok().and_then(|text| unhex(text.trim_end()));
    let signature = signature
        .ok_or_else(|| BundleError::Malformed { why: "the signature is no signature".to_owned() })?;
    let message = signed(manifest);
    let signer = trusted.iter().find(|key| key.verifies(&message, &signature));
    signer.cloned().ok_or(BundleError::Untrusted { trusted: trusted.len() })
}

fn parse_manifest(text: &[u8]) -> Result<Manifest, BundleError> {
    let manifest: Manifest = serde_json::from_slice(text)
        .map_err(|error| BundleError::Malformed { why: format!("manifest: {error}") })?;
    if manifest.v != VERSION {
        return Err(BundleError::Malformed {
            why: format!("format {}, this ifrit reads {VERSION}", manifest.v),
        });
    }
    Ok(manifest)
}

fn check_entry(expected: Entry, body: Vec<u8>) -> Result<BundledDocument, BundleError> {
    let Entry { file, feed, label, fetched_at, size, sha256: expected_hash } = expected;
    let why = if u64::try_from(body.len()) != Ok(size) {
        format!("{size} bytes expected, {} or more found", body.len())
    } else if sha256(&body) != expected_hash {
        "its SHA-256 is another".to_owned()
    } else {
        return Ok(BundledDocument { feed: FeedName::new(feed), label, fetched_at, body });
    };
    Err(BundleError::Altered { file, label, why })
}

fn signed(manifest: &[u8]) -> Vec<u8> {
    [CONTEXT, manifest].concat()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Reads at most one byte more than the limit, which is enough to see that it is too much.
fn read_capped(reader: impl Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes).expect("invariant: writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn document(feed: &str, label: &str, body: &[u8]) -> BundledDocument {
        let fetched_at = Timestamp::from_second(1_700_000_000).expect("a time");
        BundledDocument {
            feed: FeedName::new(feed),
            label: label.to_owned(),
            fetched_at,
            body: body.to_vec(),
        }
    }

    fn sample() -> (Vec<BundledDocument>, Vec<u8>) {
        let documents = vec![
            document("alpine-secdb", "https://s.example/main.json", b"first document"),
            document("cisa-kev", "https://k.example/kev.json", &[0; 2_000]),
        ];
        let bytes = write_bundle(&documents, Timestamp::from_second(1_700_000_100).expect("a time"), &key(1));
        (documents, bytes)
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (documents, bytes) = sample();
        let trusted = [key(2).public_key(), key(1).public_key()];
        let bundle = read_bundle(&bytes, &trusted).expect("a bundle");
        assert_eq!((&bundle.documents, bundle.signed_by), (&documents, key(1).public_key()));
        let mut reversed = documents;
        reversed.reverse();
        assert_eq!(write_bundle(&reversed, bundle.created_at, &key(1)), bytes, "twice the same");
    }

    #[test]
    fn only_trusted_keys_open_it() {
        let (_, bytes) = sample();
        let check = |trusted: &[PublicKey]| read_bundle(&bytes, trusted).expect_err("refused");
        assert_eq!(check(&[]), BundleError::Untrusted { trusted: 0 });
        assert_eq!(check(&[key(2).public_key()]), BundleError::Untrusted { trusted: 1 });
    }

    #[test]
    fn a_changed_document_is_named() {
        let (_, mut bytes) = sample();
        let at = memchr::memmem::rfind(&bytes, b"first document").expect("the body");
        bytes[at] = b'F';
        let error = read_bundle(&bytes, &[key(1).public_key()]).expect_err("refused");
        assert!(matches!(&error, BundleError::Altered { file, .. } if file == "documents/1"), "{error}");
    }

    #[test]
    fn more_or_less_than_the_manifest_names_is_refused() {
        let (_, bytes) = sample();
        let trusted = [key(1).public_key()];
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "documents/3", b"smuggled");
        let more = archive.into_inner().expect("in memory");
        // A tar ends with two blocks of zeros.
        let joined = [&bytes[..bytes.len() - 1_024], &more].concat();
        assert!(matches!(read_bundle(&joined, &trusted), Err(BundleError::Malformed { .. })));
        assert!(matches!(read_bundle(&more, &trusted), Err(BundleError::Malformed { .. })));
        assert!(matches!(read_bundle(b"", &trusted), Err(BundleError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn cut_anywhere_it_is_refused(at in 0.0..1.0_f64) {
            let (_, bytes) = sample();
            // What is cut of the zeros at the end is no loss.
            let end = bytes.len() - 1_024;
            let at = (end as f64 * at) as usize;
            prop_assert!(read_bundle(&bytes[..at], &[key(1).public_key()]).is_err());
        }

        #[test]
        fn a_changed_byte_never_gives_other_documents(at in 0.0..1.0_f64, byte in any::<u8>()) {
            let (documents, mut bytes) = sample();
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] = byte;
            if let Ok(bundle) = read_bundle(&bytes, &[key(1).public_key()]) {
                prop_assert_eq!(bundle.documents, documents);
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert!(read_bundle(&bytes, &[key(1).public_key()]).is_err());
        }
    }
}
