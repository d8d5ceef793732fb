//! `ifrit pyinfra` with the real pyinfra: on real sshd hosts, and on this machine where no host is needed.

use std::path::PathBuf;

use serde_json::Value;

use crate::command::{Ifrit, Output};
use crate::fix::{Setup, is_supported, new_key, state_of, wait_until};
use crate::import::programs;

const DEPLOY: &str = r#"
from pyinfra import host, inventory
from pyinfra.operations import files, server

assert len(inventory.get_group("web")) == 3
files.put(name="Say hello", src="files/motd", dest="/etc/pyinfra-motd", mode="644")
files.line(path="/etc/pyinfra.conf", line="name=" + host.name + " " + host.data.get("color", "none"))
server.user(user="deploy", home="/home/deploy", shell="/bin/sh")
"#;

/// What waits on the host until a test lets it go on.
const SLOW: &str = r#"
from pyinfra.operations import files, server

files.put(src="files/motd", dest="/etc/pyinfra-motd")
server.shell(commands=["touch /root/at-work; while [ ! -e /root/go-on ]; do sleep 0.1; done"])
files.directory(path="/srv/pyinfra")
"#;

/// Reads the audit record with what Python brings: kind, action, target and outcome of each row.
const RECORDS: &str = "import json, sqlite3, sys\n\
    rows = sqlite3.connect(sys.argv[1]).execute('SELECT kind, action, target, outcome FROM audit_record ORDER BY number')\n\
    print(json.dumps(list(rows)))";

/// A fleet, a workspace with a deploy for pyinfra in a folder of its own, and pyinfra.
struct Legacy {
    setup: Setup,
    python: PathBuf,
}

impl Legacy {
    fn new(hosts: usize, settings: &str) -> Option<Self> {
        let programs = programs("pyinfra")?;
        if !is_supported() {
            return None;
        }
        let program = programs.join("pyinfra");
        let settings = format!("{settings}[pyinfra]\nprogram = \"{}\"\n", program.display());
        let setup = Setup::new(hosts, &settings);
        setup
            .ifrit
            .write("inventory/groups.star", "group(\"web\", hosts = [\"web-1\", \"web-2\", \"web-3\"])\n");
        if hosts < 3 {
            setup.ifrit.write("inventory/groups.star", "");
        }
        setup.ifrit.write("legacy/web.py", DEPLOY);
        setup.ifrit.write("legacy/files/motd", "hello\n");
        setup.ifrit.write("legacy/group_data/web.py", "color = \"green\"\n");
        Some(Self { setup, python: programs.join("python") })
    }

    fn pyinfra(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["pyinfra", "web.py", "--chdir", "legacy"];
        all.extend(arguments);
        self.setup.run(&all)
    }

    /// Plans without applying; returns the plan's name.
    fn plan(&self, selector: &str, exit: i32) -> String {
        let rows = self.pyinfra(&["on", selector, "--dry", "--json"]).expect_exit(exit).rows();
        let last = rows.last().expect("a plan");
        assert_eq!(last["kind"], "plan", "{rows:?}");
        last["plan"].as_str().expect("a name").to_owned()
    }

    /// Returns the records of an action: kind, host and outcome.
    fn records(&self, action: &str) -> Vec<(String, String, Option<String>)> {
        let database = self.setup.ifrit.directory().join("ifrit.db");
        let mut command = std::process::Command::new(&self.python);
        let output = command.args(["-c", RECORDS]).arg(database).output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<(String, String, String, Option<String>)> =
            serde_json::from_slice(&output.stdout).expect("JSON");
        let of_action = rows.into_iter().filter(|(_, its, _, _)| its == action);
        of_action.map(|(kind, _, target, outcome)| (kind, target, outcome)).collect()
    }
}

fn on_host(legacy: &Legacy, host: &str, script: &str) {
    let status = legacy.setup.fleet.ssh(host, script).expect("ssh").status().expect("ran");
    assert!(status.success(), "{host}: {script}");
}

