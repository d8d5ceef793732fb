//! Who had what, and when: sets of packages and software, groups of hosts and pages of them, against the
//! naive answer.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClientName, HostName, Observed, Platform, Software, SoftwareKind};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use store::{CensusRow, ClientScope, HostGroup, HostId, HostSet, ItemKind, PackageVersionId, Store};

use crate::Place;
use crate::fleet::{alpine, at, collection, failure, host, inventory, only, record};
use crate::postings::execute;

const ALL: ClientScope = ClientScope::All;

/// Histories that are tried, one after the other on the same database.
const HISTORIES: usize = 8;

/// Hosts of a history.
const HOSTS: usize = 6;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// A host has these packages, and this software where it was read.
    Seen(usize, BTreeSet<u8>, Option<BTreeSet<u8>>),
    /// A host did not tell its packages.
    NoPackages(usize),
    /// A host runs something that has no advisories.
    Unsupported(usize),
    /// A host did not answer.
    Silence(usize),
    /// These hosts are declared.
    Declared(BTreeSet<usize>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let packages = || proptest::collection::btree_set(0_u8..5, 0..5);
    let software = proptest::option::of(packages());
    let step = prop_oneof![
        6 => (0..HOSTS, packages(), software).prop_map(|(host, packages, software)| Step::Seen(host, packages, software)),
        1 => (0..HOSTS).prop_map(Step::NoPackages),
        1 => (0..HOSTS).prop_map(Step::Unsupported),
        1 => (0..HOSTS).prop_map(Step::Silence),
        2 => proptest::collection::btree_set(0..HOSTS, 0..=HOSTS).prop_map(Step::Declared),
    ];
    proptest::collection::vec(step, 1..14)
}

/// What should be known of a host.
#[derive(Debug, Clone, Default)]
struct Known {
    is_declared: bool,
    was_looked_at: bool,
    /// The operating system, and whether it is supported.
    system: Option<bool>,
    packages: Option<BTreeSet<u8>>,
    software: Option<BTreeSet<u8>>,
}

impl Known {
    fn group(&self) -> HostGroup {
        let platform = Platform::parse("alpine:3.20").expect("a platform");
        match (self.system, &self.packages) {
            (Some(true), Some(_)) => HostGroup::Platform(platform),
            (Some(true), None) => HostGroup::PackagesUnknown(platform),
            (Some(false), _) => {
                HostGroup::Unsupported { os_id: "plan9".to_owned(), os_version: String::new() }
            }
            (None, _) if self.was_looked_at => HostGroup::SystemUnknown,
            (None, _) => HostGroup::NeverScanned,
        }
    }

    /// Names of all that it has.
    fn names(&self) -> impl Iterator<Item = String> {
        let packages = self.packages.iter().flatten().map(|number| format!("p{number}"));
        packages.chain(self.software.iter().flatten().map(|number| format!("s{number}")))
    }
}

type Fleet = BTreeMap<usize, Known>;

fn name(number: usize) -> String {
    format!("h{number}")
}

fn client(number: usize) -> ClientName {
    ClientName::new(&format!("client{}", number % 2)).expect("a client's name")
}

fn software(name: &str) -> Software {
    Software {
        kind: SoftwareKind::Npm,
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        purl: format!("pkg:npm/{name}@1.0.0"),
        path: format!("/opt/shop/node_modules/{name}/package.json"),
    }
}

fn has_software(names: impl IntoIterator<Item = String>) -> Observed {
    // What has no package URL is an item and nothing else.
    let mut all = vec![Software { purl: String::new(), ..software("shop") }];
    all.extend(names.into_iter().map(|name| software(&name)));
    Observed { software: Some(all), ..Observed::default() }
}

async fn declare(store: &Store, hosts: &BTreeSet<usize>, fleet: &mut Fleet, second: i64) {
    let paths: Vec<String> = hosts.iter().map(|host| format!("{}/{}", client(*host), name(*host))).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    store.sync_inventory(&inventory(&paths), None, at(second)).await.expect("synced");
    for (number, known) in fleet {
        let is_declared = hosts.contains(number);
        if !is_declared {
            *known = Known { was_looked_at: known.was_looked_at, ..Known::default() };
        }
        known.is_declared = is_declared;
    }
}

