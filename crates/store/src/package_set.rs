//! A host's packages, or its software, as one value: what it is recognised by and how it is stored.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::{
    Architecture, InstalledPackage, PackageName, PackageVersion, Platform, Repository, Software, Version,
};
use sha2::{Digest, Sha256};

use crate::sql::without_nul;

/// The longest name, version or other part of a package that is stored, in bytes. Real ones have
/// fewer than 130; what is longer is left out and reported.
pub(crate) const PACKAGE_PART_BYTES_MAX: usize = 512;

/// SHA-256 over what a set or a package says.
pub(crate) type ContentHash = [u8; 32];

/// The packages or the software of one collection, ready to be compared and interned.
pub(crate) struct PreparedSet<'a> {
    /// By platform; none of them is empty, except that of a host without packages.
    pub(crate) parts: Vec<(Platform, Packages<'a>)>,
    pub(crate) hash: ContentHash,
    /// How many were left out because a part of them is too long.
    pub(crate) left_out: usize,
}

/// Packages of one platform, sorted and without duplicates.
type Packages<'a> = Vec<Cow<'a, InstalledPackage>>;

/// Sorts, cleans and hashes packages.
pub(crate) fn prepare<'a>(platform: Platform, packages: &'a [InstalledPackage]) -> PreparedSet<'a> {
    let mut prepared: Packages<'a> = packages.iter().filter(|it| is_short(it)).map(cleaned).collect();
    let left_out = packages.len() - prepared.len();
    prepared.sort_unstable();
    prepared.dedup();
    let mut hasher = Sha256::new();
    hash_packages(&mut hasher, &platform, &prepared);
    PreparedSet { parts: vec![(platform, prepared)], hash: hasher.finalize().into(), left_out }
}

/// Sorts, cleans and hashes software outside packages. What has no name that advisories use counts as
/// an item alone.
pub(crate) fn prepare_software(software: &[Software]) -> PreparedSet<'static> {
    let versions = software.iter().filter_map(PackageVersion::from_software);
    let mut parts: BTreeMap<Platform, BTreeSet<InstalledPackage>> = BTreeMap::new();
    let mut left_out = 0;
    for PackageVersion { platform, package } in versions {
        if is_short(&package) {
            parts.entry(platform).or_default().insert(cleaned(&package).into_owned());
        } else {
            left_out += 1;
        }
    }
    let owned = |packages: BTreeSet<InstalledPackage>| packages.into_iter().map(Cow::Owned).collect();
    let parts: Vec<(Platform, Packages<'static>)> =
        parts.into_iter().map(|(platform, packages)| (platform, owned(packages))).collect();
    let mut hasher = Sha256::new();
    // Never the hash of a host's packages, whatever these are.
    hash_part(&mut hasher, "software");
    for (platform, packages) in &parts {
        hash_part(&mut hasher, &packages.len().to_string());
        hash_packages(&mut hasher, platform, packages);
    }
    PreparedSet { parts, hash: hasher.finalize().into(), left_out }
}

fn hash_packages(hasher: &mut Sha256, platform: &Platform, packages: &[Cow<'_, InstalledPackage>]) {
    hash_part(hasher, platform.ecosystem.as_str());
    hash_part(hasher, platform.release.as_str());
    for package in packages {
        hash_package(hasher, package);
    }
}

/// Hashes one interned package.
pub(crate) fn hash_package_version(platform: &Platform, package: &InstalledPackage) -> ContentHash {
    let mut hasher = Sha256::new();
    hash_part(&mut hasher, platform.ecosystem.as_str());
    hash_part(&mut hasher, platform.release.as_str());
    hash_package(&mut hasher, package);
    hasher.finalize().into()
}

fn parts(package: &InstalledPackage) -> [&str; 6] {
    [
        package.name.as_str(),
        package.version.as_str(),
        package.source.as_str(),
        package.source_version.as_str(),
        package.architecture.as_str(),
        package.repository.as_str(),
    ]
}

fn is_short(package: &InstalledPackage) -> bool {
    parts(package).iter().all(|part| part.len() <= PACKAGE_PART_BYTES_MAX)
}

/// Returns the package as the database will give it back.
fn cleaned(package: &InstalledPackage) -> Cow<'_, InstalledPackage> {
    if !parts(package).iter().any(|part| part.contains('\0')) {
        return Cow::Borrowed(package);
    }
    Cow::Owned(InstalledPackage {
        name: PackageName::new(without_nul(package.name.as_str())),
        version: Version::new(without_nul(package.version.as_str())),
        source: PackageName::new(without_nul(package.source.as_str())),
        source_version: Version::new(without_nul(package.source_version.as_str())),
        architecture: Architecture::new(without_nul(package.architecture.as_str())),
        repository: Repository::new(without_nul(package.repository.as_str())),
    })
}

