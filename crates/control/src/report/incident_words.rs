//! An incident's report in words. Everything here is taken from the report's value, so that no form of it says what
//! its JSON does not.

use std::collections::BTreeMap;

use model::{Rung, Verdict};

use super::compose::verdict_of;
use super::document::{Block, Cell, Document, Figure, NOTHING, Section, Span, Spans, Table, Tone};
use super::incident::{
    ClockReport, EvidenceReport, HostOutcome, HostReport, IncidentReport, InternalReport, TimelineRow,
};
use super::words::{count, day, length, list, moment, seconds, short_list};

/// Returns the report in words.
pub(crate) fn document(report: &IncidentReport) -> Document {
    let client = report.client_title.as_deref();
    let whose = client.map(|client| format!(" for {client}")).unwrap_or_default();
    let kind = if report.is_exercise { "Exercise report" } else { "Incident report" };
    let mut sections = vec![
        affected(report),
        Section::new("Impact", vec![Block::List(report.impact.clone())]),
        timeline(report),
        Section::new("Contributing factors", vec![Block::List(report.causes.clone())]),
        done(report),
        proof(report),
        to_do(report),
    ];
    if !report.messages.is_empty() {
        sections.insert(0, Section::new("From the team", vec![Block::List(report.messages.clone())]));
    }
    sections.extend(report.internal.as_ref().map(internal));
    sections.extend(hashes(report));
    sections.iter_mut().for_each(drop_empty);
    Document {
        title: format!("{kind}{whose}: {}", report.title),
        banners: banners(report),
        facts: facts(report),
        lead: report.summary.clone(),
        sections,
        footer: "Made by ifrit from its record. All times are UTC. What could not be judged is called unknown, never \
                 passed."
            .to_owned(),
    }
}

fn banners(report: &IncidentReport) -> Vec<String> {
    let exercise = report.is_exercise.then(|| "Exercise: this was rehearsed, nothing happened.".to_owned());
    let internal = report
        .internal
        .is_some()
        .then(|| "Internal: names people, and clients to each other. Not for clients.".to_owned());
    exercise.into_iter().chain(internal).collect()
}

fn facts(report: &IncidentReport) -> Vec<(String, String)> {
    let fact = |label: &str, value: String| (label.to_owned(), value);
    let mut facts = vec![fact("Incident", report.incident.clone())];
    facts.extend(report.client_title.clone().map(|client| fact("Client", client)));
    if !report.vulnerabilities.is_empty() {
        facts.push(fact("Vulnerability", list(&report.vulnerabilities)));
    }
    facts.push(fact("Opened", format!("{} UTC", moment(report.opened_at))));
    let end = match report.closed_at {
        Some(at) => format!("closed {} UTC", moment(at)),
        None => format!("open; {}", report.stage),
    };
    facts.push(fact("State", end));
    facts.push(fact("Written", format!("{} UTC", moment(report.written_at))));
    facts
}

fn affected(report: &IncidentReport) -> Section {
    let title = if report.client.is_some() { "Were you affected?" } else { "Who was affected" };
    let all = report.hosts.len();
    if all == 0 {
        return Section::new(title, vec![Block::Paragraph("No host is known to have had it.".to_owned())]);
    }
    let mut figures =
        vec![Figure { label: "hosts affected".to_owned(), value: all.to_string(), tone: Tone::Plain }];
    for outcome in HostOutcome::ALL.into_iter().rev() {
        let hosts = report.hosts_with(outcome);
        if hosts > 0 {
            let (label, tone) = outcome_words(outcome);
            figures.push(Figure { label: label.to_owned(), value: hosts.to_string(), tone });
        }
    }
    let deadline = &report.deadline;
    if deadline.met + deadline.missed + deadline.open > 0 {
        let tone = if deadline.missed > 0 { Tone::Bad } else { Tone::Plain };
        let limit = seconds(deadline.limit_secs);
        let value = format!("{} met, {} missed, {} open", deadline.met, deadline.missed, deadline.open);
        let limit = if deadline.is_exploited { format!("{limit}, because it is exploited") } else { limit };
        figures.push(Figure { label: format!("deadline of {limit}"), value, tone });
    }
    let is_internal = report.client.is_none();
    let mut titles = vec!["host", "how it stands", "vulnerable package", "fixed in", "fixed at (UTC)"];
    if is_internal {
        titles.insert(0, "client");
    }
    let has_reasons = report.hosts.iter().any(|host| !host.reasons.is_empty());
    if has_reasons {
        titles.push("why urgent");
    }
    let mut rows: Vec<Vec<Cell>> = report.hosts.iter().map(|host| host_row(host, is_internal)).collect();
    rows.iter_mut().for_each(|row| row.truncate(titles.len()));
    let table = Table::new("The hosts and how they stand", &titles, rows);
    Section::new(title, vec![Block::Paragraph(answer(report)), Block::Figures(figures), Block::Table(table)])
}

