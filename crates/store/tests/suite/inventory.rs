//! Declared hosts in the database.

use model::{Address, Connection, PackageName, PersonName, ServicePackage};
use store::{ClientScope, DeclaredService, InventoryChanges};

use crate::Place;
use crate::fleet::{at, collection, host, inventory, only, packages, record, service, who_has};

const ALL: ClientScope = ClientScope::All;

pub async fn hosts_are_added_retired_and_revived(place: Place) {
    let store = place.open().await;
    let changes = store.sync_inventory(&inventory(&["acme/b", "acme/a"]), None, at(0)).await.expect("synced");
    assert_eq!(changes, InventoryChanges { added: vec![host("a"), host("b")], ..Default::default() });
    record(&store, &[collection("a", 10, &["curl=1"]), collection("b", 10, &["curl=1"])]).await;

    let changes = store.sync_inventory(&inventory(&["acme/b"]), None, at(20)).await.expect("synced");
    assert_eq!(changes, InventoryChanges { retired: vec![host("a")], ..Default::default() });
    assert_eq!(store.check_postings().await.expect("checked"), []);
    assert_eq!(who_has(&store, &ClientScope::All, "curl").await, ["b"]);
    assert_eq!(packages(&store, "a", None).await, None);
    assert_eq!(packages(&store, "a", Some(15)).await, Some(vec!["curl=1".to_owned()]), "history stays");
    assert_eq!(packages(&store, "a", Some(20)).await, None);
    let report = record(&store, &[collection("a", 25, &["curl=1"])]).await;
    assert_eq!((report.recorded, report.undeclared), (0, vec![host("a")]));

    let changes =
        store.sync_inventory(&inventory(&["acme/a", "acme/b"]), None, at(30)).await.expect("synced");
    assert_eq!(changes, InventoryChanges { revived: vec![host("a")], ..Default::default() });
    let hosts = store.hosts(&ClientScope::All).await.expect("read");
    let revived = &hosts[0];
    assert_eq!((revived.name.as_str(), revived.package_count, revived.packages_at), ("a", None, None));
    assert_eq!(revived.answered_at, Some(at(10)), "when it last answered is still known");
    record(&store, &[collection("a", 40, &["curl=1"])]).await;
    assert_eq!(who_has(&store, &ClientScope::All, "curl").await, ["a", "b"]);
    assert_eq!(packages(&store, "a", Some(35)).await, None, "the gap stays a gap");
}

pub async fn a_host_that_moves_leaves_its_history(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=1"])]).await;
    let changes = store.sync_inventory(&inventory(&["zeta/a"]), None, at(20)).await.expect("synced");
    assert_eq!((changes.added, changes.retired), (vec![host("a")], vec![host("a")]));
    record(&store, &[collection("a", 30, &["curl=2"])]).await;

    let (acme, zeta) = (only(&["acme"]), only(&["zeta"]));
    let count = |scope, second: i64| {
        let (store, scope): (_, &ClientScope) = (&store, scope);
        async move {
            store.packages_of(scope, &host("a"), Some(at(second))).await.expect("read").map(|it| it.len())
        }
    };
    assert_eq!(count(&acme, 15).await, Some(1));
    assert_eq!(count(&acme, 35).await, None);
    assert_eq!(count(&zeta, 15).await, None);
    assert_eq!(count(&zeta, 35).await, Some(1));
    assert_eq!(who_has(&store, &acme, "curl").await, [""; 0]);
    assert_eq!(who_has(&store, &zeta, "curl").await, ["a"]);

    let changes = store.sync_inventory(&inventory(&["acme/a"]), None, at(40)).await.expect("synced");
    assert_eq!((changes.revived, changes.retired), (vec![host("a")], vec![host("a")]), "and back again");
    assert_eq!(store.hosts(&ClientScope::All).await.expect("read").len(), 1);
}

pub async fn the_same_inventory_changes_nothing(place: Place) {
    let store = place.open().await;
    let declared = inventory(&["acme/a", "acme/b"]);
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    let before = store.hosts(&ClientScope::All).await.expect("read");
    assert_eq!(
        store.sync_inventory(&declared, None, at(5)).await.expect("synced"),
        InventoryChanges::default()
    );
    assert_eq!(store.hosts(&ClientScope::All).await.expect("read"), before);
}

