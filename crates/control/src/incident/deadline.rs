//! Until when a vulnerable host must be patched. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::Mark;
use store::IncidentHostState;

use super::view::ExceptionView;

/// How a host stands against its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadlineStanding {
    /// It was patched in time.
    Met,
    /// It was patched late, or is late now.
    Missed,
    /// There is time left.
    Open,
    /// A person answers for leaving it open.
    Excepted,
    /// There is no fix, so nothing to be in time with.
    NoFix,
    /// It was not found to be vulnerable.
    Unmatched,
}

impl DeadlineStanding {
    /// Returns the word for it in tables and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Open => "open",
            Self::Excepted => "excepted",
            Self::NoFix => "no fix",
            Self::Unmatched => "unmatched",
        }
    }
}

/// A host's deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostDeadline {
    /// Until when it must be patched; `None` = it was not found to be vulnerable.
    pub due_at: Option<Timestamp>,
    /// How it stands.
    pub standing: DeadlineStanding,
}

/// The deadlines of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineView {
    /// How long a host may stay vulnerable.
    pub limit: Duration,
    /// Whether the vulnerability is known to be exploited, which makes the limit the shorter one.
    pub is_exploited: bool,
    /// How many hosts stand how.
    pub standings: BTreeMap<DeadlineStanding, usize>,
    /// The next deadline of a host that has time left.
    pub next_due: Option<Timestamp>,
}

/// Judges a host.
pub(super) fn judge(
    state: IncidentHostState,
    marks: &BTreeMap<Mark, Timestamp>,
    exception: Option<&ExceptionView>,
    limit: Duration,
    now: Timestamp,
) -> HostDeadline {
    let Some(matched) = marks.get(&Mark::Matched) else {
        return HostDeadline { due_at: None, standing: DeadlineStanding::Unmatched };
    };
    let due = matched.checked_add(limit).unwrap_or(Timestamp::MAX);
    let is_patched = matches!(
        state,
        IncidentHostState::Patched | IncidentHostState::Verified | IncidentHostState::NotAffected
    );
    let patched = marks.get(&Mark::Patched).or_else(|| marks.get(&Mark::Verified)).copied();
    let is_excepted = state == IncidentHostState::Excepted || exception.is_some_and(|it| !it.is_expired);
    let standing = match state {
        _ if is_patched && patched.is_none_or(|at| at <= due) => DeadlineStanding::Met,
        _ if is_patched => DeadlineStanding::Missed,
        _ if is_excepted => DeadlineStanding::Excepted,
        IncidentHostState::NoFix => DeadlineStanding::NoFix,
        _ if now <= due => DeadlineStanding::Open,
        _ => DeadlineStanding::Missed,
    };
    HostDeadline { due_at: Some(due), standing }
}

/// Counts the hosts of an incident.
pub(super) fn count(
    hosts: impl Iterator<Item = HostDeadline>,
    limit: Duration,
    is_exploited: bool,
) -> DeadlineView {
    let mut view = DeadlineView { limit, is_exploited, standings: BTreeMap::new(), next_due: None };
    for host in hosts {
        *view.standings.entry(host.standing).or_default() += 1;
        if host.standing == DeadlineStanding::Open {
            view.next_due = [view.next_due, host.due_at].into_iter().flatten().min();
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use model::{PersonName, VulnerabilityId};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn each_host_stands_somehow() {
        use DeadlineStanding as S;
        use IncidentHostState as H;
        let exception = |until| ExceptionView {
            vulnerability: VulnerabilityId::new("CVE-2026-1"),
            owner: PersonName::new("tom").expect("a name"),
            reason: "no way in".to_owned(),
            until: at(until),
            is_expired: until <= 150,
        };
        let (current, expired) = (exception(900), exception(150));
        let marks = |marks: &[(Mark, i64)]| marks.iter().map(|(mark, second)| (*mark, at(*second))).collect();
        let matched = marks(&[(Mark::Matched, 0)]);
        let patched = |second| marks(&[(Mark::Matched, 0), (Mark::Patched, second)]);
        let (soon, late) = (patched(100), patched(101));
        let never = BTreeMap::new();
        for (state, marks, exception, now, expected) in [
            (H::Vulnerable, &matched, None, 100, S::Open),
            (H::Vulnerable, &matched, None, 101, S::Missed),
            (H::Waits, &soon, None, 101, S::Missed),
            (H::Unknown, &matched, None, 5, S::Open),
            (H::Patched, &soon, None, 900, S::Met),
            (H::Verified, &late, None, 900, S::Missed),
            (H::NotAffected, &matched, None, 900, S::Met),
            (H::NoFix, &matched, None, 900, S::NoFix),
            (H::Vulnerable, &matched, Some(&current), 900, S::Excepted),
            (H::Vulnerable, &matched, Some(&expired), 900, S::Missed),
            (H::Excepted, &matched, None, 900, S::Excepted),
            (H::Verified, &soon, Some(&current), 900, S::Met),
            (H::Unknown, &never, None, 900, S::Unmatched),
        ] {
            let host = judge(state, marks, exception, Duration::from_secs(100), at(now));
            assert_eq!(host.standing, expected, "{state:?} at {now}");
            assert_eq!(host.due_at, marks.get(&Mark::Matched).map(|_| at(100)));
        }
    }

    #[test]
    fn the_next_deadline_is_of_an_open_host() {
        let host = |due: i64, standing| HostDeadline { due_at: Some(at(due)), standing };
        let hosts = [
            host(5, DeadlineStanding::Met),
            host(30, DeadlineStanding::Open),
            host(20, DeadlineStanding::Open),
        ];
        let view = count(hosts.into_iter(), Duration::from_secs(1), true);
        assert_eq!(view.next_due, Some(at(20)));
        assert_eq!(view.standings, BTreeMap::from([(DeadlineStanding::Met, 1), (DeadlineStanding::Open, 2)]));
    }
}
