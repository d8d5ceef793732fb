//! Every limit on what a workspace may cost, and the watch over them while code runs.
//!
//! The code is the team's own, so the limits are there against accidents (an endless recursion, a
//! list that grows out of hand), not against an attacker who knows the interpreter.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;
use std::time::{Duration, Instant};

use starlark::codemap::{FileSpan, FileSpanRef};
use starlark::environment::GlobalsBuilder;
use starlark::eval::{BeforeStmtFunc, BeforeStmtFuncDyn, Evaluator};
use starlark::starlark_module;
use starlark::values::range::Range;
use starlark::values::{UnpackValue, Value, ValueError};
use thiserror::Error;

use crate::call::Watcher;

/// The largest `.star` file, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most `.star` files of a workspace.
pub(crate) const FILES_MAX: usize = 5_000;
/// The most entries of all directories that are looked at for `.star` files.
pub(crate) const DIRECTORY_ENTRIES_MAX: usize = 100_000;
/// How deep directories may lie in `inventory/` and `deploys/`.
pub(crate) const DIRECTORY_DEPTH_MAX: usize = 16;
/// How long a chain of `load` statements may be, in files.
pub(crate) const LOAD_DEPTH_MAX: usize = 50;
/// How deep an expression or block may nest: brackets, operators, indentation.
pub(crate) const NESTING_MAX: usize = 400;
/// Calls and loop rounds of one file (a host takes two or three). It also bounds how deep a loop can
/// nest a value, which [`STACK_BYTES`] must be enough for.
pub(crate) const TICKS_MAX: u64 = 300_000;
/// The values of one file, in bytes.
pub(crate) const HEAP_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Calls within calls.
pub(crate) const CALL_DEPTH_MAX: usize = 100;
/// The numbers of one `range()`, the elements or bytes of one list or string made by `*`.
pub(crate) const ITEMS_MAX: usize = 1_000_000;
/// The time that all files together may take: the last resort behind the other limits.
pub(crate) const EVALUATION_TIME_MAX: Duration = Duration::from_secs(20);
/// Native stack of the thread that evaluates, in bytes: the interpreter walks nested values by
/// recursion. It is address space; memory is taken only as deep as a walk goes.
pub(crate) const STACK_BYTES: usize = 512 * 1024 * 1024;
/// The most declarations of all kinds together: hosts, services...
pub(crate) const DECLARATIONS_MAX: usize = 200_000;
/// The most problems with arguments; code that runs into it is stopped.
pub(crate) const PROBLEMS_MAX: usize = 1_000;
/// The longest title, in bytes.
pub(crate) const TITLE_BYTES_MAX: usize = 200;
/// The longest host key, in bytes (an RSA key of 16,384 bits has about 2,800).
pub(crate) const HOST_KEY_BYTES_MAX: usize = 8_192;
/// The longest package name, in bytes.
pub(crate) const PACKAGE_BYTES_MAX: usize = 253;
/// The directories that one service may have its software looked for in.
pub(crate) const SERVICE_PATHS_MAX: usize = 16;
/// The bytes of such a directory's name.
pub(crate) const SERVICE_PATH_BYTES_MAX: usize = 1024;
/// The most elements of a list argument.
pub(crate) const LIST_ITEMS_MAX: usize = 10_000;
/// The most characters of a value or message of the interpreter that a problem quotes.
pub(crate) const QUOTE_CHARS_MAX: usize = 300;
/// The longest name of an interface, in bytes (Linux has 15, switches have more).
pub(crate) const INTERFACE_BYTES_MAX: usize = 64;
/// The longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3, less its brackets).
pub(crate) const EMAIL_BYTES_MAX: usize = 254;
/// The longest id of a vulnerability that an exception is for.
pub(crate) const VULNERABILITY_BYTES_MAX: usize = 128;
/// The longest reason of an exception.
pub(crate) const REASON_BYTES_MAX: usize = 1_000;
/// The most words of a command.
pub(crate) const ARGUMENTS_MAX: usize = 256;
/// The bytes of all words of a command (well below the kernel's limits).
pub(crate) const ARGUMENTS_BYTES_MAX: usize = 64 * 1024;
/// How deep the data of a host may nest.
pub(crate) const HOST_DATA_DEPTH_MAX: usize = 16;
/// The most values of one host's data, those within others included.
pub(crate) const HOST_DATA_VALUES_MAX: usize = 10_000;
/// The most bytes of all keys and texts of one host's data.
pub(crate) const HOST_DATA_BYTES_MAX: usize = 256 * 1024;
/// The largest data file, and the most that a command may print, in bytes (a NetBox dump of 10,000
/// devices has about 12 MB).
pub(crate) const DATA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most rows of a CSV file.
pub(crate) const CSV_ROWS_MAX: usize = 200_000;
/// The different commands that one load may run.
pub(crate) const COMMANDS_MAX: usize = 100;
/// The longest time that code may give a command, in seconds.
pub(crate) const COMMAND_SECONDS_MAX: u16 = 300;
/// How much a command may say on standard error; of more, the end is kept. In bytes.
pub(crate) const COMMAND_STDERR_BYTES_MAX: usize = 64 * 1024;
/// How many of its last lines on standard error are quoted when a command fails.
pub(crate) const COMMAND_STDERR_LINES: usize = 5;
/// How many unknown names are compared with all known ones for a "did you mean".
pub(crate) const SUGGESTIONS_MAX: usize = 50;

