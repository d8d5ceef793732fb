//! `ifrit hosts trust`: shows, asks, pins. Never pins anything unseen.

use std::io::{self, BufRead as _, IsTerminal as _};

use control::OnFaultyWorkspace;
use control::trust::{KeysOfHost, KeysShown, ShownKey};

use super::{count, open, selector};
use crate::arguments::{GlobalArguments, TrustArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

pub async fn run(
    global: &GlobalArguments,
    arguments: &TrustArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let selector = selector(&arguments.selector)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let hosts = control::trust::show_keys(&session, &selector).await?;
    printer.table(&["host", "key", "fingerprint", "state"], hosts.iter().map(cells).collect());
    let mut untrusted = 0;
    for host in &hosts {
        let Some(key) = pinnable(host) else {
            untrusted += usize::from(matches!(host.shown, KeysShown::None { .. }));
            continue;
        };
        if is_accepted(host, key, &arguments.fingerprint, printer) {
            control::trust::trust(&session, &host.host, key).await?;
            printer.say(format_args!("pinned {} for {}", key.fingerprint, host.host));
        } else {
            untrusted += 1;
        }
    }
    session.close().await;
    if untrusted > 0 {
        printer.say(format_args!("{} without a trusted key", count(untrusted, "host")));
        return Ok(Exit::Something);
    }
    Ok(Exit::Nothing)
}

fn pinnable(host: &KeysOfHost) -> Option<&ShownKey> {
    match &host.shown {
        KeysShown::New(shown) | KeysShown::Changed { shown, .. } => Some(shown),
        KeysShown::PinnedInInventory
        | KeysShown::NotOverSsh
        | KeysShown::Trusted(_)
        | KeysShown::None { .. } => None,
    }
}

/// Decides by the fingerprints given, else by asking; without a terminal to ask on, the answer is no.
fn is_accepted(host: &KeysOfHost, key: &ShownKey, fingerprints: &[String], printer: &mut Printer) -> bool {
    if !fingerprints.is_empty() {
        return fingerprints.contains(&key.fingerprint);
    }
    if !io::stdin().is_terminal() {
        printer.complain(format_args!(
            "{}: not pinned: nobody to ask; compare and give --fingerprint {}",
            host.host, key.fingerprint
        ));
        return false;
    }
    let warning = match &host.shown {
        KeysShown::Changed { trusted, .. } => {
            format!(" It REPLACES {}: an attack looks like this.", trusted.join(", "))
        }
        _ => String::new(),
    };
    printer.complain(format_args!(
        "Pin {} for {}?{warning} Compare it with `ssh-keygen -lf` on the host's console first. [yes/no]",
        key.fingerprint, host.host
    ));
    let mut answer = String::new();
    let has_answer = io::stdin().lock().read_line(&mut answer).is_ok();
    has_answer && answer.trim().eq_ignore_ascii_case("yes")
}

fn cells(host: &KeysOfHost) -> Vec<comfy_table::Cell> {
    let of = |key: &ShownKey, state: &str| {
        let algorithm = key.key.as_str().split(' ').next().unwrap_or_default().to_owned();
        vec![cell(&host.host), cell(algorithm), cell(&key.fingerprint), cell(state)]
    };
    let without = |state: &str| vec![cell(&host.host), cell("-"), cell("-"), cell(state)];
    match &host.shown {
        KeysShown::PinnedInInventory => without("pinned in the inventory"),
        KeysShown::NotOverSsh => without("local, needs none"),
        KeysShown::Trusted(key) => of(key, "trusted"),
        KeysShown::New(key) => of(key, "new"),
        KeysShown::Changed { shown, trusted } => {
            of(shown, &format!("CHANGED, trusted so far: {}", trusted.join(", ")))
        }
        KeysShown::None { why } => without(why),
    }
}
