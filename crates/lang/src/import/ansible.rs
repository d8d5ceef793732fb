//! Ansible inventories: the JSON of `ansible-inventory --list`, and what both forms share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Code, Problem};
use serde_json::{Map, Value};

use crate::import::draft::{Draft, Entry};
use crate::import::text::natural_key;
use crate::import::{ImportOptions, Imported, ansible_ini};

/// How deep groups may lie within groups.
pub(super) const GROUP_DEPTH_MAX: usize = 50;
/// The most groups of an inventory.
pub(super) const GROUPS_MAX: usize = 5_000;

const FORMAT: &str = "Ansible inventory";

/// Variables of Ansible that say how to connect; the later ones are older spellings.
const ADDRESS: [&str; 2] = ["ansible_host", "ansible_ssh_host"];
const USER: [&str; 2] = ["ansible_user", "ansible_ssh_user"];
const PORT: [&str; 2] = ["ansible_port", "ansible_ssh_port"];
/// Variables that people use for the tenant and the place.
const CLIENT: [&str; 3] = ["client", "customer", "tenant"];
const SITE: [&str; 3] = ["site", "datacenter", "location"];
/// Variables that lead the connection another way.
const DETOURS: [&str; 3] = ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"];

/// Reads either form.
pub(super) fn read(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    let mut draft = Draft::new(options, FORMAT);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        read_json(text, &mut draft);
    } else if looks_like_yaml(text) {
        let advice = "run `ansible-inventory --list -i FILE` and import its JSON: `... | ifrit import ansible-inventory -`";
        draft.problem(Code::ImportUnreadable, 0, "expected an INI inventory or JSON, got YAML", Some(advice));
    } else {
        ansible_ini::read(text, &mut draft);
    }
    draft.finish()
}

/// The first line that says something is `---` or a key without a value; INI begins with a section or a host.
fn looks_like_yaml(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with(['#', ';']));
    let first = lines.next().unwrap_or_default();
    first == "---"
        || first.starts_with("%YAML")
        || (first.ends_with(':') && !first.starts_with('['))
        || first.split_once(": ").is_some_and(|(key, _)| !key.contains([' ', '=', '[']))
}

/// Adds a host with its groups and the variables that hold for it.
pub(super) fn add(
    name: &str,
    line: usize,
    groups: Vec<String>,
    mut variables: BTreeMap<String, String>,
    draft: &mut Draft<'_>,
) {
    let mut take = |keys: &[&str]| {
        let values: Vec<String> = keys.iter().filter_map(|key| variables.remove(*key)).collect();
        values.into_iter().find(|value| !value.is_empty())
    };
    let address = take(&ADDRESS);
    let (user, port) = (take(&USER), take(&PORT));
    let (client, site) = (take(&CLIENT).map(Into::into), take(&SITE).map(Into::into));
    let is_local = take(&["ansible_connection"])
        .is_some_and(|connection| connection.trim_start_matches("ansible.builtin.") == "local");
    let mut comments = Vec::new();
    for key in DETOURS {
        let Some(value) = take(&[key]) else { continue };
        if value.contains("Proxy") || value.contains("-J") {
            let message = format!(
                "host `{}` is reached with `{key}={}`; ifrit connects directly",
                name.escape_debug(),
                value.escape_debug()
            );
            draft.problem(Code::ImportIgnored, line, message, Some("it is kept as a comment"));
        }
        comments.push(format!("{key}: {value}"));
    }
    let data = variables.into_iter().collect();
    let name = name.to_owned();
    draft.add(Entry {
        name,
        client,
        address,
        user,
        port,
        site,
        groups,
        data,
        comments,
        is_local,
        line,
        ..Entry::default()
    });
}

fn read_json(text: &str, draft: &mut Draft<'_>) {
    let document: Map<String, Value> = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            let message = format!("the JSON cannot be read: {error}");
            draft.problem(
                Code::ImportUnreadable,
                error.line(),
                message,
                Some("expected what `ansible-inventory --list` prints"),
            );
            return;
        }
    };
    let empty = Map::new();
    let hostvars = document
        .get("_meta")
        .and_then(|meta| meta.get("hostvars"))
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let groups: BTreeMap<&str, &Value> = document
        .iter()
        .filter(|(name, _)| *name != "_meta")
        .map(|(name, group)| (name.as_str(), group))
        .collect();
    if groups.len() > GROUPS_MAX {
        draft.problem(Code::ImportLimit, 0, format!("the inventory has more than {GROUPS_MAX} groups"), None);
        return;
    }
    let parents = parents_of(groups.iter().flat_map(|(name, group)| {
        strings(group.get("children")).map(move |child| (child.to_owned(), (*name).to_owned()))
    }));
    let mut members: HashMap<&str, BTreeSet<String>> =
        hostvars.keys().map(|host| (host.as_str(), BTreeSet::new())).collect();
    for (name, group) in &groups {
        // An inventory script may give a bare list of hosts.
        let hosts = strings(Some(group)).chain(strings(group.get("hosts")));
        for host in hosts {
            members.entry(host).or_default().extend(with_ancestors(name, &parents));
        }
        note_group_variables(name, group.get("vars"), draft);
    }
    let mut hosts: Vec<_> = members.into_iter().collect();
    hosts.sort_by_cached_key(|(host, _)| (natural_key(host), host.to_string()));
    for (host, groups) in hosts {
        if !draft.has_room() {
            continue;
        }
        let variables = hostvars.get(host).and_then(Value::as_object).unwrap_or(&empty);
        let variables = variables.iter().map(|(key, value)| (key.clone(), plain(value))).collect();
        add(host, 0, real_groups(groups), variables, draft);
    }
}

/// `ansible-inventory --list` merges group variables into hosts; an inventory script may leave them here.
fn note_group_variables(group: &str, variables: Option<&Value>, draft: &mut Draft<'_>) {
    let Some(variables) = variables.and_then(Value::as_object).filter(|variables| !variables.is_empty())
    else {
        return;
    };
    let message = format!("variables of group `{}` are not applied to its hosts", group.escape_debug());
    draft.problem(
        Code::ImportIgnored,
        0,
        message,
        Some("import what `ansible-inventory --list` prints: it applies them"),
    );
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    draft.comment(&format!("variables of group {group} (not carried over): {}", names.join(", ")));
}

/// From child to parents.
pub(super) fn parents_of(edges: impl Iterator<Item = (String, String)>) -> HashMap<String, BTreeSet<String>> {
    let mut parents: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (child, parent) in edges {
        parents.entry(child).or_default().insert(parent);
    }
    parents
}

/// A group and all groups around it, each once, however the file nests them.
pub(super) fn with_ancestors(group: &str, parents: &HashMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::from([group.to_owned()]);
    let mut open = vec![group.to_owned()];
    while let Some(group) = open.pop() {
        for parent in parents.get(&group).into_iter().flatten() {
            if found.insert(parent.clone()) {
                open.push(parent.clone());
            }
        }
    }
    found
}

/// Every host is in `all`, and `ungrouped` says nothing.
pub(super) fn real_groups(groups: BTreeSet<String>) -> Vec<String> {
    groups.into_iter().filter(|group| group != "all" && group != "ungrouped").collect()
}

/// Writes a value as a person reads it; nested ones stay JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(object) if object.contains_key("__ansible_vault") => "$ANSIBLE_VAULT".to_owned(),
        other => other.to_string(),
    }
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
