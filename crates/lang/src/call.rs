//! Calls functions of code that was loaded once: a deploy's once for each host, and tests.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;

use model::{Code, DataValue, Place, Problem};
use starlark::any::AnyLifetime;
use starlark::environment::{FrozenModule, Module};
use starlark::eval::Evaluator;
use starlark::values::{Heap, Value};

use crate::data::DataFault;
use crate::debug::{Debugger, Inside, PrintConsole, attach};
use crate::diagnostic::{from_error, is_ours, outermost, spot};
use crate::inventory::{alloc, read};
use crate::limits::{Budget, STACK_BYTES, limit_call};
use crate::workspace::Deploy;

/// The module that defines a deploy. It is kept as it was loaded, so that calling it parses nothing.
#[derive(Clone)]
pub(crate) struct DeployCode(pub FrozenModule);

impl fmt::Debug for DeployCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeployCode")
    }
}

impl DeployCode {
    /// Calls one of its functions. `arguments` makes them, `extra` is what native functions find in
    /// `Evaluator::extra`, `place` is where the function is defined.
    ///
    /// # Errors
    /// Why the code stopped, with its place: an error, a limit, or what `watch` said.
    pub fn call<'e>(
        &self,
        (name, path, place): (&str, &str, &Place),
        arguments: impl for<'v> FnOnce(Heap<'v>) -> Vec<Value<'v>>,
        extra: &dyn AnyLifetime<'e>,
        watch: Watcher,
        debugged: Option<(Debugger, Inside)>,
    ) -> Result<(), Problem> {
        let budget = Rc::new(Budget::new());
        let console = PrintConsole::of(debugged.as_ref().map(|(debugger, _)| debugger));
        // What was seen between two statements is the doing of the one before.
        let is_stopped = Rc::new(Cell::new(false));
        let noted = Rc::clone(&is_stopped);
        let watch: Watcher = Rc::new(move || {
            let error = watch()?;
            noted.set(true);
            Some(error)
        });
        let function = self
            .0
            .get(name)
            .map_err(|error| Problem::new(Code::StarlarkError, place.clone(), error.to_string()))?;
        Module::with_temp_heap(|module| {
            let function = module.heap().access_owned_frozen_value(&function);
            let arguments = arguments(module.heap());
            let mut evaluator = Evaluator::new(&module);
            evaluator.extra = Some(extra);
            evaluator.set_print_handler(&console);
            let limited = limit_call(&mut evaluator, &budget, Rc::clone(&watch));
            if let Some((debugger, inside)) = debugged {
                attach(&mut evaluator, debugger, (inside, Rc::clone(&budget)), (self.0.clone(), path));
            }
            let result = limited
                .and_then(|()| evaluator.eval_function(function, &arguments, &[]))
                .and_then(|_| watch().map_or(Ok(()), Err));
            let Err(error) = result else { return Ok(()) };
            let reached = budget.take_reached(&mut evaluator);
            let last = budget.take_last();
            let mut problem = from_error(&error, path, reached);
            let is_nowhere = matches!(problem.place, Place::File { .. });
            if let (true, Some(last)) = (is_nowhere || is_stopped.get(), last) {
                problem.place = spot(&last);
            }
            Err(problem)
        })
    }
}

