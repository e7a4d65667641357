//! Sockets with small buffers, so that a waiting member costs a few kilobytes.

use std::time::Duration;

use protocol::SUBPROTOCOL;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::target::Target;

/// A WebSocket connection of the load test.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Bytes of one read, and of its buffer. Most frames have a few hundred bytes.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// Maximum time for a handshake, including cold starts of the authorizer and of `$connect`. API
/// Gateway permits them 29 s at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The reason why a connection was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server listens, the name does not resolve, or this machine has no file descriptor or port
    /// left.
    #[error("cannot connect: {0}; is the stack running (cargo dev)?")]
    Network(#[from] std::io::Error),
    /// The server refused the handshake.
    #[error("the handshake was refused with status {0}")]
    Refused(u16),
    /// The server did not finish the handshake.
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

impl Error {
    /// Returns true if another try may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(status) => !matches!(status, 400 | 401 | 403 | 404),
            Self::Network(_) | Self::Handshake(_) => true,
        }
    }
}

/// Opens connection number `connection`, for a device.
///
/// # Errors
/// [`Error`] when the connection cannot be opened.
pub async fn open(target: &Target, connection: usize, device: &str) -> Result<Box<Socket>, Error> {
    let request = request(target, device)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(domain::limits::GATEWAY_MESSAGE_BYTES))
        .max_frame_size(Some(domain::limits::GATEWAY_MESSAGE_BYTES));
    let opening = async {
        let stream = connect(target, connection).await?;
        let (socket, _) = client_async_tls_with_config(request, stream, Some(config), None)
            .await
            .map_err(|error| translate(&error))?;
        Ok(Box::new(socket))
    };
    timeout(HANDSHAKE_TIMEOUT, opening)
        .await
        .unwrap_or_else(|_| Err(Error::Handshake("no response within 30 s".to_owned())))
}

/// Installs rustls over ring as the TLS provider, unless the process has installed another one.
pub fn choose_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // If another thread installed a provider first, that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

async fn connect(target: &Target, connection: usize) -> Result<TcpStream, Error> {
    let Some(source) = target.source(connection) else {
        return Ok(TcpStream::connect((target.host.as_str(), target.port)).await?);
    };
    let address = lookup_host((target.host.as_str(), target.port)).await?.next();
    let address = address.ok_or_else(|| Error::Handshake(format!("{} has no address", target.host)))?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(source)?;
    Ok(socket.connect(address).await?)
}

pub(super) fn request(target: &Target, device: &str) -> Result<tungstenite::handshake::client::Request, Error> {
    let separator = if target.url.contains('?') { '&' } else { '?' };
    // Without a token the member is a guest, and the same one when it returns. The secret has at
    // least 22 characters.
    let url = format!("{}{separator}device={device}&guest={device:-<24}", target.url);
    let mut request = url.into_client_request().map_err(|error| translate(&error))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Some(token) = &target.token {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer
            .map_err(|_| Error::Handshake("the token has characters that an HTTP header may not have".to_owned()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    Ok(request)
}

fn translate(error: &tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => Error::Refused(response.status().as_u16()),
        tungstenite::Error::Io(error) => Error::Network(std::io::Error::new(error.kind(), error.to_string())),
        other => Error::Handshake(other.to_string()),
    }
}
