//! os-release(5).

use std::collections::BTreeMap;

use model::OsRelease;

use super::faults::{Faults, quote};
use super::package::lines;

/// The lines read.
const LINES_MAX: usize = 1_000;
/// The bytes of one value.
const VALUE_BYTES_MAX: usize = 256;
/// The fields that are read.
const FIELDS: [&str; 5] = ["ID", "VERSION", "VERSION_CODENAME", "VERSION_ID", "PRETTY_NAME"];

/// Reads os-release. `None` where it names no operating system that could be told apart.
pub(super) fn parse(output: &[u8], faults: &mut Faults) -> Option<OsRelease> {
    let mut fields = BTreeMap::new();
    for line in lines(output, faults).take(LINES_MAX) {
        let Some((name, value)) = line.trim().split_once('=') else { continue };
        let Some(field) = FIELDS.iter().find(|field| **field == name) else { continue };
        match unquote(value) {
            Some(value) if value.len() > VALUE_BYTES_MAX => {
                faults.unreadable(format!("{field} has {} bytes (at most {VALUE_BYTES_MAX})", value.len()));
            }
            Some(value) => drop(fields.insert(*field, value)),
            None => faults.unreadable(format!("{field} has an open quote in {}", quote(value))),
        }
    }
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    let (id, name) = (take("ID"), take("PRETTY_NAME"));
    // The manual's default for a missing ID is `linux`, which tells nothing apart.
    if id.is_empty() || !id.bytes().all(is_id_byte) {
        faults.unreadable(format!(
            "expected an ID of lower-case letters, digits, `.`, `_`, `-`, got {}",
            quote(&id)
        ));
        return None;
    }
    // FreeBSD's VERSION_ID has no patch level, its VERSION has.
    let version = if id == "freebsd" { take("VERSION") } else { take("VERSION_ID") };
    let codename = Some(take("VERSION_CODENAME")).filter(|name| !name.is_empty());
    Some(OsRelease { id, version, codename, pretty_name: name })
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
}

/// Undoes the shell's quoting, without expanding anything. `None` where a quote stays open.
fn unquote(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut open = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (open, char) {
            (None, '"' | '\'') => open = Some(char),
            (Some(quote), _) if char == quote => open = None,
            (Some('\''), _) => value.push(char),
            // Within double quotes a backslash escapes only these (POSIX shell, 2.2.3).
            (Some(_), '\\') => match chars.next()? {
                next @ ('"' | '\\' | '$' | '`') => value.push(next),
                next => value.extend(['\\', next]),
            },
            (None, '\\') => value.push(chars.next()?),
            _ => value.push(char),
        }
    }
    open.is_none().then_some(value)
}

#[cfg(test)]
mod tests;
