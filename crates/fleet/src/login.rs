//! Logging in by public key: the agent's keys, then the files'.

use std::sync::Arc;

use model::UserName;
use russh::MethodKind;
use russh::client::AuthResult;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey};

use crate::connector::ConnectError;
use crate::host_key::fingerprint_of;
use crate::identities::{Agent, Identities, KeyFiles};
use crate::session::Session;

/// The keys offered to one host. OpenSSH's server hangs up after 6 (`MaxAuthTries`).
const KEYS_MAX: usize = 6;

/// The keys at hand for one host.
pub(crate) struct Keyring {
    agent: Option<Agent>,
    files: Arc<KeyFiles>,
    tried: Vec<String>,
}

impl Keyring {
    /// Gathers the keys; there is at least one in it.
    pub(crate) async fn gather(
        identities: &Identities,
        files: Arc<KeyFiles>,
        user: &UserName,
    ) -> Result<Self, ConnectError> {
        let mut tried = files.notes.clone();
        let agent = match &identities.agent_socket {
            None => None,
            Some(socket) => Agent::connect(socket).await.map_err(|note| tried.push(note)).ok(),
        };
        let keyring = Self { agent, files, tried };
        if keyring.agent.is_none() && keyring.files.keys.is_empty() {
            return Err(keyring.fail(user, "there is no key to log in with"));
        }
        Ok(keyring)
    }

    /// Logs in.
    pub(crate) async fn log_in(mut self, session: &mut Session, user: &UserName) -> Result<(), ConnectError> {
        let mut count = 0;
        if let Some(mut agent) = self.agent.take() {
            for key in std::mem::take(&mut agent.keys).into_iter().take(KEYS_MAX) {
                count += 1;
                let name = format!("agent's key {}", fingerprint_of(&key));
                let answer = offer_agent_key(session, user, &mut agent, key).await;
                if self.take_answer(session, user, name, answer)? {
                    return Ok(());
                }
            }
        }
        let files = Arc::clone(&self.files);
        for file in files.keys.iter().take(KEYS_MAX - count) {
            let name = format!("key file {}", file.path.display());
            let answer = offer_key(session, user, Arc::clone(&file.key)).await;
            if self.take_answer(session, user, name, answer)? {
                return Ok(());
            }
        }
        Err(self.fail(user, "no key is left"))
    }

    /// Says whether the host let us in; an error = it never will.
    fn take_answer(
        &mut self,
        session: &Session,
        user: &UserName,
        key: String,
        answer: Result<AuthResult, String>,
    ) -> Result<bool, ConnectError> {
        match answer {
            Ok(AuthResult::Success) => return Ok(true),
            Ok(AuthResult::Failure { partial_success: true, .. }) => {
                self.tried.push(format!("{key} was accepted"));
                return Err(self.take().fail(user, "the host wants a second factor"));
            }
            Ok(AuthResult::Failure { remaining_methods, .. }) => {
                self.tried.push(format!("{key} was refused"));
                if !session.handle.is_closed() && !remaining_methods.contains(&MethodKind::PublicKey) {
                    return Err(self.take().fail(user, "the host takes no public keys"));
                }
            }
            Err(why) => self.tried.push(format!("{key}: {why}")),
        }
        if session.handle.is_closed() {
            return Err(self.take().fail(user, "the host closed the connection"));
        }
        Ok(false)
    }

    fn take(&mut self) -> Self {
        let tried = std::mem::take(&mut self.tried);
        Self { agent: None, files: Arc::clone(&self.files), tried }
    }

    fn fail(mut self, user: &UserName, last: &str) -> ConnectError {
        self.tried.push(last.to_owned());
        let hint = match &self.files.encrypted {
            Some(path) => format!(
                "ifrit asks for no passphrase: add the key to the agent with `ssh-add {}`",
                path.display()
            ),
            None => format!("add the public key of one of your keys to {user}'s authorized_keys on the host"),
        };
        ConnectError::Unauthenticated { user: user.clone(), tried: self.tried, hint }
    }
}

async fn offer_key(
    session: &mut Session,
    user: &UserName,
    key: Arc<russh::keys::PrivateKey>,
) -> Result<AuthResult, String> {
    let hash = rsa_hash(session, key.public_key()).await?;
    let key = PrivateKeyWithHashAlg::new(key, hash);
    session.handle.authenticate_publickey(user.as_str(), key).await.map_err(|error| error.to_string())
}

async fn offer_agent_key(
    session: &mut Session,
    user: &UserName,
    agent: &mut Agent,
    key: PublicKey,
) -> Result<AuthResult, String> {
    let hash = rsa_hash(session, &key).await?;
    let answer =
        session.handle.authenticate_publickey_with(user.as_str(), key, hash, &mut agent.client).await;
    answer.map_err(|error| error.to_string())
}

/// Chooses the hash of an RSA signature; other keys have none. SHA-1 is never used.
async fn rsa_hash(session: &Session, key: &PublicKey) -> Result<Option<HashAlg>, String> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    match session.handle.best_supported_rsa_hash().await {
        Ok(Some(Some(hash))) => Ok(Some(hash)),
        Ok(None) => Ok(Some(HashAlg::Sha256)),
        Ok(Some(None)) => Err("the host takes RSA keys with SHA-1 only".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
