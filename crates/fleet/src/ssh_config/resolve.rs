//! What a configuration says of one host.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Code, Problem};

use super::{Criterion, Entry, Guard, Setting, SshConfig};
use crate::pattern::list_matches;

/// The key files that one host may be given.
const FILES_PER_HOST_MAX: usize = 32;

/// Of which host something is asked, and what is known of it beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The name, as one would give it to ssh.
    pub name: &'a str,
    /// A login that is decided already.
    pub user: Option<&'a str>,
    /// The login where nobody else says one.
    pub default_user: &'a str,
    /// The home directory, for `~/` and `%d`.
    pub home: Option<&'a Path>,
    /// Who runs ifrit, for `%u`.
    pub local_user: &'a str,
}

/// What a configuration says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Where to connect to.
    pub host_name: String,
    /// `Port`.
    pub port: Option<u16>,
    /// The login.
    pub user: String,
    /// `ProxyJump`, first hop first.
    pub jumps: Vec<JumpSpec>,
    /// `IdentityFile`, in order.
    pub identity_files: Vec<PathBuf>,
    /// `CertificateFile`, in order.
    pub certificate_files: Vec<PathBuf>,
    /// `IdentityAgent`.
    pub agent: AgentChoice,
    /// `IdentitiesOnly`.
    pub identities_only: bool,
    /// `HostKeyAlias`.
    pub host_key_alias: Option<String>,
    /// Why this host must not be connected to.
    pub refused: Option<Problem>,
}

/// Which agent is asked for keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub enum AgentChoice {
    /// The one of the surroundings.
    #[default]
    Usual,
    /// None.
    Off,
    /// The one behind this socket.
    Socket(PathBuf),
}

/// A host to jump through: `[user@]host[:port]` or `ssh://[user@]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpSpec {
    /// The login, if it says one.
    pub user: Option<String>,
    /// The host, looked up in the configuration in turn.
    pub host: String,
    /// The port, if it says one.
    pub port: Option<u16>,
}