#[test]
fn a_deploy_of_pyinfra_is_planned_applied_and_then_quiet() {
    let Some(legacy) = Legacy::new(3, "") else { return };
    let output = legacy.pyinfra(&["on", "web-*", "--yes"]).expect_exit(0);
    assert!(output.stdout.contains("3 hosts: 3 change, 0 as they should be"), "{}", output.stdout);
    assert!(output.stdout.contains("+ upload 6 bytes to /etc/pyinfra-motd"), "{}", output.stdout);
    assert!(output.stdout.contains("3 hosts scanned again"), "{}", output.stdout);
    for host in ["web-1", "web-2", "web-3"] {
        assert_eq!(legacy.setup.read(host, "/etc/pyinfra-motd"), "hello\n");
        assert_eq!(legacy.setup.read(host, "/etc/pyinfra.conf"), format!("name={host} green\n"));
        assert!(legacy.setup.read(host, "/etc/passwd").contains("\ndeploy:"), "{host}");
        legacy.setup.fleet.mark(host).expect("mark");
    }
    let records = legacy.records("run.host");
    for host in ["web-1", "web-2", "web-3"] {
        let of_host: Vec<_> = records.iter().filter(|(_, target, _)| target == host).collect();
        let kinds: Vec<_> =
            of_host.iter().map(|(kind, _, outcome)| (kind.as_str(), outcome.as_deref())).collect();
        assert_eq!(kinds, [("intent", None), ("outcome", Some("done"))], "{host}");
    }
    let output = legacy.pyinfra(&["on", "web-*", "--yes"]).expect_exit(0);
    assert!(output.stdout.contains("web-1, web-2, web-3: as it should be"), "{}", output.stdout);
    for host in ["web-1", "web-2", "web-3"] {
        assert_eq!(legacy.setup.fleet.changes(host).expect("changes"), Vec::<PathBuf>::new(), "{host}");
    }
    // A run of it is one like any other.
    let rows = legacy.setup.run(&["runs", "--json"]).expect_exit(0).rows();
    assert_eq!((&rows[0]["deploy"], &rows[0]["hosts"]["done"]), (&"pyinfra legacy/web.py".into(), &3.into()));
    let run = rows[0]["run"].as_str().expect("a name");
    let shown = legacy.setup.run(&["run", "show", run, "--host", "web-1"]).expect_exit(0);
    assert!(shown.stdout.contains("1 changed     files.put Say hello"), "{}", shown.stdout);
    // The folder of the deploy is as it was.
    let left: Vec<_> = std::fs::read_dir(legacy.setup.ifrit.directory().join("legacy"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn hosts_with_another_key_or_none_or_out_of_reach_are_left_out() {
    let Some(legacy) = Legacy::new(4, "") else { return };
    let setup = &legacy.setup;
    let key = |host: &str| setup.fleet.host_key(host).expect("a key").as_str().to_owned();
    let inventory = setup.inventory.replace(&key("web-1"), &key("web-4"));
    let inventory = inventory.replace(&format!(", host_keys = [\"{}\"]", key("web-2")), "");
    setup.ifrit.write("inventory/hosts.star", &inventory);
    setup.fleet.cut("web-3").expect("cut");
    let rows = legacy.pyinfra(&["on", "web-*", "--dry", "--json"]).expect_exit(3).rows();
    let check = |host: &str, code: &str| {
        let row = rows.iter().find(|row| row["kind"] == "left-out" && row["host"] == host).expect("a row");
        assert!(row["problems"][0].as_str().expect("text").contains(code), "{row}");
    };
    check("web-1", "collect.host-key-changed");
    check("web-2", "collect.host-key-unknown");
    check("web-3", "collect.unreachable");
    assert_eq!(setup.fleet.connections("web-1").expect("log"), 0, "nobody has logged in");
    assert_eq!(setup.fleet.connections("web-2").expect("log"), 0, "nobody has logged in");
    assert!(rows.iter().any(|row| row["kind"] == "host" && row["host"] == "web-4"), "{rows:?}");
}

#[test]
fn a_host_that_is_cut_holds_no_other_and_is_named_at_its_deadline() {
    let Some(legacy) = Legacy::new(3, "[deploy]\nhost_timeout_secs = 12\nfailures_percent_max = 100\n")
    else {
        return;
    };
    let setup = &legacy.setup;
    setup.ifrit.write("legacy/web.py", SLOW);
    let plan = legacy.plan("web-*", 1);
    let mut child = setup.start(&["apply", &plan]);
    for host in ["web-1", "web-2", "web-3"] {
        wait_until("all hosts are at work", || setup.upper(host, "/root/at-work").exists());
    }
    setup.fleet.cut("web-2").expect("cut");
    for host in ["web-1", "web-3"] {
        on_host(&legacy, host, "touch /root/go-on");
    }
    assert_eq!(child.wait().expect("ended").code(), Some(3));
    for host in ["web-1", "web-3"] {
        assert!(setup.upper(host, "/srv/pyinfra").exists(), "{host} has come to its end");
    }
    let rows = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    assert_eq!(
        (&rows[0]["hosts"]["done"], &rows[0]["hosts"]["in-doubt"]),
        (&2.into(), &1.into()),
        "{rows:?}"
    );
    let run = rows[0]["run"].as_str().expect("a name").to_owned();
    let shown = setup.run(&["run", "show", &run, "--host", "web-2"]).expect_exit(0);
    assert!(shown.stdout.contains("web-2: in-doubt"), "{}", shown.stdout);
    assert!(shown.stdout.contains("it was not done after 12 s"), "{}", shown.stdout);
    assert!(shown.stdout.contains("2 in-doubt"), "{}", shown.stdout);
    // Nobody else works on it, until somebody has looked.
    setup.fleet.heal("web-2").expect("heal");
    let other = setup.run(&["apply", &legacy.plan("web-2", 1), "--json"]).expect_exit(3).rows();
    assert_eq!(state_of(&other, "web-2"), "refused");
    on_host(&legacy, "web-2", "touch /root/go-on");
    let output = setup.run(&["run", "resume", &run]).expect_exit(1);
    assert!(output.stdout.contains("it may have been done, and nothing tells"), "{}", output.stdout);
    // Planned again, what is left is done.
    let _ = legacy.pyinfra(&["on", "web-2", "--yes"]).expect_exit(0);
    assert!(setup.upper("web-2", "/srv/pyinfra").exists());
}

#[test]
fn a_host_behind_another_one_is_reached_through_it_with_pinned_keys_alone() {
    let Some(legacy) = Legacy::new(3, "config = [\"ssh_config\"]\nknown_hosts = []\n") else { return };
    let setup = &legacy.setup;
    let address = |host: &str| setup.fleet.address(host).expect("an address");
    let config = format!("Host {}\n  ProxyJump {}\n", address("web-1"), address("web-2"));
    setup.ifrit.write("ssh_config", &config);
    let _ = legacy.pyinfra(&["on", "web-1", "--yes"]).expect_exit(0);
    assert_eq!(setup.read("web-1", "/etc/pyinfra-motd"), "hello\n");
    assert!(setup.fleet.connections("web-2").expect("log") >= 2, "to plan and to apply");
    // The host on the way is held to its key, too.
    let key = |host: &str| setup.fleet.host_key(host).expect("a key").as_str().to_owned();
    setup.ifrit.write("inventory/hosts.star", &setup.inventory.replace(&key("web-2"), &key("web-3")));
    let output = legacy.pyinfra(&["on", "web-1", "--dry"]).expect_exit(4);
    assert!(output.stderr.contains("nothing was saved"), "{}", output.stderr);
}

#[test]
fn what_is_no_longer_as_planned_is_refused() {
    let Some(legacy) = Legacy::new(3, "") else { return };
    let setup = &legacy.setup;
    let plan = legacy.plan("web-*", 1);
    on_host(
        &legacy,
        "web-1",
        "echo name=other > /etc/pyinfra.conf; chmod 600 /etc/pyinfra.conf; useradd -M deploy",
    );
    let rows = setup.run(&["apply", &plan, "--json", "--max-failures", "100%"]).expect_exit(1).rows();
    assert_eq!((state_of(&rows, "web-1"), state_of(&rows, "web-2")), ("stopped".into(), "done".into()));
    assert!(rows.iter().any(|row| row["kind"] == "step" && row["outcome"] == "stale"), "{rows:?}");
    assert!(!setup.upper("web-1", "/etc/pyinfra-motd").exists(), "nothing was done");
    let plan = legacy.plan("web-1", 1);
    setup.ifrit.write("legacy/files/motd", "hello again\n");
    let output = setup.run(&["apply", &plan]).expect_exit(4);
    assert!(output.stderr.contains("files in legacy have changed"), "{}", output.stderr);
}

#[test]
fn a_plan_of_pyinfra_needs_the_approval_that_the_settings_ask_for() {
    let Some(legacy) = Legacy::new(3, "[approval]\nunknown = \"four-eyes\"\n") else { return };
    let setup = &legacy.setup;
    let mut inventory = setup.inventory.clone();
    for (person, access) in [("maria", "approver"), ("tester", "admin")] {
        let key = new_key(setup.ifrit.directory(), person);
        inventory += &format!(
            "person(\"{person}\", email = \"{person}@example.org\", keys = [\"{key}\"], access = [\"{access}\"])\n"
        );
    }
    setup.ifrit.write("inventory/hosts.star", &inventory);
    setup.commit();
    // --yes is no approval.
    let output = legacy.pyinfra(&["on", "web-1", "--yes"]).expect_exit(1);
    assert!(output.stderr.contains("somebody else runs `ifrit approve"), "{}", output.stderr);
    let plan = legacy.plan("web-1", 1);
    let output = setup.run(&["apply", &plan]).expect_exit(4);
    assert!(output.stderr.contains("is not approved"), "{}", output.stderr);
    assert!(!setup.upper("web-1", "/etc/pyinfra-motd").exists(), "nothing was done");
    let key = setup.ifrit.directory().join(".ssh/maria").display().to_string();
    setup.git(&["config", "user.email", "maria@example.org"]);
    let _ = setup.run(&["approve", &plan, "--yes", "--key", &key]).expect_exit(0);
    setup.git(&["config", "user.email", "tester@example.org"]);
    let _ = setup.run(&["apply", &plan]).expect_exit(0);
    assert_eq!(setup.read("web-1", "/etc/pyinfra-motd"), "hello\n");
}

#[test]
fn waves_end_with_the_canary_that_fails() {
    let Some(legacy) = Legacy::new(3, "") else { return };
    let setup = &legacy.setup;
    let deploy = "from pyinfra import host\nfrom pyinfra.operations import server\n\
                  server.shell(commands=[\"echo out; echo \\x1b[31mno >&2; test $(hostname) != web-1\"])\n\
                  server.shell(commands=[\"touch /root/after\"])\n";
    setup.ifrit.write("legacy/web.py", deploy);
    let output = legacy.pyinfra(&["on", "web-*", "--yes", "--canary", "1"]).expect_exit(3);
    assert!(output.stdout.contains("wave 1: web-1\nwave 2: web-2, web-3"), "{}", output.stdout);
    assert!(output.stdout.contains("web-1: failed"), "{}", output.stdout);
    assert!(output.stdout.contains("1 failed, 2 not started"), "{}", output.stdout);
    assert!(!output.stdout.contains('\x1b'), "foreign text is harmless: {:?}", output.stdout);
    for host in ["web-1", "web-2", "web-3"] {
        assert!(!setup.upper(host, "/root/after").exists(), "{host}");
    }
}

/// A workspace with this machine as its only host.
fn here(settings: &str) -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", settings);
    let inventory = "client(\"acme\")\nhost(\"here\", client = \"acme\", local = True, data = {\"port\": 8443, \"ssh_user\": \"x\"})\n";
    ifrit.write("inventory/hosts.star", inventory);
    ifrit
}

#[test]
fn without_pyinfra_it_says_how_to_get_it() {
    let ifrit = here("[pyinfra]\nprogram = \"nowhere/pyinfra\"\n");
    ifrit.write("web.py", "");
    let output = ifrit.run(&["pyinfra", "web.py", "on", "here"]).expect_exit(4);
    assert!(output.stderr.contains("`nowhere/pyinfra` is no program here"), "{}", output.stderr);
    assert!(output.stderr.contains("pip install pyinfra"), "{}", output.stderr);
    let _ = ifrit.run(&["pyinfra", "web.py"]).expect_exit(2);
}

#[test]
fn a_deploy_that_fails_is_shown_with_what_it_said() {
    let Some(programs) = programs("pyinfra") else { return };
    let ifrit = here(&format!("[pyinfra]\nprogram = \"{}\"\n", programs.join("pyinfra").display()));
    ifrit.write("web.py", "raise ValueError('no such \\x1b[2J thing')\n");
    let output = ifrit.run(&["pyinfra", "web.py", "on", "here"]).expect_exit(4);
    assert!(output.stderr.contains("pyinfra.failed"), "{}", output.stderr);
    assert!(output.stderr.contains("ValueError: no such"), "{}", output.stderr);
    assert!(!output.stderr.contains('\x1b'), "{:?}", output.stderr);
    let _ = ifrit.run(&["pyinfra", "absent.py", "on", "here"]).expect_exit(2);
    let _ = ifrit.run(&["pyinfra", "/etc/hosts", "on", "here"]).expect_exit(2);
    let left: Vec<Value> = ifrit.run(&["plans", "--json"]).expect_exit(0).rows();
    assert_eq!(left, Vec::<Value>::new());
}

#[test]
fn variables_of_ifrit_are_hidden_from_pyinfra() {
    let Some(programs) = programs("pyinfra") else { return };
    let ifrit = here(&format!("[pyinfra]\nprogram = \"{}\"\n", programs.join("pyinfra").display()));
    let deploy = "import os\nfrom io import StringIO\nfrom pyinfra import host\nfrom pyinfra.operations import files\n\
                  assert (host.data.port, host.data.get('ssh_user')) == (8443, None)\n\
                  names = sorted(name for name in os.environ if name in ('IFRIT_SECRET_DB', 'IFRIT_DATABASE', 'HOME'))\n\
                  files.put(src=StringIO(','.join(names)), dest=os.environ['HOME'] + '/names')\n";
    ifrit.write("web.py", deploy);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ifrit"));
    command.args(["pyinfra", "web.py", "on", "here", "--yes"]).current_dir(ifrit.directory());
    command.env("HOME", ifrit.directory()).env("IFRIT_SECRET_DB", "canary").env("IFRIT_DATABASE", "ifrit.db");
    let output = command.output().expect("ifrit starts");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let names = std::fs::read_to_string(ifrit.directory().join("names")).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(names, "HOME");
}
