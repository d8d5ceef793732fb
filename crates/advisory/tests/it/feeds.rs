//! Reading a directory.

use std::fs;
use std::path::Path;

use advisory::{FeedError, FeedSource, ReadError, read_directory, sync};
use model::{Code, FeedName};

use crate::shared::fixtures;

const SECDB: &str = r#"{"distroversion":"v3.20","reponame":"main","packages":[]}"#;

fn labels(found: &[FeedSource], root: &Path) -> Vec<String> {
    let short = |label: &str| label.replace(&format!("{}/", root.display()), "");
    let all = found.iter().flat_map(|source| {
        source.documents.iter().map(move |document| format!("{} {}", source.feed, short(&document.label)))
    });
    all.collect()
}

#[test]
fn documents_are_told_by_content_and_ordered_by_path() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    };
    write("z/deep/er/data", SECDB);
    write("y/b.txt", r#"<vuln vid="a"></vuln>"#);
    write("a", "[02 Jan 2024] DLA-1-1 x - y\n");
    write("README.md", "text");
    write("LICENSE", "text");
    write(".git/config", "text");
    write("odd.json", "{}");
    write("y/odd.json", "{}");
    write("broken.xz", "\u{fffd}");
    fs::write(root.join("cut.gz"), [0x1f, 0x8b, 8, 0]).expect("a file");
    let found = read_directory(root).expect("readable");
    assert_eq!(
        labels(&found, root),
        ["alpine-secdb z/deep/er/data", "debian-dsa a", "freebsd-vuxml y/b.txt"]
    );
    let problems = found.iter().flat_map(|source| {
        let place = |it: &model::Problem| it.place.to_string().replace(&format!("{}/", root.display()), "");
        source.problems.iter().map(move |it| format!("{} {} {}", source.feed, it.code.as_str(), place(it)))
    });
    let expected = [
        "alpine-secdb feed.unrecognised broken.xz",
        "alpine-secdb feed.unreadable cut.gz",
        "alpine-secdb feed.unrecognised odd.json",
        "freebsd-vuxml feed.unrecognised y/odd.json",
    ];
    assert_eq!(problems.collect::<Vec<_>>(), expected);
    assert_eq!(read_directory(root).expect("readable"), found);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let missing = Path::new("/nonexistent/feeds");
    assert!(matches!(read_directory(missing), Err(ReadError::Directory { .. })));
}

#[test]
fn links_do_not_lead_in_circles() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    fs::write(root.join("a.json"), SECDB).expect("a file");
    std::os::unix::fs::symlink(root, root.join("loop")).expect("a link");
    std::os::unix::fs::symlink(root.join("a.json"), root.join("b.json")).expect("a link");
    std::os::unix::fs::symlink("/nonexistent", root.join("dangling")).expect("a link");
    let found = read_directory(root).expect("readable");
    assert_eq!(labels(&found, root), ["alpine-secdb a.json", "alpine-secdb b.json"]);
    assert_eq!(found[0].problems, []);
}

#[test]
fn a_feed_without_a_usable_entry_keeps_the_last_good() {
    let check = |feed: &str, text: &str| {
        let documents = vec![advisory::Document { label: "x".to_owned(), bytes: text.as_bytes().to_vec() }];
        sync(&FeedSource { feed: FeedName::new(feed), documents, problems: Vec::new() })
    };
    for (feed, text) in [
        ("alpine-secdb", SECDB),
        ("alpine-secdb", r#"{"distroversion":"v3.20","repon"#),
        ("freebsd-vuxml", r#"<vuln vid="a"><cancelled/></vuln>"#),
        ("debian-dsa", "[02 Jan 2024] DSA-1-1 nothing\n"),
        ("osv", "[]"),
        ("cisa-kev", r#"{"vulnerabilities":[]}"#),
        ("debian-tracker", "{}"),
        ("epss", "cve,epss,percentile\n"),
        ("news", "<rss version=\"2.0\"><channel></channel></rss>"),
    ] {
        assert!(matches!(check(feed, text), Err(FeedError::Empty { .. })), "{feed}");
    }
    assert!(matches!(check("rss", ""), Err(FeedError::Unknown { .. })));
    let Err(FeedError::Empty { problems, .. }) = check("freebsd-vuxml", &"<vuln >".repeat(5_000)) else {
        panic!()
    };
    assert_eq!(problems.len(), 1_001, "the rest is counted in one last problem");
    let long = format!(r#"{{"vulnerabilities":[{{"cveID":"{}","dateAdded":""}}]}}"#, "x".repeat(100_000));
    let Err(FeedError::Empty { problems, .. }) = check("cisa-kev", &long) else { panic!() };
    assert!(problems[0].message.len() < 2_000);
    // One unreadable document does not take the others down.
    let good = fs::read(fixtures().join("alpine/secdb/v3.20/main.json")).expect("a fixture");
    let documents = vec![
        advisory::Document { label: "bad".to_owned(), bytes: b"{".to_vec() },
        advisory::Document { label: "good".to_owned(), bytes: good },
    ];
    let source = FeedSource { feed: FeedName::new("alpine-secdb"), documents, problems: Vec::new() };
    let snapshot = sync(&source).expect("usable");
    assert_eq!(snapshot.coverage.len(), 1);
    assert_eq!(snapshot.problems.iter().filter(|it| it.code == Code::FeedUnreadable).count(), 1);
}
