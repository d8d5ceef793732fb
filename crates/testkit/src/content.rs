//! Turns a host's content into what its first process lays over this machine's root: files to add
//! (`seed/`), paths to hide (`hide`) and work to do before sshd is up (`boot/`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::FleetError;
use crate::spec::{HostContent, HostSpec};

/// Where a host's copy of the local repository lies.
const REPOSITORY_ON_HOST: &str = "srv/ifrit-exercise";

/// What of Debian is hidden on a host that shows another system.
const DEBIAN_TRACES: [&str; 10] = [
    "/etc/debian_version",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/usr/bin/dpkg",
    "/usr/bin/dpkg-query",
    "/usr/bin/dpkg-deb",
    "/usr/bin/apt",
    "/usr/bin/apt-get",
];

/// What a recorded Alpine host must have...
const ALPINE_FILES: [&str; 2] = ["etc/os-release", "lib/apk/db/installed"];
/// ...and may have.
const ALPINE_EXTRA_FILES: [&str; 4] =
    ["etc/alpine-release", "etc/apk/repositories", "etc/apk/world", "etc/apk/arch"];

const DEBIAN_SETUP: &str = include_str!("host_scripts/debian-setup.sh");
const FREEBSD_VERSION: &str = include_str!("host_scripts/freebsd-version.sh");
const FREEBSD_UNAME: &str = include_str!("host_scripts/freebsd-uname.sh");
const FREEBSD_PKG: &str = include_str!("host_scripts/freebsd-pkg.sh");
const FREEBSD_SERVICE: &str = include_str!("host_scripts/freebsd-service.sh");

/// Writes `seed/`, `hide` and `boot/` of a host into its folder.
pub(crate) fn write(spec: &HostSpec, folder: &Path) -> Result<(), FleetError> {
    let layer = Layer { seed: folder.join("seed"), boot: folder.join("boot") };
    create_dir(&layer.seed)?;
    create_dir(&layer.boot)?;
    let hidden = match &spec.content {
        HostContent::Debian => Vec::new(),
        HostContent::DebianWith { packages, repository } => layer.debian(packages, repository.as_deref())?,
        HostContent::RecordedAlpine { root } => layer.alpine(root)?,
        HostContent::RecordedFreeBsd { userland, kernel, running_kernel, packages_tsv } => {
            let versions = [("userland", userland), ("kernel", kernel), ("running_kernel", running_kernel)];
            layer.freebsd(&spec.name, versions, packages_tsv)?
        }
    };
    let hide: String = hidden.iter().map(|path| format!("{path}\n")).collect();
    write_file(&folder.join("hide"), hide.as_bytes())
}

struct Layer {
    seed: PathBuf,
    boot: PathBuf,
}

