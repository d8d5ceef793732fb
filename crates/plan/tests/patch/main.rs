//! What `ifrit patch` asks and does, run in real shells with stand-ins for apk, apt and pkg.

mod verify;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use model::{Ecosystem, Fix, HostName, PackageName, Version, VulnerabilityId};
use plan::{Nonce, Patch, PatchPackage, PatchTarget, StreamEnd};

/// The shells that hosts have: Debian's, Alpine's, and a strict bash.
const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "sh"], &["bash", "--posix"]];

const APK: &str = r#"#!/bin/sh
case $1 in
version) cat <<'END'
Installed:                                Available:
openssl-3.1.4-r0                        < 3.1.4-r5 
openssl-dev-3.1.4-r0                    < 3.1.4-r5 
zlib-1.3-r0                             = 1.3-r0 
END
;;
info) printf 'usr/bin/openssl\n' ;;
--version) echo 'apk-tools 2.14.4, compiled for x86_64.' ;;
*) echo "apk $*" >>LOG ;;
esac
"#;

const APT_GET: &str = "#!/bin/sh\necho \"apt-get $*\" >>LOG\n";

const APT_CACHE: &str = r"#!/bin/sh
cat <<'END'
openssl:
  Installed: 3.0.14-1
  Candidate: 3.0.15-1
  Version table:
     3.0.15-1 500
zlib:
  Installed: 1.3-1
  Candidate: (none)
gone:
  Installed: (none)
  Candidate: 1.0
END
";

const PKG: &str = r#"#!/bin/sh
[ "$1" != -j ] || { jail=" in $2"; shift 2; }
case $1 in
rquery) printf 'a openssl 3.0.15,1\na openssl 3.0.14,1\n' ;;
query) case $2 in 'i %n %v') printf 'i openssl 3.0.14,1\ni zlib 1.3\n' ;; esac ;;
*) echo "pkg$jail $*" >>LOG ;;
esac
"#;

fn target(ecosystem: Ecosystem, jail: Option<&str>, fixed: &str) -> PatchTarget {
    let package = |name: &str, fix: Fix| PatchPackage {
        name: PackageName::new(name),
        fixes: vec![(VulnerabilityId::new("CVE-2026-1"), fix)],
        is_comparable: true,
    };
    PatchTarget {
        host: HostName::new("web-1").expect("a name"),
        ecosystem,
        jail: jail.map(str::to_owned),
        packages: vec![
            package("openssl", Fix::In(Version::new(fixed))),
            package("zlib", Fix::In(Version::new("99"))),
        ],
    }
}

/// Runs a script with the stand-ins before everything else, and returns what it prints.
fn run(shell: &[&str], folder: &Path, script: &str) -> Vec<u8> {
    let bin = folder.join("bin");
    let script = script.replace("/usr/local/sbin/pkg", &bin.join("pkg").display().to_string());
    let script = script.replacen("PATH=/usr/sbin", &format!("PATH={}:/usr/sbin", bin.display()), 1);
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{shell:?}: {}", output.status);
    output.stdout
}

fn stand_ins(folder: &Path) {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    let log = folder.join("log").display().to_string();
    for (name, text) in [("apk", APK), ("apt-get", APT_GET), ("apt-cache", APT_CACHE), ("pkg", PKG)] {
        let path = bin.join(name);
        fs::write(&path, text.replace("LOG", &log)).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
}

/// Asks, decides, and takes the first step. Returns what was decided and what the stand-ins were told.
fn patch(shell: &[&str], target: PatchTarget) -> (Patch, String) {
    let folder = tempfile::tempdir().expect("a folder");
    stand_ins(folder.path());
    let (targets, nonce) = ([target], Nonce::from_bytes([7; 16]));
    let requests = plan::patch_questions(&targets, true);
    let script = String::from_utf8(plan::script(&requests, &nonce)).expect("UTF-8");
    let answers =
        plan::read_answer(&requests, &nonce, &run(shell, folder.path(), &script), StreamEnd::Complete);
    let (facts, problems) = plan::read_facts(&targets[0].host, &answers);
    assert_eq!(problems, [], "{shell:?}");
    let patch = plan::patch_steps(&targets, &facts, true, false).expect("answers");
    if let Some(step) = patch.steps.first() {
        run(shell, folder.path(), &format!("act() {{\n{}\n}}\nact\n", step.action));
    }
    (patch, fs::read_to_string(folder.path().join("log")).unwrap_or_default())
}

fn check(ecosystem: Ecosystem, jail: Option<&str>, fixed: &str, upgrade: Option<&str>) {
    for shell in SHELLS {
        let (patch, log) = patch(shell, target(ecosystem, jail, fixed));
        let last = log.lines().last().unwrap_or_default();
        match upgrade {
            Some(upgrade) => assert_eq!(last, upgrade, "{shell:?} {ecosystem}: {patch:?}"),
            None => assert_eq!(patch.steps, [], "{shell:?} {ecosystem}"),
        }
    }
}

#[test]
fn each_package_manager_upgrades_just_what_has_the_fix() {
    let apt = "apt-get -q -y --only-upgrade --no-remove -o Dpkg::Options::=--force-confdef -o \
               Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=60 install openssl=3.0.15-1";
    check(Ecosystem::Alpine, None, "3.1.4-r5", Some("apk upgrade openssl"));
    check(Ecosystem::Debian, None, "3.0.15-1", Some(apt));
    check(Ecosystem::FreeBsd, None, "3.0.15,1", Some("pkg upgrade -y openssl"));
    check(Ecosystem::FreeBsd, Some("www"), "3.0.15,1", Some("pkg in www upgrade -y openssl"));
}

#[test]
fn nothing_is_upgraded_to_a_version_without_the_fix() {
    check(Ecosystem::Alpine, None, "3.1.4-r6", None);
    check(Ecosystem::Debian, None, "3.0.16-1", None);
    check(Ecosystem::FreeBsd, None, "3.0.16,1", None);
}
