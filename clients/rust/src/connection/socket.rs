//! One socket. A task of its own opens, reads and writes it, so that a slow socket delays nothing
//! else.

use std::io;
use std::time::{Duration, SystemTime};

use domain::limits;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::handshake;
use super::options::{NoToken, Options, lasts};
use crate::rules::{LinkId, Loss};

/// Maximum time for sending one message. A slower peer counts as gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time to wait for the reply to a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A report of a socket to its client.
#[derive(Debug)]
pub(super) enum Said {
    /// The socket is open.
    Open {
        /// The remaining life of the token, if the token can be renewed and has a readable expiry.
        token_lasts: Option<Duration>,
    },
    /// The result of a token request; `None` if no token is available now.
    Token(Option<String>),
    /// A text message arrived.
    Text(Utf8Bytes),
    /// The socket was lost or never opened. No report follows.
    Lost(Loss),
}

/// The next step of a socket.
enum Next {
    /// Report a text message.
    Text(Utf8Bytes),
    /// Report the loss.
    Lost(Loss),
    /// Close the socket: the client no longer needs it.
    Close,
}

/// Opens a socket and serves it until it is lost, or until the client drops its sender. Then the
/// socket is closed normally.
pub(super) async fn run(
    link: LinkId,
    options: Options,
    mut outgoing: mpsc::Receiver<String>,
    said: mpsc::Sender<(LinkId, Said)>,
) {
    let opened = tokio::select! {
        opened = open(&options) => opened,
        // No text is sent before the socket is open, so this is the end of the channel.
        _ = outgoing.recv() => return,
    };
    let loss = match opened {
        Ok((socket, token_lasts)) => serve(link, socket, token_lasts, outgoing, &said).await,
        Err(loss) => Some(loss),
    };
    if let Some(loss) = loss {
        // If the client has ended, the report is dropped.
        let _ = said.send((link, Said::Lost(loss))).await;
    }
}

/// Requests a new token for a live connection.
pub(super) async fn renew(link: LinkId, options: Options, said: mpsc::Sender<(LinkId, Said)>) {
    let token = timeout(options.connect_timeout, options.token.current()).await;
    let token = token.ok().and_then(Result::ok).flatten();
    // If the client has ended, the token is dropped.
    let _ = said.send((link, Said::Token(token))).await;
}

/// Opens the socket. Returns it with the remaining life of its token, if the token can be renewed.
async fn open(options: &Options) -> Result<(Socket, Option<Duration>), Loss> {
    let failed = |error: &dyn std::fmt::Display| Loss::Failed(error.to_string());
    let token = match timeout(options.connect_timeout, options.token.current()).await {
        Ok(Ok(token)) => token,
        Ok(Err(NoToken)) | Err(_) => return Err(Loss::Failed("no token is available".to_owned())),
    };
    let token_lasts = token.as_deref().filter(|_| options.token.is_renewed());
    let token_lasts = token_lasts.and_then(|token| lasts(token, SystemTime::now()));
    let request = handshake::request(options, token.as_deref()).map_err(|error| failed(&error))?;
    if request.uri().scheme_str() == Some("wss") {
        choose_tls();
    }
    let host = request.uri().authority().map_or_else(String::new, |host| host.as_str().to_owned());
    let largest = Some(limits::GATEWAY_MESSAGE_BYTES);
    let config = WebSocketConfig::default().max_message_size(largest).max_frame_size(largest);
    match timeout(options.connect_timeout, connect_async_tls_with_config(request, Some(config), true, None)).await {
        Ok(Ok((socket, _))) => Ok((socket, token_lasts)),
        Ok(Err(tungstenite::Error::Http(response))) => Err(Loss::Refused { status: response.status().as_u16() }),
        Ok(Err(tungstenite::Error::Io(error))) => Err(unreachable(&host, &error)),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => {
            Err(Loss::Failed(format!("the server did not answer the handshake within {:?}", options.connect_timeout)))
        }
    }
}

/// Describes why a host cannot be reached, for a person.
fn unreachable(host: &str, error: &io::Error) -> Loss {
    Loss::Unreachable(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing listens at {host}"),
        io::ErrorKind::TimedOut => format!("{host} does not answer"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => format!("there is no route to {host}"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => format!("{host} closed the connection"),
        // The resolver has no error kind of its own. Its text is "failed to lookup address
        // information: Name or service not known".
        _ => match error.to_string().split_once("lookup address information: ") {
            Some((_, why)) => format!("the name {host} cannot be resolved ({why})"),
            None => format!("{host}: {error}"),
        },
    })
}

/// Installs rustls over ring as the TLS provider, unless the application has installed another one.
fn choose_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // If another thread installed a provider first, that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Serves the socket. Returns the loss, or `None` if it was closed from this side.
async fn serve(
    link: LinkId,
    mut socket: Socket,
    token_lasts: Option<Duration>,
    mut outgoing: mpsc::Receiver<String>,
    said: &mpsc::Sender<(LinkId, Said)>,
) -> Option<Loss> {
    let mut news = Said::Open { token_lasts };
    loop {
        if said.send((link, news)).await.is_err() {
            return close(socket).await;
        }
        news = match next(&mut socket, &mut outgoing).await {
            Next::Text(text) => Said::Text(text),
            Next::Lost(loss) => return Some(loss),
            Next::Close => return close(socket).await,
        };
    }
}

/// Sends outgoing messages until the socket has something to report.
async fn next(socket: &mut Socket, outgoing: &mut mpsc::Receiver<String>) -> Next {
    loop {
        let incoming = tokio::select! {
            text = outgoing.recv() => {
                let Some(text) = text else { return Next::Close };
                match timeout(SEND_TIMEOUT, socket.send(Message::Text(text.into()))).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => return Next::Lost(lost(&error)),
                    Err(_) => return Next::Lost(Loss::Silent),
                }
            }
            incoming = socket.next() => incoming,
        };
        match incoming {
            Some(Ok(Message::Text(text))) => return Next::Text(text),
            Some(Ok(Message::Close(frame))) => {
                return Next::Lost(Loss::Closed { code: frame.map(|frame| frame.code.into()) });
            }
            // The next read or write replies to a ping. Binary messages are not part of rooms.v1.
            Some(Ok(_)) => {}
            Some(Err(error)) => return Next::Lost(lost(&error)),
            None => return Next::Lost(Loss::Closed { code: None }),
        }
    }
}

fn lost(error: &tungstenite::Error) -> Loss {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Loss::Closed { code: None },
        other => Loss::Failed(other.to_string()),
    }
}

async fn close(mut socket: Socket) -> Option<Loss> {
    let goodbye = async {
        let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // A peer that does not reply in time is disconnected.
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_be_reached_is_explained_without_numbers_of_the_system() {
        let explained = |error| unreachable("127.0.0.1:3001", &error).to_string();
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(explained(refused), "nothing listens at 127.0.0.1:3001");
        let unresolved = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(explained(unresolved), "the name 127.0.0.1:3001 cannot be resolved (Name or service not known)");
        let other = io::Error::other("no file descriptor is left");
        assert_eq!(explained(other), "127.0.0.1:3001: no file descriptor is left");
    }
}
