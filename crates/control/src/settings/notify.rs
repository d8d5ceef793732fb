//! `[notify.NAME]`: the channels that the bell rings on.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::ClientName;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The section that holds a table for each channel.
pub(super) const SECTION: &str = "notify";

/// Channels that there may be.
const CHANNELS_MAX: usize = 100;

/// A channel as `ifrit.toml` declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSettings {
    /// Its name.
    pub name: String,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// What it is.
    pub kind: ChannelKind,
    /// Whether it carries urgent messages alone.
    pub is_urgent_only: bool,
    /// The clients that it speaks of; empty = all.
    pub clients: Vec<ClientName>,
}

/// What a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// A topic of an ntfy server.
    Ntfy {
        /// Server and topic.
        url: String,
        /// An access token.
        token: Option<SecretSource>,
    },
    /// An HTTP server that takes JSON.
    Webhook {
        /// Where to.
        url: String,
        /// The key of the signature.
        secret: Option<SecretSource>,
    },
    /// Mail.
    Mail {
        /// The server: `smtp://` or `smtps://`.
        smtp: String,
        /// Who sends it.
        from: String,
        /// Who gets it.
        to: Vec<String>,
        /// User and password.
        login: Option<(String, SecretSource)>,
    },
}

impl ChannelKind {
    /// Returns the word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ntfy { .. } => "ntfy",
            Self::Webhook { .. } => "webhook",
            Self::Mail { .. } => "mail",
        }
    }
}

/// Where a secret is to be found; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file, on its first line.
    File(String),
    /// In an environment variable.
    Environment(String),
}

/// A key of a channel.
struct KeyDoc {
    key: &'static str,
    takes: &'static str,
    of: &'static str,
    doc: &'static str,
}

const KEYS: [KeyDoc; 14] = [
    KeyDoc {
        key: "kind",
        takes: "`\"ntfy\"`, `\"webhook\"` or `\"mail\"`",
        of: "all, required",
        doc: "What the channel is.",
    },
    KeyDoc {
        key: "only",
        takes: "`\"urgent\"` or `\"all\"` (default)",
        of: "all",
        doc: "`urgent` leaves out the digest of what is not urgent.",
    },
    KeyDoc {
        key: "clients",
        takes: "a list of texts",
        of: "all",
        doc: "Speak of these clients only; without it, of all.",
    },
    KeyDoc {
        key: "url",
        takes: "a text",
        of: "ntfy, webhook, required",
        doc: "`https://SERVER/TOPIC`, or the webhook's address. Plain `http://` only on this machine.",
    },
    KeyDoc {
        key: "token_file",
        takes: "a text",
        of: "ntfy",
        doc: "File with the access token on its first line.",
    },
    KeyDoc {
        key: "token_env",
        takes: "a text",
        of: "ntfy",
        doc: "Environment variable with the access token.",
    },
    KeyDoc {
        key: "secret_file",
        takes: "a text",
        of: "webhook",
        doc: "File with the key of the signature on its first line.",
    },
    KeyDoc {
        key: "secret_env",
        takes: "a text",
        of: "webhook",
        doc: "Environment variable with the key of the signature.",
    },
    KeyDoc {
        key: "smtp",
        takes: "a text",
        of: "mail, required",
        doc: "`smtp://SERVER:587` (STARTTLS is required, but on this machine) or `smtps://SERVER:465`.",
    },
    KeyDoc { key: "from", takes: "a text", of: "mail, required", doc: "The sender's address." },
    KeyDoc { key: "to", takes: "a list of texts", of: "mail, required", doc: "The receivers' addresses." },
    KeyDoc { key: "user", takes: "a text", of: "mail", doc: "The login; with it a password is needed." },
    KeyDoc {
        key: "password_file",
        takes: "a text",
        of: "mail",
        doc: "File with the password on its first line.",
    },
    KeyDoc {
        key: "password_env",
        takes: "a text",
        of: "mail",
        doc: "Environment variable with the password.",
    },
];

/// What is wrong with a channel, and where in the text.
pub(super) struct Fault {
    pub offset: usize,
    pub message: String,
    pub hint: Option<String>,
    pub is_unknown_key: bool,
}

impl Fault {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), hint: None, is_unknown_key: false }
    }
}

