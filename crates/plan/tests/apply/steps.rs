//! What comes of steps in each shell, when nothing breaks.

use model::{Change, Condition, Content, Probe, Step, StepOutcome};

use crate::host::{Ack, Host, outcomes, plan, quote, reports, run_id, shells, step, with_body, words};
use plan::apply::{ApplyEvent, Refusal};

fn in_every_shell(check: impl Fn(&Host)) {
    let mut count = 0;
    for shell in shells() {
        check(&Host::new(shell));
        count += 1;
    }
    assert!(count > 0, "this machine has no shell");
}

#[test]
fn steps_are_taken_once_and_forgotten_after_the_acknowledgement() {
    in_every_shell(|host| {
        let plan = plan(vec![host.step("one"), host.blind("two"), host.step("three")]);
        let events = host.apply(&plan, Ack::Sent);
        assert_eq!(words(&events), ["changed"; 3], "{:?}: {events:?}", host.shell);
        assert_eq!(events.first(), Some(&ApplyEvent::Began));
        assert_eq!(events.last(), Some(&ApplyEvent::Done));
        assert_eq!(host.effects(), ["one", "two", "three"]);
        assert!(!host.run_folder().exists() && !host.path("ifrit/lock").exists(), "{:?}", host.shell);
        let again = host.apply(&plan, Ack::Sent);
        assert_eq!(words(&again), ["unchanged", "changed", "unchanged"]);
        assert_eq!(host.effects(), ["one", "two", "three", "two"]);
    });
}

#[test]
fn what_is_not_sent_does_not_run() {
    in_every_shell(|host| {
        let quiet = Step { change: Change::None, ..host.blind("never") };
        let events = host.apply(&plan(vec![quiet, host.blind("two")]), Ack::Sent);
        assert_eq!(outcomes(&events).into_iter().collect::<Vec<_>>(), [(1, StepOutcome::Changed)]);
        assert_eq!(host.effects(), ["two"]);
    });
}

#[test]
fn a_host_that_stops_takes_nothing_more() {
    in_every_shell(|host| {
        let status = |events: &[ApplyEvent]| match outcomes(events).get(&1) {
            Some(StepOutcome::Failed { status, .. }) => *status,
            other => panic!("{:?}: {other:?}", host.shell),
        };
        for (action, expected) in
            [("return 7", 7), ("exit 9", 9), ("false", 1), ("if", 2), ("kill -9 $self_pid", 137)]
        {
            let handler = Step { is_handler: true, ..host.blind("handler") };
            let before = host.effects().len();
            let events = host
                .apply(&plan(vec![host.blind("one"), step(action), host.blind("no"), handler]), Ack::Sent);
            assert_eq!(words(&events), ["changed", "failed"], "{:?} {action}: {events:?}", host.shell);
            // What a syntax error ends with is each shell's own.
            assert!(
                status(&events) == Some(expected) || action == "if",
                "{:?} {action}: {events:?}",
                host.shell
            );
            assert_eq!(host.effects()[before..], ["one"], "{:?} {action}", host.shell);
        }
    });
}

#[test]
fn another_state_than_the_planned_one_is_stale() {
    in_every_shell(|host| {
        let mut stale = host.step("one");
        stale.probe = stale.probe.map(|probe| Probe { before: Some("17".into()), ..probe });
        let events = host.apply(&plan(vec![stale, host.blind("no")]), Ack::Sent);
        assert_eq!(outcomes(&events).get(&0), Some(&StepOutcome::Stale { found: "0".into() }));
        assert!(host.effects().is_empty());
    });
}

#[test]
fn an_action_that_does_not_bring_the_state_has_failed() {
    in_every_shell(|host| {
        let idle = Step { action: "true".into(), ..host.step("one") };
        let events = host.apply(&plan(vec![idle, host.blind("no")]), Ack::Sent);
        let Some(StepOutcome::Failed { status: None, why }) = outcomes(&events).remove(&0) else {
            panic!("{events:?}")
        };
        assert!(why.contains("did not bring the state; found `0`"), "{why}");
        assert!(host.effects().is_empty());
    });
}