fn hash_package(hasher: &mut Sha256, package: &InstalledPackage) {
    for part in parts(package) {
        hash_part(hasher, part);
    }
}

/// Hashes a text behind its length, so that two lists of texts never look alike.
pub(crate) fn hash_part(hasher: &mut Sha256, part: &str) {
    hasher.update((part.len() as u64).to_le_bytes());
    hasher.update(part.as_bytes());
}

/// Writes ascending ids: the first as it is, then the differences, each as LEB128.
pub(crate) fn write_ids(ids: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ids.len() * 2);
    let mut last = 0;
    for id in ids {
        let mut rest = id.abs_diff(last);
        last = *id;
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// Reads what [`write_ids`] wrote; `None` for anything else.
pub(crate) fn read_ids(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut ids = Vec::with_capacity(bytes.len());
    let (mut last, mut difference, mut shift) = (0_i64, 0_u64, 0_u32);
    for byte in bytes {
        let bits = u64::from(byte & 0x7f);
        if shift > 56 {
            return None;
        }
        difference |= bits << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            if difference == 0 {
                return None;
            }
            last = last.checked_add_unsigned(difference)?;
            ids.push(last);
            (difference, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(ids)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::Platform;
    use proptest::prelude::*;

    use super::*;

    fn package(name: &str, version: &str) -> InstalledPackage {
        InstalledPackage {
            name: PackageName::new(name),
            version: Version::new(version),
            source: PackageName::new(name),
            source_version: Version::new(version),
            architecture: Architecture::new("x86_64"),
            repository: Repository::new("main"),
        }
    }

    fn hash(platform: &str, packages: &[InstalledPackage]) -> ContentHash {
        prepare(Platform::parse(platform).expect("valid"), packages).hash
    }

    #[test]
    fn a_set_is_known_by_its_content_alone() {
        let (a, b) = (package("a", "1"), package("b", "2"));
        let both = hash("alpine:3.20", &[a.clone(), b.clone()]);
        assert_eq!(both, hash("alpine:3.20", &[b.clone(), a.clone(), b.clone()]), "order and duplicates");
        assert_ne!(both, hash("alpine:3.21", &[a.clone(), b.clone()]), "release");
        assert_ne!(both, hash("alpine:3.20", &[a.clone(), package("b", "3")]), "version");
        assert_ne!(both, hash("alpine:3.20", &[a]), "fewer");
        assert_ne!(
            hash("debian:12", &[package("ab", "c")]),
            hash("debian:12", &[package("a", "bc")]),
            "borders"
        );
    }

    #[test]
    fn hostile_packages_are_cleaned_or_left_out() {
        let long = package(&"x".repeat(PACKAGE_PART_BYTES_MAX + 1), "1");
        let packages = [long, package("a\0b", "1")];
        let set = prepare(Platform::parse("debian:12").expect("valid"), &packages);
        assert_eq!(set.left_out, 1);
        let (_, packages) = &set.parts[0];
        assert_eq!(packages.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["a\u{fffd}b"]);
    }

    proptest! {
        #[test]
        fn ids_come_back(ids in proptest::collection::btree_set(1_i64..=i64::MAX >> 1, 0..50)) {
            let ids: Vec<i64> = ids.into_iter().collect();
            prop_assert_eq!(read_ids(&write_ids(&ids)), Some(ids));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Some(ids) = read_ids(&bytes) {
                prop_assert!(ids.iter().all(|id| *id > 0));
                prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            }
        }
    }
}
