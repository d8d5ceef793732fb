//! Starts the processes of hosts from one thread that lives as long as the fleet.
//!
//! Why a thread: a host asks the kernel to be killed when its parent dies (`PR_SET_PDEATHSIG`), and
//! there the parent is the *thread* that started it (prctl(2)). A test or a worker pool may end the
//! thread that called [`crate::Fleet::start`] long before the fleet is dropped.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

struct Request {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

/// The thread. Dropping it ends the thread, and with it every process that it started.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Spawner {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (requests, inbox) = channel();
        let thread = std::thread::Builder::new().name("fleet-spawner".into()).spawn(move || serve(&inbox))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Starts a process whose parent is the thread.
    pub(crate) fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts the fleet's processes has ended");
        let (reply, answer) = channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(Request { command, reply }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic; and if it had, its processes would be gone just as well.
            let _ended = thread.join();
        }
    }
}

fn serve(inbox: &Receiver<Request>) {
    while let Ok(Request { mut command, reply }) = inbox.recv() {
        // Nobody waits for the answer any more only if the caller panicked; then the child is lost
        // here and dies with this thread.
        let _asked = reply.send(command.spawn());
    }
}
