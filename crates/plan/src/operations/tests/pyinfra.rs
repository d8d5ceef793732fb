//! The decisions of pyinfra's own operation fixtures, compared with ours: change, no change, error. The
//! fixtures are not part of this repository; without them the test is skipped.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::team::Team;
use crate::Evaluated;
use crate::facts::{FactAnswer, Facts, Question};

/// What is different on purpose, by operation and case.
const OTHERWISE: [(&str, &str, &str); 6] = [
    ("files.file", "add_user_group_with_metachars", "a name with `;` or `$` is refused"),
    ("files.file", "edit", "a mode is octal digits"),
    ("files.directory", "ignore_link_type", "a link is never taken for what it points to"),
    ("files.flags", "clear_no_flags", "no flags at all are a mistake"),
    ("files.flags", "set_no_flags", "no flags at all are a mistake"),
    ("openrc.service", "enable_quotes_injection", "a name with quotes is refused"),
];
/// The operations that are compared.
const OPERATIONS: [&str; 14] = [
    "files.directory",
    "files.file",
    "files.link",
    "files.line",
    "files.flags",
    "server.modprobe",
    "server.sysctl",
    "systemd.service",
    "apt.packages",
    "server.etc_hosts",
    "apk.packages",
    "openrc.service",
    "server.group",
    "server.hostname",
];

fn folder() -> PathBuf {
    std::env::var_os("IFRIT_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    )
}

/// Returns a value as a literal; relative paths become absolute ones.
fn literal(value: &Value, is_path: bool) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(is_true) => if *is_true { "True" } else { "False" }.to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|it| literal(it, false)).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) if is_path => Value::String(absolute(text)).to_string(),
        value => value.to_string(),
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/r/{}", path.trim_end_matches('/')) }
}

fn by_path<'a>(facts: &'a Value, fact: &str, path: &str) -> Option<&'a Value> {
    let facts = facts.get(fact)?.as_object()?;
    let is_it = |key: &str| {
        key.split(", ").any(|part| part.strip_prefix("path=").is_some_and(|it| absolute(it) == path))
    };
    facts.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

fn file_state(facts: &Value, path: &str, letters: &str) -> Option<String> {
    let kinds = [("files.Directory", "directory"), ("files.Link", "link"), ("files.File", "file")];
    for (fact, kind) in kinds {
        let Some(value) = by_path(facts, fact, path) else { continue };
        match value {
            Value::Null => return Some("absent".to_owned()),
            Value::Bool(false) => return Some("other - - - -".to_owned()),
            value => {
                let word = |letter: char, key: &str| match value.get(key) {
                    Some(Value::String(text)) if letters.contains(letter) => text.clone(),
                    Some(Value::Number(number)) if letters.contains(letter) => {
                        format!("{:0>4}", number.to_string())
                    }
                    _ if letters.contains(letter) => "?".to_owned(),
                    _ => "-".to_owned(),
                };
                let mode = if kind == "link" { "-".to_owned() } else { word('m', "mode") };
                let target = if kind == "link" { word('c', "link_target") } else { "-".to_owned() };
                return Some(format!("{kind} {mode} {} {} {target}", word('u', "user"), word('g', "group")));
            }
        }
    }
    None
}

fn lines(facts: &Value, path: &str, pattern: &str) -> Option<String> {
    let all = facts.get("files.FindInFile")?.as_object()?;
    let found = all.iter().find(|(key, _)| {
        let key = key.replace("path=", "path=/r/").replace("/r//", "/");
        key.contains(&format!("path={path}")) && key.ends_with(&format!("pattern={pattern}"))
    })?;
    Some(match found.1 {
        Value::Array(lines) => lines
            .iter()
            .filter_map(Value::as_str)
            .map(|line| format!("= {line}"))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => "absent".to_owned(),
    })
}

fn service(facts: &Value, name: &str, fields: &str, runlevel: &str) -> String {
    let of = |fact: &str| {
        let facts = facts.get(fact)?.as_object()?;
        let level = facts.get(&format!("runlevel={runlevel}")).or(facts.values().next())?;
        level.get(name)?.as_bool()
    };
    let runs = if of("openrc.OpenrcStatus") == Some(true) { "running" } else { "stopped" };
    let starts = if of("openrc.OpenrcEnabled") == Some(true) { "enabled" } else { "disabled" };
    let words = [('r', runs), ('e', starts)];
    words
        .iter()
        .filter(|(letter, _)| fields.contains(*letter))
        .map(|(_, word)| *word)
        .collect::<Vec<_>>()
        .join("\n")
}

/// As `service_state` prints a unit of systemd; units without an ending are services.
fn unit(facts: &Value, name: &str, fields: &str) -> Option<String> {
    let name = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
    let of = |fact: &str| facts.get(fact)?.as_object()?.values().next()?.get(&name)?.as_bool();
    let mut lines = Vec::new();
    if fields.contains('d') {
        // pyinfra never knows.
        lines.push("outdated");
    }
    if fields.contains('r') {
        lines.push(if of("systemd.SystemdStatus")? { "running" } else { "stopped" });
    }
    if fields.contains('e') {
        lines.push(if of("systemd.SystemdEnabled")? { "enabled" } else { "disabled" });
    }
    Some(lines.join("\n"))
}

/// As `sysctl_state` prints a setting that is not kept.
fn sysctl(facts: &Value, key: &str) -> Option<String> {
    let value = facts.get("server.Sysctl")?.as_object()?.values().next()?.get(key);
    let words = match value {
        None => return Some("runs ?".to_owned()),
        Some(Value::Array(words)) => words.clone(),
        Some(word) => vec![word.clone()],
    };
    let word = |word: &Value| word.as_str().map_or_else(|| word.to_string(), str::to_owned);
    Some(format!("runs {}", words.iter().map(word).collect::<Vec<_>>().join(" ")))
}

