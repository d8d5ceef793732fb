//! What is new, at the end of a scan or a sync, and `ifrit notify`.

use std::collections::BTreeMap;

use control::Session;
use control::bell::{Announcement, AnnouncementKind, BellReport};
use control::notify::{
    Channels, DeliveryLimits, DeliveryReport, first_look_text, hosts_text, kind_word, subject,
};
use serde::Serialize;

use super::count;
use crate::environment;
use crate::printer::Printer;

/// Lines of each kind that are printed where nothing is urgent about them; the rest is counted.
const LINES_PER_KIND_MAX: usize = 10;

/// A line of the bell as `--json` prints it.
#[derive(Serialize)]
struct BellRow<'a> {
    kind: &'static str,
    change: &'a str,
    id: &'a str,
    vulnerabilities: Vec<&'a str>,
    packages: Vec<&'a str>,
    severity: Option<&'a str>,
    exploited: bool,
    exposed: bool,
    urgent: bool,
    first_look: bool,
    hosts: BTreeMap<String, usize>,
}

/// What a first look found, as `--json` prints it.
#[derive(Serialize)]
struct FirstLookRow {
    kind: &'static str,
    change: &'static str,
    open: usize,
    critical: usize,
    hosts: BTreeMap<String, usize>,
}

/// Says what is new, once, and sends the messages about it. A bell that fails is complained about and
/// changes no exit status: what rang it has done its work.
pub async fn ring(session: &Session, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    let channels = channels(session);
    match control::bell::ring(session, &channels).await {
        Ok(report) => print(&report, is_json, printer),
        Err(error) => {
            printer.complain(format_args!(
                "warning: the bell did not ring: {}",
                anyhow::Error::new(error).root_cause()
            ));
            printer.complain("  hint: the next scan or sync says what is new since the last time");
            Ok(())
        }
    }
}

/// Opens the channels that the settings declare.
pub fn channels(session: &Session) -> Channels {
    Channels::open(session, &environment::secret, DeliveryLimits::default())
}

fn print(report: &BellReport, is_json: bool, printer: &mut Printer) -> anyhow::Result<()> {
    if is_json {
        report.announcements.iter().try_for_each(|it| printer.json(&row(it)))?;
        if report.first_look.open > 0 {
            printer.json(&first_look_row(report))?;
        }
    } else {
        print_lines(report, printer);
    }
    if report.is_outrun {
        printer.complain("warning: others scan or sync at this moment; the next run says what is new");
    }
    print_deliveries(&report.deliveries, printer);
    Ok(())
}

fn print_lines(report: &BellReport, printer: &mut Printer) {
    let mut left_over: Vec<String> = Vec::new();
    let (urgent, rest): (Vec<_>, Vec<_>) = report.announcements.iter().partition(|it| it.is_urgent());
    urgent.iter().for_each(|it| printer.data(line(it)));
    for kind in AnnouncementKind::ALL {
        let of_kind: Vec<_> = rest.iter().filter(|it| it.kind == kind).collect();
        of_kind.iter().take(LINES_PER_KIND_MAX).for_each(|it| printer.data(line(it)));
        if of_kind.len() > LINES_PER_KIND_MAX {
            left_over.push(format!("{} more {}", of_kind.len() - LINES_PER_KIND_MAX, kind.as_str()));
        }
    }
    if !left_over.is_empty() {
        printer.data(format_args!("digest: {}: ifrit findings", left_over.join(", ")));
    }
    if report.first_look.open > 0 {
        let hosts = hosts_text(&report.first_look.hosts.len_by_client());
        printer.data(format_args!(
            "first look at {hosts}: {}: ifrit findings",
            first_look_text(&report.first_look)
        ));
    }
}

/// `new: CVE-2024-6387 openssh (critical, exploited): 12 hosts (acme 8, globex 4): ifrit who CVE-2024-6387`.
fn line(it: &Announcement) -> String {
    let hosts = hosts_text(&it.hosts.len_by_client());
    let what = match it.kind {
        AnnouncementKind::New | AnnouncementKind::Exploited => format!("ifrit who {}", it.id),
        AnnouncementKind::Fixed => return format!("fixed: {}: {hosts}", subject(it)),
        AnnouncementKind::Withdrawn => "no advisory calls it vulnerable any more".to_owned(),
    };
    format!("{}: {}: {hosts}: {what}", kind_word(it), subject(it))
}

/// Says what became of messages.
pub fn print_deliveries(report: &DeliveryReport, printer: &mut Printer) {
    if report.delivered > 0 {
        printer.say(format_args!("{} sent", count(report.delivered, "message")));
    }
    for (channel, why) in &report.failures {
        printer.complain(format_args!("warning: channel {channel}: {why}"));
    }
    if report.waiting > 0 {
        let waiting = count(report.waiting, "message");
        printer.complain(format_args!(
            "warning: {waiting} not delivered yet; the next scan or sync tries again, or `ifrit notify send`"
        ));
    }
    if report.given_up > 0 {
        printer.complain(format_args!(
            "warning: {} given up; `ifrit notify` says why",
            count(report.given_up, "message")
        ));
    }
}

fn row(it: &Announcement) -> BellRow<'_> {
    BellRow {
        kind: "bell",
        change: kind_word(it),
        id: it.id.as_str(),
        vulnerabilities: it.vulnerabilities.iter().map(|id| id.as_str()).collect(),
        packages: it.package_names(),
        severity: it.severity.map(|severity| severity.as_str()),
        exploited: it.is_exploited,
        exposed: it.is_exposed,
        urgent: it.is_urgent(),
        first_look: it.is_first_look,
        hosts: by_client(it.hosts.len_by_client()),
    }
}

fn first_look_row(report: &BellReport) -> FirstLookRow {
    let look = &report.first_look;
    let hosts = by_client(look.hosts.len_by_client());
    FirstLookRow { kind: "bell", change: "first-look", open: look.open, critical: look.critical, hosts }
}

fn by_client(hosts: BTreeMap<model::ClientName, usize>) -> BTreeMap<String, usize> {
    hosts.into_iter().map(|(client, count)| (client.to_string(), count)).collect()
}
