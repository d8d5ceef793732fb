//! The functions that declare the inventory, and the check of all declarations together.

mod argument;
mod check;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod client;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod host;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod service;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod session;

use starlark::environment::GlobalsBuilder;

pub(crate) use check::check;
pub(crate) use session::Session;

/// Registers every function that declares.
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    client::register(builder);
    host::register(builder);
    service::register(builder);
}
