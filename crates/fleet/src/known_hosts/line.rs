//! One line: marker, names, key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use russh::keys::PublicKey;

use crate::pattern::list_matches;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Marker {
    /// It is the host's.
    None,
    /// `@cert-authority`
    Authority,
    /// `@revoked`
    Revoked,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub path: Arc<str>,
    pub number: usize,
    names: Names,
    /// The key in OpenSSH's form without comment, or why the line is not understood.
    pub content: Result<(Marker, String), String>,
}

#[derive(Debug, Clone)]
enum Names {
    /// Patterns, lower case.
    Patterns(Vec<String>),
    /// `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// A hash of a kind that is not understood: it may be anybody's.
    Anybody,
}

impl Line {
    /// Reads a line; `None` for empty ones and comments.
    pub(super) fn parse(path: &str, number: usize, text: &str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let (marker, rest) = match text.starts_with('@') {
            true => cut(text),
            false => ("", text),
        };
        let (names, key) = cut(rest);
        let content = match marker {
            "" => Ok(Marker::None),
            "@cert-authority" => Ok(Marker::Authority),
            "@revoked" => Ok(Marker::Revoked),
            other => Err(format!("the marker `{}` is not understood", other.escape_debug())),
        };
        let content = content.and_then(|marker| Ok((marker, read_key(key)?)));
        Some(Self { path: Arc::from(path), number, names: Names::parse(names), content })
    }

    /// Says whether it is about a host, named in lower case.
    pub(super) fn is_for(&self, name: &str) -> bool {
        match &self.names {
            Names::Patterns(patterns) => list_matches(patterns.iter().map(String::as_str), name),
            Names::Hashed { salt, hash } => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                hmac::sign(&key, name.as_bytes()).as_ref() == hash.as_slice()
            }
            Names::Anybody => true,
        }
    }
}

impl Names {
    fn parse(text: &str) -> Self {
        if !text.starts_with('|') {
            return Self::Patterns(text.split(',').map(str::to_ascii_lowercase).collect());
        }
        let parts = text.strip_prefix("|1|").and_then(|rest| rest.split_once('|'));
        let decoded =
            parts.and_then(|(salt, hash)| Some((STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?)));
        match decoded {
            Some((salt, hash)) => Self::Hashed { salt, hash },
            None => Self::Anybody,
        }
    }
}

fn cut(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    (word, rest.trim_start_matches(|c: char| c.is_ascii_whitespace()))
}

/// Reads type and key; a comment after them is left out.
fn read_key(text: &str) -> Result<String, String> {
    let (kind, rest) = cut(text);
    let (blob, _) = cut(rest);
    let key = format!("{kind} {blob}");
    match PublicKey::from_openssh(&key) {
        Ok(_) => Ok(key),
        Err(error) => Err(format!("no public key in OpenSSH's form: {error}")),
    }
}
