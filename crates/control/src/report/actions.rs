//! What is left to do, by whom and by when.

use std::collections::BTreeMap;

use super::incident::{ActionReport, EvidenceReport, HostOutcome, HostReport};
use super::notes::{Note, NoteKind};
use super::redaction::TEAM;
use super::words::day;

/// What is the same action on several hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    order: HostOutcome,
    what: String,
    owner: String,
    due: Option<String>,
}

/// Returns what is left to do: what people noted, then what follows from how the hosts stand.
pub(crate) fn actions(
    hosts: &[HostReport],
    evidence: &[EvidenceReport],
    notes: &[Note],
) -> Vec<ActionReport> {
    let noted = notes.iter().filter(|note| note.kind == NoteKind::Action).map(|note| ActionReport {
        what: note.text.clone(),
        hosts: Vec::new(),
        owner: note.owner.clone().unwrap_or_else(|| TEAM.to_owned()),
        due: note.due.map(|day| day.to_string()),
    });
    let mut following: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for host in hosts {
        if let Some(key) = of_host(host) {
            following.entry(key).or_default().push(host.host.clone());
        }
    }
    let following = following.into_iter().map(|(key, hosts)| ActionReport {
        what: key.what,
        hosts,
        owner: key.owner,
        due: key.due,
    });
    noted.chain(following).chain(broken(evidence)).collect()
}

fn of_host(host: &HostReport) -> Option<Key> {
    let due = host.due_at.map(day);
    let key = |what: &str, due: Option<String>| Key {
        order: host.outcome,
        what: what.to_owned(),
        owner: TEAM.to_owned(),
        due,
    };
    match host.outcome {
        HostOutcome::Vulnerable => Some(key("install the fix", due)),
        HostOutcome::Unknown => Some(key("find out whether the host is still vulnerable", due)),
        HostOutcome::Waits => Some(key("restart what still runs the old version", due)),
        HostOutcome::Patched => Some(key("prove that the fix is in force", due)),
        HostOutcome::NoFix => Some(key("install the fix as soon as there is one", None)),
        HostOutcome::Excepted => {
            let exception = host.exception.as_ref();
            let reason = exception.and_then(|it| it.reason.as_deref());
            let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Some(Key {
                owner: exception.map_or_else(|| TEAM.to_owned(), |it| it.owner.clone()),
                ..key(&format!("decide anew; left open for now{because}"), exception.map(|it| day(it.until)))
            })
        }
        HostOutcome::NotAffected | HostOutcome::Proven => None,
    }
}

/// Evidence that is not what its hash was made of must be looked at before anything is believed of it.
fn broken(evidence: &[EvidenceReport]) -> Option<ActionReport> {
    let mut hosts: Vec<String> =
        evidence.iter().filter(|it| !it.is_intact).map(|it| it.host.clone()).collect();
    hosts.dedup();
    (!hosts.is_empty()).then(|| ActionReport {
        what: "find out who changed kept evidence: it is not what its hash was made of".to_owned(),
        hosts,
        owner: TEAM.to_owned(),
        due: None,
    })
}
