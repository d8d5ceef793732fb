//! `ifrit db`: backup, restore and check of the database. None of these needs sound declarations, and
//! a restore must find the database closed, so they do not open a session.

use std::path::Path;

use store::{DatabaseCheck, DatabaseUrl};

use crate::error::Error;
use crate::session::database_url;
use crate::workspace::{self, Surroundings};

/// Writes a copy of the database to a new file, while others use it.
///
/// # Errors
/// [`Error::Database`]: the file exists, or the database is PostgreSQL's.
pub async fn backup(root: &Path, surroundings: &Surroundings, file: &Path) -> Result<(), Error> {
    store::backup(&url(root, surroundings)?, file).await.map_err(refused)
}

/// Puts a backup in the place of the database; returns which database that is.
///
/// # Errors
/// [`Error::Database`]: the backup is damaged or of a newer ifrit, or somebody has the database open.
pub async fn restore(root: &Path, surroundings: &Surroundings, file: &Path) -> Result<String, Error> {
    let url = url(root, surroundings)?;
    store::restore(&url, file).await.map_err(refused)?;
    Ok(url.to_string())
}

/// Checks the database.
///
/// # Errors
/// [`Error::Store`] where it cannot be opened for another reason than damage.
pub async fn check(root: &Path, surroundings: &Surroundings) -> Result<DatabaseCheck, Error> {
    Ok(store::check(&url(root, surroundings)?).await?)
}

fn url(root: &Path, surroundings: &Surroundings) -> Result<DatabaseUrl, Error> {
    database_url(&workspace::load(root, surroundings)?)
}

fn refused(error: store::StoreError) -> Error {
    Error::Database { source: error }
}
