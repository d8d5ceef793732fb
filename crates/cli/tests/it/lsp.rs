//! `ifrit lsp` as an editor uses it: a session over standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::Ifrit;

/// The longest wait for one message; only a broken server takes as long.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// An editor with one server.
struct Editor {
    workspace: Ifrit,
    server: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    last_id: u64,
    /// Notifications that came before what was waited for.
    early: Vec<Value>,
}

impl Editor {
    fn start(workspace: Ifrit, capabilities: &Value) -> (Self, Value) {
        let mut server = Command::new(env!("CARGO_BIN_EXE_ifrit"))
            .arg("lsp")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ifrit starts");
        let input = server.stdin.take().expect("piped");
        let stdout = BufReader::new(server.stdout.take().expect("piped"));
        let (sender, output) = channel();
        std::thread::spawn(move || read_messages(stdout, |message| sender.send(message).is_ok()));
        let mut editor = Self { workspace, server, input, output, last_id: 0, early: Vec::new() };
        let params = json!({"processId": null, "rootUri": null, "capabilities": capabilities});
        let answer = editor.request("initialize", params);
        editor.notify("initialized", json!({}));
        (editor, answer)
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}/{path}", self.workspace.directory().display())
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server reads");
        self.input.flush().expect("the server reads");
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn receive(&mut self) -> Value {
        self.output.recv_timeout(WAIT_MAX).expect("a message of the server")
    }

    /// Sends a request and returns the whole response.
    fn request(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
            self.early.push(message);
        }
    }

    /// Asks about a spot in a file and returns the result.
    fn ask(&mut self, method: &str, path: &str, line: u32, character: u32) -> Value {
        let params = json!({
            "textDocument": {"uri": self.uri(path)},
            "position": {"line": line, "character": character},
        });
        let response = self.request(method, params);
        assert_eq!(response.get("error"), None, "{response}");
        response["result"].clone()
    }

    fn open(&mut self, path: &str, text: &str) {
        let item = json!({"uri": self.uri(path), "languageId": "starlark", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": item}));
    }

    fn change(&mut self, path: &str, version: u32, text: &str) {
        let document = json!({"uri": self.uri(path), "version": version});
        let params = json!({"textDocument": document, "contentChanges": [{"text": text}]});
        self.notify("textDocument/didChange", params);
    }

    /// Waits for diagnostics of a file that `is_wanted`.
    fn diagnostics(&mut self, path: &str, is_wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = self.uri(path);
        loop {
            let message = if self.early.is_empty() { self.receive() } else { self.early.remove(0) };
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri {
                let found = message["params"]["diagnostics"].as_array().expect("a list").clone();
                if is_wanted(&found) {
                    return found;
                }
            }
        }
    }

    fn end(mut self) {
        let answer = self.request("shutdown", Value::Null);
        assert_eq!(answer.get("error"), None, "{answer}");
        self.notify("exit", Value::Null);
        let status = self.server.wait().expect("the server ends");
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

const NAMES: &str = "def web_name(i):\n    \"\"\"Names a web server.\"\"\"\n    return f\"web-{i}\"\n";
const HOSTS: &str = "load(\"//inventory/lib/names.star\", \"web_name\")\nacme = client(\"acme\")\nhost(web_name(1), client = acme)\nx = facts\n";

fn workspace() -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/lib/names.star", NAMES);
    ifrit.write("inventory/hosts.star", "client(\"acme\")\n");
    ifrit.write("inventory/other.star", "service(\"shop\", client = \"acme\", hosts = \"web-1\")\n");
    ifrit
}

#[test]
fn an_editor_sees_problems_of_what_is_being_typed() {
    let (mut editor, answer) = Editor::start(workspace(), &json!({}));
    let capabilities = &answer["result"]["capabilities"];
    assert_eq!(
        (&capabilities["hoverProvider"], &capabilities["positionEncoding"]),
        (&true.into(), &"utf-16".into())
    );

    // Another file misses what this one does not declare yet; the marks count as the editor does.
    editor.open(
        "inventory/hosts.star",
        "client(\"acme\")\nt = \"\u{1f600}\"; host(\"x\", client = \"acmee\")\n",
    );
    let found = editor.diagnostics("inventory/hosts.star", |it| !it.is_empty());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["code"], &found[0]["severity"]),
        (&"inventory.unknown-reference".into(), &1.into())
    );
    assert_eq!(
        found[0]["range"],
        json!({"start": {"line": 1, "character": 10}, "end": {"line": 1, "character": 14}})
    );
    assert!(
        found[0]["message"].as_str().is_some_and(|it| it.contains("hint: did you mean `acme`?")),
        "{found:?}"
    );
    let elsewhere = editor.diagnostics("inventory/other.star", |it| !it.is_empty());
    assert!(elsewhere[0]["message"].as_str().is_some_and(|it| it.contains("host `web-1`")), "{elsewhere:?}");

    // A syntax error, then what was missing: the marks follow, in both files.
    editor.change("inventory/hosts.star", 2, "client(\"acme\"\n");
    let found = editor.diagnostics("inventory/hosts.star", |it| {
        it.first().is_some_and(|it| it["code"] == "starlark.syntax")
    });
    assert_eq!(found.len(), 1);
    editor.change("inventory/hosts.star", 3, "client(\"acme\")\nhost(\"web-1\", client = \"acme\")\n");
    let _ = editor.diagnostics("inventory/hosts.star", <[Value]>::is_empty);
    let _ = editor.diagnostics("inventory/other.star", <[Value]>::is_empty);
    editor.end();
}

