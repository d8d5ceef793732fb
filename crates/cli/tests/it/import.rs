//! `ifrit import` and `ifrit inventory`, beside the tools whose formats they read and write.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::{Fleet, HostContent, HostSpec};

use crate::command::Ifrit;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fixture(name: &str) -> String {
    root().join("fixtures/import").join(name).to_str().expect("UTF-8 path").to_owned()
}

#[expect(clippy::print_stderr, reason = "a test that is skipped must be seen")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Returns the programs of a pinned version of another tool, if this machine can have it.
pub fn programs(tool: &str) -> Option<PathBuf> {
    let output = Command::new(root().join("scripts/venv")).arg(tool).stdin(Stdio::null()).output();
    let output = output.expect("scripts/venv starts");
    if !output.status.success() {
        skip(&format!("no {tool} here: {}", String::from_utf8_lossy(&output.stderr)));
        return None;
    }
    Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).join("bin"))
}

/// Prepares another tool to run in the sample's directory and in a network namespace, if one is given.
fn command(ifrit: &Ifrit, namespace: Option<&str>, program: &Path, arguments: &[&str]) -> Command {
    let mut command = match namespace {
        None => Command::new(program),
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(program);
            command
        }
    };
    command
        .args(arguments)
        .current_dir(ifrit.directory())
        .env("HOME", ifrit.directory())
        .env("ANSIBLE_HOME", ifrit.directory().join("ansible"))
        .env("ANSIBLE_NOCOLOR", "1")
        // Neither the person's own ssh_config nor an open connection may answer.
        .env("ANSIBLE_SSH_ARGS", "-F /dev/null -o ControlMaster=no")
        .stdin(Stdio::null());
    command
}

/// Runs it; returns whether it succeeded, and all it said.
fn attempt(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// Runs another tool, which must succeed, and returns its standard output.
fn tool(ifrit: &Ifrit, program: &Path, arguments: &[&str]) -> String {
    let mut command = command(ifrit, None, program, arguments);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} {arguments:?}\n{stdout}\n{stderr}", program.display());
    stdout.into_owned()
}

/// Imports with `--write` and returns what the inventory then declares.
fn declared(format: &str, file: &str, exit: i32) -> Vec<Value> {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "[ssh]\nuser = \"default\"\n");
    let _ = ifrit.run(&["import", format, file, "--client", "acme", "--write"]).expect_exit(exit);
    let output = ifrit.run(&["check"]).expect_exit(0);
    assert_eq!(output.stdout, "");
    ifrit.run(&["inventory", "--json"]).expect_exit(0).rows()
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_else(|| panic!("{key} in {row}"))
}

#[test]
fn every_format_becomes_a_sound_inventory() {
    let check = |format, file, exit, hosts| {
        assert_eq!(declared(format, &fixture(file), exit).len(), hosts, "{file}");
    };
    check("csv", "hosts.csv", 1, 8);
    check("ssh-config", "ssh_config", 0, 7);
    check("ansible-inventory", "inventory.ini", 0, 11);
    check("netbox-json", "netbox.json", 0, 6);
}

#[test]
fn an_import_is_printed_and_never_overwrites() {
    let ifrit = Ifrit::new();
    let csv = "name,ip\nweb-1,192.0.2.1\nweb-2,192.0.2.2\nweb-3,192.0.2.3\n";
    let output = ifrit.run_with_input(&["import", "csv", "-", "--client", "acme"], csv).expect_exit(0);
    let expected = "# Imported from standard input (CSV) by `ifrit import`. It is yours now: move, rename, shorten.\n\n\
                    acme = client(\"acme\")\n\n\
                    web = [\n    host(f\"web-{i}\", client = acme, address = f\"192.0.2.{i}\")\n    for i in range(1, 4)\n]\n";
    assert_eq!(output.stdout, expected);
    let written = ifrit.run_with_input(&["import", "csv", "-", "--write=mine.star"], csv).expect_exit(0);
    assert_eq!(written.stdout, "mine.star\n");
    let again =
        ifrit.run_with_input(&["import", "csv", "-", "--write=mine.star"], "name\nx\n").expect_exit(2);
    assert!(again.stderr.contains("mine.star already exists"), "{}", again.stderr);
    let kept = std::fs::read_to_string(ifrit.directory().join("mine.star")).expect("the file");
    assert!(kept.contains("web-{i}"), "{kept}");
    let _ = ifrit.run_with_input(&["import", "csv", "-", "--write=/dev/null"], csv).expect_exit(2);
    let _ = ifrit.run(&["import", "csv", "nowhere.csv"]).expect_exit(4);
}

