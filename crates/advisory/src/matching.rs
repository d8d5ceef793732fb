//! Advisories x packages.
//!
//! Which statements make one row: secdb and OSV speak of single vulnerabilities, so their rows are
//! one per package and vulnerability. VuXML entries and DSAs bundle several CVEs under one set of
//! versions, so their rows are one per package and advisory: to split them would count one fix many
//! times, and the CVEs are among the row's aliases for whoever looks for them.
//!
//! Which feed decides: the distribution's own. What OSV says about vulnerabilities that the own feed
//! speaks of too (for that package) only adds ids and severity to the own rows. So secdb's `0` (not
//! affected) is a veto.
//!
//! Software of a language has no feed of its own: OSV is many databases, and their records about one
//! vulnerability are one row ([`crate::aliases`]).
//!
//! Debian has two feeds of its own. The security tracker speaks of single CVEs, also of those that are
//! not fixed, and is made from the lists; so it decides before the lists. A DSA whose CVEs the tracker
//! all speaks of (for that package) only gives its name to these rows; one that names more than the
//! tracker, because it is newer, stays a row of its own.

use std::collections::{BTreeSet, HashMap};

use model::{
    Advisory, Ecosystem, FeedName, FindingState, Fix, InstalledPackage, JoinBy, PackageName, PackageVersion,
    Reason, Severity, Version, VulnerabilityId,
};

use crate::aliases;
use crate::index::{AdvisoryIndex, IdNumber, Statement, only};
use crate::judge::{Verdict, judge};
use crate::scope::{self, Scope};
use crate::snapshot::feed;

/// The answer for one package and one vulnerability (or one bundle of vulnerabilities: a DSA, a
/// VuXML entry).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Position in the matched packages.
    pub package: usize,
    /// The CVE where the statement is about exactly one (secdb, OSV), else the vendor's id (DSA, vid).
    pub id: VulnerabilityId,
    /// Every other id it is known by: CVE, GHSA, XSA, DSA, vid. Sorted.
    pub aliases: Vec<VulnerabilityId>,
    /// The feeds that speak of it, the one that decided first.
    pub feeds: Vec<FeedName>,
    /// The answer.
    pub state: FindingState,
    /// Where the fix is.
    pub fix: Fix,
    /// The highest severity that a feed gives.
    pub severity: Option<Severity>,
    /// Whether one of its vulnerabilities is in CISA's catalogue of exploited ones.
    pub exploited: bool,
    /// Why, in one sentence.
    pub reason: Reason,
}

impl Match {
    /// Says whether it is known by an id, without regard to case.
    pub fn is_about(&self, id: &VulnerabilityId) -> bool {
        std::iter::once(&self.id).chain(&self.aliases).any(|it| it.same(id))
    }
}

/// Returns the ids that have to be looked up too before a few advisories can be matched as all would be:
/// the CVEs of those that name several, of which the distribution's own feed may speak one by one. Sorted.
pub fn needed_ids(advisories: &[Advisory]) -> Vec<VulnerabilityId> {
    let is_decided_elsewhere = |it: &&Advisory| matches!(it.feed.as_str(), feed::DEBIAN_DSA | feed::OSV);
    let bundles = advisories.iter().filter(is_decided_elsewhere).filter(|it| names_several(it));
    let cves: BTreeSet<_> = bundles.flat_map(Advisory::ids).filter(|id| id.is_cve()).cloned().collect();
    cves.into_iter().collect()
}

/// Says whether an advisory is about more than one CVE.
fn names_several(advisory: &Advisory) -> bool {
    advisory.ids().filter(|id| id.is_cve()).count() > 1
}

/// Judges every statement that touches one of the packages, merged per package and vulnerability over
/// feeds. Pure. Ordered by package, then id.
pub fn match_packages(index: &AdvisoryIndex, packages: &[PackageVersion]) -> Vec<Match> {
    let mut matches = Vec::new();
    for (position, item) in packages.iter().enumerate() {
        let own = match_package(index, position, item);
        matches.extend(own);
    }
    matches
}

/// What one advisory says about the package.
pub(crate) struct Voice {
    pub advisory: usize,
    pub statement: Statement,
    pub verdict: Verdict,
}

/// Voices that make one row; the first one decides.
struct Row {
    voices: Vec<Voice>,
    /// Voices of other feeds, which only add.
    additions: Vec<usize>,
    state: FindingState,
}

impl Row {
    /// Its ids, those of CVEs first.
    fn ids(&self, index: &AdvisoryIndex) -> (BTreeSet<IdNumber>, BTreeSet<IdNumber>) {
        let numbers = self.voices.iter().flat_map(|voice| index.id_numbers(voice.advisory));
        numbers.copied().partition(|id| index.is_cve(*id))
    }
}

/// Which own rows know an id.
#[derive(Default)]
struct OwnIds {
    any: HashMap<IdNumber, Vec<usize>>,
    /// The advisory's own id alone, of bundles: the rows that it is, or gave its name to.
    bundles: HashMap<IdNumber, BTreeSet<usize>>,
}

