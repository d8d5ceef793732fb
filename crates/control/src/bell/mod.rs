//! The bell: what is new since it last rang. Every newly vulnerable and every newly fixed host is
//! announced once, also if the process is killed at any moment: what is announced, the messages about it
//! and the memory of it are one transaction of the store.
//!
//! The first look at a host, or at what a feed says of a release, is no news: it is summed up, and only
//! what is known to be exploited is called out.

mod announcement;
mod compare;
mod exposure;
mod judged;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;

use store::{BellOutcome, ClientScope, NewBell};

use crate::error::Error;
use crate::matched::match_in_use;
use crate::notify::{self, Channels, DeliveryReport};
use crate::session::Session;

pub use announcement::{Announcement, FirstLook};
pub use compare::AnnouncementKind;

/// How often a run begins again because a scan or another run came in between.
const ATTEMPTS_MAX: u32 = 5;

/// What the bell says.
#[derive(Debug, Clone, Default)]
pub struct BellReport {
    /// What is new, the most urgent first.
    pub announcements: Vec<Announcement>,
    /// What was looked at for the first time.
    pub first_look: FirstLook,
    /// What became of the messages, also of earlier ones that waited.
    pub deliveries: DeliveryReport,
    /// Whether others kept changing what was looked at; then nothing is announced, and the next run will.
    pub is_outrun: bool,
}

/// Says what is new, once, and sends the messages about it.
///
/// # Errors
/// [`Error::Store`] where the database fails. A channel that fails is part of the report.
pub async fn ring(session: &Session, channels: &Channels) -> Result<BellReport, Error> {
    let mut report = BellReport { is_outrun: true, ..BellReport::default() };
    for _ in 0..ATTEMPTS_MAX {
        if let Some(rung) = announce(session, channels).await? {
            report = rung;
            break;
        }
    }
    report.deliveries = notify::deliver(session, channels, notify::Waiting::Due).await?;
    Ok(report)
}

/// Compares, and records what is to be announced. `None`: the ground moved meanwhile.
pub(crate) async fn announce(session: &Session, channels: &Channels) -> Result<Option<BellReport>, Error> {
    let store = &session.store;
    let before = store.bell_state().await?;
    let judged = judged::judge(&match_in_use(store, &ClientScope::All, None, None).await?);
    let comparison = compare::Comparison::new(&before, &judged);
    let hosts = store.bell_hosts(&comparison.versions_to_ask()).await?;
    let Some(compared) = comparison.follow(hosts) else { return Ok(None) };
    let is_idle = compared.hosts.is_empty()
        && compared.announced.is_empty()
        && compared.changes.is_empty()
        && judged.coverage == before.coverage;
    if is_idle {
        return Ok(Some(BellReport::default()));
    }
    let exploited: BTreeSet<String> = before.exploited.union(&judged.exploited).cloned().collect();
    let (mut announcements, mut first_look) = announcement::group(compared.changes, &judged.exploited);
    exposure::mark(store, &judged, &mut announcements).await?;
    announcement::rank(&mut announcements);
    if first_look.open > 0 {
        first_look.hosts.union_with(&compared.first_seen);
    }
    let new = NewBell {
        revision: before.revision,
        coverage: judged.coverage,
        exploited,
        announced: compared.announced,
        hosts: compared.hosts,
        messages: notify::compose(channels, &announcements, &first_look)?,
    };
    match store.record_bell(&new, session.clock.now()).await? {
        BellOutcome::Outrun => Ok(None),
        BellOutcome::Recorded => Ok(Some(BellReport { announcements, first_look, ..BellReport::default() })),
    }
}
