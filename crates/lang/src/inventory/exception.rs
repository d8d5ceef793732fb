//! `exception()`.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::VulnerabilityId;
use model::selector::{Key, Selector};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::none::NoneType;
use starlark::values::{Value, ValueOfUnchecked};

use crate::inventory::argument::{Call, describe};
use crate::inventory::person::{PersonRef, PersonValue};
use crate::inventory::session::{DeclaredException, Session};
use crate::limits::{REASON_BYTES_MAX, VULNERABILITY_BYTES_MAX};

#[starlark_module]
#[starlark_types(PersonValue as Person)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares that a vulnerability is left open on some hosts for some time: who answers for it, why, and
    /// until when. `ifrit findings` shows it in a group of its own until then.
    ///
    /// ```python
    /// exception("CVE-2026-1234", hosts = "client:acme tag:lab", owner = maria, reason = "no way in from outside; replaced in March", until = "2026-03-31")
    /// ```
    ///
    /// # Arguments
    /// * `vulnerability`: the CVE, or the vendor's id
    /// * `hosts`: a selector such as `client:acme tag:lab`; it cannot ask for `os:`, which only a scan knows
    /// * `owner`: the person who answers for it, or their name
    /// * `reason`: why it may stay open, in a sentence that the client may read
    /// * `until`: the day from whose beginning (UTC) it does not count any more, as `2026-03-31`
    fn exception<'v>(
        vulnerability: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] hosts: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] owner: ValueOfUnchecked<'v, PersonRef<'v>>,
        #[starlark(require = named)] reason: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] until: ValueOfUnchecked<'v, String>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let mut call = Call::new(eval);
        let expected = "the id of a vulnerability such as \"CVE-2026-1234\"";
        let vulnerability = call.required("vulnerability", expected, vulnerability.get(), is_id);
        let hosts = call.selector(hosts.get());
        let owner = call.required_owner(owner.get());
        let expected = "a sentence (at most 1000 bytes, on one line)";
        let reason = call.required("reason", expected, reason.get(), is_reason);
        let until = call.until(until.get());
        call.name_caller(eval);
        let place = call.place();
        let declared = match (vulnerability, hosts, owner, reason, until) {
            (Some(vulnerability), Some(hosts), Some(owner), Some(reason), Some(until)) if call.is_good() => {
                let vulnerability = VulnerabilityId::new(vulnerability);
                Some(DeclaredException { vulnerability, hosts, owner, reason, until, place })
            }
            _ => None,
        };
        // An exception has no name that anything could refer to.
        Session::add(eval, call, "", declared, |all, exception| all.exceptions.push(exception))?;
        Ok(NoneType)
    }
}

impl Call {
    /// Reads a string that must be there.
    fn required(
        &mut self,
        argument: &str,
        expected: &str,
        value: Value<'_>,
        is_valid: fn(&str) -> bool,
    ) -> Option<String> {
        if value.is_none() {
            self.bad(argument, expected, value);
        }
        self.text(argument, expected, Some(value), is_valid)
    }

    fn required_owner(&mut self, value: Value<'_>) -> Option<String> {
        if value.is_none() {
            self.bad("owner", "a person or their name", value);
        }
        self.owner(Some(value))
    }

    /// Reads a selector that can be answered from the declarations alone.
    fn selector(&mut self, value: Value<'_>) -> Option<Selector> {
        let expected = "a selector such as \"client:acme tag:lab\"";
        let text = self.required("hosts", expected, value, |_| true)?;
        match Selector::parse(&text) {
            Ok(selector) if selector.names(Key::Os) => {
                let hint = "give the hosts a tag or a group; what they run may change with every scan";
                self.problem_with_hint(
                    format!("expected hosts without `os:`, got {}", describe(value)),
                    hint.to_owned(),
                );
                None
            }
            Ok(selector) => Some(selector),
            Err(error) => {
                self.problem(format!("expected hosts to be {expected}, got {}: {error}", describe(value)));
                None
            }
        }
    }

    /// Reads a day and returns its beginning in UTC.
    fn until(&mut self, value: Value<'_>) -> Option<Timestamp> {
        let expected = "a day such as \"2026-03-31\"";
        let text = self.required("until", expected, value, |text| day(text).is_some())?;
        day(&text)
    }
}

fn day(text: &str) -> Option<Timestamp> {
    // Nothing but a day: `Date` would also read the day of a time.
    let is_day = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = text.parse::<Date>().ok().filter(|_| is_day)?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn is_id(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=VULNERABILITY_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_valid)
}

fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= REASON_BYTES_MAX && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_begin_in_utc() {
        assert_eq!(day("2026-03-31").map(|at| at.to_string()).as_deref(), Some("2026-03-31T00:00:00Z"));
        for bad in ["", "2026-3-31", "2026-02-30", "31.03.2026", "2026-03-31T10:00", "20260331", "tomorrow"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (day(&text), is_id(&text), is_reason(&text));
        }
    }
}
