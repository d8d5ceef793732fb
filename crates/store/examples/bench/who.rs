//! Who has what, in a large fleet of few lists: the parts `fill-who` and `read-who`.

use std::path::PathBuf;

use model::{Ecosystem, PackageName};
use store::{ClientScope, HostGroup, HostSet, ItemKind, PackageVersionId, Store};

use crate::fleet::{self, Fleet};
use crate::{LARGE_STEP, Options, Outcome, measure, record, show};

/// Hosts of a page.
const PAGE: usize = 50;

/// Hosts of a page that a program reads.
const LARGE_PAGE: usize = 1000;

/// Declares the fleet and looks at each host once; the last hundredth is never looked at.
pub async fn fill(store: &Store, options: &Options) -> Outcome {
    store.sync_inventory(&fleet::inventory(options.hosts), None, fleet::time(-1, 0)).await?;
    let fleet = Fleet::of_lists(aports(options).as_deref());
    let scanned = options.hosts - options.hosts / 100;
    for first in (0..scanned).step_by(LARGE_STEP) {
        let hosts = first..scanned.min(first + LARGE_STEP);
        let collections: Vec<_> = hosts.map(|host| fleet.listed(host, options.packages)).collect();
        record(store, &collections, 0).await?;
    }
    Ok(())
}

/// Asks what `ifrit who` and a full match ask.
pub async fn read(store: &Store, options: &Options) -> Outcome {
    let all = ClientScope::All;
    let now = None;
    let then = Some(fleet::time(1000, 0));
    let in_use = store.package_versions_in_use(&all, now).await?;
    let everything: Vec<PackageVersionId> = in_use.iter().map(|(id, _)| *id).collect();
    show("who: package versions in use", "versions", &[everything.len() as f64]);
    let names: Vec<PackageName> = in_use.iter().map(|(_, it)| it.package.name.clone()).collect();

    measure("who: hosts with a package, by client, and the first page", options, async |call| {
        let name = &names[call * 7919 % names.len()];
        let versions = store.package_versions_named(&[(Ecosystem::Alpine, name.clone())]).await?;
        let versions: Vec<PackageVersionId> = versions.into_iter().map(|(id, _)| id).collect();
        let hosts = HostSet::union_of(store.hosts_with(&all, &versions, now).await?.values());
        let counts = hosts.len_by_client();
        let page = store.host_page(&all, &hosts, None, PAGE, now).await?;
        let census = store.census(&all, now).await?;
        let ids: Vec<_> = page.iter().map(|line| line.id).collect();
        let kinds = [ItemKind::Listener, ItemKind::Service];
        let observed = store.observed(&all, &ids, &kinds, now).await?;
        let services = store.services_of(&all, &ids).await?;
        Ok((counts, page, census, observed, services))
    })
    .await?;
    let sets = store.hosts_with(&all, &everything, now).await?;
    let anyone = HostSet::union_of(sets.values());
    show("who: hosts with anything", "hosts", &[anyone.len() as f64]);
    drop(sets);
    measure("who: census", options, async |_| store.census(&all, now).await).await?;
    measure("who: those that were never looked at", options, async |_| {
        store.hosts_in(&all, &HostGroup::NeverScanned, now).await
    })
    .await?;
    let middle = anyone.iter().nth(anyone.len() / 2).map(|id| vec![id]).unwrap_or_default();
    let middle = store.hosts_by_id(&all, &middle).await?.pop().map(|host| (host.client, host.name));
    measure("who: a page of 50 in the middle", options, async |_| {
        store.host_page(&all, &anyone, middle.as_ref(), PAGE, now).await
    })
    .await?;
    measure("who: a page of 1000", options, async |_| {
        store.host_page(&all, &anyone, middle.as_ref(), LARGE_PAGE, now).await
    })
    .await?;
    let few = Options { calls: options.calls.min(10), ..options.clone() };
    measure("match: package versions in use", &few, async |_| store.package_versions_in_use(&all, now).await)
        .await?;
    measure("match: hosts with each of them", &few, async |_| store.hosts_with(&all, &everything, now).await)
        .await?;
    measure("who, at a date: hosts with a version", &few, async |call| {
        store.hosts_with(&all, &everything[call..=call], then).await
    })
    .await?;
    measure("who, at a date: census", &few, async |_| store.census(&all, then).await).await?;
    measure("match, at a date: package versions in use", &few, async |_| {
        store.package_versions_in_use(&all, then).await
    })
    .await
}

fn aports(options: &Options) -> Option<PathBuf> {
    let shared = std::env::var_os("IFRIT_SHARED_DATA").map(PathBuf::from);
    options.aports.clone().or_else(|| Some(shared?.join("packages/alpine-aports")))
}
