//! INI inventories of Ansible: sections of hosts, of child groups and of variables.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::Code;

use crate::import::ansible::{GROUP_DEPTH_MAX, GROUPS_MAX, add, parents_of, real_groups, with_ancestors};
use crate::import::ansible_range::{expand, split_port};
use crate::import::draft::Draft;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hosts,
    Children,
    Variables,
    /// The section is of a kind that Ansible does not know.
    Unknown,
}

#[derive(Debug, Default)]
struct Inventory {
    /// Hosts in order of appearance.
    order: Vec<String>,
    hosts: HashMap<String, Host>,
    /// Child and parent.
    edges: Vec<(String, String)>,
    variables: BTreeMap<String, BTreeMap<String, String>>,
    groups: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Host {
    line: usize,
    groups: BTreeSet<String>,
    variables: BTreeMap<String, String>,
}

/// Reads the file.
pub(super) fn read(text: &str, draft: &mut Draft<'_>) {
    let inventory = parse(text, draft);
    let parents = parents_of(inventory.edges.iter().cloned());
    let depths = depths(&inventory.groups, &parents);
    for name in &inventory.order {
        let Some(host) = inventory.hosts.get(name) else { continue };
        if !draft.has_room() {
            continue;
        }
        let mut groups = BTreeSet::from(["all".to_owned()]);
        for group in &host.groups {
            groups.extend(with_ancestors(group, &parents));
        }
        // The inner group counts more than the outer one, and of two alike the later name.
        let mut order: Vec<&String> = groups.iter().collect();
        order.sort_by_key(|group| {
            (*group != "all", depths.get(group.as_str()).copied().unwrap_or(0), group.as_str())
        });
        let mut variables = BTreeMap::new();
        for group in order {
            variables.extend(
                inventory
                    .variables
                    .get(group)
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| (key.clone(), value.clone())),
            );
        }
        variables.extend(host.variables.iter().map(|(key, value)| (key.clone(), value.clone())));
        add(name, host.line, real_groups(groups), variables, draft);
    }
    draft.comment("group_vars/ and host_vars/ are not read here; `ansible-inventory --list -i FILE` prints JSON that has them");
}

/// The longest way from the outermost group; a circle ends at [`GROUP_DEPTH_MAX`].
fn depths<'g>(
    groups: &'g BTreeSet<String>,
    parents: &HashMap<String, BTreeSet<String>>,
) -> HashMap<&'g str, usize> {
    let mut depths: HashMap<&str, usize> = groups.iter().map(|group| (group.as_str(), 1)).collect();
    for _ in 0..GROUP_DEPTH_MAX {
        let mut has_changed = false;
        for group in groups {
            let above = parents
                .get(group)
                .into_iter()
                .flatten()
                .filter_map(|parent| depths.get(parent.as_str()))
                .max();
            let depth = above.map_or(1, |depth| depth + 1);
            if depths.insert(group, depth) != Some(depth) {
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    depths
}

fn parse(text: &str, draft: &mut Draft<'_>) -> Inventory {
    let mut inventory = Inventory::default();
    let (mut group, mut state) = ("ungrouped".to_owned(), State::Hosts);
    for (at, line) in text.lines().enumerate() {
        let (number, line) = (at + 1, line.trim());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some((name, kind)) = section(line) {
            if inventory.groups.len() >= GROUPS_MAX && !inventory.groups.contains(name) {
                draft.problem(
                    Code::ImportLimit,
                    number,
                    format!("the inventory has more than {GROUPS_MAX} groups"),
                    None,
                );
                break;
            }
            state = match kind {
                None | Some("hosts") => State::Hosts,
                Some("children") => State::Children,
                Some("vars") => State::Variables,
                Some(other) => {
                    let message = format!(
                        "section `{}` is of unknown kind `{}`",
                        line.escape_debug(),
                        other.escape_debug()
                    );
                    draft.problem(
                        Code::ImportEntryInvalid,
                        number,
                        message,
                        Some("expected `children` or `vars`"),
                    );
                    State::Unknown
                }
            };
            name.clone_into(&mut group);
            inventory.groups.insert(group.clone());
            continue;
        }
        match state {
            State::Hosts => inventory.host(line, number, &group, draft),
            State::Children => {
                let child = without_comment(line);
                if inventory.groups.len() < GROUPS_MAX {
                    inventory.groups.insert(child.to_owned());
                    inventory.edges.push((child.to_owned(), group.clone()));
                }
            }
            State::Variables => match line.split_once('=') {
                Some((key, value)) => {
                    let variables = inventory.variables.entry(group.clone()).or_default();
                    variables.insert(key.trim().to_owned(), unquoted(value.trim()));
                }
                None => {
                    let message = format!("expected `key = value`, got `{}`", line.escape_debug());
                    draft.problem(Code::ImportEntryInvalid, number, message, None);
                }
            },
            State::Unknown => {}
        }
    }
    inventory
}

impl Inventory {
    fn host(&mut self, line: &str, number: usize, group: &str, draft: &mut Draft<'_>) {
        let invalid = |draft: &mut Draft<'_>, why: String| {
            let message =
                format!("host line `{}`: {why}", line.chars().take(100).collect::<String>().escape_debug());
            draft.problem(Code::ImportEntryInvalid, number, message, None);
        };
        let Some(words) = shell_words(line) else {
            return invalid(draft, "a quote is not closed".to_owned());
        };
        let Some((pattern, assignments)) = words.split_first() else { return };
        let (pattern, port) = split_port(pattern);
        let names = match expand(pattern) {
            Ok(names) => names,
            Err(why) => return invalid(draft, why),
        };
        let mut variables = BTreeMap::new();
        if let Some(port) = port {
            variables.insert("ansible_port".to_owned(), port.to_owned());
        }
        for word in assignments {
            match word.split_once('=') {
                Some((key, value)) => _ = variables.insert(key.to_owned(), unquoted(value)),
                None => invalid(draft, format!("expected `key=value`, got `{}`", word.escape_debug())),
            }
        }
        for name in names {
            if !self.hosts.contains_key(&name) {
                if !draft.fits(self.order.len()) {
                    continue;
                }
                self.order.push(name.clone());
            }
            let host = self.hosts.entry(name).or_insert_with(|| Host { line: number, ..Host::default() });
            host.groups.insert(group.to_owned());
            host.variables.extend(variables.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
}

/// Reads `[name]` or `[name:kind]`, with a comment behind it.
fn section(line: &str) -> Option<(&str, Option<&str>)> {
    let (inner, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    if !(rest.is_empty() || rest.starts_with('#')) || inner.contains(char::is_whitespace) {
        return None;
    }
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    // `[1:3]` could be a range, but a section it is: a range has text around it.
    (!name.is_empty()).then_some((name, kind))
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// Takes the quotes off a Python string literal, as far as inventories use them.
fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains([quote, '\\'])) {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

/// Splits as Python's `shlex.split(line, comments=True)`; `None` where a quote is not closed.
fn shell_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '#' => break,
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            _ if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let check = |line, expected: Option<&[&str]>| {
            assert_eq!(
                shell_words(line).as_deref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>()),
                expected.map(<[_]>::to_vec),
                "{line}"
            );
        };
        check("web a=1 b='x y' # c", Some(&["web", "a=1", "b=x y"]));
        check(r#"web a="x \" y\n""#, Some(&["web", r#"a=x " y\n"#]));
        check("web a='x", None);
        check("", Some(&[]));
        assert_eq!(unquoted("'22'"), "22");
        assert_eq!(section("[web:vars] # x"), Some(("web", Some("vars"))));
        assert_eq!(section("[::1]:22"), None);
    }
}
