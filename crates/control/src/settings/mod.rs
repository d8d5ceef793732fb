//! `ifrit.toml`: the settings of a workspace. One table ([`DEFINITIONS`]) holds every key with its
//! default, its limits and its documentation; reading, `ifrit config show`, the template of
//! `ifrit init` and docs/reference/config.md all follow it.

mod audit;
mod definition;
mod deploy;
mod incident;
mod notify;
mod pyinfra;
mod read;
mod respond;

use std::fmt;
use std::time::Duration;

pub use definition::{DEFINITIONS, Definition, Kind, render_reference, render_template};
pub use deploy::SecretPlace;
pub use notify::{ChannelKind, ChannelSettings, SecretSource};
pub use read::read;
pub use respond::Unattended;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// A line of `ifrit.toml`.
    File {
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A command-line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "ifrit.toml:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// On or off.
    Switch(bool),
    /// A whole number.
    Whole(u64),
}

impl fmt::Display for Value {
    /// Prints the value as TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", quote(text)),
            Self::Texts(texts) => {
                let quoted: Vec<_> = texts.iter().map(|text| quote(text)).collect();
                write!(f, "[{}]", quoted.join(", "))
            }
            Self::Switch(is_on) => write!(f, "{is_on}"),
            Self::Whole(number) => write!(f, "{number}"),
        }
    }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A key with its value and where that comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the key means.
    pub definition: &'static Definition,
    /// Its value.
    pub value: Value,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Every setting, one [`Entry`] for each of [`DEFINITIONS`], in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    entries: Vec<Entry>,
    /// The channels of `[notify.NAME]`, sorted by name.
    channels: Vec<ChannelSettings>,
    /// Whether a fault in the file may hide what it says of the database.
    has_hiding_fault: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let entry = |definition: &'static Definition| Entry {
            definition,
            value: definition.default_value(),
            origin: Origin::Default,
        };
        Self {
            entries: DEFINITIONS.iter().map(entry).collect(),
            channels: Vec::new(),
            has_hiding_fault: false,
        }
    }
}

impl Settings {
    /// Returns every key with its value and origin, for `ifrit config show`.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the channels that the bell rings on, sorted by name.
    pub fn channels(&self) -> &[ChannelSettings] {
        &self.channels
    }

    /// Returns the defaults for a file that nothing could be read of.
    pub(crate) fn unreadable() -> Self {
        Self { has_hiding_fault: true, ..Self::default() }
    }

    /// Overrides the database, for a flag or an environment variable.
    pub fn set_database(&mut self, database: &str, origin: Origin) {
        self.set("database", Value::Text(database.to_owned()), origin);
    }

    /// Returns the database: a path (relative to the workspace) or a URL.
    pub fn database(&self) -> &str {
        self.text("database")
    }

    /// Says whether the database is the default one only because a fault in `ifrit.toml` may hide what
    /// it says: a syntax error anywhere, an unknown key outside of every section, a bad `database`.
    pub fn is_database_hidden(&self) -> bool {
        let is_default =
            |entry: &Entry| entry.definition.key == "database" && entry.origin == Origin::Default;
        self.has_hiding_fault && self.entries.iter().any(is_default)
    }

    /// Returns the login for hosts that declare none.
    pub fn ssh_user(&self) -> &str {
        self.text("ssh.user")
    }

    /// Returns the private key files to try, as written (`~/` not yet expanded).
    pub fn ssh_identities(&self) -> &[String] {
        self.texts("ssh.identities")
    }

    /// Returns the files of OpenSSH's configuration, as written (`~/` not yet expanded).
    pub fn ssh_config(&self) -> &[String] {
        self.texts("ssh.config")
    }

    /// Returns the files of OpenSSH's known hosts, as written (`~/` not yet expanded).
    pub fn ssh_known_hosts(&self) -> &[String] {
        self.texts("ssh.known_hosts")
    }

    /// Returns how a login becomes root: `no`, `sudo` or `doas`.
    pub fn ssh_become(&self) -> &str {
        self.text("ssh.become")
    }

    /// Says whether the SSH agent is asked for keys.
    pub fn ssh_uses_agent(&self) -> bool {
        matches!(self.value("ssh.agent"), Value::Switch(true))
    }

    /// Returns how many hosts are talked to at once.
    pub fn ssh_parallel(&self) -> usize {
        usize::try_from(self.whole("ssh.parallel")).unwrap_or(usize::MAX)
    }

    /// Returns the time for TCP, key exchange and authentication of one host.
    pub fn ssh_connect_timeout(&self) -> Duration {
        Duration::from_secs(self.whole("ssh.connect_timeout_secs"))
    }

    /// Returns the time for everything with one host.
    pub fn ssh_host_timeout(&self) -> Duration {
        Duration::from_secs(self.whole("ssh.host_timeout_secs"))
    }

