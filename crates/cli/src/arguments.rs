//! The command line as typed. The doc comments here are the help texts and docs/reference/cli.md.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::ClientName;

use crate::environment;

/// Know your hosts, hear advisories, fix what is vulnerable, watch, prove
#[derive(Debug, Parser)]
#[command(name = "ifrit", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub global: GlobalArguments,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Args)]
pub struct GlobalArguments {
    /// Workspace directory; default: the nearest one upwards that has an ifrit.toml
    #[arg(short = 'C', long = "workspace", value_name = "DIR", env = environment::WORKSPACE, hide_env_values = true, global = true)]
    pub workspace: Option<PathBuf>,
    /// Database instead of the one in ifrit.toml: a SQLite path or a PostgreSQL URL
    #[arg(long, value_name = "URL", global = true)]
    pub database: Option<String>,
    /// Print data and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a workspace: a small git repository that declares clients, hosts and services
    Init(InitArguments),
    /// Check the workspace: settings and declarations
    Check(JsonArguments),
    /// Show settings
    Config(ConfigArguments),
    /// List hosts with what was seen of them, or trust their keys
    Hosts(HostsArguments),
    /// Ask hosts what they run: read-only, one connection and one command each
    Scan(SelectionArguments),
    /// List advisory feeds, or bring them up to date
    Feeds(FeedsArguments),
    /// Say who is vulnerable to an advisory, and why
    Who(WhoArguments),
    /// Audit an unpacked root file system without any state
    AuditRoot(AuditRootArguments),
    /// Audit a list of packages without any state
    AuditPackages(AuditPackagesArguments),
    /// Compare versions as a package manager does
    VersionCompare(VersionCompareArguments),
    /// Print a page of the generated reference
    #[command(hide = true)]
    Reference(ReferenceArguments),
}

#[derive(Debug, Args)]
pub struct InitArguments {
    /// Directory to make it in
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Name of the first client
    #[arg(long, value_name = "NAME", default_value = "example", value_parser = parse_client)]
    pub client: ClientName,
}

#[derive(Debug, Args)]
pub struct JsonArguments {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show every setting, its value and where that comes from
    Show(JsonArguments),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HostsArguments {
    #[command(subcommand)]
    pub verb: Option<HostsVerb>,
    #[command(flatten)]
    pub selection: SelectionArguments,
}

#[derive(Debug, Subcommand)]
pub enum HostsVerb {
    /// Show the keys of hosts and, after asking, pin them
    Trust(TrustArguments),
}

#[derive(Debug, Args)]
pub struct TrustArguments {
    /// Hosts, as a selector; default: all
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// Pin only the keys with these fingerprints (SHA256:...) and do not ask; repeatable
    #[arg(long, value_name = "SHA256:...")]
    pub fingerprint: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SelectionArguments {
    /// Hosts, as a selector such as `client:acme tag:edge not lb-*`; default: all
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

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
    /// Bring feeds up to date from files
    Sync(SyncArguments),
}

#[derive(Debug, Args)]
pub struct SyncArguments {
    /// Directory with feed files, in any layout: Alpine secdb, VuXML, DSA and DLA lists, OSV, KEV
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct WhoArguments {
    /// Id of a vulnerability or advisory: CVE-2024-6387, DSA-5724-1, a VuXML vid
    #[arg(value_name = "ID")]
    pub id: String,
    /// Only this client; repeatable
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Vec<ClientName>,
    /// Show fixed and not affected hosts too
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object per line, for every host whatever its state
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AuditRootArguments {
    /// Root directory: its os-release and its apk or dpkg database are read
    #[arg(value_name = "DIR")]
    pub root: PathBuf,
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

#[derive(Debug, Args)]
pub struct ReferenceArguments {
    /// Which page
    #[arg(value_enum)]
    pub page: ReferencePage,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ReferencePage {
    Cli,
    Config,
    Diagnostics,
    Environment,
    ExitCodes,
    Inventory,
}

fn parse_client(text: &str) -> Result<ClientName, String> {
    ClientName::new(text).map_err(|error| error.to_string())
}
