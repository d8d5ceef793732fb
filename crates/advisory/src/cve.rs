//! CVE ids in running text.

use memchr::memmem;
use model::VulnerabilityId;

/// The most digits of a CVE's number (CVE's JSON schema, `^CVE-[0-9]{4}-[0-9]{4,19}$`).
const NUMBER_DIGITS_MAX: usize = 19;

/// The most ids that are taken out of one text; a kernel's announcement has some hundreds.
const IDS_MAX: usize = 1_000;

/// Returns every CVE id that stands in a text as a word of its own, in upper case, in order, each once
/// per place. Only what is well-formed counts: `CVE-2024-12`, `CVE-24-1234` and `XCVE-2024-1234` do not.
pub(crate) fn cves_in(text: &str) -> Vec<VulnerabilityId> {
    let upper = text.to_ascii_uppercase();
    let bytes = upper.as_bytes();
    let found = memmem::find_iter(bytes, b"CVE-").filter_map(|start| {
        let is_word = start == 0 || !is_word_byte(bytes[start - 1]);
        let length = id_length(&bytes[start..]).filter(|_| is_word)?;
        Some(VulnerabilityId::new(&upper[start..start + length]))
    });
    found.take(IDS_MAX).collect()
}

/// The length of the id at the start of the text.
fn id_length(text: &[u8]) -> Option<usize> {
    let year = text.get("CVE-".len().."CVE-YYYY".len())?;
    let is_year = year.iter().all(u8::is_ascii_digit) && (year.starts_with(b"19") || year.starts_with(b"20"));
    if !is_year || text.get("CVE-YYYY".len()) != Some(&b'-') {
        return None;
    }
    let number = &text["CVE-YYYY-".len()..];
    let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_ended = number.get(digits).is_none_or(|byte| !is_word_byte(*byte));
    let is_number = (4..=NUMBER_DIGITS_MAX).contains(&digits) && is_ended;
    is_number.then_some("CVE-YYYY-".len() + digits)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let ids: Vec<_> = cves_in(text).into_iter().map(|id| id.to_string()).collect();
        assert_eq!(ids.join(" "), expected, "{text}");
    }

    #[test]
    fn ids_are_words_and_well_formed() {
        check("CVE-2024-6387", "CVE-2024-6387");
        check("[cve-2024-6387]: x, (CVE-2023-1234567).", "CVE-2024-6387 CVE-2023-1234567");
        check("https://x.example/CVE-2024-6387.html", "CVE-2024-6387");
        check("CVE-2024-1234/CVE-2024-5678", "CVE-2024-1234 CVE-2024-5678");
        for none in [
            "CVE-2024-123",
            "CVE-24-1234",
            "XCVE-2024-1234",
            "CVE-2024-1234x",
            "CVE-3024-1234",
            "CVE-2024-",
            "CVE-",
            "",
            "CVE-2024-12345678901234567890",
            "CVE–2024–1234",
            "éCVE-2024-1234",
        ] {
            check(none, "");
        }
    }
}
