//! The check of all declarations together: names are unique, references resolve, what belongs to one
//! client stays with it, services need no circle. What is left is the inventory.

mod cycle;
mod exception;
mod network;

use std::collections::{BTreeSet, HashMap, HashSet};

use model::{
    Access, Client, ClientName, Code, Group, Host, HostName, Inventory, Network, Person, PersonName, Place,
    Problem, Service, ServiceName, Site,
};

use crate::diagnostic::alike;
use crate::inventory::session::{
    Declarations, DeclaredGroup, DeclaredHost, DeclaredPerson, DeclaredService, DeclaredSite,
};
use crate::limits::SUGGESTIONS_MAX;

/// Builds the inventory. `unread` are the inventory files that could not be evaluated to the end:
/// what seems to be missing may be declared in them.
pub(crate) fn check(declarations: Declarations, unread: &[String]) -> (Inventory, Vec<Problem>) {
    let Declarations { clients, people, sites, networks, groups, hosts, links, services, .. } = declarations;
    let Declarations { exceptions, broken, is_partial, problems, .. } = declarations;
    let mut check = Check { problems, broken, unread, is_partial, suggestions: 0 };
    let mut clients: Vec<Client> = check.unique("client", clients, |it| (it.name.as_str(), &it.place));
    let people = check.unique("person", people, |it| (it.name.as_str(), &it.place));
    let sites = check.unique("site", sites, |it| (it.name.as_str(), &it.place));
    let networks = check.unique("network", networks, |it| (it.name.as_str(), &it.place));
    let groups = check.unique("group", groups, |it| (it.name.as_str(), &it.place));
    let hosts = check.unique("host", hosts, |it| (it.name.as_str(), &it.place));
    let services = check.unique("service", services, |it| (it.name.as_str(), &it.place));

    clients.sort_by(|a, b| a.name.cmp(&b.name));
    let known_clients: Names<'_, Client> = clients.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut people: Vec<Person> = people.into_iter().map(|it| check.person(it, &known_clients)).collect();
    let mut sites: Vec<Site> = sites.into_iter().filter_map(|it| check.site(it, &known_clients)).collect();
    let known_people: Names<'_, Person> = people.iter().map(|it| (it.name.as_str(), it)).collect();
    let known_sites: Names<'_, Site> = sites.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut networks: Vec<Network> =
        networks.into_iter().map(|it| check.network(it, &known_clients, &known_sites)).collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    check.overlaps(&networks);
    let known_networks: Names<'_, Network> = networks.iter().map(|it| (it.name.as_str(), it)).collect();
    let places = Places { clients: &known_clients, sites: &known_sites, networks: &known_networks };
    let mut hosts: Vec<Host> = hosts.into_iter().filter_map(|it| check.host(it, &places)).collect();
    hosts.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
    check.addresses(&hosts);
    let known_hosts: Names<'_, Host> = hosts.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut groups: Vec<Group> =
        groups.into_iter().map(|it| check.group(it, &known_clients, &known_hosts)).collect();
    let links = check.links(links, &known_hosts);
    let service_names: Names<'_, ServiceName> =
        services.iter().map(|it| (it.name.as_str(), &it.name)).collect();
    let known = Known {
        clients: &known_clients,
        people: &known_people,
        hosts: &known_hosts,
        services: &service_names,
    };
    let mut services: Vec<Service> = services.iter().filter_map(|it| check.service(it, &known)).collect();
    check.cycles(&services);

    people.sort_by(|a, b| a.name.cmp(&b.name));
    sites.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    services.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
    let mut inventory =
        Inventory { clients, people, sites, networks, groups, hosts, links, services, exceptions: vec![] };
    inventory.exceptions = check.exceptions(exceptions, &inventory);
    (inventory, check.problems)
}

/// Declarations of one kind by name.
type Names<'a, T> = HashMap<&'a str, &'a T>;

struct Check<'a> {
    problems: Vec<Problem>,
    broken: HashSet<String>,
    unread: &'a [String],
    is_partial: bool,
    suggestions: usize,
}

