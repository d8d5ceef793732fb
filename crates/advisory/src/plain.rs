//! Plain text out of what may be HTML, by whoever wrote it.

/// Named character references that are resolved; any other stays as written.
const ENTITIES: [(&str, char); 6] =
    [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];

/// Returns the text without tags, control characters and marks that reorder text, its blanks
/// collapsed, on one line, cut after a number of characters. It is still foreign text: whoever shows
/// it as HTML escapes it.
pub(crate) fn plain_text(text: &str, chars_max: usize) -> String {
    let untagged = without_tags(text);
    let resolved = resolve_entities(&untagged);
    let harmless: String = resolved.chars().map(|it| if it.is_whitespace() { ' ' } else { it }).collect();
    let harmless = harmless.replace(|it: char| it.is_control() || is_invisible(it), "");
    let words: Vec<_> = harmless.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(chars_max) {
        line.truncate(end);
    }
    line
}

/// Removes `<...>` where it looks like a tag; `1 < 2` stays.
fn without_tags(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(start) = rest.find('<') {
        let is_tag = rest[start + 1..].starts_with(|it: char| it.is_ascii_alphabetic() || "/!?".contains(it));
        let end = rest[start..].find('>').filter(|_| is_tag).map(|it| start + it + 1);
        kept.push_str(&rest[..start]);
        match end {
            Some(end) => {
                // The end of a block separates words.
                if ["</p", "<br", "</li", "</div"].iter().any(|tag| rest[start..].starts_with(tag)) {
                    kept.push(' ');
                }
                rest = &rest[end..];
            }
            None => {
                kept.push('<');
                rest = &rest[start + 1..];
            }
        }
    }
    kept.push_str(rest);
    kept
}

fn resolve_entities(text: &str) -> String {
    let mut rest = text;
    let mut resolved = String::with_capacity(text.len());
    while let Some(start) = rest.find('&') {
        resolved.push_str(&rest[..start]);
        rest = &rest[start..];
        let name = rest[1..].split_once(';').map(|(name, _)| name).filter(|name| name.len() <= 8);
        match name.and_then(|name| Some((name, character(name)?))) {
            Some((name, character)) => {
                resolved.push(character);
                rest = &rest[name.len() + 2..];
            }
            None => {
                resolved.push('&');
                rest = &rest[1..];
            }
        }
    }
    resolved.push_str(rest);
    resolved
}

fn character(name: &str) -> Option<char> {
    if let Some((_, character)) = ENTITIES.iter().find(|(known, _)| *known == name) {
        return Some(*character);
    }
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

/// Marks that take no room and change how what is around them looks (<https://trojansource.codes>).
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(plain_text(text, 40), expected, "{text}");
    }

    #[test]
    fn tags_controls_and_marks_are_gone() {
        check("  a\n\tb  ", "a b");
        check("<p>one</p><p>two</p>", "one two");
        check("<a href=\"x\">CVE</a>-2024-1", "CVE-2024-1");
        check("1 < 2 & 3 > 2", "1 < 2 & 3 > 2");
        check("a &amp; b &#65;&#x42; &unknown; &", "a & b AB &unknown; &");
        check("a\x1b[31mred\u{202e}x\u{0}", "a[31mredx");
        check("&#27;[2J", "[2J");
        check("unclosed <b", "unclosed <b");
        check(&"x".repeat(50), &"x".repeat(40));
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_harmless_line(text in "(<|>|&|#|;|[a-z]|\\PC|[\\x00-\\x20]|\u{202e}){0,80}") {
            let plain = plain_text(&text, 60);
            prop_assert!(plain.chars().count() <= 60);
            prop_assert!(!plain.chars().any(|it| it.is_control() || is_invisible(it)));
        }
    }
}
