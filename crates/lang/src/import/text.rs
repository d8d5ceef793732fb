//! Foreign text made fit: for a name, for a Starlark string, for a comment.

use std::fmt::Write as _;

use model::ClientName;

use crate::import::NOTE_CHARS_MAX;

/// What a made-up name may take of the 253 bytes of a name: a number that makes it unique has room.
pub(super) const NAME_STEM_BYTES: usize = 200;

/// Makes a name out of any text: what the naming rule refuses becomes `-`. Empty where nothing is left.
pub(super) fn name_from(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for character in text.trim().chars() {
        let is_good = character.is_ascii_alphanumeric() || "._-".contains(character);
        if is_good {
            name.push(character);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_start_matches(['.', '_', '-']);
    let name = name.get(..name.len().min(NAME_STEM_BYTES)).unwrap_or_default();
    name.trim_end_matches('-').to_owned()
}

/// Makes the name of a client or site: lower case where the text itself is no name.
pub(super) fn word_from(text: &str) -> String {
    let text = text.trim();
    if ClientName::new(text).is_ok() { text.to_owned() } else { name_from(&text.to_lowercase()) }
}

/// Cuts text at [`NOTE_CHARS_MAX`] characters, visibly.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(NOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Writes a Starlark string literal, which is a Python one as well.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            '\r' => literal.push_str("\\r"),
            _ if is_unprintable(character) => _ = write!(literal, "\\U{:08x}", u32::from(character)),
            _ => literal.push(character),
        }
    }
    literal.push('"');
    literal
}

/// Makes text that stays within its comment, and that shows what it is.
pub(super) fn comment(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '\n' | '\r' | '\t' => line.push(' '),
            _ if is_unprintable(character) => line.extend(character.escape_unicode()),
            _ => line.push(character),
        }
    }
    line
}

/// Control characters, and the marks that let code look like other code (<https://trojansource.codes>).
fn is_unprintable(character: char) -> bool {
    let is_mark = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || is_mark
}

/// Orders text as people count: `web-2` before `web-10`.
pub(super) fn natural_key(text: &str) -> Vec<(String, u64)> {
    let mut key = vec![(String::new(), 0_u64)];
    let mut was_digit = false;
    for character in text.chars() {
        let digit = character.to_digit(10);
        if was_digit && digit.is_none() {
            key.push((String::new(), 0));
        }
        was_digit = digit.is_some();
        if let Some((word, number)) = key.last_mut() {
            match digit {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(digit.into()),
                None => word.push(character),
            }
        }
    }
    key
}

/// Says whether a variable's name promises a secret, which must not end up in a git repository.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = [
        "pass",
        "secret",
        "token",
        "credential",
        "private_key",
        "privatekey",
        "api_key",
        "apikey",
        "pwd",
        "vault",
    ];
    // A file's name or a switch is none.
    let is_about = ["_file", "_path", "_method", "_id", "_user"].iter().any(|end| key.ends_with(end));
    words.iter().any(|word| key.contains(word)) && !is_about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_anything() {
        let check = |text, expected: &str| assert_eq!(name_from(text), expected, "{text:?}");
        check("web-1.example", "web-1.example");
        check("  Web Server (old)", "Web-Server-old");
        check("-oProxyCommand=x", "oProxyCommand-x");
        check("über\u{202e}\n", "ber");
        check("\"); host(\"", "host");
        check("§$%", "");
        assert_eq!(name_from(&"x".repeat(1_000)).len(), 200);
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let mut names = ["web-10", "web-2", "web", "db-1", "web-2-b"];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(names, ["db-1", "web", "web-2", "web-2-b", "web-10"]);
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        let check = |key, expected| assert_eq!(is_secret(key), expected, "{key}");
        check("ansible_become_password", true);
        check("DB_PASS", true);
        check("snmp_secret", true);
        check("api_token", true);
        check("ansible_ssh_private_key_file", false);
        check("http_port", false);
    }
}
