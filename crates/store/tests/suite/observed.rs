//! Items of hosts as intervals, jails, and what was known at a time.

use model::{
    Account, AccountGroup, AuthorizedKey, CronEntry, Listener, Observed, ObservedJail, ObservedService,
    OsRelease, PackageName, PrivilegeRule, RebootNeed, ServiceManager, Software, SoftwareKind, StaleProcess,
    Transport, UserName,
};
use store::{ClientScope, HostSnapshot, ItemKind, Store};

use crate::Place;
use crate::fleet::{at, collection, failure, host, inventory, only, package, packages, record, who_has};

const ALL: ClientScope = ClientScope::All;

/// A service of OpenRC that runs or not.
pub fn service(name: &str, is_running: bool) -> ObservedService {
    let manager = ServiceManager::OpenRc;
    ObservedService { manager, name: name.to_owned(), is_enabled: Some(true), is_running: Some(is_running) }
}

/// One item of each kind.
pub fn everything() -> Observed {
    let text = str::to_owned;
    Observed {
        booted_at: Some(at(-5000)),
        services: Some(vec![service("sshd", true)]),
        listeners: Some(vec![Listener {
            transport: Transport::Tcp,
            address: "::".parse().expect("an address"),
            port: 22,
            process: Some(text("sshd")),
            package: Some(PackageName::new("openssh-server")),
        }]),
        accounts: Some(vec![Account {
            name: UserName::new("root"),
            uid: 0,
            gid: 0,
            home: text("/root"),
            shell: text("/bin/ash"),
        }]),
        groups: Some(vec![AccountGroup { name: text("wheel"), gid: 10, members: vec![text("root")] }]),
        privileges: Some(vec![PrivilegeRule { file: text("/etc/doas.conf"), rule: text("permit :wheel") }]),
        authorized_keys: Some(vec![AuthorizedKey {
            account: UserName::new("root"),
            fingerprint: text("SHA256:abc"),
            algorithm: text("ssh-ed25519"),
            comment: text("eva\0\u{1b}[2J"),
            options: String::new(),
        }]),
        cron: Some(vec![CronEntry { file: text("/etc/crontabs/root"), line: text("0 0 * * * true") }]),
        stale_processes: Some(vec![StaleProcess {
            process: text("nginx"),
            file: text("/lib/libssl.so.3"),
            pid: 7,
        }]),
        software: Some(vec![Software {
            kind: SoftwareKind::Npm,
            name: text("@acme/shop"),
            version: text("1.0.0"),
            purl: text("pkg:npm/%40acme/shop@1.0.0"),
            path: text("/opt/shop/node_modules/@acme/shop/package.json"),
        }]),
        reboot: Some(RebootNeed { is_needed: true, why: text("kernel") }),
        jails: Some(vec![]),
    }
}

/// Asks for everything that is known of a host, now or at a second.
pub async fn snapshot(store: &Store, name: &str, second: Option<i64>) -> Option<HostSnapshot> {
    store.host_at(&ALL, &host(name), second.map(at)).await.expect("read")
}

async fn observed(store: &Store, name: &str, second: Option<i64>) -> Observed {
    snapshot(store, name, second).await.expect("declared").observed
}

async fn look(store: &Store, second: i64, observed: Observed) {
    let mut look = collection("a", second, &["musl=1"]);
    look.observed = observed;
    record(store, &[look]).await;
}

pub async fn items_come_back_and_what_was_not_read_stays(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    assert_eq!(observed(&store, "a", None).await, Observed::default(), "nobody ever looked");
    look(&store, 10, everything()).await;
    assert_eq!(observed(&store, "a", None).await, everything());
    assert_eq!(observed(&store, "a", Some(9)).await, Observed::default());

    // Not read: nothing closes, and its age shows.
    let partial = Observed { accounts: Some(vec![]), ..Observed::default() };
    look(&store, 20, partial).await;
    let now = snapshot(&store, "a", None).await.expect("declared");
    assert_eq!(
        now.observed,
        Observed { accounts: Some(vec![]), ..everything() },
        "an empty list is an answer"
    );
    assert_eq!(now.unread.get(&ItemKind::Service), Some(&at(20)));
    assert_eq!(now.unread.get(&ItemKind::Account), None);
    record(&store, &[failure("a", 25)]).await;
    look(&store, 30, everything()).await;
    let now = snapshot(&store, "a", None).await.expect("declared");
    assert_eq!((now.observed, now.unread.len()), (everything(), 0));
    assert_eq!(observed(&store, "a", Some(25)).await.accounts, Some(vec![]));
    assert_eq!(observed(&store, "a", Some(19)).await, everything());

    // An older look changes nothing; one at the same instant takes the place of the one before.
    look(&store, 15, Observed { services: Some(vec![]), ..Observed::default() }).await;
    assert_eq!(observed(&store, "a", Some(19)).await, everything());
    look(&store, 30, Observed { services: Some(vec![service("sshd", false)]), ..everything() }).await;
    assert_eq!(observed(&store, "a", Some(30)).await.services, Some(vec![service("sshd", false)]));

    // Retired: over. Declared again: unknown until somebody looks.
    store.sync_inventory(&inventory(&["acme/b"]), None, at(40)).await.expect("synced");
    assert_eq!(snapshot(&store, "a", None).await, None);
    assert_eq!(observed(&store, "a", Some(39)).await.accounts, everything().accounts);
    store.sync_inventory(&inventory(&["acme/a"]), None, at(50)).await.expect("synced");
    assert_eq!(observed(&store, "a", None).await, Observed::default());
    assert_eq!(snapshot(&store, "a", Some(45)).await, None, "not declared then");
}

