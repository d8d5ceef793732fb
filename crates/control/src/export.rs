//! `ifrit inventory`: what ifrit knows of hosts, for the tools that people run beside it. Host keys
//! go along, so that those tools need not trust a host on first sight.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use fleet::TargetConnection;
use model::selector::Selector;
use model::{
    ClientName, Code, GroupName, Host, HostKey, HostName, Inventory, Place, Platform, Problem, ServiceName,
    SiteName, Tag,
};
use serde_json::{Map, Value, json};
use store::ClientScope;
use thiserror::Error;

use crate::error::Error;
use crate::scan::targets;
use crate::session::Session;

/// The first line of a known_hosts file that ifrit wrote and may replace.
const KNOWN_HOSTS_HEAD: &str = "# Written by `ifrit inventory`, which replaces it as a whole.";

/// The port of SSH (RFC 4253 §4.1), which known_hosts does not name.
const SSH_PORT: u16 = 22;

/// The most bytes that are read of a file to see whether ifrit wrote it.
const HEAD_BYTES_MAX: u64 = 256;

/// Hosts as other tools are told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The hosts, in inventory order.
    pub hosts: Vec<ExportedHost>,
    /// Groups by the name that Ansible and Python allow: `client_acme`, `os_alpine_3_20`.
    pub groups: BTreeMap<String, Vec<HostName>>,
    /// What the person should know.
    pub problems: Vec<Problem>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedHost {
    /// Its name.
    pub name: HostName,
    /// Its client.
    pub client: ClientName,
    /// How it is reached; `pinned` are the keys that it may show.
    pub connection: TargetConnection,
    /// What it was last seen to run.
    pub platform: Option<Platform>,
    /// Where it stands.
    pub site: Option<SiteName>,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
    /// The groups that it is in, sorted.
    pub groups: Vec<GroupName>,
    /// The services that it runs, sorted.
    pub services: Vec<ServiceName>,
}

/// Where the host keys lie for the tool that reads the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHostsPath(String);

/// A path that cannot be named in the options of ssh.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} cannot be named in ssh's options: expected an absolute path of letters, digits and `/ . _ - + @ , :`", path.display())]
pub struct UnsafePath {
    /// The path.
    pub path: PathBuf,
}

impl KnownHostsPath {
    /// Checks that the path means the same to ssh, a shell and a template: nothing in it is expanded.
    ///
    /// # Errors
    /// [`UnsafePath`] where it is relative or holds a character with a meaning to one of them.
    pub fn new(path: &Path) -> Result<Self, UnsafePath> {
        let is_safe = |character: char| character.is_alphanumeric() || "/._-+@,:".contains(character);
        let text = path.to_str().filter(|text| path.is_absolute() && text.chars().all(is_safe));
        text.map(|text| Self(text.to_owned())).ok_or_else(|| UnsafePath { path: path.to_owned() })
    }
}

/// Joins the selected hosts with what is known of them.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`] where the database fails.
pub async fn export(session: &Session, selector: &Selector) -> Result<Exported, Error> {
    let selected = session.select(selector).await?;
    let targets = targets(session, &selected).await?;
    let records = session.store.hosts(&ClientScope::All).await?;
    let mut platforms: BTreeMap<_, _> =
        records.into_iter().filter_map(|record| Some((record.name, record.platform?))).collect();
    let inventory = &session.workspace.inventory;
    let mut hosts = Vec::with_capacity(selected.len());
    let memberships = Memberships::new(inventory);
    for (host, target) in selected.into_iter().zip(targets) {
        let platform = platforms.remove(&host.name);
        hosts.push(exported_host(host, target.connection, platform, &memberships));
    }
    let mut problems: Vec<Problem> = hosts.iter().filter_map(unpinned).collect();
    let groups = groups(&hosts, &mut problems);
    Ok(Exported { hosts, groups, problems })
}

/// Which services and groups hold a host.
struct Memberships<'i> {
    services: BTreeMap<&'i HostName, Vec<ServiceName>>,
    groups: BTreeMap<&'i HostName, Vec<GroupName>>,
}

