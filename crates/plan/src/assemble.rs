//! From the steps of hosts to one plan.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use model::{HostName, HostPlan, Plan};

use crate::deploy::Order;
use crate::wire::write_plan;

/// Makes the plan of a deploy. Hosts are sorted by name; the same hosts give the same plan, in whatever
/// order they come.
pub fn plan(deploy: &str, mut hosts: Vec<HostPlan>, order: Order) -> Plan {
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    hosts.dedup_by(|a, b| a.host == b.host);
    let names: Vec<HostName> = hosts.iter().map(|host| host.host.clone()).collect();
    Plan { deploy: deploy.to_owned(), waves: waves(&names, order), hosts }
}

/// Returns the SHA-256 of a plan as [`write_plan`] writes it: what an approval signs.
pub fn content_hash(plan: &Plan) -> [u8; 32] {
    write_and_hash(plan).1
}

/// Returns what [`write_plan`] writes, and its SHA-256.
pub fn write_and_hash(plan: &Plan) -> (Vec<u8>, [u8; 32]) {
    let bytes = write_plan(plan);
    let hash = Sha256::digest(&bytes).into();
    (bytes, hash)
}

fn waves(names: &[HostName], order: Order) -> Vec<Vec<HostName>> {
    let (first, size) = match order {
        Order::Together => (0, names.len()),
        Order::Serial(size) => (0, size),
        Order::Waves { canary, size } => (canary, size),
        Order::Named(waves) => return named(names, &waves),
    };
    let (canaries, rest) = names.split_at(first.min(names.len()));
    let canaries = (!canaries.is_empty()).then(|| canaries.to_vec());
    canaries.into_iter().chain(rest.chunks(size.max(1)).map(<[HostName]>::to_vec)).collect()
}

fn named(names: &[HostName], waves: &[Vec<HostName>]) -> Vec<Vec<HostName>> {
    let mut left: BTreeSet<&HostName> = names.iter().collect();
    let mut taken: Vec<Vec<HostName>> = Vec::new();
    for wave in waves {
        taken.push(wave.iter().filter(|name| left.remove(name)).cloned().collect());
    }
    taken.push(left.into_iter().cloned().collect());
    taken.retain(|wave| !wave.is_empty());
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: usize, order: Order, expected: &[usize]) {
        let names: Vec<HostName> =
            (0..count).map(|at| HostName::new(&format!("h{at:02}")).expect("a name")).collect();
        let waves = waves(&names, order.clone());
        assert_eq!(waves.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{count} {order:?}");
        assert_eq!(waves.concat(), names);
    }

    #[test]
    fn named_waves_hold_every_host_once() {
        let name = |text: &str| HostName::new(text).expect("a name");
        let names = ["a", "b", "c", "d"].map(name);
        let asked = vec![vec![name("c"), name("gone")], vec![name("a"), name("c")], vec![name("gone")]];
        let waves = waves(&names, Order::Named(asked));
        assert_eq!(waves, [vec![name("c")], vec![name("a")], vec![name("b"), name("d")]]);
    }

    #[test]
    fn every_host_is_in_one_wave() {
        check(0, Order::Together, &[]);
        check(5, Order::Together, &[5]);
        check(5, Order::Serial(2), &[2, 2, 1]);
        check(5, Order::Waves { canary: 1, size: 3 }, &[1, 3, 1]);
        check(1, Order::Waves { canary: 3, size: 3 }, &[1]);
        check(0, Order::Waves { canary: 1, size: 3 }, &[]);
    }
}
