//! Package URLs (<https://github.com/package-url/purl-spec>), and what they say to a matcher: which
//! ecosystem's package in which version.

use thiserror::Error;

use crate::observed::Software;
use crate::package::{Architecture, InstalledPackage, PackageName, PackageVersion, Version};
use crate::platform::{Ecosystem, Platform, Repository};

/// The longest package URL that is read, in bytes.
pub const PURL_BYTES_MAX: usize = 4_096;

/// The longest part of a refused package URL that an [`InvalidPurl`] repeats, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// The name that OSV has for what a Go program holds of Go itself.
const GO_STDLIB: &str = "stdlib";

/// Text that is no package URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{purl}` is no package URL: {why}")]
pub struct InvalidPurl {
    /// The text, with control characters escaped, cut after some 120 characters.
    pub purl: String,
    /// Which rule it breaks.
    pub why: &'static str,
}

/// A package URL, taken apart and percent-decoded. Qualifiers and subpath are passed over: they say
/// where a package came from and which file of it is meant, not which package it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageUrl {
    /// The type, lower-case: `golang`, `npm`...
    pub kind: String,
    /// The namespace, its parts joined by `/`; empty where there is none.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The version; empty where there is none.
    pub version: String,
}

impl PackageUrl {
    /// Takes a package URL apart, from the right as the specification has it.
    ///
    /// # Errors
    /// [`InvalidPurl`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidPurl> {
        let fail = |why| InvalidPurl {
            purl: text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect(),
            why,
        };
        if text.len() > PURL_BYTES_MAX {
            return Err(fail("it is longer than 4096 bytes"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| fail("it does not start with `pkg:`"))?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(fail("it does not start with `pkg:`"));
        }
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest).trim_matches('/');
        let (kind, path) = rest.split_once('/').ok_or_else(|| fail("it has no name"))?;
        if !is_kind(kind) {
            return Err(fail("its type is none"));
        }
        let name_at = path.rfind('/').map_or(0, |at| at + 1);
        // An `@` of a scope, written without its percent sign, is no version's: it starts a part.
        let version_at = path[name_at..].rfind('@').map(|at| at + name_at).filter(|at| *at > name_at);
        let (path, version) = version_at.map_or((path, ""), |at| (&path[..at], &path[at + 1..]));
        let decode = |part: &str| decode(part).ok_or_else(|| fail("its percent-encoding is broken"));
        let mut parts = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            parts.push(decode(part)?);
        }
        let name = parts.pop().filter(|name| !name.is_empty()).ok_or_else(|| fail("it has no name"))?;
        Ok(Self {
            kind: kind.to_ascii_lowercase(),
            namespace: parts.join("/"),
            name,
            version: decode(version)?,
        })
    }

    /// Returns the ecosystem of a type that advisories of ours speak of.
    pub fn ecosystem(&self) -> Option<Ecosystem> {
        match self.kind.as_str() {
            "cargo" => Some(Ecosystem::CratesIo),
            "golang" => Some(Ecosystem::Go),
            "maven" => Some(Ecosystem::Maven),
            "npm" => Some(Ecosystem::Npm),
            "pypi" => Some(Ecosystem::PyPi),
            _ => None,
        }
    }

    /// Returns the package's name as its ecosystem's advisories write it; `None` of other types and
    /// where a part is missing (a Maven artifact without a group).
    pub fn package_name(&self) -> Option<PackageName> {
        let ecosystem = self.ecosystem()?;
        let written = match ecosystem {
            Ecosystem::Maven if self.namespace.is_empty() => return None,
            Ecosystem::Maven => format!("{}:{}", self.namespace, self.name),
            Ecosystem::Go | Ecosystem::Npm if !self.namespace.is_empty() => {
                format!("{}/{}", self.namespace, self.name)
            }
            _ => self.name.clone(),
        };
        Some(ecosystem.package_name(&written))
    }
}

impl Ecosystem {
    /// Brings a package's name into the one spelling that both sides of a match have: Python's is
    /// lower-case with single `-` (PEP 503), Go's own parts are `stdlib`; all others stay as they are.
    pub fn package_name(self, written: &str) -> PackageName {
        match self {
            Self::PyPi => {
                let parts = written.split(['-', '_', '.']).filter(|part| !part.is_empty());
                PackageName::new(parts.collect::<Vec<_>>().join("-").to_ascii_lowercase())
            }
            Self::Go if written == "std" => PackageName::new(GO_STDLIB),
            _ => PackageName::new(written),
        }
    }
}