async fn take(store: &Store, step: &Step, fleet: &mut Fleet, second: i64) {
    let (number, look) = match step {
        Step::Declared(hosts) => return declare(store, hosts, fleet, second).await,
        Step::Seen(number, packages, installed) => {
            let packages: Vec<String> = packages.iter().map(|package| format!("p{package}=1")).collect();
            let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
            let mut look = collection(&name(*number), second, &packages);
            if let Some(installed) = installed {
                look.observed = has_software(installed.iter().map(|number| format!("s{number}")));
            }
            (number, look)
        }
        Step::NoPackages(number) => {
            let mut look = collection(&name(*number), second, &[]);
            look.packages = None;
            (number, look)
        }
        Step::Unsupported(number) => {
            let mut look = collection(&name(*number), second, &["p0=1"]);
            look.os = Some(model::OsRelease { id: "plan9".to_owned(), ..alpine("") });
            (number, look)
        }
        Step::Silence(number) => (number, failure(&name(*number), second)),
    };
    record(store, &[look]).await;
    let Some(known) = fleet.get_mut(number).filter(|known| known.is_declared) else { return };
    known.was_looked_at = true;
    match step {
        Step::Seen(_, packages, installed) => {
            known.system = Some(true);
            known.packages = Some(packages.clone());
            known.software = installed.clone().or(known.software.take());
        }
        Step::NoPackages(_) => known.system = Some(true),
        Step::Unsupported(_) => (known.system, known.packages) = (Some(false), None),
        Step::Silence(_) | Step::Declared(_) => {}
    }
}

pub async fn random_histories_are_answered_for_every_moment(place: Place) {
    let store = place.open().await;
    // As of another process: what it has counted before must not outlive what this one writes.
    let reader = place.open().await;
    let mut runner = TestRunner::deterministic();
    let mut second = 10;
    let mut looked_at: BTreeSet<usize> = BTreeSet::new();
    for _ in 0..HISTORIES {
        let steps = steps().new_tree(&mut runner).expect("a value").current();
        let known = |number| Known { was_looked_at: looked_at.contains(&number), ..Known::default() };
        let mut fleet: Fleet = (0..HOSTS).map(|number| (number, known(number))).collect();
        let mut moments: Vec<(i64, Fleet)> = Vec::new();
        declare(&store, &BTreeSet::new(), &mut fleet, second).await;
        let first = (0..HOSTS).collect();
        second += 1;
        declare(&store, &first, &mut fleet, second).await;
        moments.push((second, fleet.clone()));
        for step in &steps {
            second += 2;
            take(&store, step, &mut fleet, second).await;
            moments.push((second, fleet.clone()));
            for asked in [&reader, &store] {
                let census = asked.census(&ALL, None).await.expect("read");
                assert_eq!(census, census_rows(&groups(&fleet, &ALL)), "now, after {step:?} of {steps:?}");
            }
        }
        check(&store, &fleet, None, &steps).await;
        for (moment, fleet) in &moments {
            check(&store, fleet, Some(*moment), &steps).await;
            check(&store, fleet, Some(moment + 1), &steps).await;
        }
        looked_at =
            fleet.iter().filter(|(_, known)| known.was_looked_at).map(|(number, _)| *number).collect();
        second += 2;
    }
}

/// Compares every question about a moment with the naive answer.
async fn check(store: &Store, fleet: &Fleet, second: Option<i64>, steps: &[Step]) {
    let what = format!("at {second:?} after {steps:?}");
    let moment = second.map(at);
    for scope in [ALL, only(&["client1"]), only(&["nobody"])] {
        let mut having: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (number, known) in seen(fleet, &scope) {
            for name in known.names() {
                having.entry(name).or_default().insert(number);
            }
        }
        let groups = groups(fleet, &scope);
        let in_use = store.package_versions_in_use(&scope, moment).await.expect("read");
        let names: BTreeSet<String> = in_use.iter().map(|(_, it)| it.package.name.to_string()).collect();
        assert_eq!(names, having.keys().cloned().collect(), "in use {what}");
        let everything = store.package_versions_in_use(&ALL, moment).await.expect("read");
        let ids: Vec<PackageVersionId> = everything.iter().map(|(id, _)| *id).collect();
        let found = store.hosts_with(&scope, &ids, moment).await.expect("read");
        let mut found_names = BTreeMap::new();
        for (id, version) in &everything {
            if let Some(hosts) = found.get(id) {
                let name = version.package.name.to_string();
                found_names.insert(name, numbers(store, &scope, hosts, moment).await);
            }
        }
        assert_eq!(found_names, having, "who {what}");
        let census = store.census(&scope, moment).await.expect("read");
        assert_eq!(census, census_rows(&groups), "census {what}");
        for group in groups.keys().map(|(_, group)| group) {
            let members = store.hosts_in(&ALL, group, moment).await.expect("read");
            let some = store.census_of(&scope, &members, moment).await.expect("read");
            let of_group: Vec<_> = census.iter().filter(|row| row.group == *group).cloned().collect();
            assert_eq!(some, of_group, "census of {group:?} {what}");
            let expected: BTreeSet<usize> = groups
                .iter()
                .filter(|((_, it), _)| it == group)
                .flat_map(|(_, hosts)| hosts.clone())
                .collect();
            let hosts = store.hosts_in(&scope, group, moment).await.expect("read");
            assert_eq!(numbers(store, &scope, &hosts, moment).await, expected, "{group:?} {what}");
        }
    }
}

