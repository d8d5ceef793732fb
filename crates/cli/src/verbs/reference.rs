//! The pages of docs/reference, rendered from what the program itself uses. A test compares them
//! with the committed files.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use model::Code;

use crate::arguments::{Arguments, ReferenceArguments, ReferencePage};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{environment, exit};

pub fn run(arguments: &ReferenceArguments, printer: &mut Printer) -> Exit {
    let page = match arguments.page {
        ReferencePage::Cli => cli(),
        ReferencePage::Config => control::settings::render_reference(),
        ReferencePage::Diagnostics => diagnostics(),
        ReferencePage::Environment => environment::render_reference(),
        ReferencePage::ExitCodes => exit::render_reference(),
        ReferencePage::Inventory => inventory(),
        ReferencePage::Operations => super::reference_operations::render(),
    };
    printer.text(&page);
    Exit::Nothing
}

fn cli() -> String {
    let mut text = String::from(
        "# Command line\n\nEvery verb takes `-C DIR`, `--database URL` and `--quiet`. Data goes to standard output,\n\
         everything else to standard error. `--json` prints one JSON object per line.\n",
    );
    let mut command = Arguments::command().term_width(96);
    command.build();
    for verb in command.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
        push_command(&mut text, verb, 2);
    }
    text
}

fn push_command(text: &mut String, command: &mut clap::Command, depth: usize) {
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    let _ = write!(text, "\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(depth), help.join("\n").trim_end());
    for verb in command.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
        push_command(text, verb, depth + 1);
    }
}

fn diagnostics() -> String {
    let mut text = String::from(
        "# Diagnostics\n\nEvery problem that ifrit reports about one item of a batch has one of these codes.\n\n\
         | code | level | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let _ = writeln!(text, "| `{}` | {} | {} |", code.as_str(), code.level().as_str(), code.meaning());
    }
    text
}

fn inventory() -> String {
    let mut text = String::from("# Starlark functions\n\nWhat the `.star` files of a workspace can call.\n");
    for function in control::starlark_functions() {
        let _ = write!(
            text,
            "\n## `{}`\n\n```python\n{}\n```\n\n{}\n",
            function.name, function.signature, function.summary
        );
        if !function.details.is_empty() {
            let _ = write!(text, "\n{}\n", function.details.trim());
        }
        if !function.parameters.is_empty() {
            text.push('\n');
        }
        for (name, meaning) in &function.parameters {
            let _ = writeln!(text, "- `{name}`: {meaning}");
        }
    }
    text
}
