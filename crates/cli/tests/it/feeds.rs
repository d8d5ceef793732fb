//! Feeds as a user brings them in: from files and from servers.

use std::fs;

use serde_json::Value;

use crate::command::Ifrit;
use crate::feed_server::FeedServer;

const INVENTORY: &str = "client(\"acme\")\nhost(\"web-1\", client = \"acme\", address = \"192.0.2.1\")\n";

fn workspace(settings: &str) -> Ifrit {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", settings);
    ifrit.write("inventory/hosts.star", INVENTORY);
    ifrit
}

fn fixture(path: &str) -> Vec<u8> {
    fs::read(format!("{}/../../fixtures/feeds/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path)
}

/// One feed's row of `ifrit feeds --json`.
fn feed(ifrit: &Ifrit, name: &str) -> Value {
    let rows = ifrit.run(&["feeds", "--json"]).expect_exit(0).rows();
    rows.into_iter().find(|row| row["feed"] == name).unwrap_or(Value::Null)
}

/// `feed outcome` of each row of a sync.
fn outcomes(rows: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| format!("{} {}", word(&row["feed"]), word(&row["outcome"]))).collect()
}

#[test]
fn scores_show_where_somebody_asks() {
    let ifrit = workspace("");
    ifrit.write(
        "feeds/kev.json",
        &String::from_utf8(fixture("kev/known_exploited_vulnerabilities.json")).expect("text"),
    );
    ifrit.write(
        "feeds/epss.csv",
        "#model_version:v2025.03.14,score_date:2025-05-01T12:55:00Z\ncve,epss,percentile\n\
         CVE-2024-6387,0.91963,0.99030\nCVE-2024-38475,0.5,0.75\n",
    );
    let _ = ifrit.run(&["feeds", "sync", "--from", "feeds"]).expect_exit(0);
    let row = feed(&ifrit, "epss");
    assert_eq!((&row["scores"], &row["scored_on"]), (&2.into(), &"2025-05-01".into()));
    let rows = ifrit.run(&["who", "cve-2024-6387", "--json"]).expect_exit(3).rows();
    assert_eq!((&rows[0]["epss"], &rows[0]["epss_percentile"]), (&0.91963.into(), &0.9903.into()));
    let output = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(3);
    assert!(output.stdout.contains("EPSS 91.96 % (higher than 99.03 % of all)"), "{}", output.stdout);
    let rows = ifrit.run(&["who", "CVE-2020-0001", "--json"]).expect_exit(3).rows();
    assert_eq!(rows[0]["epss"], Value::Null);
}

#[test]
fn news_is_listed_and_never_counted() {
    let ifrit = workspace("");
    let hostile = "<rss version=\"2.0\"><channel><title>list</title><item><title>&lt;b&gt;bold&lt;/b&gt; \u{202e}title</title>\
                   <link>javascript:alert(1)</link><guid>1</guid><pubDate>Tue, 02 Jul 2024 08:00:00 GMT</pubDate></item>\
                   </channel></rss>";
    ifrit.write("feeds/hostile.rss", hostile);
    ifrit.write("feeds/news.rss", &String::from_utf8(fixture("news/advisories.rss")).expect("text"));
    let rows = ifrit.run(&["feeds", "sync", "--from", "feeds", "--json"]).expect_exit(0).rows();
    assert_eq!((outcomes(&rows), &rows[0]["entries"]), (vec!["news taken".to_owned()], &4.into()));
    let rows = ifrit.run(&["feeds", "news", "--since", "2024-06-01", "--json"]).expect_exit(0).rows();
    let titles: Vec<_> = rows.iter().map(|row| row["title"].as_str().expect("a title")).collect();
    assert_eq!(titles, ["bold title", "sshd: unauthenticated code execution (CVE-2024-6387)"]);
    assert_eq!((&rows[0]["link"], &rows[1]["ids"][0]), (&Value::Null, &"CVE-2024-6387".into()));
    let output = ifrit.run(&["feeds", "news", "--since", "2024-01-01"]).expect_exit(0);
    assert!(output.stdout.contains("CVE-2024-3094"), "{}", output.stdout);
    assert_eq!(
        ifrit.run(&["feeds", "news", "--json"]).expect_exit(0).rows().len(),
        0,
        "none of the last month"
    );
    let output = ifrit.run(&["who", "CVE-2024-6387"]).expect_exit(3);
    assert!(output.stdout.contains("no loaded advisory speaks of it"), "{}", output.stdout);
    let row = feed(&ifrit, "news");
    assert_eq!((&row["news"], &row["advisories"]), (&4.into(), &0.into()));
}

#[test]
fn feeds_are_fetched_once_and_then_asked_for_changes() {
    let server = FeedServer::start();
    let url = &server.url;
    let ifrit = workspace(&format!(
        "[feeds]\nenabled = [\"alpine-secdb\", \"cisa-kev\", \"epss\"]\nalpine_releases = [\"3.20\", \"3.22\"]\n\
         alpine_secdb_url = \"{url}/{{release}}/{{repository}}.json\"\nkev_url = \"{url}/kev.json\"\n\
         epss_url = \"{url}/epss.csv.gz\"\n"
    ));
    for release in ["v3.20", "v3.22"] {
        for repository in ["main", "community"] {
            let path = format!("{release}/{repository}.json");
            server.publish(&format!("/{path}"), "1", fixture(&format!("alpine/secdb/{path}")));
        }
    }
    server.publish("/kev.json", "1", fixture("kev/known_exploited_vulnerabilities.json"));
    server.publish("/epss.csv.gz", "1", fixture("epss/epss_scores.csv"));
    let rows = ifrit.run(&["feeds", "sync", "--json"]).expect_exit(0).rows();
    assert_eq!(outcomes(&rows), ["alpine-secdb taken", "cisa-kev taken", "epss taken"]);
    let answers = server.answers();
    assert_eq!(
        (answers.len(), answers.iter().filter(|it| it.starts_with("200 /")).count()),
        (6, 6),
        "{answers:?}"
    );
    let before = feed(&ifrit, "alpine-secdb");

    let rows = ifrit.run(&["feeds", "sync", "--json"]).expect_exit(0).rows();
    assert_eq!(outcomes(&rows), ["alpine-secdb unchanged", "cisa-kev unchanged", "epss unchanged"]);
    assert!(server.answers().iter().all(|it| it.starts_with("304 /")));
    assert_ne!(feed(&ifrit, "alpine-secdb")["synced_at"], before["synced_at"], "confirmed");

    // One document is broken: the others are taken, and its last good version stays.
    server.publish("/v3.20/main.json", "2", "<!DOCTYPE html><html><body>Sorry</body></html>");
    let community = String::from_utf8(fixture("alpine/secdb/v3.22/community.json")).expect("text");
    server.publish("/v3.22/community.json", "2", community.replacen("CVE-", "CVE-0-", 1));
    let output = ifrit.run(&["feeds", "sync", "--json"]).expect_exit(1);
    let rows = output.rows();
    assert_eq!(outcomes(&rows), ["alpine-secdb taken", "cisa-kev unchanged", "epss unchanged"]);
    let problems = rows[0]["problems"].to_string();
    assert!(problems.contains("v3.20/main.json") && problems.contains("a page of HTML"), "{problems}");
    assert_eq!(feed(&ifrit, "alpine-secdb")["advisories"], before["advisories"]);
    let answers = server.answers();
    assert!(answers.contains(&"304 /v3.22/main.json".to_owned()), "{answers:?}");
    // It is asked for again until it is whole.
    server.publish("/v3.20/main.json", "3", fixture("alpine/secdb/v3.20/main.json"));
    let rows = ifrit.run(&["feeds", "sync", "--json"]).expect_exit(0).rows();
    assert_eq!(outcomes(&rows)[0], "alpine-secdb taken");
    assert!(server.answers().contains(&"200 /v3.20/main.json".to_owned()));
}

#[test]
fn a_feed_that_fails_keeps_the_last_good_one_and_says_so() {
    let server = FeedServer::start();
    let settings = format!("[feeds]\nenabled = [\"cisa-kev\"]\nkev_url = \"{}/kev.json\"\n", server.url);
    let ifrit = workspace(&settings);
    let output = ifrit.run(&["feeds", "sync"]).expect_exit(1);
    assert!(output.stdout.contains("REFUSED") && output.stderr.contains("404"), "{output:?}");
    let kev = fixture("kev/known_exploited_vulnerabilities.json");
    server.publish("/kev.json", "1", kev.clone());
    let _ = ifrit.run(&["feeds", "sync"]).expect_exit(0);
    let before = feed(&ifrit, "cisa-kev");
    for (etag, body) in
        [("2", &kev[..kev.len() / 2]), ("3", b""), ("4", b"<html>"), ("5", br#"{"vulnerabilities":[]}"#)]
    {
        server.publish("/kev.json", etag, body);
        let output = ifrit.run(&["feeds", "sync"]).expect_exit(1);
        assert!(output.stderr.contains("the last good document is used"), "{}", output.stderr);
        let after = feed(&ifrit, "cisa-kev");
        assert_eq!((&after["exploited"], &after["synced_at"]), (&before["exploited"], &before["synced_at"]));
        assert_eq!(after["last_sync"], "failed");
    }
    let one =
        r#"{"catalogVersion":"1","vulnerabilities":[{"cveID":"CVE-2024-6387","dateAdded":"2024-07-01"}]}"#;
    server.publish("/kev.json", "6", one);
    let output = ifrit.run(&["feeds", "sync"]).expect_exit(1);
    assert!(output.stderr.contains("less than half"), "{}", output.stderr);
    assert_eq!(feed(&ifrit, "cisa-kev")["last_sync"], "shrunken");
    let _ = ifrit.run(&["feeds", "sync", "--accept-shrunken"]).expect_exit(0);
    assert_eq!(feed(&ifrit, "cisa-kev")["exploited"], 1);
}

#[test]
fn a_setting_that_names_no_feed_is_found() {
    let ifrit = workspace("[feeds]\nenabled = [\"alpine\"]\n");
    let output = ifrit.run(&["feeds", "sync"]).expect_exit(4);
    assert!(
        output.stderr.contains("`alpine`") && output.stderr.contains("alpine-secdb"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_signed_bundle_brings_feeds_where_there_is_no_net() {
    let online = workspace("");
    let feeds = format!("{}/../../fixtures/feeds", env!("CARGO_MANIFEST_DIR"));
    let public = online.run(&["feeds", "keygen", "secret.key"]).expect_exit(0).stdout;
    let public = public.trim();
    let _ = online.run(&["feeds", "keygen", "secret.key"]).expect_exit(2);
    let _ = online.run(&["feeds", "export", "feeds.bundle", "--key", "secret.key"]).expect_exit(4);
    let _ = online.run(&["feeds", "sync", "--from", &feeds]).expect_exit(0);
    let _ = online.run(&["feeds", "export", "old.bundle", "--key", "secret.key"]).expect_exit(0);
    let _ = online.run(&["feeds", "sync", "--from", &feeds]).expect_exit(0);
    let output = online.run(&["feeds", "export", "feeds.bundle", "--key", "secret.key"]).expect_exit(0);
    assert!(output.stderr.contains(public), "{}", output.stderr);
    let bundle = |name: &str| online.directory().join(name).display().to_string();

    let offline = workspace("");
    let _ = offline.run(&["feeds", "import", &bundle("feeds.bundle")]).expect_exit(2);
    let stranger = format!("ifrit-feeds:{}", "00".repeat(32));
    let output =
        offline.run(&["feeds", "import", &bundle("feeds.bundle"), "--key", &stranger]).expect_exit(4);
    assert!(output.stderr.contains("the signature is of none"), "{}", output.stderr);
    assert_eq!(offline.run(&["feeds", "--json"]).expect_exit(0).rows().len(), 0, "nothing was taken");
    let rows = offline
        .run(&["feeds", "import", &bundle("feeds.bundle"), "--key", public, "--json"])
        .expect_exit(0)
        .rows();
    assert!(rows.len() >= 6 && rows.iter().all(|row| row["outcome"] == "taken"), "{rows:?}");
    for name in ["alpine-secdb", "epss", "cisa-kev"] {
        let (there, here) = (feed(&online, name), feed(&offline, name));
        for key in ["advisories", "exploited", "scores", "oldest_document_at"] {
            assert_eq!(there[key], here[key], "{name} {key}");
        }
    }

    // The key may stand in the settings; an older bundle is taken only where somebody insists.
    offline.write("ifrit.toml", &format!("[feeds]\ntrusted_keys = [\"{public}\"]\n"));
    let output = offline.run(&["feeds", "import", &bundle("old.bundle")]).expect_exit(1);
    assert!(output.stderr.contains("the bundle's was fetched at"), "{}", output.stderr);
    let _ = offline.run(&["feeds", "import", &bundle("old.bundle"), "--allow-older"]).expect_exit(0);

    let mut changed = fs::read(bundle("feeds.bundle")).expect("the bundle");
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(offline.directory().join("changed.bundle"), changed).expect("a file");
    let output = offline.run(&["feeds", "import", "changed.bundle"]).expect_exit(4);
    assert!(output.stderr.contains("is not what the manifest says"), "{}", output.stderr);
}

#[test]
fn a_dsa_does_not_blame_a_cve_that_the_tracker_clears() {
    // This machine runs Debian, of whatever release.
    let ifrit = workspace("");
    ifrit
        .write("inventory/hosts.star", "client(\"acme\")\nhost(\"here\", client = \"acme\", local = True)\n");
    let _ = ifrit.run(&["scan"]).expect_exit(0);
    let codenames = ["bullseye", "bookworm", "trixie", "forky", "sid"];
    let releases = |status: &str| {
        let release = |name: &&str| format!("\"{name}\":{{{status}}}");
        codenames.iter().map(release).collect::<Vec<_>>().join(",")
    };
    let cleared = releases(r#""status":"resolved","fixed_version":"0""#);
    let open = releases(r#""status":"open","urgency":"low""#);
    let tracker = format!(
        r#"{{"dpkg":{{"CVE-2098-1001":{{"releases":{{{cleared}}}}},"CVE-2098-1002":{{"releases":{{{open}}}}}}}}}"#
    );
    let lines: String = codenames.iter().map(|name| format!("\t[{name}] - dpkg 99\n")).collect();
    let list = format!("[02 Jan 2098] DSA-9901-1 dpkg - update\n\t{{CVE-2098-1001 CVE-2098-1002}}\n{lines}");
    ifrit.write("lists/list", &list);
    ifrit.write("tracker/json", &tracker);
    let who = |id: &str, exit| {
        let rows = ifrit.run(&["who", id, "--json"]).expect_exit(exit).rows();
        let of_package =
            rows.iter().filter(|row| row["installed"] != Value::Null && row["package"] == "dpkg");
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        of_package.map(|row| format!("{} {}", word(&row["id"]), word(&row["state"]))).collect::<Vec<_>>()
    };
    let _ = ifrit.run(&["feeds", "sync", "--from", "lists"]).expect_exit(0);
    assert_eq!(who("CVE-2098-1001", 1), ["DSA-9901-1 vulnerable"], "the list is all there is");
    let _ = ifrit.run(&["feeds", "sync", "--from", "tracker"]).expect_exit(0);
    assert_eq!(who("CVE-2098-1001", 0), ["CVE-2098-1001 not-affected"]);
    assert_eq!(who("CVE-2098-1002", 1), ["CVE-2098-1002 vulnerable"]);
    assert_eq!(who("DSA-9901-1", 1), ["CVE-2098-1002 vulnerable", "CVE-2098-1001 not-affected"]);
}