/// What the action of an operation that only writes a file begins with: then its probe is asked where it ran.
const WRITES_A_FILE: &str = "# flushes its new file before it takes its place\n";

#[test]
fn an_action_and_the_probe_in_its_subshell_do_not_mix() {
    in_every_shell(|host| {
        let path = quote(&host.path("effects"));
        let check = |action: &str, expected: &StepOutcome, stdout: &str| {
            std::fs::write(host.path("effects"), "").expect("a file");
            let step = Step { action: format!("{WRITES_A_FILE}{action}"), ..host.step("one") };
            let events = host.apply(&plan(vec![step, host.blind("two")]), Ack::Sent);
            let report = reports(&events).remove(&0).expect("a report");
            let is_expected = match (&report.outcome, expected) {
                (StepOutcome::Failed { status, .. }, StepOutcome::Failed { status: wanted, .. }) => {
                    status == wanted
                }
                (outcome, expected) => outcome == expected,
            };
            assert!(is_expected, "{:?} {action}: {report:?}", host.shell);
            assert_eq!(String::from_utf8_lossy(&report.stdout), stdout, "{:?} {action}", host.shell);
            assert_eq!(events.len() > 4, expected == &StepOutcome::Changed, "{:?} {action}", host.shell);
        };
        let failed = |status| StepOutcome::Failed { status, why: String::new() };
        check(&format!("echo 17; echo 18 >&2; echo one >>{path}"), &StepOutcome::Changed, "17\n");
        check(&format!("echo one >>{path}; return 7"), &failed(Some(7)), "");
        check(&format!("echo one >>{path}; echo 17; exit 9"), &failed(Some(9)), "17\n");
        check("true", &failed(None), "");
    });
}

#[test]
fn a_step_that_waits_for_a_change_is_skipped_without_one() {
    in_every_shell(|host| {
        let when = |name: &str, steps: &[usize]| Step {
            condition: Condition::AnyChanged(steps.to_vec()),
            is_handler: true,
            ..host.blind(name)
        };
        let plan = plan(vec![
            host.step("one"),
            host.step("two"),
            when("a", &[0]),
            when("b", &[1]),
            when("c", &[1, 0]),
            when("d", &[]),
        ]);
        std::fs::write(host.path("effects"), "two\n").expect("a file");
        let events = host.apply(&plan, Ack::Sent);
        assert_eq!(words(&events), ["changed", "unchanged", "changed", "skipped", "changed", "skipped"]);
        assert_eq!(host.effects(), ["two", "one", "a", "c"]);
    });
}

#[test]
fn a_step_that_takes_too_long_is_stopped_with_all_it_started() {
    in_every_shell(|host| {
        let mark = quote(&host.path("late"));
        let action = format!("sh -c 'sleep 30; echo late' >>{mark}; echo late >>{mark}");
        let slow = Step { time_limit: std::time::Duration::from_secs(1), ..step(&action) };
        let events = host.apply(&plan(vec![slow, host.blind("no")]), Ack::Sent);
        let Some(StepOutcome::Failed { status: None, why }) = outcomes(&events).remove(&0) else {
            panic!("{events:?}")
        };
        assert!(why.contains("time limit"), "{why}");
        assert_eq!(std::fs::read_to_string(host.path("late")).expect("a file"), "");
        assert!(host.effects().is_empty());
    });
}

#[test]
fn output_comes_back_apart_and_capped() {
    in_every_shell(|host| {
        let forged = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5b end 0 unchanged - -";
        let action = format!("printf 'to out'; echo '{forged}'; echo to err >&2; printf 'no end' >&2");
        let long = step("i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i + 1)); done");
        let reports = reports(&host.apply(&plan(vec![step(&action), long]), Ack::Sent));
        assert_eq!(reports[&0].stdout, format!("to out{forged}\n").as_bytes());
        assert_eq!(reports[&0].stderr, b"to err\nno end");
        assert_eq!(reports[&1].stdout.len(), 16 << 10);
        assert_eq!(reports[&1].stderr, b"");
        assert!(reports[&1].duration.is_some());
    });
}

