//! What of an incident is kept as JSON in a column.

use std::collections::BTreeSet;

use model::{ClientName, Fix, PackageName, Version, VulnerabilityId};
use serde::{Deserialize, Serialize};

use super::IncidentFinding;
use crate::record::ClientScope;
use crate::services::words;

#[derive(Serialize, Deserialize)]
struct FindingText {
    id: String,
    package: String,
    installed: String,
    fix: FixText,
    remedy: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FixText {
    In(String),
    After(String),
    NotYet,
    NotNeeded,
}

/// Writes findings as JSON.
pub(super) fn write_findings(findings: &[IncidentFinding]) -> String {
    let text = |it: &IncidentFinding| FindingText {
        id: it.id.to_string(),
        package: it.package.to_string(),
        installed: it.installed.to_string(),
        fix: match &it.fix {
            Fix::In(version) => FixText::In(version.to_string()),
            Fix::After(version) => FixText::After(version.to_string()),
            Fix::NotYet => FixText::NotYet,
            Fix::NotNeeded => FixText::NotNeeded,
        },
        remedy: it.remedy.clone(),
    };
    let wire: Vec<FindingText> = findings.iter().map(text).collect();
    serde_json::to_string(&wire).expect("invariant: strings have a JSON form")
}

/// Reads what [`write_findings`] wrote; the error says what is wrong with the text.
pub(super) fn read_findings(text: &str) -> Result<Vec<IncidentFinding>, serde_json::Error> {
    let wire: Vec<FindingText> = serde_json::from_str(text)?;
    let finding = |it: FindingText| IncidentFinding {
        id: VulnerabilityId::new(it.id),
        package: PackageName::new(it.package),
        installed: Version::new(it.installed),
        fix: match it.fix {
            FixText::In(version) => Fix::In(Version::new(version)),
            FixText::After(version) => Fix::After(Version::new(version)),
            FixText::NotYet => Fix::NotYet,
            FixText::NotNeeded => Fix::NotNeeded,
        },
        remedy: it.remedy,
    };
    Ok(wire.into_iter().map(finding).collect())
}

/// Reads a list of texts.
pub(super) fn read_words(text: &str) -> Result<Vec<String>, serde_json::Error> {
    serde_json::from_str(text)
}

/// Writes ids as JSON.
pub(super) fn write_ids(ids: &[VulnerabilityId]) -> String {
    words(&ids.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Reads what [`write_ids`] wrote.
pub(super) fn read_ids(text: &str) -> Result<Vec<VulnerabilityId>, serde_json::Error> {
    Ok(read_words(text)?.into_iter().map(VulnerabilityId::new).collect())
}

/// Writes a scope as JSON; `None` = every client.
pub(super) fn write_scope(scope: &ClientScope) -> Option<String> {
    match scope {
        ClientScope::All => None,
        ClientScope::Only(clients) => {
            Some(words(&clients.iter().map(ToString::to_string).collect::<Vec<_>>()))
        }
    }
}

/// Reads what [`write_scope`] wrote; the error says what is wrong with the text.
pub(super) fn read_scope(text: Option<&str>) -> Result<ClientScope, String> {
    let Some(text) = text else { return Ok(ClientScope::All) };
    let names = read_words(text).map_err(|error| error.to_string())?;
    let clients: Result<BTreeSet<_>, _> = names.iter().map(|name| ClientName::new(name)).collect();
    clients.map(ClientScope::Only).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn findings_come_back() {
        let finding = |fix| IncidentFinding {
            id: VulnerabilityId::new("CVE-2026-1234"),
            package: PackageName::new("libssl3 \u{1b}\"\\"),
            installed: Version::new("3.0.1-1"),
            fix,
            remedy: "upgrade".to_owned(),
        };
        let version = || Version::new("3.0.2-1");
        let all = [Fix::In(version()), Fix::After(version()), Fix::NotYet, Fix::NotNeeded].map(finding);
        assert_eq!(read_findings(&write_findings(&all)).expect("read"), all);
        let only = |names: &[&str]| {
            ClientScope::Only(names.iter().map(|name| ClientName::new(name).expect("a name")).collect())
        };
        for scope in [ClientScope::All, only(&[]), only(&["acme", "zeta"])] {
            assert_eq!(read_scope(write_scope(&scope).as_deref()), Ok(scope));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (read_findings(&text), read_ids(&text), read_scope(Some(&text)));
        }
    }
}