/// What hosts refer to.
struct Places<'a> {
    clients: &'a Names<'a, Client>,
    sites: &'a Names<'a, Site>,
    networks: &'a Names<'a, Network>,
}

/// What services refer to.
struct Known<'a> {
    clients: &'a Names<'a, Client>,
    people: &'a Names<'a, Person>,
    hosts: &'a Names<'a, Host>,
    services: &'a Names<'a, ServiceName>,
}

/// Who refers to something, and where.
struct Referrer<'a> {
    who: String,
    place: &'a Place,
}

impl Check<'_> {
    /// Keeps the first declaration of each name.
    fn unique<T>(&mut self, kind: &str, declared: Vec<T>, key: fn(&T) -> (&str, &Place)) -> Vec<T> {
        let mut first: HashMap<String, Place> = HashMap::with_capacity(declared.len());
        let mut kept = Vec::with_capacity(declared.len());
        for item in declared {
            let (name, place) = key(&item);
            if let Some(earlier) = first.get(name) {
                let message = format!("{kind} `{name}` is declared twice");
                let mut hint = match earlier == place {
                    true => {
                        "the same call declares it again: does a loop give each one its own name?".to_owned()
                    }
                    false => format!("the first one is at {earlier}"),
                };
                if kind == "network" {
                    hint.push_str("; where two clients have the same prefix, give each network a name");
                }
                self.problems
                    .push(Problem::new(Code::InventoryDuplicate, place.clone(), message).with_hint(hint));
                continue;
            }
            first.insert(name.to_owned(), place.clone());
            kept.push(item);
        }
        kept
    }

    fn person(&mut self, person: DeclaredPerson, clients: &Names<'_, Client>) -> Person {
        let DeclaredPerson { name, email, keys, access, place } = person;
        let from = Referrer { who: format!("person `{name}`"), place: &place };
        let mut checked = BTreeSet::new();
        for (role, client) in access {
            match client {
                None => _ = checked.insert(Access { client: None, role }),
                Some(client) => {
                    if let Some(client) = self.find(&from, "client", &client, clients) {
                        checked.insert(Access { client: Some(client.name.clone()), role });
                    }
                }
            }
        }
        Person { name, email, keys, access: checked.into_iter().collect(), place }
    }

    fn site(&mut self, site: DeclaredSite, clients: &Names<'_, Client>) -> Option<Site> {
        let DeclaredSite { name, client, title, location, place } = site;
        let from = Referrer { who: format!("site `{name}`"), place: &place };
        let Some(client) = self.find(&from, "client", &client, clients) else {
            self.broken.insert(name.as_str().to_owned());
            return None;
        };
        Some(Site { name, client: client.name.clone(), title, location, place })
    }

    fn host(&mut self, host: DeclaredHost, known: &Places<'_>) -> Option<Host> {
        let DeclaredHost { name, client, connection, site, os, tags, interfaces, data, place } = host;
        let from = Referrer { who: format!("host `{name}`"), place: &place };
        let Some(client) = self.find(&from, "client", &client, known.clients).map(|it| it.name.clone())
        else {
            self.broken.insert(name.as_str().to_owned());
            return None;
        };
        let site = site.and_then(|site| self.find(&from, "site", &site, known.sites));
        if let Some(site) = site.filter(|site| site.client != client) {
            let message = format!(
                "host `{name}` of client `{client}` stands at site `{}` of client `{}`",
                site.name, site.client
            );
            self.problems.push(Problem::new(Code::InventoryWrongClient, place.clone(), message));
        }
        let site = site.map(|site| site.name.clone());
        let interfaces =
            interfaces.into_iter().map(|it| self.interface(it, &name, &client, known.networks)).collect();
        Some(Host { name, client, connection, site, os, tags, interfaces, data, place })
    }

    fn group(&mut self, group: DeclaredGroup, clients: &Names<'_, Client>, known: &Names<'_, Host>) -> Group {
        let DeclaredGroup { name, client, hosts, place } = group;
        let from = Referrer { who: format!("group `{name}`"), place: &place };
        let client = client.and_then(|client| self.find(&from, "client", &client, clients));
        let client: Option<ClientName> = client.map(|client| client.name.clone());
        let mut found: BTreeSet<HostName> = BTreeSet::new();
        for host in hosts.into_iter().collect::<BTreeSet<_>>() {
            let Some(host) = self.find(&from, "host", &host, known) else { continue };
            if let Some(client) = client.as_ref().filter(|client| **client != host.client) {
                let message = format!(
                    "group `{name}` of client `{client}` holds host `{}` of client `{}`",
                    host.name, host.client
                );
                self.problems.push(Problem::new(Code::InventoryWrongClient, place.clone(), message));
            }
            found.insert(host.name.clone());
        }
        Group { name, client, hosts: found.into_iter().collect(), place }
    }

    fn service(&mut self, service: &DeclaredService, known: &Known<'_>) -> Option<Service> {
        let place = &service.place;
        let from = Referrer { who: format!("service `{}`", service.name), place };
        let client = self.find(&from, "client", &service.client, known.clients).map(|it| it.name.clone());
        let mut hosts: BTreeSet<HostName> = BTreeSet::new();
        for name in service.hosts.iter().collect::<BTreeSet<_>>() {
            let Some(host) = self.find(&from, "host", name, known.hosts) else { continue };
            if client.as_ref().is_some_and(|client| *client != host.client) {
                let message = format!(
                    "{} of client `{}` runs on host `{name}` of client `{}`",
                    from.who, service.client, host.client
                );
                self.problems.push(Problem::new(Code::InventoryOtherClient, place.clone(), message));
            }
            hosts.insert(host.name.clone());
        }
        let mut depends_on: BTreeSet<ServiceName> = BTreeSet::new();
        for name in service.depends_on.iter().collect::<BTreeSet<_>>() {
            depends_on.extend(self.find(&from, "service", name, known.services).cloned());
        }
        let owner = service.owner.as_ref().and_then(|name| self.find(&from, "person", name, known.people));
        let owner: Option<PersonName> = owner.map(|person| person.name.clone());
        Some(Service {
            name: service.name.clone(),
            client: client?,
            hosts: hosts.into_iter().collect(),
            port: service.port,
            package: service.package.clone(),
            paths: service.paths.clone(),
            depends_on: depends_on.into_iter().collect(),
            owner,
            is_critical: service.is_critical,
            place: place.clone(),
        })
    }

    /// Looks a name up, and reports it where nothing declares it, unless its declaration was reported
    /// already or may be in what was not read.
    fn find<'k, T>(
        &mut self,
        from: &Referrer<'_>,
        kind: &str,
        name: &str,
        known: &Names<'k, T>,
    ) -> Option<&'k T> {
        let found = known.get(name).copied();
        if found.is_none() && !self.is_partial && !self.broken.contains(name) {
            self.unknown(from, kind, name, known.keys().copied());
        }
        found
    }

    fn unknown<'n>(
        &mut self,
        from: &Referrer<'_>,
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) {
        let message = format!("{} names {kind} `{}`, which is not declared", from.who, name.escape_debug());
        let mut hints = Vec::new();
        if self.suggestions < SUGGESTIONS_MAX {
            self.suggestions += 1;
            hints.extend(alike(name, known).map(|other| format!("did you mean `{other}`?")));
        }
        if let [first, rest @ ..] = self.unread {
            let more =
                if rest.is_empty() { String::new() } else { format!(" (or {} other files)", rest.len()) };
            hints.push(format!(
                "it may be declared in {first}{more}, which could not be evaluated to its end"
            ));
        }
        let problem = Problem::new(Code::InventoryUnknownReference, from.place.clone(), message);
        self.problems.push(if hints.is_empty() { problem } else { problem.with_hint(hints.join("; ")) });
    }
}
