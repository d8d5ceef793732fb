//! `ifrit host show`.

use std::collections::BTreeSet;

use control::host::HostView;
use control::{HostSnapshot, ItemKind};
use jiff::Timestamp;
use model::{Account, AuthorizedKey, Listener, Observed, ObservedService};

use super::host_json::json_host;
use super::item_text::{listener, service};
use super::{minute, open_to_read};
use crate::arguments::{GlobalArguments, HostArguments, HostShowArguments, HostVerb};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// Shells that let nobody in.
const NO_LOGIN: [&str; 4] = ["nologin", "false", "sync", "halt"];

pub async fn run(
    global: &GlobalArguments,
    arguments: &HostArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let HostVerb::Show(arguments) = &arguments.verb;
    show(global, arguments, printer).await
}

async fn show(
    global: &GlobalArguments,
    arguments: &HostShowArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let HostShowArguments { name, at, packages, json } = arguments;
    let session = open_to_read(global, printer).await?;
    let view = control::host::show(&session, name, at.as_deref(), *packages).await?;
    session.close().await;
    if *json {
        printer.json(&json_host(&view))?;
        return Ok(Exit::Nothing);
    }
    print_head(&view, printer);
    print_services(&view.snapshot, printer);
    print_accounts(&view, printer);
    print_rest(&view.snapshot, printer);
    if let Some(packages) = &view.packages {
        heading(printer, "packages");
        let rows = packages
            .iter()
            .map(|it| vec![cell(&it.package.name), cell(&it.package.version), cell(&it.package.source)]);
        printer.table(&["package", "version", "source"], rows.collect());
    }
    Ok(Exit::Nothing)
}

fn line(printer: &mut Printer, label: &str, text: impl std::fmt::Display) {
    printer.data(format_args!("  {label:<10} {text}"));
}

fn heading(printer: &mut Printer, text: &str) {
    printer.data("");
    printer.data(text);
}

fn print_head(view: &HostView, printer: &mut Printer) {
    let host = &view.snapshot;
    let at = view.at.map_or_else(String::new, |at| format!(", as of {at}"));
    let kind = host.parent.as_ref().map_or_else(String::new, |parent| format!(", a jail of {parent}"));
    printer.data(format_args!("{}/{}{kind}{at}", host.client, host.name));
    let address = match (&host.address, &host.parent) {
        (Some(address), _) => address.to_string(),
        (None, Some(parent)) => format!("seen on {parent}"),
        (None, None) => "local".to_owned(),
    };
    line(printer, "address", address);
    let until = host.retired_at.map_or_else(String::new, |at| format!(" until {}", minute(at)));
    line(printer, "declared", format_args!("since {}{until}", minute(host.declared_at)));
    let unknown = || "not known".to_owned();
    line(
        printer,
        "os",
        host.os.as_ref().map_or_else(unknown, |os| {
            let platform = host.platform.as_ref().map(ToString::to_string);
            format!(
                "{} ({})",
                os.pretty_name,
                platform.as_deref().unwrap_or("no advisories are matched for it")
            )
        }),
    );
    line(
        printer,
        "kernel",
        host.kernel.as_ref().map_or_else(unknown, |kernel| {
            let other = kernel.installed.as_ref().filter(|installed| **installed != kernel.running);
            let other = other.map_or_else(String::new, |installed| format!(", installed: {installed}"));
            format!("{} {} {}{other}", kernel.name, kernel.running, kernel.machine)
        }),
    );
    line(printer, "booted", host.observed.booted_at.map_or_else(unknown, minute));
    line(
        printer,
        "reboot",
        host.observed.reboot.as_ref().map_or_else(unknown, |need| match need.is_needed {
            true => format!("NEEDED: {}", need.why),
            false => "not needed".to_owned(),
        }),
    );
    line(printer, "packages", host.package_count.map_or_else(unknown, |count| count.to_string()));
    if !host.jails.is_empty() {
        let jails: Vec<_> = host.jails.iter().map(ToString::to_string).collect();
        line(printer, "jails", jails.join(", "));
    }
    print_last_look(host, printer);
}

fn print_last_look(host: &HostSnapshot, printer: &mut Printer) {
    let Some(look) = &host.last_collection else { return line(printer, "last scan", "never") };
    line(printer, "last scan", format_args!("{} {}", look.outcome.as_str(), minute(look.finished_at)));
    for problem in &look.problems {
        line(printer, "", problem);
    }
}

/// Says that a kind is not known, or since when it was not read; returns whether it is known.
fn begins(printer: &mut Printer, host: &HostSnapshot, title: &str, kind: ItemKind, is_known: bool) -> bool {
    let age = |since: &Timestamp| format!(" (not read any more since {})", minute(*since));
    let age = host.unread.get(&kind).map_or_else(String::new, age);
    heading(printer, &format!("{title}{age}"));
    if !is_known {
        printer.data("  not known");
    }
    is_known
}