/// The declared hosts that a scope sees.
fn seen<'a>(fleet: &'a Fleet, scope: &'a ClientScope) -> impl Iterator<Item = (usize, &'a Known)> {
    let sees = move |number: usize| match scope {
        ClientScope::All => true,
        ClientScope::Only(clients) => clients.contains(&client(number)),
    };
    let declared = fleet.iter().filter(|(_, known)| known.is_declared);
    declared.map(|(number, known)| (*number, known)).filter(move |(number, _)| sees(*number))
}

type Groups = BTreeMap<(ClientName, HostGroup), BTreeSet<usize>>;

fn groups(fleet: &Fleet, scope: &ClientScope) -> Groups {
    let mut groups = Groups::new();
    for (number, known) in seen(fleet, scope) {
        groups.entry((client(number), known.group())).or_default().insert(number);
    }
    groups
}

fn census_rows(groups: &Groups) -> Vec<CensusRow> {
    let row = |((client, group), hosts): (&(ClientName, HostGroup), &BTreeSet<usize>)| CensusRow {
        client: client.clone(),
        group: group.clone(),
        hosts: hosts.len(),
    };
    groups.iter().map(row).collect()
}

/// Pages through a set and returns the numbers of its hosts.
async fn numbers(
    store: &Store,
    scope: &ClientScope,
    hosts: &HostSet,
    at: Option<jiff::Timestamp>,
) -> BTreeSet<usize> {
    let names = paged(store, scope, hosts, 2, at).await;
    assert_eq!(names.len(), hosts.len());
    names.iter().map(|(_, name)| name.as_str()[1..].parse().expect("a number")).collect()
}

async fn paged(
    store: &Store,
    scope: &ClientScope,
    hosts: &HostSet,
    limit: usize,
    at: Option<jiff::Timestamp>,
) -> Vec<(ClientName, HostName)> {
    let mut names: Vec<(ClientName, HostName)> = Vec::new();
    loop {
        let page = store.host_page(scope, hosts, names.last(), limit, at).await.expect("read");
        assert!(page.len() <= limit && page.iter().all(|line| hosts.contains(line.id)));
        names.extend(page.iter().map(|line| (line.client.clone(), line.name.clone())));
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        if page.len() < limit {
            return names;
        }
    }
}

pub async fn pages_of_a_large_set_join(place: Place) {
    let store = place.open().await;
    // More of one client than are asked for one by one, and upper case in front, as bytes have it.
    let mut paths: Vec<String> = (0..2100).map(|number| format!("big/h{number}")).collect();
    paths.extend(["big/Zebra", "acme/a", "zeta/z", "zeta/b"].map(str::to_owned));
    let declared: Vec<&str> = paths.iter().map(String::as_str).collect();
    store.sync_inventory(&inventory(&declared), None, at(0)).await.expect("synced");
    let everyone = store.hosts_in(&ALL, &HostGroup::NeverScanned, None).await.expect("read");
    let mut expected: Vec<(ClientName, HostName)> = paths
        .iter()
        .map(|path| path.split_once('/').expect("client/host"))
        .map(|(client, name)| (ClientName::new(client).expect("a client's name"), host(name)))
        .collect();
    expected.sort();
    for limit in [100, 700, 5000] {
        assert_eq!(paged(&store, &ALL, &everyone, limit, None).await, expected, "pages of {limit}");
    }
    let after = (ClientName::new("big").expect("a client's name"), host("h2098"));
    let page = store.host_page(&ALL, &everyone, Some(&after), 3, None).await.expect("read");
    let names: Vec<&str> = page.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["h2099", "h21", "h210"]);
    let last = (ClientName::new("big").expect("a client's name"), host("h999"));
    let page = store.host_page(&ALL, &everyone, Some(&last), 3, None).await.expect("read");
    assert_eq!(page.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["b", "z"]);
    assert_eq!(paged(&store, &only(&["zeta"]), &everyone, 1, None).await, expected[expected.len() - 2..]);
    assert!(store.host_page(&ALL, &everyone, None, 0, None).await.expect("read").is_empty());
}

