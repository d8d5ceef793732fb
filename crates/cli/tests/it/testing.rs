//! `ifrit test`, `ifrit stubs`, `ifrit check` of deploys, and formatting: tools around deploys.

use std::process::{Command, Stdio};

use crate::command::Ifrit;
use crate::import::programs;

const DEPLOY: &str = r##""""Web servers."""
def deploy(host):
    """Sets up a web server."""
    server.packages(["haproxy"])
    cfg = files.put(dest = "/etc/haproxy/haproxy.cfg", content = "bind :443\n", mode = 644)
    service.reload("haproxy", when = cfg.changed, handler = True)
"##;

const TESTS: &str = r##"
FACTS = [testing.absent("/etc/haproxy/haproxy.cfg"), testing.package("haproxy", "2.8")]

def test_the_file_is_put():
    plan = testing.plan("web", host = testing.host("web-1"), facts = FACTS)
    expect.eq(plan.changes, ["files.put /etc/haproxy/haproxy.cfg", "service haproxy (reload)"])

def test_that_fails():
    plan = testing.plan("web", host = testing.host("web-1"), facts = FACTS)
    expect.eq(len(plan.steps), 4)
"##;

fn workspace() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    // No test looks at the inventory, and no command in it runs.
    ifrit.write("inventory/hosts.star", "data.json_command([\"touch\", \"ran\"])\nclient(3)\n");
    ifrit.write("deploys/web.star", DEPLOY);
    ifrit
}

#[test]
fn tests_pass_and_fail_with_what_came() {
    let ifrit = workspace();
    let output = ifrit.run(&["test"]).expect_exit(0);
    assert!(output.stderr.contains("no tests"), "{}", output.stderr);
    ifrit.write("deploys/web_test.star", TESTS);
    let output = ifrit.run(&["test"]).expect_exit(1);
    for line in [
        "ok   deploys/web_test.star:4 test_the_file_is_put",
        "FAIL deploys/web_test.star:8 test_that_fails",
        "deploys/web_test.star:10:5: error[test.failed]",
        "expected: 4",
        "got:      3",
    ] {
        assert!(output.stdout.contains(line), "{line}\n{}", output.stdout);
    }
    assert!(output.stderr.contains("2 tests: 1 passed, 1 failed"), "{}", output.stderr);
    assert!(!ifrit.directory().join("ran").exists());
    assert!(!ifrit.directory().join("ifrit.db").exists());
    let rows = ifrit.run(&["test", "--json"]).expect_exit(1).rows();
    let outcomes: Vec<_> = rows.iter().map(|row| (&row["test"], &row["outcome"])).collect();
    assert_eq!(
        outcomes,
        [(&"test_the_file_is_put".into(), &"passed".into()), (&"test_that_fails".into(), &"failed".into())]
    );
    assert_eq!(
        (&rows[1]["expected"], &rows[1]["got"], &rows[1]["line"]),
        (&"4".into(), &"3".into(), &10.into())
    );
}

#[test]
fn a_fact_that_is_missing_comes_with_the_line_to_add() {
    let ifrit = workspace();
    let text = "def test_it():\n    testing.plan(\"web\", host = testing.host(\"web-1\"))\n";
    ifrit.write("tests/web_test.star", text);
    let output = ifrit.run(&["test", "tests/web_test.star"]).expect_exit(1);
    assert!(output.stdout.contains("error[test.fact-missing]"), "{}", output.stdout);
    let lines: Vec<&str> =
        output.stdout.lines().map(str::trim).filter(|line| line.starts_with("testing.")).collect();
    assert_eq!(lines.len(), 3, "{}", output.stdout);
    // What it prints is what makes the test pass.
    let facts = lines.join("");
    let text = text.replace("))", &format!("), facts = [{facts}])"));
    ifrit.write("tests/web_test.star", &text);
    let _ = ifrit.run(&["test"]).expect_exit(0);
}

