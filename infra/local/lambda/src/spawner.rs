//! Forks every process from one thread that lives as long as its children.
//!
//! The kernel's "die with your parent" (see [`crate::supervise`]) counts the death of the parent thread, and a worker
//! thread of the async runtime may end at any time.

use std::io;
use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Asks the thread for children. The thread ends when the last copy is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Spawner(mpsc::Sender<Birth>);

#[derive(Debug)]
struct Birth {
    command: Command,
    born: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread; children report to the runtime of `handle`.
    pub(crate) fn start(handle: Handle) -> io::Result<Self> {
        let (sender, births) = mpsc::channel::<Birth>();
        std::thread::Builder::new().name("lambda-spawner".to_owned()).spawn(move || {
            let _inside = handle.enter();
            for Birth { mut command, born } in births {
                // Nobody waits any more: dropping the child kills it.
                drop(born.send(command.spawn()));
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts one process.
    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (born, birth) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.0.send(Birth { command, born }).map_err(|_| gone())?;
        birth.await.map_err(|_| gone())?
    }
}
