//! The HTTP server of the endpoint. It accepts connections until it is stopped, then lets running
//! calls end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::Endpoint;

/// Pause after a failed `accept`. The usual cause is a lack of file descriptors, which ends when
/// other connections close.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Serves until `stop` is cancelled. Returns when every connection has ended.
pub(crate) async fn serve(endpoint: Arc<Endpoint>, listener: TcpListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(serve_connection(Arc::clone(&endpoint), stream, stop.clone()))),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the AWS endpoint: retried after a pause");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve_connection(endpoint: Arc<Endpoint>, stream: TcpStream, stop: CancellationToken) {
    // Calls are small and a caller waits for each answer, so gathering packets would only add
    // delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set an option of a caller's socket: the connection continues without it");
    }
    let head_within = endpoint.time_limits.head_within;
    let service = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, Infallible>(endpoint.handle(request).await) }
    });
    let builder = http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(head_within).clone();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the AWS endpoint ended with an error");
    }
}
