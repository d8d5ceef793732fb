//! `ifrit report`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use control::report::{Document, PostureQuery, View};
use control::{ClientScope, Session};
use model::IncidentId;

use super::open_to_read;
use crate::arguments::{
    FormArguments, GlobalArguments, ReportArguments, ReportFormat, ReportIncidentArguments,
    ReportPostureArguments, ReportVerb,
};
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::Printer;

/// Seconds of a day.
const DAY_SECS: u64 = 24 * 60 * 60;

pub async fn run(
    global: &GlobalArguments,
    arguments: &ReportArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    match &arguments.verb {
        ReportVerb::Incident(arguments) => run_incident(global, arguments, printer).await,
        ReportVerb::Posture(arguments) => run_posture(global, arguments, printer).await,
    }
}

async fn run_incident(
    global: &GlobalArguments,
    arguments: &ReportIncidentArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    let id = control::incident::find(&session, &arguments.id).await?;
    let view = view(&arguments.form);
    let format = arguments.form.format();
    if let Some(client) = view.client() {
        // There is one: what is missing is a host of the client in it.
        let whole = control::incident::view(&session, &ClientScope::All, id).await?;
        if !whole.clients().contains(client)
            && session.workspace.inventory.clients.iter().any(|it| it.name == *client)
        {
            let why = format!(
                "{id} has no host of the client {client}: `ifrit incident show {id}` shows whose hosts it has"
            );
            return Err(UsageError(why).into());
        }
    }
    match &arguments.form.out {
        Some(file) => {
            write_incident_report(&session, &ClientScope::All, id, &view, format, file).await?;
            printer.say(format_args!("wrote {}; its hash is on record", file.display()));
        }
        None => {
            let report = control::report::incident(&session, &ClientScope::All, id, &view).await?;
            printer.text(&rendered(&report.document(), format, || report.to_json()));
            if view.client().is_some() {
                printer.say("this was a look at it: `--out FILE` writes it, and stops the client's clock");
            }
        }
    }
    session.close().await;
    Ok(Exit::Nothing)
}

async fn run_posture(
    global: &GlobalArguments,
    arguments: &ReportPostureArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    let late_after = arguments.late_days.map(|days| Duration::from_secs(u64::from(days) * DAY_SECS));
    let query = PostureQuery { scope: ClientScope::All, view: view(&arguments.form), late_after };
    let report = control::report::posture(&session, &query).await?;
    session.close().await;
    let text = rendered(&report.document(), arguments.form.format(), || report.to_json());
    match &arguments.form.out {
        Some(file) => {
            let part = write_part(file, text.as_bytes())?;
            put(&part, file)?;
            printer.say(format_args!("wrote {}", file.display()));
        }
        None => printer.text(&text),
    }
    Ok(Exit::Nothing)
}

/// Writes the report of an incident to a file, whole or not at all, and records its hash: what is not on record is not
/// given away. A client's report ends the client's clock.
///
/// # Errors
/// As [`control::report::incident`] and [`control::report::record_report`]; a file that cannot be written.
pub async fn write_incident_report(
    session: &Session,
    scope: &ClientScope,
    id: IncidentId,
    view: &View,
    format: ReportFormat,
    file: &Path,
) -> anyhow::Result<()> {
    let report = control::report::incident(session, scope, id, view).await?;
    let text = rendered(&report.document(), format, || report.to_json());
    let part = write_part(file, text.as_bytes())?;
    let recorded = control::report::record_report(session, id, view, format.ending(), text.as_bytes()).await;
    if let Err(error) = recorded {
        // The error that counts is the one above.
        let _ = fs::remove_file(&part);
        return Err(error.into());
    }
    put(&part, file)
}

fn view(form: &FormArguments) -> View {
    form.client.clone().map_or(View::Internal, View::Client)
}

fn rendered(document: &Document, format: ReportFormat, json: impl Fn() -> String) -> String {
    match format {
        ReportFormat::Text => control::report::render_text(document),
        ReportFormat::Md => control::report::render_markdown(document),
        ReportFormat::Html => web::report_html(document),
        ReportFormat::Json => json() + "\n",
    }
}

/// Writes a new file beside the one that is wanted, so that nobody finds half a report.
fn write_part(file: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let mut name =
        file.file_name().with_context(|| format!("`{}` names no file", file.display()))?.to_owned();
    name.push(format!(".part-{}", std::process::id()));
    let part = file.with_file_name(name);
    let write = || {
        let mut opened = OpenOptions::new().write(true).create_new(true).open(&part)?;
        opened.write_all(bytes)?;
        opened.sync_all()
    };
    write().with_context(|| format!("cannot write {}", file.display()))?;
    Ok(part)
}

fn put(part: &Path, file: &Path) -> anyhow::Result<()> {
    fs::rename(part, file).with_context(|| format!("cannot write {}", file.display()))
}
