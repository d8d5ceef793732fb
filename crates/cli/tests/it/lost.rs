//! End to end on real sshd hosts: what becomes of hosts that are lost on their way, and what a person is told.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::fix::{Setup, is_supported, state_of, wait_until};

/// A deploy whose second step goes on when somebody says so, and prints nothing meanwhile.
const SLOW: &str = "
def deploy(host):
    server.shell(commands = [\"echo first >> /root/ifrit-log; echo began\"])
    server.shell(commands = [\"touch /root/at-work; while [ ! -e /root/go-on ]; do sleep 0.1; done; echo second >> /root/ifrit-log\"])
    server.shell(commands = [\"echo third >> /root/ifrit-log\"])
";
const ALL: &str = "first\nsecond\nthird\n";

/// Starts ifrit and keeps what it says.
fn start(setup: &Setup, arguments: &[&str]) -> Child {
    let mut command = setup.fleet.client_command(env!("CARGO_BIN_EXE_ifrit"));
    command.args(arguments).current_dir(setup.ifrit.directory());
    command.env("HOME", setup.ifrit.directory()).env("USER", "tester");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("ifrit starts")
}

/// Waits for its end. Returns exit status, standard output, standard error.
fn wait(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("ifrit ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn on(setup: &Setup, host: &str, script: &str) {
    assert!(setup.fleet.ssh(host, script).expect("ssh").status().expect("ran").success(), "{host}: {script}");
}

fn is_at_work(setup: &Setup, host: &str) -> bool {
    setup.upper(host, "/root/at-work").exists()
}

/// Returns the hosts of the last run.
fn last_run(setup: &Setup) -> Option<(String, Vec<Value>)> {
    let runs = setup.run(&["runs", "--json"]).expect_exit(0).rows();
    let run = runs.first()?["run"].as_str()?.to_owned();
    let hosts = setup.run(&["run", "show", &run, "--json"]).expect_exit(0).rows();
    Some((run, hosts))
}

fn state(hosts: &[Value], host: &str) -> Option<String> {
    Some(hosts.iter().find(|row| row["host"] == host)?["state"].as_str()?.to_owned())
}

#[test]
fn a_lost_host_is_noticed_soon_and_a_silent_one_is_not_cut() {
    if !is_supported() {
        return;
    }
    // Whole minutes would do the same; a host that is at work without a word has twice as long to be cut in vain.
    let setup = Setup::new(3, "lost_after_secs = 4\n[deploy]\nfailures_percent_max = 100\n");
    setup.ifrit.write("deploys/slow.star", SLOW);
    let plan = setup.plan("slow", "web-*", 1);
    let child = start(&setup, &["apply", &plan]);
    for host in ["web-1", "web-2", "web-3"] {
        wait_until("all hosts are at work", || is_at_work(&setup, host));
    }
    let is_lost = |host: &'static str| {
        let setup = &setup;
        move || last_run(setup).and_then(|(_, hosts)| state(&hosts, host)) == Some("in-doubt".to_owned())
    };
    setup.fleet.cut("web-1").expect("cut");
    wait_until("the cut host is lost", is_lost("web-1"));
    setup.fleet.freeze("web-2").expect("freeze");
    wait_until("the frozen host is lost", is_lost("web-2"));
    // The third has said nothing for as long as both together, and still is at work.
    let (run, hosts) = last_run(&setup).expect("a run");
    assert_eq!(state(&hosts, "web-3").as_deref(), Some("started"));
    on(&setup, "web-3", "touch /root/go-on");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(3), "{stdout}{stderr}");
    let step = "during step 2 of 3 (server.shell touch /root/at-work";
    for host in ["web-1", "web-2"] {
        let line = format!("{host}: in doubt, 1 step changed: connection lost {step}");
        assert!(stdout.contains(&line), "{stdout}");
    }
    assert!(stdout.contains("web-3: changed, 3 steps changed"), "{stdout}");
    let hint =
        format!("web-1, web-2: the host's own journal tells what came of it: `ifrit run resume {run}`");
    assert!(stderr.contains(&hint), "{stderr}");
    assert_eq!(setup.read("web-3", "/root/ifrit-log"), ALL);
    // Who asks too early knows no more than before, and may ask again.
    let output = setup.run(&["run", "resume", &run]).expect_exit(3);
    assert!(output.stdout.contains("web-1: in doubt, 1 step changed: no "), "{}", output.stdout);
    // Both come back, and each step has been taken once.
    setup.fleet.heal("web-1").expect("heal");
    setup.fleet.thaw("web-2").expect("thaw");
    for host in ["web-1", "web-2"] {
        on(&setup, host, "touch /root/go-on");
    }
    let _ = setup.run(&["run", "resume", &run]).expect_exit(0);
    for host in ["web-1", "web-2"] {
        assert_eq!(setup.read(host, "/root/ifrit-log"), ALL, "{host}");
    }
    // What was told before is kept.
    let rows = setup.run(&["run", "show", &run, "--host", "web-1", "--json"]).expect_exit(0).rows();
    assert_eq!(rows[0]["steps"][0]["stdout"], "began\n", "{rows:?}");
}

/// A deploy with a question whose answer takes eight seconds without a word.
const ASKING: &str = "
def deploy(host):
    if facts.command(\"touch /root/asked; sleep 8; echo late\").stdout == \"late\":
        files.put(src = \"files/motd\", dest = \"/etc/ifrit-late\")
";

#[test]
fn a_host_that_is_gone_is_given_up_soon_while_it_is_asked_and_one_that_takes_long_is_not() {
    if !is_supported() {
        return;
    }
    // web-1 answers late; the others are lost while they are asked, frozen then, lost while connecting, unreachable.
    let setup = Setup::new(5, "silent_secs = 2\n");
    let settings = std::fs::read_to_string(setup.ifrit.directory().join("ifrit.toml")).expect("settings");
    let patient = settings.replace("connect_timeout_secs = 3\n", "connect_timeout_secs = 25\n");
    assert_ne!(settings, patient);
    setup.ifrit.write("ifrit.toml", &patient);
    setup.ifrit.write("deploys/base.star", ASKING);
    // Its kernel takes a connection, and nobody speaks on it.
    setup.fleet.freeze("web-4").expect("freeze");
    setup.fleet.cut("web-5").expect("cut");
    let child = start(&setup, &["plan", "base", "on", "web-*"]);
    for host in ["web-1", "web-2", "web-3"] {
        wait_until("the host is asked", || setup.upper(host, "/root/asked").exists());
    }
    setup.fleet.cut("web-2").expect("cut");
    setup.fleet.freeze("web-3").expect("freeze");
    setup.fleet.cut("web-4").expect("cut");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(3), "{stdout}{stderr}");
    for (host, stage) in
        [("web-2", "answering"), ("web-3", "answering"), ("web-4", "connecting"), ("web-5", "connecting")]
    {
        let address = setup.fleet.address(host).expect("an address");
        let line = format!(
            "host {host}: error[collect.timeout]: no sign of life from {address} port 22 for 2 s while {stage}"
        );
        assert!(stderr.contains(&line), "{line}\n{stdout}{stderr}");
    }
    assert!(stdout.contains("web-1") && stdout.contains("/etc/ifrit-late"), "{stdout}{stderr}");
}

#[test]
fn a_killed_session_and_a_spent_deadline_are_told_in_plain_words() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(2, "[deploy]\nfailures_percent_max = 100\nhost_timeout_secs = 15\n");
    setup.ifrit.write("deploys/slow.star", SLOW);
    let plan = setup.plan("slow", "web-*", 1);
    let child = start(&setup, &["apply", &plan]);
    for host in ["web-1", "web-2"] {
        wait_until("both hosts are at work", || is_at_work(&setup, host));
    }
    end_sessions(&setup, "web-1");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(3), "{stdout}{stderr}");
    let step = "during step 2 of 3 (server.shell touch /root/at-work";
    assert!(stdout.contains(&format!("web-1: in doubt, 1 step changed: connection lost {step}")), "{stdout}");
    let late = format!("web-2: in doubt, 1 step changed: its time of 15 s was over {step}");
    assert!(stdout.contains(&late), "{stdout}");
    let (run, hosts) = last_run(&setup).expect("a run");
    let problem = hosts[0]["problem"].as_str().expect("a problem");
    assert!(problem.contains("connection lost during step 2 of 3"), "{problem}");
    let shown = setup.run(&["run", "show", &run]).expect_exit(0).stdout;
    assert!(shown.contains("hint: the host's own journal tells what came of it"), "{shown}");
    for host in ["web-1", "web-2"] {
        on(&setup, host, "touch /root/go-on");
    }
    let _ = setup.run(&["run", "resume", &run]).expect_exit(0);
    for host in ["web-1", "web-2"] {
        assert_eq!(setup.read(host, "/root/ifrit-log"), ALL, "{host}");
    }
}

#[test]
fn a_run_that_is_at_work_is_not_resumed() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    setup.ifrit.write("deploys/slow.star", SLOW);
    let plan = setup.plan("slow", "web-1", 1);
    let child = start(&setup, &["apply", &plan]);
    wait_until("the host is at work", || is_at_work(&setup, "web-1"));
    let (run, _) = last_run(&setup).expect("a run");
    let output = setup.run(&["run", "resume", &run]).expect_exit(4);
    let who =
        format!("run {run} is being worked on by another ifrit, process {} on this machine", child.id());
    assert!(output.stderr.contains(&who), "{}", output.stderr);
    on(&setup, "web-1", "touch /root/go-on");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(0), "{stdout}{stderr}");
    // What may be wrong with a plan is said once more before it is applied.
    assert!(stderr.contains("every time (web-1)"), "{stderr}");
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), ALL);
}

