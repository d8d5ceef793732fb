//! Measures the store: `bench PART --database PATH_OR_URL`. Each part runs in a process of its own and on a
//! database of its own, except that the reading parts ask what a writing part before them left; `bench/store/run`
//! calls them in order and holds the figures against their bars. A line of output is `NAME TAB UNIT TAB FIGURES`.
//!
//! It is an example and no test: it asserts no time.

mod fleet;
mod who;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use jiff::SignedDuration;
use model::{Advisory, Collection, Ecosystem, FeedName, PackageName, VulnerabilityId};
use store::{
    ChangeQuery, ClientScope, DatabaseUrl, HostId, HostSet, NewSnapshot, PackageVersionId, Store, StoreError,
};

use crate::fleet::{Fleet, Numbers};

/// Hours between the first look at the fleet and now; the last seven days of them have changes.
const HOURS: i64 = 30 * 24;

/// Of how many hosts one changes with each of the 28 looks of the last seven days.
const CHANGING: usize = 40;

/// Hosts of a large fleet that are made at a time.
const LARGE_STEP: usize = 5000;

/// Times that unchanged and changed collections are recorded.
const ROUNDS: i64 = 5;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let options = Options::read()?;
    // As the program itself runs it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Outcome {
    let store = Store::open(&DatabaseUrl::parse(&options.database)?).await?;
    match options.part.as_str() {
        "ingest" => ingest(&store, options).await?,
        "fill" => fill(&store, options).await?,
        "read" => read(&store, options).await?,
        "fill-advisories" => fill_advisories(&store, options).await?,
        "read-advisories" => read_advisories(&store, options, "another process").await?,
        "fill-large" => fill_large(&store, options).await?,
        "read-large" => read_large(&store, options).await?,
        "fill-who" => who::fill(&store, options).await?,
        "read-who" => who::read(&store, options).await?,
        other => return Err(format!("there is no part `{other}`").into()),
    }
    store.close().await;
    Ok(())
}

/// Records the same hosts when they are new, when nothing changed, and when one package of each changed.
async fn ingest(store: &Store, options: &Options) -> Outcome {
    let fleet = options.fleet();
    store.sync_inventory(&fleet::inventory(options.hosts), None, fleet::time(-1, 0)).await?;
    let mut collections = collections(&fleet, options);
    let new = record(store, &collections, 0).await?;
    show("ingest: new", "hosts/s", &[rate(options, new)]);
    let (mut unchanged, mut changed) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        look_again(&mut collections, round * 2);
        unchanged.push(rate(options, record(store, &collections, round * 2).await?));
        look_again(&mut collections, round * 2 + 1);
        collections.iter_mut().for_each(|it| fleet::upgrade(it, round * 2 + 1));
        changed.push(rate(options, record(store, &collections, round * 2 + 1).await?));
    }
    show("ingest: unchanged", "hosts/s", &spread(unchanged));
    show("ingest: one package changed", "hosts/s", &spread(changed));
    Ok(())
}

/// Leaves a fleet with 30 days of history behind, the last seven with changes.
async fn fill(store: &Store, options: &Options) -> Outcome {
    let fleet = options.fleet();
    store.sync_inventory(&fleet::inventory(options.hosts), None, fleet::time(-1, 0)).await?;
    let mut collections = collections(&fleet, options);
    record(store, &collections, 0).await?;
    for hour in (HOURS - 27 * 6..=HOURS).step_by(6) {
        look_again(&mut collections, hour);
        let changing = collections.iter_mut().enumerate();
        for (_, it) in
            changing.filter(|(host, _)| (host + hour.unsigned_abs() as usize / 6).is_multiple_of(CHANGING))
        {
            fleet::upgrade(it, hour);
            fleet::toggle_service(it);
        }
        record(store, &collections, hour).await?;
    }
    Ok(())
}

/// Asks what people ask, each question many times.
async fn read(store: &Store, options: &Options) -> Outcome {
    let all = ClientScope::All;
    let one = ClientScope::Only(BTreeSet::from([fleet::client_name(3)]));
    measure("hosts: of every client", options, async |_| store.hosts(&all).await).await?;
    measure("hosts: of one client", options, async |_| store.hosts(&one).await).await?;

    let names = options.fleet().names(options.calls);
    measure("search: who has a package", options, async |call| search(store, &all, &names[call]).await)
        .await?;
    measure("search: the same, with host records", options, async |call| {
        let hosts = search(store, &all, &names[call]).await?;
        store.hosts_by_id(&all, &hosts).await
    })
    .await?;

    let mut numbers = Numbers(1);
    let mut moment = || {
        (fleet::host_name(numbers.below(options.hosts)), fleet::time(HOURS - numbers.below(162) as i64, 0))
    };
    let moments: Vec<_> = (0..options.calls).map(|_| moment()).collect();
    measure("history: packages of a host at a date", options, async |call| {
        store.packages_of(&all, &moments[call].0, Some(moments[call].1)).await
    })
    .await?;
    measure("history: a host at a date", options, async |call| {
        store.host_at(&all, &moments[call].0, Some(moments[call].1)).await
    })
    .await?;
    let until = fleet::time(HOURS + 1, 0);
    let week = ChangeQuery { since: until - SignedDuration::from_hours(7 * 24), until, hosts: None };
    measure("history: changes of 7 days, first page", options, async |_| store.changes(&all, &week).await)
        .await?;
    measure("history: changes of 7 days, one client", options, async |_| store.changes(&one, &week).await)
        .await
}

