//! What can be worked out about a collection before the database is asked.

use std::borrow::Cow;

use model::{Code, Collection, Level, Observed, Place, Platform, Problem};

use super::items::{ITEM_BODY_BYTES_MAX, ITEMS_PER_KIND_MAX, PreparedKind, prepare as prepare_items};
use crate::package_set::{PACKAGE_PART_BYTES_MAX, PreparedSet, prepare as prepare_set, prepare_software};
use crate::record::CollectionOutcome;

/// A collection, judged and hashed.
pub(super) struct Prepared<'a> {
    pub(super) collection: &'a Collection,
    pub(super) platform: Option<Platform>,
    pub(super) packages: PackageNews<'a>,
    /// What of the software outside packages advisories may speak of; `None` = it was not read.
    pub(super) software: Option<PreparedSet<'static>>,
    /// Every kind of item that was read.
    pub(super) items: Vec<PreparedKind>,
    pub(super) outcome: CollectionOutcome,
    pub(super) problems: Cow<'a, [Problem]>,
}

/// What a collection says about packages.
pub(super) enum PackageNews<'a> {
    /// Nothing: what is known stays.
    NotRead,
    /// The host runs something that has no advisories: what was known of its packages is over.
    Unsupported,
    /// These.
    Read(PreparedSet<'a>),
}

/// Prepares a collection.
pub(super) fn prepare(collection: &Collection) -> Prepared<'_> {
    let platform = supported_platform(collection);
    let packages = match (&collection.os, &platform, &collection.packages) {
        (Some(_), None, _) => PackageNews::Unsupported,
        (_, Some(platform), Some(packages)) => PackageNews::Read(prepare_set(platform.clone(), packages)),
        _ => PackageNews::NotRead,
    };
    let mut problems = Cow::Borrowed(collection.problems.as_slice());
    if let PackageNews::Read(set) = &packages
        && set.left_out > 0
    {
        problems.to_mut().push(left_out(collection, "packages", set.left_out));
    }
    let software = collection.observed.software.as_deref().map(prepare_software);
    if let Some(set) = software.as_ref().filter(|set| set.left_out > 0) {
        problems.to_mut().push(left_out(collection, "software", set.left_out));
    }
    let items = prepare_items(&collection.observed);
    let cut = items.iter().filter(|kind| kind.left_out > 0).map(|kind| items_left_out(collection, kind));
    let cut: Vec<Problem> = cut.collect();
    if !cut.is_empty() {
        problems.to_mut().extend(cut);
    }
    let outcome = outcome(collection, &problems);
    Prepared { collection, platform, packages, software, items, outcome, problems }
}

fn supported_platform(collection: &Collection) -> Option<Platform> {
    let platform = collection.platform()?.ok()?;
    (platform.release.as_str().len() <= PACKAGE_PART_BYTES_MAX).then_some(platform)
}

fn left_out(collection: &Collection, part: &str, count: usize) -> Problem {
    let place = Place::Host { host: collection.host.clone(), part: part.to_owned() };
    let message = format!(
        "{count} packages have a name, version or other part of more than {PACKAGE_PART_BYTES_MAX} bytes and were left out"
    );
    let hint = match part {
        "packages" => "look at the host's package database: no honest package has such a name",
        _ => "look at the files below the services' declared paths: no honest package has such a name",
    };
    Problem::new(Code::CollectFactUnreadable, place, message).with_hint(hint)
}

fn items_left_out(collection: &Collection, kind: &PreparedKind) -> Problem {
    let place = Place::Host { host: collection.host.clone(), part: kind.kind.to_string() };
    let message = format!(
        "{} items were left out: beyond the first {ITEMS_PER_KIND_MAX}, or of more than {ITEM_BODY_BYTES_MAX} bytes",
        kind.left_out
    );
    Problem::new(Code::CollectFactUnreadable, place, message)
}

fn outcome(collection: &Collection, problems: &[Problem]) -> CollectionOutcome {
    let Collection { os, kernel, packages, .. } = collection;
    let has_items = collection.observed != Observed::default();
    if os.is_none() && kernel.is_none() && packages.is_none() && !has_items {
        return CollectionOutcome::Failed;
    }
    let is_whole = os.is_some() && kernel.is_some() && packages.is_some();
    if is_whole && problems.iter().all(|problem| problem.level < Level::Error) {
        return CollectionOutcome::Complete;
    }
    CollectionOutcome::Partial
}
