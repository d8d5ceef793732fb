//! The example of docs/guides/first-inventory.md is loaded as a reader would.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::render;
use crate::workspace::Sample;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/first-inventory.md");

/// Returns the fenced blocks that name a file behind their language: path, content.
fn files(guide: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some((_, path)) = line.strip_prefix("```").and_then(|it| it.split_once(' ')) else { continue };
        let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        files.push((path.to_owned(), content.join("\n") + "\n"));
    }
    files
}

#[test]
fn the_example_of_the_guide_loads() {
    let guide = fs::read_to_string(GUIDE).expect("the guide");
    let sample = Sample::new(&[]);
    for (path, content) in files(&guide) {
        sample.write(&path, content.as_bytes());
        if content.starts_with("#!") {
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(sample.root().join(&path), executable).expect("a script");
        }
    }
    let (workspace, problems) = sample.load();
    assert_eq!(render(&problems), "");
    let inventory = &workspace.inventory;
    let names: Vec<&str> = inventory.hosts.iter().map(|host| host.name.as_str()).collect();
    let expected = [
        "acme-db-1",
        "acme-fw-1",
        "acme-fw-2",
        "acme-lb-1",
        "acme-lb-2",
        "acme-lb-3",
        "acme-vm-1",
        "acme-vm-2",
        "beta-mail-1",
        "beta-web-1",
    ];
    assert_eq!(names, expected);
    assert_eq!((inventory.sites.len(), inventory.networks.len(), inventory.links.len()), (1, 2, 1));
    assert_eq!((inventory.groups.len(), inventory.people.len(), inventory.services.len()), (1, 2, 4));
}
