//! The second, independent look: what a host's services say to somebody who connects from here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fleet::{Banner, banners};
use model::{Connection, Listener, Observed, PackageName, Rung, Transport, Verdict};
use plan::{BannerSeen, RungSeen, VerifyPackage, judge_banner};
use store::{ClientScope, DeclaredService, HostId, ItemKind};

use super::{Answered, Look};
use crate::error::Error;
use crate::exposure::{Used, is_reachable, services_using};
use crate::session::Session;

/// The sockets of one package that are connected to, on one host.
const PLACES_MAX: usize = 4;

/// Connects to the sockets that the packages' services had open at the last scan, and returns the rung
/// [`Rung::Network`] of every package of every host.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn look(
    session: &Session,
    looks: &[Look<'_>],
    answers: &[Answered],
) -> Result<Vec<Vec<RungSeen>>, Error> {
    let scope = ClientScope::All;
    let ids: Vec<HostId> = looks.iter().map(|look| look.record.id).collect();
    let observed = session.store.observed(&scope, &ids, &[ItemKind::Listener], None).await?;
    let declared = session.store.services_of(&scope, &ids).await?;
    let nothing = Observed::default();
    let mut wanted: BTreeSet<(String, u16)> = BTreeSet::new();
    let mut places = Vec::new();
    for look in looks {
        let observed = observed.get(&look.record.id).unwrap_or(&nothing);
        let declared = declared.get(&look.record.id).map(Vec::as_slice).unwrap_or_default();
        let of_host: Vec<_> =
            look.target.packages.iter().map(|it| of_package(look, it, declared, observed)).collect();
        wanted.extend(of_host.iter().flatten().filter_map(|place| place.address.clone()));
        places.push(of_host);
    }
    let wanted: Vec<(String, u16)> = wanted.into_iter().collect();
    let said: BTreeMap<(String, u16), Banner> = wanted.iter().cloned().zip(banners(&wanted).await).collect();
    let mut all = Vec::new();
    for ((look, answered), places) in looks.iter().zip(answers).zip(places) {
        let packages = look.target.packages.iter().zip(places);
        let rungs = packages.map(|(package, places)| {
            let seen: Vec<BannerSeen> = places.iter().map(|place| place.seen(&said)).collect();
            let installed = installed(answered, &package.name);
            judge_banner(look.ecosystem(), package, installed.as_deref(), &seen)
        });
        all.push(rungs.collect());
    }
    Ok(all)
}

/// A socket of a host.
struct Listening {
    shown: String,
    /// Where it is reached from here; `None` = it is not.
    address: Option<(String, u16)>,
}

impl Listening {
    fn seen(&self, said: &BTreeMap<(String, u16), Banner>) -> BannerSeen {
        let place = self.shown.clone();
        let nobody = |problem: &str| BannerSeen {
            place: place.clone(),
            said: Vec::new(),
            problem: Some(problem.to_owned()),
        };
        match self.address.as_ref().and_then(|address| said.get(address)) {
            Some(Banner::Said(said)) => BannerSeen { place, said: said.clone(), problem: None },
            Some(Banner::Refused) => nobody("nothing listens there any more"),
            Some(Banner::Unreachable(why)) => nobody(why),
            None => nobody("it cannot be reached from here without going through another host"),
        }
    }
}

/// Returns the sockets of what uses a package: TCP, and not of the host's own loopback.
fn of_package(
    look: &Look<'_>,
    package: &VerifyPackage,
    declared: &[DeclaredService],
    observed: &Observed,
) -> Vec<Listening> {
    let names: BTreeSet<&PackageName> = BTreeSet::from([&package.name]);
    let uses = services_using(&Used { names: &names, path: None }, declared, observed);
    let is_wanted = |listener: &&Listener| listener.transport == Transport::Tcp && is_reachable(listener);
    let listeners: BTreeSet<(IpAddr, u16)> = uses
        .iter()
        .flat_map(|it| it.listeners.iter().flatten())
        .filter(is_wanted)
        .map(|it| (it.address, it.port))
        .collect();
    let mut places: Vec<Listening> = Vec::new();
    for (address, port) in listeners {
        let address = reached(look, address).map(|address| (address, port));
        let shown = match &address {
            Some((address, port)) if address.contains(':') => format!("[{address}]:{port}"),
            Some((address, port)) => format!("{address}:{port}"),
            None => format!("port {port}"),
        };
        // `0.0.0.0:22` and `[::]:22` are one place seen from here.
        if places.iter().all(|place| place.shown != shown) && places.len() < PLACES_MAX {
            places.push(Listening { shown, address });
        }
    }
    places
}

/// Returns the name or address by which a socket of the host is reached from here.
fn reached(look: &Look<'_>, address: IpAddr) -> Option<String> {
    match &look.controller.connection {
        Connection::Local if address.is_unspecified() => Some("127.0.0.1".to_owned()),
        _ if !address.is_unspecified() => Some(address.to_string()),
        // A jail's own addresses are not the host's.
        _ if look.target.jail.is_some() => None,
        Connection::Ssh { address, .. } => Some(address.as_str().to_owned()),
        Connection::Local => None,
    }
}

/// Returns the installed version as the host has just said it.
fn installed(answered: &Answered, package: &PackageName) -> Option<String> {
    let version = answered.rungs.iter().find(|it| it.package == *package && it.rung == Rung::Version)?;
    if version.verdict == Verdict::Unknown {
        return None;
    }
    let said = std::str::from_utf8(&version.output).ok()?;
    let line = said.lines().find(|line| line.split(' ').next() == Some(package.as_str()))?;
    line.split(' ').nth(1).map(str::to_owned)
}
