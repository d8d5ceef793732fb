//! The command line of reports.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use model::ClientName;

use super::parse_client;

#[derive(Debug, Args)]
pub struct ReportArguments {
    #[command(subcommand)]
    pub verb: ReportVerb,
}

#[derive(Debug, Subcommand)]
pub enum ReportVerb {
    /// Report an incident: what happened, to whom, what was done, and the proof
    Incident(ReportIncidentArguments),
    /// Report how things stand: what is open and for how long, how fast fixes come, exceptions, drift, trend
    Posture(ReportPostureArguments),
}

#[derive(Debug, Args)]
pub struct ReportIncidentArguments {
    /// Its name, such as inc-2026-0001
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub form: FormArguments,
}

#[derive(Debug, Args)]
pub struct ReportPostureArguments {
    /// Days after which an open finding is late; default: the setting `incident.deadline_days`
    #[arg(long, value_name = "DAYS")]
    pub late_days: Option<u16>,
    #[command(flatten)]
    pub form: FormArguments,
}

#[derive(Debug, Args)]
pub struct FormArguments {
    /// For this client: nothing of other clients, nobody's name, nothing internal. Default: the team's own view
    #[arg(long, value_name = "NAME", value_parser = parse_client)]
    pub client: Option<ClientName>,
    /// Form; default: what the name of the file ends with, else text
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Write it to this file. A client's report of an incident counts as written then, and its hash is on record
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl FormArguments {
    /// Returns the form that is meant.
    pub fn format(&self) -> ReportFormat {
        let ending = self.out.as_deref().and_then(Path::extension).and_then(|it| it.to_str());
        self.format.or_else(|| ReportFormat::of_ending(ending?)).unwrap_or(ReportFormat::Text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Plain text
    Text,
    /// Markdown
    Md,
    /// One HTML file that loads nothing; prints well
    Html,
    /// One JSON document
    Json,
}

impl ReportFormat {
    /// Returns what a file's name ends with, which is also the word for it on record.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Md => "md",
            Self::Html => "html",
            Self::Json => "json",
        }
    }

    fn of_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Text),
            "md" => Some(Self::Md),
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_says_the_form() {
        let check = |out: Option<&str>, format: Option<ReportFormat>, expected: ReportFormat| {
            let form = FormArguments { client: None, format, out: out.map(PathBuf::from) };
            assert_eq!(form.format(), expected, "{out:?}");
        };
        check(None, None, ReportFormat::Text);
        check(Some("a/acme.HTML"), None, ReportFormat::Html);
        check(Some("acme.md"), None, ReportFormat::Md);
        check(Some("acme"), None, ReportFormat::Text);
        check(Some("acme.html"), Some(ReportFormat::Json), ReportFormat::Json);
    }
}