impl<'i> Memberships<'i> {
    fn new(inventory: &'i Inventory) -> Self {
        let mut all = Self { services: BTreeMap::new(), groups: BTreeMap::new() };
        for service in &inventory.services {
            for host in &service.hosts {
                all.services.entry(host).or_default().push(service.name.clone());
            }
        }
        for group in &inventory.groups {
            for host in &group.hosts {
                all.groups.entry(host).or_default().push(group.name.clone());
            }
        }
        all
    }
}

fn exported_host(
    host: &Host,
    connection: TargetConnection,
    platform: Option<Platform>,
    memberships: &Memberships<'_>,
) -> ExportedHost {
    ExportedHost {
        name: host.name.clone(),
        client: host.client.clone(),
        connection,
        platform,
        site: host.site.clone(),
        tags: host.tags.clone(),
        groups: memberships.groups.get(&host.name).cloned().unwrap_or_default(),
        services: memberships.services.get(&host.name).cloned().unwrap_or_default(),
    }
}

fn unpinned(host: &ExportedHost) -> Option<Problem> {
    let TargetConnection::Ssh { pinned, .. } = &host.connection else { return None };
    pinned.is_empty().then(|| {
        let place = Place::Host { host: host.name.clone(), part: String::new() };
        let hint = format!("`ifrit hosts trust {}` shows its key and pins it", host.name);
        Problem::new(Code::ExportNoHostKey, place, "no host key is pinned").with_hint(hint)
    })
}

/// Builds the groups. Two words that only a `-` or `.` tells apart must not become one group: tenants
/// would mix.
fn groups(hosts: &[ExportedHost], problems: &mut Vec<Problem>) -> BTreeMap<String, Vec<HostName>> {
    let mut members: BTreeMap<(&str, String), Vec<HostName>> = BTreeMap::new();
    for host in hosts {
        let mut words = vec![("client", host.client.to_string())];
        words.extend(host.site.iter().map(|site| ("site", site.to_string())));
        words.extend(host.tags.iter().map(|tag| ("tag", tag.to_string())));
        words.extend(host.groups.iter().map(|group| ("group", group.to_string())));
        words.extend(host.services.iter().map(|service| ("service", service.to_string())));
        if let Some(Platform { ecosystem, release }) = &host.platform {
            words.extend([("os", ecosystem.to_string()), ("os", format!("{ecosystem}_{release}"))]);
        }
        for word in words.into_iter().collect::<BTreeSet<_>>() {
            members.entry(word).or_default().push(host.name.clone());
        }
    }
    let mut groups = BTreeMap::new();
    for ((kind, word), members) in members {
        let plain =
            format!("{kind}_{}", word.replace(|character: char| !character.is_ascii_alphanumeric(), "_"));
        let mut name = plain.clone();
        let mut number = 1;
        while groups.contains_key(&name) {
            number += 1;
            name = format!("{plain}_{number}");
        }
        if name != plain {
            let message =
                format!("{kind} `{word}` is group `{name}` here: another {kind} has the name `{plain}`");
            problems.push(Problem::new(Code::ExportNameChanged, Place::Nowhere, message));
        }
        groups.insert(name, members);
    }
    groups
}

/// Renders what an Ansible inventory script answers to `--list`
/// (<https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html>).
pub fn ansible(exported: &Exported, known_hosts: Option<&KnownHostsPath>) -> String {
    let variables: Map<String, Value> = exported
        .hosts
        .iter()
        .map(|host| (host.name.to_string(), ansible_variables(host, known_hosts)))
        .collect();
    let mut document = Map::new();
    document.insert("_meta".to_owned(), json!({ "hostvars": variables }));
    let names: Vec<&str> = exported.groups.keys().map(String::as_str).collect();
    let hosts: Vec<&str> = exported.hosts.iter().map(|host| host.name.as_str()).collect();
    document.insert("all".to_owned(), json!({ "hosts": hosts, "children": names }));
    for (group, hosts) in &exported.groups {
        let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
        document.insert(group.clone(), json!({ "hosts": hosts }));
    }
    format!("{:#}\n", Value::Object(document))
}

