//! What changed, against the naive answer.

use std::collections::{BTreeMap, BTreeSet};

use model::{CronEntry, Kernel, Observed};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use store::{CHANGES_PAGE_MOMENTS, Change, ChangeEvent, ChangeQuery, ClientScope, HostId, Item, Store};

use crate::Place;
use crate::fleet::{alpine, at, collection, failure, host, inventory, only, packages, record};
use crate::observed::{everything, service, snapshot};

const ALL: ClientScope = ClientScope::All;

/// Reads every page.
pub async fn changes(
    store: &Store,
    scope: &ClientScope,
    (since, until): (i64, i64),
    hosts: Option<&[HostId]>,
) -> Vec<Change> {
    let (mut since, until) = (at(since), at(until));
    let mut found = Vec::new();
    loop {
        let page = store.changes(scope, &ChangeQuery { since, until, hosts }).await.expect("read");
        found.extend(page.changes);
        match page.next_since {
            Some(next) => since = next,
            None => return found,
        }
    }
}

fn shown(changes: &[Change]) -> Vec<String> {
    let show = |change: &Change| {
        let what = match &change.event {
            ChangeEvent::HostAdded => "added".to_owned(),
            ChangeEvent::HostRetired => "retired".to_owned(),
            ChangeEvent::FirstSeen { os } => format!("first {}", os.as_ref().map_or("-", |os| &os.version)),
            ChangeEvent::OsChanged { from, to } => format!("os {} {}", from.version, to.version),
            ChangeEvent::KernelChanged { from, to } => format!("kernel {} {}", from.running, to.running),
            ChangeEvent::PackageInstalled { package } => format!("+{}={}", package.name, package.version),
            ChangeEvent::PackageRemoved { package } => format!("-{}={}", package.name, package.version),
            ChangeEvent::PackageUpgraded { from, to } => {
                format!("{} {} < {}", to.name, from.version, to.version)
            }
            ChangeEvent::PackageDowngraded { from, to } => {
                format!("{} {} > {}", to.name, from.version, to.version)
            }
            ChangeEvent::ItemAdded { item } => format!("+{} {}", item.kind(), item.key()),
            ChangeEvent::ItemRemoved { item } => format!("-{} {}", item.kind(), item.key()),
            ChangeEvent::ItemChanged { from, to } => {
                assert_eq!((from.kind(), from.key()), (to.kind(), to.key()));
                assert_ne!(from, to);
                format!("~{} {}", to.kind(), to.key())
            }
        };
        let second = change.at.as_second() - at(0).as_second();
        format!("{second} {}/{} {what}", change.client, change.host)
    };
    changes.iter().map(show).collect()
}

