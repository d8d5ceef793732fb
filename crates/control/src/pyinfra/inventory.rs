//! What pyinfra is told of hosts: our inventory, and for each host the way to it with its pinned keys alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fleet::{AgentChoice, Escalation, Identities, Jump, LoginKeys, Target, TargetConnection};
use model::{Code, DataValue, Host, HostKey, HostName, Place, Problem};
use serde_json::{Map, Value};

use crate::export::{self, Exported, KnownHostsPath};

/// The port of SSH (RFC 4253 §4.1), which known_hosts does not name.
const SSH_PORT: u16 = 22;
/// pyinfra's name for the machine that it runs on.
const LOCAL: &str = "@local";
/// What the exported groups of the inventory's own groups begin with.
const GROUP: &str = "group_";

/// How pyinfra's processes reach hosts.
pub(super) struct Ways<'a> {
    /// The directory that is private to this run.
    pub directory: &'a Path,
    /// The pinned keys of all hosts, in it.
    pub known_hosts: &'a KnownHostsPath,
    /// The keys for hosts that have none of their own.
    pub identities: &'a Identities,
    /// The time for connecting to and authenticating at one host, in seconds.
    pub connect_secs: u64,
}

/// A host as pyinfra knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reachable {
    /// By this name.
    Named(String),
    /// It must not be contacted.
    Refused(Problem),
}

/// Says by which name pyinfra reaches a host, or why it must not.
pub(super) fn reachable(target: &Target) -> Reachable {
    let problem = |code, why: &str| {
        Problem::new(code, Place::Host { host: target.host.clone(), part: String::new() }, why)
    };
    let pinned = match (&target.connection, &target.access.refused) {
        (_, Some(refused)) => return Reachable::Refused(refused.clone()),
        (TargetConnection::Local, None) => return Reachable::Named(LOCAL.to_owned()),
        (TargetConnection::Ssh { .. }, None) => valid(target),
    };
    let is_unpinned = |jump: &&Jump| jump.pinned.iter().all(|key| jump.trust.revoked.contains(key));
    if pinned.is_empty() {
        let hint = format!(
            "`ifrit hosts trust {}` shows its key and pins it; certificates of hosts are unknown to pyinfra",
            target.host
        );
        return Reachable::Refused(
            problem(Code::CollectHostKeyUnknown, "no host key is pinned").with_hint(hint),
        );
    }
    if let Some(jump) = target.access.jumps.iter().find(is_unpinned) {
        let why = format!("no host key is pinned for jump host {}", jump.name.escape_debug());
        return Reachable::Refused(problem(Code::CollectHostKeyUnknown, &why));
    }
    Reachable::Named(target.host.to_string())
}

/// Returns the pinned keys that count.
fn valid(target: &Target) -> Vec<HostKey> {
    let TargetConnection::Ssh { pinned, .. } = &target.connection else { return Vec::new() };
    pinned.iter().filter(|key| !target.access.trust.revoked.contains(key)).cloned().collect()
}

/// Puts the ways as they are found for ifrit itself into what is exported.
pub(super) fn with_ways(exported: &mut Exported, targets: &[Target]) {
    let targets: BTreeMap<&HostName, &Target> = targets.iter().map(|target| (&target.host, target)).collect();
    for host in &mut exported.hosts {
        let Some(target) = targets.get(&host.name) else { continue };
        host.connection = target.connection.clone();
        if let TargetConnection::Ssh { pinned, .. } = &mut host.connection {
            *pinned = valid(target);
        }
    }
}

/// Writes known_hosts: the keys of hosts, and of hosts on the way to them.
pub(super) fn known_hosts(exported: &Exported, targets: &[Target]) -> String {
    let mut text = export::known_hosts(exported);
    let mut lines = BTreeSet::new();
    for jump in targets.iter().flat_map(|target| &target.access.jumps) {
        let address = jump.address.as_str();
        let name =
            if jump.port == SSH_PORT { address.to_owned() } else { format!("[{address}]:{}", jump.port) };
        let keys = jump.pinned.iter().filter(|key| !jump.trust.revoked.contains(key));
        lines.extend(keys.map(|key| format!("{name} {key}\n")));
    }
    text.extend(lines);
    text
}

