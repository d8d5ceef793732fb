//! The door.

use std::rc::Rc;

use lang::Deploy;
use lang::debug::Debugger;
use model::{Code, Content, Host, Inventory, OsRelease, Problem, SecretVersion, Step};

use super::fact_values::{os_question, os_release};
use super::host_value::{AsksOs, HostValue};
use super::session::Session;
use crate::facts::{FactAnswer, FactRequests, Facts};

/// How often a deploy may ask its host for facts.
pub const FACT_PASSES_MAX: usize = 8;

/// What is known of a host before it is asked, and the ways to what a deploy takes from elsewhere.
#[derive(Clone, Copy)]
pub struct HostView<'a> {
    /// What is declared.
    pub inventory: &'a Inventory,
    /// The host.
    pub host: &'a Host,
    /// What it ran at its last scan; where it is not known and the deploy looks, the host is asked.
    pub os: Option<&'a OsRelease>,
    /// Reads a file of the workspace (`lang::read_asset`); an error says why it cannot be read.
    pub assets: &'a (dyn Fn(&str) -> Result<Vec<u8>, String> + Sync),
    /// Lists the files below a folder of the workspace (`lang::list_assets`), as paths from that folder.
    pub folders: &'a (dyn Fn(&str) -> Result<Vec<String>, String> + Sync),
    /// Finds a secret by its name; an error says why there is none.
    pub secrets: &'a (dyn Fn(&str) -> Result<SecretVersion, String> + Sync),
    /// Returns the SHA-256 of content with its secrets in it; `None` where it cannot be told.
    pub secret_digest: &'a (dyn Fn(&Content) -> Option<[u8; 32]> + Sync),
}

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// Every step, in order; handlers come last.
    Complete(Vec<Step>),
    /// The host is to be asked this, and the deploy to be evaluated again with the answers added.
    Needs(FactRequests),
}

/// Evaluates a deploy for a host. It is pure but for the time limit, and runs on a thread of
/// `lang::on_evaluation_thread`.
///
/// # Errors
/// Every problem of the code and of its arguments, with its place; sorted, each once.
pub fn evaluate(deploy: &Deploy, view: &HostView<'_>, facts: &Facts) -> Result<Evaluated, Vec<Problem>> {
    on_its_thread(deploy, view, facts, None)
}

/// As [`evaluate`], with a debugger at it, and with every fact that the deploy asks for: the steps.
///
/// # Errors
/// As [`evaluate`]; that the debugger ended it; that it asks for what is not among the facts.
pub fn debug(
    deploy: &Deploy,
    view: &HostView<'_>,
    facts: &Facts,
    debugger: Debugger,
) -> Result<Vec<Step>, Vec<Problem>> {
    match on_its_thread(deploy, view, facts, Some(debugger))? {
        Evaluated::Complete(steps) => Ok(steps),
        Evaluated::Needs(requests) => {
            let asked: Vec<String> = requests.questions().map(|it| format!("`{it}`")).collect();
            let why = format!("the deploy wants to know what it did not before: {}", asked.join(", "));
            let hint =
                "the debugger asks for facts before it starts: was a variable changed in the debug console?";
            Err(vec![Problem::new(Code::PlanFactUnknown, deploy.place.clone(), why).with_hint(hint)])
        }
    }
}

fn on_its_thread(
    deploy: &Deploy,
    view: &HostView<'_>,
    facts: &Facts,
    debugger: Option<Debugger>,
) -> Result<Evaluated, Vec<Problem>> {
    let result = lang::on_evaluation_thread(|| evaluate_here(deploy, view, facts, debugger));
    result.unwrap_or_else(|why| Err(vec![Problem::new(Code::StarlarkError, deploy.place.clone(), why)]))
}

fn evaluate_here(
    deploy: &Deploy,
    view: &HostView<'_>,
    facts: &Facts,
    debugger: Option<Debugger>,
) -> Result<Evaluated, Vec<Problem>> {
    let session = Session::new(*view, facts);
    let looked = session.looked();
    let watch = Rc::new(move || looked.stop());
    let asks_os = AsksOs::default();
    let os = view.os.cloned().or_else(|| match facts.get(&os_question()) {
        Some(FactAnswer::Said(text)) => Some(os_release(text)),
        _ => None,
    });
    let host = HostValue::current(view, os, asks_os.clone());
    let outcome = match debugger {
        None => deploy.call(|heap| heap.alloc(host), &session, watch),
        Some(debugger) => {
            let inside = session.inside(asks_os.clone());
            deploy.debug(|heap| heap.alloc(host), &session, watch, debugger, inside)
        }
    };
    if asks_os.is_asked() {
        session.ask(&os_question());
    }
    session.finish(outcome.err())
}
