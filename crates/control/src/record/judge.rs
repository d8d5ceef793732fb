//! Holds what was signed against what is on record. Pure.

use std::collections::{BTreeMap, BTreeSet};

use store::{RecordFaultKind, RecordWalk};

use super::note::{SignedCheckpoint, VerifierKey};

/// Records that are not what was written or signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsFault {
    /// The first one.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Whether the first one is bad for certain; else the first bad one lies between the two.
    pub is_exact: bool,
    /// What is wrong, in plain words.
    pub what: String,
}

/// A checkpoint that speaks of the record, and where it was found.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// For people: `database`, `git`, a file.
    pub source: String,
    /// How many records it speaks of, where its note cannot be read.
    pub size: u64,
    /// The note; else what is wrong with it.
    pub signed: Result<SignedCheckpoint, String>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Judgement {
    /// What is wrong, the first bad record first.
    pub faults: Vec<RecordsFault>,
    /// How many statements of each source are true of the record.
    pub agreed: BTreeMap<String, usize>,
    /// Up to which record checkpoints vouch for the record.
    pub sealed: u64,
}

/// Judges. Statements with an unreadable note count as faults.
pub(super) fn judge(
    origin: Option<&str>,
    walk: &RecordWalk,
    statements: &[Statement],
    keys: &[VerifierKey],
) -> Judgement {
    let mut judge =
        Judge { walk, good: BTreeSet::new(), sources: BTreeMap::new(), found: Judgement::default() };
    judge.take_records();
    let mut trusted = Vec::new();
    let mut untrusted = Vec::new();
    for statement in statements {
        match refused(origin, statement, keys) {
            Some(why) => untrusted.push((statement, why)),
            None => trusted.extend(statement.signed.as_ref().ok().map(|signed| (statement, signed))),
        }
    }
    for (statement, signed) in &trusted {
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        let places = judge.sources.entry((size, root)).or_default();
        places.insert(statement.source.clone());
        if walk.roots.get(&size) == Some(&root) {
            judge.good.insert(size);
            *judge.found.agreed.entry(statement.source.clone()).or_default() += 1;
        }
    }
    judge.take_untrusted(&untrusted);
    let signed: Vec<&SignedCheckpoint> = trusted.into_iter().map(|(_, signed)| signed).collect();
    judge.take_truncated(&signed);
    judge.take_differing(&signed);
    judge.found.sealed = judge.good.last().copied().unwrap_or(0);
    judge.found.faults.sort_by_key(|fault| (fault.from, fault.to));
    judge.found
}

/// Says why a statement does not count.
fn refused(origin: Option<&str>, statement: &Statement, keys: &[VerifierKey]) -> Option<String> {
    let signed = match &statement.signed {
        Ok(signed) => signed,
        Err(why) => return Some(why.clone()),
    };
    let named = &signed.checkpoint.origin;
    if origin.is_some_and(|origin| origin != named) {
        return Some(format!(
            "it is of another record, {named}: this database is not the one that was signed"
        ));
    }
    let why = "it is not signed with a key that is trusted here";
    signed.signer(keys).is_none().then(|| why.to_owned())
}

struct Judge<'w> {
    walk: &'w RecordWalk,
    /// Sizes at which a trusted statement is true of the record.
    good: BTreeSet<u64>,
    /// Who says what.
    sources: BTreeMap<(u64, [u8; 32]), BTreeSet<String>>,
    found: Judgement,
}

