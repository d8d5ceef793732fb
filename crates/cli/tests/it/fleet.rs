//! End to end on real sshd hosts in namespaces: scan, who, host keys, dead hosts.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use testkit::{
    AptRepository, EXERCISE_FIXED, EXERCISE_OLD, EXERCISE_PACKAGE, ExercisePackage, Fleet, HostContent,
    HostSpec,
};

use crate::command::Ifrit;

const EXERCISE: &str = "IFRIT-EXERCISE-2026-0001";

/// Says loudly why these tests cannot run here.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn is_supported() -> bool {
    match testkit::support() {
        Ok(()) => true,
        Err(why) => {
            eprintln!("SKIPPED: no fleet of real hosts here: {why}");
            false
        }
    }
}

fn fixture(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

/// A fleet of one host of each kind, and a workspace that declares it.
struct Setup {
    fleet: Fleet,
    ifrit: Ifrit,
}

impl Setup {
    fn new() -> Self {
        let ifrit = Ifrit::new();
        let versions = [EXERCISE_OLD, EXERCISE_FIXED];
        let packages = versions.map(|version| ExercisePackage::new(EXERCISE_PACKAGE, version));
        let repository =
            AptRepository::build(&ifrit.directory().join("repository"), &packages).expect("repository");
        let debian = |version| HostContent::DebianWith {
            packages: repository.deb(EXERCISE_PACKAGE, version).into_iter().collect(),
            repository: None,
        };
        let freebsd = HostContent::RecordedFreeBsd {
            userland: "14.1-RELEASE-p5".into(),
            kernel: "14.1-RELEASE-p5".into(),
            running_kernel: "14.1-RELEASE-p4".into(),
            packages_tsv: fixture("fleet/freebsd-14.1/packages.tsv"),
        };
        let specs = [
            HostSpec::new("old", debian(EXERCISE_OLD)),
            HostSpec::new("new", debian(EXERCISE_FIXED)),
            HostSpec::new("alpine", HostContent::RecordedAlpine { root: fixture("fleet/alpine-3.18") }),
            HostSpec::new("freebsd", freebsd),
        ];
        let fleet = Fleet::start(&specs).expect("a fleet");
        let setup = Self { fleet, ifrit };
        setup.declare(|setup, host| {
            format!(", host_keys = [\"{}\"]", setup.fleet.host_key(host).expect("a key"))
        });
        setup
    }

    /// Declares every host, with more arguments for each.
    fn declare(&self, more: impl Fn(&Self, &str) -> String) {
        let mut inventory = String::from("client(\"acme\")\nclient(\"globex\")\n");
        for host in self.fleet.hosts() {
            let client = if host == "new" { "globex" } else { "acme" };
            let address = self.fleet.address(host).expect("an address");
            let more = more(self, host);
            inventory += &format!("host(\"{host}\", client = \"{client}\", address = \"{address}\"{more})\n");
        }
        self.ifrit.write("inventory/hosts.star", &inventory);
        let identity = self.fleet.identity().display();
        let settings = format!(
            "[ssh]\nagent = false\nidentities = [\"{identity}\"]\nconnect_timeout_secs = 3\nhost_timeout_secs = 30\n"
        );
        self.ifrit.write("ifrit.toml", &settings);
    }

    fn run(&self, arguments: &[&str]) -> crate::command::Output {
        self.ifrit.run_in_namespace(self.fleet.namespace(), arguments)
    }
}

#[test]
fn a_fleet_is_scanned_read_only_and_who_names_the_vulnerable() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new();
    let hosts: Vec<_> = setup.fleet.hosts().map(str::to_owned).collect();
    for host in &hosts {
        setup.fleet.mark(host).expect("mark");
    }
    let rows = setup.run(&["scan", "--json"]).expect_exit(0).rows();
    assert_eq!(rows.len(), 4, "{rows:?}");
    for host in &hosts {
        assert_eq!(setup.fleet.connections(host).expect("log"), 1, "connections to {host}");
        assert_eq!(setup.fleet.execs(host).expect("log"), 1, "execs on {host}");
        assert_eq!(
            setup.fleet.changes(host).expect("changes"),
            Vec::<std::path::PathBuf>::new(),
            "a scan changed {host}"
        );
    }
    let of = |host: &str| rows.iter().find(|row| row["host"] == host).cloned().expect("a row");
    assert_eq!((&of("alpine")["ecosystem"], &of("alpine")["release"]), (&"alpine".into(), &"3.18".into()));
    assert_eq!((&of("freebsd")["ecosystem"], &of("freebsd")["release"]), (&"freebsd".into(), &"14.1".into()));
    assert_eq!(of("freebsd")["kernel"], "14.1-RELEASE-p4");
    assert_eq!(of("old")["ecosystem"], "debian");

    let feeds = fixture("feeds");
    let _ = setup.run(&["feeds", "sync", "--from", feeds.to_str().expect("UTF-8")]).expect_exit(0);
    let rows = setup.run(&["who", EXERCISE, "--json"]).expect_exit(1).rows();
    let state = |host: &str| rows.iter().find(|row| row["host"] == host).map(|row| row["state"].clone());
    assert_eq!(state("old"), Some("vulnerable".into()));
    assert_eq!(state("new"), Some("fixed".into()));
    assert_eq!(state("alpine"), Some("not-affected".into()));
    let old = rows.iter().find(|row| row["host"] == "old").expect("a row");
    assert_eq!(
        (&old["package"], &old["installed"], &old["fixed"]),
        (&EXERCISE_PACKAGE.into(), &EXERCISE_OLD.into(), &EXERCISE_FIXED.into())
    );

    let rows = setup.run(&["who", "CVE-2023-28260", "--json", "--client", "acme"]).expect_exit(1).rows();
    assert!(rows.iter().any(|row| row["host"] == "alpine" && row["state"] == "vulnerable"), "{rows:?}");
    assert!(rows.iter().all(|row| row["client"] == "acme"), "another client's rows: {rows:?}");
}

