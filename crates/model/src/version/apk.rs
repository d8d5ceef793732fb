//! Alpine's order, as apk-tools 3 has it: `number{.number}...{letter}{_suffix{number}}...{~hash}{-rN}`
//! (apk-package(5)). Code of our own that follows the rules of apk-tools 3 (which token ends where,
//! what sorts before what) and is held to the tool's recorded answers.

use std::cmp::Ordering;

use super::split_run;

/// Compares two versions. Any text has a place: apk reads up to the first thing it does not
/// understand, and two versions that stop being understood at the same point are equal.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Tokens::of(a), Tokens::of(b));
    loop {
        let (x, y) = (a.next_token(), b.next_token());
        if x.kind != y.kind {
            return compare_kinds(&x, &y);
        }
        if x.kind >= Kind::End {
            return Ordering::Equal;
        }
        let order = compare_values(&x, &y);
        if order.is_ne() {
            return order;
        }
    }
}

/// Says whether apk accepts the version.
pub(super) fn is_valid(version: &str) -> bool {
    let mut tokens = Tokens::of(version);
    loop {
        match tokens.next_token().kind {
            Kind::End => return true,
            Kind::Invalid => return false,
            _ => {}
        }
    }
}

/// What a token is. The order means something: where two versions first differ in kind, the one with
/// the earlier kind is the greater version (`1.0.1` > `1.0a` > `1.0_p` > `1.0-r1` > `1.0`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    FirstNumber,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    Invalid,
}

struct Token<'a> {
    kind: Kind,
    text: &'a [u8],
    /// The value of a number, the place of a suffix in [`SUFFIXES`]; else 0.
    value: u64,
}

/// Suffixes from the least to the greatest.
const SUFFIXES: [&[u8]; 9] = [b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p"];

/// The place in [`SUFFIXES`] of the first suffix that is greater than having none.
const FIRST_POST_RELEASE: u64 = 4;

impl Token<'_> {
    const fn bare(kind: Kind) -> Self {
        Self { kind, text: b"", value: 0 }
    }

    fn is_pre_release(&self) -> bool {
        self.kind == Kind::Suffix && self.value < FIRST_POST_RELEASE
    }
}

/// Compares where the versions go on in different ways.
fn compare_kinds(x: &Token<'_>, y: &Token<'_>) -> Ordering {
    match (x.is_pre_release(), y.is_pre_release()) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => y.kind.cmp(&x.kind),
    }
}

/// Compares tokens of one kind. A number with a leading zero is a fraction: `1.05` < `1.1`.
fn compare_values(x: &Token<'_>, y: &Token<'_>) -> Ordering {
    let is_fraction = |token: &Token<'_>| token.kind == Kind::Number && token.text.first() == Some(&b'0');
    match x.kind {
        Kind::Letter | Kind::Hash => x.text.cmp(y.text),
        _ if is_fraction(x) || is_fraction(y) => x.text.cmp(y.text),
        _ => x.value.cmp(&y.value),
    }
}

/// Reads a version token by token. Not to be asked again after [`Kind::End`] or [`Kind::Invalid`].
struct Tokens<'a> {
    rest: &'a [u8],
    /// The kind of the token before; none at the start.
    before: Option<Kind>,
}

impl<'a> Tokens<'a> {
    fn of(version: &'a str) -> Self {
        Self { rest: version.as_bytes(), before: None }
    }

    fn next_token(&mut self) -> Token<'a> {
        let token = self.read().unwrap_or(Token::bare(Kind::Invalid));
        self.before = Some(token.kind);
        token
    }

    /// Reads the next token; none where it is not allowed here or incomplete.
    fn read(&mut self) -> Option<Token<'a>> {
        let Some(before) = self.before else { return self.number(Kind::FirstNumber) };
        let Some((&first, after)) = self.rest.split_first() else { return Some(Token::bare(Kind::End)) };
        match first {
            b'a'..=b'z' if before <= Kind::Number => {
                let (text, rest) = self.rest.split_at(1);
                self.rest = rest;
                Some(Token { kind: Kind::Letter, text, value: 0 })
            }
            b'.' if before <= Kind::Number => {
                self.rest = after;
                self.number(Kind::Number)
            }
            b'0'..=b'9' if before <= Kind::Number => self.number(Kind::Number),
            b'0'..=b'9' if before == Kind::Suffix => self.number(Kind::SuffixNumber),
            b'_' if before <= Kind::SuffixNumber => self.suffix(after),
            b'~' if before < Kind::Hash => self.hash(after),
            b'-' if before < Kind::Revision => {
                self.rest = after.strip_prefix(b"r")?;
                self.number(Kind::Revision)
            }
            _ => None,
        }
    }

    /// Reads digits. A number that does not fit wraps around, because apk's does.
    fn number(&mut self, kind: Kind) -> Option<Token<'a>> {
        let (text, rest) = split_run(self.rest, u8::is_ascii_digit);
        self.rest = rest;
        let push = |value: u64, digit: &u8| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        let value = text.iter().fold(0, push);
        (!text.is_empty()).then_some(Token { kind, text, value })
    }

    fn suffix(&mut self, after: &'a [u8]) -> Option<Token<'a>> {
        let (text, rest) = split_run(after, u8::is_ascii_lowercase);
        self.rest = rest;
        let value = SUFFIXES.into_iter().zip(0_u64..).find(|(suffix, _)| *suffix == text)?.1;
        Some(Token { kind: Kind::Suffix, text, value })
    }

    fn hash(&mut self, after: &'a [u8]) -> Option<Token<'a>> {
        let (text, rest) = split_run(after, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        self.rest = rest;
        (!text.is_empty()).then_some(Token { kind: Kind::Hash, text, value: 0 })
    }
}
