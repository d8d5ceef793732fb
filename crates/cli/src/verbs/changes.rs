//! `ifrit changes`.

use control::changes::{ChangeKind, ChangeWalk};
use control::{Change, ChangeEvent, Item};
use serde::Serialize;

use super::item_text::describe;
use super::{count, minute, open_to_read, selector};
use crate::arguments::{ChangesArguments, GlobalArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// Changes that the table shows; `--json` has no limit.
const CHANGES_SHOWN_MAX: usize = 5000;

/// A change as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    at: String,
    client: &'a str,
    host: &'a str,
    kind: &'a str,
    change: &'a str,
    what: String,
    before: Option<String>,
    after: Option<String>,
}

/// A change in words: what happened, to what, from, to.
struct Words {
    change: &'static str,
    what: String,
    before: Option<String>,
    after: Option<String>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &ChangesArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let selector = selector(&arguments.selector)?;
    let kinds: Result<Vec<_>, _> = arguments.kind.iter().map(|word| ChangeKind::parse(word)).collect();
    let (since, until) = (&arguments.since, arguments.until.as_deref());
    let kinds = kinds?;
    let session = open_to_read(global, printer).await?;
    let mut walk = ChangeWalk::begin(&session, &selector, since, until, kinds).await?;
    let mut shown = Vec::new();
    let mut is_cut = false;
    while let Some(changes) = walk.next(&session).await? {
        if arguments.json {
            changes.iter().try_for_each(|change| printer.json(&row(change)))?;
            continue;
        }
        shown.extend(changes);
        is_cut = shown.len() > CHANGES_SHOWN_MAX;
        if is_cut {
            shown.truncate(CHANGES_SHOWN_MAX);
            break;
        }
    }
    session.close().await;
    if !arguments.json {
        let titles = ["at", "client", "host", "kind", "change", "what", "before", "after"];
        printer.table(&titles, shown.iter().map(cells).collect());
        printer.say(count(shown.len(), "change"));
        if is_cut {
            printer.complain(
                "warning: there are more; narrow it with --kind, --until or a selector, or use --json",
            );
        }
    }
    Ok(Exit::Nothing)
}

fn cells(change: &Change) -> Vec<comfy_table::Cell> {
    let words = words(&change.event);
    let or_dash = |text: Option<String>| cell(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        cell(minute(change.at)),
        cell(&change.client),
        cell(&change.host),
        cell(ChangeKind::of(&change.event).as_str()),
        cell(words.change),
        cell(words.what),
        or_dash(words.before),
        or_dash(words.after),
    ]
}

fn row(change: &Change) -> Row<'_> {
    let words = words(&change.event);
    Row {
        at: change.at.to_string(),
        client: change.client.as_str(),
        host: change.host.as_str(),
        kind: ChangeKind::of(&change.event).as_str(),
        change: words.change,
        what: words.what,
        before: words.before,
        after: words.after,
    }
}

fn words(event: &ChangeEvent) -> Words {
    let words = |change, what: &str, before: Option<String>, after: Option<String>| Words {
        change,
        what: what.to_owned(),
        before,
        after,
    };
    let version = |package: &model::InstalledPackage| Some(package.version.to_string());
    let said = |item: &Item| Some(describe(item)).filter(|text| !text.is_empty());
    match event {
        ChangeEvent::HostAdded => words("added", "", None, None),
        ChangeEvent::HostRetired => words("retired", "", None, None),
        ChangeEvent::FirstSeen { os } => {
            words("first-seen", "", None, os.as_ref().map(|os| os.pretty_name.clone()))
        }
        ChangeEvent::OsChanged { from, to } => {
            words("changed", &to.id, Some(from.version.clone()), Some(to.version.clone()))
        }
        ChangeEvent::KernelChanged { from, to } => {
            words("changed", &to.name, Some(kernel(from)), Some(kernel(to)))
        }
        ChangeEvent::PackageInstalled { package } => {
            words("installed", package.name.as_str(), None, version(package))
        }
        ChangeEvent::PackageRemoved { package } => {
            words("removed", package.name.as_str(), version(package), None)
        }
        ChangeEvent::PackageUpgraded { from, to } => {
            words("upgraded", to.name.as_str(), version(from), version(to))
        }
        ChangeEvent::PackageDowngraded { from, to } => {
            words("downgraded", to.name.as_str(), version(from), version(to))
        }
        ChangeEvent::ItemAdded { item } => words("added", &item.key(), None, said(item)),
        ChangeEvent::ItemRemoved { item } => words("removed", &item.key(), said(item), None),
        ChangeEvent::ItemChanged { from, to } => words("changed", &to.key(), said(from), said(to)),
    }
}

fn kernel(kernel: &model::Kernel) -> String {
    match &kernel.installed {
        Some(installed) if *installed != kernel.running => {
            format!("{} (installed: {installed})", kernel.running)
        }
        _ => kernel.running.clone(),
    }
}