#[test]
fn no_command_runs_while_typing() {
    let (mut editor, _) = Editor::start(workspace(), &json!({}));
    let text = "client(\"acme\")\n[host(row, client = \"acme\") for row in data.json_command([\"touch\", \"ran\"])]\nclient(3)\n";
    editor.open("inventory/hosts.star", text);
    let found = editor.diagnostics("inventory/hosts.star", |it| !it.is_empty());
    // `web-1` may be among the data that nobody asked for, so only the real fault is shown.
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["range"]["start"]["line"], 2);
    assert!(!editor.workspace.directory().join("ran").exists());
    editor.end();
}

#[test]
fn hover_completion_and_definitions() {
    let offers = json!({"general": {"positionEncodings": ["utf-32", "utf-16"]}});
    let (mut editor, answer) = Editor::start(workspace(), &offers);
    assert_eq!(answer["result"]["capabilities"]["positionEncoding"], "utf-32");
    editor.open("inventory/hosts.star", HOSTS);

    let hover = editor.ask("textDocument/hover", "inventory/hosts.star", 2, 1).to_string();
    assert!(hover.contains("Declares a host and how it is reached"), "{hover}");
    assert!(hover.contains("interfaces"), "{hover}");
    let hover = editor.ask("textDocument/hover", "inventory/hosts.star", 2, 7).to_string();
    assert!(hover.contains("Names a web server"), "{hover}");

    let definition = editor.ask("textDocument/definition", "inventory/hosts.star", 2, 7);
    assert_eq!(definition[0]["targetUri"], editor.uri("inventory/lib/names.star"), "{definition}");
    assert_eq!(definition[0]["targetRange"]["start"]["line"], 0, "{definition}");
    let definition = editor.ask("textDocument/definition", "inventory/hosts.star", 2, 29);
    assert_eq!(definition[0]["targetUri"], editor.uri("inventory/hosts.star"), "{definition}");

    let labels = |items: &Value| -> Vec<String> {
        let label = |it: &Value| it["label"].as_str().expect("a label").to_owned();
        items.as_array().expect("items").iter().map(label).collect()
    };
    let items = editor.ask("textDocument/completion", "inventory/hosts.star", 3, 4);
    let names = labels(&items);
    assert!(
        ["acme", "host", "service", "web_name"].iter().all(|it| names.contains(&(*it).to_owned())),
        "{names:?}"
    );

    // Code that does not parse yet has no members of its own, but ours.
    editor.change("inventory/hosts.star", 2, "x = data.\n");
    let items = editor.ask("textDocument/completion", "inventory/hosts.star", 0, 9);
    assert_eq!(labels(&items), ["csv", "json", "json_command", "toml"]);
    assert!(
        items[2]["detail"].as_str().is_some_and(|it| it.starts_with("data.json_command(argv: list[str]")),
        "{items}"
    );
    editor.change("inventory/hosts.star", 3, "x = data.json(\"x\")\n");
    let hover = editor.ask("textDocument/hover", "inventory/hosts.star", 0, 11).to_string();
    assert!(hover.contains("Reads a JSON file of the workspace"), "{hover}");

    // A deploy sees other functions.
    editor.open("deploys/web.star", "def deploy(host):\n    facts.os()\n");
    let hover = editor.ask("textDocument/hover", "deploys/web.star", 1, 11).to_string();
    assert!(hover.contains("Asks for the operating system"), "{hover}");
    editor.end();
}

