//! Whether a single document is what it should be, before it takes the place of the last good one.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use memchr::memmem;
use model::{Code, FeedName, Place, Problem};

use crate::recognise::recognise;
use crate::snapshot::{Document, FeedError, FeedSource, feed, sync};
use crate::unpack::{is_packed, unpack};

/// Unpacks a document of a feed and looks whether it is one, whole and with entries: a page of HTML, an
/// empty answer and half a file are not. The documents that were in it come back.
///
/// A document of entries that are not for us (OSV records of another system) is fine.
///
/// # Errors
/// A problem that says what it is instead; nothing of the document should be used then.
pub fn check_document(feed_name: &FeedName, label: &str, bytes: Vec<u8>) -> Result<Vec<Document>, Problem> {
    let refuse = |code, message: String| {
        let place = Place::Feed { feed: feed_name.to_string(), part: label.to_owned() };
        Problem::new(code, place, message)
    };
    if bytes.trim_ascii().is_empty() {
        return Err(refuse(Code::FeedEmpty, "the document is empty".to_owned()));
    }
    let unpacked = unpack(bytes).map_err(|message| refuse(Code::FeedUnreadable, message))?;
    let mut documents = Vec::new();
    for file in unpacked {
        if recognise(&file.bytes) == Some(feed_name.as_str()) {
            let label =
                if file.name.is_empty() { label.to_owned() } else { format!("{label}/{}", file.name) };
            documents.push(Document { label, bytes: file.bytes });
        } else if documents.is_empty() && file.name.is_empty() {
            let message = format!("expected a document of {feed_name}, got {}", described(&file.bytes));
            return Err(refuse(Code::FeedUnreadable, message));
        }
    }
    if documents.is_empty() {
        return Err(refuse(Code::FeedUnreadable, format!("the archive holds no document of {feed_name}")));
    }
    if let Some(document) = documents.iter().find(|it| is_cut(feed_name, &it.bytes)) {
        return Err(refuse(Code::FeedUnreadable, format!("{} is cut short", document.label)));
    }
    let source = FeedSource { feed: feed_name.clone(), documents, problems: Vec::new() };
    let problems = match sync(&source) {
        Ok(snapshot) => snapshot.problems,
        Err(FeedError::Empty { ignored, problems, .. }) if ignored > 0 => problems,
        Err(FeedError::Empty { problems, .. }) => {
            let unreadable = problems.into_iter().find(|it| it.code == Code::FeedUnreadable);
            return Err(
                unreadable.unwrap_or_else(|| refuse(Code::FeedEmpty, "it holds no usable entry".to_owned()))
            );
        }
        Err(error @ FeedError::Unknown { .. }) => {
            return Err(refuse(Code::FeedUnrecognised, error.to_string()));
        }
    };
    match problems.into_iter().find(|it| it.code == Code::FeedUnreadable) {
        Some(problem) => Err(problem),
        None => Ok(source.documents),
    }
}

/// Compresses a document for keeping, unless it is compressed already. The same bytes give the same bytes.
pub fn pack(bytes: Vec<u8>) -> Vec<u8> {
    if is_packed(&bytes) {
        return bytes;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(&bytes)
        .and_then(|()| encoder.finish())
        .expect("invariant: writing to memory does not fail")
}

/// Says whether a document without its end would pass for a whole one.
fn is_cut(feed_name: &FeedName, bytes: &[u8]) -> bool {
    let has = |tag: &str| memmem::find(bytes, tag.as_bytes()).is_some();
    feed_name.as_str() == feed::FREEBSD_VUXML && has("<vuxml") && !has("</vuxml>")
}

fn described(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return "a page of HTML".to_owned();
    }
    match recognise(bytes) {
        Some(other) => format!("one of {other}"),
        None => {
            let shown: String = start.chars().take(40).collect();
            format!("something that starts with `{}`", shown.escape_debug())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECDB: &str = r#"{"distroversion":"v3.20","reponame":"main","packages":[{"pkg":{"name":"p","secfixes":{"1-r0":["CVE-2024-1"]}}}]}"#;

    #[track_caller]
    fn check(feed: &str, bytes: &[u8], expected: &str) {
        let shown = match check_document(&FeedName::new(feed), "https://x.example/d", bytes.to_vec()) {
            Ok(documents) => format!("{} document(s)", documents.len()),
            Err(problem) => format!("{}: {}", problem.code.as_str(), problem.message),
        };
        assert!(shown.starts_with(expected), "{shown}");
    }

    #[test]
    fn a_document_is_what_its_feed_says() {
        check("alpine-secdb", SECDB.as_bytes(), "1 document(s)");
        check("alpine-secdb", &pack(SECDB.as_bytes().to_vec()), "1 document(s)");
        check("alpine-secdb", b"", "feed.empty");
        check("alpine-secdb", b" \n", "feed.empty");
        check("alpine-secdb", br#"{"distroversion":"v3.20","reponame":"main","packages":[]}"#, "feed.empty");
        check("alpine-secdb", &SECDB.as_bytes()[..60], "feed.unreadable");
        check(
            "alpine-secdb",
            b"<!DOCTYPE html><html>",
            "feed.unreadable: expected a document of alpine-secdb, got a page of HTML",
        );
        check(
            "cisa-kev",
            SECDB.as_bytes(),
            "feed.unreadable: expected a document of cisa-kev, got one of alpine-secdb",
        );
        check(
            "cisa-kev",
            b"Not Found\x1b",
            "feed.unreadable: expected a document of cisa-kev, got something that starts with `not found\\u{1b}`",
        );
        check(
            "osv",
            br#"{"id":"X","modified":"2024","affected":[{"package":{"ecosystem":"npm","name":"p"}}]}"#,
            "1 document(s)",
        );
        let entry = r#"<vuln vid="a"><affects><package><name>p</name><range><lt>2</lt></range></package></affects></vuln>"#;
        check("freebsd-vuxml", format!("<vuxml>{entry}</vuxml>").as_bytes(), "1 document(s)");
        check("freebsd-vuxml", format!("<vuxml>{entry}").as_bytes(), "feed.unreadable");
        check("freebsd-vuxml", entry.as_bytes(), "1 document(s)");
        let packed = pack(SECDB.as_bytes().to_vec());
        check("alpine-secdb", &packed[..packed.len() - 4], "feed.unreadable: cannot unpack");
    }

    #[test]
    fn packing_is_done_once_and_gives_the_same_bytes() {
        let packed = pack(b"text".repeat(50));
        assert!(packed.len() < 200 && pack(packed.clone()) == packed && pack(b"text".repeat(50)) == packed);
    }
}
