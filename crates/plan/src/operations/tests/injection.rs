//! Every text that an operation takes, replaced by what a shell, awk, sed or a program's own options would take
//! for something else: nothing but what the deploy says may run. The calls are those of fixtures/operations, so an
//! operation with fixtures is covered, and one without fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use model::{Place, Problem, Step};
use serde_json::Value;

use super::sandbox::Sandbox;
use super::team::{Team, revealed};
use crate::Evaluated;
use crate::facts::{FactAnswer, FactRequests, Facts, Nonce, StreamEnd, read_answer, read_facts, script};

/// What is put in place of a text, and behind it.
const HOSTILE: [&str; 9] = [
    "$(: >/CANARY)`: >/CANARY`",
    "'; : >/CANARY; '",
    "\"; : >/CANARY; \"",
    "\n: >/CANARY\n",
    "& : >/CANARY | : >/CANARY",
    "\"); system(\": >/CANARY\"); (\"",
    "/;e: >/CANARY;s/",
    "--canary=x",
    "* ?lobbed \\",
];
/// Arguments that are commands by what they are for: what a deploy's author writes there runs.
const COMMANDS: [(&str, &str); 10] = [
    ("server.shell", "commands"),
    ("server.shell", "0"),
    ("server.shell", "unless"),
    ("server.script", "unless"),
    ("server.script_template", "unless"),
    // What is put into a script is a part of it.
    ("server.script_template", "who"),
    ("files.put", "validate"),
    ("files.template", "validate"),
    ("operation", "reads"),
    ("operation", "commands"),
];
/// Arguments that are options by what they are for: of those, any word that begins with `-` is one.
const OPTIONS: [(&str, &str); 3] = [
    ("apt.packages", "extra_install_args"),
    ("apt.packages", "extra_uninstall_args"),
    ("files.unarchive", "extra_opts"),
];
/// The calls of one deploy: an evaluation stops at 200 problems.
const CALLS_MAX: usize = 150;

/// Returns a value as a literal of Starlark.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(is_true) => if *is_true { "True" } else { "False" }.to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), literal(value))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

