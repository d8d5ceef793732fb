//! News: RSS (0.9x, 1.0, 2.0) and Atom documents, as distributions, mailing lists and Mastodon
//! accounts publish them. Items are for people; the CVEs that they name are linked, nothing is counted.

use std::collections::BTreeMap;

use feed_rs::model::{Entry, Text};
use feed_rs::parser::{Builder, Parser};
use jiff::Timestamp;
use model::{Code, NewsItem};

use crate::cve::cves_in;
use crate::plain::plain_text;
use crate::snapshot::{Document, Parsed, feed};

/// The most items that one document may have; real ones have 10 to 100.
const ITEMS_MAX: usize = 2_000;

/// The longest title of an item or a feed, in characters.
const TITLE_CHARS_MAX: usize = 300;

/// The longest key or link, in bytes.
const LINK_BYTES_MAX: usize = 500;

/// The part of an item's text in which CVEs are looked for, in bytes.
const TEXT_BYTES_MAX: usize = 512 * 1024;

/// The ends of whole documents.
const ENDS: [&[u8]; 4] = [b"</rss>", b"</feed>", b"</rdf:RDF>", b"</RDF>"];

/// Parses news documents. Of items with one source and key the first counts.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut items = BTreeMap::new();
    // What has no id of its own gets none: the parser's substitute may be random.
    let parser = Builder::new().id_generator(|_, _, _| String::new()).build();
    for document in documents {
        match parse_document(&parser, document, &mut parsed) {
            Ok(found) => {
                for item in found {
                    items.entry((item.source.clone(), item.key.clone())).or_insert(item);
                }
            }
            Err(message) => parsed.problem(Code::FeedUnreadable, feed::NEWS, &document.label, message),
        }
    }
    parsed.news = items.into_values().collect();
    parsed
}

fn parse_document(
    parser: &Parser,
    document: &Document,
    parsed: &mut Parsed,
) -> Result<Vec<NewsItem>, String> {
    // The parser takes the first half of a document for a whole one.
    let end = document.bytes.trim_ascii_end();
    if !ENDS.iter().any(|tag| end.ends_with(tag)) {
        return Err(
            "the document is cut short: it does not end with </rss>, </feed> or </rdf:RDF>".to_owned()
        );
    }
    let parsed_feed =
        parser.parse(&document.bytes[..]).map_err(|error| format!("not RSS or Atom: {error}"))?;
    let title = shown(parsed_feed.title.as_ref());
    let source = if title.is_empty() { plain_text(&document.label, TITLE_CHARS_MAX) } else { title };
    if parsed_feed.entries.len() > ITEMS_MAX {
        let message = format!("{} items, the first {ITEMS_MAX} are read", parsed_feed.entries.len());
        parsed.problem(Code::FeedTooLarge, feed::NEWS, &document.label, message);
    }
    let mut items = Vec::new();
    for (position, entry) in parsed_feed.entries.into_iter().take(ITEMS_MAX).enumerate() {
        match convert(&source, &entry) {
            Some(item) => items.push(item),
            None => {
                let part = format!("{}, item {}", document.label, position + 1);
                let message = "the item has no title and no text";
                parsed.problem(Code::FeedEntryInvalid, feed::NEWS, part, message);
            }
        }
    }
    Ok(items)
}

fn convert(source: &str, entry: &Entry) -> Option<NewsItem> {
    let title = shown(entry.title.as_ref());
    let summary = entry.summary.as_ref().map_or("", |text| text.content.as_str());
    let content = entry.content.as_ref().and_then(|it| it.body.as_deref()).unwrap_or_default();
    // Posts of Mastodon have no title: their text is one.
    let texts = [title.as_str(), summary, content];
    let title = texts.iter().map(|it| plain_text(it, TITLE_CHARS_MAX)).find(|it| !it.is_empty())?;
    let link = entry.links.iter().map(|it| it.href.trim()).find(|it| is_web_link(it)).map(str::to_owned);
    let id = plain_text(&entry.id, LINK_BYTES_MAX);
    let key = if id.is_empty() { link.clone().unwrap_or_else(|| title.clone()) } else { id };
    let published = entry.published.or(entry.updated);
    let ids = texts.iter().flat_map(|text| cves_in(capped(text))).collect::<std::collections::BTreeSet<_>>();
    Some(NewsItem {
        source: source.to_owned(),
        key: capped_to(&key, LINK_BYTES_MAX).to_owned(),
        title,
        link,
        published: published.and_then(|at| Timestamp::from_second(at.timestamp()).ok()),
        ids: ids.into_iter().collect(),
    })
}

