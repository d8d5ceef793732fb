//! The door: a directory in, declarations and problems out.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Code, Inventory, Place, Problem};

use crate::WORKSPACE_FILE;
use crate::call::{DeployCode, on_evaluation_thread};
use crate::extension::Extension;
use crate::files::{FileKind, SourceFile, find};
use crate::inventory::check;
use crate::program::{Outcome, Program};

/// What a workspace declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workspace {
    /// Clients, hosts, services and the rest.
    pub inventory: Inventory,
    /// Deploys, sorted by name.
    pub deploys: Vec<Deploy>,
    /// Every file in `inventory/` and `deploys/`, sorted by path.
    pub files: Vec<SourceFile>,
    /// Whether it was made from files in `inventory/` and `deploys/` alone: no command was run or would
    /// have been, no file elsewhere was read. Then it is the same as long as those files are.
    pub is_self_contained: bool,
}

/// A deploy: a file in `deploys/` that defines `def deploy(host)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// The path below `deploys/` without `.star`: `nginx`, `web/tls`.
    pub name: String,
    /// The path from the root.
    pub path: String,
    /// The docstring of `deploy`, else that of the file; may be empty.
    pub doc: String,
    /// Where `deploy` is defined.
    pub place: Place,
    /// Its module.
    pub(crate) code: DeployCode,
}

/// How a workspace is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Whether `data.json_command` runs its command. Where it does not, its data is unknown: what is
    /// declared with it is left out, and what seems to be missing is not reported.
    pub run_commands: bool,
    /// Files that are being edited: path from the root, content in place of that on disk.
    pub buffers: BTreeMap<String, String>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { run_commands: true, buffers: BTreeMap::new() }
    }
}

/// Loads the workspace at `root` as it is on disk, and runs the commands that it takes data from:
/// [`load_with`] and default options.
pub fn load(root: &Path, extensions: &[Extension]) -> (Workspace, Vec<Problem>) {
    load_with(root, extensions, &LoadOptions::default())
}

/// Loads the workspace at `root`: everything that could be loaded, and every problem, sorted by
/// place. A caller treats any problem of `Level::Error` as failure of the whole.
///
/// - `inventory/**/*.star` run, sorted by path. Files whose name begins with `_` and those in
///   `inventory/lib/` run only when another file loads them. Every file runs at most once.
/// - `deploys/**/*.star` only define functions; one with `def deploy(host)` is a [`Deploy`].
/// - Names that begin with `.` are passed over, symbolic links are refused.
///
/// The code sees no clock or random number, and `print()` goes nowhere. Only by the functions of `data`
/// does an inventory file see anything outside of the code: files of the workspace, and commands
/// where [`LoadOptions::run_commands`] allows them; so a workspace is to be trusted like a program.
/// Everything runs on a thread whose stack is as large as the interpreter wants it: the caller's, where it is one of
/// [`on_large_stack`](crate::on_large_stack).
pub fn load_with(root: &Path, extensions: &[Extension], options: &LoadOptions) -> (Workspace, Vec<Problem>) {
    if !root.join(WORKSPACE_FILE).is_file() {
        let place = Place::File { path: root.display().to_string() };
        let message = format!("expected an ifrit workspace, got a directory without {WORKSPACE_FILE}");
        let hint = "run `ifrit init` in it, or name the directory of the workspace";
        return (
            Workspace::default(),
            vec![Problem::new(Code::WorkspaceMissing, place, message).with_hint(hint)],
        );
    }
    let failed = |why: &str| {
        let place = Place::File { path: root.display().to_string() };
        (Workspace::default(), vec![Problem::new(Code::WorkspaceUnreadable, place, why)])
    };
    on_evaluation_thread(|| load_here(root, extensions, options)).unwrap_or_else(|why| failed(&why))
}

fn load_here(root: &Path, extensions: &[Extension], options: &LoadOptions) -> (Workspace, Vec<Problem>) {
    let (mut files, mut problems) = find(root);
    let mut new: Vec<SourceFile> = options.buffers.keys().filter_map(|path| SourceFile::new(path)).collect();
    new.retain(|file| files.binary_search(file).is_err());
    files.append(&mut new);
    files.sort();
    let mut program = Program::new(root, extensions, options);
    let of_kind = |kind| files.iter().filter(move |file| file.kind == kind);
    for file in of_kind(FileKind::Inventory) {
        program.run(&file.path);
    }
    let mut deploys: Vec<Deploy> =
        of_kind(FileKind::Deploy).filter_map(|file| program.deploy(&file.path)).collect();
    deploys.sort_by(|a, b| a.name.cmp(&b.name));
    let Outcome { session, problems: from_code, unread, is_self_contained } = program.finish();
    problems.extend(from_code);
    let (inventory, from_check) = check(session.into_declarations(), &unread);
    problems.extend(from_check);
    problems.sort_by(|a, b| (where_of(&a.place), a).cmp(&(where_of(&b.place), b)));
    problems.dedup();
    (Workspace { inventory, deploys, files, is_self_contained }, problems)
}

/// A file as a whole comes before the spots in it.
fn where_of(place: &Place) -> (&str, usize, usize) {
    match place {
        Place::File { path } => (path, 0, 0),
        Place::Spot { path, line, column } => (path, *line, *column),
        _ => ("", 0, 0),
    }
}
