//! One statement, one version: the answer.

use std::cmp::Ordering;

use model::version::{InvalidVersion, VersionScheme};
use model::{Affects, FindingState, Fix, Version, VersionRange};

/// The answer of one statement for one version, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub state: FindingState,
    pub fix: Fix,
    /// What is true of the installed version, to be put behind `installed VERSION of PACKAGE`.
    pub why: String,
}

/// Why nothing is known of what does not say its version.
const NO_VERSION: &str = "cannot be judged: its version is not known";

/// The most ranges that a reason lists.
const RANGES_SHOWN_MAX: usize = 5;

/// Judges a version.
pub(crate) fn judge(scheme: VersionScheme, affects: &Affects, installed: &Version) -> Verdict {
    let (ranges, earlier_fixes) = match affects {
        Affects::NotAffected => {
            let why = "is not affected, says the vendor".to_owned();
            return Verdict { state: FindingState::NotAffected, fix: Fix::NotNeeded, why };
        }
        Affects::Undetermined => {
            let why = "may be affected: the vendor has not found out yet".to_owned();
            return Verdict { state: FindingState::Unknown, fix: Fix::NotYet, why };
        }
        Affects::Ranges { ranges, earlier_fixes } => (ranges, earlier_fixes),
    };
    if installed.as_str().is_empty() {
        let fix = last_fix(scheme, ranges);
        return Verdict { state: FindingState::Unknown, fix, why: NO_VERSION.to_owned() };
    }
    let mut failure = None;
    for range in ranges {
        match holds(scheme, range, installed.as_str()) {
            Ok(true) => return vulnerable(scheme, range, ranges, earlier_fixes, installed),
            Ok(false) => {}
            Err(error) => failure = failure.or(Some((range, error))),
        }
    }
    match failure {
        Some((range, error)) => {
            let why = format!("cannot be compared with {}: {error}", shown(range));
            Verdict { state: FindingState::Unknown, fix: last_fix(scheme, ranges), why }
        }
        None => outside(scheme, ranges, installed),
    }
}

/// Says whether the version lies in the range.
///
/// # Errors
/// [`InvalidVersion`] where a bound that matters cannot be compared. One bound that fails is enough
/// for a no, even if the other cannot be compared.
pub(crate) fn holds(
    scheme: VersionScheme,
    range: &VersionRange,
    version: &str,
) -> Result<bool, InvalidVersion> {
    let lower = range.lower.as_ref().map(|bound| {
        let order = scheme.compare(version, bound.version.as_str())?;
        Ok(order == Ordering::Greater || (order == Ordering::Equal && bound.is_inclusive))
    });
    let upper = range.upper.as_ref().map(|bound| {
        let order = scheme.compare(version, bound.version.as_str())?;
        Ok(order == Ordering::Less || (order == Ordering::Equal && bound.is_inclusive))
    });
    match (lower.unwrap_or(Ok(true)), upper.unwrap_or(Ok(true))) {
        // One version alone is a name: another one, well written, is not it, whatever its order.
        (Err(_), Err(_)) if range.lower == range.upper && scheme.is_valid(version) => Ok(false),
        (Err(error), Err(_)) if range.lower == range.upper => {
            let is_same = range.lower.as_ref().is_some_and(|bound| bound.version.as_str() == version);
            if is_same { Ok(true) } else { Err(error) }
        }
        (Ok(false), _) | (_, Ok(false)) => Ok(false),
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(true), Ok(true)) => Ok(true),
    }
}

