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
fn who_never_says_nobody_where_hosts_may_be_missing() {
    let ifrit = workspace("client(\"acme\"\n");
    let output = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(3);
    assert!(output.stdout.contains("0 vulnerable, 0 unknown"), "{}", output.stdout);
    let ifrit = workspace(ALPINE_ONLY);
    let output = ifrit.run(&["who", "CVE-2024-6387", "--client", "acmee"]).expect_exit(2);
    assert!(output.stderr.contains("no client `acmee` is known"), "{}", output.stderr);
    let _ = ifrit.run(&["who", "CVE-2024-6387", "--client", "acme"]).expect_exit(3);
}

#[test]
fn no_database_is_guessed_where_the_settings_may_hide_which_one_is_meant() {
    for settings in ["database = \n", "databse = \"other.db\"\n", "database = 5\n", "[ssh\n"] {
        let ifrit = workspace(ALPINE_ONLY);
        ifrit.write("ifrit.toml", settings);
        for verb in [["who", "CVE-2024-6387"].as_slice(), &["hosts"], &["db", "check"], &["feeds"]] {
            let output = ifrit.run(verb).expect_exit(4);
            assert!(output.stderr.contains("ifrit.toml:1:"), "{settings}: {}", output.stderr);
            assert!(output.stderr.contains("--database"), "{settings}: {}", output.stderr);
        }
        assert!(!ifrit.directory().join("ifrit.db").exists(), "{settings}");
        let _ = ifrit.run(&["--database", "x.db", "who", "CVE-2024-6387"]).expect_exit(3);
    }
    // A fault elsewhere keeps nobody from asking.
    let ifrit = workspace(ALPINE_ONLY);
    ifrit.write("ifrit.toml", "database = \"x.db\"\n[ssh]\nusr = \"ops\"\n");
    let _ = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(3);
}

#[test]
fn a_workspace_directory_that_is_none_does_not_lead_to_the_one_above() {
    let ifrit = workspace(ALPINE_ONLY);
    let output = ifrit.run(&["-C", "clients/acmee", "check"]).expect_exit(4);
    assert!(output.stderr.contains("clients/acmee"), "{}", output.stderr);
}

#[test]
fn without_any_host_the_way_on_is_named() {
    let output = workspace("").run(&["scan"]).expect_exit(2);
    assert!(
        output.stderr.contains("no host is declared") && output.stderr.contains("ifrit import"),
        "{}",
        output.stderr
    );
}

#[test]
fn ctrl_c_ends_also_a_verb_that_waits_for_a_command() {
    let ifrit = workspace("data.json_command([\"sh\", \"-c\", \"kill -INT $PPID; exec sleep 8\"])\n");
    let _ = ifrit.run(&["check"]).expect_exit(130);
}

#[test]
fn an_answer_that_cannot_be_written_is_no_answer() {
    let ifrit = workspace(ALPINE_ONLY);
    for verb in
        [["hosts"].as_slice(), &["hosts", "--json"], &["who", "CVE-2024-6387"], &["inventory", "--ansible"]]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = ifrit.run_into(verb, full).expect_exit(4);
        assert!(output.stderr.contains("cannot write to standard output"), "{verb:?}: {}", output.stderr);
    }
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
