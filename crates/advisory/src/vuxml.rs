//! FreeBSD's VuXML: `vuln.xml`, flat or in its yearly parts, which are bare sequences of `<vuln>`
//! (DTD: vuxml.org, vuxml-model-11.mod; what it means to pkg: pkg's `libpkg/pkg_audit.c`).
//!
//! The document is cut into entries by their tags first, and each entry is parsed by itself. So one
//! malformed entry costs one entry, a part without a root element is as good as a whole document, and
//! the descriptions, which are nine tenths of it, are never parsed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use memchr::memmem;
use model::{Code, Ecosystem, FeedName, ReleaseScope};

use crate::snapshot::{Coverage, Document, Parsed, feed};
use crate::vuxml_entry::{Entry, parse_entry};

/// Parses VuXML documents. Of entries with one vid the last modified counts, of equally old ones the
/// first; a cancelled entry is out, whatever else stands under its vid.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for document in documents {
        for (offset, slice) in cut(&document.bytes, &document.label, &mut parsed) {
            match parse_entry(slice) {
                Ok(entry) => keep(&mut entries, entry, &document.label, &mut parsed),
                Err(message) => {
                    let part = format!("{}, entry at byte {offset}", document.label);
                    parsed.problem(Code::FeedEntryInvalid, feed::FREEBSD_VUXML, part, message);
                }
            }
        }
    }
    for entry in entries.into_values() {
        if entry.is_cancelled {
            parsed.ignored += 1;
        } else {
            parsed.advisories.push(entry.into_advisory());
        }
    }
    if !parsed.advisories.is_empty() {
        parsed.coverage.insert(Coverage {
            feed: FeedName::new(feed::FREEBSD_VUXML),
            ecosystem: Ecosystem::FreeBsd,
            release: ReleaseScope::Any,
            repository: None,
        });
    }
    parsed
}

/// Cuts a document into its `<vuln>` elements, with their offsets. Comments between them are skipped.
/// Every byte is looked at a bounded number of times, whatever is in it.
fn cut<'a>(bytes: &'a [u8], label: &str, parsed: &mut Parsed) -> Vec<(usize, &'a [u8])> {
    let mut entries = Vec::new();
    let mut problem = |at: usize, message: &str| {
        let part = format!("{label}, byte {at}");
        parsed.problem(Code::FeedEntryInvalid, feed::FREEBSD_VUXML, part, message);
    };
    let mut at = 0;
    // The end that was looked for last: it stays valid while entries start before it.
    let mut end = 0;
    loop {
        let start = match next_entry(bytes, at) {
            Next::Entry(start) => start,
            Next::Unclosed(at) => {
                problem(at, "no --> ends the comment; what follows is not read");
                return entries;
            }
            Next::Nothing => return entries,
        };
        let body = start + OPEN.len();
        if end < body {
            end = memmem::find(&bytes[body..], CLOSE).map_or(usize::MAX, |it| body + it + CLOSE.len());
        }
        let inner = &bytes[body..end.min(bytes.len())];
        let nested = memmem::find_iter(inner, OPEN).map(|it| body + it).find(|it| is_entry(bytes, *it));
        match nested {
            None if end != usize::MAX => {
                entries.push((start, &bytes[start..end]));
                at = end;
            }
            _ => {
                problem(start, "no </vuln> ends the entry");
                at = nested.unwrap_or(bytes.len());
            }
        }
    }
}

const OPEN: &[u8] = b"<vuln";
const CLOSE: &[u8] = b"</vuln>";

/// What follows in a document.
enum Next {
    /// An entry starts here.
    Entry(usize),
    /// A comment starts here and never ends.
    Unclosed(usize),
    /// No further entry.
    Nothing,
}

/// Finds the next `<vuln` that is that element and not in a comment.
fn next_entry(bytes: &[u8], mut at: usize) -> Next {
    loop {
        let Some(found) = memmem::find(&bytes[at..], OPEN).map(|it| at + it) else { return Next::Nothing };
        while let Some(comment) = memmem::find(&bytes[at..found.max(at)], b"<!--") {
            let inside = at + comment;
            match memmem::find(&bytes[inside..], b"-->") {
                Some(length) => at = inside + length,
                None => return Next::Unclosed(inside),
            }
        }
        if at > found {
            continue;
        }
        if is_entry(bytes, found) {
            return Next::Entry(found);
        }
        at = found + OPEN.len();
    }
}

/// Says whether the `<vuln` here is that element and not the start of a longer name.
fn is_entry(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + OPEN.len()).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'>')
}

