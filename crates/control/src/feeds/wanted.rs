//! Which documents are fetched: what the settings say, for the releases that the hosts run.

use std::collections::BTreeSet;

use advisory::{Validators, Wanted, feed};
use model::{Ecosystem, FeedName, Platform};
use store::{ClientScope, DocumentRecord, HostGroup};

use crate::error::Error;
use crate::session::Session;
use crate::settings::Settings;

/// Returns every document of every enabled feed, ordered by feed, with the validators of those that are
/// kept.
pub(super) async fn wanted(session: &Session) -> Result<Vec<Wanted>, Error> {
    let settings = &session.workspace.settings;
    let platforms = platforms(session).await?;
    let known = session.store.feed_documents().await?;
    let mut enabled: Vec<&str> = settings.feeds_enabled().iter().map(String::as_str).collect();
    enabled.sort_unstable();
    enabled.dedup();
    let mut wanted = Vec::new();
    for name in enabled {
        let mut urls =
            urls(settings, name, &platforms).ok_or_else(|| Error::FeedSetting { given: name.to_owned() })?;
        urls.sort();
        urls.dedup();
        wanted.extend(urls.into_iter().map(|url| with_validators(FeedName::new(name), url, &known)));
    }
    Ok(wanted)
}

/// Returns what the hosts of all clients run and have: distributions with their releases, and the
/// languages of software outside of packages.
async fn platforms(session: &Session) -> Result<BTreeSet<Platform>, Error> {
    let used = session.store.package_versions_in_use(&ClientScope::All, None).await?;
    let mut platforms: BTreeSet<Platform> = used.into_iter().map(|(_, package)| package.platform).collect();
    for row in session.store.census(&ClientScope::All, None).await? {
        match row.group {
            HostGroup::Platform(platform) | HostGroup::PackagesUnknown(platform) => {
                platforms.insert(platform);
            }
            HostGroup::Unsupported { .. } | HostGroup::SystemUnknown | HostGroup::NeverScanned => {}
        }
    }
    Ok(platforms)
}

fn alpine_releases(settings: &Settings, platforms: &BTreeSet<Platform>) -> BTreeSet<String> {
    let run = platforms.iter().filter(|it| it.ecosystem == Ecosystem::Alpine).map(|it| it.release.as_str());
    run.chain(settings.feeds_alpine_releases().iter().map(String::as_str)).map(release).collect()
}

/// OSV's name of a language's ecosystem; a distribution's own feed says more than OSV does.
fn osv_name(ecosystem: Ecosystem) -> Option<&'static str> {
    match ecosystem {
        Ecosystem::CratesIo => Some("crates.io"),
        Ecosystem::Go => Some("Go"),
        Ecosystem::Maven => Some("Maven"),
        Ecosystem::Npm => Some("npm"),
        Ecosystem::PyPi => Some("PyPI"),
        Ecosystem::Alpine | Ecosystem::Debian | Ecosystem::FreeBsd => None,
    }
}

/// Spells a release as secdb does: `v3.20`, `edge`.
fn release(name: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("v{name}") } else { name.to_owned() }
}

/// The URLs of a feed; `None` where there is no such feed.
fn urls(settings: &Settings, name: &str, platforms: &BTreeSet<Platform>) -> Option<Vec<String>> {
    Some(match name {
        feed::ALPINE_SECDB => {
            let repositories = settings.feeds_alpine_repositories();
            let template = settings.feeds_alpine_secdb_url();
            let url = |release: &str, repository: &str| {
                template.replace("{release}", release).replace("{repository}", repository)
            };
            let releases = alpine_releases(settings, platforms);
            let of_release = |release| repositories.iter().map(move |repository| (release, repository));
            releases.iter().flat_map(of_release).map(|(release, it)| url(release, it)).collect()
        }
        feed::FREEBSD_VUXML => vec![settings.feeds_freebsd_vuxml_url().to_owned()],
        feed::DEBIAN_TRACKER => vec![settings.feeds_debian_tracker_url().to_owned()],
        feed::DEBIAN_DSA => settings.feeds_debian_list_urls().to_vec(),
        feed::OSV => {
            let found = platforms.iter().filter_map(|it| osv_name(it.ecosystem)).map(str::to_owned);
            let names = found.chain(settings.feeds_osv_ecosystems().iter().cloned());
            names.map(|name| settings.feeds_osv_url().replace("{ecosystem}", &name)).collect()
        }
        feed::CISA_KEV => vec![settings.feeds_kev_url().to_owned()],
        feed::EPSS => vec![settings.feeds_epss_url().to_owned()],
        feed::NEWS => settings.feeds_news_urls().to_vec(),
        _ => return None,
    })
}

fn with_validators(feed: FeedName, url: String, known: &[DocumentRecord]) -> Wanted {
    let record = known.iter().find(|it| it.feed == feed && it.label == url);
    let validators = record.map_or_else(Validators::default, |it| Validators {
        etag: it.etag.clone(),
        last_modified: it.last_modified.clone(),
    });
    Wanted { feed, url, validators }
}
