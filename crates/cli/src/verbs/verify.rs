//! `ifrit verify`: is the fix in force on each host, and how is that known?

use std::collections::BTreeMap;

use control::OnFaultyWorkspace;
use control::deploy::Connections;
use control::verify::{HostEvidence, HostVerdict, RungSeen, VerifyAnswer};
use model::{Rung, Verdict};
use serde::Serialize;

use super::{count, open, selector};
use crate::arguments::{GlobalArguments, VerifyArguments};
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::{Printer, cell};

/// A rung as `--json` prints it.
#[derive(Serialize)]
struct RungRow<'a> {
    kind: &'static str,
    client: &'a str,
    host: &'a str,
    package: &'a str,
    rung: &'static str,
    verdict: &'static str,
    detail: &'a str,
    taken_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// A host as `--json` prints it, behind its rungs.
#[derive(Serialize)]
struct HostRow<'a> {
    kind: &'static str,
    client: &'a str,
    host: &'a str,
    verdict: &'static str,
    problems: Vec<&'a str>,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &VerifyArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let (words, hosts) = match arguments.words.iter().position(|word| word == "on") {
        None => (arguments.words.as_slice(), None),
        Some(at) if at > 0 && at + 1 < arguments.words.len() => {
            (&arguments.words[..at], Some(&arguments.words[at + 1..]))
        }
        Some(_) => {
            let why = "say what to verify before `on` and which hosts behind it";
            return Err(UsageError(why.to_owned()).into());
        }
    };
    let selector = hosts.map(selector).transpose()?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let targets = control::verify::targets(&session, words, selector.as_ref()).await?;
    let connections = Connections::new(&session);
    let answer = control::verify::verify(&session, &targets, None, &connections).await?;
    connections.close().await;
    session.close().await;
    answer.problems.iter().for_each(|problem| printer.problem(problem));
    if arguments.json {
        print_json(&answer, arguments.raw, printer)?;
    } else {
        print(&answer, arguments.raw, printer);
    }
    Ok(match answer.verdict() {
        Some(HostVerdict::Proven) => Exit::Nothing,
        Some(HostVerdict::Failed) => Exit::Something,
        Some(HostVerdict::Unknown) | None => Exit::Unknown,
    })
}

/// Prints a table of hosts and rungs, then what is not as it should be.
pub fn print(answer: &VerifyAnswer, raw: bool, printer: &mut Printer) {
    let mut rows = Vec::new();
    for host in &answer.hosts {
        host.problems.iter().for_each(|problem| printer.problem(problem));
        let mut packages: BTreeMap<&str, BTreeMap<Rung, Verdict>> = BTreeMap::new();
        for rung in &host.rungs {
            packages.entry(rung.package.as_str()).or_default().insert(rung.rung, rung.verdict);
        }
        if packages.is_empty() {
            rows.push([cell(&host.host), cell("-"), cell(host.verdict.as_str())].to_vec());
        }
        for (package, rungs) in packages {
            let words = Rung::ALL.map(|rung| cell(rungs.get(&rung).map_or("-", |verdict| short(*verdict))));
            let head = [cell(&host.host), cell(package), cell(host.verdict.as_str())];
            rows.push(head.into_iter().chain(words).collect());
        }
    }
    let rungs = Rung::ALL.map(Rung::as_str);
    let head: Vec<&str> = ["host", "package", "verdict"].into_iter().chain(rungs).collect();
    printer.table(&head, rows);
    for (verdict, title) in [(Verdict::Failed, "failed"), (Verdict::Unknown, "unknown")] {
        print_details(&answer.hosts, verdict, title, printer);
    }
    if raw {
        answer.hosts.iter().for_each(|host| print_raw(host, printer));
    }
    let of = |verdict: HostVerdict| answer.hosts.iter().filter(|host| host.verdict == verdict).count();
    let (proven, failed, unknown) =
        (of(HostVerdict::Proven), of(HostVerdict::Failed), of(HostVerdict::Unknown));
    printer.data("");
    printer.data(format_args!(
        "{}: {proven} proven, {failed} failed, {unknown} unknown",
        count(answer.hosts.len(), "host")
    ));
}

/// Tells each sentence once, with the hosts of which it is true.
fn print_details(hosts: &[HostEvidence], verdict: Verdict, title: &str, printer: &mut Printer) {
    const HOSTS_SHOWN_MAX: usize = 4;
    let mut told: BTreeMap<(Rung, &str, &str), Vec<&str>> = BTreeMap::new();
    for host in hosts {
        for rung in host.rungs.iter().filter(|rung| rung.verdict == verdict) {
            let key = (rung.rung, rung.package.as_str(), rung.detail.as_str());
            told.entry(key).or_default().push(host.host.as_str());
        }
    }
    if told.is_empty() {
        return;
    }
    printer.data("");
    printer.data(format_args!("{title}:"));
    for ((rung, package, detail), hosts) in told {
        let more = hosts.len().saturating_sub(HOSTS_SHOWN_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = hosts.iter().take(HOSTS_SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
        let number = rung.number();
        printer.data(format_args!("  {number} {}, {package} on {names}{more}: {detail}", rung.as_str()));
    }
}

fn print_raw(host: &HostEvidence, printer: &mut Printer) {
    for rung in host.rungs.iter().filter(|rung| !rung.output.is_empty()) {
        printer.data("");
        printer.data(format_args!("{} {} {}:", host.host, rung.package, rung.rung.as_str()));
        for line in String::from_utf8_lossy(&rung.output).lines() {
            printer.data(format_args!("  {line}"));
        }
    }
}

fn short(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotApplicable => "-",
        Verdict::Passed | Verdict::Unknown | Verdict::Failed => verdict.as_str(),
    }
}

/// Prints each rung, then its host.
pub fn print_json(answer: &VerifyAnswer, raw: bool, printer: &mut Printer) -> anyhow::Result<()> {
    for host in &answer.hosts {
        for rung in &host.rungs {
            printer.json(&rung_row(host, rung, raw))?;
        }
        printer.json(&HostRow {
            kind: "host",
            client: host.client.as_str(),
            host: host.host.as_str(),
            verdict: host.verdict.as_str(),
            problems: host.problems.iter().map(|problem| problem.message.as_str()).collect(),
        })?;
    }
    Ok(())
}

fn rung_row<'a>(host: &'a HostEvidence, rung: &'a RungSeen, raw: bool) -> RungRow<'a> {
    RungRow {
        kind: "rung",
        client: host.client.as_str(),
        host: host.host.as_str(),
        package: rung.package.as_str(),
        rung: rung.rung.as_str(),
        verdict: rung.verdict.as_str(),
        detail: &rung.detail,
        taken_at: host.taken_at.to_string(),
        output: raw.then(|| String::from_utf8_lossy(&rung.output).into_owned()),
    }
}
