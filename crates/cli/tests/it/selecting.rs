//! Hosts are selected by what the inventory says of them.

use crate::command::Ifrit;

const INVENTORY: &str = r#"
acme = client("acme")
fra = site("fra", client = acme)
web = [host(f"web-{i}", client = acme, site = fra, tags = ["web"]) for i in range(1, 4)]
db = host("db", client = acme)
group("edge", hosts = web[:2], client = acme)
group("all", hosts = web + [db])
service("shop", client = acme, hosts = web[0])
"#;

fn check(ifrit: &Ifrit, selector: &str, expected: &[&str]) {
    let exit = if expected.is_empty() { 2 } else { 0 };
    let rows = ifrit.run(&["hosts", "--json", selector]).expect_exit(exit).rows();
    let names: Vec<&str> = rows.iter().map(|row| row["host"].as_str().expect("a name")).collect();
    assert_eq!(names, expected, "{selector}");
}

#[test]
fn every_key_of_a_selector_finds_hosts() {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/a.star", INVENTORY);
    check(&ifrit, "site:fra", &["web-1", "web-2", "web-3"]);
    check(&ifrit, "group:edge", &["web-1", "web-2"]);
    check(&ifrit, "group:all not group:edge", &["db", "web-3"]);
    check(&ifrit, "not site:*", &["db"]);
    check(&ifrit, "service:shop group:edge", &["web-1"]);
    check(&ifrit, "group:none", &[]);
}
