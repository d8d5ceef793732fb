//! Streams that are cut, scripts that die, and what the next contact makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use model::{Probe, Step, StepOutcome};

use crate::host::{
    Ack, Host, limits, nonce, outcomes, plan, quote, run_id, secret, shells, step, with_body, words,
};
use plan::apply::{ApplyEvent, HostRun, Refusal, ScriptError, script};

/// Far beyond what any of this takes.
const HANG: Duration = Duration::from_secs(60);

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn bytes(host: &Host, plan: &model::HostPlan) -> Vec<u8> {
    let run = HostRun { plan, run: &run_id(), earlier: &BTreeMap::new(), rerun: false };
    host.moved(&script(&run, &nonce(), &secret, &limits()).expect("a script"))
}

#[test]
fn a_cut_script_runs_nothing() {
    let body = model::Content::plain(
        b"some \0bytes that are longer than one line of base64, to be sure of it".to_vec(),
    );
    std::thread::scope(|scope| {
        for shell in shells().filter(|shell| shell[0] != "bash") {
            for part in 0..2 {
                let body = body.clone();
                scope.spawn(move || {
                    let host = Host::new(shell);
                    let script = bytes(
                        &host,
                        &plan(vec![host.blind("one"), with_body("true", body), host.step("two")]),
                    );
                    // Without its last newline the script is whole.
                    for cut in (0..script.len() - 1).filter(|cut| cut % 2 == part) {
                        // The shell that runs truncated lines meets every cut, the other one a sample.
                        if shell[0] == "dash" || cut % 13 < 2 || cut + 200 > script.len() {
                            let said = host.send(&script[..cut], Ack::Never);
                            assert_eq!(said, b"", "{shell:?}, cut after {cut} of {} bytes", script.len());
                            assert!(!host.path("ifrit").exists(), "{shell:?}, cut after {cut}");
                        }
                    }
                    assert!(host.effects().is_empty());
                });
            }
        }
    });
}

/// Starts a script and returns when its action is at work; it ends when the file `go` is there.
fn start_held(host: &Host, plan: &model::HostPlan) -> Child {
    let mut child = host.command().spawn().expect("the shell was there");
    let script = bytes(host, plan);
    child.stdin.as_mut().expect("stdin is piped").write_all(&script).expect("the shell reads");
    until("the action is at work", || host.path("held").exists());
    child
}

fn held(host: &Host) -> Step {
    let (held, go) = (quote(&host.path("held")), quote(&host.path("go")));
    let mut step = host.step("two");
    step.action = format!(": >{held}; while [ ! -e {go} ]; do sleep 0.05; done; {}", step.action);
    step
}

#[test]
fn a_script_goes_on_when_nobody_listens() {
    for shell in shells() {
        let host = Host::new(shell);
        let plan =
            plan(vec![host.step("one"), held(&host), step("echo much; echo more >&2"), host.step("three")]);
        let mut child = start_held(&host, &plan);
        drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
        fs::write(host.path("go"), "").expect("a file");
        child.wait().expect("the shell ends");
        assert_eq!(host.effects(), ["one", "two", "three"], "{shell:?}");
        let events = host.settle(&plan, Ack::Never);
        assert_eq!(words(&events), ["changed"; 4], "{shell:?}: {events:?}");
        let report = &crate::host::reports(&events)[&2];
        assert_eq!(
            (report.stdout.as_slice(), report.stderr.as_slice()),
            (b"much\n".as_slice(), b"more\n".as_slice())
        );
        // Nothing is forgotten before it is acknowledged, and nothing runs before it is settled.
        let [ApplyEvent::Refused(Refusal::Unsettled(Some(run)))] = &host.apply(&plan, Ack::Sent)[..] else {
            panic!("{shell:?}")
        };
        assert_eq!(*run, run_id());
        assert_eq!(words(&host.settle(&plan, Ack::Sent)), ["changed"; 4]);
        assert!(!host.run_folder().exists() && !host.path("ifrit/lock").exists());
        assert_eq!(host.settle(&plan, Ack::Sent), [ApplyEvent::Began, ApplyEvent::Done]);
    }
}

