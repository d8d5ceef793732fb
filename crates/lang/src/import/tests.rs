//! What every format promises: the text loads and declares what was read, whatever was read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use model::{Code, Connection, DataValue, Host, Level, Problem};
use proptest::prelude::*;

use super::*;
use crate::{WORKSPACE_FILE, Workspace, load};

type Reader = fn(&str, &ImportOptions) -> (Imported, Vec<Problem>);

const READERS: [(&str, Reader); 4] =
    [("csv", csv), ("ssh-config", ssh_config), ("ansible", ansible_inventory), ("netbox", netbox_json)];

fn options(path: &str) -> ImportOptions {
    ImportOptions { path: path.to_owned(), client: ClientName::new("acme").ok() }
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/import").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Loads the rendered text and fails unless it declares exactly the clients and hosts of the import.
fn check_loads(imported: &Imported) {
    let text = render(imported);
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join(WORKSPACE_FILE), "").expect("file");
    fs::create_dir(directory.path().join("inventory")).expect("directory");
    fs::write(directory.path().join("inventory/imported.star"), &text).expect("file");
    let (workspace, problems) = load(directory.path(), &[]);
    assert_eq!(problems, [], "\n{text}");
    let clients: BTreeSet<_> =
        workspace.inventory.clients.iter().map(|it| (it.name.as_str(), it.title.as_str())).collect();
    let wanted: BTreeSet<_> = imported
        .clients
        .iter()
        .map(|it| (it.name.as_str(), it.title.as_deref().unwrap_or(it.name.as_str())))
        .collect();
    assert_eq!(clients, wanted, "\n{text}");
    let found: BTreeSet<String> =
        workspace.inventory.hosts.iter().map(|host| declared(host, &workspace)).collect();
    let wanted: BTreeSet<String> = imported.hosts.iter().map(described).collect();
    assert_eq!(wanted.len(), imported.hosts.len(), "names are unique");
    assert_eq!(found, wanted, "\n{text}");
}

