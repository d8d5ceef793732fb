//! What somebody asks: an id, a package, or everything that is exploited.

use model::VulnerabilityId;

use crate::error::Error;
use crate::packages::PackageSpec;

/// The longest id that is looked up, in bytes.
const ID_BYTES_MAX: usize = 128;

/// What ids of vulnerabilities and advisories begin with, before the first `-`, in upper case.
const ID_FAMILIES: [&str; 24] = [
    "ALAS", "ALPINE", "ALSA", "BIT", "CAN", "CVE", "DLA", "DSA", "DTSA", "ELSA", "FREEBSD", "GHSA", "GNUTLS",
    "GO", "GSD", "MAL", "OSV", "PYSEC", "RHSA", "RUSTSEC", "TEMP", "USN", "XSA", "ZDI",
];

/// The lengths of the parts of a VuXML vid, which is a UUID.
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhoQuery {
    /// Who is vulnerable to a vulnerability, or by an advisory.
    Id(VulnerabilityId),
    /// Who has a package, and what is said of it.
    Package(PackageSpec),
    /// Either: the id where an advisory has it, else the package.
    Either(VulnerabilityId, PackageSpec),
    /// Who has anything that CISA's catalogue calls exploited.
    Exploited,
}

impl WhoQuery {
    /// Reads an id (`CVE-2024-6387`, a vid) or a package (`openssl`, `openssl>=3.0,<3.0.15`,
    /// `alpine:openssl<3.1.4-r1`). What may be both (`linux-image-6.1`) is decided by what the feeds know.
    ///
    /// # Errors
    /// [`Error::VulnerabilityId`], [`Error::PackageSpec`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if is_of_known_family(text) || is_uuid(text) {
            if !has_form_of_id(text) || is_malformed_cve(text) {
                return Err(Error::VulnerabilityId { given: text.escape_default().to_string() });
            }
            return Ok(Self::Id(VulnerabilityId::new(text)));
        }
        let spec = PackageSpec::parse(text)?;
        if has_form_of_id(text) {
            return Ok(Self::Either(VulnerabilityId::new(text), spec));
        }
        Ok(Self::Package(spec))
    }
}

/// FreeBSD is a family (`FreeBSD-SA-24:04.openssh`) and a package (`FreeBSD`, `FreeBSD-kernel`).
fn is_of_known_family(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(family), Some(rest)) = (parts.next(), parts.next()) else { return false };
    let family = family.to_ascii_uppercase();
    match family.as_str() {
        "FREEBSD" => rest.eq_ignore_ascii_case("SA") || rest.eq_ignore_ascii_case("EN"),
        "GHSA" => parts.count() == 2,
        _ => ID_FAMILIES.contains(&family.as_str()) && begins_with_digit(rest),
    }
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

/// A CVE with a digit missing would be one that nobody speaks of.
fn is_malformed_cve(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [family, rest @ ..] if family.eq_ignore_ascii_case("CVE") => match rest {
            [year, number] => year.len() != 4 || number.len() < 4 || !is_number(year) || !is_number(number),
            _ => true,
        },
        _ => false,
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq(UUID_PARTS)
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn has_form_of_id(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    text.len() <= ID_BYTES_MAX
        && text.bytes().all(is_word)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.contains('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let word = match WhoQuery::parse(text) {
            Ok(WhoQuery::Id(id)) => format!("id {id}"),
            Ok(WhoQuery::Package(_)) => "package".to_owned(),
            Ok(WhoQuery::Either(id, _)) => format!("either {id}"),
            Ok(WhoQuery::Exploited) => "exploited".to_owned(),
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(word, expected, "{text}");
    }

    #[test]
    fn ids_are_told_from_packages() {
        check("CVE-2024-6387", "id CVE-2024-6387");
        check(" cve-2024-6387 ", "id cve-2024-6387");
        check("DSA-5724-1", "id DSA-5724-1");
        check("GHSA-jfh8-c2jp-5v3q", "id GHSA-jfh8-c2jp-5v3q");
        check("f1a00122-3797-11ef-b611-84a93843eb75", "id f1a00122-3797-11ef-b611-84a93843eb75");
        check("FreeBSD-SA-24:04.openssh", "id FreeBSD-SA-24:04.openssh");
        check("GO-2024-2611", "id GO-2024-2611");
        check("FreeBSD-kernel", "package");
        check("go-bindata", "package");
        check("openssh", "package");
        check("openssl<3.0.15", "package");
        check("openssl>=3.0,<3.0.15", "package");
        check("alpine:openssl<3.1.4-r1", "package");
        check("linux-image-6.1", "either linux-image-6.1");
        check("IFRIT-EXERCISE-2026-0001", "either IFRIT-EXERCISE-2026-0001");
        for bad in [
            "",
            "rm -rf",
            "CVE-2024-\u{1b}",
            "CVE-2024-6387;",
            "CVE-2024",
            "CVE-2024-",
            "CVE-2024-638",
            "cve-24-6387",
            "CVE-2024-6387-1",
            "<3",
            "openssl<",
        ] {
            check(bad, "refused");
        }
    }
}
