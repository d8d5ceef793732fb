//! Operations: what a deploy can ask to be so.
//!
//! One operation is one file, and it is added in four moves:
//!
//! 1. A struct of its checked arguments, and [`Operation`] for it: which [`Question`]s it asks (the first
//!    is its probe), what it touches, and `decide`: from the answers to a [`Decision`]. `decide` also
//!    gets no answers, where an earlier step of the same host may change them: then the action must do
//!    the right thing whatever it finds, and `before` is left out.
//! 2. A `#[starlark_module]` function with pyinfra's name and arguments. It reads the arguments into the
//!    struct and ends with [`run`]. Its doc comment is the reference.
//! 3. A line in [`register`].
//! 4. A folder `fixtures/operations/NAMESPACE.NAME` of cases: code, facts, and the steps expected.
//!
//! sh functions that no operation has yet go into `crate::sh`, where the same function is the fact and
//! the probe. Nothing is written into a script but by `Script`, which quotes every word.

mod area;
mod argument;
mod decision;
mod files_block;
mod files_directory;
mod files_file;
mod files_line;
mod files_link;
mod files_put;
mod files_replace;
mod files_template;
mod freebsd_sysrc;
mod packages;
mod server_authorized_keys;
mod server_crontab;
mod server_group;
mod server_hostname;
mod server_modprobe;
mod server_mount;
mod server_reboot;
mod server_shell;
mod server_sysctl;
mod server_timezone;
mod server_user;
mod server_wait;
mod services;

use std::time::Duration;

use model::Risk;
use starlark::environment::GlobalsBuilder;

use crate::deploy::Asked;
use crate::facts::Question;

pub(crate) use area::Area;
pub(crate) use decision::Decision;

/// How long an action may take where the operation does not say otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// What one operation is: its arguments are checked already.
pub(crate) trait Operation {
    /// Its name: `files.put`.
    const NAME: &'static str;

    /// What it is about: a path, a package.
    fn subject(&self) -> String;

    /// What it wants to know.
    fn questions(&self) -> Vec<Question>;

    /// What it may change.
    fn touches(&self) -> Vec<Area>;

    /// What its answers depend on.
    fn depends(&self) -> Vec<Area> {
        self.touches()
    }

    /// What may go wrong with it.
    fn risks(&self) -> Vec<Risk> {
        Vec::new()
    }

    /// How long its action may take.
    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    /// Decides; without answers where an earlier step may change them.
    ///
    /// # Errors
    /// Why the host's state is one that it does not change.
    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String>;
}

/// Registers every operation.
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    builder.namespace("files", |builder| {
        files_put::register(builder);
        files_template::register(builder);
        files_line::register(builder);
        files_block::register(builder);
        files_replace::register(builder);
        files_directory::register(builder);
        files_link::register(builder);
        files_file::register(builder);
    });
    builder.namespace("server", |builder| {
        server_shell::register(builder);
        server_user::register(builder);
        server_group::register(builder);
        server_authorized_keys::register(builder);
        server_sysctl::register(builder);
        server_hostname::register(builder);
        server_crontab::register(builder);
        server_modprobe::register(builder);
        server_mount::register(builder);
        server_timezone::register(builder);
        server_reboot::register(builder);
        server_wait::register(builder);
        packages::register_server(builder);
        services::register_server(builder);
    });
    builder.namespace("apk", packages::register_apk);
    builder.namespace("apt", packages::register_apt);
    builder.namespace("pkg", packages::register_pkg);
    builder.namespace("openrc", services::register_openrc);
    builder.namespace("systemd", services::register_systemd);
    builder.namespace("runit", services::register_runit);
    builder.namespace("freebsd", |builder| {
        services::register_freebsd(builder);
        freebsd_sysrc::register(builder);
    });
    builder.namespace("service", services::register_verbs);
}

#[cfg(test)]
pub(crate) mod tests;
