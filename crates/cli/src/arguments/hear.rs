//! The command line of feeds, of who is vulnerable, and of audits without any state.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::ClientName;

use super::parse_client;

/// Rows of a table that may be long; more are counted.
const TABLE_ROWS_PRESET: usize = 50;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct FeedsArguments {
    #[command(subcommand)]
    pub verb: Option<FeedsVerb>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum FeedsVerb {
    /// Bring feeds up to date: over HTTPS as the settings say, or from files
    Sync(SyncArguments),
    /// List news, the newest first; CVEs that an item names stand beside it
    News(NewsArguments),
    /// Make a key that signs bundles, and print its public half
    Keygen(KeygenArguments),
    /// Write the feeds in use into one signed file, for a place without a net
    Export(ExportArguments),
    /// Take the feeds of a bundle, after checking its signature
    Import(FeedsImportArguments),
}

#[derive(Debug, Args)]
pub struct KeygenArguments {
    /// New file for the secret key
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The bundle to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// File with the secret key, made by `ifrit feeds keygen`
    #[arg(long, value_name = "KEYFILE")]
    pub key: PathBuf,
}

#[derive(Debug, Args)]
pub struct FeedsImportArguments {
    /// The bundle to read
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Public key to trust beside those of the setting `feeds.trusted_keys`; repeatable
    #[arg(long, value_name = "ifrit-feeds:...")]
    pub key: Vec<String>,
    /// Take feeds also if they are older than those in use
    #[arg(long)]
    pub allow_older: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SyncArguments {
    /// Read feed files below this directory instead, in any layout; nothing is fetched
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Take a feed also if it lost more than half of its entries: after looking at it
    #[arg(long)]
    pub accept_shrunken: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct NewsArguments {
    /// News of this day and later; default: the last 30 days
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub since: Option<jiff::civil::Date>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct NotifyArguments {
    #[command(subcommand)]
    pub verb: Option<NotifyVerb>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum NotifyVerb {
    /// Send a test message to each channel
    Test(NotifyTestArguments),
    /// Send every message that waits, also one whose time has not come
    Send,
}

#[derive(Debug, Args)]
pub struct NotifyTestArguments {
    /// Channel, as in `[notify.NAME]`; default: all
    #[arg(value_name = "NAME")]
    pub channel: Option<String>,
}

#[derive(Debug, Args)]
pub struct WhoArguments {
    /// Id of a vulnerability or advisory: CVE-2024-6387, DSA-5724-1, a VuXML vid; or a package, with or without
    /// versions in its package manager's own order: openssh, 'openssl>=3.0,<3.0.15', 'alpine:openssl<3.1.4-r1'
    #[arg(value_name = "QUERY", required_unless_present = "kev", conflicts_with = "kev")]
    pub query: Option<String>,
    /// Ask for everything installed that is exploited in the wild, says CISA's catalogue
    #[arg(long)]
    pub kev: bool,
    /// Only this client; repeatable
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Show fixed and not affected hosts too
    #[arg(long)]
    pub all: bool,
    /// Hosts in the table; 0 = all
    #[arg(long, value_name = "N", default_value_t = TABLE_ROWS_PRESET)]
    pub limit: usize,
    /// Explain the answer for one host: every advisory that was considered, and what decided
    #[arg(long, value_name = "HOST", conflicts_with_all = ["all", "limit"])]
    pub explain: Option<String>,
    /// By the packages of that moment and the advisories of today: a day (2026-03-03, its end in UTC), a time
    /// (2026-03-03T14:00:00Z) or a time ago (30m, 24h, 7d, 2w)
    #[arg(long, value_name = "WHEN", conflicts_with = "known_at")]
    pub at: Option<String>,
    /// By the packages and the advisories of that moment, written alike
    #[arg(long, value_name = "WHEN")]
    pub known_at: Option<String>,
    /// Print one JSON object per line, for every host whatever its state
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct FindingsArguments {
    /// Hosts, as a selector such as `client:acme tag:edge not lb-*`; default: all
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// Only those of at least this severity
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub severity: Option<SeverityArgument>,
    /// Only those with a fix
    #[arg(long)]
    pub fixable: bool,
    /// Only those that are exploited in the wild, says CISA's catalogue
    #[arg(long)]
    pub kev: bool,
    /// Only this client; repeatable
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Findings in each of the two tables; 0 = all
    #[arg(long, value_name = "N", default_value_t = TABLE_ROWS_PRESET)]
    pub limit: usize,
    /// Print one JSON object per finding and line, all of them
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum SeverityArgument {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Args)]
pub struct AuditRootArguments {
    /// Root directory: its os-release and its apk or dpkg database are read
    #[arg(value_name = "DIR")]
    pub root: PathBuf,
    /// Folders below the root whose software outside packages is looked for too: Go, Rust, Java, Python, npm,
    /// bills of materials
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub software: Vec<String>,
    #[command(flatten)]
    pub output: AuditOutputArguments,
}

#[derive(Debug, Args)]
pub struct AuditPackagesArguments {
    /// File with lines `name version [source]`
    #[arg(value_name = "FILE")]
    pub list: PathBuf,
    /// Platform: alpine:3.20, debian:12, freebsd:14.1
    #[arg(long, value_name = "NAME:RELEASE")]
    pub os: String,
    #[command(flatten)]
    pub output: AuditOutputArguments,
}

#[derive(Debug, Args)]
pub struct AuditOutputArguments {
    /// Directory with feed files, in any layout
    #[arg(long, value_name = "DIR")]
    pub feeds: PathBuf,
    /// Show fixed and not affected packages too
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object per finding and line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VersionCompareArguments {
    /// Whose order: apk, dpkg, freebsd, pep440, rpm or semver
    #[arg(value_name = "ECOSYSTEM")]
    pub ecosystem: String,
    /// Two versions; without them, lines `A B` are read from standard input
    #[arg(value_name = "VERSION", num_args = 2, allow_hyphen_values = true)]
    pub versions: Vec<String>,
}
