//! What people declare: clients, people, sites, networks, hosts, services.

use std::collections::BTreeMap;

use crate::incident::Exception;
use crate::network::{InterfaceAddress, MacAddress, Prefix};
use crate::package::PackageName;
use crate::platform::Ecosystem;
use crate::problem::Place;
use crate::selector::{HostAttributes, Selector};
use crate::text::{ClientName, GroupName, HostName, PersonName, ServiceName, SiteName, Tag, foreign_text};

/// Everything that a workspace declares about its clients' hosts. Built by `lang::load`, which has
/// checked that names are unique and references resolve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Clients, sorted by name.
    pub clients: Vec<Client>,
    /// People, sorted by name.
    pub people: Vec<Person>,
    /// Sites, sorted by client, then name.
    pub sites: Vec<Site>,
    /// Networks, sorted by name.
    pub networks: Vec<Network>,
    /// Groups of hosts, sorted by name.
    pub groups: Vec<Group>,
    /// Hosts, sorted by client, then name.
    pub hosts: Vec<Host>,
    /// Links between hosts, in the order of their ends.
    pub links: Vec<Link>,
    /// Services, sorted by client, then name.
    pub services: Vec<Service>,
    /// Exceptions, in the order of their vulnerabilities, then of their places.
    pub exceptions: Vec<Exception>,
}

impl Inventory {
    /// Finds a host by name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name.as_str() == name)
    }

    /// Returns the hosts that each selector takes by what is declared of them, in their order. A term about the
    /// operating system takes none: only a scan knows it.
    pub fn selected(&self, selectors: &[&Selector]) -> Vec<Vec<&Host>> {
        let mut services: BTreeMap<&HostName, Vec<&str>> = BTreeMap::new();
        for service in &self.services {
            for host in &service.hosts {
                services.entry(host).or_default().push(service.name.as_str());
            }
        }
        let mut groups: BTreeMap<&HostName, Vec<&str>> = BTreeMap::new();
        for group in &self.groups {
            for host in &group.hosts {
                groups.entry(host).or_default().push(group.name.as_str());
            }
        }
        let mut taken = vec![Vec::new(); selectors.len()];
        for host in self.hosts.iter().filter(|_| !selectors.is_empty()) {
            let tags: Vec<&str> = host.tags.iter().map(Tag::as_str).collect();
            let attributes = HostAttributes {
                name: host.name.as_str(),
                client: host.client.as_str(),
                services: services.get(&host.name).map(Vec::as_slice).unwrap_or_default(),
                tags: &tags,
                os: None,
                site: host.site.as_ref().map(SiteName::as_str),
                groups: groups.get(&host.name).map(Vec::as_slice).unwrap_or_default(),
            };
            for (selector, hosts) in selectors.iter().zip(&mut taken) {
                if selector.matches(&attributes) {
                    hosts.push(host);
                }
            }
        }
        taken
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

/// A person of the team, or of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their name, one word: `maria`.
    pub name: PersonName,
    /// Where to write to them.
    pub email: Option<Email>,
    /// Public SSH keys that are theirs.
    pub keys: Vec<PublicKey>,
    /// What they may do, sorted.
    pub access: Vec<Access>,
    /// Where they are declared.
    pub place: Place,
}

/// What a person may do, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// The client; absent = every client.
    pub client: Option<ClientName>,
    /// What.
    pub role: Role,
}

/// What a person may do; each role may also do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Plan changes and run approved plans.
    Operator,
    /// Approve plans.
    Approver,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// Reads the word that [`Role::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A place where hosts of a client stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// Its client.
    pub client: ClientName,
    /// What to call it in a report; the name where nothing else is declared.
    pub title: String,
    /// Where it is, in people's words: a street, a rack. One line.
    pub location: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name; its prefix where nothing else is declared.
    pub name: NetworkName,
    /// Its addresses.
    pub prefix: Prefix,
    /// Its VLAN (IEEE 802.1Q), 1 to 4094.
    pub vlan: Option<u16>,
    /// Its client; absent = the team's own or shared.
    pub client: Option<ClientName>,
    /// Where it is.
    pub site: Option<SiteName>,
    /// Where it is declared.
    pub place: Place,
}

/// A set of hosts with a name, to select them by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// The client that all its hosts belong to; absent = it may hold hosts of any.
    pub client: Option<ClientName>,
    /// Its hosts, sorted.
    pub hosts: Vec<HostName>,
    /// Where it is declared.
    pub place: Place,
}

/// A cable, or whatever else joins two hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The end whose host and interface sort first.
    pub a: LinkEnd,
    /// The other end.
    pub b: LinkEnd,
    /// Where it is declared.
    pub place: Place,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkEnd {
    /// The host.
    pub host: HostName,
    /// Its interface; absent = it is not said which.
    pub interface: Option<InterfaceName>,
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
    /// Where it stands.
    pub site: Option<SiteName>,
    /// What it is expected to run; a scan finds out.
    pub os: Option<Ecosystem>,
    /// Labels, sorted.
    pub tags: Vec<Tag>,
    /// Its interfaces, in the order of declaration.
    pub interfaces: Vec<Interface>,
    /// Whatever else its deploys want to know of it, by key.
    pub data: BTreeMap<String, DataValue>,
    /// Where it is declared.
    pub place: Place,
}

impl Host {
    /// Makes a host of which nothing else is declared.
    pub fn new(name: HostName, client: ClientName, connection: Connection, place: Place) -> Self {
        Self {
            name,
            client,
            connection,
            site: None,
            os: None,
            tags: Vec::new(),
            interfaces: Vec::new(),
            data: BTreeMap::new(),
            place,
        }
    }
}

/// A network interface of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, unique on its host.
    pub name: InterfaceName,
    /// Its addresses, in the order of declaration.
    pub addresses: Vec<InterfaceAddress>,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
    /// The network it is in.
    pub network: Option<NetworkName>,
    /// Where it is declared.
    pub place: Place,
}

/// A value that people give a host: what JSON can say, without fractions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataValue {
    /// Nothing.
    None,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<DataValue>),
    /// A map.
    Map(BTreeMap<String, DataValue>),
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
    /// A person's public SSH key in OpenSSH's form without comment: `ssh-ed25519 AAAA...`.
    PublicKey;
    /// An e-mail address. `lang` has checked its form.
    Email;
    /// The name of an interface, as the host says it: `eth0`, `GigabitEthernet0/1`.
    InterfaceName;
    /// The name of a network, unique in a workspace; its prefix where no other is declared.
    NetworkName;
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
    /// Absolute directories whose software a scan looks for, sorted; empty = nothing is looked for.
    pub paths: Vec<String>,
    /// Services it needs, sorted.
    pub depends_on: Vec<ServiceName>,
    /// Who answers for it.
    pub owner: Option<PersonName>,
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
    /// Software that no package manager knows: this command (program and arguments, no shell) prints
    /// its version on the host.
    VersionCommand(Vec<String>),
}
