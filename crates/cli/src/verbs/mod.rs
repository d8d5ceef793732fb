//! One file per verb: resolve, do, print, exit status.

mod apply;
mod approve;
mod audit;
mod audit_checkpoint;
mod audit_export;
mod audit_log;
mod audit_verify;
mod bell;
mod changes;
mod check;
mod config;
mod db;
mod debug;
mod deploy;
mod drill;
mod feeds;
mod findings;
mod fmt;
mod host;
mod host_json;
mod hosts;
mod import;
mod incident_json;
mod incident_text;
mod incidents;
mod init;
mod inventory;
mod item_text;
mod lsp;
mod notify;
mod packages;
mod patch;
mod plan;
mod plan_json;
mod plan_text;
mod pyinfra;
mod reference;
mod reference_operations;
mod report;
mod respond;
mod respond_text;
mod run_text;
mod runs;
mod scan;
mod secret;
mod services;
mod stubs;
mod test;
mod trust;
mod verify;
mod version_compare;
mod who;
mod who_explain;
mod who_json;

use std::path::{Path, PathBuf};

use control::{ClientScope, Inquiry, OnFaultyWorkspace, Session, Surroundings, SystemClock};
use model::ClientName;
use model::selector::Selector;

use crate::arguments::{Arguments, GlobalArguments, Verb};
use crate::environment;
use crate::exit::Exit;
use crate::printer::Printer;

/// Carries out the verb.
pub async fn run(arguments: &Arguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let global = &arguments.global;
    match &arguments.verb {
        Verb::Init(arguments) => init::run(arguments, printer),
        Verb::Check(arguments) => check::run(global, arguments, printer),
        Verb::Config(arguments) => config::run(global, arguments, printer),
        Verb::Hosts(arguments) => hosts::run(global, arguments, printer).await,
        Verb::Host(arguments) => host::run(global, arguments, printer).await,
        Verb::Scan(arguments) => scan::run(global, arguments, printer).await,
        Verb::Feeds(arguments) => feeds::run(global, arguments, printer).await,
        Verb::Notify(arguments) => notify::run(global, arguments, printer).await,
        Verb::Findings(arguments) => findings::run(global, arguments, printer).await,
        Verb::Who(arguments) => who::run(global, arguments, printer).await,
        Verb::Packages(arguments) => packages::run(global, arguments, printer).await,
        Verb::Services(arguments) => services::run(global, arguments, printer).await,
        Verb::Changes(arguments) => changes::run(global, arguments, printer).await,
        Verb::Plan(arguments) => plan::run(global, arguments, printer).await,
        Verb::Plans(arguments) => plan::run_list(global, arguments, printer).await,
        Verb::Apply(arguments) => apply::run(global, arguments, printer).await,
        Verb::Deploy(arguments) => deploy::run(global, arguments, printer).await,
        Verb::Approve(arguments) => approve::run(global, arguments, printer).await,
        Verb::Runs(arguments) => runs::run_list(global, arguments, printer).await,
        Verb::Run(arguments) => runs::run(global, arguments, printer).await,
        Verb::Patch(arguments) => patch::run(global, arguments, printer).await,
        Verb::Pyinfra(arguments) => pyinfra::run(global, arguments, printer).await,
        Verb::Respond(arguments) => respond::run(global, arguments, printer).await,
        Verb::Drill(arguments) => drill::run(global, arguments, printer).await,
        Verb::Verify(arguments) => verify::run(global, arguments, printer).await,
        Verb::Incidents(arguments) => incidents::run_list(global, arguments, printer).await,
        Verb::Incident(arguments) => incidents::run(global, arguments, printer).await,
        Verb::Report(arguments) => report::run(global, arguments, printer).await,
        Verb::Secret(arguments) => secret::run(global, arguments, printer).await,
        Verb::Audit(arguments) => audit_checkpoint::run(global, arguments, printer).await,
        Verb::Db(arguments) => db::run(global, arguments, printer).await,
        Verb::AuditRoot(arguments) => audit::run_root(arguments, printer).await,
        Verb::AuditPackages(arguments) => audit::run_packages(arguments, printer),
        Verb::VersionCompare(arguments) => version_compare::run(arguments, printer),
        Verb::Import(arguments) => import::run(global, arguments, printer),
        Verb::Inventory(arguments) => inventory::run(global, arguments, printer).await,
        Verb::Test(arguments) => test::run(global, arguments, printer),
        Verb::Fmt(arguments) => fmt::run(global, arguments),
        Verb::Debug(arguments) => debug::run(global, arguments, printer).await,
        Verb::Stubs(arguments) => stubs::run(global, arguments, printer),
        Verb::Lsp => lsp::run(global).await,
        Verb::Reference(arguments) => Ok(reference::run(arguments, printer)),
    }
}

fn surroundings(global: &GlobalArguments) -> Surroundings {
    environment::surroundings(global.database.as_deref())
}

fn root(global: &GlobalArguments) -> Result<PathBuf, control::Error> {
    control::workspace::find_root(global.workspace.as_deref().unwrap_or(Path::new(".")))
}

/// Opens the database to ask about what was seen, without evaluating an unchanged workspace.
async fn inquire(global: &GlobalArguments, printer: &mut Printer) -> Result<Inquiry, control::Error> {
    let inquiry = Inquiry::open(&root(global)?, surroundings(global), Box::new(SystemClock)).await?;
    if inquiry.has_errors() {
        inquiry.problems().iter().for_each(|problem| printer.problem(problem));
        printer.complain("warning: the inventory has errors; answering for the hosts last known");
    }
    Ok(inquiry)
}

/// The clients that were named; none = all.
fn scope(clients: &[ClientName]) -> ClientScope {
    match clients {
        [] => ClientScope::All,
        clients => ClientScope::Only(clients.iter().cloned().collect()),
    }
}

/// Opens the workspace and its database.
async fn open(global: &GlobalArguments, on_fault: OnFaultyWorkspace) -> Result<Session, control::Error> {
    Session::open(&root(global)?, surroundings(global), Box::new(SystemClock), on_fault).await
}

/// Reads a selector from the words of the command line; no words = every host.
fn selector(words: &[String]) -> Result<Selector, control::Error> {
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Ok(Selector::everything());
    }
    Selector::parse(&text).map_err(|source| control::Error::Selector { text, source })
}

/// Opens the workspace and its database to look things up: with errors in the inventory, for the
/// hosts last known.
async fn open_to_read(global: &GlobalArguments, printer: &mut Printer) -> Result<Session, control::Error> {
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    if session.workspace.has_errors() {
        session.workspace.problems.iter().for_each(|problem| printer.problem(problem));
        printer.complain("warning: the inventory has errors; answering from what was last known");
    }
    Ok(session)
}

/// Returns a time to the minute, for people.
fn minute(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Returns `1 host`, `2 hosts`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
