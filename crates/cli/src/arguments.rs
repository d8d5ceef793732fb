//! The command line as typed. The doc comments here are the help texts and docs/reference/cli.md.

mod audit;
mod fix;
mod hear;
mod know;
mod prove;
mod report;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::ClientName;

use crate::environment;
pub use audit::*;
pub use fix::*;
pub use hear::*;
pub use know::*;
pub use prove::*;
pub use report::*;

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
    /// Plan a deploy that is written for pyinfra, show the plan, ask, and let pyinfra apply it
    Pyinfra(PyinfraArguments),
    /// Run an emergency, gate by gate: who is vulnerable, plan, approval, canary hosts, the others, proof, reports
    Respond(RespondArguments),
    /// Rehearse an emergency, and hold it against the team's target
    Drill(DrillArguments),
    /// Look whether a fix is in force on each host: versions, files, processes, services, kernel, network
    Verify(VerifyArguments),
    /// List incidents: emergencies and exercises
    Incidents(IncidentsArguments),
    /// Show an incident, write a note into its record, or close it
    Incident(IncidentArguments),
    /// Write a report: of an incident for a client, or of how things stand
    Report(ReportArguments),
    /// Keep secrets that deploys use
    Secret(SecretArguments),
    /// Show what was done, prove that nobody has changed the record of it, and give it away
    Audit(AuditArguments),
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
    /// Format .star files with ruff, which must be installed
    Fmt(FmtArguments),
    /// Step through a deploy for one host, from an editor by the Debug Adapter Protocol; no host is changed
    Debug(DebugArguments),
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
            Self::Apply(_) | Self::Deploy(_) | Self::Patch(_) | Self::Pyinfra(_) => true,
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
pub struct FmtArguments {
    /// Files or directories; `-` formats standard input to standard output; default: the whole workspace
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Change nothing, and say which files would change
    #[arg(long)]
    pub check: bool,
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
