//! `ifrit secret`: values go in on standard input and never come out.

use std::io::{self, IsTerminal as _, Read as _};
use std::process::{Command, Stdio};

use control::OnFaultyWorkspace;
use serde::Serialize;

use super::{minute, open};
use crate::arguments::{
    GlobalArguments, SecretArguments, SecretListArguments, SecretSetArguments, SecretVerb,
};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// The most that is read of a value, in bytes.
const VALUE_BYTES_MAX: u64 = 1 << 20;

#[derive(Serialize)]
struct SecretRow<'a> {
    name: &'a str,
    client: Option<&'a str>,
    version: u64,
    set_at: String,
    set_by: &'a str,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &SecretArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    match &arguments.verb {
        SecretVerb::Keygen => keygen(global, printer).await,
        SecretVerb::Set(arguments) => set(global, arguments, printer).await,
        SecretVerb::List(arguments) => list(global, arguments, printer).await,
    }
}

async fn keygen(global: &GlobalArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let path = control::secrets::keygen(&session)?;
    session.close().await;
    printer.data(path.display());
    printer.say("keep a copy in a safe place, and give it to colleagues who plan and apply: without it no secret can be opened");
    Ok(Exit::Nothing)
}

async fn set(
    global: &GlobalArguments,
    arguments: &SecretSetArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let value = read_value(&arguments.name, printer)?;
    let line = control::secrets::set(&session, &arguments.name, arguments.client.as_ref(), value).await?;
    session.close().await;
    printer.say(format_args!("{} is set, version {}", line.name, line.version));
    Ok(Exit::Nothing)
}

/// Reads a value: all of standard input, or from a terminal one line that is not shown.
fn read_value(name: &str, printer: &mut Printer) -> anyhow::Result<Vec<u8>> {
    let mut value = Vec::new();
    if !io::stdin().is_terminal() {
        io::stdin().lock().take(VALUE_BYTES_MAX).read_to_end(&mut value)?;
        return Ok(value);
    }
    printer.complain(format_args!("value of {name} (it is not shown):"));
    let is_hidden = stty("-echo");
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    if is_hidden {
        stty("echo");
    }
    read?;
    value.extend_from_slice(line.as_bytes());
    Ok(value)
}

fn stty(word: &str) -> bool {
    let status = Command::new("stty").arg(word).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

async fn list(
    global: &GlobalArguments,
    arguments: &SecretListArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let secrets = control::secrets::list(&session).await?;
    session.close().await;
    if arguments.json {
        for secret in &secrets {
            printer.json(&SecretRow {
                name: &secret.name,
                client: secret.client.as_ref().map(|it| it.as_str()),
                version: secret.version,
                set_at: secret.set_at.to_string(),
                set_by: &secret.set_by,
            })?;
        }
        return Ok(Exit::Nothing);
    }
    let cells = |secret: &control::secrets::SecretLine| {
        vec![
            cell(&secret.name),
            cell(secret.client.as_ref().map_or("any", |it| it.as_str())),
            cell(secret.version),
            cell(minute(secret.set_at)),
            cell(&secret.set_by),
        ]
    };
    printer.table(&["secret", "client", "version", "set", "by"], secrets.iter().map(cells).collect());
    Ok(Exit::Nothing)
}