#[test]
fn a_file_of_another_format_is_refused_with_advice() {
    let check = |format, text: &str, advice: &str| {
        let output = Ifrit::new().run_with_input(&["import", format, "-"], text).expect_exit(4);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.contains(advice), "{}", output.stderr);
    };
    check("ansible-inventory", "all:\n  hosts:\n    web:\n", "ansible-inventory --list -i FILE");
    check("netbox-json", "<html>", "expected the JSON of NetBox");
    check("csv", "[web]\n", "expected a header");
    check("ssh-config", "", "no host could be imported");
}

/// The table in the guide becomes the inventory in the guide.
#[test]
fn the_guide_shows_what_is_printed() {
    let guide =
        std::fs::read_to_string(root().join("docs/guides/importing-what-you-have.md")).expect("guide");
    let block = |kind: &str| {
        let after = guide.split_once(&format!("```{kind}\n")).map(|(_, after)| after);
        after.and_then(|after| after.split_once("```")).expect("a block").0.to_owned()
    };
    let ifrit = Ifrit::new();
    ifrit.write("hosts.csv", &block("text"));
    assert_eq!(ifrit.run(&["import", "csv", "hosts.csv"]).expect_exit(0).stdout, block("python"));
}

/// What we read of an ssh_config is what ssh itself would do.
#[test]
fn ssh_config_means_what_ssh_says() {
    let hosts = declared("ssh-config", &fixture("ssh_config"), 0);
    if Command::new("ssh").arg("-V").output().is_err() {
        return skip("no ssh here");
    }
    for host in &hosts {
        let name = text(host, "host");
        let output =
            Command::new("ssh").args(["-G", "-F", &fixture("ssh_config"), name]).output().expect("ssh");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = |key: &str| {
            said.lines().find_map(|line| line.strip_prefix(&format!("{key} "))).unwrap_or_default()
        };
        assert_eq!(text(host, "address"), value("hostname"), "{name}: {said}");
        assert_eq!(text(host, "user"), value("user"), "{name}");
        assert_eq!(host["port"].to_string(), value("port"), "{name}");
    }
}

/// What we read of an INI inventory is what Ansible itself makes of it.
#[test]
fn ansible_inventories_mean_what_ansible_says() {
    let Some(programs) = programs("ansible") else { return };
    let ifrit = Ifrit::new();
    let listed =
        tool(&ifrit, &programs.join("ansible-inventory"), &["-i", &fixture("inventory.ini"), "--list"]);
    let file = ifrit.write("listed.json", &listed);
    let from_json = declared("ansible-inventory", file.to_str().expect("UTF-8 path"), 0);
    let from_ini = declared("ansible-inventory", &fixture("inventory.ini"), 0);
    assert_eq!(from_ini.len(), 11);
    assert_eq!(from_json, from_ini);
}

/// A workspace with two clients, one local host and one host without a key.
fn workspace() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "[ssh]\nuser = \"ops\"\n");
    let inventory = format!(
        "acme = client(\"acme\")\nglobex = client(\"globex\")\nfra = site(\"fra\", client = acme)\n\
         lb = host(\"lb-1\", client = acme, address = \"192.0.2.1\", site = fra, tags = [\"edge-1\"], host_keys = [\"{KEY}\"])\n\
         host(\"web.x\", client = globex, address = \"web.example\", port = 2222, user = \"root\", host_keys = [\"{KEY}\"])\n\
         host(\"bare\", client = globex, address = \"2001:db8::1\")\nhost(\"here\", client = acme, local = True)\n\
         service(\"haproxy\", client = acme, hosts = lb)\n"
    );
    ifrit.write("inventory/hosts.star", &inventory);
    ifrit
}