/// Answers the question that the section asks.
fn answer(report: &IncidentReport) -> String {
    let all = report.hosts.len();
    let unknown = report.hosts_with(HostOutcome::Unknown);
    let whose = if report.client.is_some() { " of yours" } else { "" };
    match all - unknown {
        0 => format!("It cannot be told: {}{whose} could not be judged.", count(all, "host")),
        hosts if unknown == 0 => {
            format!("Yes: {}{whose} had a vulnerable version installed.", count(hosts, "host"))
        }
        hosts => format!(
            "Yes: {}{whose} had a vulnerable version installed, and {unknown} more could not be judged.",
            count(hosts, "host")
        ),
    }
}

fn host_row(host: &HostReport, is_internal: bool) -> Vec<Cell> {
    let (words, tone) = outcome_words(host.outcome);
    let mut words = words.to_owned();
    if let Some(exception) = &host.exception {
        let until = if exception.is_expired { "was" } else { "is" };
        words += &format!(" ({until} accepted until {})", day(exception.until));
    }
    let installed: Vec<String> =
        host.findings.iter().map(|it| format!("{} {}", it.package, it.installed)).collect();
    let fixed: Vec<String> = host.findings.iter().map(|it| it.fixed.clone()).collect();
    let at = |at: Option<jiff::Timestamp>| Cell::new(at.map_or_else(|| NOTHING.to_owned(), moment));
    let mut cells = vec![
        Cell::code(&host.host),
        Cell::toned(words, tone),
        Cell::new(distinct(installed).join("; ")),
        Cell::code(distinct(fixed).join("; ")),
        at(host.patched_at),
        Cell::new(host.reasons.join("; ")),
    ];
    if is_internal {
        cells.insert(0, Cell::new(&host.client));
    }
    cells
}

