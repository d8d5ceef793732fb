//! Which services of a host use a package, and where they listen.

use std::collections::BTreeSet;

use model::{Listener, Observed, PackageName, ServicePackage};
use store::DeclaredService;

/// A service that uses a package: declared, the host's own, or whatever listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceUse {
    /// Its declared name, else the host's own, else that of the process that listens.
    pub name: String,
    /// Whether it is declared, and then whether its failure is an emergency.
    pub declared: Option<Declared>,
    /// Its listening sockets; `None` = not known.
    pub listeners: Option<Vec<Listener>>,
}

/// What a declaration says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// Whether its failure is an emergency.
    pub is_critical: bool,
}

impl ServiceUse {
    /// Says whether others than the host itself may reach it.
    pub fn is_exposed(&self) -> bool {
        self.listeners.iter().flatten().any(is_reachable)
    }

    /// Says whether it is declared to be critical.
    pub fn is_critical(&self) -> bool {
        self.declared.is_some_and(|it| it.is_critical)
    }
}

/// Says whether a socket can be reached from outside of the host.
pub fn is_reachable(listener: &Listener) -> bool {
    !listener.address.is_loopback()
}

/// What uses have to do with.
pub(crate) struct Used<'a> {
    /// The names of the package, its source and its source's other packages.
    pub names: &'a BTreeSet<&'a PackageName>,
    /// The file that it was found in, for software outside packages.
    pub path: Option<&'a str>,
}

/// Returns the services of a host that use a package: those declared to, those of its name, and what
/// listens and is of the package or of its source. Sorted by name.
///
/// What a program merely links to is not told by this: a library's users are not among its own package.
pub(crate) fn services_using(
    used: &Used<'_>,
    declared: &[DeclaredService],
    observed: &Observed,
) -> Vec<ServiceUse> {
    let is_name = |name: &str| used.names.iter().any(|it| it.as_str() == name);
    let listeners: Vec<&Listener> = observed.listeners.iter().flatten().collect();
    let is_own = |listener: &Listener| match (&listener.package, &listener.process) {
        (Some(package), _) => is_name(package.as_str()),
        (None, Some(process)) => is_name(process),
        (None, None) => false,
    };
    let mut is_told = vec![false; listeners.len()];
    let mut uses = Vec::new();
    for service in declared.iter().filter(|service| is_declared_to_use(service, used)) {
        let mut its = Vec::new();
        for (listener, is_told) in listeners.iter().zip(&mut is_told) {
            if service.port == Some(listener.port) || service.port.is_none() && is_own(listener) {
                its.push((*listener).clone());
                *is_told = true;
            }
        }
        uses.push(ServiceUse {
            name: service.name.to_string(),
            declared: Some(Declared { is_critical: service.is_critical }),
            listeners: observed.listeners.is_some().then_some(its),
        });
    }
    for (listener, _) in listeners.iter().zip(&is_told).filter(|(it, is_told)| !**is_told && is_own(it)) {
        let name = listener.process.clone().or_else(|| Some(listener.package.as_ref()?.to_string()));
        add_listener(&mut uses, name.unwrap_or_default(), listener);
    }
    for service in observed.services.iter().flatten().filter(|service| is_name(&service.name)) {
        if service.is_running != Some(false) && uses.iter().all(|it| it.name != service.name) {
            let listeners = observed.listeners.is_some().then(Vec::new);
            uses.push(ServiceUse { name: service.name.clone(), declared: None, listeners });
        }
    }
    uses.sort();
    uses
}

fn is_declared_to_use(service: &DeclaredService, used: &Used<'_>) -> bool {
    if let Some(path) = used.path {
        return service.paths.iter().any(|folder| is_below(path, folder));
    }
    let is_name = |name: &str| used.names.iter().any(|it| it.as_str() == name);
    let package = match &service.package {
        Some(ServicePackage::Package(package)) => Some(package.as_str()),
        Some(ServicePackage::VersionCommand(_)) | None => None,
    };
    package.is_some_and(is_name) || is_name(service.name.as_str())
}

