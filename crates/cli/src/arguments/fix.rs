//! The command line of planning, approving and applying.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::ClientName;

use super::parse_client;

#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The deploy: deploys/web/tls.star is `web/tls`
    #[arg(value_name = "DEPLOY")]
    pub deploy: String,
    /// `on` and the hosts, as a selector: `on client:acme tag:web`, `on '*'`
    #[arg(value_name = "on SELECTOR", required = true)]
    pub words: Vec<String>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DebugArguments {
    /// The deploy: deploys/web/tls.star is `web/tls`; default: `deploy` of the editor's launch configuration
    #[arg(value_name = "DEPLOY")]
    pub deploy: Option<String>,
    /// `on` and one host; default: `host` of the editor's launch configuration
    #[arg(value_name = "on HOST", requires = "deploy")]
    pub words: Vec<String>,
    /// Take what the host is like from a file in place of asking it: a list in a *_test.star, FACTS unless named
    #[arg(long, value_name = "FILE[:NAME]", requires = "deploy")]
    pub facts: Option<String>,
    /// Print what each line did and which steps came of it, in place of serving an editor
    #[arg(long, requires = "deploy")]
    pub explain: bool,
}

#[derive(Debug, Args)]
pub struct PlansArguments {
    /// Show this plan: its name or the beginning of it; default: list the newest
    #[arg(value_name = "PLAN_ID")]
    pub id: Option<String>,
    /// List so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunningArguments {
    /// Hosts at the same time; default: the setting `deploy.parallel`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub parallel: Option<u16>,
    /// Start no further hosts when more than so many have failed: 3, or 10%; default: the setting
    /// `deploy.failures_percent_max`
    #[arg(long, value_name = "N|N%")]
    pub max_failures: Option<String>,
    /// Print one JSON object per event and line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The plan: its name or the beginning of it
    #[arg(value_name = "PLAN_ID")]
    pub id: String,
    /// Apply without the approval that the settings ask for; signed with your SSH key and recorded with this reason
    #[arg(long, value_name = "REASON")]
    pub break_glass: Option<String>,
    #[command(flatten)]
    pub running: RunningArguments,
}

#[derive(Debug, Args)]
pub struct DeployArguments {
    /// The deploy: deploys/web/tls.star is `web/tls`
    #[arg(value_name = "DEPLOY")]
    pub deploy: String,
    /// `on` and the hosts, as a selector: `on client:acme tag:web`, `on '*'`
    #[arg(value_name = "on SELECTOR", required = true)]
    pub words: Vec<String>,
    /// Apply without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub running: RunningArguments,
}

#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// The plan: its name or the beginning of it
    #[arg(value_name = "PLAN_ID")]
    pub id: String,
    /// Private key file to sign with; default: the SSH agent's keys and the files of the setting `ssh.identities`
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Approve without showing the plan and asking
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON object on one line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunsArguments {
    /// List so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(subcommand)]
    pub verb: RunVerb,
}

#[derive(Debug, Subcommand)]
pub enum RunVerb {
    /// Show what came of each step on each host
    Show(RunShowArguments),
    /// Find out what hosts in doubt have done, and finish what is left of a run
    Resume(RunResumeArguments),
}

#[derive(Debug, Args)]
pub struct RunShowArguments {
    /// The run: its name or the beginning of it
    #[arg(value_name = "RUN_ID")]
    pub id: String,
    /// Only this host, with what its steps printed
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Print one JSON object per host and line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunResumeArguments {
    /// The run: its name or the beginning of it
    #[arg(value_name = "RUN_ID")]
    pub id: String,
    /// Run a step again that was started and of which nobody can tell whether it has ended: after looking at the host
    #[arg(long)]
    pub rerun: bool,
    #[command(flatten)]
    pub running: RunningArguments,
}

#[derive(Debug, Args)]
pub struct SecretArguments {
    #[command(subcommand)]
    pub verb: SecretVerb,
}

#[derive(Debug, Subcommand)]
pub enum SecretVerb {
    /// Make the key of secrets in the file that the setting `secrets.key_file` names
    Keygen,
    /// Seal a value in the database; it is read from standard input
    Set(SecretSetArguments),
    /// List the sealed secrets, without values
    List(SecretListArguments),
}

#[derive(Debug, Args)]
pub struct SecretSetArguments {
    /// Its name, as in secret("db/password")
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Give it to hosts of this client only
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Option<ClientName>,
}

#[derive(Debug, Args)]
pub struct SecretListArguments {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PatchArguments {
    /// What to close: ids (CVE-2024-6387, DSA-5724-1) or source packages (openssh); then, if not everywhere, `on` and
    /// the hosts, as a selector
    #[arg(value_name = "CVE|PACKAGE|on SELECTOR")]
    pub words: Vec<String>,
    /// Close everything that is known to be exploited
    #[arg(long)]
    pub kev: bool,
    /// Do not bring the hosts' package lists up to date while planning
    #[arg(long)]
    pub no_refresh: bool,
    /// Restart the hosts that were changed, after everything else
    #[arg(long)]
    pub reboot: bool,
    /// Show the plan and save it, and leave applying to `ifrit apply`
    #[arg(long, conflicts_with = "yes")]
    pub plan_only: bool,
    /// Apply without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub running: RunningArguments,
}

#[derive(Debug, Args)]
pub struct PyinfraArguments {
    /// The deploy: a Python file in the workspace
    #[arg(value_name = "DEPLOY.py")]
    pub deploy: PathBuf,
    /// `on` and the hosts, as a selector: `on client:acme tag:web`, `on '*'`
    #[arg(value_name = "on SELECTOR", required = true)]
    pub words: Vec<String>,
    /// Run pyinfra in this directory of the workspace, where its config.py, group_data and files are; default: the
    /// current one
    #[arg(long, value_name = "DIR")]
    pub chdir: Option<PathBuf>,
    /// Show the plan and save it; apply nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry: bool,
    /// Let so many hosts go first, alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub canary: Option<u16>,
    /// Let so many hosts go at a time after that; the next ones start when these have ended well
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub wave_size: Option<u16>,
    /// Apply without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub running: RunningArguments,
}
