use proptest::prelude::*;

use super::*;

fn check(output: &str, expected: &[&str], faults_expected: usize) {
    let mut faults = Faults::default();
    let show = |it: &Listener| {
        let (process, package) = (it.process.as_deref(), it.package.as_ref().map(PackageName::as_str));
        let transport = if it.transport == Transport::Tcp { "tcp" } else { "udp" };
        format!(
            "{transport} {} {} {} {}",
            it.address,
            it.port,
            process.unwrap_or("?"),
            package.unwrap_or("?")
        )
    };
    let shown: Vec<_> = parse(output.as_bytes(), &mut faults).iter().map(show).collect();
    assert_eq!(shown, expected, "{output:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{output:?}: {:?}", faults.messages());
}

#[test]
fn linux_sockets_are_joined_with_their_programs() {
    check(
        "= net\nS /proc/net/tcp 00000000:0016 101\nS /proc/net/tcp 0100007F:1538 102\n\
         S /proc/net/tcp6 00000000000000000000000000000000:0016 103\n\
         S /proc/net/tcp6 00000000000000000000000001000000:0277 104\n\
         S /proc/net/udp 3500007F:0035 105\nS /proc/net/udp6 000080FE000000000000000001000000:0222 106\n\
         O 101 700\nO 103 700\nO 102 900\nO 102 850\nO 105 12\nP 700 900 850 12\n\
         = names\n700 sshd\n850 postgres\n900 postgres\n12 systemd-resolve\n\
         = binaries\nlrwxrwxrwx 1 0 0 0 Nov 22 18:54 /proc/700/exe -> /usr/sbin/sshd\n\
         lrwxrwxrwx 1 0 0 0 Nov 22 18:54 /proc/850/exe -> /opt/my app/postgres (deleted)\n\
         lrwxrwxrwx 1 0 0 0 Nov 22 18:54 /proc/12/exe -> /usr/lib/systemd/systemd-resolved\n\
         = owners\n/var/lib/dpkg/info/openssh-server.list:/usr/sbin/sshd\n\
         /var/lib/dpkg/info/pg:amd64.list:/opt/my app/postgres\n\
         /var/lib/dpkg/info/systemd-resolved.list:/lib/systemd/systemd-resolved\n",
        &[
            "tcp 0.0.0.0 22 sshd openssh-server",
            "tcp 127.0.0.1 5432 postgres pg",
            "tcp :: 22 sshd openssh-server",
            "tcp ::1 631 ? ?",
            "udp 127.0.0.53 53 systemd-resolve systemd-resolved",
            "udp fe80::1 546 ? ?",
        ],
        0,
    );
    check("= net\nP\n= names\n", &[], 0);
    // Two sockets on one port; one of them belongs to a process that may not be looked into.
    check(
        "= net\nS /proc/net/udp 00000000:14E9 1\nS /proc/net/udp 00000000:14E9 2\nO 2 9\nP 9\n= names\n9 avahi\n",
        &["udp 0.0.0.0 5353 avahi ?"],
        0,
    );
}

#[test]
fn the_owner_in_an_apk_database_is_read() {
    check(
        "= net\nS /proc/net/tcp 00000000:0016 1\nO 1 7\nP 7\n= names\n7 sshd\n= binaries\n\
         lrwxrwxrwx    1 0        0                0 Nov 22 18:54 /proc/7/exe -> /usr/sbin/sshd\n= owners\n\
         openssh-server\t/usr/sbin/sshd\n",
        &["tcp 0.0.0.0 22 sshd openssh-server"],
        0,
    );
}

#[test]
fn sockstat_is_read() {
    check(
        "= sockstat\n\
         www      nginx       912 6   tcp4   *:80                  *:*\n\
         root     nginx       911 6   tcp4   *:80                  *:*\n\
         root     nginx       911 7   tcp6   *:80                  *:*\n\
         root     my prog     850 3   tcp4   127.0.0.1:25          *:*\n\
         ntpd     ntpd        700 21  udp6   fe80::1%lo0:123       *:*\n\
         root     syslogd     600 6   udp4   *:514                 *:*\n\
         root     x           601 6   udp4   *:*                   *:*\n\
         ?        ?             ? ?   tcp46  [::1]:2049            *:*\n\
         root     sctp        602 6   sctp4  *:9                   *:*\n\
         = binaries\n911 /usr/local/sbin/nginx\n912 /usr/local/sbin/nginx\n600 /usr/sbin/syslogd\n\
         = owners\n/usr/local/sbin/nginx|nginx-1.26.2_1,3\n/usr/sbin/syslogd|\n",
        &[
            "tcp 0.0.0.0 80 nginx nginx",
            "tcp 127.0.0.1 25 my prog ?",
            "tcp :: 80 nginx nginx",
            "tcp ::1 2049 ? ?",
            "udp 0.0.0.0 514 syslogd ?",
            "udp fe80::1 123 ntpd ?",
        ],
        0,
    );
}

#[test]
fn a_broken_line_costs_only_itself() {
    for bad in [
        "garbage",
        "S /proc/net/tcp 0000:0016 1",
        "S /proc/net/tcp 0000000G:0016 1",
        "S /proc/net/tcp 00000000:10016 1",
        "S /proc/net/tcp 00000000:0016 -1",
        "O 1",
        "S /proc/net/tcp \u{e4}\u{e4}\u{e4}\u{e4}:0016 1",
    ] {
        check(&format!("= net\n{bad}\nS /proc/net/tcp 00000000:0050 1\n"), &["tcp 0.0.0.0 80 ? ?"], 1);
    }
    check("x\n= sockstat\nx\na b c d tcp4 x *:*\n= binaries\nx\n= owners\nx\n= names\nx\n", &[], 6);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_lines_panic(text in "(= (net|sockstat|names|binaries|owners)\n|[SOP]?( [0-9A-F/:*|\u{e4}-]{0,9}){0,7}(tcp4 [0-9:]{0,5} x)?\n){0,20}") {
        parse(text.as_bytes(), &mut Faults::default());
    }

    /// An address of any words is written back as the kernel writes it.
    #[test]
    fn addresses_go_round(bytes in any::<[u8; 16]>()) {
        let hex = |bytes: &[u8]| bytes.chunks(4).flat_map(|word| word.iter().rev()).map(|byte| format!("{byte:02X}")).collect::<String>();
        prop_assert_eq!(hex_address(&hex(&bytes)), Some(IpAddr::from(bytes)));
        let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
        prop_assert_eq!(hex_address(&hex(&four)), Some(IpAddr::from(four)));
    }
}
