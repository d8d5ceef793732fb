//! Names that people choose. One rule for all of them, checked once, at the door.

use std::fmt;

use thiserror::Error;

/// The longest name of a client, host, service, tag or the like, in bytes (a DNS name's limit, RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 253;

/// A name that breaks the naming rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid name `{name}`: {why}")]
pub struct InvalidName {
    /// The name as it was given, with control characters escaped.
    pub name: String,
    /// Which part of the rule it breaks.
    pub why: &'static str,
}

/// Checks the naming rule: 1 to [`NAME_BYTES_MAX`] bytes of ASCII letters, digits, `.`, `_` and `-`,
/// starting with a letter or digit. So a name needs no quoting in a shell, a selector, a path or a URL.
fn check_name(name: &str) -> Result<(), InvalidName> {
    let fail = |why| Err(InvalidName { name: name.escape_default().to_string(), why });
    let Some(first) = name.bytes().next() else { return fail("it is empty") };
    if name.len() > NAME_BYTES_MAX {
        return fail("it is longer than 253 bytes");
    }
    if !first.is_ascii_alphanumeric() {
        return fail("it must start with an ASCII letter or digit");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return fail("only ASCII letters, digits, `.`, `_` and `-` are allowed");
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the naming rule and wraps the name.
            ///
            /// # Errors
            /// [`InvalidName`] says which part of the rule the name breaks.
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                check_name(name)?;
                Ok(Self(name.into()))
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a client (the tenant), unique in a workspace.
    ClientName;
    /// The name of a host, unique in a workspace.
    HostName;
    /// The name of a service, unique in a workspace.
    ServiceName;
    /// The name of a site, unique in a workspace.
    SiteName;
    /// The name of a group of hosts, unique in a workspace.
    GroupName;
    /// The name of a person, unique in a workspace.
    PersonName;
    /// A label on a host.
    Tag;
}

/// Declares newtypes over text that comes from outside (a feed, a host) and follows no rule of ours.
macro_rules! foreign_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}
pub(crate) use foreign_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_words() {
        for good in ["a", "lb-1", "db.example.org", "0", "A_b"] {
            assert_eq!(HostName::new(good).expect(good).as_str(), good);
        }
        for bad in ["", "-a", ".a", "a b", "a\n", "ü", "a/b", "a:b", "$(x)", &"x".repeat(254)] {
            assert!(HostName::new(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
