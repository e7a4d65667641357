//! Being asked to stop, by Ctrl-C or SIGTERM: the first ends the phases, the next one the process.

use std::convert::Infallible;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::run::world::World;

/// What a shell reports for a program that was ended by a signal, before the signal's number is added.
const SIGNALLED: i32 = 128;

/// From now on signals are listened to: they end nothing by themselves.
#[derive(Debug)]
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Begins to listen.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one, as the status of whoever gives up for it.
    pub(super) async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        SIGNALLED + kind.as_raw_value()
    }

    /// The first one ends the phases of a run, the second one the process.
    pub(super) async fn obey(&mut self, world: &World) -> Infallible {
        self.next().await;
        eprintln!("\nstopping: what is on its way is waited for; once more to give up");
        world.stop_because("it was interrupted");
        std::process::exit(self.next().await)
    }
}
