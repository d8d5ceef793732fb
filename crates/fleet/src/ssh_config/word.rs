//! The words of a line: whitespace, quotes, escapes, comments.

/// Splits a line into its keyword (lower case) and what follows it; `None` for empty lines and
/// comments. One `=` may stand between them.
pub(super) fn keyword(line: &str) -> Option<(String, &str)> {
    let line = line.trim_matches(|c: char| c.is_ascii_whitespace());
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let is_end = |c: char| c.is_ascii_whitespace() || c == '=';
    // A quoted keyword is legal and nobody writes it.
    let end = line.find(is_end).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
    Some((word.trim_matches('"').to_ascii_lowercase(), rest))
}

/// Splits arguments as OpenSSH's `argv_split` does, up to a `#` at the start of a word.
pub(super) fn arguments(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&c) = chars.peek() {
            if quote.is_none() && matches!(c, ' ' | '\t') {
                break;
            }
            chars.next();
            match (c, quote) {
                ('\\', _) => match chars.peek() {
                    Some(&next) if matches!(next, '\'' | '"' | '\\') || (quote.is_none() && next == ' ') => {
                        word.push(next);
                        chars.next();
                    }
                    _ => word.push('\\'),
                },
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote is not closed");
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_end_at_space_or_equals() {
        let cases = [
            ("Port 22", Some(("port", "22"))),
            ("  PORT = 22  ", Some(("port", "22"))),
            ("port=22", Some(("port", "22"))),
            ("port\t22", Some(("port", "22"))),
            ("port", Some(("port", ""))),
            ("port ==x", Some(("port", "=x"))),
            ("# port 22", None),
            ("   ", None),
        ];
        for (line, expected) in cases {
            let found = keyword(line);
            let found = found.as_ref().map(|(word, rest)| (word.as_str(), *rest));
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn words_may_be_quoted() {
        let cases: [(&str, Result<&[&str], ()>); 8] = [
            ("a b", Ok(&["a", "b"])),
            ("\"a b\" c", Ok(&["a b", "c"])),
            ("a'b c'd", Ok(&["ab cd"])),
            ("a\\ b", Ok(&["a b"])),
            ("a # b", Ok(&["a"])),
            ("a#b", Ok(&["a#b"])),
            ("\"a", Err(())),
            ("\"\"", Ok(&[""])),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(arguments(text).map_err(|_| ()), expected, "{text:?}");
        }
    }
}