#[test]
fn files_that_are_no_tests_or_do_not_load_are_said_to_be_so() {
    let ifrit = workspace();
    for file in ["deploys/none_test.star", "deploys/web.star", "/etc/passwd"] {
        let _ = ifrit.run(&["test", file]).expect_exit(2);
    }
    ifrit.write("deploys/web_test.star", "def test_it():\n    testing.plann(\"web\")\n");
    ifrit.write("tests/other_test.star", "def test_it():\n    pass\n");
    let output = ifrit.run(&["test"]).expect_exit(1);
    assert!(output.stdout.contains("deploys/web_test.star:2:13: error[starlark.type]"), "{}", output.stdout);
    assert!(output.stdout.contains("ok   tests/other_test.star:1 test_it"), "{}", output.stdout);
    let rows = ifrit.run(&["test", "--json"]).expect_exit(1).rows();
    assert_eq!((&rows[0]["outcome"], &rows[0]["test"]), (&"error".into(), &serde_json::Value::Null));
}

#[test]
fn check_locates_what_is_wrong_with_deploys_and_tests() {
    let ifrit = workspace();
    ifrit.write("inventory/hosts.star", "client(\"acme\")\n");
    let check = |path: &str, line: &str, expected: &str| {
        ifrit.write("deploys/x.star", "");
        ifrit.write("deploys/x_test.star", "");
        let head = if path.ends_with("_test.star") { "def test_x():" } else { "def deploy(host):" };
        ifrit.write(path, &format!("{head}\n    {line}\n"));
        let output = ifrit.run(&["check"]).expect_exit(1);
        assert!(output.stdout.contains(&format!("{path}:2:")), "{line}\n{}", output.stdout);
        assert!(output.stdout.contains(expected), "{line}: {expected}\n{}", output.stdout);
        let row = &ifrit.run(&["check", "--json"]).expect_exit(1).rows()[0];
        assert_eq!((&row["path"], &row["line"]), (&path.into(), &2.into()), "{line}");
    };
    check("deploys/x.star", "files.pput(\"/a\")", "error[starlark.type]");
    check("deploys/x.star", "filez.put(\"/a\")", "error[starlark.unknown-name]");
    check("deploys/x.star", "files.put(dst = \"/etc/motd\")", "dst");
    check("deploys/x.star", "server.user(\"bob\", uid = [])", "error[starlark.type]");
    check("deploys/x.star", "testing.file(\"/a\")", "error[starlark.unknown-name]");
    check("deploys/x_test.star", "testing.file(\"/a\", contents = \"\")", "contents");
    check("deploys/x_test.star", "files.put(dest = \"/a\")", "error[starlark.unknown-name]");
    // A test that does not load stops nothing but itself.
    let output = ifrit.run(&["plan", "none", "on", "*"]);
    assert!(!output.stderr.contains("x_test.star"), "{}", output.stderr);
}

