//! `ifrit hosts`.

use control::{CollectionOutcome, HostRecord, OnFaultyWorkspace};
use serde::Serialize;

use super::{count, open, selector, trust};
use crate::arguments::{GlobalArguments, HostsArguments, HostsVerb};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// A host as `--json` prints it.
#[derive(Serialize)]
struct HostRow<'a> {
    client: &'a str,
    host: &'a str,
    jail_of: Option<&'a str>,
    address: Option<&'a str>,
    os: Option<&'a str>,
    ecosystem: Option<&'a str>,
    release: Option<&'a str>,
    kernel: Option<&'a str>,
    packages: Option<u64>,
    packages_at: Option<String>,
    last_scan_at: Option<String>,
    last_scan: &'a str,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &HostsArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    if let Some(HostsVerb::Trust(arguments)) = &arguments.verb {
        return trust::run(global, arguments, printer).await;
    }
    let selector = selector(&arguments.selection.selector)?;
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    for problem in &session.workspace.problems {
        printer.problem(problem);
    }
    let hosts = control::hosts::list(&session, &selector).await?;
    session.close().await;
    if arguments.selection.json {
        for host in &hosts {
            printer.json(&row(host))?;
        }
    } else {
        let titles = ["client", "host", "address", "os", "kernel", "packages", "last scan"];
        printer.table(&titles, hosts.iter().map(cells).collect());
        printer.say(count(hosts.len(), "host"));
    }
    Ok(Exit::Nothing)
}

fn cells(host: &HostRecord) -> Vec<comfy_table::Cell> {
    let or_dash = |text: Option<String>| cell(text.unwrap_or_else(|| "-".to_owned()));
    let last_scan = host.last_collection.as_ref().map(|last| {
        let at = last.finished_at.strftime("%Y-%m-%d %H:%MZ");
        format!("{} {at}", outcome(Some(last.outcome)))
    });
    vec![
        cell(&host.client),
        cell(&host.name),
        cell(match (&host.address, &host.parent) {
            (Some(address), _) => address.to_string(),
            (None, Some(parent)) => format!("jail of {parent}"),
            (None, None) => "local".to_owned(),
        }),
        or_dash(host.os.as_ref().map(|os| os.pretty_name.clone())),
        or_dash(host.kernel.as_ref().map(|kernel| kernel.running.clone())),
        or_dash(host.package_count.map(|count| count.to_string())),
        cell(last_scan.unwrap_or_else(|| outcome(None).to_owned())),
    ]
}

fn row(host: &HostRecord) -> HostRow<'_> {
    HostRow {
        client: host.client.as_str(),
        host: host.name.as_str(),
        jail_of: host.parent.as_ref().map(|it| it.as_str()),
        address: host.address.as_ref().map(|it| it.as_str()),
        os: host.os.as_ref().map(|os| os.pretty_name.as_str()),
        ecosystem: host.platform.as_ref().map(|it| it.ecosystem.as_str()),
        release: host.platform.as_ref().map(|it| it.release.as_str()),
        kernel: host.kernel.as_ref().map(|it| it.running.as_str()),
        packages: host.package_count,
        packages_at: host.packages_at.map(|at| at.to_string()),
        last_scan_at: host.last_collection.as_ref().map(|it| it.finished_at.to_string()),
        last_scan: outcome(host.last_collection.as_ref().map(|it| it.outcome)),
    }
}

fn outcome(outcome: Option<CollectionOutcome>) -> &'static str {
    match outcome {
        None => "never",
        Some(CollectionOutcome::Complete) => "complete",
        Some(CollectionOutcome::Partial) => "partial",
        Some(CollectionOutcome::Failed) => "failed",
    }
}
