//! End to end on real sshd hosts: plan, apply, deploy, approve, resume, secrets.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::{Fleet, HostContent, HostSpec};

use crate::command::{Ifrit, Output};

/// How long something on a host may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a test looks.
const LOOK: Duration = Duration::from_millis(20);

const DEPLOY: &str = r#"
def deploy(host):
    """Says who lives here."""
    motd = files.put(src = "files/motd", dest = "/etc/ifrit-motd", mode = "644")
    files.line(path = "/etc/ifrit.conf", line = "name=" + host.name)
    files.directory(path = "/srv/ifrit", mode = "755")
    server.shell(commands = ["echo once >> /root/ifrit-log"], when = motd.changed)
"#;

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn is_supported() -> bool {
    match testkit::support() {
        Ok(()) => true,
        Err(why) => {
            eprintln!("SKIPPED: no fleet of real hosts here: {why}");
            false
        }
    }
}

/// A fleet of Debian hosts and a workspace in git that declares it.
pub struct Setup {
    pub fleet: Fleet,
    pub ifrit: Ifrit,
    pub inventory: String,
}

impl Setup {
    pub fn new(hosts: usize, settings: &str) -> Self {
        let specs: Vec<_> =
            (1..=hosts).map(|number| HostSpec::new(format!("web-{number}"), HostContent::Debian)).collect();
        Self::of(&specs, settings)
    }

    pub fn of(specs: &[HostSpec], settings: &str) -> Self {
        let ifrit = Ifrit::new();
        let fleet = Fleet::start(specs).expect("a fleet");
        let mut inventory = String::from("client(\"acme\")\n");
        for host in fleet.hosts() {
            let (address, key) =
                (fleet.address(host).expect("an address"), fleet.host_key(host).expect("a key"));
            inventory += &format!(
                "host(\"{host}\", client = \"acme\", address = \"{address}\", host_keys = [\"{}\"])\n",
                key.as_str()
            );
        }
        ifrit.write("inventory/hosts.star", &inventory);
        let identity = fleet.identity().display();
        let settings = format!(
            "[ssh]\nagent = false\nidentities = [\"{identity}\"]\nconnect_timeout_secs = 3\nhost_timeout_secs = 30\n{settings}"
        );
        ifrit.write("ifrit.toml", &settings);
        ifrit.write(".gitignore", "*.db*\n.ssh/\n.config/\nsecrets/\n");
        ifrit.write("files/motd", "hello\n");
        let setup = Self { fleet, ifrit, inventory };
        setup.git(&["init", "--quiet"]);
        setup.git(&["config", "user.name", "tester"]);
        setup.git(&["config", "user.email", "tester@example.org"]);
        setup
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.ifrit.run_in_namespace(self.fleet.namespace(), arguments)
    }

    pub fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.ifrit.directory()).args(arguments).env("HOME", self.ifrit.directory());
        assert!(command.status().expect("git").success(), "{arguments:?}");
    }

    pub fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "--quiet", "-m", "state"]);
    }

    /// Plans, and returns the plan's name.
    pub fn plan(&self, deploy: &str, selector: &str, exit: i32) -> String {
        let rows = self.run(&["plan", deploy, "on", selector, "--json"]).expect_exit(exit).rows();
        let last = rows.last().expect("a plan");
        assert_eq!(last["kind"], "plan", "{rows:?}");
        last["plan"].as_str().expect("a name").to_owned()
    }

    /// Returns what a file of a host holds.
    pub fn read(&self, host: &str, path: &str) -> String {
        let path = self.upper(host, path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn upper(&self, host: &str, path: &str) -> PathBuf {
        self.fleet.upper_dir(host).expect("a folder").join(path.trim_start_matches('/'))
    }

    /// Starts ifrit and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> std::process::Child {
        let mut command = self.fleet.client_command(env!("CARGO_BIN_EXE_ifrit"));
        command.args(arguments).current_dir(self.ifrit.directory());
        command.env("HOME", self.ifrit.directory()).env("USER", "tester");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("ifrit starts")
    }
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(LOOK);
    }
}

