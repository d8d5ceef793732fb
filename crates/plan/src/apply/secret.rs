//! The value of a secret.

use std::fmt;

use zeroize::Zeroizing;

/// The value of a secret. It cannot be printed or serialised, and its memory is wiped when it goes.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the value.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the value: whoever calls this answers for where it goes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}

/// The shortest secret, or beginning of one, that is looked for in a host's output, in bytes: a shorter
/// one stands in every second line.
const HIDDEN_BYTES_MIN: usize = 4;

/// What stands in output where a secret stood.
const HIDDEN: &[u8] = b"[secret]";

/// Takes secrets out of what a host printed, also one that the end cuts short.
pub(super) fn hide(text: Vec<u8>, secrets: &[SecretBytes]) -> Vec<u8> {
    secrets.iter().map(SecretBytes::expose).fold(text, hide_one)
}

fn hide_one(text: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    // Shells drop final newlines, so a secret may be shown without its own.
    let secret = secret.trim_ascii_end();
    if secret.len() < HIDDEN_BYTES_MIN {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        if rest.starts_with(secret) {
            out.extend_from_slice(HIDDEN);
            rest = &rest[secret.len()..];
        } else if rest.len() >= HIDDEN_BYTES_MIN && secret.starts_with(rest) {
            out.extend_from_slice(HIDDEN);
            break;
        } else {
            out.push(rest[0]);
            rest = &rest[1..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out() {
        let secrets = [SecretBytes::new(b"hunter22\n".to_vec()), SecretBytes::new(b"abc".to_vec())];
        for (text, expected) in [
            ("x hunter22 y hunter22", "x [secret] y [secret]"),
            ("x hunter2", "x [secret]"),
            ("x hun", "x hun"),
            ("abc", "abc"),
            ("", ""),
        ] {
            assert_eq!(hide(text.into(), &secrets), expected.as_bytes(), "{text}");
        }
        assert_eq!(format!("{:?}", secrets[0]), "SecretBytes");
    }
}
