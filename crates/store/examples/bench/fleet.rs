//! A made-up fleet and a made-up feed: always the same ones, so that every part of a run and every run
//! speaks of the same hosts.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use model::{
    Account, AccountGroup, Address, Advisory, AdvisoryKey, Affected, Affects, Architecture, AuthorizedKey,
    Bound, Client, ClientName, Collection, Connection, CronEntry, Ecosystem, FeedName, Host, HostName,
    InstalledPackage, Inventory, JoinBy, Kernel, Listener, Observed, ObservedService, OsRelease, PackageName,
    PackagePattern, Place, PrivilegeRule, RebootNeed, Release, ReleaseScope, Repository, ServiceManager,
    Severity, Transport, UserName, Version, VersionRange, VulnerabilityId,
};

/// Clients that the hosts are dealt out to.
pub const CLIENTS: usize = 8;

/// Alpine's releases, one for each fifth of the hosts.
const RELEASES: [&str; 5] = ["3.18", "3.19", "3.20", "3.21", "3.22"];

/// More of them, for a fleet of lists.
const LISTS: [&str; 15] = [
    "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.16", "3.17", "3.18", "3.19", "3.20", "3.21", "3.22",
    "3.23", "3.24",
];

/// Which package of a release every host has: the first of these, of every hundred that it has.
const COMMON_PERCENT: usize = 60;

/// Of how many names the rest of a host's packages are drawn: people install the same few thousand.
const POPULAR: usize = 2000;

/// How many packages of its list a host lacks.
const LACKING: usize = 5;

/// When the fleet was first looked at.
const FIRST_LOOK_SECOND: i64 = 1_780_000_000;

/// A fleet and the packages that its hosts choose from.
pub struct Fleet {
    releases: Vec<Vec<InstalledPackage>>,
    names: &'static [&'static str],
}

impl Fleet {
    /// Takes Alpine's own packages where their lists are in the folder, else made-up names.
    pub fn new(aports: Option<&Path>) -> Self {
        Self::of(aports, &RELEASES)
    }

    /// Makes the fleet for [`Fleet::listed`].
    pub fn of_lists(aports: Option<&Path>) -> Self {
        Self::of(aports, &LISTS)
    }

    fn of(aports: Option<&Path>, names: &'static [&'static str]) -> Self {
        let read = |release| read_release(&aports?.join(format!("v{release}.tsv")));
        let releases = match names.iter().map(read).collect() {
            Some(releases) => releases,
            None => (0..names.len()).map(made_up).collect(),
        };
        Self { releases, names }
    }

    /// Returns what a host answers when it is first looked at: this many packages, and 60 items.
    pub fn collection(&self, host: usize, packages: usize) -> Collection {
        let release = host % self.names.len();
        let at = time(0, host);
        Collection {
            host: host_name(host),
            started_at: at - SignedDuration::from_secs(2),
            finished_at: at,
            os: Some(os(self.names[release])),
            kernel: Some(Kernel {
                name: "Linux".to_owned(),
                running: format!("6.6.{}-0-lts", 40 + release),
                installed: None,
                machine: "x86_64".to_owned(),
            }),
            packages: Some(choose(&self.releases[release], host, packages)),
            observed: observed(host),
            problems: Vec::new(),
        }
    }

    /// Returns what a host answers that has one of the lists less a few packages, so that hardly two hosts
    /// have the same set, with one service that listens.
    pub fn listed(&self, host: usize, packages: usize) -> Collection {
        let mut numbers = Numbers(host as u64);
        let mut collection = self.collection(host, 0);
        let release = &self.releases[host % self.releases.len()];
        let mut list: Vec<InstalledPackage> = release.iter().take(packages + LACKING).cloned().collect();
        for _ in 0..LACKING {
            list.swap_remove(numbers.below(list.len()));
        }
        let Observed { services, listeners, .. } = collection.observed;
        collection.observed = Observed {
            services: services.map(|all| all.into_iter().take(1).collect()),
            listeners: listeners.map(|all| all.into_iter().take(1).collect()),
            ..Observed::default()
        };
        collection.packages = Some(list);
        collection
    }

    /// Returns names to search for: of every host's packages and of some hosts'.
    pub fn names(&self, count: usize) -> Vec<PackageName> {
        let all = &self.releases[0];
        (0..count).map(|number| all[number * 7 % POPULAR.min(all.len())].name.clone()).collect()
    }
}

