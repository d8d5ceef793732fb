//! Measures the audit record: `record DATABASE`, on a database of its own. A line of output is
//! `NAME TAB UNIT TAB FIGURE`. It is an example and no test: it asserts no time.

use std::error::Error;
use std::time::Instant;

use jiff::Timestamp;
use store::{ClientScope, DatabaseUrl, NewRecord, RecordBody, RecordKind, RecordNumber, Store, Via};

/// Records of each measurement in batches.
const RECORDS: usize = 100_000;

/// Records that are written one by one.
const SINGLE: usize = 2_000;

/// Sizes of batches that are measured.
const BATCHES: [usize; 3] = [10, 100, 1000];

fn main() -> Result<(), Box<dyn Error>> {
    let database = std::env::args().nth(1).ok_or("usage: record DATABASE")?;
    // As the program itself runs it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&database))
}

async fn run(database: &str) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&DatabaseUrl::parse(database)?).await?;
    let begun = Instant::now();
    for number in 0..SINGLE {
        store.append(&record(number)?).await?;
    }
    show("append: one by one", SINGLE, begun);
    for size in BATCHES {
        // Batches of ten cost what single ones cost: fewer of them are enough to see it.
        let count = RECORDS.min(size * 1000);
        let records = (0..count).map(record).collect::<Result<Vec<_>, _>>()?;
        let begun = Instant::now();
        for batch in records.chunks(size) {
            store.append_all(batch).await?;
        }
        show(&format!("append: batches of {size}"), count, begun);
    }
    let begun = Instant::now();
    let mut next = RecordNumber(1);
    let mut count = 0;
    loop {
        let page = store.records(&ClientScope::All, next, store::RECORDS_PAGE_MAX).await?;
        let Some(last) = page.last() else { break };
        next = RecordNumber(last.number.0 + 1);
        count += page.len();
    }
    show("read, with every leaf checked", count, begun);
    store.close().await;
    Ok(())
}

/// A record as the outcome of a host has it.
fn record(number: usize) -> Result<NewRecord, jiff::Error> {
    let second = i64::try_from(number).unwrap_or(0);
    let steps =
        ["changed", "changed", "unchanged", "unchanged"].map(|it| RecordBody::default().with("outcome", it));
    Ok(NewRecord {
        at: Timestamp::from_second(1_780_000_000 + second)?,
        kind: RecordKind::Event,
        actor: "eva".to_owned(),
        via: Via::Cli,
        client: None,
        target: format!("host web-{number}.example.org"),
        action: "apply".to_owned(),
        reason: None,
        plan: Some([0xab; 32]),
        commit: Some("c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff".to_owned()),
        before: Some([1; 32]),
        after: Some([2; 32]),
        outcome: Some("done".to_owned()),
        body: RecordBody::default().with("steps", steps.to_vec()),
        salt: [7; 16],
    })
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
fn show(name: &str, count: usize, begun: Instant) {
    println!("{name}\trecords/s\t{:.0}", count as f64 / begun.elapsed().as_secs_f64());
}
