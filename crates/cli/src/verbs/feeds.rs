//! `ifrit feeds`.

use control::feeds::{FeedStatus, OnOlder, OnShrunken, SyncOutcome, SyncedFeed};
use control::{NewsRecord, OnFaultyWorkspace, Session};
use jiff::SignedDuration;
use model::{Level, Problem, VulnerabilityId};
use serde::Serialize;

use super::{bell, count, open};
use crate::arguments::{
    ExportArguments, FeedsArguments, FeedsImportArguments, FeedsVerb, GlobalArguments, KeygenArguments,
    NewsArguments, SyncArguments,
};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// How many problems of one feed are printed; the count says how many there are.
const PROBLEMS_SHOWN_MAX: usize = 3;

/// A feed as `--json` prints it.
#[derive(Serialize)]
struct FeedRow<'a> {
    feed: &'a str,
    synced_at: Option<String>,
    advisories: u64,
    exploited: u64,
    scores: u64,
    scored_on: Option<String>,
    news: u64,
    oldest_document_at: Option<String>,
    last_sync: &'a str,
    last_sync_at: String,
    origin: &'a str,
    problems: usize,
}

/// An item of news as `--json` prints it.
#[derive(Serialize)]
struct NewsRow<'a> {
    source: &'a str,
    title: &'a str,
    link: Option<&'a str>,
    published_at: Option<String>,
    seen_at: String,
    ids: Vec<&'a str>,
}

/// What a sync did with a feed, as `--json` prints it.
#[derive(Serialize)]
struct SyncRow<'a> {
    feed: &'a str,
    outcome: &'a str,
    entries: Option<usize>,
    added: Option<usize>,
    changed: Option<usize>,
    removed: Option<usize>,
    why: Option<&'a str>,
    problems: Vec<String>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &FeedsArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    if let Some(FeedsVerb::Keygen(arguments)) = &arguments.verb {
        return keygen(arguments, printer);
    }
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let exit = match &arguments.verb {
        Some(FeedsVerb::Sync(arguments)) => sync(&session, arguments, printer).await?,
        Some(FeedsVerb::News(arguments)) => news(&session, arguments, printer).await?,
        Some(FeedsVerb::Export(arguments)) => export(&session, arguments, printer).await?,
        Some(FeedsVerb::Import(arguments)) => import(&session, arguments, printer).await?,
        Some(FeedsVerb::Keygen(_)) => Exit::Nothing,
        None => list(&session, arguments.json, printer).await?,
    };
    session.close().await;
    Ok(exit)
}

async fn list(session: &Session, is_json: bool, printer: &mut Printer) -> anyhow::Result<Exit> {
    let feeds = control::feeds::list(session).await?;
    if is_json {
        feeds.iter().try_for_each(|feed| printer.json(&feed_row(feed)))?;
        return Ok(Exit::Nothing);
    }
    let titles = ["feed", "age", "last try", "advisories", "exploited", "scores", "news", "problems", "from"];
    printer.table(&titles, feeds.iter().map(feed_cells).collect());
    for feed in &feeds {
        // Warnings are counted; an error means that something is missing.
        let problems = feed.record.last_sync.problems.iter();
        let errors: Vec<_> = problems.filter(|problem| problem.level == Level::Error).cloned().collect();
        print_problems(&errors, printer);
    }
    if feeds.is_empty() {
        printer.say("no feed yet: `ifrit feeds sync`, or `ifrit feeds sync --from DIR` without a net");
    }
    Ok(Exit::Nothing)
}

fn feed_cells(feed: &FeedStatus) -> Vec<comfy_table::Cell> {
    let record = &feed.record;
    let or_dash = |number: u64| cell(if number == 0 { "-".to_owned() } else { number.to_string() });
    vec![
        cell(&record.feed),
        cell(feed.age.map_or("never".to_owned(), age)),
        cell(record.last_sync.outcome.as_str()),
        or_dash(record.advisory_count),
        or_dash(record.exploited_count),
        or_dash(feed.scores),
        or_dash(feed.news),
        cell(record.last_sync.problems.len()),
        cell(&record.last_sync.origin),
    ]
}

/// Writes an age in the largest unit that it has two of.
fn age(age: SignedDuration) -> String {
    let minutes = age.as_mins().max(0);
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

fn feed_row(feed: &FeedStatus) -> FeedRow<'_> {
    let record = &feed.record;
    FeedRow {
        feed: record.feed.as_str(),
        synced_at: record.synced_at.map(|at| at.to_string()),
        advisories: record.advisory_count,
        exploited: record.exploited_count,
        scores: feed.scores,
        scored_on: feed.scored_on.map(|day| day.to_string()),
        news: feed.news,
        oldest_document_at: feed.oldest_document_at.map(|at| at.to_string()),
        last_sync: record.last_sync.outcome.as_str(),
        last_sync_at: record.last_sync.at.to_string(),
        origin: &record.last_sync.origin,
        problems: record.last_sync.problems.len(),
    }
}

async fn news(session: &Session, arguments: &NewsArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let news = control::feeds::news(session, arguments.since).await?;
    if arguments.json {
        news.iter().try_for_each(|record| printer.json(&news_row(record)))?;
        return Ok(Exit::Nothing);
    }
    let cells = |record: &NewsRecord| {
        let item = &record.item;
        let day = item.published.unwrap_or(record.seen_at).strftime("%Y-%m-%d");
        let ids: Vec<_> = item.ids.iter().map(VulnerabilityId::as_str).collect();
        let link = item.link.as_deref().unwrap_or("-");
        vec![cell(day), cell(&item.source), cell(&item.title), cell(ids.join(" ")), cell(link)]
    };
    printer.table(&["day", "source", "title", "names", "link"], news.iter().map(cells).collect());
    if news.is_empty() {
        printer.say("no news since then; `ifrit feeds` says when news was last synced");
    }
    Ok(Exit::Nothing)
}

