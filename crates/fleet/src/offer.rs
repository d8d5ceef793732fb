//! What is offered to a host, in which order, and how it is proved.

use std::path::PathBuf;
use std::sync::Arc;

use model::UserName;
use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, signature};
use tokio::net::UnixStream;

use crate::host_key::fingerprint_of;
use crate::identities::{Agent, KeyFiles};
use crate::login::is_same;
use crate::session::Session;

/// The keys offered to one host. OpenSSH's server hangs up after 6 (`MaxAuthTries`).
const OFFERS_MAX: usize = 6;

/// One key or certificate to log in with.
pub(crate) struct Offer {
    holder: Holder,
    /// The certificate that is shown instead of the key.
    certificate: Option<Certificate>,
}

/// Who signs.
enum Holder {
    Agent(PublicKey),
    /// The agent holds a key under this certificate alone.
    AgentCertificate,
    File(PathBuf, Arc<PrivateKey>),
}

/// Puts keys in order: those of the agent, named ones first, then files; each after its certificates.
/// `is_limited` leaves out what no file names.
pub(crate) fn offers(agent: Option<&Agent>, files: &KeyFiles, is_limited: bool) -> Vec<Offer> {
    let is_named = |key: &PublicKey| files.publics.iter().any(|named| is_same(named, key));
    let certified = |key: &PublicKey| {
        let of_key = |certificate: &&Certificate| certificate.public_key() == key.key_data();
        files.certificates.iter().filter(of_key).cloned().map(Some).collect::<Vec<_>>()
    };
    let mut offers = Vec::new();
    let mut agent_keys: Vec<_> = agent.map(|agent| agent.keys.iter().collect()).unwrap_or_default();
    agent_keys.sort_by_key(|key| !is_named(key));
    let is_wanted = |key: &PublicKey| !is_limited || is_named(key);
    agent_keys.retain(|key| is_wanted(key));
    for certificate in agent.map(|agent| agent.certificates.as_slice()).unwrap_or_default() {
        if is_wanted(&PublicKey::from(certificate.public_key().clone())) {
            offers.push(Offer { holder: Holder::AgentCertificate, certificate: Some(certificate.clone()) });
        }
    }
    for key in &agent_keys {
        for certificate in certified(key).into_iter().chain([None]) {
            offers.push(Offer { holder: Holder::Agent((*key).clone()), certificate });
        }
    }
    for file in &files.keys {
        if agent_keys.iter().any(|key| is_same(key, file.key.public_key())) {
            continue;
        }
        for certificate in certified(file.key.public_key()).into_iter().chain([None]) {
            let holder = Holder::File(file.path.clone(), Arc::clone(&file.key));
            offers.push(Offer { holder, certificate });
        }
    }
    offers.truncate(OFFERS_MAX);
    offers
}

impl Offer {
    /// Says what it is, for people.
    pub(crate) fn name(&self) -> String {
        let key = match (&self.holder, &self.certificate) {
            (Holder::Agent(key), _) => format!("agent's key {}", fingerprint_of(key)),
            (Holder::File(path, _), _) => format!("key file {}", path.display()),
            (Holder::AgentCertificate, _) => "agent's key".to_owned(),
        };
        match &self.certificate {
            Some(certificate) => format!("{key} with certificate `{}`", certificate.key_id().escape_debug()),
            None => key,
        }
    }

    /// Offers it to a host and proves it.
    pub(crate) async fn make(
        self,
        session: &mut Session,
        user: &UserName,
        agent: Option<&mut Agent>,
    ) -> Result<AuthResult, String> {
        let user = user.as_str();
        let agent = agent.map(|agent| &mut agent.client).ok_or("the agent is gone");
        if let Some(certificate) = self.certificate {
            let hash = rsa_hash(session, &certificate.algorithm()).await?;
            let mut signer = match self.holder {
                Holder::File(_, key) => Signer::File(key),
                Holder::Agent(key) => Signer::Agent(agent?, Box::new(key.into())),
                Holder::AgentCertificate => {
                    let identity = AgentIdentity::Certificate {
                        certificate: certificate.clone(),
                        comment: String::new(),
                    };
                    Signer::Agent(agent?, Box::new(identity))
                }
            };
            let answer = session.handle.authenticate_certificate_with(user, certificate, hash, &mut signer);
            return answer.await.map_err(|error| error.to_string());
        }
        match self.holder {
            Holder::File(_, key) => {
                let hash = rsa_hash(session, &key.algorithm()).await?;
                let key = PrivateKeyWithHashAlg::new(key, hash);
                session.handle.authenticate_publickey(user, key).await.map_err(|error| error.to_string())
            }
            Holder::Agent(key) => {
                let hash = rsa_hash(session, &key.algorithm()).await?;
                let answer = session.handle.authenticate_publickey_with(user, key, hash, agent?).await;
                answer.map_err(|error| error.to_string())
            }
            Holder::AgentCertificate => Err("it has no certificate".to_owned()),
        }
    }
}

/// Signs for a certificate with the key that it is about.
enum Signer<'a> {
    Agent(&'a mut AgentClient<UnixStream>, Box<AgentIdentity>),
    File(Arc<PrivateKey>),
}

impl russh::Signer for Signer<'_> {
    type Error = russh::AgentAuthError;

    async fn auth_sign(
        &mut self,
        _shown: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        let signed = match self {
            Self::Agent(client, identity) => client.sign_request(identity, hash, to_sign).await,
            Self::File(key) => sign(key, hash, to_sign).map_err(russh::keys::Error::from),
        };
        signed.map_err(Self::Error::from)
    }
}

/// Appends a signature to what is signed, as RFC 4252 (section 7) wants it.
fn sign(
    key: &PrivateKey,
    hash: Option<HashAlg>,
    mut data: Vec<u8>,
) -> Result<Vec<u8>, russh::keys::ssh_key::Error> {
    let signature: Signature = match key.key_data() {
        KeypairData::Rsa(pair) => signature::Signer::try_sign(&(pair, hash), &data)?,
        pair => signature::Signer::try_sign(pair, &data)?,
    };
    let mut blob = Vec::new();
    signature.encode(&mut blob)?;
    blob.encode(&mut data)?;
    Ok(data)
}

/// Chooses the hash of an RSA signature; other keys have none. SHA-1 is never used.
async fn rsa_hash(session: &Session, algorithm: &Algorithm) -> Result<Option<HashAlg>, String> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    match session.handle.best_supported_rsa_hash().await {
        Ok(Some(Some(hash))) => Ok(Some(hash)),
        Ok(None) => Ok(Some(HashAlg::Sha256)),
        Ok(Some(None)) => Err("the host takes RSA keys with SHA-1 only".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
