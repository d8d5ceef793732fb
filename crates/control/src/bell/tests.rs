//! Histories: what the bell says after each step, and that it says it once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use model::{
    Advisory, AdvisoryKey, Affected, Affects, Architecture, Bound, Collection, Ecosystem,
    ExploitedVulnerability, FeedName, HostName, InstalledPackage, JoinBy, Listener, Observed, ObservedJail,
    OsRelease, PackageName, PackagePattern, Release, ReleaseScope, Repository, Severity, Transport, Version,
    VersionRange, VulnerabilityId,
};
use proptest::prelude::*;
use store::{CoverageRow, NewSnapshot};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::notify::{DeliveryLimits, hosts_text, kind_word, subject};
use crate::session::OnFaultyWorkspace;
use crate::workspace::Surroundings;

/// A clock that goes on by a second each time it is read.
#[derive(Clone, Default)]
struct Ticking(Arc<AtomicI64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let seconds = 1_780_000_000 + self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(seconds).expect("a time")
    }
}

/// A workspace of its own with hosts web-1 and web-2 of acme and db-1 of globex.
pub(crate) struct World {
    folder: TempDir,
    clock: Ticking,
    pub(crate) session: Session,
}

const HOSTS: [(&str, &str); 3] = [("web-1", "acme"), ("web-2", "acme"), ("db-1", "globex")];

impl World {
    pub(crate) async fn new(settings: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("ifrit.toml"), settings).expect("written");
        std::fs::create_dir(folder.path().join("inventory")).expect("made");
        declare(folder.path(), &HOSTS);
        let clock = Ticking::default();
        let session = open(folder.path(), &clock).await;
        Self { folder, clock, session }
    }

    /// Declares other hosts and begins a new session.
    async fn declare(&mut self, hosts: &[(&str, &str)]) {
        declare(self.folder.path(), hosts);
        self.session = open(self.folder.path(), &self.clock).await;
    }

    /// Begins a new session, as a new process would.
    pub(crate) async fn reopen(&mut self) {
        self.session = open(self.folder.path(), &self.clock).await;
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    /// Records that hosts answered.
    async fn record(&self, collections: &[Collection]) {
        let stamped: Vec<_> = collections
            .iter()
            .map(|it| {
                let now = self.clock.now();
                Collection { started_at: now, finished_at: now, ..it.clone() }
            })
            .collect();
        self.session.store.record_collections(&stamped, self.clock.now()).await.expect("recorded");
    }

    pub(crate) async fn scan(&self, host: &str, packages: &[(&str, &str)]) {
        self.record(&[collection(host, "3.20", packages)]).await;
    }

    /// Puts a snapshot of Alpine's advisories into use.
    pub(crate) async fn feed(&self, advisories: &[Advisory]) {
        let rows = ["3.20", "3.21"].map(|release| CoverageRow {
            ecosystem: Ecosystem::Alpine,
            release: ReleaseScope::Only(Release::new(release)),
            repository: None,
        });
        self.snapshot("alpine-secdb", advisories, &[], &rows[..1]).await;
    }

    async fn snapshot(
        &self,
        feed: &str,
        advisories: &[Advisory],
        exploited: &[ExploitedVulnerability],
        coverage: &[CoverageRow],
    ) {
        let new = NewSnapshot {
            feed: &FeedName::new(feed),
            origin: "test",
            advisories,
            exploited,
            coverage,
            problems: &[],
            accept_shrunken: true,
        };
        self.session.store.record_snapshot(&new, self.clock.now()).await.expect("recorded");
    }

    /// Puts CISA's catalogue into use.
    pub(crate) async fn exploited(&self, ids: &[&str]) {
        let entry = |id: &&str| ExploitedVulnerability {
            id: VulnerabilityId::new(*id),
            name: "name".to_owned(),
            added: "2024-07-01".parse().expect("a day"),
            due: None,
            is_ransomware: false,
        };
        let entries: Vec<_> = ids.iter().map(entry).collect();
        self.snapshot("cisa-kev", &[], &entries, &[]).await;
    }

    pub(crate) fn channels(&self, limits: DeliveryLimits) -> Channels {
        Channels::open(&self.session, &|name| (name == "SECRET").then(|| "hush".to_owned()), limits)
    }

    /// Rings and returns what is said.
    pub(crate) async fn ring(&self) -> Vec<String> {
        let report = ring(&self.session, &self.channels(DeliveryLimits::default())).await.expect("rung");
        assert!(!report.is_outrun);
        lines(&report)
    }
}

