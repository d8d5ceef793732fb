//! The usual case, counted; a dead host beside living ones; two controllers at one host.

use crate::controller::{Order, Told};
use crate::hosts::{assert_settled, on, start, until};

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("web-{number}")).collect()
}

fn order(hosts: &[String], steps: usize, run: u8) -> Order {
    Order { verb: "apply", steps, run, hosts: hosts.to_vec(), deadline: 200 }
}

#[test]
fn a_host_costs_one_connection_and_one_exec() {
    let hosts = names(10);
    let Some(fleet) = start(&hosts) else { return };
    let told = order(&hosts, 10, 1).run(&fleet);
    for host in &hosts {
        assert!(told.applied[host].starts_with("done "), "{host}: {}", told.applied[host]);
        assert_eq!(
            (fleet.connections(host).expect("a log"), fleet.execs(host).expect("a log")),
            (1, 1),
            "{host}"
        );
        assert_settled(&fleet, host, 10);
    }
}

#[test]
fn of_two_controllers_one_waits_for_the_other() {
    let hosts = names(1);
    let Some(fleet) = start(&hosts) else { return };
    on(&fleet, "web-1", ": >/root/hold.mid.2");
    let first = order(&hosts, 6, 1).start(&fleet);
    let at = fleet.upper_dir("web-1").expect("a host").join("root/at.mid.2");
    until("the first is at work", || at.exists());
    let second = order(&hosts, 6, 2).start(&fleet);
    until("the second has come", || fleet.execs("web-1").is_ok_and(|execs| execs == 3));
    on(&fleet, "web-1", "rm /root/hold.mid.2");
    let (first, second) = (Told::wait(first).applied, Told::wait(second).applied);
    assert!(first["web-1"].starts_with("done changed,changed,changed,changed,changed,changed"), "{first:?}");
    assert!(second["web-1"].starts_with("done unchanged,unchanged,unchanged,unchanged,"), "{second:?}");
    assert_settled(&fleet, "web-1", 6);
}

#[test]
fn a_dead_host_holds_nobody() {
    let hosts = names(5);
    let Some(fleet) = start(&hosts) else { return };
    on(&fleet, "web-3", ": >/root/hold.mid.2");
    let controller = Order { deadline: 10, ..order(&hosts, 6, 1) }.start(&fleet);
    let at = fleet.upper_dir("web-3").expect("a host").join("root/at.mid.2");
    until("it is in the middle", || at.exists());
    fleet.cut("web-3").expect("it was on");
    let told = Told::wait(controller).applied;
    for host in &hosts {
        let expected =
            if host == "web-3" { "in-doubt changed,changed,in-doubt,not-reached," } else { "done " };
        assert!(told[host].starts_with(expected), "{host}: {}", told[host]);
    }
}
