//! The name of a saved plan: short enough to be read out, sorted by time.

use std::fmt;

use jiff::Timestamp;

/// What every plan's id begins with.
const PREFIX: &str = "plan_";

/// Characters behind it: 48 bits of time and 80 of chance, five bits each.
const DIGITS: usize = 26;

/// Crockford's base 32: no letter that looks like a digit, and no U (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Sorts behind every digit: where ids with a given beginning end.
const AFTER_ALL: char = '~';

/// The name of a saved plan: `plan_01KAPQ3Z5V8M4T0D9XW2E6RJCN`, in the form of a ULID. Ids sort by the
/// millisecond in which the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(Box<str>);

impl PlanId {
    /// Makes the id of a plan that was made at a time; the caller draws the bytes at random.
    pub fn new(made_at: Timestamp, random: [u8; 10]) -> Self {
        let millisecond = u128::try_from(made_at.as_millisecond()).unwrap_or(0) & ((1 << 48) - 1);
        let chance = random.iter().fold(0, |sum: u128, byte| sum << 8 | u128::from(*byte));
        let number = millisecond << 80 | chance;
        let digit = |place: usize| {
            let bits = number >> (5 * (DIGITS - 1 - place)) & 31;
            char::from(ALPHABET[usize::try_from(bits).unwrap_or(0)])
        };
        Self(PREFIX.chars().chain((0..DIGITS).map(digit)).collect::<String>().into())
    }

    /// Reads an id as a person types it: in any case, with or without `plan_`, with `o` for zero and `i`
    /// or `l` for one.
    pub fn parse(text: &str) -> Option<Self> {
        let id = spelled(text)?;
        // 26 digits hold two bits more than there are.
        let is_whole = id.len() == PREFIX.len() + DIGITS && id.as_bytes()[PREFIX.len()] < b'8';
        is_whole.then(|| Self(id.into()))
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns between which texts the ids lie that begin as a person typed it; `None` where none can.
    pub(crate) fn range(prefix: &str) -> Option<(String, String)> {
        let from = spelled(prefix)?;
        let to = format!("{from}{AFTER_ALL}");
        Some((from, to))
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Returns `plan_` and the digits that were meant; `None` for no digits, too many or others.
fn spelled(text: &str) -> Option<String> {
    let has_prefix = text.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let digits = if has_prefix { &text[PREFIX.len()..] } else { text };
    let meant = |byte: u8| match byte.to_ascii_uppercase() {
        b'O' => Some('0'),
        b'I' | b'L' => Some('1'),
        digit => ALPHABET.contains(&digit).then(|| char::from(digit)),
    };
    let digits: String = digits.bytes().map(meant).collect::<Option<_>>()?;
    (1..=DIGITS).contains(&digits.len()).then(|| format!("{PREFIX}{digits}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).expect("in range")
    }

    #[test]
    fn ids_are_ulids() {
        // The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
        let id = PlanId::new(at(1_469_918_176_385), [0; 10]);
        assert_eq!(id.as_str(), "plan_01ARYZ6S410000000000000000");
        let chance = PlanId::new(at(31), [0xff; 10]);
        assert_eq!(chance.as_str(), "plan_000000000ZZZZZZZZZZZZZZZZZ");
        assert!(PlanId::new(at(1), [0xff; 10]) < PlanId::new(at(2), [0; 10]), "sorted by time");
        assert_eq!(PlanId::new(at(-5), [0; 10]).as_str(), "plan_00000000000000000000000000");
    }

    #[test]
    fn people_may_type_them_as_they_like() {
        let id = PlanId::new(at(1_469_918_176_385), [0; 10]);
        for typed in [
            "plan_01ARYZ6S410000000000000000",
            "01aryz6s410000000000000000",
            "PLAN_olARYZ6S4iOOOOOOOOOOOOOOOO",
        ] {
            assert_eq!(PlanId::parse(typed).as_ref(), Some(&id), "{typed}");
        }
        for bad in
            ["", "plan_", "01ARYZ6S41", "81ARYZ6S410000000000000000", "01ARYZ6S41000000000000000U", "ü"]
        {
            assert_eq!(PlanId::parse(bad), None, "{bad}");
        }
        let (from, to) = PlanId::range("plan_01aryz").expect("a beginning");
        assert!(from.as_str() < id.as_str() && id.as_str() < to.as_str());
        assert_eq!(PlanId::range("plan_"), None, "the beginning of all of them is none");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = PlanId::range(&text);
            if let Some(id) = PlanId::parse(&text) {
                prop_assert_eq!(PlanId::parse(id.as_str()), Some(id));
            }
        }

        #[test]
        fn an_id_is_read_as_it_is_written(millisecond in 0..(1_i64 << 47), random: [u8; 10]) {
            let id = PlanId::new(at(millisecond), random);
            prop_assert_eq!(PlanId::parse(id.as_str()), Some(id));
        }
    }
}
