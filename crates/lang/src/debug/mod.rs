//! The debugger of deploys: an editor steps through the evaluation of one host's plan, over standard input
//! and output, by the [Debug Adapter Protocol](https://microsoft.github.io/debug-adapter-protocol/).
//!
//! [`serve`] speaks with the editor on the caller's thread; the deploy runs on another one, where a hook of
//! the interpreter stops it before a statement ([`hook`]) and answers while it stands. The interpreter's own
//! adapter (`starlark::debug`) is not used: it counts the time that a person thinks as time of the deploy,
//! lets an expression in the debug console make steps of the plan, and finds no variables where a native
//! function (`map`) lies between two frames.
//!
//! Invariant: the debugger changes nothing but local variables, and those only where somebody assigns to
//! them in the debug console. What it looks at is not looked at by the deploy.

mod answers;
mod breakpoints;
mod hook;
mod server;
#[cfg(test)]
mod tests;
mod trace;
mod values;
mod wire;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use model::Problem;

use breakpoints::Breakpoints;
pub(crate) use hook::{Console as PrintConsole, attach};
use server::{Incoming, Server};
pub use trace::{Trace, TracedLine};

/// What the editor asks to be debugged; what it leaves out, the caller knows or refuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The deploy's name: `web/tls`.
    pub deploy: Option<String>,
    /// The host, as a selector.
    pub host: Option<String>,
    /// The file with facts, as `ifrit debug --facts` takes it.
    pub facts: Option<String>,
    /// A directory in the workspace.
    pub workspace: Option<String>,
}

/// An evaluation that waits for its debugger.
pub struct Prepared {
    /// The root of the workspace.
    pub root: PathBuf,
    /// What is debugged, in a few words: `web on web-1`.
    pub title: String,
    /// Evaluates it, on a thread of its own.
    pub run: Box<dyn FnOnce(Debugger) -> Outcome + Send>,
}

/// What came of an evaluation: lines that show the plan, or why there is none.
pub type Outcome = Result<Vec<String>, Vec<Problem>>;

/// Where lines for the editor's debug console go.
#[derive(Debug, Clone)]
pub struct Console(Sender<Incoming>);

impl Console {
    /// Shows a line.
    pub fn say(&self, line: impl Into<String>) {
        // Where the editor is gone, nobody reads it.
        let _ = self.0.send(Incoming::Said(line.into()));
    }
}

/// What stops a deploy and looks at it: an editor's session, or a [`Trace`].
pub struct Debugger(Kind);

enum Kind {
    Editor(Session),
    Trace(Trace),
}

/// The evaluation's side of an editor's session.
struct Session {
    orders: Receiver<hook::Order>,
    events: Sender<Incoming>,
    breakpoints: Arc<Breakpoints>,
    stops_at_entry: bool,
}

/// What a debugger needs of the room whose functions the deploy calls, on the thread of the evaluation.
#[derive(Clone)]
pub struct Inside {
    /// Called before values are looked at or code of the debug console runs; what it returns is called
    /// afterwards. In between nothing counts: no step, no question, no problem.
    pub aside: Rc<dyn Fn() -> Box<dyn FnOnce()>>,
    /// Returns what the code has made so far: steps, in words.
    pub made: Rc<dyn Fn() -> Vec<String>>,
}

/// Serves one editor until it disconnects or goes away. `prepare` makes ready what the editor asks for, on a
/// thread of its own; an error is shown to the person, and ends the session.
///
/// # Errors
/// The output broke, the input is not the protocol, or no thread could be started.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
    prepare: impl FnOnce(Launch, &Console) -> Result<Prepared, String> + Send + 'static,
) -> io::Result<()> {
    let (sender, receiver) = channel();
    let from_editor = sender.clone();
    std::thread::Builder::new().name("editor".to_owned()).spawn(move || {
        wire::read_all(io::BufReader::new(input), |incoming| from_editor.send(incoming).is_ok());
    })?;
    Server::new(output, sender, Box::new(prepare)).serve(&receiver)
}
