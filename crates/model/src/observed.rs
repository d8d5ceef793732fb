//! What else a host is made of, apart from its packages: services, listeners, accounts, keys, cron
//! entries, processes that still run what was replaced. Each is an item of a collection: it has a key
//! that tells it from its siblings on the same host, and the rest is what can change about it.

use jiff::Timestamp;

use crate::inventory::UserName;
use crate::package::PackageName;

/// How services are run on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceManager {
    /// Alpine's OpenRC.
    OpenRc,
    /// FreeBSD's rc.d.
    RcD,
    /// runit.
    Runit,
    /// systemd.
    Systemd,
}

/// A service as its manager names it. Key: manager and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservedService {
    /// Who runs it.
    pub manager: ServiceManager,
    /// Its name there, without `.service`.
    pub name: String,
    /// Whether it is started at boot; `None` = the manager did not say.
    pub is_enabled: Option<bool>,
    /// Whether it runs; `None` = the manager did not say.
    pub is_running: Option<bool>,
}

/// A transport protocol of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A listening socket. Key: transport, address, port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// The protocol.
    pub transport: Transport,
    /// The local address as numbers; `0.0.0.0` and `::` = every address.
    pub address: core::net::IpAddr,
    /// The port.
    pub port: u16,
    /// The program's name; `None` = it could not be told (not root, say).
    pub process: Option<String>,
    /// The package that owns the program's file, where it could be told.
    pub package: Option<PackageName>,
}

/// An account of passwd(5). Key: name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// The login.
    pub name: UserName,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

/// A group of group(5). Key: name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountGroup {
    /// Its name.
    pub name: String,
    /// Its id.
    pub gid: u32,
    /// Its members, sorted (those whose primary group it is are not named there).
    pub members: Vec<String>,
}

/// A line that lets somebody act as somebody else: sudoers(5), doas.conf(5). Key: file and line text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrivilegeRule {
    /// The file.
    pub file: String,
    /// The line, blanks folded, without comments.
    pub rule: String,
}

/// A key that opens an account over SSH. Key: account and fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorizedKey {
    /// The account.
    pub account: UserName,
    /// `SHA256:...` as ssh-keygen(1) prints it.
    pub fingerprint: String,
    /// The algorithm: `ssh-ed25519`.
    pub algorithm: String,
    /// The comment; may be empty.
    pub comment: String,
    /// The options before the key (`command="..."`, `from="..."`); may be empty.
    pub options: String,
}

/// An entry of crontab(5). Key: file (or owner) and line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CronEntry {
    /// The file it stands in.
    pub file: String,
    /// The line, blanks folded.
    pub line: String,
}

/// A process that still maps files that are deleted: patched on disk, not in memory. Key: process
/// name and file, because process ids change for other reasons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaleProcess {
    /// The program's name.
    pub process: String,
    /// The deleted file that it maps, without ` (deleted)`.
    pub file: String,
    /// One of its process ids.
    pub pid: u32,
}

/// Where the knowledge of a piece of software comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SoftwareKind {
    /// The build info inside a Go program: the toolchain and every module.
    Go,
    /// Source paths that a Rust program names in its messages: crates that are surely in it, not all.
    Rust,
    /// A Java archive.
    Jar,
    /// The metadata of an installed Python distribution.
    Python,
    /// The `package.json` of an installed npm package.
    Npm,
    /// What a service's declared version command printed.
    Command,
    /// A component of a software bill of materials (CycloneDX, SPDX) that lies there.
    Sbom,
}

impl SoftwareKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Go, Self::Rust, Self::Jar, Self::Python, Self::Npm, Self::Command, Self::Sbom];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Jar => "jar",
            Self::Python => "python",
            Self::Npm => "npm",
            Self::Command => "command",
            Self::Sbom => "sbom",
        }
    }

    /// Reads the word that [`SoftwareKind::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Software outside the host's packages, below a service's declared path. Key: kind, path, name; in
/// archives and bills of materials, which may hold one name twice, the version too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Software {
    /// Where the knowledge comes from.
    pub kind: SoftwareKind,
    /// Its name as its ecosystem writes it; for a version command the service's.
    pub name: String,
    /// Its version as found; empty = not told.
    pub version: String,
    /// Its package URL (<https://github.com/package-url/purl-spec>); empty where too little is known for
    /// one: a version command's, an archive known by its file name only.
    pub purl: String,
    /// The file that says so; of a version command its program.
    pub path: String,
}

/// Whether a host has to be rebooted to run what is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RebootNeed {
    /// Whether it has to.
    pub is_needed: bool,
    /// Why, in the host's words (running against installed kernel, `/run/reboot-required`).
    pub why: String,
}

/// A FreeBSD jail that runs on a host. Key: name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedJail {
    /// Its name (`jls name`).
    pub name: String,
    /// Its root directory on the host.
    pub path: String,
    /// What it runs: its own userland.
    pub os: Option<crate::collection::OsRelease>,
    /// Its own packages.
    pub packages: Option<Vec<crate::package::InstalledPackage>>,
}

/// Everything of this page that a collection brought back; `None` = it could not be read or was not
/// asked for, an empty list = there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// When the host booted.
    pub booted_at: Option<Timestamp>,
    /// Services, sorted.
    pub services: Option<Vec<ObservedService>>,
    /// Listening sockets, sorted.
    pub listeners: Option<Vec<Listener>>,
    /// Accounts, sorted.
    pub accounts: Option<Vec<Account>>,
    /// Groups, sorted.
    pub groups: Option<Vec<AccountGroup>>,
    /// Rules of sudo and doas, sorted.
    pub privileges: Option<Vec<PrivilegeRule>>,
    /// Keys that open accounts, sorted.
    pub authorized_keys: Option<Vec<AuthorizedKey>>,
    /// Cron entries, sorted.
    pub cron: Option<Vec<CronEntry>>,
    /// Processes that still map deleted files, sorted.
    pub stale_processes: Option<Vec<StaleProcess>>,
    /// Software outside packages, sorted; only where services declare paths or version commands.
    pub software: Option<Vec<Software>>,
    /// Whether a reboot is needed.
    pub reboot: Option<RebootNeed>,
    /// Running jails, sorted by name.
    pub jails: Option<Vec<ObservedJail>>,
}
