//! `ifrit changes`: what became different on hosts, and when.

use jiff::Timestamp;
use model::selector::Selector;
use store::{Change, ChangeEvent, ChangeQuery, ClientScope, HostId, ItemKind};

use crate::error::Error;
use crate::hosts::chosen;
use crate::moment::{self, DayEnd};
use crate::session::Session;

/// Which changes are wanted, by what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Hosts that came, went or answered for the first time.
    Host,
    /// Operating systems.
    Os,
    /// Kernels.
    Kernel,
    /// Packages.
    Package,
    /// Items of a kind.
    Item(ItemKind),
}

impl ChangeKind {
    /// Returns every word that [`ChangeKind::parse`] reads.
    pub fn words() -> Vec<&'static str> {
        let items = ItemKind::ALL.into_iter().map(ItemKind::as_str);
        ["host", "os", "kernel", "package"].into_iter().chain(items).collect()
    }

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Os => "os",
            Self::Kernel => "kernel",
            Self::Package => "package",
            Self::Item(kind) => kind.as_str(),
        }
    }

    /// Reads a word.
    ///
    /// # Errors
    /// [`Error::ChangeKind`].
    pub fn parse(word: &str) -> Result<Self, Error> {
        let own = [Self::Host, Self::Os, Self::Kernel, Self::Package];
        let own = own.into_iter().find(|kind| kind.as_str() == word);
        let unknown = || Error::ChangeKind { given: word.escape_default().to_string() };
        own.or_else(|| ItemKind::parse(word).map(Self::Item)).ok_or_else(unknown)
    }

    /// Returns what kind of change an event is.
    pub fn of(event: &ChangeEvent) -> Self {
        match event {
            ChangeEvent::HostAdded | ChangeEvent::HostRetired | ChangeEvent::FirstSeen { .. } => Self::Host,
            ChangeEvent::OsChanged { .. } => Self::Os,
            ChangeEvent::KernelChanged { .. } => Self::Kernel,
            ChangeEvent::PackageInstalled { .. }
            | ChangeEvent::PackageRemoved { .. }
            | ChangeEvent::PackageUpgraded { .. }
            | ChangeEvent::PackageDowngraded { .. } => Self::Package,
            ChangeEvent::ItemAdded { item } | ChangeEvent::ItemRemoved { item } => Self::Item(item.kind()),
            ChangeEvent::ItemChanged { to, .. } => Self::Item(to.kind()),
        }
    }
}

/// Which changes to walk through.
#[derive(Debug, Clone)]
pub struct ChangeWalk {
    hosts: Option<Vec<HostId>>,
    kinds: Vec<ChangeKind>,
    next: Option<Timestamp>,
    until: Timestamp,
}

impl ChangeWalk {
    /// Begins at `since` (a bare date: the first instant of that day in UTC) and ends at `until` (a bare
    /// date: the last one; `None`: now). No kinds means all. Every host includes those that are
    /// declared no longer.
    ///
    /// # Errors
    /// [`Error::Moment`], [`Error::NoHost`], [`Error::Store`].
    pub async fn begin(
        session: &Session,
        selector: &Selector,
        since: &str,
        until: Option<&str>,
        kinds: Vec<ChangeKind>,
    ) -> Result<Self, Error> {
        let now = session.clock.now();
        let since = moment::parse(since, DayEnd::First, now)?;
        let until = until.map_or(Ok(now), |text| moment::parse(text, DayEnd::Last, now))?;
        let hosts = match *selector == Selector::everything() {
            true => None,
            false => Some(chosen(session, selector).await?.into_iter().map(|host| host.id).collect()),
        };
        Ok(Self { hosts, kinds, next: Some(since), until })
    }

    /// Returns the next changes, by time, client and host; `None` where there are no more. They may
    /// be none and not the last.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn next(&mut self, session: &Session) -> Result<Option<Vec<Change>>, Error> {
        let Some(since) = self.next.filter(|since| *since <= self.until) else { return Ok(None) };
        let query = ChangeQuery { since, until: self.until, hosts: self.hosts.as_deref() };
        let mut page = session.store.changes(&ClientScope::All, &query).await?;
        self.next = page.next_since;
        if !self.kinds.is_empty() {
            page.changes.retain(|change| self.kinds.contains(&ChangeKind::of(&change.event)));
        }
        Ok(Some(page.changes))
    }
}