impl PackageVersion {
    /// Returns what a piece of software is to a matcher. `None` where it has no package URL, one that
    /// cannot be read, or one of a type that no advisories of ours speak of. Its version may be empty
    /// (a program built from a working copy): whatever is asked about it then is unknown.
    pub fn from_software(software: &Software) -> Option<Self> {
        let purl = PackageUrl::parse(&software.purl).ok()?;
        let ecosystem = purl.ecosystem()?;
        let mut name = purl.package_name()?;
        // Package URLs of Go are lower-case; module paths are not, and whoever found it knows the path.
        if ecosystem == Ecosystem::Go && software.name.eq_ignore_ascii_case(name.as_str()) {
            name = PackageName::new(software.name.as_str());
        }
        let version = if purl.version.is_empty() { &software.version } else { &purl.version };
        let version = match ecosystem {
            Ecosystem::Go if name.as_str() == GO_STDLIB => Version::new(go_release(version)),
            Ecosystem::Go => Version::new(version.strip_prefix('v').unwrap_or(version)),
            _ => Version::new(version.as_str()),
        };
        let package = InstalledPackage {
            source: name.clone(),
            source_version: version.clone(),
            name,
            version,
            architecture: Architecture::new(""),
            repository: Repository::new(""),
        };
        Some(Self { platform: Platform::of_language(ecosystem), package })
    }
}

/// Writes a release of Go as its advisories do: `go1.22` is `1.22.0`, `go1.22rc1` is `1.22.0-rc.1`. What
/// has another form stays as it is.
fn go_release(text: &str) -> String {
    let text = text.split_whitespace().next().unwrap_or_default();
    let text = text.strip_prefix("go").or_else(|| text.strip_prefix('v')).unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let Some((major, rest)) = text.split_once('.') else { return text.to_owned() };
    let (minor, rest) = rest.split_at(digits(rest));
    if major.is_empty() || digits(major) != major.len() || minor.is_empty() {
        return text.to_owned();
    }
    let word = rest.trim_end_matches(|it: char| it.is_ascii_digit());
    match (word, &rest[word.len()..]) {
        ("", "") => format!("{major}.{minor}.0"),
        ("rc" | "beta", number) if !number.is_empty() => format!("{major}.{minor}.0-{word}.{number}"),
        _ => text.to_owned(),
    }
}

fn is_kind(kind: &str) -> bool {
    kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
}

