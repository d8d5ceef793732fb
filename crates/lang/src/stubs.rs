//! All functions as a Python type stub: editors that know Python then know the functions of `.star` files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::docs::{FunctionDoc, functions};
use crate::extension::Extension;

/// The name under which Pyright looks for names that need no import, in the root of a project
/// (its documentation, "Extending Builtins").
pub const STUB_FILE: &str = "__builtins__.pyi";

/// Names of types that Python has itself.
const PYTHON_TYPES: [&str; 13] = [
    "Any", "Callable", "Iterable", "None", "bool", "bytes", "dict", "float", "int", "list", "set", "str",
    "tuple",
];

/// What stands before the functions.
const HEAD: &str = "\
# The functions that .star files of an ifrit workspace can call, for editors that know Python.
# Made by `ifrit stubs --write`; do not edit.
# Files in inventory/ declare hosts; files in deploys/ call operations, facts and inventory; files
# *_test.star and those in tests/ call testing and expect. `ifrit check` says which name a file knows.
from typing import Any, Callable, Iterable

def load(module: str, /, *names: str, **renamed: str) -> None:
    \"\"\"Takes names from another file: load(\"//deploys/_lib.star\", \"name\").\"\"\"

def struct(**fields: Any) -> Any:
    \"\"\"Makes a value with these attributes.\"\"\"
";

/// What stands under one name: a function, a namespace, or one in one kind of file and the other in
/// another.
#[derive(Default)]
struct Named<'f> {
    function: Option<&'f FunctionDoc>,
    members: BTreeMap<&'f str, Named<'f>>,
}

/// Returns all functions of the inventory and of the extensions as a Python type stub.
pub fn stubs(extensions: &[Extension]) -> String {
    let functions = functions(extensions);
    let mut top = Named::default();
    for function in &functions {
        let named = function.name.split('.').fold(&mut top, |at, part| at.members.entry(part).or_default());
        named.function.get_or_insert(function);
    }
    let mut text = HEAD.to_owned();
    for name in types_of(&functions).iter().filter(|name| !top.members.contains_key(name.as_str())) {
        let _ = write!(text, "\nclass {name}:\n    def __getattr__(self, name: str, /) -> Any: ...\n");
    }
    for (name, named) in &top.members {
        text.push('\n');
        push_named(&mut text, name, named, 0);
    }
    text
}

fn push_named(text: &mut String, name: &str, named: &Named<'_>, indent: usize) {
    let margin = " ".repeat(indent);
    if let (Some(function), true) = (named.function, named.members.is_empty()) {
        if indent > 0 {
            let _ = writeln!(text, "{margin}@staticmethod");
        }
        return push_function(text, name, function, indent);
    }
    let _ = writeln!(text, "{margin}class {name}:");
    if let Some(function) = named.function {
        // In one kind of file it is called, in another it has members.
        push_new(text, function, indent + 4);
    }
    for (name, member) in &named.members {
        push_named(text, name, member, indent + 4);
    }
}

fn push_function(text: &mut String, name: &str, function: &FunctionDoc, indent: usize) {
    let margin = " ".repeat(indent);
    let returns = if function.returns.is_empty() { "Any".to_owned() } else { python_type(&function.returns) };
    let parameters: Vec<String> = function.declared.iter().map(|it| parameter(it)).collect();
    let _ = writeln!(text, "{margin}def {name}({}) -> {returns}:", parameters.join(", "));
    push_docstring(text, function, indent + 4);
}

fn push_new(text: &mut String, function: &FunctionDoc, indent: usize) {
    let margin = " ".repeat(indent);
    let parameters = function.declared.iter().map(|it| parameter(it));
    let parameters: Vec<String> = std::iter::once("cls".to_owned()).chain(parameters).collect();
    let _ = writeln!(text, "{margin}def __new__({}) -> Any:", parameters.join(", "));
    push_docstring(text, function, indent + 4);
}

