//! Which statements are about the repository that a package came from.

use model::{Affected, Ecosystem, PackageVersion, Release, ReleaseScope, Repository};

use crate::index::AdvisoryIndex;

/// The release and repository by whose advisories a package is judged.
///
/// A package usually comes from its host's release. apk can also pin one to a tagged repository
/// (`@edge`), and then the release's advisories are not about it: its version runs ahead, and a fix
/// version of `v3.20/main` says nothing about a build of edge. What `PackageVersion`'s repository says:
///
/// | repository | judged by |
/// |---|---|
/// | empty | the host's release, every repository |
/// | `main` | the host's release, that repository |
/// | `edge/main`, `v3.19/community` | that release, that repository |
/// | `@edge` | edge, every repository |
/// | any other tag, or a release without data | nothing: what the host's release says is shown as unknown |
pub(crate) struct Scope<'a> {
    release: Release,
    repository: Option<&'a str>,
    /// Why nothing can be judged.
    pub unknown: Option<String>,
}

impl<'a> Scope<'a> {
    /// Finds the scope of a package.
    pub fn of(index: &AdvisoryIndex, item: &'a PackageVersion) -> Self {
        let own = |repository| Self { release: item.platform.release.clone(), repository, unknown: None };
        let repository = item.package.repository.as_str();
        if item.platform.ecosystem != Ecosystem::Alpine || repository.is_empty() {
            return own(Some(repository).filter(|it| !it.is_empty()));
        }
        let (release, repository) = match (repository.strip_prefix('@'), repository.split_once('/')) {
            (Some("edge"), _) => ("edge", None),
            (Some(tag), _) => {
                let why = format!("it came from the tagged repository @{tag}, of which no feed speaks");
                return Self { unknown: Some(why), ..own(None) };
            }
            (None, Some((release, repository))) => {
                (release.strip_prefix('v').unwrap_or(release), Some(repository))
            }
            (None, None) => return own(Some(repository)),
        };
        let release = Release::new(release);
        if release == item.platform.release || index.covers_release(Ecosystem::Alpine, &release) {
            return Self { release, repository, unknown: None };
        }
        let why = format!("it came from {release}, of which no feed speaks");
        Self { unknown: Some(why), ..own(None) }
    }

    /// Says whether a statement is about the package's release and repository.
    pub fn admits(&self, affected: &Affected) -> bool {
        let is_release = match &affected.release {
            ReleaseScope::Any => true,
            ReleaseScope::Only(release) => *release == self.release,
        };
        let is_repository = match (&affected.repository, self.repository) {
            (Some(said), Some(known)) => said.as_str() == known,
            _ => true,
        };
        is_release && is_repository
    }
}

/// Writes a statement's place as its feed does: `v3.18/main`, `edge/community`.
pub(crate) fn shown(release: &Release, repository: &Repository) -> String {
    let v = if release.as_str().starts_with(|c: char| c.is_ascii_digit()) { "v" } else { "" };
    format!("{v}{release}/{repository}")
}
