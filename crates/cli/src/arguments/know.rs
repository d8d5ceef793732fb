//! The command line of hosts and what was seen of them, and of the database.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::JsonArguments;

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
