//! What is dealt with first, and why. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::Date;
use model::{Fix, PackageName, Platform, Severity, Share};

/// Services that the reasons name; the others are counted.
const SERVICES_NAMED_MAX: usize = 3;

/// What a finding's place in the order is made of; the fields weigh in their order, greater comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It is being exploited, says CISA's catalogue.
    pub is_exploited: bool,
    /// A service that others can reach uses it.
    pub is_exposed: bool,
    /// A service whose failure is an emergency uses it.
    pub is_critical: bool,
    /// The highest severity that a feed gives; none counts least.
    pub severity: Option<Severity>,
    /// How likely its exploitation is, says EPSS; none counts least.
    pub probability: Option<Share>,
    /// How many hosts have it.
    pub hosts: usize,
}

/// A service that uses a package, over several hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedUse {
    /// Its name.
    pub name: String,
    /// Where it listens, as `*:22`; sorted.
    pub listens: Vec<String>,
    /// On how many hosts.
    pub hosts: usize,
    /// Whether others can reach it.
    pub is_exposed: bool,
    /// Whether its failure is an emergency.
    pub is_critical: bool,
}

/// Says why a finding stands where it stands, the weightiest reason first.
pub(crate) fn reasons(rank: &Rank, exploited_since: Option<Date>, uses: &[SharedUse]) -> Vec<String> {
    let mut reasons = Vec::new();
    match exploited_since {
        Some(since) => reasons.push(format!("exploited since {since}")),
        None if rank.is_exploited => reasons.push("exploited".to_owned()),
        None => {}
    }
    let exposed: Vec<_> = uses.iter().filter(|it| it.is_exposed).collect();
    for it in exposed.iter().take(SERVICES_NAMED_MAX) {
        let hosts = if it.hosts == 1 { "1 host".to_owned() } else { format!("{} hosts", it.hosts) };
        reasons.push(format!("{} listens on {} on {hosts}", it.name, it.listens.join(", ")));
    }
    if let more @ 1.. = exposed.len().saturating_sub(SERVICES_NAMED_MAX) {
        reasons.push(format!("{more} more services listen"));
    }
    let critical: BTreeSet<_> = uses.iter().filter(|it| it.is_critical).map(|it| it.name.as_str()).collect();
    let critical: Vec<_> = critical.into_iter().take(SERVICES_NAMED_MAX).collect();
    if !critical.is_empty() {
        reasons.push(format!("critical service {}", critical.join(", ")));
    }
    if let Some(severity) = rank.severity {
        reasons.push(severity.as_str().to_owned());
    }
    reasons
}

/// Says what to do.
pub(crate) fn what_to_do(source: &PackageName, fixes: &BTreeMap<Platform, BTreeSet<Fix>>) -> String {
    let mut versions = String::new();
    for (platform, fixes) in fixes {
        let fixes = fixes.iter().filter(|fix| matches!(fix, Fix::In(_) | Fix::After(_)));
        let fixes: Vec<_> = fixes.map(ToString::to_string).collect();
        if !fixes.is_empty() {
            let separator = if versions.is_empty() { "" } else { ", " };
            let _ = write!(versions, "{separator}{} ({platform})", fixes.join(" or "));
        }
    }
    if versions.is_empty() {
        return "no fix yet: keep it from being reached, or remove it".to_owned();
    }
    format!("upgrade {source} to {versions}")
}

#[cfg(test)]
mod tests {
    use model::Version;

    use super::*;

    fn rank(text: &str) -> Rank {
        let has = |word: &str| text.split(' ').any(|it| it == word);
        let number = |key: &str| text.split(' ').find_map(|it| it.strip_prefix(key)?.parse::<u32>().ok());
        Rank {
            is_exploited: has("exploited"),
            is_exposed: has("exposed"),
            is_critical: has("service"),
            severity: text.split(' ').find_map(Severity::parse),
            probability: number("epss=").and_then(Share::from_millionths),
            hosts: number("hosts=").unwrap_or(1) as usize,
        }
    }

    #[test]
    fn the_order_is_exploited_exposed_critical_service_severity_likelihood_hosts() {
        let ordered = [
            "exploited exposed",
            "exploited hosts=1",
            "exposed service low",
            "exposed critical hosts=9",
            "service critical",
            "critical epss=900000",
            "critical epss=10 hosts=500",
            "critical hosts=500",
            "high epss=999999 hosts=1000",
            "low hosts=3",
            "low hosts=2",
            "epss=999999",
            "hosts=7",
        ];
        for pair in ordered.windows(2) {
            assert!(rank(pair[0]) > rank(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn reasons_are_told_in_the_order_of_their_weight() {
        let uses = |exposed: usize| -> Vec<SharedUse> {
            let names = ["sshd", "web", "dns", "mail"];
            let use_of = |(at, name): (usize, &&str)| SharedUse {
                name: (*name).to_owned(),
                listens: vec![format!("*:{}", 20 + at)],
                hosts: 3 - at.min(2),
                is_exposed: at < exposed,
                is_critical: at == 0,
            };
            names.iter().enumerate().map(use_of).collect()
        };
        let check = |text: &str, since: Option<&str>, exposed: usize, expected: &str| {
            let since = since.map(|day| day.parse().expect("a day"));
            assert_eq!(reasons(&rank(text), since, &uses(exposed)).join("; "), expected);
        };
        check(
            "exploited exposed critical",
            Some("2024-07-01"),
            1,
            "exploited since 2024-07-01; sshd listens on *:20 on 3 hosts; critical service sshd; critical",
        );
        check("exploited", None, 0, "exploited; critical service sshd");
        check(
            "low",
            None,
            4,
            "sshd listens on *:20 on 3 hosts; web listens on *:21 on 2 hosts; dns listens on *:22 on 1 host; \
             1 more services listen; critical service sshd; low",
        );
    }

    #[test]
    fn the_action_names_each_platform_s_fix() {
        let platform = |text: &str| Platform::parse(text).expect("a platform");
        let mut fixes = BTreeMap::from([(platform("alpine:3.20"), BTreeSet::from([Fix::NotYet]))]);
        let source = PackageName::new("openssl");
        assert_eq!(what_to_do(&source, &fixes), "no fix yet: keep it from being reached, or remove it");
        fixes.insert(platform("debian:12"), [Fix::In(Version::new("3.0.15-1")), Fix::NotYet].into());
        fixes.insert(platform("freebsd:14.1"), [Fix::After(Version::new("3.0.14,1"))].into());
        assert_eq!(
            what_to_do(&source, &fixes),
            "upgrade openssl to 3.0.15-1 (debian 12), > 3.0.14,1 (freebsd 14.1)"
        );
    }
}
