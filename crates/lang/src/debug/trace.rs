//! A record of an evaluation, for people without an editor: which lines ran, and what they assigned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use starlark::codemap::FileSpanRef;
use starlark::eval::{BeforeStmtFuncDyn, Evaluator};

use super::values::describe;
use super::{Debugger, Inside, Kind};
use crate::diagnostic::is_ours;

/// The most lines that are recorded.
const LINES_MAX: usize = 20_000;

/// What an evaluation did, line by line. It is filled while the evaluation runs.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<BTreeMap<(String, usize), TracedLine>>>);

/// What was done on one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TracedLine {
    /// How often a statement that begins there ran.
    pub count: usize,
    /// The variables that it set, by name, with their value as it was the last time.
    pub set: BTreeMap<String, String>,
}

impl Trace {
    /// Returns the debugger that writes into this record and stops nowhere.
    pub fn debugger(&self) -> Debugger {
        Debugger(Kind::Trace(self.clone()))
    }

    /// Returns what was recorded: path from the root and line, and what was done there.
    pub fn lines(&self) -> BTreeMap<(String, usize), TracedLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) struct Tracer {
    trace: Trace,
    inside: Inside,
    /// For each function that runs, the outermost first: where its last statement is, and its variables
    /// before that.
    open: Vec<Open>,
}

struct Open {
    at: (String, usize),
    variables: BTreeMap<String, String>,
}

impl Tracer {
    pub fn new(trace: Trace, inside: Inside) -> Self {
        Self { trace, inside, open: Vec::new() }
    }

    /// Notes what the last statement of a function has set.
    fn note(&self, last: &Open, now: &BTreeMap<String, String>) {
        let mut lines = self.trace.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.get_mut(&last.at) else { return };
        for (name, value) in now {
            if last.variables.get(name) != Some(value) {
                line.set.insert(name.clone(), value.clone());
            }
        }
    }
}

impl<'e> BeforeStmtFuncDyn<'e> for Tracer {
    fn call<'v>(
        &mut self,
        span: FileSpanRef,
        continued: bool,
        evaluator: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        if continued {
            // A call is over: what comes next at its depth is another one.
            self.open.truncate(evaluator.call_stack_count());
            return Ok(());
        }
        let span = span.to_file_span();
        if !is_ours(&span) {
            return Ok(());
        }
        let back = (self.inside.aside)();
        let locals = evaluator.local_variables();
        let variables: BTreeMap<String, String> =
            locals.into_iter().map(|(name, value)| (name, describe(value))).collect();
        back();
        let depth = evaluator.call_stack_count();
        let at = (span.filename().to_owned(), span.resolve_span().begin.line + 1);
        if let Some(last) = self.open.get(depth.saturating_sub(1)) {
            self.note(last, &variables);
        }
        let mut lines = self.trace.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX || lines.contains_key(&at) {
            lines.entry(at.clone()).or_default().count += 1;
        }
        drop(lines);
        self.open.truncate(depth.saturating_sub(1));
        while self.open.len() + 1 < depth {
            self.open.push(Open { at: (String::new(), 0), variables: BTreeMap::new() });
        }
        self.open.push(Open { at, variables });
        Ok(())
    }
}
