//! What runs by the clock: crontab(5), and scripts that stand in folders for a period.

use model::CronEntry;

use crate::facts::fact::Definition;
use crate::facts::faults::Faults;
use crate::facts::files::{Files, fold};

/// The entries taken of one host.
const ENTRIES_MAX: usize = 20_000;

/// `/var/spool/cron/crontabs` is a link to `/etc/crontabs` on Alpine. FreeBSD's `/etc/periodic`
/// belongs to the base system and is not listed.
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "cron",
    guard: "true",
    snippet: r#"
set -- /etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/* /usr/local/etc/periodic/*/*
[ -x /bin/freebsd-version ] || set -- "$@" /etc/periodic/*/*
for file do
  [ ! -f "$file" ] || printf 'N%s\n' "$file"
done
set --
[ -L /var/spool/cron/crontabs ] || set -- /var/spool/cron/crontabs /var/spool/cron/crontabs/*
show_files "$@" /etc/crontab /etc/cron.d /etc/cron.d/* /etc/crontabs /etc/crontabs/* \
  /var/cron/tabs /var/cron/tabs/* /usr/local/etc/cron.d /usr/local/etc/cron.d/*"#,
    read: |seen, output, faults| {
        let files = Files::parse(output, faults);
        seen.observed.cron = entries(&files, faults);
    },
};

/// Reads the entries of all files and the names of scripts. Settings of the environment
/// (`MAILTO=root`) are no entries.
pub(in crate::facts) fn entries(files: &Files, faults: &mut Faults) -> Option<Vec<CronEntry>> {
    let mut found = Vec::new();
    for (path, lines) in files.only(is_crontab) {
        for line in lines.iter().map(|line| fold(line)).filter(|line| is_entry(line)) {
            found.push(CronEntry { file: path.to_owned(), line });
        }
    }
    for name in files.names.iter().filter(|name| name.contains("/cron.") || name.contains("/periodic/")) {
        let (folder, script) = name.rsplit_once('/').unwrap_or(("", name));
        // A placeholder keeps the folder from being removed with the package.
        if script != ".placeholder" {
            found.push(CronEntry { file: folder.to_owned(), line: script.to_owned() });
        }
    }
    files.if_whole(found, ENTRIES_MAX, faults)
}

fn is_crontab(path: &str) -> bool {
    path == "/etc/crontab" || ["/cron.d/", "/crontabs/", "/cron/tabs/"].iter().any(|part| path.contains(part))
}

fn is_entry(line: &str) -> bool {
    if line.is_empty() || line.starts_with('#') {
        return false;
    }
    // A time begins with a number, a `*`, a name of crontab(5) (`@reboot`) or FreeBSD's flag (`-n`).
    let name = line.split(['=', ' ']).next().unwrap_or_default().trim_matches('"');
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    !(is_name && line.contains('='))
}

#[cfg(test)]
mod tests;