pub fn state_of(rows: &[serde_json::Value], host: &str) -> String {
    let row = rows.iter().find(|row| row["kind"] == "host" && row["host"] == host).expect("a row");
    row["outcome"].as_str().expect("an outcome").to_owned()
}

#[test]
fn a_deploy_changes_once_and_costs_one_exec() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(2, "");
    setup.ifrit.write("deploys/base.star", DEPLOY);
    setup.commit();
    let output = setup.run(&["deploy", "base", "on", "web-*", "--yes"]).expect_exit(0);
    assert!(output.stdout.contains("2 hosts: 2 change, 0 as they should be"), "{}", output.stdout);
    assert!(output.stdout.contains(": 2 hosts: 2 changed; 2 connections, 2 execs\n"), "{}", output.stdout);
    for host in ["web-1", "web-2"] {
        assert_eq!(setup.fleet.execs(host).expect("log"), 1, "facts and steps by the same shell");
        assert_eq!(setup.fleet.connections(host).expect("log"), 1, "one login");
        assert_eq!(setup.read(host, "/etc/ifrit-motd"), "hello\n");
        assert_eq!(setup.read(host, "/etc/ifrit.conf"), format!("name={host}\n"));
        assert_eq!(setup.read(host, "/root/ifrit-log"), "once\n");
        setup.fleet.mark(host).expect("mark");
    }
    let output = setup.run(&["deploy", "base", "on", "web-*", "--yes"]).expect_exit(0);
    assert!(output.stdout.contains("web-1, web-2: as it should be"), "{}", output.stdout);
    for host in ["web-1", "web-2"] {
        assert_eq!(setup.fleet.changes(host).expect("changes"), Vec::<PathBuf>::new(), "{host} was touched");
        assert_eq!(setup.fleet.execs(host).expect("log"), 2, "facts alone");
    }
    let plan = setup.plan("base", "web-*", 0);
    assert!(setup.run(&["apply", &plan]).expect_exit(0).stdout.contains("2 hosts: nothing to do"));
    // Without a terminal nobody can say yes.
    setup.ifrit.write("files/motd", "hello again\n");
    let output = setup.run(&["deploy", "base", "on", "web-1"]).expect_exit(1);
    assert!(output.stderr.contains("nobody to ask"), "{}", output.stderr);
    assert_eq!(setup.read("web-1", "/etc/ifrit-motd"), "hello\n");
    let _ = setup.run(&["plan", "base"]).expect_exit(2);
    let _ = setup.run(&["plan", "bse", "on", "web-1"]).expect_exit(2);
    let rows = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    assert_eq!((rows.len(), &rows[0]["hosts"]["done"]), (1, &2.into()), "{rows:?}");
    let shown = setup
        .run(&["run", "show", rows[0]["run"].as_str().expect("a run"), "--host", "web-1"])
        .expect_exit(0);
    assert!(shown.stdout.contains("1 changed     files.put /etc/ifrit-motd"), "{}", shown.stdout);
}

#[test]
fn a_host_that_is_no_longer_as_planned_is_refused() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(2, "");
    setup.ifrit.write("deploys/base.star", DEPLOY);
    let plan = setup.plan("base", "web-*", 1);
    let script = "echo other > /etc/ifrit-motd";
    assert!(setup.fleet.ssh("web-1", script).expect("ssh").status().expect("ran").success());
    let rows = setup.run(&["apply", &plan, "--json"]).expect_exit(1).rows();
    assert_eq!((state_of(&rows, "web-1"), state_of(&rows, "web-2")), ("stopped".into(), "done".into()));
    let stale =
        rows.iter().find(|row| row["kind"] == "step" && row["outcome"] == "stale").expect("a stale step");
    assert_eq!((&stale["host"], &stale["step"]), (&"web-1".into(), &1.into()));
    assert_eq!(setup.read("web-1", "/etc/ifrit-motd"), "other\n");
    assert!(!setup.upper("web-1", "/root/ifrit-log").exists(), "nothing after a stale step runs");
    // Planned again, it goes on.
    let plan = setup.plan("base", "web-*", 1);
    let output = setup.run(&["apply", &plan]).expect_exit(0);
    assert!(output.stdout.contains("2 hosts: 1 changed, 1 unchanged"), "{}", output.stdout);
}

