//! `ifrit`: verbs, printing, exit codes. What the verbs do lives in `control`.

mod arguments;
mod environment;
mod exit;
mod failure;
mod printer;
mod sarif;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::printer::Printer;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut printer = Printer::new(arguments.global.quiet);
    let exit = run(&arguments, &mut printer).unwrap_or_else(|error| failure::report(&mut printer, &error));
    exit.into()
}

/// Prints help to standard output and a usage error to standard error.
fn usage(error: &clap::Error) -> ExitCode {
    let is_help = !error.use_stderr();
    // Nobody is left to tell where this fails.
    let _ = error.print();
    if is_help { Exit::Nothing.into() } else { Exit::Usage.into() }
}

fn run(arguments: &Arguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            result = verbs::run(arguments, printer) => result,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        }
    })
}
