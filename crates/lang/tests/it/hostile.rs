//! Files that are not what they seem, and content that is anything.

use std::os::unix::fs::symlink;
use std::process::Command;

use model::Code;
use proptest::prelude::*;

use crate::render;
use crate::workspace::Sample;

#[test]
fn links_and_pipes_are_refused_and_the_rest_is_read() {
    let outside =
        Sample::new(&[("secret.star", b"client('outside')"), ("inventory/x.star", b"client('outside')")]);
    let sample = Sample::new(&[
        ("inventory/good.star", b"client('good')"),
        ("inventory/loads.star", b"load('linked/secret.star', 'x')"),
        ("inventory/latin.star", b"x = 1\nclient('\xe9')"),
    ]);
    let inventory = sample.root().join("inventory");
    symlink(outside.root().join("secret.star"), inventory.join("link.star")).expect("a link");
    symlink(outside.root(), inventory.join("linked")).expect("a link");
    symlink(outside.root().join("inventory"), sample.root().join("deploys")).expect("a link");
    let made = Command::new("mkfifo").arg(inventory.join("pipe.star")).status();
    let (workspace, problems) = sample.load();
    let text = render(&problems);
    let names: Vec<&str> = workspace.inventory.clients.iter().map(|client| client.name.as_str()).collect();
    assert_eq!(names, ["good"], "{text}");
    let mut places: Vec<String> = problems.iter().map(|problem| problem.place.to_string()).collect();
    if !made.is_ok_and(|status| status.success()) {
        places.push("inventory/pipe.star".to_owned());
    }
    for place in [
        "deploys",
        "inventory/latin.star",
        "inventory/link.star",
        "inventory/loads.star:1:6",
        "inventory/pipe.star",
    ] {
        assert!(places.iter().any(|it| it == place), "{place} is missing in\n{text}");
    }
    assert!(text.contains("line 2"), "{text}");
}

#[test]
fn hostile_names_do_not_become_arguments() {
    for name in ["-oProxyCommand=id", "a;id", "a\\nb", "$(id)", "../x", "a/b", "%", "\\0"] {
        let code = format!(
            "client(\"c\")\nhost(\"h\", client = \"c\", address = \"{name}\")\nhost(\"{name}\", client = \"c\")"
        );
        let (workspace, problems) = Sample::new(&[("inventory/a.star", code.as_bytes())]).load();
        assert!(workspace.inventory.hosts.is_empty(), "{name}");
        assert!(
            problems.iter().any(|problem| problem.code == Code::InventoryBadArgument),
            "{}",
            render(&problems)
        );
    }
}

fn code() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "client",
        "host",
        "service",
        "site",
        "network",
        "interface",
        "group",
        "link",
        "person",
        "data.json(",
        "\"10.0.0.0/8\"",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"a\"",
        "'",
        "\"\"\"",
        "f\"{",
        "}\"",
        "\n",
        "\n    ",
        "\t",
        "def f(x):",
        "return",
        "for i in range(9)",
        ":",
        "=",
        "==",
        ",",
        "1",
        "-",
        "*",
        "lambda",
        "load(",
        ".name",
        "if",
        "else",
        "not",
        "None",
        "%",
        "\\",
        "#",
        "name = ",
        "client = ",
        "\u{e9}",
        "\u{feff}",
        "*=",
        "0x",
        "1e999",
        ";",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60)
            .prop_map(|words| words.join(" ").into_bytes()),
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60)
            .prop_map(|words| words.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_content_loads_or_is_refused_with_a_place(inventory in code(), deploy in code()) {
        let sample = Sample::new(&[("inventory/a.star", &inventory), ("deploys/b.star", &deploy)]);
        let (_, problems) = sample.load();
        for problem in problems {
            prop_assert!(!problem.message.contains("a bug in ifrit"), "{problem}");
            let place = problem.place.to_string();
            prop_assert!(place.starts_with("inventory/a.star") || place.starts_with("deploys/b.star"), "{problem}");
        }
    }
}
