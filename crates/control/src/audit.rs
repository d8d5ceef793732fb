//! Audits without any state: a root file system or a list of packages against a directory of feeds.
//! For images, jails, chroots, CI, and for checking our answers against others'.

use std::fs;
use std::path::Path;

use advisory::{AdvisoryIndex, Match};
use model::{
    Architecture, FindingState, HostName, InstalledPackage, Level, PackageName, PackageVersion, Place,
    Platform, Problem, Repository, Version,
};

use crate::clock::Clock;
use crate::error::Error;
use crate::feeds::read_sources;

/// The largest package list that is read, in bytes.
const PACKAGE_LIST_BYTES_MAX: u64 = 64 << 20;

/// What an audit found.
#[derive(Debug, Clone)]
pub struct AuditReport {
    /// What was audited.
    pub platform: Platform,
    /// How many packages it has.
    pub packages: usize,
    /// Whether any feed speaks of its release: if none does, nothing can be said.
    pub is_covered: bool,
    /// Every statement about an installed package, sorted by package, then id.
    pub rows: Vec<AuditRow>,
    /// What was wrong with the root.
    pub problems: Vec<Problem>,
    /// What was wrong with entries of the feeds, whatever release they are about.
    pub feed_problems: Vec<Problem>,
}

/// One finding.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// The installed package.
    pub package: InstalledPackage,
    /// What is said of it.
    pub found: Match,
}

impl AuditReport {
    /// Returns the worst answer: vulnerable, else unknown (also where no feed speaks of the
    /// release or something could not be read), else `NotAffected`.
    pub fn verdict(&self) -> FindingState {
        let has = |state| self.rows.iter().any(|row| row.found.state == state);
        let mut problems = self.problems.iter().chain(&self.feed_problems);
        let has_error = problems.any(may_hide_findings);
        if has(FindingState::Vulnerable) {
            FindingState::Vulnerable
        } else if has(FindingState::Unknown) || !self.is_covered || has_error {
            FindingState::Unknown
        } else {
            FindingState::NotAffected
        }
    }
}

fn may_hide_findings(problem: &Problem) -> bool {
    let only_ranks =
        matches!(&problem.place, Place::Feed { feed, .. } if !advisory::feed::names_packages(feed));
    problem.level == Level::Error && !only_ranks
}

/// Audits an unpacked root file system.
///
/// # Errors
/// [`Error::Root`] where it cannot be read, [`Error::Unauditable`] where it does not say what it is
/// or holds no package database, [`Error::Feeds`] and [`Error::NoFeed`] for the feeds.
pub fn audit_root(root: &Path, feeds: &Path, clock: &dyn Clock) -> Result<AuditReport, Error> {
    let files = fleet::read_root(root)?;
    let name = HostName::new("root").expect("invariant: the word keeps the naming rule");
    let collection = plan::read_root(&name, clock.now(), &files);
    let platform = collection.platform().and_then(Result::ok);
    let (Some(platform), Some(packages)) = (platform, collection.package_versions()) else {
        return Err(Error::Unauditable { root: root.to_owned(), problems: collection.problems });
    };
    audit(platform, packages, feeds, collection.problems)
}

/// Audits a list of packages: lines `name version [source]`, separated by blanks or tabs; empty
/// lines and lines that start with `#` are passed over.
///
/// # Errors
/// [`Error::Platform`], [`Error::Read`], [`Error::PackageLine`]; [`Error::Feeds`] and [`Error::NoFeed`]
/// for the feeds.
pub fn audit_packages(list: &Path, platform: &str, feeds: &Path) -> Result<AuditReport, Error> {
    let platform = Platform::parse(platform).map_err(|_| Error::Platform { given: platform.to_owned() })?;
    let read_error = |source| Error::Read { path: list.to_owned(), source };
    if fs::metadata(list).map_err(read_error)?.len() > PACKAGE_LIST_BYTES_MAX {
        return Err(read_error(std::io::Error::other("larger than 64 MiB")));
    }
    let text = fs::read_to_string(list).map_err(read_error)?;
    let is_entry = |(_, line): &(usize, &str)| !line.trim().is_empty() && !line.starts_with('#');
    let parse = |(number, line): (usize, &str)| {
        let given = line.to_owned();
        let fault = || Error::PackageLine { path: list.to_owned(), line: number + 1, given };
        parse_line(line).ok_or_else(fault)
    };
    let packages: Vec<_> = text.lines().enumerate().filter(is_entry).map(parse).collect::<Result<_, _>>()?;
    let with_platform = |package| PackageVersion { platform: platform.clone(), package };
    let packages = packages.into_iter().map(with_platform).collect();
    audit(platform, packages, feeds, Vec::new())
}

fn parse_line(line: &str) -> Option<InstalledPackage> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?);
    let source = words.next().unwrap_or(name);
    if words.next().is_some() {
        return None;
    }
    Some(InstalledPackage {
        name: PackageName::new(name),
        version: Version::new(version),
        source: PackageName::new(source),
        source_version: Version::new(version),
        architecture: Architecture::new(""),
        repository: Repository::new(""),
    })
}

fn audit(
    platform: Platform,
    packages: Vec<PackageVersion>,
    feeds: &Path,
    problems: Vec<Problem>,
) -> Result<AuditReport, Error> {
    let (index, feed_problems) = build_index(feeds)?;
    let matches = advisory::match_packages(&index, &packages);
    let row = |found: Match| AuditRow { package: packages[found.package].package.clone(), found };
    let mut rows: Vec<_> = matches.into_iter().map(row).collect();
    rows.sort_by(|a, b| (&a.package, &a.found.id).cmp(&(&b.package, &b.found.id)));
    let (is_covered, packages) = (index.covers(&platform), packages.len());
    Ok(AuditReport { platform, packages, is_covered, rows, problems, feed_problems })
}

fn build_index(feeds: &Path) -> Result<(AdvisoryIndex, Vec<Problem>), Error> {
    let (mut advisories, mut coverage, mut exploited) = (Vec::new(), Vec::new(), Vec::new());
    let mut problems = Vec::new();
    for source in read_sources(feeds)? {
        match advisory::sync(&source) {
            Ok(snapshot) => {
                advisories.extend(snapshot.advisories);
                coverage.extend(snapshot.coverage);
                exploited.extend(snapshot.exploited);
                problems.extend(snapshot.problems);
            }
            Err(advisory::FeedError::Empty { problems: its_problems, .. }) => problems.extend(its_problems),
            Err(advisory::FeedError::Unknown { .. }) => problems.extend(source.problems),
        }
    }
    Ok((AdvisoryIndex::new(advisories, coverage, exploited), problems))
}
