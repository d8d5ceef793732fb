//! The order of Apache Maven, from its specification
//! (<https://maven.apache.org/pom.html#version-order-specification>): tokens are parted by dots, hyphens
//! and where digits meet letters; empty ones are `0`; those that mean nothing are trimmed before each
//! hyphen and at the end; then the tokens are compared one by one.

use std::cmp::Ordering;

use super::compare_digits;

/// Compares two versions. Any text has a place.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let (a, b) = (tokens(&a), tokens(&b));
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(x), Some(y)) => compare_tokens(x, y),
            (Some(x), None) => compare_tokens(x, &x.padding()),
            (None, Some(y)) => compare_tokens(&y.padding(), y),
            (None, None) => Ordering::Equal,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Says whether a repository could hold an artifact of that version: it stands in paths and in ranges.
pub(super) fn is_valid(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+~".contains(&byte))
}

/// A token with what stands before it. The order means something: `1-foo` < `1-1` < `1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A qualifier; a dot before it means the same as a hyphen.
    Qualifier,
    /// A number behind a hyphen, or behind letters.
    HyphenNumber,
    /// A number behind a dot, and the first one.
    DotNumber,
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    /// Digits or a qualifier.
    text: &'a str,
    /// Whether a digit follows at once: `a1` is short for `alpha-1`.
    is_before_digit: bool,
}

impl Token<'_> {
    /// What the shorter version is taken to go on with.
    fn padding(&self) -> Self {
        match self.kind {
            Kind::DotNumber => Self { kind: Kind::DotNumber, text: "0", is_before_digit: false },
            _ => Self { kind: Kind::Qualifier, text: "", is_before_digit: false },
        }
    }

    /// Says whether it means nothing at the end of a version.
    fn is_null(&self) -> bool {
        match self.kind {
            Kind::Qualifier => self.rank() == (RELEASE, ""),
            _ => self.text.bytes().all(|byte| byte == b'0'),
        }
    }

    /// The place of a qualifier; unknown ones come last, in the order of the alphabet.
    fn rank(&self) -> (u8, &str) {
        let rank = match self.text {
            "alpha" => 0,
            "a" if self.is_before_digit => 0,
            "beta" => 1,
            "b" if self.is_before_digit => 1,
            "milestone" => 2,
            "m" if self.is_before_digit => 2,
            "rc" | "cr" => 3,
            "snapshot" => 4,
            "" | "final" | "ga" | "release" => RELEASE,
            "sp" => 6,
            other => return (7, other),
        };
        (rank, "")
    }
}

/// The rank of a version without any qualifier.
const RELEASE: u8 = 5;

fn compare_tokens(x: &Token<'_>, y: &Token<'_>) -> Ordering {
    x.kind.cmp(&y.kind).then_with(|| match x.kind {
        Kind::Qualifier => x.rank().cmp(&y.rank()),
        _ => compare_digits(x.text.as_bytes(), y.text.as_bytes()),
    })
}

/// Splits a version and trims it: before each hyphen, and at the end, go the tokens that mean nothing.
fn tokens(version: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut is_hyphen = false;
    for part in version.split_inclusive(['.', '-']) {
        let separator = part.bytes().next_back().filter(|byte| b".-".contains(byte));
        let text = &part[..part.len() - usize::from(separator.is_some())];
        let mut runs = Runs(text).peekable();
        if runs.peek().is_none() {
            push(&mut tokens, "0", is_hyphen, false);
        }
        while let Some(run) = runs.next() {
            let is_before_digit = runs.peek().is_some();
            push(&mut tokens, run, is_hyphen, is_before_digit);
            is_hyphen = true;
        }
        is_hyphen = separator == Some(b'-');
    }
    trim(&mut tokens);
    tokens
}

fn push<'a>(tokens: &mut Vec<Token<'a>>, text: &'a str, is_hyphen: bool, is_before_digit: bool) {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
    let kind = match (is_number, is_hyphen) {
        (false, _) => Kind::Qualifier,
        (true, true) => Kind::HyphenNumber,
        (true, false) => Kind::DotNumber,
    };
    if kind != Kind::DotNumber {
        trim(tokens);
    }
    tokens.push(Token { kind, text, is_before_digit });
}

fn trim(tokens: &mut Vec<Token<'_>>) {
    while tokens.last().is_some_and(Token::is_null) {
        tokens.pop();
    }
}

/// The runs of digits and of other characters.
struct Runs<'a>(&'a str);

impl<'a> Iterator for Runs<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let is_digit = self.0.chars().next()?.is_ascii_digit();
        let end = self.0.find(|it: char| it.is_ascii_digit() != is_digit).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(run)
    }
}
