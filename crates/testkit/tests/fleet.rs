//! Boots real fleets. Needs root, Linux namespaces and sshd; says so loudly where they are missing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use testkit::{
    AptRepository, EXERCISE_FIXED, EXERCISE_OLD, EXERCISE_PACKAGE, ExercisePackage, Fleet, FleetError,
    HostContent, HostSpec, demo_specs,
};

/// Held shared by every test that starts fleets, and alone by the one that looks for any of this process.
static FLEETS: RwLock<()> = RwLock::new(());

/// Says whether fleets can be started here; if not, then loudly.
#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn is_supported() -> bool {
    let support = testkit::support();
    if let Err(unsupported) = &support {
        eprintln!("SKIPPED: {unsupported}");
    }
    support.is_ok()
}

/// What a test that starts fleets holds; `None` where it cannot run.
fn shared() -> Option<RwLockReadGuard<'static, ()>> {
    is_supported().then(|| FLEETS.read().unwrap_or_else(PoisonError::into_inner))
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fleet")
}

fn debian(name: &str) -> HostSpec {
    HostSpec::new(name, HostContent::Debian)
}

fn alpine(name: &str) -> HostSpec {
    HostSpec::new(name, HostContent::RecordedAlpine { root: fixtures().join("alpine-3.20") })
}

fn freebsd(name: &str) -> HostSpec {
    let content = HostContent::RecordedFreeBsd {
        userland: "14.1-RELEASE-p5".into(),
        kernel: "14.1-RELEASE-p5".into(),
        running_kernel: "14.1-RELEASE-p4".into(),
        packages_tsv: fixtures().join("freebsd-14.1/packages.tsv"),
    };
    HostSpec::new(name, content)
}

