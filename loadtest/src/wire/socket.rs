//! Sockets with small buffers: a member that waits costs a few kilobytes.

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

/// A connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What one read takes at most, and what is kept for it: most frames are a few hundred bytes.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// A handshake takes as long as the authorizer and `$connect` do, cold; API Gateway gives them 29 s at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection did not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens, or the name does not resolve, or this machine has no file descriptor or port left.
    #[error("cannot connect: {0}; is the stack running (cargo dev)?")]
    Network(#[from] std::io::Error),
    /// The server said no.
    #[error("the handshake was refused with status {0}")]
    Refused(u16),
    /// The server did not finish the handshake.
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

impl Error {
    /// Whether it is worth trying again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(status) => !matches!(status, 400 | 401 | 403 | 404),
            Self::Network(_) | Self::Handshake(_) => true,
        }
    }
}

/// Opens the connection with this number, of a device.
///
/// # Errors
/// [`Error`] when it does not open.
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
        .unwrap_or_else(|_| Err(Error::Handshake("no answer within 30 s".to_owned())))
}

/// TLS is done by rustls over ring, unless another provider was chosen for the whole process.
pub fn choose_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody may have been faster: then theirs is used.
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
    // Without a token it is a guest, and the same one when it returns: 22 characters or more.
    let url = format!("{}{separator}device={device}&guest={device:-<24}", target.url);
    let mut request = url.into_client_request().map_err(|error| translate(&error))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Some(token) = &target.token {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_| Error::Handshake("the token is no JWT".to_owned()))?;
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
