//! From which packages hosts had when to which findings were open when. Pure.
//!
//! A finding is open on a host from the later of two moments: since when the host has a version that is vulnerable, and
//! since when a feed that decides it is known here to speak of it. It is closed at the first look that finds no such
//! version any more. The past is judged by what the feeds say today: one definition for age, time to the fix and trend.

use std::collections::HashMap;

use jiff::Timestamp;

/// The position of a finding in the list of findings.
pub(super) type FindingIndex = u32;

/// The position of a package version in what was matched.
pub(super) type VersionIndex = u32;

/// The position of a host in the list of hosts.
pub(super) type HostIndex = u32;

/// A host's packages, or its software, over time.
#[derive(Debug, Clone)]
pub(super) struct HostHistory {
    /// The host.
    pub host: HostIndex,
    /// What it had of the versions that are vulnerable, ascending, in order of time.
    pub intervals: Vec<Interval>,
}

/// A time in which nothing changed.
#[derive(Debug, Clone)]
pub(super) struct Interval {
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` = now.
    pub until: Option<Timestamp>,
    /// The vulnerable versions.
    pub versions: Vec<VersionIndex>,
}

/// A finding on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tracked {
    /// Which finding.
    pub finding: FindingIndex,
    /// The host.
    pub host: HostIndex,
    /// Since when it was open.
    pub from: Timestamp,
    /// How it ended.
    pub end: End,
}

/// How a finding on a host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It did not.
    Open,
    /// The host has no such version any more.
    Fixed(Timestamp),
    /// Nothing is known of the host from then on: it was retired.
    Lost(Timestamp),
}

impl End {
    /// Returns when it ended.
    pub(super) fn at(self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Fixed(at) | Self::Lost(at) => Some(at),
        }
    }
}

/// Follows the findings of each host through time. `findings` are those of each version; `known` is since when each
/// finding is known here.
pub(super) fn track(
    histories: &[HostHistory],
    findings: &[Vec<FindingIndex>],
    known: &[Timestamp],
) -> Vec<Tracked> {
    let mut tracked = Vec::new();
    for history in histories {
        let mut walk = Walk { history, findings, known, open: HashMap::new(), tracked: &mut tracked };
        walk.run();
    }
    tracked
}

/// One host's walk through time.
struct Walk<'a> {
    history: &'a HostHistory,
    findings: &'a [Vec<FindingIndex>],
    known: &'a [Timestamp],
    /// How many of the versions now installed have a finding, and since when any had.
    open: HashMap<FindingIndex, (u32, Timestamp)>,
    tracked: &'a mut Vec<Tracked>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut before: Option<&Interval> = None;
        for interval in &self.history.intervals {
            // Between two intervals that do not meet nothing is known of the host.
            if let Some(lost) = before.and_then(|it| it.until).filter(|until| *until < interval.from) {
                self.end_all(End::Lost(lost));
                before = None;
            }
            let had = before.map_or(&[][..], |it| &it.versions);
            // What comes before what goes: from one vulnerable version to the next a finding stays open.
            for version in come(&interval.versions, had) {
                self.begin(version, interval.from);
            }
            for version in come(had, &interval.versions) {
                self.lose(version, interval.from);
            }
            before = Some(interval);
        }
        match before.and_then(|it| it.until) {
            None => self.end_all(End::Open),
            Some(until) => self.end_all(End::Lost(until)),
        }
    }

    fn begin(&mut self, version: VersionIndex, at: Timestamp) {
        for finding in &self.findings[version as usize] {
            self.open.entry(*finding).or_insert((0, at)).0 += 1;
        }
    }

    fn lose(&mut self, version: VersionIndex, at: Timestamp) {
        for finding in &self.findings[version as usize] {
            let Some((count, from)) = self.open.get_mut(finding) else { continue };
            *count -= 1;
            if *count == 0 {
                let from = *from;
                self.open.remove(finding);
                self.push(*finding, from, End::Fixed(at));
            }
        }
    }

    fn end_all(&mut self, end: End) {
        for (finding, (_, from)) in std::mem::take(&mut self.open) {
            self.push(finding, from, end);
        }
    }

    fn push(&mut self, finding: FindingIndex, from: Timestamp, end: End) {
        let from = from.max(self.known[finding as usize]);
        // What was gone before anybody knew of it was never open.
        if end.at().is_none_or(|at| at > from) {
            self.tracked.push(Tracked { finding, host: self.history.host, from, end });
        }
    }
}

/// Returns what is in the first list and not in the second, both ascending.
fn come<'a>(now: &'a [VersionIndex], before: &'a [VersionIndex]) -> impl Iterator<Item = VersionIndex> + 'a {
    now.iter().filter(|version| before.binary_search(version).is_err()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + day * 86_400).expect("a time")
    }

    /// Versions 0 and 1 have finding 0, version 1 has finding 1 too, version 2 has none. Finding 1 is known from day 5.
    fn check(intervals: &[(i64, Option<i64>, &[VersionIndex])], expected: &[(FindingIndex, i64, End)]) {
        let interval = |(from, until, versions): &(i64, Option<i64>, &[VersionIndex])| Interval {
            from: at(*from),
            until: until.map(at),
            versions: versions.to_vec(),
        };
        let history = HostHistory { host: 7, intervals: intervals.iter().map(interval).collect() };
        let findings = [vec![0], vec![0, 1], vec![]];
        let mut tracked = track(&[history], &findings, &[at(0), at(5)]);
        tracked.sort_by_key(|it| (it.from, it.finding));
        let seen: Vec<_> = tracked.iter().map(|it| (it.finding, it.from, it.end)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(finding, from, end)| (*finding, at(*from), *end)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_finding_is_open_from_when_it_is_there_and_known() {
        check(&[(1, None, &[0])], &[(0, 1, End::Open)]);
        check(&[(1, None, &[1])], &[(0, 1, End::Open), (1, 5, End::Open)]);
        check(&[(1, Some(3), &[0]), (3, None, &[2])], &[(0, 1, End::Fixed(at(3)))]);
    }

    #[test]
    fn from_one_vulnerable_version_to_the_next_it_stays_open() {
        check(
            &[(1, Some(3), &[0]), (3, Some(9), &[1]), (9, None, &[])],
            &[(0, 1, End::Fixed(at(9))), (1, 5, End::Fixed(at(9)))],
        );
        check(&[(1, Some(3), &[0, 1]), (3, None, &[0])], &[(0, 1, End::Open)]);
    }

    #[test]
    fn what_was_gone_before_it_was_known_was_never_open() {
        check(&[(1, Some(3), &[1]), (3, None, &[2])], &[(0, 1, End::Fixed(at(3)))]);
    }

    #[test]
    fn a_retired_host_is_no_fixed_one() {
        check(&[(1, Some(3), &[0])], &[(0, 1, End::Lost(at(3)))]);
        check(&[(1, Some(3), &[0]), (6, None, &[0])], &[(0, 1, End::Lost(at(3))), (0, 6, End::Open)]);
    }
}
