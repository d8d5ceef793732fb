//! What the inventory takes from files and commands.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use lang::{LoadOptions, load_with};
use model::{Code, DataValue};

use crate::render;
use crate::workspace::Sample;

/// A script in the workspace.
fn script(sample: &Sample, path: &str, text: &str) {
    sample.write(path, format!("#!/bin/sh\n{text}\n").as_bytes());
    let whole = sample.root().join(path);
    fs::set_permissions(whole, fs::Permissions::from_mode(0o755)).expect("the script can be made executable");
}

/// Gives a host the data of an expression and loads it: the value, or what the problem says.
fn check(sample: &Sample, expression: &str, expected: Result<DataValue, &str>) {
    let code = format!("client('c')\nhost('h', client = 'c', data = {{'x': data.{expression}}})\n");
    sample.write("inventory/a.star", code.as_bytes());
    let (workspace, problems) = sample.load();
    let text = render(&problems);
    match expected {
        Ok(value) => {
            assert_eq!(text, "", "{expression}");
            assert_eq!(workspace.inventory.hosts[0].data["x"], value, "{expression}");
        }
        Err(message) => {
            assert!(text.contains(message), "{expression}: expected {message}, got\n{text}");
            assert!(text.starts_with("inventory/a.star:2:"), "{expression}: {text}");
            assert!(workspace.inventory.hosts.is_empty(), "{expression}");
        }
    }
}

/// Waits until a process that was killed has ended; a zombie that nobody reaps counts.
fn wait_until_gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
        if matches!(state, None | Some('Z' | 'X')) {
            return;
        }
        assert!(Instant::now() < deadline, "process {pid} still runs: {status}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(value: &str) -> DataValue {
    DataValue::Text(value.to_owned())
}

