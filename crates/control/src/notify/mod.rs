//! Channels: how the bell reaches people. Messages are on record before the first byte is sent, and a
//! channel that fails never fails what rang the bell.

mod channel;
mod compose;
mod deliver;
mod mail;
mod message;
mod ntfy;
mod secret;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};

use model::ClientName;
use store::{MessageRecord, NewMessage};

use self::channel::{Channel as _, SendError};
use self::message::Message;
use self::secret::Secret;
use crate::error::Error;
use crate::session::Session;
use crate::settings::{ChannelKind, ChannelSettings, SecretSource};

pub(crate) use compose::compose;
pub use compose::{first_look_text, hosts_text, kind_word, subject};
pub use deliver::{DeliveryLimits, DeliveryReport, Waiting};
pub use store::MessageUrgency;

/// Messages of one channel that are listed.
const MESSAGES_LISTED_MAX: u32 = 5;

/// The channels of a workspace, ready to be used.
pub struct Channels {
    channels: BTreeMap<String, AnyChannel>,
    scopes: Vec<ChannelScope>,
    /// Channels that cannot be used, and why.
    faults: BTreeMap<String, String>,
    limits: DeliveryLimits,
}

/// What a channel is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelScope {
    pub(crate) name: String,
    pub(crate) is_urgent_only: bool,
    /// Empty = all.
    pub(crate) clients: Vec<ClientName>,
}

/// A channel of any kind.
enum AnyChannel {
    Ntfy(ntfy::Ntfy),
    Webhook(webhook::Webhook),
    Mail(Box<mail::Mail>),
}

impl AnyChannel {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        match self {
            Self::Ntfy(channel) => channel.send(message).await,
            Self::Webhook(channel) => channel.send(message).await,
            Self::Mail(channel) => channel.send(message).await,
        }
    }

    fn target(&self) -> String {
        match self {
            Self::Ntfy(channel) => channel.target(),
            Self::Webhook(channel) => channel.target(),
            Self::Mail(channel) => channel.target(),
        }
    }
}

impl Channels {
    /// Makes the channels that the settings declare. One that cannot be used (a secret is missing, a URL
    /// makes no sense) is told about at each run; its messages wait.
    pub fn open(
        session: &Session,
        environment: &dyn Fn(&str) -> Option<String>,
        limits: DeliveryLimits,
    ) -> Self {
        let mut it = Self { channels: BTreeMap::new(), scopes: Vec::new(), faults: BTreeMap::new(), limits };
        let inventory = &session.workspace.inventory;
        for settings in session.workspace.settings.channels() {
            let name = settings.name.clone();
            let is_declared = |client: &&ClientName| inventory.clients.iter().any(|it| it.name == **client);
            let unknown = settings.clients.iter().find(|client| !is_declared(client));
            if let (Some(client), false) =
                (unknown, session.workspace.has_errors() || inventory.clients.is_empty())
            {
                it.faults.insert(name.clone(), format!("it is for client {client}, which nobody declares"));
            }
            match open(session, settings, environment, limits) {
                Ok(channel) => drop(it.channels.insert(name.clone(), channel)),
                Err(why) => drop(it.faults.insert(name.clone(), why)),
            }
            let (is_urgent_only, clients) = (settings.is_urgent_only, settings.clients.clone());
            it.scopes.push(ChannelScope { name, is_urgent_only, clients });
        }
        it
    }

    pub(crate) fn scopes(&self) -> &[ChannelScope] {
        &self.scopes
    }

    fn get(&self, name: &str) -> Option<&AnyChannel> {
        self.channels.get(name)
    }

    fn faults(&self) -> &BTreeMap<String, String> {
        &self.faults
    }
}

fn open(
    session: &Session,
    settings: &ChannelSettings,
    environment: &dyn Fn(&str) -> Option<String>,
    limits: DeliveryLimits,
) -> Result<AnyChannel, String> {
    let home = session.surroundings.home.as_deref();
    let read = |source: &SecretSource| {
        Secret::read(source, |path| session.workspace.resolve(path, home), environment)
    };
    let timeout = limits.attempt_timeout;
    match &settings.kind {
        ChannelKind::Ntfy { url, token } => {
            let token = token.as_ref().map(read).transpose()?;
            ntfy::Ntfy::new(url, token, timeout).map(AnyChannel::Ntfy)
        }
        ChannelKind::Webhook { url, secret } => {
            let secret = secret.as_ref().map(read).transpose()?;
            webhook::Webhook::new(url, secret, timeout).map(AnyChannel::Webhook)
        }
        ChannelKind::Mail { smtp, from, to, login } => {
            let login = match login {
                Some((user, source)) => Some((user.as_str(), read(source)?)),
                None => None,
            };
            mail::Mail::new(smtp, from, to, login, timeout).map(|mail| AnyChannel::Mail(Box::new(mail)))
        }
    }
}