/// Writes the inventory: what `ifrit inventory --pyinfra` prints, the data of hosts, and what is true for this run
/// alone. `hosts` and `targets` are about the same hosts in the same order.
pub(super) fn render(exported: &Exported, hosts: &[&Host], targets: &[Target], ways: &Ways<'_>) -> String {
    let mut text = export::pyinfra(exported, Some(ways.known_hosts));
    let more: Map<String, Value> = hosts
        .iter()
        .zip(targets)
        .enumerate()
        .map(|(number, (host, target))| {
            let mut data = data_of(host);
            let name = match target.connection {
                TargetConnection::Local => LOCAL.to_owned(),
                TargetConnection::Ssh { .. } => {
                    data.extend(more(number, target, ways));
                    target.host.to_string()
                }
            };
            (name, Value::Object(data))
        })
        .collect();
    text.push_str("\nimport json as _json\n");
    text.push_str(&format!("_more = _json.loads({})\n", python(&Value::Object(more).to_string())));
    text.push_str("for _name, _data in all:\n    _data.update(_more.get(_name, {}))\n");
    for (word, group) in exported.groups.keys().filter_map(|group| Some((group.strip_prefix(GROUP)?, group)))
    {
        // Deploys that were written for another inventory know the group by its own name.
        text.push_str(&format!("globals().setdefault({}, {group})\n", python(word)));
    }
    text
}

/// Returns what the inventory says of a host for deploys. How a host is reached is decided elsewhere.
fn data_of(host: &Host) -> Map<String, Value> {
    let is_own = |key: &str| key.starts_with("ssh_") || key.starts_with("ifrit_");
    let data = host.data.iter().filter(|(key, _)| !is_own(key));
    data.map(|(key, value)| (key.clone(), json(value))).collect()
}

fn json(value: &DataValue) -> Value {
    match value {
        DataValue::None => Value::Null,
        DataValue::Bool(value) => (*value).into(),
        DataValue::Int(value) => (*value).into(),
        DataValue::Text(value) => value.as_str().into(),
        DataValue::List(values) => values.iter().map(json).collect(),
        DataValue::Map(values) => {
            Value::Object(values.iter().map(|(key, value)| (key.clone(), json(value))).collect())
        }
    }
}

/// Returns what pyinfra must know of a host beside its address.
fn more(number: usize, target: &Target, ways: &Ways<'_>) -> Map<String, Value> {
    let login = &target.access.login;
    let (key_files, agent) = keys(login, ways.identities);
    let seconds = ways.connect_secs;
    let connect = serde_json::json!({
        "key_filename": key_files,
        "allow_agent": agent,
        "look_for_keys": false,
        "timeout": seconds,
        "banner_timeout": seconds,
        "auth_timeout": seconds,
    });
    let mut data = Map::new();
    // The person's own configuration says nothing here: ifrit has read it.
    data.insert("ssh_config_file".to_owned(), config_path(ways.directory, number).into());
    data.insert("ssh_paramiko_connect_kwargs".to_owned(), connect);
    let is_root = matches!(&target.connection, TargetConnection::Ssh { user, .. } if user.as_str() == "root");
    let escalation = match target.access.escalation {
        _ if is_root => None,
        Escalation::None => None,
        Escalation::Sudo => Some("_sudo"),
        Escalation::Doas => Some("_doas"),
    };
    if let Some(word) = escalation {
        data.insert(word.to_owned(), true.into());
    }
    data
}

/// Returns the key files that are there, and whether the agent is asked.
fn keys(login: &LoginKeys, identities: &Identities) -> (Vec<String>, bool) {
    let files = if login.key_files.is_empty() { &identities.key_files } else { &login.key_files };
    let files = files.iter().filter(|path| path.is_file()).map(|path| path.display().to_string());
    let has_agent = match login.agent {
        AgentChoice::Usual => identities.agent_socket.is_some(),
        // A socket of its own would have to be in the environment, which all hosts share.
        AgentChoice::Off | AgentChoice::Socket(_) => false,
    };
    (files.collect(), has_agent && !login.is_limited)
}

