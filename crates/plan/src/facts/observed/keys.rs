//! Keys that open accounts: the authorized_keys files of sshd(8), `.ssh/authorized_keys` and
//! `.ssh/authorized_keys2` below each home. Another `AuthorizedKeysFile` of sshd_config is not read.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use model::{AuthorizedKey, UserName};
use sha2::{Digest, Sha256};

use crate::facts::fact::Definition;
use crate::facts::faults::Faults;
use crate::facts::files::Files;

/// The keys taken of one host.
const KEYS_MAX: usize = 50_000;
/// The accounts whose home is looked at; the snippet has the number too.
const HOMES_MAX: usize = 2_000;
/// The bytes of a key's algorithm.
const ALGORITHM_BYTES_MAX: usize = 64;
/// The names below a home.
const FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// `N` lines are `ACCOUNT:FILE`: accounts may share a home, and neither part can hold a colon.
/// A home that may not be searched counts as unreadable where it could hold keys. Every key has
/// `AAAA` (the first bytes of the length of its algorithm's name, in base64); other lines are not
/// sent, because an account's owner could link the file to one that only root may read.
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "authorized-keys",
    guard: "[ -r /etc/passwd ]",
    snippet: r#"
set --
count=0
while IFS=: read -r name word uid gid gecos home shell || [ -n "$name" ]; do
  count=$((count + 1))
  [ $count -le 2000 ] || break
  case $home in /?*) ;; *) continue ;; esac
  [ -d "$home" ] || continue
  for folder in "$home" "$home/.ssh"; do
    [ ! -d "$folder" ] || [ -x "$folder" ] || printf 'U%s\n' "$folder"
  done
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
    [ -e "$file" ] || continue
    printf 'N%s:%s\n' "$name" "$file"
    set -- "$@" "$file"
  done
done </etc/passwd
only=AAAA
show_files "$@""#,
    read: |seen, output, faults| {
        let files = Files::parse(output, faults);
        seen.observed.authorized_keys = keys(&files, faults);
    },
};

/// Returns the files of an offline root that could hold keys, as `ACCOUNT:FILE`.
pub(in crate::facts) fn key_files(passwd: &[String]) -> Vec<String> {
    let file = |line: &String| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, _, _, _, home, _] = fields[..] else { return None };
        let home = Some(home.trim_end_matches('/')).filter(|home| home.starts_with('/'))?;
        Some(FILES.map(|file| format!("{name}:{home}/{file}")))
    };
    passwd.iter().take(HOMES_MAX).filter_map(file).flatten().collect()
}

/// Reads the keys of every account.
pub(in crate::facts) fn keys(files: &Files, faults: &mut Faults) -> Option<Vec<AuthorizedKey>> {
    let mut found = Vec::new();
    for (account, path) in files.names.iter().filter_map(|name| name.split_once(':')) {
        let lines = files.texts.get(path).map_or(&[][..], Vec::as_slice);
        for (index, line) in lines.iter().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse(account, line) {
                Some(key) => found.push(key),
                // The line is not quoted: who owns the file could link it to one that holds secrets.
                None => faults.ignored(format!("{path} has no key in line {}", index + 1)),
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.sort_unstable();
    // A key that stands there twice is one; the first line is the one that counts.
    found.retain(|key| seen.insert((key.account.clone(), key.fingerprint.clone())));
    files.if_whole(found, KEYS_MAX, faults)
}

/// Reads `[options] algorithm base64 [comment]` as sshd(8) does: without options first.
fn parse(account: &str, line: &str) -> Option<AuthorizedKey> {
    let (options, (algorithm, blob, comment)) = match parse_key(line) {
        Some(key) => ("", key),
        None => {
            let (options, rest) = line.split_at(options_end(line)?);
            (options, parse_key(rest.trim_start())?)
        }
    };
    Some(AuthorizedKey {
        account: UserName::new(account),
        fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))),
        algorithm: algorithm.to_owned(),
        comment: comment.to_owned(),
        options: options.to_owned(),
    })
}

fn parse_key(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (algorithm, rest) = text.split_once([' ', '\t'])?;
    let rest = rest.trim_start();
    let (encoded, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let blob = STANDARD.decode(encoded).ok()?;
    let is_key = algorithm.len() <= ALGORITHM_BYTES_MAX && is_blob(&blob, algorithm);
    is_key.then(|| (algorithm, blob, comment.trim()))
}

/// A blob is a row of strings with their lengths before them, of which the first is the algorithm's
/// name (RFC 4253, 6.6). In certificates numbers stand between, so only their first one is looked at.
fn is_blob(blob: &[u8], algorithm: &str) -> bool {
    let Some((first, mut rest)) = take_string(blob) else { return false };
    if first != algorithm.as_bytes() || rest.is_empty() {
        return false;
    }
    while !rest.is_empty() && !algorithm.contains("-cert-") {
        let Some((_, next)) = take_string(rest) else { return false };
        rest = next;
    }
    true
}

fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// Finds the blank that ends the options: the first one outside double quotes, `\"` being no quote.
fn options_end(line: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            b' ' | b'\t' if !is_quoted => return Some(index),
            b'"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    None
}

#[cfg(test)]
mod tests;