    /// Returns the time without a sign of life from a host until its connection counts as lost.
    pub fn ssh_lost_after(&self) -> Duration {
        Duration::from_secs(self.whole("ssh.lost_after_secs"))
    }

    /// Returns the same for a host that is only connected to or asked.
    pub fn ssh_silent_after(&self) -> Duration {
        Duration::from_secs(self.whole("ssh.silent_secs"))
    }

    /// Returns the feeds that are fetched.
    pub fn feeds_enabled(&self) -> &[String] {
        self.texts("feeds.enabled")
    }

    /// Returns the time for one attempt at one document of a feed.
    pub fn feeds_timeout(&self) -> Duration {
        Duration::from_secs(self.whole("feeds.timeout_secs"))
    }

    /// Returns the URL of Alpine's security database, with `{release}` and `{repository}` in it.
    pub fn feeds_alpine_secdb_url(&self) -> &str {
        self.text("feeds.alpine_secdb_url")
    }

    /// Returns the Alpine releases to fetch beside those that hosts run.
    pub fn feeds_alpine_releases(&self) -> &[String] {
        self.texts("feeds.alpine_releases")
    }

    /// Returns the Alpine repositories to fetch.
    pub fn feeds_alpine_repositories(&self) -> &[String] {
        self.texts("feeds.alpine_repositories")
    }

    /// Returns the URL of FreeBSD's VuXML.
    pub fn feeds_freebsd_vuxml_url(&self) -> &str {
        self.text("feeds.freebsd_vuxml_url")
    }

    /// Returns the URL of Debian's security tracker.
    pub fn feeds_debian_tracker_url(&self) -> &str {
        self.text("feeds.debian_tracker_url")
    }

    /// Returns the URLs of Debian's DSA and DLA lists.
    pub fn feeds_debian_list_urls(&self) -> &[String] {
        self.texts("feeds.debian_list_urls")
    }

    /// Returns the template of the URL of an OSV archive.
    pub fn feeds_osv_url(&self) -> &str {
        self.text("feeds.osv_url")
    }

    /// Returns the OSV ecosystems that are fetched whatever hosts have.
    pub fn feeds_osv_ecosystems(&self) -> &[String] {
        self.texts("feeds.osv_ecosystems")
    }

    /// Returns the URL of CISA's catalogue.
    pub fn feeds_kev_url(&self) -> &str {
        self.text("feeds.kev_url")
    }

    /// Returns the URL of EPSS's scores.
    pub fn feeds_epss_url(&self) -> &str {
        self.text("feeds.epss_url")
    }

    /// Returns the URLs of news.
    pub fn feeds_news_urls(&self) -> &[String] {
        self.texts("feeds.news_urls")
    }

    /// Returns the public keys of bundles that are taken.
    pub fn feeds_trusted_keys(&self) -> &[String] {
        self.texts("feeds.trusted_keys")
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.definition.key == key) {
            entry.value = value;
            entry.origin = origin;
        }
    }

    fn value(&self, key: &str) -> &Value {
        let entry = self.entries.iter().find(|entry| entry.definition.key == key);
        &entry
            .expect("invariant: every key asked for above stands in DEFINITIONS (a test asks for all)")
            .value
    }

    fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    fn texts(&self, key: &str) -> &[String] {
        match self.value(key) {
            Value::Texts(texts) => texts,
            _ => &[],
        }
    }

    fn whole(&self, key: &str) -> u64 {
        match self.value(key) {
            Value::Whole(number) => *number,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accessor_has_a_definition_of_its_kind() {
        let settings = Settings::default();
        assert_eq!(settings.database(), "ifrit.db");
        assert_eq!(settings.ssh_user(), "root");
        assert!(!settings.ssh_identities().is_empty());
        assert!(settings.ssh_uses_agent());
        assert!(settings.ssh_parallel() > 0);
        assert!(settings.ssh_connect_timeout() > Duration::ZERO);
        assert!(settings.ssh_host_timeout() > settings.ssh_connect_timeout());
        assert!(!settings.feeds_enabled().is_empty() && settings.feeds_timeout() > Duration::ZERO);
        assert!(settings.feeds_alpine_secdb_url().contains("{release}/{repository}"));
        assert_eq!((settings.feeds_alpine_releases().len(), settings.feeds_trusted_keys().len()), (0, 0));
        assert!(
            settings.feeds_osv_url().contains("{ecosystem}") && settings.feeds_osv_ecosystems().is_empty()
        );
        let lists = [
            settings.feeds_alpine_repositories(),
            settings.feeds_debian_list_urls(),
            settings.feeds_news_urls(),
        ];
        assert!(lists.iter().all(|list| !list.is_empty()));
        let urls = [
            settings.feeds_freebsd_vuxml_url(),
            settings.feeds_debian_tracker_url(),
            settings.feeds_kev_url(),
            settings.feeds_epss_url(),
        ];
        assert!(urls.iter().all(|url| url.starts_with("https://")));
    }
}
