//! From what a file says of a host to a checked host: one set of rules for every format.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::{Address, ClientName, Code, Ecosystem, HostKey, HostName, Level, Place, Problem, Tag, UserName};

use crate::import::text::{client_name_from, cut, is_secret, name_from};
use crate::import::{
    HOST_NOTES_MAX, HOST_WORDS_MAX, IMPORT_COMMENTS_MAX, IMPORT_HOSTS_MAX, IMPORT_PROBLEMS_MAX, ImportOptions,
    Imported, ImportedClient, ImportedConnection, ImportedHost, render,
};
use crate::inventory::{host_key, is_address, is_user};
use crate::limits::{FILE_BYTES_MAX, TITLE_BYTES_MAX};

/// The client of hosts for which nobody names one.
const UNASSIGNED: &str = "unassigned";

/// A host as a file says it, nothing checked.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub name: String,
    pub client: Option<RawClient>,
    pub address: Option<String>,
    pub user: Option<String>,
    pub port: Option<String>,
    pub os: Option<String>,
    pub tags: Vec<String>,
    pub site: Option<String>,
    pub groups: Vec<String>,
    pub host_keys: Vec<String>,
    pub data: Vec<(String, String)>,
    pub comments: Vec<String>,
    pub is_local: bool,
    /// The line, from 1; 0 where the format has none.
    pub line: usize,
}

/// A client as a file says it.
#[derive(Debug, Clone)]
pub(super) struct RawClient {
    pub name: String,
    pub title: String,
}

/// An import in the making.
pub(super) struct Draft<'o> {
    options: &'o ImportOptions,
    imported: Imported,
    problems: Vec<Problem>,
    problems_unsaid: usize,
    comments_unsaid: usize,
    hosts_unread: usize,
    names: HashSet<String>,
    clients: HashMap<String, ClientName>,
}

impl<'o> Draft<'o> {
    /// Begins; `format` is the word for people: `CSV`.
    pub fn new(options: &'o ImportOptions, format: &str) -> Self {
        let file = options.path.rsplit(['/', '\\']).next().unwrap_or_default();
        let source = if file.is_empty() || file == "-" { format.to_owned() } else { format!("{file} ({format})") };
        Self {
            options,
            imported: Imported { source, ..Imported::default() },
            problems: Vec::new(),
            problems_unsaid: 0,
            comments_unsaid: 0,
            hosts_unread: 0,
            names: HashSet::new(),
            clients: HashMap::new(),
        }
    }

