//! The command line as typed. The doc comments here are the help texts and docs/reference/cli.md.

mod fix;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::ClientName;

use crate::environment;
pub use fix::*;

/// Rows of a table that may be long; more are counted.
const TABLE_ROWS_PRESET: usize = 50;

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
    Check(CheckArguments),
    /// Show settings
    Config(ConfigArguments),
    /// List hosts with what was seen of them, or trust their keys
    Hosts(HostsArguments),
    /// Show everything that is known of one host, now or in the past
    Host(HostArguments),
    /// Ask hosts what they run: read-only, one connection and one command each
    Scan(SelectionArguments),
    /// List advisory feeds, or bring them up to date
    Feeds(FeedsArguments),
    /// List the channels that the bell rings on, try them, or send what waits
    Notify(NotifyArguments),
    /// Say who is vulnerable to an advisory or has a package, and why
    Who(WhoArguments),
    /// List what is open, the most urgent first, and why
    Findings(FindingsArguments),
    /// Say which hosts have a package, and in which version
    Packages(PackagesArguments),
    /// Show each declared service beside what was seen of it
    Services(SelectionArguments),
    /// List what changed on hosts: packages, services, accounts, keys, ports and so on
    Changes(ChangesArguments),
    /// Say what a deploy would change on hosts, and save it as a plan; nothing is changed
    Plan(PlanArguments),
    /// List saved plans, or show one
    Plans(PlansArguments),
    /// Apply a saved plan, exactly as it was saved
    Apply(ApplyArguments),
    /// Plan a deploy, show the plan, ask, and apply it
    Deploy(DeployArguments),
    /// Approve somebody else's plan with your SSH key
    Approve(ApproveArguments),
    /// List runs: plans that were applied
    Runs(RunsArguments),
    /// Show a run, or finish one that was cut short
    Run(RunArguments),
    /// Close findings: upgrade just what fixes them, restart what uses it, look again
    Patch(PatchArguments),
    /// Keep secrets that deploys use
    Secret(SecretArguments),
    /// Back up, restore or check the database
    Db(DbArguments),
    /// Audit an unpacked root file system without any state
    AuditRoot(AuditRootArguments),
    /// Audit a list of packages without any state
    AuditPackages(AuditPackagesArguments),
    /// Compare versions as a package manager does
    VersionCompare(VersionCompareArguments),
    /// Turn a list of hosts that you already have into declarations
    Import(ImportArguments),
    /// Give the declared hosts, with their keys, to other tools
    Inventory(InventoryArguments),
    /// Run the tests of deploys: functions `test_...()` in *_test.star; no host is asked
    Test(TestArguments),
    /// Print a Python type stub of the functions of .star files, for editors
    Stubs(StubsArguments),
    /// Serve an editor over standard input and output: diagnostics, definitions, hover, completion
    Lsp,
    /// Print a page of the generated reference
    #[command(hide = true)]
    Reference(ReferenceArguments),
}

impl Verb {
    /// Says whether it decides itself what Ctrl-C does: in the middle of a run, hosts come to their end.
    pub fn takes_interrupts(&self) -> bool {
        match self {
            Self::Apply(_) | Self::Deploy(_) | Self::Patch(_) => true,
            Self::Run(arguments) => matches!(arguments.verb, RunVerb::Resume(_)),
            _ => false,
        }
    }
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
pub struct TestArguments {
    /// Files with tests; default: all in deploys/ and tests/
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StubsArguments {
    /// Write it to __builtins__.pyi in the workspace, where Pyright and Pylance look
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Args)]
pub struct JsonArguments {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Print one SARIF 2.1.0 document, as code scanners and editors read it
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
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
pub struct HostArguments {
    #[command(subcommand)]
    pub verb: HostVerb,
}

#[derive(Debug, Subcommand)]
pub enum HostVerb {
    /// Show everything that is known of a host or a jail
    Show(HostShowArguments),
}

#[derive(Debug, Args)]
pub struct HostShowArguments {
    /// Host, or jail as JAIL.HOST
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What was so at that moment: a day (2026-03-03, its end in UTC), a time (2026-03-03T14:00:00Z) or
    /// a time ago (30m, 24h, 7d, 2w); default: now
    #[arg(long, value_name = "WHEN")]
    pub at: Option<String>,
    /// List the packages too
    #[arg(long)]
    pub packages: bool,
    /// Print one JSON object on one line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PackagesArguments {
    /// Package by binary or source name, as a pattern, with or without a version in the package
    /// manager's own order: openssl, 'lib*', 'openssl<3.0.15'
    #[arg(value_name = "SPEC")]
    pub spec: String,
    /// Hosts, as a selector such as `client:acme tag:edge not lb-*`; default: all
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// Print one JSON object per version, host and line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ChangesArguments {
    /// Hosts, as a selector such as `client:acme tag:edge not lb-*`; default: all
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// From when: a day (2026-03-03, its start in UTC), a time (2026-03-03T14:00:00Z) or a time ago (30m,
    /// 24h, 7d, 2w)
    #[arg(long, value_name = "WHEN")]
    pub since: String,
    /// Until when, written alike (of a day: its end); default: now
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only this kind of change; repeatable: host, os, kernel, package, account, authorized-key, boot,
    /// cron, group, jail, listener, privilege, reboot, service, stale-process
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DbArguments {
    #[command(subcommand)]
    pub verb: DbVerb,
}

#[derive(Debug, Subcommand)]
pub enum DbVerb {
    /// Write a copy of a SQLite database to a new file, while others use it
    Backup(DbFileArguments),
    /// Put a backup in the place of a SQLite database, which nobody else may have open
    Restore(DbFileArguments),
    /// Check the database: its pages and references, its schema, its derived lists
    Check(JsonArguments),
}

#[derive(Debug, Args)]
pub struct DbFileArguments {
    /// Backup file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
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

#[derive(Debug, Args)]
pub struct ImportArguments {
    /// What the file is
    #[arg(value_enum)]
    pub format: ImportFormat,
    /// File to read; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Client of the hosts for which the file names none
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Option<ClientName>,
    /// Write to this new file instead of printing; default: inventory/FORMAT.star of the workspace
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub write: Option<Option<PathBuf>>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ImportFormat {
    /// Table with a header: comma, semicolon or tab
    Csv,
    /// ssh_config(5), such as ~/.ssh/config
    SshConfig,
    /// INI inventory, or the JSON of `ansible-inventory --list`
    AnsibleInventory,
    /// Device or VM list of the REST API of NetBox or Nautobot
    NetboxJson,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("form").required(true))]
pub struct InventoryArguments {
    /// Hosts, as a selector such as `client:acme tag:edge not lb-*`; default: all
    #[arg(value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// JSON as an Ansible inventory script prints it
    #[arg(long, group = "form")]
    pub ansible: bool,
    /// Inventory file of pyinfra 3
    #[arg(long, group = "form")]
    pub pyinfra: bool,
    /// One JSON object per host and line
    #[arg(long, group = "form")]
    pub json: bool,
    /// Also write the pinned host keys to this file, and tell Ansible or pyinfra to accept no others
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Ignored: Ansible calls inventory scripts with it
    #[arg(long, conflicts_with_all = ["pyinfra", "json"])]
    pub list: bool,
    /// Print no variables: Ansible asks so for one host, and has them from the list
    #[arg(long, value_name = "NAME", conflicts_with_all = ["pyinfra", "json", "list"])]
    pub host: Option<String>,
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
    Operations,
}

fn parse_client(text: &str) -> Result<ClientName, String> {
    ClientName::new(text).map_err(|error| error.to_string())
}
