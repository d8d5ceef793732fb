//! `ifrit hosts`: what is declared and what was seen of it.

use std::collections::HashMap;

use model::selector::Selector;
use store::{ClientScope, HostRecord};

use crate::error::Error;
use crate::session::Session;

/// Returns what is known of the selected hosts, in inventory order.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`] where the database fails.
pub async fn list(session: &Session, selector: &Selector) -> Result<Vec<HostRecord>, Error> {
    let selected = session.select(selector).await?;
    let position: HashMap<_, _> = selected.iter().enumerate().map(|(at, host)| (&host.name, at)).collect();
    let mut records = session.store.hosts(&ClientScope::All).await?;
    records.retain(|record| position.contains_key(&record.name));
    records.sort_by_key(|record| position.get(&record.name).copied());
    Ok(records)
}