    /// Records a problem at a line; 0 = the file as a whole.
    pub fn problem(&mut self, code: Code, line: usize, message: impl Into<String>, hint: Option<&str>) {
        if self.problems.len() >= IMPORT_PROBLEMS_MAX {
            self.problems_unsaid += 1;
            return;
        }
        let path = self.options.path.clone();
        let place = if line == 0 { Place::File { path } } else { Place::Spot { path, line, column: 1 } };
        let problem = Problem::new(code, place, message);
        self.problems.push(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    /// Records what concerns no single host.
    pub fn comment(&mut self, text: &str) {
        if self.imported.comments.len() < IMPORT_COMMENTS_MAX {
            self.imported.comments.push(cut(text));
        } else {
            self.comments_unsaid += 1;
        }
    }

    /// Says whether another host fits; counts the ones that do not.
    pub fn has_room(&mut self) -> bool {
        let has_room = self.imported.hosts.len() < IMPORT_HOSTS_MAX;
        self.hosts_unread += usize::from(!has_room);
        has_room
    }

    /// Checks and adds a host. What is bad about it is dropped, said and kept as a comment; a host without
    /// a usable name or address is left out.
    pub fn add(&mut self, entry: Entry) {
        if !self.has_room() {
            return;
        }
        let mut comments: Vec<String> = entry.comments.iter().map(|text| cut(text)).collect();
        let Some(connection) = self.connection(&entry, &mut comments) else { return };
        let Some(client) = self.client(&entry) else { return };
        let Some(name) = self.name(&entry, &client, &connection) else { return };
        let mut data = self.data(&entry, &mut comments);
        let os = entry.os.as_deref().map(str::trim).filter(|os| !os.is_empty());
        let ecosystem = os.and_then(ecosystem);
        if let Some(os) = os.filter(|os| ecosystem.is_none_or(|known| !known.as_str().eq_ignore_ascii_case(os))) {
            data.insert("os".to_owned(), cut(os));
        }
        let site = entry.site.as_deref().map(str::trim).filter(|site| !site.is_empty()).map(cut);
        let tags = self.words("tag", &entry.tags, &entry);
        let groups = self.words("group", &entry.groups, &entry);
        if comments.len() > HOST_NOTES_MAX {
            let more = comments.len() - HOST_NOTES_MAX;
            comments.truncate(HOST_NOTES_MAX);
            comments.push(format!("... and {more} more"));
        }
        let host = ImportedHost { name, client, connection, os: ecosystem, tags, site, groups, data, comments };
        self.imported.hosts.push(host);
    }

    /// Closes the import: the text it renders to can be loaded.
    pub fn finish(mut self) -> (Imported, Vec<Problem>) {
        if self.comments_unsaid > 0 {
            let text = format!("... and {} more that did not fit here", self.comments_unsaid);
            self.imported.comments.push(text);
        }
        self.fit();
        if self.hosts_unread > 0 {
            let message = format!("{} hosts are left out: one import takes at most {IMPORT_HOSTS_MAX} hosts and {FILE_BYTES_MAX} bytes of code", self.hosts_unread);
            self.problems.truncate(IMPORT_PROBLEMS_MAX - 1);
            self.problem(Code::ImportLimit, 0, message, Some("split the file and import its parts"));
        }
        if self.problems_unsaid > 0 {
            let message = format!("{} more problems are not shown", self.problems_unsaid);
            let place = Place::File { path: self.options.path.clone() };
            self.problems.push(Problem::new(Code::ImportLimit, place, message));
        }
        if self.imported.hosts.is_empty() && !self.problems.iter().any(|it| it.level == Level::Error) {
            self.problem(Code::ImportUnreadable, 0, "no host is described here", None);
        }
        (self.imported, self.problems)
    }

    /// Leaves out the last hosts while the text is longer than a `.star` file may be.
    fn fit(&mut self) {
        let limit = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX);
        loop {
            let size = render(&self.imported).len();
            let count = self.imported.hosts.len();
            if size <= limit || count == 0 {
                break;
            }
            let kept = (count * (limit / 1024) / (size / 1024 + 1)).min(count - 1);
            self.hosts_unread += count - kept;
            self.imported.hosts.truncate(kept);
        }
        let used: HashSet<_> = self.imported.hosts.iter().map(|host| &host.client).collect();
        self.imported.clients.retain(|client| used.contains(&client.name));
    }

    fn connection(&mut self, entry: &Entry, comments: &mut Vec<String>) -> Option<ImportedConnection> {
        if entry.is_local {
            return Some(ImportedConnection::Local);
        }
        let given = entry.address.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let address = bare_address(given.unwrap_or(entry.name.trim()));
        if !is_address(address) {
            let what = if given.is_some() { "address" } else { "address, and its name is none" };
            let shown = cut(address).escape_debug().to_string();
            let message = format!("host `{}` has no usable {what}: `{shown}`", shown_name(entry));
            self.problem(Code::ImportEntryInvalid, entry.line, message, Some("expected a DNS name, an IPv4 or an IPv6 address"));
            self.comment(&format!("host {}: no usable address `{shown}`, left out", shown_name(entry)));
            return None;
        }
        let user = self.part(entry, "user", entry.user.as_deref(), comments, |text| is_user(text).then(|| UserName::new(text)));
        let port = self.part(entry, "port", entry.port.as_deref(), comments, |text| text.parse().ok().filter(|port| *port != 0_u16));
        let mut host_keys = Vec::new();
        for key in entry.host_keys.iter().take(HOST_WORDS_MAX) {
            let key = self.part(entry, "host key", Some(key), comments, |text| host_key(text).map(HostKey::new));
            host_keys.extend(key.filter(|key| !host_keys.contains(key)));
        }
        let port = port.filter(|port| *port != 22);
        Some(ImportedConnection::Ssh { address: Address::new(address), user, port, host_keys })
    }

    /// Reads one argument; one that cannot be used is said and kept as a comment.
    fn part<T>(
        &mut self,
        entry: &Entry,
        what: &str,
        text: Option<&str>,
        comments: &mut Vec<String>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        let value = read(text);
        if value.is_none() {
            let message = format!("{what} of host `{}` cannot be used: `{}`", shown_name(entry), cut(text).escape_debug());
            self.problem(Code::ImportIgnored, entry.line, message, Some("it is kept as a comment"));
            comments.push(cut(&format!("{what}: {text}")));
        }
        value
    }

    /// Finds or makes the client. Two clients of the file never become one of ours.
    fn client(&mut self, entry: &Entry) -> Option<ClientName> {
        let Some(raw) = entry.client.as_ref().filter(|raw| !raw.name.trim().is_empty()) else {
            return self.default_client();
        };
        let key = raw.name.trim().to_owned();
        if let Some(known) = self.clients.get(&key) {
            return Some(known.clone());
        }
        let Some(base) = client_name_from(&key).or_else(|| client_name_from(&raw.title)) else {
            let message = format!("client `{}` of host `{}` has no letter or digit to make a name of", cut(&key).escape_debug(), shown_name(entry));
            self.problem(Code::ImportEntryInvalid, entry.line, message, Some("the host is left out"));
            self.comment(&format!("host {}: no usable client `{key}`, left out", shown_name(entry)));
            return None;
        };
        let is_taken = |name: &str| self.imported.clients.iter().any(|it| it.name.as_str() == name);
        let name = ClientName::new(&unique(base.as_str(), is_taken)).ok()?;
        if name.as_str() != key {
            let message = format!("client `{}` is called `{name}` here", cut(&key).escape_debug());
            self.problem(Code::ImportNameChanged, entry.line, message, None);
        }
        let title = title(raw.title.trim()).filter(|title| title != name.as_str());
        self.imported.clients.push(ImportedClient { name: name.clone(), title });
        self.clients.insert(key, name.clone());
        Some(name)
    }

    fn default_client(&mut self) -> Option<ClientName> {
        let name = self.options.client.clone().or_else(|| ClientName::new(UNASSIGNED).ok())?;
        if !self.imported.clients.iter().any(|client| client.name == name) {
            if self.options.client.is_none() {
                let message = format!("the file names no client for some hosts: they belong to `{name}`");
                self.problem(Code::ImportNoClient, 0, message, Some("`--client NAME` says whose they are"));
            }
            self.imported.clients.push(ImportedClient { name: name.clone(), title: None });
            self.clients.insert(name.as_str().to_owned(), name.clone());
        }
        Some(name)
    }

    fn name(&mut self, entry: &Entry, client: &ClientName, connection: &ImportedConnection) -> Option<HostName> {
        let given = entry.name.trim();
        let mut base = name_from(given);
        if HostName::new(given).is_ok() {
            base = given.to_owned();
        } else if base.is_empty() {
            if let ImportedConnection::Ssh { address, .. } = connection {
                base = name_from(address.as_str());
            }
        }
        if base.is_empty() {
            let message = format!("host `{}` has no letter or digit to make a name of", shown_name(entry));
            self.problem(Code::ImportEntryInvalid, entry.line, message, Some("it is left out"));
            self.comment(&format!("host {}: no usable name, left out", shown_name(entry)));
            return None;
        }
        let earlier = self.imported.hosts.iter().rev().find(|host| host.name.as_str() == base);
        if self.names.contains(&base) && earlier.is_some_and(|host| host.client == *client && host.connection == *connection) {
            let message = format!("host `{base}` is described twice, and this one is left out");
            self.problem(Code::ImportDuplicate, entry.line, message, None);
            self.comment(&format!("host {base}: described twice, the first one counts"));
            return None;
        }
        let is_taken = |name: &str| self.names.contains(name);
        let with_client = name_from(&format!("{client}-{base}"));
        let name = match is_taken(&base) {
            true if earlier.is_some_and(|host| host.client != *client) => unique(&with_client, is_taken),
            _ => unique(&base, is_taken),
        };
        let name = HostName::new(&name).ok()?;
        if name.as_str() != given {
            let message = format!("host `{}` is called `{name}` here", shown_name(entry));
            let hint = if is_taken(&base) { "another host has this name already" } else { "names are ASCII letters, digits, `.`, `_` and `-`" };
            self.problem(Code::ImportNameChanged, entry.line, message, Some(hint));
        }
        self.names.insert(name.as_str().to_owned());
        Some(name)
    }

    fn data(&mut self, entry: &Entry, comments: &mut Vec<String>) -> BTreeMap<String, String> {
        let mut data = BTreeMap::new();
        for (key, value) in &entry.data {
            let (key, value) = (cut(key.trim()), value.trim());
            if key.is_empty() || value.is_empty() {
                continue;
            }
            if is_secret(&key) || value.starts_with("$ANSIBLE_VAULT") {
                let message = format!("`{}` of host `{}` looks like a secret", key.escape_debug(), shown_name(entry));
                self.problem(Code::ImportIgnored, entry.line, message, Some("it is not carried over: this file belongs in git"));
                comments.push(format!("{key}: not carried over, looks like a secret"));
            } else if data.len() < HOST_NOTES_MAX {
                data.insert(key, cut(value));
            } else {
                let message = format!("host `{}` has more than {HOST_NOTES_MAX} values: `{}` is left out", shown_name(entry), key.escape_debug());
                self.problem(Code::ImportLimit, entry.line, message, None);
            }
        }
        data
    }

    fn words(&mut self, what: &str, words: &[String], entry: &Entry) -> BTreeSet<Tag> {
        let mut tags = BTreeSet::new();
        for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).take(HOST_WORDS_MAX) {
            let made = Tag::new(word).or_else(|_| Tag::new(&name_from(word))).ok();
            if made.as_ref().is_none_or(|tag| tag.as_str() != word) {
                let shown = cut(word).escape_debug().to_string();
                let message = match &made {
                    Some(tag) => format!("{what} `{shown}` of host `{}` is called `{tag}` here", shown_name(entry)),
                    None => format!("{what} `{shown}` of host `{}` is left out", shown_name(entry)),
                };
                self.problem(Code::ImportNameChanged, entry.line, message, None);
            }
            tags.extend(made);
        }
        if words.len() > HOST_WORDS_MAX {
            let message = format!("host `{}` has more than {HOST_WORDS_MAX} {what}s: the rest is left out", shown_name(entry));
            self.problem(Code::ImportLimit, entry.line, message, None);
        }
        tags
    }
}

