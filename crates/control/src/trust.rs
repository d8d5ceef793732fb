//! `ifrit hosts trust`: host keys are shown, a person compares them, then they are pinned.

pub use fleet::ShownKey;
use fleet::{SshConnector, Target};
use futures::StreamExt as _;
use model::selector::Selector;
use model::{Connection, Host, HostKey, HostName};
use store::ClientScope;

use crate::error::Error;
use crate::reach::reach;
use crate::scan::{limits, ssh_connector};
use crate::session::Session;

/// How many hosts are asked for their key at the same time. Few, because sshd counts connections
/// that do not log in as an attack (PerSourcePenalties, OpenSSH 9.8).
const PROBES_MAX: usize = 8;

/// The keys of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysOfHost {
    /// The host.
    pub host: HostName,
    /// What it showed or why it showed nothing.
    pub shown: KeysShown,
}

/// What a host showed when it was asked for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysShown {
    /// The inventory pins its keys; nothing was asked.
    PinnedInInventory,
    /// It is reached without SSH; nothing was asked.
    NotOverSsh,
    /// A key that is trusted already.
    Trusted(ShownKey),
    /// A key, and none was trusted so far.
    New(ShownKey),
    /// A key that is not among the trusted ones.
    Changed {
        /// The key it showed.
        shown: ShownKey,
        /// Fingerprints of the keys trusted so far.
        trusted: Vec<String>,
    },
    /// It showed no key.
    None {
        /// Why.
        why: String,
    },
}

/// Asks the selected hosts for their keys, one connection each, without logging in.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`] where the trusted keys cannot be read.
pub async fn show_keys(session: &Session, selector: &Selector) -> Result<Vec<KeysOfHost>, Error> {
    let hosts = session.select(selector).await?;
    let trusted = session.store.trusted_host_keys(&ClientScope::All).await?;
    let limits = limits(session);
    let targets = reach(session, &hosts).await?.targets;
    let connector = ssh_connector(session);
    let probes = hosts.into_iter().zip(&targets).map(|(host, target)| {
        let trusted = trusted.get(&host.name).map(Vec::as_slice).unwrap_or_default();
        keys_of_host(host, target, &connector, trusted, &limits)
    });
    Ok(futures::stream::iter(probes).buffered(PROBES_MAX).collect().await)
}

async fn keys_of_host(
    host: &Host,
    target: &Target,
    connector: &SshConnector,
    trusted: &[HostKey],
    limits: &fleet::Limits,
) -> KeysOfHost {
    let shown = match &host.connection {
        Connection::Local => KeysShown::NotOverSsh,
        Connection::Ssh { host_keys, .. } if !host_keys.is_empty() => KeysShown::PinnedInInventory,
        Connection::Ssh { .. } => match connector.probe(target, limits).await {
            Ok(keys) => compare(keys, trusted),
            Err(error) => KeysShown::None { why: explain(&error) },
        },
    };
    KeysOfHost { host: host.name.clone(), shown }
}

/// Says why there is no key, with all causes.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn compare(keys: Vec<ShownKey>, trusted: &[HostKey]) -> KeysShown {
    let Some(shown) = keys.into_iter().next() else {
        return KeysShown::None { why: "it showed no key".to_owned() };
    };
    if trusted.contains(&shown.key) {
        KeysShown::Trusted(shown)
    } else if trusted.is_empty() {
        KeysShown::New(shown)
    } else {
        KeysShown::Changed { shown, trusted: trusted.iter().filter_map(fleet::fingerprint).collect() }
    }
}

/// Pins a key that a person has compared. Keys trusted before for the host no longer count.
///
/// # Errors
/// [`Error::Store`] where it cannot be recorded.
pub async fn trust(session: &Session, host: &HostName, key: &ShownKey) -> Result<(), Error> {
    let (by, now) = (&session.surroundings.person, session.clock.now());
    session.store.trust_host_key(host, &key.key, &key.fingerprint, by, now).await?;
    Ok(())
}
