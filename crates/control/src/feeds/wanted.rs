//! Which documents are fetched: what the settings say, for the releases that the hosts run.

use std::collections::BTreeSet;

use advisory::{Validators, Wanted, feed};
use model::{Ecosystem, FeedName};
use store::{ClientScope, DocumentRecord};

use crate::error::Error;
use crate::session::Session;
use crate::settings::Settings;

/// Returns every document of every enabled feed, ordered by feed, with the validators of those that are
/// kept.
pub(super) async fn wanted(session: &Session) -> Result<Vec<Wanted>, Error> {
    let settings = &session.workspace.settings;
    let mut releases: BTreeSet<String> =
        settings.feeds_alpine_releases().iter().map(|it| release(it)).collect();
    for host in session.store.hosts(&ClientScope::All).await? {
        let platform = host.platform.filter(|it| it.ecosystem == Ecosystem::Alpine);
        releases.extend(platform.map(|it| release(it.release.as_str())));
    }
    let known = session.store.feed_documents().await?;
    let mut enabled: Vec<&str> = settings.feeds_enabled().iter().map(String::as_str).collect();
    enabled.sort_unstable();
    enabled.dedup();
    let mut wanted = Vec::new();
    for name in enabled {
        let mut urls =
            urls(settings, name, &releases).ok_or_else(|| Error::FeedSetting { given: name.to_owned() })?;
        urls.sort();
        urls.dedup();
        wanted.extend(urls.into_iter().map(|url| with_validators(FeedName::new(name), url, &known)));
    }
    Ok(wanted)
}

/// Spells a release as secdb does: `v3.20`, `edge`.
fn release(name: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("v{name}") } else { name.to_owned() }
}

/// The URLs of a feed; `None` where there is no such feed.
fn urls(settings: &Settings, name: &str, alpine_releases: &BTreeSet<String>) -> Option<Vec<String>> {
    Some(match name {
        feed::ALPINE_SECDB => {
            let repositories = settings.feeds_alpine_repositories();
            let template = settings.feeds_alpine_secdb_url();
            let url = |release: &str, repository: &str| {
                template.replace("{release}", release).replace("{repository}", repository)
            };
            let of_release = |release| repositories.iter().map(move |repository| (release, repository));
            alpine_releases.iter().flat_map(of_release).map(|(release, it)| url(release, it)).collect()
        }
        feed::FREEBSD_VUXML => vec![settings.feeds_freebsd_vuxml_url().to_owned()],
        feed::DEBIAN_TRACKER => vec![settings.feeds_debian_tracker_url().to_owned()],
        feed::DEBIAN_DSA => settings.feeds_debian_list_urls().to_vec(),
        feed::OSV => settings.feeds_osv_urls().to_vec(),
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
