//! Starts every process from one thread that lives as long as its children.
//!
//! The kernel's parent-death signal (see [`crate::supervise`]) is sent when the parent thread ends,
//! and a worker thread of the async runtime may end at any time.

use std::io;
use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Handle of the thread that starts processes. The thread ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Spawner(mpsc::Sender<Birth>);

#[derive(Debug)]
struct Birth {
    command: Command,
    born: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread. Children belong to the runtime of `handle`.
    pub(crate) fn start(handle: Handle) -> io::Result<Self> {
        let (sender, births) = mpsc::channel::<Birth>();
        std::thread::Builder::new().name("lambda-spawner".to_owned()).spawn(move || {
            let _inside = handle.enter();
            for Birth { mut command, born } in births {
                // If the receiver no longer waits, the child is dropped, which kills it.
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
