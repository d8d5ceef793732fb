//! How a host ended, and why, as far as its steps do not say it.

use fleet::{HostOutcome, NotStarted};
use model::{Code, HostName, Place, Problem, StepOutcome, UserName};
use plan::apply::{HOST_FOLDER, Refusal, ScriptError, StepReport};
use store::RunHostState;

use super::{HostResult, claims};

/// What to do where a step needs root.
const BECOME_HINT: &str = "if the step needs root, let the login become root: `become = \"sudo\"` below `[ssh]` in ifrit.toml (or \"doas\")";

/// Says how a host ended, and why, where its steps do not.
pub(super) fn judge(
    host: &HostName,
    outcome: &HostOutcome,
    steps: &[StepReport],
) -> (RunHostState, Option<Problem>) {
    let problem = |why: String| Some(claims::problem(host, &why));
    match outcome {
        HostOutcome::Done => (RunHostState::Done, None),
        HostOutcome::Stopped { .. } => (RunHostState::Stopped, None),
        HostOutcome::Settled => (settled(steps), None),
        HostOutcome::Unreachable => (RunHostState::Unreachable, None),
        HostOutcome::InDoubt { .. } => (RunHostState::InDoubt, None),
        HostOutcome::Refused(refusal) => (RunHostState::Refused, Some(refusal_problem(host, refusal))),
        HostOutcome::NotStarted(why) => match why {
            NotStarted::TooManyFailures { failed } => (
                RunHostState::NotStarted,
                problem(format!("too many hosts before it have failed ({failed})")),
            ),
            NotStarted::Unhealthy { why } => (RunHostState::NotStarted, problem(why.clone())),
            NotStarted::Stopped => (RunHostState::NotStarted, problem("the run was stopped".to_owned())),
            NotStarted::NoScript(error @ ScriptError::InDoubt { .. }) => {
                (RunHostState::InDoubt, problem(error.to_string()))
            }
            NotStarted::NoScript(error) => (RunHostState::NotStarted, problem(error.to_string())),
            NotStarted::NoNonce => {
                (RunHostState::NotStarted, problem("this machine gives no random numbers".to_owned()))
            }
            NotStarted::Crashed => (RunHostState::NotStarted, problem("a fault of ifrit".to_owned())),
        },
    }
}

/// Says how a host stands whose journal was read.
fn settled(steps: &[StepReport]) -> RunHostState {
    let has = |wanted: fn(&StepOutcome) -> bool| steps.iter().any(|step| wanted(&step.outcome));
    if has(|outcome| matches!(outcome, StepOutcome::Failed { .. } | StepOutcome::Stale { .. })) {
        RunHostState::Stopped
    } else if has(|outcome| matches!(outcome, StepOutcome::InDoubt)) {
        RunHostState::InDoubt
    } else if has(|outcome| matches!(outcome, StepOutcome::NotReached)) {
        RunHostState::NotStarted
    } else {
        RunHostState::Done
    }
}

fn refusal_problem(host: &HostName, refusal: &Refusal) -> Problem {
    let named = |run: &Option<model::RunId>| {
        run.as_ref().map_or("another run".to_owned(), |run| format!("run {run}"))
    };
    match refusal {
        Refusal::Busy(run) => claims::problem(host, &format!("a script of {} still runs there", named(run))),
        Refusal::Unsettled(run) => {
            let problem = claims::problem(host, &format!("{} has left its journal there", named(run)));
            match run {
                Some(run) => problem.with_hint(format!("`ifrit run resume {run}` settles it")),
                None => problem,
            }
        }
        Refusal::Fault { said } => {
            // One line: whoever prints it makes the rest harmless.
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            let message = format!("nothing can be written below {HOST_FOLDER} there: {said}");
            claims::problem(host, &message).with_hint(format!(
                "nothing was done; is the disk full, or mounted read-only? `df {HOST_FOLDER}; mount` on the host tells"
            ))
        }
    }
}

/// Says that a step may have failed because the login is not root.
pub(super) fn unprivileged(result: &HostResult, login: &UserName) -> Option<Problem> {
    let has_failed = |step: &StepReport| matches!(step.outcome, StepOutcome::Failed { status: Some(_), .. });
    if !result.steps.iter().any(has_failed) {
        return None;
    }
    let place = Place::Host { host: result.host.clone(), part: String::new() };
    let message = format!("ifrit logs in as {login}, which is not root");
    Some(Problem::new(Code::ApplyUnprivileged, place, message).with_hint(BECOME_HINT))
}