impl Layer {
    fn debian(
        &self,
        packages: &[PathBuf],
        repository: Option<&Path>,
    ) -> Result<Vec<&'static str>, FleetError> {
        write_file(&self.boot.join("setup"), DEBIAN_SETUP.as_bytes())?;
        let folder = self.boot.join("packages");
        create_dir(&folder)?;
        for package in packages {
            copy_into(package, &folder)?;
        }
        let Some(repository) = repository else { return Ok(Vec::new()) };
        let copy = self.seed.join(REPOSITORY_ON_HOST);
        create_dir(&copy)?;
        let entries = fs::read_dir(repository).map_err(FleetError::file("read", repository))?;
        for entry in entries {
            let path = entry.map_err(FleetError::file("read", repository))?.path();
            if path.is_file() {
                copy_into(&path, &copy)?;
            }
        }
        let line = format!("deb [trusted=yes] file:/{REPOSITORY_ON_HOST} ./\n");
        self.add("etc/apt/sources.list.d/ifrit-exercise.list", line.as_bytes())?;
        // The host has no way out: its only source must be the one that it can reach.
        Ok(vec!["/etc/apt/sources.list", "/etc/apt/sources.list.d"])
    }

    fn alpine(&self, root: &Path) -> Result<Vec<&'static str>, FleetError> {
        for name in ALPINE_FILES.iter().chain(&ALPINE_EXTRA_FILES) {
            let path = root.join(name);
            if ALPINE_FILES.contains(name) || path.exists() {
                self.add(name, &read_file(&path)?)?;
            }
        }
        Ok(DEBIAN_TRACES.to_vec())
    }

    fn freebsd(
        &self,
        host: &str,
        versions: [(&str, &String); 3],
        packages_tsv: &Path,
    ) -> Result<Vec<&'static str>, FleetError> {
        let mut settings = String::new();
        for (name, version) in versions {
            settings += &format!("{name}={}\n", checked_version(host, name, version)?);
        }
        let userland = versions[0].1;
        let short = userland.split('-').next().unwrap_or_default();
        let os_release = format!(
            "NAME=FreeBSD\nVERSION=\"{userland}\"\nVERSION_ID=\"{short}\"\nID=freebsd\nPRETTY_NAME=\"FreeBSD {userland}\"\n"
        );
        let major = short.split('.').next().unwrap_or_default();
        let recorded = read_file(packages_tsv)?;
        let list = freebsd_packages(&String::from_utf8_lossy(&recorded), major);
        self.add("etc/fleet-freebsd.conf", settings.as_bytes())?;
        self.add("etc/os-release", os_release.as_bytes())?;
        self.add("var/db/pkg/fleet.tsv", list.as_bytes())?;
        for (path, script) in [
            ("usr/bin/uname", FREEBSD_UNAME),
            ("bin/freebsd-version", FREEBSD_VERSION),
            ("usr/sbin/pkg", FREEBSD_PKG),
            ("usr/local/sbin/pkg", FREEBSD_PKG),
            ("usr/sbin/service", FREEBSD_SERVICE),
        ] {
            self.add(path, script.as_bytes())?;
            self.make_executable(path)?;
        }
        Ok(DEBIAN_TRACES.to_vec())
    }

    fn add(&self, path: &str, content: &[u8]) -> Result<(), FleetError> {
        let path = self.place(path);
        if let Some(folder) = path.parent() {
            create_dir(folder)?;
        }
        write_file(&path, content)
    }

    fn make_executable(&self, path: &str) -> Result<(), FleetError> {
        let path = self.place(path);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, mode).map_err(FleetError::file("make executable", &path))
    }

    /// Where a path of the host lies in the seed. On a machine whose `/lib` is a link to `usr/lib`,
    /// a folder `lib` could not be laid over it.
    fn place(&self, path: &str) -> PathBuf {
        let top = path.split('/').next().unwrap_or_default();
        let target = fs::read_link(Path::new("/").join(top));
        match (target, path.strip_prefix(top)) {
            (Ok(target), Some(rest)) => {
                let target = target.strip_prefix("/").map(Path::to_owned).unwrap_or(target);
                self.seed.join(target).join(rest.trim_start_matches('/'))
            }
            _ => self.seed.join(path),
        }
    }
}

/// Refuses what would not be one word in the stand-ins' settings, which a shell reads.
fn checked_version<'a>(host: &str, name: &str, version: &'a str) -> Result<&'a str, FleetError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    if !version.is_empty() && version.bytes().all(is_plain) {
        return Ok(version);
    }
    let why = format!("the {name} version `{}` is not like `14.1-RELEASE-p5`", version.escape_default());
    Err(FleetError::BadSpec { host: host.to_owned(), why })
}

/// Turns recorded lines `name TAB version [TAB origin]` into those of the stand-in for `pkg`.
fn freebsd_packages(recorded: &str, major: &str) -> String {
    let mut list = String::new();
    for line in recorded.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let mut fields = line.split('\t');
        let (name, version) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let origin = fields.next().map_or_else(|| format!("unrecorded/{name}"), str::to_owned);
        list += &format!("{name}\t{version}\t{origin}\tFreeBSD:{major}:amd64\tFreeBSD\n");
    }
    list
}

fn create_dir(path: &Path) -> Result<(), FleetError> {
    fs::create_dir_all(path).map_err(FleetError::file("create", path))
}

fn read_file(path: &Path) -> Result<Vec<u8>, FleetError> {
    fs::read(path).map_err(FleetError::file("read", path))
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), FleetError> {
    fs::write(path, content).map_err(FleetError::file("write", path))
}

fn copy_into(path: &Path, folder: &Path) -> Result<(), FleetError> {
    let name = path.file_name().unwrap_or_default();
    fs::copy(path, folder.join(name)).map(drop).map_err(FleetError::file("copy", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freebsd_lists_get_their_columns() {
        let list = freebsd_packages("# a comment\ncurl\t8.1.0\tftp/curl\n\ngit\t2.20.0\n", "14");
        let expected = "curl\t8.1.0\tftp/curl\tFreeBSD:14:amd64\tFreeBSD\n\
                        git\t2.20.0\tunrecorded/git\tFreeBSD:14:amd64\tFreeBSD\n";
        assert_eq!(list, expected);
    }

    #[test]
    fn freebsd_versions_cannot_carry_shell() {
        assert!(checked_version("h", "kernel", "14.1-RELEASE-p5").is_ok());
        for bad in ["", "14.1; reboot", "$(id)", "a\nb"] {
            assert!(checked_version("h", "kernel", bad).is_err(), "{bad:?} was accepted");
        }
    }
}
