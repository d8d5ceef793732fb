//! Finds hosts that differ by a number only, so that three alike hosts are one line.

use crate::import::{ImportedConnection, ImportedHost};

/// Fewer hosts than this are better written one by one.
pub(super) const SERIES_MIN: usize = 3;
/// The most digits of a number that is counted.
const DIGITS_MAX: usize = 8;

/// One host, or several that a loop can declare.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'h> {
    /// A host.
    One(&'h ImportedHost),
    /// Hosts with numbers that follow each other.
    Series {
        /// The first; all others are like it but for the number.
        first: &'h ImportedHost,
        /// The number in its name.
        name: Slot<'h>,
        /// The number in its address; `None` where the address is the name or the same for all.
        address: Option<Slot<'h>>,
        /// How many hosts.
        count: usize,
    },
}

/// A number within text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot<'t> {
    /// What stands before it, leading zeros included.
    pub before: &'t str,
    /// The number.
    pub number: u32,
    /// What stands behind it.
    pub after: &'t str,
}

impl Slot<'_> {
    fn with(&self, offset: u32) -> String {
        format!("{}{}{}", self.before, self.number.saturating_add(offset), self.after)
    }
}

/// Divides the hosts of a client, keeping their order.
pub(super) fn divide<'h>(hosts: &[&'h ImportedHost]) -> Vec<Item<'h>> {
    let mut items = Vec::new();
    let mut rest = hosts;
    while let Some((first, others)) = rest.split_first() {
        let best = series(first, others);
        let taken = match &best {
            Item::Series { count, .. } => *count,
            Item::One(_) => 1,
        };
        items.push(best);
        rest = &rest[taken..];
    }
    items
}

/// Finds the longest series that begins with `first`.
fn series<'h>(first: &'h ImportedHost, others: &[&'h ImportedHost]) -> Item<'h> {
    let mut best = Item::One(first);
    let mut longest = SERIES_MIN - 1;
    let addresses: Vec<Option<Slot<'_>>> = match address(first) {
        Some(address) if address != first.name.as_str() => {
            slots(address).into_iter().rev().map(Some).chain([None]).collect()
        }
        _ => vec![None],
    };
    for name in slots(first.name.as_str()).into_iter().rev() {
        for address in &addresses {
            let follows = |(at, host): &(usize, &&ImportedHost)| {
                u32::try_from(at + 1).is_ok_and(|offset| is_next(first, host, name, *address, offset))
            };
            let count = 1 + others.iter().enumerate().take_while(follows).count();
            if count > longest {
                longest = count;
                best = Item::Series { first, name, address: *address, count };
            }
        }
    }
    best
}

fn is_next(
    first: &ImportedHost,
    host: &ImportedHost,
    name: Slot<'_>,
    slot: Option<Slot<'_>>,
    offset: u32,
) -> bool {
    if host.name.as_str() != name.with(offset) || !is_alike(first, host) {
        return false;
    }
    match (address(first), address(host), slot) {
        (Some(_), Some(there), Some(slot)) => there == slot.with(offset),
        (Some(here), Some(there), None) if here == first.name.as_str() => there == host.name.as_str(),
        (here, there, None) => here == there,
        _ => false,
    }
}

/// Says whether two hosts are the same but for name and address.
fn is_alike(first: &ImportedHost, host: &ImportedHost) -> bool {
    let is_same_way = match (&first.connection, &host.connection) {
        (
            ImportedConnection::Ssh { user, port, host_keys, .. },
            ImportedConnection::Ssh { user: other_user, port: other_port, host_keys: other_keys, .. },
        ) => user == other_user && port == other_port && host_keys == other_keys,
        (ImportedConnection::Local, ImportedConnection::Local) => true,
        _ => false,
    };
    is_same_way
        && (&first.os, &first.tags, &first.site) == (&host.os, &host.tags, &host.site)
        && (&first.groups, &first.data, &first.comments) == (&host.groups, &host.data, &host.comments)
}

pub(super) fn address(host: &ImportedHost) -> Option<&str> {
    match &host.connection {
        ImportedConnection::Local => None,
        ImportedConnection::Ssh { address, .. } => Some(address.as_str()),
    }
}

/// Finds the numbers in a text. Leading zeros belong to what stands before.
fn slots(text: &str) -> Vec<Slot<'_>> {
    let bytes = text.as_bytes();
    let mut slots = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let zeros = bytes[at..at + length - 1].iter().take_while(|byte| **byte == b'0').count();
        let (begin, end) = (at + zeros, at + length);
        if let Some(number) = text[begin..end].parse().ok().filter(|_| end - begin <= DIGITS_MAX) {
            slots.push(Slot { before: &text[..begin], number, after: &text[end..] });
        }
        at = end;
    }
    slots
}