/// Undoes percent-encoding; `None` where it is broken or gives no text.
fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        bytes.push(digit(high)? * 16 + digit(low)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observed::SoftwareKind;

    fn software(kind: SoftwareKind, name: &str, version: &str, purl: &str) -> Software {
        let [name, version, purl, path] = [name, version, purl, "/opt/x"].map(str::to_owned);
        Software { kind, name, version, purl, path }
    }

    #[test]
    fn package_urls_are_taken_apart() {
        let check = |text: &str, expected: &str| {
            let shown = match PackageUrl::parse(text) {
                Ok(it) => format!("{} {} {} {}", it.kind, it.namespace, it.name, it.version),
                Err(error) => error.why.to_owned(),
            };
            assert_eq!(shown, expected, "{text}");
        };
        // Examples of the specification.
        check("pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie", "deb debian curl 7.50.3-1");
        check(
            "pkg:golang/google.golang.org/genproto#googleapis/api/annotations",
            "golang google.golang.org genproto ",
        );
        check(
            "pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1?packaging=sources",
            "maven org.apache.xmlgraphics batik-anim 1.9.1",
        );
        check("pkg:npm/%40angular/animation@12.3.1", "npm @angular animation 12.3.1");
        check("pkg:npm/foobar@12.3.1", "npm  foobar 12.3.1");
        check("pkg:GEM/jruby-launcher@1.1.2?Platform=java", "gem  jruby-launcher 1.1.2");
        // What is met in the wild.
        check("pkg:npm/@angular/core", "npm @angular core ");
        check("pkg:npm/@angular/core@1.0.0", "npm @angular core 1.0.0");
        check("pkg://pypi/django@1.11.1", "pypi  django 1.11.1");
        check("pkg:golang/a/b@v2.0.0%2Bincompatible", "golang a b v2.0.0+incompatible");
        check("PKG:cargo//serde/", "cargo  serde ");
        for bad in ["", "cargo/serde", "http://x/y"] {
            check(bad, "it does not start with `pkg:`");
        }
        for bad in ["pkg:", "pkg:cargo", "pkg:cargo/", "pkg:cargo/?x=y", "pkg:/"] {
            check(bad, "it has no name");
        }
        check("pkg:c*/x", "its type is none");
        check("pkg:cargo/a%", "its percent-encoding is broken");
        check("pkg:cargo/a%zz", "its percent-encoding is broken");
        check("pkg:cargo/a%ff", "its percent-encoding is broken");
        check(&format!("pkg:cargo/{}", "x".repeat(PURL_BYTES_MAX)), "it is longer than 4096 bytes");
    }

    #[test]
    fn software_becomes_what_advisories_speak_of() {
        use SoftwareKind as Kind;
        let check = |kind, name: &str, version: &str, purl: &str, expected: &str| {
            let found = PackageVersion::from_software(&software(kind, name, version, purl));
            let shown = found.map(|it| format!("{} {} {}", it.platform, it.package.name, it.package.version));
            assert_eq!(shown.as_deref().unwrap_or_default(), expected, "{purl}");
        };
        let toml = "github.com/BurntSushi/toml";
        check(
            Kind::Go,
            toml,
            "v1.4.0",
            "pkg:golang/github.com/burntsushi/toml@v1.4.0",
            "go github.com/BurntSushi/toml 1.4.0",
        );
        check(
            Kind::Sbom,
            "toml",
            "",
            "pkg:golang/github.com/BurntSushi/toml@v1.4.0",
            "go github.com/BurntSushi/toml 1.4.0",
        );
        check(
            Kind::Go,
            "a/b",
            "v2.0.0+incompatible",
            "pkg:golang/a/b@v2.0.0%2Bincompatible",
            "go a/b 2.0.0+incompatible",
        );
        check(Kind::Go, "acme.org/shop", "", "pkg:golang/acme.org/shop", "go acme.org/shop ");
        check(Kind::Go, "stdlib", "1.22.1", "pkg:golang/stdlib@1.22.1", "go stdlib 1.22.1");
        check(Kind::Go, "stdlib", "1.20", "pkg:golang/stdlib@1.20", "go stdlib 1.20.0");
        check(Kind::Go, "stdlib", "1.22rc1", "pkg:golang/stdlib@1.22rc1", "go stdlib 1.22.0-rc.1");
        check(Kind::Sbom, "std", "", "pkg:golang/std@go1.22.1", "go stdlib 1.22.1");
        check(Kind::Sbom, "stdlib", "", "pkg:golang/stdlib@go1.22.1%20X%3Aboringcrypto", "go stdlib 1.22.1");
        check(Kind::Sbom, "stdlib", "", "pkg:golang/stdlib@devel", "go stdlib devel");
        check(Kind::Rust, "serde_json", "1.0.1", "pkg:cargo/serde_json@1.0.1", "crates.io serde_json 1.0.1");
        check(
            Kind::Python,
            "Zope.Interface_x",
            "1",
            "pkg:pypi/zope.interface-x@1",
            "pypi zope-interface-x 1",
        );
        check(Kind::Npm, "@acme/shop", "1.0.0", "pkg:npm/%40acme/shop@1.0.0", "npm @acme/shop 1.0.0");
        check(Kind::Jar, "org.a:b", "1.0", "pkg:maven/org.a/b@1.0?type=jar", "maven org.a:b 1.0");
        check(Kind::Sbom, "b", "2.0", "pkg:maven/org.a/b", "maven org.a:b 2.0");
        check(Kind::Sbom, "b", "2.0", "pkg:maven/b@2.0", "");
        check(Kind::Sbom, "curl", "1", "pkg:deb/debian/curl@1", "");
        check(Kind::Jar, "commons-io", "2.11.0", "", "");
        check(Kind::Command, "shop", "1.0", "", "");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>(), tail in "[a-z@/%?#.0-9A-F:-]{0,40}", name in "[ -~]{0,20}") {
            for purl in [text, format!("pkg:{tail}"), format!("pkg:golang/stdlib@{tail}"), format!("pkg:pypi/{name}")] {
                drop(PackageUrl::parse(&purl));
                drop(PackageVersion::from_software(&software(SoftwareKind::Sbom, &name, &tail, &purl)));
            }
        }
    }
}