/// Returns a value once for each text in it and each hostile text; texts that are commands stay.
fn hostile(value: &Value, is_command: bool) -> Vec<Value> {
    match value {
        // The words of a command are words.
        Value::Array(items) => {
            let replaced = |(at, item): (usize, &Value)| {
                let is_command = is_command && !item.is_array();
                hostile(item, is_command).into_iter().map(move |new| {
                    let mut items = items.clone();
                    items[at] = new;
                    Value::Array(items)
                })
            };
            let is_words = is_command && items.iter().all(Value::is_string);
            if is_words { Vec::new() } else { items.iter().enumerate().flat_map(replaced).collect() }
        }
        Value::Object(entries) => {
            let mut all = Vec::new();
            for (key, item) in entries {
                let with = |key: String, item: Value| {
                    let others = entries.iter().filter(|(other, _)| !key.starts_with(other.as_str()));
                    let others = others.map(|(key, item)| (key.clone(), item.clone()));
                    Value::Object(others.chain([(key.clone(), item)]).collect())
                };
                all.extend(hostile(item, is_command).into_iter().map(|new| with(key.clone(), new)));
                all.extend(HOSTILE.into_iter().map(|text| with(format!("{key}{text}"), item.clone())));
            }
            all
        }
        Value::String(_) if is_command => Vec::new(),
        Value::String(text) => {
            HOSTILE.into_iter().flat_map(|it| [Value::from(it), Value::from(format!("{text}{it}"))]).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the calls of a case with one argument replaced.
fn variants(operation: &str, case: &Value) -> Vec<String> {
    let args = case.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
    let kwargs = case.get("kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    let args = args.into_iter().enumerate().map(|(at, value)| (at.to_string(), value));
    let values: Vec<(String, Value)> = args.chain(kwargs).collect();
    let call = |values: &[(String, Value)]| {
        let argument = |(name, value): &(String, Value)| match name.parse::<usize>() {
            Ok(_) => literal(value),
            Err(_) => format!("{name} = {}", literal(value)),
        };
        format!("{operation}({})", values.iter().map(argument).collect::<Vec<_>>().join(", "))
    };
    let mut calls = Vec::new();
    for (at, (name, value)) in values.iter().enumerate() {
        let is_command = COMMANDS.contains(&(operation, name.as_str()));
        // The words of `reads` are words, as those of each of `commands`.
        let is_command = is_command && !(operation == "operation" && name == "reads" && value.is_array());
        let is_options = OPTIONS.contains(&(operation, name.as_str()));
        let is_meant = |new: &Value| is_options && literal(new).contains("\"--canary=x");
        for new in hostile(value, is_command).into_iter().filter(|new| !is_meant(new)) {
            let mut values = values.clone();
            values[at].1 = new;
            calls.push(call(&values));
        }
    }
    calls
}

/// Returns the lines that problems are about, as places among the calls.
fn lines(problems: &[Problem]) -> BTreeSet<usize> {
    let line = |problem: &Problem| match problem.place {
        Place::Spot { line, .. } => line.checked_sub(2),
        _ => None,
    };
    let lines: BTreeSet<usize> = problems.iter().filter_map(line).collect();
    assert!(!lines.is_empty(), "{problems:?}");
    lines
}

/// Asks in the sandbox; what fails there counts as not there.
fn ask(sandbox: &Sandbox, requests: &FactRequests) -> Facts {
    let nonce = Nonce::from_bytes([7; 16]);
    let text = String::from_utf8(script(requests, &nonce)).expect("UTF-8");
    let (_, stdout) = sandbox.run(&text);
    let answers = read_answer(requests, &nonce, &stdout, StreamEnd::Complete);
    let host = model::HostName::new("web-1").expect("a name");
    let (mut facts, _) = read_facts(&host, &answers);
    for question in requests.questions() {
        if let Some(FactAnswer::Failed(_)) = facts.get(question) {
            facts.insert(question.clone(), FactAnswer::Absent);
        }
    }
    facts
}

/// Evaluates calls, leaving out those that are refused; each step that remains.
fn steps(sandbox: &Sandbox, mut calls: Vec<String>, files: &[(String, String)]) -> Vec<Step> {
    let mut facts = Facts::default();
    while !calls.is_empty() {
        let team =
            files.iter().fold(Team::new(&calls.join("\n")), |team, (path, text)| team.with_file(path, text));
        let (workspace, problems) = lang::load(team.root.path(), &[crate::extension()]);
        let outcome = if problems.is_empty() { team.evaluate_in(&workspace, &facts) } else { Err(problems) };
        match outcome {
            Ok(Evaluated::Complete(steps)) => return steps,
            Ok(Evaluated::Needs(requests)) => {
                facts.merge(ask(sandbox, &requests));
                assert!(!sandbox.path("CANARY").exists(), "a fact ran it: {calls:#?}");
            }
            Err(problems) => {
                let refused = lines(&problems);
                let kept = calls.into_iter().enumerate().filter(|(at, _)| !refused.contains(at));
                calls = kept.map(|(_, call)| call).collect();
            }
        }
    }
    Vec::new()
}

/// Runs every step, each in a shell of its own; returns what went wrong.
fn run(sandbox: &Sandbox, steps: &[Step]) -> Vec<String> {
    let mut text = String::new();
    for (number, step) in steps.iter().enumerate() {
        let probe = step.probe.as_ref().map_or(":", |probe| probe.script.as_str());
        let bodies = step.bodies.iter().enumerate().map(|(at, body)| {
            fs::write(sandbox.path(&format!("body-{number}-{at}")), revealed(body)).expect("a file");
            format!("{}=/body-{number}-{at}\n", Step::body_variable(at))
        });
        let bodies: String = bodies.collect();
        text.push_str(&format!(
            "(\ncd / || exit\n{bodies}probe() {{\n{probe}\n}}\nstep() {{\n:\n{}\n}}\nprobe; step; probe\n) >/dev/null 2>&1\n\
             [ ! -e /CANARY ] || {{ rm -f /CANARY; echo ran {number}; }}\n",
            step.action
        ));
    }
    let (_, stdout) = sandbox.run(&format!("{text}echo over\n"));
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let cut = (!said.ends_with("over\n")).then(|| format!("the steps did not come to their end: {text}"));
    let step = |number: &str| number.parse::<usize>().ok().and_then(|number| steps.get(number));
    let ran = said.lines().filter_map(|line| line.strip_prefix("ran ")).filter_map(step);
    ran.map(|step| format!("{} {}: ran it\n{}", step.operation, step.subject, step.action))
        .chain(cut)
        .collect()
}

/// Says whether a call has a hostile text where a program takes it for something else: an option that is none,
/// or the names of files.
fn is_taken(call: &str) -> bool {
    let words: Vec<&str> = call.split(" [").skip(1).map(|word| word.trim_end_matches(']')).collect();
    let is_value = |at: usize| {
        // The word behind an option that takes one, or behind `--`.
        let before = at.checked_sub(1).map(|before| words[before]);
        words[..at].contains(&"--") || before.is_some_and(|it| it.len() == 2 && it.starts_with('-'))
    };
    let is_option = words.iter().enumerate().any(|(at, word)| word.starts_with("--canary") && !is_value(at));
    is_option || words.contains(&"globbed")
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/operations"))
}

/// Returns the calls of an operation with hostile texts, and the files that they need.
fn calls_of(operation: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut calls, mut files) = (BTreeSet::new(), Vec::new());
    for entry in fs::read_dir(fixtures().join(operation))
        .unwrap_or_else(|error| panic!("fixtures of {operation}: {error}"))
    {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a file");
        let case: Value = serde_json::from_str(&text).expect("a case");
        if case["expected"] != "error" {
            calls.extend(variants(operation, &case));
            let its_files = case["files"].as_object().cloned().unwrap_or_default();
            files.extend(
                its_files
                    .into_iter()
                    .map(|(path, text)| (path, text.as_str().unwrap_or_default().to_owned())),
            );
        }
    }
    (calls.into_iter().collect(), files)
}

/// What a deploy's author writes as a command does run: so the canary can be seen, and stand-ins are noted.
fn controls(sandbox: &Sandbox) {
    let calls = vec!["server.shell([\": >/CANARY\", \"git clone --canary=x\", \"lbu *\"])".to_owned()];
    let steps = steps(sandbox, calls, &[]);
    assert_eq!(run(sandbox, &steps).len(), 1);
    let calls = sandbox.calls();
    assert_eq!(calls.iter().filter(|call| is_taken(call)).count(), 2, "{calls:?}");
    assert!(!is_taken("useradd [-c] [--canary=x] [bob]") && !is_taken("apk [add] [--] [--canary=x]"));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn no_text_of_a_deploy_runs() {
    let Some(sandbox) = Sandbox::new() else {
        eprintln!("SKIPPED: there is no busybox, or no root directory of one's own (unshare --root)");
        return;
    };
    controls(&sandbox);
    let functions = lang::functions(&[crate::extension()]);
    let takes = |name: &str, it: &lang::FunctionDoc| it.declared.iter().any(|given| given.starts_with(name));
    let operations = functions.iter().filter(|it| takes("when", it) && takes("handler", it));
    let (mut wrong, mut run_steps) = (Vec::new(), 0);
    for operation in operations {
        let (calls, files) = calls_of(&operation.name);
        for batch in calls.chunks(CALLS_MAX) {
            let steps = steps(&sandbox, batch.to_vec(), &files);
            run_steps += steps.len();
            wrong.extend(run(&sandbox, &steps));
            let taken = sandbox.calls().into_iter().filter(|call| is_taken(call));
            wrong.extend(taken.map(|call| format!("{}: {call}", operation.name)));
        }
    }
    assert!(wrong.is_empty(), "{} of {run_steps} steps:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(run_steps > 1_000, "only {run_steps} steps were run");
}
