//! One connection before a run. A wrong host, port, path, scheme or token is explained within
//! seconds.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::client_async_tls_with_config;
use tokio_tungstenite::tungstenite::http::{Response, StatusCode, header};
use tokio_tungstenite::tungstenite::{self, Message};

use super::socket::request;
use super::target::Target;

/// Maximum time for the whole check.
const WITHIN: Duration = Duration::from_secs(5);
/// The device of the connection. No member has it.
const DEVICE: &str = "load-preflight";

/// The reason why no run can begin, with the address that refused and advice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot connect to {url}: {what}; {remedy}")]
pub struct Refusal {
    url: String,
    what: String,
    remedy: String,
}

/// Opens a connection, and closes it again.
///
/// # Errors
/// [`Refusal`], within 5 s.
pub async fn check(target: &Target) -> Result<(), Refusal> {
    let deadline = Instant::now() + WITHIN;
    let addresses = resolve(target, deadline).await?;
    let (stream, address) = connect(target, &addresses, deadline).await?;
    let request = request(target, DEVICE).map_err(|error| refusal(target, error.to_string(), CHECK_URL))?;
    let handshake = client_async_tls_with_config(request, stream, None, None);
    match timeout_at(deadline, handshake).await {
        Ok(Ok((mut socket, _))) => {
            // A failed close has no consequence for a run.
            let _ = timeout_at(deadline, async {
                socket.send(Message::Close(None)).await?;
                while let Some(Ok(_)) = socket.next().await {}
                Ok::<_, tungstenite::Error>(())
            })
            .await;
            Ok(())
        }
        Ok(Err(error)) => Err(explain(target, address, &error)),
        Err(_) => {
            let what = format!("{address} accepted the connection, but did not answer the handshake within 5 s");
            Err(refusal(target, what, "check the port: another program may listen there"))
        }
    }
}

const CHECK_URL: &str = "check host, port, path and scheme of --url";

async fn resolve(target: &Target, deadline: Instant) -> Result<Vec<SocketAddr>, Refusal> {
    let Target { host, port, .. } = target;
    let unresolved =
        |why: &str| refusal(target, format!("the name {host} cannot be resolved ({why})"), "check the host of --url");
    let resolved = timeout_at(deadline, lookup_host((host.as_str(), *port))).await;
    let addresses: Vec<SocketAddr> = match resolved {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(unresolved(&cause(&error))),
        Err(_) => return Err(unresolved("no name server answered within 5 s")),
    };
    if addresses.is_empty() { Err(unresolved("it has no address")) } else { Ok(addresses) }
}

/// Connects to the first address that accepts.
async fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Refusal> {
    let mut refused = Vec::new();
    for address in addresses {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                refused.push(format!("nothing listens at {address}"));
            }
            Ok(Err(error)) => refused.push(format!("{address} cannot be reached ({})", cause(&error))),
            Err(_) => {
                refused.push(format!("{address} did not answer within 5 s"));
                break;
            }
        }
    }
    let remedy = if target.is_loopback() {
        "start the stack with `cargo dev`, or check the port of --url"
    } else {
        "check host and port of --url, and whether a firewall is between"
    };
    Err(refusal(target, refused.join(", and "), remedy))
}

/// Explains a failed handshake.
fn explain(target: &Target, address: SocketAddr, error: &tungstenite::Error) -> Refusal {
    let no_handshake =
        |why: &str, remedy: &str| refusal(target, format!("{address} did not finish the handshake ({why})"), remedy);
    match error {
        tungstenite::Error::Http(response) => answered(target, address, response),
        tungstenite::Error::Io(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    let what = format!("the certificate of {address} is not valid for {} ({why:?})", target.host);
                    refusal(target, what, "check the host of --url")
                }
                Some(_) => {
                    let what = format!("{address} does not speak TLS");
                    refusal(target, what, "use ws:// instead of wss://, or check the port of --url")
                }
                None if target.secure => {
                    no_handshake(&cause(error), "if the server has no TLS, use ws:// instead of wss://")
                }
                None => no_handshake(&cause(error), "if the server has TLS, use wss:// instead of ws://"),
            }
        }
        tungstenite::Error::Tls(error) => {
            no_handshake(&error.to_string(), "use ws:// instead of wss://, or check the host of --url")
        }
        other if target.secure => no_handshake(&other.to_string(), CHECK_URL),
        other => no_handshake(
            &other.to_string(),
            "if the server has TLS, use wss:// instead of ws://; else check the port of --url",
        ),
    }
}

