//! Becoming root with the real sudo and doas, in an /etc that only the test's sshd sees.

use std::path::Path;

use fleet::{ConnectError, Connector, Escalation, SshConnector, TargetConnection};
use model::{Code, UserName};

use crate::sshd::{Sshd, run, skip};
use crate::{limits, within};

/// Users of the test's /etc: one that may become root without a password, one that may not.
const PASSWD: &str = "may:*:61001:61001::/:/bin/sh\nmaynot:*:61002:61002::/:/bin/sh\n";

/// Makes an /etc from this machine's; `None`, said loudly, where the test cannot be made.
fn make_etc(directory: &Path, program: &str) -> Option<()> {
    let has = |program: &str| {
        ["/usr/bin", "/bin", "/usr/sbin"].iter().any(|bin| Path::new(bin).join(program).exists())
    };
    if !has(program) {
        skip(&format!("{program} is not installed (Debian: sudo, opendoas)"));
        return None;
    }
    if run("id", &["-u"]) != "0" || !has("unshare") {
        skip("not root: no /etc of its own for a test of becoming root");
        return None;
    }
    let etc = directory.join("etc");
    run("cp", &["-a", "/etc", &etc.display().to_string()]);
    let add = |name: &str, text: &str| {
        let path = etc.join(name);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, format!("{before}{text}")).expect("a file of /etc");
    };
    add("passwd", PASSWD);
    match program {
        "sudo" => add("sudoers", "\nmay ALL=(root) NOPASSWD: ALL\nmaynot ALL=(root) ALL\n"),
        _ => {
            std::fs::write(etc.join("doas.conf"), "permit nopass may\npermit maynot\n").expect("a file");
        }
    }
    Some(())
}

async fn check(program: &str, escalation: Escalation) {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    if make_etc(directory.path(), program).is_none() {
        return;
    }
    let etc = directory.path().join("etc");
    let Some(sshd) = Sshd::start_with(&|_| String::new(), Some(&etc)) else { return };
    // sshd reads the keys as the user who logs in.
    for (name, mode) in [("", 0o711), ("authorized_keys", 0o644)] {
        let path = sshd.directory.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let exec = async |user: &str, escalation| {
        let mut target = sshd.target();
        let TargetConnection::Ssh { user: login, .. } = &mut target.connection else { panic!("over SSH") };
        *login = UserName::new(user);
        target.access.escalation = escalation;
        within(SshConnector::new(sshd.identities()).exec(&target, b"id -u; echo \"$HOME\"\n", &limits()))
            .await
    };
    for (user, escalation, stdout) in [
        ("may", escalation, "0\n/\n"),
        ("may", Escalation::None, "61001\n/\n"),
        ("root", escalation, "0\n/\n"),
    ] {
        let output = exec(user, escalation).await.unwrap_or_else(|error| panic!("{user}: {error:?}"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{user} {:?}", output.stderr);
    }
    let error = exec("maynot", escalation).await.expect_err("a password would be needed");
    assert!(matches!(error, ConnectError::NotEscalated { .. }), "{error:?}");
    assert_eq!(error.code(), Code::CollectNotEscalated);
}

#[tokio::test]
async fn sudo_makes_root_without_a_prompt_or_not_at_all() {
    check("sudo", Escalation::Sudo).await;
}

#[tokio::test]
async fn doas_makes_root_without_a_prompt_or_not_at_all() {
    check("doas", Escalation::Doas).await;
}