fn declared(host: &Host, workspace: &Workspace) -> String {
    let groups = workspace.inventory.groups.iter().filter(|it| it.hosts.contains(&host.name));
    let groups: Vec<_> = groups.map(|it| &it.name).collect();
    let text = |value: &DataValue| match value {
        DataValue::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let data: BTreeMap<_, _> = host.data.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    let Host { name, client, connection, os, site, tags, .. } = host;
    format!("{client} {name} {connection:?} {os:?} {site:?} {tags:?} {groups:?} {data:?}")
}

fn described(host: &ImportedHost) -> String {
    let connection = match host.connection.clone() {
        ImportedConnection::Local => Connection::Local,
        ImportedConnection::Ssh { address, user, port, host_keys } => {
            Connection::Ssh { address, port: port.unwrap_or(22), user, host_keys }
        }
    };
    let ImportedHost { name, client, os, site, data, .. } = host;
    let (tags, groups): (Vec<_>, Vec<_>) = (host.tags.iter().collect(), host.groups.iter().collect());
    format!("{client} {name} {connection:?} {os:?} {site:?} {tags:?} {groups:?} {data:?}")
}

fn codes(problems: &[Problem]) -> BTreeSet<&'static str> {
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

/// What is read of a text, one line for each host.
fn check(reader: Reader, text: &str, expected: &[&str]) -> Vec<Problem> {
    let (imported, problems) = reader(text, &options("x"));
    let hosts: Vec<String> = imported
        .hosts
        .iter()
        .map(|host| {
            let mut line = format!("{}/{}", host.client, host.name);
            match &host.connection {
                ImportedConnection::Local => line.push_str(" local"),
                ImportedConnection::Ssh { address, user, port, host_keys } => {
                    line.push_str(&format!(" {}", address));
                    line.extend(port.map(|port| format!(" port {port}")));
                    line.extend(user.as_ref().map(|user| format!(" as {user}")));
                    line.extend(host_keys.iter().map(|_| " key".to_owned()));
                }
            }
            line.extend(host.os.map(|os| format!(" {os}")));
            line.extend(host.tags.iter().map(|tag| format!(" #{tag}")));
            line.extend(host.groups.iter().map(|group| format!(" @{group}")));
            line.extend(host.site.iter().map(|site| format!(" in {site}")));
            line.extend(host.data.iter().map(|(key, value)| format!(" {key}={value}")));
            line.extend(host.comments.iter().map(|text| format!(" ({text})")));
            line
        })
        .collect();
    assert_eq!(hosts, expected, "{text}\n{problems:#?}");
    check_loads(&imported);
    problems
}

#[test]
fn tables_are_read_by_their_titles() {
    check(csv, "name,ip\nweb-1,192.0.2.1\n", &["acme/web-1 192.0.2.1"]);
    check(
        csv,
        "\u{feff}Host;IP;Customer;Tags\r\nweb;192.0.2.1/24;Globex Ltd;\"a;b\"\r\n",
        &["globex-ltd/web 192.0.2.1 #a #b"],
    );
    check(
        csv,
        "FQDN\tOS\tSite\tBudget\nweb.example\tDebian 12\tfra\t12\n",
        &["acme/web.example web.example debian in fra Budget=12 os=Debian 12"],
    );
    check(
        csv,
        "ip\n192.0.2.1\n[2001:db8::1]\n",
        &["acme/192.0.2.1 192.0.2.1", "acme/2001-db8-1 2001:db8::1"],
    );
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    check(csv, &format!("name,host_key\nweb,{key} root@web\n"), &["acme/web web key"]);
    check(csv, "name,user,port\nweb,Root,0\n", &["acme/web web (user: Root) (port: 0)"]);
    check(
        csv,
        "name,root_password\nweb,hunter2\n",
        &["acme/web web (root_password: not carried over, looks like a secret)"],
    );
}

#[test]
fn clients_and_hosts_of_a_table_never_merge() {
    let text = "name,ip,client\nweb,192.0.2.1,Acme GmbH\nweb,192.0.2.2,Globex\nweb,192.0.2.3,acme-gmbh\nweb,192.0.2.4,Globex\nweb,192.0.2.4,Globex\n";
    let hosts = [
        "acme-gmbh/web 192.0.2.1",
        "Globex/Globex-web 192.0.2.2",
        "acme-gmbh-2/acme-gmbh-2-web 192.0.2.3",
        "Globex/Globex-web-2 192.0.2.4",
        "Globex/Globex-web-3 192.0.2.4",
    ];
    let problems = check(csv, text, &hosts);
    assert!(codes(&problems).contains(Code::ImportNameChanged.as_str()), "{problems:?}");
}

#[test]
fn a_table_without_a_name_or_address_is_none() {
    for text in ["", "colour,shape\nred,round\n", "\"", "{}", "name\n"] {
        let (imported, problems) = csv(text, &options("x"));
        assert_eq!(imported.hosts, [], "{text}");
        assert!(problems.iter().any(|it| it.level == Level::Error), "{text}: {problems:?}");
    }
}

#[test]
fn ssh_config_is_read_as_ssh_does() {
    check(
        ssh_config,
        "Host a\nHostName=192.0.2.1\nHost a b\n User ops\nHost *\nUser x\nPort 2\n",
        &["acme/a 192.0.2.1 port 2 as ops", "acme/b b port 2 as ops"],
    );
    check(
        ssh_config,
        "host w w.example\n\thostname w.example # c\n",
        &["acme/w w.example (also known as w.example)"],
    );
    check(ssh_config, "User first\nHost a\nUser second\n", &["acme/a a as first"]);
    check(ssh_config, "Host ?x !ax\nPort 7\nHost ax bx\n", &["acme/ax ax", "acme/bx bx port 7"]);
    check(ssh_config, "Host a\nHostName %h.%%h.example\n", &[]);
    check(ssh_config, "Host \"a\"\nProxyJump none\nProxyJump b\n", &["acme/a a"]);
    let problems = check(
        ssh_config,
        "Host a\nProxyJump b\nForwardAgent yes\nMatch user x\nPort 9\nInclude y\n",
        &["acme/a a (ProxyJump b) (ForwardAgent yes)"],
    );
    assert_eq!(problems.len(), 3, "{problems:?}");
    check(ssh_config, "Host *\nPort 9\n", &[]);
}

#[test]
fn ansible_inventories_are_read_in_both_forms() {
    check(
        ansible_inventory,
        "a:2222 x=1\n[g]\nb[1:2] ansible_host=192.0.2.9 ansible_user='op'\n",
        &["acme/a a port 2222 x=1", "acme/b1 192.0.2.9 as op @g", "acme/b2 192.0.2.9 as op @g"],
    );
    check(
        ansible_inventory,
        "[c:children]\nd\n[d]\nh\n[c:vars]\nansible_port=1\ny = 2\n[d:vars]\nansible_port=3\n",
        &["acme/h h port 3 @c @d y=2"],
    );
    check(ansible_inventory, "[a:children]\nb\n[b:children]\na\n[b]\nh\n", &["acme/h h @a @b"]);
    check(ansible_inventory, "h ansible_connection=local client=globex\n", &["globex/h local"]);
    let json = r#"{"_meta":{"hostvars":{"h":{"ansible_host":"192.0.2.1","ansible_port":2222,"n":{"a":[1]},"ansible_password":"x"}}},"all":{"children":["g","ungrouped"]},"g":{"hosts":["h"]},"ungrouped":{"hosts":["i"]}}"#;
    check(
        ansible_inventory,
        json,
        &[
            "acme/h 192.0.2.1 port 2222 @g n={\"a\":[1]} (ansible_password: not carried over, looks like a secret)",
            "acme/i i",
        ],
    );
    let (imported, problems) = ansible_inventory("---\nall:\n  hosts:\n    a:\n", &options("x"));
    assert_eq!(imported.hosts, []);
    assert!(
        problems[0].hint.as_deref().is_some_and(|hint| hint.contains("ansible-inventory --list")),
        "{problems:?}"
    );
}

#[test]
fn netbox_lists_are_read_in_their_shapes() {
    let one = r#"{"name":"a","primary_ip4":{"address":"192.0.2.1/24"},"tenant":{"name":"Acme GmbH","slug":"acme"},"role":{"slug":"r"},"tags":["t",{"slug":"u"}],"status":{"value":"offline"}}"#;
    let line = "acme/a 192.0.2.1 #r #t #u (status: offline)";
    check(netbox_json, one, &[line]);
    check(netbox_json, &format!("[{one}]"), &[line]);
    check(
        netbox_json,
        &format!(r#"{{"results":[{one}],"next":null}} {{"results":[{{"id":7,"name":null}}]}}"#),
        &[line, "acme/device-7 device-7 (no primary IP: reached by its name)"],
    );
    let problems = check(
        netbox_json,
        &format!(r#"{{"results":[{one}],"next":"https://netbox.example/?offset=50"}}"#),
        &[line],
    );
    assert_eq!(codes(&problems), BTreeSet::from(["import.limit"]));
    let (imported, _) = netbox_json(one, &options("x"));
    assert_eq!(imported.clients[0].title.as_deref(), Some("Acme GmbH"));
}

/// Renders a fixture, which must load, declare so many hosts and hold the words.
fn check_fixture(name: &str, reader: Reader, hosts: usize, words: &[&str]) {
    let (imported, problems) = reader(&fixture(name), &options(name));
    check_loads(&imported);
    let text = render(&imported);
    assert_eq!(imported.hosts.len(), hosts, "{text}\n{problems:#?}");
    for word in words {
        assert!(text.contains(word), "{name}: {word} is missing\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn tables_lose_nothing_silently() {
    let words = [
        "acme_gmbh = client(\"acme-gmbh\", title = \"Acme GmbH\")",
        "lb = [",
        "f\"lb-{i}\"",
        "address = f\"192.0.2.{10 + i}\"",
        "user = \"ops\"",
        "for i in range(1, 4)",
        "\"Rack\": \"R12\"",
        "primary; replica is db-2",
        "says \"old\"",
        "printer: no usable address",
        "Windows 11",
    ];
    check_fixture("hosts.csv", csv, 8, &words);
}

#[test]
fn ssh_configs_lose_nothing_silently() {
    let words = [
        "ProxyJump bastion",
        "IdentityFile ~/.ssh/acme_ed25519",
        "also known as db.acme",
        "Match host",
        "Include config.d",
        "ServerAliveInterval 30",
        "KexAlgorithms",
    ];
    check_fixture("ssh_config", ssh_config, 7, &words);
}

#[test]
fn ansible_inventories_lose_nothing_silently() {
    let words = [
        "ProxyJump=gateway",
        "group_vars/",
        "gold plated",
        "local = True",
        "\"ntp_server\": \"ntp.example.com\"",
        "looks like a secret",
        "group(\"db\", client = acme, hosts = [",
    ];
    check_fixture("inventory.ini", ansible_inventory, 11, &words);
}

#[test]
fn netbox_lists_lose_nothing_silently() {
    let words = [
        "for i in range(7, 10)",
        "\"support_until\": \"2027-01-31\"",
        "status: planned",
        "snmp_secret: not carried over",
        "site(\"Dubai\"",
        "title = \"Frankfurt 1\"",
        "title = \"Acme GmbH\"",
    ];
    check_fixture("netbox.json", netbox_json, 6, &words);
}

#[test]
fn a_large_import_is_cut_where_it_can_still_be_loaded() {
    let mut text = String::from("name,ip,note,extra\n");
    for number in 0..IMPORT_HOSTS_MAX + 5 {
        text.push_str(&format!(
            "h{number}x{},192.0.2.1,{},{}\n",
            number * 7,
            "n".repeat(200),
            "e".repeat(90)
        ));
    }
    let (imported, problems) = csv(&text, &options("x"));
    assert!(
        imported.hosts.len() > 1_000 && imported.hosts.len() < IMPORT_HOSTS_MAX,
        "{}",
        imported.hosts.len()
    );
    assert!(codes(&problems).contains("import.limit"), "{problems:?}");
    check_loads(&imported);
}

#[test]
fn a_large_import_of_many_clients_keeps_what_fits() {
    let rows = (0..IMPORT_HOSTS_MAX)
        .map(|number| format!("h{}x,192.0.2.1,The Client {number},dc {number}\n", number * 7));
    let text = format!("name,ip,client,site\n{}", rows.collect::<String>());
    let (imported, problems) = csv(&text, &options("x"));
    assert!(imported.hosts.len() > 2_000, "{}", imported.hosts.len());
    assert_eq!(imported.clients.len(), imported.hosts.len());
    assert!(codes(&problems).contains("import.limit"), "{problems:?}");
    check_loads(&imported);
}

/// Text that is likely to break a quote, a comment, a name or a separator.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\n".to_owned()),
        Just("\\".to_owned()),
        Just("#".to_owned()),
        Just("{i}".to_owned()),
        Just("\")\nfail(\"x\")\n#".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("\r".to_owned()),
        Just(",".to_owned()),
        Just("%s".to_owned()),
        Just("=".to_owned()),
        Just("'".to_owned()),
        Just(" ".to_owned()),
        Just("web-1".to_owned()),
        Just("10.0.0.9".to_owned()),
        Just("client".to_owned()),
        "[a-z0-9-]{1,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn csv_of(rows: &[Vec<String>]) -> String {
    let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
    let mut text = "name,address,client,user,port,os,site,tags,groups,comment,Rack\n".to_owned();
    for row in rows {
        text.push_str(&row.iter().map(quote).collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_is_read_and_loads(text in any::<String>(), lines in prop::collection::vec(hostile(), 0..8)) {
        for (name, reader) in READERS {
            for text in [&text, &lines.join("\n"), &format!("name,ip\n{}", lines.join("\n")), &format!("Host {}", lines.join("\nHost "))] {
                let (imported, _) = reader(text, &options(name));
                check_loads(&imported);
            }
        }
    }

    #[test]
    fn any_field_of_a_table_is_quoted(rows in prop::collection::vec(prop::collection::vec(hostile(), 11), 1..12)) {
        let (imported, _) = csv(&csv_of(&rows), &options("x"));
        check_loads(&imported);
    }

    #[test]
    fn any_json_is_quoted(name in hostile(), tenant in hostile(), key in hostile(), value in hostile(), address in hostile()) {
        let device = serde_json::json!({"name": name, "tenant": {"name": tenant, "slug": key}, "primary_ip": address,
            "custom_fields": {key.as_str(): value}, "tags": [value, {"slug": key}], "comments": value});
        let (imported, _) = netbox_json(&device.to_string(), &options("x"));
        check_loads(&imported);
        let inventory = serde_json::json!({"_meta": {"hostvars": {name.as_str(): {"ansible_host": address, key.as_str(): value}}},
            key.as_str(): {"hosts": [name, value], "children": [value], "vars": {"x": value}}});
        let (imported, _) = ansible_inventory(&inventory.to_string(), &options("x"));
        check_loads(&imported);
    }

    /// Numbers run across every boundary that a loop could get wrong.
    #[test]
    fn series_declare_the_same_hosts(start in 0_u32..120, count in 0_u32..15, offset in 0_u32..130, zeros in 0_usize..3, gap in 0_u32..15, fqdn: bool) {
        let mut text = String::from("name,ip\n");
        for number in (start..start + count).filter(|number| *number != start + gap) {
            let name = if fqdn { format!("web-{number:0zeros$}.n1.example") } else { format!("n2-{number:0zeros$}") };
            text.push_str(&format!("{name},10.0.{}.{}\n", number / 200, (number + offset) % 250));
        }
        let (imported, _) = csv(&text, &options("x"));
        check_loads(&imported);
    }
}