/// Drops what is said again, and keeps the order.
fn distinct(items: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// Returns how a host stands in words, and how that is meant.
fn outcome_words(outcome: HostOutcome) -> (&'static str, Tone) {
    match outcome {
        HostOutcome::Proven => ("fixed, proven", Tone::Good),
        HostOutcome::Patched => ("fixed, not yet proven", Tone::Open),
        HostOutcome::Waits => ("fixed, waits for a restart", Tone::Open),
        HostOutcome::NotAffected => ("not affected any more", Tone::Good),
        HostOutcome::Excepted => ("left open by decision", Tone::Open),
        HostOutcome::NoFix => ("no fix yet", Tone::Bad),
        HostOutcome::Unknown => ("unknown", Tone::Open),
        HostOutcome::Vulnerable => ("still vulnerable", Tone::Bad),
    }
}

fn timeline(report: &IncidentReport) -> Section {
    let row = |row: &TimelineRow| {
        let until = row.until.map(|until| format!(" – {}", until.strftime("%H:%M:%S"))).unwrap_or_default();
        let what = match row.hosts.as_slice() {
            [] => row.what.clone(),
            hosts => format!("{} {}", row.what, short_list(hosts)),
        };
        let record = row.record.map_or_else(|| NOTHING.to_owned(), |number| format!("#{number}"));
        vec![Cell::new(moment(row.at) + &until), Cell::new(what), Cell::new(&row.who), Cell::new(record)]
    };
    let rows = report.timeline.iter().map(row).collect();
    let mut table = Table::new("What happened, in order", &["time (UTC)", "what", "who", "record"], rows);
    if report.timeline_left_out > 0 {
        table.more = Some(format!("... and {} more, which are on record", report.timeline_left_out));
    }
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(spans(report));
    if !report.clocks.is_empty() {
        blocks.push(Block::Table(clocks(&report.clocks)));
    }
    Section::new("Time line (UTC)", blocks)
}

/// Draws from when to when each host was known to be vulnerable, where there are few enough to see.
fn spans(report: &IncidentReport) -> Option<Block> {
    /// Bars that a reader can tell apart.
    const BARS_MAX: usize = 20;
    let bar = |host: &HostReport| {
        let from = host.matched_at?;
        let (until, words) = match (host.verified_at, host.patched_at) {
            (Some(at), _) => (at, "until proven"),
            (None, Some(at)) => (at, "until fixed, not proven"),
            (None, None) => (report.written_at, "and still open"),
        };
        let words = format!("{} {words}", length(until.duration_since(from)));
        Some(Span { label: host.host.clone(), from, until, words })
    };
    let rows: Vec<Span> = report.hosts.iter().filter_map(bar).collect();
    let caption = "How long each host was known to be vulnerable".to_owned();
    (!rows.is_empty() && rows.len() <= BARS_MAX).then_some(Block::Spans(Spans { caption, rows }))
}

fn clocks(clocks: &[ClockReport]) -> Table {
    let words = |secs: u64| Cell::new(seconds(secs));
    let row = |clock: &ClockReport| {
        let missing = if clock.missing > 0 { format!(" ({} not yet)", clock.missing) } else { String::new() };
        vec![
            Cell::new(format!("{} to {}", clock.from, clock.to)),
            words(clock.p50_secs),
            words(clock.p95_secs),
            words(clock.max_secs),
            Cell::new(format!("{}{missing}", clock.count)),
        ]
    };
    let titles = ["from ... to ...", "half within", "95 of 100 within", "the slowest", "of"];
    Table::new("How long each part took", &titles, clocks.iter().map(row).collect())
}

fn done(report: &IncidentReport) -> Section {
    let plan = |plan: &super::incident::PlanReport| {
        vec![
            Cell::new(moment(plan.made_at)),
            Cell::code(&plan.plan),
            Cell::new(plan.about.as_deref().unwrap_or("the change that fixes it")),
            Cell::number(plan.hosts),
            Cell::new(&plan.by),
            Cell::code(plan.commit.as_deref().map_or(NOTHING, |commit| commit.get(..12).unwrap_or(commit))),
            Cell::code(&plan.sha256),
        ]
    };
    let run = |run: &super::incident::RunReport| {
        let hosts: Vec<String> = run.hosts.iter().map(|(word, hosts)| format!("{hosts} {word}")).collect();
        vec![
            Cell::new(moment(run.begun_at)),
            Cell::new(run.ended_at.map_or_else(|| "it has not ended".to_owned(), moment)),
            Cell::code(&run.run),
            Cell::code(&run.plan),
            Cell::new(hosts.join(", ")),
            Cell::new(&run.by),
        ]
    };
    if report.plans.is_empty() && report.runs.is_empty() {
        return Section::new(
            "What was done",
            vec![Block::Paragraph("Nothing was changed by a plan of this incident.".to_owned())],
        );
    }
    let titles = ["made (UTC)", "plan", "about", "hosts", "by", "commit", "sha-256 of the plan"];
    let plans = Table::new("Plans", &titles, report.plans.iter().map(plan).collect());
    let titles = ["began (UTC)", "ended (UTC)", "run", "plan", "hosts", "by"];
    let runs = Table::new("Runs of these plans", &titles, report.runs.iter().map(run).collect());
    Section::new("What was done", vec![Block::Table(plans), Block::Table(runs)])
}

fn proof(report: &IncidentReport) -> Section {
    let mut blocks = Vec::new();
    if report.evidence.is_empty() {
        blocks.push(Block::Paragraph(
            "The hosts were not looked at again yet, so nothing is proven.".to_owned(),
        ));
    } else {
        blocks.push(Block::Paragraph(
            "Each host was looked at again after the change, in up to six ways that do not rely on each other. A dash \
             means that there is nothing to look at."
                .to_owned(),
        ));
        blocks.push(Block::Table(ladder(report)));
        blocks.push(Block::List(doubts(&report.evidence)));
    }
    if report.earlier_evidence > 0 {
        let earlier = count(report.earlier_evidence, "earlier look");
        blocks.push(Block::Paragraph(format!(
            "{earlier} of the same kind are on record; the last ones are shown."
        )));
    }
    blocks.push(Block::Paragraph(match &report.checkpoint {
        Some(checkpoint) => format!(
            "This report can be held against the record: its state of {} UTC, {} records with the root {}, is signed.",
            moment(checkpoint.signed_at),
            checkpoint.size,
            checkpoint.root
        ),
        None => "The record was not signed yet when this report was written.".to_owned(),
    }));
    Section::new("Proof", blocks)
}

/// What each rung looks at, over its column.
fn rung_title(rung: Rung) -> &'static str {
    match rung {
        Rung::Version => "1 version",
        Rung::Files => "2 files",
        Rung::Processes => "3 processes",
        Rung::Services => "4 services",
        Rung::Kernel => "5 kernel",
        Rung::Network => "6 network",
    }
}

