//! Times, numbers and lists as people read them in a report.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::incident::duration;

/// Names that a sentence lists; the others are counted.
const NAMED_MAX: usize = 6;

/// Writes `2026-11-23 10:04:12`, of UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Writes `23 November 2026 at 10:04 UTC`.
pub(crate) fn day_and_time(at: Timestamp) -> String {
    at.strftime("%-d %B %Y at %H:%M UTC").to_string()
}

/// Writes `2026-11-23`.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Writes a length of time. Less than nothing is nothing: clocks of several machines may disagree.
pub(crate) fn length(of: SignedDuration) -> String {
    duration(Duration::try_from(of).unwrap_or_default())
}

/// Writes a number of seconds as a length of time.
pub(crate) fn seconds(of: u64) -> String {
    duration(Duration::from_secs(of))
}

/// Writes `1 host`, `2 hosts`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Writes `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Writes as [`list`], the first few alone: `a, b and 12 more`.
pub(crate) fn short_list(items: &[String]) -> String {
    match items.len().checked_sub(NAMED_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", items[..NAMED_MAX].join(", ")),
        _ => list(items),
    }
}

/// Writes bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_nothing_is_nothing() {
        assert_eq!(length(SignedDuration::from_secs(-5)), "0 s");
        assert_eq!(length(SignedDuration::from_secs(192)), "3 min 12 s");
    }

    #[test]
    fn lists_are_sentences() {
        let names = |number: usize| (1..=number).map(|it| format!("web-{it}")).collect::<Vec<_>>();
        assert_eq!(list(&names(1)), "web-1");
        assert_eq!(list(&names(3)), "web-1, web-2 and web-3");
        assert_eq!(short_list(&names(6)), "web-1, web-2, web-3, web-4, web-5 and web-6");
        assert_eq!(short_list(&names(8)), "web-1, web-2, web-3, web-4, web-5, web-6 and 2 more");
    }
}
