//! `ifrit who QUERY --explain HOST`: a page for people, or one JSON object.

use control::ItemKind;
use control::who::{ConsideredAdvisory, ConsideredStatement, Explanation};
use model::{Fix, JoinBy, VulnerabilityId};
use serde::Serialize;

use super::item_text::uses;
use super::minute;
use super::who::words_of;
use super::who_json::{Row, plain_row};
use crate::printer::Printer;

pub fn print(explanation: &Explanation, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    if is_json {
        return printer.json(&json(explanation));
    }
    print_answer(explanation, printer);
    print_host(explanation, printer);
    printer.data("");
    printer.data(match explanation.considered.len() {
        0 => "no loaded advisory was considered".to_owned(),
        1 => "1 advisory was considered:".to_owned(),
        more => format!("{more} advisories were considered:"),
    });
    explanation.considered.iter().for_each(|advisory| print_advisory(advisory, printer));
    print_feeds(explanation, printer);
    Ok(())
}

fn print_answer(explanation: &Explanation, printer: &mut Printer) {
    let host = &explanation.host;
    let ids: Vec<_> = explanation.ids.iter().map(VulnerabilityId::as_str).collect();
    let asked = if ids.is_empty() { explanation.query.clone() } else { ids.join(" = ") };
    printer.data(format_args!("{}/{}: {} ({asked})", host.client, host.name, explanation.state));
    if let Some(words) = words_of(explanation.moments) {
        printer.data(words);
    }
    for row in &explanation.rows {
        let Some(package) = &row.package else {
            printer.data(format_args!("  {}: {}", row.state, row.reason));
            continue;
        };
        let path = row.path.iter().map(|path| format!(" in {path}")).collect::<String>();
        printer.data(format_args!("  {}: {} {}{path}", row.state, package.name, package.installed));
        printer.data(format_args!("    because {}", row.reason));
        printer.data(match &package.fix {
            Fix::In(_) | Fix::After(_) => format!("    fixed in {}", package.fix),
            Fix::NotYet => "    no fix yet".to_owned(),
            Fix::NotNeeded => "    nothing to fix".to_owned(),
        });
        if let Some(id) = &package.id {
            let aliases: Vec<_> = package.aliases.iter().map(VulnerabilityId::as_str).collect();
            let known =
                if aliases.is_empty() { String::new() } else { format!(", also {}", aliases.join(", ")) };
            printer.data(format_args!("    id {id}{known}"));
        }
        let feeds: Vec<_> = package.feeds.iter().map(|feed| feed.as_str()).collect();
        if let [decides, others @ ..] = feeds.as_slice() {
            let others = if others.is_empty() {
                String::new()
            } else {
                format!("; {} only add ids", others.join(", "))
            };
            printer.data(format_args!("    {decides} decides{others}"));
        }
        if let Some(since) = package.exploited_since {
            printer.data(format_args!("    exploited since {since}, says CISA"));
        }
        match row.services.as_slice() {
            [] => printer.data("    no declared or listening service is known to use it"),
            services => printer.data(format_args!("    used by {}", uses(services))),
        }
    }
}

