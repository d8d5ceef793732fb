//! What functions there are, for the reference.

use starlark::docs::{DocFunction, DocItem, DocMember, DocModule, DocParam, FmtParam};
use starlark::environment::GlobalsBuilder;
use starlark::typing::Ty;

use crate::extension::{Extension, Scope};
use crate::inventory;

/// One function of the language, as the generated reference shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDoc {
    /// Its name with its namespace: `host`, `facts.os`.
    pub name: String,
    /// The files that know it.
    pub scope: Scope,
    /// How it is called, with types and defaults, as Starlark writes it.
    pub signature: String,
    /// Its parameters as they stand in the signature: `mode: int | str = None`; `*` and `/` among them.
    pub declared: Vec<String>,
    /// The type that it returns, as Starlark writes it; empty = any.
    pub returns: String,
    /// One sentence.
    pub summary: String,
    /// Everything else: Markdown, may be empty.
    pub details: String,
    /// Its parameters in order, with what is said about each.
    pub parameters: Vec<(String, String)>,
}

/// Returns every function of the inventory and those of the extensions, sorted by scope, then name.
/// The text is that of the registration itself, so it cannot say what the code does not.
pub fn functions(extensions: &[Extension]) -> Vec<FunctionDoc> {
    let own = Extension { name: "inventory", scope: Scope::Inventory, register: inventory::register };
    let mut functions = Vec::new();
    for extension in std::iter::once(&own).chain(extensions) {
        let mut builder = GlobalsBuilder::new();
        (extension.register)(&mut builder);
        collect(&builder.build().documentation(), "", extension.scope, &mut functions);
    }
    functions.sort_by(|a, b| (a.scope, &a.name).cmp(&(b.scope, &b.name)));
    functions
}

fn collect(module: &DocModule, prefix: &str, scope: Scope, functions: &mut Vec<FunctionDoc>) {
    for (name, item) in &module.members {
        let name = format!("{prefix}{name}");
        match item {
            DocItem::Module(inner) => collect(inner, &format!("{name}."), scope, functions),
            DocItem::Member(DocMember::Function(function)) => functions.push(describe(name, function, scope)),
            // Types and constants are named in the signatures.
            DocItem::Type(_) | DocItem::Member(DocMember::Property(_)) => {}
        }
    }
}

fn describe(name: String, function: &DocFunction, scope: Scope) -> FunctionDoc {
    let parameters: Vec<String> = function.params.fmt_params().map(|it| parameter(&it)).collect();
    let returns = if function.ret.typ == Ty::any() { String::new() } else { function.ret.typ.to_string() };
    let arrow = if returns.is_empty() { "" } else { " -> " };
    let signature = format!("{name}({}){arrow}{returns}", parameters.join(", "));
    let docs = function.docs.as_ref();
    let said = |param: &DocParam| {
        let text = param.docs.as_ref().map(|docs| docs.summary.clone()).unwrap_or_default();
        (param.name.clone(), text)
    };
    FunctionDoc {
        name,
        scope,
        signature,
        declared: parameters,
        returns,
        summary: docs.map(|docs| docs.summary.clone()).unwrap_or_default(),
        details: docs.and_then(|docs| docs.details.clone()).unwrap_or_default(),
        parameters: function.params.regular_params().map(said).collect(),
    }
}

fn parameter(parameter: &FmtParam<&DocParam>) -> String {
    let (stars, param) = match parameter {
        FmtParam::Regular(param) => ("", param),
        FmtParam::Args(param) => ("*", param),
        FmtParam::Kwargs(param) => ("**", param),
        FmtParam::Slash => return "/".to_owned(),
        FmtParam::Star => return "*".to_owned(),
    };
    // The interpreter writes `...` for a default that is made in Rust; ours are all None in effect.
    let default = match param.default_value.as_deref() {
        None => String::new(),
        Some("...") => " = None".to_owned(),
        Some(default) => format!(" = {default}"),
    };
    format!("{stars}{}: {}{default}", param.name, param.typ)
}
