//! `ifrit audit export`.

use super::{count, open_to_read};
use crate::arguments::{AuditExportArguments, GlobalArguments};
use crate::exit::Exit;
use crate::printer::Printer;

pub async fn run(
    global: &GlobalArguments,
    arguments: &AuditExportArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let session = open_to_read(global, printer).await?;
    let exported = control::record::export(&session, arguments.client.as_ref(), &arguments.out).await?;
    session.close().await;
    let records = count(usize::try_from(exported.records).unwrap_or(usize::MAX), "record");
    let whose = arguments.client.as_ref().map_or_else(String::new, |client| format!(" of {client}"));
    let file = arguments.out.display();
    printer.say(format_args!("wrote {records}{whose} to {file}"));
    printer.say("whoever reads it verifies it with:");
    printer.data(format_args!("ifrit audit verify --export {file} --key {}", exported.key));
    printer.say("give them the key by another way than the file: who changes the one could change the other");
    Ok(Exit::Nothing)
}
