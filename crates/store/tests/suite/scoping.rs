//! No read shows a row of a client that is not in the scope.

use std::collections::{BTreeMap, BTreeSet};

use model::HostKey;
use store::{ClientScope, HostGroup, HostSet, Store};

use crate::Place;
use crate::fleet::{at, collection, failure, host, inventory, only, record, service};

/// Everything that the scoped reads show, by host name or count.
async fn everything(store: &Store, scope: &ClientScope) -> BTreeMap<&'static str, BTreeSet<String>> {
    let all = store.hosts(&ClientScope::All).await.expect("read");
    let ids: Vec<_> = all.iter().map(|host| host.id).collect();
    let name_of =
        |id| all.iter().find(|host| host.id == id).map(|host| host.name.to_string()).expect("a host");
    let names = |hosts: Vec<store::HostRecord>| hosts.into_iter().map(|host| host.name.to_string()).collect();
    let mut shown = BTreeMap::new();
    shown.insert("hosts", names(store.hosts(scope).await.expect("read")));
    shown.insert("hosts_by_id", names(store.hosts_by_id(scope, &ids).await.expect("read")));
    let stale = store.hosts_not_scanned_since(scope, at(1000)).await.expect("read");
    shown.insert("hosts_not_scanned_since", names(stale));
    let versions = store.package_versions_in_use(&ClientScope::All, None).await.expect("read");
    let versions: Vec<_> = versions.into_iter().map(|(id, _)| id).collect();
    let with = store.hosts_with(scope, &versions, None).await.expect("read");
    shown.insert("hosts_with", HostSet::union_of(with.values()).iter().map(name_of).collect());
    let in_use = store.package_versions_in_use(scope, None).await.expect("read");
    let in_use = in_use.into_iter().map(|(_, it)| it.package.version.to_string());
    shown.insert("package_versions_in_use", in_use.collect());
    let keys = store.trusted_host_keys(scope).await.expect("read");
    shown.insert("trusted_host_keys", keys.into_keys().map(|host| host.to_string()).collect());
    for (name, moment) in [("packages_of", None), ("packages_of, then", Some(at(15)))] {
        let mut found = BTreeSet::new();
        for host in &all {
            if store.packages_of(scope, &host.name, moment).await.expect("read").is_some() {
                found.insert(host.name.to_string());
            }
        }
        shown.insert(name, found);
    }
    let all_ids: Vec<_> = all.iter().map(|host| host.id).collect();
    for (name, moment) in [("host_at", None), ("host_at, then", Some(at(15)))] {
        let mut found = BTreeSet::new();
        for host in &all {
            if store.host_at(scope, &host.name, moment).await.expect("read").is_some() {
                found.insert(host.name.to_string());
            }
        }
        shown.insert(name, found);
    }
    for (name, moment) in [("observed", None), ("observed, then", Some(at(15)))] {
        let found = store.observed(scope, &all_ids, &store::ItemKind::ALL, moment).await.expect("read");
        shown.insert(name, found.into_keys().map(name_of).collect());
    }
    for (name, hosts) in [("changes", None), ("changes of hosts", Some(all_ids.as_slice()))] {
        let query = store::ChangeQuery { since: at(0), until: at(1000), hosts };
        let found = store.changes(scope, &query).await.expect("read").changes;
        shown.insert(name, found.into_iter().map(|change| change.host.to_string()).collect());
    }
    let everyone =
        HostSet::union_of(store.hosts_with(&ClientScope::All, &versions, None).await.expect("read").values());
    for (name, moment) in [("host_page", None), ("host_page, then", Some(at(15)))] {
        let page = store.host_page(scope, &everyone, None, 100, moment).await.expect("read");
        shown.insert(name, page.into_iter().map(|line| line.name.to_string()).collect());
    }
    for (name, moment) in [("hosts_in", None), ("hosts_in, then", Some(at(15)))] {
        let group = HostGroup::Platform(model::Platform::parse("alpine:3.20").expect("a platform"));
        let members = store.hosts_in(scope, &group, moment).await.expect("read");
        shown.insert(name, members.iter().map(name_of).collect());
        let census = store.census(scope, moment).await.expect("read");
        let counted: usize = census.iter().map(|row| row.hosts).sum();
        assert_eq!(counted, members.len());
    }
    let then = store.hosts_with(scope, &versions, Some(at(15))).await.expect("read");
    shown.insert("hosts_with, then", HostSet::union_of(then.values()).iter().map(name_of).collect());
    let services = store.services_of(scope, &all_ids).await.expect("read");
    shown.insert("services_of", services.into_keys().map(name_of).collect());
    let software = store.software_of(scope, &all_ids, None).await.expect("read");
    shown.insert("software_of", software.into_keys().map(name_of).collect());
    let clients = store.clients(scope).await.expect("read");
    let of_client =
        |client: &model::ClientName| all.iter().filter(|host| host.client == *client).collect::<Vec<_>>();
    let of_clients = clients.iter().flat_map(|client| of_client(&client.name));
    shown.insert("clients", of_clients.map(|host| host.name.to_string()).collect());
    let counts = store.platforms(scope).await.expect("read");
    let total: u64 = counts.iter().map(|count| count.hosts).sum();
    shown.insert("platforms", (0..total).map(|n| n.to_string()).collect());
    shown
}

pub async fn no_read_shows_another_clients_rows(place: Place) {
    let store = place.open().await;
    let paths = ["acme/a1", "acme/a2", "zeta/z1", "zeta/z2", "zeta/z3"];
    let mut declared = inventory(&paths);
    declared.services = vec![
        service("shop", "acme", &["a1", "a2"]),
        service("wiki", "zeta", &["z1", "z2", "z3"]),
        // Another client's service on a host is no business of the host's client.
        service("spy", "zeta", &["a1"]),
    ];
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    let mut looks = Vec::new();
    for (path, version) in paths.iter().zip(["1", "1", "1", "1", "2"]) {
        let name = path.split_once('/').expect("client/host").1;
        let mut look = collection(name, 10, &["musl=1", &format!("curl={version}")]);
        look.observed = crate::observed::everything();
        looks.push(look);
        let key = HostKey::new(format!("ssh-ed25519 AAAA{name}"));
        store.trust_host_key(&host(name), &key, "SHA256:x", "eva", at(5)).await.expect("trusted");
    }
    record(&store, &looks).await;
    record(&store, &[failure("z1", 20)]).await;

    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let hosts_of_acme = set(&["a1", "a2"]);
    for (read, shown) in everything(&store, &only(&["acme"])).await {
        let expected = match read {
            "platforms" => set(&["0", "1"]),
            "package_versions_in_use" => set(&["1", "1.0.0"]),
            _ => hosts_of_acme.clone(),
        };
        assert_eq!(shown, expected, "{read}");
    }
    for (read, shown) in everything(&store, &only(&[])).await {
        assert_eq!(shown, set(&[]), "{read} for nobody");
    }
    for (read, shown) in everything(&store, &only(&["nobody"])).await {
        assert_eq!(shown, set(&[]), "{read} for an unknown client");
    }
    let hosts = store.hosts(&only(&["acme"])).await.expect("read");
    let services = store.services_of(&only(&["acme"]), &[hosts[0].id]).await.expect("read");
    let names: Vec<_> = services[&hosts[0].id].iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["shop"]);
    let both = everything(&store, &only(&["acme", "zeta"])).await;
    assert_eq!(both, everything(&store, &ClientScope::All).await);
    assert_eq!(both["hosts"].len(), 5);
}
