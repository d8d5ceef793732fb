use proptest::prelude::*;

use super::*;

fn read(output: &str) -> Option<Vec<String>> {
    let files = Files::parse(output.as_bytes(), &mut Faults::default());
    Some(
        entries(&files, &mut Faults::default())?
            .iter()
            .map(|entry| format!("{}: {}", entry.file, entry.line))
            .collect(),
    )
}

fn check(output: &str, expected: &[&str]) {
    assert_eq!(read(output).expect("entries"), expected, "{output:?}");
}

#[test]
fn crontabs_are_read() {
    // Debian's, trimmed.
    check(
        "F/etc/crontab\nL# comment\nLSHELL=/bin/sh\nL\nL17 *\t* * *\troot\tcd / && run-parts /etc/cron.hourly\n\
         F/etc/cron.d/e2scrub_all\nL30 3 * * 0 root test -e /run/systemd/system || x\nL\"A B\"=c\n",
        &[
            "/etc/cron.d/e2scrub_all: 30 3 * * 0 root test -e /run/systemd/system || x",
            "/etc/crontab: 17 * * * * root cd / && run-parts /etc/cron.hourly",
        ],
    );
    // Alpine's, FreeBSD's.
    check(
        "F/etc/crontabs/root\nL# do daily/weekly/monthly maintenance\nL*/15 * * * * run-parts /etc/periodic/15min\n\
         F/var/cron/tabs/root\nL@reboot A=1 /x\nL-n 1 2 * * * /y\n",
        &[
            "/etc/crontabs/root: */15 * * * * run-parts /etc/periodic/15min",
            "/var/cron/tabs/root: -n 1 2 * * * /y",
            "/var/cron/tabs/root: @reboot A=1 /x",
        ],
    );
    check("F/etc/crontab\nL  MAILTO = root\n", &[]);
}

#[test]
fn scripts_of_a_period_are_named() {
    check(
        "N/etc/cron.daily/dpkg\nN/etc/cron.daily/.placeholder\nN/etc/periodic/weekly/x\n",
        &["/etc/cron.daily: dpkg", "/etc/periodic/weekly: x"],
    );
}

#[test]
fn what_may_not_be_read_is_unknown() {
    assert_eq!(read("U/var/spool/cron/crontabs\nN/etc/cron.daily/dpkg\n"), None);
    check("", &[]);
}

proptest! {
    #[test]
    fn no_lines_panic(lines in proptest::collection::vec("[a-z#\"= *@\u{e4}]{0,15}", 0..10)) {
        let text: String = lines.iter().map(|line| format!("L{line}\nN{line}\n")).collect();
        read(&format!("F/etc/crontab\n{text}"));
    }
}
