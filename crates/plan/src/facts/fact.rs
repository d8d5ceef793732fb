//! The facts: for each its name, its snippet and its parser.
//!
//! Snippets run in dash, busybox ash and FreeBSD's sh as the body of a function, with `/dev/null`
//! as standard input, a fixed `PATH` and `LC_ALL=C`: no arrays, no `[[`, no `local`, no `pipefail`.
//! They only read. A guard says before whether the host has such a thing; if not, the status is
//! [`ABSENT`], which is no failure. A scan starts fewer than 40 processes on a Linux host (a test
//! counts them): a guard and whatever the shell does itself cost none, a frame costs two.

use std::collections::BTreeSet;

use model::ServiceName;

use super::apk;
use super::dpkg;
use super::faults::Faults;
use super::freebsd;
use super::observed::{accounts, boot, cron, jails, keys, listeners, privileges, services, stale};
use super::os_release;
use super::question::{ASKED, Question, calls_of};
use super::script::Nonce;
use super::seen::{Seen, read_alpine_release, read_kernel};
use super::software::{SOFTWARE, VERSION_COMMAND};
use super::word::quoted;

/// The directories of one host that are looked at for software.
const SOFTWARE_PATHS_MAX: usize = 100;
/// The version commands that one host runs.
const VERSION_COMMANDS_MAX: usize = 100;

/// The status that "there is no such thing here" (`EX_NOINPUT` of sysexits(3)).
pub(super) const ABSENT: u8 = 66;

/// The facts asked for in one exec, in the order of the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRequests {
    facts: Vec<Fact>,
    /// What [`Fact::Software`] is asked about.
    software_paths: Vec<String>,
    /// What [`Fact::VersionCommand`] runs; a command's place is its number in the answer.
    version_commands: Vec<(ServiceName, Vec<String>)>,
    /// What [`Fact::Asked`] asks.
    questions: BTreeSet<Question>,
}

impl FactRequests {
    /// Returns the questions of a deploy.
    pub(crate) fn of_questions(questions: BTreeSet<Question>) -> Self {
        let none = Vec::new();
        Self { facts: vec![Fact::Asked], software_paths: none, version_commands: Vec::new(), questions }
    }

    /// Returns the questions of a deploy, in the order of their numbers.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.iter()
    }

    /// Returns how many questions of a deploy there are.
    pub fn question_count(&self) -> usize {
        self.questions.len()
    }

    /// Returns the fixed set of a scan: operating system, kernel, packages, and all of [`model::Observed`].
    pub fn scan() -> Self {
        Self {
            facts: Fact::SCAN.to_vec(),
            software_paths: Vec::new(),
            version_commands: Vec::new(),
            questions: BTreeSet::new(),
        }
    }

    /// Asks for the software below these absolute directories and for nothing else, 100 of them at most: for a
    /// mounted or unpacked root, whose own programs do not run.
    pub fn software_alone(paths: &[String]) -> Self {
        Self { facts: Vec::new(), ..Self::scan() }.with_software(paths)
    }

    /// Asks for the software below these absolute directories too, 100 of them at most per host.
    pub fn with_software(mut self, paths: &[String]) -> Self {
        self.software_paths.extend_from_slice(paths);
        self.software_paths.sort_unstable();
        self.software_paths.dedup();
        self.software_paths.truncate(SOFTWARE_PATHS_MAX);
        if !self.software_paths.is_empty() {
            self.add(Fact::Software);
        }
        self
    }

    /// Asks what version a service's command prints; it runs on the host. 100 of them at most per host.
    pub fn with_version_command(mut self, service: &ServiceName, command: &[String]) -> Self {
        if !command.is_empty() && self.version_commands.len() < VERSION_COMMANDS_MAX {
            self.version_commands.push((service.clone(), command.to_vec()));
            self.add(Fact::VersionCommand);
        }
        self
    }

    /// Returns the version commands, in the order of their numbers.
    pub(super) fn version_commands(&self) -> &[(ServiceName, Vec<String>)] {
        &self.version_commands
    }

    /// Returns the calls that end a fact's snippet, each argument a quoted word; most facts have none.
    pub(super) fn calls(&self, fact: Fact, nonce: &Nonce) -> Vec<u8> {
        match fact {
            Fact::Software => [b"\nsoftware".to_vec(), words(&self.software_paths)].concat(),
            Fact::VersionCommand => {
                let commands = self.version_commands.iter().enumerate();
                let call = |(number, (_, command)): (usize, &(ServiceName, Vec<String>))| {
                    let name = format!("\nversion_command {number}");
                    [name.into_bytes(), words(command)].concat()
                };
                commands.flat_map(call).collect()
            }
            Fact::Asked => calls_of(&self.questions, nonce).into_bytes(),
            _ => Vec::new(),
        }
    }

    /// The facts with arguments come last: the host decides how long they take.
    fn add(&mut self, fact: Fact) {
        if !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
    }

    /// Returns the facts in the order of the answers.
    pub(super) fn facts(&self) -> &[Fact] {
        &self.facts
    }
}

