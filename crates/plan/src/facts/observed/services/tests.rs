use proptest::prelude::*;

use super::*;

fn shown(services: &[ObservedService]) -> Vec<String> {
    let word = |known: Option<bool>, yes, no| match known {
        Some(true) => yes,
        Some(false) => no,
        None => "?",
    };
    let show = |it: &ObservedService| {
        let (enabled, running) = (word(it.is_enabled, "on", "off"), word(it.is_running, "up", "down"));
        format!("{:?} {} {enabled} {running}", it.manager, it.name)
    };
    services.iter().map(show).collect()
}

fn check(output: &str, expected: &[&str], faults_expected: usize) {
    let mut faults = Faults::default();
    assert_eq!(shown(&parse(output.as_bytes(), &mut faults)), expected, "{output:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{output:?}: {:?}", faults.messages());
}

#[test]
fn open_rc_is_read() {
    check(
        "= openrc\nenabled sshd\nenabled hostname\nenabled crond\nstarted sshd\nstarted hostname\nstarted nginx\n= runit\n",
        &["OpenRc crond on down", "OpenRc hostname on up", "OpenRc nginx off up", "OpenRc sshd on up"],
        0,
    );
}

#[test]
fn systemd_is_read() {
    check(
        "= unit-files\n\
         cron.service                           enabled         enabled\n\
         getty@.service                         enabled         enabled\n\
         rescue.service                         static          -\n\
         ssh.service                            enabled         enabled\n\
         rsync.service                          disabled        enabled\n\
         = units\n\
         cron.service               loaded    active   running Regular background program processing daemon\n\
         getty@tty1.service         loaded    active   running Getty on tty1\n\
         rescue.service             loaded    inactive dead    Rescue Shell\n\
         \u{25cf} ssh.service              loaded    failed   failed  OpenBSD Secure Shell server\n\
         systemd-journald.service   loaded    active   running Journal Service\n\
         = runit\n",
        &[
            "Systemd cron on up",
            "Systemd getty@tty1 ? up",
            "Systemd ssh on down",
            "Systemd systemd-journald ? up",
        ],
        0,
    );
}

#[test]
fn runit_is_read() {
    check(
        "= runit\nenabled run sshd\ndown down ntpd\nenabled unknown cron\nenabled finish web\nenabled run sshd\n",
        &["Runit cron on ?", "Runit sshd on up", "Runit web on down"],
        0,
    );
}

#[test]
fn freebsd_is_read() {
    check(
        "= runit\n= rcd\n/etc/rc.d/sshd\n/etc/rc.d/cron\n/etc/rc.d/newsyslog\n/usr/local/etc/rc.d/nginx\n\
         alive sshd\nalive other\ndead cron\nalive nginx\n",
        &["RcD cron on down", "RcD newsyslog on ?", "RcD nginx on up", "RcD sshd on up"],
        0,
    );
}

#[test]
fn no_manager_is_no_service_and_no_problem() {
    check("= runit\n", &[], 0);
    check("", &[], 0);
}

#[test]
fn a_broken_line_costs_only_itself() {
    for bad in ["garbage", "other x", "enabled a b"] {
        check(&format!("= openrc\n{bad}\nenabled sshd\nstarted sshd\n"), &["OpenRc sshd on up"], 1);
    }
    check("= units\nx.socket loaded active\n= rcd\nrelative\n= other\nx\n", &[], 3);
    check(&format!("= openrc\nenabled {}\n", "x".repeat(600)), &[], 1);
}

#[test]
fn an_offline_root_says_what_is_enabled() {
    let names = [
        "/etc/runlevels/default/sshd",
        "/etc/systemd/system/multi-user.target.wants/cron.service",
        "/etc/systemd/system/sockets.target.wants/x.socket",
        "/etc/cron.daily/dpkg",
    ];
    let mut files = Files::named(names.map(str::to_owned).to_vec());
    let rc_conf = b"hostname=\"x\"\nsshd_enable=\"YES\"\nntpd_enable=no\n# nginx_enable=\"YES\"\n";
    files.add("/etc/rc.conf", rc_conf, &mut Faults::default());
    let services = enabled_offline(&files).expect("managers");
    assert_eq!(shown(&services), ["OpenRc sshd on ?", "RcD sshd on ?", "Systemd cron on ?"]);
    assert_eq!(enabled_offline(&Files::default()), None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_lines_panic(text in "(= (openrc|unit-files|units|runit|rcd)\n|((enabled|started|alive|dead|/) ?)?[a-z.@ ]{0,12}(\\.service [a-z ]{0,9})?\n){0,20}") {
        parse(text.as_bytes(), &mut Faults::default());
    }
}
