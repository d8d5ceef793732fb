//! From text to a syntax tree.

use std::collections::HashMap;

use model::{Code, Place, Problem};
use starlark::codemap::FileSpan;
use starlark::syntax::ast::{AssignOp, AstStmt, Expr, Stmt};
use starlark::syntax::{AstModule, Dialect, DialectTypes};

use crate::diagnostic::{from_error, spot};
use crate::limits::{MULTIPLY, NESTING_MAX};
use crate::nesting::too_deep;

/// The language: Starlark with f-strings, types and keyword-only arguments, all of it valid Python.
pub(crate) const DIALECT: Dialect = Dialect {
    enable_keyword_only_arguments: true,
    enable_positional_only_arguments: true,
    enable_types: DialectTypes::Enable,
    enable_load_reexport: false,
    enable_top_level_stmt: true,
    enable_f_strings: true,
    ..Dialect::Standard
};

/// A file that could be parsed.
pub(crate) struct Parsed {
    /// The tree as it stands in the file, for the static checks.
    pub tree: AstModule,
    /// Where it defines `deploy` at the top level.
    pub deploy: Option<FileSpan>,
    /// Its functions `test_...` at the top level, in their order.
    pub tests: Vec<(String, FileSpan)>,
}

impl Parsed {
    /// Returns the tree to be evaluated.
    pub fn into_evaluable(mut self) -> AstModule {
        self.tree.replace_binary_operators(&HashMap::from([("*".to_owned(), MULTIPLY.to_owned())]));
        self.tree
    }
}

/// Parses a file. `is_inert`: at the top level it may only define things.
pub(crate) fn parse(path: &str, content: String, is_inert: bool) -> Result<Parsed, Vec<Problem>> {
    if let Some(span) = too_deep(path, &content) {
        let message = format!("the code nests deeper than {NESTING_MAX} levels here");
        return Err(vec![Problem::new(Code::StarlarkLimit, spot(&span), message)]);
    }
    let tree = match AstModule::parse(path, content, &DIALECT) {
        Ok(tree) => tree,
        Err(error) => return Err(vec![from_error(&error, path, None)]),
    };
    let mut problems = Vec::new();
    let mut deploy = None;
    let mut tests = Vec::new();
    each_top_level(tree.statement(), &mut |statement| {
        if let Stmt::Def(def) = &statement.node {
            let name = &def.name.node.ident;
            let span = || tree.file_span(def.name.span);
            if name == "deploy" {
                deploy = Some(span());
            } else if name.starts_with("test_") {
                tests.push((name.clone(), span()));
            }
        }
        if is_inert && !is_definition(statement) {
            let place = spot(&tree.file_span(statement.span));
            problems.push(
                Problem::new(
                    Code::StarlarkSyntax,
                    place,
                    "expected load, def or an assignment at the top level of this file, got another statement",
                )
                .with_hint("only files in inventory/ run by themselves; move the statement into a function"),
            );
        }
    });
    find_multiply_assign(tree.statement(), &tree, &mut problems);
    if problems.is_empty() { Ok(Parsed { tree, deploy, tests }) } else { Err(problems) }
}

fn each_top_level(statement: &AstStmt, visit: &mut impl FnMut(&AstStmt)) {
    match &statement.node {
        Stmt::Statements(statements) => statements.iter().for_each(|it| each_top_level(it, visit)),
        _ => visit(statement),
    }
}

fn is_definition(statement: &AstStmt) -> bool {
    match &statement.node {
        Stmt::Assign(_) | Stmt::Def(_) | Stmt::Load(_) | Stmt::Pass => true,
        // A docstring.
        Stmt::Expression(expression) => matches!(expression.node, Expr::Literal(_)),
        _ => false,
    }
}

/// `*=` would go round the limit on `*`.
fn find_multiply_assign(statement: &AstStmt, tree: &AstModule, problems: &mut Vec<Problem>) {
    if let Stmt::AssignModify(_, AssignOp::Multiply, _) = &statement.node {
        let place: Place = spot(&tree.file_span(statement.span));
        let problem = Problem::new(Code::StarlarkSyntax, place, "`*=` is not part of the language here");
        problems.push(problem.with_hint("write `x = x * y`"));
    }
    statement.visit_stmt(|inner| find_multiply_assign(inner, tree, problems));
}