/// Two deploys of one workspace are told apart by their path; code has no equality.
impl PartialEq for DeployCode {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for DeployCode {}

/// Looked at before every statement; what it returns stops the code at the statement before.
pub type Watcher = Rc<dyn Fn() -> Option<starlark::Error>>;

impl Deploy {
    /// Calls `deploy(host)`. `host` makes its argument, `extra` is what the functions of an extension
    /// find in `Evaluator::extra`. It is to be called on the thread of [`on_evaluation_thread`].
    ///
    /// # Errors
    /// Why the code stopped, with its place: an error, a limit, or what `watch` said.
    pub fn call<'e>(
        &self,
        host: impl for<'v> FnOnce(Heap<'v>) -> Value<'v>,
        extra: &dyn AnyLifetime<'e>,
        watch: Watcher,
    ) -> Result<(), Problem> {
        let at = ("deploy", self.path.as_str(), &self.place);
        self.code.call(at, |heap| vec![host(heap)], extra, watch, None)
    }

    /// As [`Deploy::call`], with a debugger at it. What the code prints, the debugger shows.
    ///
    /// # Errors
    /// As [`Deploy::call`], or that the debugger ended it.
    pub fn debug<'e>(
        &self,
        host: impl for<'v> FnOnce(Heap<'v>) -> Value<'v>,
        extra: &dyn AnyLifetime<'e>,
        watch: Watcher,
        debugger: Debugger,
        inside: Inside,
    ) -> Result<(), Problem> {
        let at = ("deploy", self.path.as_str(), &self.place);
        self.code.call(at, |heap| vec![host(heap)], extra, watch, Some((debugger, inside)))
    }

    /// Returns a constant of the deploy's file: text, numbers, lists and dictionaries of them. `None`
    /// where there is none of this name.
    ///
    /// # Errors
    /// Why its value is none of these.
    pub fn constant(&self, name: &str) -> Result<Option<DataValue>, Problem> {
        let wrong = |why: String| {
            let place = Place::File { path: self.path.clone() };
            Problem::new(Code::StarlarkError, place, format!("{name}: {why}"))
        };
        match self.code.0.get_option(name) {
            Ok(Some(value)) => read(value.value()).map(Some).map_err(wrong),
            Ok(None) => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}

thread_local! {
    /// Whether this thread's stack is as large as the interpreter wants it.
    static IS_LARGE: Cell<bool> = const { Cell::new(false) };
}

const NO_THREAD: &str = "no thread for the Starlark interpreter could be started";
const FAILED: &str = "the Starlark interpreter failed (a bug in ifrit)";

/// Runs something on a thread whose stack is as large as the interpreter wants it: on this one where it is one,
/// because a thread for each evaluation of each host costs more than a small evaluation.
///
/// # Errors
/// Why there is no such thread, or that it panicked, which is a bug.
pub fn on_evaluation_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    if IS_LARGE.get() {
        // As on a thread of its own, whose panic takes nothing else along: what the work held is gone with it.
        return catch_unwind(AssertUnwindSafe(work)).map_err(|_| FAILED.to_owned());
    }
    on_large_stack("evaluate", work).map_err(|error| match error {
        LargeStackError::NoThread(error) => format!("{NO_THREAD}: {error}"),
        LargeStackError::Panicked(_) => FAILED.to_owned(),
    })
}

/// Why something did not run to its end on a thread with a large stack.
#[derive(Debug)]
pub enum LargeStackError {
    /// There is no thread.
    NoThread(std::io::Error),
    /// It panicked with this.
    Panicked(Box<dyn Any + Send>),
}

/// Runs something on a new thread of this name, whose stack is as large as the interpreter wants it. A program
/// that evaluates much does all its work on one: [`on_evaluation_thread`] needs no other then.
///
/// # Errors
/// [`LargeStackError`].
pub fn on_large_stack<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, LargeStackError> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        let work = || {
            IS_LARGE.set(true);
            work()
        };
        let thread = builder.spawn_scoped(scope, work).map_err(LargeStackError::NoThread)?;
        thread.join().map_err(LargeStackError::Panicked)
    })
}

/// Makes an error that stops the code and becomes a problem with this code, text and hint.
pub fn fault(code: Code, message: impl Into<String>, hint: Option<String>) -> starlark::Error {
    starlark::Error::new_other(DataFault { code, message: message.into(), hint })
}

/// Returns the place of the native function's call that runs, and who called it where that is elsewhere.
pub fn place_of_call(eval: &Evaluator<'_, '_, '_>) -> (Place, Option<String>) {
    let mut spans = (0..eval.call_stack_count()).filter_map(|nth| eval.call_stack_nth_location(nth));
    let place = spans.find(is_ours).map_or(Place::Nowhere, |span| spot(&span));
    let caller = outermost(&eval.call_stack().frames, &place);
    (place, caller)
}

/// Makes a value of Starlark from one of the model.
pub fn starlark_value<'v>(value: &DataValue, heap: Heap<'v>) -> Value<'v> {
    alloc(value, heap)
}

/// Reads a value of Starlark: text, numbers, booleans, None, lists and dictionaries of them.
///
/// # Errors
/// What it is instead, or that it is too deep or too large.
pub fn data_value(value: Value<'_>) -> Result<DataValue, String> {
    read(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_stack_is_used_again_and_a_panic_ends_one_evaluation() {
        let own = || thread::current().id();
        let here = own();
        assert_ne!(on_evaluation_thread(own), Ok(here));
        let (it, evaluated, panicked, after) = on_large_stack("test", || {
            let panicked = on_evaluation_thread(|| {
                std::panic::resume_unwind(Box::new("no message is printed for this one"));
            });
            (own(), on_evaluation_thread(own), panicked, on_evaluation_thread(|| 1))
        })
        .expect("a thread");
        assert_eq!(evaluated, Ok(it));
        assert_ne!(it, here);
        assert_eq!((panicked, after), (Err(FAILED.to_owned()), Ok(1)));
        let ended = on_large_stack("test", || std::panic::resume_unwind(Box::new(7)));
        assert!(matches!(ended, Err::<(), _>(LargeStackError::Panicked(it)) if it.is::<i32>()));
    }
}