/// Gives a host an account that may log in and nothing else.
fn add_login(setup: &Setup, host: &str) {
    on(
        setup,
        host,
        "useradd -m -s /bin/sh carol && usermod -p '*' carol && mkdir ~carol/.ssh && \
         cp /root/.ssh/authorized_keys ~carol/.ssh/ && chown -R carol ~carol/.ssh",
    );
}

#[test]
fn a_login_without_rights_is_told_how_to_get_them() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "user = \"carol\"\n");
    add_login(&setup, "web-1");
    let deploy = "
def deploy(host):
    files.put(src = \"files/motd\", dest = \"/etc/ifrit-motd\", mode = \"644\")
";
    setup.ifrit.write("deploys/base.star", deploy);
    let output = setup.run(&["deploy", "base", "on", "web-1", "--yes"]).expect_exit(1);
    assert!(output.stdout.contains("ifrit logs in as carol, which is not root"), "{}", output.stdout);
    assert!(output.stderr.contains("what that may not read looks absent"), "{}", output.stderr);
    let line = "let the login become root: `become = \"sudo\"` below `[ssh]` in ifrit.toml";
    assert!(output.stderr.contains(line), "{}", output.stderr);
    // The line does what it says.
    on(&setup, "web-1", "echo 'carol ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/carol");
    let settings = std::fs::read_to_string(setup.ifrit.directory().join("ifrit.toml")).expect("settings");
    setup.ifrit.write("ifrit.toml", &settings.replace("[ssh]\n", "[ssh]\nbecome = \"sudo\"\n"));
    let _ = setup.run(&["deploy", "base", "on", "web-1", "--yes"]).expect_exit(0);
    assert_eq!(setup.read("web-1", "/etc/ifrit-motd"), "hello\n");
}

