use model::{Architecture, PackageName, Repository, Version};
use proptest::prelude::*;

use super::*;

fn read(output: &str) -> Boot {
    parse(output.as_bytes(), &mut Faults::default())
}

#[test]
fn boot_times_are_read() {
    let at = |output: &str| read(output).at.map(Timestamp::as_second);
    assert_eq!(at("btime 1718000000\n"), Some(1_718_000_000));
    assert_eq!(at("{ sec = 1718000000, usec = 123456 } Mon Jun 10 06:13:20 2024\n"), Some(1_718_000_000));
    for bad in ["", "btime x\n", "btime 99999999999999999999\n", "{ usec = 1 }\n", "garbage\n"] {
        assert_eq!(at(bad), None, "{bad:?}");
    }
}

#[test]
fn the_build_of_a_debian_kernel_is_read() {
    let line = "version Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) \
                12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)";
    assert_eq!(read(line).debian_build.as_deref(), Some("6.1.76-1"));
    assert_eq!(
        read("version Linux version 6.6.49-0-lts (buildozer@x) (gcc) #1-Alpine SMP").debian_build,
        None
    );
}

fn package(line: &str) -> InstalledPackage {
    let (name, version) = line.split_once(' ').expect("name and version");
    InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(name),
        source_version: Version::new(version),
        architecture: Architecture::new(""),
        repository: Repository::new(""),
    }
}

fn kernel(running: &str, installed: Option<&str>) -> Kernel {
    let word = |text: &str| text.to_owned();
    Kernel { name: word("x"), running: word(running), installed: installed.map(word), machine: word("x") }
}

/// `expected`: nothing = not known, else `!` for needed and why.
fn check(ecosystem: Ecosystem, boot: &str, kernel: &Kernel, packages: &[&str], expected: Option<&str>) {
    let packages: Vec<_> = packages.iter().map(|line| package(line)).collect();
    let need = reboot_need(&read(boot), Some(ecosystem), Some(kernel), Some(&packages));
    let shown = need.map(|need| format!("{}{}", if need.is_needed { "!" } else { "" }, need.why));
    assert_eq!(shown.as_deref(), expected, "{kernel:?} {packages:?}");
}

#[test]
fn an_alpine_compares_its_flavour() {
    let check = |running: &str, packages: &[&str], expected: Option<&str>| {
        check(Ecosystem::Alpine, "", &kernel(running, None), packages, expected);
    };
    let installed = ["linux-firmware-none 20240513-r0", "linux-lts 6.6.49-r0", "linux-virt 6.6.51-r1"];
    check("6.6.49-0-lts", &installed, Some("kernel 6.6.49-0-lts runs and is installed"));
    check("6.6.41-0-lts", &installed, Some("!kernel 6.6.41-0-lts runs, 6.6.49-0-lts is installed"));
    check("6.6.51-0-virt", &installed, Some("!kernel 6.6.51-0-virt runs, 6.6.51-1-virt is installed"));
    // A container on a Debian host; a kernel of one's own.
    check("6.1.0-18-amd64", &installed, None);
    check("6.18.44", &installed, None);
    check("6.6.49-0-lts", &[], None);
}

#[test]
fn a_debian_compares_release_and_build() {
    let check = |boot: &str, running: &str, packages: &[&str], expected: Option<&str>| {
        check(Ecosystem::Debian, boot, &kernel(running, None), packages, expected);
    };
    let images = [
        "linux-image-6.1.0-9-amd64 6.1.27-1",
        "linux-image-6.1.0-18-amd64 6.1.76-1",
        "linux-image-6.1.0-18-cloud-amd64 6.1.99-1",
        "linux-image-amd64 6.1.76-1",
    ];
    check("", "6.1.0-18-amd64", &images, Some("kernel 6.1.0-18-amd64 runs and is installed"));
    check("", "6.1.0-9-amd64", &images, Some("!kernel 6.1.0-9-amd64 runs, 6.1.0-18-amd64 is installed"));
    check(
        "version x (y) #1 SMP Debian 6.1.69-1 (2023-12-30)",
        "6.1.0-18-amd64",
        &images,
        Some("!kernel 6.1.0-18-amd64 (6.1.69-1) runs, 6.1.0-18-amd64 (6.1.76-1) is installed"),
    );
    check("", "6.18.44-fc-v669", &images, None);
    check("", "6.1.0-18-amd64", &["libc6 2.36"], None);
    check(
        "required\npackage linux-base\npackage dbus\n",
        "x",
        &[],
        Some("!/run/reboot-required: dbus, linux-base"),
    );
    check("required\n", "x", &[], Some("!/run/reboot-required"));
}

#[test]
fn a_freebsd_compares_its_kernels() {
    let check = |installed: Option<&str>, expected: Option<&str>| {
        check(Ecosystem::FreeBsd, "", &kernel("14.1-RELEASE-p3", installed), &[], expected);
    };
    check(Some("14.1-RELEASE-p3"), Some("kernel 14.1-RELEASE-p3 runs and is installed"));
    check(Some("14.1-RELEASE-p5"), Some("!kernel 14.1-RELEASE-p3 runs, 14.1-RELEASE-p5 is installed"));
    check(None, None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_kernel_panics(running in "[0-9a-z.-]{0,12}", name in "linux-(image-)?[0-9a-z.-]{0,12}", version in "[0-9a-z.-]{1,8}") {
        let packages = [package(&format!("{name} {version}"))];
        for ecosystem in [Ecosystem::Alpine, Ecosystem::Debian, Ecosystem::FreeBsd] {
            reboot_need(&Boot::default(), Some(ecosystem), Some(&kernel(&running, None)), Some(&packages));
        }
    }
}