fn news_row(record: &NewsRecord) -> NewsRow<'_> {
    let item = &record.item;
    NewsRow {
        source: &item.source,
        title: &item.title,
        link: item.link.as_deref(),
        published_at: item.published.map(|at| at.to_string()),
        seen_at: record.seen_at.to_string(),
        ids: item.ids.iter().map(VulnerabilityId::as_str).collect(),
    }
}

async fn sync(session: &Session, arguments: &SyncArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let on_shrunken = if arguments.accept_shrunken { OnShrunken::Accept } else { OnShrunken::Refuse };
    let feeds = match &arguments.from {
        Some(directory) => control::feeds::sync_from(session, directory, on_shrunken).await?,
        None => control::feeds::sync_all(session, on_shrunken).await?,
    };
    if feeds.is_empty() {
        printer.say("nothing to fetch: no feed is enabled (`feeds.enabled`), or no host and no setting names a release");
    }
    let exit = report(&feeds, arguments.json, printer)?;
    bell::ring(session, arguments.json, printer).await?;
    Ok(exit)
}

fn keygen(arguments: &KeygenArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let public = control::feeds::make_key(&arguments.file)?;
    printer.data(public);
    printer.say(format_args!(
        "the secret key is in {}; who trusts the line above takes bundles that it signs",
        arguments.file.display()
    ));
    Ok(Exit::Nothing)
}

async fn export(
    session: &Session,
    arguments: &ExportArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let exported = control::feeds::export(session, &arguments.file, &arguments.key).await?;
    let rows = exported.feeds.iter().map(|(feed, documents)| vec![cell(feed), cell(documents)]);
    printer.table(&["feed", "documents"], rows.collect());
    let (file, size) = (arguments.file.display(), exported.size.div_ceil(1024));
    printer.say(format_args!("{file}: {size} KiB, signed by {}", exported.signed_by));
    Ok(Exit::Nothing)
}

async fn import(
    session: &Session,
    arguments: &FeedsImportArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let on_older = if arguments.allow_older { OnOlder::Accept } else { OnOlder::Refuse };
    let imported = control::feeds::import(session, &arguments.file, &arguments.key, on_older).await?;
    printer.say(format_args!("bundle of {}, signed by {}", imported.created_at, imported.signed_by));
    let exit = report(&imported.feeds, arguments.json, printer)?;
    bell::ring(session, arguments.json, printer).await?;
    Ok(exit)
}

/// Prints what became of feeds.
fn report(feeds: &[SyncedFeed], is_json: bool, printer: &mut Printer) -> anyhow::Result<Exit> {
    if is_json {
        feeds.iter().try_for_each(|feed| printer.json(&sync_row(feed)))?;
    } else {
        let titles = ["feed", "result", "entries", "new", "changed", "gone", "problems"];
        printer.table(&titles, feeds.iter().map(sync_cells).collect());
        feeds.iter().for_each(|feed| print_problems(&feed.problems, printer));
        for feed in feeds {
            if let SyncOutcome::Refused { why } = &feed.outcome {
                printer.complain(format_args!("error: feed {} was refused: {why}", feed.feed));
                printer.complain("  hint: the last good snapshot, if there is one, stays in use");
            }
        }
    }
    // A document that could not be read leaves old statements in use: whoever runs this daily must notice.
    let is_faulty = |feed: &SyncedFeed| {
        matches!(feed.outcome, SyncOutcome::Refused { .. })
            || feed.problems.iter().any(|problem| problem.level == Level::Error)
    };
    Ok(if feeds.iter().any(is_faulty) { Exit::Something } else { Exit::Nothing })
}

fn sync_cells(feed: &SyncedFeed) -> Vec<comfy_table::Cell> {
    let mut cells = vec![cell(&feed.feed)];
    match &feed.outcome {
        SyncOutcome::Taken { entries, added, changed, removed } => {
            cells.push(cell("taken"));
            cells.extend([entries, added, changed, removed].map(cell));
        }
        SyncOutcome::Unchanged => {
            cells.push(cell("unchanged"));
            cells.extend(["-"; 4].map(cell));
        }
        SyncOutcome::Refused { .. } => {
            cells.push(cell("REFUSED"));
            cells.extend(["-"; 4].map(cell));
        }
    }
    cells.push(cell(feed.problems.len()));
    cells
}

fn sync_row(feed: &SyncedFeed) -> SyncRow<'_> {
    let mut row = SyncRow {
        feed: feed.feed.as_str(),
        outcome: "taken",
        entries: None,
        added: None,
        changed: None,
        removed: None,
        why: None,
        problems: feed.problems.iter().map(ToString::to_string).collect(),
    };
    match &feed.outcome {
        SyncOutcome::Taken { entries, added, changed, removed } => {
            (row.entries, row.added) = (Some(*entries), Some(*added));
            (row.changed, row.removed) = (Some(*changed), Some(*removed));
        }
        SyncOutcome::Unchanged => row.outcome = "unchanged",
        SyncOutcome::Refused { why } => (row.outcome, row.why) = ("refused", Some(why.as_str())),
    }
    row
}

/// Prints the first problems of a feed and how many more there are.
pub fn print_problems(problems: &[Problem], printer: &mut Printer) {
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        printer.problem(problem);
    }
    if problems.len() > PROBLEMS_SHOWN_MAX {
        let more = problems.len() - PROBLEMS_SHOWN_MAX;
        printer.say(format_args!("... and {} more", count(more, "problem")));
    }
}
