//! Tests of the door `lang::load` on whole workspaces.

mod data;
mod extension;
mod guide;
mod hostile;
mod limits;
mod samples;
mod workspace;

use std::fmt::Write;

use model::{Connection, Host, Inventory, Problem, Service, ServicePackage};

/// Renders problems as people see them, with hints below.
fn render(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |mut text, problem| {
        _ = writeln!(text, "{problem}");
        if let Some(hint) = &problem.hint {
            _ = writeln!(text, "    hint: {hint}");
        }
        text
    })
}

/// Renders what is declared, one line each.
fn render_inventory(inventory: &Inventory) -> String {
    let mut text = String::new();
    for client in &inventory.clients {
        _ = writeln!(text, "client {} \"{}\" at {}", client.name, client.title, client.place);
    }
    for it in &inventory.people {
        let access: Vec<String> = it
            .access
            .iter()
            .map(|it| format!("{} of {}", it.role.as_str(), it.client.as_ref().map_or("*", |it| it.as_str())))
            .collect();
        let (email, keys) = (it.email.as_ref().map(|it| it.as_str()), it.keys.len());
        _ = writeln!(text, "person {}: {email:?}, {keys} keys, may be {access:?}, at {}", it.name, it.place);
    }
    for it in &inventory.sites {
        let location = it.location.as_deref().unwrap_or("-");
        _ = writeln!(
            text,
            "site {} of {}: \"{}\", {location}, at {}",
            it.name, it.client, it.title, it.place
        );
    }
    for it in &inventory.networks {
        let client = it.client.as_ref().map_or("-", |it| it.as_str());
        let site = it.site.as_ref().map_or("-", |it| it.as_str());
        let (prefix, vlan) = (it.prefix, it.vlan);
        _ = writeln!(
            text,
            "network {} of {client}: {prefix}, vlan {vlan:?}, site {site}, at {}",
            it.name, it.place
        );
    }
    for it in &inventory.groups {
        let hosts: Vec<&str> = it.hosts.iter().map(|host| host.as_str()).collect();
        let client = it.client.as_ref().map_or("-", |it| it.as_str());
        _ = writeln!(text, "group {} of {client}: {hosts:?}, at {}", it.name, it.place);
    }
    inventory.hosts.iter().for_each(|host| render_host(host, &mut text));
    for it in &inventory.links {
        let end = |end: &model::LinkEnd| match &end.interface {
            Some(interface) => format!("{} {interface}", end.host),
            None => end.host.to_string(),
        };
        _ = writeln!(text, "link {} - {} at {}", end(&it.a), end(&it.b), it.place);
    }
    inventory.services.iter().for_each(|service| render_service(service, &mut text));
    for it in &inventory.exceptions {
        _ = writeln!(
            text,
            "exception of {} on `{}` by {} until {}: {}, at {}",
            it.vulnerability, it.hosts, it.owner, it.until, it.reason, it.place
        );
    }
    text
}

fn render_host(host: &Host, text: &mut String) {
    let connection = match &host.connection {
        Connection::Local => "local".to_owned(),
        Connection::Ssh { address, port, user, host_keys } => {
            let user = user.as_ref().map_or(String::new(), |user| format!("{user}@"));
            format!("{user}{address} port {port}, {} keys", host_keys.len())
        }
    };
    let tags: Vec<&str> = host.tags.iter().map(|tag| tag.as_str()).collect();
    let site = host.site.as_ref().map_or("-", |it| it.as_str());
    let os = host.os.map_or("-", |it| it.as_str());
    let (name, client, place) = (&host.name, &host.client, &host.place);
    _ = writeln!(
        text,
        "host {name} of {client}: {connection}, site {site}, os {os}, tags {tags:?}, at {place}"
    );
    for it in &host.interfaces {
        let addresses: Vec<String> = it.addresses.iter().map(ToString::to_string).collect();
        let mac = it.mac.map_or("-".to_owned(), |it| it.to_string());
        let network = it.network.as_ref().map_or("-", |it| it.as_str());
        _ = writeln!(text, "    {}: {addresses:?}, mac {mac}, network {network}, at {}", it.name, it.place);
    }
    for (key, value) in &host.data {
        _ = writeln!(text, "    data {key}: {value:?}");
    }
}

fn render_service(service: &Service, text: &mut String) {
    let hosts: Vec<&str> = service.hosts.iter().map(|host| host.as_str()).collect();
    let needs: Vec<&str> = service.depends_on.iter().map(|it| it.as_str()).collect();
    let runs = match &service.package {
        None => "-".to_owned(),
        Some(ServicePackage::Package(name)) => format!("package {name}"),
        Some(ServicePackage::VersionCommand(command)) => format!("{command:?}"),
    };
    let owner = service.owner.as_ref().map_or("-", |it| it.as_str());
    let (name, client, port, place) = (&service.name, &service.client, service.port, &service.place);
    _ = writeln!(
        text,
        "service {name} of {client}: hosts {hosts:?}, port {port:?}, runs {runs}, paths {:?}, needs {needs:?}, owner {owner}, critical {}, at {place}",
        service.paths, service.is_critical
    );
}
