use std::fs;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::Incoming;
use super::{Debugger, Inside, Outcome, Prepared, Trace, serve, wire};
use crate::{on_evaluation_thread, starlark_value};

/// The longest wait for one message; only a broken server takes as long.
const WAIT_MAX: Duration = Duration::from_secs(60);

const HELP: &str = r#"def double(x):
    twice = x * 2
    return twice

def fails(x):
    fail(f"no {x}")
"#;
const DEPLOY: &str = r#"load("//deploys/_help.star", "double", "fails")

PORT = 80

def deploy(host):
    name = host["name"]
    sizes = {"small": 1, "large": [1, 2]}
    total = 0
    for n in [1, 2, 3]:
        total += double(n)
    print(f"total {total}")
    parts = map(lambda n: double(n), [5])
    if host["fails"]:
        fails(name)
    done = (total, len(parts))
"#;

/// An editor, its server, and a workspace with one deploy.
struct Editor {
    input: PipeWriter,
    output: Receiver<Value>,
    server: JoinHandle<std::io::Result<()>>,
    root: TempDir,
    last_seq: i64,
    /// Events that came before what was waited for.
    early: Vec<Value>,
    /// What came of the evaluation.
    outcome: Receiver<Result<(), String>>,
}

fn workspace() -> TempDir {
    let root = TempDir::new().expect("a temporary directory");
    fs::create_dir(root.path().join("deploys")).expect("a directory");
    fs::write(root.path().join("ifrit.toml"), "").expect("a file");
    fs::write(root.path().join("deploys/_help.star"), HELP).expect("a file");
    fs::write(root.path().join("deploys/web.star"), DEPLOY).expect("a file");
    root
}

/// Evaluates the deploy with a debugger at it.
fn evaluate(root: &Path, fails: bool, debugger: Debugger) -> Outcome {
    let (workspace, problems) = crate::load(root, &[]);
    assert_eq!(problems, []);
    let deploy = workspace.deploys.first().expect("a deploy").clone();
    let evaluated = on_evaluation_thread(move || {
        let inside = Inside {
            aside: Rc::new(|| Box::new(|| {})),
            made: Rc::new(|| vec!["files.put /etc/motd: changes".to_owned()]),
        };
        let fields =
            [("name", model::DataValue::Text("web-1".to_owned())), ("fails", model::DataValue::Bool(fails))];
        let host = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let host = model::DataValue::Map(host);
        deploy.debug(|heap| starlark_value(&host, heap), &(), Rc::new(|| None), debugger, inside)
    });
    let evaluated = evaluated.expect("a thread");
    evaluated.map(|()| vec!["1 files.put /etc/motd".to_owned()]).map_err(|problem| vec![problem])
}

