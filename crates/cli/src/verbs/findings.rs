//! `ifrit findings`.

use control::findings::{Acceptance, AcceptedFinding, FindingsAnswer, FindingsQuery, OpenFinding};
use control::{Inquiry, OnFaultyWorkspace};
use model::{Severity, VulnerabilityId};
use serde::Serialize;
use std::collections::BTreeMap;

use super::who::{complain_of_no_host, exit};
use super::who_json::fixed;
use super::{count, inquire, open, scope, selector};
use crate::arguments::{FindingsArguments, GlobalArguments, SeverityArgument};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// Clients that a row names; the others are counted.
const CLIENTS_SHOWN_MAX: usize = 4;

/// A finding as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    rank: usize,
    fixable: bool,
    id: &'a str,
    aliases: Vec<&'a str>,
    source: &'a str,
    packages: Vec<&'a str>,
    hosts: usize,
    clients: BTreeMap<&'a str, usize>,
    fixes: Vec<PlatformFix>,
    feeds: Vec<&'a str>,
    severity: Option<&'a str>,
    exploited: bool,
    exploited_since: Option<String>,
    epss: Option<f64>,
    exposed: bool,
    critical_service: bool,
    action: &'a str,
    reasons: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<AcceptanceRow<'a>>,
}

/// Who has accepted a finding.
#[derive(Serialize)]
struct AcceptanceRow<'a> {
    owner: &'a str,
    until: String,
    reason: &'a str,
}

/// Where the fix is on one platform.
#[derive(Serialize)]
struct PlatformFix {
    platform: String,
    fixed: Option<String>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &FindingsArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let (inquiry, hosts) = match arguments.selector.as_slice() {
        [] => (inquire(global, printer).await?, None),
        words => {
            let session = open(global, OnFaultyWorkspace::UseLastKnown).await?;
            let hosts = control::findings::select(&session, &selector(words)?).await?;
            let inquiry = Inquiry::from(session);
            inquiry.problems().iter().for_each(|problem| printer.problem(problem));
            (inquiry, Some(hosts))
        }
    };
    let query = FindingsQuery {
        scope: scope(&arguments.client),
        hosts,
        severity: arguments.severity.map(severity),
        only_fixable: arguments.fixable,
        only_exploited: arguments.kev,
    };
    let is_faulty = inquiry.has_errors();
    let answer = control::findings::findings(&inquiry, &query).await?;
    inquiry.close().await;
    if arguments.json {
        let all =
            answer.fixable.iter().map(|it| (it, true)).chain(answer.unfixed.iter().map(|it| (it, false)));
        let mut rows =
            all.enumerate().map(|(at, (finding, is_fixable))| row(at + 1, finding, is_fixable, &[]));
        rows.try_for_each(|row| printer.json(&row))?;
        let first = answer.fixable.len() + answer.unfixed.len() + 1;
        let accepted = answer.accepted.iter().zip(first..);
        let mut rows = accepted.map(|(it, rank)| row(rank, &it.finding, has_fix(&it.finding), &it.by));
        rows.try_for_each(|row| printer.json(&row))?;
    } else {
        print(&answer, arguments, printer);
    }
    if let unrated @ 1.. = answer.unrated {
        printer.complain(format_args!(
            "warning: {} left out: no feed gives a severity; without `--severity` they are shown",
            count(unrated, "open finding")
        ));
    }
    if answer.verdict().is_none() && !is_faulty {
        complain_of_no_host(None, printer);
    }
    Ok(exit(answer.verdict(), is_faulty))
}

fn severity(argument: SeverityArgument) -> Severity {
    match argument {
        SeverityArgument::Low => Severity::Low,
        SeverityArgument::Medium => Severity::Medium,
        SeverityArgument::High => Severity::High,
        SeverityArgument::Critical => Severity::Critical,
    }
}

fn print(answer: &FindingsAnswer, arguments: &FindingsArguments, printer: &mut Printer) {
    print_tier(&answer.fixable, arguments.limit, printer);
    if !answer.unfixed.is_empty() {
        printer.data("without a fix yet:");
        print_tier(&answer.unfixed, arguments.limit, printer);
    }
    print_accepted(&answer.accepted, arguments.limit, printer);
    for (reason, hosts) in &answer.unknown {
        printer.data(format_args!("unknown, {reason}: {}", count(*hosts, "host")));
    }
    printer.data(format_args!(
        "{} with a fix, {} without{}, on {} of {}",
        count(answer.fixable.len(), "finding"),
        answer.unfixed.len(),
        match answer.accepted.len() {
            0 => String::new(),
            accepted => format!(", {accepted} accepted (not counted)"),
        },
        answer.hosts,
        count(answer.hosts_total, "host")
    ));
}