/// One row for each host, one column for each rung; of several packages the worst verdict.
fn ladder(report: &IncidentReport) -> Table {
    let mut seen: BTreeMap<(&str, u8), Verdict> = BTreeMap::new();
    for it in &report.evidence {
        let verdict = if it.is_intact { verdict_of(&it.verdict) } else { Verdict::Unknown };
        let worst = seen.entry((&it.host, it.rung)).or_insert(verdict);
        *worst = worse(*worst, verdict);
    }
    let row = |host: &HostReport| {
        let cell = |rung: Rung| match seen.get(&(host.host.as_str(), rung.number())) {
            Some(verdict) => verdict_cell(*verdict),
            None => Cell::toned("not looked at", Tone::Open),
        };
        std::iter::once(Cell::code(&host.host)).chain(Rung::ALL.into_iter().map(cell)).collect()
    };
    let mut titles = vec!["host"];
    titles.extend(Rung::ALL.map(rung_title));
    Table::new("What was seen on each host", &titles, report.hosts.iter().map(row).collect())
}

/// Returns the verdict that a reader must know of two: nothing to look at hides nothing.
fn worse(a: Verdict, b: Verdict) -> Verdict {
    let weight = |verdict| match verdict {
        Verdict::NotApplicable => 0,
        Verdict::Passed => 1,
        Verdict::Unknown => 2,
        Verdict::Failed => 3,
    };
    if weight(b) > weight(a) { b } else { a }
}

fn verdict_cell(verdict: Verdict) -> Cell {
    match verdict {
        Verdict::Passed => Cell::toned("passed", Tone::Good),
        Verdict::NotApplicable => Cell::new(NOTHING),
        Verdict::Unknown => Cell::toned("unknown", Tone::Open),
        Verdict::Failed => Cell::toned("failed", Tone::Bad),
    }
}

