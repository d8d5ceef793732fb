//! Writes an import as Starlark that a person would have written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use model::{ClientName, GroupName, SiteName};

use crate::import::series::{Item, Slot, address, divide};
use crate::import::text::{comment, literal};
use crate::import::{Imported, ImportedConnection, ImportedHost};

/// The longest line, in characters, where it can be helped.
const WIDTH: usize = 110;

/// Words that no variable may have: the language's own and the names that files see.
const RESERVED: &[&str] = &[
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "load",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "none",
    "true",
    "false",
    "client",
    "host",
    "service",
    "site",
    "group",
    "account",
    "person",
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "dir",
    "enum",
    "fail",
    "filter",
    "float",
    "hash",
    "int",
    "len",
    "list",
    "map",
    "max",
    "min",
    "print",
    "range",
    "set",
    "str",
    "type",
    "zip",
    "interface",
    "link",
    "network",
    "data",
    "struct",
    "record",
    "field",
    "partial",
    "reversed",
    "sorted",
    "tuple",
    "repr",
    "ord",
    "chr",
    "getattr",
    "hasattr",
    "enumerate",
    "isinstance",
    "bytes",
    "typing",
    "prepr",
    "pprint",
    "debug",
    "json",
    "breakpoint",
    "object",
];

/// What clients and sites are called in the file.
struct Variables<'i> {
    clients: HashMap<&'i ClientName, String>,
    sites: HashMap<&'i SiteName, String>,
}

impl Variables<'_> {
    fn client(&self, name: &ClientName) -> String {
        self.clients.get(name).cloned().unwrap_or_else(|| literal(name.as_str()))
    }

    fn site(&self, name: &SiteName) -> String {
        self.sites.get(name).cloned().unwrap_or_else(|| literal(name.as_str()))
    }
}

/// Renders the import as a file for `inventory/`. It loads without a problem and declares exactly the
/// clients, sites, hosts and groups of the import; whatever else is known is in comments.
pub fn render(imported: &Imported) -> String {
    let mut names = Names::default();
    let mut text = head(imported);
    let mut variables = Variables { clients: HashMap::new(), sites: HashMap::new() };
    for client in &imported.clients {
        let variable = names.variable(client.name.as_str(), "client");
        let title = title(client.title.as_deref());
        let _ = writeln!(text, "{variable} = client({}{title})", literal(client.name.as_str()));
        variables.clients.insert(&client.name, variable);
    }
    let hosts = by_client(&imported.hosts, |host| &host.client);
    let sites = by_client(&imported.sites, |site| &site.client);
    for client in &imported.clients {
        text.push('\n');
        let sites = sites.get(&client.name).map(Vec::as_slice).unwrap_or_default();
        for site in sites {
            let variable = names.variable(site.name.as_str(), "site");
            let (name, owner) = (literal(site.name.as_str()), variables.client(&client.name));
            let title = title(site.title.as_deref());
            let _ = writeln!(text, "{variable} = site({name}, client = {owner}{title})");
            variables.sites.insert(&site.name, variable);
        }
        if !sites.is_empty() {
            text.push('\n');
        }
        let hosts = hosts.get(&client.name).map(Vec::as_slice).unwrap_or_default();
        push_hosts(&mut text, hosts, &variables, &mut names);
    }
    push_groups(&mut text, imported, &variables);
    text
}

fn title(title: Option<&str>) -> String {
    title.map(|title| format!(", title = {}", literal(title))).unwrap_or_default()
}

fn by_client<T>(items: &[T], client: fn(&T) -> &ClientName) -> HashMap<&ClientName, Vec<&T>> {
    let mut all: HashMap<_, Vec<_>> = HashMap::new();
    for item in items {
        all.entry(client(item)).or_default().push(item);
    }
    all
}

