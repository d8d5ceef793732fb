//! Changes of packages: what two package sets differ by.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::PackageVersion;

use super::{ChangeEvent, Events, Moment, keys};
use crate::error::StoreError;
use crate::packages::by_id;
use crate::posting::load_sets;
use crate::sql::{Row, Tx};

/// Adds what changed among packages: the difference between two package sets of which one follows the
/// other without a gap.
pub(super) async fn package_changes(
    tx: &mut Tx,
    moments: &[Moment],
    events: &mut Events,
) -> Result<(), StoreError> {
    let head = "SELECT n.host_id, n.valid_from, o.package_set_id, n.package_set_id FROM (VALUES";
    let tail = ") AS v CROSS JOIN host_package_set n \
                JOIN host_package_set o ON o.host_id = n.host_id AND o.valid_to = n.valid_from \
                AND o.valid_from < n.valid_from \
                WHERE n.host_id = v.column1 AND n.valid_from = v.column2";
    let read = |row: &Row| Ok(((row.get(1)?, row.get(0)?), (row.get(2)?, row.get(3)?)));
    let rows = tx.fetch_rows(head, tail, keys(moments), read).await?;
    let rows: HashMap<(i64, i64), (i64, i64)> = rows.into_iter().collect();
    let sets = load_sets(tx, rows.values().flat_map(|(old, new)| [*old, *new]).collect()).await?;
    let mut differences = Vec::new();
    let mut wanted: BTreeSet<i64> = BTreeSet::new();
    for (moment, (old, new)) in rows {
        let (Some(old), Some(new)) = (sets.get(&old), sets.get(&new)) else {
            return Err(tx.damaged("a package set is missing"));
        };
        let without = |these: &[i64], those: &[i64]| -> Vec<i64> {
            these.iter().filter(|id| those.binary_search(id).is_err()).copied().collect()
        };
        let (gone, come) = (without(old, new), without(new, old));
        wanted.extend(gone.iter().chain(&come));
        differences.push((moment, gone, come));
    }
    let dictionary = by_id(tx, &wanted.into_iter().collect::<Vec<_>>()).await?;
    let named =
        |ids: &[i64]| -> Vec<&PackageVersion> { ids.iter().filter_map(|id| dictionary.get(id)).collect() };
    for (moment, gone, come) in differences {
        events.entry(moment).or_default().extend(package_events(&named(&gone), &named(&come)));
    }
    Ok(())
}

/// Pairs what is gone with what came, by name and architecture.
fn package_events(gone: &[&PackageVersion], come: &[&PackageVersion]) -> Vec<ChangeEvent> {
    type Sides<'a> = (Vec<&'a PackageVersion>, Vec<&'a PackageVersion>);
    let mut by_name: BTreeMap<(&str, &str), Sides<'_>> = BTreeMap::new();
    for it in gone {
        by_name.entry((it.package.name.as_str(), it.package.architecture.as_str())).or_default().0.push(it);
    }
    for it in come {
        by_name.entry((it.package.name.as_str(), it.package.architecture.as_str())).or_default().1.push(it);
    }
    let mut events = Vec::new();
    for (mut gone, mut come) in by_name.into_values() {
        // The same version of another release or repository is the same to a person; the release has
        // an event of its own.
        let (had, has) = (versions(&gone), versions(&come));
        gone.retain(|it| !has.contains(it.package.version.as_str()));
        come.retain(|it| !had.contains(it.package.version.as_str()));
        if let ([from], [to]) = (gone.as_slice(), come.as_slice())
            && let Some(event) = version_change(from, to)
        {
            events.push(event);
            continue;
        }
        events.extend(gone.iter().map(|it| ChangeEvent::PackageRemoved { package: it.package.clone() }));
        events.extend(come.iter().map(|it| ChangeEvent::PackageInstalled { package: it.package.clone() }));
    }
    events
}