#[test]
fn inventory_json_is_one_host_per_line() {
    let ifrit = workspace();
    let rows = ifrit.run(&["inventory", "--json", "client:acme"]).expect_exit(0).rows();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["host"], &rows[0]["local"]), (&"here".into(), &true.into()));
    assert_eq!(rows[1]["host_keys"], serde_json::json!([KEY]));
    assert_eq!(
        (&rows[1]["user"], &rows[1]["port"], &rows[1]["site"]),
        (&"ops".into(), &22.into(), &"fra".into())
    );
    assert_eq!(rows[1]["services"], serde_json::json!(["haproxy"]));
    let output = ifrit.run(&["inventory", "--json"]).expect_exit(0);
    assert!(output.stderr.contains("host bare: warning[export.no-host-key]"), "{}", output.stderr);
    for wrong in
        [&["inventory"][..], &["inventory", "--json", "--ansible"], &["inventory", "--json", "--list"]]
    {
        let _ = ifrit.run(wrong).expect_exit(2);
    }
    let _ = ifrit.run(&["inventory", "--ansible", "--known-hosts", "a b"]).expect_exit(2);
}

/// Writes the script that an Ansible user keeps.
fn inventory_script(ifrit: &Ifrit) -> PathBuf {
    let (binary, directory) = (env!("CARGO_BIN_EXE_ifrit"), ifrit.directory().display());
    let text = format!(
        "#!/bin/sh\nexec {binary} -C {directory} inventory --ansible --known-hosts {directory}/known \"$@\"\n"
    );
    let script = ifrit.write("hosts.sh", &text);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("an executable");
    script
}

