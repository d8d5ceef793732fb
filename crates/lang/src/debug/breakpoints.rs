//! Breakpoints: which lines can have one, and which have.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use starlark::codemap::FileSpan;
use starlark::syntax::AstModule;
use starlark::syntax::ast::{AstStmt, Expr, Stmt};

use crate::files::{INVENTORY, read};
use crate::parse::parse;

/// What the editor sets and the evaluation looks at.
#[derive(Debug, Default)]
pub(super) struct Breakpoints {
    by_file: Mutex<HashMap<String, Vec<Breakpoint>>>,
    pauses: AtomicBool,
    ends: AtomicBool,
}

/// A breakpoint at a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breakpoint {
    /// Where the statement begins, from 1.
    pub line: usize,
    /// The same.
    pub column: usize,
    /// It stops only where this is true.
    pub condition: Option<String>,
    /// It does not stop, but says this; `{...}` are expressions.
    pub message: Option<String>,
}

impl Breakpoints {
    /// Replaces those of a file.
    pub fn set(&self, path: &str, breakpoints: Vec<Breakpoint>) {
        let mut by_file = self.by_file.lock().unwrap_or_else(PoisonError::into_inner);
        by_file.insert(path.to_owned(), breakpoints);
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_file.lock().unwrap_or_else(PoisonError::into_inner).values().all(Vec::is_empty)
    }

    /// Takes all away.
    pub fn clear(&self) {
        self.by_file.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the breakpoint at a statement.
    pub fn at(&self, span: &FileSpan) -> Option<Breakpoint> {
        let by_file = self.by_file.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = by_file.get(span.filename()).filter(|it| !it.is_empty())?;
        let begin = span.resolve_span().begin;
        of_file.iter().find(|it| (it.line, it.column) == (begin.line + 1, begin.column + 1)).cloned()
    }

    /// Asks the evaluation to stop before its next statement.
    pub fn pause(&self) {
        self.pauses.store(true, Ordering::Relaxed);
    }

    /// Says whether it was asked to, once.
    pub fn take_pause(&self) -> bool {
        self.pauses.swap(false, Ordering::Relaxed)
    }

    /// Asks the evaluation to end.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    /// Says whether it was asked to.
    pub fn is_over(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }
}

/// The lines of a file where an evaluation can stop.
#[derive(Debug, Default)]
pub(super) struct Lines {
    functions: Vec<Function>,
}

/// A function at the top level of a file.
#[derive(Debug)]
struct Function {
    /// Its first and last line, from 1.
    lines: (usize, usize),
    /// Sorted; of several that begin on one line the first one.
    statements: Vec<Statement>,
}

/// A statement: where it begins, and its last line; that of one with a block ends with its head.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Statement {
    line: usize,
    column: usize,
    last: usize,
}

impl Lines {
    /// Reads a file of the workspace.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn of_file(root: &Path, path: &str) -> Result<Self, String> {
        let content = read(root, path).map_err(|problem| problem.message)?;
        Self::of(path, content)
    }

    fn of(path: &str, content: String) -> Result<Self, String> {
        let parsed = parse(path, content, !path.starts_with(INVENTORY)).map_err(|problems| {
            problems.first().map_or_else(|| "it cannot be parsed".to_owned(), ToString::to_string)
        })?;
        let mut lines = Self::default();
        top_level(parsed.tree.statement(), &parsed.tree, &mut lines);
        Ok(lines)
    }

    /// Returns line and column of the statement that a line belongs to, or else of the next one in the same
    /// function.
    ///
    /// # Errors
    /// Why there is none.
    pub fn statement_at(&self, line: usize) -> Result<(usize, usize), String> {
        let within = self.functions.iter().find(|it| (it.lines.0..=it.lines.1).contains(&line));
        let Some(function) = within else {
            return Err("this runs while the file is loaded, before there is a host".to_owned());
        };
        let begun = function.statements.iter().rev().find(|it| (it.line..=it.last).contains(&line));
        let next = || function.statements.iter().find(|it| it.line >= line);
        let found = begun.or_else(next).map(|it| (it.line, it.column));
        found.ok_or_else(|| "no statement follows in this function".to_owned())
    }
}

fn top_level(statement: &AstStmt, tree: &AstModule, lines: &mut Lines) {
    match &statement.node {
        Stmt::Statements(statements) => statements.iter().for_each(|it| top_level(it, tree, lines)),
        Stmt::Def(def) => {
            let first = tree.file_span(statement.span).resolve_span().begin.line + 1;
            let mut statements = Vec::new();
            within(&def.body, tree, &mut statements);
            statements.sort_unstable();
            statements.dedup_by_key(|it| it.line);
            let last = statements.iter().map(|it| it.last).max().unwrap_or(first);
            lines.functions.push(Function { lines: (first, last), statements });
        }
        _ => {}
    }
}

fn within(statement: &AstStmt, tree: &AstModule, statements: &mut Vec<Statement>) {
    let has_block = matches!(statement.node, Stmt::If(..) | Stmt::IfElse(..) | Stmt::For(_) | Stmt::Def(_));
    match &statement.node {
        // These do nothing, so the interpreter passes over them.
        Stmt::Statements(_) | Stmt::Pass => {}
        Stmt::Expression(expression) if matches!(expression.node, Expr::Literal(_)) => {}
        _ => {
            let span = tree.file_span(statement.span).resolve_span();
            let line = span.begin.line + 1;
            // Where a span ends at the beginning of a line, it is the line before that it covers.
            let end = span.end.line + usize::from(span.end.column > 0);
            let last = if has_block { line } else { end.max(line) };
            statements.push(Statement { line, column: span.begin.column + 1, last });
        }
    }
    statement.visit_stmt(|inner| within(inner, tree, statements));
}

#[cfg(test)]
mod tests {
    use super::Lines;

    const CODE: &str = r#"PORT = 80

def helper(x):
    """Says it."""

    # A comment.
    if x:
        pass
    return f(
        x,
        2,
    )

def deploy(host):
    a = 1; b = 2
    for i in [1]:
        a += i
"#;

    #[track_caller]
    fn check(line: usize, expected: Result<(usize, usize), &str>) {
        let lines = Lines::of("deploys/a.star", CODE.to_owned()).expect("it parses");
        let found = lines.statement_at(line);
        assert_eq!(found.as_ref().copied().map_err(String::as_str), expected, "line {line}");
    }

    #[test]
    fn a_line_leads_to_a_statement() {
        let at_load = Err("this runs while the file is loaded, before there is a host");
        check(1, at_load);
        check(3, Ok((7, 5)));
        check(4, Ok((7, 5)));
        check(6, Ok((7, 5)));
        check(7, Ok((7, 5)));
        check(8, Ok((9, 5)));
        check(11, Ok((9, 5)));
        check(13, at_load);
        check(14, Ok((15, 5)));
        check(15, Ok((15, 5)));
        check(16, Ok((16, 5)));
        check(17, Ok((17, 9)));
        check(18, at_load);
        check(usize::MAX, at_load);
    }
}
