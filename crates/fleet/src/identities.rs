//! The keys that ifrit logs in with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key};
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

/// The keys of files, read once for all hosts that are given the same files.
#[derive(Default)]
pub(crate) struct KeyFiles {
    pub keys: Vec<KeyFile>,
    /// Certificates of these keys and of the agent's.
    pub certificates: Vec<Certificate>,
    /// Public keys of all files, those that cannot be used without the agent among them.
    pub publics: Vec<PublicKey>,
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
    /// Reads private keys with the certificates beside them, and certificates of their own.
    pub(crate) async fn read(paths: &[PathBuf], certificates: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in certificates {
            files.read_certificate(path, true).await;
        }
        for path in paths {
            files.read_certificate(&beside(path, "-cert.pub"), false).await;
            let public = read_capped(&beside(path, ".pub")).await.ok();
            files.publics.extend(public.and_then(|text| PublicKey::from_openssh(&text).ok()));
            files.read_key(path).await;
        }
        files
    }

    async fn read_key(&mut self, path: &Path) {
        let text = match read_capped(path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                return self.notes.push(format!("key file {} cannot be read: {error}", path.display()));
            }
        };
        // `IdentityFile key.pub` names a key of the agent.
        if let Ok(key) = PublicKey::from_openssh(&text) {
            return self.publics.push(key);
        }
        match decode_secret_key(&text, None) {
            Ok(key) => {
                self.publics.push(key.public_key().clone());
                self.keys.push(KeyFile { path: path.to_owned(), key: Arc::new(key) });
            }
            Err(russh::keys::Error::KeyIsEncrypted) => {
                self.notes.push(format!("key file {} needs a passphrase", path.display()));
                self.encrypted.get_or_insert_with(|| path.to_owned());
            }
            Err(error) => self.notes.push(format!("key file {} is no private key: {error}", path.display())),
        }
    }

    async fn read_certificate(&mut self, path: &Path, is_named: bool) {
        let found = match read_capped(path).await {
            Ok(text) => Certificate::from_openssh(text.trim()).map_err(|error| error.to_string()),
            // Beside a key file there need not be one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => return,
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(certificate) => self.certificates.push(certificate),
            Err(why) => self.notes.push(format!("certificate {} cannot be used: {why}", path.display())),
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
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
    pub certificates: Vec<Certificate>,
}

impl Agent {
    /// Asks an agent for its keys and certificates.
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
        let mut agent_keys = Self { client, keys: Vec::new(), certificates: Vec::new() };
        for identity in identities {
            match identity {
                AgentIdentity::PublicKey { key, .. } => agent_keys.keys.push(key),
                AgentIdentity::Certificate { certificate, .. } => agent_keys.certificates.push(certificate),
            }
        }
        let is_empty = agent_keys.keys.is_empty() && agent_keys.certificates.is_empty();
        if is_empty { Err(format!("{agent} holds no key")) } else { Ok(agent_keys) }
    }
}
