//! Queues and topics in a file: loaded at the start, saved while things change, and at the end.

use std::path::PathBuf;
use std::time::Duration;

use local_queues::{Service, SnapshotError};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// What a runner that is killed may lose of its queues. (Tables lose nothing: each write is in the file.)
const SAVE_PERIOD: Duration = Duration::from_secs(1);

/// The file, and whose it is.
#[derive(Clone)]
pub(crate) struct Kept {
    messaging: Service,
    file: PathBuf,
}

impl Kept {
    /// Takes up what the file has, if there is one.
    pub(crate) fn load(messaging: Service, file: PathBuf) -> Result<Self, SnapshotError> {
        messaging.load(&file)?;
        Ok(Self { messaging, file })
    }

    /// Saves whenever something was counted since the last time; the last time is when it is stopped.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let mut saved = self.messaging.stats();
        let mut ticks = tokio::time::interval(SAVE_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = ticks.tick() => {}
            }
            let now = self.messaging.stats();
            if now != saved {
                self.save().await;
                saved = now;
            }
        }
    }

    async fn save(&self) {
        let kept = self.clone();
        match tokio::task::spawn_blocking(move || kept.messaging.save(&kept.file)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the queues could not be saved"),
            Err(error) => tracing::warn!(%error, "the queues could not be saved"),
        }
    }
}