/// A deploy with a restart in its middle. The hosts share their machine's kernel, so the power of each is
/// switched off and on in place of the restart that its `reboot` only asks for.
fn restarting(limit: u32) -> String {
    format!(
        "
def deploy(host):
    server.shell(commands = [\"echo before >> /root/ifrit-log\"])
    server.reboot(delay = 1, reboot_timeout = {limit})
    server.shell(commands = [\"echo after >> /root/ifrit-log\"])
"
    )
}

fn ask_only(setup: &Setup, host: &str) {
    let script = "printf '#!/bin/sh\\ntouch /root/restarts\\n' > /usr/sbin/reboot; chmod +x /usr/sbin/reboot";
    on(setup, host, script);
}

/// Waits until ifrit says that it waits for a host that restarts.
fn wait_until_restarting(child: &mut Child) {
    let mut said = String::new();
    let mut reader = BufReader::new(child.stderr.take().expect("piped"));
    while !said.contains("web-1: restarts; waiting until it is back") {
        let bytes = reader.read_line(&mut said).expect("standard error");
        assert!(bytes > 0, "it ended: {said}");
    }
    // What else it says is read by nobody, and must not hold it up.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
}

/// Ends all connections to a host, and waits until ifrit has made another one.
fn wait_until_asked_anew(setup: &Setup, host: &str) {
    let connections = || setup.fleet.connections(host).expect("log");
    let before = connections();
    end_sessions(setup, host);
    // One of them was made to end them.
    wait_until("a question comes", || connections() > before + 1);
}

/// The children of the listening sshd are the sessions; the one that this makes ends with the others.
fn end_sessions(setup: &Setup, host: &str) {
    let ended = setup.fleet.ssh(host, "pkill -KILL -P 1 sshd").expect("ssh").status().expect("ran");
    assert!(!ended.success(), "its own session went too");
}

fn restart(setup: &Setup, host: &str) {
    setup.fleet.power_off(host).expect("power off");
    assert_eq!(setup.read(host, "/root/ifrit-log"), "before\n", "what follows a restart comes after it");
    setup.fleet.power_on(host).expect("power on");
}

#[test]
fn steps_after_a_restart_run_on_the_restarted_host() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    setup.ifrit.write("deploys/restart.star", &restarting(120));
    ask_only(&setup, "web-1");
    let mut child = start(&setup, &["deploy", "restart", "on", "web-1", "--yes"]);
    wait_until_restarting(&mut child);
    // It answers, and has not restarted yet: a question comes, and no step.
    wait_until_asked_anew(&setup, "web-1");
    restart(&setup, "web-1");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("web-1: changed, 3 steps changed"), "{stdout}");
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "before\nafter\n");
}

#[test]
fn a_killed_controller_and_a_restart_leave_nothing_out_and_nothing_twice() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    setup.ifrit.write("deploys/restart.star", &restarting(120));
    ask_only(&setup, "web-1");
    let plan = setup.plan("restart", "web-1", 1);
    let mut child = start(&setup, &["apply", &plan]);
    wait_until_restarting(&mut child);
    child.kill().expect("kill -9");
    child.wait().expect("gone");
    wait_until("the host restarts", || setup.upper("web-1", "/root/restarts").exists());
    let (run, _) = last_run(&setup).expect("a run");
    // The one that goes on does not take the old boot for the new one either.
    let mut child = start(&setup, &["run", "resume", &run]);
    wait_until_restarting(&mut child);
    wait_until_asked_anew(&setup, "web-1");
    restart(&setup, "web-1");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(0), "{stdout}{stderr}");
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "before\nafter\n");
}

