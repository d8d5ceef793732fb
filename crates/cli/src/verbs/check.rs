//! `ifrit check`.

use model::{Level, Place, Problem};
use serde::Serialize;

use super::{count, root, surroundings};
use crate::arguments::{CheckArguments, GlobalArguments};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::sarif;

/// A problem as `--json` prints it.
#[derive(Serialize)]
struct ProblemRow<'a> {
    code: &'a str,
    level: &'a str,
    path: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    hint: Option<&'a str>,
}

pub fn run(
    global: &GlobalArguments,
    arguments: &CheckArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let mut workspace = control::workspace::load(&root(global)?, &surroundings(global))?;
    // Files of tests stop no other verb; here they count.
    let now = control::Clock::now(&control::SystemClock);
    workspace.problems.extend(control::workspace::expired_exceptions(&workspace.inventory, now));
    let of_tests = control::testing::problems(&workspace.root);
    let more: Vec<Problem> =
        of_tests.into_iter().filter(|problem| !workspace.problems.contains(problem)).collect();
    workspace.problems.extend(more);
    if arguments.sarif {
        printer.json(&sarif::document(&workspace.root, &workspace.problems))?;
    }
    for problem in workspace.problems.iter().filter(|_| !arguments.sarif) {
        if arguments.json {
            printer.json(&row(problem))?;
        } else {
            printer.data(problem);
            if let Some(hint) = &problem.hint {
                printer.data(format_args!("  hint: {hint}"));
            }
        }
    }
    let errors = workspace.problems.iter().filter(|problem| problem.level == Level::Error).count();
    let inventory = &workspace.inventory;
    printer.say(format_args!(
        "{}, {}, {}, {}: {}",
        count(inventory.clients.len(), "client"),
        count(inventory.hosts.len(), "host"),
        count(inventory.services.len(), "service"),
        count(workspace.deploys, "deploy"),
        if errors == 0 { "sound".to_owned() } else { count(errors, "error") }
    ));
    Ok(if errors == 0 { Exit::Nothing } else { Exit::Something })
}

fn row(problem: &Problem) -> ProblemRow<'_> {
    let (path, line, column) = match &problem.place {
        Place::File { path } => (Some(path.as_str()), None, None),
        Place::Spot { path, line, column } => (Some(path.as_str()), Some(*line), Some(*column)),
        Place::Host { .. } | Place::Feed { .. } | Place::Nowhere => (None, None, None),
    };
    ProblemRow {
        code: problem.code.as_str(),
        level: problem.level.as_str(),
        path,
        line,
        column,
        message: &problem.message,
        hint: problem.hint.as_deref(),
    }
}
