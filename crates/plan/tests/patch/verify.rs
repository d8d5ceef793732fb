//! What the verification ladder asks, run in real shells: on this machine's own dpkg and processes, and with
//! stand-ins for apk and pkg.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use model::{Ecosystem, Fix, HostName, PackageName, Rung, Verdict, Version, VulnerabilityId};
use plan::{Nonce, RungSeen, StreamEnd, VerifyPackage, VerifyTarget, judge, verify_questions};

use super::{SHELLS, run};

fn target(ecosystem: Ecosystem, names: &[(&str, &str)]) -> VerifyTarget {
    let package = |(name, fixed): &(&str, &str)| VerifyPackage {
        name: PackageName::new(*name),
        fixes: vec![(VulnerabilityId::new("CVE-2026-1"), Fix::In(Version::new(*fixed)))],
    };
    VerifyTarget {
        host: HostName::new("web-1").expect("a name"),
        ecosystem,
        jail: None,
        packages: names.iter().map(package).collect(),
    }
}

/// Asks and judges; `edit` puts stand-ins' paths into the script.
fn look(
    shell: &[&str],
    folder: &Path,
    target: VerifyTarget,
    edit: impl Fn(String) -> String,
) -> Vec<RungSeen> {
    let (targets, nonce) = ([target], Nonce::from_bytes([7; 16]));
    let requests = verify_questions(&targets);
    let script = String::from_utf8(plan::script(&requests, &nonce)).expect("UTF-8");
    let output = run(shell, folder, &edit(script));
    let answers = plan::read_answer(&requests, &nonce, &output, StreamEnd::Complete);
    let (facts, problems) = plan::read_facts(&targets[0].host, &answers);
    assert_eq!(problems, [], "{shell:?}");
    judge(&targets[0], &facts)
}

#[track_caller]
fn verdict(seen: &[RungSeen], package: &str, rung: Rung) -> (Verdict, String) {
    let one = seen.iter().find(|it| it.package.as_str() == package && it.rung == rung).expect("a rung");
    (one.verdict, one.detail.clone())
}

#[test]
fn this_machine_tells_every_rung_of_its_own_packages() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().expect("a folder");
        // coreutils runs while it is asked; a package of this name there is none.
        let target =
            target(Ecosystem::Debian, &[("coreutils", "1"), ("ifrit-no-such", "1"), ("libc6", "99")]);
        let seen = look(shell, folder.path(), target, |script| script);
        let (of_version, why) = verdict(&seen, "coreutils", Rung::Version);
        assert_eq!(of_version, Verdict::Passed, "{shell:?} {why}");
        assert_eq!(verdict(&seen, "libc6", Rung::Version).0, Verdict::Failed);
        let (gone, why) = verdict(&seen, "ifrit-no-such", Rung::Version);
        assert!(gone == Verdict::Passed && why.contains("not installed"), "{why}");
        assert_eq!(verdict(&seen, "ifrit-no-such", Rung::Files).0, Verdict::Unknown);
        let (files, why) = verdict(&seen, "coreutils", Rung::Files);
        assert_eq!(files, Verdict::Passed, "{shell:?} {why}");
        // Whatever runs here runs with libc6: somebody is named.
        let (of_services, why) = verdict(&seen, "libc6", Rung::Services);
        assert_ne!(of_services, Verdict::NotApplicable, "{shell:?} {why}");
        let output = &seen.iter().find(|it| it.rung == Rung::Services).expect("a rung").output;
        let output = String::from_utf8_lossy(output);
        assert!(output.contains("\nmap ") && output.contains("\nproc "), "{output}");
    }
}

/// A package manager that cannot speak says the same as one that has nothing to say.
#[test]
fn a_broken_package_manager_is_no_proof_that_a_package_is_gone() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().expect("a folder");
        let broken = "#!/bin/sh\necho 'dpkg-query: error: failed to open package info file' >&2\nexit 2\n";
        stand_in(folder.path(), "dpkg-query", broken);
        let seen =
            look(shell, folder.path(), target(Ecosystem::Debian, &[("coreutils", "1")]), |script| script);
        let (version, why) = verdict(&seen, "coreutils", Rung::Version);
        assert_eq!(version, Verdict::Unknown, "{shell:?} {why}");
    }
}