fn print_tier(findings: &[OpenFinding], limit: usize, printer: &mut Printer) {
    if findings.is_empty() {
        return;
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    let titles = ["#", "id", "package", "hosts", "what to do", "why"];
    let shown = findings.iter().take(limit).enumerate();
    printer.table(&titles, shown.map(|(at, finding)| cells(at + 1, finding)).collect());
    let more = findings.len().saturating_sub(limit);
    if more > 0 {
        printer.data(format_args!("... and {more} more: `--limit 0` or `--json` shows them"));
    }
}

/// What is accepted is said apart: by whom, until when, and why.
fn print_accepted(accepted: &[AcceptedFinding], limit: usize, printer: &mut Printer) {
    if accepted.is_empty() {
        return;
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    printer.data("accepted for now:");
    let cells = |it: &AcceptedFinding| {
        let by: Vec<String> = it.by.iter().map(acceptance).collect();
        vec![
            cell(known_id(&it.finding)),
            cell(&it.finding.source),
            cell(hosts(&it.finding)),
            cell(by.join("; ")),
            cell(&it.finding.action),
        ]
    };
    let titles = ["id", "package", "hosts", "accepted", "what to do"];
    printer.table(&titles, accepted.iter().take(limit).map(cells).collect());
    if let more @ 1.. = accepted.len().saturating_sub(limit) {
        printer.data(format_args!("... and {more} more: `--limit 0` or `--json` shows them"));
    }
}

/// Writes `until 2026-12-31 by maria: no way in`.
fn acceptance(it: &Acceptance) -> String {
    format!("until {} by {}: {}", it.until.strftime("%Y-%m-%d"), it.owner, it.reason)
}

fn has_fix(finding: &OpenFinding) -> bool {
    finding.fixes.values().flatten().any(|fix| *fix != model::Fix::NotYet)
}

fn cells(place: usize, finding: &OpenFinding) -> Vec<comfy_table::Cell> {
    let reasons = finding.reasons.join("; ");
    vec![
        cell(place),
        cell(known_id(finding)),
        cell(&finding.source),
        cell(hosts(finding)),
        cell(&finding.action),
        cell(if reasons.is_empty() { "-" } else { &reasons }),
    ]
}

/// An entry of VuXML that is about one CVE is better known by that.
fn known_id(finding: &OpenFinding) -> &VulnerabilityId {
    let mut cves = finding.aliases.iter().filter(|id| id.is_cve());
    match (finding.id.is_cve(), cves.next(), cves.next()) {
        (false, Some(cve), None) => cve,
        _ => &finding.id,
    }
}

/// Writes `12 (acme 8, globex 4)`.
fn hosts(finding: &OpenFinding) -> String {
    let named = finding.hosts.iter().take(CLIENTS_SHOWN_MAX);
    let mut clients = named.map(|(client, hosts)| format!("{client} {hosts}")).collect::<Vec<_>>().join(", ");
    if let more @ 1.. = finding.hosts.len().saturating_sub(CLIENTS_SHOWN_MAX) {
        clients += &format!(" and {more} more clients");
    }
    format!("{} ({clients})", finding.host_count())
}

fn row<'a>(place: usize, finding: &'a OpenFinding, is_fixable: bool, by: &'a [Acceptance]) -> Row<'a> {
    let fixes = finding.fixes.iter().flat_map(|(platform, fixes)| {
        fixes.iter().map(|fix| PlatformFix { platform: platform.to_string(), fixed: fixed(fix) })
    });
    Row {
        rank: place,
        fixable: is_fixable,
        id: finding.id.as_str(),
        aliases: finding.aliases.iter().map(VulnerabilityId::as_str).collect(),
        source: finding.source.as_str(),
        packages: finding.packages.iter().map(|it| it.as_str()).collect(),
        hosts: finding.host_count(),
        clients: finding.hosts.iter().map(|(client, hosts)| (client.as_str(), *hosts)).collect(),
        fixes: fixes.collect(),
        feeds: finding.feeds.iter().map(|feed| feed.as_str()).collect(),
        severity: finding.rank.severity.map(|it| it.as_str()),
        exploited: finding.rank.is_exploited,
        exploited_since: finding.exploited_since.map(|day| day.to_string()),
        epss: finding.score.as_ref().map(|score| score.probability.as_f64()),
        exposed: finding.rank.is_exposed,
        critical_service: finding.rank.is_critical,
        action: &finding.action,
        reasons: finding.reasons.iter().map(String::as_str).collect(),
        accepted: by
            .iter()
            .map(|it| AcceptanceRow {
                owner: it.owner.as_str(),
                until: it.until.to_string(),
                reason: &it.reason,
            })
            .collect(),
    }
}