fn is_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn add_listener(uses: &mut Vec<ServiceUse>, name: String, listener: &Listener) {
    match uses.iter_mut().find(|it| it.declared.is_none() && it.name == name) {
        Some(known) => known.listeners.get_or_insert_default().push(listener.clone()),
        None => uses.push(ServiceUse { name, declared: None, listeners: Some(vec![listener.clone()]) }),
    }
}

#[cfg(test)]
mod tests {
    use model::{ClientName, ObservedService, ServiceManager, ServiceName, Transport};

    use super::*;

    fn declared(name: &str, port: Option<u16>, package: Option<&str>, paths: &[&str]) -> DeclaredService {
        DeclaredService {
            name: ServiceName::new(name).expect("a name"),
            client: ClientName::new("acme").expect("a name"),
            port,
            package: package.map(|name| ServicePackage::Package(PackageName::new(name))),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            owner: None,
            is_critical: true,
        }
    }

    fn listener(text: &str) -> Listener {
        let words: Vec<&str> = text.split(' ').collect();
        let [address, port, process, package] = words[..] else { panic!("{text}") };
        let given = |word: &str| (word != "-").then(|| word.to_owned());
        Listener {
            transport: Transport::Tcp,
            address: address.parse().expect("an address"),
            port: port.parse().expect("a port"),
            process: given(process),
            package: given(package).map(PackageName::new),
        }
    }

    #[track_caller]
    fn check(
        names: &[&str],
        path: Option<&str>,
        services: &[DeclaredService],
        ports: Option<&[&str]>,
        expected: &[&str],
    ) {
        let names: Vec<PackageName> = names.iter().map(|name| PackageName::new(*name)).collect();
        let observed = Observed {
            listeners: ports.map(|ports| ports.iter().map(|it| listener(it)).collect()),
            services: Some(vec![ObservedService {
                manager: ServiceManager::OpenRc,
                name: "unbound".to_owned(),
                is_enabled: Some(true),
                is_running: Some(true),
            }]),
            ..Observed::default()
        };
        let names: BTreeSet<&PackageName> = names.iter().collect();
        let uses = services_using(&Used { names: &names, path }, services, &observed);
        let shown = |it: &ServiceUse| {
            let ports: Option<Vec<_>> =
                it.listeners.as_ref().map(|all| all.iter().map(|it| it.port).collect());
            format!("{} {} {ports:?} {}", it.name, it.declared.is_some(), it.is_exposed())
        };
        assert_eq!(uses.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_listens_is_of_the_package_or_of_its_source() {
        let ssh = ["0.0.0.0 22 sshd openssh-server", "127.0.0.1 25 master postfix"];
        check(&["openssh-server", "openssh"], None, &[], Some(&ssh), &["sshd false Some([22]) true"]);
        check(&["postfix"], None, &[], Some(&ssh), &["master false Some([25]) false"]);
        check(&["musl"], None, &[], Some(&ssh), &[]);
        check(&["nginx"], None, &[], Some(&["0.0.0.0 80 nginx -"]), &["nginx false Some([80]) true"]);
        check(&["unbound"], None, &[], Some(&[]), &["unbound false Some([]) false"]);
        check(&["unbound"], None, &[], None, &["unbound false None false"]);
    }

    #[test]
    fn declared_services_come_with_their_ports() {
        let web = [declared("shop", Some(443), Some("nginx"), &[])];
        let ports = ["0.0.0.0 443 nginx nginx", "0.0.0.0 8080 nginx nginx"];
        let both = ["nginx false Some([8080]) true", "shop true Some([443]) true"];
        check(&["nginx"], None, &web, Some(&ports), &both);
        check(&["nginx"], None, &web, None, &["shop true None false"]);
        check(&["musl"], None, &web, Some(&ports), &[]);
        let app = [declared("app", Some(9000), None, &["/srv/app/"])];
        let ports = ["::1 9000 java -"];
        check(&["log4j-core"], Some("/srv/app/a.jar"), &app, Some(&ports), &["app true Some([9000]) false"]);
        check(&["log4j-core"], Some("/srv/application/a.jar"), &app, Some(&ports), &[]);
    }
}
