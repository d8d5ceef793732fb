//! Reads selectors: words with their columns, then the grammar by recursive descent.

use super::{Expression, Glob, Key, SELECTOR_BYTES_MAX, SELECTOR_DEPTH_MAX, SelectorError};

/// What can stand where a term can.
const TERM: [&str; 4] = ["a name", "`key:value`", "`not`", "`(`"];

/// How alike a wrong key and a known one must be for a hint (Jaro-Winkler, 0 to 1).
const ALIKE_MIN: f64 = 0.75;

/// How many characters of a wrong word a message repeats.
const SHOWN_CHARS_MAX: usize = 40;

pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    let too_long = |what: &str, bytes: usize| {
        error(1, format!("{what} {bytes} bytes long, the limit is {SELECTOR_BYTES_MAX}"))
    };
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(too_long("the selector is", text.len()));
    }
    let end = text.chars().count() + 1;
    let mut parser = Parser { words: words(text), at: 0, end };
    if parser.words.is_empty() {
        return Err(SelectorError {
            hint: Some("write `*` to select every host".to_owned()),
            expected: TERM.to_vec(),
            ..error(1, "the selector is empty")
        });
    }
    let expression = parser.any(0)?;
    if let Some(word) = parser.peek() {
        return Err(error(word.column, "this `)` closes nothing"));
    }
    // `a(b)` prints as `a (b)`: what is printed and stored must be readable again.
    let printed = expression.to_string().len();
    if printed > SELECTOR_BYTES_MAX {
        Err(too_long("the selector, printed, is", printed))
    } else {
        Ok(expression)
    }
}

/// Says whether the word, in any case, is one of the language's own.
pub(super) fn is_keyword(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// A parenthesis or a run of characters between white space and parentheses.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    /// In characters, from 1.
    column: usize,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    let is_parenthesis = |character| matches!(character, '(' | ')');
    for (column, (at, character)) in (1..).zip(text.char_indices()) {
        if character.is_whitespace() || is_parenthesis(character) {
            words.extend(start.take().map(|(from, column)| Word { text: &text[from..at], column }));
        } else if start.is_none() {
            start = Some((at, column));
        }
        if is_parenthesis(character) {
            words.push(Word { text: &text[at..=at], column });
        }
    }
    words.extend(start.map(|(from, column)| Word { text: &text[from..], column }));
    words
}

struct Parser<'a> {
    words: Vec<Word<'a>>,
    at: usize,
    /// The column after the last character.
    end: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.at).copied()
    }

    fn take_if(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_some_and(|word| word.is(keyword));
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self, depth: usize) -> Result<Expression, SelectorError> {
        let mut parts = vec![self.all(depth)?];
        while self.take_if("or") {
            parts.push(self.all(depth)?);
        }
        Ok(Expression::any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, SelectorError> {
        let mut parts = vec![self.unary(depth)?];
        while self.peek().is_some_and(|word| !word.is("or") && !word.is(")")) {
            self.take_if("and");
            parts.push(self.unary(depth)?);
        }
        Ok(Expression::all(parts))
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, SelectorError> {
        let Some(word) = self.peek().filter(|word| !["and", "or", ")"].iter().any(|other| word.is(other)))
        else {
            return Err(self.missing_term());
        };
        if depth >= SELECTOR_DEPTH_MAX {
            let message = format!("`not` and parentheses nest deeper than {SELECTOR_DEPTH_MAX}");
            return Err(error(word.column, message));
        }
        self.at += 1;
        if word.is("not") {
            return Ok(Expression::Not(Box::new(self.unary(depth + 1)?)));
        }
        if !word.is("(") {
            return term(word);
        }
        let inner = self.any(depth + 1)?;
        if self.take_if(")") { Ok(inner) } else { Err(error(word.column, "this `(` is never closed")) }
    }

    /// Says that a term is missing at the next word or at the end.
    fn missing_term(&self) -> SelectorError {
        let before = self.at.checked_sub(1).and_then(|at| self.words.get(at));
        let (column, found) = match self.peek() {
            Some(word) => (word.column, format!("`{}` stands where a term belongs", word.text)),
            None => (self.end, format!("nothing follows `{}`", before.map_or("", |word| word.text))),
        };
        SelectorError { expected: TERM.to_vec(), ..error(column, found) }
    }
}

fn term(word: Word<'_>) -> Result<Expression, SelectorError> {
    let Some((key_text, value)) = word.text.split_once(':') else {
        check_value(word.text, word.column, Key::Name)?;
        return Ok(Expression::Term(Key::Name, Glob::new(word.text)));
    };
    let key = Key::parse(key_text).ok_or_else(|| unknown_key(key_text, word.column))?;
    let column = word.column + key_text.chars().count() + 1;
    if value.is_empty() {
        let hint = Some("no space may stand after the colon".to_owned());
        return Err(SelectorError {
            hint,
            expected: vec!["a name or pattern"],
            ..error(column, format!("`{key}:` has no value"))
        });
    }
    check_value(value, column, key)?;
    Ok(Expression::Term(key, Glob::new(value)))
}

/// Refuses characters that no name has: a typing error must not select nothing in silence.
fn check_value(value: &str, column: usize, key: Key) -> Result<(), SelectorError> {
    let is_allowed = |character: char| {
        character.is_ascii_alphanumeric()
            || "._-*?".contains(character)
            || (character == ':' && key == Key::Os)
    };
    let Some((column, character)) = (column..).zip(value.chars()).find(|(_, found)| !is_allowed(*found))
    else {
        return Ok(());
    };
    let hint = match character {
        '!' => Some("write `not` for the opposite"),
        ',' | '|' => Some("write `or` between alternatives"),
        '&' | '+' => Some("write `and` or a space between conditions"),
        '"' | '\'' => Some("values need no quotes"),
        '=' => Some("write `key:value`"),
        _ => None,
    };
    Err(SelectorError {
        expected: vec!["letters", "digits", "`.`", "`_`", "`-`", "`*`", "`?`"],
        hint: hint.map(str::to_owned),
        ..error(column, format!("unexpected character `{}`", character.escape_debug()))
    })
}

fn unknown_key(word: &str, column: usize) -> SelectorError {
    let alike = |key: &Key| strsim::jaro_winkler(key.as_str(), &word.to_ascii_lowercase());
    let nearest = Key::ALL.into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    let nearest = nearest.filter(|key| alike(key) >= ALIKE_MIN);
    let shown: String = word.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    SelectorError {
        expected: Key::ALL.map(Key::as_str).to_vec(),
        hint: nearest.map(|key| format!("did you mean `{key}`?")),
        ..error(column, format!("unknown key `{shown}`"))
    }
}

fn error(column: usize, message: impl Into<String>) -> SelectorError {
    SelectorError { column, message: message.into(), expected: Vec::new(), hint: None }
}
