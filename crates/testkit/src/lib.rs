//! Throw-away fleets of real sshd hosts on one Linux machine, for tests and demonstrations.
//!
//! A host of a [`Fleet`] has its own network, mount, process, host-name and IPC namespaces, its own
//! overlay over this machine's root file system and its own OpenSSH server with its own host key. A
//! controller reaches the hosts from the fleet's client namespace: `ip netns exec NAME COMMAND`
//! ([`Fleet::client_command`]). No packet leaves: nothing connects the fleet to this machine's network.
//!
//! What is real and what is emulated: Debian hosts are real in every part (dpkg, apt, their databases).
//! Alpine hosts carry a *recorded* package database and os-release, so reading them is real and their
//! package manager is absent. FreeBSD hosts are *emulated*: `uname`, `freebsd-version` and
//! `pkg query` are stand-ins that answer from a recorded list.
//!
//! Everything needs root, Linux, and the Debian packages that [`support`] names.
//!
//! Architecture invariant: depends on `model` alone and is a dev-dependency of others.

mod apt;
mod changes;
mod command;
mod content;
mod demo;
mod error;
mod fleet;
mod host;
mod http_sink;
mod leftovers;
mod ntfy;
mod postgres;
mod smtp_sink;
mod spawner;
mod spec;
mod support;

pub use apt::{AptError, AptRepository, ExercisePackage};
pub use demo::{EXERCISE_FIXED, EXERCISE_OLD, EXERCISE_PACKAGE, demo_specs, write_description};
pub use error::FleetError;
pub use fleet::{Fleet, HOSTS_MAX};
pub use http_sink::{HttpAnswer, HttpRequest, HttpSink};
pub use ntfy::Ntfy;
pub use postgres::Postgres;
pub use smtp_sink::{Mail, SmtpSink};
pub use spec::{HostContent, HostSpec};
pub use support::{Unsupported, support};
