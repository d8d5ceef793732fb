//! Which hosts a word is about: those that have the fix and those that have not.

use std::collections::{BTreeMap, BTreeSet};

use advisory::Match;
use model::selector::Selector;
use model::{FindingState, Fix, HostName, PackageVersion, VulnerabilityId};
use store::{ClientScope, HostId};

use super::{VerifyFinding, VerifyHost};
use crate::deploy::FixError;
use crate::error::Error;
use crate::hosts;
use crate::matched::match_in_use;
use crate::session::Session;

/// Returns the hosts and jails that have a package of which these ids, or these names of packages, speak, in
/// the order of their names: vulnerable or fixed, by the last scan. Declared hosts that no scan has reached are
/// among them, without findings: nobody can tell, which must show.
///
/// # Errors
/// [`FixError::NothingToPatch`] where no scanned host has anything of the kind; [`Error::NoHost`]; [`Error::Store`].
pub async fn targets(
    session: &Session,
    words: &[String],
    selector: Option<&Selector>,
) -> Result<Vec<VerifyHost>, Error> {
    let scope = ClientScope::All;
    let everything = Selector::everything();
    let chosen = hosts::chosen(session, selector.unwrap_or(&everything)).await?;
    let is_unscanned = |host: &&store::HostRecord| host.parent.is_none() && host.os.is_none();
    let unscanned: Vec<HostName> = chosen.iter().filter(is_unscanned).map(|host| host.name.clone()).collect();
    let chosen: BTreeMap<HostId, HostName> = chosen.into_iter().map(|host| (host.id, host.name)).collect();
    let matched = match_in_use(&session.store, &scope, None, None).await?;
    let is_judged = |it: &Match| matches!(it.state, FindingState::Vulnerable | FindingState::Fixed);
    // Of a package everything is asked for that has a fix; what has none is no question but by its own name.
    let is_asked = |it: &&Match| {
        let by_id = words.iter().any(|word| it.is_about(&VulnerabilityId::new(word.as_str())));
        let by_name = it.fix != Fix::NotYet && is_of(words, &matched.versions[it.package]);
        is_judged(it) && (by_id || by_name)
    };
    let asked: Vec<&Match> = matched.matches.iter().filter(is_asked).collect();
    let versions: BTreeSet<_> = asked.iter().map(|it| matched.version_ids[it.package]).collect();
    let having = session.store.hosts_with(&scope, &versions.into_iter().collect::<Vec<_>>(), None).await?;
    let mut found: BTreeMap<HostName, BTreeSet<VerifyFinding>> = BTreeMap::new();
    for it in asked {
        let Some(hosts) = having.get(&matched.version_ids[it.package]) else { continue };
        for host in hosts.iter().filter_map(|id| chosen.get(&id)) {
            let package = matched.versions[it.package].package.name.clone();
            let finding = VerifyFinding { package, id: it.id.clone(), fix: it.fix.clone() };
            found.entry(host.clone()).or_default().insert(finding);
        }
    }
    if found.is_empty() {
        let words = words.join(", ").escape_default().to_string();
        let why = format!("no host here has, as far as it was scanned, a package of which {words} speaks");
        return Err(FixError::NothingToPatch { why }.into());
    }
    for host in unscanned {
        found.entry(host).or_default();
    }
    let host = |(host, findings): (HostName, BTreeSet<VerifyFinding>)| VerifyHost {
        host,
        findings: findings.into_iter().collect(),
    };
    Ok(found.into_iter().map(host).collect())
}

fn is_of(words: &[String], version: &PackageVersion) -> bool {
    let is_name =
        |word: &String| version.package.name.as_str() == word || version.package.source.as_str() == word;
    words.iter().any(is_name)
}
