//! The lines that a test must add, for facts that it does not give.

use crate::facts::Question;

/// Returns the lines that answer a question: one, or one for each thing that it asks for.
pub(super) fn lines(question: &Question) -> Vec<String> {
    let words: Vec<&str> = question.arguments().iter().map(String::as_str).collect();
    let line = match (question.tool().name, words.as_slice()) {
        ("file_state" | "paths_state", [path, ..]) if !path.is_empty() => {
            return paths(question.tool().name, &words);
        }
        ("show_file" | "line_state" | "replace_state" | "block_state", [path, ..]) => {
            format!("testing.file({}, content = \"...\"),", text(path))
        }
        ("tree_state", [path, ..]) => format!("testing.directory({}),", text(path)),
        ("service_state", [_, name, ..]) => {
            format!("testing.service({}, running = True, enabled = True),", text(name))
        }
        ("user_state", [name, ..]) => format!("testing.user({}, exists = True),", text(name)),
        ("group_state", [name, ..]) => format!("testing.group({}, exists = True),", text(name)),
        ("guard_state" | "run_command" | "own_state", [command]) => {
            format!("testing.command({}, status = 0, stdout = \"\"),", text(command))
        }
        ("sysctl_state", [key, ..]) => format!("testing.sysctl({}, \"0\"),", text(key)),
        ("hostname_state", _) => "testing.hostname(\"...\"),".to_owned(),
        ("timezone_state", _) => "testing.timezone(\"UTC\"),".to_owned(),
        ("module_state", [name]) => format!("testing.module({}, loaded = True),", text(name)),
        ("mount_state", [path]) => format!("testing.mount({}, mounted = True),", text(path)),
        ("sysrc_state", [name, ..]) => format!("testing.sysrc({}, \"...\"),", text(name)),
        ("keys_state", [user, ..]) => format!("testing.authorized_keys({}, []),", text(user)),
        ("cron_state", [user, ..]) => format!("testing.crontab([], user = {}),", text(user)),
        ("wait_state", [kind, what, wanted]) => {
            let words = [text(kind), text(what), text(wanted)].join(", ");
            format!("testing.answer(\"wait_state\", {words}, says = \"so\"),")
        }
        ("os_release", _) => "testing.host(..., os = \"alpine:3.20\")".to_owned(),
        (tool, words) => {
            let words: String = words.iter().map(|word| format!(", {}", text(word))).collect();
            format!("testing.answer({}{words}, says = \"...\"),", text(tool))
        }
    };
    vec![line]
}

/// Returns the line that says whether a package is installed.
pub(super) fn package(name: &str) -> String {
    format!("testing.package({}, version = None),", text(name))
}

fn paths(tool: &str, words: &[&str]) -> Vec<String> {
    let paths = if tool == "file_state" { words.get(..1).unwrap_or_default() } else { words };
    paths.iter().map(|path| format!("testing.absent({}),", text(path))).collect()
}

/// Writes a text as Starlark does.
fn text(text: &str) -> String {
    let mut written = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => written.extend(['\\', letter]),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            '\r' => written.push_str("\\r"),
            letter => written.push(letter),
        }
    }
    written.push('"');
    written
}
