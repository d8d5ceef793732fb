//! The evaluation's side: stops before a statement and answers the editor while it stands.

use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use model::{Code, Problem};
use starlark::PrintHandler;
use starlark::codemap::{FileSpan, FileSpanRef};
use starlark::environment::FrozenModule;
use starlark::eval::{BeforeStmtFunc, BeforeStmtFuncDyn, Evaluator};
use starlark::values::Value;

use super::answers::Variable;
use super::breakpoints::Breakpoint;
use super::server::Incoming;
use super::trace::Tracer;
use super::values::{describe, has_parts, parts};
use super::{Debugger, Inside, Kind, Session};
use crate::call::fault;
use crate::diagnostic::{from_error, is_ours};
use crate::limits::Budget;
use crate::parse::parse;

/// What code of the debug console is called in messages.
const CONSOLE: &str = "<debug console>";
/// The longest expression of an editor, in bytes.
const EXPRESSION_BYTES_MAX: usize = 64 * 1024;

/// What the editor wants of an evaluation that stands.
pub(super) enum Order {
    /// The frames, the innermost first.
    Frames(Sender<Vec<Frame>>),
    /// The groups of variables of a frame.
    Scopes(usize, Sender<Vec<(&'static str, usize)>>),
    /// The variables of a group, or the parts of a value.
    Variables(usize, Sender<Vec<Variable>>),
    /// The value of an expression in the innermost frame, or why it has none.
    Evaluate(String, Sender<Result<Variable, String>>),
    /// Go on.
    Go(Go),
}

/// How far an evaluation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Over,
    Into,
    Out,
}

/// A call that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The function.
    pub name: String,
    /// The file's path from the root, line and column from 1; `None` = a native function.
    pub at: Option<(String, usize, usize)>,
}

/// Why it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Entry,
    Step,
    Breakpoint,
    Pause,
}

/// Hooks a debugger into an evaluator that has evaluated nothing yet. `module` is where the function that
/// will be called is defined, `path` its file.
pub(crate) fn attach(
    evaluator: &mut Evaluator<'_, '_, '_>,
    debugger: Debugger,
    (inside, budget): (Inside, Rc<Budget>),
    (module, path): (FrozenModule, &str),
) {
    let hook = match debugger.0 {
        Kind::Editor(session) => {
            let going = if session.stops_at_entry { Going::Entry } else { Going::On };
            BeforeStmtFunc::from_dyn(Box::new(Hook {
                session,
                inside,
                budget,
                module,
                path: path.to_owned(),
                going,
            }))
        }
        Kind::Trace(trace) => BeforeStmtFunc::from_dyn(Box::new(Tracer::new(trace, inside))),
    };
    evaluator.before_stmt_for_dap(hook);
}

/// Shows what the code prints.
pub(crate) struct Console(Option<Sender<Incoming>>);

impl Console {
    /// Returns the console of a debugger.
    pub fn of(debugger: Option<&Debugger>) -> Self {
        match debugger {
            Some(Debugger(Kind::Editor(session))) => Self(Some(session.events.clone())),
            _ => Self(None),
        }
    }
}

impl PrintHandler for Console {
    fn println(&self, text: &str) -> starlark::Result<()> {
        if let Some(events) = &self.0 {
            // Where the editor is gone, nobody reads it.
            let _ = events.send(Incoming::Said(text.to_owned()));
        }
        Ok(())
    }
}

/// How far it was told to go; with the depth of calls where it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    Entry,
    On,
    Over(usize),
    Into,
    Out(usize),
}

struct Hook {
    session: Session,
    inside: Inside,
    budget: Rc<Budget>,
    module: FrozenModule,
    path: String,
    going: Going,
}

impl<'e> BeforeStmtFuncDyn<'e> for Hook {
    fn call<'v>(
        &mut self,
        span: FileSpanRef,
        continued: bool,
        evaluator: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        if self.session.breakpoints.is_over() {
            return Err(ended());
        }
        if continued {
            return Ok(());
        }
        let span = span.to_file_span();
        match self.reason(&span, evaluator) {
            Some(reason) if is_ours(&span) => self.stand(reason, &span, evaluator),
            _ => Ok(()),
        }
    }
}

fn ended() -> starlark::Error {
    fault(Code::StarlarkError, "the debugger ended it", None)
}

