//! Debian's order: `[epoch:]upstream[-revision]` (deb-version(7), Debian Policy §5.6.12), with the
//! answers that `dpkg --compare-versions` gives on what it only warns about.

use std::cmp::Ordering;

use super::{InvalidVersion, VersionScheme, compare_digits, split_run};

/// The greatest epoch that dpkg takes (its `INT_MAX`).
const EPOCH_MAX: u64 = 2_147_483_647;

/// Compares two versions. An empty one is before every other, as dpkg takes it for "not installed".
pub(super) fn compare(a: &str, b: &str) -> Result<Ordering, InvalidVersion> {
    let (a, b) = (parse_or_empty(a)?, parse_or_empty(b)?);
    let (Some(a), Some(b)) = (&a, &b) else { return Ok(a.is_some().cmp(&b.is_some())) };
    let upstream = || compare_parts(a.upstream, b.upstream);
    let revision = || compare_parts(a.revision, b.revision);
    Ok(a.epoch.cmp(&b.epoch).then_with(upstream).then_with(revision))
}

/// Says whether dpkg accepts the version without a warning.
pub(super) fn is_valid(version: &str) -> bool {
    let Ok(version) = Parts::parse(version) else { return false };
    let is_clean = |part: &[u8], punctuation: &[u8]| {
        part.iter().all(|byte| byte.is_ascii_alphanumeric() || punctuation.contains(byte))
    };
    version.upstream.first().is_some_and(u8::is_ascii_digit)
        && is_clean(version.upstream, b".-+~:")
        && is_clean(version.revision, b".+~")
}

struct Parts<'a> {
    epoch: u64,
    upstream: &'a [u8],
    /// Empty where there is none, which compares like `0`.
    revision: &'a [u8],
}

fn parse_or_empty(version: &str) -> Result<Option<Parts<'_>>, InvalidVersion> {
    if version.is_empty() {
        return Ok(None);
    }
    Parts::parse(version).map(Some).map_err(|why| VersionScheme::Dpkg.invalid(version, why))
}

impl<'a> Parts<'a> {
    /// Splits a version; the error says what dpkg refuses to compare.
    fn parse(version: &'a str) -> Result<Self, &'static str> {
        let is_blank = |character| matches!(character, ' ' | '\t');
        let text = version.trim_matches(is_blank);
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.contains(is_blank) {
            return Err("it has a space inside");
        }
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (parse_epoch(epoch)?, rest),
            None => (0, text),
        };
        if rest.is_empty() {
            return Err("nothing follows the epoch's colon");
        }
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((_, "")) => return Err("nothing follows the last hyphen"),
            Some((upstream, revision)) => (upstream, revision),
            None => (rest, ""),
        };
        if upstream.is_empty() {
            return Err("nothing stands before the revision");
        }
        Ok(Self { epoch, upstream: upstream.as_bytes(), revision: revision.as_bytes() })
    }
}

/// Reads an epoch as dpkg does, with C's strtol: leading white space and a sign are let through.
fn parse_epoch(text: &str) -> Result<u64, &'static str> {
    let text = text.trim_start_matches(['\n', '\u{b}', '\u{c}', '\r']);
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the part before the colon (the epoch) is not a number");
    }
    match digits.parse::<u64>() {
        Ok(0) => Ok(0),
        _ if is_negative => Err("the epoch is negative"),
        Ok(epoch) if epoch <= EPOCH_MAX => Ok(epoch),
        _ => Err("the epoch is greater than 2147483647"),
    }
}

/// Compares upstream versions or revisions: runs of non-digits by weight and runs of digits as
/// numbers, in turns.
fn compare_parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = split_run(a, |byte| !byte.is_ascii_digit());
        let (b_text, b_rest) = split_run(b, |byte| !byte.is_ascii_digit());
        let (a_digits, a_rest) = split_run(a_rest, u8::is_ascii_digit);
        let (b_digits, b_rest) = split_run(b_rest, u8::is_ascii_digit);
        let order = compare_text(a_text, b_text).then_with(|| compare_digits(a_digits, b_digits));
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

/// Compares runs of non-digits; where one ends it weighs 0.
fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |text: &[u8], at: usize| text.get(at).map_or(0, |byte| weight(*byte));
    (0..a.len().max(b.len()))
        .map(|at| weight(a, at).cmp(&weight(b, at)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `~` sorts before the end, letters before everything else. Bytes outside ASCII are signed, as C's
/// `char` is where dpkg runs on amd64.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        b'a'..=b'z' | b'A'..=b'Z' => i32::from(byte),
        _ => i32::from(byte.cast_signed()) + 256,
    }
}
