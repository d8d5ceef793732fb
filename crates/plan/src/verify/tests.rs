use model::{PackageName, Version};
use proptest::prelude::*;

use super::*;

fn target(ecosystem: Ecosystem, packages: &[(&str, Fix)]) -> VerifyTarget {
    let package = |(name, fix): &(&str, Fix)| VerifyPackage {
        name: PackageName::new(*name),
        fixes: vec![(VulnerabilityId::new("CVE-2026-1"), fix.clone())],
    };
    VerifyTarget {
        host: HostName::new("web-1").expect("a name"),
        ecosystem,
        jail: None,
        packages: packages.iter().map(package).collect(),
    }
}

fn fixed(version: &str) -> Fix {
    Fix::In(Version::new(version))
}

/// Judges one rung of a target's first package, whose question got this answer.
#[track_caller]
fn check(target: &VerifyTarget, rung: Rung, said: &str, expected: Verdict, part: &str) {
    let question = match rung {
        Rung::Version if version::is_base(&target.packages[0]) => base_question(),
        Rung::Version => versions(target),
        Rung::Files => files(target),
        Rung::Processes | Rung::Services => runs(target),
        Rung::Kernel if version::is_base(&target.packages[0]) => base_question(),
        Rung::Kernel => kernel_question(),
        Rung::Network => panic!("the host itself is not asked for this"),
    };
    let mut facts = Facts::default();
    facts.insert(question, FactAnswer::Said(said.as_bytes().to_vec()));
    let all = judge(target, &facts);
    let seen = all.iter().find(|it| it.rung == rung).expect("a rung");
    assert_eq!(seen.verdict, expected, "{}", seen.detail);
    assert!(seen.detail.contains(part), "expected {part:?} in {:?}", seen.detail);
}

#[test]
fn versions_are_held_against_every_fix() {
    let debian = target(Ecosystem::Debian, &[("libssl3", fixed("3.0.15-1"))]);
    let one = |said, verdict, part| check(&debian, Rung::Version, said, verdict, part);
    one("libssl3 3.0.15-1 3.0.15-1", Verdict::Passed, "3.0.15-1 is installed");
    one("libssl3 3.0.14-1 3.0.14-1", Verdict::Failed, "CVE-2026-1 is fixed in 3.0.15-1");
    one("libssl3 3.0.15-1 3.0.15-1\nlibssl3 3.0.14-1 3.0.14-1", Verdict::Failed, "3.0.14-1");
    one("libssl3-dev 3.0.14-1 3.0.14-1\n= asked", Verdict::Passed, "not installed any more");
    // A database that cannot be read holds nothing either.
    one("", Verdict::Unknown, "cannot be read");
    one("libssl3 3.0.15-1 3.0.15-1 installed\n= asked", Verdict::Passed, "");
    one("libssl3 3.0.15-1 3.0.15-1 triggers-pending\n= asked", Verdict::Passed, "");
    one("libssl3 3.0.15-1 3.0.15-1 half-configured\n= asked", Verdict::Unknown, "did not end");
    one("libssl3 3.0.14-1 3.0.14-1 unpacked\n= asked", Verdict::Failed, "3.0.14-1");
    // A binNMU's version is not its source's.
    one("libssl3 3.0.15-1+b1 3.0.15-1", Verdict::Passed, "3.0.15-1+b1");
    let none = target(Ecosystem::Debian, &[("libssl3", Fix::NotYet)]);
    check(&none, Rung::Version, "libssl3 3.0.15-1 3.0.15-1", Verdict::Failed, "no fix yet");
    let last = target(Ecosystem::FreeBsd, &[("curl", Fix::After(Version::new("8.9.0")))]);
    check(&last, Rung::Version, "curl 8.9.0 8.9.0", Verdict::Failed, "> 8.9.0");
    check(&last, Rung::Version, "curl 8.9.0_1 8.9.0_1", Verdict::Passed, "8.9.0_1");
    let base = target(Ecosystem::FreeBsd, &[("FreeBSD", fixed("14.1_6"))]);
    check(&base, Rung::Version, "u 14.1-RELEASE-p6\nk 14.1-RELEASE-p5", Verdict::Passed, "14.1_6");
    check(&base, Rung::Version, "u 14.1-RELEASE-p5\nk 14.1-RELEASE-p6", Verdict::Failed, "14.1_5");
    check(&base, Rung::Version, "u 15.0-CURRENT", Verdict::Unknown, "no release");
}