#[test]
fn bodies_arrive_whole_through_every_decoder() {
    let every: Vec<u8> = (0..=255_u8).cycle().take(70_000).collect();
    let bodies = [Vec::new(), vec![0], vec![0xff, 0], b"text\n".to_vec(), every[..58].to_vec(), every];
    let ways: [&[&str]; 4] =
        [&[], &["base64"], &["base64", "b64decode"], &["base64", "b64decode", "openssl"]];
    in_every_shell(|host| {
        for missing in ways {
            for (number, body) in bodies.iter().enumerate() {
                // awk takes a while for much.
                let body = if missing.len() == 3 { &body[..body.len().min(2000)] } else { body };
                let path = host.path("body");
                let mut step = with_body(&format!("cp \"$BODY_0\" {}", quote(&path)), Content::plain(body));
                step.bodies.push(Content::plain(b"second".to_vec()));
                step.action += " && [ \"$(cat \"$BODY_1\")\" = second ]";
                let run = plan::apply::HostRun {
                    plan: &plan(vec![step]),
                    run: &run_id(),
                    earlier: &Default::default(),
                    rerun: false,
                };
                let script =
                    plan::apply::script(&run, &crate::host::nonce(), &|_| None, &crate::host::limits());
                let mut text = String::from_utf8(host.moved(&script.expect("a script"))).expect("text");
                for program in missing {
                    text = text.replace(&format!("command -v {program}"), "false");
                }
                let events = crate::host::read(&host.send(text.as_bytes(), Ack::Sent), 1, &[]);
                assert_eq!(words(&events), ["changed"], "{:?} {missing:?} {number}: {events:?}", host.shell);
                assert_eq!(
                    std::fs::read(&path).expect("a file"),
                    body,
                    "{:?} {missing:?} {number}",
                    host.shell
                );
            }
        }
    });
}

#[test]
fn text_cannot_leave_its_step() {
    in_every_shell(|host| {
        for action in [
            "}",
            "}\n} </dev/null\n}\nexit 0",
            "'",
            "\"",
            "$(",
            "cat <<'IFRIT_BODY'",
            "unset -f step; :",
            "exec sh -c 'exit 3'",
        ] {
            let before = host.effects().len();
            let events = host.apply(&plan(vec![host.blind("one"), step(action)]), Ack::Sent);
            assert_eq!(words(&events)[0], "changed", "{:?} {action}: {events:?}", host.shell);
            assert_eq!(words(&events).len(), 2, "{:?} {action}: {events:?}", host.shell);
            assert_eq!(host.effects()[before..], ["one"], "{:?} {action}", host.shell);
        }
        for state in ["'", "!", "(", "-n", "a'b\n$(id)\\", "*", "="] {
            let path = host.path("state");
            std::fs::write(&path, state).expect("a file");
            let probe =
                Probe { script: format!("cat {}", quote(&path)), before: None, after: Some(state.into()) };
            let events = host.apply(&plan(vec![Step { probe: Some(probe), ..step("false") }]), Ack::Sent);
            assert_eq!(words(&events), ["unchanged"], "{:?} {state}: {events:?}", host.shell);
        }
    });
}

#[test]
fn a_host_that_cannot_be_written_says_so() {
    in_every_shell(|host| {
        std::fs::write(host.path("ifrit"), "a file is in the way").expect("a file");
        let events = host.apply(&plan(vec![host.blind("one")]), Ack::Sent);
        let [ApplyEvent::Refused(Refusal::Fault { said })] = events.as_slice() else { panic!("{events:?}") };
        assert!(said.contains("ifrit"), "{said}");
        assert!(host.effects().is_empty());
    });
}