/// Returns each as a quoted word, a blank before it.
fn words(words: &[String]) -> Vec<u8> {
    words.iter().flat_map(|word| [b" ".to_vec(), quoted(word.as_bytes())].concat()).collect()
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fact {
    OsRelease,
    AlpineRelease,
    FreebsdVersion,
    Kernel,
    ApkInstalled,
    ApkRepositories,
    ApkWorld,
    Dpkg,
    Pkg,
    Boot,
    Services,
    Accounts,
    Privileges,
    Cron,
    Jails,
    Listeners,
    StaleProcesses,
    AuthorizedKeys,
    Software,
    VersionCommand,
    /// Questions of a deploy.
    Asked,
}

/// All that makes a fact.
pub(super) struct Definition {
    /// Its name in frames and problems; a word of `[a-z-]`.
    pub name: &'static str,
    /// A command that is true where the host has such a thing; it starts no process.
    pub guard: &'static str,
    /// The body of a sh function.
    pub snippet: &'static str,
    /// Reads what the snippet printed.
    pub read: fn(&mut Seen, &[u8], &mut Faults),
}

impl Fact {
    /// The facts of a scan.
    const SCAN: [Self; 18] = [
        Self::OsRelease,
        Self::AlpineRelease,
        Self::FreebsdVersion,
        Self::Kernel,
        Self::ApkInstalled,
        Self::ApkRepositories,
        Self::ApkWorld,
        Self::Dpkg,
        Self::Pkg,
        Self::Boot,
        Self::Services,
        Self::Accounts,
        Self::Privileges,
        Self::Cron,
        Self::Jails,
        Self::Listeners,
        Self::StaleProcesses,
        // Last, because anybody with a login could make it slow.
        Self::AuthorizedKeys,
    ];

    /// Returns its name in frames and problems.
    pub(super) fn name(self) -> &'static str {
        self.definition().name
    }

    /// Returns all that makes the fact.
    pub(super) fn definition(self) -> Definition {
        match self {
            Self::OsRelease => OS_RELEASE,
            Self::AlpineRelease => ALPINE_RELEASE,
            Self::FreebsdVersion => FREEBSD_VERSION,
            Self::Kernel => KERNEL,
            Self::ApkInstalled => APK_INSTALLED,
            Self::ApkRepositories => APK_REPOSITORIES,
            Self::ApkWorld => APK_WORLD,
            Self::Dpkg => DPKG,
            Self::Pkg => PKG,
            Self::Boot => boot::DEFINITION,
            Self::Services => services::DEFINITION,
            Self::Accounts => accounts::DEFINITION,
            Self::Privileges => privileges::DEFINITION,
            Self::Cron => cron::DEFINITION,
            Self::Jails => jails::DEFINITION,
            Self::Listeners => listeners::DEFINITION,
            Self::StaleProcesses => stale::DEFINITION,
            Self::AuthorizedKeys => keys::DEFINITION,
            Self::Software => SOFTWARE,
            Self::VersionCommand => VERSION_COMMAND,
            Self::Asked => ASKED,
        }
    }
}

