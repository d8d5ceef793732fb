//! The functions that declare the inventory, and the check of all declarations together.

pub(crate) mod argument;
mod check;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod client;
mod exception;
mod form;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod group;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod host;
mod host_data;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod interface;
mod link;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod network;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod person;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod service;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod session;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod site;

use starlark::environment::GlobalsBuilder;

use crate::data;

pub(crate) use check::check;
pub(crate) use form::{host_key, is_address, is_user};
pub(crate) use host_data::{alloc, read};
pub(crate) use session::Session;

/// Registers every function of inventory files.
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    client::register(builder);
    exception::register(builder);
    group::register(builder);
    host::register(builder);
    interface::register(builder);
    link::register(builder);
    network::register(builder);
    person::register(builder);
    service::register(builder);
    site::register(builder);
    data::register(builder);
}
