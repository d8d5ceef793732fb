//! Times `who` inside of a running process, as a server will ask it: `answer WORKSPACE CALLS QUESTION...`.
//!
//! Each call answers anew from the database: the question, the counts, the first page. `bench/who/run` calls it;
//! it is an example and no test.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use control::who::{Moments, STATES, WhoQuery, WhoQuestion, who};
use control::{ClientScope, Inquiry, Surroundings, SystemClock};

/// Hosts of the first page.
const PAGE_HOSTS: usize = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, calls, questions @ ..] = arguments.as_slice() else {
        return Err("usage: answer WORKSPACE CALLS QUESTION...".into());
    };
    let inquiry = Inquiry::open(Path::new(root), Surroundings::default(), Box::new(SystemClock)).await?;
    for question in questions {
        let mut times = Vec::new();
        for _ in 0..calls.parse::<usize>()? {
            let begun = Instant::now();
            ask(&inquiry, question).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        show(question, times);
    }
    inquiry.close().await;
    Ok(())
}

async fn ask(inquiry: &Inquiry, question: &str) -> Result<(), Box<dyn Error>> {
    let query = WhoQuery::parse(question)?;
    let question = WhoQuestion { query, scope: ClientScope::All, moments: Moments::default() };
    let answer = who(inquiry, question).await?;
    answer.pages(inquiry, &STATES[..1], &[]).next(PAGE_HOSTS).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn show(question: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let place = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    println!("{question}\t{:.1}\t{:.1}\t{:.1}", place(50), place(95), place(100));
}