#[test]
fn ansible_takes_ifrit_as_its_inventory_script() {
    let Some(programs) = programs("ansible") else { return };
    let ifrit = workspace();
    let script = inventory_script(&ifrit);
    let listed = tool(&ifrit, &programs.join("ansible-inventory"), &["-i", "hosts.sh", "--list"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let variables = &listed["_meta"]["hostvars"];
    assert_eq!(variables["lb-1"]["ansible_host"], "192.0.2.1");
    assert_eq!(variables["web.x"]["ansible_port"], 2222);
    assert_eq!(variables["web.x"]["ansible_user"], "root");
    assert_eq!(variables["here"]["ansible_connection"], "local");
    assert_eq!(listed["client_globex"]["hosts"], serde_json::json!(["bare", "web.x"]));
    for group in ["service_haproxy", "tag_edge_1", "site_fra"] {
        assert_eq!(listed[group]["hosts"], serde_json::json!(["lb-1"]), "{group}");
    }
    let host = tool(&ifrit, &script, &["--host", "lb-1"]);
    assert_eq!(host, "{}\n");
    let ping =
        tool(&ifrit, &programs.join("ansible"), &["-i", "hosts.sh", "here", "-m", "raw", "-a", "echo pong"]);
    assert!(ping.contains("pong"), "{ping}");
    let arguments = variables["lb-1"]["ansible_ssh_common_args"].as_str().expect("arguments");
    for word in ["StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "/known "] {
        assert!(arguments.contains(word), "{arguments}");
    }
    let known = std::fs::read_to_string(ifrit.directory().join("known")).expect("known_hosts");
    let lines: Vec<_> = known.lines().skip(1).collect();
    assert_eq!(lines, [format!("192.0.2.1 {KEY}"), format!("[web.example]:2222 {KEY}")]);
}

#[test]
fn pyinfra_takes_the_inventory_file() {
    let Some(programs) = programs("pyinfra") else { return };
    let ifrit = workspace();
    let output = ifrit.run(&["inventory", "--pyinfra", "--known-hosts", "known"]).expect_exit(0);
    ifrit.write("fleet.py", &output.stdout);
    let check = "import json\nfrom pyinfra.api import State\nfrom pyinfra.context import ctx_state\n\
                 from pyinfra_cli.inventory import make_inventory_from_files\n\
                 with ctx_state.use(State(check_for_changes=False)):\n    \
                 inventory = make_inventory_from_files('fleet.py')\n\
                 hosts = {host.name: [sorted(host.groups), host.data.dict()] for host in inventory}\n\
                 print(json.dumps(hosts, default=str))\n";
    ifrit.write("check.py", check);
    let said = tool(&ifrit, &programs.join("python"), &["check.py"]);
    let hosts: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let data = &hosts["web.x"][1];
    assert_eq!((&data["ssh_hostname"], &data["ssh_port"]), (&"web.example".into(), &2222.into()));
    assert_eq!((&data["ssh_user"], &data["ssh_strict_host_key_checking"]), (&"root".into(), &"yes".into()));
    assert!(data["ssh_known_hosts_file"].as_str().is_some_and(|path| path.ends_with("/known")), "{data}");
    assert!(hosts["lb-1"][0].as_array().expect("groups").contains(&"service_haproxy".into()), "{said}");
    assert!(hosts["@local"][0].as_array().expect("groups").contains(&"client_acme".into()), "{said}");
    // The command itself reads it, too, and runs on the local host.
    let arguments = ["-y", "--limit", "@local", "fleet.py", "exec", "--", "echo", "pong"];
    let (is_good, said) = attempt(command(&ifrit, None, &programs.join("pyinfra"), &arguments));
    assert!(is_good && said.contains("pong"), "{said}");
}

/// On a real sshd: both tools reach a host whose key is pinned, and refuse one that shows another.
#[test]
fn pinned_keys_bind_ansible_and_pyinfra() {
    if let Err(why) = testkit::support() {
        return skip(&format!("no fleet of real hosts here: {why}"));
    }
    let (Some(ansible), Some(pyinfra)) = (programs("ansible"), programs("pyinfra")) else { return };
    let content = HostContent::RecordedAlpine { root: root().join("fixtures/fleet/alpine-3.18") };
    let fleet = Fleet::start(&[HostSpec::new("web", content)]).expect("a fleet");
    let (address, key) = (fleet.address("web").expect("an address"), fleet.host_key("web").expect("a key"));
    let identity = fleet.identity().to_str().expect("UTF-8 path").to_owned();
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    inventory_script(&ifrit);
    for (key, is_expected) in [(key.to_string(), true), (KEY.to_owned(), false)] {
        let inventory = format!(
            "client(\"acme\")\nhost(\"web\", client = \"acme\", address = \"{address}\", host_keys = [\"{key}\"])\n"
        );
        ifrit.write("inventory/hosts.star", &inventory);
        let namespace = Some(fleet.namespace());
        let arguments =
            ["-i", "hosts.sh", "web", "-m", "raw", "-a", "echo po''ng", "--private-key", identity.as_str()];
        let (is_good, said) = attempt(command(&ifrit, namespace, &ansible.join("ansible"), &arguments));
        assert_eq!((is_good, said.contains("pong")), (is_expected, is_expected), "ansible: {said}");
        assert_eq!(said.contains("Host key verification failed"), !is_expected, "ansible: {said}");
        let output = ifrit.run(&["inventory", "--pyinfra", "--known-hosts", "known"]).expect_exit(0);
        ifrit.write("fleet.py", &output.stdout);
        let arguments = ["-y", "--key", identity.as_str(), "fleet.py", "exec", "--", "echo", "po''ng"];
        let (is_good, said) = attempt(command(&ifrit, namespace, &pyinfra.join("pyinfra"), &arguments));
        assert_eq!((is_good, said.contains("pong")), (is_expected, is_expected), "pyinfra: {said}");
        assert_eq!(said.to_lowercase().contains("host key"), !is_expected, "pyinfra: {said}");
    }
}
