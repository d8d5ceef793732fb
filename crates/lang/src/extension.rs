//! Starlark functions that another room brings.

use starlark::environment::GlobalsBuilder;

/// Starlark functions that another room registers; `lang` knows no operation by name. Their
/// documentation is what the registration itself says (the doc comments under `#[starlark_module]`).
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// What it is called in the reference: `facts`, `operations`.
    pub name: &'static str,
    /// The kinds of file that see its functions.
    pub scope: Scope,
    /// Adds its functions.
    pub register: fn(&mut GlobalsBuilder),
}

/// The kinds of file that see a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Files in `inventory/`.
    Inventory,
    /// Files in `deploys/`.
    Deploys,
    /// Files of tests: `deploys/**/*_test.star` and everything in `tests/`.
    Tests,
    /// All of them.
    Everywhere,
}
