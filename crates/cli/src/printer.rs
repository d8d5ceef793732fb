//! The only place that writes to the terminal: data to standard output, talk to standard error.
//! Whatever a host or a feed said is made harmless here, so that no byte of it steers a terminal.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table};
use model::{FindingState, Level, Problem};
use serde::Serialize;

use crate::environment;

/// Terminals with fewer columns get tables as they are.
const COLUMNS_WRAPPED_MIN: u16 = 80;

/// Columns that are never wrapped: what stands in them is copied from here to elsewhere.
const WHOLE_COLUMNS: [&str; 3] = ["id", "installed", "fixed in"];

/// Writes for people and for programs.
pub struct Printer {
    is_quiet: bool,
    is_colored: bool,
    has_progress_line: bool,
    lost: Option<io::Error>,
}

impl Printer {
    /// Makes a printer; a quiet one drops talk, but neither data nor errors.
    pub fn new(is_quiet: bool) -> Self {
        Self { is_quiet, is_colored: environment::wants_color(), has_progress_line: false, lost: None }
    }

    /// Prints a line of data.
    pub fn data(&mut self, line: impl fmt::Display) {
        self.clear_progress();
        self.emit_data(&clean(&line.to_string()));
    }

    /// Prints lines of data, all at once: the plans of many hosts have many thousands of them.
    pub fn lines(&mut self, lines: &[String]) {
        self.clear_progress();
        let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            push_clean(&mut text, line);
            text.push('\n');
        }
        self.keep_fault(write_out(&text));
    }

    /// Prints text of our own (help, references) as it is, without a final newline of its own.
    pub fn text(&mut self, text: &str) {
        self.keep_fault(write_out(text));
    }

    /// Prints one JSON object on one line.
    pub fn json(&mut self, row: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(row)?;
        self.emit_data(&line);
        Ok(())
    }

    /// Prints a table; column titles in capitals, no lines.
    pub fn table(&mut self, titles: &[&str], rows: Vec<Vec<Cell>>) {
        self.clear_progress();
        let mut table = Table::new();
        let arrangement = arrangement(table.width());
        table.load_preset(NOTHING).set_content_arrangement(arrangement);
        table.set_header(titles.iter().map(|title| title.to_uppercase()));
        if !self.is_colored {
            table.force_no_tty();
        }
        for row in rows {
            table.add_row(row);
        }
        for (at, _) in titles.iter().enumerate().filter(|(_, title)| WHOLE_COLUMNS.contains(title)) {
            if let Some(column) = table.column_mut(at) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for line in table.lines() {
            self.emit_data(line.trim_end());
        }
    }

    /// Returns why data could not be written to standard output, such as a full disk: an answer that
    /// lacks lines must not look like a whole one.
    pub fn take_lost(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Says something that is no data.
    pub fn say(&mut self, line: impl fmt::Display) {
        if !self.is_quiet {
            self.clear_progress();
            emit(&mut io::stderr().lock(), &clean(&line.to_string()));
        }
    }

    /// Prints an error or a hint: also when quiet.
    pub fn complain(&mut self, line: impl fmt::Display) {
        self.clear_progress();
        emit(&mut io::stderr().lock(), &clean(&line.to_string()));
    }

    /// Prints a problem and its hint: errors also when quiet.
    pub fn problem(&mut self, problem: &Problem) {
        if self.is_quiet && problem.level < Level::Error {
            return;
        }
        self.complain(problem);
        if let Some(hint) = &problem.hint {
            self.complain(format_args!("  hint: {hint}"));
        }
    }

    /// Shows how far a run is, on one line that is written over; only on a terminal.
    pub fn progress(&mut self, line: impl fmt::Display) {
        if self.is_quiet || !io::stderr().is_terminal() {
            return;
        }
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[K{}", clean(&line.to_string()));
        let _ = stderr.flush();
        self.has_progress_line = true;
    }

    fn emit_data(&mut self, line: &str) {
        self.keep_fault(write_out(&format!("{line}\n")));
    }

    fn keep_fault(&mut self, written: io::Result<()>) {
        match written {
            // A reader that went away (`ifrit ... | head`) is no failure of ours.
            Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => {
                self.lost.get_or_insert(fault);
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.has_progress_line) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// Says whether columns are wrapped to the terminal. In a narrow one names and versions would be cut in
/// the middle (a serial console says that it has 0 columns), so the terminal itself wraps whole lines.
fn arrangement(terminal_columns: Option<u16>) -> ContentArrangement {
    match terminal_columns {
        Some(COLUMNS_WRAPPED_MIN..) => ContentArrangement::Dynamic,
        Some(_) | None => ContentArrangement::Disabled,
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Warns at once, whatever is being printed: for what does not wait, such as Ctrl-C.
pub fn warn_now(line: &str) {
    let clear = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    emit(&mut io::stderr().lock(), &format!("{clear}{line}"));
}

fn emit(stream: &mut impl Write, line: &str) {
    // Nobody is left to tell where this fails.
    let _ = writeln!(stream, "{line}");
}

/// Makes a cell of foreign text.
pub fn cell(text: impl fmt::Display) -> Cell {
    Cell::new(clean(&text.to_string()))
}

/// Makes a cell of a finding's state; the colour repeats what the word says.
pub fn state_cell(state: FindingState) -> Cell {
    let color = match state {
        FindingState::Vulnerable => Color::Red,
        FindingState::Unknown => Color::Yellow,
        FindingState::Fixed | FindingState::NotAffected => Color::Green,
    };
    Cell::new(state.as_str()).fg(color)
}

/// Replaces what could steer a terminal or mislead the eye by a visible escape: control characters
/// and the marks that reorder text (<https://trojansource.codes>).
pub fn clean(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    push_clean(&mut harmless, text);
    harmless
}

fn push_clean(harmless: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() || is_reordering(character) {
            harmless.extend(character.escape_default());
        } else {
            harmless.push(character);
        }
    }
}

fn is_reordering(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_whole_in_a_narrow_terminal() {
        for (columns, is_wrapped) in
            [(None, false), (Some(0), false), (Some(79), false), (Some(80), true), (Some(200), true)]
        {
            let arrangement = arrangement(columns);
            assert_eq!(matches!(arrangement, ContentArrangement::Dynamic), is_wrapped, "{columns:?}");
        }
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(clean("a\x1b[2Jb\r\n\u{202e}c\u{9b}ü"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c\\u{9b}ü");
    }
}