pub async fn every_border_is_told_once(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    let mut first = collection("a", 10, &["curl=8.0-r0", "gone=1", "musl=1.2.5-r0"]);
    first.observed = everything();
    record(&store, &[first.clone()]).await;
    let mut second = collection("a", 20, &["curl=8.1-r0", "musl=1.2.4-r0", "new=1"]);
    second.os = Some(alpine("3.21.0"));
    second.kernel = second.kernel.map(|kernel| Kernel { running: "6.12.1".to_owned(), ..kernel });
    second.observed = Observed {
        services: Some(vec![service("nginx", true), service("sshd", false)]),
        cron: Some(vec![]),
        accounts: None,
        ..everything()
    };
    record(&store, &[second.clone()]).await;
    second.finished_at = at(30);
    record(&store, &[second.clone(), failure("a", 35)]).await;
    store.sync_inventory(&inventory(&["acme/b"]), None, at(40)).await.expect("synced");

    let all = changes(&store, &ALL, (0, 100), None).await;
    let expected = [
        "0 acme/a added",
        "10 acme/a first 3.20.3",
        "20 acme/a os 3.20.3 3.21.0",
        "20 acme/a kernel 6.6.41-0-lts 6.12.1",
        "20 acme/a curl 8.0-r0 < 8.1-r0",
        "20 acme/a -gone=1",
        "20 acme/a musl 1.2.5-r0 > 1.2.4-r0",
        "20 acme/a +new=1",
        "20 acme/a -cron /etc/crontabs/root: 0 0 * * * true",
        "20 acme/a +service openrc nginx",
        "20 acme/a ~service openrc sshd",
        "40 acme/a retired",
        "40 acme/b added",
    ];
    assert_eq!(shown(&all), expected);
    assert_eq!(
        shown(&changes(&store, &ALL, (11, 39), None).await),
        &expected[2..11],
        "both ends belong to it"
    );
    assert_eq!(shown(&changes(&store, &ALL, (20, 20), None).await), &expected[2..11]);
    assert_eq!(changes(&store, &ALL, (21, 39), None).await, []);
    assert_eq!(changes(&store, &only(&["zeta"]), (0, 100), None).await, []);
    assert_eq!(changes(&store, &ALL, (0, 100), Some(&[])).await, []);
    let b = store.hosts(&ALL).await.expect("read")[0].id;
    assert_eq!(shown(&changes(&store, &ALL, (0, 100), Some(&[b])).await), ["40 acme/b added"]);
    // A host that comes back is seen for the first time again.
    store.sync_inventory(&inventory(&["acme/a"]), None, at(50)).await.expect("synced");
    first.finished_at = at(60);
    record(&store, &[first]).await;
    let again = changes(&store, &ALL, (50, 100), None).await;
    assert_eq!(shown(&again), ["50 acme/a added", "50 acme/b retired", "60 acme/a first 3.20.3"]);
}

