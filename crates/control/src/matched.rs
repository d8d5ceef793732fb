//! Everything that is installed anywhere, matched with everything that the feeds say of it. Costs what
//! is distinct: a fleet has a few thousand distinct package versions, however many hosts it has.

use std::collections::BTreeSet;

use advisory::{AdvisoryIndex, Coverage, Match};
use jiff::Timestamp;
use model::{Ecosystem, FeedName, PackageName, PackageVersion};
use store::{ClientScope, PackageVersionId, Store};

use crate::error::Error;

/// What is installed, and what is said of it.
#[derive(Debug, Clone)]
pub(crate) struct Matched {
    /// Every distinct package version that a host in the scope has, software outside packages too.
    pub versions: Vec<PackageVersion>,
    /// Their ids, beside `versions`.
    pub version_ids: Vec<PackageVersionId>,
    /// Every statement about one of them; [`Match::package`] is the position in `versions`.
    pub matches: Vec<Match>,
    /// What they were matched with.
    pub index: AdvisoryIndex,
}

/// Matches every package version in use with every advisory that names one of them.
///
/// `at`: what was installed then; `known_at`: what the feeds said then; `None` = now.
///
/// # Errors
/// [`Error::Store`] where the database fails.
pub(crate) async fn match_in_use(
    store: &Store,
    scope: &ClientScope,
    at: Option<Timestamp>,
    known_at: Option<Timestamp>,
) -> Result<Matched, Error> {
    let in_use = store.package_versions_in_use(scope, at).await?;
    let (version_ids, versions): (Vec<_>, Vec<_>) = in_use.into_iter().unzip();
    match_versions(store, version_ids, versions, known_at).await
}

/// Matches some package versions with every advisory that names one of them.
///
/// # Errors
/// As [`match_in_use`].
pub(crate) async fn match_versions(
    store: &Store,
    version_ids: Vec<PackageVersionId>,
    versions: Vec<PackageVersion>,
    known_at: Option<Timestamp>,
) -> Result<Matched, Error> {
    let mut advisories = store.advisories_naming(&names(&versions), known_at).await?;
    let needed = advisory::needed_ids(&advisories);
    if !needed.is_empty() {
        advisories.extend(store.advisories_about(&needed, known_at).await?);
    }
    let exploited = store.all_exploited(known_at).await?;
    let index = AdvisoryIndex::new(advisories, coverage(store, known_at).await?, exploited);
    let matches = advisory::match_packages(&index, &versions);
    Ok(Matched { versions, version_ids, matches, index })
}

/// Returns what the feeds speak of, as matching wants it.
///
/// # Errors
/// [`Error::Store`].
pub(crate) async fn coverage(store: &Store, known_at: Option<Timestamp>) -> Result<Vec<Coverage>, Error> {
    let row = |(feed, row): (FeedName, store::CoverageRow)| Coverage {
        feed,
        ecosystem: row.ecosystem,
        release: row.release,
        repository: row.repository,
    };
    Ok(store.coverage(known_at).await?.into_iter().map(row).collect())
}

/// Every name that an advisory may join a version by.
fn names(versions: &[PackageVersion]) -> Vec<(Ecosystem, PackageName)> {
    let of = |version: &PackageVersion| {
        let ecosystem = version.platform.ecosystem;
        [(ecosystem, version.package.name.clone()), (ecosystem, version.package.source.clone())]
    };
    versions.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}
