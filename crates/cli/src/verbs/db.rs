//! `ifrit db`.

use control::database;
use serde::Serialize;

use super::{count, root, surroundings};
use crate::arguments::{DbArguments, DbVerb, GlobalArguments, JsonArguments};
use crate::exit::Exit;
use crate::printer::Printer;

/// What is wrong with the database as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    kind: &'a str,
    what: String,
}

pub async fn run(
    global: &GlobalArguments,
    arguments: &DbArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let (root, surroundings) = (root(global)?, surroundings(global));
    match &arguments.verb {
        DbVerb::Backup(arguments) => {
            database::backup(&root, &surroundings, &arguments.file).await?;
            printer.say(format_args!("wrote {}", arguments.file.display()));
            Ok(Exit::Nothing)
        }
        DbVerb::Restore(arguments) => {
            let database = database::restore(&root, &surroundings, &arguments.file).await?;
            printer.say(format_args!("{database} is now what {} holds", arguments.file.display()));
            Ok(Exit::Nothing)
        }
        DbVerb::Check(arguments) => check(global, arguments, printer).await,
    }
}

async fn check(
    global: &GlobalArguments,
    arguments: &JsonArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let found = database::check(&root(global)?, &surroundings(global)).await?;
    let damage = found.damage.iter().map(|line| Row { kind: "damage", what: line.clone() });
    let postings = found.postings.iter().map(|it| Row {
        kind: "posting",
        what: format!("{:?} host {} in the list of package version {}", it.kind, it.host, it.package_version),
    });
    let rows: Vec<Row<'_>> = damage.chain(postings).collect();
    for row in &rows {
        if arguments.json {
            printer.json(row)?;
        } else {
            printer.data(format_args!("{}: {}", row.kind, row.what));
        }
    }
    if found.is_sound() {
        let schema = found.schema.unwrap_or_default();
        printer.say(format_args!("the database is whole (schema {schema})"));
        return Ok(Exit::Nothing);
    }
    printer
        .complain(format_args!("{}; restore a backup: `ifrit db restore FILE`", count(rows.len(), "fault")));
    Ok(Exit::Something)
}
