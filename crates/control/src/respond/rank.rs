//! Which hosts are the most urgent, and why. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Host, HostName, Inventory, ServiceName, Severity};

use crate::exposure::{ServiceUse, is_reachable};

/// Services that the reasons name; the others are counted.
const SERVICES_NAMED_MAX: usize = 3;
/// The tag that says that the internet reaches a host whose own address does not show it.
const INTERNET_TAG: &str = "internet-facing";

/// What a host's place in the order is made of; the fields weigh in their order, greater comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Standing {
    /// A vulnerability of it is being exploited, says CISA's catalogue.
    pub is_exploited: bool,
    /// The internet reaches a service that uses what is vulnerable.
    pub is_internet_facing: bool,
    /// Others than the host itself reach such a service.
    pub is_exposed: bool,
    /// A service whose failure is an emergency uses it.
    pub is_critical: bool,
    /// How many services need, directly or not, a service of the host.
    pub dependants: usize,
    /// The highest severity that a feed gives.
    pub severity: Option<Severity>,
}

/// Judges one host by the services that use what is vulnerable there.
pub(super) fn standing(
    inventory: &Inventory,
    host: Option<&Host>,
    uses: &[ServiceUse],
    is_exploited: bool,
    severity: Option<Severity>,
) -> Standing {
    let is_exposed = uses.iter().any(ServiceUse::is_exposed);
    Standing {
        is_exploited,
        is_internet_facing: is_exposed && host.is_some_and(|host| is_internet_facing(host, uses)),
        is_exposed,
        is_critical: uses.iter().any(ServiceUse::is_critical),
        dependants: host.map_or(0, |host| dependants(inventory, &host.name).len()),
        severity,
    }
}

/// Says why a host stands where it stands, the weightiest reason first.
pub(super) fn reasons(
    standing: &Standing,
    uses: &[ServiceUse],
    exploited_since: Option<String>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if standing.is_exploited {
        reasons.push(match exploited_since {
            Some(since) => format!("exploited since {since}"),
            None => "exploited".to_owned(),
        });
    }
    if standing.is_internet_facing {
        reasons.push("faces the internet".to_owned());
    }
    let exposed: Vec<&ServiceUse> = uses.iter().filter(|it| it.is_exposed()).collect();
    for it in exposed.iter().take(SERVICES_NAMED_MAX) {
        let listeners = it.listeners.iter().flatten().filter(|listener| is_reachable(listener));
        let places: BTreeSet<String> = listeners.map(place).collect();
        let places: Vec<String> = places.into_iter().collect();
        reasons.push(format!("{} listens on {}", it.name, places.join(", ")));
    }
    if let more @ 1.. = exposed.len().saturating_sub(SERVICES_NAMED_MAX) {
        reasons.push(format!("{more} more services listen"));
    }
    let critical: BTreeSet<&str> =
        uses.iter().filter(|it| it.is_critical()).map(|it| it.name.as_str()).collect();
    if !critical.is_empty() {
        let names: Vec<&str> = critical.into_iter().collect();
        reasons.push(format!("critical: {}", names.join(", ")));
    }
    match standing.dependants {
        0 => {}
        1 => reasons.push("1 service depends on it".to_owned()),
        more => reasons.push(format!("{more} services depend on it")),
    }
    reasons.extend(standing.severity.map(|severity| format!("severity {}", severity.as_str())));
    reasons
}

fn place(listener: &model::Listener) -> String {
    match listener.address {
        address if address.is_unspecified() => format!("*:{}", listener.port),
        address => std::net::SocketAddr::new(address, listener.port).to_string(),
    }
}

/// A public address of its own, a socket on one, or a declaration.
fn is_internet_facing(host: &Host, uses: &[ServiceUse]) -> bool {
    let is_declared = host.tags.iter().any(|tag| tag.as_str() == INTERNET_TAG);
    let own = host.interfaces.iter().flat_map(|interface| &interface.addresses).map(|it| it.address);
    let reached = match &host.connection {
        model::Connection::Ssh { address, .. } => address.as_str().parse::<IpAddr>().ok(),
        model::Connection::Local => None,
    };
    let listening = uses.iter().flat_map(|it| it.listeners.iter().flatten()).map(|it| it.address);
    is_declared || own.chain(reached).chain(listening).any(is_public)
}

/// Says whether the internet routes an address (the special-purpose registries of RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_benchmark = a == 198 && (b == 18 || b == 19);
            let is_reserved = a == 0 || a >= 224 || (a == 192 && b == 0 && address.octets()[2] == 0);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                || is_shared
                || is_benchmark
                || is_reserved)
        }
        IpAddr::V6(address) => {
            let segments = address.segments();
            let is_documentation = segments[0] == 0x2001 && segments[1] == 0xdb8;
            // Global unicast is 2000::/3.
            segments[0] & 0xe000 == 0x2000 && !is_documentation
        }
    }
}

/// Returns the services that need a service of the host, directly or not, and do not run on it alone.
fn dependants<'i>(inventory: &'i Inventory, host: &HostName) -> BTreeSet<&'i ServiceName> {
    let own: Vec<&ServiceName> = inventory
        .services
        .iter()
        .filter(|service| service.hosts.contains(host))
        .map(|service| &service.name)
        .collect();
    let mut needing: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for service in &inventory.services {
        for needed in &service.depends_on {
            needing.entry(needed).or_default().push(&service.name);
        }
    }
    let (mut found, mut waiting) = (BTreeSet::new(), own.clone());
    while let Some(service) = waiting.pop() {
        for next in needing.get(service).into_iter().flatten() {
            if !own.contains(next) && found.insert(*next) {
                waiting.push(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_those_that_the_internet_routes() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_public(text.parse().expect("an address")), expected, "{text}");
        };
        for public in ["8.8.8.8", "100.63.0.1", "172.32.0.1", "2a01:4f8::1"] {
            check(public, true);
        }
        for other in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.2",
            "192.0.2.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
        ] {
            check(other, false);
        }
    }

    #[test]
    fn what_is_exploited_outweighs_everything_else() {
        let exploited = Standing { is_exploited: true, ..Standing::default() };
        let facing =
            Standing { is_internet_facing: true, is_exposed: true, is_critical: true, ..Standing::default() };
        let needed = Standing { dependants: 50, ..Standing::default() };
        let mut all = vec![needed, exploited, facing];
        all.sort_by(|a, b| b.cmp(a));
        assert_eq!(all, [exploited, facing, needed]);
    }
}
