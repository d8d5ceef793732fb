//! OpenSSH's patterns: `*` and `?`, comma lists, `!` for all but these (ssh_config(5), PATTERNS).

/// Says whether a pattern with `*` and `?` matches a whole text. Takes at most
/// `pattern.len() * text.len()` steps.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // The last star and the text position that it was last tried with.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match &mut star {
                Some((star_at, star_seen)) => {
                    *star_seen += 1;
                    at = *star_at + 1;
                    seen = *star_seen;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Says whether a list of patterns matches: one of them does and none with a `!` before it does.
pub(crate) fn list_matches<'p>(patterns: impl IntoIterator<Item = &'p str>, text: &str) -> bool {
    let mut is_matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not, text) => return false,
            Some(_) => {}
            None => is_matched |= matches(pattern, text),
        }
    }
    is_matched
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "web1", true),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("*.example.org", "a.b.example.org", true),
            ("*.example.org", "example.org", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "x", true),
            ("[::1]:22", "[::1]:22", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_negated_pattern_beats_the_others() {
        assert!(list_matches(["*.org", "!bad.org"], "good.org"));
        assert!(!list_matches(["*.org", "!bad.org"], "bad.org"));
        assert!(!list_matches(["!bad.org"], "good.org"));
        assert!(!list_matches([], "good.org"));
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_between_stars(text in "[a-z.]{0,20}", before in "[a-z]{0,5}", after in "[a-z]{0,5}") {
            let pattern = format!("*{text}*");
            let whole = format!("{before}{text}{after}");
            prop_assert!(matches(&pattern, &whole), "{pattern:?} must match");
        }

        #[test]
        fn many_stars_end(text in "a{0,60}") {
            prop_assert!(!matches("*a*a*a*a*a*a*a*a*a*b", &text), "{text:?}");
        }
    }
}
