//! Package URLs: <https://github.com/package-url/purl-spec>.

use std::fmt::Write as _;

use super::WORD_BYTES_MAX;

/// Writes `pkg:TYPE/NAME@VERSION`; the slashes of the name part its namespace. The name is written as
/// the type wants it: lower-case for golang and pypi, and pypi's `_` as `-`.
pub(super) fn purl(kind: &str, name: &str, version: &str) -> String {
    let name = match kind {
        "golang" => name.to_lowercase(),
        "pypi" => name.to_lowercase().replace('_', "-"),
        _ => name.to_owned(),
    };
    let mut text = format!("pkg:{kind}");
    for part in name.split('/').filter(|part| !part.is_empty()) {
        text.push('/');
        encode(&mut text, part);
    }
    if !version.is_empty() {
        text.push('@');
        encode(&mut text, version);
    }
    text
}

/// Says whether foreign text may pass for a package URL: it is kept, never resolved.
pub(super) fn is_purl(text: &str) -> bool {
    let rest = text.strip_prefix("pkg:").and_then(|rest| rest.split_once('/'));
    text.len() <= WORD_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && rest.is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
}

fn encode(text: &mut String, part: &str) {
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                text.push(byte.into())
            }
            _ => write!(text, "%{byte:02X}").expect("invariant: writing into a String does not fail"),
        }
    }
}