impl OwnIds {
    fn of(index: &AdvisoryIndex, rows: &[Row]) -> Self {
        let mut known = Self::default();
        for (at, row) in rows.iter().enumerate() {
            let (cves, others) = row.ids(index);
            for id in cves.into_iter().chain(others) {
                known.any.entry(id).or_default().push(at);
            }
            let first = &row.voices[0];
            for advisory in std::iter::once(first.advisory).chain(row.additions.iter().copied()) {
                if let (true, Some(id)) =
                    (is_bundling(&index.advisories()[advisory].feed), index.id_numbers(advisory).first())
                {
                    known.bundles.entry(*id).or_default().insert(at);
                }
            }
        }
        known
    }

    /// The own rows that together say all that another feed's row says, so that it needs no row of its
    /// own: they carry its advisory, or know each of its CVEs. A shared XSA or the like is no proof, for
    /// one XSA has several CVEs; it counts only where the other row names no CVE. None = it speaks of
    /// something that the own feed does not.
    fn rows_about(&self, index: &AdvisoryIndex, row: &Row) -> BTreeSet<usize> {
        let (cves, others) = row.ids(index);
        let carried: BTreeSet<_> =
            others.iter().filter_map(|id| self.bundles.get(id)).flatten().copied().collect();
        if !carried.is_empty() {
            return carried;
        }
        if !cves.iter().all(|id| self.any.contains_key(id)) {
            return BTreeSet::new();
        }
        let keys = if cves.is_empty() { others } else { cves };
        keys.iter().filter_map(|id| self.any.get(id)).flatten().copied().collect()
    }
}

fn match_package(index: &AdvisoryIndex, position: usize, item: &PackageVersion) -> Vec<Match> {
    let mut by_rank: [Vec<Voice>; Rank::COUNT] = Default::default();
    for voice in voices(index, item) {
        let rank = Rank::of(&index.advisory(voice.statement).feed, item.platform.ecosystem);
        by_rank[rank as usize].push(voice);
    }
    let mut rows: Vec<Row> = Vec::new();
    for voices in by_rank {
        let known = OwnIds::of(index, &rows);
        for row in rows_of(index, item.platform.ecosystem, voices) {
            let same = known.rows_about(index, &row);
            for at in &same {
                rows[*at].additions.extend(row.voices.iter().map(|voice| voice.advisory));
            }
            if same.is_empty() {
                rows.push(row);
            }
        }
    }
    let mut matches: Vec<_> = rows.iter().map(|row| finish(index, position, item, row)).collect();
    matches.sort_by(|a, b| (&a.id, &a.feeds, &a.aliases).cmp(&(&b.id, &b.feeds, &b.aliases)));
    matches
}

/// Judges the package by each advisory that speaks of it; of several parts of one advisory the worst
/// counts (several ranges are alternatives).
fn voices(index: &AdvisoryIndex, item: &PackageVersion) -> Vec<Voice> {
    let ecosystem = item.platform.ecosystem;
    let scope = Scope::of(index, item);
    let mut statements = Vec::new();
    for join_by in [JoinBy::Binary, JoinBy::Source] {
        let (name, _) = joined(&item.package, join_by);
        index.statements(ecosystem, join_by, name.as_str(), &mut statements);
    }
    statements.sort_unstable();
    statements.dedup();
    let mut voices: Vec<Voice> = Vec::new();
    for statement in statements {
        let affected = index.affected(statement);
        if !scope.admits(affected) {
            continue;
        }
        let (_, version) = joined(&item.package, affected.join_by);
        let mut verdict = judge(ecosystem.version_scheme(), &affected.affects, version);
        if let Some(why) = &scope.unknown {
            verdict.state = FindingState::Unknown;
            verdict.why = format!("cannot be judged: {why}; for the host's own release: {}", verdict.why);
        }
        let voice = Voice { advisory: statement.advisory, statement, verdict };
        match voices.last_mut() {
            Some(last) if last.advisory == voice.advisory => {
                if voice.verdict.state < last.verdict.state {
                    *last = voice;
                }
            }
            _ => voices.push(voice),
        }
    }
    voices
}

fn joined(package: &InstalledPackage, join_by: JoinBy) -> (&PackageName, &Version) {
    match join_by {
        JoinBy::Binary => (&package.name, &package.version),
        JoinBy::Source => (&package.source, &package.source_version),
    }
}

/// Who decides before whom.
#[derive(Clone, Copy)]
enum Rank {
    /// The distribution's own feed.
    Own,
    /// An own feed from which that one is made.
    OwnBundles,
    /// Everybody else.
    Other,
}

impl Rank {
    const COUNT: usize = 3;

