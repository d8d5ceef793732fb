//! What was known when, and what changed: on a history made by hand, and on this machine.

use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use model::{
    Account, Address, Architecture, AuthorizedKey, ClientName, Collection, Connection, Host, HostName,
    InstalledPackage, Inventory, Kernel, Listener, Observed, ObservedJail, ObservedService, OsRelease,
    PackageName, Place, RebootNeed, Repository, ServiceManager, Transport, UserName, Version,
};
use store::{DatabaseUrl, Store};

use crate::command::Ifrit;

const INVENTORY: &str = r#"
acme = client("acme")
globex = client("globex")
person("eva", keys = ["ssh-ed25519 PUBLIC_KEY"])
web = host("web-1", client = acme, address = "192.0.2.1")
host("bsd-1", client = globex, address = "192.0.2.2")
service("nginx", client = acme, hosts = [web], port = 443, critical = True)
service("varnish", client = acme, hosts = [web], port = 80)
"#;

const PUBLIC_KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAjToEKEknbXAdvdV2h2lepCVHn8w4LF+Im7hw/3BUWy";
const FINGERPRINT: &str = "SHA256:MDDw6MQnYXKnIoNUtYLZdbSlR8hgE1Yrf2rh3S3HRt4";

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

fn release(id: &str, version: &str, pretty_name: &str) -> OsRelease {
    let text = str::to_owned;
    OsRelease { id: text(id), version: text(version), codename: None, pretty_name: text(pretty_name) }
}

fn account(name: &str, uid: u32, shell: &str) -> Account {
    let home = format!("/home/{name}");
    Account { name: UserName::new(name), uid, gid: uid, home, shell: shell.to_owned() }
}

/// web-1 as it was, and with what changed.
fn web(at: &str, is_later: bool) -> Collection {
    let (openssl, kernel) =
        if is_later { ("3.3.2-r0", "6.6.50-0-lts") } else { ("3.3.1-r0", "6.6.41-0-lts") };
    let mut packages = vec![package("libssl3", "openssl", openssl), package("musl", "musl", "1.2.5-r0")];
    let mut accounts = vec![account("root", 0, "/bin/ash"), account("nobody", 65534, "/sbin/nologin")];
    let mut keys = Vec::new();
    if is_later {
        packages.push(package("tcpdump", "tcpdump", "4.99.4-r1"));
        accounts.push(account("mallory", 1001, "/bin/ash"));
        for fingerprint in [FINGERPRINT, "SHA256:unknown"] {
            keys.push(AuthorizedKey {
                account: UserName::new("mallory"),
                fingerprint: fingerprint.to_owned(),
                algorithm: "ssh-ed25519".to_owned(),
                comment: "evil\u{1b}[2J".to_owned(),
                options: String::new(),
            });
        }
    }
    let manager = ServiceManager::OpenRc;
    let nginx = ObservedService {
        manager,
        name: "nginx".to_owned(),
        is_enabled: Some(true),
        is_running: Some(!is_later),
    };
    let listener = Listener {
        transport: Transport::Tcp,
        address: "0.0.0.0".parse().expect("an address"),
        port: 443,
        process: Some("nginx".to_owned()),
        package: Some(PackageName::new("nginx")),
    };
    let observed = Observed {
        services: Some(vec![nginx]),
        listeners: Some(if is_later { vec![] } else { vec![listener] }),
        accounts: Some(accounts),
        authorized_keys: Some(keys),
        reboot: Some(RebootNeed { is_needed: is_later, why: "the kernel was upgraded".to_owned() }),
        ..Observed::default()
    };
    Collection {
        host: HostName::new("web-1").expect("a name"),
        started_at: time(at),
        finished_at: time(at),
        os: Some(release("alpine", "3.20.3", "Alpine Linux v3.20")),
        kernel: Some(Kernel {
            name: "Linux".to_owned(),
            running: kernel.to_owned(),
            installed: None,
            machine: "x86_64".to_owned(),
        }),
        packages: Some(packages),
        observed,
        problems: vec![],
    }
}

/// bsd-1 with a jail.
fn bsd(at: &str) -> Collection {
    let os = release("freebsd", "14.1-RELEASE-p5", "FreeBSD 14.1");
    let jail = ObservedJail {
        name: "www".to_owned(),
        path: "/jails/www".to_owned(),
        os: Some(os.clone()),
        packages: Some(vec![package("openssl", "openssl", "3.0.14,1")]),
    };
    let observed = Observed { jails: Some(vec![jail]), ..Observed::default() };
    let host = HostName::new("bsd-1").expect("a name");
    Collection { host, os: Some(os), packages: Some(vec![]), observed, ..web(at, false) }
}