/// Declares hosts, dealt out to [`CLIENTS`] clients.
pub fn inventory(hosts: usize) -> Inventory {
    let client = |number: usize| Client {
        name: client_name(number),
        title: format!("Client {number}"),
        place: Place::Nowhere,
    };
    let host = |number: usize| {
        let address = Address::new(format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255));
        let connection = Connection::Ssh { address, port: 22, user: None, host_keys: Vec::new() };
        Host::new(host_name(number), client_name(number % CLIENTS), connection, Place::Nowhere)
    };
    Inventory {
        clients: (0..CLIENTS).map(client).collect(),
        hosts: (0..hosts).map(host).collect(),
        ..Inventory::default()
    }
}

/// Returns the name of a client.
pub fn client_name(number: usize) -> ClientName {
    ClientName::new(&format!("client-{number}")).expect("a client's name")
}

/// Returns the name of a host.
pub fn host_name(number: usize) -> HostName {
    HostName::new(&format!("web-{number}")).expect("a host's name")
}

/// Returns when a host's answer is in: looks are hours apart, hosts a few milliseconds.
pub fn time(hour: i64, host: usize) -> Timestamp {
    let first = Timestamp::from_second(FIRST_LOOK_SECOND).expect("in range");
    first + SignedDuration::from_hours(hour) + SignedDuration::from_millis(host as i64 * 5)
}

/// Makes the answer one of a later hour.
pub fn look_again(collection: &mut Collection, hour: i64, host: usize) {
    collection.finished_at = time(hour, host);
    collection.started_at = collection.finished_at - SignedDuration::from_secs(2);
}

/// Upgrades one package of a host.
pub fn upgrade(collection: &mut Collection, hour: i64) {
    let Some(packages) = &mut collection.packages else { return };
    let chosen = hour.unsigned_abs() as usize * 31 % packages.len();
    let package = &mut packages[chosen];
    package.version = Version::new(format!("{}.{hour}", package.source_version));
}

/// Stops or starts one service of a host.
pub fn toggle_service(collection: &mut Collection) {
    if let Some(service) = collection.observed.services.iter_mut().flatten().next() {
        service.is_running = service.is_running.map(|is_running| !is_running);
    }
}

/// Makes an advisory about a package, known by three ids.
pub fn advisory(feed: &FeedName, number: usize) -> Advisory {
    let affected = |release: &str| Affected {
        ecosystem: Ecosystem::Alpine,
        release: ReleaseScope::Only(Release::new(release)),
        repository: Some(Repository::new("main")),
        package: PackagePattern::Exact(PackageName::new(format!("package-{}", number % 5000))),
        join_by: JoinBy::Source,
        affects: Affects::Ranges {
            ranges: vec![VersionRange {
                lower: None,
                upper: Some(Bound {
                    version: Version::new(format!("1.{}-r0", number % 97)),
                    is_inclusive: false,
                }),
            }],
            earlier_fixes: Vec::new(),
        },
    };
    Advisory {
        feed: feed.clone(),
        key: AdvisoryKey::new(format!("key-{number}")),
        id: vulnerability(number),
        aliases: vec![
            VulnerabilityId::new(format!("GHSA-{number:08x}")),
            VulnerabilityId::new(format!("DSA-{number}-1")),
        ],
        summary: format!("Number {number}: a crafted request makes the program write beyond its buffer"),
        severity: Some(Severity::High),
        published: None,
        affected: RELEASES.iter().take(2).map(|release| affected(release)).collect(),
    }
}

/// Returns the first id of an advisory.
pub fn vulnerability(number: usize) -> VulnerabilityId {
    VulnerabilityId::new(format!("CVE-{}-{number}", 2000 + number % 26))
}

/// A generator of numbers that are the same everywhere (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    /// Returns a number below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit.max(1) as u64) as usize
    }
}