fn lines(report: &BellReport) -> Vec<String> {
    let line = |it: &Announcement| {
        format!("{} {}: {}", kind_word(it), subject(it), hosts_text(&it.hosts.len_by_client()))
    };
    let mut lines: Vec<_> = report.announcements.iter().map(line).collect();
    if report.first_look.open > 0 {
        let look = &report.first_look;
        let hosts = hosts_text(&look.hosts.len_by_client());
        lines.push(format!("first look: {} open, {} critical: {hosts}", look.open, look.critical));
    }
    lines
}

async fn open(root: &Path, clock: &Ticking) -> Session {
    let surroundings = Surroundings::default();
    let opened = Session::open(root, surroundings, Box::new(clock.clone()), OnFaultyWorkspace::Refuse).await;
    opened.expect("opened")
}

fn declare(root: &Path, hosts: &[(&str, &str)]) {
    let mut text = String::from("client(\"acme\")\nclient(\"globex\")\n");
    for (number, (host, client)) in hosts.iter().enumerate() {
        text += &format!("host(\"{host}\", client = \"{client}\", address = \"192.0.2.{number}\")\n");
    }
    std::fs::write(root.join("inventory/hosts.star"), text).expect("written");
}

fn installed(name: &str, source: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(source),
        source_version: Version::new(version),
        architecture: Architecture::new("x86_64"),
        repository: Repository::new("main"),
    }
}

/// `name@source` gives a package another source.
fn packages(list: &[(&str, &str)]) -> Vec<InstalledPackage> {
    let package = |(name, version): &(&str, &str)| match name.split_once('@') {
        Some((name, source)) => installed(name, source, version),
        None => installed(name, name, version),
    };
    list.iter().map(package).collect()
}

fn release(version: &str) -> OsRelease {
    let text = str::to_owned;
    OsRelease { id: text("alpine"), version: text(version), codename: None, pretty_name: String::new() }
}

fn collection(host: &str, version: &str, list: &[(&str, &str)]) -> Collection {
    Collection {
        host: HostName::new(host).expect("a name"),
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
        os: Some(release(version)),
        kernel: None,
        packages: Some(packages(list)),
        observed: Observed::default(),
        problems: Vec::new(),
    }
}

pub(crate) fn advisory(id: &str, package: &str, fixed: &str, severity: Option<Severity>) -> Advisory {
    bundle(id, &[], package, fixed, severity)
}

fn bundle(id: &str, aliases: &[&str], package: &str, fixed: &str, severity: Option<Severity>) -> Advisory {
    let upper = Some(Bound { version: Version::new(fixed), is_inclusive: false });
    Advisory {
        feed: FeedName::new("alpine-secdb"),
        key: AdvisoryKey::new(format!("{id} {package}")),
        id: VulnerabilityId::new(id),
        aliases: aliases.iter().map(|id| VulnerabilityId::new(*id)).collect(),
        summary: String::new(),
        severity,
        published: None,
        affected: vec![Affected {
            ecosystem: Ecosystem::Alpine,
            release: ReleaseScope::Only(Release::new("3.20")),
            repository: None,
            package: PackagePattern::Exact(PackageName::new(package)),
            join_by: JoinBy::Source,
            affects: Affects::Ranges {
                ranges: vec![VersionRange { lower: None, upper }],
                earlier_fixes: vec![],
            },
        }],
    }
}

fn expect(said: Vec<String>, expected: &[&str]) {
    assert_eq!(said, expected);
}

/// A world that was looked at, with advisories about something else.
async fn looked_at() -> World {
    let world = World::new("").await;
    world.feed(&[advisory("CVE-2020-1", "other", "1-r0", None)]).await;
    for (host, _) in HOSTS {
        world.scan(host, &[("openssh", "9.6-r0"), ("openssh-server@openssh", "9.6-r0")]).await;
    }
    expect(world.ring().await, &[]);
    world
}

const CVE: &str = "CVE-2024-6387";

fn regresshion() -> Advisory {
    advisory(CVE, "openssh", "9.7-r3", Some(Severity::Critical))
}

