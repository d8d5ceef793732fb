//! The table of all settings.

use std::fmt::Write as _;

use super::Value;

/// What a setting can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that is not empty.
    Text,
    /// A list of texts.
    Texts,
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds.
    Whole {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

impl Kind {
    /// Says what is expected, for messages and the reference.
    pub fn expectation(self) -> String {
        match self {
            Self::Text => "a text that is not empty".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Whole { min, max } => format!("a whole number from {min} to {max}"),
        }
    }
}

/// A default, as Rust data (a [`Value`] cannot stand in a constant).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preset {
    Text(&'static str),
    Texts(&'static [&'static str]),
    Switch(bool),
    Whole(u64),
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// The dotted key; at most one dot: `section.key`.
    pub key: &'static str,
    /// What it can be.
    pub kind: Kind,
    preset: Preset,
    /// What it means, for people, full sentences.
    pub doc: &'static str,
}

impl Definition {
    /// Returns the value where nothing else is said.
    pub fn default_value(&self) -> Value {
        match self.preset {
            Preset::Text(text) => Value::Text(text.to_owned()),
            Preset::Texts(texts) => Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
            Preset::Switch(is_on) => Value::Switch(is_on),
            Preset::Whole(number) => Value::Whole(number),
        }
    }

    /// Returns the section (empty for keys at the top) and the key within it.
    pub fn section_and_key(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }
}

/// Every setting. Top-level keys first, then section by section (TOML wants it so).
pub const DEFINITIONS: [Definition; 7] = [
    Definition {
        key: "database",
        kind: Kind::Text,
        preset: Preset::Text("ifrit.db"),
        doc: "Where everything seen and done is kept: the path of a SQLite file, relative to this file, or a \
              PostgreSQL URL (`postgres://user@host/name`). `IFRIT_DATABASE` and `--database` override it.",
    },
    Definition {
        key: "ssh.user",
        kind: Kind::Text,
        preset: Preset::Text("root"),
        doc: "The login for hosts that declare no `user`.",
    },
    Definition {
        key: "ssh.identities",
        kind: Kind::Texts,
        preset: Preset::Texts(&["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"]),
        doc: "Private key files to try, in this order; those that do not exist are passed over. `~/` is the \
              home directory; other relative paths start at this file. Keys with a passphrase belong into the agent.",
    },
    Definition {
        key: "ssh.agent",
        kind: Kind::Switch,
        preset: Preset::Switch(true),
        doc: "Whether keys of the SSH agent (`SSH_AUTH_SOCK`) are tried, before the files.",
    },
    Definition {
        key: "ssh.parallel",
        kind: Kind::Whole { min: 1, max: 1000 },
        preset: Preset::Whole(64),
        doc: "How many hosts are talked to at the same time.",
    },
    Definition {
        key: "ssh.connect_timeout_secs",
        kind: Kind::Whole { min: 1, max: 600 },
        preset: Preset::Whole(10),
        doc: "Seconds for connecting to and authenticating at one host.",
    },
    Definition {
        key: "ssh.host_timeout_secs",
        kind: Kind::Whole { min: 1, max: 86_400 },
        preset: Preset::Whole(60),
        doc: "Seconds for everything with one host in one scan, connecting included.",
    },
];

/// Returns the `ifrit.toml` that `ifrit init` writes: every key, commented out at its default.
pub fn render_template() -> String {
    let mut text = String::from(
        "# Settings of this ifrit workspace. Every key is shown with its default; uncomment what you change.\n\
         # `ifrit config show` prints each value and where it comes from.\n",
    );
    let mut section = "";
    for definition in &DEFINITIONS {
        let (its_section, key) = definition.section_and_key();
        if its_section != section {
            let _ = write!(text, "\n[{its_section}]\n");
            section = its_section;
        }
        text.push('\n');
        for line in wrap(definition.doc) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {key} = {}", definition.default_value());
    }
    text
}

/// Returns docs/reference/config.md.
pub fn render_reference() -> String {
    let mut text = String::from(
        "# ifrit.toml\n\n\
         Settings of a workspace. Precedence: flag, environment variable, file, default. A key that is not\n\
         listed here is an error. `ifrit config show` prints each value with its origin.\n",
    );
    for definition in &DEFINITIONS {
        let _ = write!(
            text,
            "\n## `{}`\n\n{}\n\n- takes: {}\n- default: `{}`\n",
            definition.key,
            definition.doc,
            definition.kind.expectation(),
            definition.default_value()
        );
    }
    text
}

/// Breaks text at words into lines of at most 96 characters.
fn wrap(text: &str) -> Vec<String> {
    const LINE_CHARS_MAX: usize = 96;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("invariant: the list starts with one line and only grows");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS_MAX {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
