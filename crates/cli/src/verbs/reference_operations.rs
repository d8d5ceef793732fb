//! The page that compares operations and their arguments with pyinfra's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

/// The names of pyinfra's operations and arguments, and where they are from.
const PYINFRA: &str = include_str!("../../../../fixtures/operations/pyinfra-arguments.json");

/// Operations that have another name here.
const RENAMED: [(&str, &str); 2] =
    [("freebsd.service.service", "service.service"), ("freebsd.sysrc.sysrc", "sysrc.sysrc")];

/// What every operation here takes.
const COMMON: [&str; 3] = ["name", "when", "handler"];

/// Operations that are not here, and why.
const NOT_HERE: [(&str, &str); 11] = [
    ("apt.ppa", "PPAs are Ubuntu's; `apt.key` and `apt.sources_file` do the same for any repository"),
    ("files.get", "a deploy only brings hosts into a state; it takes no files from them"),
    ("files.rsync", "`files.sync` sends what differs, and `files.unarchive` what is large"),
    ("git.bare_repo", "`server.shell` with `creates` does it"),
    ("git.config", "settings of git are files: `files.line` and `files.put`"),
    ("git.worktree", "`git.repo` makes as many checkouts as are wanted"),
    ("runit.auto", "`runit.service` with `enabled`"),
    ("runit.manage", "`runit.service` with `enabled`"),
    ("runit.wait_runsv", "`runit.service` fails where runsv is not there"),
    ("server.kill", "a process number is no state; `service.stop` is"),
    ("sysvinit.enable", "`server.service` with `enabled`; start priorities are the distribution's"),
];

/// Why an argument of pyinfra's is not here.
const REASONS: &[(&str, &str, &str)] = &[
    ("files.line", "flags", "expressions have no flags: awk reads them"),
    ("files.replace", "flags", "expressions have no flags: awk reads them"),
    ("files.replace", "match", "every match of `text` is replaced"),
    (
        "files.put",
        "atime",
        "reading a file changes it, also to see whether it is right: it would be set every time",
    ),
    ("files.template", "jinja_env_kwargs", "templates are rendered by minijinja, always strictly"),
    ("files.download", "limit_rate", "hosts have their own means"),
    ("files.download", "temp_dir", "the file is made beside its place, so that it can take it at once"),
    ("files.download", "extra_curl_args", "which program fetches is the host's business"),
    ("files.download", "extra_wget_args", "which program fetches is the host's business"),
    ("server.modprobe", "force", "a module that the kernel refuses is not forced into it"),
    ("server.reboot", "interval", "ifrit decides how often it looks"),
    ("server.user", "unique", "two accounts of one number are two names for one account"),
    (
        "server.user",
        "password",
        "people come in by their keys; the hash of a password would stand in the plan and in its diff",
    ),
    ("apt.packages", "force", "what apt refuses is for a person to look at"),
    ("pkg.packages", "pkg_path", "repositories are files in /usr/local/etc/pkg/repos"),
    ("apt.key", "keyserver", "a key from a server is trusted unseen; put it into the workspace"),
    ("git.repo", "ssh_keyscan", "a scanned key is trusted unseen; put it into known_hosts by `files.line`"),
    ("runit.service", "managed", "`enabled` is the same here"),
    ("runit.service", "sourcedir", "/etc/sv is where every distribution has them"),
    ("freebsd.service.service", "environment", "rc.conf(5) has a setting for it: `NAME_env`"),
    ("freebsd.service.service", "verbose", "the output is kept anyway"),
    ("freebsd.freebsd_update.update", "force", "what freebsd-update refuses is for a person to look at"),
    ("freebsd.freebsd_update.update", "basedir", "only the running system is managed"),
    ("freebsd.freebsd_update.update", "workdir", "/etc/freebsd-update.conf says it"),
    ("freebsd.freebsd_update.update", "conffile", "/etc/freebsd-update.conf is the one"),
    (
        "freebsd.freebsd_update.update",
        "jail",
        "a jail with a base of its own is a host of its own: declare it",
    ),
    ("freebsd.freebsd_update.update", "key", "/etc/freebsd-update.conf says it"),
    ("freebsd.freebsd_update.update", "currently_running", "only the running system is managed"),
    ("freebsd.freebsd_update.update", "server", "/etc/freebsd-update.conf says it"),
];

/// Operations by their names, each with its arguments.
type Operations = BTreeMap<String, BTreeSet<String>>;

#[derive(Deserialize)]
struct Pyinfra {
    origin: String,
    operations: BTreeMap<String, Vec<String>>,
}