fn shown(text: Option<&Text>) -> String {
    text.map(|it| plain_text(&it.content, TITLE_CHARS_MAX)).unwrap_or_default()
}

/// Says whether a link leads to the web and holds nothing but a link: no blanks, quotes or controls.
fn is_web_link(link: &str) -> bool {
    let is_web = link.starts_with("https://") || link.starts_with("http://");
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>`\\".contains(&byte);
    is_web && link.len() <= LINK_BYTES_MAX && link.bytes().all(is_plain)
}

fn capped(text: &str) -> &str {
    capped_to(text, TEXT_BYTES_MAX)
}

fn capped_to(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse(&[Document { label: "news.xml".to_owned(), bytes: text.as_bytes().to_vec() }])
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str], problems: usize) {
        let parsed = parsed(text);
        let shown = parsed.news.iter().map(|it| {
            let ids: Vec<_> = it.ids.iter().map(|id| id.as_str()).collect();
            let published = it.published.map(|at| at.to_string()).unwrap_or_default();
            let link = it.link.as_deref().unwrap_or("-");
            format!("{} | {} | {} | {link} | {published} | {}", it.source, it.key, it.title, ids.join(" "))
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(parsed.problems.len(), problems, "{:?}", parsed.problems);
    }

    fn rss(items: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><rss version="2.0"><channel><title>list</title>{items}</channel></rss>"#
        )
    }

    #[test]
    fn rss_and_atom_and_mastodon_are_read() {
        check(
            &rss("<item><title>OpenSSH: CVE-2024-6387 fixed</title><link>https://lists.example/1</link>\
                  <guid>https://lists.example/1</guid><pubDate>Mon, 01 Jul 2024 08:00:00 +0000</pubDate>\
                  <description>also cve-2024-6386</description></item>"),
            &[
                "list | https://lists.example/1 | OpenSSH: CVE-2024-6387 fixed | https://lists.example/1 | 2024-07-01T08:00:00Z | CVE-2024-6386 CVE-2024-6387",
            ],
            0,
        );
        check(
            r#"<feed xmlns="http://www.w3.org/2005/Atom"><title>SA</title><id>f</id><entry><id>urn:1</id><title>x</title>
               <updated>2024-07-01T08:00:00Z</updated><link href="https://sa.example/1"/></entry></feed>"#,
            &["SA | urn:1 | x | https://sa.example/1 | 2024-07-01T08:00:00Z | "],
            0,
        );
        check(
            &rss(
                "<item><guid>7</guid><description>&lt;p&gt;Patch &lt;b&gt;now&lt;/b&gt;: CVE-2025-12345&lt;/p&gt;</description></item>",
            ),
            &["list | 7 | Patch now: CVE-2025-12345 | - |  | CVE-2025-12345"],
            0,
        );
    }

    #[test]
    fn what_is_hostile_becomes_harmless() {
        check(
            &rss("<item><title>&lt;script&gt;alert(1)&lt;/script&gt;a&#27;[2Jb&#x202e;c</title>\
                  <link>javascript:alert(1)</link></item>"),
            &["list | alert(1)a[2Jbc | alert(1)a[2Jbc | - |  | "],
            0,
        );
        check(&rss("<item><link>https://x.example/</link></item>"), &[], 1);
    }

    #[test]
    fn what_is_cut_or_something_else_is_no_news() {
        check("<rss version=\"2.0\"><channel><title>list</title><item><title>half</title></item>", &[], 1);
        check("<html><body>moved</body></html>", &[], 1);
        check("", &[], 1);
    }

    #[test]
    fn an_item_that_stands_twice_counts_once() {
        let item = "<item><title>one</title><guid>1</guid></item>";
        check(&rss(&item.repeat(2)), &["list | 1 | one | - |  | "], 0);
    }
}