#[test]
fn a_script_that_runs_is_waited_for_or_refuses_another() {
    for shell in shells() {
        let host = Host::new(shell);
        let plan = plan(vec![held(&host)]);
        let mut child = start_held(&host, &plan);
        for events in [host.apply(&plan, Ack::Sent), host.settle(&plan, Ack::Sent)] {
            assert_eq!(events, [ApplyEvent::Refused(Refusal::Busy(Some(run_id())))], "{shell:?}");
        }
        drop(child.stdin.take());
        let settled = std::thread::scope(|scope| {
            let settling = scope.spawn(|| host.settle(&plan, Ack::Sent));
            fs::write(host.path("go"), "").expect("a file");
            settling.join().expect("no panic")
        });
        assert_eq!(words(&settled), ["changed"], "{shell:?}: {settled:?}");
        child.wait().expect("the shell ends");
        assert_eq!(host.effects(), ["two"]);
    }
}

/// The action outlives its script, when somebody kills only that: it still counts as running.
#[test]
fn an_action_without_its_script_still_runs() {
    for shell in shells() {
        let host = Host::new(shell);
        let plan = plan(vec![host.blind("one"), held(&host), host.blind("three")]);
        let mut child = start_held(&host, &plan);
        child.kill().expect("it was there");
        child.wait().expect("the shell ends");
        assert_eq!(
            host.settle(&plan, Ack::Sent),
            [ApplyEvent::Refused(Refusal::Busy(Some(run_id())))],
            "{shell:?}"
        );
        fs::write(host.path("go"), "").expect("a file");
        until("the action has ended", || host.effects().len() == 2);
        let mut settled = Vec::new();
        until("the run is settled", || {
            settled = host.settle(&plan, Ack::Sent);
            settled.first() == Some(&ApplyEvent::Began)
        });
        assert_eq!(words(&settled), ["changed", "changed"], "{shell:?}: {settled:?}");
        let end = host.resume(&plan, &outcomes(&settled), false, Ack::Sent);
        assert_eq!(words(&end), ["changed"], "{shell:?}: {end:?}");
        assert_eq!(host.effects(), ["one", "two", "three"], "{shell:?}");
    }
}

/// Of a step that was started and did not end, only the probe can tell.
#[test]
fn a_started_step_is_judged_by_its_probe() {
    let state = |text: &str| Some(text.to_owned());
    let cases = [
        (Some((state("0"), state("1"))), 0, "not-reached"),
        (Some((state("0"), state("1"))), 1, "changed"),
        (Some((state("0"), state("1"))), 2, "stale"),
        (Some((None, state("1"))), 0, "not-reached"),
        (Some((None, state("1"))), 1, "changed"),
        (Some((state("0"), None)), 0, "not-reached"),
        (Some((state("0"), None)), 1, "in-doubt"),
        (Some((None, None)), 0, "in-doubt"),
        (None, 0, "in-doubt"),
    ];
    for shell in shells() {
        for (states, effects, expected) in &cases {
            let host = Host::new(shell);
            let mut step = host.step("one");
            step.probe = match (step.probe, states) {
                (Some(probe), Some((before, after))) => {
                    Some(Probe { before: before.clone(), after: after.clone(), ..probe })
                }
                _ => None,
            };
            let plan = plan(vec![host.blind("zero"), step, host.blind("two")]);
            fs::write(host.path("effects"), "one\n".repeat(*effects)).expect("a file");
            // The last line was cut by the power loss: it does not count.
            host.leave_journal("end 0 changed - 10\nstart 1\nend 1 chang");
            let settled = host.settle(&plan, Ack::Sent);
            assert_eq!(words(&settled), ["changed", expected], "{shell:?} {states:?} {effects}: {settled:?}");
            check_resumed(&host, &plan, &outcomes(&settled), *effects);
        }
    }
}

fn check_resumed(
    host: &Host,
    plan: &model::HostPlan,
    earlier: &BTreeMap<usize, StepOutcome>,
    effects: usize,
) {
    let in_doubt = earlier.get(&1) == Some(&StepOutcome::InDoubt);
    let run = HostRun { plan, run: &run_id(), earlier, rerun: false };
    let made = script(&run, &nonce(), &secret, &limits());
    assert_eq!(matches!(made, Err(ScriptError::InDoubt { step: 1 })), in_doubt, "{made:?}");
    let end = host.resume(plan, earlier, true, Ack::Sent);
    let ones = host.effects().iter().filter(|line| *line == "one").count();
    match earlier.get(&1) {
        // It was said: again.
        Some(StepOutcome::InDoubt) => assert_eq!(ones, effects + 1, "{end:?}"),
        Some(StepOutcome::Stale { .. }) => assert_eq!((ones, words(&end)), (effects, vec!["stale"])),
        _ => assert_eq!((ones, host.effects().last().map(String::as_str)), (1, Some("two")), "{end:?}"),
    }
    assert_eq!(host.effects().iter().filter(|line| *line == "zero").count(), 0);
}

