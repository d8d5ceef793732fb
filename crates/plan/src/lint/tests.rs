use std::time::Duration;

use jiff::Timestamp;
use model::{ClientName, Condition, DiffLine, Host, Place, ServiceName, Step, UserName};

use super::*;
use crate::deploy::Order;

fn step(operation: &str, subject: &str, diff: &[&str], risks: &[Risk]) -> Step {
    let line = |text: &&str| match text.split_at(1) {
        ("+", text) => DiffLine::Added(text.to_owned()),
        ("-", text) => DiffLine::Removed(text.to_owned()),
        (_, text) => DiffLine::Same(text.to_owned()),
    };
    Step {
        operation: operation.to_owned(),
        subject: subject.to_owned(),
        place: Place::File { path: "deploys/a.star".to_owned() },
        change: Change::Certain,
        diff: diff.iter().map(line).collect(),
        probe: None,
        action: String::new(),
        bodies: Vec::new(),
        condition: Condition::Always,
        is_handler: false,
        risks: risks.to_vec(),
        time_limit: Duration::ZERO,
    }
}

fn inventory() -> Inventory {
    let client = ClientName::new("acme").expect("a name");
    let host = |name: &str| {
        let connection = Connection::Ssh {
            address: model::Address::new("192.0.2.1"),
            port: 22,
            user: Some(UserName::new("ops")),
            host_keys: Vec::new(),
        };
        Host::new(HostName::new(name).expect("a name"), client.clone(), connection, Place::Nowhere)
    };
    let service = Service {
        name: ServiceName::new("shop").expect("a name"),
        client: client.clone(),
        hosts: ["a", "b"].map(|name| HostName::new(name).expect("a name")).to_vec(),
        port: None,
        package: Some(ServicePackage::Package(model::PackageName::new("nginx"))),
        paths: Vec::new(),
        depends_on: Vec::new(),
        owner: None,
        is_critical: true,
        place: Place::Nowhere,
    };
    Inventory { hosts: vec![host("a"), host("b")], services: vec![service], ..Inventory::default() }
}

fn check(order: Order, steps: &[Step], expected: &[Code]) {
    let host = |name: &str| HostPlan {
        client: ClientName::new("acme").expect("a name"),
        host: HostName::new(name).expect("a name"),
        facts_at: Timestamp::UNIX_EPOCH,
        fact_passes: 1,
        steps: steps.to_vec(),
    };
    let plan = crate::assemble::plan("a", vec![host("b"), host("a")], order);
    let notes = lint(&plan, &inventory());
    let codes: Vec<Code> = notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, expected, "{notes:#?}");
    assert!(notes.iter().all(|note| note.hosts.len() == 2));
}

#[test]
fn what_cuts_us_off_is_seen() {
    check(
        Order::Together,
        &[step("server.service", "sshd", &["-running", "+stopped"], &[])],
        &[Code::PlanCutsAccess],
    );
    check(Order::Together, &[step("service", "ssh (stop)", &["+stop"], &[])], &[Code::PlanCutsAccess]);
    check(Order::Together, &[step("service", "sshd (reload)", &["+reload"], &[])], &[]);
    check(
        Order::Together,
        &[step("server.user", "ops", &["-user", "+absent"], &[])],
        &[Code::PlanCutsAccess],
    );
    check(Order::Together, &[step("server.user", "bob", &["-user", "+absent"], &[])], &[]);
    let keys = |user: &str, diff: &[&str]| step("server.user_authorized_keys", user, diff, &[]);
    check(
        Order::Together,
        &[keys("ops", &["-ssh-ed25519 AAAA x", "+ssh-ed25519 AAAA y"])],
        &[Code::PlanCutsAccess],
    );
    check(
        Order::Together,
        &[keys("root", &["-ssh-ed25519 AAAA x", "+ssh-ed25519 AAAA y"])],
        &[Code::PlanLastAdminKey],
    );
    check(Order::Together, &[keys("ops", &[" ssh-ed25519 AAAA x", "-ssh-ed25519 AAAA y"])], &[]);
    check(Order::Together, &[keys("ops", &["+ssh-ed25519 AAAA y"])], &[]);
    let gone = step("files.absent", "/root/.ssh/authorized_keys", &["+absent"], &[]);
    check(Order::Together, &[gone], &[Code::PlanLastAdminKey]);
}

#[test]
fn what_hits_all_hosts_at_once_is_seen() {
    let restart = [step("service", "nginx (restart)", &["+restart"], &[Risk::Restart])];
    check(Order::Together, &restart, &[Code::PlanRestartTogether]);
    check(Order::Serial(1), &restart, &[]);
    let other = [step("service", "cron (restart)", &["+restart"], &[Risk::Restart])];
    check(Order::Together, &other, &[]);
    let reboot = [step("server.reboot", "host", &["+restart"], &[Risk::Reboot])];
    check(Order::Together, &reboot, &[Code::PlanRebootTogether, Code::PlanRestartTogether]);
    check(Order::Serial(1), &reboot, &[]);
}

#[test]
fn commands_without_a_guard_are_seen() {
    let plain = step("server.shell", "make", &["+make"], &[Risk::Unknown]);
    check(Order::Together, std::slice::from_ref(&plain), &[Code::PlanUnguarded]);
    let unsent = Step { change: Change::None, ..plain.clone() };
    check(Order::Together, &[unsent], &[]);
    let conditional = Step { condition: Condition::AnyChanged(vec![0]), ..plain };
    check(Order::Together, &[step("files.put", "/a", &[], &[]), conditional], &[]);
}
