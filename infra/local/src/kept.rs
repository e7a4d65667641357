//! Stores queues and topics in a folder. The journal is compacted when it is long, and at the end.

use std::sync::Arc;
use std::time::Duration;

use local_queues::Keeper;
use tokio_util::sync::CancellationToken;

/// Pause between attempts to write while the operating system refuses, for example on a full disk.
const RETRY: Duration = Duration::from_secs(1);

/// Compacts whenever the keeper requests it, and a last time when it is stopped.
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
        tracing::warn!("cannot write to the journal of the queues; a snapshot is written instead: {failure}");
    }
    let blocking = Arc::clone(keeper);
    let compacted = tokio::task::spawn_blocking(move || blocking.compact().map_err(|error| error.to_string())).await;
    let failed = compacted.map_err(|error| error.to_string()).and_then(|compacted| compacted).err();
    if let Some(reason) = &failed {
        tracing::warn!(
            "cannot write a snapshot of the queues; retried after a pause unless the runner stops: {reason}"
        );
    }
    failed.is_none()
}
