//! The fleet of the demonstration, and the file that tells others what a running fleet is made of.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::{AptError, AptRepository, ExercisePackage};
use crate::error::FleetError;
use crate::fleet::Fleet;
use crate::spec::{HostContent, HostSpec};

/// The package that demonstrations patch. It does nothing.
pub const EXERCISE_PACKAGE: &str = "ifrit-exercise";
/// The version that is declared vulnerable in demonstrations.
pub const EXERCISE_OLD: &str = "1.0-1";
/// The version with the pretended fix; the hosts' local repository has it too.
pub const EXERCISE_FIXED: &str = "1.0-2";

/// Returns the ten hosts of the demonstration: four recorded Alpine hosts of three releases, an
/// emulated FreeBSD host, three Debian hosts with the old exercise package and two with the fixed
/// one. Builds the local repository in `scratch/repository`. `fixtures` is the folder `fixtures/fleet`.
///
/// # Errors
/// [`AptError`] where the repository cannot be built.
pub fn demo_specs(fixtures: &Path, scratch: &Path) -> Result<Vec<HostSpec>, AptError> {
    let versions = [EXERCISE_OLD, EXERCISE_FIXED];
    let packages = versions.map(|version| ExercisePackage::new(EXERCISE_PACKAGE, version));
    let repository = AptRepository::build(&scratch.join("repository"), &packages)?;
    let alpine =
        |name, release| HostSpec::new(name, HostContent::RecordedAlpine { root: fixtures.join(release) });
    let debian = |name: &str, version| {
        let packages: Vec<PathBuf> = repository.deb(EXERCISE_PACKAGE, version).into_iter().collect();
        let repository = Some(repository.folder().to_owned());
        HostSpec::new(name, HostContent::DebianWith { packages, repository })
    };
    let freebsd = HostContent::RecordedFreeBsd {
        userland: "14.1-RELEASE-p5".into(),
        kernel: "14.1-RELEASE-p5".into(),
        running_kernel: "14.1-RELEASE-p4".into(),
        packages_tsv: fixtures.join("freebsd-14.1/packages.tsv"),
    };
    Ok(vec![
        alpine("proxy-1", "alpine-3.18"),
        alpine("proxy-2", "alpine-3.20"),
        alpine("dns-1", "alpine-3.20"),
        alpine("mail-1", "alpine-3.22"),
        HostSpec::new("fw-1", freebsd),
        debian("app-1", EXERCISE_OLD),
        debian("app-2", EXERCISE_OLD),
        debian("app-3", EXERCISE_OLD),
        debian("db-1", EXERCISE_FIXED),
        debian("db-2", EXERCISE_FIXED),
    ])
}

/// Writes a TOML file that describes a running fleet: `namespace`, `identity`, `known_hosts`, `user`,
/// `port`, and per `[[host]]` its `name`, `address`, `kind`, `fidelity` and `host_key`.
///
/// # Errors
/// [`FleetError`] where it cannot be written.
pub fn write_description(fleet: &Fleet, path: &Path) -> Result<(), FleetError> {
    let mut text = format!(
        "# A running test fleet. Its hosts answer from inside its namespace: ip netns exec {0} COMMAND\n\
         namespace = \"{0}\"\nidentity = \"{1}\"\nknown_hosts = \"{2}\"\nuser = \"root\"\nport = 22\n",
        fleet.namespace(),
        fleet.identity().display(),
        fleet.known_hosts().display(),
    );
    for host in fleet.hosts() {
        let (kind, fidelity) = fleet.nature(host)?;
        let (address, key) = (fleet.address(host)?, fleet.host_key(host)?);
        text += &format!(
            "\n[[host]]\nname = \"{host}\"\naddress = \"{address}\"\nkind = \"{kind}\"\n\
             fidelity = \"{fidelity}\"\nhost_key = \"{}\"\n",
            key.as_str()
        );
    }
    fs::write(path, text).map_err(FleetError::file("write", path))
}