pub async fn a_line_tells_what_was_known_then(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["musl=1"])]).await;
    record(&store, &[failure("a", 20)]).await;
    let mut look = collection("a", 30, &["musl=1"]);
    look.os = Some(alpine("3.21.0"));
    record(&store, &[look]).await;
    let ids: Vec<_> = store
        .package_versions_in_use(&ALL, Some(at(15)))
        .await
        .expect("read")
        .into_iter()
        .map(|it| it.0)
        .collect();
    let hosts = &store.hosts_with(&ALL, &ids, Some(at(15))).await.expect("read")[&ids[0]];
    let check = async |second: Option<i64>, release: Option<&str>, packages_at: Option<i64>| {
        let page = store.host_page(&ALL, hosts, None, 10, second.map(at)).await.expect("read");
        let line = page.first().expect("one host");
        let shown = line.platform.as_ref().map(|platform| platform.release.as_str());
        assert_eq!((shown, line.packages_at), (release, packages_at.map(at)), "at {second:?}");
        assert_eq!(line.os.is_some(), release.is_some());
        assert_eq!(line.answered_at, packages_at.map(at));
    };
    check(None, Some("3.21"), Some(30)).await;
    check(Some(25), Some("3.20"), Some(10)).await;
    check(Some(5), None, None).await;
}

pub async fn software_is_filled_in_by_an_unchanged_scan(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    let look = |second| {
        let mut look = collection("a", second, &["musl=1"]);
        look.observed = has_software(["left-pad".to_owned()]);
        look
    };
    record(&store, &[look(10)]).await;
    // As a database is that was brought up to date: its items know the software.
    execute(&place, "DELETE FROM host_software_set").await;
    execute(
        &place,
        "DELETE FROM posting WHERE package_version_id IN (SELECT id FROM package_version WHERE ecosystem = 'npm')",
    )
    .await;
    assert_eq!(in_use(&store).await, ["musl"]);
    record(&store, &[look(20)]).await;
    assert_eq!(in_use(&store).await, ["left-pad", "musl"]);
    let changes = store::ChangeQuery { since: at(15), until: at(25), hosts: None };
    assert_eq!(store.changes(&ALL, &changes).await.expect("read").changes, [], "nothing became different");

    let all = store.hosts(&ALL).await.expect("read");
    let ids: Vec<HostId> = all.iter().map(|host| host.id).collect();
    let of = store.software_of(&ALL, &ids, None).await.expect("read");
    let (version, file) = &of[&ids[0]][0];
    assert_eq!((of.len(), of[&ids[0]].len()), (1, 1));
    assert_eq!((version.package.name.as_str(), file.kind), ("left-pad", SoftwareKind::Npm));
    assert_eq!(file.path, "/opt/shop/node_modules/left-pad/package.json");
    assert!(store.software_of(&only(&["zeta"]), &ids, None).await.expect("read").is_empty());
    assert!(store.software_of(&ALL, &ids, Some(at(5))).await.expect("read").is_empty());
    assert_eq!(all[0].package_count, Some(1), "software is no package");
    let packages = store.packages_of(&ALL, &host("a"), None).await.expect("read").expect("known");
    assert_eq!(packages.len(), 1);
    let items = store.observed(&ALL, &ids, &[ItemKind::Software], None).await.expect("read");
    assert_eq!(items[&ids[0]].software.as_ref().map(Vec::len), Some(2), "the item without package URL too");

    store.sync_inventory(&inventory(&["zeta/z"]), None, at(30)).await.expect("synced");
    assert_eq!(store.check_postings().await.expect("checked"), []);
    assert_eq!(in_use(&store).await, [""; 0]);
}

async fn in_use(store: &Store) -> Vec<String> {
    let found = store.package_versions_in_use(&ALL, None).await.expect("read");
    let mut names: Vec<String> = found.into_iter().map(|(_, it)| it.package.name.to_string()).collect();
    names.sort();
    names
}
