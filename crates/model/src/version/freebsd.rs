//! FreeBSD's order: `version[_revision][,epoch]`, as libpkg's `pkg_version_cmp` has it
//! (pkg-version(8); rules by Oliver Eikemeier in libpkg/pkg_version.c).

use std::cmp::Ordering;

use super::split_run;

/// Compares two versions: epoch, then version, then port revision. As in libpkg, what stands before
/// the last hyphen is taken for a package's name and ignored.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::split(a), Parts::split(b));
    let versions = || compare_components(a.components(), b.components());
    a.epoch.cmp(&b.epoch).then_with(versions).then_with(|| a.revision.cmp(&b.revision))
}

/// Says whether a port may have the version: letters, digits, `.` and `+` (the ports tree refuses
/// `-`, and `_` and `,` other than before revision and epoch). A `*` at the end of the version is
/// let through: advisories use it as a bound.
pub(super) fn is_valid(version: &str) -> bool {
    let (rest, epoch) = version.rsplit_once(',').unwrap_or((version, "0"));
    let (rest, revision) = rest.rsplit_once('_').unwrap_or((rest, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let body = rest.strip_suffix('*').unwrap_or(rest).as_bytes();
    is_number(epoch)
        && is_number(revision)
        && !rest.is_empty()
        && body.first().is_none_or(u8::is_ascii_alphanumeric)
        && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b".+".contains(byte))
}

struct Parts<'a> {
    /// From the version's first byte to the end of the whole text: libpkg's `*` and separators run
    /// past `end`.
    text: &'a [u8],
    /// Where the version ends and revision or epoch start.
    end: usize,
    epoch: u64,
    revision: u64,
}

impl<'a> Parts<'a> {
    fn split(version: &'a str) -> Self {
        let version = version.as_bytes();
        let start = version.iter().rposition(|byte| *byte == b'-').map_or(0, |at| at + 1);
        let text = version.get(start..).unwrap_or_default();
        let revision_at = text.iter().rposition(|byte| *byte == b'_').map(|at| at + 1);
        let tail_at = revision_at.unwrap_or(0);
        let tail = text.get(tail_at..).unwrap_or_default();
        let epoch_at = tail.iter().rposition(|byte| *byte == b',').map(|at| tail_at + at + 1);
        let value = |at: Option<usize>| at.and_then(|at| text.get(at..)).map_or(0, unsigned);
        Self {
            text,
            end: revision_at.or(epoch_at).map_or(text.len(), |at| at - 1),
            epoch: value(epoch_at),
            revision: value(revision_at),
        }
    }

    fn components(&self) -> Components<'a> {
        Components { text: self.text, at: 0, end: self.end }
    }
}

/// Reads a number as C's strtoul does: white space and a plus sign first, saturating, 0 where no
/// digit stands.
fn unsigned(text: &[u8]) -> u64 {
    let (_, text) = split_run(text, |byte| matches!(byte, b' ' | b'\t'..=b'\r'));
    let (digits, _) = split_run(text.strip_prefix(b"+").unwrap_or(text), u8::is_ascii_digit);
    let push = |value: u64, digit: &u8| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    digits.iter().fold(0, push)
}

/// One component of a version: `10b2` is 10, b, 2. The fields are compared in this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    /// [`LEAST`] for `*`, [`NO_NUMBER`] where none stands.
    number: i64,
    /// 0 for none and for the stage `pl`; then the stage `snap`, then a to z.
    letter: u8,
    /// [`NO_NUMBER`] where a letter has no number after it; 0 where there is no letter.
    patch: i64,
}

/// The number of the component `*`, below every other.
const LEAST: i64 = -2;
/// The number of a component that starts with a letter (`10.a` < `10`).
const NO_NUMBER: i64 = -1;
/// A component that is not there: `10` = `10.0`.
const MISSING: Component = Component { number: 0, letter: 0, patch: 0 };

/// Words that start a component of their own (`10alpha` is `10.alpha`), and their letters.
const STAGES: [(&[u8], u8); 6] = [
    (b"pl", 0),
    (b"snap", 1),
    (b"alpha", letter_rank(b'a')),
    (b"beta", letter_rank(b'b')),
    (b"pre", letter_rank(b'p')),
    (b"rc", letter_rank(b'r')),
];

/// Ranks an ASCII letter above none (0) and the stage `snap` (1), whatever its case.
const fn letter_rank(letter: u8) -> u8 {
    letter.to_ascii_lowercase() - b'a' + 2
}

fn compare_components(mut a: Components<'_>, mut b: Components<'_>) -> Ordering {
    while !a.is_done() || !b.is_done() {
        let (x, y) = (a.next_component(), b.next_component());
        if x.is_none() && y.is_none() {
            a.skip_plus();
            b.skip_plus();
            continue;
        }
        let order = x.unwrap_or(MISSING).cmp(&y.unwrap_or(MISSING));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

struct Components<'a> {
    text: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Components<'a> {
    fn is_done(&self) -> bool {
        self.at >= self.end
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over the `+` between two blocks of components.
    fn skip_plus(&mut self) {
        self.at += usize::from(!self.is_done());
    }

    /// Reads the next component and the separators after it; none at a `+` and at the end.
    fn next_component(&mut self) -> Option<Component> {
        let first = *self.rest().first()?;
        if self.is_done() || first == b'+' {
            return None;
        }
        let number = match first {
            b'0'..=b'9' => self.number(),
            b'*' => {
                self.skip(|byte| *byte != b'+');
                LEAST
            }
            _ => NO_NUMBER,
        };
        let (letter, patch) = self.letter_and_patch(number == NO_NUMBER);
        self.skip(|byte| !byte.is_ascii_alphanumeric() && !b"+*".contains(byte));
        Some(Component { number, letter, patch })
    }

    /// Reads a component's letter, of which further letters are ignored, or its stage, and the patch
    /// number. A stage after a number is left for the next component.
    fn letter_and_patch(&mut self, is_start: bool) -> (u8, i64) {
        let (word, _) = split_run(self.rest(), u8::is_ascii_alphabetic);
        let Some(first) = word.first() else { return (0, 0) };
        let letter = match STAGES.iter().find(|(stage, _)| stage.eq_ignore_ascii_case(word)) {
            Some(_) if !is_start => return (0, 0),
            Some((_, letter)) => *letter,
            None => letter_rank(*first),
        };
        self.at += word.len();
        let has_patch = self.rest().first().is_some_and(u8::is_ascii_digit);
        (letter, if has_patch { self.number() } else { NO_NUMBER })
    }

    /// Reads digits as C's strtoll does, saturating.
    fn number(&mut self) -> i64 {
        let (digits, _) = split_run(self.rest(), u8::is_ascii_digit);
        self.at += digits.len();
        let push = |value: i64, digit: &u8| value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
        digits.iter().fold(0, push)
    }

    fn skip(&mut self, belongs: impl Fn(&u8) -> bool) {
        self.at += split_run(self.rest(), belongs).0.len();
    }
}
