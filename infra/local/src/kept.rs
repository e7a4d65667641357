//! Queues and topics in a folder: the journal is shortened when it has grown, and at the end.

use std::sync::Arc;
use std::time::Duration;

use local_queues::Keeper;
use tokio_util::sync::CancellationToken;

/// Between attempts to write while the system refuses, as it does on a disk that is full.
const RETRY: Duration = Duration::from_secs(1);

/// Writes everything anew whenever it is worth the time; the last time is when it is stopped.
pub(crate) async fn keep(keeper: Keeper, stop: CancellationToken) {
    let keeper = Arc::new(keeper);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = keeper.due() => {}
        }
        while !compact(&keeper).await {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
    compact(&keeper).await;
}

async fn compact(keeper: &Arc<Keeper>) -> bool {
    if let Some(failure) = keeper.failure() {
        tracing::warn!("the queues could not be kept for a moment: {failure}");
    }
    let blocking = Arc::clone(keeper);
    let compacted = tokio::task::spawn_blocking(move || blocking.compact().map_err(|error| error.to_string())).await;
    let failed = compacted.map_err(|error| error.to_string()).and_then(|compacted| compacted).err();
    if let Some(reason) = &failed {
        tracing::warn!("what the queues keep cannot be written anew: {reason}");
    }
    failed.is_none()
}
