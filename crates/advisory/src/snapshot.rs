//! A feed's documents and what they say.

use std::collections::BTreeSet;

use jiff::civil::Date;
use model::{
    Advisory, Code, Ecosystem, ExploitScore, ExploitedVulnerability, FeedName, NewsItem, Place, Problem,
    ReleaseScope, Repository,
};
use thiserror::Error;

use crate::{debian, debian_tracker, epss, kev, news, osv, secdb, vuxml};

/// The most problems one feed reports; the rest is counted in one last problem.
const PROBLEMS_MAX: usize = 1_000;

/// The longest text of a problem, in characters: it may quote a feed, which may quote anything.
const PROBLEM_CHARS_MAX: usize = 1_000;

/// The feeds, by the names that people see.
pub mod feed {
    /// Alpine's security database (secdb): which package version fixed what, per release and repository.
    pub const ALPINE_SECDB: &str = "alpine-secdb";
    /// FreeBSD's VuXML: ports, packages and the base system.
    pub const FREEBSD_VUXML: &str = "freebsd-vuxml";
    /// Debian's lists of DSA and DLA advisories.
    pub const DEBIAN_DSA: &str = "debian-dsa";
    /// Debian's security tracker: every CVE, fixed or not, per source package and release.
    pub const DEBIAN_TRACKER: &str = "debian-tracker";
    /// Records in OSV's format.
    pub const OSV: &str = "osv";
    /// CISA's catalogue of known exploited vulnerabilities (KEV).
    pub const CISA_KEV: &str = "cisa-kev";
    /// EPSS: how likely each CVE is to be exploited soon.
    pub const EPSS: &str = "epss";
    /// RSS and Atom documents, for people.
    pub const NEWS: &str = "news";

    /// Says whether a feed speaks of packages and versions. The others rank or tell: what is wrong with
    /// them can hide no finding.
    pub fn names_packages(feed: &str) -> bool {
        ![CISA_KEV, EPSS, NEWS].contains(&feed)
    }
}

/// One document of a feed, as read from a file or from the net, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it came from, as the user knows it (a path); problems name it.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All documents of one feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedSource {
    /// The feed.
    pub feed: FeedName,
    /// Its documents, in order of their labels.
    pub documents: Vec<Document>,
    /// What went wrong while they were read.
    pub problems: Vec<Problem>,
}

/// What a feed speaks of at all: it tells "no entry names this package" from "no data for this release".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coverage {
    /// The feed.
    pub feed: FeedName,
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The releases.
    pub release: ReleaseScope,
    /// The repository, where the feed has one document per repository.
    pub repository: Option<Repository>,
}

/// What one feed says, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedSnapshot {
    /// The feed.
    pub feed: FeedName,
    /// Its advisories, sorted by key; a key occurs once.
    pub advisories: Vec<Advisory>,
    /// The exploited vulnerabilities, sorted by id (KEV alone has any).
    pub exploited: Vec<ExploitedVulnerability>,
    /// The scores, sorted by id (EPSS alone has any).
    pub scores: Vec<ExploitScore>,
    /// The day of the scores, where the feed says.
    pub scored_on: Option<Date>,
    /// The news, sorted by source, then key (`news` alone has any).
    pub news: Vec<NewsItem>,
    /// What it speaks of, sorted.
    pub coverage: Vec<Coverage>,
    /// What could not be read or parsed, those of the source first.
    pub problems: Vec<Problem>,
}

/// A feed that cannot be used as a whole; the last good snapshot stays in use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeedError {
    /// No entry could be used.
    #[error(
        "feed {feed} holds no usable entry: {documents} documents read, {ignored} entries about other \
         systems or withdrawn, {} problems{}",
        problems.len(), first_of(problems)
    )]
    Empty {
        /// The feed.
        feed: FeedName,
        /// How many documents it had.
        documents: usize,
        /// How many entries were about systems that ifrit does not match, or withdrawn.
        ignored: usize,
        /// What was wrong with its entries.
        problems: Vec<Problem>,
    },
    /// No parser knows a feed of that name.
    #[error(
        "unknown feed `{feed}`, expected alpine-secdb, freebsd-vuxml, debian-dsa, debian-tracker, osv, cisa-kev, \
         epss or news"
    )]
    Unknown {
        /// The name.
        feed: FeedName,
    },
}

