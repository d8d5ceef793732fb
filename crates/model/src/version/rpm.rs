//! RPM's order: `[epoch:]version[-release]`, as rpmVersionCompare and rpmvercmp have it
//! (rpm-version(7)).

use std::cmp::Ordering;

use super::{compare_digits, split_run};

/// Compares two versions. A missing release is before any release.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::split(a), Parts::split(b));
    let release = || match (a.release, b.release) {
        (Some(a), Some(b)) => compare_parts(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    compare_digits(a.epoch, b.epoch).then_with(|| compare_parts(a.version, b.version)).then_with(release)
}

/// Says whether rpmbuild accepts the version: an epoch of 32 bits, and no character outside letters,
/// digits and `._+~^`, nor two dots in a row.
pub(super) fn is_valid(version: &str) -> bool {
    let Parts { epoch, version, release } = Parts::split(version);
    let is_clean = |part: &[u8]| {
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+~^".contains(byte);
        !part.is_empty() && part.iter().all(is_allowed) && !part.windows(2).any(|pair| pair == b"..")
    };
    compare_digits(epoch, b"4294967295").is_le() && is_clean(version) && release.is_none_or(is_clean)
}

struct Parts<'a> {
    /// Digits; empty for none, which compares like `0`.
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Self {
        let text = text.as_bytes();
        let (digits, rest) = split_run(text, u8::is_ascii_digit);
        // Only digits make an epoch: the colon of `1.m+e2:1` belongs to the version.
        let (epoch, rest) = rest.strip_prefix(b":").map_or((&b""[..], text), |rest| (digits, rest));
        let hyphen = rest.iter().rposition(|byte| *byte == b'-');
        let (version, release) = match hyphen.and_then(|at| rest.split_at_checked(at)) {
            Some((version, release)) => (version, release.get(1..)),
            None => (rest, None),
        };
        Self { epoch, version, release }
    }
}

/// Compares runs of digits and runs of letters in turns, whatever separates them; `~` sorts before
/// the end of the text and `^` right after it.
fn compare_parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        (a, b) = (skip_separators(a), skip_separators(b));
        let order = rank(a).cmp(&rank(b));
        if order.is_ne() || a.is_empty() {
            return order;
        }
        if let (Some((b'~' | b'^', a_rest)), Some((_, b_rest))) = (a.split_first(), b.split_first()) {
            (a, b) = (a_rest, b_rest);
            continue;
        }
        let (a_run, a_rest) = split_segment(a);
        let (b_run, b_rest) = split_segment(b);
        let order = match a_run.first() {
            Some(byte) if byte.is_ascii_digit() => compare_digits(a_run, b_run),
            _ => a_run.cmp(b_run),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

/// Ranks what comes next: `~`, the end, `^`, letters, digits.
fn rank(text: &[u8]) -> u8 {
    match text.first() {
        Some(b'~') => 0,
        None => 1,
        Some(b'^') => 2,
        Some(byte) if byte.is_ascii_digit() => 4,
        Some(_) => 3,
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    split_run(text, |byte| !byte.is_ascii_alphanumeric() && !b"~^".contains(byte)).1
}

fn split_segment(text: &[u8]) -> (&[u8], &[u8]) {
    match text.first() {
        Some(byte) if byte.is_ascii_digit() => split_run(text, u8::is_ascii_digit),
        _ => split_run(text, u8::is_ascii_alphabetic),
    }
}
