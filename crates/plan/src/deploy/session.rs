//! What an evaluation leaves behind: steps, questions, problems.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use model::{Change, Code, Condition, DiffLine, Place, Probe, Problem, Step};
use starlark::any::ProvidesStaticType;
use starlark::eval::Evaluator;
use starlark::values::Value;

use super::evaluate::{Evaluated, HostView};
use super::host_value::AsksOs;
use super::result::{Looked, StepValue, When};
use crate::facts::{FactAnswer, FactRequests, Facts, Question};
use crate::operations::{Area, Decision, Operation};
use crate::sh::Script;

/// The most steps of one host.
const STEPS_MAX: usize = 5_000;
/// The most problems that an evaluation goes on with.
const PROBLEMS_MAX: usize = 200;

/// What the functions of deploys find in `Evaluator::extra`.
#[derive(ProvidesStaticType)]
pub(crate) struct Session<'a> {
    /// The host.
    pub view: HostView<'a>,
    facts: &'a Facts,
    looked: Looked,
    /// Whether a debugger looks, of which nothing must remain.
    is_aside: Rc<Cell<bool>>,
    drafts: Rc<RefCell<Vec<Draft>>>,
    wanted: RefCell<BTreeSet<Question>>,
    problems: RefCell<Vec<Problem>>,
}

/// A step whose place in the order is not fixed yet.
struct Draft {
    step: Step,
    touches: Vec<Area>,
}

/// What every operation takes beside its own arguments.
pub(crate) struct Common<'v> {
    /// What the step is for, in the author's words.
    pub name: Option<&'v str>,
    /// Whether it runs.
    pub when: Option<Value<'v>>,
    /// Whether it waits for the end.
    pub handler: bool,
}

/// The answers to the questions of an operation.
pub(crate) struct Asked<'a> {
    facts: &'a Facts,
}

impl Asked<'_> {
    /// Returns what the host said; `None` where there is no such thing.
    ///
    /// # Errors
    /// The host could not tell.
    pub(crate) fn said(&self, question: &Question) -> Result<Option<String>, String> {
        match self.facts.get(question) {
            Some(FactAnswer::Said(text)) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
            Some(FactAnswer::Absent) => Ok(None),
            Some(FactAnswer::Failed(Some(status))) => {
                Err(format!("the host could not tell its state: `{question}` ended with status {status}"))
            }
            Some(FactAnswer::Failed(None)) | None => {
                Err(format!("the host could not tell its state: `{question}` has no answer"))
            }
        }
    }
}

impl<'a> Session<'a> {
    /// Begins an evaluation.
    pub(crate) fn new(view: HostView<'a>, facts: &'a Facts) -> Self {
        Self {
            view,
            facts,
            looked: Looked::default(),
            is_aside: Rc::default(),
            drafts: Rc::default(),
            wanted: RefCell::default(),
            problems: RefCell::default(),
        }
    }

