//! Signing with a person's SSH key, as `ssh-keygen -Y sign` does (OpenSSH's PROTOCOL.sshsig): by the
//! agent where it holds the key, else with a key file. A private key never leaves where it is.

use model::PublicKey;
use russh::keys::PublicKey as SshPublicKey;
use russh::keys::ssh_key::{Algorithm, HashAlg, LineEnding, SshSig};
use thiserror::Error;

use crate::identities::{Agent, Identities, KeyFiles};
use crate::login::is_same;

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// The key that should sign is none.
    #[error("the key that should sign is no public key in OpenSSH's form")]
    NoPublicKey,
    /// Neither the agent nor a key file has the private half.
    #[error("neither the agent nor a key file holds the private half of the key{}", notes(tried))]
    NotHeld {
        /// What could not be used, with its reason.
        tried: Vec<String>,
    },
    /// The agent or the key refused to sign.
    #[error("the key did not sign: {why}")]
    Refused {
        /// Why.
        why: String,
    },
}

fn notes(tried: &[String]) -> String {
    if tried.is_empty() { String::new() } else { format!(" ({})", tried.join("; ")) }
}

/// Returns the public keys that could sign: the agent's, then the files', each once; and why others could not.
pub async fn signing_keys(identities: &Identities) -> (Vec<PublicKey>, Vec<String>) {
    let held = Held::find(identities).await;
    let mut keys: Vec<PublicKey> = Vec::new();
    for key in held.publics() {
        let text = key.to_openssh().ok().and_then(|text| without_comment(&text));
        keys.extend(text.map(PublicKey::new).filter(|key| !keys.contains(key)));
    }
    (keys, held.notes)
}

/// Signs a message with the private half of a key. Returns the armored signature (SSHSIG, SHA-512).
///
/// # Errors
/// [`SignError`].
pub async fn sign(
    identities: &Identities,
    key: &PublicKey,
    namespace: &str,
    message: &[u8],
) -> Result<String, SignError> {
    let wanted = SshPublicKey::from_openssh(key.as_str()).map_err(|_| SignError::NoPublicKey)?;
    let mut held = Held::find(identities).await;
    let refused = |error: &dyn std::fmt::Display| SignError::Refused { why: error.to_string() };
    if let Some(agent) = held.agent.as_mut().filter(|agent| agent.keys.iter().any(|it| is_same(it, &wanted)))
    {
        let data =
            SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(|error| refused(&error))?;
        let rsa_hash = matches!(wanted.algorithm(), Algorithm::Rsa { .. }).then_some(HashAlg::Sha512);
        let signed = agent.client.sign_request_signature(&wanted, rsa_hash, &data).await;
        let signature = signed.map_err(|error| refused(&error))?;
        let signature = SshSig::new(wanted.key_data().clone(), namespace, HashAlg::Sha512, signature);
        return armor(signature.map_err(|error| refused(&error))?);
    }
    let Some(file) = held.files.keys.iter().find(|file| is_same(file.key.public_key(), &wanted)) else {
        return Err(SignError::NotHeld { tried: held.notes });
    };
    let signature = SshSig::sign(&*file.key, namespace, HashAlg::Sha512, message);
    armor(signature.map_err(|error| refused(&error))?)
}

fn armor(signature: SshSig) -> Result<String, SignError> {
    signature.to_pem(LineEnding::LF).map_err(|error| SignError::Refused { why: error.to_string() })
}

/// The keys at hand.
struct Held {
    agent: Option<Agent>,
    files: KeyFiles,
    notes: Vec<String>,
}

impl Held {
    async fn find(identities: &Identities) -> Self {
        let files = KeyFiles::read(&identities.key_files, &[]).await;
        let mut notes = files.notes.clone();
        let agent = match &identities.agent_socket {
            None => None,
            Some(socket) => Agent::connect(socket).await.map_err(|note| notes.push(note)).ok(),
        };
        Self { agent, files, notes }
    }

    /// Only keys whose private half can be used now.
    fn publics(&self) -> impl Iterator<Item = &SshPublicKey> {
        let of_agent = self.agent.iter().flat_map(|agent| &agent.keys);
        of_agent.chain(self.files.keys.iter().map(|file| file.key.public_key()))
    }
}

fn without_comment(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}
