//! Being asked to stop: politely at first, at once when asked again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled by the first SIGINT, SIGTERM or SIGHUP. The second one ends the process: the functions die
/// with it.
///
/// # Errors
/// The system does not let us listen.
pub fn stop_requested() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    let stop = token.clone();
    tokio::spawn(async move {
        any(&mut signals).await;
        stop.cancel();
        any(&mut signals).await;
        std::process::exit(INTERRUPTED);
    });
    Ok(token)
}

async fn any([interrupt, terminate, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
