//! `ifrit fmt`.

use control::format::{Formatted, format};

use super::root;
use crate::arguments::{FmtArguments, GlobalArguments};
use crate::exit::Exit;

pub fn run(global: &GlobalArguments, arguments: &FmtArguments) -> anyhow::Result<Exit> {
    let formatted =
        format(&root(global)?, &arguments.files, arguments.check).map_err(control::Error::from)?;
    Ok(match formatted {
        Formatted::Done => Exit::Nothing,
        Formatted::WouldChange => Exit::Something,
    })
}
