//! How long an incident took. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use model::{ClientName, Mark};

use super::view::IncidentHostView;

/// What is measured, in the order in which it is shown; the last one is the whole.
pub const CLOCKS: [(Mark, Mark); 8] = [
    (Mark::Published, Mark::Seen),
    (Mark::Seen, Mark::Matched),
    (Mark::Matched, Mark::Triaged),
    (Mark::Triaged, Mark::Approved),
    (Mark::Approved, Mark::Patched),
    (Mark::Patched, Mark::Verified),
    (Mark::Verified, Mark::Reported),
    (Mark::Seen, Mark::Reported),
];

/// How long the hosts of an incident took from one mark to another. A percentile is the nearest rank: the
/// least time that at least so many percent of the hosts did not exceed, always that of a real host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// How many hosts have both marks.
    pub hosts: usize,
    /// How many hosts do not have both.
    pub missing: usize,
    /// The first host.
    pub first: Duration,
    /// Half of the hosts.
    pub p50: Duration,
    /// 95 percent of the hosts.
    pub p95: Duration,
    /// The last host.
    pub max: Duration,
}

/// One clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockLine {
    /// Where it starts.
    pub from: Mark,
    /// Where it stops.
    pub to: Mark,
    /// Of all hosts that are seen; `None` = no host has both marks.
    pub all: Option<Spread>,
    /// Of each client's hosts.
    pub clients: BTreeMap<ClientName, Spread>,
}

/// The marks that are not of a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared<'a> {
    pub incident: &'a BTreeMap<Mark, Timestamp>,
    pub clients: &'a BTreeMap<ClientName, BTreeMap<Mark, Timestamp>>,
}

impl Shared<'_> {
    /// Returns the moment of a host: its own, else its client's, else the incident's.
    fn moment(self, host: &IncidentHostView, mark: Mark) -> Option<Timestamp> {
        let of_client = || self.clients.get(&host.client).and_then(|marks| marks.get(&mark));
        let found = host.marks.get(&mark).or_else(of_client).or_else(|| self.incident.get(&mark));
        found.copied()
    }

    /// Measures hosts. A mark that was set before the one it is measured from counts as no time.
    pub(super) fn spread<'h>(
        self,
        hosts: impl Iterator<Item = &'h IncidentHostView>,
        from: Mark,
        to: Mark,
    ) -> Option<Spread> {
        let mut missing = 0;
        let mut times = Vec::new();
        for host in hosts {
            match self.moment(host, from).zip(self.moment(host, to)) {
                Some((from, to)) => {
                    times.push(Duration::try_from(to.duration_since(from)).unwrap_or_default())
                }
                None => missing += 1,
            }
        }
        spread_of(times).map(|spread| Spread { missing, ..spread })
    }

    /// Measures everything.
    pub(super) fn clocks(self, hosts: &[IncidentHostView]) -> Vec<ClockLine> {
        let clients: BTreeSet<&ClientName> = hosts.iter().map(|host| &host.client).collect();
        let line = |(from, to): (Mark, Mark)| {
            let of_client = |client: &&ClientName| {
                let its = hosts.iter().filter(|host| host.client == **client);
                Some(((*client).clone(), self.spread(its, from, to)?))
            };
            ClockLine {
                from,
                to,
                all: self.spread(hosts.iter(), from, to),
                clients: clients.iter().filter_map(of_client).collect(),
            }
        };
        CLOCKS.into_iter().map(line).collect()
    }
}

/// Returns how times are spread; `None` where there are none.
pub fn spread_of(mut times: Vec<Duration>) -> Option<Spread> {
    times.sort_unstable();
    let (first, max) = (*times.first()?, *times.last()?);
    let nearest = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied().unwrap_or(max)
    };
    Some(Spread { hosts: times.len(), missing: 0, first, p50: nearest(50), p95: nearest(95), max })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(spread: Option<Spread>) -> Option<(usize, u64, u64, u64, u64)> {
        spread.map(|it| (it.hosts, it.first.as_secs(), it.p50.as_secs(), it.p95.as_secs(), it.max.as_secs()))
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let check = |times: &[u64], expected| {
            let times = times.iter().map(|it| Duration::from_secs(*it)).collect();
            assert_eq!(seconds(spread_of(times)), expected);
        };
        check(&[], None);
        check(&[7], Some((1, 7, 7, 7, 7)));
        check(&[9, 1], Some((2, 1, 1, 9, 9)));
        // The example of the nearest rank: 15, 20, 35, 40, 50 has 35 in its middle.
        check(&[50, 15, 40, 20, 35], Some((5, 15, 35, 50, 50)));
        check(&(1..=20).collect::<Vec<_>>(), Some((20, 1, 10, 19, 20)));
        check(&(1..=100).collect::<Vec<_>>(), Some((100, 1, 50, 95, 100)));
    }

    proptest! {
        #[test]
        fn a_percentile_is_a_time_of_somebody(times in proptest::collection::vec(0_u64..1_000_000, 1..200)) {
            let all: Vec<Duration> = times.into_iter().map(Duration::from_secs).collect();
            let spread = spread_of(all.clone()).expect("not empty");
            prop_assert!(spread.first <= spread.p50 && spread.p50 <= spread.p95 && spread.p95 <= spread.max);
            for (time, percent) in [(spread.p50, 50), (spread.p95, 95)] {
                prop_assert!(all.contains(&time));
                let within = all.iter().filter(|it| **it <= time).count();
                prop_assert!(within * 100 >= all.len() * percent);
            }
        }
    }
}
