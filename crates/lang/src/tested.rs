//! Tests of deploys: `*_test.star` in `deploys/` and `tests/`.

use std::path::Path;
use std::rc::Rc;

use model::{Code, Place, Problem};
use starlark::any::AnyLifetime;
use starlark::values::Value;

use crate::call::{DeployCode, on_evaluation_thread};
use crate::extension::Extension;
use crate::files::{FileKind, find_tested};
use crate::program::Program;
use crate::workspace::{Deploy, LoadOptions};

/// What a workspace tests, and its tests.
#[derive(Debug, Clone, Default)]
pub struct Tested {
    /// Deploys, sorted by name.
    pub deploys: Vec<Deploy>,
    /// Tests: files sorted by path, and in a file as they stand there.
    pub tests: Vec<Test>,
}

/// A test: a function `test_...` without arguments.
#[derive(Debug, Clone)]
pub struct Test {
    /// The function's name.
    pub name: String,
    /// The path of its file from the root.
    pub path: String,
    /// Its docstring; may be empty.
    pub doc: String,
    /// Where it is defined.
    pub place: Place,
    /// Its module.
    pub(crate) code: DeployCode,
}

impl Test {
    /// Calls the test. `extra` is what the functions of an extension find in `Evaluator::extra`. It is to
    /// be called on the thread of [`on_evaluation_thread`].
    ///
    /// # Errors
    /// Why it failed, and where.
    pub fn call<'e>(&self, extra: &dyn AnyLifetime<'e>) -> Result<(), Problem> {
        let at = (self.name.as_str(), self.path.as_str(), &self.place);
        self.code.call(at, |_| Vec::new(), extra, Rc::new(|| None), None)
    }
}

/// Loads the deploys and the tests of the workspace at `root`: everything that could be loaded, and every
/// problem, sorted. The inventory is not looked at: a test says what hosts there are. Nothing outside of
/// the workspace's files is looked at either.
pub fn load_tests(root: &Path, extensions: &[Extension], options: &LoadOptions) -> (Tested, Vec<Problem>) {
    on_evaluation_thread(|| load_here(root, extensions, options)).unwrap_or_else(|why| {
        let place = Place::File { path: root.display().to_string() };
        (Tested::default(), vec![Problem::new(Code::WorkspaceUnreadable, place, why)])
    })
}

/// Evaluates a file of tests (and what it loads), and reads a constant of it.
///
/// # Errors
/// Every problem of the files; that there is no such constant; what `read` says of its value.
pub fn load_constant<T: Send>(
    root: &Path,
    extensions: &[Extension],
    (path, name): (&str, &str),
    read: impl Fn(Value<'_>) -> Result<T, String> + Send + Sync,
) -> Result<T, Vec<Problem>> {
    let place = || Place::File { path: path.to_owned() };
    let loaded = on_evaluation_thread(|| {
        let options = LoadOptions { run_commands: false, ..LoadOptions::default() };
        let mut program = Program::new(root, extensions, &options);
        let Some(module) = program.module(path) else { return Err(program.finish().problems) };
        let wrong = |why: String| vec![Problem::new(Code::StarlarkError, place(), why)];
        match module.get_option(name) {
            Ok(Some(value)) => read(value.value()).map_err(|why| wrong(format!("{name}: {why}"))),
            Ok(None) | Err(_) => Err(wrong(format!("expected a constant `{name}` in the file, got none"))),
        }
    });
    loaded.unwrap_or_else(|why| Err(vec![Problem::new(Code::WorkspaceUnreadable, place(), why)]))
}

fn load_here(root: &Path, extensions: &[Extension], options: &LoadOptions) -> (Tested, Vec<Problem>) {
    let (files, mut problems) = find_tested(root);
    let mut paths: Vec<(FileKind, String)> = files.into_iter().map(|file| (file.kind, file.path)).collect();
    paths.extend(options.buffers.keys().map(|path| (FileKind::of(path), path.clone())));
    paths.sort();
    paths.dedup();
    let options = LoadOptions { run_commands: false, ..options.clone() };
    let mut program = Program::new(root, extensions, &options);
    let mut tested = Tested::default();
    for (kind, path) in &paths {
        match kind {
            FileKind::Deploy => tested.deploys.extend(program.deploy(path)),
            FileKind::Test => tested.tests.extend(program.tests(path)),
            FileKind::Inventory | FileKind::Library => {}
        }
    }
    tested.deploys.sort_by(|a, b| a.name.cmp(&b.name));
    problems.extend(program.finish().problems);
    problems.sort();
    problems.dedup();
    (tested, problems)
}