fn first_of(problems: &[Problem]) -> String {
    problems.first().map_or_else(String::new, |problem| format!(", the first: {problem}"))
}

/// What the parsers of all feeds fill.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub advisories: Vec<Advisory>,
    pub exploited: Vec<ExploitedVulnerability>,
    pub scores: Vec<ExploitScore>,
    pub scored_on: Option<Date>,
    pub news: Vec<NewsItem>,
    pub coverage: BTreeSet<Coverage>,
    pub problems: Vec<Problem>,
    /// How many problems there were beyond [`PROBLEMS_MAX`].
    pub unreported: usize,
    /// Entries that are well but not for us: other systems, withdrawn, cancelled.
    pub ignored: usize,
}

impl Parsed {
    /// Adds a problem of an entry; `part` says which, as exactly as is known.
    pub fn problem(&mut self, code: Code, feed: &str, part: impl Into<String>, message: impl Into<String>) {
        let place = Place::Feed { feed: feed.to_owned(), part: shortened(part.into()) };
        self.push_problem(Problem::new(code, place, shortened(message.into())));
    }

    /// Adds a problem that is made already.
    pub fn push_problem(&mut self, problem: Problem) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.unreported += 1;
        } else {
            self.problems.push(problem);
        }
    }
}

/// Cuts a text that quotes a feed.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(PROBLEM_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Parses a feed's documents. One bad entry never fails the rest: it becomes a problem. Entries with
/// the same key (a VuXML entry that stands in two files, a record in two archives) become one; each
/// parser says which.
///
/// # Errors
/// [`FeedError`] where nothing of the feed can be used, so that the last good snapshot stays.
pub fn sync(source: &FeedSource) -> Result<FeedSnapshot, FeedError> {
    let documents = &source.documents;
    let parsed = match source.feed.as_str() {
        feed::ALPINE_SECDB => secdb::parse(documents),
        feed::FREEBSD_VUXML => vuxml::parse(documents),
        feed::DEBIAN_DSA => debian::parse(documents),
        feed::DEBIAN_TRACKER => debian_tracker::parse(documents),
        feed::OSV => osv::parse(documents),
        feed::CISA_KEV => kev::parse(documents),
        feed::EPSS => epss::parse(documents),
        feed::NEWS => news::parse(documents),
        _ => return Err(FeedError::Unknown { feed: source.feed.clone() }),
    };
    finish(source, parsed)
}

fn finish(source: &FeedSource, parsed: Parsed) -> Result<FeedSnapshot, FeedError> {
    let Parsed {
        mut advisories,
        mut exploited,
        scores,
        scored_on,
        news,
        coverage,
        problems,
        unreported,
        ignored,
    } = parsed;
    let mut all_problems = source.problems.clone();
    all_problems.extend(problems);
    if unreported > 0 {
        let place = Place::Feed { feed: source.feed.as_str().to_owned(), part: String::new() };
        let message = format!("{unreported} more problems like these");
        all_problems.push(Problem::new(Code::FeedEntryInvalid, place, message));
    }
    if advisories.is_empty() && exploited.is_empty() && scores.is_empty() && news.is_empty() {
        let documents = source.documents.len();
        return Err(FeedError::Empty {
            feed: source.feed.clone(),
            documents,
            ignored,
            problems: all_problems,
        });
    }
    advisories.sort_by(|a, b| a.key.cmp(&b.key));
    exploited.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(FeedSnapshot {
        feed: source.feed.clone(),
        advisories,
        exploited,
        scores,
        scored_on,
        news,
        coverage: coverage.into_iter().collect(),
        problems: all_problems,
    })
}
