//! Starlark: turns the team's repository (the workspace) into typed declarations.
//!
//! The door is [`load`]: a directory in, a [`Workspace`] and located problems out. Other rooms add
//! functions with an [`Extension`]. [`load_with`] does the same for files that are being edited.
//!
//! Architecture invariant: `lang` knows no operation and no fact by name, parses no settings
//! (`ifrit.toml` is `control`'s) and lets no value of the interpreter out: what leaves is `model`. Only [`Deploy::call`] lets an
//! extension's own functions meet its own values, on the code that was loaded.

mod call;
mod data;
pub mod debug;
mod diagnostic;
mod docs;
mod extension;
mod files;
mod folder;
mod globals;
pub mod import;
mod inventory;
mod limits;
pub mod lsp;
mod nesting;
mod parse;
mod program;
mod stubs;
mod template;
mod tested;
mod workspace;

pub use call::{
    LargeStackError, Watcher, data_value, fault, on_evaluation_thread, on_large_stack, place_of_call,
    starlark_value,
};
pub use docs::{FunctionDoc, functions};
pub use extension::{Extension, Scope};
pub use files::{FileKind, SourceFile, read_asset, source_paths};
pub use folder::list_assets;
pub use stubs::{STUB_FILE, stubs};
pub use template::template;
pub use tested::{Test, Tested, load_constant, load_tests};
pub use workspace::{Deploy, LoadOptions, Workspace, load, load_with};

/// The file that marks the root of a workspace. Its content is settings, which `control` reads.
pub const WORKSPACE_FILE: &str = "ifrit.toml";
