//! A host as `ifrit host show --json` prints it.

use std::collections::BTreeMap;

use control::host::HostView;
use control::{manager_word, transport_word};
use model::Observed;
use serde::Serialize;

/// Everything that is known of a host. A list that is `null` is not known.
#[derive(Serialize)]
pub struct HostJson<'a> {
    client: &'a str,
    host: &'a str,
    at: Option<String>,
    jail_of: Option<&'a str>,
    jails: Vec<&'a str>,
    address: Option<&'a str>,
    declared_at: String,
    retired_at: Option<String>,
    os: Option<&'a str>,
    os_version: Option<&'a str>,
    ecosystem: Option<&'a str>,
    release: Option<&'a str>,
    kernel: Option<&'a str>,
    kernel_installed: Option<&'a str>,
    machine: Option<&'a str>,
    booted_at: Option<String>,
    reboot_needed: Option<bool>,
    reboot_why: Option<&'a str>,
    package_count: Option<u64>,
    packages: Option<Vec<Package<'a>>>,
    last_scan: Option<&'a str>,
    last_scan_at: Option<String>,
    problems: Vec<String>,
    not_read_since: BTreeMap<&'a str, String>,
    services: Option<Vec<Service<'a>>>,
    listeners: Option<Vec<Listener<'a>>>,
    accounts: Option<Vec<Account<'a>>>,
    groups: Option<Vec<Group<'a>>>,
    authorized_keys: Option<Vec<Key<'a>>>,
    privileges: Option<Vec<FileLine<'a>>>,
    cron: Option<Vec<FileLine<'a>>>,
    stale_processes: Option<Vec<Stale<'a>>>,
    software: Option<Vec<Software<'a>>>,
}

#[derive(Serialize)]
struct Package<'a> {
    package: &'a str,
    version: &'a str,
    source: &'a str,
    architecture: &'a str,
}

#[derive(Serialize)]
struct Service<'a> {
    manager: &'a str,
    name: &'a str,
    enabled: Option<bool>,
    running: Option<bool>,
}

#[derive(Serialize)]
struct Listener<'a> {
    transport: &'a str,
    address: String,
    port: u16,
    process: Option<&'a str>,
    package: Option<&'a str>,
}

#[derive(Serialize)]
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
    shell: &'a str,
}

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a [String],
}

#[derive(Serialize)]
struct Key<'a> {
    account: &'a str,
    person: Option<&'a str>,
    fingerprint: &'a str,
    algorithm: &'a str,
    comment: &'a str,
    options: &'a str,
}

#[derive(Serialize)]
struct FileLine<'a> {
    file: &'a str,
    line: &'a str,
}

#[derive(Serialize)]
struct Software<'a> {
    kind: &'a str,
    name: &'a str,
    version: &'a str,
    purl: &'a str,
    path: &'a str,
}

#[derive(Serialize)]
struct Stale<'a> {
    process: &'a str,
    pid: u32,
    file: &'a str,
}

