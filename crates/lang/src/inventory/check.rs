//! The check of all declarations together: names are unique, references resolve, services need no
//! circle. What is left is the inventory.

use std::collections::{BTreeSet, HashMap, HashSet};

use model::{
    Client, ClientName, Code, Host, HostName, Inventory, Place, Problem, Service, ServiceName, ServicePackage,
};

use crate::diagnostic::alike;
use crate::inventory::session::{Declarations, DeclaredHost, DeclaredService};
use crate::limits::SUGGESTIONS_MAX;

/// Builds the inventory. `unread` are the inventory files that could not be evaluated to the end:
/// what seems to be missing may be declared in them.
pub(crate) fn check(declarations: Declarations, unread: &[String]) -> (Inventory, Vec<Problem>) {
    let Declarations { clients, hosts, services, broken, problems } = declarations;
    let mut check = Check { problems, broken, unread, suggestions: 0 };
    let clients = check.unique("client", clients, |it| (it.name.as_str(), &it.place));
    let hosts = check.unique("host", hosts, |it| (it.name.as_str(), &it.place));
    let services = check.unique("service", services, |it| (it.name.as_str(), &it.place));

    let client_names: HashMap<&str, &ClientName> =
        clients.iter().map(|it| (it.name.as_str(), &it.name)).collect();
    let mut hosts: Vec<Host> = hosts.into_iter().filter_map(|host| check.host(host, &client_names)).collect();
    let host_names: HashMap<&str, &Host> = hosts.iter().map(|it| (it.name.as_str(), it)).collect();
    let service_names: HashMap<&str, ServiceName> =
        services.iter().map(|it| (it.name.as_str(), it.name.clone())).collect();
    let known = Known { clients: &client_names, hosts: &host_names, services: &service_names };
    let mut services: Vec<Service> =
        services.iter().filter_map(|service| check.service(service, &known)).collect();
    check.cycles(&services);

    let mut clients: Vec<Client> = clients;
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    hosts.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
    services.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
    (Inventory { clients, hosts, services }, check.problems)
}

struct Check<'a> {
    problems: Vec<Problem>,
    broken: HashSet<String>,
    unread: &'a [String],
    suggestions: usize,
}

struct Known<'a> {
    clients: &'a HashMap<&'a str, &'a ClientName>,
    hosts: &'a HashMap<&'a str, &'a Host>,
    services: &'a HashMap<&'a str, ServiceName>,
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
                let hint = match earlier == place {
                    true => {
                        "the same call declares it again: does a loop give each one its own name?".to_owned()
                    }
                    false => format!("the first one is at {earlier}"),
                };
                self.problems
                    .push(Problem::new(Code::InventoryDuplicate, place.clone(), message).with_hint(hint));
                continue;
            }
            first.insert(name.to_owned(), place.clone());
            kept.push(item);
        }
        kept
    }

    fn host(&mut self, host: DeclaredHost, clients: &HashMap<&str, &ClientName>) -> Option<Host> {
        let DeclaredHost { name, client, connection, tags, place } = host;
        let Some(client) = clients.get(client.as_str()) else {
            self.unknown(&format!("host `{name}`"), "client", &client, &place, clients.keys().copied());
            self.broken.insert(name.as_str().to_owned());
            return None;
        };
        Some(Host { name, client: (*client).clone(), connection, tags, place })
    }

    fn service(&mut self, service: &DeclaredService, known: &Known<'_>) -> Option<Service> {
        let who = format!("service `{}`", service.name);
        let place = &service.place;
        let client = known.clients.get(service.client.as_str()).copied();
        if client.is_none() {
            self.unknown(&who, "client", &service.client, place, known.clients.keys().copied());
        }
        let mut hosts: BTreeSet<HostName> = BTreeSet::new();
        for name in service.hosts.iter().collect::<BTreeSet<_>>() {
            let Some(host) = known.hosts.get(name.as_str()) else {
                self.unknown(&who, "host", name, place, known.hosts.keys().copied());
                continue;
            };
            if client.is_some_and(|client| *client != host.client) {
                let message = format!(
                    "{who} of client `{}` runs on host `{name}` of client `{}`",
                    service.client, host.client
                );
                self.problems.push(Problem::new(Code::InventoryOtherClient, place.clone(), message));
            }
            hosts.insert(host.name.clone());
        }
        let mut depends_on: BTreeSet<ServiceName> = BTreeSet::new();
        for name in service.depends_on.iter().collect::<BTreeSet<_>>() {
            match known.services.get(name.as_str()) {
                Some(name) => _ = depends_on.insert(name.clone()),
                None => self.unknown(&who, "service", name, place, known.services.keys().copied()),
            }
        }
        Some(Service {
            name: service.name.clone(),
            client: client?.clone(),
            hosts: hosts.into_iter().collect(),
            port: service.port,
            package: service.package.clone().map(ServicePackage::Package),
            depends_on: depends_on.into_iter().collect(),
            is_critical: service.is_critical,
            place: place.clone(),
        })
    }

    /// Reports a name that nothing declares, unless its declaration was reported already.
    fn unknown<'n>(
        &mut self,
        who: &str,
        kind: &str,
        name: &str,
        place: &Place,
        known: impl Iterator<Item = &'n str>,
    ) {
        if self.broken.contains(name) {
            return;
        }
        let shown = name.escape_debug();
        let message = format!("{who} names {kind} `{shown}`, which is not declared");
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
        let problem = Problem::new(Code::InventoryUnknownReference, place.clone(), message);
        self.problems.push(if hints.is_empty() { problem } else { problem.with_hint(hints.join("; ")) });
    }

    /// Reports every circle of dependencies once, at its first service by name.
    fn cycles(&mut self, services: &[Service]) {
        let index: HashMap<&str, usize> =
            services.iter().enumerate().map(|(i, it)| (it.name.as_str(), i)).collect();
        let next = |at: usize, nth: usize| {
            let name = services[at].depends_on.get(nth)?;
            Some(index.get(name.as_str()).copied())
        };
        let mut state = vec![State::New; services.len()];
        for start in 0..services.len() {
            // A depth-first walk with its own stack: (service, how many of its dependencies are done).
            let mut path = vec![(start, 0)];
            while let Some((at, nth)) = path.last_mut() {
                if state[*at] == State::Done {
                    path.pop();
                    continue;
                }
                state[*at] = State::OnPath;
                let Some(needed) = next(*at, *nth) else {
                    state[*at] = State::Done;
                    path.pop();
                    continue;
                };
                *nth += 1;
                match needed.map(|needed| (needed, state[needed])) {
                    Some((needed, State::New)) => path.push((needed, 0)),
                    Some((needed, State::OnPath)) => {
                        let circle: Vec<usize> =
                            path.iter().map(|(at, _)| *at).skip_while(|at| *at != needed).collect();
                        self.report_cycle(services, circle);
                    }
                    _ => {}
                }
            }
        }
    }

    fn report_cycle(&mut self, services: &[Service], mut circle: Vec<usize>) {
        let first = (0..circle.len()).min_by_key(|nth| &services[circle[*nth]].name).unwrap_or(0);
        circle.rotate_left(first);
        let Some(start) = circle.first().map(|at| &services[*at]) else { return };
        let names: Vec<&str> = circle.iter().map(|at| services[*at].name.as_str()).collect();
        let message =
            format!("services depend on each other in a circle: {} -> {}", names.join(" -> "), start.name);
        self.problems.push(Problem::new(Code::InventoryCycle, start.place.clone(), message));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done,
}