fn push_hosts(text: &mut String, hosts: &[&ImportedHost], variables: &Variables<'_>, names: &mut Names) {
    let mut was_series = false;
    for (at, item) in divide(hosts).into_iter().enumerate() {
        let is_series = matches!(item, Item::Series { .. });
        if at > 0 && (is_series || was_series) {
            text.push('\n');
        }
        was_series = is_series;
        match item {
            Item::One(host) => push_host(text, host, variables),
            Item::Series { first, name, address, count } => {
                let variable = names.series(&name);
                push_series(text, first, (name, address), count, &variable, variables);
            }
        }
    }
}

/// A group of one client's hosts says so, and is then checked never to hold another's.
fn push_groups(text: &mut String, imported: &Imported, variables: &Variables<'_>) {
    let mut groups: BTreeMap<&GroupName, Vec<&ImportedHost>> = BTreeMap::new();
    for host in &imported.hosts {
        for group in &host.groups {
            groups.entry(group).or_default().push(host);
        }
    }
    if !groups.is_empty() {
        text.push('\n');
    }
    for (group, hosts) in groups {
        let owner = hosts.first().map(|host| &host.client);
        let owner = owner.filter(|owner| hosts.iter().all(|host| host.client == **owner));
        let owner = owner.map(|owner| format!(", client = {}", variables.client(owner))).unwrap_or_default();
        let name = literal(group.as_str());
        let items: Vec<String> = hosts.iter().map(|host| literal(host.name.as_str())).collect();
        let line = format!("group({name}{owner}, hosts = [{}])", items.join(", "));
        if line.chars().count() <= WIDTH {
            let _ = writeln!(text, "{line}");
        } else {
            let _ = writeln!(text, "group({name}{owner}, hosts = [\n{}])", filled(&items));
        }
    }
}

/// Writes items on lines that are as full as they may be.
fn filled(items: &[String]) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for item in items {
        if !line.is_empty() && line.len() + item.len() + 6 > WIDTH {
            let _ = writeln!(text, "   {line}");
            line.clear();
        }
        let _ = write!(line, " {item},");
    }
    let _ = writeln!(text, "   {line}");
    text
}

fn head(imported: &Imported) -> String {
    let mut text = String::from("# ");
    let _ = writeln!(
        text,
        "Imported from {} by `ifrit import`. It is yours now: move, rename, shorten.",
        comment(&imported.source)
    );
    if !imported.comments.is_empty() {
        text.push_str("#\n# What has no place in the inventory:\n");
    }
    for line in &imported.comments {
        let _ = writeln!(text, "# - {}", comment(line));
    }
    text.push('\n');
    text
}

fn push_host(text: &mut String, host: &ImportedHost, variables: &Variables<'_>) {
    let name = literal(host.name.as_str());
    let address = address(host).filter(|address| *address != host.name.as_str()).map(literal);
    let arguments = arguments(host, name, address, variables);
    let notes = notes(host);
    let line = format!("host({})", arguments.join(", "));
    let trailing = if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) };
    if line.chars().count() + trailing.chars().count() <= WIDTH {
        let _ = writeln!(text, "{line}{trailing}");
        return;
    }
    push_notes(text, &notes);
    if line.chars().count() <= WIDTH {
        let _ = writeln!(text, "{line}");
    } else {
        text.push_str("host(\n");
        for argument in arguments {
            let _ = writeln!(text, "    {argument},");
        }
        text.push_str(")\n");
    }
}

fn push_series(
    text: &mut String,
    host: &ImportedHost,
    (name, slot): (Slot<'_>, Option<Slot<'_>>),
    count: usize,
    variable: &str,
    variables: &Variables<'_>,
) {
    let shared = address(host).filter(|address| *address != host.name.as_str());
    let address = match slot {
        Some(slot) => Some(template(&slot, i64::from(slot.number) - i64::from(name.number))),
        None => shared.map(literal),
    };
    let arguments = arguments(host, template(&name, 0), address, variables);
    push_notes(text, &notes(host));
    let _ = writeln!(text, "{variable} = [");
    let line = format!("    host({})", arguments.join(", "));
    if line.chars().count() <= WIDTH {
        let _ = writeln!(text, "{line}");
    } else {
        text.push_str("    host(\n");
        for argument in arguments {
            let _ = writeln!(text, "        {argument},");
        }
        text.push_str("    )\n");
    }
    let end = u64::from(name.number) + count as u64;
    let _ = writeln!(text, "    for i in range({}, {end})\n]", name.number);
}

