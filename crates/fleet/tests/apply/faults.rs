//! Every fault at every step boundary: afterwards settling and resuming give each effect exactly once.

use std::process::Child;

use testkit::Fleet;

use crate::controller::{Order, Told};
use crate::hosts::{assert_settled, hold, points, release, start, wait_until_held};

const STEPS: usize = 6;

fn order(verb: &'static str, hosts: &[String]) -> Order {
    Order { verb, steps: STEPS, run: 1, hosts: hosts.to_vec(), deadline: 200 }
}

/// Whether a script goes on while its host is struck.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Dies,
    GoesOn,
}

/// Holds each host at another point, strikes, mends, and resumes. `strike` gets the controller that is
/// at work, and returns what that told if it came to its end by itself.
fn check(
    script: Script,
    strike: impl Fn(&Fleet, &[String], Child) -> Option<Told>,
    mend: impl Fn(&Fleet, &[String]),
) {
    let hosts = points(STEPS);
    let Some(fleet) = start(&hosts) else { return };
    hold(&fleet, &hosts);
    let controller = order("apply", &hosts).start(&fleet);
    wait_until_held(&fleet, &hosts);
    if let Some(told) = strike(&fleet, &hosts, controller) {
        assert_eq!(told.applied.len(), hosts.len());
        for (host, line) in told.applied {
            assert!(line.starts_with("in-doubt "), "{host}: {line}");
        }
    }
    mend(&fleet, &hosts);
    release(&fleet, &hosts);
    let resumed = order("resume", &hosts).run(&fleet);
    assert_eq!(resumed.applied.len(), hosts.len());
    for (host, line) in resumed.applied {
        assert!(line.starts_with("done "), "{host}: {line}");
        assert_settled(&fleet, &host, STEPS);
        let done = if script == Script::Dies { steps_done(&host) } else { STEPS };
        let words = [vec!["changed"; done], vec!["not-reached"; STEPS - done]].concat().join(",");
        assert_eq!(resumed.settled[&host].trim(), format!("settled {words}"), "{host}");
    }
}

/// Returns how many steps have had their effect at a point.
fn steps_done(point: &str) -> usize {
    match point.split_once('.') {
        Some(("after", number)) => number.parse::<usize>().expect("a number") + 1,
        Some((_, number)) => number.parse().expect("a number"),
        None => STEPS,
    }
}

#[test]
fn power_loss_at_every_boundary() {
    check(
        Script::Dies,
        |fleet, hosts, controller| {
            for host in hosts {
                fleet.power_off(host).expect("it was on");
            }
            Some(Told::wait(controller))
        },
        |fleet, hosts| {
            for host in hosts {
                fleet.power_on(host).expect("it boots");
            }
        },
    );
}

#[test]
fn a_killed_controller_at_every_boundary() {
    check(
        Script::GoesOn,
        |_, _, mut controller| {
            controller.kill().expect("it was there");
            controller.wait().expect("it is gone");
            None
        },
        |_, _| {},
    );
}

#[test]
fn a_cut_cable_at_every_boundary() {
    check(
        Script::GoesOn,
        |fleet, hosts, controller| {
            for host in hosts {
                fleet.cut(host).expect("it was on");
            }
            Some(Told::wait(controller))
        },
        |fleet, hosts| {
            for host in hosts {
                fleet.heal(host).expect("it is on");
            }
        },
    );
}

#[test]
fn a_frozen_host_at_every_boundary() {
    check(
        Script::GoesOn,
        |fleet, hosts, controller| {
            for host in hosts {
                fleet.freeze(host).expect("it was on");
            }
            Some(Told::wait(controller))
        },
        |fleet, hosts| {
            for host in hosts {
                fleet.thaw(host).expect("it is on");
            }
        },
    );
}

/// All was done and told, and the power goes before it was acknowledged.
#[test]
fn power_loss_before_the_acknowledgement() {
    let hosts = vec!["ack".to_owned()];
    let Some(fleet) = start(&hosts) else { return };
    let controller = order("apply", &hosts).start(&fleet);
    let journal = fleet
        .upper_dir("ack")
        .expect("a host")
        .join("var/lib/ifrit/run.01010101010101010101010101010101/journal");
    crate::hosts::until("all is done", || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.ends_with("done\n"))
    });
    fleet.power_off("ack").expect("it was on");
    let told = Told::wait(controller).applied;
    assert!(told["ack"].starts_with("done "), "{told:?}");
    fleet.power_on("ack").expect("it boots");
    let resumed = order("resume", &hosts).run(&fleet).applied;
    assert!(resumed["ack"].starts_with("done "), "{resumed:?}");
    assert_settled(&fleet, "ack", STEPS);
}