/// Says what did not pass, in sentences, the same sentence once.
fn doubts(evidence: &[EvidenceReport]) -> Vec<String> {
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for it in evidence {
        let verdict = verdict_of(&it.verdict);
        let words = match (it.is_intact, verdict) {
            (false, _) => "the kept output is not what its hash was made of".to_owned(),
            (true, Verdict::Passed | Verdict::NotApplicable) => continue,
            (true, Verdict::Unknown | Verdict::Failed) => it.detail.clone().unwrap_or_default(),
        };
        let sentence = format!("{} ({}, {}): {words}", it.verdict, it.package, it.about);
        match said.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, hosts)) => hosts.push(it.host.clone()),
            None => said.push((sentence, vec![it.host.clone()])),
        }
    }
    said.into_iter().map(|(sentence, hosts)| format!("{}: {sentence}", short_list(&hosts))).collect()
}

fn to_do(report: &IncidentReport) -> Section {
    let title = "What is left to do";
    if report.actions.is_empty() {
        return Section::new(title, vec![Block::Paragraph("Nothing.".to_owned())]);
    }
    let row = |action: &super::incident::ActionReport| {
        vec![
            Cell::new(&action.what),
            Cell::new(short_list(&action.hosts)),
            Cell::new(&action.owner),
            Cell::code(action.due.as_deref().unwrap_or(NOTHING)),
        ]
    };
    let rows = report.actions.iter().map(row).collect();
    Section::new(title, vec![Block::Table(Table::new("Actions", &["what", "hosts", "who", "by"], rows))])
}

fn internal(internal: &InternalReport) -> Section {
    let mut said = vec![format!("Opened by {}.", internal.opened_by)];
    said.extend(internal.selector.iter().map(|selector| format!("Hosts that were asked for: {selector}.")));
    if !internal.words.is_empty() {
        said.push(format!("The patch was asked for: {}.", internal.words.join(" ")));
    }
    said.extend(internal.deploy.iter().map(|deploy| format!("Closed by the deploy {deploy}.")));
    said.extend(internal.withheld.iter().cloned());
    let clients =
        internal.clients.iter().map(|(client, hosts)| vec![Cell::new(client), Cell::number(*hosts)]);
    let note = |(at, who, client, text): &(jiff::Timestamp, String, Option<String>, String)| {
        vec![
            Cell::new(moment(*at)),
            Cell::new(who),
            Cell::new(client.as_deref().unwrap_or("all")),
            Cell::new(text),
        ]
    };
    let notes = internal.notes.iter().map(note).collect();
    let blocks = vec![
        Block::List(said),
        Block::Table(Table::new("Hosts of each client", &["client", "hosts"], clients.collect())),
        Block::Table(Table::new("Notes", &["time (UTC)", "who", "client", "note"], notes)),
    ];
    Section::new("For the team", blocks)
}

/// Lists every hash, so that what is kept can be held against this page.
fn hashes(report: &IncidentReport) -> Option<Section> {
    if report.evidence.is_empty() {
        return None;
    }
    let row = |it: &EvidenceReport| {
        vec![
            Cell::code(&it.host),
            Cell::new(format!("{} {}", it.rung, it.about)),
            Cell::new(&it.package),
            Cell::new(&it.verdict),
            Cell::new(moment(it.taken_at)),
            Cell::new(it.record.map_or_else(|| NOTHING.to_owned(), |number| format!("#{number}"))),
            Cell::code(&it.sha256),
        ]
    };
    let titles =
        ["host", "looked at", "package", "verdict", "time (UTC)", "record", "sha-256 of what the host said"];
    let table = Table::new("Evidence", &titles, report.evidence.iter().map(row).collect());
    Some(Section::new("Evidence", vec![Block::Table(table)]))
}

/// An empty list or table says nothing.
fn drop_empty(section: &mut Section) {
    section.blocks.retain(|block| match block {
        Block::List(items) => !items.is_empty(),
        Block::Table(table) => !table.rows.is_empty(),
        Block::Paragraph(_) | Block::Figures(_) | Block::Spans(_) | Block::Trend(_) => true,
    });
    if section.blocks.is_empty() {
        section.blocks.push(Block::Paragraph("Nothing is on record of it.".to_owned()));
    }
}