/// Renders docs/reference/operations.md.
pub fn render() -> String {
    let pyinfra: Pyinfra = serde_json::from_str(PYINFRA).expect("invariant: the file is compiled in");
    let ours = operations();
    let mut text = format!(
        "# Operations beside pyinfra's\n\nWhat `deploys/*.star` can call is described in [inventory.md](inventory.md). \
         This page lists every argument that pyinfra's operations of the same families have.\n\n{}\n\n\
         Every operation here also takes `name`, `when` and `handler`.\n\
         Families that are not here: pyinfra's `iptables` (rules are a file: `files.template` for nftables, `pf.file` \
         for pf), and those of other systems, languages and databases: `server.shell` with a guard does what they do.\n",
        pyinfra.origin
    );
    let mut family = "";
    let known: Vec<_> =
        pyinfra.operations.iter().filter(|(name, _)| counterpart(name, &ours).is_some()).collect();
    for (name, theirs) in known {
        let next = name.split('.').next().unwrap_or_default();
        if next != family {
            family = next;
            let _ = write!(text, "\n## {family}\n");
        }
        push_operation(&mut text, name, theirs, &ours);
    }
    push_rest(&mut text, &pyinfra, &ours);
    text
}

fn push_operation(text: &mut String, name: &str, theirs: &[String], ours: &Operations) {
    let Some((our_name, our_arguments)) = counterpart(name, ours) else { return };
    let here = if our_name == name { String::new() } else { format!(" (here `{our_name}`)") };
    let _ = write!(text, "\n### `{name}`{here}\n\n");
    let (has, has_not): (Vec<&str>, Vec<&str>) =
        theirs.iter().map(String::as_str).partition(|argument| our_arguments.contains(*argument));
    if !has.is_empty() {
        let _ = writeln!(text, "- here too: {}", quoted(&has));
    }
    for argument in has_not {
        let why = reason(name, argument).unwrap_or("no reason is known");
        let _ = writeln!(text, "- `{argument}` is not here: {why}");
    }
    let theirs: BTreeSet<&str> = theirs.iter().map(String::as_str).collect();
    let more: Vec<&str> =
        our_arguments.iter().map(String::as_str).filter(|it| !theirs.contains(it)).collect();
    if !more.is_empty() {
        let _ = writeln!(text, "- only here: {}", quoted(&more));
    }
    if theirs.is_empty() && more.is_empty() {
        let _ = writeln!(text, "- no arguments");
    }
}

fn push_rest(text: &mut String, pyinfra: &Pyinfra, ours: &Operations) {
    text.push_str("\n## Not here\n\n");
    for (name, why) in NOT_HERE {
        let _ = writeln!(text, "- `{name}`: {why}");
    }
    let theirs: BTreeSet<&str> =
        pyinfra.operations.keys().filter_map(|name| counterpart(name, ours)).map(|(name, _)| name).collect();
    text.push_str("\n## Only here\n\n");
    for name in ours.keys().filter(|name| !theirs.contains(name.as_str())) {
        let _ = writeln!(text, "- `{name}`");
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Returns our operations and their arguments, but for those that every one has.
fn operations() -> Operations {
    let mut operations = Operations::new();
    for function in control::starlark_functions() {
        // `mode: int | str = None`, `**data`.
        let name =
            |text: &String| text.trim_start_matches('*').split([':', ' ', '=']).next().map(str::to_owned);
        let named = function.declared.iter().filter_map(name).filter(|name| !name.is_empty() && name != "/");
        let mut arguments: BTreeSet<String> = named.collect();
        if COMMON.iter().all(|name| arguments.remove(*name)) {
            operations.insert(function.name, arguments);
        }
    }
    operations
}

fn counterpart<'a>(name: &str, ours: &'a Operations) -> Option<(&'a str, &'a BTreeSet<String>)> {
    let renamed = RENAMED.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    ours.get_key_value(renamed.unwrap_or(name)).map(|(name, arguments)| (name.as_str(), arguments))
}

fn reason(operation: &str, argument: &str) -> Option<&'static str> {
    let is_it = |it: &&(&str, &str, &str)| it.0 == operation && it.1 == argument;
    REASONS.iter().find(is_it).map(|(_, _, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_that_is_not_here_has_its_reason_and_no_reason_is_idle() {
        let pyinfra: Pyinfra = serde_json::from_str(PYINFRA).expect("a file of ours");
        let ours = operations();
        let mut used = BTreeSet::new();
        let mut without = Vec::new();
        for (name, theirs) in &pyinfra.operations {
            let Some((_, arguments)) = counterpart(name, &ours) else {
                if !NOT_HERE.iter().any(|(it, _)| it == name) {
                    without.push(name.clone());
                }
                continue;
            };
            for argument in theirs.iter().filter(|argument| !arguments.contains(*argument)) {
                match reason(name, argument) {
                    Some(why) => drop(used.insert(why)),
                    None => without.push(format!("{name} {argument}")),
                }
            }
        }
        assert_eq!(without, Vec::<String>::new());
        let idle: Vec<_> = REASONS.iter().filter(|(_, _, why)| !used.contains(why)).collect();
        assert!(idle.is_empty(), "{idle:?}");
        let wrong: Vec<_> = NOT_HERE.iter().filter(|(name, _)| ours.contains_key(*name)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
