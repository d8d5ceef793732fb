//! Items: what a host is made of apart from its packages, each with a kind and a key.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use model::{
    Account, AccountGroup, AuthorizedKey, CronEntry, Listener, Observed, ObservedJail, ObservedService,
    PrivilegeRule, RebootNeed, ServiceManager, Software, SoftwareKind, StaleProcess, Transport,
};

/// A kind of item. Each is read by a host as a whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// An account of passwd(5).
    Account,
    /// A key that opens an account.
    AuthorizedKey,
    /// When the host booted; at most one.
    Boot,
    /// An entry of crontab(5).
    Cron,
    /// A group of group(5).
    Group,
    /// A running jail.
    Jail,
    /// A listening socket.
    Listener,
    /// A rule of sudo or doas.
    Privilege,
    /// Whether a reboot is needed; at most one.
    Reboot,
    /// A service.
    Service,
    /// Software outside packages.
    Software,
    /// A process that maps deleted files.
    StaleProcess,
}

impl ItemKind {
    /// Every kind, in the order of [`ItemKind::as_str`].
    pub const ALL: [Self; 12] = [
        Self::Account,
        Self::AuthorizedKey,
        Self::Boot,
        Self::Cron,
        Self::Group,
        Self::Jail,
        Self::Listener,
        Self::Privilege,
        Self::Reboot,
        Self::Service,
        Self::Software,
        Self::StaleProcess,
    ];

    /// Returns the word for it in the store, in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AuthorizedKey => "authorized-key",
            Self::Boot => "boot",
            Self::Cron => "cron",
            Self::Group => "group",
            Self::Jail => "jail",
            Self::Listener => "listener",
            Self::Privilege => "privilege",
            Self::Reboot => "reboot",
            Self::Service => "service",
            Self::Software => "software",
            Self::StaleProcess => "stale-process",
        }
    }

    /// Reads the word that [`ItemKind::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// An account.
    Account(Account),
    /// A key that opens an account.
    AuthorizedKey(AuthorizedKey),
    /// When the host booted, in whole microseconds.
    Boot(Timestamp),
    /// A cron entry.
    Cron(CronEntry),
    /// A group.
    Group(AccountGroup),
    /// A running jail; what it runs stands with the host that it is itself.
    Jail {
        /// Its name on its parent.
        name: String,
        /// Its root directory there.
        path: String,
    },
    /// A listening socket.
    Listener(Listener),
    /// A rule of sudo or doas.
    Privilege(PrivilegeRule),
    /// Whether a reboot is needed.
    Reboot(RebootNeed),
    /// A service.
    Service(ObservedService),
    /// Software outside packages.
    Software(Software),
    /// A process that maps deleted files.
    StaleProcess(StaleProcess),
}

impl Item {
    /// Returns its kind.
    pub fn kind(&self) -> ItemKind {
        match self {
            Self::Account(_) => ItemKind::Account,
            Self::AuthorizedKey(_) => ItemKind::AuthorizedKey,
            Self::Boot(_) => ItemKind::Boot,
            Self::Cron(_) => ItemKind::Cron,
            Self::Group(_) => ItemKind::Group,
            Self::Jail { .. } => ItemKind::Jail,
            Self::Listener(_) => ItemKind::Listener,
            Self::Privilege(_) => ItemKind::Privilege,
            Self::Reboot(_) => ItemKind::Reboot,
            Self::Service(_) => ItemKind::Service,
            Self::Software(_) => ItemKind::Software,
            Self::StaleProcess(_) => ItemKind::StaleProcess,
        }
    }

    /// Returns what tells it from its siblings of the same kind on the same host, for people too;
    /// empty where there is one at most.
    pub fn key(&self) -> String {
        match self {
            Self::Account(it) => it.name.to_string(),
            Self::AuthorizedKey(it) => format!("{} {}", it.account, it.fingerprint),
            Self::Boot(_) | Self::Reboot(_) => String::new(),
            Self::Cron(it) => format!("{}: {}", it.file, it.line),
            Self::Group(it) => it.name.clone(),
            Self::Jail { name, .. } => name.clone(),
            Self::Listener(it) => {
                format!("{} {}", transport_word(it.transport), SocketAddr::new(it.address, it.port))
            }
            Self::Privilege(it) => format!("{}: {}", it.file, it.rule),
            Self::Service(it) => format!("{} {}", manager_word(it.manager), it.name),
            Self::Software(it) => software_key(it),
            Self::StaleProcess(it) => format!("{} {}", it.process, it.file),
        }
    }
}

/// The version tells entries apart where one file may hold a name twice; elsewhere another version is a
/// change of the same item.
fn software_key(it: &Software) -> String {
    let (kind, name, path) = (it.kind.as_str(), &it.name, &it.path);
    match it.kind {
        SoftwareKind::Jar | SoftwareKind::Rust | SoftwareKind::Sbom => {
            format!("{kind} {name} {} in {path}", it.version)
        }
        _ => format!("{kind} {name} in {path}"),
    }
}