fn print_host(explanation: &Explanation, printer: &mut Printer) {
    let host = &explanation.host;
    printer.data("");
    let platform = match (&host.platform, &host.os) {
        (Some(platform), _) => platform.to_string(),
        (None, Some(os)) => format!("{} {} (no advisories are matched for it)", os.id, os.version),
        (None, None) => "not known".to_owned(),
    };
    printer.data(format_args!("platform    {platform}"));
    let packages = match (host.package_count, explanation.packages_at) {
        (Some(count), Some(at)) => format!("{count}, read {}", minute(at)),
        (Some(count), None) => count.to_string(),
        (None, _) => "not known".to_owned(),
    };
    printer.data(format_args!("packages    {packages}"));
    let scan = host.last_collection.as_ref();
    let scan =
        scan.map_or("never".to_owned(), |it| format!("{}, {}", minute(it.finished_at), it.outcome.as_str()));
    printer.data(format_args!("last scan   {scan}"));
    if let Some(kernel) = &host.kernel {
        let installed = match &kernel.installed {
            Some(installed) if *installed != kernel.running => {
                format!("; {installed} is installed and does not run")
            }
            Some(_) | None => String::new(),
        };
        printer.data(format_args!("kernel      {} {} runs{installed}", kernel.name, kernel.running));
    }
    if let Some(reboot) = host.observed.reboot.as_ref().filter(|it| it.is_needed) {
        printer.data(format_args!("reboot      needed: {}", reboot.why));
    }
    match host.observed.stale_processes.as_deref() {
        None => printer.data("in memory   not known: no scan has told which processes map deleted files"),
        Some([]) => printer.data("in memory   no process maps deleted files"),
        Some(stale) => {
            for process in stale {
                printer.data(format_args!(
                    "in memory   {} (pid {}) still runs the deleted {}",
                    process.process, process.pid, process.file
                ));
            }
        }
    }
    for (kind, since) in host.unread.iter().filter(|(kind, _)| shapes_the_answer(**kind)) {
        printer.data(format_args!("not read    {kind}s, since {}", minute(*since)));
    }
}

fn shapes_the_answer(kind: ItemKind) -> bool {
    matches!(kind, ItemKind::Listener | ItemKind::Service | ItemKind::Software | ItemKind::StaleProcess)
}

fn print_advisory(advisory: &ConsideredAdvisory, printer: &mut Printer) {
    let severity = advisory.severity.map(|it| format!(", {}", it.as_str())).unwrap_or_default();
    let published = advisory.published.map(|day| format!(", {day}")).unwrap_or_default();
    printer.data(format_args!(
        "  {} {}{severity}{published}: {}",
        advisory.feed,
        advisory.id,
        advisory.role.as_str()
    ));
    if !advisory.aliases.is_empty() {
        let aliases: Vec<_> = advisory.aliases.iter().map(VulnerabilityId::as_str).collect();
        printer.data(format_args!("    also {}", aliases.join(", ")));
    }
    if !advisory.summary.is_empty() {
        printer.data(format_args!("    {}", advisory.summary));
    }
    for statement in &advisory.statements {
        let join = join_word(statement.joined_by);
        printer.data(format_args!(
            "    {} {} ({}): {}",
            join, statement.package, statement.release, statement.affects
        ));
        for (package, state, reason) in &statement.verdicts {
            printer.data(format_args!(
                "      {} as {} {}: {state}, {reason}",
                package.name, package.joined_name, package.compared
            ));
        }
        if let Some(silence) = statement.silence {
            printer.data(format_args!("      {silence}"));
        }
    }
    if advisory.statements_elsewhere > 0 {
        printer.data(format_args!("    {} more about other systems", advisory.statements_elsewhere));
    }
}

fn join_word(join: JoinBy) -> &'static str {
    match join {
        JoinBy::Binary => "package",
        JoinBy::Source => "source",
    }
}

fn print_feeds(explanation: &Explanation, printer: &mut Printer) {
    printer.data("");
    let covering: Vec<_> = explanation.coverage.iter().map(|feed| feed.as_str()).collect();
    match covering.as_slice() {
        [] => printer.data("no feed speaks of this platform: silence means nothing"),
        feeds => printer.data(format_args!("this platform is spoken of by {}", feeds.join(", "))),
    }
    for feed in &explanation.feeds {
        let age =
            feed.synced_at.map_or_else(|| "never taken".to_owned(), |at| format!("as of {}", minute(at)));
        printer.data(format_args!("  {} {age}", feed.feed));
    }
}

/// The whole reasoning as `--json` prints it.
#[derive(Serialize)]
struct Page<'a> {
    query: &'a str,
    ids: Vec<&'a str>,
    client: &'a str,
    host: &'a str,
    state: &'a str,
    platform: Option<String>,
    packages: Option<u64>,
    packages_at: Option<String>,
    last_scan_at: Option<String>,
    kernel_running: Option<&'a str>,
    kernel_installed: Option<&'a str>,
    reboot_needed: Option<bool>,
    /// `null` = not known.
    stale_processes: Option<Vec<StaleProcess<'a>>>,
    rows: Vec<Row<'a>>,
    considered: Vec<Advisory<'a>>,
    coverage: Vec<&'a str>,
    feeds: Vec<Feed<'a>>,
    at: Option<String>,
    known_at: Option<String>,
}