impl Editor {
    fn start(fails: bool) -> Self {
        let root = workspace();
        let (input, output) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
        let (at, its_root) = (root.path().to_owned(), root.path().to_owned());
        let (ended, outcome) = channel();
        let server = std::thread::spawn(move || {
            serve(input.0, output.1, move |launch, console| {
                if launch.deploy.as_deref() != Some("web") {
                    return Err("there is no such {deploy}".to_owned());
                }
                console.say("preparing");
                let title = "web on web-1".to_owned();
                let run = move |debugger| {
                    let outcome = evaluate(&at, fails, debugger);
                    let short = outcome.as_ref().map(|_| ()).map_err(|it| it[0].message.clone());
                    ended.send(short).expect("the test waits");
                    outcome
                };
                Ok(Prepared { root: its_root, title, run: Box::new(run) })
            })
        });
        let (sender, received) = channel();
        let mut stream = output.0;
        std::thread::spawn(move || {
            while let Some(message) = read_message(&mut stream) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let early = Vec::new();
        let mut editor = Self { input: input.1, output: received, server, root, last_seq: 0, early, outcome };
        let capabilities = editor.ask("initialize", json!({"adapterID": "ifrit", "locale": "de"}));
        assert_eq!(capabilities["supportsConditionalBreakpoints"], true);
        editor
    }

    /// Launches, sets breakpoints in the deploy, and lets it run.
    fn run(fails: bool, breakpoints: Value) -> Self {
        let mut editor = Self::start(fails);
        editor.ask("launch", json!({"deploy": "web", "host": "web-1"}));
        editor.event("initialized");
        let set = editor.ask(
            "setBreakpoints",
            json!({"source": {"path": editor.file("web")}, "breakpoints": breakpoints}),
        );
        for breakpoint in set["breakpoints"].as_array().expect("a list") {
            assert_eq!(breakpoint["verified"], true, "{set}");
        }
        editor.ask("setExceptionBreakpoints", json!({"filters": []}));
        editor.ask("configurationDone", json!({}));
        editor
    }

    fn file(&self, name: &str) -> String {
        self.root.path().join(format!("deploys/{name}.star")).display().to_string()
    }

    fn send(&mut self, command: &str, arguments: Value) {
        self.last_seq += 1;
        let message =
            json!({"seq": self.last_seq, "type": "request", "command": command, "arguments": arguments});
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server reads");
    }

    fn response(&mut self, command: &str, arguments: Value) -> Value {
        self.send(command, arguments);
        let seq = self.last_seq;
        loop {
            let message = self.output.recv_timeout(WAIT_MAX).expect("a message");
            if message["request_seq"] == seq {
                assert_eq!((&message["type"], &message["command"]), (&json!("response"), &json!(command)));
                return message;
            }
            self.early.push(message);
        }
    }

    /// Asks what is answered, and returns the body.
    #[track_caller]
    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        let response = self.response(command, arguments);
        assert_eq!(response["success"], true, "{response}");
        response["body"].clone()
    }

    /// Asks what is refused, and returns why.
    #[track_caller]
    fn refused(&mut self, command: &str, arguments: Value) -> String {
        let response = self.response(command, arguments);
        assert_eq!(response["success"], false, "{response}");
        response["message"].as_str().expect("a text").to_owned()
    }

    /// Waits for an event and returns its body.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let early = (!self.early.is_empty()).then(|| self.early.remove(0));
            let message = early.unwrap_or_else(|| self.output.recv_timeout(WAIT_MAX).expect("a message"));
            if message["event"] == name {
                return message["body"].clone();
            }
        }
    }

    /// Waits until it stands; returns why, and the lines of the frames, the innermost first.
    fn stands(&mut self) -> (String, Vec<String>) {
        let reason = self.event("stopped")["reason"].as_str().expect("a text").to_owned();
        let trace = self.ask("stackTrace", json!({"threadId": 1}));
        let frames = trace["stackFrames"].as_array().expect("a list").iter();
        let frames = frames.map(|it| {
            format!(
                "{} {}:{}",
                it["name"].as_str().unwrap_or("?"),
                it["source"]["name"].as_str().unwrap_or("-"),
                it["line"]
            )
        });
        (reason, frames.collect())
    }

    fn variables(&mut self, reference: &Value) -> Vec<(String, String, u64)> {
        let variables = self.ask("variables", json!({"variablesReference": reference}));
        let text = |it: &Value| it.as_str().expect("a text").to_owned();
        let of = |it: &Value| {
            (text(&it["name"]), text(&it["value"]), it["variablesReference"].as_u64().expect("a number"))
        };
        variables["variables"].as_array().expect("a list").iter().map(of).collect()
    }

    fn scope(&mut self, frame: usize, name: &str) -> Option<Value> {
        let scopes = self.ask("scopes", json!({"frameId": frame}));
        let found =
            scopes["scopes"].as_array().expect("a list").iter().find(|it| it["name"] == name).cloned();
        Some(found?["variablesReference"].clone())
    }

    fn evaluate(&mut self, expression: &str) -> String {
        let response =
            self.response("evaluate", json!({"expression": expression, "frameId": 0, "context": "repl"}));
        let text =
            if response["success"] == true { &response["body"]["result"] } else { &response["message"] };
        text.as_str().expect("a text").to_owned()
    }

    /// Lets it go on to its end; returns its exit status and all output since.
    fn finish(&mut self) -> (i64, Vec<String>) {
        let mut lines = Vec::new();
        loop {
            let early = (!self.early.is_empty()).then(|| self.early.remove(0));
            let message = early.unwrap_or_else(|| self.output.recv_timeout(WAIT_MAX).expect("a message"));
            if message["event"] == "output" {
                lines.push(message["body"]["output"].as_str().expect("a text").trim_end().to_owned());
            }
            if message["event"] == "exited" {
                self.event("terminated");
                return (message["body"]["exitCode"].as_i64().expect("a number"), lines);
            }
        }
    }

    fn leave(mut self) {
        self.ask("disconnect", json!({"restart": false}));
        self.server.join().expect("no panic").expect("it kept to the protocol");
    }
}

fn read_message(stream: &mut PipeReader) -> Option<Value> {
    use std::io::Read as _;
    let (mut header, mut byte) = (String::new(), [0]);
    while !header.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        header.push(char::from(byte[0]));
    }
    let length = header.trim().strip_prefix("Content-Length: ")?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

