//! `ifrit debug` as an editor uses it, and on a terminal; `ifrit fmt`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::Ifrit;

/// The longest wait for one message; only a broken server takes as long.
const WAIT_MAX: Duration = Duration::from_secs(60);

const INVENTORY: &str = r#"acme = client("acme")
host("web-1", client = acme, local = True, data = {"port": 8443}, tags = ["edge"])
host("web-2", client = acme, local = True)
"#;
const DEPLOY: &str = r#"LINES = ["one", "two"]

def deploy(host):
    port = host.data.get("port", 443)
    there = facts.file("/nonexistent/haproxy.cfg").exists
    cfg = files.put(dest = "/nonexistent/haproxy.cfg", content = f"bind :{port}\n", mode = "644")
    for line in LINES:
        files.line("/nonexistent/hosts.txt", line)
    server.shell("reload", when = cfg.changed)
"#;
const TESTS: &str = r#"FACTS = [
    testing.file("/nonexistent/haproxy.cfg", content = "bind :443\n"),
    testing.file("/nonexistent/hosts.txt", content = "one\n"),
]
BAD = "no list"
FEW = [testing.absent("/nonexistent/haproxy.cfg")]
SEALED = [testing.absent("/nonexistent/password")]
"#;
const SEALED: &str = r#"def deploy(host):
    password = secret("db")
    files.put(dest = "/nonexistent/password", content = password)
"#;

fn workspace() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ws/ifrit.toml", "");
    ifrit.write("ws/inventory/hosts.star", INVENTORY);
    ifrit.write("ws/deploys/web.star", DEPLOY);
    ifrit.write("ws/deploys/web_test.star", TESTS);
    ifrit.write("ws/deploys/sealed.star", SEALED);
    ifrit
}

/// An editor with one adapter.
struct Editor {
    ifrit: Ifrit,
    adapter: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    last_seq: i64,
    /// Events that came before what was waited for.
    early: Vec<Value>,
}

impl Editor {
    /// Starts the adapter as an editor does: somewhere, with its standard streams.
    fn start(arguments: &[&str]) -> Self {
        let ifrit = workspace();
        let mut adapter = Command::new(env!("CARGO_BIN_EXE_ifrit"))
            .arg("debug")
            .args(arguments)
            .current_dir(ifrit.directory().join("ws"))
            .env("HOME", ifrit.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ifrit starts");
        let input = adapter.stdin.take().expect("piped");
        let stdout = BufReader::new(adapter.stdout.take().expect("piped"));
        let (sender, output) = channel();
        std::thread::spawn(move || read_messages(stdout, |message| sender.send(message).is_ok()));
        let mut editor = Self { ifrit, adapter, input, output, last_seq: 0, early: Vec::new() };
        editor.ask("initialize", json!({"clientID": "test", "adapterID": "ifrit", "pathFormat": "path"}));
        editor
    }

    fn file(&self) -> PathBuf {
        self.ifrit.directory().join("ws/deploys/web.star")
    }

    fn response(&mut self, command: &str, arguments: Value) -> Value {
        self.last_seq += 1;
        let seq = self.last_seq;
        let message = json!({"seq": seq, "type": "request", "command": command, "arguments": arguments});
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the adapter reads");
        self.input.flush().expect("the adapter reads");
        loop {
            let message = self.output.recv_timeout(WAIT_MAX).expect("a message of the adapter");
            if message["request_seq"] == seq {
                return message;
            }
            self.early.push(message);
        }
    }

    #[track_caller]
    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        let response = self.response(command, arguments);
        assert_eq!(response["success"], true, "{response}");
        response["body"].clone()
    }

    fn event(&mut self, name: &str) -> Value {
        loop {
            let early = (!self.early.is_empty()).then(|| self.early.remove(0));
            let message = early.unwrap_or_else(|| self.output.recv_timeout(WAIT_MAX).expect("a message"));
            if message["event"] == name {
                return message["body"].clone();
            }
        }
    }

    /// Returns all that is printed until it is over, and its status.
    fn finish(&mut self) -> (Value, String) {
        let mut printed = String::new();
        loop {
            let early = (!self.early.is_empty()).then(|| self.early.remove(0));
            let message = early.unwrap_or_else(|| self.output.recv_timeout(WAIT_MAX).expect("a message"));
            if message["event"] == "output" && message["body"]["category"] != "console" {
                printed.push_str(message["body"]["output"].as_str().expect("a text"));
            }
            if message["event"] == "exited" {
                self.event("terminated");
                return (message["body"]["exitCode"].clone(), printed);
            }
        }
    }

