//! `ifrit host show`: everything that is known of a host, now or at a time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{HostKey, HostName, PackageVersion, PersonName};
use store::{ClientScope, HostSnapshot};

use crate::error::Error;
use crate::moment::{self, DayEnd};
use crate::session::Session;

/// Everything that is known of a host.
#[derive(Debug, Clone)]
pub struct HostView {
    /// The moment that was asked for; `None` = now.
    pub at: Option<Timestamp>,
    /// What is known.
    pub snapshot: HostSnapshot,
    /// Its packages, where they were asked for and are known.
    pub packages: Option<Vec<PackageVersion>>,
    /// Whose key a fingerprint is, for the keys that the inventory declares for a person.
    pub owners: BTreeMap<String, PersonName>,
}

/// Returns everything that is known of a host, now or at a date, a time or a time ago. A bare date
/// means the end of that day in UTC.
///
/// # Errors
/// [`Error::Moment`]; [`Error::HostUnknown`] where no host or jail of this name was declared then;
/// [`Error::Store`].
pub async fn show(
    session: &Session,
    name: &str,
    at: Option<&str>,
    with_packages: bool,
) -> Result<HostView, Error> {
    let at = at.map(|text| moment::parse(text, DayEnd::Last, session.clock.now())).transpose()?;
    let unknown = || Error::HostUnknown { given: name.escape_default().to_string(), at };
    let host = HostName::new(name).map_err(|_| unknown())?;
    let scope = ClientScope::All;
    let snapshot = session.store.host_at(&scope, &host, at).await?.ok_or_else(unknown)?;
    let packages = match with_packages {
        true => session.store.packages_of(&scope, &host, at).await?,
        false => None,
    };
    Ok(HostView { at, snapshot, packages, owners: owners(session) })
}

fn owners(session: &Session) -> BTreeMap<String, PersonName> {
    let people = &session.workspace.inventory.people;
    let keys = people.iter().flat_map(|person| person.keys.iter().map(move |key| (key, &person.name)));
    keys.filter_map(|(key, person)| Some((fleet::fingerprint(&HostKey::new(key.as_str()))?, person.clone())))
        .collect()
}