/// Writes `f"web-{i}"`, or with an offset `f"10.0.0.{10 + i}"`.
fn template(slot: &Slot<'_>, offset: i64) -> String {
    let number = match offset {
        0 => "i".to_owned(),
        1.. => format!("{offset} + i"),
        _ => format!("i - {}", offset.unsigned_abs()),
    };
    // Names and addresses have neither quotes nor braces, but a literal is a literal.
    let (before, after) = (literal(slot.before), literal(slot.after));
    let inner = |text: &str| text[1..text.len() - 1].replace('{', "{{").replace('}', "}}");
    format!("f\"{}{{{number}}}{}\"", inner(&before), inner(&after))
}

fn arguments(
    host: &ImportedHost,
    name: String,
    address: Option<String>,
    variables: &Variables<'_>,
) -> Vec<String> {
    let mut arguments = vec![name, format!("client = {}", variables.client(&host.client))];
    let mut push = |argument: &str, value: Option<String>| {
        arguments.extend(value.map(|value| format!("{argument} = {value}")));
    };
    push("address", address);
    let mut keys = Vec::new();
    match &host.connection {
        ImportedConnection::Local => push("local", Some("True".to_owned())),
        ImportedConnection::Ssh { user, port, host_keys, .. } => {
            push("user", user.as_ref().map(|user| literal(user.as_str())));
            push("port", port.map(|port| port.to_string()));
            keys.extend(host_keys.iter().map(|key| literal(key.as_str())));
        }
    }
    push("os", host.os.map(|os| literal(os.as_str())));
    push("site", host.site.as_ref().map(|site| variables.site(site)));
    push("tags", list(host.tags.iter().map(|tag| literal(tag.as_str())).collect()));
    push("host_keys", list(keys));
    let data = host.data.iter().map(|(key, value)| format!("{}: {}", literal(key), literal(value)));
    let data: Vec<String> = data.collect();
    push("data", (!data.is_empty()).then(|| format!("{{{}}}", data.join(", "))));
    arguments
}

fn list(items: Vec<String>) -> Option<String> {
    (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
}

/// What is known of a host and cannot be said in an argument.
fn notes(host: &ImportedHost) -> Vec<String> {
    host.comments.iter().map(|text| comment(text)).collect()
}

fn push_notes(text: &mut String, notes: &[String]) {
    let mut line = String::new();
    for note in notes {
        if !line.is_empty() && line.chars().count() + note.chars().count() + 4 > WIDTH {
            let _ = writeln!(text, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push_str("; ");
        }
        line.push_str(note);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "# {line}");
    }
}

/// The variables of the file, each once.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    numbers: HashMap<String, u32>,
}

impl Names {
    /// Makes a variable for hosts of a series: `lb-1`, `lb-2`... are `lb`.
    fn series(&mut self, name: &Slot<'_>) -> String {
        let stem = name.before.trim_end_matches('0');
        self.variable(if stem.is_empty() { name.after } else { stem }, "hosts")
    }

    /// Makes a variable of a name: `lb-` is `lb`, `10.0.0.` is `hosts_10_0_0`.
    fn variable(&mut self, name: &str, fallback: &str) -> String {
        let mut word: String = name.to_ascii_lowercase();
        word = word.replace(|character: char| !character.is_ascii_alphanumeric(), "_");
        let mut word = word.trim_matches('_').to_owned();
        if word.is_empty() {
            fallback.clone_into(&mut word);
        } else if word.starts_with(|character: char| character.is_ascii_digit()) {
            word = format!("{fallback}_{word}");
        }
        if RESERVED.contains(&word.as_str()) || word == "i" {
            word.push('_');
        }
        if self.taken.insert(word.clone()) {
            return word;
        }
        let number = self.numbers.entry(word.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{}_{number}", word.trim_end_matches('_'));
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}
