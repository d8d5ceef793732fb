//! `ifrit inventory`.

use std::path;

use control::OnFaultyWorkspace;
use control::export::{self, Exported, ExportedHost, KnownHostsPath, TargetConnection};
use serde::Serialize;

use super::{count, open, selector};
use crate::arguments::{GlobalArguments, InventoryArguments};
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::Printer;

/// A host as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    client: &'a str,
    host: &'a str,
    local: bool,
    address: Option<&'a str>,
    port: Option<u16>,
    user: Option<&'a str>,
    host_keys: Vec<&'a str>,
    ecosystem: Option<&'a str>,
    release: Option<&'a str>,
    site: Option<&'a str>,
    tags: Vec<&'a str>,
    groups: Vec<&'a str>,
    services: Vec<&'a str>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &InventoryArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    if arguments.host.is_some() {
        printer.data("{}");
        return Ok(Exit::Nothing);
    }
    let selector = selector(&arguments.selector)?;
    let known_hosts = known_hosts(arguments)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let exported = export::export(&session, &selector).await;
    session.close().await;
    let exported = exported?;
    if let Some(path) = &known_hosts {
        export::write_known_hosts(path, &exported)?;
    }
    for problem in &exported.problems {
        printer.problem(problem);
    }
    if arguments.ansible {
        printer.text(&export::ansible(&exported, known_hosts.as_ref()));
    } else if arguments.pyinfra {
        printer.text(&export::pyinfra(&exported, known_hosts.as_ref()));
    } else {
        exported.hosts.iter().try_for_each(|host| printer.json(&row(host)))?;
    }
    hint(&exported, arguments, printer);
    Ok(Exit::Nothing)
}

fn known_hosts(arguments: &InventoryArguments) -> anyhow::Result<Option<KnownHostsPath>> {
    let Some(given) = &arguments.known_hosts else { return Ok(None) };
    let path = path::absolute(given).map_err(|_| UsageError("--known-hosts needs a path".to_owned()))?;
    let path = KnownHostsPath::new(&path).map_err(|error| UsageError(format!("--known-hosts: {error}")))?;
    Ok(Some(path))
}

fn hint(exported: &Exported, arguments: &InventoryArguments, printer: &mut Printer) {
    printer.say(count(exported.hosts.len(), "host"));
    if arguments.known_hosts.is_none() && !arguments.json {
        printer.say("without --known-hosts FILE the pinned host keys are not enforced by the other tool");
    }
}

fn row(host: &ExportedHost) -> Row<'_> {
    let (address, port, user, host_keys) = match &host.connection {
        TargetConnection::Local => (None, None, None, Vec::new()),
        TargetConnection::Ssh { address, port, user, pinned } => {
            let keys = pinned.iter().map(|key| key.as_str()).collect();
            (Some(address.as_str()), Some(*port), Some(user.as_str()), keys)
        }
    };
    Row {
        client: host.client.as_str(),
        host: host.name.as_str(),
        local: host.connection == TargetConnection::Local,
        address,
        port,
        user,
        host_keys,
        ecosystem: host.platform.as_ref().map(|it| it.ecosystem.as_str()),
        release: host.platform.as_ref().map(|it| it.release.as_str()),
        site: host.site.as_ref().map(|it| it.as_str()),
        tags: host.tags.iter().map(|it| it.as_str()).collect(),
        groups: host.groups.iter().map(|it| it.as_str()).collect(),
        services: host.services.iter().map(|it| it.as_str()).collect(),
    }
}
