//! The bell as a user hears it: at the end of a sync, on a real ntfy server, and after a crash.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Address, Architecture, ClientName, Collection, Connection, Host, HostName, InstalledPackage, Inventory,
    Observed, OsRelease, PackageName, Place, Repository, Version,
};
use serde_json::{Value, json};
use store::{DatabaseUrl, Store};
use testkit::{HttpAnswer, HttpSink, Ntfy};

use crate::command::Ifrit;

/// Exploited, says the catalogue in fixtures/.
const CVE: &str = "CVE-2024-38475";

/// Times that a test looks whether a request has come.
const LOOKS: u32 = 600;

/// The pause between two of these.
const PAUSE: Duration = Duration::from_millis(50);

const INVENTORY: &str = "client(\"acme\")\nclient(\"globex\")\nhost(\"web-1\", client = \"acme\", address = \"192.0.2.1\")\n\
                         host(\"web-2\", client = \"globex\", address = \"192.0.2.2\")\n";

/// A workspace with two hosts that were seen, and advisories about something else.
fn workspace(channels: &str) -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", &format!("database = \"ifrit.db\"\n{channels}"));
    ifrit.write("inventory/hosts.star", INVENTORY);
    let path = ifrit.directory().join("ifrit.db");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(record(path));
    publish(&ifrit, &json!({ "other": { "2-r0": ["CVE-2020-1"] } }));
    let kev = format!(
        "{}/../../fixtures/feeds/kev/known_exploited_vulnerabilities.json",
        env!("CARGO_MANIFEST_DIR")
    );
    ifrit.write("feeds/kev.json", &std::fs::read_to_string(kev).expect("the catalogue"));
    let output = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    assert!(!output.stdout.contains("new:"), "{}", output.stdout);
    ifrit
}

/// Publishes an Alpine security database: `{ package: { fixed: [ids] } }`.
fn publish(ifrit: &Ifrit, packages: &Value) {
    let packages: Vec<_> = packages
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, fixes)| json!({ "pkg": { "name": name, "secfixes": fixes } }))
        .collect();
    let database = json!({
        "apkurl": "{{urlprefix}}/{{distroversion}}/{{reponame}}/{{arch}}/{{pkg.name}}-{{pkg.ver}}.apk",
        "archs": ["x86_64"], "reponame": "main", "urlprefix": "https://dl-cdn.alpinelinux.org/alpine",
        "distroversion": "v3.20", "packages": packages,
    });
    ifrit.write("feeds/main.json", &database.to_string());
}

fn alarm(ifrit: &Ifrit) {
    publish(
        ifrit,
        &json!({ "other": { "2-r0": ["CVE-2020-1"] }, "apache2": { "2.4.60-r0": [CVE] }, "musl": { "2-r0": ["CVE-2024-9"] } }),
    );
}

async fn record(path: PathBuf) {
    let store = Store::open(&DatabaseUrl::sqlite(&path)).await.expect("opened");
    let time: Timestamp = "2026-03-01T10:00:00Z".parse().expect("a time");
    let hosts = [("web-1", "acme", "192.0.2.1"), ("web-2", "globex", "192.0.2.2")];
    let mut inventory = Inventory::default();
    for (host, client, address) in hosts {
        let connection =
            Connection::Ssh { address: Address::new(address), port: 22, user: None, host_keys: vec![] };
        let (host, client) = (HostName::new(host).expect("a name"), ClientName::new(client).expect("a name"));
        inventory.hosts.push(Host::new(host, client, connection, Place::Nowhere));
    }
    store.sync_inventory(&inventory, None, time).await.expect("synced");
    let package = |name: &str, version: &str| InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(name),
        source_version: Version::new(version),
        architecture: Architecture::new("x86_64"),
        repository: Repository::new("main"),
    };
    let os = OsRelease {
        id: "alpine".to_owned(),
        version: "3.20.3".to_owned(),
        codename: None,
        pretty_name: "Alpine".to_owned(),
    };
    let seen = hosts.map(|(host, _, _)| Collection {
        host: HostName::new(host).expect("a name"),
        started_at: time,
        finished_at: time,
        os: Some(os.clone()),
        kernel: None,
        packages: Some(vec![
            package("apache2", "2.4.59-r0"),
            package("musl", "1.2-r0"),
            package("other", "3-r0"),
        ]),
        observed: Observed::default(),
        problems: vec![],
    });
    store.record_collections(&seen, time).await.expect("recorded");
    store.close().await;
}

#[test]
fn a_sync_ends_with_what_is_new_once() {
    let ifrit = workspace("");
    alarm(&ifrit);
    let output = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    let urgent =
        "new: CVE-2024-38475 apache2 (exploited): 2 hosts (acme 1, globex 1): ifrit who CVE-2024-38475\n";
    let other = "new: CVE-2024-9 musl: 2 hosts (acme 1, globex 1): ifrit who CVE-2024-9\n";
    assert!(output.stdout.ends_with(&format!("{urgent}{other}")), "{}", output.stdout);
    let output = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    assert!(!output.stdout.contains("CVE"), "{}", output.stdout);
    publish(&ifrit, &json!({ "other": { "2-r0": ["CVE-2020-1"] }, "apache2": { "2.4.60-r0": [CVE] } }));
    let rows = ifrit.run(&["feeds", "sync", "--from", "feeds", "--json"]).expect_exit(0).rows();
    let bell: Vec<_> = rows.iter().filter(|row| row["kind"] == "bell").collect();
    assert_eq!(bell.len(), 1, "{bell:?}");
    assert_eq!((&bell[0]["change"], &bell[0]["id"]), (&"withdrawn".into(), &"CVE-2024-9".into()));
    let output = ifrit.run(&["notify"]).expect_exit(0);
    assert!(output.stderr.contains("no channel is declared"), "{}", output.stderr);
}

