//! A report as one HTML file: read on a screen, in light and dark, and printed on A4.

use control::report::{Block, Cell, Document, Figure, NOTHING, Section, Table, Tone, harmless};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::figure;

/// The look. It stands in the page itself.
const STYLE: &str = include_str!("report.css");

/// What the page may do: show itself with its own style, and load nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Bytes of a name or version that is never broken over lines.
const CODE_WHOLE_MAX: usize = 32;

/// Returns the report as one HTML file.
pub fn report_html(document: &Document) -> String {
    let title = harmless(&document.title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    @for banner in &document.banners {
                        p.banner { (harmless(banner)) }
                    }
                    h1 { (title) }
                    dl {
                        @for (label, value) in &document.facts {
                            div { dt { (harmless(label)) } dd { (linked(value)) } }
                        }
                    }
                }
                main {
                    div.lead {
                        @for sentence in &document.lead { p { (harmless(sentence)) } }
                    }
                    @for section in &document.sections { (section_of(section)) }
                }
                footer { p { (harmless(&document.footer)) } }
            }
        }
    };
    page.into_string()
}

fn section_of(section: &Section) -> Markup {
    html! {
        section {
            h2 { (harmless(&section.title)) }
            @for block in &section.blocks { (block_of(block, section.has_captions())) }
        }
    }
}

fn block_of(block: &Block, has_captions: bool) -> Markup {
    match block {
        Block::Paragraph(sentences) => html! { p { (linked(sentences)) } },
        Block::List(items) => html! { ul { @for item in items { li { (linked(item)) } } } },
        Block::Table(table) => table_of(table, has_captions),
        Block::Figures(figures) => html! { div.figures { @for it in figures { (number(it)) } } },
        Block::Spans(spans) => figure::spans(spans),
        Block::Trend(trend) => figure::trend(trend),
    }
}

fn number(figure: &Figure) -> Markup {
    html! {
        div class=(format!("figure {}", class(figure.tone))) {
            b { (harmless(&figure.value)) }
            span { (sign(figure.tone)) (harmless(&figure.label)) }
        }
    }
}

/// Writes a table; its caption is always there for who hears the page, and seen where there are several.
pub(crate) fn table_of(table: &Table, has_caption: bool) -> Markup {
    let is_number = |column: usize| table.rows.iter().any(|row| row[column].tone == Tone::Number);
    html! {
        div.scroll {
            table {
                caption class=[(!has_caption).then_some("heard")] { (harmless(&table.caption)) }
                thead {
                    tr {
                        @for (column, title) in table.titles.iter().enumerate() {
                            th scope="col" class=[is_number(column).then_some("number")] { (harmless(title)) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows { tr { @for cell in row { (cell_of(cell)) } } }
                }
            }
        }
        @if let Some(more) = &table.more { p.more { (harmless(more)) } }
    }
}

fn cell_of(cell: &Cell) -> Markup {
    let text = harmless(&cell.text);
    let text = if text.trim().is_empty() { NOTHING.to_owned() } else { text };
    html! {
        @match cell.tone {
            Tone::Plain => td { (linked(&text)) },
            Tone::Code => td { code class=[(text.len() > CODE_WHOLE_MAX).then_some("long")] { (text) } },
            Tone::Number => td.number { (text) },
            tone @ (Tone::Good | Tone::Open | Tone::Bad | Tone::Quiet) => td {
                span class=(format!("state {}", class(tone))) { (sign(tone)) (text) }
            },
        }
    }
}

/// Writes the sign of a state: it tells what the colour tells.
fn sign(tone: Tone) -> Markup {
    html! { @if let Some(sign) = tone.sign() { span.sign aria-hidden="true" { (sign) } " " } }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain | Tone::Code | Tone::Number => "plain",
        Tone::Good => "good",
        Tone::Open => "open",
        Tone::Bad => "bad",
        Tone::Quiet => "quiet",
    }
}

/// Where a CVE is described to everybody.
const CVE_URL: &str = "https://www.cve.org/CVERecord?id=";

/// Writes text; CVE ids in it become links, which are the only ones there are. The reader's browser asks for them only
/// when the reader does.
fn linked(text: &str) -> Markup {
    let text = harmless(text);
    html! {
        @for piece in pieces(&text) {
            @match piece {
                Piece::Text(text) => (text),
                Piece::Cve(id) => a href=(format!("{CVE_URL}{id}")) rel="noreferrer noopener" { (id) },
            }
        }
    }
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Cve(&'a str),
}

/// Takes a text apart at its CVE ids: `CVE-`, four digits, `-`, four digits or more.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = text[at..].find("CVE-") {
        let start = at + found;
        let end = start + length_of_cve(&text[start..]);
        if end > start {
            if start > begin {
                pieces.push(Piece::Text(&text[begin..start]));
            }
            pieces.push(Piece::Cve(&text[start..end]));
            begin = end;
            at = end;
        } else {
            at = start + "CVE-".len();
        }
    }
    if begin < text.len() {
        pieces.push(Piece::Text(&text[begin..]));
    }
    pieces
}

/// Returns how long the CVE id is that a text begins with, in bytes; 0 = it is none.
fn length_of_cve(text: &str) -> usize {
    const YEAR: usize = 4;
    const NUMBER_MIN: usize = 4;
    const NUMBER_MAX: usize = 19;
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|it| it.is_ascii_digit()).count();
    let year = "CVE-".len();
    if digits(year) != YEAR || bytes.get(year + YEAR) != Some(&b'-') {
        return 0;
    }
    let number = year + YEAR + 1;
    match digits(number) {
        length @ NUMBER_MIN..=NUMBER_MAX => number + length,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cves_become_links() {
        let check = |text: &str, expected: &[Piece<'_>]| assert_eq!(pieces(text), expected, "{text}");
        check("", &[]);
        check("CVE-2026-1234", &[Piece::Cve("CVE-2026-1234")]);
        check("a CVE-2026-12345, b", &[Piece::Text("a "), Piece::Cve("CVE-2026-12345"), Piece::Text(", b")]);
        check("CVE-26-1 https://example.org", &[Piece::Text("CVE-26-1 https://example.org")]);
        check("CVE-CVE-2026-1234", &[Piece::Text("CVE-"), Piece::Cve("CVE-2026-1234")]);
    }
}
