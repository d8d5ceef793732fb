//! Sealing secrets, so that the database alone tells nobody what they are. Pure: keys and nonces are given.
//!
//! A sealed secret is a byte that tells the format (1), eight bytes that tell one key from another, a
//! nonce of twelve bytes, and what ChaCha20-Poly1305 (RFC 8439) makes of the value. Associated are the
//! bytes in front and the slot: name, version and client. So a sealed secret opens only where it was put,
//! and an old one does not pass for a new one.

use model::ClientName;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 1024 * 1024;

/// The only format so far.
const FORMAT: u8 = 1;

/// Bytes that tell one key from another; they tell nothing else of it.
const KEY_MARK_BYTES: usize = 8;

/// What a key's mark is made of.
const KEY_MARK_OF: &[u8] = b"ifrit sealing key";

/// What the associated data begin with, so that they are never those of something else.
const SLOT_OF: &[u8] = b"ifrit secret";

/// Bytes in front of what was sealed.
const HEAD_BYTES: usize = 1 + KEY_MARK_BYTES + NONCE_LEN;

/// The key that secrets are sealed with: 32 random bytes. It leaves no copy behind in memory and cannot be
/// printed.
pub struct SealingKey(Zeroizing<[u8; 32]>);

/// Where a sealed secret belongs; it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretSlot<'a> {
    /// The secret's name.
    pub name: &'a str,
    /// Its version.
    pub version: u64,
    /// Its client.
    pub client: Option<&'a ClientName>,
}

/// Why a secret was not sealed or opened. Nothing of it is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// It is longer than [`SECRET_BYTES_MAX`].
    #[error("secret has {bytes} bytes, the limit is {SECRET_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No sealed secret, or of a newer ifrit.
    #[error("sealed secret {name} is damaged: {detail}")]
    Malformed {
        /// Its name.
        name: String,
        /// Expected against found.
        detail: String,
    },
    /// It was sealed with another key than this one.
    #[error("secret {name} was sealed with another key")]
    OtherKey {
        /// Its name.
        name: String,
    },
    /// The key is right, and the bytes are not those that were sealed for this name, version and client.
    #[error("sealed secret {name} version {version} was changed, or moved here from another place")]
    Changed {
        /// Its name.
        name: String,
        /// Its version.
        version: u64,
    },
}

