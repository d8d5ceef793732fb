//! Which hosts go first.

use std::collections::{BTreeMap, BTreeSet};

use model::{HostName, Plan};

use super::picture::{Affected, Picture};
use crate::patch::Order;
use crate::session::Session;

/// Returns the waves: of each platform the host whose failure would hurt least, then the others, the most urgent
/// ones first, so many at a time; all of them of those that have something to do. A host's jails go with it.
pub(super) fn order(session: &Session, picture: &Picture, changing: &BTreeSet<HostName>) -> Order {
    let settings = &session.workspace.settings;
    waves(&picture.hosts, changing, settings.respond_canaries(), settings.respond_wave_hosts())
}

fn waves(
    affected: &[Affected],
    changing: &BTreeSet<HostName>,
    canaries_max: usize,
    wave_hosts: usize,
) -> Order {
    // In the order of urgency; a host is as urgent as the most urgent of its jails.
    let mut urgent: Vec<&Affected> = Vec::new();
    for host in affected.iter().filter(|host| changing.contains(&host.controller)) {
        if urgent.iter().all(|it| it.controller != host.controller) {
            urgent.push(host);
        }
    }
    let mut by_platform: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
    for host in urgent.iter().rev() {
        let platform = host.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        by_platform.entry(platform).or_default().push(&host.controller);
    }
    let canaries: Vec<HostName> = by_platform
        .values()
        .flat_map(|hosts| hosts.iter().take(canaries_max))
        .map(|it| (*it).clone())
        .collect();
    let rest: Vec<HostName> =
        urgent.iter().map(|host| host.controller.clone()).filter(|host| !canaries.contains(host)).collect();
    let rest = rest.chunks(wave_hosts.max(1)).map(<[HostName]>::to_vec);
    Order::Named(std::iter::once(canaries).chain(rest).collect())
}

/// Returns the hosts of a plan that go first while others wait; none where all go together.
pub fn canaries(plan: &Plan) -> &[HostName] {
    match plan.waves.as_slice() {
        [first, _, ..] => first,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use model::{ClientName, Platform};
    use store::{IncidentHost, IncidentHostState};

    use super::super::Standing;
    use super::*;

    fn affected(name: &str, controller: &str, platform: &str) -> Affected {
        Affected {
            host: IncidentHost {
                client: ClientName::new("acme").expect("a name"),
                host: HostName::new(name).expect("a name"),
                rank: 1,
                reasons: Vec::new(),
                findings: Vec::new(),
                state: IncidentHostState::Vulnerable,
            },
            controller: HostName::new(controller).expect("a name"),
            platform: Platform::parse(platform).ok(),
            standing: Standing::default(),
        }
    }

    #[test]
    fn the_least_urgent_host_of_each_platform_goes_first() {
        let hosts = [
            affected("www.db", "db", "freebsd:14.1"),
            affected("web-1", "web-1", "debian:12"),
            affected("web-2", "web-2", "debian:12"),
            affected("web-3", "web-3", "debian:12"),
            affected("db", "db", "freebsd:14.1"),
            affected("edge", "edge", "alpine:3.20"),
        ];
        let name = |text: &str| HostName::new(text).expect("a name");
        let first = vec![name("edge"), name("web-3"), name("db")];
        let expected = Order::Named(vec![first, vec![name("web-1")], vec![name("web-2")]]);
        let mut changing: BTreeSet<HostName> = hosts.iter().map(|it| it.controller.clone()).collect();
        assert_eq!(waves(&hosts, &changing, 1, 1), expected);
        assert_eq!(waves(&[], &changing, 1, 1), Order::Named(vec![Vec::new()]));
        // Of Debian another one goes first where the first choice has nothing to do.
        changing.remove(&name("web-3"));
        let first = vec![name("edge"), name("web-2"), name("db")];
        assert_eq!(waves(&hosts, &changing, 1, 1), Order::Named(vec![first, vec![name("web-1")]]));
    }
}
