//! The only place where an error becomes text and an exit status.

use control::{Error, ErrorKind};

use crate::exit::Exit;
use crate::printer::Printer;

/// A command line that clap accepts and that still makes no sense.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Says that a part of the answer did not reach standard output, whatever the verb's own status was.
pub fn report_lost(printer: &mut Printer, fault: &std::io::Error) -> Exit {
    printer.complain(format_args!("error: cannot write to standard output: {fault}"));
    printer.complain("  hint: what was written is not the whole answer; run it again where there is room");
    Exit::NoAnswer
}

/// Prints an error with its causes, problems and hint, and returns its exit status.
pub fn report(printer: &mut Printer, error: &anyhow::Error) -> Exit {
    let own = error.downcast_ref::<Error>();
    for problem in own.map(Error::problems).unwrap_or_default() {
        printer.problem(problem);
    }
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    printer.complain(format_args!("error: {}", causes.join(": ")));
    if let Some(hint) = own.and_then(Error::hint) {
        printer.complain(format_args!("  hint: {hint}"));
    }
    match own.map(Error::kind) {
        Some(ErrorKind::User) => Exit::Usage,
        Some(ErrorKind::Workspace | ErrorKind::Unavailable) => Exit::NoAnswer,
        None if error.is::<UsageError>() => Exit::Usage,
        None => Exit::NoAnswer,
    }
}