/// Returns the word for a transport protocol in the store and in JSON.
pub fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

/// Returns the word for a service manager in the store and in JSON.
pub fn manager_word(manager: ServiceManager) -> &'static str {
    match manager {
        ServiceManager::OpenRc => "openrc",
        ServiceManager::RcD => "rc.d",
        ServiceManager::Runit => "runit",
        ServiceManager::Systemd => "systemd",
    }
}

/// Takes apart what was observed: each kind that was read, with its items.
pub(crate) fn items_of(observed: &Observed) -> Vec<(ItemKind, Vec<Item>)> {
    let Observed {
        booted_at,
        services,
        listeners,
        accounts,
        groups,
        privileges,
        authorized_keys,
        cron,
        stale_processes,
        software,
        reboot,
        jails,
    } = observed;
    let boot = booted_at.map(|at| vec![Item::Boot(whole_microseconds(at))]);
    let jail = |jail: &ObservedJail| Item::Jail { name: jail.name.clone(), path: jail.path.clone() };
    let kinds = [
        (ItemKind::Account, wrap(accounts.as_ref(), Item::Account)),
        (ItemKind::AuthorizedKey, wrap(authorized_keys.as_ref(), Item::AuthorizedKey)),
        (ItemKind::Boot, boot),
        (ItemKind::Cron, wrap(cron.as_ref(), Item::Cron)),
        (ItemKind::Group, wrap(groups.as_ref(), Item::Group)),
        (ItemKind::Jail, jails.as_ref().map(|jails| jails.iter().map(jail).collect())),
        (ItemKind::Listener, wrap(listeners.as_ref(), Item::Listener)),
        (ItemKind::Privilege, wrap(privileges.as_ref(), Item::Privilege)),
        (ItemKind::Reboot, reboot.clone().map(|need| vec![Item::Reboot(need)])),
        (ItemKind::Service, wrap(services.as_ref(), Item::Service)),
        (ItemKind::Software, wrap(software.as_ref(), Item::Software)),
        (ItemKind::StaleProcess, wrap(stale_processes.as_ref(), Item::StaleProcess)),
    ];
    kinds.into_iter().filter_map(|(kind, items)| Some((kind, items?))).collect()
}

fn wrap<T: Clone>(list: Option<&Vec<T>>, item: fn(T) -> Item) -> Option<Vec<Item>> {
    list.map(|list| list.iter().cloned().map(item).collect())
}

fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// Puts together what was observed, from the kinds that are known and their items. Jails have
/// neither system nor packages in it: these stand with the hosts that they are themselves.
pub(crate) fn observed_of(known: &BTreeSet<ItemKind>, items: Vec<Item>) -> Observed {
    fn empty<T>(known: &BTreeSet<ItemKind>, kind: ItemKind) -> Option<Vec<T>> {
        known.contains(&kind).then(Vec::new)
    }
    fn push<T>(list: &mut Option<Vec<T>>, item: T) {
        list.get_or_insert_default().push(item);
    }
    let mut observed = Observed {
        booted_at: None,
        services: empty(known, ItemKind::Service),
        listeners: empty(known, ItemKind::Listener),
        accounts: empty(known, ItemKind::Account),
        groups: empty(known, ItemKind::Group),
        privileges: empty(known, ItemKind::Privilege),
        authorized_keys: empty(known, ItemKind::AuthorizedKey),
        cron: empty(known, ItemKind::Cron),
        stale_processes: empty(known, ItemKind::StaleProcess),
        software: empty(known, ItemKind::Software),
        reboot: None,
        jails: empty(known, ItemKind::Jail),
    };
    let mut items = items;
    items.sort();
    for item in items {
        match item {
            Item::Account(it) => push(&mut observed.accounts, it),
            Item::AuthorizedKey(it) => push(&mut observed.authorized_keys, it),
            Item::Boot(at) => observed.booted_at = Some(at),
            Item::Cron(it) => push(&mut observed.cron, it),
            Item::Group(it) => push(&mut observed.groups, it),
            Item::Jail { name, path } => {
                push(&mut observed.jails, ObservedJail { name, path, os: None, packages: None });
            }
            Item::Listener(it) => push(&mut observed.listeners, it),
            Item::Privilege(it) => push(&mut observed.privileges, it),
            Item::Reboot(need) => observed.reboot = Some(need),
            Item::Service(it) => push(&mut observed.services, it),
            Item::Software(it) => push(&mut observed.software, it),
            Item::StaleProcess(it) => push(&mut observed.stale_processes, it),
        }
    }
    observed
}
