//! `ifrit`: verbs, printing, exit codes. What the verbs do lives in `control`.

mod arguments;
mod environment;
mod exit;
mod failure;
mod interrupt;
mod printer;
mod sarif;
mod verbs;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use control::LargeStackError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::printer::Printer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a verb may go on after Ctrl-C.
const INTERRUPT_GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut printer = Printer::new(arguments.global.quiet);
    let exit = run_on_large_stack(&arguments, &mut printer)
        .unwrap_or_else(|error| failure::report(&mut printer, &error));
    match printer.take_lost() {
        Some(fault) => failure::report_lost(&mut printer, &fault).into(),
        None => exit.into(),
    }
}

/// Prints help to standard output and a usage error to standard error.
fn usage(error: &clap::Error) -> ExitCode {
    let is_help = !error.use_stderr();
    // Nobody is left to tell where this fails.
    let _ = error.print();
    if is_help { Exit::Nothing.into() } else { Exit::Usage.into() }
}

/// Runs the verb where Starlark can be evaluated without another thread for each evaluation.
fn run_on_large_stack(arguments: &Arguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    match control::on_large_stack("ifrit", || run(arguments, printer)) {
        Ok(exit) => exit,
        // Too little address space, say: an evaluation will ask again, and most verbs need none.
        Err(LargeStackError::NoThread(_)) => run(arguments, printer),
        Err(LargeStackError::Panicked(panic)) => std::panic::resume_unwind(panic),
    }
}

fn run(arguments: &Arguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.verb.takes_interrupts() {
        return runtime.block_on(verbs::run(arguments, printer));
    }
    runtime.block_on(async {
        // Before the verb starts, so that it counts from the first moment on.
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(end_after_grace(signal(SignalKind::interrupt())?));
        tokio::select! {
            biased;
            _ = interrupt.recv() => Ok(Exit::Interrupted),
            result = verbs::run(arguments, printer) => result,
        }
    })
}

/// Ends the process a moment after Ctrl-C, if it is still there: a verb that computes, waits for the
/// keyboard or for a command of the inventory cannot be dropped in the middle. Nothing is lost by it:
/// the database takes whole transactions only.
async fn end_after_grace(mut interrupt: Signal) {
    if interrupt.recv().await.is_some() {
        // A thread of its own: the runtime may be shutting down by then.
        std::thread::spawn(|| {
            std::thread::sleep(INTERRUPT_GRACE);
            std::process::exit(i32::from(Exit::Interrupted.code()));
        });
    }
}
