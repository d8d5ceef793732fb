//! Fleets of hosts, each with a point at which its script is held.

use std::fs;
use std::time::{Duration, Instant};

use testkit::{Fleet, HostContent, HostSpec};

use crate::plans::SYNC;

/// Far beyond what any of this takes.
const HANG: Duration = Duration::from_secs(240);

/// Waits for something that must come.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts hosts; `None`, said loudly, where this machine cannot.
#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
pub fn start(names: &[String]) -> Option<Fleet> {
    if let Err(unsupported) = testkit::support() {
        eprintln!("SKIPPED: {unsupported}");
        return None;
    }
    let specs: Vec<_> = names.iter().map(|name| HostSpec::new(name, HostContent::Debian)).collect();
    Some(Fleet::start(&specs).expect("a fleet"))
}

/// What ssh says, without having run anything, as long as the kernel still holds a host whose cable is plugged in again
/// for unreachable: it asked for the host's hardware address a moment before.
const NOT_YET_BACK: &str = "No route to host";

/// Runs a script on a host.
pub fn on(fleet: &Fleet, host: &str, script: &str) -> String {
    let run = || fleet.ssh(host, script).expect("a known host").output().expect("ssh starts");
    let mut output = run();
    until("the host can be reached", || {
        let is_back = !String::from_utf8_lossy(&output.stderr).contains(NOT_YET_BACK);
        if !is_back {
            output = run();
        }
        is_back
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{host}: {script}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The points of a run with so many steps, each named as the host that is held there: before a step's
/// start, after its line in the journal, in the middle of its action, after the action and before the
/// line of its end; after the last line.
pub fn points(steps: usize) -> Vec<String> {
    let point = |number: usize| ["before", "start", "mid", "after"].map(|word| format!("{word}.{number}"));
    (0..steps).flat_map(point).chain(["end".to_owned()]).collect()
}

/// Makes every host stop at the point that it is named after.
pub fn hold(fleet: &Fleet, hosts: &[String]) {
    for host in hosts {
        let script = format!(
            "cat >/usr/sbin/sync <<'EOF'\n{SYNC}\nEOF\nchmod 755 /usr/sbin/sync; : >/root/hold.{host}"
        );
        on(fleet, host, &script);
    }
}

/// Waits until every host is at its point.
pub fn wait_until_held(fleet: &Fleet, hosts: &[String]) {
    for host in hosts {
        let upper = fleet.upper_dir(host).expect("a known host");
        until(&format!("{host} is held"), || upper.join(format!("root/at.{host}")).exists());
    }
}

/// Lets every host go on.
pub fn release(fleet: &Fleet, hosts: &[String]) {
    for host in hosts {
        on(fleet, host, "rm -f /root/hold.*");
    }
}

/// Asserts that each step has had its effect once, and that nothing of the run is left on the host.
pub fn assert_settled(fleet: &Fleet, host: &str, steps: usize) {
    let upper = fleet.upper_dir(host).expect("a known host");
    let effects = fs::read_to_string(upper.join("root/effects")).unwrap_or_default();
    let expected: String = (0..steps).map(|number| format!("step-{number}\n")).collect();
    assert_eq!(effects, expected, "{host}");
    until(&format!("{host} has forgotten the run"), || {
        fs::read_dir(upper.join("var/lib/ifrit")).is_ok_and(|mut entries| {
            // What overlayfs shows as removed is a character device.
            entries.all(|entry| {
                entry.is_ok_and(|entry| entry.file_type().is_ok_and(|kind| !kind.is_file() && !kind.is_dir()))
            })
        })
    });
}