#[test]
fn files_are_judged_by_what_the_package_manager_says() {
    let debian = target(Ecosystem::Debian, &[("openssh-server", fixed("1"))]);
    let one = |said, verdict, part| check(&debian, Rung::Files, said, verdict, part);
    one("sums openssh-server\nstatus 0", Verdict::Passed, "as the package brought them");
    one("status 0", Verdict::Unknown, "no checksums");
    one("sums openssh-server-extra\nstatus 0", Verdict::Unknown, "no checksums");
    one(
        "sums openssh-server\nstatus 2\nfile openssh-server ??5??????   /usr/sbin/sshd",
        Verdict::Failed,
        "/usr/sbin/sshd",
    );
    one(
        "sums openssh-server\nstatus 2\nfile openssh-server ??5?????? c /etc/ssh/sshd_config",
        Verdict::Passed,
        "configuration changed on the host: /etc/ssh/sshd_config",
    );
    one(
        "sums openssh-server\nstatus 2\nfile openssh-server missing     /usr/sbin/sshd",
        Verdict::Failed,
        "/usr/sbin/sshd",
    );
    one(
        "sums openssh-server\nstatus 2\nfile openssh-server missing     /usr/share/man/man8/sshd.8.gz",
        Verdict::Passed,
        "",
    );
    one(
        "sums openssh-server\nstatus 2\nfile openssh-server ?????????   /usr/sbin/sshd (Permission denied)",
        Verdict::Unknown,
        "cannot be read: /usr/sbin/sshd",
    );
    one("sums openssh-server\nstatus 2", Verdict::Unknown, "status 2, and did not say why");
    one("sums openssh-server", Verdict::Unknown, "could not be asked");
    one("sums openssh-server\nstatus 2\nsaid dpkg: error: x", Verdict::Unknown, "complains: dpkg: error: x");
    // What is said of another package is not said of this one.
    one("sums openssh-server\nstatus 2\nfile openssl ??5??????   /usr/bin/openssl", Verdict::Passed, "");
    let alpine = target(Ecosystem::Alpine, &[("openssl", fixed("1"))]);
    check(
        &alpine,
        Rung::Files,
        "sums openssl\nfile openssl U usr/bin/openssl",
        Verdict::Failed,
        "usr/bin/openssl",
    );
    check(&alpine, Rung::Files, "sums openssl\nstatus 0", Verdict::Passed, "");
    check(&alpine, Rung::Files, "sums openssl\nstatus 127", Verdict::Unknown, "status 127");
    check(&alpine, Rung::Files, "said there is no apk here to ask", Verdict::Unknown, "no apk");
    let freebsd = target(Ecosystem::FreeBsd, &[("nginx", fixed("1"))]);
    let said = "sums nginx\nstatus 1\nfile nginx nginx-1.26.2: checksum mismatch for /usr/local/sbin/nginx";
    check(&freebsd, Rung::Files, said, Verdict::Failed, "/usr/local/sbin/nginx");
}

