//! The command line of the audit record.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::ClientName;

use super::{JsonArguments, parse_client};

#[derive(Debug, Args)]
pub struct AuditArguments {
    #[command(subcommand)]
    pub verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Show what was done, by whom, and what came of it; the newest last
    Log(AuditLogArguments),
    /// Prove that nothing on record was changed, dropped, swapped or cut off, or name the first bad record
    Verify(AuditVerifyArguments),
    /// Write the record, or one client's part of it, to a file that anybody can verify with the public key alone
    Export(AuditExportArguments),
    /// Sign what is on record now, bring that to every anchor, and print it
    Checkpoint(JsonArguments),
    /// Bring the last checkpoint to every anchor again
    Anchor(JsonArguments),
    /// Print the public key that checkpoints are verified with; the secret one is made where there is none
    Key,
}

#[derive(Debug, Args)]
pub struct AuditLogArguments {
    /// What was done to these hosts, as a selector such as `client:acme tag:edge`; default: to anything
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// Only of this client; may be repeated
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Only by this person
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only this action, or those that begin with it: `run` is also `run.host`
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Only from then on: a day (2026-03-03), a time (2026-03-03T14:00:00Z) or a time ago (30m, 24h, 7d, 2w)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// The last so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AuditVerifyArguments {
    /// Also against this checkpoint, which was kept elsewhere
    #[arg(long, value_name = "CHECKPOINT_FILE")]
    pub against: Option<PathBuf>,
    /// Verify this export instead of the database; needs `--key`, and neither workspace nor database
    #[arg(long, value_name = "FILE", requires = "key")]
    pub export: Option<PathBuf>,
    /// Public key whose checkpoints count, as `ifrit audit key` prints it; may be repeated
    #[arg(long, value_name = "NAME+ID+KEY")]
    pub key: Vec<String>,
    /// Print one JSON object on one line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AuditExportArguments {
    /// Only this client's records; nothing of other clients is in the file
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Option<ClientName>,
    /// New file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
