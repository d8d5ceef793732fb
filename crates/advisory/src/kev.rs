//! CISA's catalogue of known exploited vulnerabilities (KEV), JSON
//! (schema: cisa.gov, known_exploited_vulnerabilities_schema.json).

use std::collections::BTreeMap;

use model::{Code, ExploitedVulnerability, VulnerabilityId};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::snapshot::{Document, Parsed, feed};

/// The catalogue's word for a vulnerability that ransomware campaigns use.
const RANSOMWARE_KNOWN: &str = "Known";

/// Parses catalogues. Of entries with one CVE the last counts.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut exploited = BTreeMap::new();
    for document in documents {
        match serde_json::from_slice::<Catalogue>(&document.bytes) {
            Ok(catalogue) => parse_document(&document.label, catalogue, &mut exploited, &mut parsed),
            Err(error) => {
                let message = format!("not a KEV catalogue: {error}");
                parsed.problem(Code::FeedUnreadable, feed::CISA_KEV, &document.label, message);
            }
        }
    }
    parsed.exploited = exploited.into_values().collect();
    parsed
}

#[derive(Deserialize)]
struct Catalogue {
    vulnerabilities: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Good(Entry),
    Bad(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    cve_id: String,
    #[serde(default)]
    vulnerability_name: String,
    date_added: String,
    #[serde(default)]
    due_date: Option<String>,
    #[serde(default)]
    known_ransomware_campaign_use: Option<String>,
}

fn parse_document(
    label: &str,
    catalogue: Catalogue,
    exploited: &mut BTreeMap<String, ExploitedVulnerability>,
    parsed: &mut Parsed,
) {
    for (position, item) in catalogue.vulnerabilities.into_iter().enumerate() {
        let entry = match item {
            Item::Good(entry) => convert(entry),
            Item::Bad(_) => Err("expected at least cveID and dateAdded as text".to_owned()),
        };
        match entry {
            Ok(entry) => drop(exploited.insert(entry.id.as_str().to_ascii_uppercase(), entry)),
            Err(message) => {
                let part = format!("{label}, vulnerabilities[{position}]");
                parsed.problem(Code::FeedEntryInvalid, feed::CISA_KEV, part, message);
            }
        }
    }
}

fn convert(entry: Entry) -> Result<ExploitedVulnerability, String> {
    let id = VulnerabilityId::new(entry.cve_id.trim());
    if !id.is_cve() {
        return Err(format!("cveID is `{id}`, expected CVE-YYYY-NNNN"));
    }
    let added = entry.date_added.trim().parse();
    let added =
        added.map_err(|_| format!("dateAdded of {id} is `{}`, expected YYYY-MM-DD", entry.date_added))?;
    Ok(ExploitedVulnerability {
        id,
        name: entry.vulnerability_name,
        added,
        due: entry.due_date.and_then(|text| text.trim().parse().ok()),
        is_ransomware: entry.known_ransomware_campaign_use.as_deref() == Some(RANSOMWARE_KNOWN),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_one_by_one() {
        let text = r#"{"vulnerabilities":[
            {"cveID":"CVE-2021-44228","vulnerabilityName":"n","dateAdded":"2021-12-10","dueDate":"2021-12-24","knownRansomwareCampaignUse":"Known"},
            {"cveID":"CVE-2020-1","dateAdded":"2021-12-10","knownRansomwareCampaignUse":"Unknown"},
            {"cveID":"CVE-2020-2","dateAdded":"soon"}, {"cveID":"x","dateAdded":"2021-12-10"}, 7]}"#;
        let parsed = parse(&[Document { label: "kev.json".to_owned(), bytes: text.as_bytes().to_vec() }]);
        let shown: Vec<_> =
            parsed.exploited.iter().map(|it| (it.id.as_str(), it.due.is_some(), it.is_ransomware)).collect();
        assert_eq!(shown, [("CVE-2020-1", false, false), ("CVE-2021-44228", true, true)]);
        assert_eq!(parsed.problems.len(), 3, "{:?}", parsed.problems);
    }
}