#[tokio::test]
async fn every_newly_vulnerable_and_every_newly_fixed_host_is_said_once() {
    let mut world = looked_at().await;
    world.feed(&[regresshion()]).await;
    expect(world.ring().await, &["new CVE-2024-6387 openssh (critical): 3 hosts (acme 2, globex 1)"]);
    expect(world.ring().await, &[]);
    // A second sync and a second scan of the same bring nothing, in another process too.
    world.feed(&[regresshion()]).await;
    world.scan("web-1", &[("openssh", "9.6-r0"), ("openssh-server@openssh", "9.6-r0")]).await;
    world.reopen().await;
    expect(world.ring().await, &[]);
    // From one vulnerable version to another is no news.
    world.scan("web-1", &[("openssh", "9.7-r1"), ("openssh-server@openssh", "9.7-r1")]).await;
    expect(world.ring().await, &[]);
    // Half an upgrade is none.
    world.scan("web-1", &[("openssh", "9.7-r3"), ("openssh-server@openssh", "9.7-r1")]).await;
    expect(world.ring().await, &[]);
    world.scan("web-1", &[("openssh", "9.7-r3"), ("openssh-server@openssh", "9.7-r3")]).await;
    world.scan("db-1", &[]).await;
    expect(world.ring().await, &["fixed CVE-2024-6387 openssh (critical): 2 hosts (acme 1, globex 1)"]);
    expect(world.ring().await, &[]);
    // Downgraded.
    world.scan("web-1", &[("openssh", "9.6-r0")]).await;
    expect(world.ring().await, &["new CVE-2024-6387 openssh (critical): 1 host (acme 1)"]);
    expect(world.ring().await, &[]);
    // An advisory that is withdrawn fixes nothing.
    world.feed(&[advisory("CVE-2020-1", "other", "1-r0", None)]).await;
    expect(world.ring().await, &["withdrawn CVE-2024-6387 openssh (critical): 2 hosts (acme 2)"]);
    expect(world.ring().await, &[]);
}

#[tokio::test]
async fn what_becomes_exploited_is_news_once() {
    let world = looked_at().await;
    world.feed(&[advisory(CVE, "openssh", "9.7-r3", None)]).await;
    expect(world.ring().await, &["new CVE-2024-6387 openssh: 3 hosts (acme 2, globex 1)"]);
    world.exploited(&[CVE]).await;
    expect(world.ring().await, &["exploited CVE-2024-6387 openssh (exploited): 3 hosts (acme 2, globex 1)"]);
    expect(world.ring().await, &[]);
    world.exploited(&["CVE-1999-1"]).await;
    expect(world.ring().await, &[]);
    world.exploited(&[CVE]).await;
    expect(world.ring().await, &[]);
}

#[tokio::test]
async fn the_first_look_is_no_alarm_but_for_what_is_exploited() {
    let mut world = World::new("").await;
    world.scan("web-1", &[("openssh", "9.6-r0"), ("openssl", "3.0-r0"), ("musl", "1-r0")]).await;
    expect(world.ring().await, &[]);
    let advisories = [
        regresshion(),
        advisory("CVE-2024-1", "openssl", "3.1-r0", Some(Severity::Critical)),
        advisory("CVE-2024-2", "musl", "2-r0", None),
    ];
    world.exploited(&[CVE]).await;
    // The feed is new to the release: what it says may be years old.
    world.feed(&advisories).await;
    let expected = [
        "found CVE-2024-6387 openssh (critical, exploited): 1 host (acme 1)",
        "first look: 2 open, 1 critical: 1 host (acme 1)",
    ];
    expect(world.ring().await, &expected);
    expect(world.ring().await, &[]);
    // So is a host that is new.
    world.declare(&[("web-1", "acme"), ("web-9", "globex")]).await;
    world.scan("web-9", &[("openssl", "3.0-r0")]).await;
    expect(world.ring().await, &["first look: 1 open, 1 critical: 1 host (globex 1)"]);
    expect(world.ring().await, &[]);
}