#[test]
fn a_real_ntfy_server_gets_each_message_once() {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let Some(program) = Ntfy::program(cache.as_deref()) else {
        return skipped("no ntfy server: scripts/need-ntfy unpacks one");
    };
    let server = Ntfy::start(&program).expect("ntfy starts");
    let url = server.url();
    let ifrit = workspace(&format!(
        "[notify.team]\nkind = \"ntfy\"\nurl = \"{url}/alerts\"\ntoken_file = \"token\"\n\
         [notify.globex]\nkind = \"ntfy\"\nurl = \"{url}/globex\"\ntoken_file = \"token\"\nonly = \"urgent\"\nclients = [\"globex\"]\n"
    ));
    let messages = |topic: &str| -> Vec<Value> {
        let lines = server.messages(topic).expect("ntfy answers");
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    // The secret is not there yet: the sync does its work, says so, and the messages wait.
    alarm(&ifrit);
    let output = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    assert!(output.stderr.contains("channel team: secret file"), "{}", output.stderr);
    assert!(output.stderr.contains("3 messages not delivered yet"), "{}", output.stderr);
    ifrit.write("token", "tk_wrong\n");
    let output = ifrit.run(&["notify", "send"]).expect_exit(1);
    assert!(output.stderr.contains("the server answered 401"), "{}", output.stderr);
    assert!(!output.stderr.contains("tk_wrong"), "{}", output.stderr);
    ifrit.write("token", &format!("{}\n", server.token()));
    let output = ifrit.run(&["notify", "send"]).expect_exit(0);
    assert!(output.stderr.contains("3 messages sent"), "{}", output.stderr);
    let found = messages("alerts");
    assert_eq!(found.len(), 2, "{found:?}");
    let urgent = &found[0];
    assert_eq!(urgent["title"], "CVE-2024-38475 apache2 (exploited) new on 2 hosts");
    assert_eq!(
        urgent["message"],
        "hosts by client: 2 hosts (acme 1, globex 1)\nrun: ifrit who CVE-2024-38475"
    );
    assert_eq!((&urgent["priority"], &urgent["tags"][0]), (&5.into(), &"rotating_light".into()));
    assert!(urgent["tags"][1].as_str().is_some_and(|tag| tag.starts_with("id-")), "{urgent}");
    assert_eq!((&found[1]["title"], &found[1]["priority"]), (&"digest: 1 new".into(), &2.into()));
    let found = messages("globex");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0]["message"],
        "hosts by client: 1 host (globex 1)\nrun: ifrit who CVE-2024-38475 --client globex"
    );
    // Nothing is sent twice.
    let _ = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    let _ = ifrit.run(&["notify", "send"]).expect_exit(0);
    assert_eq!((messages("alerts").len(), messages("globex").len()), (2, 1));
    let output = ifrit.run(&["notify", "test", "team"]).expect_exit(0);
    assert!(output.stderr.contains("1 message sent"), "{}", output.stderr);
    assert_eq!(messages("alerts")[2]["title"], "test of ifrit");
    let _ = ifrit.run(&["notify", "test", "nobody"]).expect_exit(2);
    let text = ifrit.run(&["notify"]).expect_exit(0).stdout;
    for word in ["team", "globex", "delivered", &url] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(!text.contains("/alerts") && !text.contains(server.token()), "{text}");
}

#[test]
fn a_process_that_is_killed_while_it_sends_says_nothing_twice() {
    let sink = HttpSink::start().expect("a server");
    let ifrit = workspace(&format!("[notify.hook]\nkind = \"webhook\"\nurl = \"{}/\"\n", sink.url()));
    alarm(&ifrit);
    sink.answer([HttpAnswer::Silence]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ifrit"))
        .args(["feeds", "sync", "--from", "feeds"])
        .current_dir(ifrit.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ifrit starts");
    let mut requests = Vec::new();
    for _ in 0..LOOKS {
        requests.extend(sink.take());
        if !requests.is_empty() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(requests.len(), 1);
    // What was being sent belongs to the dead process for a while; what had not begun is sent at once.
    let output = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    assert!(!output.stdout.contains("CVE"), "said again:\n{}", output.stdout);
    let later = sink.take();
    assert_eq!(later.len(), 1, "the digest");
    assert_ne!(later[0].header("x-ifrit-message"), requests[0].header("x-ifrit-message"));
    let rows = ifrit.run(&["notify", "--json"]).expect_exit(0).rows();
    assert_eq!((&rows[0]["waiting"], &rows[0]["last"][1]["state"]), (&1.into(), &"waits".into()));
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: a_real_ntfy_server_gets_each_message_once: {why}");
}
