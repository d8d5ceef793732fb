//! Rung 1: the installed version, asked anew.

use std::cmp::Ordering;

use model::{Ecosystem, Fix, Verdict};

use super::{Judged, VerifyPackage};
use crate::facts::vuxml_version;

/// What FreeBSD's base system is called in advisories.
const USERLAND: &str = "FreeBSD";
/// The kernel of it.
pub(super) const KERNEL: &str = "FreeBSD-kernel";

/// Says whether a package is FreeBSD's base system.
pub(super) fn is_base(package: &VerifyPackage) -> bool {
    [USERLAND, KERNEL].contains(&package.name.as_str())
}

/// States of dpkg in which all of a package is in its place.
const WHOLE: [&str; 3] = ["installed", "triggers-awaited", "triggers-pending"];

/// Reads lines `NAME VERSION SOURCEVERSION STATE`, and `= asked` behind them.
pub(super) fn judge(ecosystem: Ecosystem, package: &VerifyPackage, said: &str) -> Judged {
    let installed: Vec<_> = said.lines().filter_map(|line| of_package(package, line)).collect();
    if installed.is_empty() {
        // A package manager that cannot speak says the same as one that has nothing to say.
        return match said.lines().any(|line| line == "= asked") {
            true => Judged::new(Verdict::Passed, "it is not installed any more"),
            false => Judged::new(Verdict::Unknown, "the package manager's database cannot be read"),
        };
    }
    // Of several architectures each must be fixed.
    let judged = installed.iter().map(|(version, source, state)| {
        let judged = against(ecosystem, package, version, source);
        match judged.verdict {
            Verdict::Passed if !WHOLE.contains(state) => {
                let why =
                    format!("{version} is {state}, its installation did not end: `dpkg --configure -a`");
                Judged::new(Verdict::Unknown, why)
            }
            _ => judged,
        }
    });
    judged.max_by_key(|it| it.verdict).unwrap_or_else(|| Judged::new(Verdict::Unknown, "nothing was said"))
}

/// Returns version, version of the source and state, where a line is about the package.
fn of_package<'s>(package: &VerifyPackage, line: &'s str) -> Option<(&'s str, &'s str, &'s str)> {
    let mut words = line.split(' ');
    let (name, version, source) = (words.next()?, words.next()?, words.next()?);
    (name == package.name.as_str()).then(|| (version, source, words.next().unwrap_or("installed")))
}

/// Reads `u VERSION`, `k VERSION` of freebsd-version(1).
pub(super) fn judge_base(package: &VerifyPackage, said: &str) -> Judged {
    let option = if package.name.as_str() == KERNEL { 'k' } else { 'u' };
    match base_version(said, option) {
        Ok(version) => against(Ecosystem::FreeBsd, package, &version, &version),
        Err(why) => Judged::new(Verdict::Unknown, why),
    }
}

/// Returns what freebsd-version(1) says with an option, as advisories write it.
pub(super) fn base_version(said: &str, option: char) -> Result<String, String> {
    let line = said.lines().find_map(|line| line.strip_prefix(option)?.strip_prefix(' '));
    let version = line.filter(|version| !version.is_empty()).ok_or("freebsd-version did not say")?;
    vuxml_version(version).ok_or_else(|| format!("`{version}` is no release, so it cannot be compared"))
}

/// Holds a version against every fix. `source` is the version of the source package, of which advisories speak.
pub(super) fn against(ecosystem: Ecosystem, package: &VerifyPackage, shown: &str, source: &str) -> Judged {
    let scheme = ecosystem.version_scheme();
    for (id, fix) in &package.fixes {
        let (least, is_fixed) = match fix {
            Fix::In(fixed) => (fixed, scheme.compare(source, fixed.as_str()).map(Ordering::is_ge)),
            Fix::After(last) => (last, scheme.compare(source, last.as_str()).map(Ordering::is_gt)),
            Fix::NotYet => {
                return Judged::new(
                    Verdict::Failed,
                    format!("{shown} is installed, and {id} has no fix yet"),
                );
            }
            Fix::NotNeeded => continue,
        };
        match is_fixed {
            Ok(true) => {}
            Ok(false) => {
                return Judged::new(Verdict::Failed, format!("{shown} is installed, {id} is fixed in {fix}"));
            }
            Err(error) => {
                return Judged::new(
                    Verdict::Unknown,
                    format!("{shown} cannot be compared with {least}: {error}"),
                );
            }
        }
    }
    let fixes: Vec<String> = package.fixes.iter().map(|(_, fix)| fix.to_string()).collect();
    let newest = super::few(fixes.iter().map(String::as_str));
    Judged::new(Verdict::Passed, format!("{shown} is installed, the fix is in {newest}"))
}