/// Reads the table `[notify]`. A channel at fault is left out. The line is filled in by the caller from
/// the offset that goes with each channel.
pub(super) fn read(table: &DeTable<'_>) -> (Vec<(usize, ChannelSettings)>, Vec<Fault>) {
    let (mut channels, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in table {
        let offset = name.span().start;
        let name = name.get_ref().as_ref();
        let DeValue::Table(keys) = value.get_ref() else {
            let mut fault = Fault::new(offset, format!("`notify.{name}` takes a table: `[notify.{name}]`"));
            fault.hint = Some("`notify` holds channels, each in a table of its own".to_owned());
            faults.push(fault);
            continue;
        };
        if channels.len() == CHANNELS_MAX {
            faults.push(Fault::new(offset, format!("more than {CHANNELS_MAX} channels")));
            break;
        }
        if ClientName::new(name).is_err() {
            faults.push(Fault::new(offset, format!("`{}` is no name of a channel", name.escape_default())));
            continue;
        }
        let mut reader = ChannelReader {
            name,
            offset,
            texts: BTreeMap::new(),
            lists: BTreeMap::new(),
            faults: Vec::new(),
        };
        let channel = reader.read(keys);
        let is_sound = reader.faults.is_empty();
        faults.append(&mut reader.faults);
        channels.extend(channel.filter(|_| is_sound).map(|channel| (offset, channel)));
    }
    channels.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    (channels, faults)
}

struct ChannelReader<'a> {
    name: &'a str,
    offset: usize,
    texts: BTreeMap<&'a str, (usize, &'a str)>,
    lists: BTreeMap<&'a str, (usize, Vec<&'a str>)>,
    faults: Vec<Fault>,
}

impl<'a> ChannelReader<'a> {
    fn read(&mut self, keys: &'a DeTable<'_>) -> Option<ChannelSettings> {
        for (key, value) in keys {
            self.value(key.get_ref().as_ref(), key.span().start, value);
        }
        let kind = match self.texts.remove("kind") {
            Some((_, "ntfy")) => self.ntfy(),
            Some((_, "webhook")) => self.webhook(),
            Some((_, "mail")) => self.mail(),
            Some((offset, other)) => {
                let other = other.escape_default();
                let message =
                    format!("`{}` takes `ntfy`, `webhook` or `mail`, got `{other}`", self.full("kind"));
                self.faults.push(Fault::new(offset, message));
                return None;
            }
            None => self.missing("kind"),
        };
        let is_urgent_only = match self.texts.remove("only") {
            None | Some((_, "all")) => false,
            Some((_, "urgent")) => true,
            Some((offset, other)) => {
                let message = format!(
                    "`{}` takes `urgent` or `all`, got `{}`",
                    self.full("only"),
                    other.escape_default()
                );
                self.faults.push(Fault::new(offset, message));
                false
            }
        };
        let clients = self.clients();
        self.left_over();
        Some(ChannelSettings { name: self.name.to_owned(), line: 0, kind: kind?, is_urgent_only, clients })
    }

