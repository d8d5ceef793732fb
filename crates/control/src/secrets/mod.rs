//! Secrets of deploys: where their values come from, and how plans speak of them without holding them.
//!
//! A plan keeps a secret's name and version. A version is a keyed digest of the value, whatever the
//! source: when the value changes between planning and applying, the versions differ, and the script
//! for the host is not made. A value is read when it is needed, is wiped from memory afterwards, and
//! goes nowhere but into the bodies of a host's script.

mod key;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use model::{ClientName, Content, ContentPiece, SecretVersion};
use plan::apply::SecretBytes;
use sha2::{Digest as _, Sha256};
use store::{ClientScope, NewSecret, SealedSecret, SecretSlot};
use zeroize::Zeroizing;

use crate::deploy::FixError;
use crate::deploy::record::{Action, event};
use crate::error::Error;
use crate::session::Session;
use crate::settings::SecretPlace;
use key::Key;
use source::Bytes;

/// Looks an environment variable up: the library itself reads no environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A sealed secret without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretLine {
    /// Its name.
    pub name: String,
    /// The client whose hosts alone may get it; `None` = any.
    pub client: Option<ClientName>,
    /// Its version, from 1.
    pub version: u64,
    /// When it was set.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: String,
}

/// Makes the key of secrets in the file that the settings name. Returns the file.
///
/// # Errors
/// [`FixError::SecretKey`]: the file exists, or cannot be written.
pub fn keygen(session: &Session) -> Result<PathBuf, Error> {
    let path = key_path(session);
    Key::create(&path)?;
    Ok(path)
}

/// Seals a value in the database under a name; one final newline does not count.
///
/// # Errors
/// [`FixError::Secret`]: the name or the value cannot be used, or somebody else set it at the same moment;
/// [`FixError::SecretKey`]; [`Error::Store`].
pub async fn set(
    session: &Session,
    name: &str,
    client: Option<&ClientName>,
    value: Vec<u8>,
) -> Result<SecretLine, Error> {
    let fault = |why: String| Error::from(FixError::Secret { name: name.escape_default().to_string(), why });
    source::check_name(name).map_err(fault)?;
    let value = source::checked(Zeroizing::new(value)).map_err(fault)?;
    let key = Key::read(&key_path(session))?;
    if let Some(client) = client
        && !session.store.has_client(client).await?
    {
        return Err(Error::ClientUnknown { given: client.to_string() });
    }
    let known = session.store.secret(&ClientScope::All, name).await?;
    let version = known.map_or(1, |known| known.record.version + 1);
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map_err(|error| Error::Random { why: error.to_string() })?;
    let slot = SecretSlot { name, version, client };
    let sealed = key.sealing.seal(&slot, nonce, &value).map_err(|error| fault(error.to_string()))?;
    let (now, set_by) = (session.clock.now(), session.surroundings.person.as_str());
    let new = NewSecret { name, client, version, sealed: &sealed, set_by };
    let action = Action {
        client: client.cloned(),
        target: name.to_owned(),
        action: "secret.set",
        ..Action::default()
    };
    if !session.store.put_secret(&new, now, &[event(session, action)?]).await? {
        return Err(fault("somebody else has set it at this moment; look, and set it again".to_owned()));
    }
    crate::record::seal_if_due(session).await;
    let (name, set_by) = (name.to_owned(), set_by.to_owned());
    Ok(SecretLine { name, client: client.cloned(), version, set_at: now, set_by })
}

/// Lists the sealed secrets by name, without values.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(session: &Session) -> Result<Vec<SecretLine>, Error> {
    let secrets = session.store.secrets(&ClientScope::All).await?;
    let line = |it: store::SecretRecord| SecretLine {
        name: it.name,
        client: it.client,
        version: it.version,
        set_at: it.set_at,
        set_by: it.set_by,
    };
    Ok(secrets.into_iter().map(line).collect())
}

fn key_path(session: &Session) -> PathBuf {
    let home = session.surroundings.home.as_deref();
    session.workspace.resolve(session.workspace.settings.secrets_key_file(), home)
}