const HEAP_REACHED: &str = "the values of one file take too much memory";
const TICKS_REACHED: &str = "one file makes too many calls and loop rounds";
const TIME_REACHED: &str = "evaluating the workspace takes too long";

/// Code ran into a limit.
#[derive(Debug, Clone, Error)]
#[error("{what} (limit: {limit})")]
pub(crate) struct LimitReached {
    what: &'static str,
    limit: String,
}

/// What all files of one load share.
#[derive(Debug)]
pub(crate) struct Budget {
    deadline: Cell<Instant>,
    reached: Cell<Option<&'static str>>,
    /// The statement that ran last: the interpreter names no place where it stops at a limit.
    last: RefCell<Option<FileSpan>>,
}

impl Budget {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            deadline: Cell::new(Instant::now() + EVALUATION_TIME_MAX),
            reached: Cell::new(None),
            last: RefCell::new(None),
        }
    }

    /// Says that a limit is reached and makes the error that stops the code.
    pub fn stop(&self, what: &'static str, limit: impl Display) -> starlark::Error {
        self.reached.set(Some(what));
        reached(what, limit)
    }

    /// Returns the limit that an evaluation which failed has run into, if it has, and forgets it.
    pub fn take_reached(&self, evaluator: &mut Evaluator<'_, '_, '_>) -> Option<String> {
        if let Some(what) = self.reached.take() {
            return Some(what.to_owned());
        }
        if heap_bytes(evaluator) > HEAP_BYTES_MAX {
            return Some(format!("{HEAP_REACHED} (limit: {HEAP_BYTES_MAX} bytes)"));
        }
        (evaluator.get_total_tick_count() > TICKS_MAX)
            .then(|| format!("{TICKS_REACHED} (limit: {TICKS_MAX})"))
    }

    /// Returns the statement that ran last, and forgets it.
    pub fn take_last(&self) -> Option<FileSpan> {
        self.last.take()
    }

    /// Does not count time that was spent outside of the code, which has a limit of its own.
    pub fn excuse(&self, time: Duration) {
        self.deadline.set(self.deadline.get() + time);
    }

    fn check_time(&self) -> bool {
        let is_over = Instant::now() > self.deadline.get();
        if is_over {
            self.reached.set(Some(TIME_REACHED));
        }
        is_over
    }
}

/// Puts every limit on an evaluator that has evaluated nothing yet.
pub(crate) fn limit<'v, 'a, 'e>(
    evaluator: &mut Evaluator<'v, 'a, 'e>,
    budget: &Rc<Budget>,
) -> starlark::Result<()> {
    limit_with(evaluator, budget, None)
}

/// Puts every limit on an evaluator that calls a function, and something else that may stop it.
pub(crate) fn limit_call<'v, 'a, 'e>(
    evaluator: &mut Evaluator<'v, 'a, 'e>,
    budget: &Rc<Budget>,
    watcher: Watcher,
) -> starlark::Result<()> {
    limit_with(evaluator, budget, Some(watcher))
}

fn limit_with<'v, 'a, 'e>(
    evaluator: &mut Evaluator<'v, 'a, 'e>,
    budget: &Rc<Budget>,
    watcher: Option<Watcher>,
) -> starlark::Result<()> {
    evaluator.set_max_callstack_size(CALL_DEPTH_MAX)?;
    evaluator.set_max_heap_size(HEAP_BYTES_MAX)?;
    evaluator.set_max_tick_count(TICKS_MAX)?;
    budget.last.take();
    let for_ticks = Rc::clone(budget);
    evaluator.set_check_cancelled(Box::new(move || for_ticks.check_time()));
    // The interpreter itself looks at its limits only once in 1,000 ticks. In that time a loop that
    // doubles a list takes all memory, so we look before every statement.
    let watch = Watch { budget: Rc::clone(budget), watcher };
    evaluator.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(watch)));
    Ok(())
}

