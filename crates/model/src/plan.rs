//! What a run will do to hosts, before it does it: plans and steps; and what came of each step.
//!
//! A plan is immutable. Everything in it was decided when it was made: applying it takes no decision
//! but those that a step's own probe takes on the host.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::problem::Place;
use crate::text::{ClientName, HostName};

/// What a deploy does to several hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The deploy's name: `web/tls`; of a patch the words that asked for it.
    pub deploy: String,
    /// One for each host, sorted by name.
    pub hosts: Vec<HostPlan>,
    /// Which hosts go first: each wave starts when the one before it has ended well. Names of `hosts`,
    /// each exactly once; hosts of one wave run independently of each other.
    pub waves: Vec<Vec<HostName>>,
}

/// What a deploy does to one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// The host's client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// When the facts were read that the plan is based on.
    pub facts_at: Timestamp,
    /// How many times the host was asked for facts: each is one exec.
    pub fact_passes: u32,
    /// The steps in their order, those that change nothing too; handlers come last.
    pub steps: Vec<Step>,
}

/// One operation with its arguments on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operation: `files.put`.
    pub operation: String,
    /// What it is about, in a word or two: `/etc/motd`, `nginx`.
    pub subject: String,
    /// Where the deploy calls it.
    pub place: Place,
    /// Whether it will change something.
    pub change: Change,
    /// What will change, for people; empty where nothing does. Never holds a secret.
    pub diff: Vec<DiffLine>,
    /// How its state is told. None = it cannot be told: the step runs whenever it is reached, and
    /// is never run a second time on its own.
    pub probe: Option<Probe>,
    /// What makes the change: the body of a sh function, which reads bodies by [`Step::body_variable`].
    pub action: String,
    /// Bytes that the action needs, in order.
    pub bodies: Vec<Content>,
    /// When it runs at all.
    pub condition: Condition,
    /// Whether it waits until all others of its host are done, and runs once however often it is asked for.
    pub is_handler: bool,
    /// What may go wrong with it, for approval and for the linter.
    pub risks: Vec<Risk>,
    /// How long the action may take.
    pub time_limit: Duration,
}

impl Step {
    /// Returns the name of the sh variable that holds the path of a file with the body: `BODY_0`.
    pub fn body_variable(number: usize) -> String {
        format!("BODY_{number}")
    }

    /// Says whether it is sent to the host.
    pub fn is_sent(&self) -> bool {
        self.change != Change::None
    }
}

/// Whether a step changes its host, as far as the facts said when it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The host is as it should be.
    None,
    /// It will be changed.
    Certain,
    /// The host decides when it gets there: an earlier step of the plan may change what it depends on.
    Undecided,
}

/// How the state of a step is told on the host: the same commands before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The body of a sh function that only reads and prints the state: a few short lines.
    pub script: String,
    /// What it printed when the step was planned, without final newlines. None = not known
    /// ([`Change::Undecided`]). Any other state at apply, but `after`, is stale: the host stops.
    pub before: Option<String>,
    /// What it prints when all is done. A host that is there already is left alone, and one that is not
    /// there after the action has failed. None = cannot be told beforehand.
    pub after: Option<String>,
}

/// When a step runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Whenever it is reached.
    Always,
    /// When one of these steps (their places in the host's steps) has changed the host in this run.
    AnyChanged(Vec<usize>),
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiffLine {
    /// As it is and stays, or a heading.
    Same(String),
    /// Goes.
    Removed(String),
    /// Comes.
    Added(String),
}

/// What may go wrong with a step: classes for which `ifrit.toml` asks for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Accounts, keys, privileges, sshd, firewall: who gets in.
    Access,
    /// Something is lost that no step brings back.
    Data,
    /// The host restarts.
    Reboot,
    /// A service stops for a moment or for good.
    Restart,
    /// Its effect is known to nobody but its author: a command.
    Unknown,
}

impl Risk {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Access, Self::Data, Self::Reboot, Self::Restart, Self::Unknown];

    /// Returns the word for it in settings and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Data => "data",
            Self::Reboot => "reboot",
            Self::Restart => "restart",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word that [`Risk::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|risk| risk.as_str() == word)
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Bytes for a host, which may hold secrets: a plan names these and never holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(pub Vec<ContentPiece>);

impl Content {
    /// Makes content without a secret.
    pub fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self(vec![ContentPiece::Plain(bytes.into())])
    }

    /// Says whether it holds a secret.
    pub fn is_secret(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, ContentPiece::Secret(_)))
    }
}

/// A piece of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentPiece {
    /// Bytes as they are.
    Plain(Vec<u8>),
    /// A secret, put in when the script for the host is made.
    Secret(SecretVersion),
}

/// A version of a secret: its name and what tells this value from its next one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretVersion {
    /// Its name: `db/password`.
    pub name: String,
    /// Its version in its store, or a keyed digest where the store has none.
    pub version: String,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// The host was there already.
    Unchanged,
    /// The host was changed, and its probe says that it is there now (where the step has one that can say).
    Changed,
    /// Its condition did not hold.
    Skipped,
    /// The host is neither as it was planned nor as it should be; nothing was done.
    Stale {
        /// What the probe printed.
        found: String,
    },
    /// The action failed, or did not bring the state that it should.
    Failed {
        /// The action's exit status; `None` where it was not the action that failed.
        status: Option<u8>,
        /// Why, in one sentence.
        why: String,
    },
    /// A step before it failed or was stale.
    NotReached,
    /// It was started and nothing is known of its end: the next contact settles it.
    InDoubt,
}

impl StepOutcome {
    /// Returns the word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Skipped => "skipped",
            Self::Stale { .. } => "stale",
            Self::Failed { .. } => "failed",
            Self::NotReached => "not-reached",
            Self::InDoubt => "in-doubt",
        }
    }
}
