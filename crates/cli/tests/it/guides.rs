//! The code in guides about deploys: it is checked and its tests pass, as it stands there.

use std::fs;
use std::path::Path;

use crate::command::Ifrit;

/// Writes every block of Python whose first line is a comment with a path, and returns how many there are.
fn write_blocks(guide: &str, ifrit: &Ifrit) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides").join(guide);
    let text = fs::read_to_string(path).expect("the guide");
    let blocks = text.split("\n```python\n# ").skip(1);
    let mut count = 0;
    for block in blocks {
        let (path, code) = block.split_once('\n').expect("a path and code");
        let code = code.split("\n```").next().expect("an end");
        ifrit.write(path, code);
        count += 1;
    }
    count
}

/// Checks the workspace of a guide and runs its tests.
fn check(guide: &str, files: &[(&str, &str)], blocks: usize, passed: &str) {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/hosts.star", "");
    for (path, text) in files {
        ifrit.write(path, text);
    }
    assert_eq!(write_blocks(guide, &ifrit), blocks, "{guide}");
    let _ = ifrit.run(&["check"]).expect_exit(0);
    let output = ifrit.run(&["test"]).expect_exit(0);
    assert!(output.stderr.contains(passed), "{guide}: {}\n{}", output.stderr, output.stdout);
}

#[test]
fn porting_from_pyinfra() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExample site\n";
    let files = [
        ("files/site.pub", key),
        ("files/index.html", "hello\n"),
        ("files/pf.conf", "pass\n"),
        ("templates/nginx.conf.j2", "server_name {{ domain }};\n"),
    ];
    check("porting-from-pyinfra.md", &files, 3, "1 test: 1 passed, 0 failed");
}

#[test]
fn operations_of_ones_own() {
    check("own-operations.md", &[], 3, "2 tests: 2 passed, 0 failed");
}
