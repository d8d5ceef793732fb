//! What the inventory takes from outside of its code: files of the workspace, and what commands of its
//! owner print. It is the one door that is not hermetic, and only inventory files have it.

mod command;
mod parse;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod unknown;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use model::Code;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::list::UnpackList;
use starlark::values::{Heap, Value, ValueOfUnchecked};
use thiserror::Error;

use crate::files::{check_parts, is_source, real_file};
use crate::inventory::Session;
use crate::inventory::argument::Call;
use crate::limits::{Budget, COMMAND_SECONDS_MAX, COMMANDS_MAX, DATA_BYTES_MAX};

use unknown::Unknown;
pub(crate) use unknown::{UNKNOWN, is_unknown};

/// Data that cannot be had; it stops the code that asks for it.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub(crate) struct DataFault {
    /// Which kind of problem.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Finds the fault in data that an error of the interpreter carries.
pub(crate) fn fault_of(error: &starlark::Error) -> Option<&DataFault> {
    match error.kind() {
        starlark::ErrorKind::Other(cause) => cause.downcast_ref::<DataFault>(),
        _ => None,
    }
}

/// What a command printed, or why that is not known.
type Printed = Result<Rc<str>, String>;

/// The way out, and what came in through it during one load.
#[derive(Debug)]
pub(crate) struct Door {
    root: PathBuf,
    runs_commands: bool,
    has_skipped: Cell<bool>,
    /// Whether something outside of `inventory/` and `deploys/` was asked for.
    has_looked_outside: Cell<bool>,
    /// What commands printed.
    printed: RefCell<HashMap<Vec<String>, Printed>>,
    budget: Rc<Budget>,
}

impl Door {
    /// Opens the door of a workspace. Where it does not run commands, what they would print is unknown.
    pub fn new(root: &Path, runs_commands: bool, budget: Rc<Budget>) -> Self {
        let root = root.to_owned();
        Self {
            root,
            runs_commands,
            has_skipped: Cell::new(false),
            has_looked_outside: Cell::new(false),
            printed: RefCell::default(),
            budget,
        }
    }

    /// Says whether a command was not run.
    pub fn has_skipped(&self) -> bool {
        self.has_skipped.get()
    }

    /// Says whether anything outside of `inventory/` and `deploys/` was asked for.
    pub fn has_looked_outside(&self) -> bool {
        self.has_looked_outside.get()
    }

    /// Returns what a command prints. It runs once, however often it is asked for.
    fn printed(&self, command: Vec<String>, time: Duration) -> Printed {
        if let Some(known) = self.printed.borrow().get(&command) {
            return known.clone();
        }
        if self.printed.borrow().len() >= COMMANDS_MAX {
            return Err(format!("the inventory runs more than {COMMANDS_MAX} different commands"));
        }
        let start = Instant::now();
        let printed = command::run(&self.root, &command, time).map(Rc::from);
        self.budget.excuse(start.elapsed());
        self.printed.borrow_mut().insert(command, printed.clone());
        printed
    }

