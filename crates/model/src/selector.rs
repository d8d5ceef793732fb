//! The one small language that selects hosts, in the CLI, the API and the UI:
//! `client:acme service:haproxy not site:dxb name:lb-*`.
//!
//! ```text
//! selector = all { "or" all }
//! all      = unary { [ "and" ] unary }
//! unary    = "not" unary | "(" selector ")" | term
//! term     = [ key ":" ] glob
//! ```
//! `not` binds closer than `and` (or a space), `and` closer than `or`. A word without key is a name.

mod glob;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use glob::Glob;

/// The longest selector, in bytes, as it is typed and as it is printed.
pub const SELECTOR_BYTES_MAX: usize = 4096;

/// How deep `not` and parentheses may nest in a selector.
pub const SELECTOR_DEPTH_MAX: usize = 32;

/// A choice of hosts. It prints as canonical text, which [`Selector::parse`] reads back to an equal
/// selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Expression);

/// `All` and `Any` hold at least two expressions and none of their own kind, so that equal text means
/// equal shape.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Term(Key, Glob),
}

/// What a term of a selector looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The client that the host belongs to.
    Client,
    /// A group that the host is in.
    Group,
    /// The host's name.
    Name,
    /// The host's operating system: `alpine`, `alpine:3.20`.
    Os,
    /// A service that the host runs.
    Service,
    /// The site where the host stands.
    Site,
    /// A tag of the host.
    Tag,
}

/// A host as selectors see it. What is not known is absent and matches no term.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostAttributes<'a> {
    /// The host's name.
    pub name: &'a str,
    /// The name of its client.
    pub client: &'a str,
    /// The names of its services.
    pub services: &'a [&'a str],
    /// Its tags.
    pub tags: &'a [&'a str],
    /// Its operating system, as [`crate::Platform::parse`] reads it: `alpine:3.20`. The part before
    /// the colon matches on its own too.
    pub os: Option<&'a str>,
    /// Its site.
    pub site: Option<&'a str>,
    /// The groups that it is in.
    pub groups: &'a [&'a str],
}

/// Text that is no selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {message}{}", details(.expected, .hint.as_deref()))]
pub struct SelectorError {
    /// Where it is wrong, in characters, from 1; one past the end where something is missing there.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
    /// What could stand there instead; empty where nothing could.
    pub expected: Vec<&'static str>,
    /// What the author may have meant.
    pub hint: Option<String>,
}

impl Selector {
    /// Returns the selector that matches every host; it prints as `*`.
    pub fn everything() -> Self {
        Self(Expression::Term(Key::Name, Glob::anything()))
    }

    /// Reads a selector. Several arguments of a command line are one selector: join them with spaces.
    ///
    /// # Errors
    /// [`SelectorError`] says at which column it stops being a selector. An empty text is refused, so
    /// that an unset variable never means every host; so is one beyond [`SELECTOR_BYTES_MAX`] or
    /// [`SELECTOR_DEPTH_MAX`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::parse(text).map(Self)
    }

    /// Says whether a term looks at this.
    pub fn names(&self, key: Key) -> bool {
        self.0.names(key)
    }

    /// Says whether the host is selected. Case matters, as it does in names.
    pub fn matches(&self, host: &HostAttributes<'_>) -> bool {
        self.0.matches(host)
    }
}

impl Expression {
    fn matches(&self, host: &HostAttributes<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(host)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(host)),
            Self::Not(part) => !part.matches(host),
            Self::Term(key, glob) => key.matches(glob, host),
        }
    }

    fn names(&self, wanted: Key) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.names(wanted)),
            Self::Not(part) => part.names(wanted),
            Self::Term(key, _) => *key == wanted,
        }
    }

    /// Joins expressions of which all must match.
    fn all(parts: Vec<Self>) -> Self {
        let open = |part| if let Self::All(parts) = part { parts } else { vec![part] };
        Self::one_or(parts.into_iter().flat_map(open).collect(), Self::All)
    }

    /// Joins expressions of which one must match.
    fn any(parts: Vec<Self>) -> Self {
        let open = |part| if let Self::Any(parts) = part { parts } else { vec![part] };
        Self::one_or(parts.into_iter().flat_map(open).collect(), Self::Any)
    }

    fn one_or(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                join(parts)
            }
        }
    }
}

impl Key {
    /// Every key, in the order of [`Key::as_str`].
    pub const ALL: [Self; 7] =
        [Self::Client, Self::Group, Self::Name, Self::Os, Self::Service, Self::Site, Self::Tag];

    /// Returns the word for it in a selector.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Group => "group",
            Self::Name => "name",
            Self::Os => "os",
            Self::Service => "service",
            Self::Site => "site",
            Self::Tag => "tag",
        }
    }

    /// Reads the word that [`Key::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == word)
    }

    fn matches(self, glob: &Glob, host: &HostAttributes<'_>) -> bool {
        let any = |values: &[&str]| values.iter().any(|value| glob.matches(value));
        match self {
            Self::Client => glob.matches(host.client),
            Self::Group => any(host.groups),
            Self::Name => glob.matches(host.name),
            Self::Os => host.os.is_some_and(|os| {
                glob.matches(os) || os.split_once(':').is_some_and(|(family, _)| glob.matches(family))
            }),
            Self::Service => any(host.services),
            Self::Site => host.site.is_some_and(|site| glob.matches(site)),
            Self::Tag => any(host.tags),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => join(f, parts, " ", |part| matches!(part, Self::Any(_))),
            Self::Any(parts) => join(f, parts, " or ", |_| false),
            Self::Not(part) if matches!(**part, Self::All(_) | Self::Any(_)) => write!(f, "not ({part})"),
            Self::Not(part) => write!(f, "not {part}"),
            Self::Term(Key::Name, glob) if !parse::is_keyword(glob.as_str()) => write!(f, "{glob}"),
            Self::Term(key, glob) => write!(f, "{key}:{glob}"),
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    separator: &str,
    needs_parentheses: fn(&Expression) -> bool,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        if needs_parentheses(part) { write!(f, "({part})") } else { write!(f, "{part}") }?;
    }
    Ok(())
}

fn details(expected: &[&str], hint: Option<&str>) -> String {
    let expected =
        if expected.is_empty() { String::new() } else { format!(", expected {}", expected.join(", ")) };
    hint.map_or_else(|| expected.clone(), |hint| format!("{expected} ({hint})"))
}