#[test]
fn an_editor_steps_through_a_deploy() {
    let mut editor = Editor::run(false, json!([{"line": 9}, {"line": 11}]));
    assert_eq!(editor.stands(), ("breakpoint".to_owned(), vec!["deploy web.star:9".to_owned()]));
    assert_eq!(editor.ask("threads", json!({}))["threads"], json!([{"id": 1, "name": "web on web-1"}]));
    let locals = editor.scope(0, "Variables").expect("variables");
    let variables = editor.variables(&locals);
    let shown: Vec<_> = variables.iter().map(|(name, value, _)| (name.as_str(), value.as_str())).collect();
    assert!(shown.contains(&("name", "\"web-1\"")), "{shown:?}");
    assert!(shown.contains(&("sizes", "{\"small\": 1, \"large\": [1, 2]}")), "{shown:?}");
    let sizes = variables.iter().find(|(name, ..)| name == "sizes").expect("sizes").2;
    let parts = editor.variables(&json!(sizes));
    assert_eq!((parts[1].0.as_str(), parts[1].1.as_str()), ("\"large\"", "[1, 2]"));
    assert_eq!(editor.variables(&json!(parts[1].2))[1], ("1".to_owned(), "2".to_owned(), 0));
    let constants = editor.scope(0, "Constants of the file").expect("constants");
    assert_eq!(editor.variables(&constants), [("PORT".to_owned(), "80".to_owned(), 0)]);
    let made = editor.scope(0, "Steps so far").expect("steps");
    assert_eq!(editor.variables(&made)[0].1, "files.put /etc/motd: changes");

    // Into the call, and out of it.
    editor.ask("next", json!({"threadId": 1}));
    assert_eq!(editor.stands(), ("step".to_owned(), vec!["deploy web.star:10".to_owned()]));
    editor.ask("stepIn", json!({"threadId": 1}));
    let (_, frames) = editor.stands();
    assert_eq!(frames, ["double _help.star:2", "deploy web.star:10"]);
    assert_eq!(editor.evaluate("x + 40"), "41");
    let outer = editor.scope(1, "Variables").expect("variables");
    assert!(editor.variables(&outer).contains(&("total".to_owned(), "0".to_owned(), 0)));
    editor.ask("stepOut", json!({"threadId": 1}));
    assert_eq!(editor.stands().1, ["deploy web.star:10"]);

    editor.ask("continue", json!({"threadId": 1}));
    assert_eq!(editor.stands(), ("breakpoint".to_owned(), vec!["deploy web.star:11".to_owned()]));
    assert_eq!(editor.evaluate("total * 2"), "24");
    assert_eq!(editor.evaluate("PORT + 1"), "81");
    assert_eq!(editor.evaluate("[n for n in range(3)]"), "[0, 1, 2]");
    assert_eq!(editor.evaluate("nosuch").split(' ').next(), Some("variable"));
    assert!(editor.evaluate("[0] * 2000000000").contains("too long"));
    assert!(editor.evaluate(&"(".repeat(5000)).contains("deeper"));
    assert_eq!(editor.evaluate("total = 7"), "None");
    editor.ask("continue", json!({"threadId": 1}));
    let (status, lines) = editor.finish();
    assert_eq!((status, lines), (0, vec!["total 7".to_owned(), "1 files.put /etc/motd".to_owned()]));
    editor.leave();
}

#[test]
fn without_breakpoints_it_stops_at_the_first_statement() {
    let mut editor = Editor::run(false, json!([]));
    assert_eq!(editor.stands(), ("entry".to_owned(), vec!["deploy web.star:6".to_owned()]));
    // Into a function that a native function calls: what lies below it has no variables.
    editor.ask("setBreakpoints", json!({"source": {"path": editor.file("_help")}, "breakpoints": [{"line": 2, "condition": "x == 5"}]}));
    editor.ask("continue", json!({"threadId": 1}));
    let (reason, frames) = editor.stands();
    assert_eq!(reason, "breakpoint");
    assert_eq!(frames[0], "double _help.star:2");
    assert!(frames.contains(&"map -:0".to_owned()), "{frames:?}");
    assert_eq!(frames.last().expect("a frame"), "deploy web.star:12");
    let below = frames.len() - 1;
    assert_eq!(editor.scope(below, "Variables"), None);
    assert!(editor.scope(0, "Variables").is_some());
    assert!(editor.refused("evaluate", json!({"expression": "1", "frameId": 1})).contains("innermost"));
    editor.leave();
}