fn vulnerable(
    scheme: VersionScheme,
    range: &VersionRange,
    ranges: &[VersionRange],
    earlier_fixes: &[Version],
    installed: &Version,
) -> Verdict {
    let fix = first_fix(scheme, range, ranges);
    let mut why = match (&range.lower, &fix) {
        (None, Fix::In(version)) => format!("< fixed {version}"),
        _ => format!("lies in {}", shown(range)),
    };
    if fix == Fix::NotYet {
        why.push_str(", no fix yet");
    }
    for earlier in earlier_fixes.iter().rev() {
        if earlier.as_str() == "0" {
            why.push_str("; the same feed also calls it not affected, which is not believed");
        } else if scheme.compare(installed.as_str(), earlier.as_str()).is_ok_and(Ordering::is_ge) {
            why.push_str(&format!("; fixed in {earlier} at first, but the fix was completed later"));
            break;
        }
    }
    why.push_str(&invalid_notes(scheme, installed, &fix));
    Verdict { state: FindingState::Vulnerable, fix, why }
}

/// The first version that no range holds: the range's own end, unless another range goes on there.
fn first_fix(scheme: VersionScheme, range: &VersionRange, ranges: &[VersionRange]) -> Fix {
    let mut fix = fix_of(range);
    for _ in ranges {
        let next = match &fix {
            Fix::In(version) => {
                ranges.iter().find(|it| holds(scheme, it, version.as_str()) == Ok(true)).map(fix_of)
            }
            _ => None,
        };
        match next {
            Some(next) if next != fix => fix = next,
            _ => break,
        }
    }
    fix
}

/// The fix that holds wherever the installed version may lie: the greatest, as far as they can be compared.
fn last_fix(scheme: VersionScheme, ranges: &[VersionRange]) -> Fix {
    let later = |a: Fix, b: Fix| match (&a, &b) {
        (Fix::In(one) | Fix::After(one), Fix::In(other) | Fix::After(other)) => {
            if scheme.compare(one.as_str(), other.as_str()).is_ok_and(Ordering::is_lt) { b } else { a }
        }
        (Fix::NotYet, _) => a,
        _ => b,
    };
    ranges.iter().map(fix_of).reduce(later).unwrap_or(Fix::NotYet)
}

fn fix_of(range: &VersionRange) -> Fix {
    match &range.upper {
        None => Fix::NotYet,
        Some(upper) if upper.is_inclusive => Fix::After(upper.version.clone()),
        Some(upper) => Fix::In(upper.version.clone()),
    }
}

/// In no range: past the end of one, or before all of them.
fn outside(scheme: VersionScheme, ranges: &[VersionRange], installed: &Version) -> Verdict {
    let mut passed: Option<&VersionRange> = None;
    for range in ranges {
        let Some(upper) = &range.upper else { continue };
        let is_passed = scheme.compare(installed.as_str(), upper.version.as_str()).is_ok_and(Ordering::is_ge);
        let is_later = passed.and_then(|it| it.upper.as_ref()).is_none_or(|known| {
            scheme.compare(upper.version.as_str(), known.version.as_str()).is_ok_and(Ordering::is_gt)
        });
        if is_passed && is_later {
            passed = Some(range);
        }
    }
    let Some(range) = passed else {
        let all: Vec<_> = ranges.iter().take(RANGES_SHOWN_MAX).map(shown).collect();
        let mut why = format!("lies before the affected {}", all.join(" and "));
        if ranges.len() > all.len() {
            why.push_str(&format!(" and {} more", ranges.len() - all.len()));
        }
        return Verdict { state: FindingState::NotAffected, fix: Fix::NotNeeded, why };
    };
    let fix = fix_of(range);
    let mut why = match &fix {
        Fix::In(version) => format!(">= fixed {version}"),
        Fix::After(version) => format!("> last affected {version}"),
        Fix::NotYet | Fix::NotNeeded => "is past the affected range".to_owned(),
    };
    why.push_str(&invalid_notes(scheme, installed, &fix));
    Verdict { state: FindingState::Fixed, fix, why }
}

/// Names the versions that the package manager would not accept and compares all the same.
fn invalid_notes(scheme: VersionScheme, installed: &Version, fix: &Fix) -> String {
    let fixed = match fix {
        Fix::In(version) | Fix::After(version) => Some(version),
        Fix::NotYet | Fix::NotNeeded => None,
    };
    let mut notes = String::new();
    for version in [Some(installed), fixed].into_iter().flatten() {
        if !scheme.is_valid(version.as_str()) {
            let tool = scheme.as_str();
            notes.push_str(&format!("; version not valid: {version}, compared as {tool} does"));
        }
    }
    notes
}