pub async fn a_boot_time_may_wobble(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    for (second, booted) in [(10, -100), (20, -99), (30, -101)] {
        look(&store, second, Observed { booted_at: Some(at(booted)), ..Observed::default() }).await;
    }
    assert_eq!(observed(&store, "a", None).await.booted_at, Some(at(-100)));
    look(&store, 40, Observed { booted_at: Some(at(35)), ..Observed::default() }).await;
    assert_eq!(observed(&store, "a", None).await.booted_at, Some(at(35)));
}

/// A running jail with these packages (`name=version`).
pub fn jail(name: &str, packages: &[&str]) -> ObservedJail {
    let os = OsRelease {
        id: "freebsd".to_owned(),
        version: "14.1-RELEASE-p5".to_owned(),
        codename: None,
        pretty_name: "FreeBSD 14.1".to_owned(),
    };
    let packages = packages.iter().map(|text| text.split_once('=').expect("name=version"));
    let packages = packages.map(|(name, version)| package(name, version)).collect();
    ObservedJail {
        name: name.to_owned(),
        path: format!("/jails/{name}"),
        os: Some(os),
        packages: Some(packages),
    }
}

pub async fn jails_are_hosts_of_their_own(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a", "zeta/z"]), None, at(0)).await.expect("synced");
    let jails = |jails: &[ObservedJail]| Observed { jails: Some(jails.to_vec()), ..Observed::default() };
    look(&store, 10, jails(&[jail("www", &["nginx=1"]), jail("db", &["pg=1"])])).await;
    let hosts = store.hosts(&ALL).await.expect("read");
    let shown: Vec<_> =
        hosts.iter().map(|it| (it.name.as_str(), it.parent.as_ref().map(|it| it.as_str()))).collect();
    assert_eq!(shown, [("a", None), ("db.a", Some("a")), ("www.a", Some("a")), ("z", None)]);
    assert!(hosts.iter().all(|it| it.name.as_str() == "z" || it.client.as_str() == "acme"));
    assert_eq!(packages(&store, "www.a", None).await, Some(vec!["nginx=1".to_owned()]));
    assert_eq!(snapshot(&store, "a", None).await.expect("declared").jails, [host("db.a"), host("www.a")]);
    let names = [(model::Ecosystem::FreeBsd, PackageName::new("nginx"))];
    let ids: Vec<_> =
        store.package_versions_named(&names).await.expect("read").into_iter().map(|it| it.0).collect();
    let with = store.hosts_with(&ALL, &ids, None).await.expect("read");
    assert_eq!(with[&ids[0]].iter().collect::<Vec<_>>(), [hosts[2].id]);
    assert!(store.hosts_with(&only(&["zeta"]), &ids, None).await.expect("read").is_empty());

    // Not read: they stay. Gone: they end, and their history stays.
    look(&store, 20, Observed::default()).await;
    assert_eq!(store.hosts(&ALL).await.expect("read").len(), 4);
    look(&store, 30, jails(&[jail("db", &["pg=2"])])).await;
    assert_eq!(store.hosts(&ALL).await.expect("read").len(), 3);
    assert_eq!(packages(&store, "www.a", None).await, None);
    assert_eq!(packages(&store, "www.a", Some(25)).await, Some(vec!["nginx=1".to_owned()]));
    assert_eq!(snapshot(&store, "a", Some(25)).await.expect("declared").jails, [host("db.a"), host("www.a")]);
    assert_eq!(packages(&store, "db.a", None).await, Some(vec!["pg=2".to_owned()]));
    look(&store, 40, jails(&[jail("db", &["pg=2"]), jail("www", &["nginx=2"])])).await;
    assert_eq!(packages(&store, "www.a", None).await, Some(vec!["nginx=2".to_owned()]));

    // A declared host's name is its own, before and after.
    store
        .sync_inventory(&inventory(&["acme/a", "acme/www.a", "zeta/z"]), None, at(50))
        .await
        .expect("synced");
    assert_eq!(packages(&store, "www.a", None).await, None, "now it is scanned itself");
    let mut again = collection("a", 60, &["musl=1"]);
    again.observed = jails(&[jail("db", &["pg=2"]), jail("www", &["nginx=3"])]);
    let report = record(&store, &[again.clone()]).await;
    assert_eq!(report.jails_refused, [host("www.a")]);
    assert_eq!(packages(&store, "www.a", None).await, None);
    record(&store, &[collection("www.a", 65, &["curl=1"])]).await;
    assert_eq!(who_has(&store, &ALL, "curl").await, ["www.a"]);

    // Jails go with their host, to another client too.
    store.sync_inventory(&inventory(&["zeta/a", "zeta/z"]), None, at(70)).await.expect("synced");
    let names: Vec<_> = store.hosts(&ALL).await.expect("read").into_iter().map(|it| it.name).collect();
    assert_eq!(names, [host("a"), host("z")]);
    again.finished_at = at(80);
    record(&store, &[again]).await;
    assert_eq!(store.hosts(&only(&["acme"])).await.expect("read"), []);
    let jail = snapshot(&store, "db.a", None).await.expect("it runs");
    assert_eq!((jail.client.as_str(), jail.parent), ("zeta", Some(host("a"))));
}
