//! From what a file says of a host to a checked host: one set of rules for every format.

mod naming;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::{
    Address, ClientName, Code, Ecosystem, GroupName, HostKey, Level, Place, Problem, SiteName, Tag, UserName,
};

use crate::import::text::{cut, is_secret};
use crate::import::{
    HOST_NOTES_MAX, HOST_WORDS_MAX, IMPORT_COMMENTS_MAX, IMPORT_HOSTS_MAX, IMPORT_PROBLEMS_MAX,
    ImportOptions, Imported, ImportedConnection, ImportedHost, render,
};
use crate::inventory::{host_key, is_address, is_user};
use crate::limits::FILE_BYTES_MAX;

/// The client of hosts for which nobody names one.
const UNASSIGNED: &str = "unassigned";

/// A host as a file says it, nothing checked.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub name: String,
    pub client: Option<RawName>,
    pub address: Option<String>,
    pub user: Option<String>,
    pub port: Option<String>,
    pub os: Option<String>,
    pub tags: Vec<String>,
    pub site: Option<RawName>,
    pub groups: Vec<String>,
    pub host_keys: Vec<String>,
    pub data: Vec<(String, String)>,
    pub comments: Vec<String>,
    pub is_local: bool,
    /// The line, from 1; 0 where the format has none.
    pub line: usize,
}

/// A client or site as a file says it.
#[derive(Debug, Clone)]
pub(super) struct RawName {
    pub name: String,
    pub title: String,
}

impl From<String> for RawName {
    fn from(name: String) -> Self {
        Self { title: name.clone(), name }
    }
}

/// An import in the making.
pub(super) struct Draft<'o> {
    options: &'o ImportOptions,
    imported: Imported,
    problems: Vec<Problem>,
    problems_unsaid: usize,
    comments_unsaid: usize,
    hosts_unread: usize,
    /// The position of each host.
    names: HashMap<String, usize>,
    /// What the file calls a client, and what we do.
    clients: HashMap<String, ClientName>,
    /// The position of each client.
    client_names: HashMap<String, usize>,
    /// What the file calls a client's site, and what we do.
    sites: HashMap<(ClientName, String), SiteName>,
    /// The position of each site.
    site_names: HashMap<String, usize>,
    group_names: HashSet<String>,
    /// The next number for a name that is taken.
    numbers: HashMap<String, u32>,
}