#[test]
fn nonsense_is_answered_and_does_no_harm() {
    let (mut editor, _) = Editor::start(workspace(), &json!({}));
    let unknown = editor.request("textDocument/rename", json!({}));
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    let invalid = editor.request("textDocument/hover", json!({"textDocument": 3}));
    assert_eq!(invalid["error"]["code"], -32602, "{invalid}");
    assert_eq!(editor.ask("textDocument/hover", "inventory/not-open.star", 0, 0), Value::Null);
    editor.notify("textDocument/didOpen", json!([]));
    editor.notify("textDocument/didClose", json!({"textDocument": {"uri": "untitled:x"}}));
    editor.open("inventory/hosts.star", &format!("x = {}", "(".repeat(100_000)));
    let found = editor.diagnostics("inventory/hosts.star", |it| !it.is_empty());
    assert_eq!(found[0]["code"], "starlark.limit");
    editor.change("inventory/hosts.star", 2, HOSTS);
    for (line, character) in [(99, 0), (0, 9999), (4_000_000_000, 4_000_000_000), (4, 0)] {
        for method in ["textDocument/hover", "textDocument/definition", "textDocument/completion"] {
            let _ = editor.ask(method, "inventory/hosts.star", line, character);
        }
    }
    let hover = editor.ask("textDocument/hover", "inventory/hosts.star", 2, 1).to_string();
    assert!(hover.contains("Declares a host"), "{hover}");

    let outside = Ifrit::new();
    outside.write("a.star", "");
    let uri = format!("file://{}/a.star", outside.directory().display());
    let item = json!({"uri": uri, "languageId": "starlark", "version": 1, "text": "client(3)"});
    editor.notify("textDocument/didOpen", json!({"textDocument": item}));
    loop {
        let message = editor.receive();
        if message["params"]["uri"] == uri {
            assert_eq!(message["params"]["diagnostics"][0]["code"], "workspace.missing", "{message}");
            break;
        }
    }
    editor.end();
}

#[test]
fn deploys_and_their_tests_are_completed_with_what_they_know() {
    let (mut editor, answer) = Editor::start(workspace(), &json!({}));
    let triggers = &answer["result"]["capabilities"]["signatureHelpProvider"]["triggerCharacters"];
    assert_eq!(*triggers, json!(["(", ","]));
    editor.open("deploys/web.star", "def deploy(host):\n    files.\n");
    let items = editor.ask("textDocument/completion", "deploys/web.star", 1, 10);
    let put =
        items.as_array().expect("items").iter().find(|it| it["label"] == "put").expect("files.put").clone();
    assert!(put["documentation"]["value"].as_str().is_some_and(|it| it.contains("- `mode`:")), "{put}");

    // Within a call: the arguments that can still be given, each with what it is.
    editor.change("deploys/web.star", 2, "def deploy(host):\n    files.put(\"a\", \"/b\", mode = 644, va)\n");
    let items = editor.ask("textDocument/completion", "deploys/web.star", 1, 38);
    let items = items.as_array().or_else(|| items["items"].as_array()).expect("items").clone();
    let labels: Vec<&str> = items.iter().filter_map(|it| it["label"].as_str()).collect();
    assert!(labels.contains(&"validate =") && labels.contains(&"when ="), "{labels:?}");
    assert!(!labels.contains(&"mode =") && !labels.contains(&"src ="), "{labels:?}");
    let validate = items.iter().find(|it| it["label"] == "validate =").expect("validate");
    assert_eq!(validate["insertText"], "validate = ");

    let help = editor.ask("textDocument/signatureHelp", "deploys/web.star", 1, 16);
    assert!(help["signatures"][0]["label"].as_str().is_some_and(|it| it.starts_with("files.put(")), "{help}");
    assert_eq!(help["activeParameter"], 0, "{help}");
    let help = editor.ask("textDocument/signatureHelp", "deploys/web.star", 1, 33);
    let active = usize::try_from(help["activeParameter"].as_u64().expect("a number")).expect("small");
    let parameter = &help["signatures"][0]["parameters"][active];
    assert!(parameter["label"].as_str().is_some_and(|it| it.starts_with("mode:")), "{help}");
    let none = editor.ask("textDocument/signatureHelp", "deploys/web.star", 0, 2);
    assert_eq!(none, Value::Null);

    // A test knows other functions, and its problems are shown.
    editor.open("deploys/web_test.star", "def test_x():\n    testing.fil(\"/a\")\n");
    let found = editor.diagnostics("deploys/web_test.star", |it| !it.is_empty());
    assert_eq!(
        (&found[0]["code"], &found[0]["range"]["start"]["line"]),
        (&"starlark.type".into(), &1.into())
    );
    editor.change("deploys/web_test.star", 2, "def test_x():\n    testing.file(\"/a\")\n");
    let hover = editor.ask("textDocument/hover", "deploys/web_test.star", 1, 14).to_string();
    assert!(hover.contains("Says that the host has a plain file"), "{hover}");
    editor.end();
}