#[test]
fn a_dead_host_holds_no_other() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(5, "");
    setup.ifrit.write("deploys/base.star", DEPLOY);
    let plan = setup.plan("base", "web-*", 1);
    setup.fleet.cut("web-3").expect("cut");
    let rows = setup.run(&["apply", &plan, "--json"]).expect_exit(3).rows();
    assert_eq!(state_of(&rows, "web-3"), "unreachable");
    for host in ["web-1", "web-2", "web-4", "web-5"] {
        assert_eq!(state_of(&rows, host), "done", "{host}");
    }
    // It cannot be planned either; the others are as they should be.
    let output = setup.run(&["plan", "base", "on", "web-*"]).expect_exit(3);
    assert!(output.stderr.contains("web-3: left out"), "{}", output.stderr);
    assert!(
        output.stdout.contains("5 hosts: 0 change, 4 as they should be, 1 left out"),
        "{}",
        output.stdout
    );
    setup.fleet.heal("web-3").expect("heal");
    let run = rows.last().expect("the run")["run"].as_str().expect("a name").to_owned();
    let output = setup.run(&["run", "resume", &run]).expect_exit(0);
    assert!(output.stdout.contains("web-3: changed, 4 steps changed"), "{}", output.stdout);
    let _ = setup.run(&["run", "resume", &run]).expect_exit(4);
}

#[test]
fn a_killed_controller_leaves_nothing_twice() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(2, "");
    let deploy = "