fn answer(facts: &Value, question: &Question) -> Option<String> {
    let words = question.arguments();
    match question.tool().name {
        "file_state" => file_state(facts, &words[0], &words[1]),
        "tree_state" => Some("rest differs".to_owned()),
        "flags_state" => {
            let set = by_path(facts, "files.Flags", &words[0])?.as_array()?;
            let has = |flag: &String| set.iter().any(|it| it.as_str() == Some(flag));
            let state = |flag: &String| format!("{flag} {}", if has(flag) { "set" } else { "clear" });
            Some(words[1..].iter().map(state).collect::<Vec<_>>().join("\n"))
        }
        "hosts_state" => {
            let names = by_path(facts, "server.EtcHosts", &words[0])?.get(&words[1]);
            let names =
                names.and_then(Value::as_array).map(|it| it.iter().filter_map(Value::as_str).collect());
            let Some(names): Option<Vec<&str>> = names else { return Some(String::new()) };
            let wanted: Vec<&str> = words[3].split(' ').filter(|name| !name.is_empty()).collect();
            let is_shown =
                words[2] == "set" || wanted.is_empty() || wanted.iter().any(|it| names.contains(it));
            Some(if is_shown { format!("= {}", names.join(" ")) } else { String::new() })
        }
        "line_state" => lines(facts, &words[0], &words[1]),
        "package_state" => {
            let packages = facts.get("apk.ApkPackages").or(facts.get("deb.DebPackages"));
            let installed = packages?.as_object()?;
            let state = |name: &String| match installed.contains_key(name) {
                true => format!("{name} {}", if words[1] == "latest" { "old" } else { "present" }),
                false => format!("{name} absent"),
            };
            Some(words[2..].iter().map(state).collect::<Vec<_>>().join("\n"))
        }
        "service_state" if words[0] == "systemd" => unit(facts, &words[1], &words[2]),
        "sysctl_state" if words[1].is_empty() => sysctl(facts, &words[0]),
        "module_state" => {
            let is_loaded = facts.get("server.KernelModules")?.get(&words[0]).is_some();
            Some(if is_loaded { "loaded" } else { "absent" }.to_owned())
        }
        "service_state" => Some(service(facts, &words[1], &words[2], &words[3])),
        "group_state" => {
            let groups = facts.get("server.Groups")?;
            let is_there = match groups {
                Value::Array(names) => names.iter().any(|it| it.as_str() == Some(&words[0])),
                groups => groups.get(&words[0]).is_some(),
            };
            Some(if is_there { "group".to_owned() } else { "absent".to_owned() })
        }
        "hostname_state" => {
            let name = facts.get("server.Hostname")?.as_str()?;
            Some(format!("runs {name}\nboots {name}"))
        }
        _ => None,
    }
}

/// Returns what pyinfra decides and what we decide; `None` where the case cannot be asked of us.
fn decide(operation: &str, case: &Value) -> Option<(&'static str, &'static str, String)> {
    let is_files = operation.starts_with("files.");
    let args = case.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
    let args = args.iter().enumerate().map(|(at, it)| literal(it, is_files && at == 0));
    let kwargs = case.get("kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    let kwargs = kwargs.iter().map(|(key, it)| format!("{key} = {}", literal(it, key == "path")));
    let call = format!("{operation}({})", args.chain(kwargs).collect::<Vec<_>>().join(", "));
    let team = Team::new(&call);
    let (_, problems) = lang::load(team.root.path(), &[crate::extension()]);
    if !problems.is_empty() {
        return None;
    }
    let theirs = match (case.get("exception"), case.get("commands").and_then(Value::as_array)) {
        (Some(_), _) => "error",
        (None, Some(commands)) if commands.is_empty() => "none",
        _ => "change",
    };
    let mut facts = Facts::default();
    let none = Value::Null;
    let outcome = match team.evaluate(&facts) {
        Ok(Evaluated::Needs(requests)) => {
            for question in requests.questions() {
                let said = answer(case.get("facts").unwrap_or(&none), question)?;
                facts.insert(question.clone(), FactAnswer::Said(said.into_bytes()));
            }
            team.evaluate(&facts)
        }
        outcome => outcome,
    };
    let ours = match outcome {
        Err(_) => "error",
        Ok(Evaluated::Complete(steps)) if steps.iter().any(model::Step::is_sent) => "change",
        Ok(_) => "none",
    };
    Some((theirs, ours, call))
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn decisions_are_those_of_pyinfra() {
    let root = folder().join("pyinfra/operations");
    if !root.is_dir() {
        eprintln!("SKIPPED: no fixtures of pyinfra in {}", root.display());
        return;
    }
    let mut compared = 0;
    let mut differing = Vec::new();
    for operation in OPERATIONS {
        for entry in fs::read_dir(root.join(operation)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let is_otherwise = OTHERWISE.iter().any(|it| (it.0, it.1) == (operation, name.as_str()));
            let text = fs::read_to_string(&path).expect("a file");
            // Some have commas that JSON does not, and some ask what our operation does not have.
            let Ok(case) = serde_json::from_str::<Value>(&text) else { continue };
            let Some((theirs, ours, call)) = decide(operation, &case) else { continue };
            compared += 1;
            // Names that would have to be quoted are no names of groups, services and hosts here.
            let is_hostile = name.ends_with("needs_quotes") && ours == "error";
            if theirs != ours && !is_otherwise && !is_hostile {
                differing.push(format!("{operation} {name}: pyinfra {theirs}, ours {ours}: {call}"));
            }
        }
    }
    assert_eq!(differing, Vec::<String>::new());
    assert!(compared >= 25, "only {compared} cases could be compared");
}
