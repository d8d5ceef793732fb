//! Points in time as people type them.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::error::Error;

/// The longest time ago that a number and a unit may mean, in seconds: a hundred years.
const AGO_SECS_MAX: i64 = 100 * 366 * 24 * 60 * 60;

/// A day.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Which end of a day a bare date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayEnd {
    /// Its first instant: for "since".
    First,
    /// Its last instant: for "at" and "until".
    Last,
}

/// Reads a date (`2026-03-03`, a day of UTC), a time of RFC 3339 (`2026-03-03T14:00:00Z`), or a time
/// ago: `30m`, `24h`, `7d`, `2w`.
///
/// # Errors
/// [`Error::Moment`].
pub(crate) fn parse(text: &str, end: DayEnd, now: Timestamp) -> Result<Timestamp, Error> {
    let parsed = ago(text, now).or_else(|| day(text, end)).or_else(|| text.parse().ok());
    parsed.ok_or_else(|| Error::Moment { given: text.escape_default().to_string() })
}

/// Reads a moment that has been, a date as its end. Of today's end, that is now.
///
/// # Errors
/// [`Error::Moment`], [`Error::MomentAhead`].
pub(crate) fn past(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let at = parse(text, DayEnd::Last, now)?;
    if at <= now {
        return Ok(at);
    }
    if at.duration_since(now) <= DAY {
        return Ok(now);
    }
    Err(Error::MomentAhead { given: text.escape_default().to_string() })
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit: i64 = match unit {
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<i64>().ok()?.checked_mul(unit)?;
    (seconds <= AGO_SECS_MAX).then(|| now.checked_sub(SignedDuration::from_secs(seconds)).ok()).flatten()
}

fn day(text: &str, end: DayEnd) -> Option<Timestamp> {
    // Only the plain form: jiff also takes a time of day without a zone, and would drop it.
    if text.len() != "2026-03-03".len() {
        return None;
    }
    let date: Date = text.parse().ok()?;
    match end {
        DayEnd::First => Some(date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC).ok()?.timestamp()),
        DayEnd::Last => {
            let next = date.checked_add(1.day()).ok()?.to_datetime(Time::midnight());
            let next = next.to_zoned(TimeZone::UTC).ok()?.timestamp();
            next.checked_sub(SignedDuration::from_micros(1)).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, end: DayEnd, expected: Option<&str>) {
        let now = "2026-03-10T12:00:00Z".parse().expect("a time");
        let parsed = parse(text, end, now).ok().map(|at| at.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }

    #[test]
    fn moments_are_read() {
        check("2026-03-03", DayEnd::First, Some("2026-03-03T00:00:00Z"));
        check("2026-03-03", DayEnd::Last, Some("2026-03-03T23:59:59.999999Z"));
        check("2026-03-03T14:00:00Z", DayEnd::Last, Some("2026-03-03T14:00:00Z"));
        check("2026-03-03T14:00:00+02:00", DayEnd::Last, Some("2026-03-03T12:00:00Z"));
        check("24h", DayEnd::First, Some("2026-03-09T12:00:00Z"));
        check("7d", DayEnd::First, Some("2026-03-03T12:00:00Z"));
        check("2w", DayEnd::First, Some("2026-02-24T12:00:00Z"));
        check("90m", DayEnd::First, Some("2026-03-10T10:30:00Z"));
        let now = "2026-03-10T12:00:00Z".parse().expect("a time");
        let read = |text| past(text, now).map(|at| at.to_string()).map_err(|error| error.to_string());
        assert_eq!(read("2026-03-09"), Ok("2026-03-09T23:59:59.999999Z".to_owned()));
        assert_eq!(read("2026-03-10"), Ok("2026-03-10T12:00:00Z".to_owned()), "today is not over");
        assert_eq!(read("2026-03-12"), Err("`2026-03-12` has not come yet".to_owned()));
        for bad in ["", "h", "-1d", "+1d", "1y", "yesterday", "2026-02-30", "2026-03", "99999999999w", "ü"] {
            check(bad, DayEnd::First, None);
        }
    }
}