/// Finds the values of one run of ifrit, each once.
pub(crate) struct Secrets {
    place: SecretPlace,
    folder: PathBuf,
    root: PathBuf,
    command: Vec<String>,
    environment: Environment,
    /// Why there is no key is said when a secret is asked for: most deploys have none.
    key: Result<Key, String>,
    sealed: BTreeMap<String, SealedSecret>,
    found: Mutex<BTreeMap<String, Result<Found, String>>>,
}

/// A value that was found.
#[derive(Clone)]
struct Found {
    version: SecretVersion,
    client: Option<ClientName>,
    value: Arc<Bytes>,
}

impl Secrets {
    /// Prepares for finding secrets as the settings say.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn open(session: &Session, environment: Environment) -> Result<Self, Error> {
        let (workspace, home) = (&session.workspace, session.surroundings.home.as_deref());
        let place = workspace.settings.secrets_source();
        let mut sealed = BTreeMap::new();
        if place == SecretPlace::Sealed {
            for record in session.store.secrets(&ClientScope::All).await? {
                let secret = session.store.secret(&ClientScope::All, &record.name).await?;
                sealed.extend(secret.map(|secret| (record.name, secret)));
            }
        }
        let path = key_path(session);
        let key = match key::is_missing(&path) {
            true => Err(format!(
                "there is no key of secrets at {}: `ifrit secret keygen` makes one",
                path.display()
            )),
            false => Key::read(&path).map_err(|error| error.to_string()),
        };
        Ok(Self {
            place,
            folder: source::folder(workspace, home),
            root: workspace.root.clone(),
            command: workspace.settings.secrets_command().to_vec(),
            environment,
            key,
            sealed,
            found: Mutex::default(),
        })
    }

    /// Returns the version of a secret as it is now, for a host of a client.
    pub(crate) fn version(&self, name: &str, client: &ClientName) -> Result<SecretVersion, String> {
        let found = self.find(name)?;
        match &found.client {
            Some(owner) if owner != client => Err(format!("it belongs to client {owner}, not to {client}")),
            Some(_) | None => Ok(found.version),
        }
    }

    /// Returns a value, if this is still its version.
    pub(crate) fn value(&self, wanted: &SecretVersion) -> Option<SecretBytes> {
        let found = self.find(&wanted.name).ok().filter(|found| found.version == *wanted)?;
        Some(SecretBytes::new(found.value.to_vec()))
    }

    /// Returns the SHA-256 of content with its secrets in it; `None` where one cannot be found.
    pub(crate) fn digest(&self, content: &Content) -> Option<[u8; 32]> {
        let mut hasher = Sha256::new();
        for piece in &content.0 {
            match piece {
                ContentPiece::Plain(bytes) => hasher.update(bytes),
                ContentPiece::Secret(secret) => {
                    let found = self.find(&secret.name).ok().filter(|found| found.version == *secret)?;
                    hasher.update(found.value.as_slice());
                }
            }
        }
        Some(hasher.finalize().into())
    }

    fn find(&self, name: &str) -> Result<Found, String> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(name) {
            return known.clone();
        }
        let result = self.read(name);
        found.insert(name.to_owned(), result.clone());
        result
    }

    fn read(&self, name: &str) -> Result<Found, String> {
        source::check_name(name)?;
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let mut client = None;
        let value = match self.place {
            SecretPlace::File => source::from_file(&self.folder, name)?,
            SecretPlace::Environment => source::from_environment(name, &*self.environment)?,
            SecretPlace::Command => source::from_command(&self.command, &self.root, name)?,
            SecretPlace::Sealed => {
                let hint = || format!("it is not set: `ifrit secret set {name}`");
                let secret = self.sealed.get(name).ok_or_else(hint)?;
                client.clone_from(&secret.record.client);
                let slot = SecretSlot { name, version: secret.record.version, client: client.as_ref() };
                key.sealing.open(&slot, &secret.sealed).map_err(|error| error.to_string())?
            }
        };
        let version = SecretVersion { name: name.to_owned(), version: key.version(name, &value) };
        Ok(Found { version, client, value: Arc::new(value) })
    }
}
