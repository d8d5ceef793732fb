//! The JSON that the bell keeps: lists of texts, and findings as lists
//! `["alpine", "openssh", "CVE-2024-6387", null, "high"]` (the shown id is null where it is the same).

use model::{Ecosystem, PackageName, Severity, VulnerabilityId};
use serde::{Deserialize, Serialize};

use super::AnnouncedFinding;

#[derive(Serialize, Deserialize)]
struct Row(String, String, String, Option<String>, Option<String>);

/// Writes findings.
pub(super) fn write_findings(findings: &[AnnouncedFinding]) -> String {
    let row = |it: &AnnouncedFinding| {
        let text = |text: &str| text.replace('\0', "\u{fffd}");
        Row(
            it.ecosystem.as_str().to_owned(),
            text(it.source.as_str()),
            text(it.vulnerability.as_str()),
            (it.shown != it.vulnerability).then(|| text(it.shown.as_str())),
            it.severity.map(|severity| severity.as_str().to_owned()),
        )
    };
    let rows: Vec<Row> = findings.iter().map(row).collect();
    serde_json::to_string(&rows).expect("invariant: lists of texts are JSON")
}

/// Reads what [`write_findings`] wrote.
pub(super) fn read_findings(text: &str) -> Result<Vec<AnnouncedFinding>, String> {
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    rows.into_iter().map(read_row).collect()
}

fn read_row(row: Row) -> Result<AnnouncedFinding, String> {
    let Row(ecosystem, source, vulnerability, shown, severity) = row;
    let severity =
        severity.map(|word| Severity::parse(&word).ok_or(format!("severity `{word}` is not known")));
    Ok(AnnouncedFinding {
        ecosystem: Ecosystem::parse(&ecosystem).ok_or(format!("ecosystem `{ecosystem}` is not known"))?,
        source: PackageName::new(source),
        shown: VulnerabilityId::new(shown.unwrap_or_else(|| vulnerability.clone())),
        vulnerability: VulnerabilityId::new(vulnerability),
        severity: severity.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn findings_come_back() {
        let finding = |vulnerability: &str, shown: &str, severity| AnnouncedFinding {
            ecosystem: Ecosystem::Alpine,
            source: PackageName::new("openssh"),
            vulnerability: VulnerabilityId::new(vulnerability),
            shown: VulnerabilityId::new(shown),
            severity,
        };
        let findings = [
            finding("CVE-2024-6387", "CVE-2024-6387", Some(Severity::Critical)),
            finding("CVE-2024-1", "DSA-1-1", None),
        ];
        let text = write_findings(&findings);
        assert_eq!(read_findings(&text), Ok(findings.to_vec()), "{text}");
        assert!(text.contains(r#"["alpine","openssh","CVE-2024-6387",null,"critical"]"#), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = read_findings(&text);
        }
    }
}
