//! Audits without any state: a root file system or a list of packages against a directory of feeds.
//! For images, jails, chroots, CI, and for checking our answers against others'.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use advisory::{AdvisoryIndex, Match};
use fleet::{Access, Limits, LocalConnector, Target, TargetConnection};
use model::{
    Architecture, Code, Ecosystem, FindingState, HostName, InstalledPackage, Level, PackageName,
    PackageVersion, Place, Platform, Problem, Repository, Software, Version,
};
use plan::FactRequests;

use crate::clock::Clock;
use crate::error::Error;
use crate::feeds::read_sources;

/// The largest package list that is read, in bytes.
const PACKAGE_LIST_BYTES_MAX: u64 = 64 << 20;

/// Characters of a faulty line that an error shows.
const LINE_SHOWN_MAX: usize = 80;

/// What an audit found.
#[derive(Debug, Clone)]
pub struct AuditReport {
    /// What was audited.
    pub platform: Platform,
    /// How many packages it has.
    pub packages: usize,
    /// Of its platform and the languages of its software those that no feed speaks of: nothing can be said of
    /// these.
    pub uncovered: Vec<Platform>,
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
    /// The distribution or the language that it is of.
    pub ecosystem: Ecosystem,
    /// The file that says so, below the root, for software outside packages.
    pub path: Option<String>,
    /// What is said of it.
    pub found: Match,
}

impl AuditReport {
    /// Returns the worst answer: vulnerable, else unknown (also where no feed speaks of the
    /// release, something could not be read or there is no package at all), else `NotAffected`.
    pub fn verdict(&self) -> FindingState {
        let has = |state| self.rows.iter().any(|row| row.found.state == state);
        let mut problems = self.problems.iter().chain(&self.feed_problems);
        let has_error = problems.any(may_hide_findings);
        if has(FindingState::Vulnerable) {
            FindingState::Vulnerable
        } else if has(FindingState::Unknown) || !self.uncovered.is_empty() || has_error || self.packages == 0
        {
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

/// Audits an unpacked root file system, and software outside packages in folders of it.
///
/// # Errors
/// [`Error::Root`] where it cannot be read, [`Error::Unauditable`] where it does not say what it is
/// or holds no package database; [`Error::Read`] for a folder that is not there or leads out of the root;
/// [`Error::Feeds`] and [`Error::NoFeed`] for the feeds.
pub async fn audit_root(
    root: &Path,
    software: &[String],
    feeds: &Path,
    clock: &dyn Clock,
) -> Result<AuditReport, Error> {
    let files = fleet::read_root(root)?;
    let name = HostName::new("root").expect("invariant: the word keeps the naming rule");
    let collection = plan::read_root(&name, clock.now(), &files);
    let platform = collection.platform().and_then(Result::ok);
    let (Some(platform), Some(packages)) = (platform, collection.package_versions()) else {
        return Err(Error::Unauditable { root: root.to_owned(), problems: collection.problems });
    };
    let outside = read_software(root, software).await?;
    let judged = advisory::software_packages(&outside.found);
    let mut problems = collection.problems;
    problems.extend(outside.problems);
    problems.extend(judged.problems);
    let packages = packages.into_iter().map(|version| (version, None));
    let software = judged.packages.into_iter().map(|(it, version)| (version, Some(it.path.clone())));
    audit(platform, packages.chain(software).collect(), feeds, problems)
}

/// Software in folders of a root.
#[derive(Default)]
struct Outside {
    /// With paths below the root.
    found: Vec<Software>,
    problems: Vec<Problem>,
}

/// Looks through folders of the root as a scan looks through those of a host, with the tools of this machine.
async fn read_software(root: &Path, folders: &[String]) -> Result<Outside, Error> {
    if folders.is_empty() {
        return Ok(Outside::default());
    }
    let base = fs::canonicalize(root).map_err(|source| Error::Read { path: root.to_owned(), source })?;
    let mut paths = Vec::new();
    for folder in folders {
        let whole = base.join(folder.trim_start_matches('/'));
        let unreadable = |source| Error::Read { path: whole.clone(), source };
        let real = fs::canonicalize(&whole).map_err(unreadable)?;
        let text = real.to_str().filter(|_| real.starts_with(&base));
        let text = text.ok_or_else(|| unreadable(std::io::Error::other("it leads out of the root")))?;
        paths.push(text.to_owned());
    }
    let host = HostName::new("root").expect("invariant: the word keeps the naming rule");
    let target = Target { host, connection: TargetConnection::Local, access: Access::default() };
    let asked = [(target, FactRequests::software_alone(&paths))];
    let connector = Arc::new(LocalConnector);
    let mut collections = fleet::collect_each(&asked, connector, &Limits::default(), None).await;
    let Some(collection) = collections.pop() else { return Ok(Outside::default()) };
    // It says too that nothing was asked of packages and the system, which is so on purpose.
    let is_about_software =
        |it: &Problem| matches!(&it.place, Place::Host { part, .. } if part.is_empty() || part == "software");
    let mut problems: Vec<_> = collection.problems.into_iter().filter(is_about_software).collect();
    if collection.observed.software.is_none() && problems.is_empty() {
        let place = Place::File { path: root.display().to_string() };
        problems.push(Problem::new(Code::CollectFactFailed, place, "the software in it could not be read"));
    }
    let mut found = collection.observed.software.unwrap_or_default();
    for software in &mut found {
        if let Some(below) = base.to_str().and_then(|base| software.path.strip_prefix(base)) {
            software.path = below.to_owned();
        }
    }
    Ok(Outside { found, problems })
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
    let mut text = String::new();
    let file = fs::File::open(list).map_err(read_error)?;
    file.take(PACKAGE_LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(read_error)?;
    if text.len() as u64 > PACKAGE_LIST_BYTES_MAX {
        return Err(read_error(std::io::Error::other("larger than 64 MiB")));
    }
    let is_entry = |(_, line): &(usize, &str)| !line.trim().is_empty() && !line.starts_with('#');
    let parse = |(number, line): (usize, &str)| {
        let given = line.chars().take(LINE_SHOWN_MAX).collect();
        let fault = || Error::PackageLine { path: list.to_owned(), line: number + 1, given };
        parse_line(line).ok_or_else(fault)
    };
    let packages: Vec<_> = text.lines().enumerate().filter(is_entry).map(parse).collect::<Result<_, _>>()?;
    let with_platform = |package| (PackageVersion { platform: platform.clone(), package }, None);
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
    packages: Vec<(PackageVersion, Option<String>)>,
    feeds: &Path,
    problems: Vec<Problem>,
) -> Result<AuditReport, Error> {
    let (index, feed_problems) = build_index(feeds)?;
    let (packages, paths): (Vec<_>, Vec<_>) = packages.into_iter().unzip();
    let matches = advisory::match_packages(&index, &packages);
    let row = |found: Match| AuditRow {
        package: packages[found.package].package.clone(),
        ecosystem: packages[found.package].platform.ecosystem,
        path: paths[found.package].clone(),
        found,
    };
    let mut rows: Vec<_> = matches.into_iter().map(row).collect();
    rows.sort_by(|a, b| (&a.package, &a.path, &a.found.id).cmp(&(&b.package, &b.path, &b.found.id)));
    let platforms: BTreeSet<&Platform> =
        std::iter::once(&platform).chain(packages.iter().map(|it| &it.platform)).collect();
    let uncovered = platforms.into_iter().filter(|it| !index.covers(it)).cloned().collect::<Vec<_>>();
    let packages = packages.len();
    Ok(AuditReport { platform, packages, uncovered, rows, problems, feed_problems })
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