#[test]
fn a_process_with_an_old_file_is_named() {
    let debian = target(Ecosystem::Debian, &[("libssl3", fixed("1"))]);
    let old = "install libssl3 1000\nmap 7 old libssl3 /usr/lib/libssl.so.3\nproc 7 900 nginx";
    check(&debian, Rung::Processes, old, Verdict::Failed, "nginx (7) still runs /usr/lib/libssl.so.3");
    check(&debian, Rung::Services, old, Verdict::Failed, "nginx (7)");
    let new = "install libssl3 1000\nmap 7 new libssl3 /usr/lib/libssl.so.3\nproc 7 1003 nginx";
    check(&debian, Rung::Processes, new, Verdict::Passed, "no process");
    check(&debian, Rung::Services, new, Verdict::Passed, "nginx (7)");
    let earlier = "install libssl3 1000\nmap 7 new libssl3 /usr/lib/libssl.so.3\nproc 7 900 nginx worker";
    check(&debian, Rung::Services, earlier, Verdict::Failed, "nginx worker (7)");
    check(&debian, Rung::Services, "install libssl3 1000", Verdict::NotApplicable, "no process");
    let untold = "install libssl3 1000\nmap 7 new libssl3 /usr/lib/libssl.so.3\nproc 7 - nginx";
    check(&debian, Rung::Services, untold, Verdict::Unknown, "since when they run: nginx (7)");
    check(&debian, Rung::Processes, "map 7 old libssl3 /x\nproc 7 - a) b", Verdict::Failed, "a) b (7)");
    check(&debian, Rung::Processes, "hidden\ninstall libssl3 1000", Verdict::Unknown, "may not look");
    check(&debian, Rung::Services, "hidden", Verdict::Unknown, "may not look");
    // It has ended since.
    check(&debian, Rung::Processes, "map 7 old libssl3 /x", Verdict::Passed, "");
    let alpine = target(Ecosystem::Alpine, &[("libssl3", fixed("1"))]);
    let later = "install * 1000\nmap 7 new libssl3 /usr/lib/libssl.so.3\nproc 7 1001 nginx";
    check(&alpine, Rung::Services, later, Verdict::Passed, "nginx");
    let maybe = "install * 1000\nmap 7 new libssl3 /usr/lib/libssl.so.3\nproc 7 999 nginx";
    check(&alpine, Rung::Services, maybe, Verdict::Unknown, "may not have been this one's");
    let freebsd = target(Ecosystem::FreeBsd, &[("openssl", fixed("1"))]);
    let gone = "install openssl 1000\nmap 7 gone - -\nproc 7 900 nginx";
    check(&freebsd, Rung::Processes, gone, Verdict::Unknown, "nginx (7)");
    let gone = "install openssl 1000\nmap 7 gone - -\nproc 7 1900 nginx";
    check(&freebsd, Rung::Processes, gone, Verdict::Passed, "");
}

#[test]
fn a_kernel_is_fixed_when_it_runs() {
    let debian = target(Ecosystem::Debian, &[("linux-image-6.1.0-18-amd64", fixed("6.1.76-1"))]);
    let line = |build: &str| {
        format!(
            "release 6.1.0-18-amd64\nversion Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) \
             (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP PREEMPT_DYNAMIC Debian {build} (2024-02-01)"
        )
    };
    check(&debian, Rung::Kernel, &line("6.1.76-1"), Verdict::Passed, "6.1.76-1");
    check(&debian, Rung::Kernel, &line("6.1.69-1"), Verdict::Failed, "only a restart of the host");
    check(&debian, Rung::Kernel, "release 6.18.0-gvisor", Verdict::Unknown, "6.18.0-gvisor");
    let alpine = target(Ecosystem::Alpine, &[("linux-lts", fixed("6.6.50-r0"))]);
    check(&alpine, Rung::Kernel, "release 6.6.50-0-lts", Verdict::Passed, "6.6.50-r0");
    check(&alpine, Rung::Kernel, "release 6.6.49-0-lts", Verdict::Failed, "6.6.49-r0");
    check(&alpine, Rung::Kernel, "release 6.6.50-0-virt", Verdict::Unknown, "6.6.50-0-virt");
    let freebsd = target(Ecosystem::FreeBsd, &[("FreeBSD-kernel", fixed("14.1_6"))]);
    check(&freebsd, Rung::Kernel, "k 14.1-RELEASE-p6\nr 14.1-RELEASE-p5", Verdict::Failed, "14.1_5");
    let other = target(Ecosystem::Debian, &[("linux-libc-dev", fixed("1"))]);
    check(&other, Rung::Kernel, "", Verdict::NotApplicable, "no kernel");
}

#[test]
fn no_answer_is_unknown_at_every_rung() {
    let target = target(Ecosystem::Debian, &[("libssl3", fixed("1"))]);
    let all = judge(&target, &Facts::default());
    let verdicts: Vec<_> = all.iter().map(|it| it.verdict).collect();
    let unknown = Verdict::Unknown;
    assert_eq!(verdicts, [unknown, unknown, unknown, unknown, Verdict::NotApplicable]);
}

#[track_caller]
fn banner(
    ecosystem: Ecosystem,
    name: &str,
    fix: &str,
    installed: &str,
    said: &str,
    expected: Verdict,
    part: &str,
) {
    let package = &target(ecosystem, &[(name, fixed(fix))]).packages[0];
    let seen = [BannerSeen { place: "192.0.2.1:22".to_owned(), said: said.into(), problem: None }];
    let seen = judge_banner(ecosystem, package, Some(installed), &seen);
    assert_eq!(seen.verdict, expected, "{}", seen.detail);
    assert!(seen.detail.contains(part), "expected {part:?} in {:?}", seen.detail);
}

