//! A report as plain text, for a terminal or a mail.

use std::fmt::Write as _;

use super::document::{Block, Cell, Document, NOTHING, Table, Tone, figure_table, harmless};

/// Characters of a line of sentences.
const COLUMNS: usize = 96;

/// Characters of a column of a table but the last, which takes what is left.
const CELL_COLUMNS_MAX: usize = 44;

/// Spaces between two columns.
const GAP: usize = 2;

/// The fewest characters that a wrapped cell gets.
const WRAPPED_MIN: usize = 24;

/// Returns the report as plain text.
pub fn render(document: &Document) -> String {
    let title = harmless(&document.title);
    let mut text = format!("{title}\n{}\n", "=".repeat(title.chars().count()));
    for banner in &document.banners {
        let _ = writeln!(text, "*** {} ***", harmless(banner));
    }
    text.push('\n');
    let widest = document.facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 1;
    for (label, value) in &document.facts {
        let label = format!("{}:", harmless(label));
        push_wrapped(&mut text, &format!("{label:<widest$}  "), &harmless(value));
    }
    for sentence in &document.lead {
        text.push('\n');
        push_wrapped(&mut text, "", &harmless(sentence));
    }
    for section in &document.sections {
        let title = harmless(&section.title);
        let _ = write!(text, "\n{}\n{}\n", title.to_uppercase(), "-".repeat(title.chars().count()));
        for (at, block) in section.blocks.iter().enumerate() {
            if at > 0 {
                text.push('\n');
            }
            render_block(block, section.has_captions(), &mut text);
        }
    }
    text.push('\n');
    push_wrapped(&mut text, "", &harmless(&document.footer));
    text
}

fn render_block(block: &Block, has_captions: bool, text: &mut String) {
    match block {
        Block::Paragraph(sentences) => push_wrapped(text, "", &harmless(sentences)),
        Block::List(items) => items.iter().for_each(|item| push_wrapped(text, "- ", &harmless(item))),
        Block::Table(table) => render_table(table, has_captions, text),
        Block::Figures(figures) => {
            let widest = figures.iter().map(|figure| figure.label.chars().count()).max().unwrap_or(0);
            for figure in figures {
                let (label, value) = (harmless(&figure.label), harmless(&figure.value));
                let _ = writeln!(text, "{label:<widest$}  {value}");
            }
        }
        Block::Spans(_) | Block::Trend(_) => {
            figure_table(block).iter().for_each(|table| render_table(table, has_captions, text));
        }
    }
}

fn render_table(table: &Table, has_captions: bool, text: &mut String) {
    if has_captions {
        push_wrapped(text, "", &format!("{}:", harmless(&table.caption)));
    }
    let titles = table.titles.iter().map(|title| harmless(title).to_uppercase()).collect();
    let mut lines: Vec<Vec<String>> = vec![titles];
    lines.extend(table.rows.iter().map(|row| row.iter().map(words).collect()));
    let columns = table.titles.len();
    let widest = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns).map(|column| widest(column).min(CELL_COLUMNS_MAX)).collect();
    let used: usize = widths.iter().take(columns.saturating_sub(1)).map(|width| width + GAP).sum();
    if let Some(last) = widths.last_mut() {
        *last = widest(columns - 1).min(COLUMNS.saturating_sub(used).max(WRAPPED_MIN));
    }
    let is_number = |column: usize| table.rows.iter().any(|row| row[column].tone == Tone::Number);
    let at_right: Vec<bool> = (0..columns).map(is_number).collect();
    for line in &lines {
        push_row(text, line, &widths, &at_right);
    }
    if let Some(more) = &table.more {
        push_wrapped(text, "", &harmless(more));
    }
}

/// Writes one row, on as many lines as its longest cell needs.
fn push_row(text: &mut String, cells: &[String], widths: &[usize], at_right: &[bool]) {
    let parts: Vec<Vec<String>> = cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let height = parts.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut line = String::new();
        for ((part, width), is_right) in parts.iter().zip(widths).zip(at_right) {
            let cell = part.get(at).map_or("", String::as_str);
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if *is_right { (fill.as_str(), "") } else { ("", fill.as_str()) };
            let _ = write!(line, "{before}{cell}{after}{}", " ".repeat(GAP));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn words(cell: &Cell) -> String {
    let text = harmless(&cell.text);
    if text.trim().is_empty() { NOTHING.to_owned() } else { text }
}

/// Writes sentences under a beginning; further lines are indented by it.
fn push_wrapped(text: &mut String, beginning: &str, sentences: &str) {
    let indent = beginning.chars().count();
    for (at, line) in wrap(sentences, COLUMNS.saturating_sub(indent).max(WRAPPED_MIN)).iter().enumerate() {
        let before = if at == 0 { beginning.to_owned() } else { " ".repeat(indent) };
        let _ = writeln!(text, "{}", format!("{before}{line}").trim_end());
    }
}

/// Breaks a text at spaces; a word that is longer than a line stays whole, to be copied.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut width = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > columns {
            lines.push(String::new());
            width = 0;
        }
        let line = lines.last_mut().expect("invariant: there is a line");
        if width > 0 {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 7), ["incomprehensible"]);
        assert_eq!(wrap("", 7), [""]);
    }

    #[test]
    fn a_table_keeps_its_columns() {
        let rows = vec![vec![Cell::new("web-1"), Cell::number(7), Cell::new("word ".repeat(30))]];
        let mut text = String::new();
        render_table(&Table::new("t", &["host", "days", "why"], rows), true, &mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["t:", "HOST   DAYS  WHY"]);
        assert!(lines[2].starts_with("web-1     7  word word"), "{text}");
        assert!(lines[3].starts_with("             word"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{text}");
    }
}
