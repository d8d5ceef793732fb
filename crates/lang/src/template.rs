//! The files of a new workspace.

use model::ClientName;

const INVENTORY: &str = include_str!("template/inventory.star");
const README: &str = include_str!("template/README.md");
const RUFF: &str = include_str!("template/ruff.toml");
const GITIGNORE: &str = include_str!("template/gitignore");

/// What stands for the client's name in the files.
const CLIENT: &str = "CLIENT";

/// Returns the files that `ifrit init` writes beside `ifrit.toml`: path from the root, content.
/// They load without a problem and declare `client` and this machine; further hosts
/// and services stand there as comments.
pub fn template(client: &ClientName) -> Vec<(&'static str, String)> {
    vec![
        ("inventory/example.star", INVENTORY.replace(CLIENT, client.as_str())),
        ("README.md", README.replace(CLIENT, client.as_str())),
        ("ruff.toml", RUFF.to_owned()),
        (".gitignore", GITIGNORE.to_owned()),
    ]
}