#[test]
fn the_stub_is_python() {
    let ifrit = workspace();
    let printed = ifrit.run(&["stubs"]).expect_exit(0).stdout;
    let output = ifrit.run(&["stubs", "--write"]).expect_exit(0);
    assert!(output.stdout.contains("__builtins__.pyi"), "{}", output.stdout);
    let path = ifrit.directory().join("__builtins__.pyi");
    assert_eq!(std::fs::read_to_string(&path).expect("the stub"), printed);
    // An older one is replaced, another file is not.
    let _ = ifrit.run(&["stubs", "--write"]).expect_exit(0);
    ifrit.write("__builtins__.pyi", "x: int\n");
    let _ = ifrit.run(&["stubs", "--write"]).expect_exit(2);
    let code = "
import ast, sys
names = set()
def walk(body, prefix):
    for it in body:
        if isinstance(it, (ast.FunctionDef, ast.ClassDef)):
            names.add(prefix + it.name)
        if isinstance(it, ast.ClassDef):
            walk(it.body, prefix + it.name + '.')
walk(ast.parse(sys.stdin.read()).body, '')
missing = {'files.put', 'server.user', 'facts.file', 'host', 'testing.plan', 'expect.eq', 'service.reload'} - names
assert not missing, missing
";
    let mut child =
        match Command::new("python3").args(["-c", code]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
        {
            Ok(child) => child,
            Err(error) => return skip(&format!("no python3 here: {error}")),
        };
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), printed.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ruff_formats_a_workspace_and_it_means_the_same() {
    let Some(programs) = programs("ruff") else { return };
    let ifrit = Ifrit::new();
    let _ = ifrit.run(&["init", "ws", "--client", "acme"]).expect_exit(0);
    ifrit.write("ws/deploys/web.star", DEPLOY);
    ifrit.write("ws/deploys/web_test.star", TESTS);
    let ruff = |arguments: &[&str]| {
        let mut command = Command::new(programs.join("ruff"));
        command.args(arguments).current_dir(ifrit.directory().join("ws")).env("HOME", ifrit.directory());
        let output = command.output().expect("ruff starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said + &String::from_utf8_lossy(&output.stderr))
    };
    // `ifrit fmt` does the same, with or without settings of the workspace.
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let fmt = |workspace: &str, arguments: &[&str], input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ifrit"));
        command.args(["-C", workspace, "fmt"]).args(arguments).current_dir(ifrit.directory());
        command
            .env("PATH", &path)
            .env("HOME", ifrit.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("ifrit starts");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes())
            .expect("it reads");
        let output = child.wait_with_output().expect("ifrit ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let bare = ifrit.write("bare/deploys/a.star", "def deploy(host):\n    f(a = 1)\n");
    ifrit.write("bare/ifrit.toml", "");
    assert_eq!(fmt("ws", &["--check"], "").0, Some(1));
    assert_eq!(fmt("ws", &["-"], "x=1\n"), (Some(0), "x = 1\n".to_owned()));
    assert_eq!(fmt("bare", &["--check"], "").0, Some(1));
    assert_eq!(fmt("bare", &[], "").0, Some(0));
    assert!(std::fs::read_to_string(bare).expect("a file").contains("f(a=1)"));
    let before = ifrit.run(&["-C", "ws", "test", "--json"]).expect_exit(1).rows();
    let (is_done, said) = ruff(&["format"]);
    assert!(is_done, "{said}");
    assert!(ruff(&["format", "--check"]).0);
    let formatted = std::fs::read_to_string(ifrit.directory().join("ws/deploys/web.star")).expect("a file");
    assert!(formatted.contains("handler=True)"), "{formatted}");
    let (is_done, said) = ruff(&["check"]);
    assert!(is_done, "{said}");
    let _ = ifrit.run(&["-C", "ws", "check"]).expect_exit(0);
    let after = ifrit.run(&["-C", "ws", "test", "--json"]).expect_exit(1).rows();
    let outcomes = |rows: &[serde_json::Value]| -> Vec<_> {
        rows.iter().map(|row| (row["test"].clone(), row["outcome"].clone())).collect()
    };
    assert_eq!(outcomes(&before), outcomes(&after));
}

#[test]
fn the_guide_is_true() {
    let guide = include_str!("../../../../docs/guides/testing-deploys.md");
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    let blocks: Vec<&str> =
        guide.split("```python\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    let named = blocks.iter().filter_map(|block| Some((block.strip_prefix("# ")?.lines().next()?, *block)));
    let written: Vec<_> = named.map(|(path, block)| ifrit.write(path, block)).collect();
    assert_eq!(written.len(), 2);
    let output = ifrit.run(&["test"]).expect_exit(0);
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(guide.contains(&printed), "{printed}");
    // The sample of what is missing.
    let tests = "\n".repeat(7)
        + "def test_a_new_host():\n    plan = testing.plan(\"web\", host = testing.host(\"a\"))\n";
    ifrit.write("deploys/web_test.star", &tests);
    let output = ifrit.run(&["test"]).expect_exit(1);
    assert!(guide.contains(&output.stdout), "{}", output.stdout);
    // The settings for ruff are those of a new workspace.
    let editor = include_str!("../../../../docs/guides/editor.md");
    let _ = ifrit.run(&["init", "ws"]).expect_exit(0);
    let settings = std::fs::read_to_string(ifrit.directory().join("ws/ruff.toml")).expect("ruff.toml");
    for line in settings.lines().filter(|line| !line.starts_with('#')) {
        assert!(editor.contains(line), "{line}");
    }
}

#[expect(clippy::print_stderr, reason = "a test that is skipped must be seen")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}
