//! `ifrit test`.

use std::path::{Path, PathBuf};

use control::testing::{TestReport, TestResult};
use model::{Level, Place, Problem};
use serde::Serialize;

use super::{count, root};
use crate::arguments::{GlobalArguments, TestArguments};
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::Printer;

/// A test, or a problem with a file, as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    /// The test; None where the file could not be loaded.
    test: Option<&'a str>,
    /// `passed`, `failed` or `error`.
    outcome: &'a str,
    /// Where the test is defined.
    defined_line: Option<usize>,
    /// Where it failed.
    path: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    hint: Option<&'a str>,
    expected: Option<&'a str>,
    got: Option<&'a str>,
}

pub fn run(
    global: &GlobalArguments,
    arguments: &TestArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let root = root(global)?;
    let only = arguments.files.iter().map(|file| in_workspace(&root, file)).collect::<Result<Vec<_>, _>>()?;
    let report = control::testing::run(&root, &only);
    let has_errors = report.problems.iter().any(|problem| problem.level == Level::Error);
    for path in &only {
        let is_there = report.results.iter().any(|result| result.path == *path)
            || report.problems.iter().any(|problem| spot(&problem.place).0 == Some(path));
        if !is_there {
            return Err(
                UsageError(format!("{path}: expected a file with functions `test_...`, got none")).into()
            );
        }
    }
    if arguments.json {
        print_json(&report, printer)?;
    } else {
        print_text(&report, printer);
    }
    let failed = report.results.iter().filter(|result| result.failure.is_some()).count();
    Ok(if failed > 0 || has_errors { Exit::Something } else { Exit::Nothing })
}

/// Returns the path from the root of a file that is named as seen from here, or from the root.
fn in_workspace(root: &Path, file: &Path) -> Result<String, UsageError> {
    let outside = || {
        let name = file.display();
        UsageError(format!(
            "{name}: expected a file named *_test.star in deploys/ or tests/ of the workspace"
        ))
    };
    let here = std::path::absolute(file).map_err(|_| outside())?;
    let candidates: [PathBuf; 2] = [here, root.join(file)];
    let whole = candidates.iter().find(|path| path.is_file()).ok_or_else(outside)?;
    let path = whole.strip_prefix(root).ok().and_then(Path::to_str).ok_or_else(outside)?;
    Ok(path.to_owned())
}

fn print_text(report: &TestReport, printer: &mut Printer) {
    for problem in &report.problems {
        print_problem(problem, "", printer);
    }
    for result in &report.results {
        let word = if result.failure.is_some() { "FAIL" } else { "ok" };
        let line = spot(&result.place).1.unwrap_or_default();
        printer.data(format_args!("{word:<4} {}:{line} {}", result.path, result.name));
        print_failure(result, printer);
    }
    let failed = report.results.iter().filter(|result| result.failure.is_some()).count();
    let passed = report.results.len() - failed;
    if report.results.is_empty() && report.problems.is_empty() {
        printer.say(
            "no tests: they are functions test_...() in deploys/**/*_test.star and tests/**/*_test.star",
        );
        return;
    }
    let errors = report.problems.iter().filter(|problem| problem.level == Level::Error).count();
    let errors = if errors == 0 { String::new() } else { format!(", {} in files", count(errors, "error")) };
    printer.say(format_args!(
        "{}: {passed} passed, {failed} failed{errors}",
        count(report.results.len(), "test")
    ));
}

fn print_failure(result: &TestResult, printer: &mut Printer) {
    let Some(failure) = &result.failure else { return };
    let Some(mismatch) = &failure.mismatch else { return print_problem(&failure.problem, "     ", printer) };
    printer.data(format_args!("     {}: error[{}]", failure.problem.place, failure.problem.code.as_str()));
    printer.data(format_args!("       expected: {}", mismatch.expected));
    printer.data(format_args!("       got:      {}", mismatch.got));
    if let Some(hint) = &failure.problem.hint {
        printer.data(format_args!("       hint: {hint}"));
    }
}

/// A hint may have several lines: what to add to a test.
fn print_problem(problem: &Problem, margin: &str, printer: &mut Printer) {
    printer.data(format_args!("{margin}{problem}"));
    for (at, line) in problem.hint.iter().flat_map(|hint| hint.lines()).enumerate() {
        printer.data(format_args!("{margin}  {}{line}", if at == 0 { "hint: " } else { "" }));
    }
}

fn print_json(report: &TestReport, printer: &mut Printer) -> anyhow::Result<()> {
    for problem in &report.problems {
        let (path, line, column) = spot(&problem.place);
        printer.json(&Row {
            file: path.unwrap_or_default(),
            test: None,
            outcome: "error",
            defined_line: None,
            path,
            line,
            column,
            code: Some(problem.code.as_str()),
            message: Some(&problem.message),
            hint: problem.hint.as_deref(),
            expected: None,
            got: None,
        })?;
    }
    for result in &report.results {
        let problem = result.failure.as_ref().map(|failure| &failure.problem);
        let mismatch = result.failure.as_ref().and_then(|failure| failure.mismatch.as_ref());
        let (path, line, column) = problem.map_or((None, None, None), |problem| spot(&problem.place));
        printer.json(&Row {
            file: &result.path,
            test: Some(&result.name),
            outcome: if problem.is_some() { "failed" } else { "passed" },
            defined_line: spot(&result.place).1,
            path,
            line,
            column,
            code: problem.map(|problem| problem.code.as_str()),
            message: problem.map(|problem| problem.message.as_str()),
            hint: problem.and_then(|problem| problem.hint.as_deref()),
            expected: mismatch.map(|it| it.expected.as_str()),
            got: mismatch.map(|it| it.got.as_str()),
        })?;
    }
    Ok(())
}

fn spot(place: &Place) -> (Option<&str>, Option<usize>, Option<usize>) {
    match place {
        Place::File { path } => (Some(path), None, None),
        Place::Spot { path, line, column } => (Some(path), Some(*line), Some(*column)),
        Place::Host { .. } | Place::Feed { .. } | Place::Nowhere => (None, None, None),
    }
}
