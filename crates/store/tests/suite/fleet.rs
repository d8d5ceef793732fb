//! Small fleets and feeds to write tests with.

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::{
    Address, Advisory, AdvisoryKey, Affected, Affects, Architecture, Bound, Client, ClientName, Collection,
    Connection, Ecosystem, FeedName, Host, HostName, InstalledPackage, Inventory, JoinBy, Kernel, OsRelease,
    PackageName, PackagePattern, PackageVersion, Place, Release, ReleaseScope, Repository, Service,
    ServiceName, Severity, Version, VersionRange, VulnerabilityId,
};
use store::{ClientScope, HostSet, Store};

/// The second `n` of a day in 2026.
pub fn at(n: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + n).expect("in range")
}

pub fn host(name: &str) -> HostName {
    HostName::new(name).expect("a host name")
}

pub fn only(clients: &[&str]) -> ClientScope {
    let names: BTreeSet<_> =
        clients.iter().map(|name| ClientName::new(name).expect("a client name")).collect();
    ClientScope::Only(names)
}

/// Declares hosts as `client/host`.
pub fn inventory(hosts: &[&str]) -> Inventory {
    let mut inventory = Inventory::default();
    let mut clients = BTreeSet::new();
    for path in hosts {
        let (client, name) = path.split_once('/').expect("client/host");
        let client = ClientName::new(client).expect("a client name");
        if clients.insert(client.clone()) {
            let title = format!("Client {client}");
            inventory.clients.push(Client { name: client.clone(), title, place: Place::Nowhere });
        }
        let address = Address::new(format!("{name}.example"));
        let connection = Connection::Ssh { address, port: 22, user: None, host_keys: vec![] };
        inventory.hosts.push(Host::new(host(name), client, connection, Place::Nowhere));
    }
    inventory
}

/// Declares a service of hosts.
pub fn service(name: &str, client: &str, hosts: &[&str]) -> Service {
    Service {
        name: ServiceName::new(name).expect("a service's name"),
        client: ClientName::new(client).expect("a client's name"),
        hosts: hosts.iter().map(|name| host(name)).collect(),
        port: None,
        package: None,
        paths: vec![],
        depends_on: vec![],
        owner: None,
        is_critical: false,
        place: Place::Nowhere,
    }
}

/// An Alpine package `name-version` built from a source of the same name.
pub fn package(name: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(name),
        source_version: Version::new(version),
        architecture: Architecture::new("x86_64"),
        repository: Repository::new("main"),
    }
}

pub fn alpine(version: &str) -> OsRelease {
    OsRelease {
        id: "alpine".to_owned(),
        version: version.to_owned(),
        codename: None,
        pretty_name: format!("Alpine Linux v{version}"),
    }
}

/// A complete collection of an Alpine 3.20 host that has these packages (`name=version`).
pub fn collection(name: &str, second: i64, packages: &[&str]) -> Collection {
    let read = |text: &&str| {
        let (name, version) = text.split_once('=').expect("name=version");
        package(name, version)
    };
    Collection {
        host: host(name),
        started_at: at(second - 1),
        finished_at: at(second),
        os: Some(alpine("3.20.3")),
        kernel: Some(Kernel {
            name: "Linux".to_owned(),
            running: "6.6.41-0-lts".to_owned(),
            installed: None,
            machine: "x86_64".to_owned(),
        }),
        packages: Some(packages.iter().map(read).collect()),
        observed: model::Observed::default(),
        problems: vec![],
    }
}

/// A collection that brought nothing back.
pub fn failure(name: &str, second: i64) -> Collection {
    let mut collection = collection(name, second, &[]);
    (collection.os, collection.kernel, collection.packages) = (None, None, None);
    let place = Place::Host { host: host(name), part: String::new() };
    collection.problems =
        vec![model::Problem::new(model::Code::CollectUnreachable, place, "connection refused")];
    collection
}

/// Records collections at the time when the last one ended and checks that nothing is wrong after.
pub async fn record(store: &Store, collections: &[Collection]) -> store::IngestReport {
    let now = collections.iter().map(|collection| collection.finished_at).max().unwrap_or(at(0));
    let report = store.record_collections(collections, now).await.expect("recorded");
    assert_eq!(store.check_postings().await.expect("checked"), []);
    report
}

/// Returns `name=version` of each package.
pub fn shown(packages: Option<Vec<PackageVersion>>) -> Option<Vec<String>> {
    let show = |it: PackageVersion| format!("{}={}", it.package.name, it.package.version);
    Some(packages?.into_iter().map(show).collect())
}

/// Returns the packages of a host as `name=version`, now or at a second.
pub async fn packages(store: &Store, name: &str, second: Option<i64>) -> Option<Vec<String>> {
    let found = store.packages_of(&ClientScope::All, &host(name), second.map(at)).await;
    shown(found.expect("read"))
}

/// Returns the names of the hosts in a scope that have a package in any version.
pub async fn who_has(store: &Store, scope: &ClientScope, name: &str) -> Vec<String> {
    let names = [(Ecosystem::Alpine, PackageName::new(name))];
    let versions = store.package_versions_named(&names).await.expect("read");
    let versions: Vec<_> = versions.into_iter().map(|(id, _)| id).collect();
    let hosts = store.hosts_with(scope, &versions, None).await.expect("read");
    let ids: Vec<_> = HostSet::union_of(hosts.values()).iter().collect();
    let hosts = store.hosts_by_id(scope, &ids).await.expect("read");
    hosts.into_iter().map(|host| host.name.to_string()).collect()
}

/// An advisory of a feed: Alpine 3.20's `package` is affected before `fixed`.
pub fn advisory(feed: &str, key: &str, ids: &[&str], package: &str, fixed: &str) -> Advisory {
    let mut ids = ids.iter().map(|id| VulnerabilityId::new(*id));
    let upper = Bound { version: Version::new(fixed), is_inclusive: false };
    Advisory {
        feed: FeedName::new(feed),
        key: AdvisoryKey::new(key),
        id: ids.next().expect("an id"),
        aliases: ids.collect(),
        summary: format!("{package} is broken"),
        severity: Some(Severity::High),
        published: Some(jiff::civil::date(2026, 7, 1)),
        affected: vec![Affected {
            ecosystem: Ecosystem::Alpine,
            release: ReleaseScope::Only(Release::new("3.20")),
            repository: Some(Repository::new("main")),
            package: PackagePattern::Exact(PackageName::new(package)),
            join_by: JoinBy::Source,
            affects: Affects::Ranges {
                ranges: vec![VersionRange { lower: None, upper: Some(upper) }],
                earlier_fixes: vec![],
            },
        }],
    }
}