    /// Reads a file of the workspace.
    fn text(&self, path: &str) -> Result<String, String> {
        check_parts(path).map_err(str::to_owned)?;
        if !is_source(path) {
            self.has_looked_outside.set(true);
        }
        let whole = real_file(&self.root, path)?;
        let unreadable = |error| format!("it cannot be read: {error}");
        let mut bytes = Vec::new();
        let limit = u64::try_from(DATA_BYTES_MAX).unwrap_or(u64::MAX);
        File::open(whole).map_err(unreadable)?.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > DATA_BYTES_MAX {
            return Err(format!("it is larger than {DATA_BYTES_MAX} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "expected UTF-8 text, got other bytes".to_owned())?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }
}

/// Registers the namespace `data`.
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    builder.namespace("data", functions);
}

#[starlark_module]
fn functions(builder: &mut GlobalsBuilder) {
    /// Runs a command and returns the JSON that it prints: what a script or an API of yours knows already.
    ///
    /// ```python
    /// for row in data.json_command(["scripts/inventory-of", "acme"]):
    ///     host(row["name"], client = acme, address = row["ip"])
    /// ```
    ///
    /// The command runs in the workspace's root, with your environment and nothing on standard input;
    /// no shell is involved. It runs once per load, however often it is asked for. It must print
    /// one JSON document (UTF-8, at most 16 MiB) and end with status 0; else loading fails at this call.
    /// The editor's server does not run it: what it would print is unknown there.
    ///
    /// # Arguments
    /// * `argv`: the program and its arguments; a program with a `/` is looked for from the workspace's root, others in PATH
    /// * `timeout_secs`: how long it may take, 1 to 300 seconds; then it is killed with everything it started
    fn json_command<'v>(
        argv: ValueOfUnchecked<'v, UnpackList<String>>,
        #[starlark(require = named, default = 10)] timeout_secs: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let door = &Session::of(eval)?.door;
        let mut call = Call::new(eval);
        let Some(command) = call.command("argv", argv.get()) else {
            return refused(call, eval);
        };
        let seconds = u16::try_from(timeout_secs).ok().filter(|it| (1..=COMMAND_SECONDS_MAX).contains(it));
        let Some(seconds) = seconds else {
            let expected = format!("a whole number 1-{COMMAND_SECONDS_MAX}, got int {timeout_secs}");
            call.problem(format!("expected timeout_secs to be {expected}"));
            return refused(call, eval);
        };
        door.has_looked_outside.set(true);
        if !door.runs_commands {
            door.has_skipped.set(true);
            return Ok(eval.heap().alloc(Unknown));
        }
        let name = command.first().cloned().unwrap_or_default();
        let fault = |why: String| {
            let message = format!("`{}` {why}", crate::diagnostic::cut(&name));
            let hint = "the command runs in the workspace's root and must print one JSON document";
            fault(DataFault { code: Code::DataCommandFailed, message, hint: Some(hint.to_owned()) })
        };
        let printed = door.printed(command, Duration::from_secs(seconds.into())).map_err(fault)?;
        let why = |why| fault(format!("printed something else than JSON: {why}"));
        parse::json(&printed, eval.heap()).map_err(why)
    }

    /// Reads a JSON file of the workspace.
    ///
    /// ```python
    /// racks = data.json("inventory/racks.json")
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file's path from the workspace's root; at most 16 MiB, no symbolic link
    fn json<'v>(
        path: ValueOfUnchecked<'v, String>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        from_file(path.get(), "JSON", parse::json, eval)
    }

    /// Reads a TOML file of the workspace. Dates and times become strings.
    ///
    /// ```python
    /// ports = data.toml("inventory/ports.toml")["ports"]
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file's path from the workspace's root; at most 16 MiB, no symbolic link
    fn toml<'v>(
        path: ValueOfUnchecked<'v, String>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        from_file(path.get(), "TOML", parse::toml, eval)
    }

    /// Reads a CSV file of the workspace (RFC 4180): one dictionary for each row, by the titles in the
    /// first row. Every value is a string.
    ///
    /// ```python
    /// for row in data.csv("inventory/hosts.csv"):
    ///     host(row["name"], client = row["client"], address = row["address"] or None)
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file's path from the workspace's root; at most 16 MiB, no symbolic link
    fn csv<'v>(
        path: ValueOfUnchecked<'v, String>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        from_file(path.get(), "CSV", parse::csv, eval)
    }
}

type Parse = for<'v> fn(&str, Heap<'v>) -> Result<Value<'v>, String>;

fn from_file<'v>(
    path: Value<'v>,
    format: &str,
    parse: Parse,
    eval: &mut Evaluator<'v, '_, '_>,
) -> starlark::Result<Value<'v>> {
    let door = &Session::of(eval)?.door;
    let Some(path) = path.unpack_str() else {
        let mut call = Call::new(eval);
        call.bad("path", "a string", path);
        return refused(call, eval);
    };
    let shown = crate::diagnostic::cut(path).escape_debug().to_string();
    let unreadable = |message| fault(DataFault { code: Code::DataUnreadable, message, hint: None });
    let text = door.text(path).map_err(|why| unreadable(format!("`{shown}` cannot be read: {why}")))?;
    parse(&text, eval.heap()).map_err(|why| unreadable(format!("`{shown}` is not {format}: {why}")))
}

/// Stops the code at a call whose arguments are wrong, as there is no value to go on with; data asked
/// for by something unknown is unknown.
fn refused<'v>(call: Call, eval: &Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
    match call.into_problems().into_iter().next() {
        Some(problem) => {
            Err(fault(DataFault { code: problem.code, message: problem.message, hint: problem.hint }))
        }
        None => Ok(eval.heap().alloc(Unknown)),
    }
}

fn fault(fault: DataFault) -> starlark::Error {
    starlark::Error::new_other(fault)
}