/// Ids that are looked up one by one in both worlds.
const IDS_COMPARED: usize = 12;

/// What is said of one package, without what only one of the worlds knows.
type Said = BTreeSet<[String; 6]>;

fn said(rows: &[Value], feed: impl Fn(&Value) -> String, is_wanted: impl Fn(&Value) -> bool) -> Said {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |row: &Value| {
        let own = ["package", "installed", "state", "fixed", "reason"].map(|key| word(&row[key]));
        let [package, installed, state, fixed, reason] = own;
        [package, installed, state, fixed, reason, feed(row)]
    };
    rows.iter().filter(|it| is_wanted(it)).map(row).collect()
}

#[test]
fn a_scanned_host_and_its_root_without_any_state_have_the_same_findings() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new();
    let feeds = fixture("feeds");
    let feeds = feeds.to_str().expect("UTF-8");
    let _ = setup.run(&["scan", "alpine"]).expect_exit(0);
    let _ = setup.run(&["feeds", "sync", "--from", feeds]).expect_exit(0);
    let root = fixture("fleet/alpine-3.18");
    let root = root.to_str().expect("UTF-8");
    let audited = setup.run(&["audit-root", root, "--feeds", feeds, "--json", "--all"]).expect_exit(1).rows();
    let known = setup.run(&["findings", "alpine", "--json"]).expect_exit(1).rows();
    let audited_open: BTreeSet<(String, String)> = audited
        .iter()
        .filter(|row| row["state"] == "vulnerable")
        .map(|row| (row["id"].to_string(), row["package"].to_string()))
        .collect();
    let known_open: BTreeSet<(String, String)> = known
        .iter()
        .flat_map(|row| {
            let packages = row["packages"].as_array().into_iter().flatten();
            packages.map(|package| (row["id"].to_string(), package.to_string()))
        })
        .collect();
    assert!(audited_open.len() > IDS_COMPARED, "{audited:?}");
    assert_eq!(known_open, audited_open);

    let ids: BTreeSet<&str> = audited.iter().filter_map(|row| row["id"].as_str()).collect();
    let step = ids.len().div_ceil(IDS_COMPARED);
    for id in ids.into_iter().step_by(step) {
        let output = setup.run(&["who", id, "--json", "--client", "acme"]);
        let of_host = said(
            &output.rows(),
            |row| row["feeds"][0].as_str().unwrap_or_default().to_owned(),
            |row| row["host"] == "alpine",
        );
        let of_root = said(
            &audited,
            |row| row["source"].as_str().unwrap_or_default().to_owned(),
            |row| row["id"] == id,
        );
        assert_eq!(of_host, of_root, "{id}");
    }
}

#[test]
fn nothing_is_sent_without_a_trusted_key_or_to_a_changed_one() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new();
    setup.declare(|_, _| String::new());
    let rows = setup.run(&["scan", "name:old", "--json"]).expect_exit(1).rows();
    assert!(rows[0]["problems"].to_string().contains("collect.host-key-unknown"), "{rows:?}");
    assert_eq!(setup.fleet.execs("old").expect("log"), 0);

    let output = setup.run(&["hosts", "trust", "old"]).expect_exit(1);
    let fingerprint =
        output.stdout.split_whitespace().find(|word| word.starts_with("SHA256:")).expect("a fingerprint");
    let _ = setup.run(&["scan", "old"]).expect_exit(1);
    let _ = setup.run(&["hosts", "trust", "old", "--fingerprint", fingerprint]).expect_exit(0);
    let _ = setup.run(&["scan", "old"]).expect_exit(0);
    assert_eq!(setup.fleet.execs("old").expect("log"), 1);

    // The inventory pins another host's key: what answers at this address is not the host.
    setup.declare(|setup, _| format!(", host_keys = [\"{}\"]", setup.fleet.host_key("new").expect("a key")));
    let rows = setup.run(&["scan", "old", "--json"]).expect_exit(1).rows();
    assert!(rows[0]["problems"].to_string().contains("collect.host-key-changed"), "{rows:?}");
    assert_eq!(setup.fleet.execs("old").expect("log"), 1);
}

#[test]
fn a_dead_host_spoils_nothing_and_keeps_its_past() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new();
    let _ = setup.run(&["scan"]).expect_exit(0);
    setup.fleet.cut("old").expect("cut");
    let rows = setup.run(&["scan", "--json"]).expect_exit(1).rows();
    let outcome = |host: &str| rows.iter().find(|row| row["host"] == host).map(|row| row["outcome"].clone());
    assert_eq!(outcome("old"), Some("failed".into()));
    assert_eq!(outcome("new"), Some("complete".into()));
    let hosts = setup.run(&["hosts", "old", "--json"]).expect_exit(0).rows();
    assert_eq!(hosts[0]["last_scan"], "failed");
    assert!(hosts[0]["packages"].as_u64().expect("known packages") > 0, "{hosts:?}");
}
