//! Applying a host's plan: one script that takes all its steps, what the host answers, and what the
//! next contact asks where the answer was lost.
//!
//! The script ([`script`]) locks the host, journals each step's start on its disk before the step's
//! action, checks the state that the step was planned against, and sends each outcome as it comes
//! ([`OutcomeReader`]). Its journal stays until the controller acknowledges ([`acknowledgement`]);
//! [`settle_script`] reads one that was left behind.

mod chunks;
mod limits;
mod outcome;
mod reader;
mod script;
mod secret;
mod text;

pub use limits::ApplyLimits;
pub use outcome::{ApplyEvent, Refusal, StepReport};
pub use reader::OutcomeReader;
pub use script::{HOST_FOLDER, HostRun, Script, ScriptError, acknowledgement, script, settle_script};
pub use secret::SecretBytes;