/// os-release(5): /etc first, it overrides the vendor's.
const OS_RELEASE: Definition = Definition {
    name: "os-release",
    guard: "[ -f /etc/os-release ] || [ -f /usr/lib/os-release ]",
    snippet: r#"
for file in /etc/os-release /usr/lib/os-release; do
  if [ -f "$file" ]; then cat "$file"; return; fi
done"#,
    read: |seen, output, faults| seen.os_release = os_release::parse(output, faults),
};

const ALPINE_RELEASE: Definition = Definition {
    name: "alpine-release",
    guard: "[ -f /etc/alpine-release ]",
    snippet: r"
cat /etc/alpine-release",
    read: read_alpine_release,
};

/// freebsd-version(1): userland, installed kernel, running kernel. In a jail `-k` fails: the kernel
/// is the host's; so each line is kept by itself.
const FREEBSD_VERSION: Definition = Definition {
    name: "freebsd-version",
    guard: "[ -x /bin/freebsd-version ]",
    snippet: r#"
for option in u k r; do
  version=$(/bin/freebsd-version -$option 2>/dev/null) && printf '%s %s\n' "$option" "$version"
done
return 0"#,
    read: |seen, output, faults| seen.freebsd = freebsd::parse_versions(output, faults),
};

const KERNEL: Definition = Definition {
    name: "kernel",
    guard: "true",
    snippet: r"
uname -s -r -m",
    read: read_kernel,
};

/// Only the lines that are read travel: the file lists are 95% of the database. apk 3 keeps it in
/// usr/lib; where /lib is a link to usr/lib the entries come twice, which the parser folds.
const APK_INSTALLED: Definition = Definition {
    name: "apk-installed",
    guard: "[ -f /lib/apk/db/installed ] || [ -f /usr/lib/apk/db/installed ]",
    snippet: r#"
for file in /lib/apk/db/installed /usr/lib/apk/db/installed; do
  [ -f "$file" ] || continue
  sed -n -e '/^[PVAos]:/p' -e '/^$/p' "$file" || return
  echo
done"#,
    read: |seen, output, faults| seen.apk_packages = Some(apk::parse_installed(output, faults)),
};

const APK_REPOSITORIES: Definition = Definition {
    name: "apk-repositories",
    guard: "[ -f /etc/apk/repositories ]",
    snippet: r#"
for file in /etc/apk/repositories /etc/apk/repositories.d/*.list; do
  if [ -f "$file" ]; then cat "$file" || return; echo; fi
done"#,
    read: |seen, output, faults| seen.apk_repositories = apk::parse_repositories(output, faults),
};

const APK_WORLD: Definition = Definition {
    name: "apk-world",
    guard: "[ -f /etc/apk/world ]",
    snippet: r"
cat /etc/apk/world",
    read: |seen, output, faults| seen.apk_tags = apk::parse_world(output, faults),
};

/// `db:Status-Abbrev` shows removed packages (`rc`), which the parser skips.
const DPKG: Definition = Definition {
    name: "dpkg",
    guard: "[ -f /var/lib/dpkg/status ]",
    snippet: r"
dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\t${Version}\t${source:Package}\t${source:Version}\t${Architecture}\n'",
    read: |seen, output, faults| seen.dpkg_packages = Some(dpkg::parse_query(output, faults)),
};

/// `pkg` in /usr/sbin is a stub that would install the package manager; `-N` forbids that, and only
/// the real one in /usr/local is asked.
const PKG: Definition = Definition {
    name: "pkg",
    guard: "[ -x /usr/local/sbin/pkg ]",
    snippet: r"
ASSUME_ALWAYS_YES=no /usr/local/sbin/pkg -N >/dev/null || return
/usr/local/sbin/pkg query '%n\t%v\t%o\t%q\t%R'",
    read: |seen, output, faults| seen.pkg_packages = Some(freebsd::parse_packages(output, faults)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quoting_and_are_unique() {
        let names: std::collections::BTreeSet<_> = Fact::SCAN.iter().map(|fact| fact.name()).collect();
        assert_eq!(names.len(), Fact::SCAN.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }
}