/// Returns the hosts that have a package of a name, of whatever version.
async fn search(store: &Store, scope: &ClientScope, name: &PackageName) -> Result<Vec<HostId>, StoreError> {
    let versions = store.package_versions_named(&[(Ecosystem::Alpine, name.clone())]).await?;
    let versions: Vec<PackageVersionId> = versions.into_iter().map(|(id, _)| id).collect();
    let hosts = HostSet::union_of(store.hosts_with(scope, &versions, None).await?.values());
    Ok(hosts.iter().collect())
}

/// Records a feed of many advisories, and asks at once.
async fn fill_advisories(store: &Store, options: &Options) -> Outcome {
    let feed = FeedName::new("osv");
    let advisories: Vec<Advisory> =
        (0..options.advisories).map(|number| fleet::advisory(&feed, number)).collect();
    let snapshot = NewSnapshot {
        feed: &feed,
        origin: "nowhere",
        advisories: &advisories,
        exploited: &[],
        coverage: &[],
        problems: &[],
        accept_shrunken: false,
    };
    let begun = Instant::now();
    store.record_snapshot(&snapshot, fleet::time(0, 0)).await?;
    show("feed: new", "advisories/s", &[options.advisories as f64 / begun.elapsed().as_secs_f64()]);
    drop(advisories);
    read_advisories(store, options, "right after it was written").await
}

async fn read_advisories(store: &Store, options: &Options, when: &str) -> Outcome {
    let mut numbers = Numbers(2);
    let one: Vec<VulnerabilityId> =
        (0..options.calls).map(|_| fleet::vulnerability(numbers.below(options.advisories))).collect();
    measure(&format!("advisories about 1 id, {when}"), options, async |call| {
        store.advisories_about(&one[call..=call], None).await
    })
    .await?;
    let many: Vec<VulnerabilityId> =
        (0..options.advisories).step_by(options.advisories / 50).map(fleet::vulnerability).collect();
    measure(&format!("advisories about 50 ids, {when}"), options, async |_| {
        store.advisories_about(&many, None).await
    })
    .await
}

/// Declares a large fleet and looks at each host once, without packages.
async fn fill_large(store: &Store, options: &Options) -> Outcome {
    store.sync_inventory(&fleet::inventory(options.hosts), None, fleet::time(-1, 0)).await?;
    let fleet = options.fleet();
    for first in (0..options.hosts).step_by(LARGE_STEP) {
        let hosts = first..options.hosts.min(first + LARGE_STEP);
        let collections: Vec<_> = hosts.map(|host| fleet.collection(host, options.packages)).collect();
        record(store, &collections, 0).await?;
    }
    Ok(())
}

async fn read_large(store: &Store, options: &Options) -> Outcome {
    let all = ClientScope::All;
    measure("hosts: a large fleet", options, async |_| store.hosts(&all).await).await
}

fn collections(fleet: &Fleet, options: &Options) -> Vec<Collection> {
    (0..options.hosts).map(|host| fleet.collection(host, options.packages)).collect()
}

fn look_again(collections: &mut [Collection], hour: i64) {
    for (host, collection) in collections.iter_mut().enumerate() {
        fleet::look_again(collection, hour, host);
    }
}

/// Records collections and returns how many seconds it took.
async fn record(store: &Store, collections: &[Collection], hour: i64) -> Result<f64, StoreError> {
    let begun = Instant::now();
    let report = store.record_collections(collections, fleet::time(hour + 1, 0)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!((report.recorded, report.outdated.len()), (collections.len(), 0), "every host counts");
    Ok(seconds)
}

fn rate(options: &Options, seconds: f64) -> f64 {
    options.hosts as f64 / seconds
}

/// Asks a question many times and prints the median, the 95th percentile and the most, in milliseconds.
async fn measure<T>(
    name: &str,
    options: &Options,
    mut ask: impl AsyncFnMut(usize) -> Result<T, StoreError>,
) -> Outcome {
    let mut times = Vec::with_capacity(options.calls);
    for call in 0..options.calls {
        let begun = Instant::now();
        let answer = ask(call).await?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        drop(answer);
    }
    times.sort_by(f64::total_cmp);
    let place = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    show(name, "ms", &[place(50), place(95), place(100)]);
    Ok(())
}

/// Returns the least, the median and the most.
fn spread(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn show(name: &str, unit: &str, figures: &[f64]) {
    let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:.2}")).collect();
    println!("{name}\t{unit}\t{}", figures.join("\t"));
}

#[derive(Debug, Clone)]
struct Options {
    part: String,
    database: String,
    hosts: usize,
    packages: usize,
    advisories: usize,
    calls: usize,
    aports: Option<PathBuf>,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            part: String::new(),
            database: String::new(),
            hosts: 2000,
            packages: 400,
            advisories: 150_000,
            calls: 200,
            aports: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--database" => options.database = value()?,
                "--hosts" => options.hosts = value()?.parse()?,
                "--packages" => options.packages = value()?.parse()?,
                "--advisories" => options.advisories = value()?.parse()?,
                "--calls" => options.calls = value()?.parse()?,
                "--aports" => options.aports = Some(value()?.into()),
                _ => options.part = argument,
            }
        }
        Ok(options)
    }

    fn fleet(&self) -> Fleet {
        Fleet::new(self.aports.as_deref())
    }
}
