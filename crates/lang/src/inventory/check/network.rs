//! Networks, interfaces and links.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use model::{
    Client, ClientName, Code, Host, HostName, Interface, InterfaceName, Link, LinkEnd, Network, Problem, Site,
};

use crate::inventory::check::{Check, Names, Referrer};
use crate::inventory::session::{DeclaredInterface, DeclaredLink, DeclaredNetwork};

impl Check<'_> {
    pub fn network(
        &mut self,
        network: DeclaredNetwork,
        clients: &Names<'_, Client>,
        sites: &Names<'_, Site>,
    ) -> Network {
        let DeclaredNetwork { name, prefix, vlan, client, site, place } = network;
        let from = Referrer { who: format!("network `{name}`"), place: &place };
        let client = client.and_then(|client| self.find(&from, "client", &client, clients));
        let client: Option<ClientName> = client.map(|client| client.name.clone());
        let site = site.and_then(|site| self.find(&from, "site", &site, sites));
        if let (Some(client), Some(site)) = (&client, site)
            && *client != site.client
        {
            let message = format!(
                "network `{name}` of client `{client}` is at site `{}` of client `{}`",
                site.name, site.client
            );
            self.problems.push(Problem::new(Code::InventoryWrongClient, place.clone(), message));
        }
        let client = client.or_else(|| site.map(|site| site.client.clone()));
        Network { name, prefix, vlan, client, site: site.map(|site| site.name.clone()), place }
    }

    /// Warns of networks of one client that share addresses: each is compared with the smallest one
    /// that may hold it.
    pub fn overlaps(&mut self, networks: &[Network]) {
        let mut sorted: Vec<&Network> = networks.iter().collect();
        // Within a client a network comes right after those that hold it.
        sorted.sort_by_key(|it| (&it.client, it.prefix.address(), it.prefix.length(), &it.name));
        let mut around: Vec<&Network> = Vec::new();
        for network in sorted {
            while around
                .last()
                .is_some_and(|it| it.client != network.client || !it.prefix.overlaps(&network.prefix))
            {
                around.pop();
            }
            if let Some(other) = around.last() {
                let message =
                    format!("network {} shares addresses with network {}", named(network), named(other));
                let problem =
                    Problem::new(Code::InventoryOverlappingNetworks, network.place.clone(), message);
                self.problems.push(problem.with_hint(format!("the other one is at {}", other.place)));
            }
            around.push(network);
        }
    }

    /// Looks up the network of an interface and makes sure that an address is of it.
    pub fn interface(
        &mut self,
        interface: DeclaredInterface,
        host: &HostName,
        client: &ClientName,
        networks: &Names<'_, Network>,
    ) -> Interface {
        let DeclaredInterface { name, addresses, mac, network, place } = interface;
        let from = Referrer { who: format!("interface `{name}` of host `{host}`"), place: &place };
        let network = network.and_then(|network| self.find(&from, "network", &network, networks));
        let other = network.and_then(|it| it.client.as_ref()).filter(|other| *other != client);
        if let (Some(network), Some(other)) = (network, other) {
            let message = format!(
                "{} of client `{client}` is in network `{}` of client `{other}`",
                from.who, network.name
            );
            self.problems.push(Problem::new(Code::InventoryWrongClient, place.clone(), message));
        }
        let is_outside = |network: &&Network| {
            !addresses.is_empty() && !addresses.iter().any(|it| network.prefix.contains(it.address))
        };
        if let Some(network) = network.filter(is_outside) {
            let given: Vec<String> = addresses.iter().map(|it| it.address.to_string()).collect();
            let network = named(network);
            let message =
                format!("{} is in network {network}, which does not hold {}", from.who, given.join(" or "));
            self.problems.push(Problem::new(Code::InventoryOutsideNetwork, place.clone(), message));
        }
        Interface { name, addresses, mac, network: network.map(|it| it.name.clone()), place }
    }

    /// Reports addresses that two interfaces of a client's hosts have. `hosts` are sorted.
    pub fn addresses(&mut self, hosts: &[Host]) {
        let mut seen: HashMap<(&ClientName, IpAddr), (&Host, &Interface)> = HashMap::new();
        for host in hosts {
            for interface in &host.interfaces {
                for address in interface.addresses.iter().filter(|it| !it.is_local()) {
                    let key = (&host.client, address.address);
                    let Some((other, its)) = seen.get(&key) else {
                        seen.insert(key, (host, interface));
                        continue;
                    };
                    let message = format!(
                        "interface `{}` of host `{}` has the address {} of interface `{}` of host `{}`",
                        interface.name, host.name, address.address, its.name, other.name
                    );
                    let problem =
                        Problem::new(Code::InventoryDuplicateAddress, interface.place.clone(), message);
                    let hint = format!(
                        "the other one is at {}; an address that moves between hosts (CARP, VRRP) belongs to no interface",
                        its.place
                    );
                    self.problems.push(problem.with_hint(hint));
                }
            }
        }
    }

    /// Checks the ends of links, and that none is declared twice.
    pub fn links(&mut self, links: Vec<DeclaredLink>, hosts: &Names<'_, Host>) -> Vec<Link> {
        let mut checked: BTreeMap<(LinkEnd, LinkEnd), Link> = BTreeMap::new();
        for DeclaredLink { ends: [a, b], place } in links {
            let from = Referrer { who: "a link".to_owned(), place: &place };
            let ends = (self.link_end(&from, a, hosts), self.link_end(&from, b, hosts));
            let (Some(a), Some(b)) = ends else { continue };
            let (a, b) = if a <= b { (a, b) } else { (b, a) };
            let key = (a.clone(), b.clone());
            if let Some(earlier) = checked.get(&key) {
                let message = format!("the link between `{}` and `{}` is declared twice", end(&a), end(&b));
                let problem = Problem::new(Code::InventoryDuplicate, place, message);
                self.problems.push(problem.with_hint(format!("the first one is at {}", earlier.place)));
                continue;
            }
            checked.insert(key, Link { a, b, place });
        }
        checked.into_values().collect()
    }

    /// A host that declares no interface at all may have any: nobody lists the ports of a switch.
    fn link_end(
        &mut self,
        from: &Referrer<'_>,
        (host, interface): (String, Option<String>),
        hosts: &Names<'_, Host>,
    ) -> Option<LinkEnd> {
        let host = self.find(from, "host", &host, hosts)?;
        let Some(interface) = interface else {
            return Some(LinkEnd { host: host.name.clone(), interface: None });
        };
        let known: Names<'_, Interface> = host.interfaces.iter().map(|it| (it.name.as_str(), it)).collect();
        if !known.is_empty() {
            let from = Referrer { who: format!("a link to host `{}`", host.name), place: from.place };
            self.find(&from, "interface", &interface, &known)?;
        }
        Some(LinkEnd { host: host.name.clone(), interface: Some(InterfaceName::new(interface)) })
    }
}

fn named(network: &Network) -> String {
    let prefix = network.prefix.to_string();
    let name = &network.name;
    if prefix == name.as_str() { format!("`{name}`") } else { format!("`{name}` ({prefix})") }
}

fn end(end: &LinkEnd) -> String {
    end.interface
        .as_ref()
        .map_or_else(|| end.host.to_string(), |interface| format!("{}/{interface}", end.host))
}
