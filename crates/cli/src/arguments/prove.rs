//! Prove: what the verbs of an incident take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::ClientName;

use super::{RunningArguments, parse_client};

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// What must be fixed: ids (CVE-2024-6387, DSA-5724-1) or packages (openssh); then, if not everywhere, `on` and
    /// the hosts, as a selector
    #[arg(required = true, value_name = "CVE|PACKAGE|on SELECTOR")]
    pub words: Vec<String>,
    /// Show what each host printed, too
    #[arg(long)]
    pub raw: bool,
    /// Print one JSON object per line: each rung, then its host
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct IncidentsArguments {
    /// Only those that are not closed
    #[arg(long)]
    pub open: bool,
    /// Only those that have hosts of this client, and only these hosts; may be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct IncidentArguments {
    #[command(subcommand)]
    pub verb: IncidentVerb,
}

#[derive(Debug, Subcommand)]
pub enum IncidentVerb {
    /// Show an incident: its hosts, clocks, deadlines and time line
    Show(IncidentShowArguments),
    /// Write a note into its record
    Note(IncidentNoteArguments),
    /// Close it: every host is verified, excepted, without a fix or not affected any more
    Close(IncidentCloseArguments),
}

#[derive(Debug, Args)]
pub struct IncidentShowArguments {
    /// Its name, such as inc-2026-0001
    #[arg(value_name = "ID")]
    pub id: String,
    /// Only what this client may see; may be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Print JSON objects, one per line: the incident, each host, each line of the record
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct IncidentNoteArguments {
    /// Its name, such as inc-2026-0001
    #[arg(value_name = "ID")]
    pub id: String,
    /// What to note; `cause: ...`, `impact: ...` and `action: [OWNER] [DATE] ...` go into reports
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// It is about this client, who may read it
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Option<ClientName>,
}

#[derive(Debug, Args)]
pub struct IncidentCloseArguments {
    /// Its name, such as inc-2026-0001
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why it is done, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Close it with hosts that are still open; the reason says why
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct RespondArguments {
    /// What it is about: ids (CVE-2024-6387), source packages, or an open incident (inc-2026-0001); then, if not
    /// everywhere, `on` and the hosts, as a selector
    #[arg(required = true, value_name = "CVE|PACKAGE|INCIDENT|on SELECTOR")]
    pub words: Vec<String>,
    /// Only hosts of this client; may be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Close it with this deploy instead of upgrading the packages
    #[arg(long, value_name = "NAME")]
    pub deploy: Option<String>,
    #[command(flatten)]
    pub gates: GateArguments,
}

#[derive(Debug, Args)]
pub struct DrillArguments {
    /// What to rehearse: ids or source packages; without any the most urgent finding that has a fix; then, if not
    /// everywhere, `on` and the hosts, as a selector
    #[arg(value_name = "CVE|PACKAGE|on SELECTOR")]
    pub words: Vec<String>,
    /// On a throw-away fleet, which the program of the setting `drill.fleet_command` brings up
    #[arg(long, exclusive = true)]
    pub fleet: bool,
    #[command(flatten)]
    pub gates: GateArguments,
}

/// How an emergency goes from gate to gate.
#[derive(Debug, Args)]
pub struct GateArguments {
    /// Answer every question with yes, where the setting `respond.unattended` allows it; approvals are asked for in any
    /// case
    #[arg(long)]
    pub yes: bool,
    /// Stop behind this stage; the same command goes on from there
    #[arg(long, value_name = "STAGE")]
    pub stop_after: Option<StageArgument>,
    /// Restart the hosts that were changed
    #[arg(long)]
    pub reboot: bool,
    /// Where the clients' reports are written; default: the setting `respond.reports`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub running: RunningArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StageArgument {
    Opened,
    Planned,
    Approved,
    Canaried,
    Applied,
    Verified,
}