#[tokio::test]
async fn what_is_not_known_any_more_is_not_fixed() {
    let mut world = looked_at().await;
    world.feed(&[regresshion()]).await;
    assert_eq!(world.ring().await.len(), 1);
    // A scan that fails.
    world.record(&[Collection { os: None, packages: None, ..collection("web-1", "3.20", &[]) }]).await;
    expect(world.ring().await, &[]);
    // A host that is retired, and comes back: as it was, then fixed.
    world.declare(&HOSTS[1..]).await;
    expect(world.ring().await, &[]);
    world.declare(&HOSTS).await;
    expect(world.ring().await, &[]);
    world.scan("web-1", &[("openssh", "9.6-r0")]).await;
    expect(world.ring().await, &[]);
    // A release that no feed speaks of.
    world.record(&[collection("web-2", "3.99", &[("openssh", "9.6-r0")])]).await;
    expect(world.ring().await, &[]);
    world.record(&[collection("web-2", "3.20", &[("openssh", "9.7-r3")])]).await;
    expect(world.ring().await, &["fixed CVE-2024-6387 openssh (critical): 1 host (acme 1)"]);
    // An operating system that nobody knows.
    let mut other = collection("db-1", "3.20", &[("openssh", "9.6-r0")]);
    other.os = Some(OsRelease { id: "plan9".to_owned(), ..release("4") });
    world.record(&[other]).await;
    expect(world.ring().await, &[]);
    expect(world.ring().await, &[]);
}

#[tokio::test]
async fn a_bundle_and_its_parts_are_one_piece_of_news() {
    let world = looked_at().await;
    world.feed(&[bundle("XSA-1", &["CVE-2024-1", "CVE-2024-2"], "openssh", "9.7-r0", None)]).await;
    let first = world.ring().await;
    assert_eq!(first.len(), 1, "{first:?}");
    let parts = ["CVE-2024-1", "CVE-2024-2"].map(|id| advisory(id, "openssh", "9.7-r0", None));
    world.feed(&parts).await;
    expect(world.ring().await, &[]);
}

#[tokio::test]
async fn a_jail_is_a_host_and_may_stop_and_start() {
    let world = looked_at().await;
    let with_jail = |list: &[(&str, &str)]| {
        let (os, packages) = (Some(release("3.20")), Some(packages(list)));
        let jail = ObservedJail { name: "www".to_owned(), path: "/j".to_owned(), os, packages };
        let observed = Observed { jails: Some(vec![jail]), ..Observed::default() };
        Collection { observed, ..collection("db-1", "3.20", &[]) }
    };
    let without = Collection {
        observed: Observed { jails: Some(vec![]), ..Observed::default() },
        ..collection("db-1", "3.20", &[])
    };
    world.record(&[with_jail(&[("openssh", "9.6-r0")])]).await;
    expect(world.ring().await, &[]);
    world.feed(&[regresshion()]).await;
    expect(world.ring().await, &["new CVE-2024-6387 openssh (critical): 3 hosts (acme 2, globex 1)"]);
    world.record(&[without]).await;
    expect(world.ring().await, &[]);
    world.record(&[with_jail(&[("openssh", "9.6-r0")])]).await;
    expect(world.ring().await, &[]);
    world.record(&[with_jail(&[("openssh", "9.7-r3")])]).await;
    expect(world.ring().await, &["fixed CVE-2024-6387 openssh (critical): 1 host (globex 1)"]);
}

#[tokio::test]
async fn high_is_urgent_where_the_network_reaches_it() {
    for (address, is_exposed) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let world = looked_at().await;
        let listener = Listener {
            transport: Transport::Tcp,
            address: address.parse::<IpAddr>().expect("an address"),
            port: 22,
            process: Some("sshd".to_owned()),
            package: Some(PackageName::new("openssh-server")),
        };
        let observed = Observed { listeners: Some(vec![listener]), ..Observed::default() };
        let list = [("openssh", "9.6-r0"), ("openssh-server@openssh", "9.6-r0")];
        world.record(&[Collection { observed, ..collection("web-1", "3.20", &list) }]).await;
        world.feed(&[advisory(CVE, "openssh", "9.7-r3", Some(Severity::High))]).await;
        let report =
            announce(&world.session, &world.channels(DeliveryLimits::default())).await.expect("rung");
        let report = report.expect("nobody else");
        let found = &report.announcements[0];
        assert_eq!((found.is_exposed, found.is_urgent()), (is_exposed, is_exposed), "{address}");
    }
}

