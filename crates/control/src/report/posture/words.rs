//! How things stand, in words.

use super::{AgeRow, DriftRow, ExceptionRow, LateRow, PostureReport, TimeRow, TrendPoint};
use crate::report::document::{Block, Cell, Document, Figure, NOTHING, Section, Table, Tone, Trend};
use crate::report::words::{count, day, length, moment, seconds};

/// Returns the two sentences that are enough for who reads no further.
pub(super) fn summary(report: &PostureReport) -> Vec<String> {
    let open = &report.open;
    let unknown: usize = report.unknown.values().sum();
    let judged = report.hosts.saturating_sub(unknown);
    let first = match (report.hosts, open.findings) {
        (0, _) => "There is no host.".to_owned(),
        (_, 0) if judged == 0 => {
            format!("None of {} could be judged, so nothing is known.", count(report.hosts, "host"))
        }
        (_, 0) => {
            format!("No finding with a fix is open on the {} that could be judged.", count(judged, "host"))
        }
        (_, findings) => format!(
            "{} with a fix {} open on {} of {}, {} of them known to be exploited.",
            count(findings, "finding"),
            if findings == 1 { "is" } else { "are" },
            open.hosts,
            count(report.hosts, "host"),
            open.exploited
        ),
    };
    let late = match (open.findings, open.late) {
        (0, _) if judged == 0 => "Whether anything is late cannot be told".to_owned(),
        (0, _) => "Nothing is late".to_owned(),
        (_, 0) => format!("None is older than {}", days(report.late_after_days)),
        (_, late) => format!(
            "{late} {} older than {}",
            if late == 1 { "is" } else { "are" },
            days(report.late_after_days)
        ),
    };
    let unknown = match unknown {
        0 => String::new(),
        hosts => format!("; {} could not be judged", count(hosts, "host")),
    };
    vec![first, format!("{late}{unknown}.")]
}

fn days(days: u64) -> String {
    count(usize::try_from(days).unwrap_or(usize::MAX), "day")
}

/// Returns the report in words.
pub(super) fn document(report: &PostureReport) -> Document {
    let whose = report.client_title.as_deref().map(|client| format!(" of {client}")).unwrap_or_default();
    let mut facts = Vec::new();
    facts.extend(report.client_title.clone().map(|client| ("Client".to_owned(), client)));
    facts.push(("Written".to_owned(), format!("{} UTC", moment(report.written_at))));
    let mut banners = Vec::new();
    if report.client.is_none() {
        banners.push("Internal: names clients to each other. Not for clients.".to_owned());
    }
    let mut sections = vec![at_a_glance(report), ages(report), late(report), time_to_fix(report)];
    sections.extend([trend(report), exceptions(report), drift(report)]);
    sections.extend(clients(report));
    sections.push(how_measured());
    Document {
        title: format!("Posture{whose}"),
        banners,
        facts,
        lead: report.summary.clone(),
        sections,
        footer: "Made by ifrit from what it saw and what its feeds say today. All times are UTC.".to_owned(),
    }
}

fn at_a_glance(report: &PostureReport) -> Section {
    let open = &report.open;
    let figure = |label: &str, number: usize, tone: Tone| Figure {
        label: label.to_owned(),
        value: number.to_string(),
        tone: if number == 0 { Tone::Plain } else { tone },
    };
    let unknown: usize = report.unknown.values().sum();
    let figures = vec![
        figure("open findings with a fix", open.findings, Tone::Plain),
        figure("of them known to be exploited", open.exploited, Tone::Bad),
        figure("of them late", open.late, Tone::Bad),
        figure("hosts with any", open.hosts, Tone::Plain),
        figure("hosts in all", report.hosts, Tone::Plain),
        figure("hosts that could not be judged", unknown, Tone::Open),
        figure("open without a fix yet", report.unfixed, Tone::Plain),
        figure("left open by decision", open.accepted, Tone::Open),
    ];
    let reasons = report.unknown.iter().map(|(reason, hosts)| format!("{}: {reason}", count(*hosts, "host")));
    let mut blocks = vec![Block::Figures(figures)];
    if unknown > 0 {
        blocks.push(Block::List(reasons.collect()));
    }
    Section::new("At a glance", blocks)
}

fn ages(report: &PostureReport) -> Section {
    let title = "Open findings by age";
    if report.ages.is_empty() {
        return Section::new(title, vec![nothing("Nothing with a fix is known to be open.")]);
    }
    let row = |row: &AgeRow| {
        let all: usize = row.by_age.iter().sum();
        let cells = row.by_age.iter().map(|count| Cell::number(*count));
        std::iter::once(Cell::new(&row.severity)).chain(cells).chain([Cell::number(all)]).collect()
    };
    let titles = ["severity", "under 7 days", "7 to 29 days", "30 to 89 days", "90 days and more", "all"];
    let table = Table::new(
        "Open findings with a fix by severity and age",
        &titles,
        report.ages.iter().map(row).collect(),
    );
    Section::new(title, vec![Block::Table(table)])
}

