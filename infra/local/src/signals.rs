//! Handles signals: the first one requests an orderly stop, the second one ends the process at
//! once.

use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit status of a program that Ctrl-C ended, as shells report it.
const INTERRUPTED: i32 = 130;

/// A request to stop the runner, and the signal that caused it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: CancellationToken,
    by: Arc<OnceLock<Signal>>,
}

impl Stop {
    /// The first SIGINT, SIGTERM or SIGHUP requests a stop. The second one ends the process, and
    /// the functions die with it.
    ///
    /// # Errors
    /// The operating system refuses to register a signal handler.
    pub fn listen() -> std::io::Result<Self> {
        let mut signals =
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        let stop = Self::default();
        let asks = stop.clone();
        tokio::spawn(async move {
            let first = any(&mut signals).await;
            asks.by.get_or_init(|| first);
            asks.asked.cancel();
            any(&mut signals).await;
            std::process::exit(INTERRUPTED);
        });
        Ok(stop)
    }

    /// Waits until a stop is requested. Returns the signal.
    pub async fn asked(&self) -> Signal {
        self.asked.cancelled().await;
        self.by.get().copied().unwrap_or(Signal::SIGTERM)
    }
}

async fn any([interrupt, terminate, hangup]: &mut [unix::Signal; 3]) -> Signal {
    tokio::select! {
        _ = interrupt.recv() => Signal::SIGINT,
        _ = terminate.recv() => Signal::SIGTERM,
        _ = hangup.recv() => Signal::SIGHUP,
    }
}
