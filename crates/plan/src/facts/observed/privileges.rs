//! Who may act as somebody else: sudoers(5) and doas.conf(5).

use model::PrivilegeRule;

use crate::facts::fact::Definition;
use crate::facts::faults::Faults;
use crate::facts::files::{Files, fold};

/// The rules taken of one host.
const RULES_MAX: usize = 20_000;

pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "privileges",
    guard: "true",
    snippet: r"
set --
for prefix in /etc /usr/local/etc; do
  set -- $@ $prefix/sudoers $prefix/sudoers.d $prefix/doas.conf $prefix/doas.d
done
show_files $@ /etc/sudoers.d/* /usr/local/etc/sudoers.d/* /etc/doas.d/*.conf /usr/local/etc/doas.d/*.conf",
    read: |seen, output, faults| {
        let files = Files::parse(output, faults);
        seen.observed.privileges = rules(&files, faults);
    },
};

/// Reads the rules of all files.
pub(in crate::facts) fn rules(files: &Files, faults: &mut Faults) -> Option<Vec<PrivilegeRule>> {
    let mut found = Vec::new();
    for (path, lines) in files.only(|path| path.contains("/sudoers") || path.contains("/doas.")) {
        if is_skipped(path) {
            continue;
        }
        let is_sudo = path.contains("/sudoers");
        for line in joined(lines) {
            let rule = fold(without_comment(&line, is_sudo));
            if !rule.is_empty() {
                found.push(PrivilegeRule { file: path.to_owned(), rule });
            }
        }
    }
    files.if_whole(found, RULES_MAX, faults)
}

/// sudo passes over files of sudoers.d whose name ends in `~` or holds a dot.
fn is_skipped(path: &str) -> bool {
    let name = path.split_once("/sudoers.d/").map(|(_, name)| name);
    name.is_some_and(|name| name.ends_with('~') || name.contains('.'))
}

/// Joins lines that end in a backslash with the next one.
fn joined(lines: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    let mut open = String::new();
    for line in lines {
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => all.push(std::mem::take(&mut open) + line),
        }
    }
    all.push(open);
    all
}

/// Cuts a comment off. In sudoers `#1000` is a user id and `#include` a directive; a `\#` and a `#`
/// within double quotes are none either.
fn without_comment(line: &str, is_sudo: bool) -> &str {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, char) in line.char_indices() {
        let rest = &line[index + char.len_utf8()..];
        let is_word = rest.starts_with(|next: char| next.is_ascii_digit()) || rest.starts_with("include");
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '#' if !(is_quoted || is_sudo && is_word) => return &line[..index],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests;