/// Runs a script on a host with the real ssh client; panics where it fails.
fn on(fleet: &Fleet, host: &str, script: &str) -> String {
    let output = fleet.ssh(host, script).expect("a known host").output().expect("ssh starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{host}: {script}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// Says whether a fresh connection to a host gets through.
fn answers(fleet: &Fleet, host: &str) -> bool {
    let mut command = fleet.ssh(host, "true").expect("a known host");
    command.stderr(Stdio::null()).status().expect("ssh starts").success()
}

/// Asserts that nothing on this machine bears a fleet's name any more.
fn assert_gone(name: &str) {
    assert!(!Path::new("/run/netns").join(name).exists(), "{name}: the network namespace is left");
    assert!(!Path::new("/run/ifrit-fleets").join(name).exists(), "{name}: the folder is left");
    let mounts = fs::read_to_string("/proc/mounts").expect("/proc/mounts");
    assert!(!mounts.contains(&format!("{name}/")), "{name}: a mount is left");
    assert_eq!(processes_of(name), Vec::<String>::new(), "{name}: processes are left");
}

/// The processes that have a fleet's folder in their command line or their root's mounts.
fn processes_of(name: &str) -> Vec<String> {
    let needle = format!("{name}/mnt");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        if is_process && [read("cmdline"), read("mounts")].iter().any(|text| contains(text, &needle)) {
            found.push(format!(
                "{} {}",
                entry.file_name().display(),
                String::from_utf8_lossy(&read("cmdline"))
            ));
        }
    }
    found
}

fn contains(text: &[u8], needle: &str) -> bool {
    text.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn hosts_of_three_systems_are_what_they_claim() {
    let Some(_shared) = shared() else { return };
    let fleet = Fleet::start(&[debian("deb-1"), alpine("alp-1"), freebsd("bsd-1")]).expect("a fleet");
    assert!(!processes_of(fleet.namespace()).is_empty(), "the search for processes finds nothing");
    let mut keys = BTreeSet::new();
    for host in ["deb-1", "alp-1", "bsd-1"] {
        assert_eq!(
            on(&fleet, host, "cat /proc/sys/kernel/hostname /etc/hostname"),
            format!("{host}\n{host}")
        );
        assert_eq!(on(&fleet, host, "test -e /root/.bashrc; echo $?"), "1");
        assert_eq!(
            on(&fleet, host, "env | grep -c CARGO || true"),
            "0",
            "{host} sees this process's environment"
        );
        keys.insert(fleet.host_key(host).expect("a key"));
    }
    assert_eq!(keys.len(), 3);
    assert_eq!(on(&fleet, "deb-1", "dpkg-query -W -f '${Status}' openssh-server"), "install ok installed");

    let recorded = fs::read_to_string(fixtures().join("alpine-3.20/lib/apk/db/installed")).expect("recorded");
    assert_eq!(on(&fleet, "alp-1", "cat /lib/apk/db/installed"), recorded.trim_end());
    assert_eq!(on(&fleet, "alp-1", ". /etc/os-release; echo $ID $VERSION_ID"), "alpine 3.20.0");
    assert_eq!(
        on(&fleet, "alp-1", "ls -d /var/lib/dpkg /usr/bin/dpkg /etc/debian_version 2>&1 | grep -c 'No such'"),
        "3"
    );

    let check = |script: &str, expected: &str| assert_eq!(on(&fleet, "bsd-1", script), expected, "{script}");
    check("uname", "FreeBSD");
    check("uname -srm", "FreeBSD 14.1-RELEASE-p4 amd64");
    check("uname -n", "bsd-1");
    check("freebsd-version", "14.1-RELEASE-p5");
    check("freebsd-version -kru", "14.1-RELEASE-p5\n14.1-RELEASE-p4\n14.1-RELEASE-p5");
    check(". /etc/os-release; echo $ID $VERSION_ID", "freebsd 14.1");
    check("pkg -N 2>&1", "pkg: 37 packages installed.");
    check(
        r"pkg query '%n\t%v\t%o\t%q\t%R' openssl30",
        "openssl30\t3.0.9\tsecurity/openssl30\tFreeBSD:14:amd64\tFreeBSD",
    );
    check("pkg query -a %n | wc -l | tr -d ' '", "37");
    check("pkg query '%n %Z' sudo 2>/dev/null; echo $?", "64");
    check("pkg query %n no-such-package; echo $?", "1");
    check("ls /var/lib/dpkg 2>/dev/null; echo $?", "2");
}

#[test]
fn a_host_key_that_is_not_pinned_is_refused() {
    let Some(_shared) = shared() else { return };
    let fleet = Fleet::start(&[debian("a"), debian("b")]).expect("a fleet");
    let (pinned, other) = (fleet.host_key("a").expect("a key"), fleet.host_key("b").expect("a key"));
    let known = fs::read_to_string(fleet.known_hosts()).expect("known_hosts");
    fs::write(fleet.known_hosts(), known.replace(pinned.as_str(), other.as_str())).expect("written");
    assert!(!answers(&fleet, "a"), "ssh accepted a host with another key");
    assert!(answers(&fleet, "b"));
    assert!(matches!(fleet.address("c"), Err(FleetError::UnknownHost { .. })));
}

#[test]
fn faults_are_real_and_pass() {
    let Some(_shared) = shared() else { return };
    let fleet = Fleet::start(&[debian("a"), debian("b")]).expect("a fleet");
    fleet.cut("a").expect("cut");
    assert!(!answers(&fleet, "a"), "a cut host answers");
    assert!(answers(&fleet, "b"));
    fleet.heal("a").expect("healed");
    assert!(answers(&fleet, "a"));

    fleet.freeze("a").expect("frozen");
    assert!(!answers(&fleet, "a"), "a frozen host answers");
    fleet.thaw("a").expect("thawed");
    assert!(answers(&fleet, "a"));

    on(&fleet, "a", "echo kept >/srv/note");
    fleet.power_off("a").expect("off");
    assert!(!answers(&fleet, "a"), "a host without power answers");
    assert!(matches!(fleet.freeze("a"), Err(FleetError::PoweredOff { .. })));
    fleet.power_on("a").expect("on");
    assert_eq!(on(&fleet, "a", "cat /srv/note"), "kept");
    fleet.power_on("a").expect("on already");
}

#[test]
fn logins_commands_and_changes_are_counted() {
    let Some(_shared) = shared() else { return };
    let fleet = Fleet::start(&[debian("a"), debian("b")]).expect("a fleet");
    let counts = |host| (fleet.connections(host).expect("a count"), fleet.execs(host).expect("a count"));
    on(&fleet, "a", "cat /etc/os-release /var/lib/dpkg/status >/dev/null; dpkg-query -W >/dev/null");
    on(&fleet, "a", "true");
    assert_eq!(counts("a"), (2, 2));
    assert_eq!(counts("b"), (0, 0));
    assert_eq!(fleet.changes("a").expect("changes"), Vec::<PathBuf>::new(), "reading changed something");

    on(&fleet, "a", "echo x >/srv/new; chmod 600 /etc/passwd; rm /etc/motd || true");
    let changes = fleet.changes("a").expect("changes");
    for path in ["/srv/new", "/etc/passwd"] {
        assert!(changes.contains(&PathBuf::from(path)), "{path} is not among {changes:?}");
    }
    assert!(fleet.upper_dir("a").expect("a folder").join("srv/new").is_file());
    fleet.mark("a").expect("marked");
    assert_eq!(fleet.changes("a").expect("changes"), Vec::<PathBuf>::new());
    assert_eq!(fleet.changes("b").expect("changes"), Vec::<PathBuf>::new(), "hosts share a disk");
    assert!(!Path::new("/srv/new").exists(), "a host wrote on this machine");
}

#[test]
fn two_fleets_do_not_meet_and_leave_nothing() {
    let Some(_shared) = shared() else { return };
    let first = Fleet::start(&[debian("web-1")]).expect("a fleet");
    let second = Fleet::start(&[debian("web-1"), debian("web-2")]).expect("a fleet");
    let names = [first.namespace().to_owned(), second.namespace().to_owned()];
    assert_ne!(names[0], names[1]);
    assert_eq!(first.address("web-1").expect("known"), second.address("web-1").expect("known"));
    on(&first, "web-1", "echo first >/srv/which");
    assert_eq!(on(&second, "web-1", "cat /srv/which 2>/dev/null || echo none"), "none");
    assert!(!Fleet::sweep().expect("swept").contains(&names[0]), "a living fleet was swept");
    let routes = first.client_command("ip").args(["route", "get", "192.0.2.1"]).output().expect("ip starts");
    assert!(!routes.status.success(), "the fleet has a way out");

    drop(first);
    assert_gone(&names[0]);
    assert!(answers(&second, "web-2"));
    second.stop().expect("stopped");
    assert_gone(&names[1]);
}

#[test]
fn a_fleet_that_cannot_start_leaves_nothing() {
    if !is_supported() {
        return;
    }
    let _alone = FLEETS.write().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let no_package = folder.path().join("broken.deb");
    fs::write(&no_package, "not a package").expect("written");
    let missing = HostContent::RecordedAlpine { root: "/nonexistent".into() };
    let broken = HostContent::DebianWith { packages: vec![no_package], repository: None };
    for (content, expected) in [(missing, "File"), (broken, "Boot")] {
        let error = Fleet::start(&[debian("ok"), HostSpec::new("bad", content)]).expect_err("a broken spec");
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    }
    let prefix = format!("ifrit-{}-", std::process::id());
    for folder in ["/run/netns", "/run/ifrit-fleets"] {
        let entries = fs::read_dir(folder).expect(folder).flatten();
        let left: Vec<_> =
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_fleet_outlives_the_thread_that_started_it_but_no_panic() {
    let Some(_shared) = shared() else { return };
    let fleet =
        std::thread::spawn(|| Fleet::start(&[debian("a")])).join().expect("no panic").expect("a fleet");
    assert!(answers(&fleet, "a"), "the host died with the thread that started it");
    let name = fleet.namespace().to_owned();
    let panicked = std::thread::spawn(move || {
        let _fleet = fleet;
        panic!("on purpose");
    });
    panicked.join().expect_err("it panics");
    assert_gone(&name);
}

#[test]
fn the_exercise_package_is_installed_and_can_be_upgraded() {
    let Some(_shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let versions = [EXERCISE_OLD, EXERCISE_FIXED];
    let repository =
        AptRepository::build(folder.path(), &versions.map(|v| ExercisePackage::new(EXERCISE_PACKAGE, v)))
            .expect("a repository");
    let content = HostContent::DebianWith {
        packages: repository.deb(EXERCISE_PACKAGE, EXERCISE_OLD).into_iter().collect(),
        repository: Some(repository.folder().to_owned()),
    };
    let fleet = Fleet::start(&[HostSpec::new("app-1", content)]).expect("a fleet");
    let installed = "dpkg-query -W -f '${Version} ${Status}' ifrit-exercise";
    assert_eq!(on(&fleet, "app-1", installed), "1.0-1 install ok installed");
    assert_eq!(fleet.changes("app-1").expect("changes"), Vec::<PathBuf>::new());
    let offered = on(&fleet, "app-1", "apt-get -s install ifrit-exercise");
    assert!(offered.contains("Inst ifrit-exercise [1.0-1] (1.0-2"), "{offered}");
    on(&fleet, "app-1", "apt-get -y install ifrit-exercise </dev/null");
    assert_eq!(on(&fleet, "app-1", installed), "1.0-2 install ok installed");
    assert!(!Path::new("/usr/share/doc/ifrit-exercise").exists(), "the package went to this machine");
}

#[test]
fn the_demonstration_has_its_ten_hosts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let specs = demo_specs(&fixtures(), folder.path()).expect("specs");
    let count = |kind: &str| specs.iter().filter(|spec| spec.content.kind() == kind).count();
    assert_eq!((count("alpine"), count("freebsd"), count("debian")), (4, 1, 5));
    for spec in &specs {
        if let HostContent::RecordedAlpine { root } = &spec.content {
            assert!(root.join("lib/apk/db/installed").is_file(), "{}", root.display());
        }
    }
}

/// The first line a command prints on standard error that holds a word.
fn wait_for_line(child: &mut std::process::Child, word: &str) -> String {
    let errors = child.stderr.take().expect("a pipe");
    let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
    lines.find(|line| line.contains(word)).expect("the line comes")
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ifrit-fleet"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    command
}

#[test]
fn a_killed_owner_leaves_no_process_and_the_sweep_removes_the_rest() {
    let Some(_shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut owner =
        program().args(["up", "2"]).arg(folder.path()).args(["--", "sleep", "1000"]).spawn().expect("starts");
    let line = wait_for_line(&mut owner, "in the namespace ");
    let name = line.rsplit(' ').next().expect("a name").to_owned();
    assert!(!processes_of(&name).is_empty());
    owner.kill().expect("killed");
    owner.wait().expect("reaped");
    // Another test's start may sweep it first; a sweep that has returned means that it is gone.
    Fleet::sweep().expect("swept");
    assert_gone(&name);
}

#[test]
fn the_program_passes_the_exit_code_on_and_tears_down_on_a_signal() {
    let Some(_shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = "test \"$HOME\" = \"$IFRIT_FLEET/home\" && test -z \"$CARGO\" && grep -c host_key \"$IFRIT_FLEET/fleet.toml\" && exit 7";
    let output = program()
        .args(["up", "1"])
        .arg(folder.path())
        .args(["--", "sh", "-c", script])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));

    for signal in ["TERM", "INT"] {
        let mut child = program()
            .args(["up", "1"])
            .arg(folder.path())
            .args(["--", "sleep", "1000"])
            .spawn()
            .expect("starts");
        let line = wait_for_line(&mut child, "in the namespace ");
        let name = line.rsplit(' ').next().expect("a name").to_owned();
        let kill =
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("kill starts");
        assert!(kill.success());
        assert_eq!(child.wait().expect("ends").code(), Some(128 + 15), "SIG{signal}");
        assert_gone(&name);
    }
    assert_eq!(program().arg("nonsense").status().expect("runs").code(), Some(2));
}