fn versions(packages: &[&PackageVersion]) -> BTreeSet<String> {
    packages.iter().map(|it| it.package.version.to_string()).collect()
}

/// Says which way a package went; `None` where its package manager gives the two no order.
fn version_change(from: &PackageVersion, to: &PackageVersion) -> Option<ChangeEvent> {
    let scheme = to.platform.ecosystem.version_scheme();
    let order = scheme.compare(from.package.version.as_str(), to.package.version.as_str()).ok()?;
    let (from, to) = (from.package.clone(), to.package.clone());
    match order {
        Ordering::Less => Some(ChangeEvent::PackageUpgraded { from, to }),
        Ordering::Greater => Some(ChangeEvent::PackageDowngraded { from, to }),
        Ordering::Equal => None,
    }
}

#[cfg(test)]
mod tests {
    use model::{Architecture, InstalledPackage, PackageName, Platform, Repository, Version};

    use super::*;

    /// Reads `platform name version architecture`.
    fn read(text: &str) -> PackageVersion {
        let words: Vec<&str> = text.split(' ').collect();
        PackageVersion {
            platform: Platform::parse(words[0]).expect("a platform"),
            package: InstalledPackage {
                name: PackageName::new(words[1]),
                version: Version::new(words[2]),
                source: PackageName::new(words[1]),
                source_version: Version::new(words[2]),
                architecture: Architecture::new(words[3]),
                repository: Repository::new("main"),
            },
        }
    }

    fn check(gone: &[&str], come: &[&str], expected: &[&str]) {
        let (old, new): (Vec<_>, Vec<_>) =
            (gone.iter().map(|it| read(it)).collect(), come.iter().map(|it| read(it)).collect());
        let events = package_events(&old.iter().collect::<Vec<_>>(), &new.iter().collect::<Vec<_>>());
        let show = |event: &ChangeEvent| match event {
            ChangeEvent::PackageInstalled { package } => format!("+ {} {}", package.name, package.version),
            ChangeEvent::PackageRemoved { package } => format!("- {} {}", package.name, package.version),
            ChangeEvent::PackageUpgraded { from, to } => format!("{} < {}", from.version, to.version),
            ChangeEvent::PackageDowngraded { from, to } => format!("{} > {}", from.version, to.version),
            other => panic!("{other:?} is about no package"),
        };
        assert_eq!(events.iter().map(show).collect::<Vec<_>>(), expected, "{gone:?} {come:?}");
    }

    #[test]
    fn what_is_gone_is_paired_with_what_came() {
        check(&["alpine:3.20 a 1.9-r0 x"], &["alpine:3.20 a 1.10-r0 x"], &["1.9-r0 < 1.10-r0"]);
        check(&["debian:12 a 1:1-1 x"], &["debian:12 a 2-1 x"], &["1:1-1 > 2-1"]);
        check(&["debian:12 a 1-1 x"], &["debian:12 b 1-1 x"], &["- a 1-1", "+ b 1-1"]);
        // A release upgrade renews every package; those of the same version are no news.
        check(
            &["alpine:3.20 a 1-r0 x", "alpine:3.20 b 1-r0 x"],
            &["alpine:3.21 a 1-r0 x", "alpine:3.21 b 2-r0 x"],
            &["1-r0 < 2-r0"],
        );
        // Two architectures are two packages; several versions side by side (kernels) have no pair.
        check(
            &["debian:12 a 1 amd64", "debian:12 a 1 i386"],
            &["debian:12 a 2 amd64", "debian:12 a 2 i386"],
            &["1 < 2", "1 < 2"],
        );
        check(&["debian:12 k 1 x", "debian:12 k 2 x"], &["debian:12 k 3 x"], &["- k 1", "- k 2", "+ k 3"]);
        // No order without a sound epoch.
        check(&["debian:12 a x:1 x"], &["debian:12 a 1 x"], &["- a x:1", "+ a 1"]);
    }
}
