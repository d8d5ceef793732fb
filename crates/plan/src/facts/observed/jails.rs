//! FreeBSD's running jails: jls(8), each with its own userland and its own packages.
//!
//! Nothing of a jail is run: its userland's version is read out of its freebsd-version script, of
//! which only the one line is taken (the path could be a link to a secret of the host), and its
//! packages are read by the host's own pkg(8), which attaches to the jail first (`pkg -j`), so that
//! no link in there leads out. `pkg -c` and `-r` would follow such links.

use model::{Code, ObservedJail, OsRelease};

use crate::facts::fact::Definition;
use crate::facts::faults::{Faults, quote};
use crate::facts::freebsd;
use crate::facts::package::lines;

/// The jails taken of one host.
const JAILS_MAX: usize = 1_000;
/// The bytes of a jail's name and path.
const WORD_BYTES_MAX: usize = 1_024;

/// `J` begins a jail as jls writes it, `V` is its userland's line, `P` a line of its packages, `E`
/// the status of pkg; the prefix is put by the host's sed, so a jail cannot forge another one. Only root may attach to a jail; another login
/// says `U`.
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "jails",
    guard: "[ -x /usr/sbin/jls ]",
    snippet: r#"
jails=$(jls -nq name path) || return
set -f
IFS='
'
for jail in $jails; do
  [ -r /etc/master.passwd ] || { echo U; return 0; }
  printf 'J%s\n' "$jail"
  name=${jail#name=}
  name=${name%% path=*}
  path=${jail#* path=}
  path=${path#\"}
  path=${path%\"}
  [ ! -f "$path/bin/freebsd-version" ] || sed -n '/^USERLAND_VERSION=/s/^/V/p' "$path/bin/freebsd-version"
  if [ -x /usr/local/sbin/pkg ] && [ -f "$path/var/db/pkg/local.sqlite" ]; then
    { ASSUME_ALWAYS_YES=no /usr/local/sbin/pkg -j "$name" query '%n\t%v\t%o\t%q\t%R'; printf '\nE%s\n' $?; } |
      sed -e '/^E[0-9]*$/!s/^/P/' -e '/^P$/d'
  fi
done
return 0"#,
    read: |seen, output, faults| seen.observed.jails = parse(output, faults),
};

#[derive(Default)]
struct Draft {
    name: String,
    path: String,
    userland: Vec<u8>,
    packages: Vec<u8>,
    /// The status of pkg; none where the jail has no package database.
    status: Option<String>,
}

/// Reads the answer, sorted by name; `None` where the login may not look into jails.
fn parse(output: &[u8], faults: &mut Faults) -> Option<Vec<ObservedJail>> {
    let mut drafts: Vec<Draft> = Vec::new();
    for line in lines(output, faults).filter(|line| !line.is_empty()) {
        let mut chars = line.chars();
        let (kind, rest) = (chars.next(), chars.as_str());
        let line_of = |text: &mut Vec<u8>| {
            text.extend_from_slice(rest.as_bytes());
            text.push(b'\n');
        };
        if line == "U" {
            faults.push(Code::CollectNotPermitted, "jails may not be looked into by this login");
            return None;
        }
        if kind == Some('J') {
            if drafts.len() >= JAILS_MAX {
                faults.unreadable(format!("more than {JAILS_MAX} jails; the rest is left out"));
                break;
            }
            drafts.push(head(rest));
            continue;
        }
        match (kind, drafts.last_mut()) {
            (Some('V'), Some(draft)) => line_of(&mut draft.userland),
            (Some('P'), Some(draft)) => line_of(&mut draft.packages),
            (Some('E'), Some(draft)) => draft.status = Some(rest.to_owned()),
            _ => faults.ignored(format!("no jail is in {}", quote(&line))),
        }
    }
    let mut jails: Vec<_> = drafts.into_iter().filter_map(|draft| finish(draft, faults)).collect();
    jails.sort_by(|a, b| a.name.cmp(&b.name));
    jails.dedup_by(|a, b| a.name == b.name);
    Some(jails)
}

/// Reads `name=www path=/jails/www`; `-q` puts double quotes around a value with blanks.
fn head(text: &str) -> Draft {
    let (name, path) = text.split_once(" path=").unwrap_or((text, ""));
    let unquote = |value: &str| value.trim_matches('"').to_owned();
    let name = name.strip_prefix("name=").unwrap_or_default();
    Draft { name: unquote(name), path: unquote(path), ..Draft::default() }
}

fn finish(draft: Draft, faults: &mut Faults) -> Option<ObservedJail> {
    let is_word = |text: &str| !text.is_empty() && text.len() <= WORD_BYTES_MAX;
    if !is_word(&draft.name) || !is_word(&draft.path) {
        faults.unreadable(format!("a jail has no name or no path: {}", quote(&draft.name)));
        return None;
    }
    let versions = match draft.userland.is_empty() {
        true => freebsd::FreebsdVersions::default(),
        false => freebsd::parse_userland_script(&draft.userland, faults),
    };
    let os = versions.userland.as_ref().map(|version| OsRelease {
        id: "freebsd".to_owned(),
        version: version.clone(),
        codename: None,
        pretty_name: format!("FreeBSD {version}"),
    });
    let packages = match draft.status.as_deref() {
        Some("0") => Some(freebsd::parse_packages(&draft.packages, faults)),
        None => Some(Vec::new()),
        Some(status) => {
            let name = quote(&draft.name);
            faults.unreadable(format!(
                "pkg ended with status {status} in jail {name}; its packages are unknown"
            ));
            None
        }
    };
    let packages = packages.map(|mut packages| {
        packages.extend(freebsd::base_packages(&versions, faults));
        packages.sort_unstable();
        packages
    });
    Some(ObservedJail { name: draft.name, path: draft.path, os, packages })
}

#[cfg(test)]
mod tests;