impl Hook {
    fn reason(&self, span: &FileSpan, evaluator: &mut Evaluator<'_, '_, '_>) -> Option<Reason> {
        if self.session.breakpoints.take_pause() {
            return Some(Reason::Pause);
        }
        let breakpoint = self.session.breakpoints.at(span);
        if breakpoint.is_some_and(|it| self.is_hit(&it, evaluator)) {
            return Some(Reason::Breakpoint);
        }
        let depth = evaluator.call_stack_count();
        match self.going {
            Going::Entry => Some(Reason::Entry),
            Going::Into => Some(Reason::Step),
            Going::Over(from) if depth <= from => Some(Reason::Step),
            Going::Out(from) if depth < from => Some(Reason::Step),
            Going::On | Going::Over(_) | Going::Out(_) => None,
        }
    }

    /// Says whether a breakpoint stops; one that only says something does so here.
    fn is_hit(&self, breakpoint: &Breakpoint, evaluator: &mut Evaluator<'_, '_, '_>) -> bool {
        let began = Instant::now();
        let back = (self.inside.aside)();
        let is_meant = match &breakpoint.condition {
            None => true,
            Some(condition) => match self.evaluate(condition, evaluator) {
                Ok(value) => value.to_bool(),
                Err(why) => {
                    self.say(format!("the condition `{condition}` of a breakpoint failed: {why}"));
                    true
                }
            },
        };
        let stops = match &breakpoint.message {
            Some(message) if is_meant => {
                self.say(self.filled(message, evaluator));
                false
            }
            Some(_) => false,
            None => is_meant,
        };
        back();
        self.budget.excuse(began.elapsed());
        stops
    }

    /// Puts values in the place of `{...}`.
    fn filled(&self, message: &str, evaluator: &mut Evaluator<'_, '_, '_>) -> String {
        let mut text = String::new();
        let mut rest = message;
        while let Some((before, (inside, after))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            text.push_str(before);
            match self.evaluate(inside, evaluator) {
                Ok(value) => {
                    text.push_str(value.unpack_str().map_or_else(|| describe(value), str::to_owned).as_str())
                }
                Err(why) => text.push_str(&format!("{{{inside}: {why}}}")),
            }
            rest = after;
        }
        text + rest
    }

    fn say(&self, line: String) {
        // Where the editor is gone, nobody reads it.
        let _ = self.session.events.send(Incoming::Said(line));
    }

    /// Stands until it is told to go on. The time that this takes is not the deploy's.
    fn stand<'v>(
        &mut self,
        reason: Reason,
        span: &FileSpan,
        evaluator: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<()> {
        let back = (self.inside.aside)();
        let mut known = Vec::new();
        let mut since = Instant::now();
        // Where the editor is gone, the next order does not come either.
        let _ = self.session.events.send(Incoming::Stands(reason));
        let going = loop {
            let order = self.session.orders.recv();
            self.budget.excuse(since.elapsed());
            since = Instant::now();
            match order {
                Ok(Order::Go(go)) => break Ok(self.going(go, evaluator)),
                Ok(order) => self.answer(order, span, &mut known, evaluator),
                Err(_) => break Err(ended()),
            }
        };
        back();
        self.going = going?;
        Ok(())
    }

    fn going(&self, go: Go, evaluator: &Evaluator<'_, '_, '_>) -> Going {
        let depth = evaluator.call_stack_count();
        match go {
            Go::On => Going::On,
            Go::Over => Going::Over(depth),
            Go::Into => Going::Into,
            Go::Out => Going::Out(depth),
        }
    }