impl Judge<'_> {
    /// What single records show by themselves.
    fn take_records(&mut self) {
        for fault in &self.walk.faults {
            let from = fault.number.max(0).unsigned_abs();
            let when = fault.at.map_or_else(String::new, |at| format!(" at {at:.0}"));
            let says = if fault.what.is_empty() {
                String::new()
            } else {
                format!("; it says: {}{when}", fault.what)
            };
            let (to, what) = match &fault.kind {
                RecordFaultKind::Changed => (from, format!("record {from} was changed{says}")),
                RecordFaultKind::Missing { to } => {
                    let to = to.max(&0).unsigned_abs();
                    (to, format!("{} missing, and later ones are there", records_are(from, to)))
                }
                RecordFaultKind::OutOfTurn => {
                    (from, format!("a record has the number {}; they begin with 1{says}", fault.number))
                }
                RecordFaultKind::Format { format } => (
                    from,
                    format!(
                        "record {from} was changed, or a newer ifrit wrote it: it has format {format}{says}"
                    ),
                ),
                RecordFaultKind::Unreadable { why } => (from, format!("record {from} was changed: {why}")),
            };
            self.found.faults.push(RecordsFault { from, to, is_exact: true, what });
        }
    }

    /// Returns the first record that no good statement of at most so many records vouches for.
    fn after_good(&self, size: u64) -> u64 {
        self.good.range(..size).next_back().map_or(1, |good| good + 1)
    }

    fn take_untrusted(&mut self, untrusted: &[(&Statement, String)]) {
        // One fault for each reason and place, at the first record that it concerns; a forger signs many.
        let mut told: BTreeMap<(&str, &str), (u64, usize)> = BTreeMap::new();
        for (statement, why) in untrusted {
            let size = statement.signed.as_ref().map_or(statement.size, |signed| signed.checkpoint.size);
            let entry = told.entry((&statement.source, why)).or_insert((size, 0));
            *entry = (entry.0.min(size), entry.1 + 1);
        }
        for ((source, why), (size, count)) in told {
            let from = self.after_good(size).min(size.max(1));
            let more =
                if count > 1 { format!(" (and so are {} others there)", count - 1) } else { String::new() };
            let of = if size > 0 { format!(" of {}", many(size)) } else { String::new() };
            let what = format!(
                "nothing vouches for {}: the checkpoint{of} in {source} does not count, {why}{more}",
                named(from, size.max(from))
            );
            let to = size.max(from);
            self.found.faults.push(RecordsFault { from, to, is_exact: from == to, what });
        }
    }

    fn take_truncated(&mut self, signed: &[&SignedCheckpoint]) {
        let Some(largest) = signed.iter().max_by_key(|it| it.checkpoint.size) else { return };
        let (size, last) = (largest.checkpoint.size, self.walk.last_number);
        if size > last {
            let what = format!(
                "{} missing at the end: {} speaks of them",
                records_are(last + 1, size),
                self.text(largest)
            );
            self.found.faults.push(RecordsFault { from: last + 1, to: size, is_exact: true, what });
        }
    }

    fn take_differing(&mut self, signed: &[&SignedCheckpoint]) {
        let differs = |it: &&&SignedCheckpoint| {
            let root = self.walk.roots.get(&it.checkpoint.size);
            root.is_some_and(|root| *root != it.checkpoint.root)
        };
        // Every larger one differs too.
        let Some(first) = signed.iter().filter(differs).min_by_key(|it| it.checkpoint.size) else { return };
        let size = first.checkpoint.size;
        let explains = |number: i64| number.max(0).unsigned_abs() <= size;
        if self.walk.faults.iter().any(|fault| explains(fault.number)) {
            return;
        }
        let from = self.after_good(size);
        let later = self.good.range(size..).next();
        let what = match later
            .and_then(|later| signed.iter().find(|it| it.checkpoint.size == *later && !differs(it)))
        {
            Some(other) => format!(
                "the history was forked{}: {} and {} are of two histories, and both are signed",
                if from > 1 { format!(" after record {}", from - 1) } else { String::new() },
                self.text(first),
                self.text(other)
            ),
            None => format!(
                "{} not what was signed: {} is of other records",
                records_are(from, size),
                self.text(first)
            ),
        };
        self.found.faults.push(RecordsFault { from, to: size, is_exact: from == size, what });
    }

    /// `the checkpoint of 12 records, signed at 2026-11-23T01:02:03Z (database, git)`.
    fn text(&self, signed: &SignedCheckpoint) -> String {
        let it = &signed.checkpoint;
        let at = it.at.map_or_else(String::new, |at| format!(", signed at {at:.0}"));
        let places = self.sources.get(&(it.size, it.root)).into_iter().flatten();
        let places: Vec<&str> = places.map(String::as_str).collect();
        format!("the checkpoint of {}{at} ({})", many(it.size), places.join(", "))
    }
}

fn many(records: u64) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}

/// `record 5`, `records 5 to 7`.
pub(super) fn named(from: u64, to: u64) -> String {
    if from >= to { format!("record {from}") } else { format!("records {from} to {to}") }
}

/// `record 5 is`, `records 5 to 7 are`.
fn records_are(from: u64, to: u64) -> String {
    format!("{} {}", named(from, to), if from >= to { "is" } else { "are" })
}