    /// Finds the session of the code that runs.
    ///
    /// # Errors
    /// There is none: the code runs while its file is loaded.
    pub(crate) fn of<'e>(eval: &Evaluator<'_, 'e, 'a>) -> starlark::Result<&'e Self> {
        eval.extra.and_then(|extra| extra.downcast_ref::<Session<'a>>()).ok_or_else(|| {
            let why = "operations and facts are only possible within `def deploy(host)`";
            lang::fault(Code::StarlarkError, why, None)
        })
    }

    /// Returns the sign by which values say that code looked into what it must not.
    pub(crate) fn looked(&self) -> Looked {
        self.looked.clone()
    }

    /// Returns the answer to a question; where there is none, it is asked for.
    pub(crate) fn ask(&self, question: &Question) -> Option<FactAnswer> {
        let known = self.facts.get(question).cloned();
        if known.is_none() && !self.is_aside.get() {
            self.wanted.borrow_mut().insert(question.clone());
        }
        known
    }

    /// Ends an evaluation; `stopped` is why the code did not run to its end.
    pub(crate) fn finish(self, stopped: Option<Problem>) -> Result<Evaluated, Vec<Problem>> {
        let wanted = self.wanted.into_inner();
        let mut problems = self.problems.into_inner();
        let is_unknown = stopped.as_ref().is_some_and(|it| it.code == Code::PlanFactUnknown);
        if let Some(stopped) = stopped
            && (!is_unknown || wanted.is_empty())
        {
            problems.push(stopped);
        }
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(problems);
        }
        if !wanted.is_empty() {
            return Ok(Evaluated::Needs(FactRequests::of_questions(wanted)));
        }
        Ok(Evaluated::Complete(ordered(self.drafts.take())))
    }

    /// Returns what a debugger needs: the way to look without a trace, and the steps so far.
    pub(crate) fn inside(&self, asks_os: AsksOs) -> lang::debug::Inside {
        let (is_aside, looked) = (Rc::clone(&self.is_aside), self.looked());
        let aside = move || -> Box<dyn FnOnce()> {
            let (is_aside, looked, asks_os) = (Rc::clone(&is_aside), looked.clone(), asks_os.clone());
            let (seen, was_asked) = (looked.now(), asks_os.is_asked());
            is_aside.set(true);
            Box::new(move || {
                is_aside.set(false);
                looked.restore(seen);
                asks_os.restore(was_asked);
            })
        };
        let drafts = Rc::clone(&self.drafts);
        let made = move || drafts.borrow().iter().map(|draft| in_words(&draft.step)).collect();
        lang::debug::Inside { aside: Rc::new(aside), made: Rc::new(made) }
    }

    fn problem(&self, place: Place, caller: Option<String>, message: String) -> starlark::Result<()> {
        if self.is_aside.get() {
            return Err(lang::fault(Code::PlanBadArgument, message, caller));
        }
        let mut problems = self.problems.borrow_mut();
        let problem = Problem::new(Code::PlanBadArgument, place, message);
        problems.push(caller.map_or(problem.clone(), |caller| problem.with_hint(caller)));
        if problems.len() > PROBLEMS_MAX {
            let why = format!("more than {PROBLEMS_MAX} calls have problems");
            return Err(lang::fault(Code::StarlarkLimit, why, None));
        }
        Ok(())
    }

    fn add<O: Operation>(
        &self,
        operation: &O,
        place: Place,
        common: &Common<'_>,
        when: When,
    ) -> Result<StepValue, String> {
        let questions = operation.questions();
        let is_missing = questions.iter().filter(|question| self.ask(question).is_none()).count() > 0;
        if is_missing || when == When::Missing {
            return Ok(StepValue::missing(self.looked()));
        }
        let mut drafts = self.drafts.borrow_mut();
        let (condition, is_certain) = match &when {
            When::Never => return Ok(StepValue::never(self.looked())),
            When::Changed(steps) => condition(steps, &drafts),
            _ => (Some(Condition::Always), true),
        };
        if self.is_aside.get() {
            return Ok(StepValue::never(self.looked()));
        }
        let depends = operation.depends();
        // A handler runs after all that comes below it.
        let is_overlapped = (common.handler && !questions.is_empty())
            || drafts.iter().any(|draft| {
                draft.step.is_sent() && draft.touches.iter().any(|it| depends.iter().any(|at| it.meets(at)))
            });
        let asked = Asked { facts: self.facts };
        let (decision, change) = match (&condition, is_overlapped) {
            (None, _) => (Decision::nothing(), Change::None),
            (Some(_), false) => {
                let decision = operation.decide(Some(&asked))?;
                let change = decision.change();
                (decision, change)
            }
            (Some(_), true) => undecided(operation, &asked)?,
        };
        let change = if change == Change::Certain && !is_certain { Change::Undecided } else { change };
        let step = step(operation, place, common, decision, change, condition.unwrap_or(Condition::Always));
        let comes_before = |at: usize| match &step.condition {
            // A condition names steps that come before it in the end.
            Condition::AnyChanged(sources) => {
                sources.iter().all(|source| *source < at || !drafts[*source].step.is_handler)
            }
            Condition::Always => true,
        };
        let same =
            (0..drafts.len()).find(|at| is_same_handler(&drafts[*at].step, &step) && comes_before(*at));
        if let Some(same) = same {
            join(&mut drafts[same].step.condition, step.condition);
            return Ok(StepValue::step(same, &drafts[same].step, self.looked()));
        }
        if drafts.len() >= STEPS_MAX {
            return Err(format!("the deploy has more than {STEPS_MAX} steps"));
        }
        let value = StepValue::step(drafts.len(), &step, self.looked());
        drafts.push(Draft { step, touches: operation.touches() });
        Ok(value)
    }
}

/// Makes a step of a call: what every operation's function ends with. A bad argument becomes a problem,
/// and the code goes on.
pub(crate) fn run<'v, O: Operation>(
    eval: &Evaluator<'v, '_, '_>,
    operation: Result<O, String>,
    common: &Common<'v>,
) -> starlark::Result<StepValue> {
    let session = Session::of(eval)?;
    let (place, caller) = lang::place_of_call(eval);
    let made = When::read(common.when)
        .and_then(|when| session.add(&operation?, place.clone(), common, when))
        .map_err(|why| format!("{}: {why}", O::NAME));
    match made {
        Ok(value) => Ok(value),
        Err(why) => {
            session.problem(place, caller, why)?;
            Ok(StepValue::missing(session.looked()))
        }
    }
}

