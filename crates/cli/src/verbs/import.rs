//! `ifrit import`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use control::import::{self, IMPORT_BYTES_MAX, ImportOptions, Imported};
use model::{Level, Problem};

use super::{count, root};
use crate::arguments::{GlobalArguments, ImportArguments, ImportFormat};
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::Printer;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

pub fn run(
    global: &GlobalArguments,
    arguments: &ImportArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let target =
        arguments.write.as_ref().map(|path| target(global, arguments, path.as_deref())).transpose()?;
    let text = read(&arguments.file)?;
    let path = match arguments.file.to_str() {
        Some(STANDARD_INPUT) => "standard input".to_owned(),
        _ => arguments.file.display().to_string(),
    };
    let options = ImportOptions { path, client: arguments.client.clone() };
    let (imported, problems) = parse(arguments.format, &text, &options);
    for problem in &problems {
        printer.problem(problem);
    }
    if imported.hosts.is_empty() {
        printer.complain(format_args!("error: no host could be imported from {}", options.path));
        return Ok(Exit::NoAnswer);
    }
    let summary =
        format!("{} of {}", count(imported.hosts.len(), "host"), count(imported.clients.len(), "client"));
    match target {
        None => {
            printer.text(&import::render(&imported));
            printer.say(format_args!("{summary}; save it below inventory/, then `ifrit check`"));
        }
        Some(target) => {
            write_new(&target, &import::render(&imported))?;
            printer.data(target.display());
            printer.say(format_args!("{summary}; next: `ifrit check`, `ifrit hosts trust`, `ifrit scan`"));
        }
    }
    let is_partial = problems.iter().any(|problem| problem.level == Level::Error);
    Ok(if is_partial { Exit::Something } else { Exit::Nothing })
}

fn parse(format: ImportFormat, text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    match format {
        ImportFormat::Csv => import::csv(text, options),
        ImportFormat::SshConfig => import::ssh_config(text, options),
        ImportFormat::AnsibleInventory => import::ansible_inventory(text, options),
        ImportFormat::NetboxJson => import::netbox_json(text, options),
    }
}

/// Reads the file. Bytes that are no UTF-8 (a spreadsheet's old export) are shown as `\u{fffd}`, not refused.
fn read(path: &Path) -> anyhow::Result<String> {
    let failed = |source| control::Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path == Path::new(STANDARD_INPUT) {
        io::stdin().lock().take(IMPORT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        File::open(path)
            .and_then(|file| file.take(IMPORT_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
    }
    if bytes.len() as u64 > IMPORT_BYTES_MAX {
        let message = format!("{} is larger than {IMPORT_BYTES_MAX} bytes: split it", path.display());
        return Err(UsageError(message).into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Decides where to write, before anything is read: a file that is there already is never touched.
fn target(
    global: &GlobalArguments,
    arguments: &ImportArguments,
    path: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => root(global)?.join("inventory").join(default_name(arguments.format)),
    };
    if path.extension().is_none_or(|extension| extension != "star") {
        return Err(UsageError(format!("{}: expected a name that ends in .star", path.display())).into());
    }
    if path.symlink_metadata().is_ok() {
        return Err(control::Error::AlreadyThere { path })
            .context("nothing is overwritten; name another file with --write=FILE");
    }
    Ok(path)
}

fn default_name(format: ImportFormat) -> &'static str {
    match format {
        ImportFormat::Csv => "csv.star",
        ImportFormat::SshConfig => "ssh-config.star",
        ImportFormat::AnsibleInventory => "ansible.star",
        ImportFormat::NetboxJson => "netbox.star",
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), control::Error> {
    let write = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|source| control::Error::Write { path: path.to_owned(), source })
}