/// Makes the JSON of a host.
pub fn json_host(view: &HostView) -> HostJson<'_> {
    let host = &view.snapshot;
    let observed = &host.observed;
    let (os, kernel, look) = (host.os.as_ref(), host.kernel.as_ref(), host.last_collection.as_ref());
    HostJson {
        client: host.client.as_str(),
        host: host.name.as_str(),
        at: view.at.map(|at| at.to_string()),
        jail_of: host.parent.as_ref().map(|it| it.as_str()),
        jails: host.jails.iter().map(|it| it.as_str()).collect(),
        address: host.address.as_ref().map(|it| it.as_str()),
        declared_at: host.declared_at.to_string(),
        retired_at: host.retired_at.map(|at| at.to_string()),
        os: os.map(|os| os.pretty_name.as_str()),
        os_version: os.map(|os| os.version.as_str()),
        ecosystem: host.platform.as_ref().map(|it| it.ecosystem.as_str()),
        release: host.platform.as_ref().map(|it| it.release.as_str()),
        kernel: kernel.map(|it| it.running.as_str()),
        kernel_installed: kernel.and_then(|it| it.installed.as_deref()),
        machine: kernel.map(|it| it.machine.as_str()),
        booted_at: observed.booted_at.map(|at| at.to_string()),
        reboot_needed: observed.reboot.as_ref().map(|need| need.is_needed),
        reboot_why: observed.reboot.as_ref().map(|need| need.why.as_str()),
        package_count: host.package_count,
        packages: packages(view),
        last_scan: look.map(|look| look.outcome.as_str()),
        last_scan_at: look.map(|look| look.finished_at.to_string()),
        problems: look.iter().flat_map(|look| &look.problems).map(ToString::to_string).collect(),
        not_read_since: host.unread.iter().map(|(kind, at)| (kind.as_str(), at.to_string())).collect(),
        services: services(observed),
        listeners: listeners(observed),
        accounts: accounts(observed),
        groups: groups(observed),
        authorized_keys: keys(view),
        privileges: observed
            .privileges
            .as_ref()
            .map(|all| all.iter().map(|it| FileLine { file: &it.file, line: &it.rule }).collect()),
        cron: observed
            .cron
            .as_ref()
            .map(|all| all.iter().map(|it| FileLine { file: &it.file, line: &it.line }).collect()),
        stale_processes: observed.stale_processes.as_ref().map(|all| {
            all.iter().map(|it| Stale { process: &it.process, pid: it.pid, file: &it.file }).collect()
        }),
        software: software(observed),
    }
}

fn packages(view: &HostView) -> Option<Vec<Package<'_>>> {
    let packages = view.packages.as_ref()?.iter().map(|it| Package {
        package: it.package.name.as_str(),
        version: it.package.version.as_str(),
        source: it.package.source.as_str(),
        architecture: it.package.architecture.as_str(),
    });
    Some(packages.collect())
}

fn services(observed: &Observed) -> Option<Vec<Service<'_>>> {
    let services = observed.services.as_ref()?.iter().map(|it| Service {
        manager: manager_word(it.manager),
        name: &it.name,
        enabled: it.is_enabled,
        running: it.is_running,
    });
    Some(services.collect())
}

fn listeners(observed: &Observed) -> Option<Vec<Listener<'_>>> {
    let listeners = observed.listeners.as_ref()?.iter().map(|it| Listener {
        transport: transport_word(it.transport),
        address: it.address.to_string(),
        port: it.port,
        process: it.process.as_deref(),
        package: it.package.as_ref().map(|it| it.as_str()),
    });
    Some(listeners.collect())
}

fn software(observed: &Observed) -> Option<Vec<Software<'_>>> {
    let software = observed.software.as_ref()?.iter().map(|it| Software {
        kind: it.kind.as_str(),
        name: &it.name,
        version: &it.version,
        purl: &it.purl,
        path: &it.path,
    });
    Some(software.collect())
}

fn accounts(observed: &Observed) -> Option<Vec<Account<'_>>> {
    let accounts = observed.accounts.as_ref()?.iter().map(|it| Account {
        name: it.name.as_str(),
        uid: it.uid,
        gid: it.gid,
        home: &it.home,
        shell: &it.shell,
    });
    Some(accounts.collect())
}

fn groups(observed: &Observed) -> Option<Vec<Group<'_>>> {
    let groups = observed.groups.as_ref()?.iter();
    Some(groups.map(|it| Group { name: &it.name, gid: it.gid, members: &it.members }).collect())
}

fn keys(view: &HostView) -> Option<Vec<Key<'_>>> {
    let keys = view.snapshot.observed.authorized_keys.as_ref()?.iter().map(|it| Key {
        account: it.account.as_str(),
        person: view.owners.get(&it.fingerprint).map(|person| person.as_str()),
        fingerprint: &it.fingerprint,
        algorithm: &it.algorithm,
        comment: &it.comment,
        options: &it.options,
    });
    Some(keys.collect())
}