/// A workspace whose hosts were declared on 1 March and seen on the 2nd, 3rd and 4th.
fn past() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/hosts.star", &INVENTORY.replace("PUBLIC_KEY", PUBLIC_KEY));
    let mut inventory = Inventory::default();
    for (client, host, address) in [("acme", "web-1", "192.0.2.1"), ("globex", "bsd-1", "192.0.2.2")] {
        let connection =
            Connection::Ssh { address: Address::new(address), port: 22, user: None, host_keys: vec![] };
        let (host, client) = (HostName::new(host).expect("a name"), ClientName::new(client).expect("a name"));
        inventory.hosts.push(Host::new(host, client, connection, Place::Nowhere));
    }
    let looks = [
        web("2026-03-02T10:00:00Z", false),
        bsd("2026-03-02T10:00:00Z"),
        web("2026-03-03T10:00:00Z", false),
        web("2026-03-04T10:00:00Z", true),
    ];
    let path = ifrit.directory().join("past.db");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let store = Store::open(&DatabaseUrl::sqlite(&path)).await.expect("opened");
        store.sync_inventory(&inventory, None, time("2026-03-01T10:00:00Z")).await.expect("synced");
        store.record_collections(&looks, time("2026-03-04T10:00:00Z")).await.expect("recorded");
        store.close().await;
    });
    ifrit.write("ifrit.toml", "database = \"past.db\"\n");
    ifrit
}

