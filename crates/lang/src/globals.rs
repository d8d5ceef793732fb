//! The names that code sees without defining or loading them.

use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension};

use crate::extension::{Extension, Scope};
use crate::inventory;
use crate::limits::bounded;

/// What we take beside standard Starlark. No `debug`, `breakpoint` or `call_stack`: their output is
/// the interpreter's, not a language's. No `json` either: its encoder walks values by recursion without
/// a bound, and a value nested deeply enough ends the process.
const LIBRARY: [LibraryExtension; 9] = [
    LibraryExtension::EnumType,
    LibraryExtension::Filter,
    LibraryExtension::Map,
    LibraryExtension::Partial,
    LibraryExtension::Print,
    LibraryExtension::RecordType,
    LibraryExtension::SetType,
    LibraryExtension::StructType,
    LibraryExtension::Typing,
];

/// Returns everything that files of a kind see.
pub(crate) fn globals(scope: Scope, extensions: &[Extension]) -> Globals {
    let mut builder = GlobalsBuilder::extended_by(&LIBRARY).with(bounded);
    if scope == Scope::Inventory {
        inventory::register(&mut builder);
    }
    for extension in extensions.iter().filter(|it| it.scope == scope || it.scope == Scope::Everywhere) {
        (extension.register)(&mut builder);
    }
    builder.build()
}
