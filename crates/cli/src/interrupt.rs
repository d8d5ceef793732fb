//! Ctrl-C while hosts are worked on: the first one starts no further hosts, the second one leaves.

use std::sync::{Arc, Mutex, PoisonError};

use control::apply::StopSignal;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::printer;

/// Watches for Ctrl-C in place of `main`. While no run is at work it ends the process at once: nothing is lost
/// by it, the database takes whole transactions only.
pub struct Interrupts(Arc<Mutex<Option<StopSignal>>>);

impl Interrupts {
    /// Begins to watch.
    pub fn watch() -> anyhow::Result<Self> {
        let at_work: Arc<Mutex<Option<StopSignal>>> = Arc::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shared = Arc::clone(&at_work);
        tokio::spawn(async move {
            while interrupt.recv().await.is_some() {
                let stop = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match stop {
                    Some(stop) if !stop.is_requested() => {
                        stop.request();
                        printer::warn_now(
                            "stopping: hosts at work come to their end, no further one is started; Ctrl-C again leaves them in doubt",
                        );
                    }
                    Some(_) => {
                        printer::warn_now(
                            "left: hosts at work are in doubt; `ifrit runs` names the run, `ifrit run resume RUN_ID` settles it",
                        );
                        std::process::exit(i32::from(Exit::Interrupted.code()));
                    }
                    None => std::process::exit(i32::from(Exit::Interrupted.code())),
                }
            }
        });
        Ok(Self(at_work))
    }

    /// Says that a run is at work from now on; returns what stops it.
    pub fn begin(&self) -> StopSignal {
        let stop = StopSignal::default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop.clone());
        stop
    }

    /// Says that no run is at work any more.
    pub fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
