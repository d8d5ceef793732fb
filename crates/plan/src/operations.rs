//! Operations: what a deploy can ask to be so.
//!
//! One operation is one file, and it is added in four moves:
//!
//! 1. A struct of its checked arguments, and [`Operation`] for it, or a [`goal::Goal`] where one question
//!    and the answers that are wanted say it all: which [`Question`]s it asks (the first
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
pub(crate) mod argument;
mod decision;
mod files_archive;
mod files_block;
mod files_directory;
mod files_download;
mod files_file;
mod files_line;
mod files_link;
mod files_move;
mod files_put;
mod files_replace;
mod files_sync;
mod files_template;
mod freebsd_sysrc;
mod git_repo;
mod goal;
mod jail;
mod making_room;
mod own;
mod packages;
mod pgp;
mod privileges;
mod repositories;
mod server_authorized_keys;
mod server_crontab;
mod server_group;
mod server_hostname;
mod server_hosts;
mod server_modprobe;
mod server_mount;
mod server_reboot;
mod server_script;
mod server_shell;
mod server_sysctl;
mod server_timezone;
mod server_user;
mod server_wait;
mod services;
mod upkeep;
mod whole_file;
mod zfs;

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

    /// Its name in plans, where that is not always the same.
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

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
        files_download::register(builder);
        files_archive::register(builder);
        files_move::register(builder);
        files_sync::register(builder);
    });
    builder.namespace("server", |builder| {
        server_shell::register(builder);
        server_script::register(builder);
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
        server_hosts::register(builder);
        packages::server::register(builder);
        services::server::register(builder);
    });
    builder.namespace("apk", |builder| {
        packages::apk::register(builder);
        upkeep::apk::register(builder);
        repositories::register_apk(builder);
    });
    builder.namespace("apt", |builder| {
        packages::apt::register(builder);
        upkeep::apt::register(builder);
        repositories::register_apt(builder);
    });
    builder.namespace("pkg", |builder| {
        packages::pkg::register(builder);
        upkeep::pkg::register(builder);
    });
    builder.namespace("lbu", upkeep::lbu::register);
    builder.namespace("git", git_repo::register);
    builder.namespace("zfs", zfs::register);
    builder.namespace("jail", jail::register);
    builder.namespace("sshd", privileges::register_sshd);
    builder.namespace("sudo", privileges::register_sudo);
    builder.namespace("doas", privileges::register_doas);
    builder.namespace("pf", privileges::register_pf);
    builder.namespace("openrc", services::openrc::register);
    builder.namespace("systemd", services::systemd::register);
    builder.namespace("runit", services::runit::register);
    builder.namespace("freebsd", |builder| {
        services::freebsd::register(builder);
        freebsd_sysrc::register(builder);
        builder.namespace("pkg", upkeep::pkg::register);
        builder.namespace("freebsd_update", upkeep::freebsd_update::register);
    });
    builder.namespace("service", |builder| {
        services::verbs::register(builder);
        services::freebsd::register_service(builder);
    });
    register_pyinfra_names(builder);
    own::register(builder);
}

/// Registers operations a second time under the module that a deploy of pyinfra imports them from:
/// `from pyinfra.operations.freebsd import sysrc` leaves `sysrc.sysrc(...)`.
fn register_pyinfra_names(builder: &mut GlobalsBuilder) {
    builder.namespace("crontab", server_crontab::register);
    builder.namespace("sysrc", freebsd_sysrc::register);
    builder.namespace("freebsd_update", upkeep::freebsd_update::register);
    builder.namespace("sysvinit", services::server::register);
    builder.namespace("bsdinit", services::freebsd::register);
}

#[cfg(test)]
pub(crate) mod tests;