pub async fn pages_join_without_gap_or_repeat(place: Place) {
    let store = place.open().await;
    let count = CHANGES_PAGE_MOMENTS + 200;
    let names: Vec<String> = (0..count).map(|n| format!("acme/h{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // More hosts than a page holds, in one instant; then as many, one after the other.
    store.sync_inventory(&inventory(&names), None, at(0)).await.expect("synced");
    let looks: Vec<_> = (0..count)
        .map(|n| collection(&format!("h{n}"), 10 + i64::try_from(n / 7).expect("small"), &["musl=1"]))
        .collect();
    store.record_collections(&looks, at(1000)).await.expect("recorded");
    let found = changes(&store, &ALL, (0, 5000), None).await;
    assert_eq!(found.len(), count * 2);
    assert!(found.is_sorted_by_key(|change| change.at));
    let distinct: BTreeSet<_> = shown(&found).into_iter().collect();
    assert_eq!(distinct.len(), count * 2);
}

/// Histories that are tried, one after the other on the same database.
const HISTORIES: usize = 24;

/// One look: packages `pN` at version, cron lines, services by name and state; `None` = not read.
#[derive(Debug, Clone)]
struct Look {
    packages: Option<BTreeMap<u8, u8>>,
    lines: Option<BTreeSet<u8>>,
    services: Option<BTreeMap<u8, bool>>,
}

/// What is true after a look, in words.
type World = BTreeSet<String>;

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let packages = proptest::option::weighted(0.8, proptest::collection::btree_map(0_u8..5, 0_u8..4, 0..5));
    let lines = proptest::option::weighted(0.7, proptest::collection::btree_set(0_u8..4, 0..4));
    let services =
        proptest::option::weighted(0.7, proptest::collection::btree_map(0_u8..3, any::<bool>(), 0..3));
    let look = (packages, lines, services).prop_map(|(packages, lines, services)| Look {
        packages,
        lines,
        services,
    });
    proptest::collection::vec(look, 1..8)
}

fn observe(look: &Look) -> Observed {
    let line = |n: &u8| CronEntry { file: "f".to_owned(), line: n.to_string() };
    let services = |(name, is_running): (&u8, &bool)| service(&name.to_string(), *is_running);
    Observed {
        cron: look.lines.as_ref().map(|lines| lines.iter().map(line).collect()),
        services: look.services.as_ref().map(|all| all.iter().map(services).collect()),
        ..Observed::default()
    }
}

fn item_word(item: &Item) -> String {
    match item {
        Item::Cron(entry) => format!("cron {}", entry.line),
        Item::Service(it) => format!("service {} {:?}", it.name, it.is_running),
        other => panic!("nobody made {other:?}"),
    }
}

fn package_word(package: &model::InstalledPackage) -> String {
    format!("{}={}", package.name, package.version)
}

fn replay(world: &mut World, event: ChangeEvent) {
    let (gone, come) = match event {
        ChangeEvent::PackageInstalled { package } => (None, Some(package_word(&package))),
        ChangeEvent::PackageRemoved { package } => (Some(package_word(&package)), None),
        ChangeEvent::PackageUpgraded { from, to } | ChangeEvent::PackageDowngraded { from, to } => {
            (Some(package_word(&from)), Some(package_word(&to)))
        }
        ChangeEvent::ItemAdded { item } => (None, Some(item_word(&item))),
        ChangeEvent::ItemRemoved { item } => (Some(item_word(&item)), None),
        ChangeEvent::ItemChanged { from, to } => (Some(item_word(&from)), Some(item_word(&to))),
        _ => (None, None),
    };
    if let Some(gone) = gone {
        assert!(world.remove(&gone), "{gone} was not there");
    }
    if let Some(come) = come {
        assert!(world.insert(come.clone()), "{come} was there already");
    }
}

async fn world_at(store: &Store, second: i64) -> World {
    let mut world: World = packages(store, "a", Some(second)).await.unwrap_or_default().into_iter().collect();
    let observed = snapshot(store, "a", Some(second)).await.expect("declared").observed;
    world.extend(observed.cron.into_iter().flatten().map(|it| item_word(&Item::Cron(it))));
    world.extend(observed.services.into_iter().flatten().map(|it| item_word(&Item::Service(it))));
    world
}

pub async fn random_histories_are_replayed_from_their_changes(place: Place) {
    let store = place.open().await;
    let mut runner = TestRunner::deterministic();
    let mut second = 10;
    for _ in 0..HISTORIES {
        let looks = looks().new_tree(&mut runner).expect("a value").current();
        play(&store, &looks, &mut second).await;
    }
}

async fn play(store: &Store, looks: &[Look], second: &mut i64) {
    store.sync_inventory(&inventory(&["acme/other"]), None, at(*second)).await.expect("synced");
    store.sync_inventory(&inventory(&["acme/a"]), None, at(*second + 1)).await.expect("synced");
    *second += 2;
    // Everything is known to be empty, so that all that follows are changes.
    let empty = Look { packages: Some([].into()), lines: Some([].into()), services: Some([].into()) };
    let mut naive = empty.clone();
    let began = *second;
    let mut expected: Vec<World> = Vec::new();
    for look in std::iter::once(&empty).chain(looks) {
        naive.packages = look.packages.clone().or(naive.packages);
        naive.lines = look.lines.clone().or(naive.lines);
        naive.services = look.services.clone().or(naive.services);
        let names: Vec<String> =
            look.packages.iter().flatten().map(|(name, version)| format!("p{name}={version}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut seen = collection("a", *second, &names);
        if look.packages.is_none() {
            seen.packages = None;
        }
        seen.observed = observe(look);
        record(store, &[seen]).await;
        let mut world: World = World::new();
        world.extend(naive.packages.iter().flatten().map(|(name, version)| format!("p{name}={version}")));
        world.extend(naive.lines.iter().flatten().map(|line| format!("cron {line}")));
        world.extend(
            naive.services.iter().flatten().map(|(name, runs)| format!("service {name} Some({runs})")),
        );
        expected.push(world);
        *second += 1;
    }
    let mut replayed = World::new();
    for (step, world) in expected.iter().enumerate() {
        let at_second = began + i64::try_from(step).expect("small");
        assert_eq!(&world_at(store, at_second).await, world, "step {step} of {looks:?}");
        for change in changes(store, &ALL, (at_second, at_second), None).await {
            assert_eq!(change.host, host("a"));
            replay(&mut replayed, change.event);
        }
        assert_eq!(&replayed, world, "replayed to step {step} of {looks:?}");
    }
}