/// Writes a range as `>= 14.1, < 14.1_5`.
fn shown(range: &VersionRange) -> String {
    let lower =
        range.lower.as_ref().map(|it| format!("{} {}", if it.is_inclusive { ">=" } else { ">" }, it.version));
    let upper =
        range.upper.as_ref().map(|it| format!("{} {}", if it.is_inclusive { "<=" } else { "<" }, it.version));
    match (lower, upper) {
        (Some(_), Some(_)) if range.lower == range.upper => {
            range.lower.as_ref().map_or_else(String::new, |it| format!("= {}", it.version))
        }
        (Some(lower), Some(upper)) => format!("{lower}, {upper}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "every version".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use model::Bound;

    use super::*;

    fn range(text: &str) -> VersionRange {
        let mut range = VersionRange { lower: None, upper: None };
        for part in text.split(' ').filter(|it| !it.is_empty()) {
            let version = part.trim_start_matches(['<', '>', '=']);
            let bound = Bound { version: Version::new(version), is_inclusive: part.contains('=') };
            let end = if part.starts_with('<') { &mut range.upper } else { &mut range.lower };
            *end = Some(bound);
        }
        range
    }

    #[track_caller]
    fn check(scheme: VersionScheme, ranges: &[&str], earlier: &[&str], installed: &str, expected: &str) {
        let affects = Affects::Ranges {
            ranges: ranges.iter().map(|it| range(it)).collect(),
            earlier_fixes: earlier.iter().map(|it| Version::new(*it)).collect(),
        };
        let Verdict { state, fix, why } = judge(scheme, &affects, &Version::new(installed));
        assert_eq!(format!("{state} | {fix} | {why}"), expected);
    }

    #[test]
    fn apk_fixes() {
        let check = |ranges: &[&str], earlier: &[&str], installed: &str, expected: &str| {
            check(VersionScheme::Apk, ranges, earlier, installed, expected);
        };
        check(&["<3.1.4-r1"], &[], "3.1.0-r3", "vulnerable | 3.1.4-r1 | < fixed 3.1.4-r1");
        check(&["<3.1.4-r1"], &[], "3.1.4-r1", "fixed | 3.1.4-r1 | >= fixed 3.1.4-r1");
        check(&["<1.2_git3-r0"], &[], "1.2-r0", "vulnerable | 1.2_git3-r0 | < fixed 1.2_git3-r0");
        check(&["<1.2_rc3-r0"], &[], "1.2-r0", "fixed | 1.2_rc3-r0 | >= fixed 1.2_rc3-r0");
        check(
            &["<1.0-r3"],
            &["1.0-r1"],
            "1.0-r2",
            "vulnerable | 1.0-r3 | < fixed 1.0-r3; fixed in 1.0-r1 at first, but the fix was completed later",
        );
        check(&["<1.0-r3"], &["1.0-r1"], "1.0-r0", "vulnerable | 1.0-r3 | < fixed 1.0-r3");
        check(
            &["<1.3.2-r0"],
            &["0"],
            "1.3.1-r2",
            "vulnerable | 1.3.2-r0 | < fixed 1.3.2-r0; the same feed also calls it not affected, which is not believed",
        );
        check(
            &["<1.9.5p2-r0"],
            &[],
            "1.9.4-r0",
            "vulnerable | 1.9.5p2-r0 | < fixed 1.9.5p2-r0; version not valid: 1.9.5p2-r0, compared as apk does",
        );
    }

    #[test]
    fn freebsd_ranges() {
        let check = |ranges: &[&str], installed: &str, expected: &str| {
            check(VersionScheme::FreeBsd, ranges, &[], installed, expected);
        };
        let base = &[">=14.1 <14.1_5", ">=13.3 <13.3_7"];
        check(base, "14.1_2", "vulnerable | 14.1_5 | lies in >= 14.1, < 14.1_5");
        check(base, "14.1_5", "fixed | 14.1_5 | >= fixed 14.1_5");
        check(base, "14.2", "fixed | 14.1_5 | >= fixed 14.1_5");
        check(base, "14.0", "fixed | 13.3_7 | >= fixed 13.3_7");
        check(
            base,
            "12.4",
            "not-affected | - | lies before the affected >= 14.1, < 14.1_5 and >= 13.3, < 13.3_7",
        );
        check(&["<=2.0"], "2.0", "vulnerable | > 2.0 | lies in <= 2.0");
        check(&["<=2.0"], "2.0_1", "fixed | > 2.0 | > last affected 2.0");
        check(&[">1 <2"], "1", "not-affected | - | lies before the affected > 1, < 2");
        check(&[">=1"], "9", "vulnerable | no fix yet | lies in >= 1, no fix yet");
        check(&[">1"], "1", "not-affected | - | lies before the affected > 1");
        check(&[">=1.5 <=1.5"], "1.5", "vulnerable | > 1.5 | lies in = 1.5");
        check(&[""], "9", "vulnerable | no fix yet | lies in every version, no fix yet");
        check(&["<*"], "1", "fixed | * | >= fixed *");
        check(&[">=*"], "1", "vulnerable | no fix yet | lies in >= *, no fix yet");
        check(&[">3.2.* <3.2.1"], "3.1.9", "not-affected | - | lies before the affected > 3.2.*, < 3.2.1");
        check(&[">3.2.* <3.2.1"], "3.2.0", "vulnerable | 3.2.1 | lies in > 3.2.*, < 3.2.1");
        check(&["<2,1"], "3", "vulnerable | 2,1 | < fixed 2,1");
    }

    #[test]
    fn a_fix_that_another_range_holds_is_no_fix() {
        check(VersionScheme::Apk, &["<2", ">=2 <3"], &[], "1", "vulnerable | 3 | < fixed 3");
        check(
            VersionScheme::Apk,
            &["<2", ">=1"],
            &[],
            "0.5",
            "vulnerable | no fix yet | lies in < 2, no fix yet",
        );
    }

    #[test]
    fn a_single_version_is_a_name() {
        let check = |ranges: &[&str], installed: &str, expected: &str| {
            check(VersionScheme::Pep440, ranges, &[], installed, expected);
        };
        let odd = &[">=2004d <=2004d", "<1"];
        check(odd, "2.0", "fixed | 1 | >= fixed 1");
        check(odd, "0.5", "vulnerable | 1 | < fixed 1");
        check(
            odd,
            "2004d",
            "vulnerable | > 2004d | lies in = 2004d; version not valid: 2004d, compared as pep440 does; \
             version not valid: 2004d, compared as pep440 does",
        );
        let range = range(odd[0]);
        assert!(holds(VersionScheme::Pep440, &range, "2005x").is_err());
        assert_eq!(holds(VersionScheme::Semver, &range, "1.0.0"), Ok(false));
    }

    #[test]
    fn what_cannot_be_compared_is_unknown() {
        let affects = Affects::Ranges { ranges: vec![range("<1.0")], earlier_fixes: Vec::new() };
        let verdict = judge(VersionScheme::Dpkg, &affects, &Version::new("x:1"));
        assert_eq!((verdict.state, verdict.fix), (FindingState::Unknown, Fix::In(Version::new("1.0"))));
        let never = judge(VersionScheme::Dpkg, &Affects::NotAffected, &Version::new("x:1"));
        assert_eq!(never.state, FindingState::NotAffected);
        let without = judge(VersionScheme::Semver, &affects, &Version::new(""));
        assert_eq!((without.state, without.why.as_str()), (FindingState::Unknown, NO_VERSION));
        let open = judge(VersionScheme::Dpkg, &Affects::Undetermined, &Version::new("1"));
        assert_eq!((open.state, open.fix), (FindingState::Unknown, Fix::NotYet));
    }
}