fn push_docstring(text: &mut String, function: &FunctionDoc, indent: usize) {
    let mut said = function.summary.clone();
    if !function.details.trim().is_empty() {
        let _ = write!(said, "\n\n{}", function.details.trim());
    }
    let arguments: Vec<String> = function
        .parameters
        .iter()
        .filter(|(_, meaning)| !meaning.is_empty())
        .map(|(name, meaning)| format!("- `{name}`: {meaning}"))
        .collect();
    if !arguments.is_empty() {
        let _ = write!(said, "\n\n{}", arguments.join("\n"));
    }
    let margin = " ".repeat(indent);
    let said = said.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', &format!("\n{margin}"));
    let lines: Vec<&str> = said.split('\n').map(str::trim_end).collect();
    let _ = writeln!(text, "{margin}\"\"\"{}\"\"\"", lines.join("\n"));
}

/// Turns `mode: None | str = None` into what Python says.
fn parameter(declared: &str) -> String {
    let Some((name, rest)) = declared.split_once(": ") else { return declared.to_owned() };
    let (typ, default) = match rest.split_once(" = ") {
        Some((typ, default)) => (python_type(typ), Some(default)),
        None => (python_type(rest), None),
    };
    match default {
        None => format!("{name}: {typ}"),
        Some("True") => format!("{name}: {typ} = True"),
        Some("False") => format!("{name}: {typ} = False"),
        Some("None") if words(&typ).any(|word| word == "None") => format!("{name}: {typ} = None"),
        Some(number) if number.parse::<i64>().is_ok() => format!("{name}: {typ} = {number}"),
        // Stubs write `...` for a default that is not worth saying.
        Some(_) => format!("{name}: {typ} = ..."),
    }
}

/// Turns a type as Starlark writes it into one of Python.
fn python_type(typ: &str) -> String {
    let mut text = typ.replace("typing.Any", "Any").replace("typing.Callable", "Callable[..., Any]");
    text = text.replace("typing.Iterable", "Iterable[Any]").replace("Iterable[Any][", "Iterable[");
    text = text.replace("typing.Never", "None").replace("function", "Callable[..., Any]");
    let is_any = text == "any" || text.contains("typing.") || text.contains('(');
    if is_any { "Any".to_owned() } else { text }
}

/// Returns the names of types that the functions mention and that Python does not have.
fn types_of(functions: &[FunctionDoc]) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    for function in functions {
        let parameters = function.declared.iter().map(|it| parameter(it));
        let annotations = parameters.filter_map(|it| Some(it.split_once(": ")?.1.to_owned()));
        for annotation in annotations.chain([python_type(&function.returns)]) {
            let annotation = annotation.split(" = ").next().unwrap_or_default();
            let names = words(annotation).filter(|word| !PYTHON_TYPES.contains(word));
            types.extend(names.map(str::to_owned));
        }
    }
    types
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_of_python() {
        let check = |declared: &str, expected: &str| assert_eq!(parameter(declared), expected, "{declared}");
        check("*", "*");
        check("name: str", "name: str");
        check("mode: None | str = None", "mode: None | str = None");
        check("tags: list[str] = None", "tags: list[str] = ...");
        check("handler: bool = False", "handler: bool = False");
        check("size: int = 10", "size: int = 10");
        check("data: None | dict[str, typing.Any] = None", "data: None | dict[str, Any] = None");
        check("x: list[str] | (str, ...)", "x: Any");
        check("when: typing.Any = None", "when: Any = ...");
        check("**kwargs: typing.Any", "**kwargs: Any");
    }

    #[test]
    fn every_function_is_there_and_a_name_of_two_kinds_is_both() {
        let text = stubs(&[]);
        for function in functions(&[]) {
            let name = function.name.rsplit('.').next().expect("a name");
            assert!(
                text.contains(&format!("def {name}(")) || text.contains(&format!("class {name}:")),
                "{name}"
            );
        }
        assert!(text.contains("class Host:"), "{text}");
    }
}
