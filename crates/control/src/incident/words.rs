//! Durations in words. Pure.

use std::time::Duration;

const MINUTE_SECS: u64 = 60;
const HOUR_SECS: u64 = 60 * MINUTE_SECS;
const DAY_SECS: u64 = 24 * HOUR_SECS;

/// Returns a duration as people say it, in its two greatest units: `3 min 12 s`, `2 d 5 h`, `0.4 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |great: u64, its: &str, small: u64, word: &str| match small {
        0 => format!("{great} {its}"),
        small => format!("{great} {its} {small} {word}"),
    };
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0..10 if duration.subsec_millis() >= 100 => {
            format!("{seconds}.{} s", duration.subsec_millis() / 100)
        }
        0 => "< 0.1 s".to_owned(),
        1..MINUTE_SECS => format!("{seconds} s"),
        MINUTE_SECS..HOUR_SECS => two(seconds / MINUTE_SECS, "min", seconds % MINUTE_SECS, "s"),
        HOUR_SECS..DAY_SECS => two(seconds / HOUR_SECS, "h", seconds % HOUR_SECS / MINUTE_SECS, "min"),
        _ => two(seconds / DAY_SECS, "d", seconds % DAY_SECS / HOUR_SECS, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units() {
        for (millis, expected) in [
            (0, "0 s"),
            (7, "< 0.1 s"),
            (400, "0.4 s"),
            (1_000, "1 s"),
            (9_950, "9.9 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (192_000, "3 min 12 s"),
            (3_600_000, "1 h"),
            (9_000_000, "2 h 30 min"),
            (86_400_000, "1 d"),
            (190_800_000, "2 d 5 h"),
            (63_072_000_000, "730 d"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }
}
