//! `ifrit who` and `ifrit findings` on a fleet and feeds with a history made by hand.

use jiff::Timestamp;
use model::{
    Address, Advisory, AdvisoryKey, Affected, Affects, Architecture, Bound, ClientName, Collection,
    Connection, Ecosystem, ExploitedVulnerability, FeedName, Host, HostName, InstalledPackage, Inventory,
    JoinBy, Kernel, Listener, Observed, OsRelease, PackageName, PackagePattern, Place, Release, ReleaseScope,
    Repository, Severity, Software, SoftwareKind, StaleProcess, Transport, Version, VersionRange,
    VulnerabilityId,
};
use serde_json::Value;
use store::{CoverageRow, DatabaseUrl, NewSnapshot, Store};

use crate::command::Ifrit;

/// What [`workspace`] declares.
pub const INVENTORY: &str = r#"
acme = client("acme")
globex = client("globex")
initech = client("initech")
web_1 = host("web-1", client = acme, address = "192.0.2.1")
web_2 = host("web-2", client = acme, address = "192.0.2.2")
odd_1 = host("odd-1", client = initech, address = "192.0.2.5")
host("db-1", client = globex, address = "192.0.2.3")
host("new-1", client = globex, address = "192.0.2.4")
service("shop", client = acme, hosts = [web_1], port = 8443, paths = ["/srv/shop"], critical = True)
"#;

const HOSTS: [(&str, &str); 5] =
    [("acme", "web-1"), ("acme", "web-2"), ("globex", "db-1"), ("globex", "new-1"), ("initech", "odd-1")];

const FIRST_DAY: &str = "2026-03-02T10:00:00Z";
const SECOND_DAY: &str = "2026-03-04T10:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn package(name: &str, source: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(source),
        source_version: Version::new(version),
        architecture: Architecture::new("x86_64"),
        repository: Repository::new("main"),
    }
}

fn listener(port: u16, process: &str, package: Option<&str>) -> Listener {
    Listener {
        transport: Transport::Tcp,
        address: "0.0.0.0".parse().expect("an address"),
        port,
        process: Some(process.to_owned()),
        package: package.map(PackageName::new),
    }
}

fn look(
    host: &str,
    at: &str,
    os: (&str, &str),
    packages: Vec<InstalledPackage>,
    observed: Observed,
) -> Collection {
    let os = OsRelease {
        id: os.0.to_owned(),
        version: os.1.to_owned(),
        codename: None,
        pretty_name: os.0.to_owned(),
    };
    Collection {
        host: HostName::new(host).expect("a name"),
        started_at: time(at),
        finished_at: time(at),
        os: Some(os),
        kernel: Some(Kernel {
            name: "Linux".to_owned(),
            running: "6.6.41-0-lts".to_owned(),
            installed: Some("6.6.50-0-lts".to_owned()),
            machine: "x86_64".to_owned(),
        }),
        packages: Some(packages),
        observed,
        problems: vec![],
    }
}

/// The whole fleet on one day; web-2 is upgraded between them.
fn fleet(at: &str) -> Vec<Collection> {
    let alpine = ("alpine", "3.20.3");
    let upgraded = if at == SECOND_DAY { "9.7_p1-r4" } else { "9.7_p1-r1" };
    let ssh = || vec![listener(22, "sshd", Some("openssh-server"))];
    let log4j = Software {
        kind: SoftwareKind::Jar,
        name: "org.apache.logging.log4j:log4j-core".to_owned(),
        version: "2.14.1".to_owned(),
        purl: "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1".to_owned(),
        path: "/srv/shop/lib/log4j-core-2.14.1.jar".to_owned(),
    };
    let stale =
        StaleProcess { process: "nginx".to_owned(), file: "/usr/lib/libssl.so.3".to_owned(), pid: 4711 };
    let web_1 = Observed {
        listeners: Some([ssh(), vec![listener(8443, "java", None)]].concat()),
        software: Some(vec![log4j]),
        stale_processes: Some(vec![stale]),
        ..Observed::default()
    };
    let web_2 = Observed { listeners: Some(ssh()), ..Observed::default() };
    let of_openssh = |version: &str| {
        ["openssh-keygen", "openssh-server"].map(|name| package(name, "openssh", version)).to_vec()
    };
    let with = |more: InstalledPackage, version: &str| [of_openssh(version), vec![more]].concat();
    vec![
        look("web-1", at, alpine, with(package("nginx", "nginx", "1.26.2-r0"), "9.7_p1-r1"), web_1),
        look("web-2", at, alpine, with(package("musl", "musl", "1.2.5-r0"), upgraded), web_2),
        look(
            "db-1",
            at,
            ("debian", "12"),
            with(package("zlib1g", "zlib", "1:1.2.13"), "1:9.2p1-2+deb12u2"),
            Observed::default(),
        ),
        look("odd-1", at, ("ubuntu", "24.04"), vec![], Observed::default()),
    ]
}