/// Reads `repository TAB source TAB version TAB names` lines.
fn read_release(path: &Path) -> Option<Vec<InstalledPackage>> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut packages = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (repository, source) = (fields.next()?, fields.next()?);
        let (version, names) = (fields.next()?, fields.next()?);
        packages.extend(names.split(' ').map(|name| package(repository, name, source, version)));
    }
    shuffle(&mut packages);
    Some(packages)
}

fn made_up(release: usize) -> Vec<InstalledPackage> {
    let one = |number: usize| {
        let (source, version) = (format!("source-{}", number / 3), format!("{release}.{}-r0", number % 40));
        package("main", &format!("source-{}-part-{}", number / 3, number % 3), &source, &version)
    };
    (0..20_000).map(one).collect()
}

fn package(repository: &str, name: &str, source: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(source),
        source_version: Version::new(version),
        architecture: Architecture::new("x86_64"),
        repository: Repository::new(repository),
    }
}

/// Puts the same packages first in every release, by a hash of their names.
fn shuffle(packages: &mut [InstalledPackage]) {
    let place = |it: &InstalledPackage| {
        it.name.as_str().bytes().fold(7_u64, |hash, byte| {
            let mixed = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            mixed ^ mixed >> 29
        })
    };
    packages.sort_by_cached_key(place);
}

/// What every host of the release has, and some of what is popular.
fn choose(release: &[InstalledPackage], host: usize, count: usize) -> Vec<InstalledPackage> {
    let common = count * COMMON_PERCENT / 100;
    let mut numbers = Numbers(host as u64);
    let mut chosen: Vec<usize> = (0..common).collect();
    while chosen.len() < count {
        let number = common + numbers.below(POPULAR);
        if !chosen[common..].contains(&number) {
            chosen.push(number);
        }
    }
    chosen.into_iter().filter_map(|number| release.get(number)).cloned().collect()
}

fn os(release: &str) -> OsRelease {
    OsRelease {
        id: "alpine".to_owned(),
        version: format!("{release}.1"),
        codename: None,
        pretty_name: format!("Alpine Linux v{release}"),
    }
}

/// Sixty items: 1 boot, 13 services, 8 listeners, 16 accounts, 14 groups, 2 rules, 3 keys, 2 cron lines, 1 reboot.
fn observed(host: usize) -> Observed {
    let name = |what: &str, number: usize| format!("{what}-{number}");
    let service = |number| ObservedService {
        manager: ServiceManager::OpenRc,
        name: name("service", number),
        is_enabled: Some(true),
        is_running: Some(true),
    };
    let listener = |number: u16| Listener {
        transport: Transport::Tcp,
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 1000 + number,
        process: Some(format!("daemon-{number}")),
        package: Some(PackageName::new("nginx")),
    };
    let account = |number: u32| Account {
        name: UserName::new(format!("user-{number}")),
        uid: 1000 + number,
        gid: 1000 + number,
        home: format!("/home/user-{number}"),
        shell: "/bin/ash".to_owned(),
    };
    let group = |number: u32| AccountGroup {
        name: format!("group-{number}"),
        gid: 1000 + number,
        members: vec![format!("user-{number}")],
    };
    let rule = |number| PrivilegeRule {
        file: "/etc/doas.conf".to_owned(),
        rule: name("permit nopass user", number),
    };
    let key = |number| AuthorizedKey {
        account: UserName::new("root"),
        fingerprint: format!("SHA256:{host:020}{number:023}"),
        algorithm: "ssh-ed25519".to_owned(),
        comment: name("person", number),
        options: String::new(),
    };
    let cron = |number| CronEntry {
        file: "/etc/crontabs/root".to_owned(),
        line: format!("{number} 2 * * * /usr/bin/backup {host}"),
    };
    Observed {
        booted_at: Some(time(-24, host)),
        services: Some((0..13).map(service).collect()),
        listeners: Some((0..8).map(listener).collect()),
        accounts: Some((0..16).map(account).collect()),
        groups: Some((0..14).map(group).collect()),
        privileges: Some((0..2).map(rule).collect()),
        authorized_keys: Some((0..3).map(key).collect()),
        cron: Some((0..2).map(cron).collect()),
        stale_processes: Some(Vec::new()),
        reboot: Some(RebootNeed { is_needed: false, why: String::new() }),
        ..Observed::default()
    }
}
