//! Tables: CSV with a header, as a spreadsheet exports it.

use model::{Code, Problem};

use crate::import::draft::{Draft, Entry};
use crate::import::{HOST_WORDS_MAX, ImportOptions, Imported};

/// The most columns of a table.
const COLUMNS_MAX: usize = 200;

/// What a column is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Name,
    Client,
    Address,
    User,
    Port,
    Os,
    Site,
    Tags,
    Groups,
    HostKeys,
    Comment,
}

/// Titles of columns, in lower case with `_` between words. Where a table has several of one role, the
/// one that stands first here counts and the others are data.
const TITLES: [(Role, &[&str]); 11] = [
    (
        Role::Name,
        &[
            "name",
            "hostname",
            "host",
            "host_name",
            "inventory_hostname",
            "server",
            "server_name",
            "device",
            "vm",
            "fqdn",
            "dns_name",
        ],
    ),
    (Role::Client, &["client", "customer", "tenant", "organisation", "organization", "company"]),
    (
        Role::Address,
        &[
            "address",
            "ip",
            "ansible_host",
            "ip_address",
            "ipaddress",
            "ipv4",
            "ipv4_address",
            "primary_ip",
            "primary_ip4",
            "ipv6",
            "ipv6_address",
            "fqdn",
            "dns_name",
        ],
    ),
    (Role::User, &["user", "username", "user_name", "login", "ssh_user", "ansible_user", "remote_user"]),
    (Role::Port, &["port", "ssh_port", "ansible_port"]),
    (Role::Os, &["os", "operating_system", "platform", "distribution", "distro"]),
    (Role::Site, &["site", "location", "datacenter", "datacentre", "data_center", "dc"]),
    (Role::Tags, &["tags", "tag", "labels", "label"]),
    (Role::Groups, &["groups", "group"]),
    (Role::HostKeys, &["host_keys", "host_key", "ssh_host_key", "ssh_host_keys"]),
    (Role::Comment, &["comment", "comments", "description", "notes", "note", "remarks"]),
];

/// Reads the table.
pub(super) fn read(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    let mut draft = Draft::new(options, "CSV");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let titles: Vec<String> = match reader.headers() {
        Ok(titles) => titles.iter().map(str::to_owned).collect(),
        Err(error) => {
            draft.problem(Code::ImportUnreadable, 1, format!("the header cannot be read: {error}"), None);
            return draft.finish();
        }
    };
    let roles = roles(&titles);
    if !roles.iter().any(|role| matches!(role, Some(Role::Name | Role::Address)))
        || titles.len() > COLUMNS_MAX
    {
        let message = format!(
            "expected a header with a column `name` or `address` and at most {COLUMNS_MAX} columns, got {} columns: {}",
            titles.len(),
            shown(&titles)
        );
        let hint = "the first line of the file names its columns, separated by `,`, `;` or tab";
        draft.problem(Code::ImportUnreadable, 1, message, Some(hint));
        return draft.finish();
    }
    for record in reader.records() {
        match record {
            Ok(record) => row(&record, &titles, &roles, &mut draft),
            Err(error) => {
                let line = error.position().map_or(0, line_of);
                draft.problem(
                    Code::ImportEntryInvalid,
                    line,
                    format!("the row cannot be read: {error}"),
                    None,
                );
            }
        }
    }
    draft.finish()
}

fn row(record: &csv::StringRecord, titles: &[String], roles: &[Option<Role>], draft: &mut Draft<'_>) {
    if record.iter().all(str::is_empty) {
        return;
    }
    let mut entry = Entry { line: record.position().map_or(0, line_of), ..Entry::default() };
    for (at, value) in record.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
        match roles.get(at).copied().flatten() {
            Some(role) => fill(&mut entry, role, value),
            None => {
                let title = titles.get(at).filter(|title| !title.is_empty());
                let key = title.cloned().unwrap_or_else(|| format!("column {}", at + 1));
                entry.data.push((key, value.to_owned()));
            }
        }
    }
    if record.len() > titles.len() {
        let message = format!("expected {} fields, got {}", titles.len(), record.len());
        let hint = "a value that holds the separator must be in double quotes";
        draft.problem(Code::ImportIgnored, entry.line, message, Some(hint));
    }
    if entry.name.is_empty() {
        entry.name = entry.address.clone().unwrap_or_default();
    }
    draft.add(entry);
}

fn fill(entry: &mut Entry, role: Role, value: &str) {
    let text = || Some(value.to_owned());
    match role {
        Role::Name => value.clone_into(&mut entry.name),
        Role::Client => entry.client = Some(value.to_owned().into()),
        Role::Address => entry.address = text(),
        Role::User => entry.user = text(),
        Role::Port => entry.port = text(),
        Role::Os => entry.os = text(),
        Role::Site => entry.site = Some(value.to_owned().into()),
        Role::Tags => entry.tags = words(value),
        Role::Groups => entry.groups = words(value),
        Role::HostKeys => entry.host_keys = value.split([';', '\n']).map(str::to_owned).collect(),
        Role::Comment => entry.comments.extend(value.lines().map(str::to_owned)),
    }
}

fn words(value: &str) -> Vec<String> {
    let words = value.split([';', ',', '|', ' ', '\n', '\t']).filter(|word| !word.is_empty());
    words.take(HOST_WORDS_MAX + 1).map(str::to_owned).collect()
}

/// Gives each column its role; each role goes to one column.
fn roles(titles: &[String]) -> Vec<Option<Role>> {
    let normal: Vec<String> =
        titles.iter().map(|title| title.to_lowercase().replace([' ', '-'], "_")).collect();
    let mut roles = vec![None; titles.len()];
    for (role, synonyms) in TITLES {
        let column = synonyms.iter().find_map(|word| {
            let is_free = |at: &usize| roles[*at].is_none();
            (0..normal.len()).find(|at| normal[*at] == *word && is_free(at))
        });
        if let Some(at) = column {
            roles[at] = Some(role);
        }
    }
    roles
}

/// Returns the separator that stands most often in the header, outside of quotes.
fn delimiter(text: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for byte in text.bytes().skip_while(|byte| matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\r' | b'\n' if !is_quoted => break,
            _ if !is_quoted => {
                for (_, count) in counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    counts.iter().find(|(_, count)| *count == most).map_or(b',', |(delimiter, _)| *delimiter)
}

fn line_of(position: &csv::Position) -> usize {
    usize::try_from(position.line()).unwrap_or(0)
}

fn shown(titles: &[String]) -> String {
    let shown: Vec<_> =
        titles.iter().take(10).map(|title| title.chars().take(40).collect::<String>()).collect();
    shown.join(", ").escape_debug().to_string()
}