    /// Answers an order that does not go on. An answer that nobody waits for any more is dropped.
    fn answer<'v>(
        &self,
        order: Order,
        span: &FileSpan,
        known: &mut Vec<Known<'v>>,
        evaluator: &mut Evaluator<'v, '_, '_>,
    ) {
        match order {
            Order::Frames(reply) => _ = reply.send(frames(span, evaluator)),
            Order::Scopes(frame, reply) => _ = reply.send(self.scopes(frame, span, known, evaluator)),
            Order::Variables(reference, reply) => {
                _ = reply.send(self.variables(reference, known, evaluator));
            }
            Order::Evaluate(text, reply) => {
                let value = self.evaluate(&text, evaluator);
                _ = reply.send(value.map(|value| shown(text, value, known)));
            }
            Order::Go(_) => {}
        }
    }

    fn scopes<'v>(
        &self,
        frame: usize,
        span: &FileSpan,
        known: &mut Vec<Known<'v>>,
        evaluator: &Evaluator<'v, '_, '_>,
    ) -> Vec<(&'static str, usize)> {
        let frames = frames(span, evaluator);
        let Some(chosen) = frames.get(frame) else { return Vec::new() };
        let mut scopes = Vec::new();
        // The interpreter counts the frames of variables without native functions.
        if frames.iter().take(frame + 1).all(|it| it.at.is_some()) {
            scopes.push(("Variables", remember(Known::Locals(frame), known)));
        }
        if chosen.at.as_ref().is_some_and(|(path, ..)| *path == self.path) {
            scopes.push(("Constants of the file", remember(Known::Constants, known)));
        }
        scopes.push(("Steps so far", remember(Known::Made, known)));
        scopes
    }

    fn variables<'v>(
        &self,
        reference: usize,
        known: &mut Vec<Known<'v>>,
        evaluator: &Evaluator<'v, '_, '_>,
    ) -> Vec<Variable> {
        let heap = evaluator.heap();
        let (parts, more) = match reference.checked_sub(1).and_then(|at| known.get(at)) {
            None => return Vec::new(),
            Some(Known::Made) => {
                let made = (self.inside.made)().into_iter().enumerate();
                return made.map(|(at, text)| told((at + 1).to_string(), text, "step")).collect();
            }
            Some(Known::Locals(frame)) => {
                let locals = evaluator.local_variables_at_frame(*frame);
                (locals.into_iter().map(|(name, value)| (name, Ok(value))).collect(), 0)
            }
            Some(Known::Constants) => (self.constants(evaluator), 0),
            Some(Known::Value(value)) => parts(*value, heap),
        };
        let mut variables: Vec<Variable> = parts
            .into_iter()
            .map(|(name, part)| match part {
                Ok(value) => shown(name, value, known),
                Err(why) => told(name, why, "error"),
            })
            .collect();
        if more > 0 {
            variables.push(told("...".to_owned(), format!("and {more} more"), ""));
        }
        variables
    }

    /// Returns what the file defines at its top level but functions.
    fn constants<'v>(&self, evaluator: &Evaluator<'v, '_, '_>) -> Vec<(String, Result<Value<'v>, String>)> {
        let constant = |name: &str| {
            let value = self.module.get_option(name).ok().flatten()?;
            let value = evaluator.heap().access_owned_frozen_value(&value);
            (value.get_type() != "function").then(|| (name.to_owned(), Ok(value)))
        };
        self.module.names().filter_map(|name| constant(name.as_str())).collect()
    }

    /// Evaluates what somebody typed, in the innermost frame.
    fn evaluate<'v>(&self, text: &str, evaluator: &mut Evaluator<'v, '_, '_>) -> Result<Value<'v>, String> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes"));
        }
        let why = |problem: &Problem| match &problem.hint {
            Some(hint) => format!("{} ({hint})", problem.message),
            None => problem.message.clone(),
        };
        let parsed = parse(CONSOLE, text.to_owned(), false)
            .map_err(|problems| problems.first().map_or_else(String::new, why))?;
        evaluator.eval_statements(parsed.into_evaluable()).map_err(|error| {
            let reached = self.budget.take_reached(evaluator);
            why(&from_error(&error, CONSOLE, reached))
        })
    }
}

/// What the editor can ask for the variables of, while the evaluation stands: no value lives longer.
enum Known<'v> {
    Locals(usize),
    Constants,
    Made,
    Value(Value<'v>),
}

fn remember<'v>(it: Known<'v>, known: &mut Vec<Known<'v>>) -> usize {
    known.push(it);
    known.len()
}

fn shown<'v>(name: String, value: Value<'v>, known: &mut Vec<Known<'v>>) -> Variable {
    let variables_reference = if has_parts(value) { remember(Known::Value(value), known) } else { 0 };
    Variable { name, value: describe(value), kind: value.get_type().to_owned(), variables_reference }
}

fn told(name: String, value: String, kind: &str) -> Variable {
    Variable { name, value, kind: kind.to_owned(), variables_reference: 0 }
}

/// Returns the calls that are not over. The interpreter keeps where each was called from; an editor wants
/// where each one is.
fn frames(span: &FileSpan, evaluator: &Evaluator<'_, '_, '_>) -> Vec<Frame> {
    let mut at = Some(span.clone());
    let mut frames = Vec::new();
    for frame in evaluator.call_stack().into_frames().into_iter().rev() {
        let place = at.filter(is_ours).map(|span| {
            let begin = span.resolve_span().begin;
            (span.filename().to_owned(), begin.line + 1, begin.column + 1)
        });
        frames.push(Frame { name: frame.name.clone(), at: place });
        at = frame.location;
    }
    frames
}