#[test]
fn files_are_read_from_the_root() {
    let sample = Sample::new(&[
        ("d/a.json", br#"{"name": "x", "list": [1, true, null]}"#),
        ("d/a.toml", b"ports = [22, 443]\n[when]\nday = 2026-01-02\n"),
        ("d/a.csv", b"name,note\nweb-1,\"a, b\"\nweb-2,\n"),
        ("d/broken.json", b"{\"a\": }"),
        ("d/broken.toml", b"a = 1\nb = \n"),
        ("d/ragged.csv", b"a,b\n1\n"),
        ("d/twice.csv", b"a,a\n1,2\n"),
        ("d/latin.json", b"\"\xe9\""),
        ("d/deep.json", "[".repeat(100_000).as_bytes()),
        ("d/deep.toml", format!("{}a = 1", "a.".repeat(100_000)).as_bytes()),
    ]);
    let list = DataValue::List(vec![DataValue::Int(1), DataValue::Bool(true), DataValue::None]);
    check(&sample, "json('d/a.json')['list']", Ok(list));
    check(&sample, "toml('d/a.toml')['ports'][1]", Ok(DataValue::Int(443)));
    check(&sample, "toml('d/a.toml')['when']['day']", Ok(text("2026-01-02")));
    check(&sample, "csv('d/a.csv')[0]['note']", Ok(text("a, b")));
    check(&sample, "csv('d/a.csv')[1]['note']", Ok(text("")));
    check(
        &sample,
        "json('d/broken.json')",
        Err("data.unreadable]: `d/broken.json` is not JSON: expected value at line 1"),
    );
    check(&sample, "toml('d/broken.toml')", Err("`d/broken.toml` is not TOML: "));
    check(&sample, "csv('d/ragged.csv')", Err("`d/ragged.csv` is not CSV: "));
    check(&sample, "csv('d/twice.csv')", Err("two columns have the title `a`"));
    check(&sample, "json('d/latin.json')", Err("expected UTF-8"));
    check(&sample, "json('d/deep.json')", Err("recursion limit"));
    check(&sample, "toml('d/deep.toml')", Err("recursion limit"));
    check(&sample, "json('d/none.json')", Err("there is no such file"));
    check(&sample, "json('d')", Err("not a plain file"));
    check(&sample, "json(3)", Err("expected path to be a string, got int 3"));
}

#[test]
fn files_outside_of_the_root_are_not_read() {
    let outside = Sample::new(&[("secret.json", b"1")]);
    let sample = Sample::new(&[]);
    symlink(outside.root().join("secret.json"), sample.root().join("link.json")).expect("a link");
    symlink(outside.root(), sample.root().join("linked")).expect("a link");
    let absolute = outside.root().join("secret.json");
    check(&sample, "json('link.json')", Err("symbolic link"));
    check(&sample, "json('linked/secret.json')", Err("symbolic link"));
    check(&sample, &format!("json('{}')", absolute.display()), Err("not possible"));
    check(&sample, "json('../secret.json')", Err("not possible"));
    check(&sample, "json('')", Err("not possible"));
}

#[test]
fn commands_print_json() {
    let sample = Sample::new(&[]);
    script(&sample, "bin/rows", r#"printf '[{"name": "%s", "here": "%s"}]' "$1" "$(cat marker)""#);
    sample.write("marker", b"root");
    check(&sample, "json_command(['bin/rows', '$(id)'])[0]['name']", Ok(text("$(id)")));
    check(&sample, "json_command(['bin/rows', 'a'])[0]['here']", Ok(text("root")));
    check(&sample, "json_command(['sh', '-c', 'cat; echo 1'])", Ok(DataValue::Int(1)));
}

#[test]
fn commands_that_fail_are_located_and_quoted() {
    let sample = Sample::new(&[]);
    script(&sample, "bin/fail", "echo one >&2; echo 'two words' >&2; exit 3");
    script(&sample, "bin/kill", "kill -9 $$");
    script(&sample, "bin/many", "head -c 20000000 /dev/zero");
    script(&sample, "bin/slow", "sleep 1000 & echo $! > pid; sleep 1000");
    let failed =
        "error[data.command-failed]: `bin/fail` ended with status 3 and said: one / two words\n    hint: ";
    check(&sample, "json_command(['bin/fail'])", Err(failed));
    check(&sample, "json_command(['bin/kill'])", Err("was ended by signal 9"));
    check(&sample, "json_command(['bin/many'])", Err("printed more than 16777216 bytes and was stopped"));
    check(
        &sample,
        "json_command(['bin/slow'], timeout_secs = 1)",
        Err("did not end within 1 s and was stopped"),
    );
    let pid = fs::read_to_string(sample.root().join("pid")).expect("it was started");
    wait_until_gone(pid.trim());
    check(&sample, "json_command(['bin/none'])", Err("cannot be started"));
    check(&sample, "json_command(['echo', 'x'])", Err("printed something else than JSON: expected value"));
    check(&sample, "json_command([])", Err("expected argv to name a program, got none"));
    check(&sample, "json_command('id')", Err("expected argv to be a list of strings"));
    check(&sample, "json_command(['id', 1])", Err("expected argv to be a list of strings"));
    check(
        &sample,
        "json_command(['id'], timeout_secs = 0)",
        Err("expected timeout_secs to be a whole number"),
    );
}

#[test]
fn a_command_runs_once_however_often_it_is_asked_for() {
    let sample = Sample::new(&[
        ("inventory/_x.star", b"rows = data.json_command(['bin/count'])"),
        ("inventory/a.star", b"load('_x.star', 'rows')\nclient('c')\n[data.json_command(['bin/count']) for i in range(3)]\nfail(str(rows))"),
        ("inventory/b.star", b"data.json_command(['bin/count'], timeout_secs = 20)"),
    ]);
    script(&sample, "bin/count", "echo x >> ran; wc -l < ran");
    let (_, problems) = sample.load();
    assert!(render(&problems).contains("the code says: 1"), "{}", render(&problems));
    assert_eq!(fs::read_to_string(sample.root().join("ran")).expect("it ran"), "x\n");
}

#[test]
fn without_commands_their_data_is_unknown_and_the_rest_counts() {
    let code = r#"
acme = client("acme")
rows = data.json_command(["bin/never"])
more = [host(row["name"], client = acme, address = row["ip"]) for row in rows["hosts"].get("all")]
host("web-1", client = acme, address = rows["ip"], port = rows.port, data = {"x": rows}, tags = rows["tags"])
db = host("db-1", client = acme, port = "x")
host("db-2", client = acme)
service("shop", client = acme, hosts = ["from-rows", "db-2"] + rows, owner = rows[0])
service("mail", client = acme, hosts = ["from-rows", "db-2"])
if rows or len(rows) or "x" in rows:
    fail("unknown is empty")
title = "%s" % rows + rows
group("of-rows", hosts = more)
service("of-rows", client = acme, hosts = more)
"#;
    let sample = Sample::new(&[("inventory/a.star", code.as_bytes())]);
    script(&sample, "bin/never", "touch ran");
    let options = LoadOptions { run_commands: false, ..LoadOptions::default() };
    let (workspace, problems) = load_with(sample.root(), &[], &options);
    assert_eq!(problems.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::InventoryBadArgument]);
    assert!(render(&problems).contains("expected port to be"), "{}", render(&problems));
    let hosts: Vec<&str> = workspace.inventory.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(hosts, ["db-2"]);
    assert_eq!(workspace.inventory.services.len(), 1);
    assert!(!sample.root().join("ran").exists());
}

#[test]
fn code_that_wants_to_know_the_unknown_is_not_blamed() {
    for expression in [
        "x - 1",
        "1 - x",
        "3 < x",
        "x > 3",
        "int(x)",
        "range(x)",
        "[][x]",
        "{x: 1}",
        "sorted([x, 2])",
        "max(x, 1)",
    ] {
        let code = format!("x = data.json_command(['id'])\ny = {expression}\n");
        let sample = Sample::new(&[
            ("inventory/_a.star", code.as_bytes()),
            ("inventory/b.star", b"load('_a.star', 'y')\nclient('b')"),
            ("inventory/c.star", b"client('c')\nhost('h', client = 'b')\nfail('really')"),
        ]);
        let options = LoadOptions { run_commands: false, ..LoadOptions::default() };
        let (workspace, problems) = load_with(sample.root(), &[], &options);
        let text = render(&problems);
        assert!(problems.len() == 1 && text.contains("the code says: really"), "{expression}: {text}");
        assert!(workspace.inventory.clients.iter().any(|it| it.name.as_str() == "c"), "{expression}");
    }
}

#[test]
fn deploys_see_no_data() {
    let sample = Sample::new(&[("deploys/a.star", b"def deploy(host):\n    return data.json('x.json')")]);
    let (_, problems) = sample.load();
    assert!(render(&problems).contains("starlark.unknown-name"), "{}", render(&problems));
}

#[test]
fn buffers_stand_for_files() {
    let sample = Sample::new(&[("inventory/a.star", b"client('old')"), ("inventory/b.star", b"client('b')")]);
    let buffers =
        [("inventory/a.star", "client('new')"), ("inventory/c.star", "client('c')"), ("x/y.star", "fail()")];
    let buffers = buffers.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let (workspace, problems) =
        load_with(sample.root(), &[], &LoadOptions { buffers, ..LoadOptions::default() });
    assert_eq!(render(&problems), "");
    let names: Vec<&str> = workspace.inventory.clients.iter().map(|client| client.name.as_str()).collect();
    assert_eq!(names, ["b", "c", "new"]);
    assert_eq!(workspace.files.len(), 3);
}