    /// Sets one breakpoint, lets the deploy run to it, and returns its line.
    fn run_to(&mut self, line: u32) -> Value {
        self.event("initialized");
        let source = json!({"path": self.file()});
        let set = self.ask("setBreakpoints", json!({"source": source, "breakpoints": [{"line": line}]}));
        assert_eq!(set["breakpoints"][0]["verified"], true, "{set}");
        self.ask("configurationDone", json!({}));
        self.line()
    }

    /// Waits until it stands; returns the line.
    fn line(&mut self) -> Value {
        self.event("stopped");
        let trace = self.ask("stackTrace", json!({"threadId": 1}));
        assert_eq!(trace["stackFrames"][0]["source"]["path"], json!(self.file()), "{trace}");
        trace["stackFrames"][0]["line"].clone()
    }

    /// Returns the variables of a scope, or the parts of one of them: name and value.
    fn variables(&mut self, scope: &str, part: Option<&str>) -> Vec<(String, String)> {
        let scopes = self.ask("scopes", json!({"frameId": 0}));
        let scope = scopes["scopes"].as_array().expect("a list").iter().find(|it| it["name"] == scope);
        let reference = scope.expect("the scope")["variablesReference"].clone();
        let mut found = self.ask("variables", json!({"variablesReference": reference}))["variables"].clone();
        if let Some(part) = part {
            let whole = found.as_array().expect("a list").iter().find(|it| it["name"] == part);
            let reference = whole.expect("the variable")["variablesReference"].clone();
            found = self.ask("variables", json!({"variablesReference": reference}))["variables"].clone();
        }
        let text = |it: &Value| it.as_str().expect("a text").to_owned();
        found.as_array().expect("a list").iter().map(|it| (text(&it["name"]), text(&it["value"]))).collect()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let response = self.response("evaluate", json!({"expression": expression, "frameId": 0}));
        if response["success"] == true {
            response["body"]["result"].clone()
        } else {
            response["message"].clone()
        }
    }

    fn end(mut self) {
        self.ask("disconnect", json!({}));
        let status = self.adapter.wait().expect("the adapter ends");
        assert_eq!(status.code(), Some(0));
    }
}