fn keep(entries: &mut BTreeMap<String, Entry>, entry: Entry, label: &str, parsed: &mut Parsed) {
    for message in &entry.troubles {
        let part = format!("{label}, {}", entry.vid);
        parsed.problem(Code::FeedEntryInvalid, feed::FREEBSD_VUXML, part, message.as_str());
    }
    match entries.entry(entry.vid.clone()) {
        Slot::Vacant(slot) => {
            slot.insert(entry);
        }
        Slot::Occupied(mut slot) => {
            let known = slot.get_mut();
            let is_cancelled = known.is_cancelled || entry.is_cancelled;
            if entry.changed() > known.changed() {
                *known = entry;
            }
            known.is_cancelled = is_cancelled;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Affects, Bound, PackageName, PackagePattern, VulnerabilityId};

    use super::*;

    fn entry(affects: &str) -> String {
        format!(r#"<vuln vid="v1"><topic>a &amp; b</topic><affects>{affects}</affects></vuln>"#)
    }

    fn parsed(text: &str) -> Parsed {
        parse(&[Document { label: "vuln.xml".to_owned(), bytes: text.as_bytes().to_vec() }])
    }

    #[track_caller]
    fn check(range: &str, expected: &str) {
        let parsed = parsed(&entry(&format!("<package><name>p</name>{range}</package>")));
        let Affects::Ranges { ranges, .. } = &parsed.advisories[0].affected[0].affects else {
            panic!("expected ranges: {range}");
        };
        let show = |bound: &Option<Bound>| match bound {
            Some(it) => format!("{}{}", it.version, if it.is_inclusive { "=" } else { "" }),
            None => "-".to_owned(),
        };
        let shown: Vec<_> =
            ranges.iter().map(|it| format!("{}..{}", show(&it.lower), show(&it.upper))).collect();
        assert_eq!(shown.join(" "), expected, "{range}");
    }

    #[test]
    fn every_range_shape() {
        check("<range><lt>1.2</lt></range>", "-..1.2");
        check("<range><ge>1</ge><lt>1.2</lt></range>", "1=..1.2");
        check("<range><gt>1</gt><lt>1.2</lt></range>", "1..1.2");
        check("<range><le>1.2</le></range>", "-..1.2=");
        check("<range><ge>1</ge><le>1.2</le></range>", "1=..1.2=");
        check("<range><ge>1</ge></range>", "1=..-");
        check("<range><gt>1</gt></range>", "1..-");
        check("<range><eq>1</eq></range>", "1=..1=");
        check("<range><gt>1</gt><le>1.2</le></range>", "1..1.2=");
        check("<range><lt>1</lt></range><range><ge>2</ge><lt>2.1</lt></range>", "-..1 2=..2.1");
        check("<range><ge>*</ge></range>", "*=..-");
        check("<range/>", "-..-");
        check("<range><lt></lt></range>", "-..-");
        check("<range><lt> 1.2,1 </lt></range>", "-..1.2,1");
        check("", "-..-");
    }

    #[test]
    fn names_ids_and_dates() {
        let parsed = parsed(
            r#"<?xml version="1.0"?><vuxml><!-- <vuln vid="commented"> </vuln> -->
            <vuln vid="v2"><topic>x -- &lt;y&gt; &unknown; &#65;</topic>
            <affects><package><name>py*-x</name><name>py-x</name><range><lt>1</lt></range></package>
            <system><name>FreeBSD</name><range><ge>14.1</ge><lt>14.1_5</lt></range></system></affects>
            <description><body><p>unclosed</body></description>
            <references><cvename>CAN-2004-0001</cvename><freebsdsa>SA-24:04.openssh</freebsdsa></references>
            <dates><discovery>2004-01-01</discovery><entry>2004-01-02</entry></dates></vuln></vuxml>"#,
        );
        assert_eq!(parsed.problems, []);
        let advisory = &parsed.advisories[0];
        assert_eq!(advisory.summary, "x -- <y> &unknown; A");
        let aliases: Vec<_> = advisory.aliases.iter().map(VulnerabilityId::as_str).collect();
        assert_eq!(aliases, ["CAN-2004-0001", "CVE-2004-0001", "FreeBSD-SA-24:04.openssh"]);
        let packages: Vec<_> = advisory.affected.iter().map(|it| &it.package).collect();
        let exact = |name: &str| PackagePattern::Exact(PackageName::new(name));
        assert_eq!(packages, [&PackagePattern::Glob("py*-x".to_owned()), &exact("py-x"), &exact("FreeBSD")]);
        assert_eq!(advisory.published.map(|it| it.to_string()).as_deref(), Some("2004-01-02"));
    }

    #[test]
    fn cancelled_modified_and_broken_entries() {
        let package = |version: &str| {
            format!("<affects><package><name>p</name><range><lt>{version}</lt></range></package></affects>")
        };
        let dated = |version: &str, date: &str| {
            format!(
                r#"<vuln vid="a">{}<dates><entry>2020-01-01</entry><modified>{date}</modified></dates></vuln>"#,
                package(version)
            )
        };
        let newest =
            parsed(&(dated("2", "2021-01-01") + &dated("3", "2022-01-01") + &dated("4", "2021-06-01")));
        assert!(format!("{:?}", newest.advisories).contains("Version(\"3\")"), "{:?}", newest.advisories);
        let cancelled =
            parsed(&(dated("2", "2021-01-01") + r#"<vuln vid="a"><cancelled superseded="b"/></vuln>"#));
        assert_eq!((cancelled.advisories.len(), cancelled.ignored), (0, 1));
        let broken = format!(
            r#"<vuln vid="x"><topic>no end {}<vuln vid="y"><topic></affects></vuln>"#,
            dated("2", "2021-01-01")
        );
        let broken = parsed(&broken);
        assert_eq!((broken.advisories.len(), broken.problems.len()), (1, 2), "{:?}", broken.problems);
    }

    #[test]
    fn comments_are_no_entries() {
        let good = entry("<package><name>p</name><range><lt>1</lt></range></package>");
        let count = |text: &str| {
            let parsed = parsed(text);
            (parsed.advisories.len(), parsed.problems.len())
        };
        let commented = format!("<!-- {} -->", good.replace("v1", "v2"));
        assert_eq!(count(&good), (1, 0));
        assert_eq!(count(&format!("{commented}{good}{commented}")), (1, 0));
        assert_eq!(count(&format!("<!-- a --><!-- <vuln> --><!-- b -->{good}")), (1, 0));
        assert_eq!(count(&format!("{good}<!-- {good}")), (1, 1));
        assert_eq!(count(&good.replace("<topic>", "<!-- no > end <topic>")), (0, 1));
        assert_eq!(count(&good.replace("<topic>", "<!-- inside --><topic>")), (1, 0));
        assert_eq!(count("<vulnerable>x</vulnerable>"), (0, 0));
    }
}