fn print_services(host: &HostSnapshot, printer: &mut Printer) {
    let Observed { services, listeners, .. } = &host.observed;
    let mut told: BTreeSet<&Listener> = BTreeSet::new();
    if begins(printer, host, "services", ItemKind::Service, services.is_some()) {
        let services = services.iter().flatten();
        let is_of_note = |it: &&ObservedService| it.is_enabled != Some(false) || it.is_running == Some(true);
        let (shown, quiet): (Vec<_>, Vec<_>) = services.partition(is_of_note);
        let mut rows = Vec::new();
        for it in shown {
            let own = listeners.iter().flatten().filter(|listener| is_of(listener, it));
            let own: Vec<&Listener> = own.collect();
            told.extend(&own);
            let ports: Vec<_> = own.iter().map(|it| socket(it)).collect();
            rows.push(vec![cell(&it.name), cell(service(it)), cell(ports.join(", "))]);
        }
        print_rows(printer, &["service", "state", "listens on"], rows);
        if !quiet.is_empty() {
            printer.data(format_args!("  and {} neither enabled nor running", quiet.len()));
        }
    }
    if begins(printer, host, "other listeners", ItemKind::Listener, listeners.is_some()) {
        let others = listeners.iter().flatten().filter(|it| !told.contains(it));
        let rows = others.map(|it| vec![cell(socket(it)), cell(listener(it))]);
        print_rows(printer, &["socket", "process"], rows.collect());
    }
}

/// Says whether a listener is a service's, as far as names tell.
fn is_of(listener: &Listener, service: &ObservedService) -> bool {
    let names = [listener.process.as_deref(), listener.package.as_ref().map(|it| it.as_str())];
    names.into_iter().flatten().any(|name| name == service.name)
}

fn socket(listener: &Listener) -> String {
    let socket = std::net::SocketAddr::new(listener.address, listener.port);
    format!("{} {socket}", control::transport_word(listener.transport))
}

fn print_rows(printer: &mut Printer, titles: &[&str], rows: Vec<Vec<comfy_table::Cell>>) {
    if rows.is_empty() {
        printer.data("  none");
    } else {
        printer.table(titles, rows);
    }
}

fn print_accounts(view: &HostView, printer: &mut Printer) {
    let host = &view.snapshot;
    let Observed { accounts, authorized_keys, privileges, groups, .. } = &host.observed;
    if begins(printer, host, "accounts that can log in", ItemKind::Account, accounts.is_some()) {
        let keys_of = |account: &Account| {
            let keys = authorized_keys.as_ref()?.iter().filter(|key| key.account == account.name);
            Some(keys.count())
        };
        let can_log_in = |account: &&Account| {
            let shell = account.shell.rsplit('/').next().unwrap_or_default();
            !NO_LOGIN.contains(&shell) || keys_of(account).is_some_and(|keys| keys > 0)
        };
        let (shown, others): (Vec<_>, Vec<_>) = accounts.iter().flatten().partition(can_log_in);
        let row = |account: &Account| {
            let groups = groups
                .iter()
                .flatten()
                .filter(|group| group.members.iter().any(|member| member == account.name.as_str()));
            let groups: Vec<_> = groups.map(|group| group.name.as_str()).collect();
            let keys = keys_of(account).map_or_else(|| "?".to_owned(), |keys| keys.to_string());
            vec![
                cell(&account.name),
                cell(account.uid),
                cell(&account.shell),
                cell(keys),
                cell(groups.join(" ")),
            ]
        };
        print_rows(
            printer,
            &["account", "uid", "shell", "keys", "groups"],
            shown.into_iter().map(row).collect(),
        );
        printer.data(format_args!("  and {} that cannot", others.len()));
    }
    let known = authorized_keys.is_some();
    if begins(printer, host, "keys that open accounts", ItemKind::AuthorizedKey, known) {
        let row = |key: &AuthorizedKey| {
            let owner = view.owners.get(&key.fingerprint).map_or_else(|| "-".to_owned(), ToString::to_string);
            vec![
                cell(&key.account),
                cell(owner),
                cell(&key.algorithm),
                cell(&key.fingerprint),
                cell(&key.comment),
                cell(&key.options),
            ]
        };
        let rows = authorized_keys.iter().flatten().map(row).collect();
        print_rows(printer, &["account", "person", "algorithm", "fingerprint", "comment", "options"], rows);
    }
    if begins(printer, host, "rules of sudo and doas", ItemKind::Privilege, privileges.is_some()) {
        let rows = privileges.iter().flatten().map(|it| vec![cell(&it.file), cell(&it.rule)]);
        print_rows(printer, &["file", "rule"], rows.collect());
    }
}

fn print_rest(host: &HostSnapshot, printer: &mut Printer) {
    let Observed { cron, stale_processes, software, .. } = &host.observed;
    if begins(printer, host, "cron", ItemKind::Cron, cron.is_some()) {
        let rows = cron.iter().flatten().map(|it| vec![cell(&it.file), cell(&it.line)]);
        print_rows(printer, &["file", "line"], rows.collect());
    }
    let title = "processes that still run replaced files";
    if begins(printer, host, title, ItemKind::StaleProcess, stale_processes.is_some()) {
        let rows = stale_processes.iter().flatten();
        let rows = rows.map(|it| vec![cell(&it.process), cell(it.pid), cell(&it.file)]);
        print_rows(printer, &["process", "pid", "file"], rows.collect());
    }
    // It is looked for where services declare paths only; elsewhere "not known" would be no news.
    if software.is_some() && begins(printer, host, "software outside packages", ItemKind::Software, true) {
        let rows = software.iter().flatten();
        let rows = rows.map(|it| {
            let version = if it.version.is_empty() { "?" } else { &it.version };
            vec![cell(it.kind.as_str()), cell(&it.name), cell(version), cell(&it.path)]
        });
        print_rows(printer, &["kind", "name", "version", "found in"], rows.collect());
    }
}
