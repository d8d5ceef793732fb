//! `ifrit stubs`.

use super::root;
use crate::arguments::{GlobalArguments, StubsArguments};
use crate::exit::Exit;
use crate::printer::Printer;

pub fn run(
    global: &GlobalArguments,
    arguments: &StubsArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    if arguments.write {
        let path = control::stubs::write(&root(global)?)?;
        printer.data(path.display());
    } else {
        printer.text(&control::stubs::text());
    }
    Ok(Exit::Nothing)
}
