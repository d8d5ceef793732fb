//! OSV's events and version lists, as ranges (osv-schema, "Evaluation").

use std::cmp::Ordering;
use std::collections::BTreeSet;

use model::version::VersionScheme;
use model::{Affects, Bound, Version, VersionRange};
use serde::Deserialize;

use crate::judge::holds;
use crate::osv::nullable;
use crate::sorting::sort_versions;

/// `introduced` of what always was affected: below every version.
const EVER: &str = "0";

/// The most ranges and the most listed versions of one package in one record.
const RANGES_MAX: usize = 500;
const VERSIONS_MAX: usize = 20_000;

/// The most events of a range whose versions cannot be put in order.
const EVENTS_MAX: usize = 500;

/// A range as the record writes it.
#[derive(Deserialize)]
pub(crate) struct OsvRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "nullable")]
    events: Vec<OsvEvent>,
}

/// An event; exactly one field is set. `limit` is about git alone and not read.
#[derive(Deserialize)]
struct OsvEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

/// What happens at a version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Fixed,
    Introduced,
    LastAffected,
}

/// Converts one `affected` entry. Listed versions that no range holds are affected too.
pub(crate) fn affects(
    scheme: VersionScheme,
    ranges: &[OsvRange],
    versions: &[String],
) -> Result<Affects, String> {
    if ranges.len() > RANGES_MAX || versions.len() > VERSIONS_MAX {
        return Err(format!("more than {RANGES_MAX} ranges or {VERSIONS_MAX} versions"));
    }
    let mut result = Vec::new();
    let mut is_never = false;
    let mut is_readable = false;
    for range in ranges.iter().filter(|it| matches!(it.kind.as_str(), "ECOSYSTEM" | "SEMVER")) {
        is_readable = true;
        let found = intervals(scheme, &range.events)?;
        // `fixed: 0` is secdb's way to say "not affected", carried over.
        is_never |= found.is_empty();
        result.extend(found);
    }
    let is_held = |version: &&str| result.iter().any(|range| holds(scheme, range, version) == Ok(true));
    let versions: BTreeSet<&str> = versions.iter().map(String::as_str).collect();
    let listed: Vec<_> = versions.into_iter().filter(|version| !is_held(version)).collect();
    result.extend(listed.into_iter().map(|version| {
        let bound = Bound { version: Version::new(version), is_inclusive: true };
        VersionRange { lower: Some(bound.clone()), upper: Some(bound) }
    }));
    match (result.is_empty(), is_never) {
        (false, _) => Ok(Affects::Ranges { ranges: result, earlier_fixes: Vec::new() }),
        (true, true) => Ok(Affects::NotAffected),
        (true, false) if is_readable => Err("its ranges hold nothing".to_owned()),
        (true, false) => Err("no range of type ECOSYSTEM or SEMVER and no version".to_owned()),
    }
}

fn intervals(scheme: VersionScheme, events: &[OsvEvent]) -> Result<Vec<VersionRange>, String> {
    let mut sorted = flatten(events);
    if sorted.is_empty() {
        return Err("a range without events".to_owned());
    }
    // Equal versions stay in the record's order, but the last affected one is still affected when it
    // is introduced. The sort by version is stable.
    sorted.sort_by_key(|(_, what)| *what == What::LastAffected);
    let is_sorted = sort_versions(scheme, &mut sorted, |(version, _)| version);
    if !is_sorted && sorted.len() > EVENTS_MAX {
        return Err(format!("its {} events cannot be put in order", sorted.len()));
    }
    if !is_sorted {
        // A version that cannot be compared stays in its place, so that the answer is "unknown" and says
        // why. To drop the range would hide a vulnerability.
        sorted = flatten(events);
    }
    // The specification wants an `introduced`; without one, take the vendor for saying "always".
    let is_open_ended = !sorted.iter().any(|(_, what)| *what == What::Introduced);
    let mut open: Option<Option<Bound>> = is_open_ended.then_some(None);
    if sorted.iter().any(|(version, what)| *what == What::Introduced && *version == EVER) {
        open = Some(None);
    }
    let mut result = Vec::new();
    for (version, what) in sorted {
        let bound = |is_inclusive| Bound { version: Version::new(version), is_inclusive };
        match what {
            What::Introduced if version == EVER => {}
            What::Introduced => drop(open.get_or_insert_with(|| Some(bound(true)))),
            What::Fixed | What::LastAffected => {
                if let Some(lower) = open.take() {
                    let upper = Some(bound(what == What::LastAffected));
                    result.push(VersionRange { lower, upper });
                }
            }
        }
    }
    if let Some(lower) = open {
        result.push(VersionRange { lower, upper: None });
    }
    result.retain(|range| !is_empty(scheme, range));
    Ok(result)
}