impl JumpSpec {
    /// Reads one; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("ssh://").map_or(text, |rest| rest.trim_end_matches('/'));
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            // More than one colon: an IPv6 address without a port.
            None => match place.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (place, None),
            },
        };
        let is_bad = |word: &str| {
            word.is_empty()
                || word.starts_with('-')
                || word.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        if is_bad(host) || user.is_some_and(is_bad) {
            return None;
        }
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        };
        Some(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

impl SshConfig {
    /// Says what counts for a host: for each keyword the first line that does; of key files all lines.
    pub fn resolve(&self, asked: &Asked<'_>) -> Resolved {
        let found = self.gather(asked);
        let mut refused = found.refused;
        let mut refuse = |result: Result<String, String>| {
            result.unwrap_or_else(|why| {
                refused.get_or_insert(why);
                String::new()
            })
        };
        let host_name = match found.host_name {
            Some(name) => refuse(expand_host_name(&name, asked.name)).to_ascii_lowercase(),
            None => asked.name.to_ascii_lowercase(),
        };
        let user =
            asked.user.map(str::to_owned).or(found.user).unwrap_or_else(|| asked.default_user.to_owned());
        let tokens = Tokens { asked, host_name: &host_name, user: &user, port: found.port };
        let mut paths = |texts: Vec<String>| -> Vec<PathBuf> {
            let texts = texts.into_iter().filter(|text| !text.eq_ignore_ascii_case("none"));
            let paths = texts.map(|text| refuse(tokens.path(&text)));
            paths.filter(|path| !path.is_empty()).map(PathBuf::from).collect()
        };
        let identity_files = paths(found.identity_files);
        let certificate_files = paths(found.certificate_files);
        let agent = match found.agent.as_deref() {
            None | Some("SSH_AUTH_SOCK") => AgentChoice::Usual,
            Some(text) if text.eq_ignore_ascii_case("none") => AgentChoice::Off,
            Some(text) => AgentChoice::Socket(PathBuf::from(refuse(tokens.path(text)))),
        };
        let jumps = found.jumps.flatten().unwrap_or_default();
        let refused = refused.map(|why| refusal(asked.name, &why));
        Resolved {
            host_name,
            port: found.port,
            user,
            jumps,
            identity_files,
            certificate_files,
            agent,
            identities_only: found.identities_only.unwrap_or(false),
            host_key_alias: found.host_key_alias,
            refused,
        }
    }

    /// Gathers what counts for a host, as written.
    pub(super) fn gather(&self, asked: &Asked<'_>) -> Found {
        let mut found = Found::default();
        // A block's condition is decided once, where it begins: `Match host` looks at the HostName so far.
        let mut decided: HashMap<*const Guard, bool> = HashMap::new();
        for entry in &self.entries {
            let is_in_force = entry.guards.iter().all(|guard| {
                let decide = || counts(guard, asked.name, found.host_name.as_deref());
                *decided.entry(Arc::as_ptr(guard)).or_insert_with(decide)
            });
            if is_in_force {
                found.take(entry);
            }
        }
        found
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    host_name: Option<String>,
    pub user: Option<String>,
    port: Option<u16>,
    /// `Some(None)` = decided: none.
    jumps: Option<Option<Vec<JumpSpec>>>,
    pub identity_files: Vec<String>,
    pub certificate_files: Vec<String>,
    agent: Option<String>,
    identities_only: Option<bool>,
    host_key_alias: Option<String>,
    refused: Option<String>,
}

impl Found {
    fn take(&mut self, entry: &Entry) {
        let spot = &entry.spot;
        let located = |why: &str| format!("{}:{}: {why}", spot.path, spot.line);
        match &entry.setting {
            Setting::HostName(name) => first(&mut self.host_name, name),
            Setting::User(user) => first(&mut self.user, user),
            Setting::Port(port) => first(&mut self.port, port),
            Setting::IdentityAgent(agent) => first(&mut self.agent, agent),
            Setting::IdentitiesOnly(is_on) => first(&mut self.identities_only, is_on),
            Setting::HostKeyAlias(alias) => first(&mut self.host_key_alias, alias),
            // Of ProxyJump and ProxyCommand the first one counts, whichever it is.
            Setting::ProxyJump(jumps) => first(&mut self.jumps, jumps),
            Setting::ProxyCommand(is_command) => {
                if *is_command && self.jumps.is_none() {
                    first(&mut self.refused, &located("ProxyCommand is not supported"));
                }
                first(&mut self.jumps, &None);
            }
            Setting::IdentityFile(path) => add(&mut self.identity_files, path),
            Setting::CertificateFile(path) => add(&mut self.certificate_files, path),
            Setting::Refused(why) => first(&mut self.refused, &located(why)),
        }
    }
}

fn first<T: Clone>(slot: &mut Option<T>, value: &T) {
    slot.get_or_insert_with(|| value.clone());
}

fn add(paths: &mut Vec<String>, path: &String) {
    if paths.len() < FILES_PER_HOST_MAX && !paths.contains(path) {
        paths.push(path.clone());
    }
}

fn counts(guard: &Guard, name: &str, host_name: Option<&str>) -> bool {
    guard.criteria.iter().all(|criterion| match criterion {
        Criterion::Never => false,
        Criterion::Asked(patterns) => list_matches(patterns.iter().map(String::as_str), name),
        Criterion::Original { patterns, is_negated } => {
            list_matches(patterns.iter().map(String::as_str), name) != *is_negated
        }
        Criterion::Current { patterns, is_negated } => {
            let current = host_name.and_then(|host_name| expand_host_name(host_name, name).ok());
            let current = current.as_deref().unwrap_or(name);
            list_matches(patterns.iter().map(String::as_str), current) != *is_negated
        }
    })
}

fn refusal(name: &str, why: &str) -> Problem {
    let place = model::Place::Nowhere;
    let message =
        format!("the SSH configuration for {} asks for what ifrit does not do: {why}", name.escape_debug());
    Problem::new(Code::CollectSshConfig, place, message)
}

fn expand_host_name(text: &str, name: &str) -> Result<String, String> {
    let expanded = expand(text, &|token| match token {
        'h' => Some(name.to_owned()),
        _ => None,
    })?;
    let is_bad = expanded.is_empty() || expanded.starts_with('-') || expanded.contains(char::is_whitespace);
    if is_bad { Err(format!("HostName `{}` names no host", text.escape_debug())) } else { Ok(expanded) }
}

/// What tokens stand for (ssh_config(5), TOKENS).
struct Tokens<'a> {
    asked: &'a Asked<'a>,
    host_name: &'a str,
    user: &'a str,
    port: Option<u16>,
}

impl Tokens<'_> {
    fn path(&self, text: &str) -> Result<String, String> {
        let home = || self.asked.home.and_then(Path::to_str).map(str::to_owned);
        let text = match text.strip_prefix('~') {
            None => text.to_owned(),
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!("{}{rest}", home().ok_or("`~` is used and no home directory is known")?)
            }
            Some(_) => return Err(format!("`{}` is another user's home", text.escape_debug())),
        };
        if text.starts_with('$') || text.contains("${") {
            return Err(format!("`{}` takes an environment variable", text.escape_debug()));
        }
        expand(&text, &|token| match token {
            'h' => Some(self.host_name.to_owned()),
            'n' => Some(self.asked.name.to_owned()),
            'p' => Some(self.port.unwrap_or(22).to_string()),
            'r' => Some(self.user.to_owned()),
            'u' => Some(self.asked.local_user.to_owned()),
            'd' => home(),
            _ => None,
        })
    }
}

fn expand(text: &str, token: &dyn Fn(char) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => expanded.push('%'),
            Some(name) => {
                let unknown = || format!("the token %{} in `{}`", name.escape_debug(), text.escape_debug());
                expanded.push_str(&token(name).ok_or_else(unknown)?);
            }
            None => return Err(format!("`{}` ends in %", text.escape_debug())),
        }
    }
    Ok(expanded)
}
