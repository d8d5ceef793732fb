//! Shell patterns of package names: `fnmatch(3)` without flags, as pkg(8) uses it on VuXML's names.

/// Says whether a name in VuXML is a pattern.
pub(crate) fn is_glob(name: &str) -> bool {
    name.bytes().any(|byte| b"*?[\\".contains(&byte))
}

/// Matches a whole name with a [`model::PackagePattern::Glob`]: `*`, `?`, `[a-z]`, `[!a-z]`, `\x`. An unclosed `[` is itself.
///
/// Time is at most the product of both lengths: on a mismatch only the last `*` is widened.
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut seen) = (0, 0);
    let mut last_star = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            last_star = Some((at, seen));
            continue;
        }
        if seen == name.len() && at == pattern.len() {
            return true;
        }
        if let (Some(&byte), Some(length)) = (name.get(seen), step(&pattern[at..], name.get(seen))) {
            debug_assert!(length > 0, "{byte}");
            at += length;
            seen += 1;
            continue;
        }
        match last_star {
            Some((after, from)) if from < name.len() => {
                last_star = Some((after, from + 1));
                (at, seen) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// Matches one byte with the pattern's first element; returns that element's length.
fn step(pattern: &[u8], byte: Option<&u8>) -> Option<usize> {
    let byte = *byte?;
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => match class(pattern, byte) {
            Some((true, length)) => Some(length),
            Some((false, _)) => None,
            None => (byte == b'[').then_some(1),
        },
        b'\\' => match pattern.get(1) {
            Some(&escaped) => (escaped == byte).then_some(2),
            None => (byte == b'\\').then_some(1),
        },
        &literal => (literal == byte).then_some(1),
    }
}

/// Reads a bracket expression: whether it holds the byte, and its length. `None` if it is not closed.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let mut at = 1;
    let is_negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(is_negated);
    let first = at;
    let mut holds = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((holds != is_negated, at + 1));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                holds |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                holds |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for name in yes {
            assert!(glob_matches(pattern, name), "{pattern} must match {name}");
        }
        for name in no {
            assert!(!glob_matches(pattern, name), "{pattern} must not match {name}");
        }
    }

    #[test]
    fn patterns_are_fnmatch() {
        check("php*-gd", &["php-gd", "php82-gd", "php-gd-gd"], &["php82-gd2", "php82"]);
        check("py3?-x", &["py39-x"], &["py3-x", "py311-x"]);
        check("py3[0-9]-x", &["py39-x"], &["py3a-x", "py3-x"]);
        check("py3[!0-9]-x", &["py3a-x"], &["py39-x"]);
        check("*", &["", "x"], &[]);
        check("a*b*c", &["abc", "axxbyyc", "abbc"], &["ab", "acb"]);
        check("[]a]", &["]", "a"], &["b", ""]);
        check("[a-", &["[a-"], &["a"]);
        check("a[", &["a["], &["a"]);
        check("\\*", &["*"], &["a", "\\*"]);
        check("x\\", &["x\\"], &["x"]);
        check("", &[""], &["a"]);
        check("mozilla", &["mozilla"], &["Mozilla", "mozilla-x"]);
    }

    proptest! {
        #[test]
        fn a_literal_matches_itself_alone(name in "[a-zA-Z0-9_.+-]{0,20}", other in "[a-z0-9-]{0,20}") {
            prop_assert!(glob_matches(&name, &name));
            prop_assert_eq!(glob_matches(&name, &other), name == other);
            let (pattern, longer) = (format!("{name}*"), format!("{name}{other}"));
            prop_assert!(glob_matches(&pattern, &longer));
        }

        #[test]
        fn any_pattern_is_answered(pattern in "[*?\\[\\]!a\\\\-]{0,30}", name in "[a*?-]{0,30}") {
            glob_matches(&pattern, &name);
        }
    }
}
