//! `ifrit lsp`.

use tokio::sync::oneshot;

use crate::arguments::GlobalArguments;
use crate::exit::Exit;

/// Serves the editor on a thread of its own, so that Ctrl-C ends the command whatever is being read.
pub async fn run(global: &GlobalArguments) -> anyhow::Result<Exit> {
    let root = global.workspace.as_deref().map(std::path::absolute).transpose()?;
    let (sender, ended) = oneshot::channel();
    std::thread::Builder::new().name("editor".to_owned()).spawn(move || {
        let result = control::lsp::serve(&control::workspace::extensions(), root.as_deref());
        // Nobody waits any more after Ctrl-C.
        let _ = sender.send(result);
    })?;
    ended.await??;
    Ok(Exit::Nothing)
}