fn flatten(events: &[OsvEvent]) -> Vec<(&str, What)> {
    let mut flat = Vec::new();
    for event in events {
        let parts = [
            (&event.introduced, What::Introduced),
            (&event.fixed, What::Fixed),
            (&event.last_affected, What::LastAffected),
        ];
        flat.extend(parts.into_iter().filter_map(|(version, what)| Some((version.as_deref()?, what))));
    }
    flat
}

/// Says whether no version lies in the range: nothing lies below `0`, and nothing in `[1, 1)`.
fn is_empty(scheme: VersionScheme, range: &VersionRange) -> bool {
    match (&range.lower, &range.upper) {
        (None, Some(upper)) => !upper.is_inclusive && upper.version.as_str() == EVER,
        (Some(lower), Some(upper)) => {
            let order = scheme.compare(lower.version.as_str(), upper.version.as_str());
            order == Ok(Ordering::Equal) && !(lower.is_inclusive && upper.is_inclusive)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(events: &str, versions: &[&str], expected: &str) {
        let text = format!(
            r#"[{{"type":"ECOSYSTEM","events":[{events}]}},{{"type":"GIT","events":[{{"introduced":"0"}}]}}]"#
        );
        let ranges: Vec<OsvRange> = serde_json::from_str(&text).expect("a range");
        let versions: Vec<_> = versions.iter().map(|it| (*it).to_owned()).collect();
        let shown = match affects(VersionScheme::Apk, &ranges, &versions) {
            Ok(Affects::NotAffected) => "never".to_owned(),
            Ok(Affects::Undetermined) => "undetermined".to_owned(),
            Ok(Affects::Ranges { ranges, .. }) => ranges.iter().map(show).collect::<Vec<_>>().join(" "),
            Err(message) => message,
        };
        assert_eq!(shown, expected, "{events} {versions:?}");
    }

    fn show(range: &VersionRange) -> String {
        let show = |bound: &Option<Bound>| match bound {
            Some(it) => format!("{}{}", it.version, if it.is_inclusive { "=" } else { "" }),
            None => "-".to_owned(),
        };
        format!("{}..{}", show(&range.lower), show(&range.upper))
    }

    #[test]
    fn events_become_ranges() {
        check(r#"{"introduced":"0"},{"fixed":"2"}"#, &[], "-..2");
        check(r#"{"fixed":"2"},{"introduced":"1"}"#, &[], "1=..2");
        check(r#"{"introduced":"0"}"#, &[], "-..-");
        check(r#"{"introduced":"1"},{"last_affected":"2"}"#, &[], "1=..2=");
        check(r#"{"introduced":"2"},{"last_affected":"2"}"#, &[], "2=..2=");
        check(r#"{"introduced":"0"},{"fixed":"1"},{"introduced":"2"},{"fixed":"2.1"}"#, &[], "-..1 2=..2.1");
        check(r#"{"fixed":"2.1"},{"introduced":"2"},{"fixed":"1"},{"introduced":"0"}"#, &[], "-..1 2=..2.1");
        check(
            r#"{"fixed":"1.0"},{"introduced":"0.1"},{"last_affected":"0.9"},{"limit":"0.9.1"}"#,
            &[],
            "0.1=..0.9=",
        );
        check(r#"{"introduced":"0"},{"fixed":"1"},{"introduced":"1"}"#, &[], "-..1 1=..-");
        check(r#"{"last_affected":"2"},{"introduced":"2"}"#, &[], "2=..2=");
        check(r#"{"introduced":"0"},{"fixed":"10"},{"introduced":"9"}"#, &[], "-..10");
        check(r#"{"fixed":"2"}"#, &[], "-..2");
        check(r#"{"introduced":"0"},{"fixed":"0"}"#, &[], "never");
        check(r#"{"introduced":"1"},{"fixed":"1"}"#, &[], "never");
        check("", &[], "a range without events");
        check(r#"{"introduced":"0"},{"fixed":"2"}"#, &["1", "2", "3"], "-..2 2=..2= 3=..3=");
    }
}