/// A process chooses its own name; one with an odd name must hide neither itself nor others.
#[test]
fn a_process_with_an_odd_name_is_seen() {
    let script = "printf 'a\\nb) c' >/proc/$$/comm; echo ready; read -r line";
    let mut child = Command::new("dash")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("dash");
    let mut ready = [0; 6];
    child.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("it is ready");
    let folder = tempfile::tempdir().expect("a folder");
    let seen: Vec<_> = SHELLS
        .iter()
        .map(|shell| look(shell, folder.path(), target(Ecosystem::Debian, &[("dash", "0")]), |script| script))
        .collect();
    drop(child.stdin.take());
    child.wait().expect("it ends");
    for seen in seen {
        let services = seen.iter().find(|it| it.rung == Rung::Services).expect("a rung");
        let output = String::from_utf8_lossy(&services.output);
        let line = output.lines().find(|line| line.starts_with(&format!("proc {} ", child.id())));
        let start = line.and_then(|line| line.split(' ').nth(2));
        assert!(start.is_some_and(|it| it.parse::<i64>().is_ok()), "{line:?} in {output}");
        assert!(line.is_some_and(|line| line.ends_with(" a b) c")), "{line:?}");
    }
}

/// apk 2.14: `apk audit --system` names files without the first slash. The installed database is that of
/// a real release, shortened.
const APK: &str =
    "#!/bin/sh\ncase \"$*\" in 'audit --system') printf 'U lib/libssl.so.3\\nU usr/bin/other\\n' ;; esac\n";

const INSTALLED: &str = "P:libssl3\nV:3.1.4-r5\no:openssl\nF:lib\nR:libssl.so.3\nF:usr/lib\nR:libssl.so.3\n\n\
                         P:other\nV:1-r0\nF:usr/bin\nR:other\n\n";

#[test]
fn apk_is_asked_about_the_files_of_the_package_alone() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().expect("a folder");
        let installed = folder.path().join("installed");
        fs::write(&installed, INSTALLED).expect("written");
        stand_in(folder.path(), "apk", APK);
        let edit = |script: String| script.replace("/lib/apk/db/installed", &installed.display().to_string());
        let target = target(Ecosystem::Alpine, &[("libssl3", "3.1.4-r5")]);
        let seen = look(shell, folder.path(), target, edit);
        assert_eq!(verdict(&seen, "libssl3", Rung::Version).0, Verdict::Passed, "{shell:?}");
        let (files, why) = verdict(&seen, "libssl3", Rung::Files);
        assert_eq!(files, Verdict::Failed, "{shell:?} {why}");
        assert!(why.contains("lib/libssl.so.3") && !why.contains("other"), "{why}");
    }
}

const PKG: &str = r#"#!/bin/sh
case "$1 $2" in
"query %n %v %v") echo "$3 1.26.2,3 1.26.2,3" ;;
"query %Fs") echo 1abc ;;
"query install %n %t") echo "install $3 1000" ;;
"query F %n %Fp") echo "F $3 /usr/local/sbin/nginx" ;;
"check -s") echo 'nginx-1.26.2,3: checksum mismatch for /usr/local/sbin/nginx' >&2; exit 1 ;;
esac
"#;

/// The columns of procstat(1) -v.
const PROCSTAT: &str = "#!/bin/sh
cat <<'END'
  PID              START                END PRT    RES PRES REF SHD FLAG  TP PATH
  812           0x200000           0x2f1000 r-x     72  152   4   2 CN--- vn /usr/local/sbin/nginx
  813           0x200000           0x2f1000 r-x     72  152   4   2 CN--- vn
  813           0x300000           0x3f1000 rw-     72  152   4   2 CN--- vn
END
";

const PS: &str = "#!/bin/sh\ncase \"$*\" in *813) echo '5 nginx' ;; *) echo '100 nginx' ;; esac\n";

#[test]
fn freebsd_tells_who_runs_files_without_a_path() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("pkg", PKG), ("procstat", PROCSTAT), ("ps", PS)] {
            stand_in(folder.path(), name, text);
        }
        let seen =
            look(shell, folder.path(), target(Ecosystem::FreeBsd, &[("nginx", "1.26.2,3")]), |script| script);
        assert_eq!(verdict(&seen, "nginx", Rung::Version).0, Verdict::Passed, "{shell:?}");
        let (files, why) = verdict(&seen, "nginx", Rung::Files);
        assert!(files == Verdict::Failed && why.contains("/usr/local/sbin/nginx"), "{shell:?} {why}");
        // Both were started after the installation.
        assert_eq!(verdict(&seen, "nginx", Rung::Processes).0, Verdict::Passed, "{shell:?}");
        let (services, why) = verdict(&seen, "nginx", Rung::Services);
        assert!(services == Verdict::Passed && why.contains("nginx (812)"), "{shell:?} {why}");
    }
}

fn stand_in(folder: &Path, name: &str, text: &str) {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    fs::write(bin.join(name), text).expect("a file");
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("executable");
}