fn ansible_variables(host: &ExportedHost, known_hosts: Option<&KnownHostsPath>) -> Value {
    let words = |words: &mut dyn Iterator<Item = String>| Value::from(words.collect::<Vec<_>>());
    let mut variables = Map::new();
    let mut set = |key: &str, value: Value| variables.insert(key.to_owned(), value);
    set("ifrit_client", host.client.as_str().into());
    set("ifrit_tags", words(&mut host.tags.iter().map(ToString::to_string)));
    set("ifrit_services", words(&mut host.services.iter().map(ToString::to_string)));
    if let Some(site) = &host.site {
        set("ifrit_site", site.as_str().into());
    }
    match &host.connection {
        TargetConnection::Local => {
            set("ansible_connection", "local".into());
        }
        TargetConnection::Ssh { address, port, user, pinned } => {
            set("ansible_host", address.as_str().into());
            set("ansible_port", (*port).into());
            set("ansible_user", user.as_str().into());
            set("ifrit_host_keys", words(&mut pinned.iter().map(ToString::to_string)));
            if let Some(KnownHostsPath(path)) = known_hosts {
                let arguments = format!(
                    "-o UserKnownHostsFile={path} -o GlobalKnownHostsFile=/dev/null \
                     -o StrictHostKeyChecking=yes -o UpdateHostKeys=no"
                );
                set("ansible_ssh_common_args", arguments.into());
            }
        }
    }
    Value::Object(variables)
}

/// Renders an inventory file of pyinfra 3: a Python module with lists.
pub fn pyinfra(exported: &Exported, known_hosts: Option<&KnownHostsPath>) -> String {
    let mut text = String::from("# Written by `ifrit inventory --pyinfra`.\n\nall = [\n");
    let names: BTreeMap<&HostName, &str> =
        exported.hosts.iter().map(|host| (&host.name, pyinfra_name(host))).collect();
    for host in &exported.hosts {
        let data = pyinfra_data(host, known_hosts);
        text.push_str(&format!("    ({}, {{\n", python(pyinfra_name(host))));
        for (key, value) in data {
            text.push_str(&format!("        {}: {value},\n", python(key)));
        }
        text.push_str("    }),\n");
    }
    text.push_str("]\n");
    for (group, hosts) in &exported.groups {
        let members: Vec<String> =
            hosts.iter().filter_map(|host| names.get(host)).map(|name| python(name)).collect();
        text.push_str(&format!("{group} = [{}]\n", members.join(", ")));
    }
    text
}

/// pyinfra's name for the machine it runs on.
fn pyinfra_name(host: &ExportedHost) -> &str {
    match host.connection {
        TargetConnection::Local => "@local",
        TargetConnection::Ssh { .. } => host.name.as_str(),
    }
}

fn pyinfra_data(host: &ExportedHost, known_hosts: Option<&KnownHostsPath>) -> Vec<(&'static str, String)> {
    let list = |words: Vec<String>| {
        format!("[{}]", words.iter().map(|word| python(word)).collect::<Vec<_>>().join(", "))
    };
    let mut data = Vec::new();
    if let TargetConnection::Ssh { address, port, user, .. } = &host.connection {
        data.push(("ssh_hostname", python(address.as_str())));
        data.push(("ssh_port", port.to_string()));
        data.push(("ssh_user", python(user.as_str())));
        // pyinfra's default takes any key on first sight.
        data.push(("ssh_strict_host_key_checking", python("yes")));
        if let Some(KnownHostsPath(path)) = known_hosts {
            data.push(("ssh_known_hosts_file", python(path)));
        }
    }
    data.push(("ifrit_client", python(host.client.as_str())));
    data.push(("ifrit_tags", list(host.tags.iter().map(ToString::to_string).collect())));
    data.push(("ifrit_services", list(host.services.iter().map(ToString::to_string).collect())));
    data
}

/// Writes a Python string. What JSON escapes, Python reads alike.
fn python(text: &str) -> String {
    Value::from(text).to_string()
}

/// Renders the pinned keys as known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
pub fn known_hosts(exported: &Exported) -> String {
    let mut lines = BTreeSet::new();
    for host in &exported.hosts {
        if let TargetConnection::Ssh { address, port, pinned, .. } = &host.connection {
            // ssh looks names up in lower case.
            let address = address.as_str().to_ascii_lowercase();
            let pattern = if *port == SSH_PORT { address } else { format!("[{address}]:{port}") };
            lines.extend(pinned.iter().map(|key: &HostKey| format!("{pattern} {key}\n")));
        }
    }
    let lines: String = lines.into_iter().collect();
    format!("{KNOWN_HOSTS_HEAD}\n{lines}")
}

