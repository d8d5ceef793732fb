//! `ifrit packages`.

use control::packages::{PackageRow, PackageSpec};
use serde::Serialize;

use super::{count, open_to_read, selector};
use crate::arguments::{GlobalArguments, PackagesArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// Hosts that a row of the table names; the others are counted.
const HOSTS_SHOWN_MAX: usize = 8;

/// One host of a row as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    client: &'a str,
    host: &'a str,
    package: &'a str,
    version: &'a str,
    source: &'a str,
    source_version: &'a str,
    architecture: &'a str,
    ecosystem: &'a str,
    release: &'a str,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &PackagesArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let spec = PackageSpec::parse(&arguments.spec)?;
    let selector = selector(&arguments.selector)?;
    let session = open_to_read(global, printer).await?;
    let rows = control::packages::packages(&session, &spec, &selector).await?;
    session.close().await;
    if arguments.json {
        rows.iter().flat_map(json_rows).try_for_each(|row| printer.json(&row))?;
        return Ok(Exit::Nothing);
    }
    let titles = ["package", "version", "source", "platform", "count", "hosts"];
    printer.table(&titles, rows.iter().map(cells).collect());
    let mut hosts: Vec<_> = rows.iter().flat_map(|row| &row.hosts).collect();
    hosts.sort();
    hosts.dedup();
    printer.say(format_args!("{} on {}", count(rows.len(), "version"), count(hosts.len(), "host")));
    Ok(Exit::Nothing)
}

fn cells(row: &PackageRow) -> Vec<comfy_table::Cell> {
    let package = &row.package.package;
    let named = row.hosts.iter().take(HOSTS_SHOWN_MAX).map(|(client, host)| format!("{client}/{host}"));
    let mut hosts = named.collect::<Vec<_>>().join(", ");
    if row.hosts.len() > HOSTS_SHOWN_MAX {
        hosts += &format!(" and {} more", row.hosts.len() - HOSTS_SHOWN_MAX);
    }
    vec![
        cell(&package.name),
        cell(&package.version),
        cell(&package.source),
        cell(&row.package.platform),
        cell(row.hosts.len()),
        cell(hosts),
    ]
}

fn json_rows(row: &PackageRow) -> impl Iterator<Item = Row<'_>> {
    let (package, platform) = (&row.package.package, &row.package.platform);
    row.hosts.iter().map(|(client, host)| Row {
        client: client.as_str(),
        host: host.as_str(),
        package: package.name.as_str(),
        version: package.version.as_str(),
        source: package.source.as_str(),
        source_version: package.source_version.as_str(),
        architecture: package.architecture.as_str(),
        ecosystem: platform.ecosystem.as_str(),
        release: platform.release.as_str(),
    })
}
