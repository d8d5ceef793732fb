//! Tells which feed a document belongs to, by what is in it.

use memchr::memmem;

use crate::snapshot::feed;
use crate::{debian, epss};

/// How far into a text the first entry of a Debian list is looked for, in bytes.
const LIST_HEAD_BYTES: usize = 16 * 1024;

/// How far into an XML document its first element is looked for, in bytes.
const XML_HEAD_BYTES: usize = 4 * 1024;

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
            } else if has("\"releases\"") && has("\"urgency\"") && has("\"status\"") {
                Some(feed::DEBIAN_TRACKER)
            } else if has("\"id\"") && has("\"modified\"") {
                Some(feed::OSV)
            } else {
                debian_list(bytes)
            }
        }
        b'<' if has("<vuxml") || has("<vuln vid=") => Some(feed::FREEBSD_VUXML),
        b'<' => is_news(bytes).then_some(feed::NEWS),
        _ if epss::is_scores(bytes) => Some(feed::EPSS),
        _ => debian_list(bytes),
    }
}

/// Says whether the first element is RSS's or Atom's; a page of HTML is neither.
fn is_news(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(XML_HEAD_BYTES)];
    let starts = memmem::find_iter(head, b"<").map(|at| &head[at + 1..]);
    let first = starts.into_iter().find(|name| name.first().is_some_and(u8::is_ascii_alphabetic));
    let is_named = |name: &&[u8]| {
        let rest = first.and_then(|first| first.strip_prefix(*name));
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
    };
    [&b"rss"[..], b"feed", b"rdf:RDF", b"RDF"].iter().any(is_named)
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
        check(
            r#"{"p":{"CVE-2024-1":{"releases":{"sid":{"status":"open","urgency":"low"#,
            Some("debian-tracker"),
        );
        check("#model_version:v2025.03.14,score_date:2025", Some("epss"));
        check("cve,epss,percentile\nCVE-2024-1,0.1,0.2\n", Some("epss"));
        check("<?xml version=\"1.0\"?>\n<!-- made by x -->\n<rss version=\"2.0\">", Some("news"));
        check("<feed xmlns=\"http://www.w3.org/2005/Atom\">", Some("news"));
        check("<rdf:RDF xmlns:rdf=\"x\">", Some("news"));
        check("<!DOCTYPE html><html><head><rss></head>", None);
        check("<feedback>", None);
        check("<html>", None);
        check("# a page", None);
        check("", None);
    }
}
