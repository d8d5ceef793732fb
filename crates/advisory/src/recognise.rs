//! Tells which feed a document belongs to, by what is in it.

use memchr::memmem;

use crate::debian;
use crate::snapshot::feed;

/// How far into a text the first entry of a Debian list is looked for, in bytes.
const LIST_HEAD_BYTES: usize = 16 * 1024;

/// Returns the feed's name; `None` for a document that no parser knows.
///
/// JSON is told by keys that only its format has: a quote inside of a JSON string is escaped, so
/// `"cveID"` with bare quotes is a key (or a whole string). So a truncated document is still given to
/// its own parser, which reports it under its feed's name.
pub(crate) fn recognise(bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.trim_ascii_start();
    let has = |needle: &str| memmem::find(bytes, needle.as_bytes()).is_some();
    match bytes.first()? {
        b'{' | b'[' => {
            if has("\"distroversion\"") {
                Some(feed::ALPINE_SECDB)
            } else if has("\"cveID\"") || has("\"catalogVersion\"") {
                Some(feed::CISA_KEV)
            } else if has("\"id\"") && has("\"modified\"") {
                Some(feed::OSV)
            } else {
                debian_list(bytes)
            }
        }
        b'<' => (has("<vuxml") || has("<vuln vid=")).then_some(feed::FREEBSD_VUXML),
        _ => debian_list(bytes),
    }
}

fn debian_list(bytes: &[u8]) -> Option<&'static str> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(LIST_HEAD_BYTES)]);
    head.lines().any(debian::is_header).then_some(feed::DEBIAN_DSA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_feed() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(recognise(text.as_bytes()), expected, "{text}");
        check(r#"{"apkurl":"","distroversion":"v3.20","pack"#, Some("alpine-secdb"));
        check(r#" {"catalogVersion":"1"}"#, Some("cisa-kev"));
        check(r#"[{"id":"X-1","modified":"2024"}]"#, Some("osv"));
        check(r#"{"id":"X-1","modified":"2024","details":"a \"cveID\" in text"}"#, Some("osv"));
        check("\u{feff}<?xml version=\"1.0\"?><vuxml>", Some("freebsd-vuxml"));
        check("\n  <vuln vid=\"a\">", Some("freebsd-vuxml"));
        check("[02 Jan 2024] DSA-9001-1 x - y", Some("debian-dsa"));
        check("NOTE: head\n[02 Jan 2024] DLA-9001-1 x - y", Some("debian-dsa"));
        check(r#"[{"pkg_name":"ffmpeg","ecosystem":"Alpine:v3.4"}]"#, None);
        check("<html>", None);
        check("# a page", None);
        check("", None);
    }
}
