//! Verbs on a workspace, without any host but this machine.

use crate::command::Ifrit;

const ALPINE_ONLY: &str = "client(\"acme\")\nhost(\"web-1\", client = \"acme\", address = \"192.0.2.1\")\n";

fn workspace(inventory: &str) -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/hosts.star", inventory);
    ifrit
}

fn feeds() -> String {
    format!("{}/../../fixtures/feeds", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_new_workspace_passes_the_check() {
    let ifrit = Ifrit::new();
    let output = ifrit.run(&["init", "ws", "--client", "acme"]).expect_exit(0);
    assert!(output.stdout.contains("ws/ifrit.toml"), "{}", output.stdout);
    let output = ifrit.run(&["-C", "ws", "check"]).expect_exit(0);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("sound"), "{}", output.stderr);
    let _ = ifrit.run(&["init", "ws"]).expect_exit(2);
}

#[test]
fn check_locates_every_problem_of_settings_and_inventory() {
    let ifrit = workspace("client(\"acme\")\nhost(\"web-1\", client = \"acmee\")\n");
    ifrit.write("ifrit.toml", "databse = \"x\"\n");
    let output = ifrit.run(&["check"]).expect_exit(1);
    assert!(output.stdout.contains("ifrit.toml:1:1: error[config.unknown-key]"), "{}", output.stdout);
    assert!(output.stdout.contains("inventory/hosts.star:2:"), "{}", output.stdout);
    assert!(output.stdout.contains("did you mean `acme`"), "{}", output.stdout);
    let rows = ifrit.run(&["check", "--json"]).expect_exit(1).rows();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["code"], "config.unknown-key");
    assert_eq!((&rows[1]["path"], &rows[1]["line"]), (&"inventory/hosts.star".into(), &2.into()));
}

#[test]
fn config_show_names_each_origin() {
    let ifrit = workspace(ALPINE_ONLY);
    ifrit.write("ifrit.toml", "[ssh]\nuser = \"ops\"\n");
    let rows = ifrit.run(&["--database", "x.db", "config", "show", "--json"]).expect_exit(0).rows();
    let find = |key: &str| rows.iter().find(|row| row["key"] == key).cloned().expect("the key");
    assert_eq!(find("ssh.user")["origin"], "ifrit.toml:2");
    assert_eq!(find("database")["origin"], "flag --database");
    assert_eq!(find("ssh.agent")["origin"], "default");
}

#[test]
fn outside_a_workspace_the_way_in_is_named() {
    let output = Ifrit::new().run(&["check"]).expect_exit(4);
    assert!(output.stderr.contains("ifrit init DIR"), "{}", output.stderr);
}

#[test]
fn who_knows_nothing_of_a_host_that_was_never_scanned() {
    let ifrit = workspace(ALPINE_ONLY);
    let _ = ifrit.run(&["feeds", "sync", "--from", &feeds()]).expect_exit(0);
    let output = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(3);
    assert!(output.stdout.contains("never scanned: acme/web-1"), "{}", output.stdout);
    let rows = ifrit.run(&["who", "cve-2024-6387", "--json"]).expect_exit(3).rows();
    assert_eq!((rows.len(), &rows[0]["state"]), (1, &"unknown".into()));
    let _ = ifrit.run(&["who", "rm -rf"]).expect_exit(2);
}

#[test]
fn who_answers_from_the_last_sound_inventory_when_it_has_errors() {
    let ifrit = workspace(ALPINE_ONLY);
    let _ = ifrit.run(&["hosts"]).expect_exit(0);
    ifrit.write("inventory/hosts.star", "client(\"acme\"\n");
    let output = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(3);
    assert!(output.stdout.contains("acme/web-1"), "{}", output.stdout);
    assert!(output.stderr.contains("the inventory has errors"), "{}", output.stderr);
    let _ = ifrit.run(&["scan"]).expect_exit(4);
}

#[test]
fn feeds_are_listed_and_a_shrunken_one_is_refused() {
    let ifrit = workspace(ALPINE_ONLY);
    let _ = ifrit.run(&["feeds", "sync", "--from", &feeds()]).expect_exit(0);
    let before = ifrit.run(&["feeds", "--json"]).expect_exit(0).rows();
    let names: Vec<_> = before.iter().map(|row| row["feed"].as_str().expect("a name")).collect();
    assert!(names.contains(&"alpine-secdb") && names.contains(&"cisa-kev"), "{names:?}");
    ifrit.write("small/kev.json", r#"{"title":"CISA Catalog of Known Exploited Vulnerabilities","catalogVersion":"1","count":1,"vulnerabilities":[{"cveID":"CVE-2024-6387","vulnerabilityName":"x","dateAdded":"2024-07-01","dueDate":"2024-07-22","knownRansomwareCampaignUse":"Unknown"}]}"#);
    let output = ifrit.run(&["feeds", "sync", "--from", "small"]).expect_exit(1);
    assert!(output.stdout.contains("REFUSED"), "{}", output.stdout);
    let after = ifrit.run(&["feeds", "--json"]).expect_exit(0).rows();
    let exploited = |rows: &[serde_json::Value]| {
        rows.iter().find(|row| row["feed"] == "cisa-kev").map(|row| row["exploited"].clone())
    };
    assert_eq!(exploited(&before), exploited(&after));
}

#[test]
fn this_machine_is_scanned_without_ssh() {
    let ifrit = workspace("client(\"acme\")\nhost(\"here\", client = \"acme\", local = True)\n");
    let rows = ifrit.run(&["scan", "--json"]).expect_exit(0).rows();
    assert_eq!(rows[0]["outcome"], "complete");
    assert!(rows[0]["packages"].as_u64().expect("packages") > 50, "{rows:?}");
    let hosts = ifrit.run(&["hosts", "--json", "name:he*"]).expect_exit(0).rows();
    assert_eq!((&hosts[0]["host"], &hosts[0]["last_scan"]), (&"here".into(), &"complete".into()));
    let output = ifrit.run(&["scan", "name:nothing"]).expect_exit(2);
    assert!(output.stderr.contains("no declared host matches"), "{}", output.stderr);
    let output = ifrit.run(&["scan", "colour:red"]).expect_exit(2);
    assert!(output.stderr.contains("error: selector"), "{}", output.stderr);
}