fn late(report: &PostureReport) -> Section {
    let title = format!("Not fixed for more than {}", days(report.late_after_days));
    if report.late.is_empty() {
        return Section { title, blocks: vec![nothing("Nothing.")] };
    }
    let row = |row: &LateRow| {
        let age = length(report.written_at.duration_since(row.since));
        vec![
            Cell::code(&row.id),
            Cell::code(&row.package),
            Cell::new(row.severity.as_deref().unwrap_or("not rated")),
            if row.is_exploited { Cell::toned("exploited", Tone::Bad) } else { Cell::new(NOTHING) },
            Cell::number(row.hosts),
            Cell::new(format!("{} ({age})", day(row.since))),
        ]
    };
    let titles = ["id", "package", "severity", "exploited", "hosts", "since"];
    let mut table = Table::new("What is open for too long", &titles, report.late.iter().map(row).collect());
    if report.late_left_out > 0 {
        table.more = Some(format!("... and {} more", report.late_left_out));
    }
    Section { title, blocks: vec![Block::Table(table)] }
}

fn time_to_fix(report: &PostureReport) -> Section {
    let within = days(report.time_to_fix.days);
    let title = format!("Time to the fix, over the last {within}");
    if report.time_to_fix.rows.is_empty() {
        return Section {
            title,
            blocks: vec![nothing(&format!("No finding was closed in the last {within}."))],
        };
    }
    let words = |secs: u64| Cell::new(seconds(secs));
    let row = |row: &TimeRow| {
        vec![
            Cell::new(&row.severity),
            Cell::number(row.closed),
            words(row.p50_secs),
            words(row.p95_secs),
            words(row.max_secs),
        ]
    };
    let titles = ["severity", "closed", "half within", "95 of 100 within", "the slowest"];
    let rows = report.time_to_fix.rows.iter().map(row).collect();
    Section { title, blocks: vec![Block::Table(Table::new("How fast findings were closed", &titles, rows))] }
}

fn trend(report: &PostureReport) -> Section {
    let title = "Trend";
    if report.trend.len() < 2 {
        return Section::new(title, vec![nothing("Less than two weeks are known: there is no trend yet.")]);
    }
    let point = |it: &TrendPoint| (it.at, vec![it.open, it.grave]);
    let trend = Trend {
        caption: "Open findings with a fix, week by week, those left open by decision included".to_owned(),
        lines: vec!["all".to_owned(), "critical and high".to_owned()],
        points: report.trend.iter().map(point).collect(),
    };
    Section::new(title, vec![Block::Trend(trend)])
}

fn exceptions(report: &PostureReport) -> Section {
    let title = "Left open by decision";
    if report.exceptions.is_empty() {
        return Section::new(title, vec![nothing("Nothing.")]);
    }
    let row = |row: &ExceptionRow| {
        let until = day(row.until);
        vec![
            Cell::code(&row.id),
            Cell::number(row.hosts),
            if row.is_expired {
                Cell::toned(format!("expired on {until}"), Tone::Bad)
            } else {
                Cell::new(format!("until {until}"))
            },
            Cell::new(&row.owner),
            Cell::new(row.reason.as_deref().unwrap_or(NOTHING)),
        ]
    };
    let titles = ["id", "hosts", "until", "who answers for it", "why"];
    let rows = report.exceptions.iter().map(row).collect();
    Section::new(title, vec![Block::Table(Table::new("Exceptions", &titles, rows))])
}

fn drift(report: &PostureReport) -> Section {
    let row = |row: &DriftRow| {
        let differ = match row.differ {
            None => Cell::toned("not measured", Tone::Open),
            Some(0) => Cell::toned("none", Tone::Good),
            Some(differ) => Cell::toned(differ.to_string(), Tone::Bad),
        };
        let as_of = row.as_of.filter(|_| row.differ.is_some()).map_or_else(|| NOTHING.to_owned(), moment);
        vec![Cell::new(&row.about), Cell::number(row.measured), differ, Cell::new(as_of)]
    };
    let titles = ["what was looked at", "looks", "differ", "the oldest look (UTC)"];
    let rows = report.drift.iter().map(row).collect();
    Section::new("Drift from what is declared", vec![Block::Table(Table::new("Drift", &titles, rows))])
}

fn clients(report: &PostureReport) -> Option<Section> {
    let row = |row: &super::ClientRow| {
        let open = &row.open;
        vec![
            Cell::new(&row.client),
            Cell::number(row.hosts),
            Cell::number(open.hosts),
            Cell::number(open.findings),
            Cell::number(open.exploited),
            Cell::number(open.late),
            Cell::number(open.accepted),
        ]
    };
    let titles = ["client", "hosts", "with findings", "open", "exploited", "late", "by decision"];
    let rows: Vec<_> = report.clients.iter().map(row).collect();
    let table = Table::new("How each client stands", &titles, rows);
    (!report.clients.is_empty()).then(|| Section::new("Each client", vec![Block::Table(table)]))
}

fn how_measured() -> Section {
    let said = [
        "A finding counts once on each host that has it. It is open on a host since the later of two moments: since when \
         the host has a vulnerable version, and since when the advisory is known here.",
        "It is closed at the first look that finds no vulnerable version any more. A host that was retired closes \
         nothing.",
        "The past is judged by what the feeds say today: an advisory that was withdrawn counts nowhere.",
    ];
    Section::new("How this is measured", vec![Block::List(said.map(str::to_owned).to_vec())])
}

fn nothing(words: &str) -> Block {
    Block::Paragraph(words.to_owned())
}
