//! One vulnerability in several databases.
//!
//! OSV is many databases in one format: what GitHub calls GHSA-..., Go calls GO-..., and both name the
//! CVE. Each record stands for itself, so that one vulnerability of one package would be answered two or
//! three times. Records that share an id are one vulnerability here, for the package that is asked about
//! and no further: through another package two that have nothing to do with each other might be joined.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use model::Fix;
use model::version::VersionScheme;

use crate::index::{AdvisoryIndex, IdNumber};
use crate::matching::Voice;

/// Puts the voices about one package that share an id, directly or over others, together. In each group
/// the one that decides comes first: the worst state, of these the fix that is furthest away (before it,
/// somebody still says "vulnerable"), of these the first in the order given.
pub(crate) fn merge(index: &AdvisoryIndex, scheme: VersionScheme, voices: Vec<Voice>) -> Vec<Vec<Voice>> {
    let mut parents: Vec<usize> = (0..voices.len()).collect();
    let mut known: HashMap<IdNumber, usize> = HashMap::new();
    for (at, voice) in voices.iter().enumerate() {
        for id in index.id_numbers(voice.advisory) {
            let other = *known.entry(*id).or_insert(at);
            join(&mut parents, other, at);
        }
    }
    let mut groups: BTreeMap<usize, Vec<Voice>> = BTreeMap::new();
    for (at, voice) in voices.into_iter().enumerate() {
        let root = root(&mut parents, at);
        groups.entry(root).or_default().push(voice);
    }
    groups.into_values().map(|group| decided(scheme, group)).collect()
}

/// Brings the deciding voice to the front and leaves the others in order.
fn decided(scheme: VersionScheme, mut group: Vec<Voice>) -> Vec<Voice> {
    let mut first = 0;
    for (at, voice) in group.iter().enumerate() {
        let (one, best) = (&voice.verdict, &group[first].verdict);
        let order = one.state.cmp(&best.state).then_with(|| compare_fixes(scheme, &best.fix, &one.fix));
        if order.is_lt() {
            first = at;
        }
    }
    group[..=first].rotate_right(1);
    group
}

/// Orders fixes by how far away they are.
fn compare_fixes(scheme: VersionScheme, a: &Fix, b: &Fix) -> Ordering {
    let key = |fix: &Fix| match fix {
        Fix::NotNeeded => 0,
        Fix::In(_) | Fix::After(_) => 1,
        Fix::NotYet => 2,
    };
    match (a, b) {
        (Fix::In(one) | Fix::After(one), Fix::In(other) | Fix::After(other)) => {
            let by_version = scheme.compare(one.as_str(), other.as_str()).unwrap_or(Ordering::Equal);
            by_version.then_with(|| matches!(a, Fix::After(_)).cmp(&matches!(b, Fix::After(_))))
        }
        _ => key(a).cmp(&key(b)),
    }
}

/// Joins two groups; the smaller position is the name of both, so the answer does not depend on the order
/// of joining.
fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b)] = a.min(b);
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}
