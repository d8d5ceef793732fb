//! `ifrit approve`: shows, asks, signs.

use control::OnFaultyWorkspace;
use serde::Serialize;

use super::apply::is_agreed;
use super::plan_text::{print_notes, print_plan, print_totals};
use super::{minute, open};
use crate::arguments::{ApproveArguments, GlobalArguments};
use crate::exit::Exit;
use crate::printer::Printer;

#[derive(Serialize)]
struct ApprovedRow<'a> {
    plan: &'a str,
    person: &'a str,
    key: &'a str,
    expires_at: String,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &ApproveArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let saved = control::deploy::saved_plan(&session, &arguments.id).await?;
    if !arguments.yes {
        print_plan(&saved.plan, printer);
        print_notes(&saved, printer);
        print_totals(&saved, 0, printer);
        if !is_agreed(&format!("Approve it, {} change(s) as shown?", saved.counts().changing), printer) {
            session.close().await;
            return Ok(Exit::Something);
        }
    }
    let approved = control::approve::approve(&session, saved.id.as_str(), arguments.key.as_deref()).await?;
    session.close().await;
    if arguments.json {
        printer.json(&ApprovedRow {
            plan: &approved.plan,
            person: approved.person.as_str(),
            key: &approved.fingerprint,
            expires_at: approved.expires_at.to_string(),
        })?;
        return Ok(Exit::Nothing);
    }
    let until = minute(approved.expires_at);
    printer.data(format_args!(
        "{} approved by {} with {}, until {until}",
        approved.plan, approved.person, approved.fingerprint
    ));
    printer.say(format_args!("next: ifrit apply {}", approved.plan));
    Ok(Exit::Nothing)
}
