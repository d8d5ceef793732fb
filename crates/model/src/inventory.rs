//! What people declare: clients, hosts, services.

use crate::package::PackageName;
use crate::problem::Place;
use crate::text::{ClientName, HostName, ServiceName, Tag, foreign_text};

/// Everything that a workspace declares about its clients' hosts. Built by `lang::load`, which has
/// checked that names are unique and references resolve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Clients, sorted by name.
    pub clients: Vec<Client>,
    /// Hosts, sorted by client, then name.
    pub hosts: Vec<Host>,
    /// Services, sorted by client, then name.
    pub services: Vec<Service>,
}

impl Inventory {
    /// Finds a host by name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name.as_str() == name)
    }
}

/// A client: the tenant that hosts belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub name: ClientName,
    /// What to call it in a report; the name where nothing else is declared.
    pub title: String,
    /// Where it is declared.
    pub place: Place,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Its client.
    pub client: ClientName,
    /// How to reach it.
    pub connection: Connection,
    /// Labels, sorted.
    pub tags: Vec<Tag>,
    /// Where it is declared.
    pub place: Place,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is the machine that ifrit runs on.
    Local,
    /// Over SSH.
    Ssh {
        /// DNS name or IP address.
        address: Address,
        /// TCP port.
        port: u16,
        /// The login; settings decide where it is not declared.
        user: Option<UserName>,
        /// Keys pinned in the inventory; empty = those recorded by `ifrit hosts trust` count.
        host_keys: Vec<HostKey>,
    },
}

foreign_text! {
    /// A DNS name or an IP address. `lang` has checked its form.
    Address;
    /// A login name on a host. `lang` has checked its form.
    UserName;
    /// A public host key in OpenSSH's form without comment: `ssh-ed25519 AAAA...`.
    HostKey;
}

/// Something that hosts do for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Its client.
    pub client: ClientName,
    /// The hosts that run it, sorted.
    pub hosts: Vec<HostName>,
    /// The TCP or UDP port it answers on.
    pub port: Option<u16>,
    /// Where its software comes from.
    pub package: Option<ServicePackage>,
    /// Services it needs, sorted.
    pub depends_on: Vec<ServiceName>,
    /// Whether its failure is an emergency.
    pub is_critical: bool,
    /// Where it is declared.
    pub place: Place,
}

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServicePackage {
    /// An installed package of this name.
    Package(PackageName),
}