/// `fixed`: `None` = nowhere yet.
fn advisory(
    feed: &str,
    id: &str,
    about: (Ecosystem, &str, &str),
    fixed: Option<&str>,
    severity: Option<Severity>,
) -> Advisory {
    let (ecosystem, release, package) = about;
    let upper = fixed.map(|version| Bound { version: Version::new(version), is_inclusive: false });
    let ranges = vec![VersionRange { lower: None, upper }];
    let is_distribution = ecosystem.is_distribution();
    Advisory {
        feed: FeedName::new(feed),
        key: AdvisoryKey::new(format!("{id} {ecosystem} {package}")),
        id: VulnerabilityId::new(id),
        aliases: if is_distribution { vec![] } else { vec![VulnerabilityId::new("CVE-2021-44228")] },
        summary: String::new(),
        severity,
        published: None,
        affected: vec![Affected {
            ecosystem,
            release: if is_distribution {
                ReleaseScope::Only(Release::new(release))
            } else {
                ReleaseScope::Any
            },
            repository: None,
            package: PackagePattern::Exact(PackageName::new(package)),
            join_by: if is_distribution { JoinBy::Source } else { JoinBy::Binary },
            affects: Affects::Ranges { ranges, earlier_fixes: vec![] },
        }],
    }
}

async fn take(
    store: &Store,
    feed: &str,
    advisories: &[Advisory],
    exploited: &[ExploitedVulnerability],
    now: &str,
) {
    let coverage = advisories.iter().flat_map(|it| &it.affected).map(|it| CoverageRow {
        ecosystem: it.ecosystem,
        release: it.release.clone(),
        repository: None,
    });
    let coverage: Vec<_> = coverage.collect();
    let feed = FeedName::new(feed);
    let snapshot = NewSnapshot {
        feed: &feed,
        origin: "by hand",
        advisories,
        exploited,
        coverage: &coverage,
        problems: &[],
        accept_shrunken: true,
    };
    store.record_snapshot(&snapshot, time(now)).await.expect("recorded");
}

async fn fill(store: &Store) {
    let mut inventory = Inventory::default();
    for (client, host) in HOSTS {
        let connection =
            Connection::Ssh { address: Address::new("192.0.2.9"), port: 22, user: None, host_keys: vec![] };
        let (host, client) = (HostName::new(host).expect("a name"), ClientName::new(client).expect("a name"));
        inventory.hosts.push(Host::new(host, client, connection, Place::Nowhere));
    }
    store.sync_inventory(&inventory, None, time("2026-03-01T10:00:00Z")).await.expect("synced");
    let (alpine, debian, maven) = (Ecosystem::Alpine, Ecosystem::Debian, Ecosystem::Maven);
    let mut secdb =
        vec![advisory("alpine-secdb", "CVE-2024-6387", (alpine, "3.20", "openssh"), Some("9.7_p1-r4"), None)];
    let tracker = [
        advisory(
            "debian-tracker",
            "CVE-2024-6387",
            (debian, "12", "openssh"),
            Some("1:9.2p1-2+deb12u3"),
            None,
        ),
        advisory("debian-tracker", "CVE-2023-51767", (debian, "12", "openssh"), None, Some(Severity::Low)),
        advisory(
            "debian-tracker",
            "CVE-2023-45853",
            (debian, "12", "zlib"),
            Some("1:1.3"),
            Some(Severity::Critical),
        ),
    ];
    let log4j = (maven, "", "org.apache.logging.log4j:log4j-core");
    let osv = [advisory("osv", "GHSA-jfh8-c2jp-5v3q", log4j, Some("2.15.0"), Some(Severity::Critical))];
    take(store, "alpine-secdb", &secdb, &[], FIRST_DAY).await;
    take(store, "debian-tracker", &tracker, &[], FIRST_DAY).await;
    take(store, "osv", &osv, &[], FIRST_DAY).await;
    store.record_collections(&fleet(FIRST_DAY), time(FIRST_DAY)).await.expect("recorded");
    let nginx = (alpine, "3.20", "nginx");
    secdb.push(advisory("alpine-secdb", "CVE-2026-1000", nginx, Some("1.26.3-r0"), Some(Severity::High)));
    let kev = ExploitedVulnerability {
        id: VulnerabilityId::new("CVE-2024-6387"),
        name: "OpenSSH race".to_owned(),
        added: "2024-07-01".parse().expect("a day"),
        due: None,
        is_ransomware: false,
    };
    take(store, "alpine-secdb", &secdb, &[], SECOND_DAY).await;
    take(store, "cisa-kev", &[], &[kev], SECOND_DAY).await;
    store.record_collections(&fleet(SECOND_DAY), time(SECOND_DAY)).await.expect("recorded");
}