#[test]
fn a_banner_proves_only_what_it_shows() {
    use Verdict::{Failed, Passed, Unknown};
    let (debian, alpine, freebsd) = (Ecosystem::Debian, Ecosystem::Alpine, Ecosystem::FreeBsd);
    let fixed = "1:9.2p1-2+deb12u3";
    let ssh = |said, verdict, part| banner(debian, "openssh-server", fixed, fixed, said, verdict, part);
    ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", Passed, "revision 2+deb12u3");
    ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n", Unknown, "without the fix says too");
    ssh("SSH-2.0-OpenSSH_9.2p1\r\n", Unknown, "without the fix says too");
    ssh("SSH-2.0-dropbear_2022.83\r\n", Unknown, "does not say");
    banner(
        debian,
        "openssh-server",
        "1:9.8p1-1",
        "1:9.8p1-3",
        "SSH-2.0-OpenSSH_9.7p1 Debian-7",
        Failed,
        "says 9.7p1",
    );
    let http = |server: &str| format!("HTTP/1.1 200 OK\r\nDate: 1.1\r\nServer: {server}\r\n\r\n");
    banner(debian, "nginx", "1.22.1-9", "1.26.0-1", &http("nginx/1.26.0"), Passed, "says 1.26.0");
    banner(debian, "nginx", "1.22.1-9", "1.22.1-9", &http("nginx"), Unknown, "does not say");
    banner(debian, "nginx", "1.22.1-9", "1.22.1-9", "HTTP/1.1 200 OK\r\n\r\n", Unknown, "does not say");
    // Another product's version says nothing of this one.
    let apache = http("Apache/2.4.52 (Debian) OpenSSL/3.0.2");
    banner(debian, "libssl3", "3.0.15-1", "3.0.15-1", &apache, Unknown, "does not say");
    banner(debian, "apache2", "2.4.53-1", "2.4.53-1", &apache, Failed, "says 2.4.52");
    banner(alpine, "nginx", "1.26.2-r0", "1.26.2-r0", &http("nginx/1.26.2"), Passed, "1.26.2");
    banner(alpine, "nginx", "1.26.2-r1", "1.26.2-r1", &http("nginx/1.26.2"), Unknown, "too");
    banner(alpine, "nginx", "1.26.2-r0", "1.26.2-r0", &http("nginx/1.26.1"), Failed, "1.26.1");
    banner(alpine, "exim", "4.98-r0", "4.98-r0", "220 mx ESMTP Exim 4.98 Mon\r\n", Passed, "4.98");
    banner(freebsd, "nginx", "1.26.2,3", "1.26.3_1,3", &http("nginx/1.26.3"), Passed, "1.26.3");
    let package = &target(Ecosystem::Debian, &[("x", Fix::NotYet)]).packages[0];
    let none = judge_banner(Ecosystem::Debian, package, Some("1"), &[]);
    assert_eq!(none.verdict, Verdict::NotApplicable);
}

proptest! {
    #[test]
    fn nothing_that_a_host_says_panics(said: Vec<u8>, banner: Vec<u8>, which in 0usize..3) {
        let ecosystem = [Ecosystem::Debian, Ecosystem::Alpine, Ecosystem::FreeBsd][which];
        let names = [("libssl3", fixed("3.0")), ("FreeBSD", fixed("14.1")), ("linux-lts", fixed("6.6-r0"))];
        let target = target(ecosystem, &names);
        let mut facts = Facts::default();
        for question in [versions(&target), files(&target), runs(&target), base_question(), kernel_question()] {
            facts.insert(question, FactAnswer::Said(said.clone()));
        }
        prop_assert_eq!(judge(&target, &facts).len(), 15);
        let seen = [BannerSeen { place: String::new(), said: banner, problem: None }];
        judge_banner(ecosystem, &target.packages[0], Some("3.0"), &seen);
    }

    #[test]
    fn nothing_that_looks_like_an_answer_panics(
        lines in proptest::collection::vec("(sums|file|said|map|proc|install|u|r|release|version) [ -~]{0,40}", 0..20),
    ) {
        let target = target(Ecosystem::Debian, &[("libssl3", fixed("3.0"))]);
        let said = lines.join("\n");
        let mut facts = Facts::default();
        for question in [versions(&target), files(&target), runs(&target), kernel_question()] {
            facts.insert(question, FactAnswer::Said(said.clone().into_bytes()));
        }
        prop_assert_eq!(judge(&target, &facts).len(), 5);
    }
}
