//! The ways in which a connection ends.

use std::time::Duration;

use futures::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;

use crate::wire::socket::Socket;

/// Time to wait for the server's close frame.
const PATIENCE: Duration = Duration::from_secs(2);

/// Closes the connection, and waits for the server's close frame.
pub(super) async fn politely(mut socket: Box<Socket>) {
    let goodbye = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // A server that does not reply in time is disconnected.
    let _ = timeout(PATIENCE, goodbye).await;
}

/// Resets the connection. Data in flight is lost, and the server receives a RST when the socket is
/// dropped.
pub(super) fn by_reset(socket: &Socket) {
    if let Some(stream) = stream(socket) {
        // If the option cannot be set, the socket closes normally. The server notices that too.
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// Closes the sending half (FIN), and reads no more.
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
