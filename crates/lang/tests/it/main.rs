//! Tests of the door `lang::load` on whole workspaces.

mod extension;
mod hostile;
mod limits;
mod samples;
mod workspace;

use std::fmt::Write;

use model::{Connection, Inventory, Problem, ServicePackage};

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
    for host in &inventory.hosts {
        let connection = match &host.connection {
            Connection::Local => "local".to_owned(),
            Connection::Ssh { address, port, user, host_keys } => {
                let user = user.as_ref().map_or(String::new(), |user| format!("{user}@"));
                format!("{user}{address} port {port}, {} keys", host_keys.len())
            }
        };
        let tags: Vec<&str> = host.tags.iter().map(|tag| tag.as_str()).collect();
        _ = writeln!(
            text,
            "host {} of {}: {connection}, tags {tags:?}, at {}",
            host.name, host.client, host.place
        );
    }
    for service in &inventory.services {
        let hosts: Vec<&str> = service.hosts.iter().map(|host| host.as_str()).collect();
        let needs: Vec<&str> = service.depends_on.iter().map(|it| it.as_str()).collect();
        let package = service.package.as_ref().map(|ServicePackage::Package(name)| name.as_str());
        _ = writeln!(
            text,
            "service {} of {}: hosts {hosts:?}, port {:?}, package {package:?}, needs {needs:?}, critical {}, at {}",
            service.name, service.client, service.port, service.is_critical, service.place
        );
    }
    text
}
