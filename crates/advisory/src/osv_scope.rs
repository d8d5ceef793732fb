//! Which of OSV's ecosystems are ours (osv-schema, "Defined ecosystems").

use model::{Ecosystem, Release, ReleaseScope};

/// What an ecosystem's name in a record means here.
pub(crate) enum Scope {
    /// One that is matched, and the releases that are spoken of.
    Ours(Ecosystem, ReleaseScope),
    /// A system of ours, in a form that no one has defined well enough to be matched exactly.
    Unmatched,
    /// Some other system.
    Other,
}

/// Reads `Alpine:v3.20`, `Debian:12`, `FreeBSD:ports`, `npm`, `Maven:https://repo.example.org`.
pub(crate) fn scope(ecosystem: &str) -> Scope {
    let (name, suffix) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let release = |text: &str| match text {
        "" => ReleaseScope::Any,
        _ => ReleaseScope::Only(Release::new(text)),
    };
    let language = |ecosystem| Scope::Ours(ecosystem, ReleaseScope::Any);
    match (name, suffix) {
        ("Alpine", _) => Scope::Ours(Ecosystem::Alpine, release(suffix.strip_prefix('v').unwrap_or(suffix))),
        ("Debian", "") => Scope::Ours(Ecosystem::Debian, ReleaseScope::Any),
        ("Debian", _) => Scope::Ours(Ecosystem::Debian, ReleaseScope::Only(Release::from_codename(suffix))),
        ("FreeBSD", "ports") => language(Ecosystem::FreeBsd),
        ("FreeBSD", _) => Scope::Unmatched,
        ("crates.io", "") => language(Ecosystem::CratesIo),
        ("Go", "") => language(Ecosystem::Go),
        // The suffix is the repository; an artifact found on a host does not say which it came from.
        ("Maven", _) => language(Ecosystem::Maven),
        ("npm", "") => language(Ecosystem::Npm),
        ("PyPI", "") => language(Ecosystem::PyPi),
        _ => Scope::Other,
    }
}
