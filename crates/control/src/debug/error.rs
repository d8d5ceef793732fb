//! Why a deploy cannot be debugged.

use model::{HostName, Problem};
use thiserror::Error;

use crate::error::ErrorKind;

/// The host names that are listed where one was expected.
const NAMES_MAX: usize = 8;

/// Why a deploy cannot be debugged.
#[derive(Debug, Error)]
pub enum DebugError {
    /// The debugger steps through the plan of one host.
    #[error("expected one host, got {}: {}", hosts.len(), listed(hosts))]
    ManyHosts {
        /// Those that the selector takes.
        hosts: Vec<HostName>,
    },
    /// What the host is like could not be told.
    #[error("it is not known what {host} is like")]
    HostFacts {
        /// The host.
        host: HostName,
        /// Why.
        problems: Vec<Problem>,
    },
    /// There is no such file of facts.
    #[error("facts `{given}`: {why}")]
    FactsFile {
        /// What was typed.
        given: String,
        /// Why.
        why: &'static str,
    },
    /// The file of facts has problems.
    #[error("facts `{given}` cannot be read")]
    FactsUnreadable {
        /// What was typed.
        given: String,
        /// Why.
        problems: Vec<Problem>,
    },
}

fn listed(hosts: &[HostName]) -> String {
    let names: Vec<&str> = hosts.iter().take(NAMES_MAX).map(HostName::as_str).collect();
    match hosts.len().saturating_sub(NAMES_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl DebugError {
    /// Returns which kind of failure it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::ManyHosts { .. } | Self::FactsFile { .. } => ErrorKind::User,
            Self::FactsUnreadable { .. } => ErrorKind::Workspace,
            Self::HostFacts { .. } => ErrorKind::Unavailable,
        }
    }

    /// Returns what to do about it, where that can be said.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::ManyHosts { .. } => Some("name one of them".to_owned()),
            Self::HostFacts { .. } => {
                Some("`--facts FILE` takes a list of facts from a file in place of the host".to_owned())
            }
            Self::FactsFile { .. } => Some(
                "expected FILE or FILE:NAME, a *_test.star of the workspace with a list of `testing.file(...)` and \
                 the like; NAME is FACTS unless given"
                    .to_owned(),
            ),
            Self::FactsUnreadable { .. } => None,
        }
    }

    /// Returns the problems that it carries.
    pub(crate) fn problems(&self) -> &[Problem] {
        match self {
            Self::HostFacts { problems, .. } | Self::FactsUnreadable { problems, .. } => problems,
            Self::ManyHosts { .. } | Self::FactsFile { .. } => &[],
        }
    }
}