    fn value(&mut self, key: &'a str, offset: usize, value: &'a Spanned<DeValue<'_>>) {
        let Some(known) = KEYS.iter().find(|it| it.key == key) else {
            let mut fault = Fault::new(offset, format!("unknown key `{}`", self.full(key)));
            fault.hint = Some(format!("a channel has {}", KEYS.map(|it| it.key).join(", ")));
            fault.is_unknown_key = true;
            self.faults.push(fault);
            return;
        };
        let is_list = known.takes.starts_with("a list");
        match value.get_ref() {
            DeValue::String(text) if !is_list && !text.trim().is_empty() => {
                self.texts.insert(key, (offset, text.as_ref()));
            }
            DeValue::Array(items) if is_list => {
                let text = |item: &'a Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::String(text) if !text.trim().is_empty() => Some(text.as_ref()),
                    _ => None,
                };
                match items.iter().map(text).collect::<Option<Vec<_>>>() {
                    Some(texts) if !texts.is_empty() => drop(self.lists.insert(key, (offset, texts))),
                    _ => self.wrong_type(known, offset),
                }
            }
            _ => self.wrong_type(known, offset),
        }
    }

    fn wrong_type(&mut self, known: &KeyDoc, offset: usize) {
        let message = format!("`{}` takes {}, not empty", self.full(known.key), known.takes);
        self.faults.push(Fault::new(offset, message));
    }

    fn ntfy(&mut self) -> Option<ChannelKind> {
        let url = self.required("url");
        Some(ChannelKind::Ntfy { token: self.secret("token_file", "token_env"), url: url? })
    }

    fn webhook(&mut self) -> Option<ChannelKind> {
        let url = self.required("url");
        Some(ChannelKind::Webhook { secret: self.secret("secret_file", "secret_env"), url: url? })
    }

    fn mail(&mut self) -> Option<ChannelKind> {
        let (smtp, from) = (self.required("smtp"), self.required("from"));
        let to = self.lists.remove("to").map(|(_, texts)| texts.into_iter().map(str::to_owned).collect());
        let to = to.or_else(|| self.missing("to"));
        let user = self.texts.remove("user").map(|(_, user)| user.to_owned());
        let login = match (user, self.secret("password_file", "password_env")) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => self.missing("password_file"),
            (None, Some(_)) => self.missing("user"),
        };
        Some(ChannelKind::Mail { smtp: smtp?, from: from?, to: to?, login })
    }

    fn required(&mut self, key: &'static str) -> Option<String> {
        match self.texts.remove(key) {
            Some((_, text)) => Some(text.to_owned()),
            None => self.missing(key),
        }
    }

    fn missing<T>(&mut self, key: &'static str) -> Option<T> {
        self.faults.push(Fault::new(self.offset, format!("`{}` is missing", self.full(key))));
        None
    }

    fn secret(&mut self, file: &'static str, environment: &'static str) -> Option<SecretSource> {
        match (self.texts.remove(file), self.texts.remove(environment)) {
            (Some(_), Some((offset, _))) => {
                let message =
                    format!("`{}` and `{}` exclude each other", self.full(file), self.full(environment));
                self.faults.push(Fault::new(offset, message));
                None
            }
            (Some((_, path)), None) => Some(SecretSource::File(path.to_owned())),
            (None, Some((_, name))) => Some(SecretSource::Environment(name.to_owned())),
            (None, None) => None,
        }
    }

    fn clients(&mut self) -> Vec<ClientName> {
        let mut clients = Vec::new();
        for (offset, name) in self
            .lists
            .remove("clients")
            .into_iter()
            .flat_map(|(offset, names)| names.into_iter().map(move |name| (offset, name)))
        {
            match ClientName::new(name) {
                Ok(client) => clients.push(client),
                Err(error) => {
                    self.faults.push(Fault::new(offset, format!("`{}`: {error}", self.full("clients"))))
                }
            }
        }
        clients
    }

    /// What the kind of channel does not take.
    fn left_over(&mut self) {
        let texts = std::mem::take(&mut self.texts).into_iter().map(|(key, (offset, _))| (key, offset));
        let lists = std::mem::take(&mut self.lists).into_iter().map(|(key, (offset, _))| (key, offset));
        for (key, offset) in texts.chain(lists).collect::<Vec<_>>() {
            let message = format!("`{}` means nothing for this kind of channel", self.full(key));
            self.faults.push(Fault::new(offset, message));
        }
    }

    fn full(&self, key: &str) -> String {
        format!("{SECTION}.{}.{}", self.name, key.escape_default())
    }
}

/// Returns the part of `ifrit init`'s settings about channels, commented out.
pub(super) fn render_template() -> &'static str {
    "\n# Channels that the bell rings on, each with a name of its own; `ifrit notify test` tries them.\n\
     # [notify.team]\n# kind = \"ntfy\"\n# url = \"https://ntfy.example.net/TOPIC\"\n# token_file = \"~/.config/ifrit/ntfy-token\"\n"
}

/// Returns the part of docs/reference/config.md about channels.
pub(super) fn render_reference() -> String {
    let mut text = String::from(
        "\n## `[notify.NAME]`\n\nA channel that the bell rings on: after a scan or a sync of feeds it gets one message for each urgent\n\
         vulnerability and one digest of the rest. Secrets stand in files (relative to this file, `~/` is the home\n\
         directory) or in the environment, never here. `ifrit notify test` tries every channel.\n\n\
         | key | takes | of kind | meaning |\n|---|---|---|---|\n",
    );
    for KeyDoc { key, takes, of, doc } in &KEYS {
        let _ = writeln!(text, "| `{key}` | {takes} | {of} | {doc} |");
    }
    text
}
