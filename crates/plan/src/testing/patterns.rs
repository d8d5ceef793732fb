//! What awk would find in a file that a test gives.
//!
//! Patterns are POSIX extended regular expressions. The crate `regex` reads nearly all of them alike; one
//! that it does not read has no answer here, and the test must say what the host prints.

use regex::{Captures, Regex};

/// Answers `line_state`, `replace_state` and `block_state` for a file with this content.
pub(super) fn state(tool: &str, content: &str, arguments: &[&str]) -> Option<String> {
    match (tool, arguments) {
        ("line_state", [pattern]) => {
            let pattern = Regex::new(pattern).ok()?;
            Some(content.lines().filter(|line| pattern.is_match(line)).map(marked).collect())
        }
        ("replace_state", [pattern, by]) => {
            let pattern = Regex::new(pattern).ok()?;
            // awk replaces no empty match.
            let new = |found: &Captures<'_>| match found.get(0) {
                Some(found) if !found.is_empty() => (*by).to_owned(),
                _ => String::new(),
            };
            let is_changed = |line: &&str| pattern.replace_all(line, new) != *line;
            Some(content.lines().filter(is_changed).map(marked).collect())
        }
        ("block_state", [begin, end]) => Some(block(content, begin, end)),
        _ => None,
    }
}

fn marked(line: &str) -> String {
    format!("= {line}\n")
}

fn block(content: &str, begin: &str, end: &str) -> String {
    let (mut text, mut is_inside, mut is_found) = (String::new(), false, false);
    for line in content.lines() {
        if line == begin {
            (is_inside, is_found) = (true, true);
            text.push_str("block\n");
        } else if line == end {
            is_inside = false;
        } else if is_inside {
            text.push_str(&marked(line));
        }
    }
    if is_found { text } else { "no block".to_owned() }
}
