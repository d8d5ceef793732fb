//! Which services of all affected hosts use which source package.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClientName, Listener, Observed, PackageName, ServicePackage};
use store::{ClientScope, DeclaredService, HostId, HostSet, ItemKind};

use super::rank::SharedUse;
use crate::error::Error;
use crate::exposure::{ServiceUse, Used, is_reachable, services_using};
use crate::inquiry::Inquiry;
use crate::matched::Matched;

/// Hosts whose listeners and services are in memory together.
const HOSTS_PER_STEP: usize = 1_000;

/// Services by the source package that they use, each with the hosts where it is just so.
#[derive(Default)]
pub(super) struct Exposures {
    by_source: BTreeMap<PackageName, BTreeMap<ServiceUse, HostSet>>,
}

impl Exposures {
    /// Returns the services that use a source on some hosts, those on most hosts first.
    pub fn of(&self, source: &PackageName, hosts: &HostSet) -> Vec<SharedUse> {
        let mut shared: BTreeMap<&str, (SharedUse, HostSet)> = BTreeMap::new();
        for (it, its_hosts) in self.by_source.get(source).into_iter().flatten() {
            let mut its_hosts = its_hosts.clone();
            its_hosts.intersect_with(hosts);
            if its_hosts.is_empty() {
                continue;
            }
            let first = || (empty(&it.name), HostSet::default());
            let (entry, all_hosts) = shared.entry(&it.name).or_insert_with(first);
            all_hosts.union_with(&its_hosts);
            entry.is_exposed |= it.is_exposed();
            entry.is_critical |= it.is_critical();
            let reachable = it.listeners.iter().flatten().filter(|listener| is_reachable(listener));
            entry.listens.extend(reachable.map(shown));
        }
        let counted = |(mut it, hosts): (SharedUse, HostSet)| {
            it.hosts = hosts.len();
            it.listens.sort();
            it.listens.dedup();
            it
        };
        let mut shared: Vec<SharedUse> = shared.into_values().map(counted).collect();
        shared.sort_by(|a, b| (b.is_exposed, b.hosts, &a.name).cmp(&(a.is_exposed, a.hosts, &b.name)));
        shared
    }

    fn add(&mut self, source: &PackageName, client: &ClientName, host: HostId, uses: Vec<ServiceUse>) {
        for it in uses {
            let hosts = self.by_source.entry(source.clone()).or_default().entry(it).or_default();
            hosts.insert(client, host);
        }
    }
}

fn empty(name: &str) -> SharedUse {
    SharedUse { name: name.to_owned(), listens: Vec::new(), hosts: 0, is_exposed: false, is_critical: false }
}

/// Writes a socket as `*:22`.
fn shown(listener: &Listener) -> String {
    match listener.address {
        address if address.is_unspecified() => format!("*:{}", listener.port),
        address => std::net::SocketAddr::new(address, listener.port).to_string(),
    }
}

/// The names of each source, and the sources of each name.
struct Names<'a> {
    of_source: BTreeMap<&'a PackageName, BTreeSet<&'a PackageName>>,
    sources: BTreeMap<&'a str, BTreeSet<&'a PackageName>>,
}

impl<'a> Names<'a> {
    fn of(matched: &'a Matched) -> Self {
        let mut names = Self { of_source: BTreeMap::new(), sources: BTreeMap::new() };
        let packages = matched.versions.iter().filter(|it| it.platform.ecosystem.is_distribution());
        for version in packages {
            let (name, source) = (&version.package.name, &version.package.source);
            names.of_source.entry(source).or_default().extend([name, source]);
            for name in [name, source] {
                names.sources.entry(name.as_str()).or_default().insert(source);
            }
        }
        names
    }
}

/// Reads which services use what on the hosts of a set, step by step.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn read_exposures(
    inquiry: &Inquiry,
    scope: &ClientScope,
    matched: &Matched,
    hosts: &HostSet,
) -> Result<Exposures, Error> {
    let names = Names::of(matched);
    let has_software = matched.versions.iter().any(|it| !it.platform.ecosystem.is_distribution());
    let mut exposures = Exposures::default();
    let hosts: Vec<(&ClientName, HostId)> = hosts.members().collect();
    for hosts in hosts.chunks(HOSTS_PER_STEP) {
        let ids: Vec<HostId> = hosts.iter().map(|(_, id)| *id).collect();
        // What the host's own services are called says nothing of who can reach them.
        let observed = inquiry.store.observed(scope, &ids, &[ItemKind::Listener], None).await?;
        let declared = inquiry.store.services_of(scope, &ids).await?;
        let mut software = match has_software {
            true => inquiry.store.software_of(scope, &ids, None).await?,
            false => BTreeMap::new(),
        };
        let nothing = Observed::default();
        for (client, id) in hosts {
            let observed = observed.get(id).unwrap_or(&nothing);
            let declared = declared.get(id).map(Vec::as_slice).unwrap_or_default();
            for source in mentioned(&names, observed, declared) {
                let none = BTreeSet::new();
                let used = Used { names: names.of_source.get(source).unwrap_or(&none), path: None };
                exposures.add(source, client, *id, services_using(&used, declared, observed));
            }
            for (version, found) in software.remove(id).unwrap_or_default() {
                let none = BTreeSet::new();
                let used = Used { names: &none, path: Some(&found.path) };
                let uses = services_using(&used, declared, observed);
                exposures.add(&version.package.source, client, *id, uses);
            }
        }
    }
    Ok(exposures)
}

/// The sources that a listener or a declared service may have to do with.
fn mentioned<'a>(
    names: &Names<'a>,
    observed: &Observed,
    declared: &[DeclaredService],
) -> BTreeSet<&'a PackageName> {
    let of_listener = |it: &Listener| match (&it.package, &it.process) {
        (Some(package), _) => Some(package.to_string()),
        (None, process) => process.clone(),
    };
    let of_service = |it: &DeclaredService| {
        let package = match &it.package {
            Some(ServicePackage::Package(package)) => Some(package.to_string()),
            Some(ServicePackage::VersionCommand(_)) | None => None,
        };
        std::iter::once(it.name.to_string()).chain(package)
    };
    let listening = observed.listeners.iter().flatten().filter_map(of_listener);
    let words = listening.chain(declared.iter().flat_map(of_service));
    let words: BTreeSet<String> = words.collect();
    words.iter().filter_map(|word| names.sources.get(word.as_str())).flatten().copied().collect()
}