#[test]
fn a_host_that_does_not_come_back_is_waited_for_as_long_as_its_step_says() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    setup.ifrit.write("deploys/restart.star", &restarting(3));
    ask_only(&setup, "web-1");
    let child = start(&setup, &["deploy", "restart", "on", "web-1", "--yes"]);
    wait_until("the host restarts", || setup.upper("web-1", "/root/restarts").exists());
    setup.fleet.power_off("web-1").expect("power off");
    let (exit, stdout, stderr) = wait(child);
    assert_eq!(exit, Some(3), "{stdout}{stderr}");
    assert!(stdout.contains("it restarts and was not back after 4 s"), "{stdout}");
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "before\n");
    setup.fleet.power_on("web-1").expect("power on");
    let (run, _) = last_run(&setup).expect("a run");
    let rows = setup.run(&["run", "resume", &run, "--json"]).expect_exit(0).rows();
    assert_eq!(state_of(&rows, "web-1"), "done");
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "before\nafter\n");
}

#[test]
fn a_login_that_runs_nothing_is_named_and_nothing_is_in_doubt() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "user = \"carol\"\n");
    add_login(&setup, "web-1");
    let deploy = "def deploy(host):\n    server.shell(commands = [\"echo once\"])\n";
    setup.ifrit.write("deploys/base.star", deploy);
    let plan = setup.plan("base", "web-1", 1);
    on(&setup, "web-1", "usermod -s /usr/sbin/nologin carol");
    let output = setup.run(&["apply", &plan]).expect_exit(3);
    assert!(output.stdout.contains("web-1: unreachable: its login ran no script"), "{}", output.stdout);
    assert!(output.stdout.contains("This account is currently not available"), "{}", output.stdout);
    assert!(output.stderr.contains("nothing was done"), "{}", output.stderr);
    on(&setup, "web-1", "usermod -s /bin/sh carol");
    let (run, _) = last_run(&setup).expect("a run");
    let _ = setup.run(&["run", "resume", &run]).expect_exit(0);
}

#[test]
fn a_full_disk_is_named_and_in_nobodys_way_once_it_has_room() {
    if !is_supported() {
        return;
    }
    let setup = Setup::new(1, "");
    let deploy = "def deploy(host):\n    server.shell(commands = [\"echo once >> /root/ifrit-log\"])\n";
    setup.ifrit.write("deploys/once.star", deploy);
    let plan = setup.plan("once", "web-1", 1);
    on(
        &setup,
        "web-1",
        "mkdir -p -m 700 /var/lib/ifrit && mount -t tmpfs -o size=64k,mode=700 tmpfs /var/lib/ifrit && \
         ! head -c 1000000 /dev/zero > /var/lib/ifrit/fill",
    );
    let output = setup.run(&["apply", &plan]).expect_exit(3);
    assert!(output.stdout.contains("nothing can be written below /var/lib/ifrit there"), "{}", output.stdout);
    assert!(output.stderr.contains("is the disk full, or mounted read-only?"), "{}", output.stderr);
    on(&setup, "web-1", "rm /var/lib/ifrit/fill");
    let (run, _) = last_run(&setup).expect("a run");
    let _ = setup.run(&["run", "resume", &run]).expect_exit(0);
    assert_eq!(setup.read("web-1", "/root/ifrit-log"), "once\n");
}
