//! What feeds bring beside advisories: scores, news, and the documents themselves.

use jiff::civil::date;
use model::{ExploitScore, FeedName, NewsItem, Share, VulnerabilityId};
use store::{EntryChanges, NewDocument, NewNews, NewScores, SnapshotOutcome, Store};

use crate::Place;
use crate::fleet::at;

fn score(id: &str, probability: &str) -> ExploitScore {
    let share = |text| Share::parse(text).expect("a share");
    ExploitScore { id: VulnerabilityId::new(id), probability: share(probability), percentile: share("0.5") }
}

fn changes(added: usize, changed: usize, withdrawn: usize, unchanged: usize) -> EntryChanges {
    EntryChanges { added, changed, withdrawn, unchanged }
}

pub async fn scores_are_the_last_forecast(place: Place) {
    let store = place.open().await;
    let feed = FeedName::new("epss");
    let new = |scores, scored_on| NewScores {
        feed: &feed,
        origin: "x",
        scored_on,
        scores,
        problems: &[],
        accept_shrunken: false,
    };
    assert_eq!(store.score_count().await.expect("read"), (0, None));
    let first = ["CVE-2024-1", "CVE-2024-2", "CVE-2024-3", "CVE-2024-4"].map(|id| score(id, "0.1"));
    let report = store.record_scores(&new(&first, None), at(0)).await.expect("recorded");
    assert_eq!((report.outcome, report.changes), (SnapshotOutcome::Recorded, changes(4, 0, 0, 0)));
    let day = Some(date(2025, 5, 1));
    let second = [score("CVE-2024-1", "0.1"), score("CVE-2024-2", "0.91963"), score("CVE-2024-5", "1")];
    let report = store.record_scores(&new(&second, day), at(1)).await.expect("recorded");
    assert_eq!(report.changes, changes(1, 1, 2, 1));
    assert_eq!(store.score_count().await.expect("read"), (3, day));
    let asked = ["cve-2024-2", "CVE-2024-2", "CVE-2024-3", "CVE-2024-1"].map(VulnerabilityId::new);
    assert_eq!(store.scores(&asked).await.expect("read"), second[..2]);
    let report = store.record_scores(&new(&second[..1], None), at(2)).await.expect("answered");
    assert_eq!(report.outcome, SnapshotOutcome::Shrunken { current: 3, offered: 1 });
    assert_eq!((report.problems.len(), store.score_count().await.expect("read")), (1, (3, day)));
    let feeds = store.feeds().await.expect("read");
    assert_eq!((feeds[0].synced_at, feeds[0].last_sync.at), (Some(at(1)), at(2)));
    let accepted = NewScores { accept_shrunken: true, ..new(&second[..1], None) };
    let report = store.record_scores(&accepted, at(3)).await.expect("recorded");
    assert_eq!((report.outcome, report.changes), (SnapshotOutcome::Recorded, changes(0, 0, 2, 1)));
}

