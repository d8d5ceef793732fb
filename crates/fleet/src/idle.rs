//! Connections that are kept for the next script on the same host.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use model::HostName;

use crate::session::Session;
use crate::shell::Shell;
use crate::target::Target;

/// The connections kept at the same time; of more hosts, each exec logs in anew. They cost memory, and the
/// hosts a process each.
const IDLE_MAX: usize = 256;

/// One connection.
struct Kept {
    /// The target that it was made for.
    target: Target,
    session: Session,
    /// The shell that waits for the next script.
    shell: Option<Shell>,
}

/// Connections that nobody uses now, with the target that each was made for.
#[derive(Default)]
pub(crate) struct Idle {
    /// Whether any are kept at all.
    is_on: bool,
    sessions: Mutex<HashMap<HostName, Kept>>,
}

impl Idle {
    /// Makes one that keeps connections.
    pub(crate) fn keeping() -> Self {
        Self { is_on: true, ..Self::default() }
    }

    /// Takes the connection to a target, if one is kept and lives. What is reached in another way now, or
    /// may show other keys, is no longer the same target.
    pub(crate) fn take(&self, target: &Target) -> Option<(Session, Option<Shell>)> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sessions.remove(&target.host)?;
        let is_usable = kept.target == timeless(target) && !kept.session.handle.is_closed();
        is_usable.then_some((kept.session, kept.shell))
    }

    /// Keeps a connection. Gives it back where it is not wanted.
    pub(crate) fn keep(&self, target: &Target, session: Session, shell: Option<Shell>) -> Option<Session> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_on
            || sessions.len() >= IDLE_MAX
            || session.handle.is_closed()
            || session.leash.is_exhausted()
        {
            return Some(session);
        }
        let kept = Kept { target: timeless(target), session, shell };
        sessions.insert(target.host.clone(), kept).map(|older| older.session)
    }

    /// Takes every connection.
    pub(crate) fn drain(&self) -> Vec<Session> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.drain().map(|(_, kept)| kept.session).collect()
    }
}

/// Returns a target without the time at which certificates must be valid: the host has proved its key already.
fn timeless(target: &Target) -> Target {
    let mut target = target.clone();
    target.access.trust.now = Timestamp::default();
    for jump in &mut target.access.jumps {
        jump.trust.now = Timestamp::default();
    }
    target
}