/// Reads messages of the base protocol until the stream ends or nobody wants more.
fn read_messages(mut stream: impl BufRead, mut take: impl FnMut(Value) -> bool) {
    loop {
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|count| count > 0) && line.trim() != "" {
            if let Some(text) = line.strip_prefix("Content-Length:") {
                length = text.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || stream.read_exact(&mut body).is_err() {
            return;
        }
        if !take(serde_json::from_slice(&body).expect("JSON on standard output")) {
            return;
        }
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn an_editor_steps_through_the_plan_of_a_host() {
    let mut editor = Editor::start(&["web", "on", "web-1"]);
    editor.ask("launch", json!({"type": "ifrit", "request": "launch", "name": "plan"}));
    assert_eq!(editor.run_to(6), 6);
    assert_eq!(editor.evaluate("host"), "host(\"web-1\")");
    let local = editor.variables("Variables", None);
    assert!(local.contains(&pair("port", "8443")), "{local:?}");
    assert!(local.contains(&pair("there", "False")), "{local:?}");
    let host = editor.variables("Variables", Some("host"));
    assert!(host.contains(&pair("name", "\"web-1\"")), "{host:?}");
    assert!(host.contains(&pair("tags", "[\"edge\"]")), "{host:?}");
    assert_eq!(editor.variables("Constants of the file", None), [pair("LINES", "[\"one\", \"two\"]")]);
    assert_eq!(editor.variables("Steps so far", None), []);
    editor.ask("next", json!({"threadId": 1}));
    assert_eq!(editor.line(), 7);
    let steps = editor.variables("Steps so far", None);
    assert_eq!(steps, [pair("1", "files.put /nonexistent/haproxy.cfg: changes")]);
    // What is looked at or tried in the console leaves no trace in the plan.
    assert_eq!(editor.evaluate("host.data[\"port\"] + 1"), "8444");
    assert_eq!(editor.evaluate("files.put(dest = \"/etc/motd\", content = \"x\")"), "step");
    assert!(
        editor
            .evaluate("files.put(dest = \"motd\", content = \"x\")")
            .as_str()
            .expect("text")
            .contains("motd")
    );
    assert_eq!(editor.evaluate("\"yes\" if cfg.changed else \"no\""), "\"yes\"");
    assert_eq!(editor.evaluate("str(facts.file(\"/etc/shadow\"))"), "\"File\"");
    assert_eq!(editor.variables("Steps so far", None), steps);
    editor.ask("continue", json!({"threadId": 1}));
    let (status, printed) = editor.finish();
    let expected = "web-1: the plan, of which nothing is applied
    1 files.put /nonexistent/haproxy.cfg
        - absent
        + file 0644 - -
        + bind :8443
";
    assert_eq!(status, 0, "{printed}");
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.contains("    4 server.shell reload, if 1 changes something"), "{printed}");
    // No plan was saved.
    assert_eq!(editor.ifrit.run(&["-C", "ws", "plans", "--json"]).expect_exit(0).stdout, "");
    editor.end();
}

#[test]
fn the_launch_configuration_can_say_everything() {
    let mut editor = Editor::start(&[]);
    let workspace = editor.ifrit.directory().join("ws").display().to_string();
    let facts = "deploys/web_test.star";
    editor.ask("launch", json!({"deploy": "web", "host": "web-2", "facts": facts, "cwd": workspace}));
    assert_eq!(editor.run_to(8), 8);
    assert_eq!(editor.evaluate("(port, there, cfg.changed)"), "(443, True, changed)");
    editor.ask("continue", json!({"threadId": 1}));
    assert_eq!(editor.line(), 8);
    assert_eq!(editor.evaluate("line"), "\"two\"");
    editor.ask("continue", json!({"threadId": 1}));
    let (status, printed) = editor.finish();
    assert_eq!(status, 0);
    assert!(printed.contains("    3 files.line /nonexistent/hosts.txt\n        + two\n"), "{printed}");
    editor.end();
}

#[test]
fn a_variable_that_is_changed_can_want_other_facts() {
    let mut editor = Editor::start(&["web", "on", "web-2", "--facts", "deploys/web_test.star"]);
    editor.ask("launch", json!({}));
    assert_eq!(editor.run_to(8), 8);
    assert_eq!(editor.evaluate("line = \"three\""), "None");
    editor.ask("setBreakpoints", json!({"source": {"path": editor.file()}, "breakpoints": []}));
    editor.ask("continue", json!({"threadId": 1}));
    let (status, printed) = editor.finish();
    assert_eq!(status, 1);
    assert!(printed.contains("wants to know what it did not before: `line_state"), "{printed}");
    editor.end();
}

#[test]
fn a_secret_stays_closed_and_looking_at_it_stops_nothing() {
    let mut editor = Editor::start(&["sealed", "on", "web-2", "--facts", "deploys/web_test.star:SEALED"]);
    editor.ask("launch", json!({"stopOnEntry": true}));
    editor.event("initialized");
    editor.ask("configurationDone", json!({}));
    editor.event("stopped");
    editor.ask("next", json!({"threadId": 1}));
    editor.event("stopped");
    let local = editor.variables("Variables", None);
    assert!(local.contains(&pair("password", "secret")), "{local:?}");
    assert_eq!(editor.evaluate("str(password)"), "\"secret\"");
    assert_eq!(editor.evaluate("[a for a in dir(password)]"), "[]");
    editor.ask("continue", json!({"threadId": 1}));
    let (status, printed) = editor.finish();
    assert_eq!(status, 0, "{printed}");
    assert!(printed.contains("1 files.put /nonexistent/password"), "{printed}");
    editor.end();
}

#[track_caller]
fn check_refused(launch: Value, expected: &[&str]) {
    let mut editor = Editor::start(&[]);
    let response = editor.response("launch", launch);
    assert_eq!(response["success"], false, "{response}");
    let message = response["message"].as_str().expect("a text");
    for part in expected {
        assert!(message.contains(part), "{part:?} in:\n{message}");
    }
    assert_eq!(response["body"]["error"]["showUser"], true);
    editor.event("terminated");
    editor.end();
}

#[test]
fn what_cannot_be_debugged_is_told_in_the_editor() {
    check_refused(json!({}), &["`deploy`", "launch configuration"]);
    check_refused(json!({"deploy": "web"}), &["`host`"]);
    check_refused(
        json!({"deploy": "wep", "host": "web-1"}),
        &["no deploy `wep`", "hint: there are sealed, web"],
    );
    check_refused(json!({"deploy": "web", "host": "web-*"}), &["expected one host, got 2: web-1, web-2"]);
    check_refused(json!({"deploy": "web", "host": "db-1"}), &["no declared host matches"]);
    let with = |facts: &str| json!({"deploy": "web", "host": "web-1", "facts": facts});
    check_refused(with("nosuch.star"), &["no such file", "FILE:NAME"]);
    check_refused(with("/etc/passwd"), &["not in the workspace"]);
    check_refused(with("deploys/web_test.star:NONE"), &["expected a constant `NONE`"]);
    check_refused(with("deploys/web_test.star:BAD"), &["expected a list of facts", "string"]);
    let few = ["does not give", "testing.file(\"/nonexistent/hosts.txt\", content = \"...\")"];
    check_refused(with("deploys/web_test.star:FEW"), &few);
    check_refused(json!({"deploy": "web", "host": "web-1", "cwd": "/"}), &["no ifrit.toml"]);
}

#[test]
fn on_a_terminal_it_explains() {
    let ifrit = workspace();
    let arguments =
        ["-C", "ws", "debug", "web", "on", "web-1", "--facts", "deploys/web_test.star", "--explain"];
    let output = ifrit.run(&arguments).expect_exit(0);
    let expected = r#"deploys/web.star on web-1
   1x    4     port = host.data.get("port", 443)
           | port = 8443
   1x    5     there = facts.file("/nonexistent/haproxy.cfg").exists
           | there = True
   1x    6     cfg = files.put(dest = "/nonexistent/haproxy.cfg", content = f"bind :{port}\n", mode = "644")
           | cfg = step
           | step 1: files.put /nonexistent/haproxy.cfg
   1x    7     for line in LINES:
           | line = "one"
   2x    8         files.line("/nonexistent/hosts.txt", line)
           | line = "two"
           | step 2: files.line /nonexistent/hosts.txt: as it should be
           | step 3: files.line /nonexistent/hosts.txt"#;
    assert!(output.stdout.starts_with(expected), "{}", output.stdout);
    assert!(output.stderr.contains("nothing was changed and no plan was saved"), "{}", output.stderr);
    // A deploy that fails says how far it came.
    ifrit.write("ws/deploys/bad.star", "def deploy(host):\n    a = 1\n    fail(\"no good\")\n");
    let output = ifrit.run(&["-C", "ws", "debug", "bad", "on", "web-1", "--explain"]).expect_exit(4);
    assert!(output.stdout.contains("| a = 1") && output.stderr.contains("no good"), "{output:?}");
    let output = ifrit.run(&["-C", "ws", "debug", "web", "web-1", "--explain"]).expect_exit(2);
    assert!(output.stderr.contains("on web-1"), "{}", output.stderr);
}

#[test]
fn the_guide_is_true() {
    let testing = include_str!("../../../../docs/guides/testing-deploys.md");
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    let host = "host(\"web-1\", client = client(\"acme\"), local = True, os = \"alpine\", data = {\"port\": 8443})\n";
    ifrit.write("inventory/hosts.star", host);
    for block in testing.split("```python\n").skip(1).filter_map(|it| it.split("```").next()) {
        if let Some(path) = block.lines().next().and_then(|line| line.strip_prefix("# deploys/")) {
            ifrit.write(&format!("deploys/{path}"), block);
        }
    }
    let guide = include_str!("../../../../docs/guides/debugging-deploys.md");
    let sample =
        guide.split("```console\n$ ifrit ").nth(1).and_then(|it| it.split("```").next()).expect("a sample");
    let (command, expected) = sample.split_once('\n').expect("a command and its output");
    let output = ifrit.run(&command.split(' ').collect::<Vec<_>>()).expect_exit(0);
    assert_eq!(output.stdout + &output.stderr, expected);
    // The table of the launch configuration is whole.
    for name in ["deploy", "host", "facts", "workspace", "stopOnEntry"] {
        assert!(guide.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn without_ruff_fmt_says_what_to_do() {
    let ifrit = workspace();
    let output = Command::new(env!("CARGO_BIN_EXE_ifrit"))
        .args(["-C", "ws", "fmt"])
        .current_dir(ifrit.directory())
        .env("PATH", ifrit.directory())
        .output()
        .expect("ifrit starts");
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("needs ruff") && said.contains("hint: install it"), "{said}");
}