pub async fn news_is_kept_and_linked(place: Place) {
    let store = place.open().await;
    let feed = FeedName::new("news");
    let item = |key: &str, title: &str, published: Option<i64>, ids: &[&str]| NewsItem {
        source: "list".to_owned(),
        key: key.to_owned(),
        title: title.to_owned(),
        link: Some(format!("https://list.example/{key}")),
        published: published.map(at),
        ids: ids.iter().map(|id| VulnerabilityId::new(*id)).collect(),
    };
    let record = async |items: &[NewsItem], second| {
        let new = NewNews { feed: &feed, origin: "x", items, problems: &[] };
        store.record_news(&new, at(second)).await.expect("recorded")
    };
    let first =
        [item("a", "one", Some(10), &["CVE-2024-1000", "CVE-2024-2000"]), item("b", "two\0", None, &[])];
    assert_eq!(record(&first, 100).await, changes(2, 0, 0, 0));
    let second =
        [item("a", "one, corrected", Some(10), &["CVE-2024-3000"]), item("c", "three", Some(200), &[])];
    assert_eq!(record(&second, 101).await, changes(1, 1, 0, 0));
    assert_eq!(record(&second, 102).await, changes(0, 0, 0, 2));
    let shown = async |since| {
        let news = store.news_since(at(since)).await.expect("read");
        let show = |it: &store::NewsRecord| {
            let ids: Vec<_> = it.item.ids.iter().map(VulnerabilityId::as_str).collect();
            format!("{} {} {}", it.item.title, ids.join(" "), it.seen_at == at(100)).replace("  ", " ")
        };
        news.iter().map(show).collect::<Vec<_>>()
    };
    let corrected = "one, corrected CVE-2024-1000 CVE-2024-2000 CVE-2024-3000 true";
    assert_eq!(shown(0).await, ["three false", "two\u{fffd} true", corrected]);
    assert_eq!(shown(11).await, ["three false", "two\u{fffd} true"]);
    assert_eq!(store.news_count().await.expect("read"), 3);
    assert_eq!(store.all_advisories(None).await.expect("read"), []);
}

fn document<'a>(
    label: &'a str,
    etag: Option<&'a str>,
    second: i64,
    body: Option<&'a [u8]>,
) -> NewDocument<'a> {
    NewDocument { label, etag, last_modified: None, fetched_at: at(second), body }
}

async fn labels(store: &Store) -> Vec<String> {
    let documents = store.feed_documents().await.expect("read");
    let show = |it: &store::DocumentRecord| {
        let etag = it.etag.as_deref().unwrap_or("-");
        format!(
            "{} {} {etag} {} {}",
            it.feed,
            it.label,
            it.size,
            it.fetched_at.as_second() - at(0).as_second()
        )
    };
    documents.iter().map(show).collect()
}

pub async fn documents_are_replaced_as_a_set(place: Place) {
    let store = place.open().await;
    let (secdb, osv) = (FeedName::new("alpine-secdb"), FeedName::new("osv"));
    let first = [document("a", Some("1"), 0, Some(&[0, 1, 2])), document("b", None, 0, Some(b"b"))];
    store.record_documents(&secdb, &first).await.expect("kept");
    store.record_documents(&osv, &first[1..]).await.expect("kept");
    assert_eq!(labels(&store).await, ["alpine-secdb a 1 3 0", "alpine-secdb b - 1 0", "osv b - 1 0"]);
    let second = [document("a", Some("2"), 5, None), document("c", None, 5, Some(b"cc"))];
    store.record_documents(&secdb, &second).await.expect("kept");
    assert_eq!(labels(&store).await, ["alpine-secdb a 2 3 5", "alpine-secdb c - 2 5", "osv b - 1 0"]);
    let body = async |label| store.feed_document(&secdb, label).await.expect("read");
    assert_eq!((body("a").await, body("b").await), (Some(vec![0, 1, 2]), None));
}

pub async fn an_unchanged_feed_is_confirmed(place: Place) {
    let store = place.open().await;
    let feed = FeedName::new("epss");
    store.record_unchanged(&feed, "x", at(0)).await.expect("nothing to confirm");
    assert_eq!(store.feeds().await.expect("read"), []);
    let scores = [score("CVE-2024-1", "0.1")];
    let new = NewScores {
        feed: &feed,
        origin: "x",
        scored_on: None,
        scores: &scores,
        problems: &[],
        accept_shrunken: false,
    };
    store.record_scores(&new, at(1)).await.expect("recorded");
    store.record_failed_sync(&feed, "x", &[], at(2)).await.expect("recorded");
    store.record_unchanged(&feed, "y", at(3)).await.expect("recorded");
    let feeds = store.feeds().await.expect("read");
    assert_eq!((feeds[0].synced_at, feeds[0].last_sync.origin.as_str()), (Some(at(3)), "y"));
}
