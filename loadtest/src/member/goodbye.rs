//! The ways in which a connection ends.

use std::time::Duration;

use futures::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;

use crate::wire::socket::Socket;

/// A server that does not answer a close for this long need not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Closes, and waits for the answer.
pub(super) async fn politely(mut socket: Box<Socket>) {
    let goodbye = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // Whoever does not answer is left without an answer.
    let _ = timeout(PATIENCE, goodbye).await;
}

/// Resets: what is on its way is lost, and the server is told so (RST) when the socket is dropped.
pub(super) fn by_reset(socket: &Socket) {
    if let Some(stream) = stream(socket) {
        // A socket that will not linger is closed in peace: the server learns of it all the same.
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// Says that nothing more is sent (FIN), and does not read on.
pub(super) fn by_half(socket: &Socket) {
    if let Some(stream) = stream(socket) {
        let _ = socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write);
    }
}

fn stream(socket: &Socket) -> Option<&TcpStream> {
    match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => Some(stream),
        MaybeTlsStream::Rustls(stream) => Some(stream.get_ref().0),
        _ => None,
    }
}