#[derive(Serialize)]
struct StaleProcess<'a> {
    process: &'a str,
    pid: u32,
    file: &'a str,
}

#[derive(Serialize)]
struct Advisory<'a> {
    feed: &'a str,
    id: &'a str,
    aliases: Vec<&'a str>,
    severity: Option<&'a str>,
    published: Option<String>,
    summary: &'a str,
    role: &'a str,
    statements: Vec<Statement<'a>>,
    statements_elsewhere: usize,
}

#[derive(Serialize)]
struct Statement<'a> {
    joined_by: &'a str,
    package: &'a str,
    release: &'a str,
    affects: &'a str,
    verdicts: Vec<Verdict<'a>>,
    silence: Option<&'a str>,
}

#[derive(Serialize)]
struct Verdict<'a> {
    package: &'a str,
    joined_name: &'a str,
    compared: &'a str,
    state: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Feed<'a> {
    feed: &'a str,
    synced_at: Option<String>,
}

fn json(explanation: &Explanation) -> Page<'_> {
    let host = &explanation.host;
    let query = explanation.ids.first().map_or(explanation.query.as_str(), VulnerabilityId::as_str);
    Page {
        query: &explanation.query,
        ids: explanation.ids.iter().map(VulnerabilityId::as_str).collect(),
        client: host.client.as_str(),
        host: host.name.as_str(),
        state: explanation.state.as_str(),
        platform: host.platform.as_ref().map(ToString::to_string),
        packages: host.package_count,
        packages_at: explanation.packages_at.map(|at| at.to_string()),
        last_scan_at: host.last_collection.as_ref().map(|it| it.finished_at.to_string()),
        kernel_running: host.kernel.as_ref().map(|it| it.running.as_str()),
        kernel_installed: host.kernel.as_ref().and_then(|it| it.installed.as_deref()),
        reboot_needed: host.observed.reboot.as_ref().map(|it| it.is_needed),
        stale_processes: host.observed.stale_processes.as_ref().map(|all| {
            all.iter().map(|it| StaleProcess { process: &it.process, pid: it.pid, file: &it.file }).collect()
        }),
        rows: explanation.rows.iter().map(|row| plain_row(query, row)).collect(),
        considered: explanation.considered.iter().map(advisory).collect(),
        coverage: explanation.coverage.iter().map(|feed| feed.as_str()).collect(),
        feeds: explanation
            .feeds
            .iter()
            .map(|it| Feed { feed: it.feed.as_str(), synced_at: it.synced_at.map(|at| at.to_string()) })
            .collect(),
        at: explanation.moments.at.map(|at| at.to_string()),
        known_at: explanation.moments.known_at.map(|at| at.to_string()),
    }
}

fn advisory(advisory: &ConsideredAdvisory) -> Advisory<'_> {
    Advisory {
        feed: advisory.feed.as_str(),
        id: advisory.id.as_str(),
        aliases: advisory.aliases.iter().map(VulnerabilityId::as_str).collect(),
        severity: advisory.severity.map(|it| it.as_str()),
        published: advisory.published.map(|day| day.to_string()),
        summary: &advisory.summary,
        role: advisory.role.as_str(),
        statements: advisory.statements.iter().map(statement).collect(),
        statements_elsewhere: advisory.statements_elsewhere,
    }
}

fn statement(statement: &ConsideredStatement) -> Statement<'_> {
    let verdicts = statement.verdicts.iter().map(|(package, state, reason)| Verdict {
        package: &package.name,
        joined_name: &package.joined_name,
        compared: &package.compared,
        state: state.as_str(),
        reason: reason.as_str(),
    });
    Statement {
        joined_by: join_word(statement.joined_by),
        package: &statement.package,
        release: &statement.release,
        affects: &statement.affects,
        verdicts: verdicts.collect(),
        silence: statement.silence,
    }
}
