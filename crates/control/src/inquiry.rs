//! What a question to the database needs. Opening one is cheap: the workspace's files are read, and
//! only where they are not those that the database was last brought in line with are they evaluated.

use std::path::Path;

use model::{Level, Problem};
use store::{ClientScope, Store};

use crate::clock::Clock;
use crate::error::Error;
use crate::session::{Session, database_url_of};
use crate::workspace::{self, Surroundings};

/// The database, brought in line with what is declared, and the clock.
pub struct Inquiry {
    pub(crate) store: Store,
    pub(crate) clock: Box<dyn Clock>,
    problems: Vec<Problem>,
}

impl Inquiry {
    /// Opens the database. A workspace with errors is no hindrance: the hosts last known are asked
    /// about, and [`Inquiry::has_errors`] says so.
    ///
    /// # Errors
    /// [`Error::Read`] for `ifrit.toml`, [`Error::DatabaseUncertain`]; [`Error::Store`].
    pub async fn open(root: &Path, surroundings: Surroundings, clock: Box<dyn Clock>) -> Result<Self, Error> {
        let (settings, problems) = workspace::load_settings(root, &surroundings)?;
        let store = Store::open(&database_url_of(root, &settings, &problems)?).await?;
        let has_errors = problems.iter().any(|it| it.level == Level::Error);
        let source = workspace::source_hash(root);
        if source.is_some() && store.inventory_source().await? == source {
            return Ok(Self { store, clock, problems });
        }
        let (declared, from_declarations) = workspace::load_declarations(root);
        let is_sound = !has_errors && from_declarations.iter().all(|it| it.level < Level::Error);
        if is_sound {
            let source = source.filter(|_| declared.is_self_contained);
            store.sync_inventory(&declared.inventory, source, clock.now()).await?;
        }
        let problems = problems.into_iter().chain(from_declarations).collect();
        Ok(Self { store, clock, problems })
    }

    /// Closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Returns what is wrong with the workspace; of one that is as it was when it was last loaded without
    /// error, only what is wrong with its settings.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Says whether hosts may be missing, because what is declared now could not be taken.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }

    /// A mistyped client must not look like a safe one.
    ///
    /// # Errors
    /// [`Error::ClientUnknown`]; [`Error::Store`].
    pub(crate) async fn require_known_clients(&self, scope: &ClientScope) -> Result<(), Error> {
        let ClientScope::Only(clients) = scope else { return Ok(()) };
        for client in clients {
            if !self.store.has_client(client).await? {
                return Err(Error::ClientUnknown { given: client.to_string() });
            }
        }
        Ok(())
    }
}

impl From<Session> for Inquiry {
    fn from(session: Session) -> Self {
        Self { store: session.store, clock: session.clock, problems: session.workspace.problems }
    }
}
