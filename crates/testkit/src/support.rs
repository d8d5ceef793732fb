//! Says whether this machine can run a fleet, and what is missing.

use std::path::Path;
use std::sync::OnceLock;

use thiserror::Error;

use crate::command::{PATH, clean, run};

/// The commands a fleet is made of, and the Debian package that brings each.
const COMMANDS: [(&str, &str); 12] = [
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("pivot_root", "util-linux"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("hostname", "hostname"),
    ("awk", "mawk"),
    ("sed", "sed"),
    ("sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
];

const PROBE: &str = include_str!("host_scripts/probe.sh");

/// This machine cannot run a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this machine cannot run a fleet of test hosts: {}", missing.join("; "))]
pub struct Unsupported {
    /// Everything that is missing, each with what brings it.
    pub missing: Vec<String>,
}

/// Checks whether this machine can run a fleet: Linux, root, the commands, and (by trying it in
/// namespaces that vanish at once) tmpfs, overlayfs over `/`, virtual links and a bridge. The answer
/// is found once per process.
///
/// # Errors
/// [`Unsupported`] says exactly what is missing and which Debian package brings it.
pub fn support() -> Result<(), Unsupported> {
    static ANSWER: OnceLock<Result<(), Unsupported>> = OnceLock::new();
    ANSWER.get_or_init(look).clone()
}

fn look() -> Result<(), Unsupported> {
    let mut missing = Vec::new();
    if !nix::unistd::Uid::effective().is_root() {
        missing.push("root (namespaces and mounts need it)".to_owned());
    }
    let absent = COMMANDS.iter().filter(|(command, _)| !is_in_path(command));
    missing.extend(
        absent.map(|(command, package)| format!("the command `{command}` (Debian package {package})")),
    );
    if missing.is_empty() {
        missing.extend(probe().err());
    }
    if missing.is_empty() { Ok(()) } else { Err(Unsupported { missing }) }
}

fn is_in_path(command: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(command).is_file())
}

fn probe() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let mut command = clean("unshare");
    command.args(["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]);
    command.args(["--propagation", "private", "sh", "-c", PROBE, "probe"]).arg(folder.path());
    let output = command.output().map_err(|error| format!("the command `unshare`: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let refused = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let hint = "namespaces cannot be made (a container needs CAP_SYS_ADMIN for them)";
        return Err(if said.is_empty() { format!("{hint}: {refused}") } else { said });
    }
    run(clean("ip").args(["netns", "list"])).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let missing =
            vec!["the command `sshd` (Debian package openssh-server)".to_owned(), "root".to_owned()];
        let said = Unsupported { missing }.to_string();
        assert!(said.ends_with("the command `sshd` (Debian package openssh-server); root"), "{said}");
        assert!(is_in_path("sh"));
        assert!(!is_in_path("no-such-command"));
    }
}
