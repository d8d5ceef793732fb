//! Workspaces made on the spot, and what does not fit elsewhere.

use std::fs;
use std::path::Path;

use lang::{FileKind, Workspace, functions, load, template};
use model::{ClientName, Level, Problem};
use tempfile::TempDir;

use crate::render;

/// A workspace in a temporary directory.
pub struct Sample {
    directory: TempDir,
}

impl Sample {
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let sample = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        sample.write(lang::WORKSPACE_FILE, b"");
        for (path, content) in files {
            sample.write(path, content);
        }
        sample
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, path: &str, content: &[u8]) {
        let whole = self.root().join(path);
        fs::create_dir_all(whole.parent().expect("a directory")).expect("the directory can be made");
        fs::write(whole, content).expect("the file can be written");
    }

    pub fn load(&self) -> (Workspace, Vec<Problem>) {
        load(self.root(), &[])
    }
}

#[test]
fn the_template_loads() {
    let client = ClientName::new("acme.example").expect("a good name");
    let sample = Sample::new(&[]);
    for (path, content) in template(&client) {
        assert!(!content.contains("CLIENT"), "{path}");
        sample.write(path, content.as_bytes());
    }
    let (workspace, problems) = sample.load();
    assert_eq!(render(&problems), "");
    assert_eq!(workspace.inventory.clients.len(), 1);
    assert_eq!(workspace.inventory.clients[0].name, client);
    assert!(!workspace.inventory.hosts.is_empty());
    // The examples that are commented out (`#code`, where prose is `# prose`) are good as well.
    let inventory = fs::read_to_string(sample.root().join("inventory/example.star")).expect("it was written");
    let is_code = |line: &&str| !line.starts_with(' ') || line.starts_with("  ");
    let wanted: Vec<&str> =
        inventory.lines().map(|line| line.strip_prefix('#').filter(is_code).unwrap_or(line)).collect();
    sample.write("inventory/example.star", wanted.join("\n").as_bytes());
    let (workspace, problems) = sample.load();
    assert_eq!(render(&problems), "");
    assert_eq!((workspace.inventory.hosts.len(), workspace.inventory.services.len()), (5, 3));
}

#[test]
fn two_thousand_hosts_load() {
    let code = r#"
acme = client("acme")
hosts = [host("web-%d" % i, client = acme, address = "10.%d.%d.1" % (i // 250, i % 250), tags = ["web"]) for i in range(2000)]
[service("svc-%d" % i, client = acme, hosts = [hosts[i], hosts[(i * 7) % 2000]], depends_on = ["svc-%d" % (i - 1)] if i else []) for i in range(2000)]
"#;
    let (workspace, problems) = Sample::new(&[("inventory/all.star", code.as_bytes())]).load();
    assert_eq!(render(&problems), "");
    assert_eq!((workspace.inventory.hosts.len(), workspace.inventory.services.len()), (2000, 2000));
}

#[test]
fn files_are_sorted_and_classified() {
    let sample = Sample::new(&[
        ("inventory/b.star", b""),
        ("inventory/a/z.star", b""),
        ("inventory/_x.star", b"fail()"),
        ("inventory/lib/y.star", b"fail()"),
        ("inventory/.hidden.star", b"fail()"),
        ("inventory/.git/x.star", b"fail()"),
        ("deploys/d.star", b""),
        ("other/e.star", b"fail()"),
    ]);
    let (workspace, problems) = sample.load();
    assert_eq!(render(&problems), "");
    let files: Vec<_> = workspace.files.iter().map(|file| (file.path.as_str(), file.kind)).collect();
    assert_eq!(
        files,
        [
            ("deploys/d.star", FileKind::Deploy),
            ("inventory/_x.star", FileKind::Library),
            ("inventory/a/z.star", FileKind::Inventory),
            ("inventory/b.star", FileKind::Inventory),
            ("inventory/lib/y.star", FileKind::Library),
        ]
    );
}

#[test]
fn a_file_runs_once_however_often_it_is_loaded() {
    let sample = Sample::new(&[
        ("inventory/a.star", b"load('b.star', 'acme')\nload('lib/c.star', 'x')\nhost(x, client = acme)"),
        ("inventory/b.star", b"load('lib/c.star', _x = 'x')\nacme = client('acme')"),
        ("inventory/lib/c.star", b"x = 'web'\nclient('from-lib')"),
    ]);
    let (workspace, problems) = sample.load();
    assert_eq!(render(&problems), "");
    assert_eq!(workspace.inventory.clients.len(), 2);
}

#[test]
fn loading_twice_gives_the_same() {
    let root =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/workspaces/invalid/references"));
    assert_eq!(load(root, &[]), load(root, &[]));
    assert!(load(root, &[]).1.iter().any(|problem| problem.level == Level::Error));
}

#[test]
fn every_function_is_documented() {
    let functions = functions(&[]);
    let names: Vec<&str> = functions.iter().map(|it| it.name.as_str()).collect();
    let declaring =
        ["client", "exception", "group", "host", "interface", "link", "network", "person", "service", "site"];
    let data = ["data.csv", "data.json", "data.json_command", "data.toml"];
    let mut expected = [&declaring[..], &data[..]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for function in &functions {
        assert!(!function.summary.is_empty() && !function.details.is_empty(), "{}", function.name);
        assert!(!function.signature.contains("..."), "{}", function.signature);
        for (parameter, text) in &function.parameters {
            assert!(!text.is_empty(), "{}({parameter})", function.name);
        }
    }
    assert_eq!(functions[0].signature, "client(name: str, *, title: None | str = None) -> Client");
    let host = functions.iter().find(|it| it.name == "host").expect("it is listed");
    assert!(host.signature.starts_with("host(name: str, client: Client | str, *, "), "{}", host.signature);
    assert!(host.signature.contains("interfaces: list[Interface] = None"), "{}", host.signature);
}
