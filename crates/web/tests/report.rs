//! Reports as HTML: what is on the page, that nothing foreign becomes markup, and that nothing is loaded.

use std::path::Path;
use std::{env, fs};

use control::report::{
    Block, Cell, Document, Figure, IncidentReport, PostureReport, Section, Table, Tone, Trend,
};
use proptest::prelude::*;
use web::report_html;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/reports").join(name);
    fs::read_to_string(path).expect("a fixture")
}

fn samples() -> [(&'static str, Document); 3] {
    let incident =
        |name| serde_json::from_str::<IncidentReport>(&fixture(name)).expect("a report").document();
    let posture = serde_json::from_str::<PostureReport>(&fixture("posture-client.json")).expect("a report");
    [
        ("incident-client.html", incident("incident-client.json")),
        ("incident-internal.html", incident("incident-internal.json")),
        ("posture-client.html", posture.document()),
    ]
}

/// Holds the pages against files of the repository, which are made to be looked at in a browser, too.
#[test]
fn the_sample_pages_are_fresh() {
    for (name, document) in samples() {
        let page = report_html(&document);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/reports").join(name);
        if env::var_os("IFRIT_UPDATE").is_some() {
            fs::write(&path, &page).expect("the sample");
        }
        let is_fresh = fs::read_to_string(&path).is_ok_and(|kept| kept == page);
        assert!(
            is_fresh,
            "{name} is not what is made now; run it with IFRIT_UPDATE=1 and look at what changes"
        );
    }
}

#[test]
fn a_page_loads_nothing() {
    for (name, document) in samples() {
        let page = report_html(&document);
        for word in [
            "<script", "<img", "<link", "<iframe", "@import", "url(", " src=", "srcset", " onload", " style=",
        ] {
            assert!(!page.contains(word), "{name} has {word}");
        }
        let links: Vec<&str> =
            page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(
            links.iter().all(|link| link.starts_with("https://www.cve.org/CVERecord?id=CVE-")),
            "{links:?}"
        );
        assert!(page.contains("default-src 'none'"), "{name} may load what it likes");
    }
}

#[test]
fn each_state_is_told_by_a_word_and_a_sign() {
    let tones = [("fixed", Tone::Good, '✓'), ("unknown", Tone::Open, '?'), ("failed", Tone::Bad, '✗')];
    for (word, tone, sign) in tones {
        let page = report_html(&page_with(Block::Table(Table::new(
            "c",
            &["t"],
            vec![vec![Cell::toned(word, tone)]],
        ))));
        assert!(
            page.contains(&format!("<span class=\"sign\" aria-hidden=\"true\">{sign}</span> {word}</span>")),
            "{page}"
        );
    }
}

fn page_with(block: Block) -> Document {
    Document { sections: vec![Section::new("section", vec![block])], ..Document::default() }
}

/// A document that says the same text in every place.
fn everywhere(text: &str) -> Document {
    let of = || text.to_owned();
    let at = "2026-11-23T10:00:00Z".parse().expect("a time");
    let tones = [Tone::Plain, Tone::Code, Tone::Number, Tone::Good, Tone::Open, Tone::Bad, Tone::Quiet];
    let cells = |tone| vec![Cell::toned(text, tone)];
    let table = Table {
        caption: of(),
        titles: vec![of()],
        rows: tones.into_iter().map(cells).collect(),
        more: Some(of()),
    };
    let span = control::report::Span { label: of(), from: at, until: at, words: of() };
    let blocks = vec![
        Block::Paragraph(of()),
        Block::List(vec![of()]),
        Block::Table(table),
        Block::Figures(vec![Figure { label: of(), value: of(), tone: Tone::Bad }]),
        Block::Spans(control::report::Spans { caption: of(), rows: vec![span] }),
        Block::Trend(Trend { caption: of(), lines: vec![of()], points: vec![(at, vec![3]), (at, vec![5])] }),
    ];
    Document {
        title: of(),
        banners: vec![of()],
        facts: vec![(of(), of())],
        lead: vec![of()],
        sections: vec![Section { title: of(), blocks }],
        footer: of(),
    }
}

/// Returns the names of the elements and attributes of a page, in order: its markup without its text.
fn markup(page: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), page);
    while let Some(begin) = rest.find('<') {
        let tag = &rest[begin..];
        let end = tag.find('>').map_or(tag.len(), |end| end + 1);
        // A text in an attribute stands between quotes, and has none of these.
        let without_values: Vec<&str> = tag[..end].split('"').step_by(2).collect();
        // How long a text is decides whether it may be broken over lines, which is a matter of classes alone.
        names.push(without_values.join("\"\"").replace(" class=\"\"", ""));
        rest = &tag[end..];
    }
    names
}

#[test]
fn hostile_texts_stay_texts() {
    let expected = markup(&report_html(&everywhere("text")));
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</style><script>",
        "</title></svg></table>",
        "javascript:alert(1)",
        "&lt;b&gt; &#60;b&#62;",
        "a\0b\x1b[2J\u{202e}c\u{2028}",
        "<!-- x --> ]]>",
    ] {
        let page = report_html(&everywhere(text));
        assert_eq!(markup(&page), expected, "{text}");
        assert!(!page.contains(['\0', '\x1b', '\u{202e}', '\u{2028}']), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_becomes_markup(text in "\\PC{1,40}|[<>&\"'/=a-z ]{1,40}") {
        prop_assume!(!text.trim().is_empty() && !text.contains("CVE-"));
        prop_assert_eq!(markup(&report_html(&everywhere(&text))), markup(&report_html(&everywhere("text"))));
    }
}
