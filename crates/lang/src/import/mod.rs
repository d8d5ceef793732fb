//! Import: from what people already have (a spreadsheet, an ssh_config, an Ansible inventory, NetBox)
//! to declarations that they can own.
//!
//! One function per format reads text into an [`Imported`] and problems; [`render`] writes that as a
//! `.star` file which [`crate::load`] takes without a problem. Nothing is lost silently: what the
//! inventory cannot express becomes a comment beside its host, and what was changed or left out becomes
//! a problem. The text is hostile input: it is capped, and nothing of it reaches the file unquoted.

mod ansible;
mod ansible_ini;
mod ansible_range;
mod csv;
mod draft;
mod netbox;
mod render;
mod series;
mod ssh_config;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use model::{Address, ClientName, Ecosystem, GroupName, HostKey, HostName, Problem, SiteName, Tag, UserName};

pub use render::render;

/// The most bytes of a file that is imported (a NetBox dump of 10,000 devices has about 12 MB).
pub const IMPORT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The most hosts of one import; the text must stay below the largest `.star` file, too.
pub const IMPORT_HOSTS_MAX: usize = 10_000;
/// The most groups of one import.
pub const IMPORT_GROUPS_MAX: usize = 2_000;
/// The most problems of one import; what follows is counted only.
pub const IMPORT_PROBLEMS_MAX: usize = 1_000;
/// The most comments on the file as a whole.
pub const IMPORT_COMMENTS_MAX: usize = 500;
/// The most values and comments that one host keeps.
pub const HOST_NOTES_MAX: usize = 50;
/// The longest value or comment, in characters.
pub const NOTE_CHARS_MAX: usize = 300;
/// The most tags, groups or host keys that one host keeps.
pub const HOST_WORDS_MAX: usize = 100;

/// What a reader needs to know beside the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The file as the person knows it; problems name it.
    pub path: String,
    /// The client of every host for which the file names none.
    pub client: Option<ClientName>,
}

/// What a file says about hosts, in our words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Where it comes from, for the head of the file: `hosts.csv (CSV)`.
    pub source: String,
    /// The clients of the hosts, in the order of their first host.
    pub clients: Vec<ImportedClient>,
    /// Where the hosts stand, in the order of their first host.
    pub sites: Vec<ImportedSite>,
    /// The hosts, in the order of the file; names are unique.
    pub hosts: Vec<ImportedHost>,
    /// What concerns no single host and could not be carried over, one line each.
    pub comments: Vec<String>,
}

/// A client that hosts were found for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedClient {
    /// Its name.
    pub name: ClientName,
    /// What the file calls it, where that is not its name.
    pub title: Option<String>,
}

/// A place where hosts of a client stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSite {
    /// Its name.
    pub name: SiteName,
    /// Its client: a place that two clients share is two sites.
    pub client: ClientName,
    /// What the file calls it, where that is not its name.
    pub title: Option<String>,
}

/// A host as a file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedHost {
    /// Its name, by our naming rule.
    pub name: HostName,
    /// Its client, one of [`Imported::clients`].
    pub client: ClientName,
    /// How it is reached.
    pub connection: ImportedConnection,
    /// What it is expected to run.
    pub os: Option<Ecosystem>,
    /// Labels.
    pub tags: BTreeSet<Tag>,
    /// Where it stands, one of [`Imported::sites`].
    pub site: Option<SiteName>,
    /// Groups that it is in, outer ones included.
    pub groups: BTreeSet<GroupName>,
    /// Everything else that the file knows about it. Nothing that looks like a secret is in here.
    pub data: BTreeMap<String, String>,
    /// What could not be carried over, one line each.
    pub comments: Vec<String>,
}

/// How an imported host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportedConnection {
    /// It is the machine that the file is about itself (`ansible_connection=local`).
    Local,
    /// Over SSH.
    Ssh {
        /// DNS name or IP address.
        address: Address,
        /// The login.
        user: Option<UserName>,
        /// TCP port, where it is not 22.
        port: Option<u16>,
        /// Its public keys.
        host_keys: Vec<HostKey>,
    },
}

/// Reads a table with a header (RFC 4180; comma, semicolon or tab). Columns go by name, whatever the case:
/// `name`, `address` or `ip`, `client` or `tenant`, `user`, `port`, `os`, `site`, `tags`, `groups`,
/// `host_keys`, `comment`, with common synonyms. Every other column is kept as data of the host.
pub fn csv(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    csv::read(text, options)
}

/// Reads ssh_config(5). Every `Host` name without wildcard is a host; `HostName`, `User` and `Port` come
/// from all blocks that match it, the first one counts, as in ssh. `Match` and `Include` are not followed.
pub fn ssh_config(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    ssh_config::read(text, options)
}

/// Reads an Ansible inventory: INI, or the JSON that `ansible-inventory --list` prints. Groups are kept;
/// variables that say how to connect are resolved as Ansible does, other variables are kept as data.
pub fn ansible_inventory(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    ansible::read(text, options)
}

/// Reads devices or virtual machines as the REST API of NetBox or Nautobot lists them: one page or
/// several one after the other (`{"results": [...]}`), a bare array, or a single object.
pub fn netbox_json(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    netbox::read(text, options)
}
