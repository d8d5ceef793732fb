//! One file per verb: resolve, do, print, exit status.

mod audit;
mod check;
mod config;
mod feeds;
mod hosts;
mod init;
mod reference;
mod scan;
mod trust;
mod version_compare;
mod who;

use std::path::{Path, PathBuf};

use control::{OnFaultyWorkspace, Session, Surroundings, SystemClock};
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
        Verb::Scan(arguments) => scan::run(global, arguments, printer).await,
        Verb::Feeds(arguments) => feeds::run(global, arguments, printer).await,
        Verb::Who(arguments) => who::run(global, arguments, printer).await,
        Verb::AuditRoot(arguments) => audit::run_root(arguments, printer),
        Verb::AuditPackages(arguments) => audit::run_packages(arguments, printer),
        Verb::VersionCompare(arguments) => version_compare::run(arguments, printer),
        Verb::Reference(arguments) => Ok(reference::run(arguments, printer)),
    }
}

fn surroundings(global: &GlobalArguments) -> Surroundings {
    environment::surroundings(global.database.as_deref())
}

fn root(global: &GlobalArguments) -> Result<PathBuf, control::Error> {
    control::workspace::find_root(global.workspace.as_deref().unwrap_or(Path::new(".")))
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

/// Returns `1 host`, `2 hosts`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
