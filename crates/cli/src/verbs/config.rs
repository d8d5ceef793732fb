//! `ifrit config`.

use control::settings::{Entry, Value};
use serde::Serialize;

use super::{root, surroundings};
use crate::arguments::{ConfigArguments, ConfigVerb, GlobalArguments};
use crate::exit::Exit;
use crate::printer::{Printer, cell};

/// A setting as `--json` prints it.
#[derive(Serialize)]
struct SettingRow {
    key: &'static str,
    value: JsonValue,
    origin: String,
}

/// A setting's value in JSON's own types.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonValue {
    Text(String),
    Texts(Vec<String>),
    Switch(bool),
    Whole(u64),
}

pub fn run(
    global: &GlobalArguments,
    arguments: &ConfigArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let ConfigVerb::Show(output) = &arguments.verb;
    let (settings, problems) = control::workspace::load_settings(&root(global)?, &surroundings(global))?;
    for problem in &problems {
        printer.problem(problem);
    }
    if output.json {
        for entry in settings.entries() {
            printer.json(&row(entry))?;
        }
    } else {
        let row = |entry: &Entry| vec![cell(entry.definition.key), cell(&entry.value), cell(&entry.origin)];
        printer.table(&["setting", "value", "from"], settings.entries().iter().map(row).collect());
    }
    Ok(if problems.is_empty() { Exit::Nothing } else { Exit::Something })
}

fn row(entry: &Entry) -> SettingRow {
    let value = match entry.value.clone() {
        Value::Text(text) => JsonValue::Text(text),
        Value::Texts(texts) => JsonValue::Texts(texts),
        Value::Switch(is_on) => JsonValue::Switch(is_on),
        Value::Whole(number) => JsonValue::Whole(number),
    };
    SettingRow { key: entry.definition.key, value, origin: entry.origin.to_string() }
}
