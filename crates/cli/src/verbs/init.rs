//! `ifrit init`.

use crate::arguments::InitArguments;
use crate::exit::Exit;
use crate::printer::Printer;

pub fn run(arguments: &InitArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let directory = &arguments.directory;
    let report = control::init::init(directory, &arguments.client)?;
    for file in &report.files {
        printer.data(directory.join(file).display());
    }
    let repository = if report.is_new_repository { " (a new git repository)" } else { "" };
    printer.say(format_args!("made a workspace in {}{repository}", directory.display()));
    printer
        .say("next: declare your hosts in inventory/, then `ifrit check`, `ifrit hosts trust`, `ifrit scan`");
    Ok(Exit::Nothing)
}
