//! Being asked to stop: politely at first, at once when asked again.

use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Whether somebody has asked, and how.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: CancellationToken,
    by: Arc<OnceLock<Signal>>,
}

impl Stop {
    /// Is asked by the first SIGINT, SIGTERM or SIGHUP. The second one ends the process: the functions die with it.
    ///
    /// # Errors
    /// The system does not let us listen.
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

    /// Comes back once somebody has asked: with which signal.
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
