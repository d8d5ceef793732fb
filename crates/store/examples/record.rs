//! Measures the audit record: `record append DATABASE`, on a database of its own, and `record walk DATABASE RECORDS`,
//! which fills it first. A line of output is `NAME TAB UNIT TAB FIGURE`. It is an example and no test: it asserts no
//! time.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Instant;

use jiff::Timestamp;
use store::{DatabaseUrl, NewRecord, RecordBody, RecordKind, Store, Via};
use tokio::task::JoinSet;

/// Writers at the same time, each of which waits until its record is durable before it writes the next, and how
/// many records they write together.
const WRITERS: [(usize, usize); 4] = [(1, 3_000), (8, 20_000), (64, 60_000), (512, 60_000)];

/// Records of a batch.
const BATCH: usize = 1000;

/// Batches that are measured.
const BATCHES: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: record append DATABASE | record walk DATABASE RECORDS";
    let (part, database) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let records: usize = arguments.next().map_or(Ok(0), |count| count.parse())?;
    // As the program itself runs it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&DatabaseUrl::parse(&database)?).await?;
        match part.as_str() {
            "append" => append(&store).await?,
            "walk" => walk(&store, records).await?,
            _ => return Err(usage.into()),
        }
        store.close().await;
        Ok(())
    })
}

async fn append(store: &Store) -> Result<(), Box<dyn Error>> {
    for (writers, count) in WRITERS {
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..writers {
            let store = store.clone();
            running.spawn(async move {
                for number in 0..count / writers {
                    store.append(&record(number)).await?;
                }
                Ok::<_, store::StoreError>(())
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        let name =
            if writers == 1 { "append: 1 writer".to_owned() } else { format!("append: {writers} writers") };
        show(&name, count / writers * writers, begun);
    }
    let batch: Vec<NewRecord> = (0..BATCH).map(record).collect();
    let begun = Instant::now();
    for _ in 0..BATCHES {
        store.append_all(&batch).await?;
    }
    show(&format!("append: batches of {BATCH}"), BATCH * BATCHES, begun);
    Ok(())
}

async fn walk(store: &Store, records: usize) -> Result<(), Box<dyn Error>> {
    let batch: Vec<NewRecord> = (0..BATCH).map(record).collect();
    for _ in 0..records / BATCH {
        store.append_all(&batch).await?;
    }
    for _ in 0..3 {
        let begun = Instant::now();
        let walked = store.walk_record(&BTreeSet::new()).await?;
        if !walked.faults.is_empty() {
            return Err("a fault in what was just written".into());
        }
        show_seconds(&format!("verify: {} records", walked.records), begun);
    }
    Ok(())
}

/// A record as the outcome of a host has it.
fn record(number: usize) -> NewRecord {
    let second = i64::try_from(number).unwrap_or(0);
    let steps =
        ["changed", "changed", "unchanged", "unchanged"].map(|it| RecordBody::default().with("outcome", it));
    NewRecord {
        at: Timestamp::from_second(1_780_000_000 + second).unwrap_or_default(),
        kind: RecordKind::Event,
        actor: "eva".to_owned(),
        via: Via::Cli,
        client: None,
        target: format!("web-{number}.example.org"),
        action: "apply".to_owned(),
        reason: None,
        plan: Some([0xab; 32]),
        commit: Some("c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff".to_owned()),
        before: Some([1; 32]),
        after: Some([2; 32]),
        outcome: Some("done".to_owned()),
        body: RecordBody::default().with("steps", steps.to_vec()),
        salt: [7; 16],
    }
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
fn show(name: &str, count: usize, begun: Instant) {
    println!("{name}\trecords/s\t{:.0}", count as f64 / begun.elapsed().as_secs_f64());
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
fn show_seconds(name: &str, begun: Instant) {
    println!("{name}\ts\t{:.2}", begun.elapsed().as_secs_f64());
}