impl SealingKey {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Seals a secret for its slot. The nonce is drawn at random, for this call alone.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn seal(&self, slot: &SecretSlot<'_>, nonce: [u8; 12], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let too_long = SealError::TooLong { bytes: plain.len() };
        if plain.len() > SECRET_BYTES_MAX {
            return Err(too_long);
        }
        let head = [&[FORMAT][..], &self.mark(), &nonce].concat();
        let associated = Aad::from(associated_data(&head, slot));
        let mut text = Zeroizing::new(plain.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        // It fails for a text of more than 2^38 bytes alone.
        let tag = self.cipher().seal_in_place_separate_tag(nonce, associated, &mut text);
        let tag = tag.map_err(|_| too_long)?;
        Ok([&head, text.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what was sealed for a slot.
    ///
    /// # Errors
    /// [`SealError::Malformed`], [`SealError::OtherKey`], [`SealError::Changed`].
    pub fn open(&self, slot: &SecretSlot<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let malformed = |detail| SealError::Malformed { name: slot.name.to_owned(), detail };
        let Some((head, text)) = sealed.split_at_checked(HEAD_BYTES) else {
            return Err(malformed(format!("{} bytes, expected at least {HEAD_BYTES}", sealed.len())));
        };
        if head[0] != FORMAT {
            return Err(malformed(format!("format {}, expected {FORMAT}", head[0])));
        }
        let (mark, nonce) = head[1..].split_at(KEY_MARK_BYTES);
        if mark != self.mark() {
            return Err(SealError::OtherKey { name: slot.name.to_owned() });
        }
        let changed = || SealError::Changed { name: slot.name.to_owned(), version: slot.version };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| changed())?;
        let associated = Aad::from(associated_data(head, slot));
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.cipher().open_in_place(nonce, associated, &mut text).map_err(|_| changed())?.len();
        text.truncate(length);
        Ok(text)
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, self.0.as_slice());
        LessSafeKey::new(key.expect("invariant: a key of ChaCha20-Poly1305 has 32 bytes"))
    }

    fn mark(&self) -> [u8; KEY_MARK_BYTES] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let mut mark = [0; KEY_MARK_BYTES];
        mark.copy_from_slice(&hmac::sign(&key, KEY_MARK_OF).as_ref()[..KEY_MARK_BYTES]);
        mark
    }
}

/// Writes what a sealed secret is tied to. Each text has its length in front, so that no two slots are alike.
fn associated_data(head: &[u8], slot: &SecretSlot<'_>) -> Vec<u8> {
    let mut data = [SLOT_OF, head, &slot.version.to_be_bytes()].concat();
    for text in [Some(slot.name), slot.client.map(ClientName::as_str)].into_iter().flatten() {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        data.extend(length.to_be_bytes());
        data.extend(text.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOT: SecretSlot<'_> = SecretSlot { name: "db/password", version: 3, client: None };

    fn opened(key: &SealingKey, slot: &SecretSlot<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        key.open(slot, sealed).map(|plain| plain.to_vec())
    }

    #[test]
    fn a_secret_opens_in_its_slot_with_its_key_alone() {
        let key = SealingKey::new([7; 32]);
        let sealed = key.seal(&SLOT, [9; 12], b"hunter2").expect("sealed");
        assert!(!sealed.windows(7).any(|bytes| bytes == b"hunter2"));
        assert_eq!(opened(&key, &SLOT, &sealed), Ok(b"hunter2".to_vec()));

        let name = || SLOT.name.to_owned();
        let other = opened(&SealingKey::new([8; 32]), &SLOT, &sealed);
        assert_eq!(other, Err(SealError::OtherKey { name: name() }));
        let acme = ClientName::new("acme").expect("a name");
        let slots = [
            SecretSlot { name: "db/passwor", ..SLOT },
            SecretSlot { version: 4, ..SLOT },
            SecretSlot { client: Some(&acme), ..SLOT },
        ];
        for slot in slots {
            let changed = SealError::Changed { name: slot.name.to_owned(), version: slot.version };
            assert_eq!(opened(&key, &slot, &sealed), Err(changed));
        }
        let empty = key.seal(&SLOT, [9; 12], b"").expect("sealed");
        assert_eq!(opened(&key, &SLOT, &empty), Ok(vec![]));
    }

    #[test]
    fn each_changed_bit_and_each_cut_shows() {
        let key = SealingKey::new([7; 32]);
        let sealed = key.seal(&SLOT, [9; 12], b"hunter2").expect("sealed");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(&key, &SLOT, &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(opened(&key, &SLOT, &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_secret_that_is_too_long_is_refused() {
        let plain = vec![0; SECRET_BYTES_MAX + 1];
        let refused = SealingKey::new([7; 32]).seal(&SLOT, [9; 12], &plain);
        assert_eq!(refused, Err(SealError::TooLong { bytes: SECRET_BYTES_MAX + 1 }));
    }

    proptest! {
        #[test]
        fn any_secret_comes_back(name: String, version: u64, nonce: [u8; 12], plain: Vec<u8>) {
            let slot = SecretSlot { name: &name, version, client: None };
            let key = SealingKey::new([1; 32]);
            let sealed = key.seal(&slot, nonce, &plain).expect("sealed");
            prop_assert_eq!(opened(&key, &slot, &sealed), Ok(plain));
        }

        #[test]
        fn any_bytes_are_opened_or_refused(sealed: Vec<u8>) {
            let _ = SealingKey::new([1; 32]).open(&SLOT, &sealed);
        }
    }
}
