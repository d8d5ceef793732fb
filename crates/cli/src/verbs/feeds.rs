//! `ifrit feeds`.

use control::feeds::{SyncOutcome, SyncedFeed};
use control::{FeedRecord, OnFaultyWorkspace, Session};
use model::Problem;
use serde::Serialize;

use super::{count, open};
use crate::arguments::{FeedsArguments, FeedsVerb, GlobalArguments, SyncArguments};
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
    origin: &'a str,
    problems: usize,
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
    let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
    let exit = match &arguments.verb {
        Some(FeedsVerb::Sync(arguments)) => sync(&session, arguments, printer).await?,
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
    let cells = |feed: &FeedRecord| {
        let synced_at = feed.synced_at.map(|at| at.strftime("%Y-%m-%d %H:%MZ").to_string());
        vec![
            cell(&feed.feed),
            cell(synced_at.unwrap_or_else(|| "never".to_owned())),
            cell(feed.advisory_count),
            cell(feed.exploited_count),
            cell(feed.last_sync.problems.len()),
            cell(&feed.last_sync.origin),
        ]
    };
    let titles = ["feed", "synced", "advisories", "exploited", "problems", "from"];
    printer.table(&titles, feeds.iter().map(cells).collect());
    if feeds.is_empty() {
        printer.say("no feed yet: `ifrit feeds sync --from DIR`");
    }
    Ok(Exit::Nothing)
}

fn feed_row(feed: &FeedRecord) -> FeedRow<'_> {
    FeedRow {
        feed: feed.feed.as_str(),
        synced_at: feed.synced_at.map(|at| at.to_string()),
        advisories: feed.advisory_count,
        exploited: feed.exploited_count,
        origin: &feed.last_sync.origin,
        problems: feed.last_sync.problems.len(),
    }
}

async fn sync(session: &Session, arguments: &SyncArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let feeds = control::feeds::sync_from(session, &arguments.from).await?;
    if arguments.json {
        feeds.iter().try_for_each(|feed| printer.json(&sync_row(feed)))?;
    } else {
        let titles = ["feed", "result", "entries", "new", "changed", "gone", "problems"];
        printer.table(&titles, feeds.iter().map(sync_cells).collect());
        feeds.iter().for_each(|feed| print_problems(&feed.problems, printer));
        for feed in &feeds {
            if let SyncOutcome::Refused { why } = &feed.outcome {
                printer.complain(format_args!("error: feed {} was refused: {why}", feed.feed));
                printer.complain("  hint: the last good snapshot, if there is one, stays in use");
            }
        }
    }
    let is_refused = |feed: &SyncedFeed| matches!(feed.outcome, SyncOutcome::Refused { .. });
    Ok(if feeds.iter().any(is_refused) { Exit::Something } else { Exit::Nothing })
}

fn sync_cells(feed: &SyncedFeed) -> Vec<comfy_table::Cell> {
    let mut cells = vec![cell(&feed.feed)];
    match &feed.outcome {
        SyncOutcome::Taken { entries, added, changed, removed } => {
            cells.push(cell("taken"));
            cells.extend([entries, added, changed, removed].map(cell));
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
    let problems = feed.problems.iter().map(ToString::to_string).collect();
    let feed_name = feed.feed.as_str();
    match &feed.outcome {
        SyncOutcome::Taken { entries, added, changed, removed } => SyncRow {
            feed: feed_name,
            outcome: "taken",
            entries: Some(*entries),
            added: Some(*added),
            changed: Some(*changed),
            removed: Some(*removed),
            why: None,
            problems,
        },
        SyncOutcome::Refused { why } => SyncRow {
            feed: feed_name,
            outcome: "refused",
            entries: None,
            added: None,
            changed: None,
            removed: None,
            why: Some(why),
            problems,
        },
    }
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