def deploy(host):
    server.shell(commands = [\"echo first >> /root/ifrit-log\"])
    server.shell(commands = [\"echo second >> /root/ifrit-log; touch /root/at-work; while [ ! -e /root/go-on ]; do sleep 0.1; done\"])
    server.shell(commands = [\"echo third >> /root/ifrit-log\"])
";
    setup.ifrit.write("deploys/slow.star", deploy);
    let plan = setup.plan("slow", "web-*", 1);
    let mut child = setup.start(&["apply", &plan]);
    for host in ["web-1", "web-2"] {
        wait_until("both hosts are at work", || setup.upper(host, "/root/at-work").exists());
    }
    child.kill().expect("kill -9");
    child.wait().expect("gone");
    for host in ["web-1", "web-2"] {
        let script = "touch /root/go-on";
        assert!(setup.fleet.ssh(host, script).expect("ssh").status().expect("ran").success());
    }
    let rows = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    assert_eq!(rows[0]["hosts"]["started"], 2, "{rows:?}");
    let run = rows[0]["run"].as_str().expect("a name").to_owned();
    // Nobody applies anything else meanwhile.
    let other = setup.run(&["apply", &plan, "--json"]).expect_exit(3).rows();
    assert_eq!(state_of(&other, "web-1"), "refused");
    let output = setup.run(&["run", "resume", &run]).expect_exit(0);
    // Its process is known to be dead, so that nobody waits for its claims to end.
    assert!(!output.stderr.contains("waiting"), "{}", output.stderr);
    for host in ["web-1", "web-2"] {
        assert_eq!(setup.read(host, "/root/ifrit-log"), "first\nsecond\nthird\n", "{host}: each step once");
    }
}

#[test]
fn a_step_of_which_nobody_knows_is_run_again_only_when_a_person_says_so() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    let deploy = "
def deploy(host):
    server.shell(commands = [\"echo first >> /root/ifrit-log\"])
    server.shell(commands = [\"echo second >> /root/ifrit-log; touch /root/at-work; while [ ! -e /root/go-on ]; do sleep 0.1; done\"])
    server.shell(commands = [\"echo third >> /root/ifrit-log\"])
";
    setup.ifrit.write("deploys/slow.star", deploy);
    let plan = setup.plan("slow", "web-1", 1);
    let mut child = setup.start(&["apply", &plan]);
    wait_until("the host is at work", || setup.upper("web-1", "/root/at-work").exists());
    setup.fleet.power_off("web-1").expect("power off");
    child.kill().expect("kill -9");
    child.wait().expect("gone");
    setup.fleet.power_on("web-1").expect("power on");
    assert!(setup.fleet.ssh("web-1", "touch /root/go-on").expect("ssh").status().expect("ran").success());
    let rows = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    let run = rows[0]["run"].as_str().expect("a name").to_owned();
    let output = setup.run(&["run", "resume", &run]).expect_exit(3);
    assert!(output.stdout.contains("web-1: in doubt"), "{}", output.stdout);
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "first\nsecond\n");
    // Asked again without the word of a person, it stays as it is.
    let _ = setup.run(&["run", "resume", &run]).expect_exit(3);
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "first\nsecond\n");
    let _ = setup.run(&["run", "resume", &run, "--rerun"]).expect_exit(0);
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "first\nsecond\nsecond\nthird\n");
}

#[test]
fn ctrl_c_lets_hosts_at_work_come_to_their_end() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(2, "");
    let deploy = "
def deploy(host):
    server.shell(commands = [\"echo first >> /root/ifrit-log; touch /root/at-work; while [ ! -e /root/go-on ]; do sleep 0.1; done\"])
    server.shell(commands = [\"echo second >> /root/ifrit-log\"])
";
    setup.ifrit.write("deploys/slow.star", deploy);
    let plan = setup.plan("slow", "web-*", 1);
    let mut child = setup.start(&["apply", &plan, "--parallel", "1"]);
    wait_until("the first host is at work", || setup.upper("web-1", "/root/at-work").exists());
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    for host in ["web-1", "web-2"] {
        assert!(setup.fleet.ssh(host, "touch /root/go-on").expect("ssh").status().expect("ran").success());
    }
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "first\nsecond\n");
    assert!(!setup.upper("web-2", "/root/ifrit-log").exists(), "no further host was started");
    let rows = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    assert_eq!(
        (&rows[0]["hosts"]["done"], &rows[0]["hosts"]["not-started"]),
        (&1.into(), &1.into()),
        "{rows:?}"
    );
    let _ = setup.run(&["run", "resume", rows[0]["run"].as_str().expect("a name")]).expect_exit(0);
    assert_eq!(setup.read("web-2", "/root/ifrit-log"), "first\nsecond\n");
}

#[test]
fn a_plan_needs_the_approval_of_somebody_else() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "[approval]\nunknown = \"four-eyes\"\n");
    setup.ifrit.write("deploys/base.star", DEPLOY);
    let mut inventory = setup.inventory.clone();
    for (person, access) in [("maria", "approver"), ("tester", "admin"), ("jo", "viewer")] {
        let key = new_key(setup.ifrit.directory(), person);
        inventory += &format!(
            "person(\"{person}\", email = \"{person}@example.org\", keys = [\"{key}\"], access = [\"{access}\"])\n"
        );
    }
    setup.ifrit.write("inventory/hosts.star", &inventory);
    let key = |person: &str| setup.ifrit.directory().join(".ssh").join(person).display().to_string();
    // Keys that no commit declares count for nobody.
    let uncommitted = setup.plan("base", "web-1", 1);
    let output = setup.run(&["approve", &uncommitted, "--yes", "--key", &key("maria")]).expect_exit(4);
    assert!(output.stderr.contains("made of no commit"), "{}", output.stderr);
    setup.commit();
    let plan = setup.plan("base", "web-1", 1);
    let output = setup.run(&["apply", &plan]).expect_exit(4);
    assert!(output.stderr.contains("is not approved"), "{}", output.stderr);
    for (person, why) in [("tester", "tester made the plan"), ("jo", "jo is not declared as approver")] {
        let output = setup.run(&["approve", &plan, "--yes", "--key", &key(person)]).expect_exit(4);
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
    // Maria works at her own machine, with her own git identity.
    setup.git(&["config", "user.email", "maria@example.org"]);
    let output = setup.run(&["approve", &plan, "--yes", "--key", &key("maria")]).expect_exit(0);
    assert!(output.stdout.contains("approved by maria with SHA256:"), "{}", output.stdout);
    setup.git(&["config", "user.email", "tester@example.org"]);
    assert!(!setup.upper("web-1", "/root/ifrit-log").exists(), "nothing was done before");
    let _ = setup.run(&["apply", &plan]).expect_exit(0);
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "once\n");
    // An emergency is signed by whoever is there, and has a reason.
    setup.ifrit.write("files/motd", "fire\n");
    setup.ifrit.write("ifrit.toml", &with_identity(&setup, &key("tester")));
    let plan = setup.plan("base", "web-1", 1);
    let output = setup.run(&["apply", &plan, "--break-glass", "the house burns"]).expect_exit(0);
    assert!(output.stderr.contains("signed by tester"), "{}", output.stderr);
    assert_eq!(setup.read("web-1", "/etc/ifrit-motd"), "fire\n");
}

/// Returns the settings with one more key to log in and to sign with.
fn with_identity(setup: &Setup, key: &str) -> String {
    let text = std::fs::read_to_string(setup.ifrit.directory().join("ifrit.toml")).expect("settings");
    text.replacen("identities = [", &format!("identities = [\"{key}\", "), 1)
}

/// Makes a key pair, and returns its public half.
pub fn new_key(home: &Path, name: &str) -> String {
    let folder = home.join(".ssh");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status();
    assert!(status.expect("ssh-keygen").success());
    let public = std::fs::read_to_string(path.with_extension("pub")).expect("a public key");
    public.trim().to_owned()
}

#[test]
fn a_secret_reaches_its_host_and_nothing_else() {
    if !is_supported() {
        return;
    }
    const CANARY: &str = "canary-Tr0ub4dor";
    let setup = Setup::new(1, "");
    setup.ifrit.write("files/app.conf.j2", "password={{ password }}\n");
    let deploy = "
def deploy(host):
    files.template(src = \"files/app.conf.j2\", dest = \"/etc/app.conf\", mode = \"600\", password = secret(\"db/password\"))
    server.shell(commands = [\"cat /etc/app.conf; touch /root/at-work; while [ ! -e /root/go-on ]; do sleep 0.1; done\"])
";
    setup.ifrit.write("deploys/app.star", deploy);
    let output = setup.run(&["plan", "app", "on", "web-1"]).expect_exit(4);
    assert!(output.stderr.contains("ifrit secret keygen"), "{}", output.stderr);
    let _ = setup.run(&["secret", "keygen"]).expect_exit(0);
    set_secret(&setup, CANARY);
    let mut said = vec![setup.run(&["plan", "app", "on", "web-1"]).expect_exit(1)];
    said.push(setup.run(&["plan", "app", "on", "web-1", "--json"]).expect_exit(1));
    let plan = setup.plan("app", "web-1", 1);
    let mut child = setup.start(&["apply", &plan]);
    wait_until("the host is at work", || setup.upper("web-1", "/root/at-work").exists());
    let processes = arguments_of_all_processes();
    assert!(!processes.contains(CANARY), "in the arguments or the environment of a process");
    let script = "touch /root/go-on";
    assert!(setup.fleet.ssh("web-1", script).expect("ssh").status().expect("ran").success());
    assert!(child.wait().expect("ended").success());
    assert_eq!(setup.read("web-1", "/etc/app.conf"), format!("password={CANARY}\n"));
    let run =
        setup.run(&["runs", "--json"]).expect_exit(0).rows()[0]["run"].as_str().expect("a run").to_owned();
    said.push(setup.run(&["run", "show", &run, "--host", "web-1"]).expect_exit(0));
    said.push(setup.run(&["secret", "list", "--json"]).expect_exit(0));
    said.push(setup.run(&["plans", &plan, "--json"]).expect_exit(0));
    for output in &said {
        assert!(!output.stdout.contains(CANARY) && !output.stderr.contains(CANARY), "{output:?}");
    }
    assert!(
        said[2].stdout.contains("[secret]"),
        "a host that repeats it is not believed: {}",
        said[2].stdout
    );
    let plain_hash = sha256(format!("password={CANARY}\n").as_bytes());
    for needle in [CANARY, plain_hash.as_str()] {
        let found = files_with(setup.ifrit.directory(), needle.as_bytes());
        assert_eq!(found, Vec::<PathBuf>::new(), "on the controller's disk");
    }
    let on_host = files_with(setup.fleet.upper_dir("web-1").expect("a folder"), CANARY.as_bytes());
    assert_eq!(on_host, [setup.upper("web-1", "/etc/app.conf")], "on the host's disk");
}

#[test]
fn a_rotated_secret_makes_its_plan_stale() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    setup.ifrit.write("files/app.conf.j2", "password={{ password }}\n");
    let deploy = "
def deploy(host):
    files.template(src = \"files/app.conf.j2\", dest = \"/etc/app.conf\", mode = \"600\", password = secret(\"db/password\"))
";
    setup.ifrit.write("deploys/app.star", deploy);
    let _ = setup.run(&["secret", "keygen"]).expect_exit(0);
    set_secret(&setup, "the first one");
    let plan = setup.plan("app", "web-1", 1);
    set_secret(&setup, "the second one");
    let output = setup.run(&["apply", &plan]).expect_exit(4);
    assert!(output.stderr.contains("the secret `db/password` cannot be had as planned"), "{}", output.stderr);
    assert!(output.stderr.contains("plan again"), "{}", output.stderr);
    assert!(!setup.upper("web-1", "/etc/app.conf").exists());
    let runs = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    assert_eq!(runs, Vec::<serde_json::Value>::new(), "nothing was begun");
    let plan = setup.plan("app", "web-1", 1);
    let _ = setup.run(&["apply", &plan]).expect_exit(0);
    let _ = setup.plan("app", "web-1", 0);
    set_secret(&setup, "the third one");
    let _ = setup.plan("app", "web-1", 1);
}

pub fn set_secret(setup: &Setup, value: &str) {
    let _ = setup.ifrit.run_with_input(&["secret", "set", "db/password"], value).expect_exit(0);
}

fn sha256(bytes: &[u8]) -> String {
    let mut child =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), bytes).expect("written");
    let output = child.wait_with_output().expect("ended");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

/// Returns every process's arguments and environment, those of the hosts too.
fn arguments_of_all_processes() -> String {
    let mut all = String::new();
    for process in std::fs::read_dir("/proc").expect("proc").flatten() {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(process.path().join(file)).unwrap_or_default();
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    all
}

/// Returns the files below a folder that hold some bytes.
fn files_with(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            found.extend(files_with(&entry.path(), needle));
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_bad_canary_holds_the_others_until_a_new_plan() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(3, "");
    let deploy = "
ORDER = waves(canary = 1, size = 10)
def deploy(host):
    server.shell(commands = [\"test ! -e /root/broken && echo once >> /root/ifrit-log\"])
";
    setup.ifrit.write("deploys/once.star", deploy);
    assert!(setup.fleet.ssh("web-1", "touch /root/broken").expect("ssh").status().expect("ran").success());
    let plan = setup.plan("once", "web-*", 1);
    let output = setup.run(&["apply", &plan]).expect_exit(3);
    assert!(output.stdout.contains("web-2, web-3: not started: too many hosts"), "{}", output.stdout);
    assert!(!output.stderr.contains("run resume"), "{}", output.stderr);
    let rows = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    let run = rows[0]["run"].as_str().expect("a name").to_owned();
    // Neither going on nor applying it again goes past the canary.
    assert!(setup.fleet.ssh("web-1", "rm /root/broken").expect("ssh").status().expect("ran").success());
    let _ = setup.run(&["run", "resume", &run]).expect_exit(3);
    let again = setup.run(&["apply", &plan, "--json"]).expect_exit(3).rows();
    assert_eq!(
        (state_of(&again, "web-1"), state_of(&again, "web-2")),
        ("refused".into(), "not-started".into())
    );
    assert!(["web-1", "web-2"].iter().all(|host| !setup.upper(host, "/root/ifrit-log").exists()));
    // Unless a person says so.
    let _ = setup.run(&["run", "resume", &run, "--max-failures", "100%"]).expect_exit(0);
    assert_eq!(setup.read("web-3", "/root/ifrit-log"), "once\n");
}

#[test]
fn a_plan_is_applied_once() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    let deploy = "def deploy(host):\n    server.shell(commands = [\"echo once >> /root/ifrit-log\"])\n";
    setup.ifrit.write("deploys/once.star", deploy);
    let plan = setup.plan("once", "web-1", 1);
    let _ = setup.run(&["apply", &plan]).expect_exit(0);
    let output = setup.run(&["apply", &plan]).expect_exit(4);
    assert!(output.stderr.contains("has applied plan"), "{}", output.stderr);
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "once\n");
    let output = setup.run(&["apply", "plan_nothing"]).expect_exit(2);
    assert!(output.stderr.contains("not found: there is no plan `plan_nothing`"), "{}", output.stderr);
}

#[test]
fn the_teams_own_check_ends_a_run_between_waves() {
    if !is_supported() {
        return;
    }
    let check = "[deploy]\nhealth_command = [\"sh\", \"-c\", \"echo $* >> asked; test $1 != web-2 || { echo 502 >&2; exit 1; }\", \"check\"]\n";
    let setup = Setup::new(3, check);
    let deploy = "
ORDER = serial(1)
def deploy(host):
    server.shell(commands = [\"echo once >> /root/ifrit-log\"])
";
    setup.ifrit.write("deploys/once.star", deploy);
    let output = setup.run(&["deploy", "once", "on", "web-*", "--yes"]).expect_exit(3);
    assert!(
        output.stdout.contains("the run has ended by itself: health check `sh` ended"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains(": 502"), "{}", output.stdout);
    assert!(!setup.upper("web-3", "/root/ifrit-log").exists());
    let asked = std::fs::read_to_string(setup.ifrit.directory().join("asked")).expect("it was asked");
    assert_eq!(asked, "web-1\nweb-2\n");
    // The last wave counts too.
    let output = setup.run(&["deploy", "once", "on", "web-2", "--yes"]).expect_exit(1);
    assert!(output.stdout.contains("the run has ended by itself"), "{}", output.stdout);
}

#[test]
fn a_restart_is_waited_for_before_the_next_wave() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(2, "");
    let deploy = "
ORDER = serial(1)
def deploy(host):
    server.shell(commands = [\"echo once >> /root/ifrit-log\"])
    server.reboot(delay = 1)
";
    setup.ifrit.write("deploys/restart.star", deploy);
    for host in ["web-1", "web-2"] {
        let script =
            "printf '#!/bin/sh\\ntouch /root/restarts\\n' > /usr/sbin/reboot; chmod +x /usr/sbin/reboot";
        assert!(setup.fleet.ssh(host, script).expect("ssh").status().expect("ran").success());
    }
    let mut child = setup.start(&["deploy", "restart", "on", "web-*", "--yes"]);
    for host in ["web-1", "web-2"] {
        wait_until("the host restarts", || setup.upper(host, "/root/restarts").exists());
        assert!(host == "web-2" || !setup.upper("web-2", "/root/ifrit-log").exists(), "one after the other");
        setup.fleet.power_off(host).expect("power off");
        setup.fleet.power_on(host).expect("power on");
    }
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    assert_eq!(setup.read("web-2", "/root/ifrit-log"), "once\n");
}