#[test]
fn conditions_and_messages() {
    let breakpoints =
        json!([{"line": 10, "condition": "n == 2"}, {"line": 11, "logMessage": "so far {total}, {nosuch}"}]);
    let mut editor = Editor::run(false, breakpoints);
    assert_eq!(editor.stands(), ("breakpoint".to_owned(), vec!["deploy web.star:10".to_owned()]));
    assert_eq!(editor.evaluate("(n, total)"), "(2, 2)");
    editor.ask("continue", json!({"threadId": 1}));
    let (status, lines) = editor.finish();
    assert_eq!(status, 0);
    assert!(lines[0].starts_with("so far 12, {nosuch: "), "{lines:?}");
    editor.leave();
    // A condition that makes no sense stops, and says why.
    let mut editor = Editor::run(false, json!([{"line": 15, "condition": "nosuch"}]));
    assert!(loop {
        let said = editor.event("output")["output"].as_str().expect("a text").to_owned();
        if said.contains("nosuch") {
            break said.starts_with("the condition");
        }
    });
    assert_eq!(editor.stands().0, "breakpoint");
    editor.leave();
}

#[test]
fn a_deploy_that_fails_says_where() {
    let mut editor = Editor::run(true, json!([{"line": 14}]));
    assert_eq!(editor.stands().1, ["deploy web.star:14"]);
    editor.ask("continue", json!({"threadId": 1}));
    let output = loop {
        let output = editor.event("output");
        if output["category"] == "stderr" {
            break output;
        }
    };
    let text = output["output"].as_str().expect("a text");
    assert!(text.contains("the code says: no web-1") || text.contains("no web-1"), "{text}");
    assert_eq!((&output["line"], &output["source"]["path"]), (&json!(6), &json!(editor.file("_help"))));
    assert_eq!(editor.finish().0, 1);
    assert!(editor.refused("next", json!({"threadId": 1})).contains("does not stand"));
    editor.leave();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut editor = Editor::start(false);
    assert!(editor.refused("configurationDone", json!({})).contains("nothing that was launched"));
    assert!(editor.refused("restartFrame", json!({})).contains("restartFrame"));
    assert!(editor.refused("scopes", json!({"frameId": "a"})).contains("arguments"));
    assert!(editor.refused("stackTrace", json!({"threadId": 1})).contains("does not stand"));
    assert!(editor.refused("launch", json!({"deploy": "nosuch"})).contains("no such {deploy}"));
    editor.event("terminated");
    assert!(editor.refused("launch", json!({"deploy": "web"})).contains("already"));
    let unverified = editor
        .ask("setBreakpoints", json!({"source": {"path": "/etc/passwd"}, "breakpoints": [{"line": 1}]}));
    assert_eq!(unverified["breakpoints"][0]["verified"], false);
    editor.leave();
}

#[test]
fn who_leaves_ends_the_evaluation() {
    let mut editor = Editor::run(false, json!([{"line": 9}]));
    editor.stands();
    let outcome = std::mem::replace(&mut editor.outcome, channel().1);
    editor.leave();
    let ended = outcome.recv_timeout(WAIT_MAX).expect("it ends");
    assert_eq!(ended, Err("the debugger ended it".to_owned()));
    // The same where the editor's stream just ends.
    let mut editor = Editor::run(false, json!([{"line": 9}]));
    editor.stands();
    let Editor { input, server, outcome, .. } = editor;
    drop(input);
    server.join().expect("no panic").expect("that is no fault");
    assert!(outcome.recv_timeout(WAIT_MAX).expect("it ends").is_err());
}

#[test]
fn a_trace_says_what_each_line_did() {
    let root = workspace();
    let trace = Trace::default();
    evaluate(root.path(), false, trace.debugger()).expect("it evaluates");
    let lines = trace.lines();
    let at = |file: &str, line: usize| {
        let traced = lines.get(&(format!("deploys/{file}.star"), line)).cloned().unwrap_or_default();
        let set: Vec<String> = traced.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        (traced.count, set.join(", "))
    };
    assert_eq!(at("web", 6), (1, "name = \"web-1\"".to_owned()));
    assert_eq!(at("web", 10), (3, "n = 3, total = 12".to_owned()));
    assert_eq!(at("web", 14), (0, String::new()));
    assert_eq!(at("_help", 2), (4, "twice = 10".to_owned()));
    assert_eq!(at("_help", 3), (4, String::new()));
}

proptest! {
    #[test]
    fn any_bytes_can_come(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        wire::read_all(bytes.as_slice(), |_| true);
    }

    #[test]
    fn any_message_can_come(body in "\\{\"type\":\"request\",\"command\":\"(launch|scopes|x)\",\"arguments\":.{0,20}\\}") {
        let message = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let mut last = None;
        wire::read_all(message.as_bytes(), |incoming| {
            last = Some(incoming);
            true
        });
        prop_assert!(matches!(last, Some(Incoming::Gone(_))));
    }
}
