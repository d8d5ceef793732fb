//! Which news is within reach of the network.

use std::collections::BTreeMap;

use model::{Ecosystem, Listener, Severity};
use store::{ClientScope, HostId, ItemKind, Store};

use super::announcement::Announcement;
use super::compare::AnnouncementKind;
use super::judged::Judged;
use crate::error::Error;

/// Hosts of one announcement whose listeners are looked at; one that listens is enough.
const HOSTS_PER_ANNOUNCEMENT_MAX: usize = 1000;

/// Announcements that are looked at, the gravest first.
const ANNOUNCEMENTS_MAX: usize = 200;

/// Marks the announcements about packages of which a program listens on one of the hosts, on another
/// address than a loopback one.
pub(super) async fn mark(
    store: &Store,
    judged: &Judged,
    announcements: &mut [Announcement],
) -> Result<(), Error> {
    let is_grave = |it: &&mut Announcement| {
        matches!(it.kind, AnnouncementKind::New | AnnouncementKind::Exploited)
            && (it.is_exploited || it.severity >= Some(Severity::High))
    };
    let mut grave: Vec<_> = announcements.iter_mut().filter(is_grave).collect();
    grave.sort_by_key(|it| std::cmp::Reverse((it.is_exploited, it.severity)));
    let mut known: BTreeMap<HostId, Vec<Listener>> = BTreeMap::new();
    for announcement in grave.into_iter().take(ANNOUNCEMENTS_MAX) {
        let hosts: Vec<HostId> = announcement.hosts.iter().take(HOSTS_PER_ANNOUNCEMENT_MAX).collect();
        let missing: Vec<HostId> = hosts.iter().filter(|host| !known.contains_key(host)).copied().collect();
        if !missing.is_empty() {
            let mut observed =
                store.observed(&ClientScope::All, &missing, &[ItemKind::Listener], None).await?;
            known.extend(missing.into_iter().map(|host| {
                let listeners = observed.remove(&host).and_then(|observed| observed.listeners);
                (host, listeners.unwrap_or_default())
            }));
        }
        let mut listeners = hosts.iter().filter_map(|host| known.get(host)).flatten();
        announcement.is_exposed = listeners.any(|listener| is_reach(listener, announcement, judged));
    }
    Ok(())
}

fn is_reach(listener: &Listener, announcement: &Announcement, judged: &Judged) -> bool {
    let Some(package) = listener.package.as_ref().filter(|_| !listener.address.is_loopback()) else {
        return false;
    };
    let is_of = |ecosystem: Ecosystem, source: &model::PackageName| {
        let sources = judged.sources.get(&(ecosystem, package.clone()));
        sources.map_or(package == source, |sources| sources.contains(source))
    };
    announcement.packages.iter().any(|(ecosystem, source)| is_of(*ecosystem, source))
}
