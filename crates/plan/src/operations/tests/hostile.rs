//! Names that a shell would take apart.

use std::fs;

use proptest::prelude::*;

use super::team::{Team, apply, shells};

/// Returns a text as a literal of Starlark.
fn literal(text: &str) -> String {
    let escape = |letter: char| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        letter => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn check(name: &str, content: &str) {
    let shells = shells();
    let host = tempfile::tempdir().expect("a temporary directory");
    let path = format!("{}/{name}", host.path().display());
    let mut code = format!("files.put(dest = {}, content = {})", literal(&path), literal(content));
    if !content.is_empty()
        && !content.contains(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
    {
        let (path, content) = (literal(&format!("{path}.l")), literal(content));
        code += &format!("\nfiles.line({path}, {content}, escape_regex_characters = True)");
        code += &format!("\nserver.shell(\"true\", unless = \"test -e \" + {content}, when = False)");
    }
    let team = Team::new(&code);
    let shell = &shells[0];
    for step in team.steps(shell).iter().filter(|step| step.is_sent()) {
        apply(shell, step);
    }
    assert_eq!(fs::read_to_string(&path).expect("the file"), content, "{path:?}");
    let count = fs::read_dir(host.path()).expect("a directory").count();
    assert_eq!(count, code.lines().count().min(2), "{name:?}");
    assert!(team.steps(shell).iter().all(|step| !step.is_sent()), "{name:?} {content:?}");
}

#[test]
fn what_a_shell_knows_is_only_a_name() {
    for name in [
        "$(touch x)",
        "`id`",
        "a b",
        "'; touch x; '",
        "\"",
        "*",
        "-n",
        "~",
        "a\nb",
        "\\",
        "#",
        "&",
        "ü",
        "%s",
    ] {
        check(name, "text\n");
        check("plain", name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_name_and_any_content(name in "[^/\u{0}]{1,20}", content in "[^\u{0}]{0,40}") {
        prop_assume!(name != "." && name != "..");
        // Starlark's literals are what this test writes; control characters other than newlines are not.
        let is_plain = |text: &str| text.chars().all(|it| !it.is_control() || it == '\n');
        prop_assume!(is_plain(&name) && is_plain(&content));
        check(&name, &content);
    }
}
