//! Checkpoints, anchors, exports and the log, on a workspace in git with a database.

mod tamper;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::ClientName;
use sqlx::Connection as _;
use store::{NewRecord, RecordBody, RecordNumber, Store, Via};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::session::OnFaultyWorkspace;
use crate::settings::Origin;
use crate::workspace::Surroundings;

/// Records of the log that is tampered with.
const RECORDS: i64 = 12;

/// A clock that goes on by a second each time it is read.
#[derive(Clone, Default)]
struct Ticking(Arc<AtomicI64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let seconds = 1_780_000_000 + self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(seconds).expect("a time")
    }
}

/// A workspace in git with a database.
struct World {
    folder: TempDir,
    database: String,
    clock: Ticking,
    session: Session,
}

impl World {
    async fn new(database: Option<String>) -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("ifrit.toml"), "").expect("written");
        std::fs::create_dir(folder.path().join("inventory")).expect("made");
        let text = "client(\"acme\")\nclient(\"globex\")\n\
                    host(\"web-1\", client = \"acme\", address = \"192.0.2.1\")\n\
                    host(\"db-1\", client = \"globex\", address = \"192.0.2.2\")\n";
        std::fs::write(folder.path().join("inventory/hosts.star"), text).expect("written");
        git(folder.path(), &["init", "--quiet"]);
        let commit =
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x"];
        git(folder.path(), &commit);
        let database = database.unwrap_or_else(|| folder.path().join("ifrit.db").display().to_string());
        let clock = Ticking::default();
        let session = open(folder.path(), &database, &clock, "").await;
        Self { folder, database, clock, session }
    }

    /// Begins a new session with other settings.
    async fn reopen(&mut self, settings: &str) {
        self.session = open(self.folder.path(), &self.database, &self.clock, settings).await;
    }

    async fn append(&self, number: i64) {
        let numbers = self.session.store.append(&self.record(number)).await.expect("written");
        assert_eq!(numbers, RecordNumber(number));
    }

    /// The record of a number: intents and their outcomes, of both clients and of none.
    fn record(&self, number: i64) -> NewRecord {
        let (client, target) = match number % 3 {
            0 => (None, "deploys/web"),
            1 => (Some("acme"), "web-1"),
            _ => (Some("globex"), "db-1"),
        };
        NewRecord {
            at: Timestamp::from_second(1_780_000_000 + number).expect("a time"),
            kind: RecordKind::Event,
            actor: "eva".to_owned(),
            via: Via::Cli,
            client: client.map(|name| ClientName::new(name).expect("a name")),
            target: target.to_owned(),
            action: format!("act.{number}"),
            reason: Some("because".to_owned()),
            plan: Some([3; 32]),
            commit: Some("c0ffee".to_owned()),
            before: Some([1; 32]),
            after: Some([2; 32]),
            outcome: Some("done".to_owned()),
            body: RecordBody::default().with("number", number),
            salt: [u8::try_from(number).expect("small"); 16],
        }
    }

    /// Fills the log; a checkpoint after each record, each anchored.
    async fn fill(&self) {
        for number in 1..=RECORDS {
            self.append(number).await;
            let sealed = checkpoint(&self.session, None).await.expect("signed");
            assert!(sealed.is_new && sealed.anchors.iter().all(Anchored::has_arrived), "{sealed:?}");
        }
    }

    async fn verify(&self) -> Verification {
        verify(&self.session, None, &[]).await.expect("verified")
    }

    /// Runs statements as the owner of the database.
    async fn execute(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.database.starts_with("postgres:") {
            let mut connection = sqlx::PgConnection::connect(&self.database).await.expect("connected");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("executed");
        } else {
            let url = format!("sqlite:{}", self.database);
            let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("connected");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("executed");
        }
    }

    /// Takes away what keeps the record from being changed, and keeps a copy of it.
    async fn disarm(&self) {
        let tables = ["audit_record", "audit_checkpoint"];
        for table in tables {
            let triggers = match self.database.starts_with("postgres:") {
                true => format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
                false => ["in_turn", "no_update", "no_delete"]
                    .map(|name| format!("DROP TRIGGER {table}_{name}"))
                    .join(";"),
            };
            self.execute(&triggers).await;
            self.execute(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
    }

    /// Puts the copy back.
    async fn restore(&self) {
        let foreign = if self.database.starts_with("postgres:") { "" } else { "PRAGMA foreign_keys = OFF;" };
        for table in ["audit_record", "audit_checkpoint"] {
            self.execute(&format!(
                "{foreign} DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}"
            ))
            .await;
        }
    }

    /// Tampers, and checks that the first bad record is named, exactly.
    async fn check(&self, sql: &str, first: i64) {
        let foreign = if self.database.starts_with("postgres:") { "" } else { "PRAGMA foreign_keys = OFF;" };
        self.execute(&format!("{foreign}{sql}")).await;
        let found = self.verify().await;
        let fault = found.faults.first().unwrap_or_else(|| panic!("nobody noticed: {sql}"));
        assert_eq!(fault.from, first.unsigned_abs(), "{sql}: {:?}", found.faults);
        assert!(fault.is_exact, "{sql}: {fault:?}");
        self.restore().await;
    }
}

async fn open(root: &Path, database: &str, clock: &Ticking, settings: &str) -> Session {
    std::fs::write(root.join("ifrit.toml"), settings).expect("written");
    let surroundings = Surroundings {
        home: Some(root.to_owned()),
        database: Some((database.to_owned(), Origin::Flag("--database"))),
        ..Surroundings::default()
    };
    let opened = Session::open(root, surroundings, Box::new(clock.clone()), OnFaultyWorkspace::Refuse).await;
    opened.expect("opened")
}

fn git(root: &Path, arguments: &[&str]) {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn run<F: Future<Output = ()>>(case: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(case);
}

impl World {
    fn blob(&self, digits: &str) -> String {
        if self.database.starts_with("postgres:") { format!("'\\x{digits}'") } else { format!("x'{digits}'") }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_found_out_and_so_is_what_comes_after_it() {
    let mut world = World::new(None).await;
    for number in 1..=5 {
        world.append(number).await;
    }
    let sealed = checkpoint(&world.session, None).await.expect("signed");
    let backup = world.folder.path().join("backup.db");
    let surroundings = world.session.surroundings.clone();
    crate::database::backup(world.folder.path(), &surroundings, &backup).await.expect("backed up");
    for number in 6..=8 {
        world.append(number).await;
    }
    checkpoint(&world.session, None).await.expect("signed");
    let session = std::mem::replace(&mut world.session, World::new(None).await.session);
    session.close().await;
    crate::database::restore(world.folder.path(), &surroundings, &backup).await.expect("restored");
    world.reopen("").await;
    let found = world.verify().await;
    let faults: Vec<_> = found.faults.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(faults, [(6, 8)], "{:?}", found.faults);
    assert!(found.faults[0].what.starts_with("records 6 to 8 are missing at the end"), "{:?}", found.faults);
    // The older one goes on: two histories are signed then.
    for number in 6..=9 {
        let record = NewRecord { reason: None, ..world.record(number) };
        world.session.store.append(&record).await.expect("written");
    }
    checkpoint(&world.session, None).await.expect("signed");
    let found = world.verify().await;
    assert!(found.faults[0].what.starts_with("the history was forked after record 5"), "{:?}", found.faults);
    // A checkpoint that somebody kept says the same without git.
    let kept = world.folder.path().join("kept");
    std::fs::write(&kept, &sealed.checkpoint.note).expect("written");
    world.reopen("[audit]\nanchors = []\n").await;
    let found = verify(&world.session, Some(&kept), &[]).await.expect("verified");
    assert_eq!((found.faults.as_slice(), found.outside), (&[][..], 1));
    world.clock.0.fetch_add(100_000, Ordering::Relaxed);
    world.reopen("").await;
    let words: Vec<_> = world.verify().await.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(words, ["audit.anchor-old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn anchors_are_told_apart_and_failures_stop_nobody() {
    let mut world = World::new(None).await;
    assert!(matches!(checkpoint(&world.session, None).await, Err(Error::Record(RecordError::Empty))));
    assert_eq!(seal_after(&world.session, None).await, []);
    let found = world.verify().await;
    assert_eq!((found.records, found.faults.len(), found.warnings.len()), (0, 0, 0));
    world.append(1).await;
    std::fs::create_dir(world.folder.path().join("closed")).expect("made");
    let settings = "[audit]\nanchors = [\"git\", \"file:anchors.txt\", \"file:closed\", \"notify:nobody\", \"x\"]\n\
                    push_remotes = [\"nowhere\"]\n";
    world.reopen(settings).await;
    let problems = seal_after(&world.session, None).await;
    let said: Vec<_> =
        problems.iter().map(|it| it.message.split(':').take(2).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(
        said,
        ["anchor push:nowhere", "anchor file:closed", "anchor notify:nobody", "anchor x: it is no anchor"]
    );
    let found = world.verify().await;
    assert_eq!((found.faults.len(), found.outside), (0, 2), "git and the file");
    let states: Vec<_> =
        found.anchors.iter().map(|it| (it.place.as_str(), it.checkpoints, it.problem.is_some())).collect();
    let expected = [
        ("git", Some(1), false),
        ("push:nowhere", None, true),
        ("file:anchors.txt", Some(1), false),
        ("file:closed", None, true),
        ("notify:nobody", None, true),
        ("x", None, true),
    ];
    assert_eq!(states, expected);
    // Nothing new: what has it is left alone, the others are tried again.
    let sealed = checkpoint(&world.session, None).await.expect("signed");
    assert_eq!((sealed.is_new, sealed.anchors.len()), (false, 4));
    // No repository is said plainly and is nobody's failure.
    std::fs::remove_dir_all(world.folder.path().join(".git")).expect("removed");
    world.reopen("").await;
    world.append(2).await;
    let sealed = checkpoint(&world.session, None).await.expect("signed");
    let git = &sealed.anchors[0];
    assert_eq!(git.absent.as_deref(), Some("the workspace is no git repository"));
    assert!(git.problem.is_none() && sealed.problems().count() == 0);
    let words: Vec<_> = world.verify().await.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(words, ["audit.anchor-failed", "audit.not-anchored"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_on_top_of_what_is_wrong() {
    let world = World::new(None).await;
    for number in 1..=3 {
        world.append(number).await;
    }
    checkpoint(&world.session, None).await.expect("signed");
    world.append(4).await;
    world.disarm().await;
    let refused = async |sql: &str, expected: &str| {
        world.execute(sql).await;
        let error = checkpoint(&world.session, None).await.expect_err(sql).to_string();
        assert!(error.contains(expected), "{sql}: {error}");
        world.restore().await;
    };
    refused("UPDATE audit_record SET actor = 'x' WHERE number = 4", "audit record 4 is not what was written")
        .await;
    refused("DELETE FROM audit_record WHERE number > 2", "it has 2 records, and 3 were signed before").await;
    refused("UPDATE audit_checkpoint SET frontier = root", "is not kept as it was signed").await;
    refused("UPDATE audit_checkpoint SET note = 'x'", "the last checkpoint is damaged").await;
    std::fs::remove_file(world.folder.path().join(".config/ifrit/audit.key")).expect("removed");
    let error = checkpoint(&world.session, None).await.expect_err("another key").to_string();
    assert!(error.contains("a key that is not trusted here"), "{error}");
    let error = verify(&world.session, None, &[]).await.expect_err("no key");
    assert!(matches!(error, Error::Record(RecordError::NoKey)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_proves_itself_and_shows_one_client_alone() {
    let world = World::new(None).await;
    world.fill().await;
    let key = verifier_key(&world.session).await.expect("a key").to_string();
    let file = |name: &str| world.folder.path().join(name);
    let acme = ClientName::new("acme").expect("a name");
    let exported = export(&world.session, Some(&acme), &file("acme.jsonl")).await.expect("exported");
    assert_eq!((exported.records, exported.key.as_str()), (4, key.as_str()));
    export(&world.session, None, &file("all.jsonl")).await.expect("exported");
    assert!(matches!(
        export(&world.session, None, &file("all.jsonl")).await,
        Err(Error::AlreadyThere { .. })
    ));
    let nobody = ClientName::new("nobody").expect("a name");
    assert!(export(&world.session, Some(&nobody), &file("nobody.jsonl")).await.is_err());
    let keys = [key];
    let check = |name: &str| verify_export(&file(name), &keys, None).expect("verified");
    let (own, all) = (check("acme.jsonl"), check("all.jsonl"));
    assert_eq!(
        (own.records, own.faults.len(), own.client.as_deref()),
        (4, 0, Some("acme")),
        "{:?}",
        own.faults
    );
    assert_eq!((all.records, all.faults.len(), all.client), (12, 0, None), "{:?}", all.faults);
    let text = std::fs::read_to_string(file("acme.jsonl")).expect("read");
    for foreign in ["globex", "db-1", "deploys/web", "act.2", "act.3"] {
        assert!(!text.contains(foreign), "{foreign} is not acme's");
    }
    bend(&text, &file("bent.jsonl"), &keys);
    bend(&std::fs::read_to_string(file("all.jsonl")).expect("read"), &file("bent.jsonl"), &keys);
    let other = AuditKey::from_seed(&[5; 32]).verifier(&own.origin).to_string();
    let found = verify_export(&file("acme.jsonl"), &[other], None).expect("verified");
    assert!(found.faults[0].what.contains("not signed with a key that was given"), "{:?}", found.faults);
    assert!(matches!(verify_export(&file("all.jsonl"), &[], None), Err(Error::Record(RecordError::NoKey))));
    compare_with_kept(&world, &keys).await;
}

/// Each line of an export is changed, dropped and doubled: it is noticed each time.
fn bend(text: &str, path: &Path, keys: &[String]) {
    let lines: Vec<&str> = text.lines().collect();
    let check = |lines: Vec<String>, number: Option<u64>| {
        std::fs::write(path, lines.join("\n") + "\n").expect("written");
        let found = verify_export(path, keys, None).expect("verified");
        assert!(!found.faults.is_empty(), "{lines:?}");
        if let Some(number) = number {
            assert_eq!(found.faults[0].from, number, "{:?}", found.faults);
        }
    };
    let owned = || lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    for at in 1..lines.len() {
        let number: u64 = lines[at]["{\"number\":".len()..]
            .split(',')
            .next()
            .and_then(|it| it.parse().ok())
            .expect("a number");
        let change = |from: &str, to: &str| {
            let mut bent = owned();
            bent[at] = bent[at].replacen(from, to, 1);
            assert_ne!(bent[at], lines[at], "{from}");
            bent
        };
        let is_whole = !lines[at].contains("\"proof\"");
        // Of a whole export the root tells that something is wrong, and not where; of a part each proof tells.
        let exact = (!is_whole).then_some(number);
        check(change("eva", "eve"), exact);
        check(change("\"salt\":\"0", "\"salt\":\"1"), exact);
        check(change("\"salt\":\"0", "\"salt\":\"x"), Some(number));
        check(change("\"number\":", "\"number\":9"), None);
        let mut dropped = owned();
        dropped.remove(at);
        check(dropped, None);
        let mut doubled = owned();
        doubled.insert(at, lines[at].to_owned());
        check(doubled, Some(number));
    }
}

async fn compare_with_kept(world: &World, keys: &[String]) {
    let file = |name: &str| world.folder.path().join(name);
    let kept = file("kept");
    let mut notes = world.session.store.checkpoints().await.expect("read").into_iter();
    std::fs::write(&kept, notes.nth(4).expect("the fifth").note).expect("written");
    let compare = |name: &str| verify_export(&file(name), keys, Some(&kept)).expect("verified");
    let (all, own) = (compare("all.jsonl"), compare("acme.jsonl"));
    assert_eq!((all.is_compared, all.faults.len()), (Some(true), 0), "{:?}", all.faults);
    assert_eq!(
        (own.is_compared, own.faults.len()),
        (Some(false), 0),
        "a part cannot be compared with another size"
    );
    // A later checkpoint shows that the export is not all that there is.
    world.append(13).await;
    let sealed = checkpoint(&world.session, None).await.expect("signed");
    std::fs::write(&kept, &sealed.checkpoint.note).expect("written");
    let found = compare("all.jsonl");
    assert_eq!(
        found.faults.iter().map(|it| (it.from, it.to)).collect::<Vec<_>>(),
        [(13, 13)],
        "{:?}",
        found.faults
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_joins_outcomes_and_is_filtered() {
    let world = World::new(None).await;
    let store: &Store = &world.session.store;
    let intent = NewRecord {
        kind: RecordKind::Intent,
        outcome: None,
        action: "run.host".to_owned(),
        ..world.record(1)
    };
    store.append_all(&[intent.clone(), intent, world.record(2)]).await.expect("written");
    let answer = NewRecord { kind: RecordKind::Outcome { answers: RecordNumber(1) }, ..world.record(1) };
    store.append(&answer).await.expect("written");
    let everything = model::selector::Selector::everything();
    let query = LogQuery {
        selector: &everything,
        scope: &store::ClientScope::All,
        actor: None,
        action: None,
        since: None,
        limit: 10,
    };
    let numbers = async |query: &LogQuery<'_>| {
        let lines = log(&world.session, query).await.expect("read");
        lines.iter().map(|it| (it.number.0, it.outcome.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&query).await, [(1, true), (2, false), (3, false)]);
    assert_eq!(numbers(&LogQuery { limit: 2, ..query.clone() }).await, [(2, false), (3, false)]);
    assert_eq!(numbers(&LogQuery { action: Some("run"), ..query.clone() }).await, [(1, true), (2, false)]);
    assert_eq!(numbers(&LogQuery { action: Some("ru"), ..query.clone() }).await, []);
    assert_eq!(numbers(&LogQuery { action: Some("%"), ..query.clone() }).await, []);
    assert_eq!(numbers(&LogQuery { actor: Some("mallory"), ..query.clone() }).await, []);
    assert_eq!(numbers(&LogQuery { since: Some("2030-01-01"), ..query.clone() }).await, []);
    let selector = model::selector::Selector::parse("db-1").expect("a selector");
    assert_eq!(numbers(&LogQuery { selector: &selector, ..query.clone() }).await, [(3, false)]);
    let acme = store::ClientScope::Only([ClientName::new("acme").expect("a name")].into());
    assert_eq!(numbers(&LogQuery { scope: &acme, ..query.clone() }).await, [(1, true), (2, false)]);
    world.disarm().await;
    world.execute("UPDATE audit_record SET actor = 'x' WHERE number = 2").await;
    let lines = log(&world.session, &query).await.expect("read");
    assert!(lines[1].entry.as_ref().is_err_and(|why| why.contains("audit record 2")), "{lines:?}");
    assert_eq!(lines.len(), 3, "the others are told");
}
