//! Ctrl-C and SIGTERM: the first signal ends the phases, the second ends the process.

use std::convert::Infallible;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::run::world::World;

/// The offset that a shell adds to the number of the signal that ended a program.
const SIGNALLED: i32 = 128;

/// Receives the signals. While it exists, they end nothing by themselves.
#[derive(Debug)]
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Registers for the signals.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal. Returns the exit code of a program that it ended.
    pub(super) async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        SIGNALLED + kind.as_raw_value()
    }

    /// Ends the phases of a run at the first signal, and the process at the second.
    pub(super) async fn obey(&mut self, world: &World) -> Infallible {
        self.next().await;
        eprintln!("\nstopping: waiting for deliveries in flight; press Ctrl-C again to exit without a report");
        world.stop_because("it was interrupted");
        std::process::exit(self.next().await)
    }
}