/// A channel with what became of its messages.
#[derive(Debug, Clone)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// `ntfy`, `webhook` or `mail`; `None` = no such channel is declared any more, and messages wait for it.
    pub kind: Option<&'static str>,
    /// The server; no topic, no path.
    pub target: String,
    /// Whether it carries urgent messages alone.
    pub is_urgent_only: bool,
    /// The clients that it speaks of; empty = all.
    pub clients: Vec<ClientName>,
    /// Why it cannot be used.
    pub fault: Option<String>,
    /// How many messages wait.
    pub waiting: usize,
    /// Its last messages, the newest first.
    pub last: Vec<MessageRecord>,
}

/// Returns every channel with its last messages, sorted by name.
///
/// # Errors
/// [`Error::Store`] where the database cannot be read.
pub async fn list(session: &Session, channels: &Channels) -> Result<Vec<ChannelStatus>, Error> {
    let waiting = session.store.waiting_messages().await?;
    let settings = session.workspace.settings.channels();
    let mut names: BTreeSet<&str> = settings.iter().map(|it| it.name.as_str()).collect();
    names.extend(waiting.iter().map(|record| record.message.channel.as_str()));
    let mut list = Vec::new();
    for name in names {
        let its = settings.iter().find(|it| it.name == name);
        list.push(ChannelStatus {
            name: name.to_owned(),
            kind: its.map(|it| it.kind.as_str()),
            target: channels.get(name).map_or_else(|| "-".to_owned(), AnyChannel::target),
            is_urgent_only: its.is_some_and(|it| it.is_urgent_only),
            clients: its.map(|it| it.clients.clone()).unwrap_or_default(),
            fault: channels.faults().get(name).cloned(),
            waiting: waiting.iter().filter(|record| record.message.channel == name).count(),
            last: session.store.last_messages(name, MESSAGES_LISTED_MAX).await?,
        });
    }
    Ok(list)
}

/// Sends what waits.
///
/// # Errors
/// [`Error::Store`] where the database fails. A channel that fails is part of the report.
pub async fn deliver(
    session: &Session,
    channels: &Channels,
    which: Waiting,
) -> Result<DeliveryReport, Error> {
    deliver::deliver(&session.store, session.clock.as_ref(), channels, which, None).await
}

/// Sends one message on one channel, now. One that does not arrive waits to be sent.
///
/// # Errors
/// Why it has not arrived.
pub(crate) async fn send_one(
    session: &Session,
    channels: &Channels,
    name: &str,
    title: &str,
    text: &str,
) -> Result<(), String> {
    let scope = channels.scopes().iter().find(|it| it.name == name);
    let scope = scope.ok_or_else(|| format!("no channel `{name}` is declared"))?;
    let message = compose::plain_message(scope, title, text).map_err(|error| error.to_string())?;
    let only = BTreeSet::from([message.message_id.clone()]);
    let (store, clock) = (&session.store, session.clock.as_ref());
    store.record_messages(&[message], clock.now()).await.map_err(|error| error.to_string())?;
    let report = deliver::deliver(store, clock, channels, Waiting::All, Some(&only)).await;
    let report = report.map_err(|error| error.to_string())?;
    if report.delivered > 0 {
        return Ok(());
    }
    let why = report.failures.into_iter().find(|(channel, _)| channel == name).map(|(_, why)| why);
    Err(why.unwrap_or_else(|| "it has not arrived yet".to_owned()))
}

/// Sends a test message on every channel, or on one. A test that does not arrive is not kept.
///
/// # Errors
/// [`Error::ChannelUnknown`] where no channel has the name; [`Error::Store`] where the database fails.
pub async fn test(
    session: &Session,
    channels: &Channels,
    only: Option<&str>,
) -> Result<DeliveryReport, Error> {
    let scopes: Vec<_> =
        channels.scopes().iter().filter(|it| only.is_none_or(|name| it.name == name)).collect();
    if let (Some(given), true) = (only, scopes.is_empty()) {
        return Err(Error::ChannelUnknown { given: given.to_owned() });
    }
    let messages: Result<Vec<NewMessage>, Error> = scopes.into_iter().map(compose::test_message).collect();
    let messages = messages?;
    session.store.record_messages(&messages, session.clock.now()).await?;
    let ids: BTreeSet<String> = messages.into_iter().map(|message| message.message_id).collect();
    let clock = session.clock.as_ref();
    let mut report = deliver::deliver(&session.store, clock, channels, Waiting::All, Some(&ids)).await?;
    for record in session.store.waiting_messages().await? {
        if ids.contains(&record.message.message_id) {
            let why = record.last_error.unwrap_or_else(|| "the channel cannot be used".to_owned());
            session.store.record_failed_delivery(record.id, 0, &why, None, session.clock.now()).await?;
            report.given_up += 1;
        }
    }
    report.waiting = 0;
    Ok(report)
}
