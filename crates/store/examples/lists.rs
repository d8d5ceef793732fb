//! Fills a database with a large fleet that has real package lists: `lists DATABASE FOLDER`.
//!
//! Every declared host of the database gets one of the lists in turn, less a few packages of its own, so that
//! hardly two hosts have the same set. A list is a file `NAME.tsv`: its first line `ECOSYSTEM TAB RELEASE`,
//! then `name TAB version TAB source TAB source version TAB repository`. `bench/who/run` calls it; it is an
//! example and no test.

use std::error::Error;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use model::{
    Architecture, Collection, HostName, InstalledPackage, Kernel, Listener, Observed, ObservedService,
    OsRelease, PackageName, Repository, ServiceManager, Transport, Version,
};
use store::{ClientScope, DatabaseUrl, Store};

/// Hosts that are recorded at a time.
const STEP: usize = 5000;

/// How many packages of its list a host lacks.
const LACKING: usize = 5;

/// Package versions of one release, as a host has them.
struct List {
    id: String,
    release: String,
    packages: Vec<InstalledPackage>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, folder] = arguments.as_slice() else { return Err("usage: lists DATABASE FOLDER".into()) };
    let lists = read_lists(Path::new(folder))?;
    let store = Store::open(&DatabaseUrl::parse(database)?).await?;
    let hosts = store.hosts(&ClientScope::All).await?;
    let now = Timestamp::now();
    for (step, hosts) in hosts.chunks(STEP).enumerate() {
        let numbered = hosts.iter().enumerate().map(|(at, host)| (step * STEP + at, &host.name));
        let collections: Vec<_> = numbered
            .map(|(number, host)| collection(&lists[number % lists.len()], host, number, now))
            .collect();
        store.record_collections(&collections, now).await?;
    }
    store.close().await;
    Ok(())
}

fn read_lists(folder: &Path) -> Result<Vec<List>, Box<dyn Error>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    paths.iter().map(|path| read_list(&std::fs::read_to_string(path)?)).collect()
}

fn read_list(text: &str) -> Result<List, Box<dyn Error>> {
    let mut lines = text.lines();
    let (id, release) = lines.next().and_then(|line| line.split_once('\t')).ok_or("a list without a head")?;
    let packages = lines.map(|line| read_package(line).ok_or_else(|| format!("not a package: {line}")));
    let mut packages = packages.collect::<Result<Vec<_>, _>>()?;
    packages.sort();
    Ok(List { id: id.to_owned(), release: release.to_owned(), packages })
}

fn read_package(line: &str) -> Option<InstalledPackage> {
    let mut fields = line.split('\t');
    Some(InstalledPackage {
        name: PackageName::new(fields.next()?),
        version: Version::new(fields.next()?),
        source: PackageName::new(fields.next()?),
        source_version: Version::new(fields.next()?),
        architecture: Architecture::new("x86_64"),
        repository: Repository::new(fields.next()?),
    })
}

fn collection(list: &List, host: &HostName, number: usize, now: Timestamp) -> Collection {
    let mut packages = list.packages.clone();
    for lacking in 0..LACKING.min(packages.len()) {
        packages.remove((number / 16 * 7919 + lacking * 104_729) % packages.len());
    }
    Collection {
        host: host.clone(),
        started_at: now - SignedDuration::from_secs(2),
        finished_at: now,
        os: Some(OsRelease {
            id: list.id.clone(),
            version: list.release.clone(),
            codename: None,
            pretty_name: String::new(),
        }),
        kernel: Some(Kernel {
            name: "Linux".to_owned(),
            running: "6.6.40".to_owned(),
            installed: None,
            machine: "x86_64".to_owned(),
        }),
        packages: Some(packages),
        observed: observed(),
        problems: Vec::new(),
    }
}

fn observed() -> Observed {
    let service = ObservedService {
        manager: ServiceManager::OpenRc,
        name: "sshd".to_owned(),
        is_enabled: Some(true),
        is_running: Some(true),
    };
    let listener = Listener {
        transport: Transport::Tcp,
        address: core::net::Ipv4Addr::UNSPECIFIED.into(),
        port: 22,
        process: Some("sshd".to_owned()),
        package: Some(PackageName::new("openssh-server")),
    };
    Observed { services: Some(vec![service]), listeners: Some(vec![listener]), ..Observed::default() }
}
