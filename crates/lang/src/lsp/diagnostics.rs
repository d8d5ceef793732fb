//! From the problems of a workspace to what the editor shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use lsp_server::Notification;
use lsp_types::notification::{Notification as _, PublishDiagnostics};
use lsp_types::{
    Diagnostic, DiagnosticSeverity, NumberOrString, Position, PublishDiagnosticsParams, Range, Uri,
};
use model::{Code, Level, Place, Problem};

use crate::extension::Extension;
use crate::files::read;
use crate::lsp::Document;
use crate::lsp::text::{Encoding, uri_of};
use crate::tested::load_tests;
use crate::workspace::{LoadOptions, load_with};

/// Which files the editor shows something for.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Paths by root.
    shown: HashMap<PathBuf, BTreeSet<String>>,
}

impl Published {
    /// Loads a workspace as it is in the editor and returns what to show: the open files and every
    /// other one that has problems or had some before. An empty root stands for files that lie in no
    /// workspace.
    pub fn update(
        &mut self,
        root: &Path,
        open: &BTreeMap<String, &Document>,
        extensions: &[Extension],
        encoding: Encoding,
    ) -> Vec<Notification> {
        let problems =
            if root.as_os_str().is_empty() { homeless(open) } else { load(root, open, extensions) };
        let mut by_path: BTreeMap<&str, Vec<&Problem>> = BTreeMap::new();
        for problem in &problems {
            if let Place::File { path } | Place::Spot { path, .. } = &problem.place {
                by_path.entry(path).or_default().push(problem);
            }
        }
        let before = self.shown.remove(root).unwrap_or_default();
        let with_problems: BTreeSet<String> = by_path.keys().map(|path| (*path).to_owned()).collect();
        let mut paths: BTreeSet<&str> = before.iter().map(String::as_str).collect();
        paths.extend(with_problems.iter().map(String::as_str));
        paths.extend(open.keys().map(String::as_str));
        let show = |path: &str| {
            let document = open.get(path).copied();
            let of_path = by_path.get(path).map(Vec::as_slice).unwrap_or_default();
            let on_disk = || read(root, path).unwrap_or_default();
            let text = match document {
                Some(document) => document.text.clone(),
                None if of_path.is_empty() => String::new(),
                None => on_disk(),
            };
            let uri = document.map(|it| it.uri.clone()).or_else(|| uri_of(&root.join(path)))?;
            Some(notification(uri, document.map(|it| it.version), of_path, &text, encoding))
        };
        let notifications = paths.into_iter().filter_map(show).collect();
        self.shown.insert(root.to_owned(), with_problems);
        notifications
    }
}

fn load(root: &Path, open: &BTreeMap<String, &Document>, extensions: &[Extension]) -> Vec<Problem> {
    let buffers = open.iter().map(|(path, document)| (path.clone(), document.text.clone())).collect();
    let options = LoadOptions { run_commands: false, buffers };
    let mut problems = load_with(root, extensions, &options).1;
    // Deploys are loaded with their tests once more; their problems are known already.
    let of_tests = load_tests(root, extensions, &options).1;
    let more: Vec<Problem> = of_tests.into_iter().filter(|problem| !problems.contains(problem)).collect();
    problems.extend(more);
    problems
}

fn homeless(open: &BTreeMap<String, &Document>) -> Vec<Problem> {
    let problem = |path: &String| {
        let place = Place::File { path: path.clone() };
        let message = "the file lies in no ifrit workspace: no directory upwards has an ifrit.toml";
        Problem::new(Code::WorkspaceMissing, place, message).with_hint("`ifrit init DIR` makes one")
    };
    open.keys().map(problem).collect()
}

fn notification(
    uri: Uri,
    version: Option<i32>,
    problems: &[&Problem],
    text: &str,
    encoding: Encoding,
) -> Notification {
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let diagnostics = problems.iter().map(|problem| diagnostic(problem, &lines, encoding)).collect();
    let params = PublishDiagnosticsParams { uri, diagnostics, version };
    Notification::new(PublishDiagnostics::METHOD.to_owned(), params)
}

fn diagnostic(problem: &Problem, lines: &[&str], encoding: Encoding) -> Diagnostic {
    let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!("\nhint: {hint}"));
    Diagnostic {
        range: range(&problem.place, lines, encoding),
        severity: Some(match problem.level {
            Level::Error => DiagnosticSeverity::ERROR,
            Level::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(problem.code.as_str().to_owned())),
        source: Some("ifrit".to_owned()),
        message: format!("{}{hint}", problem.message),
        ..Diagnostic::default()
    }
}

/// Marks the word that begins at a place, or the first line for the file as a whole.
fn range(place: &Place, lines: &[&str], encoding: Encoding) -> Range {
    let (line, column) = match place {
        Place::Spot { line, column, .. } => (line.saturating_sub(1), column.saturating_sub(1)),
        _ => (0, 0),
    };
    let text = lines.get(line).copied().unwrap_or_default();
    let is_word = |letter: &char| letter.is_alphanumeric() || *letter == '_';
    let word = text.chars().skip(column).take_while(is_word).count().max(1);
    let position = |characters| Position {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        character: encoding.column(text, characters),
    };
    Range { start: position(column), end: position(column + word) }
}
