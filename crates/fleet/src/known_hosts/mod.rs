//! known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which keys and authorities somebody has
//! written down for a host, and which keys are revoked.

mod line;

use std::collections::HashSet;
use std::path::Path;

use model::{Code, HostKey, Place, Problem};

use crate::ssh_config;
use line::{Line, Marker};

/// The bytes of one file: 64 MiB, some 200 000 keys.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The lines of one file that are read.
const LINES_MAX: usize = 200_000;

/// Known hosts of one or several files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    /// Why a file could not be read to its end: a revoked key may be missing.
    unread: Vec<String>,
}

/// What the files say of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownHost {
    /// Keys that it may show.
    pub keys: Vec<HostKey>,
    /// Keys of authorities whose certificates count for it (`@cert-authority`).
    pub authorities: Vec<HostKey>,
    /// Keys that neither it nor an authority may use (`@revoked`).
    pub revoked: Vec<HostKey>,
    /// Lines that concern it and are not understood: it must not be connected to.
    pub refused: Option<String>,
}

impl KnownHosts {
    /// Reads files, in order; those that are not there are passed over.
    pub fn read(paths: &[impl AsRef<Path>]) -> (Self, Vec<Problem>) {
        let mut all = Self::default();
        let mut problems = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let shown = path.display().to_string();
            match ssh_config::read_capped(path, FILE_BYTES_MAX) {
                Ok(text) => all.parse(&shown, &text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let why = format!("{shown}: {error}");
                    let place = Place::File { path: shown };
                    problems.push(Problem::new(Code::SshConfigUnsupported, place, error.to_string()));
                    all.unread.push(why);
                }
            }
        }
        (all, problems)
    }

    /// Adds the lines of a file.
    pub fn parse(&mut self, path: &str, text: &str) {
        for (index, text) in text.lines().enumerate() {
            if index >= LINES_MAX {
                self.unread.push(format!("{path}: more than {LINES_MAX} lines"));
                return;
            }
            self.lines.extend(Line::parse(path, index + 1, text));
        }
    }

    /// Returns what is known of a host under one name: an alias or what [`host_key_name`] makes.
    pub fn find(&self, name: &str) -> KnownHost {
        let name = name.to_ascii_lowercase();
        let mut known = KnownHost { refused: self.unread.first().cloned(), ..KnownHost::default() };
        let mut seen = HashSet::new();
        for line in self.lines.iter().filter(|line| line.is_for(&name)) {
            match &line.content {
                Ok((marker, key)) => {
                    if seen.insert((*marker, key)) {
                        let list = match marker {
                            Marker::None => &mut known.keys,
                            Marker::Authority => &mut known.authorities,
                            Marker::Revoked => &mut known.revoked,
                        };
                        list.push(HostKey::new(key.as_str()));
                    }
                }
                Err(why) => {
                    known.refused.get_or_insert_with(|| format!("{}:{}: {why}", line.path, line.number));
                }
            }
        }
        known
    }
}

/// Returns the name that a host has in known_hosts: `host`, or `[host]:port` unless the port is 22.
pub fn host_key_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

#[cfg(test)]
mod tests;
