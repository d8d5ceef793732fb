//! Items of hosts in words: what stands beside their key in a table or in JSON.

use control::{Item, ServiceUse};
use model::{Listener, ObservedService, Transport};

use super::minute;

/// Says in one line what an item says, apart from its key.
pub fn describe(item: &Item) -> String {
    match item {
        Item::Account(it) => format!("uid {}, gid {}, home {}, shell {}", it.uid, it.gid, it.home, it.shell),
        Item::AuthorizedKey(it) => joined(&[&it.algorithm, &it.comment, &it.options]),
        Item::Boot(at) => minute(*at),
        Item::Cron(_) | Item::Privilege(_) => String::new(),
        Item::Group(it) => format!("gid {}, members {}", it.gid, list(&it.members)),
        Item::Jail { path, .. } => path.clone(),
        Item::Listener(it) => listener(it),
        Item::Reboot(it) if it.is_needed => format!("needed: {}", it.why),
        Item::Reboot(_) => "not needed".to_owned(),
        Item::Service(it) => service(it),
        Item::Software(it) => joined(&[&it.version, &it.purl]),
        Item::StaleProcess(it) => format!("pid {}", it.pid),
    }
}

/// Says how a service is.
pub fn service(service: &ObservedService) -> String {
    let running = match service.is_running {
        Some(true) => "running",
        Some(false) => "stopped",
        None => "running?",
    };
    let enabled = match service.is_enabled {
        Some(true) => "enabled",
        Some(false) => "not enabled",
        None => "enabled?",
    };
    format!("{running}, {enabled}")
}

/// Says which services use a package and where they listen: `sshd *:22, shop (critical)`.
pub fn uses(services: &[ServiceUse]) -> String {
    services.iter().map(service_use).collect::<Vec<_>>().join(", ")
}

fn service_use(service: &ServiceUse) -> String {
    let critical = if service.is_critical() { " (critical)" } else { "" };
    let listens: Vec<_> = service.listeners.iter().flatten().map(socket).collect();
    let mut listens: Vec<_> = listens.iter().map(String::as_str).collect();
    listens.sort_unstable();
    listens.dedup();
    let gap = if listens.is_empty() { "" } else { " " };
    format!("{}{critical}{gap}{}", service.name, listens.join(" "))
}

/// Writes a socket as `*:22`, of UDP as `*:53/udp`.
pub fn socket(listener: &Listener) -> String {
    let udp = if listener.transport == Transport::Udp { "/udp" } else { "" };
    if listener.address.is_unspecified() {
        return format!("*:{}{udp}", listener.port);
    }
    format!("{}{udp}", std::net::SocketAddr::new(listener.address, listener.port))
}

/// Says who listens.
pub fn listener(listener: &Listener) -> String {
    match (&listener.process, &listener.package) {
        (Some(process), Some(package)) => format!("{process} of {package}"),
        (Some(process), None) => process.clone(),
        (None, Some(package)) => format!("of {package}"),
        (None, None) => "-".to_owned(),
    }
}

fn list(members: &[String]) -> String {
    if members.is_empty() { "none".to_owned() } else { members.join(" ") }
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).copied().collect();
    parts.join(" ")
}
