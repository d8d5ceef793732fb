//! ssh_config(5): what `~/.ssh/config` says of a host. Reading is pure: included files come from a
//! reader that the caller gives ([`read_ssh_config`] is the one for the file system).
//!
//! What could lead ifrit elsewhere than ssh would go, or past a check, is never passed over: a block
//! whose condition is not understood is left out with a problem, a line that is not understood refuses
//! the hosts that it counts for.

mod parse;
mod read;
mod resolve;
mod word;

use std::sync::Arc;

use model::{Code, Place, Problem};

pub(crate) use read::read_capped;
pub use read::read_ssh_config;
pub use resolve::{AgentChoice, Asked, JumpSpec, Resolved};

/// How deep files may include each other, as in OpenSSH (`READCONF_MAX_DEPTH`).
const DEPTH_MAX: usize = 16;
/// The files that one configuration may consist of.
const FILES_MAX: usize = 256;
/// The lines of one configuration, all files together.
const LINES_MAX: usize = 100_000;

/// A file that an `Include` line leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedFile {
    /// Its path, for messages.
    pub path: String,
    /// Its text, or why it cannot be read.
    pub text: Result<String, String>,
}

/// A read configuration.
#[derive(Debug, Clone, Default)]
pub struct SshConfig {
    entries: Vec<Entry>,
}

/// One line that sets something, and when it counts.
#[derive(Debug, Clone)]
struct Entry {
    spot: Spot,
    guards: Vec<Arc<Guard>>,
    setting: Setting,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spot {
    path: Arc<str>,
    line: usize,
}

impl Spot {
    fn problem(&self, message: impl Into<String>) -> Problem {
        let place = Place::Spot { path: self.path.to_string(), line: self.line, column: 1 };
        Problem::new(Code::SshConfigUnsupported, place, message)
    }
}

/// When a block counts: all criteria hold.
#[derive(Debug, Clone, Default)]
struct Guard {
    criteria: Vec<Criterion>,
}

#[derive(Debug, Clone)]
enum Criterion {
    /// A condition that is not understood: never.
    Never,
    /// The name asked for, with the patterns of a `Host` line.
    Asked(Vec<String>),
    /// `Match originalhost` (and its negation).
    Original { patterns: Vec<String>, is_negated: bool },
    /// `Match host`: the name as the lines before have made it.
    Current { patterns: Vec<String>, is_negated: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    HostName(String),
    User(String),
    Port(u16),
    /// `None` = `none`.
    ProxyJump(Option<Vec<JumpSpec>>),
    /// Whether it is a command (and not `none`).
    ProxyCommand(bool),
    IdentityFile(String),
    CertificateFile(String),
    IdentityAgent(String),
    IdentitiesOnly(bool),
    HostKeyAlias(String),
    /// Something that must not be passed over where it counts.
    Refused(String),
}

impl SshConfig {
    /// Reads a configuration. `include` gets the pattern of an `Include` line as written (without
    /// quotes) and returns the files that it names, in order.
    pub fn parse(
        path: &str,
        text: &str,
        include: &mut dyn FnMut(&str) -> Vec<IncludedFile>,
    ) -> (Self, Vec<Problem>) {
        parse::parse(path, text, include)
    }

    /// Adds a configuration whose lines count after those that are there.
    pub fn append(&mut self, mut later: Self) {
        self.entries.append(&mut later.entries);
    }
}

#[cfg(test)]
mod tests;
