//! What a report says, in blocks. Text, Markdown and HTML are made of one [`Document`], so that they say
//! the same words; what is a fact and what is a figure stands apart from how it looks.

use jiff::Timestamp;

use super::words::{day, moment};

/// What is shown in place of an empty cell.
pub const NOTHING: &str = "-";

/// A report to be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What must be known before anything else is read: that it is an exercise, that it is internal.
    pub banners: Vec<String>,
    /// What it is about, by whom and when: a label and a value.
    pub facts: Vec<(String, String)>,
    /// The sentences that are enough for who reads no further.
    pub lead: Vec<String>,
    /// The rest.
    pub sections: Vec<Section>,
    /// Below everything.
    pub footer: String,
}

/// A part of a report under a title of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

impl Section {
    /// Makes a section.
    pub fn new(title: &str, blocks: Vec<Block>) -> Self {
        Self { title: title.to_owned(), blocks }
    }

    /// Says whether its tables and figures are told apart by their captions; a single one has the section's title.
    pub fn has_captions(&self) -> bool {
        let is_shown = |block: &&Block| matches!(block, Block::Table(_) | Block::Spans(_) | Block::Trend(_));
        self.blocks.iter().filter(is_shown).count() > 1
    }
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Sentences.
    Paragraph(String),
    /// Sentences, each for itself.
    List(Vec<String>),
    /// Rows and columns.
    Table(Table),
    /// A few numbers that matter.
    Figures(Vec<Figure>),
    /// Spans of time, one below the other.
    Spans(Spans),
    /// A number over time.
    Trend(Trend),
}

/// Rows and columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// What the table shows, in a few words: for those who cannot see it.
    pub caption: String,
    /// The titles of the columns.
    pub titles: Vec<String>,
    /// The rows, each with a cell for each title.
    pub rows: Vec<Vec<Cell>>,
    /// What is not shown: `and 12 more`.
    pub more: Option<String>,
}

impl Table {
    /// Makes a table.
    pub fn new(caption: &str, titles: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        let titles = titles.iter().map(|title| (*title).to_owned()).collect();
        Self { caption: caption.to_owned(), titles, rows, more: None }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What it says; it never leaves to a colour what the words do not say.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl Cell {
    /// Makes a cell of plain words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// Makes a cell of a name, a version or a hash, to be copied from.
    pub fn code(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Code }
    }

    /// Makes a cell of a number.
    pub fn number(number: usize) -> Self {
        Self { text: number.to_string(), tone: Tone::Number }
    }

    /// Makes a cell with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

/// How a text is meant. Each tone of a state has a sign, so that none is told by its colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Words.
    Plain,
    /// A name, a version, a hash.
    Code,
    /// A number; stands at the right.
    Number,
    /// As it should be.
    Good,
    /// To be looked at: it waits, it is unknown.
    Open,
    /// Not as it should be.
    Bad,
    /// Neither helps nor hurts.
    Quiet,
}

impl Tone {
    /// Returns the sign that stands before the words of a state.
    pub fn sign(self) -> Option<char> {
        match self {
            Self::Plain | Self::Code | Self::Number => None,
            Self::Good => Some('✓'),
            Self::Open => Some('?'),
            Self::Bad => Some('✗'),
            Self::Quiet => Some('·'),
        }
    }
}

/// A number that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What it counts.
    pub label: String,
    /// It, with its unit.
    pub value: String,
    /// How it is meant.
    pub tone: Tone,
}

/// Spans of time, drawn on one scale.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spans {
    /// What they show.
    pub caption: String,
    /// The spans.
    pub rows: Vec<Span>,
}

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What lasted.
    pub label: String,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub until: Timestamp,
    /// How long it lasted, in words.
    pub words: String,
}

/// A number over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trend {
    /// What it counts.
    pub caption: String,
    /// The names of the lines.
    pub lines: Vec<String>,
    /// The moments, ascending, each with a number for each line.
    pub points: Vec<(Timestamp, Vec<usize>)>,
}

/// Returns what a figure shows as rows, for whoever cannot draw it; `None` where a block is no figure.
pub fn figure_table(block: &Block) -> Option<Table> {
    match block {
        Block::Spans(spans) => Some(spans_table(spans)),
        Block::Trend(trend) => Some(trend_table(trend)),
        Block::Paragraph(_) | Block::List(_) | Block::Table(_) | Block::Figures(_) => None,
    }
}

fn spans_table(spans: &Spans) -> Table {
    let row = |span: &Span| {
        vec![
            Cell::new(&span.label),
            Cell::new(moment(span.from)),
            Cell::new(moment(span.until)),
            Cell::new(&span.words),
        ]
    };
    let titles = ["what", "from (UTC)", "until (UTC)", "took"];
    Table::new(&spans.caption, &titles, spans.rows.iter().map(row).collect())
}

fn trend_table(trend: &Trend) -> Table {
    let mut titles = vec!["day (UTC)"];
    titles.extend(trend.lines.iter().map(String::as_str));
    let row = |(at, numbers): &(Timestamp, Vec<usize>)| {
        let numbers = numbers.iter().map(|number| Cell::number(*number));
        std::iter::once(Cell::new(day(*at))).chain(numbers).collect()
    };
    Table::new(&trend.caption, &titles, trend.points.iter().map(row).collect())
}

/// Replaces what could steer a terminal or mislead the eye by a visible escape: control characters and the
/// marks that reorder or hide text (<https://trojansource.codes>).
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => harmless.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                harmless.extend(character.escape_default());
            }
            _ if character.is_control() => harmless.extend(character.escape_default()),
            _ => harmless.push(character),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_steers_nothing() {
        let check = |text: &str, expected: &str| assert_eq!(harmless(text), expected, "{text:?}");
        check("two\nlines\tand more", "two lines and more");
        check("a\x1b[2Jb\r\u{202e}c\u{9b}ü\u{feff}", "a\\u{1b}[2Jb\\r\\u{202e}c\\u{9b}ü\\u{feff}");
        check("plain – words", "plain – words");
    }
}
