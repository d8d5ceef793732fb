//! The severity word of a CVSS vector.

use cvss::Cvss;
use model::Severity;

/// The longest vector that is read, in bytes; one of CVSS 4.0 with every metric has some 250.
const VECTOR_BYTES_MAX: usize = 512;

/// The metrics that every vector of CVSS 3.x has (CVSS v3.1 specification, section 6).
const BASE_METRICS: [&str; 8] = ["/AV:", "/AC:", "/PR:", "/UI:", "/S:", "/C:", "/I:", "/A:"];

/// Scores a vector of CVSS 2.0, 3.0, 3.1 or 4.0 and returns the word of the rating scale. `None` where it
/// is no vector, or scores nothing at all.
pub(crate) fn of_vector(vector: &str) -> Option<Severity> {
    if vector.len() > VECTOR_BYTES_MAX {
        return None;
    }
    // The parser takes a vector of 3.x that lacks some of these, as if they were `N`.
    let is_whole = !vector.starts_with("CVSS:3") || BASE_METRICS.iter().all(|metric| vector.contains(metric));
    if !is_whole {
        return None;
    }
    match vector.trim().parse::<Cvss>().ok()?.severity() {
        cvss::Severity::None => None,
        cvss::Severity::Low => Some(Severity::Low),
        cvss::Severity::Medium => Some(Severity::Medium),
        cvss::Severity::High => Some(Severity::High),
        cvss::Severity::Critical => Some(Severity::Critical),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_have_words() {
        let check =
            |vector: &str, expected: Option<Severity>| assert_eq!(of_vector(vector), expected, "{vector}");
        // CVE-2021-44228, CVE-2023-39325 and CVE-2023-32681 as scored by GitHub.
        check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(Severity::Critical));
        check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", Some(Severity::High));
        check("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:N", Some(Severity::Medium));
        check("CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", Some(Severity::Low));
        check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", None);
        check("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some(Severity::Critical));
        check("CVSS:3.1/AV:N", None);
        check("7.5", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_vector_is_answered(
            version in "(CVSS:(2\\.0|3\\.0|3\\.1|4\\.0|5\\.0)/)?",
            metrics in prop::collection::vec("(AV|AC|Au|AT|PR|UI|S|C|I|A|VC|VI|VA|SC|SI|SA|E|RL|RC|MAV|CR|U|X):(N|L|H|M|C|P|A|R|U|X|ND|S)", 0..16),
            text in any::<String>(),
        ) {
            let vector = format!("{version}{}", metrics.join("/"));
            prop_assert!(of_vector(&vector).is_none() || !version.contains("5.0"), "{vector}");
            prop_assert!(of_vector(&text).is_none() || text.contains('/'));
        }

        #[test]
        fn cut_vectors_are_answered(cut in 0_usize..80, which in 0_usize..2) {
            let whole = [
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:A/CR:H/U:Red",
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:F/RL:O/RC:C/CR:H/MAV:N/MS:X",
            ][which];
            let is_whole = of_vector(whole.get(..cut).unwrap_or(whole)).is_some();
            prop_assert!(cut >= 40 || !is_whole, "the base metrics are mandatory");
        }
    }
}