/// Returns where the SSH configuration of a host lies.
pub(super) fn config_path(directory: &Path, number: usize) -> String {
    directory.join(format!("ssh_config-{number}")).display().to_string()
}

/// Writes the SSH configuration of a host: nothing but the hosts to go through.
pub(super) fn ssh_config(target: &Target, known_hosts: &Path, identities: &Identities) -> String {
    let TargetConnection::Ssh { address, .. } = &target.connection else { return String::new() };
    let mut text = String::new();
    let spec = |jump: &Jump| format!("{}@{}:{}", jump.user, jump.address, jump.port);
    for jump in &target.access.jumps {
        text.push_str(&format!(
            "Host {}\n  StrictHostKeyChecking yes\n  UserKnownHostsFile {}\n",
            jump.address,
            known_hosts.display()
        ));
        for file in keys(&jump.login, identities).0 {
            text.push_str(&format!("  IdentityFile {file}\n"));
        }
    }
    if !target.access.jumps.is_empty() {
        let specs: Vec<String> = target.access.jumps.iter().map(spec).collect();
        text.push_str(&format!("Host {address}\n  ProxyJump {}\n", specs.join(",")));
    }
    text
}

/// Writes a Python string. What JSON escapes, Python reads alike.
fn python(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use fleet::{Access, Trust};
    use model::{Address, UserName};

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn target(pinned: &[&str], access: Access) -> Target {
        Target {
            host: HostName::new("web-1").expect("a name"),
            connection: TargetConnection::Ssh {
                address: Address::new("192.0.2.1"),
                port: 22,
                user: UserName::new("ops"),
                pinned: pinned.iter().map(|key| HostKey::new(*key)).collect(),
            },
            access,
        }
    }

    fn jump(pinned: &[&str]) -> Jump {
        Jump {
            name: "bastion".to_owned(),
            address: Address::new("192.0.2.9"),
            port: 2222,
            user: UserName::new("hop"),
            pinned: pinned.iter().map(|key| HostKey::new(*key)).collect(),
            trust: Trust::default(),
            login: LoginKeys::default(),
        }
    }

    #[test]
    fn only_hosts_whose_way_is_pinned_are_contacted() {
        let check = |target: &Target, expected: bool| {
            assert_eq!(matches!(reachable(target), Reachable::Named(_)), expected, "{target:?}");
        };
        let through = |jump: Jump| Access { jumps: vec![jump], ..Access::default() };
        let revoked = Trust { revoked: vec![HostKey::new(KEY)], ..Trust::default() };
        check(&target(&[KEY], Access::default()), true);
        check(&target(&[], Access::default()), false);
        check(&target(&[KEY], Access { trust: revoked, ..Access::default() }), false);
        check(&target(&[KEY], through(jump(&[KEY]))), true);
        check(&target(&[KEY], through(jump(&[]))), false);
    }

    #[test]
    fn hosts_on_the_way_are_checked_as_strictly() {
        let target = target(&[KEY], Access { jumps: vec![jump(&[KEY])], ..Access::default() });
        let identities = Identities { agent_socket: None, key_files: vec![PathBuf::from("/absent")] };
        let config = ssh_config(&target, Path::new("/private/known_hosts"), &identities);
        let expected = "Host 192.0.2.9\n  StrictHostKeyChecking yes\n  UserKnownHostsFile /private/known_hosts\n\
                        Host 192.0.2.1\n  ProxyJump hop@192.0.2.9:2222\n";
        assert_eq!(config, expected);
        let exported = Exported { hosts: Vec::new(), groups: BTreeMap::new(), problems: Vec::new() };
        let known = known_hosts(&exported, std::slice::from_ref(&target));
        assert!(known.ends_with(&format!("\n[192.0.2.9]:2222 {KEY}\n")), "{known}");
    }
}