/// Explains an HTTP response other than 101.
fn answered<B>(target: &Target, address: SocketAddr, response: &Response<B>) -> Refusal {
    let status = response.status();
    let path = target.path();
    let what = format!("{address} answered {} to the path {path}", named(status));
    let remedy = match status {
        StatusCode::UNAUTHORIZED if target.token.is_some() => {
            "give a token that the server accepts with --token; `cargo xtask token` makes one for the local stack"
                .to_owned()
        }
        StatusCode::UNAUTHORIZED => "guests may not connect there: give a token with --token".to_owned(),
        StatusCode::FORBIDDEN => {
            format!("check the path of --url (it is the stage: /local on the local stack, not {path}), and the token")
        }
        StatusCode::NOT_FOUND => {
            "check port and path of --url: the local stack has its WebSocket API at ws://127.0.0.1:3001/local"
                .to_owned()
        }
        StatusCode::UPGRADE_REQUIRED => {
            "a proxy between may drop the header Upgrade, or the port is that of another protocol: check --url"
                .to_owned()
        }
        StatusCode::TOO_MANY_REQUESTS => "the server takes no more connections now: wait, and try again".to_owned(),
        StatusCode::BAD_REQUEST if !target.secure => {
            "if the server has TLS, use wss:// instead of ws://; else check path and token".to_owned()
        }
        status if status.is_redirection() => {
            let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            format!("use the address that it names: {}", location.unwrap_or("unknown"))
        }
        status if status.is_server_error() => {
            "the server failed: read the log of the authorizer and of the function behind $connect".to_owned()
        }
        _ => "this is no WebSocket API: check port and path of --url".to_owned(),
    };
    refusal(target, what, &remedy)
}

/// Formats a status, such as `403 Forbidden`.
fn named(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

/// The text of a system error, without its number.
fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    text.split(" (os error").next().unwrap_or(text).to_owned()
}

fn refusal(target: &Target, what: String, remedy: &str) -> Refusal {
    // The query of the URL may contain a token.
    let url = target.url.split('?').next().unwrap_or_default().to_owned();
    Refusal { url, what, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::wire::socket::choose_tls;

    /// A server that sends these bytes on every connection, after the first bytes have arrived.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(answer).await;
                    if answer.is_empty() {
                        // The server listens and never responds.
                        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                    }
                });
            }
        });
        address
    }

    async fn refused(url: &str, token: Option<&str>) -> String {
        let target = Target::parse(url, token.map(str::to_owned)).unwrap();
        let begun = Instant::now();
        let refusal = check(&target).await.unwrap_err().to_string();
        assert!(begun.elapsed() < WITHIN + Duration::from_secs(1), "it took {:?}", begun.elapsed());
        refusal
    }

    fn contains(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
    }

    #[tokio::test]
    async fn a_port_where_nothing_listens_is_named_with_what_starts_the_stack() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let text = refused(&format!("ws://{free}/local?token=secret"), None).await;
        contains(&text, &[&format!("nothing listens at {free}"), "start the stack with `cargo dev`"]);
        assert!(!text.contains("os error") && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_named() {
        let text = refused("ws://no-such-host.invalid:3001/local", None).await;
        contains(&text, &["the name no-such-host.invalid cannot be resolved (", "check the host of --url"]);
    }

    #[tokio::test]
    async fn each_answer_of_a_server_has_a_sentence_that_says_what_to_do() {
        let cases: [(&'static [u8], &[&str]); 9] = [
            (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", &["400 Bad Request", "wss:// instead of ws://"]),
            (b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", &["401 Unauthorized", "--token"]),
            (
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
                &["403 Forbidden", "to the path /wrong", "/local"],
            ),
            (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", &["404 Not Found", "ws://127.0.0.1:3001/local"]),
            (b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n", &["426 Upgrade Required", "Upgrade"]),
            (b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", &["429", "try again"]),
            (
                b"HTTP/1.1 308 Permanent Redirect\r\nlocation: wss://b/\r\ncontent-length: 0\r\n\r\n",
                &["308", "wss://b/"],
            ),
            (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", &["502 Bad Gateway", "log"]),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", &["200 OK", "no WebSocket API"]),
        ];
        for (answer, parts) in cases {
            let address = server(answer).await;
            let text = refused(&format!("ws://{address}/wrong"), None).await;
            contains(&text, parts);
            contains(&text, &[&format!("{address} answered ")]);
        }
        let address = server(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
        contains(&refused(&format!("ws://{address}/local"), Some("a.b.c")).await, &["cargo xtask token"]);
    }

    #[tokio::test]
    async fn the_wrong_scheme_is_told_with_the_right_one() {
        choose_tls();
        let plain = server(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        let text = refused(&format!("wss://{plain}/local"), None).await;
        contains(&text, &[&format!("{plain} does not speak TLS"), "use ws:// instead of wss://"]);
        // A TLS alert: the response of a server with TLS to plain text.
        let tls = server(b"\x15\x03\x01\x00\x02\x02\x46").await;
        let text = refused(&format!("ws://{tls}/local"), None).await;
        contains(&text, &[&tls.to_string(), "use wss:// instead of ws://"]);
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up_after_five_seconds() {
        let silent = server(b"").await;
        let text = refused(&format!("ws://{silent}/local"), None).await;
        contains(&text, &["did not answer the handshake within 5 s", "check the port"]);
    }
}
