//! The keys that feed bundles are signed with: Ed25519 (RFC 8032), written as text.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use thiserror::Error;

/// What a public key starts with.
const PUBLIC_PREFIX: &str = "ifrit-feeds:";

/// What a secret key starts with.
const SECRET_PREFIX: &str = "ifrit-feeds-secret:";

/// The length of a seed and of a public key, in bytes.
const KEY_BYTES: usize = 32;

/// A text that is no key. The text itself is not repeated: it may be a secret one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a key of feed bundles: expected `{expected}` and 64 hexadecimal digits")]
pub struct InvalidKey {
    /// What it should start with.
    pub expected: &'static str,
}

/// The key that signs. It has no `Debug`: what it holds is nobody's to see.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// Makes the key of 32 random bytes.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self { pair: pair.expect("invariant: every 32 bytes are a seed") }
    }

    /// Reads the text of [`secret_key_text`].
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        parse(text, SECRET_PREFIX).map(|seed| Self::from_seed(&seed))
    }

    /// Returns the key by which its signatures are checked.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Returns the text of the secret key of a seed, to be written to a file for one's own eyes.
pub fn secret_key_text(seed: &[u8; KEY_BYTES]) -> String {
    format!("{SECRET_PREFIX}{}", hex(seed))
}

/// The key that checks signatures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Reads a key as it is displayed.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        parse(text, PUBLIC_PREFIX).map(Self)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", hex(&self.0))
    }
}

fn parse(text: &str, prefix: &'static str) -> Result<[u8; KEY_BYTES], InvalidKey> {
    let bytes = text.trim().strip_prefix(prefix).and_then(unhex);
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidKey { expected: prefix })
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_texts() {
        // The first test vector of RFC 8032, section 7.1.
        let seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").expect("digits");
        let seed: [u8; 32] = seed.try_into().expect("32 bytes");
        let key = SigningKey::from_seed(&seed);
        let public = "ifrit-feeds:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public_key().to_string(), public);
        assert_eq!(PublicKey::parse(&format!(" {public}\n")), Ok(key.public_key()));
        let again = SigningKey::parse(&secret_key_text(&seed)).ok().map(|it| it.public_key());
        assert_eq!(again, Some(key.public_key()));
        let signature = key.sign(b"");
        assert!(hex(&signature).starts_with("e5564300c360ac72"), "{}", hex(&signature));
        assert!(key.public_key().verifies(b"", &signature) && !key.public_key().verifies(b"x", &signature));
        for bad in
            ["", "ifrit-feeds:", "ifrit-feeds:zz", &public[..70], "ssh-ed25519 AAAA", &secret_key_text(&seed)]
        {
            assert!(PublicKey::parse(bad).is_err(), "{bad}");
        }
    }
}