impl<'o> Draft<'o> {
    /// Begins; `format` is the word for people: `CSV`.
    pub fn new(options: &'o ImportOptions, format: &str) -> Self {
        let file = options.path.rsplit(['/', '\\']).next().unwrap_or_default();
        let source =
            if file.is_empty() || file == format { format.to_owned() } else { format!("{file} ({format})") };
        Self {
            options,
            imported: Imported { source, ..Imported::default() },
            problems: Vec::new(),
            problems_unsaid: 0,
            comments_unsaid: 0,
            hosts_unread: 0,
            names: HashMap::new(),
            clients: HashMap::new(),
            client_names: HashMap::new(),
            sites: HashMap::new(),
            site_names: HashMap::new(),
            group_names: HashSet::new(),
            numbers: HashMap::new(),
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

    /// Says whether a host fits behind `count` others; counts the ones that do not.
    pub fn fits(&mut self, count: usize) -> bool {
        self.hosts_unread += usize::from(count >= IMPORT_HOSTS_MAX);
        count < IMPORT_HOSTS_MAX
    }

    /// Says whether another host fits; counts the ones that do not.
    pub fn has_room(&mut self) -> bool {
        self.fits(self.imported.hosts.len())
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
        if let Some(os) = os.filter(|os| says_more(os, ecosystem)) {
            data.insert("os".to_owned(), cut(os));
        }
        let site = self.site(&entry, &client, &mut comments);
        let tags = self.words("tag", &entry.tags, &entry, Tag::new).into_iter().collect();
        let mut groups: BTreeSet<_> =
            self.words("group", &entry.groups, &entry, GroupName::new).into_iter().collect();
        groups.retain(|group| self.has_group(group, &entry));
        if comments.len() > HOST_NOTES_MAX {
            let more = comments.len() - HOST_NOTES_MAX;
            comments.truncate(HOST_NOTES_MAX);
            comments.push(format!("... and {more} more"));
        }
        let host =
            ImportedHost { name, client, connection, os: ecosystem, tags, site, groups, data, comments };
        self.imported.hosts.push(host);
    }

    /// Closes the import: the text it renders to can be loaded.
    pub fn finish(mut self) -> (Imported, Vec<Problem>) {
        if self.comments_unsaid > 0 {
            let text = format!("... and {} more that did not fit here", self.comments_unsaid);
            self.imported.comments.push(text);
        }
        self.drop_unused();
        self.fit();
        if self.hosts_unread > 0 {
            let message = format!(
                "{} hosts are left out: one import takes at most {IMPORT_HOSTS_MAX} hosts and {FILE_BYTES_MAX} bytes of code",
                self.hosts_unread
            );
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
            if size <= limit {
                break;
            }
            if count == 0 {
                self.imported.comments.clear();
                self.imported.comments.push("... too many to be kept here".to_owned());
                break;
            }
            let kept = (count * (limit / 1024) / (size / 1024 + 1)).min(count - 1);
            self.hosts_unread += count - kept;
            self.imported.hosts.truncate(kept);
            self.drop_unused();
        }
    }

    /// Clients and sites without a host are not declared.
    fn drop_unused(&mut self) {
        let used: HashSet<_> = self.imported.hosts.iter().map(|host| &host.client).collect();
        self.imported.clients.retain(|client| used.contains(&client.name));
        let used: HashSet<_> = self.imported.hosts.iter().filter_map(|host| host.site.as_ref()).collect();
        self.imported.sites.retain(|site| used.contains(&site.name));
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
            self.problem(
                Code::ImportEntryInvalid,
                entry.line,
                message,
                Some("expected a DNS name, an IPv4 or an IPv6 address"),
            );
            self.comment(&format!("host {}: no usable address `{shown}`, left out", shown_name(entry)));
            return None;
        }
        let user = self.part(entry, "user", entry.user.as_deref(), comments, |text| {
            is_user(text).then(|| UserName::new(text))
        });
        let port = self.part(entry, "port", entry.port.as_deref(), comments, |text| {
            text.parse().ok().filter(|port| *port != 0_u16)
        });
        let mut host_keys = Vec::new();
        for key in entry.host_keys.iter().take(HOST_WORDS_MAX) {
            let key =
                self.part(entry, "host key", Some(key), comments, |text| host_key(text).map(HostKey::new));
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
            let message = format!(
                "{what} of host `{}` cannot be used: `{}`",
                shown_name(entry),
                cut(text).escape_debug()
            );
            self.problem(Code::ImportIgnored, entry.line, message, Some("it is kept as a comment"));
            comments.push(cut(&format!("{what}: {text}")));
        }
        value
    }

    fn data(&mut self, entry: &Entry, comments: &mut Vec<String>) -> BTreeMap<String, String> {
        let mut data = BTreeMap::new();
        for (key, value) in &entry.data {
            let (key, value) = (cut(key.trim()), value.trim());
            if key.is_empty() || value.is_empty() {
                continue;
            }
            if is_secret(&key) || value.starts_with("$ANSIBLE_VAULT") {
                let message =
                    format!("`{}` of host `{}` looks like a secret", key.escape_debug(), shown_name(entry));
                self.problem(
                    Code::ImportIgnored,
                    entry.line,
                    message,
                    Some("it is not carried over: this file belongs in git"),
                );
                comments.push(format!("{key}: not carried over, looks like a secret"));
            } else if data.len() < HOST_NOTES_MAX {
                data.insert(key, cut(value));
            } else {
                let message = format!(
                    "host `{}` has more than {HOST_NOTES_MAX} values: `{}` is left out",
                    shown_name(entry),
                    key.escape_debug()
                );
                self.problem(Code::ImportLimit, entry.line, message, None);
            }
        }
        data
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
    let bare =
        |word: &str| Ecosystem::parse_distribution(word.trim_end_matches(|it: char| it.is_ascii_digit()));
    os_words(&os).find_map(bare)
}

/// Says whether a text such as `Debian 12` says more than its ecosystem does.
fn says_more(os: &str, ecosystem: Option<Ecosystem>) -> bool {
    let Some(ecosystem) = ecosystem else { return true };
    let os = os.to_ascii_lowercase();
    os_words(&os).any(|word| !["linux", "gnu", ecosystem.as_str()].contains(&word))
}

fn os_words(os: &str) -> impl Iterator<Item = &str> {
    os.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}
