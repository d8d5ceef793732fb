//! Rung 6: what a service says of its version to somebody who connects.

use std::cmp::Ordering;

use model::{Ecosystem, Fix, Rung, Verdict};

use super::{Judged, RungSeen, VerifyPackage, told};

/// What a service said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BannerSeen {
    /// Where, as `192.0.2.1:22`.
    pub place: String,
    /// The bytes that it sent; empty = nothing.
    pub said: Vec<u8>,
    /// Why nobody could be asked.
    pub problem: Option<String>,
}

/// Judges what the services of a package said. `installed` is its installed version; a banner shows the
/// upstream part of it, some show the distribution's revision too.
///
/// A distribution mends old versions: where the fix is only in its revision and the banner does not show
/// that, both the vulnerable and the fixed one say the same, and this is unknown.
pub fn judge_banner(
    ecosystem: Ecosystem,
    package: &VerifyPackage,
    installed: Option<&str>,
    seen: &[BannerSeen],
) -> RungSeen {
    let mut output = Vec::new();
    for banner in seen {
        let problem = banner.problem.as_deref().unwrap_or_default();
        output.extend_from_slice(format!("= {} {problem}\n", banner.place).as_bytes());
        output.extend_from_slice(&banner.said);
        output.push(b'\n');
    }
    let judged = seen.iter().map(|banner| judge_one(ecosystem, package, installed, banner));
    // One that shows the old version outweighs all others; one that shows nothing outweighs none that does.
    let weight = |it: &Judged| match it.verdict {
        Verdict::Failed => 3,
        Verdict::Passed => 2,
        Verdict::Unknown => 1,
        Verdict::NotApplicable => 0,
    };
    let none =
        || Judged::new(Verdict::NotApplicable, "nothing of it listens where it can be reached from here");
    told(package, Rung::Network, judged.max_by_key(weight).unwrap_or_else(none), &output)
}

fn judge_one(
    ecosystem: Ecosystem,
    package: &VerifyPackage,
    installed: Option<&str>,
    banner: &BannerSeen,
) -> Judged {
    let place = &banner.place;
    if let Some(problem) = &banner.problem {
        return Judged::new(Verdict::Unknown, format!("{place}: {problem}"));
    }
    let Some(installed) = installed else {
        return Judged::new(
            Verdict::Unknown,
            format!("{place} answers, but which version is installed is not known"),
        );
    };
    let text = of_itself(&String::from_utf8_lossy(&banner.said));
    let (upstream, revision) = parts(ecosystem, installed);
    if let Some(revision) = revision.filter(|it| it.len() > 2 && has_word(&text, it))
        && has_version(&text, upstream)
    {
        return Judged::new(
            Verdict::Passed,
            format!("{place} says {upstream} with revision {revision}, as installed"),
        );
    }
    let Some(shown) = shown_version(&text, package.name.as_str()) else {
        return Judged::new(Verdict::Unknown, format!("{place} answers and does not say its version"));
    };
    let scheme = ecosystem.version_scheme();
    for (_, fix) in &package.fixes {
        let (fixed, is_after) = match fix {
            Fix::In(version) => (version.as_str(), false),
            Fix::After(version) => (version.as_str(), true),
            Fix::NotYet | Fix::NotNeeded => continue,
        };
        let (fixed_upstream, fixed_revision) = parts(ecosystem, fixed);
        let order = scheme.compare(&shown, fixed_upstream);
        let is_first = fixed_revision.is_none_or(|it| ["0", "1", "r0"].contains(&it));
        match order {
            Ok(Ordering::Greater) => {}
            Ok(Ordering::Equal) if is_first && !is_after => {}
            Ok(Ordering::Equal) => {
                let why = format!("{place} says {shown}, which the version without the fix says too");
                return Judged::new(Verdict::Unknown, why);
            }
            Ok(Ordering::Less) => {
                return Judged::new(Verdict::Failed, format!("{place} says {shown}, the fix is in {fixed}"));
            }
            Err(_) => {
                return Judged::new(
                    Verdict::Unknown,
                    format!("{place} says {shown}, which cannot be compared"),
                );
            }
        }
    }
    Judged::new(Verdict::Passed, format!("{place} says {shown}, which has the fix"))
}

/// Splits a version into what upstream calls it and the distribution's revision.
fn parts(ecosystem: Ecosystem, version: &str) -> (&str, Option<&str>) {
    match ecosystem {
        Ecosystem::Debian => {
            let version = version.split_once(':').map_or(version, |(_, rest)| rest);
            let (upstream, revision) = match version.rsplit_once('-') {
                Some((upstream, revision)) => (upstream, Some(revision)),
                None => (version, None),
            };
            let upstream = upstream.split(['+', '~']).next().unwrap_or(upstream);
            (upstream, revision)
        }
        Ecosystem::Alpine => match version.rsplit_once("-r") {
            Some((upstream, _)) => (upstream, version.rsplit_once('-').map(|(_, revision)| revision)),
            None => (version, None),
        },
        Ecosystem::FreeBsd => {
            let version = version.split(',').next().unwrap_or(version);
            match version.split_once('_') {
                Some((upstream, revision)) => (upstream, Some(revision)),
                None => (version, None),
            }
        }
        _ => (version, None),
    }
}

/// Returns the part of a banner in which a service speaks of itself: what follows SSH's protocol version, the
/// `Server` header of HTTP, else the first line.
fn of_itself(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("SSH-").and_then(|rest| rest.split_once('-')) {
        return rest.1.lines().next().unwrap_or_default().to_owned();
    }
    if text.starts_with("HTTP/") {
        let server = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("server").then(|| value.trim().to_owned())
        };
        return text.lines().find_map(server).unwrap_or_default();
    }
    text.lines().next().unwrap_or_default().to_owned()
}

/// Finds the version that stands behind the name of the product: `nginx/1.26.2`, `OpenSSH_9.2p1`, `Exim 4.96`.
/// The product is what the package's name begins with; another product's version says nothing of this one.
fn shown_version(text: &str, package: &str) -> Option<String> {
    let product: String = package.chars().take_while(char::is_ascii_alphabetic).collect();
    let product = product.to_ascii_lowercase();
    if product.len() < 3 {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let mut versions = lower.match_indices(&product).filter_map(|(at, name)| {
        let rest = text.get(at + name.len()..)?;
        let rest = rest.strip_prefix(['/', '_', ' ', '-'])?;
        let is_of_version = |char: &char| char.is_ascii_alphanumeric() || *char == '.';
        let version: String = rest.chars().take_while(is_of_version).collect();
        let version = version.trim_end_matches('.').to_owned();
        (version.starts_with(|first: char| first.is_ascii_digit()) && version.contains('.'))
            .then_some(version)
    });
    versions.next()
}

/// Says whether a text holds a version as a whole: `1.2` is not in `1.24` or `11.2`.
fn has_version(text: &str, version: &str) -> bool {
    let is_of_number = |char: char| char.is_ascii_digit() || char == '.';
    !version.is_empty()
        && text.match_indices(version).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let mut after = text[at + version.len()..].chars();
            let next = after.next();
            let ends = match next {
                // A full stop may end the sentence.
                Some('.') => !after.next().is_some_and(|char| char.is_ascii_digit()),
                Some(char) => !char.is_ascii_alphanumeric(),
                None => true,
            };
            !before.is_some_and(is_of_number) && ends
        })
}

fn has_word(text: &str, word: &str) -> bool {
    let is_of_word = |char: char| char.is_ascii_alphanumeric() || "+~.".contains(char);
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}
