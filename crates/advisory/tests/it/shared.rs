//! The large data that is shared by checkouts and not part of the repository.

use std::path::{Path, PathBuf};

use advisory::{AdvisoryIndex, FeedSource, read_directory, sync};
use model::{Architecture, InstalledPackage, PackageName, PackageVersion, Platform, Repository, Version};

/// Returns a path in the shared data, or says loudly that the test is skipped.
#[expect(clippy::print_stderr, reason = "a test that did not run must be seen")]
pub fn shared(path: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("IFRIT_SHARED_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let found = Some(root.join(path)).filter(|it| it.exists());
    if found.is_none() {
        eprintln!("SKIPPED: no shared data at {}; set IFRIT_SHARED_DATA", root.join(path).display());
    }
    found
}

/// The folder of trimmed real feeds in the repository.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/feeds")
}

/// Reads the one feed below a directory.
pub fn source(dir: &Path) -> FeedSource {
    let mut found = read_directory(dir).expect("the directory can be read");
    assert_eq!(found.len(), 1, "{}", dir.display());
    let source = found.remove(0);
    assert_eq!(source.problems, [], "{}", dir.display());
    source
}

/// An index of the feeds below directories.
pub fn index(dirs: &[PathBuf]) -> AdvisoryIndex {
    let (mut advisories, mut coverage, mut exploited) = (Vec::new(), Vec::new(), Vec::new());
    for dir in dirs {
        let snapshot = sync(&source(dir)).expect("the feed can be used");
        advisories.extend(snapshot.advisories);
        coverage.extend(snapshot.coverage);
        exploited.extend(snapshot.exploited);
    }
    AdvisoryIndex::new(advisories, coverage, exploited)
}

/// An installed package whose source has the same version.
pub fn package(platform: &Platform, name: &str, version: &str, source: &str) -> PackageVersion {
    PackageVersion {
        platform: platform.clone(),
        package: InstalledPackage {
            name: PackageName::new(name),
            version: Version::new(version),
            source: PackageName::new(source),
            source_version: Version::new(version),
            architecture: Architecture::new(""),
            repository: Repository::new(""),
        },
    }
}

/// Reads `P:`, `V:` and `o:` of apk's `lib/apk/db/installed`.
pub fn installed(text: &str, platform: &Platform) -> Vec<PackageVersion> {
    let records = text.split("\n\n").filter_map(|record| {
        let field = |key: &str| record.lines().find_map(|line| line.strip_prefix(key));
        let name = field("P:")?;
        Some(package(platform, name, field("V:")?, field("o:").unwrap_or(name)))
    });
    records.collect()
}

/// The `VERSION_ID` of an os-release file of Alpine.
pub fn alpine_platform(os_release: &str) -> Platform {
    let version = os_release.lines().find_map(|line| line.strip_prefix("VERSION_ID=")).expect("a VERSION_ID");
    Platform::from_os_release("alpine", version.trim_matches('"'), None).expect("a platform")
}
