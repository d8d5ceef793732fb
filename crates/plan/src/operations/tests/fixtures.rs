//! fixtures/operations: given these facts, this call plans this.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{Change, DiffLine, Step};
use serde::Deserialize;

use super::team::{Team, shells};
use crate::Evaluated;
use crate::facts::{FactAnswer, FactRequests, Facts};

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The arguments of the call, positional ones as a list.
    #[serde(default)]
    args: Vec<serde_json::Value>,
    #[serde(default)]
    kwargs: BTreeMap<String, serde_json::Value>,
    /// Files of the workspace.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Answers by question, as the question shows itself: `file_state /etc/motd c`.
    #[serde(default)]
    facts: BTreeMap<String, String>,
    /// `none`, `certain`, `undecided`, or `error`.
    expected: String,
    /// What the error says, or a line of the diff with its sign, or a line of the action.
    #[serde(default)]
    says: Vec<String>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/operations"))
}

fn literal(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "None".to_owned(),
        serde_json::Value::Bool(true) => "True".to_owned(),
        serde_json::Value::Bool(false) => "False".to_owned(),
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Object(entries) => {
            let entry =
                |(key, value)| format!("{}: {}", serde_json::Value::from(key as &str), literal(value));
            let entries: Vec<String> = entries.iter().map(|(key, value)| entry((key, value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        value => value.to_string(),
    }
}

/// Returns what is otherwise than the case says.
fn check(operation: &str, path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).expect("a file");
    let case: Case =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let args = case.args.iter().map(literal);
    let kwargs = case.kwargs.iter().map(|(key, value)| format!("{key} = {}", literal(value)));
    let code = format!("{operation}({})", args.chain(kwargs).collect::<Vec<_>>().join(", "));
    let mut team = Team::new(&code);
    for (path, content) in &case.files {
        team = team.with_file(path, content);
    }
    let shown = path.display();
    let mut facts = Facts::default();
    let outcome = match team.evaluate(&facts) {
        Ok(Evaluated::Needs(requests)) => {
            answer(&requests, &case.facts, &mut facts, &shown.to_string());
            team.evaluate(&facts)
        }
        outcome => outcome,
    };
    let (got, said) = match outcome {
        Err(problems) => ("error", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        Ok(Evaluated::Needs(requests)) => panic!("{shown}: asks again: {requests:?}"),
        Ok(Evaluated::Complete(steps)) => {
            steps.iter().for_each(|step| parses(step, &shown.to_string()));
            described(&steps)
        }
    };
    if got != case.expected {
        return Err(format!("{shown}: {code}\nexpected {}, got {got}\n{said}", case.expected));
    }
    match case.says.iter().find(|line| !said.contains(line.as_str())) {
        Some(line) => Err(format!("{shown}: {code}\nexpected `{line}` in\n{said}")),
        None => Ok(()),
    }
}

fn answer(requests: &FactRequests, given: &BTreeMap<String, String>, facts: &mut Facts, shown: &str) {
    for question in requests.questions() {
        let name = question.to_string();
        // What is shown of a file does not depend on the digest that its file is to have.
        let words = question.arguments();
        let shown_file = (question.tool().name == "show_file").then(|| format!("show_file {}", words[0]));
        let said = given.get(name.trim()).or_else(|| given.get(shown_file.as_deref()?));
        let said = said.unwrap_or_else(|| panic!("{shown}: no fact `{}`", name.trim()));
        let answer = match said.as_str() {
            "(none)" => FactAnswer::Absent,
            "(failed)" => FactAnswer::Failed(Some(1)),
            text => FactAnswer::Said(text.as_bytes().to_vec()),
        };
        facts.insert(question.clone(), answer);
    }
}

/// Makes sure that every shell takes what would be sent.
fn parses(step: &Step, shown: &str) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("script");
    let probe = step.probe.as_ref().map_or("", |probe| probe.script.as_str());
    fs::write(&path, format!("probe() {{\n{probe}\n:\n}}\nstep() {{\n{}\n:\n}}\n", step.action))
        .expect("a file");
    for shell in shells() {
        let output =
            Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&path).output().expect("it starts");
        assert!(output.status.success(), "{shown} {shell:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn described(steps: &[Step]) -> (&'static str, String) {
    let step = steps.last().expect("a step");
    let change = match step.change {
        Change::None => "none",
        Change::Certain => "certain",
        Change::Undecided => "undecided",
    };
    let line = |line: &DiffLine| match line {
        DiffLine::Same(text) => format!(" {text}"),
        DiffLine::Removed(text) => format!("-{text}"),
        DiffLine::Added(text) => format!("+{text}"),
    };
    let diff: Vec<String> = step.diff.iter().map(line).collect();
    let calls = step.action.rsplit("}\n").next().unwrap_or_default();
    (change, format!("{}\n{calls}", diff.join("\n")))
}

#[test]
fn every_case_is_decided_as_it_says() {
    let mut count = 0;
    let mut wrong = Vec::new();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(fixtures()).expect("fixtures").map(|it| it.expect("an entry").path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let operation = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        for entry in fs::read_dir(folder).expect("a folder") {
            wrong.extend(check(operation, &entry.expect("an entry").path()).err());
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 40, "only {count} cases");
}