#[tokio::test]
async fn of_two_runs_at_once_one_says_it() {
    let world = looked_at().await;
    world.feed(&[regresshion()]).await;
    let channels = world.channels(DeliveryLimits::default());
    let (one, other) = tokio::join!(ring(&world.session, &channels), ring(&world.session, &channels));
    let mut said = lines(&one.expect("rung"));
    said.extend(lines(&other.expect("rung")));
    assert_eq!(said.len(), 1, "{said:?}");
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    /// A host answers with these versions of the packages `a`, `b` and `b2`, which is built from `b` too.
    Scan(usize, [u8; 3]),
    /// Vulnerability `n` is said to be fixed in this version of `a` or `b`; 0 = withdrawn.
    Advise(usize, u8),
    Ring,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, [0..5_u8, 0..5_u8, 0..5_u8]).prop_map(|(host, versions)| Step::Scan(host, versions)),
        2 => (0..4_usize, 0..5_u8).prop_map(|(advisory, fixed)| Step::Advise(advisory, fixed)),
        2 => Just(Step::Ring),
    ]
}

/// What a host is vulnerable to, by the plain reading of versions and advisories.
fn vulnerable(versions: [u8; 3], fixed: [u8; 4]) -> BTreeSet<usize> {
    let [a, b, b2] = versions;
    let is_below = |version: u8, fixed: u8| version > 0 && version < fixed;
    let hit = |n: &usize| {
        if *n < 2 { is_below(a, fixed[*n]) } else { is_below(b, fixed[*n]) || is_below(b2, fixed[*n]) }
    };
    (0..4).filter(hit).collect()
}

async fn replay(steps: Vec<Step>) {
    let world = World::new("").await;
    let mut versions = [[0_u8; 3]; 3];
    let mut fixed = [0_u8; 4];
    let mut known: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    world.feed(&[advisory("CVE-2020-99", "other", "1-r0", None)]).await;
    for host in HOSTS {
        world.scan(host.0, &[]).await;
    }
    world.ring().await;
    for step in steps.into_iter().chain([Step::Ring, Step::Ring]) {
        match step {
            Step::Scan(host, installed) => {
                versions[host] = installed;
                let names = ["a", "b", "b2@b"].into_iter().zip(installed).filter(|(_, version)| *version > 0);
                let list: Vec<_> = names.map(|(name, version)| (name, format!("{version}-r0"))).collect();
                let list: Vec<_> = list.iter().map(|(name, version)| (*name, version.as_str())).collect();
                world.scan(HOSTS[host].0, &list).await;
            }
            Step::Advise(number, version) => {
                fixed[number] = version;
                let said = (0..4).filter(|n| fixed[*n] > 0).map(|n| {
                    let package = if n < 2 { "a" } else { "b" };
                    advisory(&format!("CVE-2024-{n}"), package, &format!("{}-r0", fixed[n]), None)
                });
                let other = advisory("CVE-2020-99", "other", "1-r0", None);
                world.feed(&said.chain([other]).collect::<Vec<_>>()).await;
            }
            Step::Ring => {
                let report = announce(&world.session, &world.channels(DeliveryLimits::default())).await;
                let report = report.expect("rung").expect("nobody else");
                let mut said: BTreeMap<(bool, usize), usize> = BTreeMap::new();
                for it in &report.announcements {
                    let is_new = it.kind == AnnouncementKind::New;
                    let number =
                        it.id.as_str().rsplit('-').next().and_then(|n| n.parse().ok()).expect("ours");
                    *said.entry((is_new, number)).or_default() += it.hosts.len();
                }
                let mut expected: BTreeMap<(bool, usize), usize> = BTreeMap::new();
                for (host, installed) in versions.iter().enumerate() {
                    let now = vulnerable(*installed, fixed);
                    let before = known.insert(host, now.clone()).unwrap_or_default();
                    now.difference(&before).for_each(|n| *expected.entry((true, *n)).or_default() += 1);
                    before.difference(&now).for_each(|n| *expected.entry((false, *n)).or_default() += 1);
                }
                assert_eq!(said, expected);
                assert_eq!(report.first_look.open, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_histories_are_said_change_by_change(steps in proptest::collection::vec(step(), 1..14)) {
        tokio::runtime::Runtime::new().expect("a runtime").block_on(replay(steps));
    }
}