    fn of(feed: &FeedName, ecosystem: Ecosystem) -> Self {
        match (ecosystem, feed.as_str()) {
            (Ecosystem::Alpine, feed::ALPINE_SECDB)
            | (Ecosystem::Debian, feed::DEBIAN_TRACKER)
            | (Ecosystem::FreeBsd, feed::FREEBSD_VUXML) => Self::Own,
            (Ecosystem::Debian, feed::DEBIAN_DSA) => Self::OwnBundles,
            _ => Self::Other,
        }
    }
}

/// Says whether each of a feed's advisories is a row of its own.
fn is_bundling(feed: &FeedName) -> bool {
    matches!(feed.as_str(), feed::FREEBSD_VUXML | feed::DEBIAN_DSA)
}

fn rows_of(index: &AdvisoryIndex, ecosystem: Ecosystem, voices: Vec<Voice>) -> Vec<Row> {
    if ecosystem.is_distribution() {
        return group(index, voices);
    }
    let merged = aliases::merge(index, ecosystem.version_scheme(), voices);
    let row = |voices: Vec<Voice>| Row { state: voices[0].verdict.state, voices, additions: Vec::new() };
    merged.into_iter().map(row).collect()
}

/// Puts voices with the same first id into one row, the worst first; bundles stay alone.
fn group(index: &AdvisoryIndex, voices: Vec<Voice>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut by_id: HashMap<IdNumber, usize> = HashMap::new();
    for voice in voices {
        let first = index.id_numbers(voice.advisory).first().copied();
        let is_alone = is_bundling(&index.advisory(voice.statement).feed);
        let known = first.filter(|_| !is_alone).and_then(|id| by_id.get(&id)).copied();
        if let Some(at) = known {
            let row = &mut rows[at];
            let is_worse = voice.verdict.state < row.state;
            row.state = row.state.min(voice.verdict.state);
            row.voices.insert(if is_worse { 0 } else { row.voices.len() }, voice);
            continue;
        }
        if let Some(id) = first.filter(|_| !is_alone) {
            by_id.insert(id, rows.len());
        }
        rows.push(Row { state: voice.verdict.state, voices: vec![voice], additions: Vec::new() });
    }
    rows
}

fn finish(index: &AdvisoryIndex, position: usize, item: &PackageVersion, row: &Row) -> Match {
    let decisive = &row.voices[0];
    let advisory = index.advisory(decisive.statement);
    let id = match item.platform.ecosystem.is_distribution() {
        true => &advisory.id,
        false => only_cve(index, row).unwrap_or(&advisory.id),
    };
    let mut aliases: BTreeSet<VulnerabilityId> = BTreeSet::new();
    let mut feeds = vec![advisory.feed.clone()];
    let mut severity = None;
    let mut exploited = false;
    let voices = row.voices.iter().map(|it| (it.advisory, false));
    for (position, is_addition) in voices.chain(row.additions.iter().map(|it| (*it, true))) {
        let voice = &index.advisories()[position];
        if !feeds.contains(&voice.feed) {
            feeds.push(voice.feed.clone());
        }
        severity = severity.max(voice.severity);
        // What speaks of several CVEs gives its name to a row about one; its other CVEs are no names of that.
        let is_wider = is_addition && names_several(voice) && !is_bundling(&advisory.feed);
        let is_name = |it: &&VulnerabilityId| !(it.same(id) || is_wider && it.is_cve());
        aliases.extend(voice.ids().filter(is_name).cloned());
        exploited |= !is_wider && index.is_exploited(position);
    }
    Match {
        package: position,
        id: id.clone(),
        aliases: aliases.into_iter().collect(),
        feeds,
        state: row.state,
        fix: decisive.verdict.fix.clone(),
        severity,
        exploited,
        reason: reason(index, item, decisive),
    }
}

/// The CVE of a row whose records name exactly one: of several databases one may not know it.
fn only_cve<'a>(index: &'a AdvisoryIndex, row: &Row) -> Option<&'a VulnerabilityId> {
    let ids = row.voices.iter().flat_map(|it| index.advisories()[it.advisory].ids());
    let mut cves = ids.filter(|id| id.is_cve());
    let first = cves.next()?;
    cves.all(|other| other.same(first)).then_some(first)
}

/// `installed 3.1.0-r3 of openssl < fixed 3.1.4-r1 (alpine-secdb v3.18/main)`.
fn reason(index: &AdvisoryIndex, item: &PackageVersion, decisive: &Voice) -> Reason {
    let advisory = index.advisory(decisive.statement);
    let affected = index.affected(decisive.statement);
    let (name, version) = joined(&item.package, affected.join_by);
    let place = match (only(&affected.release), &affected.repository) {
        (Some(release), Some(repository)) => scope::shown(release, repository),
        _ => advisory.key.as_str().to_owned(),
    };
    let installed = match version.as_str() {
        "" => format!("installed {name}"),
        version => format!("installed {version} of {name}"),
    };
    Reason::new(format!("{installed} {} ({} {place})", decisive.verdict.why, advisory.feed))
}