#[test]
fn hostile_journals_and_locks_do_no_harm() {
    let own = std::process::id();
    for shell in shells() {
        for lock in [
            "",
            "x",
            "$(id)",
            "../.. 1 1 1 1",
            &format!("{} {own} - 1 aa", run_id()),
            "\n\n",
            "a 99999999 b c d",
        ] {
            let host = Host::new(shell);
            let plan = plan(vec![host.step("one")]);
            host.leave_journal("start 7\nstart x\nend ../../x changed - -\nend 99 changed - -\nstart $(id)\n\0\nrm -rf /\nstart 0\n");
            fs::write(host.path("ifrit/lock"), lock).expect("a file");
            let settled = host.settle(&plan, Ack::Sent);
            assert_eq!(words(&settled), ["not-reached"], "{shell:?} {lock:?}: {settled:?}");
            assert_eq!(words(&host.apply(&plan, Ack::Sent)), ["changed"], "{shell:?} {lock:?}");
            let left: Vec<_> = fs::read_dir(host.path("ifrit")).expect("a folder").collect();
            assert!(left.is_empty(), "{shell:?} {lock:?}: {left:?}");
        }
    }
}

/// Many at once find the same dead lock: one after the other takes it, and each effect is there once.
#[test]
fn of_many_scripts_one_runs_at_a_time() {
    for shell in shells() {
        let host = Host::new(shell);
        let busy = quote(&host.path("busy"));
        let alone = format!("mkdir {busy} && sleep 0.05 && rmdir {busy}");
        let plan = plan(vec![step(&alone), host.step("one")]);
        fs::create_dir_all(host.path("ifrit")).expect("a folder");
        fs::write(host.path("ifrit/lock"), format!("{} 99999999 - 1 aa\n", run_id())).expect("a file");
        let script = bytes(&host, &plan);
        let script = String::from_utf8(script).expect("text").replace("lock_wait='2'", "lock_wait='50'");
        let all: Vec<_> = std::thread::scope(|scope| {
            let sent: Vec<_> =
                (0..6).map(|_| scope.spawn(|| host.send(script.as_bytes(), Ack::Sent))).collect();
            sent.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for said in all {
            let events = crate::host::read(&said, 2, &[]);
            assert!(words(&events).first() == Some(&"changed"), "{shell:?}: {events:?}");
            assert!(words(&events).len() == 2, "{shell:?}: {events:?}");
        }
        assert_eq!(host.effects(), ["one"], "{shell:?}");
    }
}

#[test]
fn a_full_disk_starts_nothing() {
    for shell in shells() {
        let host = Host::new(shell);
        let plan = plan(vec![host.blind("one"), host.blind("two")]);
        // /dev/full takes no byte: here it stands for the journal.
        let text = String::from_utf8(bytes(&host, &plan)).expect("text");
        let full = text.replace(">>\"$journal\"", ">>/dev/full");
        assert_ne!(full, text);
        let events = crate::host::read(&host.send(full.as_bytes(), Ack::Never), 2, &[]);
        assert_eq!(words(&events), ["failed"], "{shell:?}: {events:?}");
        assert!(host.effects().is_empty(), "{shell:?}");
    }
}

/// The script waits for its acknowledgement no longer than it should.
#[test]
fn a_silent_controller_does_not_hold_the_host() {
    for shell in shells() {
        let host = Host::new(shell);
        let plan = plan(vec![host.step("one")]);
        let mut child = host.command().spawn().expect("the shell was there");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(&bytes(&host, &plan)).expect("the shell reads");
        let mut said = Vec::new();
        child.stdout.take().expect("stdout is piped").read_to_end(&mut said).expect("it ends by itself");
        drop(stdin);
        child.wait().expect("the shell ends");
        assert!(host.run_folder().join("journal").exists() && !host.path("ifrit/lock").exists(), "{shell:?}");
        assert_eq!(words(&crate::host::read(&said, 1, &[])), ["changed"], "{shell:?}");
    }
}
