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
mod packages;
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
mod server_shell;
mod server_sysctl;
mod server_timezone;
mod server_user;
mod server_wait;
mod services;
mod upkeep;
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
        packages::register_server(builder);
        services::register_server(builder);
    });
    builder.namespace("apk", |builder| {
        packages::register_apk(builder);
        upkeep::register_apk(builder);
        repositories::register_apk(builder);
    });
    builder.namespace("apt", |builder| {
        packages::register_apt(builder);
        upkeep::register_apt(builder);
        repositories::register_apt(builder);
    });
    builder.namespace("pkg", |builder| {
        packages::register_pkg(builder);
        upkeep::register_pkg(builder);
    });
    builder.namespace("lbu", upkeep::register_lbu);
    builder.namespace("git", git_repo::register);
    builder.namespace("zfs", zfs::register);
    builder.namespace("jail", jail::register);
    builder.namespace("sshd", privileges::register_sshd);
    builder.namespace("sudo", privileges::register_sudo);
    builder.namespace("doas", privileges::register_doas);
    builder.namespace("pf", privileges::register_pf);
    builder.namespace("openrc", services::register_openrc);
    builder.namespace("systemd", services::register_systemd);
    builder.namespace("runit", services::register_runit);
    builder.namespace("freebsd", |builder| {
        services::register_freebsd(builder);
        freebsd_sysrc::register(builder);
        builder.namespace("pkg", upkeep::register_pkg);
        builder.namespace("freebsd_update", upkeep::register_freebsd_update);
    });
    builder.namespace("service", services::register_verbs);
}

#[cfg(test)]
pub(crate) mod tests;