/// Writes a known_hosts file as a whole. Replaces only what ifrit wrote itself, never a person's own.
///
/// # Errors
/// [`Error::AlreadyThere`] where another file has the name; [`Error::Write`] where the disk refuses.
pub fn write_known_hosts(path: &KnownHostsPath, exported: &Exported) -> Result<(), Error> {
    let path = Path::new(&path.0);
    if path.symlink_metadata().is_ok() && !is_ours(path) {
        return Err(Error::AlreadyThere { path: path.to_owned() });
    }
    let failed = |source| Error::Write { path: path.to_owned(), source };
    // Beside its place, so that whoever reads it meanwhile sees the old file or the new one.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let mut file = fs::File::create_new(&beside).map_err(failed)?;
    let written = file.write_all(known_hosts(exported).as_bytes()).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        // It is of no use to anybody; the error that counts is the first one.
        let _ = fs::remove_file(&beside);
    }
    renamed.map_err(failed)
}

fn is_ours(path: &Path) -> bool {
    use std::io::Read as _;
    let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    let mut head = String::new();
    let read = is_file
        && fs::File::open(path).and_then(|file| file.take(HEAD_BYTES_MAX).read_to_string(&mut head)).is_ok();
    read && head.starts_with(KNOWN_HOSTS_HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Address, UserName};

    fn host(name: &str, client: &str, port: u16, tags: &[&str]) -> ExportedHost {
        ExportedHost {
            name: HostName::new(name).expect(name),
            client: ClientName::new(client).expect(client),
            connection: TargetConnection::Ssh {
                address: Address::new("Web.example"),
                port,
                user: UserName::new("ops"),
                pinned: vec![HostKey::new("ssh-ed25519 AAAA")],
            },
            platform: Platform::parse("alpine:3.20").ok(),
            site: None,
            tags: tags.iter().map(|tag| Tag::new(tag).expect(tag)).collect(),
            groups: Vec::new(),
            services: Vec::new(),
        }
    }

    fn exported(hosts: Vec<ExportedHost>) -> Exported {
        let mut problems = Vec::new();
        let groups = groups(&hosts, &mut problems);
        Exported { hosts, groups, problems }
    }

    #[test]
    fn clients_with_alike_names_stay_apart() {
        let exported = exported(vec![host("a", "acme.x", 22, &[]), host("b", "acme-x", 22, &["edge"])]);
        let members =
            |group: &str| exported.groups[group].iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(members("client_acme_x"), ["b"]);
        assert_eq!(members("client_acme_x_2"), ["a"]);
        assert_eq!(members("os_alpine_3_20"), ["a", "b"]);
        assert_eq!(members("tag_edge"), ["b"]);
        assert_eq!(exported.problems.len(), 1);
    }

    #[test]
    fn known_hosts_names_ports_and_lower_case() {
        let text = known_hosts(&exported(vec![host("a", "acme", 22, &[]), host("b", "acme", 2222, &[])]));
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines, ["[web.example]:2222 ssh-ed25519 AAAA", "web.example ssh-ed25519 AAAA"]);
    }

    #[test]
    fn a_known_hosts_file_of_a_person_is_never_replaced() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("known_hosts");
        let known = KnownHostsPath::new(&path).expect("a safe path");
        let exported = exported(vec![host("a", "acme", 22, &[])]);
        write_known_hosts(&known, &exported).expect("new");
        write_known_hosts(&known, &exported).expect("our own");
        fs::write(&path, "github.com ssh-ed25519 AAAA\n").expect("a person's");
        let error = write_known_hosts(&known, &exported).expect_err("must refuse");
        assert!(matches!(error, Error::AlreadyThere { .. }), "{error}");
        assert_eq!(fs::read_dir(directory.path()).expect("directory").count(), 1);
    }

    #[test]
    fn paths_with_a_meaning_to_others_are_refused() {
        for bad in ["known_hosts", "/a b", "/a;b", "/a%h", "/{{x}}", "/~", "/a'b", "/a\"b", "/a\\b", "/$x"] {
            assert!(KnownHostsPath::new(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(KnownHostsPath::new(Path::new("/var/lib/ifrit/known_hosts-2")).is_ok());
    }
}
