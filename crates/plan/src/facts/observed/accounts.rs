//! Accounts and groups: passwd(5) and group(5). The shadow files are never read.

use model::{Account, AccountGroup, UserName};

use crate::facts::fact::Definition;
use crate::facts::faults::{Faults, quote};
use crate::facts::files::Files;

/// The members taken of one group.
const MEMBERS_MAX: usize = 10_000;
/// The accounts and the groups taken of one host.
const ACCOUNTS_MAX: usize = 50_000;

pub(in crate::facts) const PASSWD: &str = "/etc/passwd";
pub(in crate::facts) const GROUP: &str = "/etc/group";

pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "accounts",
    guard: "[ -f /etc/passwd ]",
    snippet: r"
show_files /etc/passwd /etc/group",
    read: |seen, output, faults| {
        let files = Files::parse(output, faults);
        seen.observed.accounts = accounts(&files, faults);
        seen.observed.groups = groups(&files, faults);
    },
};

/// Reads etc/passwd; `None` where there is none.
pub(in crate::facts) fn accounts(files: &Files, faults: &mut Faults) -> Option<Vec<Account>> {
    let mut found = Vec::new();
    for line in entries(files.texts.get(PASSWD)?) {
        match account(line) {
            Some(account) => found.push(account),
            None => faults.ignored(format!("{PASSWD} has no account in {}", quote(line))),
        }
    }
    files.if_whole(found, ACCOUNTS_MAX, faults)
}

/// Reads etc/group; `None` where there is none.
pub(in crate::facts) fn groups(files: &Files, faults: &mut Faults) -> Option<Vec<AccountGroup>> {
    let mut found = Vec::new();
    for line in entries(files.texts.get(GROUP)?) {
        match group(line) {
            Some(group) => found.push(group),
            None => faults.ignored(format!("{GROUP} has no group in {}", quote(line))),
        }
    }
    files.if_whole(found, ACCOUNTS_MAX, faults)
}

/// Leaves out comments (FreeBSD) and the `+` and `-` of NIS, which are no accounts of this host.
fn entries(lines: &[String]) -> impl Iterator<Item = &str> {
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with(['#', '+', '-']);
    lines.iter().map(String::as_str).filter(is_entry)
}

fn account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    if name.is_empty() {
        return None;
    }
    Some(Account {
        name: UserName::new(name),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
        shell: shell.to_owned(),
    })
}

fn group(line: &str) -> Option<AccountGroup> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields[..] else { return None };
    if name.is_empty() {
        return None;
    }
    let members = members.split(',').map(str::trim).filter(|member| !member.is_empty()).take(MEMBERS_MAX);
    let mut members: Vec<_> = members.map(str::to_owned).collect();
    members.sort_unstable();
    members.dedup();
    Some(AccountGroup { name: name.to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
mod tests;