struct Watch {
    budget: Rc<Budget>,
    watcher: Option<Watcher>,
}

impl<'e> BeforeStmtFuncDyn<'e> for Watch {
    fn call<'v>(
        &mut self,
        span: FileSpanRef,
        _continued: bool,
        evaluator: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        // The statement before is still the last one.
        if let Some(error) = self.watcher.as_ref().and_then(|watcher| watcher()) {
            return Err(error);
        }
        *self.budget.last.borrow_mut() = Some(span.to_file_span());
        self.over(evaluator).map_or(Ok(()), Err)
    }
}

impl Watch {
    // The interpreter's own checks return a type that it does not export.
    fn over(&self, evaluator: &Evaluator<'_, '_, '_>) -> Option<starlark::Error> {
        if heap_bytes(evaluator) > HEAP_BYTES_MAX {
            return Some(reached(HEAP_REACHED, format_args!("{HEAP_BYTES_MAX} bytes")));
        }
        if evaluator.get_total_tick_count() > TICKS_MAX {
            return Some(reached(TICKS_REACHED, TICKS_MAX));
        }
        self.budget
            .check_time()
            .then(|| reached(TIME_REACHED, format_args!("{} s", EVALUATION_TIME_MAX.as_secs())))
    }
}

fn heap_bytes(evaluator: &Evaluator<'_, '_, '_>) -> usize {
    evaluator.heap().peak_allocated_bytes() + evaluator.frozen_heap().allocated_bytes()
}

fn reached(what: &'static str, limit: impl Display) -> starlark::Error {
    starlark::Error::new_other(LimitReached { what, limit: limit.to_string() })
}

/// Says whether an error of the interpreter carries a limit of ours.
pub(crate) fn limit_of(error: &starlark::Error) -> Option<String> {
    match error.kind() {
        starlark::ErrorKind::Other(cause) => cause.downcast_ref::<LimitReached>().map(ToString::to_string),
        starlark::ErrorKind::StackOverflow(_) => {
            Some(format!("calls go deeper than {CALL_DEPTH_MAX} (a function that calls itself without end?)"))
        }
        _ => None,
    }
}

/// The name that the operator `*` is replaced with, because the interpreter's own would allocate
/// gigabytes in one step.
pub(crate) const MULTIPLY: &str = "__multiply__";

/// `range` and `*` with an upper bound.
#[starlark_module]
pub(crate) fn bounded(builder: &mut GlobalsBuilder) {
    /// Returns the numbers from `start` (0 unless given) up to, not including, `stop`.
    ///
    /// ```python
    /// range(stop)
    /// range(start, stop, step)
    /// ```
    #[starlark(as_type = Range, speculative_exec_safe)]
    fn range(
        #[starlark(require = pos)] start_or_stop: i32,
        #[starlark(require = pos)] stop: Option<i32>,
        #[starlark(require = pos, default = 1)] step: i32,
    ) -> starlark::Result<Range> {
        let (start, stop) = stop.map_or((0, start_or_stop), |stop| (start_or_stop, stop));
        let Some(step) = std::num::NonZeroI32::new(step) else {
            return Err(ValueError::IncorrectParameterTypeNamed("step (it must not be 0)".to_owned()).into());
        };
        let count = (i64::from(stop) - i64::from(start)) / i64::from(step.get());
        if count > ITEMS_MAX as i64 {
            return Err(reached("range() would give too many numbers", ITEMS_MAX));
        }
        Ok(Range::new(start, stop, step))
    }

    fn __multiply__<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let times = |count: Value<'v>, what: Value<'v>| {
            let count = usize::try_from(count.unpack_i32().unwrap_or(0)).unwrap_or(0);
            let length = what.unpack_str().map(str::len).or_else(|| what.length().ok()?.try_into().ok());
            count.saturating_mul(length.unwrap_or(0))
        };
        if times(left, right).max(times(right, left)) > ITEMS_MAX {
            return Err(reached("`*` would make too long a list or string", ITEMS_MAX));
        }
        let is_too_big =
            |value: Value<'v>| value.get_type() == "int" && !matches!(i64::unpack_value(value), Ok(Some(_)));
        if is_too_big(left) || is_too_big(right) {
            return Err(reached("a factor of `*` is too big a number", i64::MAX));
        }
        left.mul(right, eval.heap())
    }
}