pub async fn an_address_may_change(place: Place) {
    let store = place.open().await;
    let mut declared = inventory(&["acme/a", "acme/b"]);
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    record(&store, &[collection("a", 10, &["curl=1"])]).await;
    let address = Address::new("192.0.2.7");
    declared.hosts[0].connection = Connection::Ssh { address, port: 22, user: None, host_keys: vec![] };
    declared.hosts[1].connection = Connection::Local;
    declared.clients[0].title = "Acme Ltd".to_owned();
    let changes = store.sync_inventory(&declared, None, at(20)).await.expect("synced");
    assert_eq!(changes, InventoryChanges { updated: vec![host("a"), host("b")], ..Default::default() });
    let hosts = store.hosts(&ClientScope::All).await.expect("read");
    assert_eq!(hosts[0].address, Some(Address::new("192.0.2.7")));
    assert_eq!(hosts[1].address, None);
    assert_eq!(hosts[0].package_count, Some(1), "it is still the same host");
}

pub async fn services_are_those_of_the_last_inventory(place: Place) {
    let store = place.open().await;
    let mut declared = inventory(&["acme/a", "acme/b"]);
    let mut shop = service("shop", "acme", &["a", "b"]);
    shop.port = Some(443);
    shop.package = Some(ServicePackage::Package(PackageName::new("nginx")));
    shop.paths = vec!["/opt/shop".to_owned()];
    shop.owner = Some(PersonName::new("eva").expect("a person's name"));
    shop.is_critical = true;
    let mut wiki = service("wiki", "acme", &["b"]);
    wiki.package = Some(ServicePackage::VersionCommand(vec!["wiki".to_owned(), "--version".to_owned()]));
    declared.services = vec![wiki, shop.clone()];
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    let hosts = store.hosts(&ALL).await.expect("read");
    let ids: Vec<_> = hosts.iter().map(|host| host.id).collect();
    let found = store.services_of(&ALL, &[ids[0], ids[1], ids[0]]).await.expect("read");
    let expected = DeclaredService {
        name: shop.name.clone(),
        client: shop.client.clone(),
        port: shop.port,
        package: shop.package.clone(),
        paths: shop.paths.clone(),
        owner: shop.owner.clone(),
        is_critical: true,
    };
    assert_eq!(found[&ids[0]], [expected]);
    assert_eq!(found[&ids[1]].iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["shop", "wiki"]);
    assert_eq!(found[&ids[1]][1].package, declared.services[0].package);
    declared.services[1].hosts = vec![host("b")];
    store.sync_inventory(&declared, None, at(1)).await.expect("synced");
    let found = store.services_of(&ALL, &ids).await.expect("read");
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [ids[1]]);
    store.sync_inventory(&inventory(&["acme/a"]), None, at(2)).await.expect("synced");
    assert!(store.services_of(&ALL, &ids).await.expect("read").is_empty());
}

pub async fn the_source_of_the_inventory_is_kept(place: Place) {
    let store = place.open().await;
    let declared = inventory(&["acme/a"]);
    let mut second = 0;
    let mut check = async |given: Option<[u8; 32]>| {
        second += 1;
        store.sync_inventory(&declared, given, at(second)).await.expect("synced");
        assert_eq!(store.inventory_source().await.expect("read"), given);
    };
    assert_eq!(store.inventory_source().await.expect("read"), None, "nothing was ever declared");
    check(Some([1; 32])).await;
    check(Some([1; 32])).await;
    // The same hosts from other files, and from something that has no hash.
    check(Some([2; 32])).await;
    check(None).await;
    check(Some([1; 32])).await;
}

pub async fn clients_are_known_for_good(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["zeta/z", "acme/a"]), None, at(0)).await.expect("synced");
    store.sync_inventory(&inventory(&["zeta/z"]), None, at(1)).await.expect("synced");
    let shown = store.clients(&ALL).await.expect("read");
    let shown: Vec<_> = shown.iter().map(|it| (it.name.as_str(), it.title.as_str())).collect();
    assert_eq!(shown, [("acme", "Client acme"), ("zeta", "Client zeta")]);
    for (name, is_known) in [("acme", true), ("zeta", true), ("acm", false), ("ACME", false)] {
        let name = model::ClientName::new(name).expect("a client's name");
        assert_eq!(store.has_client(&name).await.expect("read"), is_known, "{name}");
    }
}