fn shown_name(entry: &Entry) -> String {
    cut(entry.name.trim()).escape_debug().to_string()
}

/// Takes off what often stands around an address: brackets (`[::1]`) and a prefix length (`10.0.0.1/24`).
fn bare_address(text: &str) -> &str {
    let address = text.split_once('/').map_or(text, |(address, length)| {
        let is_length = length.parse::<u8>().is_ok_and(|length| length <= 128);
        if is_length { address } else { text }
    });
    address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address)
}

fn ecosystem(os: &str) -> Option<Ecosystem> {
    let os = os.to_ascii_lowercase();
    let mut words = os.split(|character: char| !character.is_ascii_alphanumeric());
    words.find_map(|word| Ecosystem::parse(word.trim_end_matches(|character: char| character.is_ascii_digit())))
}

fn title(text: &str) -> Option<String> {
    let is_title = !text.is_empty() && text.len() <= TITLE_BYTES_MAX && !text.contains(char::is_control);
    is_title.then(|| text.to_owned())
}

fn unique(base: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(base) {
        return base.to_owned();
    }
    let base = base.get(..base.len().min(200)).unwrap_or(base);
    let numbered = (2..).map(|number: u32| format!("{base}-{number}")).find(|name| !is_taken(name));
    numbered.unwrap_or_default()
}
