//! Why a plan could not be made, approved or applied at all. What went wrong on one host is a part of
//! the answer instead.

use std::path::PathBuf;

use model::{PersonName, Problem};
use thiserror::Error;

use crate::error::ErrorKind;

/// Why a plan could not be made, approved or applied.
#[derive(Debug, Error)]
pub enum FixError {
    /// No deploy of this name.
    #[error("no deploy `{given}` in deploys/")]
    NoDeploy {
        /// What was typed.
        given: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Not one host could be planned.
    #[error("no host could be planned; nothing was saved")]
    NothingPlanned {
        /// Why, for each.
        problems: Vec<Problem>,
    },
    /// The order of the hosts that the deploy asks for makes no sense.
    #[error("the order of hosts is not understood")]
    Order {
        /// Why.
        problems: Vec<Problem>,
    },
    /// A saved plan cannot be read.
    #[error("plan {id} cannot be read: {why}")]
    PlanDamaged {
        /// The plan.
        id: String,
        /// Why.
        why: String,
    },
    /// The plan needs an approval that it does not have.
    #[error("plan {id} is not approved: {why}")]
    NotApproved {
        /// The plan.
        id: String,
        /// What is missing.
        why: String,
    },
    /// The approval cannot be given.
    #[error("plan {id} cannot be approved: {why}")]
    CannotApprove {
        /// The plan.
        id: String,
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The approver made the plan.
    #[error("{person} made the plan, so somebody else has to approve it")]
    OwnApproval {
        /// The author.
        person: PersonName,
    },
    /// A run has done the plan already.
    #[error("run {run} has applied plan {id} already")]
    AlreadyApplied {
        /// The plan.
        id: String,
        /// The run.
        run: String,
    },
    /// Nothing of a run is left to do.
    #[error("run {run} has nothing to resume")]
    NothingToResume {
        /// The run.
        run: String,
    },
    /// Another ifrit works on the run.
    #[error(
        "run {run} is being worked on by another ifrit{}",
        process.map(|process| format!(", process {process} on this machine")).unwrap_or_default()
    )]
    StillRunning {
        /// The run.
        run: String,
        /// Its process, where it is one of this machine.
        process: Option<u32>,
    },
    /// The key of secrets is not there or cannot be used.
    #[error("the key of secrets, {}, cannot be used: {why}", path.display())]
    SecretKey {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Secrets are not what they were when the plan was made, so that nothing of it can be done.
    #[error("nothing was done: {} cannot be had as planned", quoted(names))]
    SecretsChanged {
        /// Their names.
        names: Vec<String>,
    },
    /// A secret cannot be set.
    #[error("secret `{name}`: {why}")]
    Secret {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// A number of hosts or a percentage is malformed.
    #[error("`{given}` is neither a number of hosts nor a percentage")]
    FailureLimit {
        /// What was typed.
        given: String,
    },
    /// pyinfra is not there.
    #[error("`{given}` is no program here, so no deploy of pyinfra can be run")]
    NoPyinfra {
        /// What the setting says.
        given: String,
    },
    /// The files of a deploy of pyinfra, or those made for it, cannot be used.
    #[error("the deploy of pyinfra cannot be run: {why}")]
    PyinfraFiles {
        /// Why.
        why: String,
    },
    /// The files of a deploy of pyinfra are not those that its plan was made of.
    #[error(
        "files in {directory} have changed since the plan was made: what was planned is not what would be done"
    )]
    PyinfraChanged {
        /// The directory, relative to the workspace.
        directory: String,
    },
    /// Nothing that was asked for can be patched.
    #[error("nothing to patch: {why}")]
    NothingToPatch {
        /// Why.
        why: String,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [name] => format!("the secret {name}"),
        _ => format!("the secrets {}", names.join(", ")),
    }
}

impl FixError {
    /// Returns which kind of failure it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::NoDeploy { .. } | Self::FailureLimit { .. } | Self::NothingToPatch { .. } => {
                ErrorKind::User
            }
            Self::PyinfraFiles { .. } => ErrorKind::User,
            Self::Order { .. } => ErrorKind::Workspace,
            _ => ErrorKind::Unavailable,
        }
    }

    /// Returns what to do about it, where that can be said.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoDeploy { known, .. } if known.is_empty() => {
                Some("write one: deploys/NAME.star with `def deploy(host):`".to_owned())
            }
            Self::NoDeploy { known, .. } => Some(format!("there are {}", known.join(", "))),
            Self::PlanDamaged { .. } => Some("plan again".to_owned()),
            Self::NotApproved { id, .. } => Some(format!(
                "somebody else who may approve runs `ifrit approve {id}`; in an emergency `ifrit apply {id} \
                 --break-glass REASON` is signed and recorded"
            )),
            Self::AlreadyApplied { run, .. } => {
                Some(format!("`ifrit run show {run}` says what it did; plan again for what is left to do"))
            }
            Self::CannotApprove { hint, .. } => Some(hint.clone()),
            Self::SecretKey { .. } => {
                Some("`ifrit secret keygen` makes a new one; colleagues need the same file".to_owned())
            }
            Self::SecretsChanged { .. } => Some(
                "the value was changed since, or `secrets.key_file` is not the one that it was planned with; plan again"
                    .to_owned(),
            ),
            Self::StillRunning { .. } => {
                Some("let it come to its end, or stop it, and try again".to_owned())
            }
            Self::FailureLimit { .. } => Some("expected for example 3 or 10%".to_owned()),
            Self::NoPyinfra { .. } => Some(
                "install pyinfra 3 (`python3 -m venv ~/pyinfra && ~/pyinfra/bin/pip install pyinfra`), then set \
                 `program = \"~/pyinfra/bin/pyinfra\"` in the section [pyinfra] of ifrit.toml, or put it into PATH"
                    .to_owned(),
            ),
            Self::PyinfraChanged { .. } => {
                Some("plan again; `git diff` and `git status` say what has changed".to_owned())
            }
            _ => None,
        }
    }

    /// Returns the problems that it carries.
    pub(crate) fn problems(&self) -> &[Problem] {
        match self {
            Self::NothingPlanned { problems } | Self::Order { problems } => problems,
            _ => &[],
        }
    }
}
