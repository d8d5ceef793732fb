//! The ids in the free text that vendors write them in.

use model::VulnerabilityId;

/// The most ids that one advisory is known by; the most that a VuXML entry has had is 89.
const ADVISORY_IDS_MAX: usize = 2_000;

/// Adds an id unless it is empty, known, or one too many.
pub(crate) fn push_id(ids: &mut Vec<VulnerabilityId>, id: VulnerabilityId) {
    let is_new = !ids.iter().any(|known| known.same(&id));
    if is_new && !id.as_str().is_empty() && ids.len() < ADVISORY_IDS_MAX {
        ids.push(id);
    }
}

/// The ids of one string, which are names of one thing, and what is said in parentheses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdLine {
    /// The ids; the first CVE comes first, the others stay in order.
    pub ids: Vec<VulnerabilityId>,
    /// The text in parentheses.
    pub note: Option<String>,
}

/// Reads a string such as `CVE-2020-29568 XSA-349`, `CVE-2026-1, GHSA-..`, `CVE-1 (+ regression fix)`.
/// `None` if it holds no id. Placeholders (`CVE-2022-?????`, `CVE N/A`) are none.
///
/// Misspellings seen in the wild are read as what they mean: `CVE 2025-48379`, `CVE_2019-2426`. A CVE
/// with something behind it (`CVE-2017-17434-1`, `CVE-2021-35940.patch`) gives the CVE and the whole.
pub(crate) fn parse_id_line(line: &str) -> Option<IdLine> {
    let (text, note) = split_note(line);
    let mut ids: Vec<VulnerabilityId> = Vec::new();
    let mut add = |id: &str| push_id(&mut ids, VulnerabilityId::new(id));
    let mut was_bare_cve = false;
    for token in text.split(|c: char| c.is_whitespace() || ",;/".contains(c)).filter(|it| !it.is_empty()) {
        if was_bare_cve && token.starts_with(|c: char| c.is_ascii_digit()) {
            add(&format!("CVE-{token}"));
        } else if let Some(token) = normalise(token) {
            if let Some(cve) = leading_cve(&token) {
                add(cve);
            }
            add(&token);
        }
        was_bare_cve = token.eq_ignore_ascii_case("CVE");
    }
    let cve = ids.iter().position(VulnerabilityId::is_cve).unwrap_or(0);
    ids.get_mut(..=cve)?.rotate_right(1);
    Some(IdLine { ids, note })
}

/// Splits `text (note)`; an unclosed parenthesis is a note to the end.
fn split_note(line: &str) -> (String, Option<String>) {
    let Some((before, rest)) = line.split_once('(') else { return (line.to_owned(), None) };
    let (note, after) = rest.rsplit_once(')').unwrap_or((rest, ""));
    let note = note.trim();
    (format!("{before} {after}"), (!note.is_empty()).then(|| note.to_owned()))
}

/// Returns the token in its issuer's spelling if it can be an id: it starts with a letter, has a digit
/// (or is a GHSA id, which may have none) and no placeholder.
fn normalise(token: &str) -> Option<String> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    let is_id = token.starts_with(|c: char| c.is_ascii_alphabetic())
        && (token.starts_with("GHSA-") || token.bytes().any(|byte| byte.is_ascii_digit()));
    if !is_plain || !is_id || token.contains("XXX") || token.contains('?') {
        return None;
    }
    match token.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CVE-") || prefix.eq_ignore_ascii_case("CVE_") => {
            Some(format!("CVE-{}", &token[4..]))
        }
        _ => Some(token.to_owned()),
    }
}

/// Returns the `CVE-YYYY-NNNN` that a longer token starts with.
fn leading_cve(token: &str) -> Option<&str> {
    let rest = token.strip_prefix("CVE-")?;
    let (year, number) = rest.split_once('-')?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let is_cve = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && digits >= 4;
    is_cve.then(|| &token[.."CVE-YYYY-".len() + digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str, note: Option<&str>) {
        let parsed = parse_id_line(line);
        let ids = parsed
            .as_ref()
            .map(|it| it.ids.iter().map(VulnerabilityId::as_str).collect::<Vec<_>>().join(" "));
        assert_eq!(ids.unwrap_or_default(), expected, "{line}");
        assert_eq!(parsed.and_then(|it| it.note).as_deref(), note, "{line}");
    }

    #[test]
    fn ids_of_real_strings() {
        check("CVE-2018-12891  XSA-264", "CVE-2018-12891 XSA-264", None);
        check("GNUTLS-SA-2020-06-03 CVE-2020-13777", "CVE-2020-13777 GNUTLS-SA-2020-06-03", None);
        check("CVE-2019-17349 CVE-2019-17350 XSA-295", "CVE-2019-17349 CVE-2019-17350 XSA-295", None);
        check("CVE-2026-48785 / GHSA-cr2j-534f-mf3g", "CVE-2026-48785 GHSA-cr2j-534f-mf3g", None);
        check("ELEMENTSEC-2026-1071, GHSA-fp53-rw9v-hcf9", "ELEMENTSEC-2026-1071 GHSA-fp53-rw9v-hcf9", None);
        check("CVE-????-????? TS-2024-005", "TS-2024-005", None);
        check("CVE-2025-XXXXX VSV00016", "VSV00016", None);
        check("CVE N/A ZBX-11023", "ZBX-11023", None);
        check("CVE 2025-48379", "CVE-2025-48379", None);
        check("CVE_2019-2426", "CVE-2019-2426", None);
        check("cve-2019-2426", "CVE-2019-2426", None);
        check("CVE-2017-17434-1", "CVE-2017-17434 CVE-2017-17434-1", None);
        check("CVE-2021-35940.patch", "CVE-2021-35940 CVE-2021-35940.patch", None);
        check("CVE-46838", "CVE-46838", None);
        check("DW202402-001", "DW202402-001", None);
        check("CVE-2018-14466 (AFS/RX)", "CVE-2018-14466", Some("AFS/RX"));
        check("CVE-2017-2616 (+ regression fix)", "CVE-2017-2616", Some("+ regression fix"));
        check("CVE-2017-2616 (unclosed", "CVE-2017-2616", Some("unclosed"));
        for none in ["", "CVE-????-?????", "N/A", "(CVE-2020-1234)", ")(", "CVE"] {
            check(none, "", parse_id_line(none).and_then(|it| it.note).as_deref());
        }
    }
}