#[test]
fn a_host_is_shown_as_it_is_and_as_it_was() {
    let ifrit = past();
    let show = |more: &[&str]| {
        let output = ifrit.run(&[&["host", "show", "web-1", "--json"], more].concat()).expect_exit(0);
        output.rows().remove(0)
    };
    let now = show(&[]);
    assert_eq!((&now["kernel"], &now["package_count"]), (&"6.6.50-0-lts".into(), &3.into()));
    assert_eq!(now["services"][0]["running"], false);
    assert_eq!(now["authorized_keys"].as_array().map(Vec::len), Some(2));
    let people: Vec<_> = (0..2).map(|n| now["authorized_keys"][n]["person"].clone()).collect();
    assert!(people.contains(&"eva".into()) && people.contains(&serde_json::Value::Null), "{people:?}");
    assert_eq!(now["cron"], serde_json::Value::Null, "nobody read it");
    let then = show(&["--at", "2026-03-03", "--packages"]);
    assert_eq!((&then["kernel"], &then["package_count"]), (&"6.6.41-0-lts".into(), &2.into()));
    assert_eq!(then["last_scan_at"], "2026-03-03T10:00:00Z");
    assert_eq!(then["packages"][0]["version"], "3.3.1-r0");
    assert_eq!(then["accounts"].as_array().map(Vec::len), Some(2));
    assert_eq!(show(&["--at", "2026-03-04"])["package_count"], 3, "a day means its end");
    assert_eq!(show(&["--at", "2026-03-04T09:59:59Z"])["package_count"], 2);
    assert_eq!(show(&["--at", "2026-03-01"])["os"], serde_json::Value::Null, "declared and not seen yet");

    let text = ifrit.run(&["host", "show", "web-1"]).expect_exit(0).stdout;
    for word in
        ["acme/web-1", "NEEDED: the kernel was upgraded", "stopped, enabled", "mallory", "eva", "not known"]
    {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let output = ifrit.run(&["host", "show", "web-1", "--at", "2026-02-01"]).expect_exit(2);
    assert!(output.stderr.contains("no host `web-1` is known at 2026-02-01"), "{}", output.stderr);
    let output = ifrit.run(&["host", "show", "web-1", "--at", "yesterday"]).expect_exit(2);
    assert!(output.stderr.contains("expected a day in UTC"), "{}", output.stderr);
    let _ = ifrit.run(&["host", "show", "../etc"]).expect_exit(2);
}

#[test]
fn changes_are_listed_by_time_and_kind() {
    let ifrit = past();
    let list = |more: &[&str]| {
        let rows = ifrit.run(&[&["changes", "--json"], more].concat()).expect_exit(0).rows();
        let word = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or("-").to_owned();
        let line =
            |row| ["host", "kind", "change", "what", "before", "after"].map(|key| word(row, key)).join("|");
        rows.iter().map(line).collect::<Vec<_>>()
    };
    let march = ["--since", "2026-03-03", "--until", "2026-03-31"];
    let key = |print| format!("web-1|authorized-key|added|mallory {print}|-|ssh-ed25519 evil\u{1b}[2J");
    let mut expected = vec![
        "web-1|kernel|changed|Linux|6.6.41-0-lts|6.6.50-0-lts".to_owned(),
        "web-1|package|upgraded|libssl3|3.3.1-r0|3.3.2-r0".to_owned(),
        "web-1|package|installed|tcpdump|-|4.99.4-r1".to_owned(),
        "web-1|account|added|mallory|-|uid 1001, gid 1001, home /home/mallory, shell /bin/ash".to_owned(),
        key(FINGERPRINT),
        key("SHA256:unknown"),
        "web-1|listener|removed|tcp 0.0.0.0:443|nginx of nginx|-".to_owned(),
        "web-1|reboot|changed||not needed|needed: the kernel was upgraded".to_owned(),
        "web-1|service|changed|openrc nginx|running, enabled|stopped, enabled".to_owned(),
    ];
    let found = list(&march);
    expected[4..6].sort();
    assert_eq!(found, expected);
    assert_eq!(list(&[&march[..], &["--kind", "account", "--kind", "package"]].concat()), &expected[1..4]);
    assert_eq!(list(&[&march[..], &["client:globex"]].concat()), [""; 0], "another client's");
    let first = list(&["--since", "2026-03-02", "--until", "2026-03-02"]);
    let first_seen = |host, os| format!("{host}|host|first-seen||-|{os}");
    let bsd = ["bsd-1", "www.bsd-1"].map(|host| first_seen(host, "FreeBSD 14.1"));
    assert_eq!(first, [&[first_seen("web-1", "Alpine Linux v3.20")][..], &bsd].concat());
    let table = ifrit.run(&["changes", "web-1", "--since", "2026-03-03"]).expect_exit(0);
    assert!(table.stdout.contains("3.3.2-r0") && !table.stdout.contains('\u{1b}'), "{}", table.stdout);
    let _ = ifrit.run(&["changes"]).expect_exit(2);
    let output = ifrit.run(&["changes", "--since", "7d", "--kind", "colour"]).expect_exit(2);
    assert!(output.stderr.contains("stale-process"), "{}", output.stderr);
}

#[test]
fn packages_are_found_by_name_source_and_version() {
    let ifrit = past();
    let hosts = |spec: &str, selector: &[&str]| {
        let rows = ifrit.run(&[&["packages", "--json", spec], selector].concat()).expect_exit(0).rows();
        let line = |row: &serde_json::Value| {
            format!("{}/{} {} {}", row["client"], row["host"], row["package"], row["version"])
                .replace('"', "")
        };
        rows.iter().map(line).collect::<Vec<_>>()
    };
    let (alpine, jail) = ("acme/web-1 libssl3 3.3.2-r0", "globex/www.bsd-1 openssl 3.0.14,1");
    assert_eq!(hosts("openssl", &[]), [alpine, jail]);
    assert_eq!(hosts("openssl<3.0.15,1", &[]), [jail]);
    assert_eq!(hosts("openssl>=3.3.2-r0", &["client:acme"]), [alpine]);
    assert_eq!(hosts("lib*", &[]), [alpine]);
    assert_eq!(hosts("openssl", &["bsd-1"]), [jail], "a host's jails are selected with it");
    assert_eq!(hosts("nothing", &[]), [""; 0]);
    let _ = ifrit.run(&["packages", "<3"]).expect_exit(2);
    let table = ifrit.run(&["packages", "openssl"]).expect_exit(0);
    assert!(table.stdout.contains("globex/www.bsd-1"), "{}", table.stdout);
    let listed = ifrit.run(&["hosts", "--json", "client:globex"]).expect_exit(0).rows();
    assert_eq!((&listed[1]["host"], &listed[1]["jail_of"]), (&"www.bsd-1".into(), &"bsd-1".into()));
    let shown = ifrit.run(&["host", "show", "www.bsd-1"]).expect_exit(0).stdout;
    assert!(shown.contains("a jail of bsd-1"), "{shown}");
}

#[test]
fn who_finds_a_jail_under_its_own_client() {
    let ifrit = past();
    let feeds = format!("{}/../../fixtures/feeds", env!("CARGO_MANIFEST_DIR"));
    let _ = ifrit.run(&["feeds", "sync", "--from", &feeds]);
    let rows = ifrit.run(&["who", "CVE-2024-6119", "--json"]).expect_exit(1).rows();
    let jail = rows.iter().find(|row| row["host"] == "www.bsd-1").expect("a row");
    assert_eq!((&jail["client"], &jail["state"]), (&"globex".into(), &"vulnerable".into()));
    let rows = ifrit.run(&["who", "CVE-2024-6119", "--json", "--client", "acme"]).rows();
    assert!(rows.iter().all(|row| row["client"] == "acme"), "{rows:?}");
}

#[test]
fn declared_services_are_judged() {
    let ifrit = past();
    let rows = ifrit.run(&["services", "--json"]).expect_exit(1).rows();
    let verdicts: Vec<_> = rows.iter().map(|row| (row["service"].clone(), row["verdict"].clone())).collect();
    assert_eq!(verdicts, [("varnish".into(), "missing".into()), ("nginx".into(), "stopped".into())]);
    assert_eq!(rows[1]["critical"], true);
    let table = ifrit.run(&["services", "service:nginx"]).expect_exit(1).stdout;
    assert!(table.contains("stopped, enabled"), "{table}");
}

#[test]
fn a_database_is_backed_up_checked_and_restored() {
    let ifrit = past();
    let count =
        || ifrit.run(&["host", "show", "web-1", "--json"]).expect_exit(0).rows()[0]["package_count"].clone();
    let _ = ifrit.run(&["db", "backup", "copy"]).expect_exit(0);
    let mode = std::fs::metadata(ifrit.directory().join("copy")).expect("a backup").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let output = ifrit.run(&["db", "backup", "copy"]).expect_exit(4);
    assert!(output.stderr.contains("name a new one"), "{}", output.stderr);
    let output = ifrit.run(&["db", "check"]).expect_exit(0);
    assert!(output.stderr.contains("whole"), "{}", output.stderr);
    ifrit.write("past.db", &"ruins".repeat(4000));
    let rows = ifrit.run(&["db", "check", "--json"]).expect_exit(1).rows();
    assert_eq!(rows[0]["kind"], "damage");
    let output = ifrit.run(&["db", "restore", "past.db"]).expect_exit(2);
    assert!(output.stderr.contains("cannot be restored"), "{}", output.stderr);
    let _ = ifrit.run(&["db", "restore", "copy"]).expect_exit(0);
    assert_eq!(count(), 3);
    let url = "postgres://nobody@192.0.2.1/none";
    let output = ifrit.run(&["--database", url, "db", "backup", "other"]).expect_exit(2);
    assert!(output.stderr.contains("pg_dump"), "{}", output.stderr);
}

#[test]
fn this_machine_has_a_history_too() {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit
        .write("inventory/hosts.star", "client(\"acme\")\nhost(\"here\", client = \"acme\", local = True)\n");
    for _ in 0..2 {
        let _ = ifrit.run(&["scan"]);
    }
    let rows = ifrit.run(&["changes", "--since", "24h", "--kind", "host", "--json"]).expect_exit(0).rows();
    let words: Vec<_> = rows.iter().map(|row| row["change"].clone()).collect();
    assert_eq!(words, ["added", "first-seen"], "a second look is not a first one");
    let rows = ifrit.run(&["changes", "--since", "24h", "--kind", "package", "--json"]).expect_exit(0).rows();
    assert_eq!(rows, Vec::<serde_json::Value>::new(), "the first look is no flood");
    let shown = ifrit.run(&["host", "show", "here", "--packages", "--json"]).expect_exit(0).rows().remove(0);
    assert_eq!(shown["package_count"].as_u64(), shown["packages"].as_array().map(|all| all.len() as u64));
}

#[test]
fn software_outside_packages_is_shown_where_a_service_declares_it() {
    let ifrit = Ifrit::new();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let package = folder.path().join("node_modules/left-pad/package.json");
    std::fs::create_dir_all(package.parent().expect("it has one")).expect("made");
    let write = |version: &str| {
        let text = format!("{{\"name\": \"left-pad\", \"version\": \"{version}\"}}");
        std::fs::write(&package, text).expect("written");
    };
    ifrit.write("ifrit.toml", "");
    let declare = |more: &str| {
        let text = "client(\"acme\")\nhost(\"here\", client = \"acme\", local = True)\n";
        ifrit.write("inventory/hosts.star", &format!("{text}{more}"));
    };
    let show =
        |arguments: &[&str]| ifrit.run(&[&["host", "show", "here"], arguments].concat()).expect_exit(0);
    declare("");
    let _ = ifrit.run(&["scan"]);
    assert!(show(&["--json"]).rows().remove(0)["software"].is_null(), "nobody asked for it");
    declare(&format!(
        "service(\"pad\", client = \"acme\", hosts = \"here\", paths = [{:?}], \
         version_command = [\"printf\", \"pad %s\", \"2.0.1\"])\n",
        folder.path()
    ));
    for version in ["1.2.0", "1.3.0"] {
        write(version);
        let _ = ifrit.run(&["scan"]);
    }
    let software = show(&["--json"]).rows().remove(0)["software"].clone();
    let expected = serde_json::json!([
        {"kind": "npm", "name": "left-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0", "path": package},
        {"kind": "command", "name": "pad", "version": "2.0.1", "purl": "", "path": "printf"},
    ]);
    assert_eq!(software, expected);
    let text = show(&[]).stdout;
    assert!(text.contains("software outside packages") && text.contains("left-pad"), "{text}");
    let rows =
        ifrit.run(&["changes", "--since", "24h", "--kind", "software", "--json"]).expect_exit(0).rows();
    let changed: Vec<_> = rows.iter().map(|row| (row["change"].as_str(), row["before"].as_str())).collect();
    assert_eq!(changed, [(Some("changed"), Some("1.2.0 pkg:npm/left-pad@1.2.0"))], "{rows:?}");
}
