//! Logging in by public key or certificate: the agent's keys, then the files'.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use model::{HostKey, UserName};
use russh::MethodKind;
use russh::client::AuthResult;
use russh::keys::PublicKey;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::connector::ConnectError;
use crate::host_key::Pinned;
use crate::identities::{Agent, Identities, KeyFiles};
use crate::jump::JumpConnection;
use crate::limits::Limits;
use crate::offer::{Offer, offers};
use crate::session::{self, Endpoint, Session};
use crate::ssh_config::AgentChoice;
use crate::target::{LoginKeys, Trust};

/// The keys at hand for all hosts of a run.
pub(crate) struct Keys {
    pub identities: Identities,
    files: Mutex<HashMap<FileNames, Arc<KeyFiles>>>,
}

/// Key files and certificate files.
type FileNames = (Vec<PathBuf>, Vec<PathBuf>);

/// One host to log in to.
#[derive(Clone, Copy)]
pub(crate) struct Hop<'a> {
    pub endpoint: Endpoint<'a>,
    pub user: &'a UserName,
    pub pinned: &'a [HostKey],
    pub trust: &'a Trust,
    pub login: &'a LoginKeys,
}

impl Keys {
    pub(crate) fn new(identities: Identities) -> Self {
        Self { identities, files: Mutex::default() }
    }

    /// Connects to a host, checks its key and logs in, all before the deadline.
    pub(crate) async fn log_in(
        &self,
        hop: Hop<'_>,
        via: Option<&Arc<JumpConnection>>,
        deadline: Instant,
        limits: &Limits,
    ) -> Result<Session, ConnectError> {
        let late = |stage| move |_| hop.endpoint.timed_out(stage, limits);
        let pinned = Arc::new(Pinned::new(hop.pinned, hop.trust)?);
        let keyring = self.gather(hop).await?;
        let connect = session::connect(hop.endpoint, via, pinned, limits);
        let mut session = timeout_at(deadline, connect).await.map_err(late("connecting"))??;
        let login = timeout_at(deadline, keyring.log_in(&mut session, hop.user));
        match login.await.map_err(late("logging in"))? {
            Err(_) if session.leash.is_dead() => Err(hop.endpoint.silent("logging in", limits)),
            login => login.map(|()| session),
        }
    }

    /// Gathers the keys for a host; there is at least one.
    async fn gather(&self, hop: Hop<'_>) -> Result<Keyring, ConnectError> {
        let login = hop.login;
        let key_files = match login.key_files.is_empty() {
            true => &self.identities.key_files,
            false => &login.key_files,
        };
        let files = self.files(key_files, &login.certificate_files).await;
        let mut tried = files.notes.clone();
        let socket = match &login.agent {
            AgentChoice::Usual => self.identities.agent_socket.as_ref(),
            AgentChoice::Off => None,
            AgentChoice::Socket(path) => Some(path),
        };
        let agent = match socket {
            None => None,
            Some(socket) => Agent::connect(socket).await.map_err(|note| tried.push(note)).ok(),
        };
        let offers = offers(agent.as_ref(), &files, login.is_limited);
        let keyring = Keyring { agent, files, offers, tried };
        if keyring.offers.is_empty() {
            return Err(keyring.fail(hop.user, "there is no key to log in with"));
        }
        Ok(keyring)
    }

    async fn files(&self, key_files: &[PathBuf], certificates: &[PathBuf]) -> Arc<KeyFiles> {
        let names = (key_files.to_vec(), certificates.to_vec());
        let mut files = self.files.lock().await;
        if let Some(read) = files.get(&names) {
            return Arc::clone(read);
        }
        let read = Arc::new(KeyFiles::read(key_files, certificates).await);
        files.insert(names, Arc::clone(&read));
        read
    }
}

/// The keys for one login.
struct Keyring {
    agent: Option<Agent>,
    files: Arc<KeyFiles>,
    offers: Vec<Offer>,
    tried: Vec<String>,
}

impl Keyring {
    async fn log_in(mut self, session: &mut Session, user: &UserName) -> Result<(), ConnectError> {
        for offer in std::mem::take(&mut self.offers) {
            let name = offer.name();
            let answer = offer.make(session, user, self.agent.as_mut()).await;
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
        Self { agent: None, files: Arc::clone(&self.files), offers: Vec::new(), tried }
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

/// Says whether two public keys are the same, whatever their comments.
pub(crate) fn is_same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}