/// Says in one line what a step is.
fn in_words(step: &Step) -> String {
    let change = match step.change {
        Change::None => "as it should be",
        Change::Certain => "changes",
        Change::Undecided => "decided on the host",
    };
    format!("{} {}: {change}", step.operation, step.subject)
}

/// Returns the condition that one of these steps changed something, and whether one of them will;
/// `None` where none can.
fn condition(steps: &[usize], drafts: &[Draft]) -> (Option<Condition>, bool) {
    let steps: BTreeSet<usize> = steps.iter().copied().collect();
    let sent = steps.into_iter().filter(|at| drafts.get(*at).is_some_and(|draft| draft.step.is_sent()));
    let sent: Vec<usize> = sent.collect();
    let is_certain = sent.iter().any(|at| drafts[*at].step.change == Change::Certain);
    ((!sent.is_empty()).then_some(Condition::AnyChanged(sent)), is_certain)
}

/// Decides where an earlier step may change what the facts say: the action is the one that does without
/// them; the diff is what it would be now.
fn undecided<O: Operation>(operation: &O, asked: &Asked<'_>) -> Result<(Decision, Change), String> {
    let mut decision = operation.decide(None)?;
    if let Ok(now) = operation.decide(Some(asked)) {
        decision.diff = now.diff;
    }
    let change = match (&decision.probe, decision.is_done) {
        (Some(_), _) => Change::Undecided,
        // There is nothing to do, whatever an earlier step does.
        (None, Some(true)) => Change::None,
        (None, _) => Change::Certain,
    };
    if let Some(probe) = &mut decision.probe {
        probe.before = None;
    }
    Ok((decision, change))
}

fn step<O: Operation>(
    operation: &O,
    place: Place,
    common: &Common<'_>,
    decision: Decision,
    change: Change,
    condition: Condition,
) -> Step {
    let mut diff = if change == Change::None { Vec::new() } else { decision.diff };
    if let (false, Some(name)) = (diff.is_empty(), common.name) {
        diff.insert(0, DiffLine::Same(name.to_owned()));
    }
    Step {
        operation: operation.name(),
        subject: operation.subject(),
        place,
        change,
        diff,
        probe: decision.probe.map(|probe| Probe {
            script: kept(Script::call(probe.question.tool(), probe.question.arguments()).text()),
            before: probe.before,
            after: probe.after,
        }),
        action: kept(decision.action.text()),
        bodies: decision.bodies,
        condition,
        is_handler: common.handler,
        risks: operation.risks(),
        time_limit: operation.time_limit(),
    }
}

/// A plan keeps its texts for as long as its run takes, and there are many: none keeps room to grow.
fn kept(mut text: String) -> String {
    text.shrink_to_fit();
    text
}

fn is_same_handler(a: &Step, b: &Step) -> bool {
    a.is_handler
        && b.is_handler
        && a.operation == b.operation
        && a.subject == b.subject
        && a.action == b.action
        && a.bodies == b.bodies
}

/// A handler that is asked for twice runs when one or the other asks for it.
fn join(condition: &mut Condition, other: Condition) {
    match (&mut *condition, other) {
        (Condition::AnyChanged(steps), Condition::AnyChanged(more)) => {
            steps.extend(more);
            steps.sort_unstable();
            steps.dedup();
        }
        (Condition::AnyChanged(_), Condition::Always) => *condition = Condition::Always,
        (Condition::Always, _) => {}
    }
}

/// Puts handlers last, and the places of conditions right.
fn ordered(drafts: Vec<Draft>) -> Vec<Step> {
    let mut places: Vec<usize> = (0..drafts.len()).collect();
    places.sort_by_key(|at| (drafts[*at].step.is_handler, *at));
    let mut new_places = vec![0; drafts.len()];
    for (new, old) in places.iter().enumerate() {
        new_places[*old] = new;
    }
    let mut steps: Vec<Step> = drafts.into_iter().map(|draft| draft.step).collect();
    for step in &mut steps {
        if let Condition::AnyChanged(sources) = &mut step.condition {
            for source in sources.iter_mut() {
                *source = new_places[*source];
            }
            sources.sort_unstable();
        }
    }
    let mut numbered: Vec<(usize, Step)> = new_places.into_iter().zip(steps).collect();
    numbered.sort_by_key(|(place, _)| *place);
    numbered.into_iter().map(|(_, step)| step).collect()
}