/// A workspace whose database knows a fleet, with CVE-2024-6387 on web-1 and db-1.
pub fn workspace() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("inventory/hosts.star", INVENTORY);
    let path = ifrit.directory().join("fleet.db");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let store = Store::open(&DatabaseUrl::sqlite(&path)).await.expect("opened");
        fill(&store).await;
        store.close().await;
    });
    ifrit.write("ifrit.toml", "database = \"fleet.db\"\n");
    ifrit
}

fn word(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or("-").to_owned()
}

/// `state host package installed` of each row that is about a package, with its exit status.
#[track_caller]
fn check(ifrit: &Ifrit, arguments: &[&str], exit: i32, expected: &[&str]) {
    let rows = ifrit.run(&[&["who", "--json"], arguments].concat()).expect_exit(exit).rows();
    let rows = rows.iter().filter(|row| row["package"] != Value::Null);
    let line = |row: &Value| ["state", "host", "package", "installed"].map(|key| word(row, key)).join(" ");
    assert_eq!(rows.map(line).collect::<Vec<_>>(), expected, "{arguments:?}");
}

#[test]
fn an_id_is_answered_for_every_client() {
    let ifrit = workspace();
    check(
        &ifrit,
        &["cve-2024-6387"],
        1,
        &[
            "vulnerable web-1 openssh-keygen 9.7_p1-r1",
            "vulnerable web-1 openssh-server 9.7_p1-r1",
            "vulnerable db-1 openssh-keygen 1:9.2p1-2+deb12u2",
            "vulnerable db-1 openssh-server 1:9.2p1-2+deb12u2",
            "fixed web-2 openssh-keygen 9.7_p1-r4",
            "fixed web-2 openssh-server 9.7_p1-r4",
        ],
    );
    let rows = ifrit.run(&["who", "CVE-2024-6387", "--json"]).expect_exit(1).rows();
    assert_eq!(rows.len(), 8, "every host has a row: {rows:?}");
    let service = &rows[0]["services"][0];
    assert_eq!((&service["name"], &service["exposed"]), (&"sshd".into(), &true.into()), "{}", rows[0]);
    assert_eq!(service["listens"][0], "tcp 0.0.0.0:22");
    assert_eq!((&rows[0]["fixed"], &rows[0]["exploited"]), (&"9.7_p1-r4".into(), &true.into()));
    assert_eq!((&rows[0]["scanned_at"], &rows[0]["path"]), (&SECOND_DAY.into(), &Value::Null));
    let text = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(1).stdout;
    for words in [
        "EXPLOITED (CISA KEV since 2024-07-01)",
        "openssh-keygen, openssh-server",
        "sshd *:22",
        "unknown, never scanned: globex/new-1",
        "unknown, no advisories are matched for `ubuntu` `24.04`: initech/odd-1",
        "globex: 1 vulnerable, 1 unknown",
        "hosts: 2 vulnerable, 2 unknown, 1 fixed, 0 not-affected",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    let text = ifrit.run(&["who", "CVE-2024-6387", "--limit", "1"]).expect_exit(1).stdout;
    assert!(text.contains("... and 1 more host") && !text.contains("1:9.2p1"), "{text}");
    let output = ifrit.run(&["who", "CVE-2024-6387", "--all"]).expect_exit(1);
    assert!(output.stdout.contains("9.7_p1-r4") && output.stdout.contains("new-1"), "{}", output.stdout);
    assert!(output.stderr.contains("acme/web-2 was last scanned 2026-03-04 10:00Z"), "{}", output.stderr);
    let rows = ifrit.run(&["who", "CVE-2024-6387", "--json", "--client", "globex"]).expect_exit(1).rows();
    assert!(rows.len() == 3 && rows.iter().all(|row| row["client"] == "globex"), "{rows:?}");
}

#[test]
fn exit_statuses_tell_nobody_from_unknown() {
    let ifrit = workspace();
    check(&ifrit, &["CVE-2026-1000"], 1, &["vulnerable web-1 nginx 1.26.2-r0"]);
    check(&ifrit, &["CVE-2026-1000", "--client", "globex"], 3, &[]);
    // acme's hosts are all scanned, and Alpine is spoken of.
    check(&ifrit, &["CVE-2026-9999", "--client", "acme"], 3, &[]);
    check(&ifrit, &["busybox", "--client", "acme"], 0, &[]);
    check(&ifrit, &["busybox"], 3, &[]);
    for bad in [
        ["who"].as_slice(),
        &["who", "CVE-2024-6387", "--kev"],
        &["who", "x", "--at", "today"],
        &["who", "<3"],
    ] {
        let _ = ifrit.run(bad).expect_exit(2);
    }
    let output = ifrit.run(&["who", "x", "--at", "2026-03-03", "--known-at", "2026-03-03"]).expect_exit(2);
    assert!(output.stderr.contains("--known-at"), "{}", output.stderr);
    let _ = ifrit.run(&["who", "CVE-2024-638"]).expect_exit(2);
    let _ = ifrit.run(&["who", "openssh<9<10"]).expect_exit(2);
    let output = ifrit.run(&["who", "x", "--at", "2999-03-03"]).expect_exit(2);
    assert!(output.stderr.contains("has not come yet"), "{}", output.stderr);
    let output = ifrit.run(&["who", "CVE-2024-6387", "--at", "2020-01-01"]).expect_exit(4);
    assert!(output.stderr.contains("no host was declared at 2020-01-01"), "{}", output.stderr);
    let output = ifrit.run(&["who", "CVE-2024-6387", "--client", "acmee"]).expect_exit(2);
    assert!(output.stderr.contains("no client `acmee` is known"), "{}", output.stderr);
}

#[test]
fn packages_are_asked_for_by_name_and_version() {
    let ifrit = workspace();
    let openssh = [
        "vulnerable web-1 openssh-keygen 9.7_p1-r1",
        "vulnerable web-1 openssh-server 9.7_p1-r1",
        "vulnerable db-1 openssh-keygen 1:9.2p1-2+deb12u2",
        "vulnerable db-1 openssh-server 1:9.2p1-2+deb12u2",
    ];
    let fixed = ["fixed web-2 openssh-keygen 9.7_p1-r4", "fixed web-2 openssh-server 9.7_p1-r4"];
    check(&ifrit, &["openssh"], 1, &[&openssh[..], &fixed].concat());
    check(&ifrit, &["alpine:openssh<9.7_p1-r4"], 1, &openssh[..2]);
    check(
        &ifrit,
        &["alpine:openssh>=9.7_p1-r2,<9.7_p1-r5"],
        1,
        &fixed.map(|it| it.replace("fixed", "vulnerable")).each_ref().map(String::as_str),
    );
    check(&ifrit, &["alpine:openssh>9.8", "--client", "acme"], 0, &[]);
    let output = ifrit.run(&["who", "opensshh", "--client", "acme"]).expect_exit(0);
    assert!(output.stderr.contains("no host ever had a package `opensshh`"), "{}", output.stderr);
    let output = ifrit.run(&["who", "deb:openssh", "--client", "acme"]).expect_exit(0);
    assert!(output.stderr.contains("no host ever had"), "{}", output.stderr);
    let output = ifrit.run(&["who", "alpine:openssh>99", "--client", "acme"]).expect_exit(0);
    assert!(!output.stderr.contains("no host ever had"), "{}", output.stderr);
    check(&ifrit, &["musl", "--client", "acme"], 0, &["not-affected web-2 musl 1.2.5-r0"]);
    let rows = ifrit.run(&["who", "openssh", "--json", "--client", "globex"]).expect_exit(1).rows();
    assert_eq!(rows[0]["findings"]["vulnerable"], serde_json::json!(["CVE-2023-51767", "CVE-2024-6387"]));
    assert_eq!(rows[0]["fixed"], "1:9.2p1-2+deb12u3");
    assert!(word(&rows[0], "reason").contains("1 of them without a fix yet"), "{}", rows[0]);
    // A host with packages in several states counts once.
    let text = ifrit.run(&["who", "*", "--client", "acme", "--limit", "1"]).expect_exit(1).stdout;
    assert!(text.contains("... and 1 more host:"), "{text}");
    let text = ifrit.run(&["who", "*", "--client", "acme", "--limit", "2"]).expect_exit(1).stdout;
    assert!(text.contains("... and more packages of these hosts"), "{text}");
    let text = ifrit.run(&["who", "openssh"]).expect_exit(1).stdout;
    assert!(text.contains("sshd *:22") && text.contains("KEV"), "{text}");
}

#[test]
fn the_past_is_answered_by_what_was_installed_and_by_what_was_known() {
    let ifrit = workspace();
    let (at, known_at) = (["--at", "2026-03-03"], ["--known-at", "2026-03-03"]);
    let states = |id: &str, when: &[&str], exit| {
        let rows = ifrit.run(&[&["who", id, "--json"], when].concat()).expect_exit(exit).rows();
        let of = |host: &str| rows.iter().find(|row| row["host"] == host).map(|row| word(row, "state"));
        (of("web-1").unwrap_or_default(), of("web-2").unwrap_or_default())
    };
    let two = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(states("CVE-2024-6387", &[], 1), two("vulnerable", "fixed"));
    assert_eq!(states("CVE-2024-6387", &at, 1), two("vulnerable", "vulnerable"), "before its upgrade");
    assert_eq!(states("CVE-2026-1000", &at, 1), two("vulnerable", "not-affected"), "known today");
    assert_eq!(states("CVE-2026-1000", &known_at, 3), two("unknown", "unknown"), "nobody knew then");
    assert_eq!(
        states("CVE-2024-6387", &["--at", "2026-03-01"], 3),
        two("unknown", "unknown"),
        "not scanned yet"
    );
    let rows =
        ifrit.run(&[&["who", "CVE-2024-6387", "--json"], &known_at[..]].concat()).expect_exit(1).rows();
    assert_eq!(rows[0]["exploited"], false, "the catalogue came later");
    let text = ifrit.run(&[&["who", "CVE-2024-6387"], &at[..]].concat()).expect_exit(1).stdout;
    assert!(text.contains("as installed at 2026-03-03 23:59Z, by the advisories of today"), "{text}");
    let output = ifrit.run(&["who", "--kev", "--known-at", "2026-03-03"]).expect_exit(4);
    assert!(output.stderr.contains("cisa-kev"), "{}", output.stderr);
}

#[test]
fn what_is_exploited_is_one_table() {
    let ifrit = workspace();
    check(
        &ifrit,
        &["--kev"],
        1,
        &[
            "vulnerable web-1 openssh-keygen 9.7_p1-r1",
            "vulnerable web-1 openssh-server 9.7_p1-r1",
            "vulnerable db-1 openssh-keygen 1:9.2p1-2+deb12u2",
            "vulnerable db-1 openssh-server 1:9.2p1-2+deb12u2",
        ],
    );
    let text = ifrit.run(&["who", "--kev"]).expect_exit(1).stdout;
    assert!(text.contains("CVE-2024-6387") && text.contains("ID"), "{text}");
    assert_eq!(
        ifrit.run(&["who", "--kev", "--json"]).expect_exit(1).rows()[0]["exploited_since"],
        "2024-07-01"
    );
}

#[test]
fn software_outside_packages_comes_with_its_file_and_service() {
    let ifrit = workspace();
    for query in ["CVE-2021-44228", "GHSA-jfh8-c2jp-5v3q", "org.apache.logging.log4j:log4j-core<2.15.0"] {
        let rows = ifrit.run(&["who", query, "--json", "--client", "acme"]).expect_exit(1).rows();
        let row = &rows[0];
        assert_eq!(word(row, "path"), "/srv/shop/lib/log4j-core-2.14.1.jar", "{query}: {row}");
        assert_eq!(word(row, "installed"), "2.14.1");
        let service = &row["services"][0];
        assert_eq!((&service["name"], &service["critical"]), (&"shop".into(), &true.into()), "{row}");
        assert_eq!(service["listens"][0], "tcp 0.0.0.0:8443");
    }
    let rows = ifrit.run(&["who", "GHSA-jfh8-c2jp-5v3q", "--json", "--client", "acme"]).rows();
    assert_eq!(word(&rows[1], "state"), "unknown", "nobody looked there: {}", rows[1]);
    let text = ifrit.run(&["who", "CVE-2021-44228"]).expect_exit(1).stdout;
    assert!(
        text.contains("in /srv/shop/lib/log4j-core-2.14.1.jar") && text.contains("shop (critical) *:8443"),
        "{text}"
    );
}

#[test]
fn one_host_is_explained() {
    let ifrit = workspace();
    let text = ifrit.run(&["who", "CVE-2024-6387", "--explain", "web-1"]).expect_exit(1).stdout;
    for words in [
        "acme/web-1: vulnerable (CVE-2024-6387)",
        "because installed 9.7_p1-r1 of openssh < fixed 9.7_p1-r4",
        "alpine-secdb decides",
        "used by sshd *:22",
        "alpine 3.20",
        "6.6.50-0-lts is installed and does not run",
        "nginx (pid 4711) still runs the deleted /usr/lib/libssl.so.3",
        "debian-tracker CVE-2024-6387: says nothing of this host",
        "source openssh (alpine 3.20): affected: < 9.7_p1-r4",
        "this platform is spoken of by alpine-secdb",
        "cisa-kev as of 2026-03-04 10:00Z",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    let page =
        ifrit.run(&["who", "CVE-2024-6387", "--explain", "web-2", "--json"]).expect_exit(0).rows().remove(0);
    assert_eq!((&page["state"], &page["rows"][0]["installed"]), (&"fixed".into(), &"9.7_p1-r4".into()));
    assert_eq!(page["considered"][0]["statements"][0]["verdicts"][0]["state"], "fixed");
    assert_eq!(page["stale_processes"], Value::Null, "not known");
    let page =
        ifrit.run(&["who", "CVE-2024-6387", "--explain", "new-1", "--json"]).expect_exit(3).rows().remove(0);
    assert_eq!(page["rows"][0]["reason"], "never scanned");
    let page = ifrit.run(&["who", "openssh", "--explain", "db-1", "--json"]).expect_exit(1).rows().remove(0);
    assert_eq!(page["considered"].as_array().map(Vec::len), Some(3), "{page}");
    let then = ["who", "CVE-2024-6387", "--explain", "web-2", "--at", "2026-03-03"];
    assert!(ifrit.run(&then).expect_exit(1).stdout.contains("acme/web-2: vulnerable"));
    let output = ifrit.run(&["who", "CVE-2024-6387", "--explain", "web-9"]).expect_exit(2);
    assert!(output.stderr.contains("no host `web-9` is known"), "{}", output.stderr);
    let _ = ifrit.run(&["who", "CVE-2024-6387", "--explain", "web-1", "--client", "globex"]).expect_exit(2);
}

#[test]
fn findings_are_ranked_and_unfixed_ones_stand_apart() {
    let ifrit = workspace();
    let list = |more: &[&str], exit| {
        let rows = ifrit.run(&[&["findings", "--json"], more].concat()).expect_exit(exit).rows();
        let line = |row: &Value| {
            format!("{} {} {} {}", word(row, "id"), word(row, "source"), row["hosts"], row["fixable"])
        };
        rows.iter().map(line).collect::<Vec<_>>()
    };
    let log4j = "CVE-2021-44228 org.apache.logging.log4j:log4j-core 1 true";
    let (ssh, zlib) = ("CVE-2024-6387 openssh 2 true", "CVE-2023-45853 zlib 1 true");
    let (nginx, unfixed) = ("CVE-2026-1000 nginx 1 true", "CVE-2023-51767 openssh 1 false");
    assert_eq!(list(&[], 1), [ssh, log4j, zlib, nginx, unfixed]);
    assert_eq!(list(&["--fixable"], 1), [ssh, log4j, zlib, nginx]);
    assert_eq!(list(&["--kev"], 1), [ssh]);
    assert_eq!(list(&["--severity", "critical"], 1), [log4j, zlib]);
    assert_eq!(list(&["--client", "acme", "--severity", "high"], 1), [log4j, nginx]);
    assert_eq!(list(&["web-1"], 1), ["CVE-2024-6387 openssh 1 true", log4j, nginx]);
    assert_eq!(list(&["web-2"], 0), [""; 0]);
    assert_eq!(list(&["new-1"], 3), [""; 0]);
    // A host shows its own platform's fix alone, and its own services.
    let of_host = |host: &str, more: &[&str]| {
        let rows = ifrit.run(&[&["findings", "--json", host], more].concat()).rows();
        rows.into_iter().find(|row| row["id"] == "CVE-2024-6387").unwrap_or_default()
    };
    assert_eq!(of_host("db-1", &[])["fixes"].as_array().map(Vec::len), Some(1), "{}", of_host("db-1", &[]));
    assert_eq!(
        (&of_host("db-1", &[])["exposed"], &of_host("web-1", &[])["exposed"]),
        (&false.into(), &true.into())
    );
    let _ = ifrit.run(&["findings", "web-1", "--client", "globex"]).expect_exit(4);
    let output = ifrit.run(&["findings", "--severity", "critical", "--client", "acme"]).expect_exit(1);
    assert!(output.stderr.contains("1 open finding left out: no feed gives a severity"), "{}", output.stderr);
    let _ = ifrit.run(&["findings", "nothing"]).expect_exit(2);
    let _ = ifrit.run(&["findings", "--severity", "horrible"]).expect_exit(2);
    let text = ifrit.run(&["findings"]).expect_exit(1).stdout;
    for words in [
        "exploited since 2024-07-01; sshd listens on *:22 on 1 host",
        "shop listens on *:8443 on 1 host; critical service shop; critical",
        "upgrade openssh to 9.7_p1-r4 (alpine 3.20), 1:9.2p1-2+deb12u3 (debian 12)",
        "without a fix yet:",
        "2 (acme 1, globex 1)",
        "unknown, never scanned: 1 host",
        "4 findings with a fix, 1 without, on 2 of 5 hosts",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    let text = ifrit.run(&["findings", "--limit", "1"]).expect_exit(1).stdout;
    assert!(text.contains("... and 3 more"), "{text}");
}

#[test]
fn an_unchanged_workspace_is_not_evaluated_again() {
    let source = |ifrit: &Ifrit| {
        let path = ifrit.directory().join("fleet.db");
        tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
            let store = Store::open(&DatabaseUrl::sqlite(&path)).await.expect("opened");
            let source = store.inventory_source().await.expect("read");
            store.close().await;
            source
        })
    };
    let ifrit = workspace();
    assert_eq!(source(&ifrit), None);
    let _ = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(1);
    let first = source(&ifrit);
    assert!(first.is_some());
    let _ = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(1);
    assert_eq!(source(&ifrit), first);
    let rows = |ifrit: &Ifrit| ifrit.run(&["who", "CVE-2024-6387", "--json"]).expect_exit(1).rows().len();
    assert_eq!(rows(&ifrit), 8);
    ifrit.write("inventory/more.csv", "name\nweb-3\n");
    ifrit.write(
        "inventory/more.star",
        "[host(row[\"name\"], client = \"acme\", address = \"192.0.2.7\") for row in data.csv(\"inventory/more.csv\")]\n",
    );
    assert_eq!(rows(&ifrit), 9, "a new file counts");
    assert!(source(&ifrit).is_some_and(|it| Some(it) != first));
    ifrit.write("inventory/more.csv", "name\nweb-3\nweb-4\n");
    assert_eq!(rows(&ifrit), 10, "and so does its data");
    ifrit.write("more.json", "[]");
    ifrit.write("inventory/more.star", "data.json(\"more.json\")\n");
    assert_eq!(rows(&ifrit), 8);
    assert_eq!(source(&ifrit), None, "what lies elsewhere may change unseen");
    ifrit.write("inventory/more.star", "data.json_command([\"echo\", \"[]\"])\n");
    assert_eq!((rows(&ifrit), source(&ifrit)), (8, None));
}
