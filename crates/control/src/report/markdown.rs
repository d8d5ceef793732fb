//! A report as Markdown (CommonMark with the tables of GFM).

use std::fmt::Write as _;

use super::document::{Block, Cell, Document, NOTHING, Table, Tone, figure_table, harmless};

/// Characters that mean something in Markdown wherever they stand.
const SPECIAL: [char; 11] = ['\\', '`', '*', '_', '[', ']', '<', '>', '|', '&', '~'];

/// Characters that mean something where a block begins.
const SPECIAL_AT_START: [char; 5] = ['#', '-', '+', '=', '!'];

/// Returns the report as Markdown.
pub fn render(document: &Document) -> String {
    let mut text = format!("# {}\n", escape(&document.title));
    for banner in &document.banners {
        let _ = write!(text, "\n> **{}**\n", escape(banner));
    }
    text.push('\n');
    for (label, value) in &document.facts {
        let _ = writeln!(text, "- {}: {}", escape(label), escape(value));
    }
    for sentence in &document.lead {
        let _ = write!(text, "\n**{}**\n", escape(sentence));
    }
    for section in &document.sections {
        let _ = write!(text, "\n## {}\n", escape(&section.title));
        section.blocks.iter().for_each(|block| render_block(block, section.has_captions(), &mut text));
    }
    let _ = write!(text, "\n---\n\n{}\n", escape(&document.footer));
    text
}

fn render_block(block: &Block, has_captions: bool, text: &mut String) {
    text.push('\n');
    match block {
        Block::Paragraph(sentences) => {
            let _ = writeln!(text, "{}", escape(sentences));
        }
        Block::List(items) => items.iter().for_each(|item| {
            let _ = writeln!(text, "- {}", escape(item));
        }),
        Block::Table(table) => render_table(table, has_captions, text),
        Block::Figures(figures) => figures.iter().for_each(|figure| {
            let _ = writeln!(text, "- {}: **{}**", escape(&figure.label), escape(&figure.value));
        }),
        Block::Spans(_) | Block::Trend(_) => {
            figure_table(block).iter().for_each(|table| render_table(table, has_captions, text));
        }
    }
}

fn render_table(table: &Table, has_captions: bool, text: &mut String) {
    if has_captions {
        let _ = writeln!(text, "{}:\n", escape(&table.caption));
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    text.push_str(&line(table.titles.iter().map(|title| escape(title)).collect()));
    let is_number = |column: usize| table.rows.iter().any(|row| row[column].tone == Tone::Number);
    let rule = |column| if is_number(column) { "--:".to_owned() } else { "---".to_owned() };
    text.push_str(&line((0..table.titles.len()).map(rule).collect()));
    for row in &table.rows {
        text.push_str(&line(row.iter().map(render_cell).collect()));
    }
    if let Some(more) = &table.more {
        let _ = write!(text, "\n{}\n", escape(more));
    }
}

fn render_cell(cell: &Cell) -> String {
    let text = harmless(&cell.text);
    match cell.tone {
        _ if text.trim().is_empty() => NOTHING.to_owned(),
        // A code span shows everything as it is, but for the two that would end it or its cell.
        Tone::Code if text != NOTHING && !text.contains(['`', '|', '\\']) => format!("`{text}`"),
        Tone::Bad => format!("**{}**", escape_inline(&text)),
        _ => escape_inline(&text),
    }
}

/// Escapes text so that it says itself where a block begins.
fn escape(text: &str) -> String {
    let mut escaped = escape_inline(text);
    let digits = escaped.bytes().take_while(u8::is_ascii_digit).count();
    // `1.` and `1)` would begin a list.
    if digits > 0 && matches!(escaped.as_bytes().get(digits), Some(b'.' | b')')) {
        escaped.insert(digits, '\\');
    } else if escaped.starts_with(SPECIAL_AT_START) {
        escaped.insert(0, '\\');
    }
    escaped
}

/// Escapes text so that it says itself in a cell, where no block can begin.
fn escape_inline(text: &str) -> String {
    let text = harmless(text);
    let mut escaped = String::with_capacity(text.len());
    for character in text.trim().chars() {
        if SPECIAL.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_itself() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected, "{text}");
        check("plain - words, 3.0.11-1~deb12u1", "plain - words, 3.0.11-1\\~deb12u1");
        check("# no title", "\\# no title");
        check("1. no list", "1\\. no list");
        check("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>");
        check("[a](javascript:b) | *c* `d` &lt;", "\\[a\\](javascript:b) \\| \\*c\\* \\`d\\` \\&lt;");
        check("a\nb", "a b");
    }

    #[test]
    fn a_cell_stays_in_its_table() {
        let check = |cell: Cell, expected: &str| assert_eq!(render_cell(&cell), expected);
        check(Cell::code("3.0.11-1~deb12u1"), "`3.0.11-1~deb12u1`");
        check(Cell::code("a`|b"), "a\\`\\|b");
        check(Cell::new(""), "-");
        check(Cell::toned("failed", Tone::Bad), "**failed**");
    }
}
