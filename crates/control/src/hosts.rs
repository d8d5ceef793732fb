//! `ifrit hosts`: what is declared, the jails that run there, and what was seen of them.

use std::collections::HashMap;

use model::selector::Selector;
use store::{ClientScope, HostRecord};

use crate::error::Error;
use crate::session::Session;

/// Returns what is known of the selected hosts, in inventory order, each followed by the jails that
/// run on it.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`] where the database fails.
pub async fn list(session: &Session, selector: &Selector) -> Result<Vec<HostRecord>, Error> {
    let selected = session.select(selector).await?;
    let position: HashMap<_, _> = selected.iter().enumerate().map(|(at, host)| (&host.name, at)).collect();
    let mut records = session.store.hosts(&ClientScope::All).await?;
    let position_of =
        |record: &HostRecord| position.get(record.parent.as_ref().unwrap_or(&record.name)).copied();
    records.retain(|record| position_of(record).is_some());
    records.sort_by_key(|record| (position_of(record), record.parent.is_some(), record.name.clone()));
    Ok(records)
}

/// Returns the selected hosts with their jails. Every host means every one that the database knows,
/// so that an inventory with errors hides none.
///
/// # Errors
/// As [`list`].
pub(crate) async fn chosen(session: &Session, selector: &Selector) -> Result<Vec<HostRecord>, Error> {
    if *selector == Selector::everything() {
        return Ok(session.store.hosts(&ClientScope::All).await?);
    }
    list(session, selector).await
}
