//! The keys that ifrit logs in with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PublicKey, decode_secret_key};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long the agent may take to list its keys.
const AGENT_TIMEOUT: Duration = Duration::from_secs(5);
/// The bytes of a private key file.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

/// Where the keys are that ifrit logs in with. The caller knows the environment, this crate does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    /// The agent's socket (`SSH_AUTH_SOCK`); asked first.
    pub agent_socket: Option<PathBuf>,
    /// Private key files, tried in this order after the agent; one that is not there is skipped.
    pub key_files: Vec<PathBuf>,
}

/// The keys of the files, read once for all hosts.
#[derive(Default)]
pub(crate) struct KeyFiles {
    pub keys: Vec<KeyFile>,
    /// Why others are not among them.
    pub notes: Vec<String>,
    /// A file that needs a passphrase.
    pub encrypted: Option<PathBuf>,
}

/// A private key and where it is from.
pub(crate) struct KeyFile {
    pub path: PathBuf,
    pub key: Arc<PrivateKey>,
}

impl KeyFiles {
    /// Reads the files.
    pub(crate) async fn read(paths: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in paths {
            let text = match read_capped(path).await {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    files.notes.push(format!("key file {} cannot be read: {error}", path.display()));
                    continue;
                }
            };
            match decode_secret_key(&text, None) {
                Ok(key) => files.keys.push(KeyFile { path: path.clone(), key: Arc::new(key) }),
                Err(russh::keys::Error::KeyIsEncrypted) => {
                    files.notes.push(format!("key file {} needs a passphrase", path.display()));
                    files.encrypted.get_or_insert_with(|| path.clone());
                }
                Err(error) => {
                    files.notes.push(format!("key file {} is no private key: {error}", path.display()))
                }
            }
        }
        files
    }
}

async fn read_capped(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}

/// An agent and the keys it holds.
pub(crate) struct Agent {
    pub client: AgentClient<UnixStream>,
    pub keys: Vec<PublicKey>,
}

impl Agent {
    /// Asks an agent for its keys. Certificates are left out: hosts would have to trust their issuer.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, String> {
        let connect = async {
            let mut client = AgentClient::connect_uds(socket).await?;
            let identities = client.request_identities().await?;
            Ok::<_, russh::keys::Error>((client, identities))
        };
        let agent = format!("agent {}", socket.display());
        let (client, identities) = match timeout(AGENT_TIMEOUT, connect).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(format!("{agent} cannot be asked: {error}")),
            Err(_) => return Err(format!("{agent} did not answer within {} s", AGENT_TIMEOUT.as_secs())),
        };
        let keys: Vec<_> = identities
            .into_iter()
            .filter_map(|identity| match identity {
                AgentIdentity::PublicKey { key, .. } => Some(key),
                AgentIdentity::Certificate { .. } => None,
            })
            .collect();
        if keys.is_empty() { Err(format!("{agent} holds no key")) } else { Ok(Self { client, keys }) }
    }
}
